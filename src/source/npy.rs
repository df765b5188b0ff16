//! The `.npy` format: the header, and a source that reads blocks of elements in any memory and byte order.
//!
//! The parser is the crate's own. A library's parser accepts any Python literal, and so takes time exponential in the
//! depth of nested brackets, and a stack as deep. This one reads what NumPy writes and nothing else.

pub(crate) mod writer;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::source::description::{Description, Source};
use crate::source::element::ElementType;
use crate::source::flat::{Flat, pieces, swap, widen_from_the_back};
use crate::source::region::{Place, Region, copy, strides};

/// The most axes that NumPy allows.
const MOST_AXES: usize = 64;

/// The contents of an `.npy` file's header.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NpyHeader {
    /// The element type, or the text of a type that is not supported.
    pub element: Result<ElementType, String>,
    /// Whether elements have their highest byte first.
    pub big_endian: bool,
    /// Whether the first axis is that of neighbours in the file.
    pub fortran_order: bool,
    /// The extents.
    pub shape: Vec<usize>,
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

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.take(text) { Ok(()) } else { Err(format!("expected {text} before {}", excerpt(self.0))) }
    }

    /// Parses a string in quotes of either kind. There are no escapes, since NumPy writes none.
    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.take("'") { '\'' } else { self.take("\"").then_some('"')? };
        let (string, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(string)
    }

    fn bool(&mut self) -> Result<bool, String> {
        match (self.take("True"), self.take("False")) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(format!("expected True or False before {}", excerpt(self.0))),
        }
    }

    /// Parses extents in parentheses, which Python 2 wrote with an L.
    fn extents(&mut self) -> Result<Vec<usize>, String> {
        self.expect("(")?;
        let mut extents = Vec::new();
        while !self.take(")") {
            let digits = self.0.len() - self.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, rest) = self.0.split_at(digits);
            let extent = number.parse().map_err(|_| format!("expected an extent before {}", excerpt(self.0)))?;
            extents.push(extent);
            if extents.len() > MOST_AXES {
                return Err(format!("it has more than {MOST_AXES} axes"));
            }
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

impl NpyHeader {
    /// Reads the dictionary that NumPy writes: the keys `descr`, `fortran_order` and `shape` in any order.
    fn parse(text: &str) -> Result<Self, String> {
        let mut literal = Literal(text);
        let (mut element, mut fortran_order, mut shape) = (None, None, None);
        literal.expect("{")?;
        while !literal.take("}") {
            let key = literal.string().ok_or_else(|| format!("expected a key before {}", excerpt(literal.0)))?;
            literal.expect(":")?;
            match key {
                "descr" => {
                    let text = literal.string();
                    element = Some(text.ok_or("it holds records of several fields; save one field as an array")?);
                }
                "fortran_order" => fortran_order = Some(literal.bool()?),
                "shape" => shape = Some(literal.extents()?),
                _ => return Err(format!("it has the key {}, which is not of the format", excerpt(key))),
            }
            if !literal.take(",") {
                literal.expect("}")?;
                break;
            }
        }
        if !literal.0.trim().is_empty() {
            return Err(format!("there is {} after its header", excerpt(literal.0)));
        }
        let missing = |key: &str| format!("its header has no key {key}");
        let written = element.ok_or_else(|| missing("descr"))?;
        let (order, name) = match written.chars().next() {
            Some(order @ ('<' | '>' | '|' | '=')) => (Some(order), &written[1..]),
            _ => (None, written),
        };
        // Elements of one byte need no byte order; for all others a file must state it.
        let known =
            ElementType::of_code(name).filter(|element| element.size() == 1 || matches!(order, Some('<' | '>')));
        Ok(Self {
            element: known.ok_or_else(|| written.to_owned()),
            big_endian: order == Some('>'),
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }

    /// Reads the header of a file of `bytes` bytes; the reader is left at the first element. `name` is what messages
    /// call the file.
    ///
    /// # Errors
    /// [`Error::Read`] if it is not such a file, or its elements are more or fewer than the header says.
    pub fn read(reader: &mut impl Read, bytes: u64, name: &str) -> Result<Self> {
        let why = |reason: String| {
            Error::read(name, format!("it is not a readable .npy file ({reason}); write it with numpy.save"))
        };
        let mut counted = Counted { reader, bytes: 0 };
        let header = Self::read_text(&mut counted, bytes).and_then(|text| Self::parse(&text)).map_err(why)?;
        if let Ok(element) = header.element {
            let extents = header.shape.iter().map(|&extent| extent as u64);
            let wanted = extents.chain([element.size() as u64]).try_fold(1, u64::checked_mul);
            let (shape, held) = (&header.shape, bytes.saturating_sub(counted.bytes));
            if wanted != Some(held) {
                let size = element.size();
                return Err(why(format!(
                    "its header says {shape:?} elements of {size} bytes, it has {held} bytes of elements"
                )));
            }
        }
        Ok(header)
    }

    /// The text of the dictionary.
    fn read_text(reader: &mut impl Read, bytes: u64) -> Result<String, String> {
        let short = |_| "it is too short for a header".to_owned();
        let mut start = [0; 8];
        reader.read_exact(&mut start).map_err(short)?;
        if !start.starts_with(b"\x93NUMPY") {
            return Err("it does not start as an .npy file does".into());
        }
        // The header's length has two bytes in version 1, and four in versions 2 and 3.
        let wide = match start[6] {
            1 => false,
            2 | 3 => true,
            other => return Err(format!("its version is {other}, and only versions 1 to 3 can be read")),
        };
        let mut length = [0; 4];
        reader.read_exact(&mut length[..if wide { 4 } else { 2 }]).map_err(short)?;
        let (length, before) = (u64::from(u32::from_le_bytes(length)), if wide { 12 } else { 10 });
        let left = bytes.saturating_sub(before);
        // Memory is allocated only for bytes that the file has, whatever length it states.
        if length > left {
            return Err(format!("its header should have {length} bytes, and {left} are left"));
        }
        let mut text = Vec::new();
        reader.take(length).read_to_end(&mut text).map_err(|error| format!("its header cannot be read: {error}"))?;
        String::from_utf8(text).map_err(|_| "its header is not text".into())
    }
}

/// A reader that counts the bytes that were read.
struct Counted<'a, R> {
    reader: &'a mut R,
    bytes: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// An `.npy` file, read at the places that are asked for.
///
/// It is not mapped into memory, although it could be: mapped pages count as the program's memory, which a budget would
/// have to include, and a file that is cut off while it is mapped ends the program.
#[derive(Debug)]
pub struct Npy {
    description: Description,
    header: NpyHeader,
    /// The element type in the file.
    element: ElementType,
    file: Flat,
}

impl Npy {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Read`] if it is not a readable `.npy` file, or holds elements of another type.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let failed = |error: io::Error| Error::read(&name, format!("{error}; check the path"));
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut reader = &file;
        let header = NpyHeader::read(&mut reader, bytes, &name)?;
        let element = header.element.clone().map_err(|written| {
            let held = excerpt(&written);
            Error::read(&name, format!(
                "it holds elements of the type {held}; bool, integers, float16 to float64 and complex numbers can be \
                 read: convert it with NumPy's astype"
            ))
        })?;
        let delivered = if element == ElementType::Float16 { ElementType::Float32 } else { element };
        let mut description = Description::new(&name, &header.shape, delivered);
        let order = if header.fortran_order { "Fortran" } else { "C" };
        description.format = format!(".npy, {element}, {order} order");
        description.chunks = if header.fortran_order {
            let mut chunks = pieces(&reversed(&header.shape), element.size());
            chunks.reverse();
            chunks
        } else {
            pieces(&header.shape, element.size())
        };
        let start = bytes - header.shape.iter().product::<usize>() as u64 * element.size() as u64;
        Ok(Self { description, header, element, file: Flat { file, start, name } })
    }
}

fn reversed(list: &[usize]) -> Vec<usize> {
    list.iter().rev().copied().collect()
}

impl Source for Npy {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        let delivered = self.description.element.size();
        block.check(&self.description.shape, delivered, to.len())?;
        let size = self.element.size();
        let half = self.element == ElementType::Float16;
        // Halves are read into the second half of the memory, and widened from the front.
        let skip = if half { to.len() / 2 } else { 0 };
        let raw = &mut to[skip..];
        if self.header.fortran_order && block.shape.len() > 1 {
            let turned = Region { start: reversed(&block.start), shape: reversed(&block.shape) };
            let mut rows = vec![0; raw.len()];
            self.file.read(&turned, &reversed(&self.header.shape), size, &mut rows)?;
            let from = Place { offset: 0, strides: reversed(&strides(&turned.shape)) };
            let target = Place { offset: 0, strides: strides(&block.shape) };
            copy(&block.shape, size, (&rows, &from), (raw, &target));
        } else {
            self.file.read(block, &self.header.shape, size, raw)?;
        }
        if size > 1 && self.header.big_endian == cfg!(target_endian = "little") {
            swap(raw, size / self.element.parts());
        }
        if half {
            widen_from_the_back(to);
        }
        if self.element == ElementType::Bool
            && let Some(value) = to.iter().find(|&&value| value > 1)
        {
            return Err(Error::read(&self.file.name, format!("a bool is 0 or 1, it holds {value}")));
        }
        Ok(())
    }

    fn scratch(&self, block: usize) -> usize {
        if self.header.fortran_order && self.header.shape.len() > 1 { block } else { 0 }
    }

    fn stored(&self) -> Option<u64> {
        Some(self.description.elements() as u64 * self.element.size() as u64)
    }
}

/// The start of a text, for an error message.
fn excerpt(text: &str) -> String {
    format!("\"{}\"", text.chars().take(24).collect::<String>().escape_debug())
}
