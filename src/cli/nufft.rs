//! The `nufft` command: a non-uniform FFT of NumPy files, optionally repeated and timed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ndarray::{Array1, ArrayView1};
use ndarray_npy::WritableElement;
use num_complex::Complex;
use serde_json::{Map, Value, json};
use wavemill::nufft::{ModeOrder, NufftPlan, NufftPlan3, Shape, Sign, Stage, Timings};
use wavemill::{Device, Real, significant};

use crate::args::{self, Kernel, Order, Precision};
use crate::input::{Points, Values};
use crate::measure::{median, recipe_json};
use crate::{device, output};

/// Runs the command.
pub(crate) fn run(args: &args::Nufft) -> Result<()> {
    let (axes, files) = (args.modes.len().max(args.targets.len()), args.points.len());
    let (name, other) = if args.kind == 3 { ("targets", "modes") } else { ("modes", "targets") };
    if (args.kind == 3) == args.targets.is_empty() {
        bail!("a type {} takes --{name}, not --{other}", args.kind);
    }
    if args.real && args.kind != 2 {
        bail!("--real is for type 2; a type 1 of real strengths needs no option");
    }
    if axes != files {
        bail!("--{name} has {axes} axes, but --points names {files} files; give one file of coordinates for each axis");
    }
    output::check(args.out.iter().chain(&args.run.timings))?;
    match args.precision {
        Precision::F32 => transform::<f32>(args),
        Precision::F64 => transform::<f64>(args),
    }
}

/// The contents of the input files.
struct Input<T: Real> {
    points: Points,
    /// The frequencies of type 3; empty for other types.
    targets: Points,
    values: Values<T>,
    /// The number of transforms, if the values have a batch axis.
    batch: Option<usize>,
}

impl<T: Real> Input<T> {
    fn read(args: &args::Nufft) -> Result<Self> {
        let points = Points::read(&args.points)?;
        let values = Values::<T>::read(&args.values)?;
        // Only type 1 has a faster transform of real values; for other types they become complex.
        let values = if args.kind == 1 { values } else { values.complex()? };
        let targets = Points::read(&args.targets)?;
        let (item, name) = if args.kind == 2 {
            (args.modes.clone(), "modes in --modes")
        } else {
            (vec![points.len()], "points in --points")
        };
        let batch = match values.shape() {
            shape if shape == item => None,
            [0, shape @ ..] if shape == item => {
                bail!("{} holds a batch of no transforms; give at least one", args.values.display())
            }
            [batch, shape @ ..] if shape == item => Some(*batch),
            shape => bail!(
                "{} has the shape {shape:?}, but there are {item:?} {name}; a type {} needs values of that shape, \
                 or of it with a batch axis in front",
                args.values.display(),
                args.kind
            ),
        };
        Ok(Self { points, targets, values, batch })
    }

    /// The approximate time on a processor, for the choice of a device: a kernel is about 8 cells wide along each axis,
    /// and a fine grid has a few times as many cells as there are modes.
    fn seconds(&self, args: &args::Nufft) -> f64 {
        let ends = (self.points.len() + self.targets.len()) as f64;
        let dimensions = i32::try_from(args.points.len()).unwrap_or(i32::MAX);
        let modes = args.modes.iter().map(|&extent| extent as f64).product::<f64>();
        self.batch.unwrap_or(1) as f64 * (ends * 8f64.powi(dimensions) * 1e-9 + modes * 1e-7)
    }
}

fn views<C>(axes: &[Array1<C>]) -> Vec<ArrayView1<'_, C>> {
    axes.iter().map(|axis| axis.view()).collect()
}

/// A plan of type 1, 2 or 3, named for what it transforms.
enum Plan<T: Real> {
    Strengths(Box<NufftPlan<T>>),
    Modes(Box<NufftPlan<T>>),
    Targets(Box<NufftPlan3<T>>),
}

impl<T: Real> Plan<T> {
    fn new(args: &args::Nufft, input: &Input<T>, device: &Device) -> Result<Self> {
        Ok(match args.kind {
            1 => Self::Strengths(Box::new(plan(args, input, device)?)),
            2 => Self::Modes(Box::new(plan(args, input, device)?)),
            _ => Self::Targets(Box::new(plan3(args, input, device)?)),
        })
    }

    fn set_points(&mut self, input: &Input<T>) -> Result<()> {
        match (self, &input.points, &input.targets) {
            (Self::Strengths(plan) | Self::Modes(plan), Points::F32(x), _) => plan.set_points(views(x))?,
            (Self::Strengths(plan) | Self::Modes(plan), Points::F64(x), _) => plan.set_points(views(x))?,
            (Self::Targets(plan), Points::F32(x), Points::F32(s)) => plan.set_points(views(x), views(s))?,
            (Self::Targets(plan), Points::F32(x), Points::F64(s)) => plan.set_points(views(x), views(s))?,
            (Self::Targets(plan), Points::F64(x), Points::F32(s)) => plan.set_points(views(x), views(s))?,
            (Self::Targets(plan), Points::F64(x), Points::F64(s)) => plan.set_points(views(x), views(s))?,
        }
        Ok(())
    }

    fn execute(&mut self, real: bool, values: &Values<T>) -> Result<Values<T>> {
        Ok(match (self, values) {
            (Self::Strengths(plan), Values::Real(values)) => Values::Complex(plan.type1(values)?),
            (Self::Strengths(plan), Values::Complex(values)) => Values::Complex(plan.type1(values)?),
            (Self::Modes(plan), Values::Complex(values)) if real => Values::Real(plan.type2_real(values)?),
            (Self::Modes(plan), Values::Complex(values)) => Values::Complex(plan.type2(values)?),
            (Self::Targets(plan), Values::Complex(values)) => Values::Complex(plan.type3(values)?),
            (Self::Modes(_) | Self::Targets(_), Values::Real(_)) => bail!("types 2 and 3 take complex values"),
        })
    }

    fn execute_into(&mut self, values: &Values<T>, result: &mut Values<T>) -> Result<()> {
        match (self, values, result) {
            (Self::Strengths(plan), Values::Real(values), Values::Complex(to)) => plan.type1_into(values, to)?,
            (Self::Strengths(plan), Values::Complex(values), Values::Complex(to)) => plan.type1_into(values, to)?,
            (Self::Modes(plan), Values::Complex(values), Values::Real(to)) => plan.type2_into(values, to)?,
            (Self::Modes(plan), Values::Complex(values), Values::Complex(to)) => plan.type2_into(values, to)?,
            (Self::Targets(plan), Values::Complex(values), Values::Complex(to)) => plan.type3_into(values, to)?,
            _ => bail!("the result is of another kind than the execution before gave"),
        }
        Ok(())
    }

    fn timings(&self) -> Timings {
        match self {
            Self::Strengths(plan) | Self::Modes(plan) => plan.timings(),
            Self::Targets(plan) => plan.timings(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Strengths(plan) | Self::Modes(plan) => plan.describe(),
            Self::Targets(plan) => plan.describe(),
        }
    }

    fn recipe_json(&self) -> Value {
        match self {
            Self::Strengths(plan) | Self::Modes(plan) => recipe_json(plan.recipe()),
            Self::Targets(plan) => plan.recipes().map_or(
                Value::Null,
                |(outer, inner)| json!({ "spreading": recipe_json(outer), "type_2": recipe_json(inner) }),
            ),
        }
    }
}

fn sign(args: &args::Nufft) -> Sign {
    if args.sign == args::Sign::Plus { Sign::Plus } else { Sign::Minus }
}

fn plan3<T: Real>(args: &args::Nufft, input: &Input<T>, device: &Device) -> Result<NufftPlan3<T>> {
    let mut builder = NufftPlan3::<T>::builder(args.targets.len()).tolerance(args.tolerance).sign(sign(args));
    if let Some(batch) = input.batch {
        builder = builder.batch(batch);
    }
    if args.accept_reachable {
        builder = builder.accept_reachable();
    }
    builder.build(device).map_err(in_options)
}

fn plan<T: Real>(args: &args::Nufft, input: &Input<T>, device: &Device) -> Result<NufftPlan<T>> {
    let mut builder = NufftPlan::<T>::builder(args.modes.clone())
        .tolerance(args.tolerance)
        .expected_points(input.points.len())
        .sign(sign(args))
        .order(if args.order == Order::Centered { ModeOrder::Centred } else { ModeOrder::Fft })
        .kernel(match args.kernel {
            Kernel::Prolate => Shape::Prolate,
            Kernel::KaiserBessel => Shape::KaiserBessel,
            Kernel::ExpSemicircle => Shape::ExpSemicircle,
            Kernel::Gaussian => Shape::Gaussian,
        });
    if let Some(batch) = input.batch {
        builder = builder.batch(batch);
    }
    if let Some(period) = args.period {
        builder = builder.period(period);
    }
    if let Some(upsampling) = args.upsampling {
        builder = builder.upsampling(upsampling);
    }
    if args.accept_reachable {
        builder = builder.accept_reachable();
    }
    builder.build(device).map_err(in_options)
}

/// Translates the advice in the library's errors to options of the command line.
fn in_options(error: wavemill::Error) -> anyhow::Error {
    anyhow::anyhow!(error.to_string().replace("accept_reachable()", "--accept-reachable"))
}

/// For each stage, the seconds of each measurement.
type Samples = BTreeMap<String, Vec<f64>>;

/// The names of all times that may be reported, in the order of work.
const NAMES: [&str; 9] =
    ["plan", "set_points", "spread", "fft", "deconvolve", "interpolate", "transfers", "execute", "total"];

fn transform<T: Real + WritableElement>(args: &args::Nufft) -> Result<()>
where
    Complex<T>: WritableElement,
{
    let input = Input::<T>::read(args)?;
    let device = device::choose(args.run.device, input.seconds(args))?;
    let mut samples = Samples::new();
    let mut kept = None;
    for round in 0..args.warmup + args.run.repeat.get() {
        drop(kept.take());
        if round == args.warmup {
            samples.clear();
        }
        let mut note = |name: &str, time: Duration| samples.entry(name.into()).or_default().push(time.as_secs_f64());
        let start = Instant::now();
        let mut plan = Plan::new(args, &input, &device)?;
        let built = start.elapsed();
        plan.set_points(&input)?;
        let set = start.elapsed();
        let mut result = plan.execute(args.real, &input.values)?;
        note("total", start.elapsed());
        note("plan", built);
        note("set_points", set - built);
        if args.run.timings.is_some() {
            let start = Instant::now();
            plan.execute_into(&input.values, &mut result)?;
            note("execute", start.elapsed());
            for (stage, time) in plan.timings().iter() {
                if !matches!(stage, Stage::Plan | Stage::SetPoints | Stage::Execute) {
                    note(&stage.to_string(), time);
                }
            }
        }
        kept = Some((plan, result));
    }
    let Some((plan, result)) = kept else { bail!("nothing was measured; give a --repeat of 1 or more") };
    if !result.is_finite() {
        bail!("sums of the values leave the range of {}; scale the values down, or give --precision f64", T::NAME);
    }

    if let Some(path) = &args.out {
        result.write(path)?;
    }
    if let Some(path) = &args.run.timings {
        write_timings(path, args, &input, plan.recipe_json(), &samples)?;
    }
    let mut text = plan.describe().trim_end().to_owned();
    text.push('\n');
    for name in NAMES {
        if let Some(times) = samples.get(name) {
            writeln!(text, "{name:<12} {:>12} s", significant(median(times), 4))?;
        }
    }
    output::print(&text)
}

fn write_timings<T: Real>(
    path: &Path,
    args: &args::Nufft,
    input: &Input<T>,
    recipe: Value,
    samples: &Samples,
) -> Result<()> {
    let medians: Map<_, _> = NAMES
        .iter()
        .map(|&name| (name.to_owned(), samples.get(name).map_or(Value::Null, |s| json!(median(s)))))
        .collect();
    let document = json!({
        "wavemill": env!("CARGO_PKG_VERSION"),
        "type": args.kind,
        "points": input.points.len(),
        "threads": rayon::current_num_threads(),
        "repeat": args.run.repeat,
        "warmup": args.warmup,
        "unit": "seconds",
        "timings": medians,
        "samples": samples,
        "recipe": recipe,
    });
    output::write_json(path, &document)
}
