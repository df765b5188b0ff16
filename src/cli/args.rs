//! The arguments of the command line: every command and option, with units and defaults.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand, ValueEnum};
use wavemill::reduce::Op;

/// What `wavemill --help` starts with.
const INTRODUCTION: &str = "\
Non-uniform FFTs, reductions and matrix products of NumPy files (.npy), on the processor or on any GPU.

Examples:
  Fourier coefficients, 1000 along each axis, of strengths c at points x, y; relative error 1e-9:
    wavemill nufft --type 1 --modes 1000,1000 --points x.npy,y.npy --values c.npy --tol 1e-9 --out f.npy
  Mean and variance of every column, and of data larger than memory:
    wavemill reduce data.npy --ops mean,var --axis 0
    wavemill reduce 'data/*.nc:t2m' --ops mean,std --axis time --memory 1GB --out out.zarr
  A product of matrices, checked:
    wavemill matmul a.npy b.npy --check 5 --out c.npy
  The periods in unevenly sampled data, and a drawing of their spectrum:
    wavemill periodogram data.csv --out spectrum.svg
  What this machine can do:
    wavemill devices
    wavemill bench --quick";

/// Non-uniform FFTs, reductions and matrix products of NumPy files, on the processor or on any GPU.
#[derive(Debug, Parser)]
#[command(name = "wavemill", version, about, long_about = INTRODUCTION, propagate_version = true)]
pub(crate) struct Args {
    /// Number of threads for all work on the processor [default: one for each core].
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
    /// Transforms NumPy files by a non-uniform FFT: from strengths at points to modes (type 1), from modes to values at
    /// points (type 2), or from strengths at points to any frequencies (type 3).
    Nufft(Nufft),
    /// Reduces a file, a store or a list of files over some axes: sums, means, variances, extremes and more, in one
    /// pass and little memory.
    Reduce(Reduce),
    /// Says what a file or store holds: extents, type, chunks, axes, units.
    Info(Info),
    /// Writes example data that are larger than memory.
    Demo(Demo),
    /// Multiplies the matrices of two NumPy files, or batches of them.
    Matmul(Matmul),
    /// Measures times and errors on every hardware device and writes a folder with tables and plots.
    Bench(Bench),
    /// Finds the periods in unevenly sampled data from a CSV file and draws their spectrum.
    Periodogram(Periodogram),
}

#[cfg(all(target_os = "linux", feature = "gpu"))]
impl Command {
    /// Whether the command may open the driver of a GPU.
    pub(crate) fn may_open_a_driver(&self) -> bool {
        let choice = match self {
            Self::Devices => return true,
            Self::Nufft(args) => args.run.device,
            Self::Reduce(args) => args.run.device,
            Self::Info(_) | Self::Demo(_) => return false,
            Self::Matmul(args) => args.run.device,
            Self::Bench(args) => args.device.unwrap_or(Choice::Auto),
            Self::Periodogram(args) => args.device,
        };
        choice != Choice::Cpu
    }
}

/// The device to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The library's choice for work that is worth opening a driver, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The GPU of this number, or without one the first hardware GPU that works.
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
                .map_err(|_| format!("expected a number after gpu:, got {number}")),
            _ => Err("a device is auto, cpu, gpu or gpu:N; `wavemill devices` lists them".into()),
        }
    }
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
    /// The Kaiser-Bessel window.
    KaiserBessel,
    /// The exponential of a semicircle.
    ExpSemicircle,
    /// The truncated Gaussian of the 2015 article.
    Gaussian,
}

/// The help text of `--device`, which several commands have.
const DEVICE: &str = "Device to compute on: cpu, gpu (the first hardware GPU), gpu:N as `wavemill devices` numbers \
them, or auto: for work of 0.2 s or more a hardware GPU that passes its self-test, otherwise the processor";

/// Options of every command that computes results from files.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[arg(long, value_name = "auto|cpu|gpu[:N]", default_value = "auto", help = DEVICE)]
    pub(crate) device: Choice,
    /// Number of measurements, each of the whole computation; needs --timings.
    #[arg(long, value_name = "R", default_value = "1", requires = "timings")]
    pub(crate) repeat: NonZeroUsize,
    /// JSON file to write: median times in seconds, every sample, rates, and what the plan chose.
    #[arg(long, value_name = "FILE")]
    pub(crate) timings: Option<PathBuf>,
}

/// Options of `nufft`.
#[derive(Debug, clap::Args)]
pub(crate) struct Nufft {
    /// Type of the transform, of strengths c at points x, modes k with the values f, or frequencies s:
    /// 1 for f[k] = Σ_j c[j] exp(±i k·x[j]),
    /// 2 for c[j] = Σ_k f[k] exp(±i k·x[j]),
    /// 3 for f[k] = Σ_j c[j] exp(±i s[k]·x[j]).
    #[arg(long = "type", value_name = "1|2|3", value_parser = RangedU64ValueParser::<u8>::new().range(1..=3))]
    pub(crate) kind: u8,
    /// Number of modes along each of one to three axes. For types 1 and 2.
    #[arg(long, value_name = "N1[,N2[,N3]]", value_delimiter = ',', num_args = 1, required_unless_present = "targets")]
    pub(crate) modes: Vec<usize>,
    /// .npy files of the frequencies s, one for each axis, real, of shape [K]; in radians per unit of the points.
    /// For type 3.
    #[arg(
        long,
        value_name = "S[,T[,U]]",
        value_delimiter = ',',
        num_args = 1,
        conflicts_with_all = ["modes", "period", "upsampling", "kernel", "order"]
    )]
    pub(crate) targets: Vec<PathBuf>,
    /// .npy files of the points' coordinates, one for each axis, real, of shape [M]; in the unit of --period. If all
    /// are float16 or float32 they are read as float32, otherwise as float64.
    #[arg(long, value_name = "X[,Y[,Z]]", value_delimiter = ',', num_args = 1, required = true)]
    pub(crate) points: Vec<PathBuf>,
    /// .npy file to transform, real or complex: strengths of shape [M], or [B, M] for a batch of B, for types 1 and 3;
    /// modes of shape [N1, ..] or [B, N1, ..] for type 2. Type 1 of real strengths takes about half the time.
    #[arg(long, value_name = "FILE")]
    pub(crate) values: PathBuf,
    /// Computes the real parts alone, in about half the time. For type 2; the imaginary parts are 0 where
    /// f[-k] = conj(f[k]).
    #[arg(long)]
    pub(crate) real: bool,
    /// Tolerance: the relative error to aim at, in the l2 norm over the whole result; at worst it is 4 times this.
    #[arg(long = "tol", value_name = "TOL", default_value = "1e-6")]
    pub(crate) tolerance: f64,
    /// If --tol is smaller than the precision can reach, takes the smallest tolerance within reach; without this option
    /// that is an error.
    #[arg(long)]
    pub(crate) accept_reachable: bool,
    /// Sign of the exponent.
    #[arg(long, value_name = "+|-", allow_hyphen_values = true, default_value = "+", hide_possible_values = true)]
    pub(crate) sign: Sign,
    /// Order of the modes along each axis of length N: centered, from -(N/2) up; or fft, from 0 up and then the
    /// negative ones.
    #[arg(long, value_name = "centered|fft", default_value = "centered", hide_possible_values = true)]
    pub(crate) order: Order,
    /// Precision of the arithmetic and of the file written. Coordinates keep that of their file.
    #[arg(long, value_name = "f32|f64", default_value = "f64", hide_possible_values = true)]
    pub(crate) precision: Precision,
    /// Period of every coordinate axis [default: 2π].
    #[arg(long, value_name = "P")]
    pub(crate) period: Option<f64>,
    /// Upsampling factor: length of the fine grid over the number of modes, along each axis [default: the one for which
    /// a cost model predicts the least time].
    #[arg(long, value_name = "FACTOR")]
    pub(crate) upsampling: Option<f64>,
    /// Shape of the spreading kernel: prolate, kaiser-bessel, exp-semicircle, or gaussian as in the 2015 article.
    #[arg(long, value_name = "SHAPE", default_value = "prolate", hide_possible_values = true)]
    pub(crate) kernel: Kernel,
    #[command(flatten)]
    pub(crate) run: Run,
    /// Number of measurements made first and not counted; needs --timings.
    #[arg(long, value_name = "W", default_value_t = 0, requires = "timings")]
    pub(crate) warmup: usize,
    /// .npy file to write the result to.
    #[arg(long, value_name = "FILE", required_unless_present = "timings")]
    pub(crate) out: Option<PathBuf>,
}

/// Options of `reduce`.
#[derive(Debug, clap::Args)]
pub(crate) struct Reduce {
    /// What to reduce: an .npy file, file.nc:variable, store.zarr:array, or a pattern of files as 'data/*.nc:variable',
    /// which are joined along --along; `-` is an .npy file on standard input. Numbers of any type.
    ///
    /// As in NumPy, a sum of bool counts the true ones, and minimum and maximum of bool are bool. float16 is computed
    /// as float32 and gives float32.
    #[arg(value_name = "SOURCE")]
    pub(crate) data: String,
    /// Operations: sum, mean, var, std, min, max, argmin, argmax, prod, norm1, norm2, norminf, count, any, all; with
    /// --weights also wsum, the weighted sum, and average, the weighted mean.
    #[arg(long, value_name = "OP[,OP..]", value_delimiter = ',', num_args = 1, required_unless_present = "expr")]
    pub(crate) ops: Vec<Op>,
    /// Axes to reduce, by name, or counted from 0, or from -1 backwards from the last [default: all].
    #[arg(long, value_name = "A[,B..]", value_delimiter = ',', num_args = 1, allow_hyphen_values = true)]
    pub(crate) axis: Vec<String>,
    /// Reduces only these indices of an axis, as in Python: time=::4, lat=10:-10, time=7.
    #[arg(long, value_name = "AXIS=START:STOP:STEP")]
    pub(crate) slice: Vec<String>,
    /// A result as a sum or difference, in the manner of NumPy: --expr 'change=x[-1] - x.mean(0)', with x for the data
    /// and axes by name or number. All are computed from one read; may be given several times.
    #[arg(long, value_name = "NAME=EXPRESSION", conflicts_with_all = ["ops", "axis", "slice", "weights", "keepdims"])]
    pub(crate) expr: Vec<String>,
    /// Keeps reduced axes, with one element each.
    #[arg(long)]
    pub(crate) keepdims: bool,
    /// Leaves NaNs out, as NumPy's nansum and its like do.
    #[arg(long)]
    pub(crate) skip_nan: bool,
    /// Delta degrees of freedom of var and std: the sum of squares is divided by the number of elements less this.
    #[arg(long, value_name = "D", default_value_t = 0.0)]
    pub(crate) ddof: f64,
    /// .npy file of weights, real, of a shape that broadcasts to the data's.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Axis along which the files of a pattern follow one another, by name or number [default: the first].
    #[arg(long, value_name = "AXIS")]
    pub(crate) along: Option<String>,
    /// Takes elements as they are stored. Without this, fill values are NaN and scale factors and offsets are applied.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Most memory for results, data and states, as 512MB or 2GB [default: half of what is available]. The program
    /// needs some 30 MB more for itself.
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "timings")]
    pub(crate) memory: Option<usize>,
    /// Prints what would be read, how, and with how much memory, and stops.
    #[arg(long, conflicts_with = "timings")]
    pub(crate) plan: bool,
    /// PNG file to draw the result to, if it is one with two axes.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) map: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: Run,
    /// Folder to write a file NAME.npy to for each result, with --expr also NAME.png; or a Zarr store to write, if the
    /// name ends in .zarr [default: the results are printed].
    #[arg(long, value_name = "FOLDER|STORE.zarr")]
    pub(crate) out: Option<PathBuf>,
}

/// Options of `info`.
#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// An .npy file, file.nc:variable, store.zarr:array, or a pattern of files.
    #[arg(value_name = "SOURCE")]
    pub(crate) data: String,
    /// Axis along which the files of a pattern follow one another, by name or number [default: the first].
    #[arg(long, value_name = "AXIS")]
    pub(crate) along: Option<String>,
    /// Takes elements as they are stored, without fill values, scale factors and offsets.
    #[arg(long)]
    pub(crate) raw: bool,
}

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// What to write: weather, temperatures x[t,j,i] = i + j/1000 + (t mod 4) + 273.15 in float32, as a Zarr store or
    /// as NetCDF files of 4 steps each.
    #[arg(value_name = "weather")]
    pub(crate) what: Example,
    /// Extents: time steps, latitudes, longitudes.
    #[arg(long, value_name = "T,J,I", value_delimiter = ',', num_args = 1, default_value = "1464,721,1440")]
    pub(crate) shape: Vec<usize>,
    /// Extents of a chunk of the store.
    #[arg(long, value_name = "T,J,I", value_delimiter = ',', num_args = 1, default_value = "4,200,200")]
    pub(crate) chunks: Vec<usize>,
    /// Place to write to: a store, if the name ends in .zarr, else a folder of NetCDF files.
    #[arg(long, value_name = "STORE.zarr|FOLDER")]
    pub(crate) out: PathBuf,
}

/// Example data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Example {
    /// Temperatures over time, latitude and longitude.
    Weather,
}

/// Options of `matmul`.
#[derive(Debug, clap::Args)]
pub(crate) struct Matmul {
    /// .npy file of A, of shape [.., m, k], or [k] for one row: bool, integers, floats or complex numbers.
    ///
    /// Elements of two types are converted to the one that NumPy's result_type gives, with float32 in place of float16.
    /// As in NumPy, integers wrap, and of bool an element of the product is whether both factors are true somewhere;
    /// the processor multiplies them.
    #[arg(value_name = "A.NPY")]
    pub(crate) a: PathBuf,
    /// .npy file of B, of shape [.., k, n], or [k] for one column. Axes before the last two are a batch, to which both
    /// broadcast as in NumPy.
    #[arg(value_name = "B.NPY")]
    pub(crate) b: PathBuf,
    /// Multiplies by the transpose of A, whose file is of shape [.., k, m].
    #[arg(long)]
    pub(crate) trans_a: bool,
    /// Multiplies by the transpose of B, whose file is of shape [.., n, k].
    #[arg(long)]
    pub(crate) trans_b: bool,
    /// Checks the product with R random vectors (Freivalds' check), and ends with an error if it is wrong.
    #[arg(long, value_name = "R")]
    pub(crate) check: Option<NonZeroUsize>,
    /// Multiplies in this much memory, as 256MB: A and B may then be larger than memory, and also store.zarr:array or
    /// file.nc:variable, with two axes or one.
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with_all = ["timings", "check"])]
    pub(crate) memory: Option<usize>,
    /// Prints the sum of the product's elements.
    #[arg(long, requires = "memory")]
    pub(crate) sum: bool,
    /// Prints what would be read, how, and with how much memory, and stops.
    #[arg(long, requires = "memory")]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) run: Run,
    /// .npy file, or with --memory also a Zarr store, to write the product to.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["timings", "sum", "plan"])]
    pub(crate) out: Option<PathBuf>,
}

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Measures smaller cases, which takes a minute or so on two cores.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measures software GPUs too: drivers that compute on the processor, slow and meant for tests.
    #[arg(long)]
    pub(crate) software: bool,
    /// Measures this device alone: cpu, gpu, gpu:N or auto [default: every hardware device].
    #[arg(long, value_name = "auto|cpu|gpu[:N]")]
    pub(crate) device: Option<Choice>,
    /// Time to spend on each case, in seconds [default: 2, or 0.2 with --quick].
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Option<f64>,
    /// Reports on one GPU instead, to gpu.json, gpu.csv and gpu.svg in this folder: whether its results are right, and
    /// the rate of every kernel beside the bandwidth of a copy.
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) gpu_report: Option<PathBuf>,
    /// Time after which the GPU report begins nothing further, in seconds [default: 400].
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "S", value_parser = seconds, requires = "gpu_report")]
    pub(crate) limit: Option<f64>,
    /// Folder to write results.json, results.csv and plots to.
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

/// How the probability is computed that noise has a peak as high as one found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// Baluev's bound without aliases.
    Baluev,
    /// Davies' upper bound.
    Davies,
    /// From a number of independent frequencies.
    Naive,
    /// From a thousand series of the values drawn at random.
    Bootstrap,
}

/// Options of `periodogram`.
#[derive(Debug, clap::Args)]
pub(crate) struct Periodogram {
    /// CSV file, or one delimited by semicolons, tabs or spaces; `-` is standard input. Lines that begin with # are
    /// left out.
    #[arg(value_name = "DATA.CSV")]
    pub(crate) data: PathBuf,
    /// Column of times, by its name in the first line or its place from 1 on [default: 1].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Columns of values, by name or place, in which empty fields and NaN are gaps [default: 2].
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', num_args = 1)]
    pub(crate) value: Vec<String>,
    /// Column of the values' standard deviations; values weigh as its inverse square.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) errors: Option<String>,
    /// How times are written: date (periods are then in the unit that suits the length of the series, from seconds to
    /// years of 365.25 days), number (periods are then in the unit of the numbers), or auto (date where every time is
    /// one, otherwise number).
    #[arg(long, value_name = "auto|date|number", default_value = "auto", hide_possible_values = true)]
    pub(crate) time_format: TimeFormat,
    /// Character between columns [default: the first of tab, semicolon, comma and space in the first line].
    #[arg(long, value_name = "CHARACTER", value_parser = character)]
    pub(crate) delimiter: Option<u8>,
    /// Numbers have a comma before their decimals.
    #[arg(long)]
    pub(crate) decimal_comma: bool,
    /// Degree, 0 to 9, of the polynomial trend that is fitted with the waves.
    #[arg(
        long,
        value_name = "DEGREE",
        default_value_t = 2,
        value_parser = RangedU64ValueParser::<u8>::new().range(0..=9)
    )]
    pub(crate) detrend: u8,
    /// Fourier terms of each wave, 1 to 10: more than one for waves that are not sinusoidal.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = RangedU64ValueParser::<u8>::new().range(1..=10)
    )]
    pub(crate) terms: u8,
    /// Lowest and highest frequency, in cycles per unit of time [default: two cycles in the length of the series, since
    /// fewer are a trend, and half the mean rate of sampling].
    #[arg(long, value_name = "LOW,HIGH", value_parser = range)]
    pub(crate) frequency_range: Option<(f64, f64)>,
    /// Number of frequencies computed per resolution element, which is 1 / (time from first to last sample).
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = RangedU64ValueParser::<u8>::new().range(2..=64))]
    pub(crate) oversample: u8,
    /// Most periods to list.
    #[arg(long, value_name = "P", default_value_t = 5, value_parser = RangedU64ValueParser::<u8>::new().range(1..=50))]
    pub(crate) peaks: u8,
    /// Highest false-alarm probability of a period that is listed, 0 to 1: that noise of the level around it has as
    /// high a peak anywhere.
    #[arg(long, value_name = "P", default_value_t = 0.001, value_parser = probability)]
    pub(crate) fap: f64,
    /// How false-alarm probabilities are computed: baluev, davies, naive (for more than one term: naive), or bootstrap,
    /// which computes a thousand spectra.
    #[arg(long, value_name = "baluev|davies|naive|bootstrap", default_value = "baluev", hide_possible_values = true)]
    pub(crate) method: Method,
    #[arg(long, value_name = "auto|cpu|gpu[:N]", default_value = "cpu", help = DEVICE)]
    pub(crate) device: Choice,
    /// Files to write: .svg for the spectrum with the periods found, the spectral window, and the values folded by the
    /// strongest period; .csv for frequencies, powers and window.
    #[arg(long, value_name = "FILE[,FILE]", value_delimiter = ',', num_args = 1)]
    pub(crate) out: Vec<PathBuf>,
}

impl Periodogram {
    /// Whether a column's name was not given but is a default.
    pub(crate) fn is_default(&self, column: &str) -> bool {
        (column == "1" && self.time.is_none()) || (column == "2" && self.value.is_empty())
    }
}

/// Bytes, as 512MB, 2GB, 64MiB or 1000000.
fn size(text: &str) -> Result<usize, String> {
    let wrong = || "give a size as 512MB, 2GB or 64MiB".to_owned();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(wrong()),
    };
    let bytes = number * unit;
    if (1.0..1e18).contains(&bytes) { Ok(bytes as usize) } else { Err(wrong()) }
}

fn character(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        "space" => Ok(b' '),
        _ if text.len() == 1 => Ok(text.as_bytes()[0]),
        _ => Err("give one ASCII character, tab or space".into()),
    }
}

fn range(text: &str) -> Result<(f64, f64), String> {
    let ends: Option<Vec<f64>> = text.split(',').map(|end| end.trim().parse().ok()).collect();
    match ends.as_deref() {
        Some(&[low, high]) if low >= 0.0 && low < high && high.is_finite() => Ok((low, high)),
        _ => Err("give two frequencies from 0 up, the lower one first: 0.5,12".into()),
    }
}

fn probability(text: &str) -> Result<f64, String> {
    let allowed = |probability: &f64| *probability > 0.0 && *probability < 1.0;
    text.parse().ok().filter(allowed).ok_or_else(|| "give a probability between 0 and 1".into())
}
