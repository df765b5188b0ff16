//! Zarr arrays of both versions: the input is the array's metadata up to a byte 0, and then its first chunk.
#![no_main]

use std::fs;
use std::panic;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    // libFuzzer's hook ends the program in a panic, and codecs panic; only a panic that gets out is a failure.
    panic::set_hook(Box::new(|_| ()));
    wavemill_fuzz::folder("zarr").join("x.zarr")
});

fuzz_target!(|input: &[u8]| {
    let (metadata, chunk) = wavemill_fuzz::split(input);
    let third = metadata.windows(9).any(|word| word == b"node_type");
    let (name, key) = if third { ("zarr.json", "c/0/0") } else { (".zarray", "0.0") };
    let key = FOLDER.join(key);
    fs::create_dir_all(key.parent().expect("a folder")).expect("a folder");
    fs::write(FOLDER.join(name), metadata).expect("metadata");
    fs::write(key, chunk).expect("a chunk");
    wavemill_fuzz::read(&FOLDER.to_string_lossy());
    fs::remove_dir_all(&*FOLDER).expect("the store is removed");
});
