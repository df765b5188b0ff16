//! The `.npy` format: element types, the header, reading arrays in any memory and byte order, and writing them.
//!
//! The reader is the program's own. A library's header parser accepts any Python literal, and so takes time exponential
//! in the depth of nested brackets, and a stack as deep. This one reads what NumPy writes and nothing else.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytemuck::Pod;
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::{WritableElement, WriteNpyExt};
use num_complex::Complex;

use crate::output::{self, Draft};
use crate::{memory, stream};

#[cfg(test)]
mod tests;

/// What to change if a file's elements do not fit in memory.
const PARTS: &str = "split the file into parts";
/// The most axes that NumPy allows.
const MOST_AXES: usize = 64;

/// An element type, by NumPy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float16,
    Float32,
    Float64,
    Complex64,
    Complex128,
}

impl Type {
    const EVERY: [Self; 14] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
    ];

    /// The type code of headers, the size in bytes, the number of parts of an element (2 for complex numbers), and the
    /// name.
    const fn facts(self) -> (&'static str, usize, usize, &'static str) {
        match self {
            Self::Bool => ("b1", 1, 1, "bool"),
            Self::Int8 => ("i1", 1, 1, "int8"),
            Self::Int16 => ("i2", 2, 1, "int16"),
            Self::Int32 => ("i4", 4, 1, "int32"),
            Self::Int64 => ("i8", 8, 1, "int64"),
            Self::Uint8 => ("u1", 1, 1, "uint8"),
            Self::Uint16 => ("u2", 2, 1, "uint16"),
            Self::Uint32 => ("u4", 4, 1, "uint32"),
            Self::Uint64 => ("u8", 8, 1, "uint64"),
            Self::Float16 => ("f2", 2, 1, "float16"),
            Self::Float32 => ("f4", 4, 1, "float32"),
            Self::Float64 => ("f8", 8, 1, "float64"),
            Self::Complex64 => ("c8", 8, 2, "complex64"),
            Self::Complex128 => ("c16", 16, 2, "complex128"),
        }
    }

    const fn size(self) -> usize {
        self.facts().1
    }

    /// The type to which NumPy converts both elements before it multiplies them (`result_type`), with float32 in place
    /// of float16.
    pub(crate) fn promoted(self, other: Self) -> Self {
        let half = |element: Self| if element == Self::Float16 { Self::Float32 } else { element };
        let (a, b) = (half(self), half(other));
        let whole = |element: Self| element.facts().0.starts_with(['i', 'u']);
        let unsigned = |element: Self| element.facts().0.starts_with('u');
        let is_complex = |element: Self| element.facts().2 == 2;
        match (a, b) {
            _ if a == b => a,
            (Self::Bool, other) | (other, Self::Bool) => other,
            _ if whole(a) && whole(b) => {
                let (large, small) = if a.size() >= b.size() { (a, b) } else { (b, a) };
                if unsigned(a) == unsigned(b) || (!unsigned(large) && large.size() > small.size()) {
                    return large;
                }
                // An unsigned type as wide as the other needs the next wider signed one.
                match large.size() {
                    1 => Self::Int16,
                    2 => Self::Int32,
                    4 => Self::Int64,
                    _ => Self::Float64,
                }
            }
            // Single precision holds integers of 16 bits.
            _ => {
                let narrow = |element: Self| match element {
                    Self::Float32 | Self::Complex64 => true,
                    other => whole(other) && other.size() <= 2,
                };
                match (is_complex(a) || is_complex(b), narrow(a) && narrow(b)) {
                    (true, true) => Self::Complex64,
                    (true, false) => Self::Complex128,
                    (false, true) => Self::Float32,
                    (false, false) => Self::Float64,
                }
            }
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().3)
    }
}

/// An element type that has the same representation in a file and in memory.
pub(crate) trait Stored: Pod + Default {
    /// The type in a file.
    const TYPE: Type;
}

macro_rules! stored {
    ($($element:ty, $type:ident);*) => {$(
        impl Stored for $element {
            const TYPE: Type = Type::$type;
        }
    )*};
}
stored!(
    i8, Int8; i16, Int16; i32, Int32; i64, Int64; u8, Uint8; u16, Uint16; u32, Uint32; u64, Uint64;
    f32, Float32; f64, Float64; Complex<f32>, Complex64; Complex<f64>, Complex128
);

/// The contents of a header.
#[derive(Debug, PartialEq)]
struct Header {
    /// The element type, or the text of a type that is not supported.
    element: Result<Type, String>,
    big_endian: bool,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// The text of a Python literal that is still to be parsed.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    /// Skips spaces, and takes this text if it is next.
    fn take(&mut self, text: &str) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        ensure!(self.take(text), "expected {text} before {}", excerpt(self.0));
        Ok(())
    }

    /// Parses a string in quotes of either kind. There are no escapes, since NumPy writes none.
    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.take("'") { '\'' } else { self.take("\"").then_some('"')? };
        let (string, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(string)
    }

    fn bool(&mut self) -> Result<bool> {
        let yes = self.take("True");
        ensure!(yes || self.take("False"), "expected True or False before {}", excerpt(self.0));
        Ok(yes)
    }

    /// Parses extents in parentheses, which Python 2 wrote with an L.
    fn extents(&mut self) -> Result<Vec<usize>> {
        self.expect("(")?;
        let mut extents = Vec::new();
        while !self.take(")") {
            let digits = self.0.len() - self.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, rest) = self.0.split_at(digits);
            let extent = number.parse().map_err(|_| anyhow!("expected an extent before {}", excerpt(self.0)))?;
            extents.push(extent);
            ensure!(extents.len() <= MOST_AXES, "it has more than {MOST_AXES} axes");
            self.0 = rest;
            self.take("L");
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(extents)
    }
}

/// The start of a text, for an error message.
fn excerpt(text: &str) -> String {
    format!("\"{}\"", text.chars().take(24).collect::<String>().escape_debug())
}

impl Header {
    /// Reads the dictionary that NumPy writes: the keys `descr`, `fortran_order` and `shape` in any order.
    fn parse(text: &str) -> Result<Self> {
        let mut literal = Literal(text);
        let (mut element, mut fortran_order, mut shape) = (None, None, None);
        literal.expect("{")?;
        while !literal.take("}") {
            let key = literal.string().with_context(|| format!("expected a key before {}", excerpt(literal.0)))?;
            literal.expect(":")?;
            match key {
                "descr" => {
                    let text = literal.string();
                    element = Some(text.context("it holds records of several fields; save one field as an array")?);
                }
                "fortran_order" => fortran_order = Some(literal.bool()?),
                "shape" => shape = Some(literal.extents()?),
                _ => bail!("it has the key {}, which is not of the format", excerpt(key)),
            }
            if !literal.take(",") {
                literal.expect("}")?;
                break;
            }
        }
        ensure!(literal.0.trim().is_empty(), "there is {} after its header", excerpt(literal.0));
        let missing = |key: &'static str| move || format!("its header has no key {key}");
        let written = element.with_context(missing("descr"))?;
        let (order, name) = match written.chars().next() {
            Some(order @ ('<' | '>' | '|' | '=')) => (Some(order), &written[1..]),
            _ => (None, written),
        };
        // Elements of one byte need no byte order; for all others a file must state it.
        let known = Type::EVERY.into_iter().find(|element| element.facts().0 == name);
        let known = known.filter(|element| element.size() == 1 || matches!(order, Some('<' | '>')));
        Ok(Self {
            element: known.ok_or_else(|| written.to_owned()),
            big_endian: order == Some('>'),
            fortran_order: fortran_order.with_context(missing("fortran_order"))?,
            shape: shape.with_context(missing("shape"))?,
        })
    }

    /// Reads the header of a file of `bytes` bytes; the reader is left at the first element.
    fn read(reader: &mut impl Read, bytes: u64) -> Result<Self> {
        let mut start = [0; 8];
        reader.read_exact(&mut start).context("it is too short for a header")?;
        ensure!(start.starts_with(b"\x93NUMPY"), "it does not start as an .npy file does");
        // The header's length has two bytes in version 1, and four in versions 2 and 3.
        let wide = match start[6] {
            1 => false,
            2 | 3 => true,
            other => bail!("its version is {other}, and only versions 1 to 3 can be read"),
        };
        let mut length = [0; 4];
        reader.read_exact(&mut length[..if wide { 4 } else { 2 }]).context("it is too short for a header")?;
        let (length, before) = (u64::from(u32::from_le_bytes(length)), if wide { 12 } else { 10 });
        let left = bytes.saturating_sub(before);
        // Memory is allocated only for bytes that the file has, whatever length it states.
        ensure!(length <= left, "its header should have {length} bytes, and {left} are left");
        let mut text = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut text).context("its header cannot be read")?;
        let text = std::str::from_utf8(&text).context("its header is not text")?;
        let header = Self::parse(text)?;
        if let Ok(element) = header.element {
            let extents = header.shape.iter().map(|&extent| extent as u64);
            let wanted = extents.chain([element.size() as u64]).try_fold(1, u64::checked_mul);
            let (shape, held) = (&header.shape, left - length);
            ensure!(
                wanted == Some(held),
                "its header says {shape:?} elements of {} bytes, it has {held} bytes of elements",
                element.size()
            );
        }
        Ok(header)
    }

    /// Reads the elements, whose type must be `E`, in the file's memory order.
    fn elements<E: Stored>(&self, reader: &mut impl Read) -> Result<ArrayD<E>> {
        let count = self.shape.iter().product();
        let mut elements = Vec::new();
        elements.try_reserve_exact(count).with_context(|| format!("there is no memory for {count} {}", E::TYPE))?;
        elements.resize(count, E::default());
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut elements);
        reader.read_exact(bytes).context("it ends before its elements do")?;
        let (_, size, parts, _) = E::TYPE.facts();
        if size > 1 && self.big_endian == cfg!(target_endian = "little") {
            bytes.chunks_exact_mut(size / parts).for_each(<[u8]>::reverse);
        }
        let shape = IxDyn(&self.shape).set_f(self.fortran_order);
        ArrayD::from_shape_vec(shape, elements).with_context(|| format!("the shape {:?} is too large", self.shape))
    }
}

/// An open file whose header has been read, but not its elements.
pub(crate) struct Npy<R = Box<dyn Read>> {
    path: PathBuf,
    header: Header,
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
        let header = Header::read(&mut reader, bytes).map_err(|error| unreadable(path, &error))?;
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
            Err(written) => format!("elements of the type {}", excerpt(written)),
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
        self.header.elements(&mut self.reader).map_err(|error| unreadable(&self.path, &error))
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
            Some(Type::Complex64 | Type::Complex128) | None => Err(self.refuse(REAL)),
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

/// The float32 that equals the float16 with these bits: a sign, 5 bits of exponent, 10 of fraction.
fn widen(half: u16) -> f32 {
    let (exponent, fraction) = (u32::from(half >> 10 & 31), u32::from(half & 0x3ff));
    let magnitude = match exponent {
        // Subnormal numbers: multiples of 2^-24.
        0 => (f32::from(half & 0x3ff) / 16_777_216.0).to_bits(),
        31 => 255 << 23 | fraction << 13,
        _ => (exponent + 127 - 15) << 23 | fraction << 13,
    };
    f32::from_bits(magnitude | u32::from(half & 0x8000) << 16)
}

/// Writes an array to a NumPy file.
pub(crate) fn write<A: WritableElement>(path: &Path, array: &ArrayD<A>) -> Result<()> {
    draft(path, array)?.place()
}

/// Writes an array to a NumPy file that is not yet in its place.
pub(crate) fn draft<A: WritableElement>(path: &Path, array: &ArrayD<A>) -> Result<Draft> {
    output::draft(path, |file| {
        array.write_npy(file).map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
    })
}
