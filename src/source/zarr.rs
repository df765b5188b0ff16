//! Zarr arrays, versions 2 and 3, as sources.

pub(crate) mod folder;
pub(crate) mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use zarrs::array::{Array, ArrayBytesDecodeIntoTarget, ArrayBytesFixedDisjointView, ArraySubset, CodecOptions};
use zarrs::metadata::ArrayMetadata;
use zarrs::plugin::{ExtensionName, ZarrVersion};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits};

use crate::error::{Error, Result};
use crate::source::decoded::{Decoded, Decoding};
use crate::source::description::{Axis, Coordinates, Description, Source};
use crate::source::element::ElementType;
use crate::source::flat::widen_from_the_back;
use crate::source::region::Region;
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
        let array = Array::open(storage.clone(), &path).map_err(|error| Error::read(&name, error))?;
        let number =
            |extent: &u64| usize::try_from(*extent).map_err(|_| Error::read(&name, "its extents are too large"));
        let shape: Vec<usize> = array.shape().iter().map(number).collect::<Result<_>>()?;
        crate::shape::product("the array", &shape)?;
        let (element, half) = element(&array, &name)?;
        let mut description = Description::new(&name, &shape, element);
        let origin = vec![0; shape.len()];
        let chunk = array.chunk_shape_usize(&origin).map_err(|error| Error::read(&name, error))?;
        let bytes = chunk.iter().try_fold(element.size(), |all, &extent| all.checked_mul(extent));
        if bytes.is_none_or(|bytes| bytes > LARGEST_CHUNK) {
            let reason =
                format!("a chunk of {} elements has more than {LARGEST_CHUNK} bytes", crate::shape::written(&chunk));
            return Err(Error::read(&name, reason));
        }
        description.divisible = false;
        description.chunks = chunk.iter().zip(&shape).map(|(&chunk, &extent)| chunk.min(extent.max(1))).collect();
        let names = array.dimension_names().clone().unwrap_or_default();
        let listed = array.attributes().get("_ARRAY_DIMENSIONS").and_then(Value::as_array);
        description.axes = (0..shape.len())
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
        Ok(Self { description, array, storage, path, half })
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
        Decoded::new(Arc::new(self), decoding)
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

impl Source for Zarr {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        block.check(&self.description.shape, self.description.element.size(), to.len())?;
        if block.is_empty() {
            return Ok(());
        }
        let wide = |list: &[usize]| list.iter().map(|&x| x as u64).collect::<Vec<u64>>();
        let failed = |error: &dyn fmt::Display| {
            let what = format!(
                "{}, the block {} at {:?}",
                self.description.name,
                crate::shape::written(&block.shape),
                block.start
            );
            Error::read(what, error)
        };
        let shape = wide(&block.shape);
        let subset =
            ArraySubset::new_with_start_shape(wide(&block.start), shape.clone()).map_err(|error| failed(&error))?;
        let skip = if self.half { to.len() / 2 } else { 0 };
        let size = self.description.element.size() / if self.half { 2 } else { 1 };
        {
            let bytes = unsafe_cell_slice::UnsafeCellSlice::new(&mut to[skip..]);
            let all = ArraySubset::new_with_shape(shape.clone());
            // SAFETY: it is the only view of these bytes.
            let view = unsafe { ArrayBytesFixedDisjointView::new(bytes, size, &shape, all) };
            let mut view = view.map_err(|error| failed(&error))?;
            // Blocks are read by several threads at once, so that one block needs no more than its own.
            let options = CodecOptions::default().with_concurrent_target(1);
            let target = ArrayBytesDecodeIntoTarget::Fixed(&mut view);
            self.array.retrieve_array_subset_into_opt(&subset, target, &options).map_err(|error| failed(&error))?;
        }
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
