//! `bench --gpu-report`: everything a GPU computes, compared with reference results and timed against the device's copy
//! bandwidth, in one command that needs no files. The most important cases come first, and each row is written at once,
//! so that a run that is cut short loses only what it has not measured.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use num_complex::Complex;
use serde_json::{Map, Value, json};
use wavemill::reduce::Op;
use wavemill::{Device, Gpu, Kind};

use crate::args::{self, Precision};
use crate::cases::{Case, Group, Problem};
use crate::{device, gpu_rows, output, plot};

/// Seconds after which no further step is begun, unless `--limit` says otherwise. The report lists what was left out.
const ENOUGH: f64 = 400.0;

/// A step of the report: one measurement, or several on the same input.
#[derive(Debug)]
enum Step {
    /// A uniform transform of these extents.
    Transform(&'static [usize], Precision),
    /// A reduction of |z|².
    Powers(Op),
    /// A product of square matrices.
    Product(usize, Factor),
    /// Non-uniform transforms of one problem, for each precision and tolerance.
    Nonuniform(Case, &'static [(Precision, f64)]),
}

/// The element type of a product.
#[derive(Debug, Clone, Copy)]
enum Factor {
    Single,
    Double,
    Complex,
}

/// The sizes of all cases.
struct Sizes {
    transforms: &'static [&'static [usize]],
    products: &'static [usize],
    modes: &'static [&'static [usize]],
    points: &'static [usize],
}

const FULL: Sizes = Sizes {
    transforms: &[&[1024, 1024], &[256, 256, 256], &[1 << 22], &[4096, 4096], &[128, 128, 128], &[500, 500, 500]],
    products: &[4096, 1024, 2048, 8192],
    modes: &[&[256, 256, 256], &[1024, 1024], &[1 << 20], &[128, 128, 128], &[256, 256], &[4096, 4096]],
    points: &[10_000_000, 1_000_000, 100_000, 100_000_000],
};
const QUICK: Sizes = Sizes {
    transforms: &[&[64, 64], &[16, 16, 16], &[1 << 12]],
    products: &[96],
    modes: &[&[12, 12, 12], &[48, 48], &[1 << 11]],
    points: &[3000],
};

/// The accuracies of the most important cases, which are measured first, and those of all others.
const FIRST: &[(Precision, f64)] = &[(Precision::F32, 1e-5), (Precision::F64, 1e-6)];
const REST: &[(Precision, f64)] =
    &[(Precision::F32, 1e-5), (Precision::F64, 1e-6), (Precision::F32, 1e-4), (Precision::F64, 1e-9)];

impl Sizes {
    /// All steps: the most important ones of every kind before the rest.
    fn steps(&self) -> Vec<Step> {
        let telling = self.case(self.modes[0], self.points[0], false);
        let mut steps: Vec<Step> = telling.into_iter().map(|case| Step::Nonuniform(case, FIRST)).collect();
        let [first, rest] = [&self.transforms[..1], &self.transforms[1..]];
        steps.extend(first.iter().flat_map(|extents| both(extents)));
        steps.push(Step::Product(self.products[0], Factor::Single));
        steps.extend([Op::Sum, Op::Max, Op::ArgMax].map(Step::Powers));
        for modes in &self.modes[1..3] {
            steps.extend(self.case(modes, self.points[0], false).into_iter().map(|case| Step::Nonuniform(case, FIRST)));
        }
        steps.extend(rest.iter().flat_map(|extents| both(extents)));
        for &n in self.products {
            let all = [Factor::Single, Factor::Double, Factor::Complex];
            let kinds = if n > 4096 {
                &all[..1]
            } else if n == self.products[0] {
                &all[1..]
            } else {
                &all[..]
            };
            steps.extend(kinds.iter().map(|&factor| Step::Product(n, factor)));
        }
        let first = &self.modes[..3.min(self.modes.len())];
        for &points in self.points {
            for modes in self.modes {
                // To generate the largest sets of points takes most of the time, so they have few cases.
                if points > 10_000_000 && modes.iter().product::<usize>() < 1 << 24 {
                    continue;
                }
                let crowds = if points <= 1_000_000 { &[false, true][..] } else { &[false] };
                for &clustered in crowds {
                    let done = points == self.points[0] && !clustered && first.contains(modes);
                    let accuracies = if done { &REST[2..] } else { REST };
                    let cases = self.case(modes, points, clustered);
                    steps.extend(cases.into_iter().map(|case| Step::Nonuniform(case, accuracies)));
                }
            }
        }
        steps
    }

    /// The cases of types 1 and 2.
    fn case(&self, modes: &[usize], points: usize, clustered: bool) -> [Case; 2] {
        [1, 2].map(|kind| Case { group: Group::Gpu, kind, modes: modes.to_vec(), points, clustered })
    }
}

/// Uniform transforms in both precisions; in f64 only of extents that most devices can hold.
fn both(extents: &'static [usize]) -> Vec<Step> {
    let small = extents.iter().product::<usize>() <= 1 << 24;
    let precisions = if small { &[Precision::F32, Precision::F64][..] } else { &[Precision::F32] };
    precisions.iter().map(|&precision| Step::Transform(extents, precision)).collect()
}

impl Step {
    fn label(&self) -> String {
        match self {
            Self::Transform(extents, precision) => format!("fft {extents:?} {precision}"),
            Self::Powers(op) => format!("reduce {}", op.name()),
            Self::Product(n, factor) => format!("matmul {n} {factor:?}"),
            Self::Nonuniform(case, _) => {
                let crowd = if case.clustered { " clustered" } else { "" };
                format!("{} {:?} {} points{crowd}", case.label(), case.modes, case.points)
            }
        }
    }

    fn measure(&self, gpu: &Gpu, quick: bool, copy: f64, measured: &mut Measured) -> Result<()> {
        match *self {
            Self::Transform(extents, Precision::F32) => measured.add(gpu_rows::transform::<f32>(gpu, extents, copy)?),
            Self::Transform(extents, Precision::F64) => measured.add(gpu_rows::transform::<f64>(gpu, extents, copy)?),
            Self::Powers(op) => measured.add(gpu_rows::powers(gpu, op, quick, copy)?),
            Self::Product(n, Factor::Single) => measured.add(gpu_rows::product::<f32>(gpu, n)?),
            Self::Product(n, Factor::Double) => measured.add(gpu_rows::product::<f64>(gpu, n)?),
            Self::Product(n, Factor::Complex) => measured.add(gpu_rows::product::<Complex<f32>>(gpu, n)?),
            Self::Nonuniform(ref case, accuracies) => {
                let problem = Problem::new(case.clone())?;
                for &(precision, tolerance) in accuracies {
                    measured.add(match precision {
                        Precision::F64 if !gpu.has_f64() => continue,
                        Precision::F64 => gpu_rows::nonuniform::<f64>(gpu, &problem, tolerance)?,
                        Precision::F32 => gpu_rows::nonuniform::<f32>(gpu, &problem, tolerance)?,
                    })?;
                }
                Ok(())
            }
        }
    }

    fn double(&self) -> bool {
        matches!(self, Self::Transform(_, Precision::F64) | Self::Product(_, Factor::Double))
    }
}

/// The rows that were measured, each with its own fields.
#[derive(Debug)]
struct Measured {
    rows: Vec<Map<String, Value>>,
    left_out: Vec<String>,
    /// The file gpu.jsonl, to which each row is written at once.
    lines: File,
}

impl Measured {
    fn add(&mut self, row: Value) -> Result<()> {
        writeln!(self.lines, "{row}").context("cannot write gpu.jsonl")?;
        let Value::Object(row) = row else { bail!("a row has fields") };
        let words = row.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value.as_f64() {
            Some(number) if value.is_f64() => format!("{name} {number:.4e}"),
            _ => format!("{name} {}", value.to_string().trim_matches('"')),
        });
        output::print(&(words.collect::<Vec<_>>().join(", ") + "\n"))?;
        self.rows.push(row);
        Ok(())
    }

    fn csv(&self) -> Result<String> {
        let mut names: Vec<&String> = Vec::new();
        for name in self.rows.iter().flat_map(Map::keys) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let head = names.iter().map(ToString::to_string).collect();
        let rows = self.rows.iter().map(|row| {
            let field = |name: &&String| row.get(*name).filter(|value| !value.is_null()).map(ToString::to_string);
            names.iter().map(|name| field(name).unwrap_or_default().replace('"', "")).collect()
        });
        output::csv(std::iter::once(head).chain(rows))
    }
}

/// Runs the command.
pub(crate) fn run(args: &args::Bench, folder: &Path) -> Result<()> {
    output::make_folder(folder)?;
    let lines = folder.join("gpu.jsonl");
    let lines = File::create(&lines).with_context(|| format!("cannot write {}", lines.display()))?;
    let device = chosen(args)?;
    let Some(gpu) = device.gpu() else { bail!("{} is no GPU; give --device gpu or gpu:N", device.name()) };
    let start = Instant::now();
    output::print(&format!("{}, {}\n", gpu.name(), gpu.driver()))?;
    let mut measured = Measured { rows: Vec::new(), left_out: Vec::new(), lines };
    let [command, shader] = gpu_rows::copy_bandwidth(gpu, args.quick)?;
    measured.add(json!({ "part": "copy", "op": "command", "bytes_per_s": command }))?;
    measured.add(json!({ "part": "copy", "op": "shader", "bytes_per_s": shader }))?;
    let copy = f64::max(command, shader);
    let limit = args.limit.unwrap_or(ENOUGH);
    for step in if args.quick { QUICK } else { FULL }.steps() {
        if step.double() && !gpu.has_f64() {
            continue;
        }
        if start.elapsed().as_secs_f64() > limit {
            measured.left_out.push(format!("{}: out of time", step.label()));
        } else if let Err(error) = step.measure(gpu, args.quick, copy, &mut measured) {
            // The report names what the device could not do, for lack of memory for example.
            measured.left_out.push(format!("{}: {error:#}", step.label()));
        }
    }
    publish(args, folder, gpu, &measured, start.elapsed())
}

fn chosen(args: &args::Bench) -> Result<Device> {
    if let Some(choice) = args.device {
        return device::choose(choice, f64::INFINITY);
    }
    let wanted = |kind| kind == Kind::Gpu || args.software && kind == Kind::SoftwareGpu;
    let mut found: Vec<_> = Device::all().into_iter().filter(|candidate| wanted(candidate.kind)).collect();
    found.sort_by_key(|candidate| candidate.kind != Kind::Gpu);
    let found = found.into_iter().find_map(|candidate| candidate.device.ok());
    found.context(
        "no hardware GPU can be used; --software reports on a software one, `wavemill devices` says what there is",
    )
}

fn publish(args: &args::Bench, folder: &Path, gpu: &Gpu, measured: &Measured, took: Duration) -> Result<()> {
    let checked = |name: &str, wrong: bool| {
        measured.rows.iter().filter(|row| row.get(name).and_then(Value::as_bool) == Some(wrong)).count()
    };
    let (outside, unequal) = (checked("within_law", false), checked("same_bits", false));
    let (self_test, limits) = (gpu.self_test()?, gpu.limits_that_matter());
    let document = json!({
        "wavemill": env!("CARGO_PKG_VERSION"),
        "measured": jiff::Timestamp::now().to_string(),
        "device": gpu.name(),
        "driver": gpu.driver(),
        "self_test": self_test.into_iter().map(|(name, right)| (name.to_string(), json!(right))).collect::<Map<_, _>>(),
        "limits": limits.into_iter().map(|(name, value)| (name, json!(value))).collect::<Map<_, _>>(),
        "host_threads": rayon::current_num_threads(),
        "quick": args.quick,
        "seconds": took.as_secs_f64(),
        "outside_the_law": outside,
        "not_the_same_bits": unequal,
        "rows": measured.rows,
        "left_out": measured.left_out,
    });
    output::write_json(&folder.join("gpu.json"), &document)?;
    output::write_text(&folder.join("gpu.csv"), &measured.csv()?)?;
    output::write_text(&folder.join("gpu.svg"), &plot::gpu(&gpu.name(), &measured.rows)?)?;
    let written = ["gpu.json", "gpu.csv", "gpu.svg"].map(|name| folder.join(name).display().to_string()).join(", ");
    output::print(&format!(
        "\n{} rows in {:.0} s, {} left out; {outside} outside the error law, {unequal} not the same bits again. \
         Written: {written}\n",
        measured.rows.len(),
        took.as_secs_f64(),
        measured.left_out.len(),
    ))
}
