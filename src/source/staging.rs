//! Where files and stores are written before they are complete: beside their place, under names of their own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// The file or folder that a path leads to, through links, whether it exists or not.
#[must_use]
pub fn destination(path: &Path) -> PathBuf {
    fs::canonicalize(path).ok().unwrap_or_else(|| match fs::read_link(path) {
        Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => path.to_owned(),
    })
}

/// The folder that a file or folder is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Names that no other program and no earlier run has, and on Unix permissions, of which the system takes those away
/// that its user does not give.
fn builder(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".wavemill-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// A new temporary file in a folder, with the permissions that new files get.
///
/// # Errors
/// Those of the system.
pub fn file_in(folder: &Path) -> io::Result<NamedTempFile> {
    builder(0o666).tempfile_in(folder)
}

/// A new temporary folder in a folder, with the permissions that new folders get.
#[cfg(feature = "zarr")]
pub(super) fn folder_in(folder: &Path) -> io::Result<tempfile::TempDir> {
    builder(0o777).tempdir_in(folder)
}
