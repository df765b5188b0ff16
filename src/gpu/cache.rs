//! Compiled pipelines, kept in a file from one run of a program to the next.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A driver's pipeline cache, and its file.
#[derive(Debug)]
pub(super) struct Kept {
    cache: wgpu::PipelineCache,
    file: PathBuf,
    owner: String,
}

impl Kept {
    /// The cache that the driver compiles with.
    pub(super) fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Opens the file in a folder, or begins it. `owner` names the adapter, its driver and the driver's version; data
    /// of another owner are not used. `create` makes the driver's cache from the data, or an empty one.
    pub(super) fn open(
        file_name: &str,
        owner: String,
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
        Ok(Self { cache: create(unsealed(&owner, &contents))?, file, owner })
    }

    /// Writes the file, whole or not at all.
    pub(super) fn save(&self) -> Result<()> {
        let Some(data) = self.cache.get_data() else { return Ok(()) };
        let draft = self.file.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&draft, sealed(&self.owner, &data))
            .and_then(|()| fs::rename(&draft, &self.file))
            .map_err(|error| unusable(&self.file, &error))
    }
}

/// The first bytes of every file written here.
const MAGIC: &[u8; 8] = b"wavemill";

/// The contents of a file: the data behind a checksum, since a driver may crash on data that were cut short or damaged,
/// or that are not its own.
fn sealed(owner: &str, data: &[u8]) -> Vec<u8> {
    [MAGIC, &checksum(owner, data).to_le_bytes()[..], data].concat()
}

/// The data of a file, if it is whole and of this owner.
fn unsealed<'a>(owner: &str, contents: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, data) = contents.strip_prefix(MAGIC)?.split_first_chunk()?;
    (u64::from_le_bytes(*sum) == checksum(owner, data)).then_some(data)
}

/// FNV-1a of both; the owner ends with a byte that UTF-8 never has.
fn checksum(owner: &str, data: &[u8]) -> u64 {
    let bytes = owner.as_bytes().iter().chain(&[0xff]).chain(data);
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
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
    use super::{Kept, sealed, unsealed};
    use crate::error::Error;

    #[test]
    fn damaged_files_and_those_of_others_are_not_used() {
        let whole = sealed("GPU, driver 1", b"pipelines");
        assert_eq!(unsealed("GPU, driver 1", &whole), Some(&b"pipelines"[..]));
        assert_eq!(unsealed("GPU, driver 2", &whole), None);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(unsealed("GPU, driver 1", &damaged), None, "byte {at}");
            assert_eq!(unsealed("GPU, driver 1", &whole[..at]), None, "cut at {at}");
        }
    }

    /// The driver is given a file's data only if they are whole and its own.
    #[test]
    fn a_corrupted_file_starts_empty() {
        let folder = std::env::temp_dir().join(format!("wavemill-corrupted-{}", std::process::id()));
        let given = |contents: Option<&[u8]>| {
            std::fs::create_dir_all(&folder).expect("a folder for temporary files");
            if let Some(contents) = contents {
                std::fs::write(folder.join("pipelines"), contents).expect("a file in it");
            }
            let mut given = None;
            let opened = Kept::open("pipelines", "GPU".into(), &folder, |data| {
                given = data.map(<[u8]>::to_vec);
                Err(Error::Order { call: "a cache", first: "a device" })
            });
            assert!(matches!(opened, Err(Error::Order { .. })), "{opened:?}");
            given
        };
        assert_eq!(given(None), None, "there is no file yet");
        let whole = sealed("GPU", b"pipelines");
        assert_eq!(given(Some(&whole)), Some(b"pipelines".to_vec()));
        let mut damaged = whole.clone();
        *damaged.last_mut().expect("it has some") ^= 1;
        assert_eq!(given(Some(&damaged)), None);
        assert_eq!(given(Some(b"nonsense")), None);
        assert_eq!(given(Some(&sealed("another GPU", b"pipelines"))), None);
        std::fs::remove_dir_all(&folder).expect("the folder made above");
    }
}
