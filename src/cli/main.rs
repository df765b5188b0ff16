//! The `wavemill` program: it parses its arguments, runs one command, and turns any error into one line and an exit
//! code.

mod args;
mod axes;
mod bench;
mod cases;
mod demo;
mod device;
mod expression;
mod factors;
mod families;
#[cfg(test)]
mod fuzz;
#[cfg(feature = "gpu")]
mod gpu_report;
#[cfg(feature = "gpu")]
mod gpu_rows;
mod info;
mod input;
mod integers;
mod large;
mod map;
mod matmul;
mod measure;
mod measured;
mod memory;
mod named;
mod npy;
mod nufft;
mod numbers;
mod output;
mod periodogram;
mod picture;
mod plot;
mod progress;
mod reduce;
mod report;
mod results;
mod rows;
mod search;
mod series;
mod spectrum;
mod stream;
mod vector;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::args::{Args, Command};

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

/// The most threads that can be asked for: thousands more would take the system minutes to start.
const MOST_THREADS: usize = 1024;

fn main() -> ExitCode {
    let args = Args::parse();
    #[cfg(all(target_os = "linux", feature = "gpu"))]
    if args.command.may_open_a_driver() {
        silence_drivers();
    }
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

/// Starts the program again with `XDG_RUNTIME_DIR` set, if it is not. A layer of Mesa's drivers looks there for a
/// Wayland server, and prints an error if the variable is missing, as on machines without a desktop. There is no server
/// at the path that is set here.
#[cfg(all(target_os = "linux", feature = "gpu"))]
fn silence_drivers() {
    use std::os::unix::process::CommandExt;

    const VARIABLE: &str = "XDG_RUNTIME_DIR";
    if std::env::var_os(VARIABLE).is_some_and(|folder| std::path::Path::new(&folder).is_absolute()) {
        return;
    }
    let mut given = std::env::args_os();
    if let (Ok(program), Some(name)) = (std::env::current_exe(), given.next()) {
        // On success this does not return; otherwise the program goes on, and the driver may print its error.
        let _ = std::process::Command::new(program).arg0(name).args(given).env(VARIABLE, "/dev/null").exec();
    }
}

fn run(args: &Args) -> Result<()> {
    if let Some(threads) = args.threads {
        ensure!(
            threads.get() <= MOST_THREADS,
            "--threads {threads} is more than any machine has use for; give at most {MOST_THREADS}, or leave it out \
             for one a core"
        );
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
        Command::Info(args) => info::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Matmul(args) => matmul::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Periodogram(args) => periodogram::run(args),
    }
}
