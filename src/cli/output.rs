//! Output: files that are written whole or not at all, and text on standard output, which may be a closed pipe.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A temporary file beside its destination, which is removed unless it has been renamed to it.
struct Draft {
    path: PathBuf,
    placed: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed {
            // An error here is ignored: the one that led here is being reported.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes a file through a temporary one in the same folder, so that a failure leaves no half-written file.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let name = path.file_name().with_context(|| format!("{} names no file; give a file's name", path.display()))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    let draft = path.with_file_name(hidden);
    let failed = || format!("cannot write {}; name a file in a folder you can write to", path.display());
    let file = File::create_new(&draft).with_context(failed)?;
    let mut draft = Draft { path: draft, placed: false };
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error).with_context(failed)?;
    fs::rename(&draft.path, path).with_context(failed)?;
    draft.placed = true;
    Ok(())
}

/// Writes a text file.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write(path, |file| file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display())))
}

/// Writes a JSON document.
pub(crate) fn write_json(path: &Path, document: &serde_json::Value) -> Result<()> {
    write_text(path, &format!("{document:#}\n"))
}

/// The rows as a CSV document; the first row names the columns.
pub(crate) fn csv(rows: impl IntoIterator<Item = Vec<String>>) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner().context("cannot write the CSV")?)?)
}

/// Makes the folder for results, with its parent folders.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}; name one in a place you can write to", folder.display()))
}

/// Checks before a long computation whether a file could be written at this path.
pub(crate) fn check(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("{}: there is no folder {}; create it first", path.display(), folder.display());
    }
    if path.is_dir() {
        bail!("{} is a folder; give a file's name", path.display());
    }
    Ok(())
}

/// Prints to standard output. It is not an error if the reader, like `head`, has closed the pipe.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}
