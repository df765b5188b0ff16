//! Elements that lie one after another in a file: reads at their places, byte orders, and halves as floats.

use std::fs::File;
use std::io;

use crate::error::{Error, Result};
use crate::source::region::{Region, strides};

/// Bytes of a chunk of a file that has none of its own: long enough to read at full speed.
const PIECE: usize = 1 << 20;
/// Gaps up to this many bytes are read and left out, which is faster than a call for each run.
const GAP: usize = 1 << 14;
/// The most bytes that are read at once where there are gaps.
const SPAN: usize = 1 << 20;

/// Chunks of about [`PIECE`] bytes in which elements in C order follow one another.
pub(crate) fn pieces(shape: &[usize], size: usize) -> Vec<usize> {
    let mut left = (PIECE / size).max(1);
    let mut chunks = vec![1; shape.len()];
    for (chunk, &extent) in chunks.iter_mut().zip(shape).rev() {
        *chunk = extent.clamp(1, left);
        left /= *chunk;
        if *chunk < extent {
            break;
        }
    }
    chunks
}

/// A file with elements in C order from a byte on.
#[derive(Debug)]
pub(crate) struct Flat {
    pub(crate) file: File,
    pub(crate) start: u64,
    pub(crate) name: String,
}

impl Flat {
    /// Reads a block of an array of this shape, of elements of `size` bytes.
    pub(crate) fn read(&self, block: &Region, shape: &[usize], size: usize, to: &mut [u8]) -> Result<()> {
        if to.is_empty() {
            return Ok(());
        }
        let steps = strides(shape);
        // Inner axes that are contiguous are one run.
        let (mut run, mut axes) = (1, shape.len());
        while axes > 0 && (block.shape[axes - 1] == 1 || steps[axes - 1] == run) {
            axes -= 1;
            run *= block.shape[axes];
        }
        let first: usize = block.start.iter().zip(&steps).map(|(start, step)| start * step).sum();
        let bytes = run * size;
        let mut index = vec![0; axes];
        let (mut done, mut spans) = (0, Vec::new());
        while done < to.len() {
            // Runs along the innermost axis that is not contiguous, `step` bytes apart.
            let offset = first + index.iter().zip(&steps).map(|(index, step)| index * step).sum::<usize>();
            let (count, step) = match axes {
                0 => (1, bytes),
                _ => (block.shape[axes - 1] - index[axes - 1], steps[axes - 1] * size),
            };
            let together = if step - bytes <= GAP { count.min((SPAN / step).max(1)) } else { 1 };
            let at = self.start + (offset * size) as u64;
            if together > 1 {
                spans.resize((together - 1) * step + bytes, 0);
                self.exact(&mut spans, at)?;
                for (to, from) in to[done..].chunks_exact_mut(bytes).zip(spans.chunks(step)) {
                    to.copy_from_slice(&from[..bytes]);
                }
            } else {
                self.exact(&mut to[done..done + bytes], at)?;
            }
            done += together * bytes;
            if axes > 0 {
                index[axes - 1] += together;
                for axis in (1..axes).rev() {
                    if index[axis] == block.shape[axis] {
                        index[axis] = 0;
                        index[axis - 1] += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn exact(&self, to: &mut [u8], at: u64) -> Result<()> {
        read_at(&self.file, to, at).map_err(|error| {
            let reason = match error.kind() {
                io::ErrorKind::UnexpectedEof => "it ends before: it was cut off since it was opened".to_owned(),
                _ => error.to_string(),
            };
            Error::read(format!("{}, {} bytes at byte {at}", self.name, to.len()), reason)
        })
    }
}

#[cfg(unix)]
pub(crate) fn read_at(file: &File, to: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, at)
}

#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut to: &mut [u8], mut at: u64) -> io::Result<()> {
    while !to.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, to, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                to = &mut to[count..];
                at += count as u64;
            }
        }
    }
    Ok(())
}

#[cfg(unix)]
pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
pub(crate) fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => {
                bytes = &bytes[count..];
                at += count as u64;
            }
        }
    }
    Ok(())
}

/// Reverses the bytes of every number of `size` bytes.
pub(crate) fn swap(bytes: &mut [u8], size: usize) {
    if size > 1 {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

/// Widens the halves in the second half of this memory to floats that fill it.
pub(crate) fn widen_from_the_back(bytes: &mut [u8]) {
    let count = bytes.len() / 4;
    for at in 0..count {
        let half = u16::from_ne_bytes([bytes[2 * count + 2 * at], bytes[2 * count + 2 * at + 1]]);
        bytes[4 * at..4 * at + 4].copy_from_slice(&widen(half).to_ne_bytes());
    }
}

/// The float32 that equals the float16 with these bits: a sign, 5 bits of exponent, 10 of fraction.
#[must_use]
pub fn widen(half: u16) -> f32 {
    let (exponent, fraction) = (u32::from(half >> 10 & 31), u32::from(half & 0x3ff));
    let magnitude = match exponent {
        // Subnormal numbers: multiples of 2^-24.
        0 => (f32::from(half & 0x3ff) / 16_777_216.0).to_bits(),
        31 => 255 << 23 | fraction << 13,
        _ => (exponent + 127 - 15) << 23 | fraction << 13,
    };
    f32::from_bits(magnitude | u32::from(half & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn pieces_follow_one_another() {
        assert_eq!(pieces(&[1000, 721, 1440], 4), [1, 182, 1440]);
        assert_eq!(pieces(&[10, 10], 8), [10, 10]);
        assert_eq!(pieces(&[1 << 30], 8), [1 << 17]);
        assert_eq!(pieces(&[0, 5], 8), [1, 5]);
        assert_eq!(pieces(&[], 8), [0; 0]);
    }

    #[test]
    fn any_block_of_a_file_is_read() {
        let mut file = tempfile();
        let shape = [4, 5, 6, 7];
        let bytes: Vec<u8> = (0..840).map(|x| (x % 251) as u8).collect();
        file.write_all(&[9; 10]).unwrap();
        file.write_all(&bytes).unwrap();
        let flat = Flat { file, start: 10, name: "a file".into() };
        let blocks =
            [[0, 0, 0, 0, 4, 5, 6, 7], [1, 2, 0, 0, 2, 3, 6, 7], [3, 0, 1, 2, 1, 5, 4, 3], [0, 4, 5, 6, 4, 1, 1, 1]];
        for block in blocks {
            let block = Region { start: block[..4].to_vec(), shape: block[4..].to_vec() };
            let mut to = vec![0; block.len()];
            flat.read(&block, &shape, 1, &mut to).unwrap();
            let mut found = to.iter();
            for i in block.range(0) {
                for j in block.range(1) {
                    for k in block.range(2) {
                        for l in block.range(3) {
                            let wanted = bytes[((i * 5 + j) * 6 + k) * 7 + l];
                            assert_eq!(found.next(), Some(&wanted), "{block:?} at {i} {j} {k} {l}");
                        }
                    }
                }
            }
        }
        let error = flat.read(&Region::whole(&[5, 5, 6, 7]), &[5, 5, 6, 7], 1, &mut [0; 1050]).unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
    }

    /// An open file without a name.
    fn tempfile() -> File {
        let path = std::env::temp_dir().join(format!("wavemill-flat-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }
}
