//! Opening what is read: files, pipes, and standard input under the name `-`.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result};

/// The contents of a file, to be read as they come.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}; check the path", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

/// The contents of a file, and how many bytes they are. A pipe does not say its length, so it is read to its end first.
pub(crate) fn open_sized(path: &Path) -> Result<(Box<dyn Read>, u64)> {
    let context = || format!("cannot read {}", path.display());
    let about = (path != Path::new("-")).then(|| path.metadata().ok()).flatten();
    let mut contents = open(path)?;
    if let Some(about) = about.filter(|about| about.is_file() && about.len() > 0) {
        return Ok((contents, about.len()));
    }
    let mut bytes = Vec::new();
    contents.read_to_end(&mut bytes).with_context(context)?;
    let length = bytes.len() as u64;
    Ok((Box::new(Cursor::new(bytes)), length))
}
