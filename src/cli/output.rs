//! Output: files that are written whole or not at all, and text on standard output, which may be a closed pipe.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use tempfile::{NamedTempFile, TempPath};
use wavemill::source::ZarrWriter;
use wavemill::source::staging::{destination, file_in, folder_of};

/// The temporary files that exist now, for the handler of signals.
static DRAFTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn drafts() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    DRAFTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is complete but not yet in its place: a temporary one in the same folder, which is removed unless it is
/// placed. What is not a regular file, such as a pipe or a device, has been written to already.
#[derive(Debug)]
pub(crate) struct Draft {
    waiting: Option<(TempPath, PathBuf)>,
}

/// Replaces the destinations of all of them.
pub(crate) fn place(complete: impl IntoIterator<Item = Draft>) -> Result<()> {
    let mut complete: Vec<Draft> = complete.into_iter().collect();
    // The lock keeps a signal from ending the program between two of them.
    let mut known = drafts();
    let mut waiting = complete.iter_mut().filter_map(|draft| draft.waiting.take());
    waiting.try_for_each(|(draft, path)| {
        known.retain(|known| known.as_path() != &*draft);
        draft.persist(&path).with_context(|| failed(&path))
    })
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some((draft, _)) = &self.waiting {
            forget(draft);
        }
    }
}

fn forget(draft: &Path) {
    drafts().retain(|known| known != draft);
}

fn failed(path: &Path) -> String {
    format!("cannot write {}; name a file in a folder you can write to", path.display())
}

/// A folder that is being written, for the handler of signals.
#[derive(Debug)]
pub(crate) struct StagedFolder(PathBuf);

impl Drop for StagedFolder {
    fn drop(&mut self) {
        forget(&self.0);
    }
}

/// Begins a file or a folder that is written in parts, and has it removed if a signal ends the program before the
/// second value that is returned is dropped.
pub(crate) fn stage<T>(
    begin: impl FnOnce() -> wavemill::Result<T>,
    place: impl FnOnce(&T) -> &Path,
) -> Result<(T, StagedFolder)> {
    remove_drafts_on_signals();
    // The lock keeps a signal from ending the program between the two.
    let mut drafts = drafts();
    let begun = begin()?;
    let place = place(&begun).to_owned();
    drafts.push(place.clone());
    Ok((begun, StagedFolder(place)))
}

/// Removes a temporary file or folder. Nothing more can be done if the system refuses.
fn remove(draft: &Path) {
    if !draft.is_dir() {
        let _ = fs::remove_file(draft);
        return;
    }
    // Threads that still write to the folder find it no longer once it has another name.
    let removed = draft.with_extension("removed");
    let folder = if fs::rename(draft, &removed).is_ok() { &removed } else { draft };
    let _ = fs::remove_dir_all(folder);
}

/// Makes SIGINT and SIGTERM remove temporary files before they end the program.
fn remove_drafts_on_signals() {
    static ONCE: Once = Once::new();
    // Without a handler the program ends as well, and leaves its temporary files.
    ONCE.call_once(|| {
        let _ = ctrlc::set_handler(|| {
            // The lock is kept, so that no new file begins.
            let drafts = drafts();
            drafts.iter().for_each(|draft| remove(draft));
            std::process::exit(130);
        });
    });
}

/// Whether new files can be made in a folder.
fn probe(folder: &Path) -> io::Result<()> {
    remove_drafts_on_signals();
    // The lock keeps a signal from ending the program while the file is there.
    let _lock = drafts();
    file_in(folder).and_then(NamedTempFile::close)
}

/// Writes a file to a temporary one in its folder, so that a failure leaves no half-written file. Links are followed,
/// and a file that exists keeps its permissions.
pub(crate) fn draft(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<Draft> {
    ensure!(path.file_name().is_some(), "{} names no file; give a file's name", path.display());
    let context = || failed(path);
    let complete = |file: &File| -> Result<()> {
        let mut writer = BufWriter::new(file);
        fill(&mut writer)?;
        writer.flush().with_context(context)
    };
    let existing = fs::metadata(path).ok();
    if let Some(existing) = &existing {
        // Who may not write to a file may not replace it.
        let file = OpenOptions::new().write(true).open(path).with_context(context)?;
        if !existing.is_file() {
            complete(&file)?;
            return Ok(Draft { waiting: None });
        }
    }
    remove_drafts_on_signals();
    let path = destination(path);
    let file = {
        let mut drafts = drafts();
        let file = file_in(folder_of(&path)).with_context(context)?;
        drafts.push(file.path().to_owned());
        file
    };
    let (file, draft) = file.into_parts();
    let draft = Draft { waiting: Some((draft, path)) };
    complete(&file)?;
    if let Some(existing) = existing {
        file.set_permissions(existing.permissions()).with_context(context)?;
    }
    Ok(draft)
}

/// Writes one file.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    place([draft(path, fill)?])
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

/// Makes the folder for results, with its parent folders, and checks that files can be written there.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let context = || format!("cannot write to the folder {}; name one in a place you can write to", folder.display());
    fs::create_dir_all(folder).with_context(context)?;
    probe(folder).with_context(context)
}

/// Checks before a long computation whether a store could be written to this path.
pub(crate) fn check_store(path: &Path) -> Result<()> {
    stage(|| ZarrWriter::create(path), ZarrWriter::staging)?;
    Ok(())
}

/// Checks before a long computation whether files could be written at these paths, and that no two are the same.
pub(crate) fn check<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let mut earlier = Vec::new();
    for path in paths {
        let folder = folder_of(path);
        if !folder.is_dir() {
            bail!("{}: there is no folder {}; create it first", path.display(), folder.display());
        }
        if path.is_dir() {
            bail!("{} is a folder; give a file's name", path.display());
        }
        if path.exists() {
            OpenOptions::new().write(true).open(path).with_context(|| failed(path))?;
        }
        let to = destination(path);
        if !path.exists() || path.is_file() {
            probe(folder_of(&to)).with_context(|| failed(path))?;
            ensure!(!earlier.contains(&to), "{} is given for two results; name a file for each", path.display());
            earlier.push(to);
        }
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
