//! NetCDF files, classic (version 3) and HDF5 (version 4), as sources.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_reader::Hdf5File;
use netcdf_reader::{
    FileStorage, NcAttrValue, NcFile, NcFormat, NcOpenOptions, NcReadable, NcSliceInfo, NcSliceInfoElem, NcType,
    NcVariable,
};

use crate::error::{Error, Result};
use crate::source::decoded::{Decoded, Decoding};
use crate::source::description::{Axis, Coordinates, Description, Source};
use crate::source::element::{ElementType, Stored};
use crate::source::flat::pieces;
use crate::source::numbers::numbers;
use crate::source::region::Region;

/// A variable of a NetCDF file.
pub struct NetCdf {
    description: Description,
    path: PathBuf,
    variable: String,
    /// None if the file is opened again for every block, as in long lists of files.
    file: Option<Arc<NcFile>>,
    decoding: Decoding,
    stored: Option<u64>,
}

impl fmt::Debug for NetCdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetCdf").field("description", &self.description).finish_non_exhaustive()
    }
}

/// Opens the file by reads at places, not by a map: mapped pages count as the program's memory.
fn open(path: &Path) -> Result<Arc<NcFile>> {
    let failed = |error: &dyn fmt::Display| Error::read(path.display(), error);
    let file = File::open(path).map_err(|error| failed(&format_args!("{error}; check the path")))?;
    let storage = FileStorage::from_file(file).map_err(|error| failed(&error))?;
    // Blocks are whole chunks, so that a cache of chunks would only take memory.
    let options = NcOpenOptions { chunk_cache_bytes: 0, ..NcOpenOptions::default() };
    NcFile::from_storage_with_options(Arc::new(storage), options).map(Arc::new).map_err(|error| failed(&error))
}

/// The names of the variables of numbers that are not coordinates, and why the others are not among them.
pub(crate) fn variables(path: &Path) -> Result<Vec<String>> {
    let file = open(path)?;
    let all = file.variables().map_err(|error| Error::read(path.display(), error))?;
    let data = |variable: &&NcVariable| {
        let name = variable.name();
        // Bounds and the like belong to an axis; they have its name and another axis.
        let named = all.iter().any(|other| {
            other.attributes().iter().any(|attribute| {
                matches!(attribute.name.as_str(), "bounds" | "climatology" | "grid_mapping" | "coordinates")
                    && attribute.value.as_string().is_some_and(|list| list.split_whitespace().any(|word| word == name))
            })
        });
        element(variable.dtype()).is_some() && !variable.is_coordinate_variable() && !named
    };
    Ok(all.iter().filter(data).map(|variable| variable.name().to_owned()).collect())
}

fn element(kind: &NcType) -> Option<ElementType> {
    Some(match kind {
        NcType::Byte => ElementType::Int8,
        NcType::Short => ElementType::Int16,
        NcType::Int => ElementType::Int32,
        NcType::Int64 => ElementType::Int64,
        NcType::UByte => ElementType::Uint8,
        NcType::UShort => ElementType::Uint16,
        NcType::UInt => ElementType::Uint32,
        NcType::UInt64 => ElementType::Uint64,
        NcType::Float => ElementType::Float32,
        NcType::Double => ElementType::Float64,
        NcType::Enum { base, .. } => return element(base),
        _ => return None,
    })
}

impl NetCdf {
    /// Opens a variable of a file, `group/variable` in a group. With `keep` the file stays open, else it is opened
    /// again for every block, as a system allows only so many open files.
    ///
    /// # Errors
    /// [`Error::Read`] if it is not a NetCDF file, has no such variable, or the variable does not hold numbers.
    pub fn open(path: impl AsRef<Path>, variable: &str, keep: bool) -> Result<Self> {
        Self::of(path.as_ref(), open(path.as_ref())?, variable, keep)
    }

    fn of(path: &Path, file: Arc<NcFile>, variable: &str, keep: bool) -> Result<Self> {
        let name = format!("{}:{variable}", path.display());
        let found = file.variable(variable).map_err(|error| {
            let names = file.variables().map(|all| all.iter().map(|v| v.name().to_owned()).collect::<Vec<_>>());
            let names = names.map_or(String::new(), |names| format!("; it has {}", names.join(", ")));
            Error::read(&name, format!("{error}{names}"))
        })?;
        let Some(element) = element(found.dtype()) else {
            return Err(Error::read(&name, format!("it holds {:?}; numbers can be reduced", found.dtype())));
        };
        let extent = |size: u64| usize::try_from(size).map_err(|_| Error::read(&name, "its extents are too large"));
        let shape = found.shape().into_iter().map(extent).collect::<Result<Vec<_>>>()?;
        crate::shape::product("the variable", &shape)?;
        let mut description = Description::new(&name, &shape, element);
        let mut chunks = pieces(&shape, element.size());
        let version = match file.format() {
            NcFormat::Classic => "NetCDF-3 classic",
            NcFormat::Offset64 => "NetCDF-3 with 64-bit offsets",
            NcFormat::Cdf5 => "NetCDF-3 with 64-bit data",
            NcFormat::Nc4 | NcFormat::Nc4Classic => "NetCDF-4",
        };
        let mut packed = false;
        if matches!(file.format(), NcFormat::Nc4 | NcFormat::Nc4Classic) {
            let failed = |error: &dyn fmt::Display| Error::read(&name, error);
            let hdf5 = Hdf5File::open(path).map_err(|error| failed(&error))?;
            let dataset = hdf5.dataset(variable).map_err(|error| failed(&error))?;
            if let Some(found) = dataset.chunks().filter(|found| found.len() == shape.len()) {
                chunks = found
                    .iter()
                    .zip(&shape)
                    .map(|(&chunk, &extent)| (chunk as usize).clamp(1, extent.max(1)))
                    .collect();
                packed = true;
            }
        }
        description.chunks = chunks;
        description.divisible = !packed;
        description.axes = found.dimensions().iter().map(|axis| Axis { name: Some(axis.name.clone()) }).collect();
        let text = |key: &str| found.attribute(key).and_then(|attribute| attribute.value.as_string());
        description.units = text("units");
        description.title = text("long_name").or_else(|| text("standard_name")).or_else(|| Some(variable.to_owned()));
        description.format = format!("{version}, {element}");
        let decoding = decoding(found);
        let stored = (!packed).then(|| description.bytes() as u64);
        let file = keep.then_some(file);
        Ok(Self { description, path: path.to_owned(), variable: variable.to_owned(), file, decoding, stored })
    }

    /// How elements are to be decoded, by the variable's attributes.
    #[must_use]
    pub fn decoding(&self) -> Decoding {
        self.decoding.clone()
    }

    /// The same variable with its elements decoded.
    pub(crate) fn decoded(self) -> Arc<dyn Source> {
        let decoding = self.decoding.clone();
        Decoded::of(Arc::new(self), decoding)
    }

    fn file(&self) -> Result<Arc<NcFile>> {
        self.file.clone().map_or_else(|| open(&self.path), Ok)
    }

    fn read_as<E: NcReadable + Stored>(&self, selection: &NcSliceInfo, to: &mut [u8]) -> Result<()> {
        let failed = |error: netcdf_reader::Error| Error::read(self.place(selection), error);
        let array = self.file()?.read_variable_slice::<E>(&self.variable, selection).map_err(failed)?;
        let array = array.as_standard_layout();
        let bytes: &[u8] = bytemuck::cast_slice(array.as_slice().unwrap_or_default());
        if bytes.len() != to.len() {
            return Err(Error::read(self.place(selection), format!("{} bytes came, not {}", bytes.len(), to.len())));
        }
        to.copy_from_slice(bytes);
        Ok(())
    }

    /// What a message calls a block.
    fn place(&self, selection: &NcSliceInfo) -> String {
        let range = |element: &NcSliceInfoElem| match element {
            NcSliceInfoElem::Slice { start, end, .. } => format!("{start}..{end}"),
            NcSliceInfoElem::Index(index) => index.to_string(),
        };
        let ranges: Vec<_> = selection.selections.iter().map(range).collect();
        format!("{}, the block [{}]", self.description.name, ranges.join(", "))
    }
}

fn decoding(variable: &NcVariable) -> Decoding {
    let single = |value: &NcAttrValue| matches!(value, NcAttrValue::Floats(_));
    let number =
        |key: &str| variable.attribute(key).and_then(|found| Some((found.value.as_f64()?, single(&found.value))));
    let fills = ["_FillValue", "missing_value"].iter().filter_map(|key| variable.attribute(key)?.value.as_f64_vec());
    let unsigned = variable.attribute("_Unsigned").and_then(|found| found.value.as_string());
    Decoding {
        scale: number("scale_factor"),
        offset: number("add_offset"),
        fills: fills.flatten().collect(),
        unsigned: unsigned.is_some_and(|text| text.eq_ignore_ascii_case("true")),
    }
}

impl Source for NetCdf {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        block.check(&self.description.shape, self.description.element.size(), to.len())?;
        if block.is_empty() {
            return Ok(());
        }
        let slice = |axis| {
            let range = block.range(axis);
            NcSliceInfoElem::Slice { start: range.start as u64, end: range.end as u64, step: 1 }
        };
        let selection = NcSliceInfo { selections: (0..block.shape.len()).map(slice).collect() };
        match self.description.element {
            ElementType::Int8 => self.read_as::<i8>(&selection, to),
            ElementType::Int16 => self.read_as::<i16>(&selection, to),
            ElementType::Int32 => self.read_as::<i32>(&selection, to),
            ElementType::Int64 => self.read_as::<i64>(&selection, to),
            ElementType::Uint8 => self.read_as::<u8>(&selection, to),
            ElementType::Uint16 => self.read_as::<u16>(&selection, to),
            ElementType::Uint32 => self.read_as::<u32>(&selection, to),
            ElementType::Uint64 => self.read_as::<u64>(&selection, to),
            ElementType::Float32 => self.read_as::<f32>(&selection, to),
            ElementType::Float64 => self.read_as::<f64>(&selection, to),
            other => Err(Error::read(&self.description.name, format!("{other} is not a type of NetCDF"))),
        }
    }

    fn coordinates(&self, axis: usize) -> Result<Option<Coordinates>> {
        let Some(name) = self.description.axes.get(axis).and_then(|axis| axis.name.clone()) else { return Ok(None) };
        let file = self.file()?;
        // Dimensions may be those of a group above the variable's.
        let mut group = self.variable.rsplit_once('/').map_or("", |(group, _)| group);
        let path = loop {
            let path = if group.is_empty() { name.clone() } else { format!("{group}/{name}") };
            if file.variable(&path).is_ok() {
                break path;
            }
            match group.rsplit_once('/') {
                Some((above, _)) => group = above,
                None if group.is_empty() => return Ok(None),
                None => group = "",
            }
        };
        let Ok(found) = Self::of(&self.path, file, &path, true) else { return Ok(None) };
        if found.description.shape != [self.description.shape[axis]] {
            return Ok(None);
        }
        let units = found.description.units.clone();
        Ok(numbers(&*found.decoded())?.map(|values| Coordinates { values, units }))
    }

    fn scratch(&self, block: usize) -> usize {
        // The reader gives an array of its own, made of decoded chunks.
        let chunk: usize = self.description.chunks.iter().product();
        block + 2 * chunk * self.description.element.size()
    }

    fn stored(&self) -> Option<u64> {
        self.stored
    }
}
