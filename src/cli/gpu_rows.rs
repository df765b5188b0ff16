//! The measurements of `bench --gpu-report`: for each row, a kernel's error against a reference, and its time.

use std::time::Instant;

use anyhow::{Context, Result};
use ndarray::{ArrayD, ArrayView2};
use num_complex::Complex;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use wavemill::fft::Fft;
use wavemill::matmul::{MatmulPlan, freivalds};
use wavemill::nufft::{NufftPlan, Sign, Stage, Timings};
use wavemill::reduce::{Answer, Op, ReducePlan};
use wavemill::{Device, Gpu, Number, Real, UniformTransform, wgpu};

use crate::cases::Problem;
use crate::measure::{median, sampled_error};

/// Seconds spent on the runs of one measurement, of which there are at least two.
const BUDGET: f64 = 0.2;
/// The most runs of one measurement.
const RUNS: usize = 15;
/// Seconds that a device works before it is measured: an idle device runs at a sixth of its clock rate, and takes a
/// while to raise it.
const WARM: f64 = 0.3;
/// Seconds that a device works before the first measurement of all.
const AWAKE: f64 = 1.0;

fn buffer(gpu: &Gpu, bytes: usize) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes as u64,
        usage,
        mapped_at_creation: false,
    })
}

/// The median seconds of a run on the device, which is warmed up first.
fn warm(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < WARM {
        run()?;
    }
    timed(run)
}

/// The median seconds of as many runs as the budget allows.
fn timed(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut seconds = Vec::new();
    while seconds.len() < 2 || seconds.len() < RUNS && seconds.iter().sum::<f64>() < BUDGET {
        let begun = Instant::now();
        run()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    Ok(median(&seconds))
}

/// Bytes a second that the device reads and writes in copies, by a command and by a shader. The faster rate is the
/// ceiling for every kernel that reads and writes data once.
pub(crate) fn copy_bandwidth(gpu: &Gpu, quick: bool) -> Result<[f64; 2]> {
    let limits = gpu.device().limits();
    let most = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size).min(1 << 30);
    let bytes = if quick { most.min(16 << 20) } else { most };
    let [from, to] = [0, 1].map(|_| buffer(gpu, bytes as usize));
    let module = gpu.device().create_shader_module(wgpu::include_wgsl!("copy.wgsl"));
    let pipeline = gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    // Copies go forth and back.
    let groups = [[&from, &to], [&to, &from]].map(|[from, to]| {
        let entries = [(0, from), (1, to)]
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
        gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    });
    let copies = 8;
    let rate = |record: &dyn Fn(&mut wgpu::CommandEncoder)| -> Result<f64> {
        let seconds = warm(|| {
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            record(&mut encoder);
            gpu.queue().submit([encoder.finish()]);
            wait(gpu)
        })?;
        Ok(2.0 * f64::from(copies) * bytes as f64 / seconds)
    };
    // Before the first measurement the device may have been idle for long.
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < AWAKE {
        rate(&|encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes))?;
    }
    let command = rate(&|encoder| (0..copies).for_each(|_| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes)))?;
    let shader = rate(&|encoder| {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        for copy in 0..copies {
            pass.set_bind_group(0, &groups[copy as usize % 2], &[]);
            pass.dispatch_workgroups(1024, (bytes.div_ceil(16 * 256 * 1024)) as u32, 1);
        }
    })?;
    Ok([command, shader])
}

/// Waits for all submitted work.
fn wait(gpu: &Gpu) -> Result<()> {
    gpu.device().poll(wgpu::PollType::wait_indefinitely())?;
    Ok(())
}

/// Numbers that are the same on every machine.
fn numbers<T: Real>(count: usize) -> Vec<Complex<T>> {
    let number = |i: usize| Complex::new(T::nearest((0.713 * i as f64).sin()), T::nearest((1.291 * i as f64).cos()));
    (0..count).into_par_iter().map(number).collect()
}

/// Measures a uniform transform of an array on the device.
pub(crate) fn transform<T: Real>(gpu: &Gpu, extents: &[usize], copy: f64) -> Result<Value> {
    let count: usize = extents.iter().product();
    let begun = Instant::now();
    let fft = Fft::<T>::new(gpu, extents, 1)?;
    let built = begun.elapsed().as_secs_f64();
    let input = numbers::<T>(count);
    let mut data = gpu.upload(&input)?;
    fft.execute(&mut data, Sign::Plus)?;
    let error = error_of_bins(&input, &gpu.download(&data)?, extents);
    let (mut walls, mut times) = (Vec::new(), Vec::new());
    let (kept, begun) = (gpu.upload(&input)?, Instant::now());
    while begun.elapsed().as_secs_f64() < WARM + BUDGET || walls.len() < 2 {
        // Each round starts from the input: as transforms have no factor 1/N, numbers would overflow.
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(kept.buffer(), 0, data.buffer(), 0, data.buffer().size());
        gpu.queue().submit([encoder.finish()]);
        wait(gpu)?;
        for sign in [Sign::Plus, Sign::Minus] {
            let (run, mut timings) = (Instant::now(), Timings::default());
            fft.timed(&mut data, sign, &mut timings)?;
            if begun.elapsed().as_secs_f64() > WARM {
                walls.push(run.elapsed().as_secs_f64());
                times.extend(timings.get(Stage::Fft).map(|time| time.as_secs_f64()));
            }
        }
    }
    let wall = median(&walls);
    let device = if times.is_empty() { wall } else { median(&times) };
    let bytes = 2 * fft.passes() * count * size_of::<Complex<T>>();
    Ok(json!({
        "part": "fft", "extents": extents, "precision": T::NAME, "passes": fft.passes(), "plan_s": built,
        "execute_s": wall, "device_s": device, "bytes_per_s": bytes as f64 / device,
        "share_of_copy": bytes as f64 / device / copy, "error": error,
    }))
}

/// The relative error of some bins, against plain sums with exact phases.
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
    // Most bins are nearly 0, since the input has few tones: errors are relative to the root mean square of all bins.
    let whole = found.iter().map(|&z| wide(z).norm_sqr()).sum::<f64>() / found.len() as f64;
    (off / f64::max(norm, 8.0 * whole)).sqrt()
}

/// Measures a reduction of |z|² over numbers on the device.
pub(crate) fn powers(gpu: &Gpu, op: Op, quick: bool, copy: f64) -> Result<Value> {
    let most = gpu.device().limits().max_storage_buffer_binding_size as usize / 8;
    let count = if quick { 1 << 16 } else { most.min(1 << 27) };
    let input = numbers::<f32>(count);
    let loaded = gpu.upload(&input)?;
    let exact: f64 = input.par_iter().map(|z| f64::from(z.re).powi(2) + f64::from(z.im).powi(2)).sum();
    let plan = ReducePlan::<f32>::builder([count]).ops([op]).build(&Device::from(gpu.clone()))?;
    let error = match &plan.execute_powers(&loaded)?[..] {
        [Answer::Sum(sum)] => Some((f64::from(sum[[]]) / exact - 1.0).abs()),
        _ => None,
    };
    let seconds = warm(|| plan.execute_powers(&loaded).map(drop).map_err(Into::into))?;
    let rate = 8.0 * count as f64 / seconds;
    Ok(json!({
        "part": "reduce", "op": op.name(), "numbers": count, "precision": "f32", "execute_s": seconds,
        "bytes_per_s": rate, "share_of_copy": rate / copy, "error": error,
    }))
}

/// Measures a product of square matrices on the device.
pub(crate) fn product<V: Number>(gpu: &Gpu, n: usize) -> Result<Value> {
    let entries = numbers::<V::Real>(2 * n * n);
    let [host_a, host_b] =
        [0, 1].map(|half| entries[half * n * n..][..n * n].iter().map(|&z| V::part_of(z)).collect::<Vec<V>>());
    let (a, b, mut c) = (gpu.upload(&host_a)?, gpu.upload(&host_b)?, gpu.upload(&vec![V::default(); n * n])?);
    let plan = MatmulPlan::<V>::builder(n, n, n).build(&Device::from(gpu.clone()))?;
    plan.execute_on_gpu(V::unit(), &a, &b, V::default(), &mut c)?;
    let found = gpu.download(&c)?;
    let view = |numbers| ArrayView2::from_shape((n, n), numbers);
    let check = freivalds(view(&host_a)?, view(&host_b)?, view(&found)?, 8, 1)?;
    let seconds = warm(|| {
        plan.execute_on_gpu(V::unit(), &a, &b, V::default(), &mut c)?;
        wait(gpu)
    })?;
    Ok(json!({
        "part": "matmul", "extents": [n, n, n], "precision": V::name(), "execute_s": seconds,
        "gflop_per_s": 1e-9 * plan.recipe().operations() * (V::PARTS * V::PARTS) as f64 / seconds,
        "within_law": check.passes(),
    }))
}

/// Measures one non-uniform transform, with arrays on the host and with arrays on the device.
pub(crate) fn nonuniform<T: Real>(gpu: &Gpu, problem: &Problem, tolerance: f64) -> Result<Value> {
    let case = &problem.case;
    let values = problem.values.mapv(|z| Complex::new(T::nearest(z.re), T::nearest(z.im)));
    let device = Device::from(gpu.clone());
    let builder = NufftPlan::<T>::builder(case.modes.clone()).tolerance(tolerance);
    // By default a software device transforms grids on the host, and its shaders for that would go untested.
    let builder = builder.uniform_transform(UniformTransform::Device);
    let build = || builder.clone().build(&device);
    // The first plan compiles pipelines that later plans of the same shape share.
    let begun = Instant::now();
    drop(build()?);
    let first = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut plan = build()?;
    let again = begun.elapsed().as_secs_f64();
    let set_points = timed(|| plan.set_points(problem.views()).map_err(Into::into))?;
    let mut result = if case.kind == 1 { plan.type1(&values)? } else { plan.type2(&values)? };
    let host = timed(|| match case.kind {
        1 => plan.type1_into(&values, &mut result).map_err(Into::into),
        _ => plan.type2_into(&values, &mut result).map_err(Into::into),
    })?;

    let flat = values.as_slice().context("values in C order")?;
    let input = gpu.upload(flat)?;
    let mut output = gpu.zeros::<Complex<T>>(result.len())?;
    let mut stages = Map::new();
    let mut seen = Vec::new();
    let execute = warm(|| {
        if case.kind == 1 {
            plan.type1_on_gpu(&input, &mut output)?;
        } else {
            plan.type2_on_gpu(&input, &mut output)?;
        }
        seen.push(plan.timings());
        Ok(())
    })?;
    // The last runs are those of a warm device.
    seen.drain(..seen.len().saturating_sub(RUNS));
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
