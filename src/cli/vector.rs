//! A source of one axis as a matrix of one row or one column.

use wavemill::Result;
use wavemill::source::{Axis, Coordinates, Description, Region, Source};

/// A vector with one axis more, of one index.
#[derive(Debug)]
pub(crate) struct Vector {
    inner: std::sync::Arc<dyn Source>,
    description: Description,
    /// The number of the new axis.
    added: usize,
}

impl Vector {
    pub(crate) fn new(inner: std::sync::Arc<dyn Source>, added: usize) -> Self {
        let mut description = inner.description().clone();
        description.shape.insert(added, 1);
        description.chunks.insert(added, 1);
        description.axes.insert(added, Axis::default());
        Self { inner, description, added }
    }
}

impl Source for Vector {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        self.inner.read(&without(block, &[self.added]), to)
    }

    fn coordinates(&self, axis: usize) -> Result<Option<Coordinates>> {
        if axis == self.added { Ok(None) } else { self.inner.coordinates(0) }
    }

    fn scratch(&self, block: usize) -> usize {
        self.inner.scratch(block)
    }

    fn stored(&self) -> Option<u64> {
        self.inner.stored()
    }
}

/// A block without some axes.
pub(crate) fn without(block: &Region, axes: &[usize]) -> Region {
    let kept = |list: &[usize]| (0..list.len()).filter(|at| !axes.contains(at)).map(|at| list[at]).collect();
    Region { start: kept(&block.start), shape: kept(&block.shape) }
}
