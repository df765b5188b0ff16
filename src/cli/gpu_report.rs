//! `bench --gpu-report`: everything a GPU computes, held to reference results and measured beside the device's own copy
//! bandwidth, in one command that needs no files.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, ArrayView2};
use num_complex::Complex;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use wavemill::fft::Fft;
use wavemill::matmul::{MatmulPlan, freivalds};
use wavemill::nufft::{NufftPlan, Sign, Stage, Timings};
use wavemill::reduce::{Op, ReducePlan};
use wavemill::{Device, Gpu, Kind, Number, Real, UniformTransform, wgpu};

use crate::args::{self, Precision};
use crate::cases::{Case, Group, Problem};
use crate::measure::{median, sampled_error, samples};
use crate::{device, output, plot};

/// Time after which no further transform is begun; what was left out is in the report.
const ENOUGH: Duration = Duration::from_secs(400);

/// What was measured, each row with its own fields.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Map<String, Value>>,
    left_out: Vec<String>,
}

impl Measured {
    fn add(&mut self, row: Value) -> Result<()> {
        let Value::Object(row) = row else { bail!("a row has fields") };
        let words = row.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value.as_f64() {
            Some(number) if value.is_f64() => format!("{name} {number:.4e}"),
            _ => format!("{name} {}", value.to_string().trim_matches('"')),
        });
        output::print(&(words.collect::<Vec<_>>().join(", ") + "\n"))?;
        self.rows.push(row);
        Ok(())
    }

    /// Adds what was measured; what the device could not do, for want of memory say, is named and left out.
    fn try_add(&mut self, what: impl FnOnce() -> String, row: Result<Value>) -> Result<()> {
        match row {
            Ok(row) => self.add(row),
            Err(error) => {
                self.left_out.push(format!("{}: {error:#}", what()));
                Ok(())
            }
        }
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
pub(crate) fn run(args: &args::Bench, folder: &std::path::Path) -> Result<()> {
    output::make_folder(folder)?;
    let device = chosen(args)?;
    let Some(gpu) = device.gpu() else { bail!("{} is no GPU; give --device gpu or gpu:N", device.name()) };
    let start = Instant::now();
    output::print(&format!("{}, {}\n", gpu.name(), gpu.driver()))?;
    let mut measured = Measured::default();
    let copy = copy_bandwidth(gpu, args.quick)?;
    measured.add(json!({ "part": "copy", "bytes_per_s": copy }))?;
    transforms(gpu, args.quick, copy, &mut measured)?;
    powers(gpu, args.quick, copy, &mut measured)?;
    products(gpu, args.quick, &mut measured)?;
    for case in cases(args.quick) {
        if start.elapsed() > ENOUGH {
            measured.left_out.push(format!("{} {} {} points: out of time", case.label(), case.extents(), case.points));
            continue;
        }
        let problem = Problem::new(case)?;
        for &(precision, tolerance) in problem.case.accuracies() {
            let row = match precision {
                Precision::F64 if !gpu.has_f64() => continue,
                _ if args.quick && ![1e-4, 1e-6].contains(&tolerance) => continue,
                Precision::F32 => nonuniform::<f32>(gpu, &problem, tolerance),
                Precision::F64 => nonuniform::<f64>(gpu, &problem, tolerance),
            };
            let case = || {
                let Case { modes, points, .. } = &problem.case;
                format!("{} {modes:?} {points} points {precision} {tolerance:e}", problem.case.label())
            };
            measured.try_add(case, row)?;
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

fn publish(args: &args::Bench, folder: &std::path::Path, gpu: &Gpu, measured: &Measured, took: Duration) -> Result<()> {
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

/// The transforms to measure, the smaller ones first.
fn cases(quick: bool) -> Vec<Case> {
    let shapes: &[&[usize]] = if quick {
        &[&[1 << 11], &[48, 48], &[12, 12, 12]]
    } else {
        &[&[1 << 20], &[256, 256], &[1024, 1024], &[4096, 4096], &[128, 128, 128], &[256, 256, 256]]
    };
    let counts: &[usize] = if quick { &[3000] } else { &[100_000, 1_000_000, 10_000_000, 100_000_000] };
    let mut all = Vec::new();
    for &points in counts {
        for &modes in shapes {
            // The largest sets take most of the time to make.
            let wanted = points <= 10_000_000 || modes == [4096, 4096] || modes == [256, 256, 256];
            let crowds: &[bool] = if quick || points == 1_000_000 { &[false, true] } else { &[false] };
            for (&clustered, kind) in crowds.iter().flat_map(|crowd| [1, 2].map(|kind| (crowd, kind))) {
                let case = Case { group: Group::Gpu, kind, modes: modes.to_vec(), points, clustered };
                all.extend(wanted.then_some(case));
            }
        }
    }
    all
}

fn buffer(gpu: &Gpu, bytes: usize) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes as u64,
        usage,
        mapped_at_creation: false,
    })
}

/// Seconds of a run, as the median of some.
fn timed(runs: usize, run: impl FnMut() -> Result<()>) -> Result<f64> {
    Ok(median(&samples(runs, run)?))
}

/// Bytes a second that the device reads and writes while it copies: the ceiling of all that moves data once.
fn copy_bandwidth(gpu: &Gpu, quick: bool) -> Result<f64> {
    let most = gpu.device().limits().max_buffer_size.min(1 << 30);
    let bytes = if quick { most.min(16 << 20) } else { most };
    let [from, to] = [0, 1].map(|_| buffer(gpu, bytes as usize));
    let copies = 8;
    let seconds = timed(5, || {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        (0..copies).for_each(|_| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes));
        gpu.queue().submit([encoder.finish()]);
        gpu.device().poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    })?;
    Ok(2.0 * copies as f64 * bytes as f64 / seconds)
}

/// Numbers that are the same on every machine.
fn numbers<T: Real>(count: usize) -> Vec<Complex<T>> {
    let number = |i: usize| Complex::new(T::nearest((0.713 * i as f64).sin()), T::nearest((1.291 * i as f64).cos()));
    (0..count).into_par_iter().map(number).collect()
}

/// Uniform transforms.
fn transforms(gpu: &Gpu, quick: bool, copy: f64, measured: &mut Measured) -> Result<()> {
    let sizes: &[&[usize]] = if quick {
        &[&[1 << 12], &[64, 64], &[16, 16, 16]]
    } else {
        &[&[1 << 22], &[1024, 1024], &[4096, 4096], &[128, 128, 128], &[256, 256, 256], &[500, 500, 500]]
    };
    for extents in sizes {
        measured.try_add(|| format!("fft {extents:?} f32"), transform::<f32>(gpu, extents, copy))?;
        if gpu.has_f64() && extents.iter().product::<usize>() <= 1 << 24 {
            measured.try_add(|| format!("fft {extents:?} f64"), transform::<f64>(gpu, extents, copy))?;
        }
    }
    Ok(())
}

fn transform<T: Real>(gpu: &Gpu, extents: &[usize], copy: f64) -> Result<Value> {
    let count: usize = extents.iter().product();
    let begun = Instant::now();
    let fft = Fft::<T>::new(gpu, extents, 1)?;
    let built = begun.elapsed().as_secs_f64();
    let input = numbers::<T>(count);
    let mut there = gpu.upload(&input)?;
    fft.execute(&mut there, Sign::Plus)?;
    let error = error_of_bins(&input, &gpu.download(&there)?, extents);
    let mut times = Vec::new();
    let wall = timed(7, || {
        let mut timings = Timings::default();
        fft.timed(&mut there, Sign::Plus, &mut timings)?;
        times.extend(timings.get(Stage::Fft).map(|time| time.as_secs_f64()));
        // Without a factor 1/N numbers would overflow.
        there = gpu.upload(&input)?;
        Ok(())
    })?;
    let device = if times.is_empty() { wall } else { median(&times) };
    let bytes = 2 * fft.passes() * count * size_of::<Complex<T>>();
    Ok(json!({
        "part": "fft", "extents": extents, "precision": T::NAME, "passes": fft.passes(), "plan_s": built,
        "device_s": device, "bytes_per_s": bytes as f64 / device, "share_of_copy": bytes as f64 / device / copy,
        "error": error,
    }))
}

/// The relative error of some bins, by plain sums whose phases are exact.
fn error_of_bins<T: Real>(input: &[Complex<T>], found: &[Complex<T>], extents: &[usize]) -> f64 {
    let wide = |z: Complex<T>| Complex::<f64>::new(z.re.into(), z.im.into());
    let place = |mut index: usize| {
        let mut at = [0; 3];
        for (axis, &n) in extents.iter().enumerate().rev() {
            at[axis] = index % n;
            index /= n;
        }
        at
    };
    let (mut off, mut norm) = (0.0, 0.0);
    for sample in 0..8 {
        let bin = sample * (found.len() - 1) / 7;
        let k = place(bin);
        let term = |(index, &z): (usize, &Complex<T>)| {
            let l = place(index);
            let turns = extents.iter().enumerate().map(|(axis, &n)| (k[axis] * l[axis] % n) as f64 / n as f64);
            wide(z) * Complex::from_polar(1.0, std::f64::consts::TAU * turns.sum::<f64>())
        };
        let sum: Complex<f64> = input.par_iter().enumerate().map(term).sum();
        off += (wide(found[bin]) - sum).norm_sqr();
        norm += sum.norm_sqr();
    }
    // Between the tones of the input bins are nearly 0: errors count relative to the root mean square of all bins.
    let whole = found.iter().map(|&z| wide(z).norm_sqr()).sum::<f64>() / found.len() as f64;
    (off / f64::max(norm, 8.0 * whole)).sqrt()
}

/// Reductions of |z|² on the device.
fn powers(gpu: &Gpu, quick: bool, copy: f64, measured: &mut Measured) -> Result<()> {
    let most = gpu.device().limits().max_storage_buffer_binding_size as usize / 8;
    let count = if quick { 1 << 16 } else { most.min(1 << 27) };
    let input = numbers::<f32>(count);
    let loaded = buffer(gpu, 8 * count);
    gpu.queue().write_buffer(&loaded, 0, bytemuck::cast_slice(&input));
    let output = gpu.array::<Complex<f32>>(loaded)?;
    let device = Device::from(gpu.clone());
    let exact: f64 = input.par_iter().map(|z| f64::from(z.re).powi(2) + f64::from(z.im).powi(2)).sum();
    for op in [Op::Sum, Op::Max, Op::ArgMax] {
        let plan = ReducePlan::<f32>::builder([count]).ops([op]).build(&device)?;
        let answers = plan.execute_powers(&output)?;
        let error = match &answers[..] {
            [wavemill::reduce::Answer::Sum(sum)] => Some((f64::from(sum[[]]) / exact - 1.0).abs()),
            _ => None,
        };
        let seconds = timed(7, || plan.execute_powers(&output).map(drop).map_err(Into::into))?;
        let rate = 8.0 * count as f64 / seconds;
        measured.add(json!({
            "part": "reduce", "op": op.name(), "numbers": count, "precision": "f32", "execute_s": seconds,
            "bytes_per_s": rate, "share_of_copy": rate / copy, "error": error,
        }))?;
    }
    Ok(())
}

/// Matrix products on the device.
fn products(gpu: &Gpu, quick: bool, measured: &mut Measured) -> Result<()> {
    let sizes: &[usize] = if quick { &[96] } else { &[1024, 2048, 4096, 8192] };
    for &n in sizes {
        measured.try_add(|| format!("matmul {n} f32"), product::<f32>(gpu, n))?;
        if n <= 2048 {
            measured.try_add(|| format!("matmul {n} complex f32"), product::<Complex<f32>>(gpu, n))?;
            if gpu.has_f64() {
                measured.try_add(|| format!("matmul {n} f64"), product::<f64>(gpu, n))?;
            }
        }
    }
    Ok(())
}

fn product<V: Number>(gpu: &Gpu, n: usize) -> Result<Value> {
    let entries = numbers::<V::Real>(2 * n * n);
    let [host_a, host_b] =
        [0, 1].map(|half| entries[half * n * n..][..n * n].iter().map(|&z| V::part_of(z)).collect::<Vec<V>>());
    let (a, b, mut c) = (gpu.upload(&host_a)?, gpu.upload(&host_b)?, gpu.upload(&vec![V::default(); n * n])?);
    let plan = MatmulPlan::<V>::builder(n, n, n).build(&Device::from(gpu.clone()))?;
    plan.execute_on_gpu(V::unit(), &a, &b, V::default(), &mut c)?;
    let found = gpu.download(&c)?;
    let view = |numbers| ArrayView2::from_shape((n, n), numbers);
    let check = freivalds(view(&host_a)?, view(&host_b)?, view(&found)?, 8, 1)?;
    let seconds = timed(7, || plan.execute_on_gpu(V::unit(), &a, &b, V::default(), &mut c).map_err(Into::into))?;
    Ok(json!({
        "part": "matmul", "extents": [n, n, n], "precision": V::name(), "execute_s": seconds,
        "gflop_per_s": 1e-9 * plan.recipe().operations() * (V::PARTS * V::PARTS) as f64 / seconds,
        "within_law": check.passes(),
    }))
}

/// One non-uniform transform: with the arrays on the host, and with them on the device.
fn nonuniform<T: Real>(gpu: &Gpu, problem: &Problem, tolerance: f64) -> Result<Value> {
    let case = &problem.case;
    let values = problem.values.mapv(|z| Complex::new(T::nearest(z.re), T::nearest(z.im)));
    let device = Device::from(gpu.clone());
    let builder = NufftPlan::<T>::builder(case.modes.clone()).tolerance(tolerance);
    // A software device would transform grids on the host by default, and the shaders that do it would go untested.
    let builder = builder.uniform_transform(UniformTransform::Device);
    let build = || builder.clone().build(&device);
    // The first plan compiles pipelines that later plans of the same shape share.
    let begun = Instant::now();
    drop(build()?);
    let first = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut plan = build()?;
    let again = begun.elapsed().as_secs_f64();
    let runs = if case.points > 20_000_000 { 2 } else { 3 };
    let set_points = timed(runs, || plan.set_points(problem.views()).map_err(Into::into))?;
    let mut result = if case.kind == 1 { plan.type1(&values)? } else { plan.type2(&values)? };
    let host = timed(runs, || match case.kind {
        1 => plan.type1_into(&values, &mut result).map_err(Into::into),
        _ => plan.type2_into(&values, &mut result).map_err(Into::into),
    })?;

    let flat = values.as_slice().context("values in C order")?;
    let input = gpu.upload(flat)?;
    let mut output = gpu.zeros::<Complex<T>>(result.len())?;
    let mut stages = Map::new();
    let mut seen = Vec::new();
    let execute = timed(5, || {
        if case.kind == 1 {
            plan.type1_on_gpu(&input, &mut output)?;
        } else {
            plan.type2_on_gpu(&input, &mut output)?;
        }
        seen.push(plan.timings());
        Ok(())
    })?;
    for stage in [Stage::Spread, Stage::Fft, Stage::Deconvolve, Stage::Interpolate] {
        let times: Vec<f64> = seen.iter().filter_map(|timings| timings.get(stage)).map(|t| t.as_secs_f64()).collect();
        if !times.is_empty() {
            stages.insert(format!("{stage}_s"), json!(median(&times)));
        }
    }
    let found = gpu.download(&output)?;
    let same = found.iter().zip(&result).all(|(a, b)| a == b);
    let error = sampled_error(&ArrayD::from_shape_vec(result.shape(), found)?, problem);
    let recipe = plan.recipe();
    let mut row = json!({
        "part": "nufft", "type": case.kind, "extents": case.modes, "points": case.points, "clustered": case.clustered,
        "precision": T::NAME, "tolerance": tolerance, "error": error,
        "within_law": error <= f64::max(T::FLOOR, 4.0 * tolerance), "same_bits": same,
        "plan_first_s": first, "plan_s": again, "set_points_s": set_points, "execute_host_s": host,
        "execute_s": execute, "points_per_s": case.points as f64 / execute, "width": recipe.width, "grid": recipe.grid,
    });
    if let Value::Object(row) = &mut row {
        row.extend(stages);
    }
    Ok(row)
}
