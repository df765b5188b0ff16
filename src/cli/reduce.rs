//! The `reduce` command: several reductions over axes of a NumPy file, in one pass.

use std::fmt::{Debug, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use ndarray::{ArrayD, ArrayViewD};
use ndarray_npy::WritableElement;
use num_complex::Complex;
use rayon::prelude::*;
use serde_json::json;
use wavemill::reduce::{Answer, Element, Op, ReducePlan};

use crate::args;
use crate::measure::{median, samples};
use crate::npy::{self, Npy, Type};
use crate::output::Draft;
use crate::{device, output};

/// The approximate rate at which a processor reduces by one operation, for the choice of a device.
const BYTES_PER_SECOND: f64 = 5e9;

/// Runs the command.
pub(crate) fn run(args: &args::Reduce) -> Result<()> {
    output::check(&args.run.timings)?;
    if let Some(folder) = &args.out {
        output::make_folder(folder)?;
    }
    let file = Npy::open(&args.data)?;
    match file.element() {
        Some(Type::Bool) => reduce(args, &file.read_bool()?, true),
        Some(Type::Int8) => reduce(args, &file.read::<i8>()?, false),
        Some(Type::Int16) => reduce(args, &file.read::<i16>()?, false),
        Some(Type::Int32) => reduce(args, &file.read::<i32>()?, false),
        Some(Type::Int64) => reduce(args, &file.read::<i64>()?, false),
        Some(Type::Uint8) => reduce(args, &file.read::<u8>()?, false),
        Some(Type::Uint16) => reduce(args, &file.read::<u16>()?, false),
        Some(Type::Uint32) => reduce(args, &file.read::<u32>()?, false),
        Some(Type::Uint64) => reduce(args, &file.read::<u64>()?, false),
        Some(Type::Float16) => reduce(args, &file.read_half()?, false),
        Some(Type::Float32) => reduce(args, &file.read::<f32>()?, false),
        Some(Type::Float64) => reduce(args, &file.read::<f64>()?, false),
        Some(Type::Complex64) => reduce(args, &file.read::<Complex<f32>>()?, false),
        Some(Type::Complex128) => reduce(args, &file.read::<Complex<f64>>()?, false),
        None => Err(file.refuse(&format!("complex64, complex128 or {}", npy::REAL))),
    }
}

/// An element type whose results can be written to NumPy files.
trait Written: Element<Sum: WritableElement, Mean: WritableElement, Float: WritableElement> + WritableElement {}
impl<E> Written for E where
    E: Element<Sum: WritableElement, Mean: WritableElement, Float: WritableElement> + WritableElement
{
}

/// Reduces the data, and writes or prints the results. With `truths` the elements 0 and 1 stand for bool.
fn reduce<E: Written>(args: &args::Reduce, data: &ArrayD<E>, truths: bool) -> Result<()> {
    let weighed = args.ops.iter().find(|op| matches!(op, Op::WeightedSum | Op::Average));
    match (weighed, &args.weights) {
        (Some(op), None) => bail!("--ops {op} needs weights; name their file with --weights"),
        (None, Some(_)) => {
            bail!("--weights is for wsum and average, which --ops does not name; add one or leave it out")
        }
        _ => {}
    }
    let ops: Vec<Op> = args.ops.iter().map(|op| op.with_ddof(args.ddof)).collect();
    let mut builder = ReducePlan::<E>::builder(data.shape()).ops(ops.iter().copied());
    builder = builder.keepdims(args.keepdims).skip_nan(args.skip_nan);
    if !args.axis.is_empty() {
        builder = builder.axes(&axes(&args.axis, data.ndim())?);
    }
    if let Some(path) = &args.weights {
        builder = builder.weights(&Npy::open(path)?.read_real()?);
    }
    let bytes = data.len() * size_of::<E>();
    let plan = builder.build(&device::choose(args.run.device, ops.len() as f64 * bytes as f64 / BYTES_PER_SECOND)?)?;
    let mut answers = Vec::new();
    let samples = samples(args.run.repeat.get(), || {
        answers = plan.execute(data)?;
        Ok(())
    })?;
    if let Some(path) = &args.run.timings {
        let seconds = median(&samples);
        let read = read_time(&data.view(), args.run.repeat.get());
        let document = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "plan": plan.describe(),
            "threads": rayon::current_num_threads(),
            "bytes": bytes,
            "execute": seconds,
            "read": read,
            "share_of_read_bandwidth": read.map(|read| read / seconds),
            "bytes_per_second": bytes as f64 / seconds,
            "samples": samples,
        });
        output::write_json(path, &document)?;
    }
    match &args.out {
        Some(folder) => {
            // All of them or none: they take their places when all are complete.
            let draft =
                |(op, answer): (&Op, &Answer<E>)| draft(&folder.join(format!("{}.npy", op.name())), answer, truths);
            let drafts = ops.iter().zip(&answers).map(draft).collect::<Result<Vec<_>>>()?;
            drafts.into_iter().try_for_each(Draft::place)
        }
        None => {
            let mut text = String::new();
            for (op, answer) in ops.iter().zip(&answers) {
                writeln!(text, "{op}: {}", printed(answer, truths))?;
            }
            output::print(&text)
        }
    }
}

/// Converts axes as NumPy counts them, negative ones from the end.
fn axes(given: &[isize], dimensions: usize) -> Result<Vec<usize>> {
    ensure!(dimensions > 0, "--axis {}: the array has no axes, it is one number; leave --axis out", given[0]);
    let axis = |&axis: &isize| {
        let found = if axis < 0 { dimensions.checked_add_signed(axis) } else { usize::try_from(axis).ok() };
        found.filter(|&axis| axis < dimensions).with_context(|| {
            format!(
                "--axis {axis}: the array has {dimensions} axes; give 0 to {} or -{dimensions} to -1",
                dimensions - 1
            )
        })
    };
    given.iter().map(axis).collect()
}

/// The minima or maxima of bool, which were computed as 0 and 1, as bool.
fn truths_of<E: Element>(array: &ArrayD<E>) -> ArrayD<bool> {
    array.mapv(|value| value != E::default())
}

fn draft<E: Written>(path: &Path, answer: &Answer<E>, truths: bool) -> Result<Draft> {
    match answer {
        Answer::Sum(array) => npy::draft(path, array),
        Answer::Mean(array) => npy::draft(path, array),
        Answer::Float(array) => npy::draft(path, array),
        Answer::Element(array) if truths => npy::draft(path, &truths_of(array)),
        Answer::Element(array) => npy::draft(path, array),
        Answer::Index(array) => npy::draft(path, array),
        Answer::Truth(array) => npy::draft(path, array),
        other => bail!("{other:?} has no file format here"),
    }
}

/// The text that ndarray prints for the result: of long arrays the middle is left out.
fn printed<E: Element>(answer: &Answer<E>, truths: bool) -> String {
    fn text<T: Debug>(array: &ArrayD<T>) -> String {
        let text = format!("{array:?}");
        // The end, ndarray's remarks on the memory layout, is removed.
        text.rsplit_once(", shape=").map_or(text.clone(), |(values, _)| values.to_owned())
    }
    match answer {
        Answer::Sum(array) => text(array),
        Answer::Mean(array) => text(array),
        Answer::Float(array) => text(array),
        Answer::Element(array) if truths => text(&truths_of(array)),
        Answer::Element(array) => text(array),
        Answer::Index(array) => text(array),
        Answer::Truth(array) => text(array),
        other => format!("{other:?}"),
    }
}

/// Seconds to read the data and do nothing else, on the same threads: the least that a reduction can take.
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
