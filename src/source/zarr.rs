//! Zarr arrays, versions 2 and 3, as sources.

pub(crate) mod folder;
pub(crate) mod writer;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use unsafe_cell_slice::UnsafeCellSlice;
use zarrs::array::{
    Array, ArrayBytes, ArrayBytesDecodeIntoTarget, ArrayBytesFixedDisjointView, ArrayShardedExt, ArraySubset,
    CodecOptions,
};
use zarrs::metadata::ArrayMetadata;
use zarrs::plugin::{ExtensionName, ZarrVersion};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits};

use crate::error::{Error, Result};
use crate::shape;
use crate::source::decoded::{Decoded, Decoding};
use crate::source::description::{Axis, Coordinates, Description, Source};
use crate::source::element::ElementType;
use crate::source::flat::widen_from_the_back;
use crate::source::region::{Place, Region, copy};
use folder::Folder;

/// The most bytes of a decoded chunk: a store that claims larger ones is refused before anything is allocated.
const LARGEST_CHUNK: usize = 1 << 31;

/// A Zarr array.
pub struct Zarr {
    description: Description,
    array: Array<dyn ReadableStorageTraits>,
    storage: ReadableStorage,
    /// The path of the array in the store.
    path: String,
    half: bool,
    /// The extents of a chunk, which may reach beyond the array; at least 1.
    chunk: Vec<usize>,
    /// Whether chunks are decoded one by one: all have the same extents, and no smaller chunks in them.
    whole: bool,
}

impl fmt::Debug for Zarr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zarr").field("description", &self.description).finish_non_exhaustive()
    }
}

/// The store in a folder.
pub(crate) fn folder(root: &Path) -> ReadableStorage {
    Arc::new(Folder::new(root))
}

/// The path of an array in a store, from what users write: `a/b`, `/a/b` or nothing.
fn node(variable: &str) -> String {
    format!("/{}", variable.trim_matches('/'))
}

/// Does the work of a decoder, whose panics become errors: damaged stores must not end the program, whatever a codec
/// makes of them.
fn guarded<R>(work: impl FnOnce() -> std::result::Result<R, String>) -> std::result::Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let words = words.map_or_else(String::new, |words| format!(" ({words})"));
        Err(format!("the decoder gave up: metadata or chunk are damaged{words}"))
    })
}

impl Zarr {
    /// Opens an array in the store in a folder; `variable` is its path in it, empty for a store that is one array.
    ///
    /// # Errors
    /// [`Error::Read`] if there is no array, or its elements or codecs are not known.
    pub fn open(root: impl AsRef<Path>, variable: &str) -> Result<Self> {
        let root = root.as_ref();
        Self::of(folder(root), &root.display().to_string(), variable)
    }

    pub(crate) fn of(storage: ReadableStorage, store: &str, variable: &str) -> Result<Self> {
        let path = node(variable);
        let name = if path == "/" { store.to_owned() } else { format!("{store}:{}", &path[1..]) };
        let opened = guarded(|| Array::open(storage.clone(), &path).map_err(|error| error.to_string()));
        let array = opened.map_err(|reason| Error::read(&name, reason))?;
        let number =
            |extent: &u64| usize::try_from(*extent).map_err(|_| Error::read(&name, "its extents are too large"));
        let extents: Vec<usize> = array.shape().iter().map(number).collect::<Result<_>>()?;
        shape::product("the array", &extents)?;
        let (element, half) = element(&array, &name)?;
        let mut description = Description::new(&name, &extents, element);
        let origin = vec![0; extents.len()];
        let chunk = array.chunk_shape_usize(&origin).map_err(|error| Error::read(&name, error))?;
        let bytes = chunk.iter().try_fold(element.size(), |all, &extent| all.checked_mul(extent));
        if bytes.is_none_or(|bytes| bytes > LARGEST_CHUNK) {
            let reason = format!("a chunk of {} elements has more than {LARGEST_CHUNK} bytes", shape::written(&chunk));
            return Err(Error::read(&name, reason));
        }
        description.divisible = false;
        description.chunks = chunk.iter().zip(&extents).map(|(&chunk, &extent)| chunk.min(extent.max(1))).collect();
        let names = array.dimension_names().clone().unwrap_or_default();
        let listed = array.attributes().get("_ARRAY_DIMENSIONS").and_then(Value::as_array);
        description.axes = (0..extents.len())
            .map(|axis| {
                let old = || listed.and_then(|names| names.get(axis)?.as_str().map(str::to_owned));
                Axis { name: names.get(axis).cloned().flatten().or_else(old) }
            })
            .collect();
        let text = |key: &str| array.attributes().get(key).and_then(Value::as_str).map(str::to_owned);
        description.units = text("units");
        description.title = text("long_name")
            .or_else(|| text("standard_name"))
            .or_else(|| path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned));
        let version = if matches!(array.metadata(), ArrayMetadata::V2(_)) { 2 } else { 3 };
        description.format = format!("Zarr v{version}, {}", array.data_type());
        let last: Vec<u64> = array.chunk_grid_shape().iter().map(|count| count.saturating_sub(1)).collect();
        let regular = array.chunk_shape_usize(&last).is_ok_and(|last| last == chunk);
        let whole = regular && !array.is_sharded();
        Ok(Self { description, array, storage, path, half, chunk, whole })
    }

    /// How elements are to be decoded, by the array's attributes.
    #[must_use]
    pub fn decoding(&self) -> Decoding {
        let attributes = self.array.attributes();
        let number = |key: &str| attributes.get(key).and_then(Value::as_f64);
        let mut fills: Vec<f64> =
            ["_FillValue", "missing_value"].iter().filter_map(|key| fill(attributes.get(*key)?)).collect();
        // The fill value of version 2 is what xarray writes `_FillValue` to.
        if let ArrayMetadata::V2(metadata) = self.array.metadata()
            && attributes.contains_key("_ARRAY_DIMENSIONS")
            && let Some(value) = serde_json::to_value(&metadata.fill_value).ok().as_ref().and_then(fill)
        {
            fills.push(value);
        }
        let unsigned = attributes.get("_Unsigned").and_then(Value::as_str) == Some("true");
        Decoding {
            scale: number("scale_factor").map(|scale| (scale, false)),
            offset: number("add_offset").map(|offset| (offset, false)),
            fills,
            unsigned,
        }
    }

    /// The same array with its elements decoded.
    pub(crate) fn decoded(self) -> Arc<dyn Source> {
        let decoding = self.decoding();
        Decoded::of(Arc::new(self), decoding)
    }
}

/// A fill value as an attribute: a number, or the base64 form of its bytes that xarray writes for floats in version 3.
fn fill(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) if text.eq_ignore_ascii_case("nan") => Some(f64::NAN),
        Value::String(text) => {
            let bytes = base64(text)?;
            match bytes.len() {
                8 => Some(f64::from_le_bytes(bytes.try_into().ok()?)),
                4 => Some(f32::from_le_bytes(bytes.try_into().ok()?).into()),
                _ => None,
            }
        }
        Value::Array(values) => fill(values.first()?),
        other => other.as_f64(),
    }
}

/// The bytes of a short text in base64.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for letter in text.trim_end_matches('=').bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// The type of the elements as they are read, and whether they are stored as halves.
fn element(array: &Array<dyn ReadableStorageTraits>, name: &str) -> Result<(ElementType, bool)> {
    let kind = array.data_type().name(ZarrVersion::V3).unwrap_or_default();
    Ok((
        match &*kind {
            "bool" => ElementType::Bool,
            "int8" => ElementType::Int8,
            "int16" => ElementType::Int16,
            "int32" => ElementType::Int32,
            "int64" => ElementType::Int64,
            "uint8" => ElementType::Uint8,
            "uint16" => ElementType::Uint16,
            "uint32" => ElementType::Uint32,
            "uint64" => ElementType::Uint64,
            "float16" => return Ok((ElementType::Float32, true)),
            "float32" => ElementType::Float32,
            "float64" => ElementType::Float64,
            "complex64" | "complex_float32" => ElementType::Complex64,
            "complex128" | "complex_float64" => ElementType::Complex128,
            _ => {
                let reason = format!(
                    "its elements are {}; bool, integers, floats and complex numbers can be read",
                    array.data_type()
                );
                return Err(Error::read(name, reason));
            }
        },
        false,
    ))
}

impl Zarr {
    /// Reads the chunks that a block touches.
    fn read_chunks(&self, block: &Region, to: &mut [u8]) -> Result<(), String> {
        let size = to.len() / block.len();
        let axes = 0..block.shape.len();
        let first: Vec<_> = axes.clone().map(|axis| block.start[axis] / self.chunk[axis]).collect();
        let counts: Vec<_> =
            axes.clone().map(|axis| (block.range(axis).end - 1) / self.chunk[axis] + 1 - first[axis]).collect();
        if !self.whole {
            return self.decode_into(block, block, to, size);
        }
        for mut number in 0..counts.iter().product() {
            let mut index = first.clone();
            for axis in axes.clone().rev() {
                index[axis] += number % counts[axis];
                number /= counts[axis];
            }
            let start: Vec<_> = axes.clone().map(|axis| index[axis] * self.chunk[axis]).collect();
            let chunk = Region { start, shape: self.chunk.clone() };
            let Some(part) = chunk.overlap(block) else { continue };
            if part == chunk {
                self.decode_into(&part, block, to, size)?;
                continue;
            }
            // A part of a chunk: it is decoded as a whole, since readers of parts trust the chunk's length.
            let index: Vec<u64> = index.iter().map(|&x| x as u64).collect();
            let decoded = self.array.retrieve_chunk_opt::<ArrayBytes<'static>>(&index, &options()).map_err(text)?;
            let bytes = decoded.into_fixed().map_err(text)?;
            if bytes.len() != chunk.len() * size {
                return Err(format!("the chunk has {} bytes, not {}", bytes.len(), chunk.len() * size));
            }
            let from = Place::of(&part.relative_to(&chunk.start), &chunk.shape, size);
            copy(
                &part.shape,
                size,
                (&bytes, &from),
                (to, &Place::of(&part.relative_to(&block.start), &block.shape, size)),
            );
        }
        Ok(())
    }

    /// Decodes a region of the array into its place in a block's memory.
    fn decode_into(&self, region: &Region, block: &Region, to: &mut [u8], size: usize) -> Result<(), String> {
        let subset =
            |region: &Region| ArraySubset::new_with_start_shape(wide(&region.start), wide(&region.shape)).map_err(text);
        let extents = wide(&block.shape);
        let place = subset(&region.relative_to(&block.start))?;
        // SAFETY: it is the only view of these bytes.
        let view = unsafe { ArrayBytesFixedDisjointView::new(UnsafeCellSlice::new(to), size, &extents, place) };
        let mut view = view.map_err(text)?;
        let target = ArrayBytesDecodeIntoTarget::Fixed(&mut view);
        self.array.retrieve_array_subset_into_opt(&subset(region)?, target, &options()).map_err(text)
    }
}

fn wide(list: &[usize]) -> Vec<u64> {
    list.iter().map(|&x| x as u64).collect()
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

/// Blocks are read by several threads at once, so that one block needs no more than its own.
fn options() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

impl Source for Zarr {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        block.check(&self.description.shape, self.description.element.size(), to.len())?;
        if block.is_empty() {
            return Ok(());
        }
        let skip = if self.half { to.len() / 2 } else { 0 };
        let raw = &mut to[skip..];
        guarded(|| self.read_chunks(block, raw)).map_err(|reason| {
            let extents = shape::written(&block.shape);
            Error::read(format!("{}, the block {extents} at {:?}", self.description.name, block.start), reason)
        })?;
        if self.half {
            widen_from_the_back(to);
        }
        Ok(())
    }

    fn coordinates(&self, axis: usize) -> Result<Option<Coordinates>> {
        let Some(name) = self.description.axes.get(axis).and_then(|axis| axis.name.clone()) else { return Ok(None) };
        let group = self.path.rsplit_once('/').map_or("", |(group, _)| group);
        let Ok(found) = Self::of(self.storage.clone(), "coordinates", &format!("{group}/{name}")) else {
            return Ok(None);
        };
        let units = found.description.units.clone();
        if found.description.shape != [self.description.shape[axis]] {
            return Ok(None);
        }
        let values = crate::source::numbers::numbers(&*found.decoded())?;
        Ok(values.map(|values| Coordinates { values, units }))
    }

    fn scratch(&self, _: usize) -> usize {
        // The bytes of a chunk as stored, and decoded.
        let chunk: usize = self.description.chunks.iter().product();
        3 * chunk * self.description.element.size()
    }
}
