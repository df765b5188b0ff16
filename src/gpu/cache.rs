//! Compiled pipelines kept in a file, from one run of a program to the next.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A driver's cache and its file.
#[derive(Debug)]
pub(super) struct Kept {
    cache: wgpu::PipelineCache,
    file: PathBuf,
}

impl Kept {
    /// What the driver compiles with.
    pub(super) fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Opens the device's file in a folder, or begins it. `create` makes the driver's cache of what the file holds, or an empty one.
    pub(super) fn open(
        file_name: &str,
        folder: &Path,
        create: impl FnOnce(Option<&[u8]>) -> Result<wgpu::PipelineCache>,
    ) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
        let file = folder.join(file_name);
        let contents = match fs::read(&file) {
            Ok(contents) => contents,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unusable(&file, &error)),
        };
        Ok(Self { cache: create(unsealed(&contents))?, file })
    }

    /// Writes the file, whole or not at all.
    pub(super) fn save(&self) -> Result<()> {
        let Some(data) = self.cache.get_data() else { return Ok(()) };
        let draft = self.file.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&draft, sealed(&data))
            .and_then(|()| fs::rename(&draft, &self.file))
            .map_err(|error| unusable(&self.file, &error))
    }
}

/// What a file of ours begins with.
const MAGIC: &[u8; 8] = b"wavemill";

/// The data behind a checksum: a driver may crash on data that were cut short or damaged.
fn sealed(data: &[u8]) -> Vec<u8> {
    [MAGIC, &checksum(data).to_le_bytes()[..], data].concat()
}

/// The data of a file that is whole.
fn unsealed(contents: &[u8]) -> Option<&[u8]> {
    let (sum, data) = contents.strip_prefix(MAGIC)?.split_first_chunk()?;
    (u64::from_le_bytes(*sum) == checksum(data)).then_some(data)
}

/// FNV-1a.
fn checksum(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::parameter(
        "the folder for pipelines",
        "one that can be read and written",
        format!("{} ({error})", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::{sealed, unsealed};

    #[test]
    fn damaged_files_are_not_used() {
        let whole = sealed(b"pipelines");
        assert_eq!(unsealed(&whole), Some(&b"pipelines"[..]));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(unsealed(&damaged), None, "byte {at}");
            assert_eq!(unsealed(&whole[..at]), None, "cut at {at}");
        }
    }
}
