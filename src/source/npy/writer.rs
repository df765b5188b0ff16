//! `.npy` files that are written block by block: a file appears at its place whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::element::ElementType;
use crate::source::flat::write_at;
use crate::source::region::{Region, strides};

/// An `.npy` file in C order that is being written, in a file beside its place.
#[derive(Debug)]
pub struct NpyWriter {
    path: PathBuf,
    staging: PathBuf,
    file: File,
    shape: Vec<usize>,
    element: ElementType,
    start: u64,
    placed: bool,
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Write { what: path.display().to_string(), reason: format!("{error}; name a place you can write to") }
}

impl NpyWriter {
    /// Begins a file of these extents. It is written beside `path`, and takes its place at the end.
    ///
    /// # Errors
    /// [`Error::Write`] if no file can be made there.
    pub fn create(path: impl AsRef<Path>, shape: &[usize], element: ElementType) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let Some(name) = path.file_name() else {
            return Err(Error::Write { what: path.display().to_string(), reason: "it names no file".into() });
        };
        let staging = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        let file =
            OpenOptions::new().write(true).create_new(true).open(&staging).map_err(|error| failed(&path, &error))?;
        let order = if element.size() == 1 {
            '|'
        } else if cfg!(target_endian = "little") {
            '<'
        } else {
            '>'
        };
        let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
        let mut text =
            format!("{{'descr': '{order}{}', 'fortran_order': False, 'shape': ({extents}), }}", element.code());
        // Elements begin at a multiple of 64 bytes, as the format asks for.
        text.push_str(&" ".repeat(63 - (10 + text.len()) % 64));
        text.push('\n');
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        let header = [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], text.as_bytes()].concat();
        let writer =
            Self { path, staging, file, shape: shape.to_vec(), element, start: header.len() as u64, placed: false };
        let bytes = crate::shape::product("the file", shape)?.saturating_mul(element.size()) as u64;
        writer.file.set_len(writer.start + bytes).map_err(|error| failed(&writer.path, &error))?;
        write_at(&writer.file, &header, 0).map_err(|error| failed(&writer.path, &error))?;
        Ok(writer)
    }

    /// The file that holds the array until it is complete.
    #[must_use]
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// Writes a block: elements in C order and this machine's byte order.
    ///
    /// # Errors
    /// [`Error::Shape`] for a block outside the array or of another length; [`Error::Write`] if it cannot be written.
    pub fn write(&self, block: &Region, bytes: &[u8]) -> Result<()> {
        let size = self.element.size();
        block.check(&self.shape, size, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let steps = strides(&self.shape);
        let (mut run, mut axes) = (1, self.shape.len());
        while axes > 0 && (block.shape[axes - 1] == 1 || steps[axes - 1] == run) {
            axes -= 1;
            run *= block.shape[axes];
        }
        for (number, part) in bytes.chunks(run * size).enumerate() {
            let mut left = number;
            let mut offset: usize = block.start.iter().zip(&steps).map(|(start, step)| start * step).sum();
            for axis in (0..axes).rev() {
                offset += left % block.shape[axis] * steps[axis];
                left /= block.shape[axis];
            }
            let at = self.start + (offset * size) as u64;
            write_at(&self.file, part, at).map_err(|error| failed(&self.path, &error))?;
        }
        Ok(())
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Write`] if that fails; what was there before is still there then.
    pub fn finish(mut self) -> Result<()> {
        fs::rename(&self.staging, &self.path).map_err(|error| failed(&self.path, &error))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for NpyWriter {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing more can be done if the system refuses.
            let _ = fs::remove_file(&self.staging);
        }
    }
}
