//! The command line: every command, option, unit and default.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand, ValueEnum};
use wavemill::reduce::Op;

/// Non-uniform FFTs, reductions and matrix products on any GPU and on the CPU.
#[derive(Debug, Parser)]
#[command(name = "wavemill", version, about, propagate_version = true)]
pub(crate) struct Args {
    /// Uses T threads for all work on the processor [default: one for each core].
    #[arg(long, value_name = "T", global = true)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists every device found, its limits, its self-test, and which one `--device auto` picks and why.
    Devices,
    /// Transforms NumPy files: non-uniform to uniform (type 1), uniform to non-uniform (type 2), or between
    /// two sets of points (type 3).
    Nufft(Nufft),
    /// Reduces a NumPy file over some of its axes: sums, means, variances, extremes and more, in one pass.
    Reduce(Reduce),
    /// Multiplies the matrices of two NumPy files, or batches of them.
    Matmul(Matmul),
    /// Measures times and errors on every device found and writes a folder with tables and plots.
    Bench(Bench),
    /// Finds the periods in unevenly sampled data from a CSV file and draws their spectrum.
    Periodogram(Periodogram),
}

/// The device to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The library's choice.
    Auto,
    /// The processor.
    Cpu,
    /// The first GPU that works, or the one of this number; software GPUs are used only by number.
    Gpu(Option<usize>),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "gpu" => Ok(Self::Gpu(None)),
            Some(("gpu", number)) => number
                .parse()
                .map(|number| Self::Gpu(Some(number)))
                .map_err(|_| format!("gpu:{number} names no number")),
            _ => Err("a device is auto, cpu, gpu or gpu:N; `wavemill devices` lists them".into()),
        }
    }
}

/// Where a command computes.
#[derive(Debug, clap::Args)]
pub(crate) struct On {
    /// Sets the device: auto, cpu, gpu (the first hardware GPU) or gpu:N as `wavemill devices` numbers them.
    #[arg(long, value_name = "auto|cpu|gpu[:N]", default_value = "auto")]
    pub(crate) device: Choice,
}

/// How often a command computes, and where the times go.
#[derive(Debug, clap::Args)]
pub(crate) struct Measured {
    /// Computes R times, to measure; `nufft` each time with a fresh plan and fresh points, and then with the plan kept.
    #[arg(long, value_name = "R", default_value = "1", requires = "timings")]
    pub(crate) repeat: NonZeroUsize,
    /// Writes the median times in seconds, with what bounds them (the plan's stages, the rate of reading, operations a
    /// second), to this JSON file.
    #[arg(long, value_name = "FILE")]
    pub(crate) timings: Option<PathBuf>,
}

/// The sign of the exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sign {
    /// exp(+i k·x).
    #[value(name = "+", alias = "plus")]
    Plus,
    /// exp(-i k·x).
    #[value(name = "-", alias = "minus")]
    Minus,
}

/// The order of the modes along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// From -(N/2) to N-N/2-1.
    #[value(alias = "centred")]
    Centered,
    /// From 0 to N-N/2-1 and then from -(N/2) to -1, as FFTs order them.
    Fft,
}

/// The element type of the transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// Single precision: 8 bytes a complex number.
    F32,
    /// Double precision: 16 bytes a complex number.
    F64,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::F32 { "f32" } else { "f64" })
    }
}

/// The shape of the spreading kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// The prolate spheroidal wave function, with the least aliasing.
    Prolate,
    /// Kaiser and Bessel's.
    KaiserBessel,
    /// The exponential of a semicircle.
    ExpSemicircle,
    /// The truncated Gaussian of the 2015 article.
    Gaussian,
}

/// Options of `nufft`.
#[derive(Debug, clap::Args)]
pub(crate) struct Nufft {
    /// Is 1 for f[k] = Σ_j c[j] exp(±i k·x[j]), 2 for c[j] = Σ_k f[k] exp(±i k·x[j]), or 3 for
    /// f[k] = Σ_j c[j] exp(±i s[k]·x[j]).
    #[arg(long = "type", value_name = "1|2|3", value_parser = RangedU64ValueParser::<u8>::new().range(1..=3))]
    pub(crate) kind: u8,
    /// Gives the number of modes on each axis, separated by commas; one to three axes. Not for type 3.
    #[arg(long, value_name = "N1[,N2[,N3]]", value_delimiter = ',', num_args = 1, required_unless_present = "targets")]
    pub(crate) modes: Vec<usize>,
    /// Names a real .npy file of targets s for each axis, each of shape [K]. For type 3 only.
    #[arg(long, value_name = "S[,T[,U]]", value_delimiter = ',', num_args = 1, conflicts_with_all = ["modes", "period", "upsampling"])]
    pub(crate) targets: Vec<PathBuf>,
    /// Names a real .npy file of coordinates for each axis, each of shape [M], in the units of --period.
    #[arg(long, value_name = "X[,Y[,Z]]", value_delimiter = ',', num_args = 1, required = true)]
    pub(crate) points: Vec<PathBuf>,
    /// Names the .npy file to transform, real or complex: strengths of shape [M] or [B, M] for types 1 and 3, modes of
    /// shape [N1, ..] or [B, N1, ..] for type 2. Real strengths of a type 1 take about half the time.
    #[arg(long, value_name = "FILE")]
    pub(crate) values: PathBuf,
    /// Computes the real parts of a type 2 only, in about half the time: all there is where f[-k] = conj(f[k]).
    #[arg(long)]
    pub(crate) real: bool,
    /// Bounds the relative l2 error of the result.
    #[arg(long = "tol", value_name = "TOL", default_value = "1e-6")]
    pub(crate) tolerance: f64,
    /// Takes the smallest tolerance within reach where --tol is smaller, instead of ending with an error.
    #[arg(long)]
    pub(crate) accept_reachable: bool,
    /// Sets the sign of the exponent, + or -.
    #[arg(long, value_name = "+|-", allow_hyphen_values = true, default_value = "+", hide_possible_values = true)]
    pub(crate) sign: Sign,
    /// Sets the order of the modes: centered, from -(N/2) up, or fft, from 0 up and then the negative ones.
    #[arg(long, value_name = "centered|fft", default_value = "centered", hide_possible_values = true)]
    pub(crate) order: Order,
    /// Sets the precision of the transform and of the file written; coordinates keep that of their file.
    #[arg(long, value_name = "f32|f64", default_value = "f64", hide_possible_values = true)]
    pub(crate) precision: Precision,
    /// Sets the period of every coordinate axis [default: 2π].
    #[arg(long, value_name = "P")]
    pub(crate) period: Option<f64>,
    /// Sets the ratio of the fine grid to the modes [default: chosen by a cost model].
    #[arg(long, value_name = "RATIO")]
    pub(crate) upsampling: Option<f64>,
    /// Sets the spreading kernel: prolate, kaiser-bessel, exp-semicircle, or gaussian as in the 2015 article.
    #[arg(long, value_name = "SHAPE", default_value = "prolate", hide_possible_values = true)]
    pub(crate) kernel: Kernel,
    #[command(flatten)]
    pub(crate) on: On,
    /// Runs W measurements more beforehand that are not counted.
    #[arg(long, value_name = "W", default_value_t = 0, requires = "timings")]
    pub(crate) warmup: usize,
    /// Writes the result to this .npy file.
    #[arg(long, value_name = "FILE", required_unless_present = "timings")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) measured: Measured,
}

/// Options of `reduce`.
#[derive(Debug, clap::Args)]
pub(crate) struct Reduce {
    /// The .npy file to reduce.
    #[arg(value_name = "DATA.NPY")]
    pub(crate) data: PathBuf,
    /// Names the operations: sum, mean, var, std, min, max, argmin, argmax, prod, norm1, norm2, norminf, count, any,
    /// all, and with --weights wsum and average.
    #[arg(long, value_name = "OP[,OP..]", value_delimiter = ',', num_args = 1, required = true)]
    pub(crate) ops: Vec<Op>,
    /// Names the axes to reduce, negative ones from the last [default: all].
    #[arg(long, value_name = "A[,B..]", value_delimiter = ',', num_args = 1, allow_hyphen_values = true)]
    pub(crate) axis: Vec<isize>,
    /// Keeps reduced axes, with one element.
    #[arg(long)]
    pub(crate) keepdims: bool,
    /// Leaves NaNs out, as NumPy's nansum and its like do.
    #[arg(long)]
    pub(crate) skip_nan: bool,
    /// Sets the delta degrees of freedom of var and std.
    #[arg(long, value_name = "D", default_value_t = 0.0)]
    pub(crate) ddof: f64,
    /// Names a real .npy file of weights, of a shape that broadcasts to the data's.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) on: On,
    /// Writes OP.npy for each operation to this folder [default: prints the results].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) measured: Measured,
}

/// Options of `matmul`.
#[derive(Debug, clap::Args)]
pub(crate) struct Matmul {
    /// The .npy file of A, of shape [.., m, k].
    #[arg(value_name = "A.NPY")]
    pub(crate) a: PathBuf,
    /// The .npy file of B, of shape [.., k, n]; what comes before is a batch, and both broadcast to it as in NumPy.
    #[arg(value_name = "B.NPY")]
    pub(crate) b: PathBuf,
    /// Takes rows of A for columns.
    #[arg(long)]
    pub(crate) trans_a: bool,
    /// Takes rows of B for columns.
    #[arg(long)]
    pub(crate) trans_b: bool,
    /// Checks the product with R random vectors (Freivalds), and ends with an error if it is wrong.
    #[arg(long, value_name = "R")]
    pub(crate) check: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) on: On,
    /// Writes the product to this .npy file.
    #[arg(long, value_name = "FILE", required_unless_present = "timings")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) measured: Measured,
}

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Measures smaller cases, within a minute on two cores.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measures software GPUs too, which are slow and serve testing.
    #[arg(long)]
    pub(crate) software: bool,
    /// Measures this device alone: auto, cpu, gpu or gpu:N [default: every hardware device].
    #[arg(long, value_name = "auto|cpu|gpu[:N]")]
    pub(crate) device: Option<Choice>,
    /// Spends about this many seconds on each case [default: 2, or 0.2 with --quick].
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Option<f64>,
    /// Reports on one GPU instead: its correctness, and the rate of every kernel beside its copy bandwidth, to
    /// gpu.json, gpu.csv and gpu.svg in this folder.
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) gpu_report: Option<PathBuf>,
    /// Writes results.json, results.csv and the plots to this folder.
    #[arg(long, value_name = "FOLDER", default_value = "wavemill-bench")]
    pub(crate) out: PathBuf,
}

fn seconds(text: &str) -> Result<f64, String> {
    let allowed = |seconds: &f64| (0.0..=3600.0).contains(seconds);
    text.parse().ok().filter(allowed).ok_or_else(|| "give a number of seconds from 0 to 3600".into())
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeFormat {
    /// Dates where every time is a date, numbers where every time is a number; 8 digits that form a date are a date.
    Auto,
    /// YYYYMMDD, YYYY-MM-DD, or a date and time as in RFC 3339 (UTC where no zone is given).
    Date,
    /// Numbers in a unit of your own.
    Number,
}

/// Options of `periodogram`.
#[derive(Debug, clap::Args)]
pub(crate) struct Periodogram {
    /// The CSV file, whose first line names the columns.
    #[arg(value_name = "DATA.CSV")]
    pub(crate) data: PathBuf,
    /// Names the column of times [default: the first column].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Names the column of values; empty ones and NaN are gaps [default: the second column].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) value: Option<String>,
    /// Says how times are written: auto, date (periods are then in years of 365.25 days) or number (periods are then in
    /// the unit of the numbers).
    #[arg(long, value_name = "auto|date|number", default_value = "auto", hide_possible_values = true)]
    pub(crate) time_format: TimeFormat,
    /// Removes a polynomial trend of this degree, 0 to 9, by least squares.
    #[arg(long, value_name = "DEGREE", default_value_t = 2, value_parser = RangedU64ValueParser::<u8>::new().range(0..=9))]
    pub(crate) detrend: u8,
    /// Ends the spectrum at this frequency, in cycles per unit of time [default: half the mean sampling rate].
    #[arg(long, value_name = "F")]
    pub(crate) max_frequency: Option<f64>,
    /// Computes this many frequencies per resolution element, 1/(total time).
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = RangedU64ValueParser::<u8>::new().range(2..=64))]
    pub(crate) oversample: u8,
    /// Lists at most this many periods.
    #[arg(long, value_name = "P", default_value_t = 5, value_parser = RangedU64ValueParser::<u8>::new().range(1..=50))]
    pub(crate) peaks: u8,
    /// Sets the device: auto, cpu, gpu (the first hardware GPU) or gpu:N as `wavemill devices` numbers them.
    #[arg(long, value_name = "auto|cpu|gpu[:N]", default_value = "cpu")]
    pub(crate) device: Choice,
    /// Draws the spectrum, with the periods found, to this SVG file.
    #[arg(long, value_name = "FILE.SVG")]
    pub(crate) out: Option<PathBuf>,
}
