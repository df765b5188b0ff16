//! `.npy` files that are written block by block: a file appears at its place whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::{Error, Result};
use crate::source::element::ElementType;
use crate::source::flat::write_at;
use crate::source::region::{Region, strides};
use crate::source::staging::{destination, file_in, folder_of};

/// An `.npy` file in C order that is being written, in a file beside its place.
#[derive(Debug)]
pub struct NpyWriter {
    path: PathBuf,
    staging: TempPath,
    file: File,
    /// Those of the file that is replaced.
    permissions: Option<Permissions>,
    shape: Vec<usize>,
    element: ElementType,
    start: u64,
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Write { what: path.display().to_string(), reason: format!("{error}; name a place you can write to") }
}

impl NpyWriter {
    /// Begins a file of these extents. It is written beside `path`, and takes its place at the end. Links are followed,
    /// and a file that exists keeps its permissions.
    ///
    /// # Errors
    /// [`Error::Write`] if no file can be made there, or something that is not a file is there.
    pub fn create(path: impl AsRef<Path>, shape: &[usize], element: ElementType) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let wrong = |reason: &str| Error::Write { what: path.display().to_string(), reason: reason.into() };
        if path.file_name().is_none() {
            return Err(wrong("it names no file"));
        }
        let io = |error: io::Error| failed(&path, &error);
        let existing = fs::metadata(&path).ok();
        if let Some(existing) = &existing {
            if !existing.is_file() {
                return Err(wrong("it is not a regular file, and blocks are written in any order; name a file"));
            }
            // Who may not write to a file may not replace it.
            OpenOptions::new().write(true).open(&path).map_err(io)?;
        }
        let (file, staging) = file_in(folder_of(&destination(&path))).map_err(io)?.into_parts();
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
        let start = header.len() as u64;
        let bytes = crate::shape::product("the file", shape)?.saturating_mul(element.size()) as u64;
        file.set_len(start.saturating_add(bytes)).map_err(io)?;
        write_at(&file, &header, 0).map_err(io)?;
        let permissions = existing.map(|existing| existing.permissions());
        Ok(Self { path, staging, file, permissions, shape: shape.to_vec(), element, start })
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
    pub fn finish(self) -> Result<()> {
        let io = |error: io::Error| failed(&self.path, &error);
        if let Some(permissions) = self.permissions {
            self.file.set_permissions(permissions).map_err(io)?;
        }
        self.staging.persist(destination(&self.path)).map_err(|error| io(error.error))
    }
}
