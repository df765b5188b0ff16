//! Opening what is read: files, pipes, and standard input under the name `-`.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// An error for standard input, where a file is read in parts.
pub(crate) fn in_parts(name: &str) -> Result<()> {
    ensure!(name != "-", "standard input cannot be read in parts; save it to a file, and name that");
    Ok(())
}

/// What a pipe gives, which is an error once it is more than memory holds: a pipe may have no end.
struct Bounded<R> {
    inner: R,
    most: u64,
    left: u64,
}

impl<R: Read> Bounded<R> {
    fn new(inner: R) -> Self {
        let most = wavemill::available_memory().unwrap_or(u64::MAX) / 2;
        Self { inner, most, left: most }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(to)?;
        self.left = self.left.checked_sub(got as u64).ok_or_else(|| {
            let most = self.most;
            io::Error::other(format!(
                "it gives more than {most} bytes, half of memory; save it to a file, and name that"
            ))
        })?;
        Ok(got)
    }
}

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
    let about = (path != Path::new("-")).then(|| path.metadata().ok()).flatten();
    let contents = open(path)?;
    if let Some(about) = about.filter(|about| about.is_file() && about.len() > 0) {
        return Ok((contents, about.len()));
    }
    let mut bytes = Vec::new();
    let read = Bounded::new(contents).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    let length = bytes.len() as u64;
    Ok((Box::new(Cursor::new(bytes)), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_without_an_end_is_an_error_and_takes_no_more_than_its_share() {
        let mut bytes = Vec::new();
        let error = Bounded { inner: io::repeat(7), most: 1000, left: 1000 }.read_to_end(&mut bytes).unwrap_err();
        assert!(error.to_string().contains("more than 1000 bytes"), "{error}");
        assert!(bytes.len() <= 1000);
        let exact = Bounded { inner: &[7u8; 1000][..], most: 1000, left: 1000 }.read_to_end(&mut bytes);
        assert_eq!(exact.unwrap(), 1000);
    }
}
