//! NetCDF files, classic and HDF5: the input is the name of a variable up to a byte 0, and then the file.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| wavemill_fuzz::folder("netcdf").join("x.nc"));

fuzz_target!(|input: &[u8]| {
    let (name, file) = wavemill_fuzz::split(input);
    std::fs::write(&*FILE, file).expect("a file");
    wavemill_fuzz::read(&format!("{}:{}", FILE.display(), String::from_utf8_lossy(name)));
});
