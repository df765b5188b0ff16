//! The `reduce` command: several operations over the axes of a NumPy file, in one pass.

use std::fmt::{Debug, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, ArrayViewD};
use ndarray_npy::{ReadableElement, WritableElement};
use num_complex::Complex;
use rayon::prelude::*;
use serde_json::json;
use wavemill::reduce::{Answer, Element, Op, ReducePlan};

use crate::args;
use crate::nufft::median;
use crate::{device, npy, output};

/// Runs the command.
pub(crate) fn run(args: &args::Reduce) -> Result<()> {
    if let Some(path) = &args.measured.timings {
        output::check(path)?;
    }
    let path = &args.data;
    // Halves and truths are computed with as what holds them: f32, and 0 or 1.
    if let Some(halves) = npy::read_half(path)? {
        return reduce(args, halves, false);
    }
    if let Some(truths) = npy::read_as::<bool>(path)? {
        return reduce(args, truths.mapv(u8::from), true);
    }
    // The first that the file holds.
    let found = [
        of::<f32>,
        of::<f64>,
        of::<i32>,
        of::<i64>,
        of::<i16>,
        of::<i8>,
        of::<u8>,
        of::<u16>,
        of::<u32>,
        of::<u64>,
        of::<Complex<f32>>,
        of::<Complex<f64>>,
    ];
    for of in found {
        if of(args, path)? {
            return Ok(());
        }
    }
    bail!("{} must hold bool, float16, float32, float64, integers, complex64 or complex128", path.display())
}

/// What every element's results can be written as.
trait Written: Element<Sum: WritableElement, Mean: WritableElement, Float: WritableElement> + WritableElement {}
impl<E> Written for E where
    E: Element<Sum: WritableElement, Mean: WritableElement, Float: WritableElement> + WritableElement
{
}

/// Reduces the file, or says that it holds another type.
fn of<E: Written + ReadableElement>(args: &args::Reduce, path: &Path) -> Result<bool> {
    let Some(data) = npy::read_as::<E>(path)? else { return Ok(false) };
    reduce(args, data, false)?;
    Ok(true)
}

/// Reduces an array; `truths` says that its elements are 0 and 1 for false and true, and so are its extremes.
fn reduce<E: Written>(args: &args::Reduce, data: ArrayD<E>, truths: bool) -> Result<()> {
    let device = device::choose(args.on.device)?;
    let ops: Vec<Op> = args.ops.iter().map(|op| op.with_ddof(args.ddof)).collect();
    let mut builder = ReducePlan::<E>::builder(data.shape()).ops(ops.iter().copied());
    builder = builder.keepdims(args.keepdims).skip_nan(args.skip_nan);
    if !args.axis.is_empty() {
        builder = builder.axes(&axes(&args.axis, data.ndim())?);
    }
    if let Some(path) = &args.weights {
        builder = builder.weights(&npy::read_real(path)?.context("weights must be real numbers")?);
    }
    let plan = builder.build(&device)?;
    let mut samples = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..args.measured.repeat.get() {
        let begun = Instant::now();
        answers = plan.execute(&data)?;
        samples.push(begun.elapsed().as_secs_f64());
    }
    if let Some(path) = &args.measured.timings {
        write_timings(path, args, &plan.describe(), &data, &samples)?;
    }
    match &args.out {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
            for (op, answer) in ops.iter().zip(&answers) {
                let path = folder.join(format!("{}.npy", op.name()));
                match answer {
                    Answer::Element(extremes) if truths => npy::write(&path, &truth(extremes))?,
                    answer => write(&path, answer)?,
                }
            }
        }
        None => {
            let mut text = String::new();
            for (op, answer) in ops.iter().zip(&answers) {
                let answer = match answer {
                    Answer::Element(extremes) if truths => printed(&Answer::<E>::Truth(truth(extremes))),
                    answer => printed(answer),
                };
                writeln!(text, "{op}: {answer}")?;
            }
            output::print(&text)?;
        }
    }
    Ok(())
}

fn truth<E: Element>(of: &ArrayD<E>) -> ArrayD<bool> {
    of.map(|element| *element != E::default())
}

/// Axes as NumPy counts them, negative ones from the end.
fn axes(given: &[isize], dimensions: usize) -> Result<Vec<usize>> {
    if dimensions == 0 && !given.is_empty() {
        bail!("--axis {}: the array has no axes, being a single number; leave --axis out", given[0]);
    }
    let axis = |&axis: &isize| {
        let found = if axis < 0 { dimensions.checked_add_signed(axis) } else { usize::try_from(axis).ok() };
        found.filter(|&axis| axis < dimensions).with_context(|| {
            format!(
                "--axis {axis}: the array has {dimensions} axes; give 0 to {0} or -{dimensions} to -1",
                dimensions - 1
            )
        })
    };
    given.iter().map(axis).collect()
}

fn write<E: Written>(path: &Path, answer: &Answer<E>) -> Result<()> {
    match answer {
        Answer::Sum(array) => npy::write(path, array),
        Answer::Mean(array) => npy::write(path, array),
        Answer::Float(array) => npy::write(path, array),
        Answer::Element(array) => npy::write(path, array),
        Answer::Index(array) => npy::write(path, array),
        Answer::Truth(array) => npy::write(path, array),
        other => bail!("{other:?} has no file format here"),
    }
}

/// As ndarray prints arrays: long ones with their middle left out.
fn printed<E: Element>(answer: &Answer<E>) -> String {
    fn text<T: Debug>(array: &ArrayD<T>) -> String {
        let text = format!("{array:?}");
        // Without ndarray's remarks on the layout.
        text.rsplit_once(", shape=").map_or(text.clone(), |(values, _)| values.to_owned())
    }
    match answer {
        Answer::Sum(array) => text(array),
        Answer::Mean(array) => text(array),
        Answer::Float(array) => text(array),
        Answer::Element(array) => text(array),
        Answer::Index(array) => text(array),
        Answer::Truth(array) => text(array),
        other => format!("{other:?}"),
    }
}

/// Seconds to do nothing but read the data, on the same threads: what a reduction cannot beat.
pub(crate) fn read_time<E: Element>(data: &ArrayViewD<'_, E>, repeat: usize) -> Option<f64> {
    let words: &[u64] = bytemuck::try_cast_slice(data.as_slice_memory_order()?).ok()?;
    let share = words.len().div_ceil(rayon::current_num_threads()).max(1);
    let read = || {
        let begun = Instant::now();
        let total = words.par_chunks(share).map(|part| part.iter().fold(0u64, |all, word| all.wrapping_add(*word)));
        std::hint::black_box(total.reduce(|| 0, u64::wrapping_add));
        begun.elapsed().as_secs_f64()
    };
    Some(median(&(0..repeat).map(|_| read()).collect::<Vec<_>>()))
}

fn write_timings<E: Element>(
    path: &Path,
    args: &args::Reduce,
    plan: &str,
    data: &ArrayD<E>,
    samples: &[f64],
) -> Result<()> {
    let bytes = data.len() * size_of::<E>();
    let seconds = median(samples);
    let read = read_time(&data.view(), args.measured.repeat.get());
    let text = serde_json::to_string_pretty(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "plan": plan,
        "threads": rayon::current_num_threads(),
        "bytes": bytes,
        "execute": seconds,
        "read": read,
        "share_of_read_bandwidth": read.map(|read| read / seconds),
        "bytes_per_second": bytes as f64 / seconds,
        "samples": samples,
    }))?;
    output::write_text(path, &(text + "\n"))
}
