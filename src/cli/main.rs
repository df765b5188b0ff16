//! The `wavemill` program: it parses its arguments, runs one command, and turns any error into one line and an exit
//! code.

mod args;
mod bench;
mod cases;
mod device;
mod families;
mod fit;
#[cfg(feature = "gpu")]
mod gpu_report;
mod matmul;
mod measure;
mod memory;
mod npy;
mod nufft;
mod output;
mod periodogram;
mod plot;
mod reduce;
mod report;
mod series;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::{Args, Command};

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

fn main() -> ExitCode {
    quiet_drivers();
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, so that a script can log it whole.
            let message = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
            eprintln!("wavemill: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Mesa's drivers complain on the terminal where no folder for sockets is named, even though computing needs none.
fn quiet_drivers() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the first thing the program does, when there is no other thread to read the environment.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}

fn run(args: &Args) -> Result<()> {
    if let Some(threads) = args.threads {
        // Every backend does its host work in the current rayon pool.
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .with_context(|| format!("cannot start {threads} threads; give a smaller --threads"))?;
    }
    match &args.command {
        Command::Devices => device::print_all(),
        Command::Nufft(args) => nufft::run(args),
        Command::Reduce(args) => reduce::run(args),
        Command::Matmul(args) => matmul::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Periodogram(args) => periodogram::run(args),
    }
}
