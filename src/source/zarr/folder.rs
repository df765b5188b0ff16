//! A folder on disk as a Zarr store.
//!
//! The store of zarrs' own crate keeps a lock for every key that was ever touched, and waits for the disk after each
//! chunk that is written; both cost more than the chunk where there are many small ones.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zarrs::storage::byte_range::ByteRangeIterator;
use zarrs::storage::{
    Bytes, MaybeBytes, MaybeBytesIterator, OffsetBytesIterator, ReadableStorageTraits, StorageError, StoreKey,
    StorePrefix, WritableStorageTraits,
};

/// A folder as a store: a key is the path of a file in it.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The file of a key, which may not lead out of the folder.
    fn path(&self, key: &StoreKey) -> Result<PathBuf, StorageError> {
        if key.as_str().split('/').any(|part| matches!(part, "" | "." | "..")) || key.as_str().contains('\\') {
            return Err(StorageError::Other(format!("the key {key} leads out of the store")));
        }
        Ok(self.root.join(key.as_str()))
    }

    /// Makes the folders that a key's file lies in, but not the root: a store that was removed does not come back.
    fn make_folders(&self, key: &StoreKey) -> io::Result<()> {
        for (end, _) in key.as_str().match_indices('/') {
            match std::fs::create_dir(self.root.join(&key.as_str()[..end])) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn open(&self, key: &StoreKey) -> Result<Option<File>, StorageError> {
        match File::open(self.path(key)?) {
            Ok(file) => Ok(Some(file)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: io::Error) -> StorageError {
    StorageError::IOError(Arc::new(error))
}

impl ReadableStorageTraits for Folder {
    fn get(&self, key: &StoreKey) -> Result<MaybeBytes, StorageError> {
        let Some(mut file) = self.open(key)? else { return Ok(None) };
        let about = file.metadata().map_err(failed)?;
        if !about.is_file() {
            return Ok(None);
        }
        // One byte more than the file has, so that its end is seen without another allocation.
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(about.len() as usize + 1)
            .map_err(|_| StorageError::Other(format!("there is no memory for its {} bytes", about.len())))?;
        file.read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes.into()))
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some(file) = self.open(key)? else { return Ok(None) };
        let size = file.metadata().map_err(failed)?.len();
        Ok(Some(Box::new(ranges.map(move |range| {
            let wanted = range.to_range(size);
            if wanted.start > wanted.end || wanted.end > size {
                let error = zarrs::storage::byte_range::InvalidByteRangeError::new(range, size);
                return Err(error.into());
            }
            let mut bytes = vec![0; (wanted.end - wanted.start) as usize];
            crate::source::flat::read_at(&file, &mut bytes, wanted.start).map_err(failed)?;
            Ok(bytes.into())
        }))))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        let Some(file) = self.open(key)? else { return Ok(None) };
        Ok(Some(file.metadata().map_err(failed)?.len()))
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}

impl WritableStorageTraits for Folder {
    fn set(&self, key: &StoreKey, value: Bytes) -> Result<(), StorageError> {
        let path = self.path(key)?;
        let written = std::fs::write(&path, &value).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.make_folders(key)?;
                std::fs::write(&path, &value)
            }
            _ => Err(error),
        });
        written.map_err(failed)
    }

    fn set_partial_many(&self, _: &StoreKey, _: OffsetBytesIterator<'_>) -> Result<(), StorageError> {
        Err(StorageError::Unsupported("chunks are written whole".into()))
    }

    fn erase(&self, key: &StoreKey) -> Result<(), StorageError> {
        match std::fs::remove_file(self.path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    fn erase_prefix(&self, _: &StorePrefix) -> Result<(), StorageError> {
        Err(StorageError::Unsupported("nothing but single chunks is removed".into()))
    }

    fn supports_set_partial(&self) -> bool {
        false
    }
}
