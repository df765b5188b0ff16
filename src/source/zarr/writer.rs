//! Zarr stores that are written: a store appears at its place whole or not at all.

use std::fs::{self, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tempfile::{NamedTempFile, TempDir};
use zarrs::array::codec::ZstdCodec;
use zarrs::array::{Array, ArrayBuilder, ArrayBytes, CodecOptions, DataType, FillValue, data_type};
use zarrs::storage::{StoreKey, WritableStorageTraits};

use super::folder::Folder;
use crate::error::{Error, Result};
use crate::shape;
use crate::source::element::ElementType;
use crate::source::region::{Place, Region, copy};
use crate::source::staging::{destination, file_in, folder_in, folder_of};

/// The level of zstd: above it files get hardly smaller and writing slower.
const LEVEL: i32 = 1;

/// A Zarr store (version 3) that is being written, in a folder beside its place.
#[derive(Debug)]
pub struct ZarrWriter {
    path: PathBuf,
    staging: TempDir,
    /// Those of the store that is replaced.
    permissions: Option<Permissions>,
    store: Arc<Folder>,
}

/// An array of a store that is being written.
pub struct ZarrArray {
    name: String,
    array: Array<Folder>,
    shape: Vec<usize>,
    chunks: Vec<usize>,
    element: ElementType,
}

impl std::fmt::Debug for ZarrArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZarrArray").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// An error that names the store.
fn failed(path: &Path, reason: impl ToString) -> Error {
    Error::Write { what: path.display().to_string(), reason: reason.to_string() }
}

/// Whether a folder is the root of a Zarr store.
fn is_store(path: &Path) -> bool {
    ["zarr.json", ".zgroup", ".zarray"].iter().any(|name| path.join(name).exists())
}

impl ZarrWriter {
    /// Begins a store that is a group of arrays. It is written to a folder beside `path`, which is renamed at the end;
    /// a store that is there already is replaced then, and anything else that is there is an error. Links are followed.
    ///
    /// # Errors
    /// [`Error::Write`] if the folder cannot be made, or something that is not a Zarr store is at `path`.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        if path.file_name().is_none() {
            return Err(failed(&path, "it names no folder; give a store's name, as out.zarr"));
        }
        let empty = || fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        if path.exists() && !is_store(&path) && !empty() {
            return Err(failed(&path, "it exists and is not a Zarr store; name another place, or remove it first"));
        }
        let io = |error: io::Error| failed(&path, format!("{error}; name a place you can write to"));
        let permissions = fs::metadata(&path).ok().map(|existing| existing.permissions());
        if permissions.is_some() {
            // Who may not write to a store may not replace it.
            file_in(&destination(&path)).and_then(NamedTempFile::close).map_err(io)?;
        }
        let staging = folder_in(folder_of(&destination(&path))).map_err(io)?;
        let store = Arc::new(Folder::new(staging.path()));
        let writer = Self { path, staging, permissions, store };
        writer.group(&Map::new())?;
        Ok(writer)
    }

    /// The folder that holds the store until it is complete.
    #[must_use]
    pub fn staging(&self) -> &Path {
        self.staging.path()
    }

    fn group(&self, attributes: &Map<String, Value>) -> Result<()> {
        let text = json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes });
        let key = StoreKey::new("zarr.json").map_err(|error| failed(&self.path, error))?;
        self.store.set(&key, text.to_string().into_bytes().into()).map_err(|error| failed(&self.path, error))
    }

    /// Adds an array of these extents to the store. Axes without a name are called `dim_0`, `dim_1` and so on, as
    /// xarray calls them, which opens no array whose axes have no names.
    ///
    /// # Errors
    /// [`Error::Write`] if it cannot be written, or the store has an array of that name already.
    pub fn array(
        &self,
        name: &str,
        (shape, chunks): (&[usize], &[usize]),
        element: ElementType,
        axes: &[Option<String>],
        attributes: Map<String, Value>,
    ) -> Result<ZarrArray> {
        if self.staging().join(name).exists() {
            return Err(failed(&self.path, format!("two of its arrays are called {name}; give them different names")));
        }
        let wide = |list: &[usize]| list.iter().map(|&x| x as u64).collect::<Vec<u64>>();
        let chunks: Vec<usize> = chunks.iter().zip(shape).map(|(&chunk, &len)| chunk.clamp(1, len.max(1))).collect();
        let fill = FillValue::new(vec![0; element.size()]);
        let mut builder = ArrayBuilder::new(wide(shape), wide(&chunks), kind(element), fill);
        builder.bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(LEVEL, false))]);
        builder.attributes(attributes);
        let named = |(axis, name): (usize, &Option<String>)| name.clone().unwrap_or_else(|| format!("dim_{axis}"));
        builder.dimension_names(Some(axes.iter().enumerate().map(named).map(Some).collect::<Vec<_>>()));
        let array =
            builder.build(self.store.clone(), &format!("/{name}")).map_err(|error| failed(&self.path, error))?;
        array.store_metadata().map_err(|error| failed(&self.path, error))?;
        Ok(ZarrArray { name: format!("{}:{name}", self.path.display()), array, shape: shape.to_vec(), chunks, element })
    }

    /// Puts the store in its place.
    ///
    /// # Errors
    /// [`Error::Write`] if that fails; what was there before is still there then.
    pub fn finish(self) -> Result<()> {
        let (io, staging) = (|error: io::Error| failed(&self.path, error), self.staging.path());
        if let Some(permissions) = self.permissions {
            fs::set_permissions(staging, permissions).map_err(io)?;
        }
        let (path, exists) = (destination(&self.path), self.path.exists());
        place(staging, &path, exists).map_err(io)?;
        if exists {
            // The store that was there before has the place of the new one now, and is removed from it.
            self.staging.close().map_err(io)
        } else {
            let _ = self.staging.keep();
            Ok(())
        }
    }
}

/// Moves a folder to its place, or exchanges the two if there is one already, so that one of them is always there.
#[cfg(target_os = "linux")]
fn place(staging: &Path, path: &Path, exists: bool) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    if exists {
        match renameat_with(CWD, staging, CWD, path, RenameFlags::EXCHANGE) {
            // File systems that do not know it.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => return place_in_steps(staging, path),
            exchanged => return Ok(exchanged?),
        }
    }
    fs::rename(staging, path)
}

#[cfg(not(target_os = "linux"))]
fn place(staging: &Path, path: &Path, exists: bool) -> io::Result<()> {
    if exists { place_in_steps(staging, path) } else { fs::rename(staging, path) }
}

/// Exchanges two folders where the system has no call for it. For a moment nothing is at `path`.
fn place_in_steps(staging: &Path, path: &Path) -> io::Result<()> {
    let old = staging.with_extension("old");
    fs::rename(path, &old)?;
    if let Err(error) = fs::rename(staging, path) {
        fs::rename(&old, path)?;
        return Err(error);
    }
    fs::rename(&old, staging)
}

/// The store's name of an element type.
fn kind(element: ElementType) -> DataType {
    match element {
        ElementType::Bool => data_type::bool(),
        ElementType::Int8 => data_type::int8(),
        ElementType::Int16 => data_type::int16(),
        ElementType::Int32 => data_type::int32(),
        ElementType::Int64 => data_type::int64(),
        ElementType::Uint8 => data_type::uint8(),
        ElementType::Uint16 => data_type::uint16(),
        ElementType::Uint32 => data_type::uint32(),
        ElementType::Uint64 => data_type::uint64(),
        ElementType::Float16 => data_type::float16(),
        ElementType::Float32 => data_type::float32(),
        ElementType::Float64 => data_type::float64(),
        ElementType::Complex64 => data_type::complex64(),
        ElementType::Complex128 => data_type::complex128(),
    }
}

impl ZarrArray {
    /// The extents of a chunk.
    #[must_use]
    pub fn chunks(&self) -> &[usize] {
        &self.chunks
    }

    /// Writes a block that begins at the edges of chunks and ends there or at those of the array: elements in C order.
    ///
    /// # Errors
    /// [`Error::Shape`] for a block of other edges or other bytes; [`Error::Write`] if it cannot be written.
    pub fn write(&self, block: &Region, bytes: &[u8]) -> Result<()> {
        let size = self.element.size();
        block.check(&self.shape, size, bytes.len())?;
        let axes = 0..self.shape.len();
        let aligned = axes.clone().all(|axis| {
            let range = block.range(axis);
            range.start.is_multiple_of(self.chunks[axis])
                && (range.end.is_multiple_of(self.chunks[axis]) || range.end == self.shape[axis])
        });
        if !aligned {
            let got = format!("{} at {:?}", shape::written(&block.shape), block.start);
            return Err(Error::shape("block", format!("whole chunks of {}", shape::written(&self.chunks)), got));
        }
        let counts: Vec<_> = axes.clone().map(|axis| block.shape[axis].div_ceil(self.chunks[axis])).collect();
        let length = self.chunks.iter().product::<usize>() * size;
        let options = CodecOptions::default().with_concurrent_target(1);
        for number in 0..counts.iter().product() {
            let (mut left, mut at) = (number, vec![0; counts.len()]);
            for axis in axes.clone().rev() {
                at[axis] = left % counts[axis];
                left /= counts[axis];
            }
            let start: Vec<_> = axes.clone().map(|axis| at[axis] * self.chunks[axis]).collect();
            let extents: Vec<_> =
                axes.clone().map(|axis| self.chunks[axis].min(block.shape[axis] - start[axis])).collect();
            let inner = Region { start, shape: extents };
            let mut chunk = vec![0; length];
            let to = Place::of(&Region::whole(&inner.shape), &self.chunks, size);
            copy(&inner.shape, size, (bytes, &Place::of(&inner, &block.shape, size)), (&mut chunk, &to));
            let index: Vec<u64> =
                axes.clone().map(|axis| (block.start[axis] / self.chunks[axis] + at[axis]) as u64).collect();
            let stored = self.array.store_chunk_opt(&index, ArrayBytes::new_flen(chunk), &options);
            stored.map_err(|error| Error::Write {
                what: format!("{}, chunk {index:?}", self.name),
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }
}
