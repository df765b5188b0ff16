//! Output: files that appear whole or not at all, and text that may end early in a pipe.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A temporary file beside its destination, removed unless it is put in place.
struct Draft {
    path: PathBuf,
    placed: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing more can be done here, and the error that led here is being reported.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes a file by way of a temporary one in the same folder, so that a failure leaves nothing half-written behind.
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

/// A CSV document of these rows, the first of which names the columns.
pub(crate) fn csv(rows: impl IntoIterator<Item = Vec<String>>) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner().context("cannot write the CSV")?)?)
}

/// Makes the folder for results, and those that hold it.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}; name one in a place you can write to", folder.display()))
}

/// Finds out before a long computation whether its result could be written.
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

/// Prints to standard output; a reader that has seen enough, as `head` does, is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}
