//! Where files and stores are written before they are complete: beside their place, under names of their own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

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

/// Names that no other program and no earlier run has.
fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".wavemill-").suffix(".tmp");
    builder
}

/// A new temporary file in a folder, with the permissions that new files get.
///
/// # Errors
/// Those of the system.
pub fn file_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = builder();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// A new temporary folder in a folder, with the permissions that new folders get.
pub(super) fn folder_in(folder: &Path) -> io::Result<TempDir> {
    let mut builder = builder();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(folder)
}
