//! CSV files of time series. The reader belongs to the program, so its files are compiled here once more.
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the program uses more of these files than this target")]

#[path = "../../src/cli/args.rs"]
mod args;
#[path = "../../src/cli/series.rs"]
mod series;
#[path = "../../src/cli/stream.rs"]
mod stream;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Parser;
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| wavemill_fuzz::folder("csv").join("x.csv"));
static OPTIONS: LazyLock<[args::Periodogram; 3]> = LazyLock::new(|| {
    let options = [&["--time-format", "auto"][..], &["--time-format", "date"], &["--time", "t", "--value", "y"]];
    options.map(|more| {
        let file = FILE.to_string_lossy();
        let args = args::Args::parse_from([&["wavemill", "periodogram", &file], more].concat());
        let args::Command::Periodogram(args) = args.command else { unreachable!("the command is periodogram") };
        args
    })
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("a file");
    for args in &*OPTIONS {
        for series in series::Series::read(args).into_iter().flatten() {
            assert_eq!(series.times.len(), series.values.len());
            assert!(series.times.iter().chain(&series.values).all(|number| number.is_finite()));
            assert!(series.times.len() + series.gaps <= bytes.len());
        }
    }
});
