//! Fuzz targets for everything that parses bytes from outside, for libFuzzer, which looks for inputs that reach new
//! code: `ci/fuzz [SECONDS]` runs each in turn. Any bytes are read or refused, without a panic, and in little memory.

use std::path::{Path, PathBuf};

use wavemill::source::{self, Options, Region};

/// The most bytes of a source that is read whole.
const READ: usize = 1 << 22;

/// A folder of this process's own for the file that is read, in memory where the system has such folders.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = parent.join(format!("wavemill-fuzz-{target}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the files");
    folder
}

/// The bytes before and behind the first byte 0.
#[must_use]
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let at = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    (&input[..at], input.get(at + 1..).unwrap_or(&[]))
}

/// Opens a source with its numbers raw and decoded, and reads its coordinates, and its numbers if they are not many.
pub fn read(name: &str) {
    for raw in [true, false] {
        let Ok(source) = source::open(name, &Options::default().raw(raw)) else { continue };
        let about = source.description();
        assert!(about.chunks.len() == about.shape.len() && about.chunks.iter().all(|&chunk| chunk > 0));
        for axis in 0..about.shape.len() {
            let _ = source.coordinates(axis);
        }
        let bytes = about.bytes();
        if bytes <= READ {
            let _ = source.read(&Region::whole(&about.shape), &mut vec![0; bytes]);
        }
    }
}
