//! The elements of a small source as f64: coordinates.

use crate::error::Result;
use crate::machine::pages;
use crate::source::description::Source;
use crate::source::element::ElementType;
use crate::source::region::Region;

/// The elements of a source of one axis as f64; `None` if they are not real numbers.
pub(crate) fn numbers(source: &dyn Source) -> Result<Option<Vec<f64>>> {
    let about = source.description();
    // What a file says of its size may be anything.
    pages::room("coordinates", &about.shape, about.element.size(), "check the file: it says that it has so many")?;
    let mut bytes = vec![0; about.bytes()];
    source.read(&Region::whole(&about.shape), &mut bytes)?;
    fn all<E: bytemuck::AnyBitPattern>(bytes: &[u8], to: impl Fn(E) -> f64) -> Option<Vec<f64>> {
        Some(bytes.chunks_exact(size_of::<E>()).map(|x| to(bytemuck::pod_read_unaligned(x))).collect())
    }
    Ok(match about.element {
        ElementType::Int8 => all::<i8>(&bytes, f64::from),
        ElementType::Int16 => all::<i16>(&bytes, f64::from),
        ElementType::Int32 => all::<i32>(&bytes, f64::from),
        ElementType::Int64 => all::<i64>(&bytes, |x| x as f64),
        ElementType::Uint8 => all::<u8>(&bytes, f64::from),
        ElementType::Uint16 => all::<u16>(&bytes, f64::from),
        ElementType::Uint32 => all::<u32>(&bytes, f64::from),
        ElementType::Uint64 => all::<u64>(&bytes, |x| x as f64),
        ElementType::Float32 => all::<f32>(&bytes, f64::from),
        ElementType::Float64 => all::<f64>(&bytes, |x| x),
        _ => None,
    })
}
