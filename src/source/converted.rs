//! Elements as another type: real numbers as wider floats or complex ones, and integers as those of 64 bits.

use std::sync::Arc;

use bytemuck::Pod;
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::numeric::float::Float;
use crate::real::Number;
use crate::source::description::{Coordinates, Description, Source};
use crate::source::element::{ElementType, Stored};
use crate::source::region::Region;

/// A source whose elements are converted when they are read.
#[derive(Debug)]
pub(crate) struct Converted {
    description: Description,
    inner: Arc<dyn Source>,
}

impl Converted {
    /// The source with elements of a type that takes no fewer bytes; the source itself if it has them already.
    pub(crate) fn of(inner: Arc<dyn Source>, element: ElementType) -> Arc<dyn Source> {
        let mut description = inner.description().clone();
        if description.element == element {
            return inner;
        }
        description.element = element;
        Arc::new(Self { description, inner })
    }

    fn whole(&self, stored: ElementType, to: &mut [u8]) -> Result<()> {
        match stored {
            ElementType::Bool | ElementType::Uint8 => in_place(to, |x: u8| i64::from(x)),
            ElementType::Int8 => in_place(to, |x: i8| i64::from(x)),
            ElementType::Int16 => in_place(to, |x: i16| i64::from(x)),
            ElementType::Int32 => in_place(to, |x: i32| i64::from(x)),
            ElementType::Uint16 => in_place(to, |x: u16| i64::from(x)),
            ElementType::Uint32 => in_place(to, |x: u32| i64::from(x)),
            ElementType::Uint64 => in_place(to, u64::cast_signed),
            _ => return Err(self.refused(stored)),
        }
        Ok(())
    }

    fn numbers<V: Number + Stored>(&self, stored: ElementType, to: &mut [u8]) -> Result<()> {
        let of = |re: f64, im: f64| V::part_of(Complex::new(V::Real::nearest(re), V::Real::nearest(im)));
        let real = |x: f64| of(x, 0.0);
        #[expect(clippy::cast_precision_loss, reason = "NumPy rounds to the nearest number too")]
        match stored {
            ElementType::Bool | ElementType::Uint8 => in_place(to, |x: u8| real(x.into())),
            ElementType::Int8 => in_place(to, |x: i8| real(x.into())),
            ElementType::Int16 => in_place(to, |x: i16| real(x.into())),
            ElementType::Int32 => in_place(to, |x: i32| real(x.into())),
            ElementType::Int64 => in_place(to, |x: i64| real(x as f64)),
            ElementType::Uint16 => in_place(to, |x: u16| real(x.into())),
            ElementType::Uint32 => in_place(to, |x: u32| real(x.into())),
            ElementType::Uint64 => in_place(to, |x: u64| real(x as f64)),
            ElementType::Float32 => in_place(to, |x: f32| real(x.into())),
            ElementType::Float64 => in_place(to, real),
            ElementType::Complex64 => in_place(to, |x: Complex<f32>| of(x.re.into(), x.im.into())),
            _ => return Err(self.refused(stored)),
        }
        Ok(())
    }

    fn refused(&self, stored: ElementType) -> Error {
        let Description { name, element, .. } = &self.description;
        Error::read(name, format!("{stored} is not converted to {element}"))
    }
}

/// Converts numbers of type R, which fill the end of `to`, to numbers of type O, which fill all of it.
pub(crate) fn in_place<R: Pod, O: Pod>(to: &mut [u8], convert: impl Fn(R) -> O) {
    const PIECE: usize = 512;
    let count = to.len() / size_of::<O>();
    let skip = to.len() - count * size_of::<R>();
    // Pieces are copied first: they overlap with what they are converted to.
    let mut raw = [R::zeroed(); PIECE];
    for first in (0..count).step_by(PIECE) {
        let raw = &mut raw[..PIECE.min(count - first)];
        let from = skip + first * size_of::<R>();
        let bytes = size_of_val(raw);
        bytemuck::cast_slice_mut::<R, u8>(raw).copy_from_slice(&to[from..from + bytes]);
        let places = to[first * size_of::<O>()..].chunks_exact_mut(size_of::<O>());
        places.zip(raw.iter()).for_each(|(place, &x)| place.copy_from_slice(bytemuck::bytes_of(&convert(x))));
    }
}

impl Source for Converted {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        block.check(&self.description.shape, self.description.element.size(), to.len())?;
        let stored = self.inner.description().element;
        let skip = to.len() - block.len() * stored.size();
        self.inner.read(block, &mut to[skip..])?;
        match self.description.element {
            ElementType::Int64 => self.whole(stored, to),
            ElementType::Float32 => self.numbers::<f32>(stored, to),
            ElementType::Float64 => self.numbers::<f64>(stored, to),
            ElementType::Complex64 => self.numbers::<Complex<f32>>(stored, to),
            ElementType::Complex128 => self.numbers::<Complex<f64>>(stored, to),
            _ => Err(self.refused(stored)),
        }
    }

    fn coordinates(&self, axis: usize) -> Result<Option<Coordinates>> {
        self.inner.coordinates(axis)
    }

    fn scratch(&self, block: usize) -> usize {
        self.inner.scratch(block)
    }

    fn stored(&self) -> Option<u64> {
        self.inner.stored()
    }
}
