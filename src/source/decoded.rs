//! Packed elements as the numbers they stand for: fill values as NaN, scale factors and offsets.

use std::sync::Arc;

use bytemuck::Pod;
use num_traits::AsPrimitive;

use crate::error::Result;
use crate::source::converted::in_place;
use crate::source::description::{Coordinates, Description, Source};
use crate::source::element::ElementType;
use crate::source::region::Region;

/// How stored numbers x become the numbers they stand for: NaN for x that is a fill value, otherwise
/// `x · scale + offset`, computed in the type that is delivered.
///
/// # The type delivered
/// As xarray chooses it. With a scale factor or an offset: their type, if both are there and have the same one; f64 if
/// there is an offset alone or of another type, or if the elements are integers of 32 bits; else that of the scale
/// factor. With fill values alone: f32 for floats of up to 32 bits and integers of up to 16, else f64. Elements of 64
/// bits give f64 in any case.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoding {
    /// The factor, and whether it is stored as f32.
    pub scale: Option<(f64, bool)>,
    /// The offset, and whether it is stored as f32.
    pub offset: Option<(f64, bool)>,
    /// The numbers that stand for nothing.
    pub fills: Vec<f64>,
    /// Whether signed integers are to be taken as unsigned ones of the same bits, as NetCDF's attribute `_Unsigned`
    /// says.
    pub unsigned: bool,
}

impl Decoding {
    /// The type of the elements as stored.
    fn stored(&self, element: ElementType) -> ElementType {
        match element {
            ElementType::Int8 if self.unsigned => ElementType::Uint8,
            ElementType::Int16 if self.unsigned => ElementType::Uint16,
            ElementType::Int32 if self.unsigned => ElementType::Uint32,
            ElementType::Int64 if self.unsigned => ElementType::Uint64,
            other => other,
        }
    }

    /// The type that elements of this type are delivered as.
    #[must_use]
    pub fn delivers(&self, element: ElementType) -> ElementType {
        let float = matches!(element, ElementType::Float32 | ElementType::Float64);
        let of = |single: bool| if single && element.size() < 8 { ElementType::Float32 } else { ElementType::Float64 };
        match (self.scale, self.offset) {
            (Some((_, a)), Some((_, b))) if a == b => of(a && (float || element.size() != 4)),
            (_, Some(_)) => ElementType::Float64,
            (Some((_, single)), None) => of(single),
            (None, None) if self.fills.is_empty() => self.stored(element),
            (None, None) => of(element.size() <= if float { 4 } else { 2 }),
        }
    }
}

/// A source of packed elements, decoded.
#[derive(Debug)]
pub struct Decoded {
    description: Description,
    inner: Arc<dyn Source>,
    decoding: Decoding,
    stored: ElementType,
}

impl Decoded {
    /// A source that decodes another one's elements; complex ones and bool stay as they are.
    #[must_use]
    pub fn of(inner: Arc<dyn Source>, decoding: Decoding) -> Arc<dyn Source> {
        let raw = inner.description().element;
        let stored = decoding.stored(raw);
        let delivered = decoding.delivers(raw);
        if raw.parts() == 2
            || raw == ElementType::Bool
            || delivered == raw && decoding.fills.iter().all(|x| x.is_nan()) && decoding.scale.is_none()
        {
            return inner;
        }
        let mut description = inner.description().clone();
        description.element = delivered;
        description.format = format!("{}, decoded from {stored}", description.format);
        Arc::new(Self { description, inner, decoding, stored })
    }

    /// Decodes numbers of type R, which fill the end of `to`, to numbers of type O, which fill all of it.
    fn decode<R: Pod + PartialEq + AsPrimitive<O> + AsPrimitive<f64>, O: Pod + num_traits::Float>(&self, to: &mut [u8])
    where
        f64: AsPrimitive<O> + AsPrimitive<R>,
    {
        let one: fn(f64) -> O = f64::as_;
        let scale = self.decoding.scale.map_or(one(1.0), |(scale, _)| one(scale));
        let offset = self.decoding.offset.map_or(one(0.0), |(offset, _)| one(offset));
        let plain = self.decoding.scale.is_none() && self.decoding.offset.is_none();
        // A fill value that the type does not have is no element; one of more digits than it has is rounded.
        let exact = self.stored.code().starts_with(['i', 'u']);
        let rounded: fn(f64) -> R = f64::as_;
        let fills: Vec<R> = self
            .decoding
            .fills
            .iter()
            .filter(|x| !x.is_nan())
            .map(|&x| (x, rounded(x)))
            .filter(|&(x, r)| !exact || AsPrimitive::<f64>::as_(r) == x)
            .map(|(_, r)| r)
            .collect();
        in_place(to, |x: R| {
            let number: O = x.as_();
            let number = if plain { number } else { number * scale + offset };
            if fills.contains(&x) { O::nan() } else { number }
        });
    }
}

impl Source for Decoded {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        block.check(&self.description.shape, self.description.element.size(), to.len())?;
        let skip = to.len() - block.len() * self.stored.size();
        self.inner.read(block, &mut to[skip..])?;
        type E = ElementType;
        match (self.stored, self.description.element) {
            (E::Int8, E::Float32) => self.decode::<i8, f32>(to),
            (E::Int16, E::Float32) => self.decode::<i16, f32>(to),
            (E::Int32, E::Float32) => self.decode::<i32, f32>(to),
            (E::Uint8, E::Float32) => self.decode::<u8, f32>(to),
            (E::Uint16, E::Float32) => self.decode::<u16, f32>(to),
            (E::Uint32, E::Float32) => self.decode::<u32, f32>(to),
            (E::Float32, E::Float32) => self.decode::<f32, f32>(to),
            (E::Int8, E::Float64) => self.decode::<i8, f64>(to),
            (E::Int16, E::Float64) => self.decode::<i16, f64>(to),
            (E::Int32, E::Float64) => self.decode::<i32, f64>(to),
            (E::Int64, E::Float64) => self.decode::<i64, f64>(to),
            (E::Uint8, E::Float64) => self.decode::<u8, f64>(to),
            (E::Uint16, E::Float64) => self.decode::<u16, f64>(to),
            (E::Uint32, E::Float64) => self.decode::<u32, f64>(to),
            (E::Uint64, E::Float64) => self.decode::<u64, f64>(to),
            (E::Float32, E::Float64) => self.decode::<f32, f64>(to),
            (E::Float64, E::Float64) => self.decode::<f64, f64>(to),
            (stored, delivered) => {
                let what = &self.description.name;
                return Err(crate::error::Error::read(what, format!("{stored} is not decoded to {delivered}")));
            }
        }
        Ok(())
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
