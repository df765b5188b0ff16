//! `.npy` files and pipes: reading arrays whole, in any memory and byte order, and writing them.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::{WritableElement, WriteNpyExt};
use wavemill::source::{NpyHeader, Stored, widen};

use crate::output::{self, Draft};
use crate::{memory, stream};

pub(crate) use wavemill::source::ElementType as Type;

#[cfg(test)]
mod tests;

/// What to change if a file's elements do not fit in memory.
const PARTS: &str = "split the file into parts";

/// Reads the elements that follow a header, whose type must be `E`, in the file's memory order.
fn elements_of<E: Stored>(header: &NpyHeader, reader: &mut impl Read) -> Result<ArrayD<E>> {
    let count = header.shape.iter().product();
    let mut elements = Vec::new();
    elements.try_reserve_exact(count).with_context(|| format!("there is no memory for {count} {}", E::TYPE))?;
    elements.resize(count, E::default());
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut elements);
    reader.read_exact(bytes).context("it ends before its elements do")?;
    let (size, parts) = (E::TYPE.size(), E::TYPE.parts());
    if size > 1 && header.big_endian == cfg!(target_endian = "little") {
        bytes.chunks_exact_mut(size / parts).for_each(<[u8]>::reverse);
    }
    let shape = IxDyn(&header.shape).set_f(header.fortran_order);
    ArrayD::from_shape_vec(shape, elements).with_context(|| format!("the shape {:?} is too large", header.shape))
}

/// An open file whose header has been read, but not its elements.
pub(crate) struct Npy<R = Box<dyn Read>> {
    path: PathBuf,
    header: NpyHeader,
    reader: R,
}

impl Npy {
    /// Opens a file and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (contents, bytes) = stream::open_sized(path)?;
        Self::new(path, contents, bytes)
    }
}

impl<R: Read> Npy<R> {
    fn new(path: &Path, mut reader: R, bytes: u64) -> Result<Self> {
        let header = NpyHeader::read(&mut reader, bytes, &path.display().to_string())?;
        Ok(Self { path: path.to_owned(), header, reader })
    }

    /// The type of the elements, if it is supported.
    pub(crate) fn element(&self) -> Option<Type> {
        self.header.element.as_ref().ok().copied()
    }

    /// The error that the elements do not have the expected type.
    pub(crate) fn refuse(&self, expected: &str) -> anyhow::Error {
        let held = match &self.header.element {
            Ok(element) => element.to_string(),
            Err(written) => {
                let start: String = written.chars().take(24).collect();
                format!("elements of the type \"{}\"", start.escape_debug())
            }
        };
        anyhow!("{} must hold {expected}; it holds {held}: convert it with NumPy's astype", self.path.display())
    }

    /// Reads the elements as they are stored.
    pub(crate) fn read<E: Stored>(mut self) -> Result<ArrayD<E>> {
        if self.element() != Some(E::TYPE) {
            return Err(self.refuse(&E::TYPE.to_string()));
        }
        self.elements()
    }

    /// Reads the elements, whose type was checked.
    fn elements<E: Stored>(&mut self) -> Result<ArrayD<E>> {
        let count = self.header.shape.iter().product();
        memory::room(&self.path.display().to_string(), &[count], size_of::<E>(), PARTS)?;
        elements_of(&self.header, &mut self.reader).map_err(|error| unreadable(&self.path, &error))
    }

    /// Reads bool elements as 0 and 1.
    pub(crate) fn read_bool(mut self) -> Result<ArrayD<i8>> {
        let array = self.elements::<i8>()?;
        match array.iter().find(|value| !matches!(value, 0 | 1)) {
            Some(value) => Err(unreadable(&self.path, &anyhow!("a bool is 0 or 1, it holds {value}"))),
            None => Ok(array),
        }
    }

    /// Reads float16 as float32, which is exact.
    pub(crate) fn read_half(mut self) -> Result<ArrayD<f32>> {
        let halves = self.elements::<u16>()?;
        converted(halves, widen)
    }

    /// Reads bool and integers as 64-bit integers of the same bits, those of fewer bits with the same value.
    pub(crate) fn read_whole(self) -> Result<ArrayD<i64>> {
        match self.element() {
            Some(Type::Bool) => converted(self.read_bool()?, i64::from),
            Some(Type::Int8) => converted(self.read::<i8>()?, i64::from),
            Some(Type::Int16) => converted(self.read::<i16>()?, i64::from),
            Some(Type::Int32) => converted(self.read::<i32>()?, i64::from),
            Some(Type::Int64) => self.read(),
            Some(Type::Uint8) => converted(self.read::<u8>()?, i64::from),
            Some(Type::Uint16) => converted(self.read::<u16>()?, i64::from),
            Some(Type::Uint32) => converted(self.read::<u32>()?, i64::from),
            Some(Type::Uint64) => converted(self.read::<u64>()?, u64::cast_signed),
            _ => Err(self.refuse("bool or integers")),
        }
    }

    /// Reads any real numbers as float64; integers with more digits are rounded.
    pub(crate) fn read_real(self) -> Result<ArrayD<f64>> {
        #[expect(clippy::cast_precision_loss, reason = "NumPy rounds to the nearest number too")]
        match self.element() {
            Some(Type::Bool) => converted(self.read_bool()?, f64::from),
            Some(Type::Int8) => converted(self.read::<i8>()?, f64::from),
            Some(Type::Int16) => converted(self.read::<i16>()?, f64::from),
            Some(Type::Int32) => converted(self.read::<i32>()?, f64::from),
            Some(Type::Int64) => converted(self.read::<i64>()?, |value| value as f64),
            Some(Type::Uint8) => converted(self.read::<u8>()?, f64::from),
            Some(Type::Uint16) => converted(self.read::<u16>()?, f64::from),
            Some(Type::Uint32) => converted(self.read::<u32>()?, f64::from),
            Some(Type::Uint64) => converted(self.read::<u64>()?, |value| value as f64),
            Some(Type::Float16) => converted(self.read_half()?, f64::from),
            Some(Type::Float32) => converted(self.read::<f32>()?, f64::from),
            Some(Type::Float64) => self.read(),
            Some(_) | None => Err(self.refuse(REAL)),
        }
    }
}

/// The array with elements of another type.
pub(crate) fn converted<A: Clone, B>(array: ArrayD<A>, to: impl Fn(A) -> B) -> Result<ArrayD<B>> {
    memory::room("the same array in another type", array.shape(), size_of::<B>(), PARTS)?;
    Ok(array.mapv(to))
}

/// The types that [`Npy::read_real`] accepts, for error messages.
pub(crate) const REAL: &str = "real numbers (bool, integers, float16, float32 or float64)";

fn unreadable(path: &Path, why: &anyhow::Error) -> anyhow::Error {
    anyhow!("{} is not a readable .npy file ({why:#}); write it with numpy.save", path.display())
}

/// Writes an array to a NumPy file.
pub(crate) fn write<A: WritableElement>(path: &Path, array: &ArrayD<A>) -> Result<()> {
    output::place([draft(path, array)?])
}

/// Writes an array to a NumPy file that is not yet in its place.
pub(crate) fn draft<A: WritableElement>(path: &Path, array: &ArrayD<A>) -> Result<Draft> {
    output::draft(path, |file| {
        array.write_npy(file).map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
    })
}
