//! An array in memory as a source.

use ndarray::{ArrayD, ArrayRef, Dimension};

use crate::error::Result;
use crate::source::description::{Description, Source};
use crate::source::element::Stored;
use crate::source::region::{Place, Region, copy};

/// An array in memory.
#[derive(Debug)]
pub struct Memory<E: Stored> {
    description: Description,
    /// In C order.
    array: ArrayD<E>,
}

impl<E: Stored> Memory<E> {
    /// A source of a copy of this array; `name` is what messages call it.
    pub fn new<D: Dimension>(name: impl Into<String>, array: &ArrayRef<E, D>) -> Self {
        let array = array.to_owned().into_dyn();
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        let mut description = Description::new(name, array.shape(), E::TYPE);
        description.format = "in memory".into();
        Self { description, array }
    }

    /// The same with chunks of these extents, for tests of what chunks do.
    #[must_use]
    pub fn with_chunks(mut self, chunks: &[usize]) -> Self {
        let extents = self.array.shape().iter().zip(chunks);
        self.description.chunks = extents.map(|(&extent, &chunk)| chunk.clamp(1, extent.max(1))).collect();
        self
    }
}

impl<E: Stored> Source for Memory<E> {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        let size = size_of::<E>();
        block.check(&self.description.shape, size, to.len())?;
        let from = Place::of(block, &self.description.shape, size);
        let target = Place::of(&Region::whole(&block.shape), &block.shape, size);
        let elements = self.array.as_slice_memory_order().unwrap_or_default();
        copy(&block.shape, size, (bytemuck::cast_slice(elements), &from), (to, &target));
        Ok(())
    }
}
