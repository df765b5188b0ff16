//! What a source is: its description, and the trait that all sources implement.

use std::fmt;

use crate::error::Result;
use crate::source::element::ElementType;
use crate::source::region::Region;

/// An array that is read block by block, from any thread.
pub trait Source: fmt::Debug + Send + Sync {
    /// Extents, element type, names, and the grid of chunks.
    fn description(&self) -> &Description;

    /// Reads a block into `to`: its elements in C order and in this machine's byte order, bool as 0 and 1. The memory
    /// is aligned for the element type where the caller means to use it as such.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the block reaches out of the array or `to` is not as long as the block;
    /// [`crate::Error::Read`] if it cannot be read, which names the file and the place.
    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()>;

    /// The coordinates along an axis, if the source has any: times, latitudes.
    ///
    /// # Errors
    /// [`crate::Error::Read`] if they cannot be read.
    fn coordinates(&self, axis: usize) -> Result<Option<Coordinates>> {
        let _ = axis;
        Ok(None)
    }

    /// Bytes that a thread needs while it reads a block of `block` bytes, beyond the block: those of a chunk that is
    /// decoded, for example.
    fn scratch(&self, block: usize) -> usize {
        let _ = block;
        0
    }

    /// Bytes that all elements take in the file or store, before decoding, if that is known.
    fn stored(&self) -> Option<u64> {
        None
    }
}

/// What a source is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// What it is called in messages: the file, and the variable in it.
    pub name: String,
    /// The extents of the array.
    pub shape: Vec<usize>,
    /// The type of the elements as they are read.
    pub element: ElementType,
    /// The extents of a chunk. Chunks begin at index 0; those at the end are cut off. Blocks made of whole chunks are
    /// cheapest to read.
    pub chunks: Vec<usize>,
    /// Whether blocks smaller than a chunk cost no more to read than their share of it, as in files that are not
    /// compressed.
    pub divisible: bool,
    /// The axes' names.
    pub axes: Vec<Axis>,
    /// The quantity's name, for people.
    pub title: Option<String>,
    /// The unit of the elements.
    pub units: Option<String>,
    /// The format, for people.
    pub format: String,
}

/// An axis of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Axis {
    /// The name, if it has one.
    pub name: Option<String>,
}

/// Coordinates along an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinates {
    /// One for each index.
    pub values: Vec<f64>,
    /// Their unit.
    pub units: Option<String>,
}

impl Description {
    /// The description of an array without names, whose chunks are all of it.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: &[usize], element: ElementType) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
            element,
            chunks: shape.iter().map(|&extent| extent.max(1)).collect(),
            divisible: true,
            axes: vec![Axis::default(); shape.len()],
            title: None,
            units: None,
            format: String::new(),
        }
    }

    /// The number of elements; saturates.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().fold(1, |all: usize, &extent| all.saturating_mul(extent))
    }

    /// The bytes of all elements; saturates.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.elements().saturating_mul(self.element.size())
    }

    /// The axis of this name or number; numbers count from the end if they are negative.
    #[must_use]
    pub fn axis(&self, name: &str) -> Option<usize> {
        let axes = self.axes.iter().position(|axis| axis.name.as_deref() == Some(name));
        axes.or_else(|| {
            let number: isize = name.parse().ok()?;
            let index = if number < 0 { self.shape.len().checked_add_signed(number)? } else { number as usize };
            (index < self.shape.len()).then_some(index)
        })
    }

    /// The name of an axis, or its number.
    #[must_use]
    pub fn axis_name(&self, axis: usize) -> String {
        self.axes.get(axis).and_then(|axis| axis.name.clone()).unwrap_or_else(|| axis.to_string())
    }
}
