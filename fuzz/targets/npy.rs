//! Files of NumPy's format.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| wavemill_fuzz::folder("npy").join("x.npy"));

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("a file");
    wavemill_fuzz::read(&FILE.to_string_lossy());
});
