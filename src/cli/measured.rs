//! Reductions of an array that is read whole: from a pipe, or to measure them.

use anyhow::Result;
use ndarray::{ArrayD, ArrayViewD};
use num_complex::Complex;
use rayon::prelude::*;
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use wavemill::dynamic::{Streamed, Values};
use wavemill::reduce::{Element, Op, ReducePlan};

use crate::args;
use crate::axes::axes;
use crate::measure::{median, samples};
use crate::named::Named;
use crate::npy::{self, Npy, Type};
use crate::{device, output};

/// The approximate rate at which a processor reduces by one operation, for the choice of a device.
const BYTES_PER_SECOND: f64 = 5e9;

/// Reads the file, reduces it, and writes the measurements that were asked for.
pub(crate) fn reduce(args: &args::Reduce, ops: &[Op]) -> Result<Vec<Named>> {
    let file = Npy::open(Path::new(&args.data))?;
    match file.element() {
        Some(Type::Bool) => {
            let mut found = of(args, ops, &file.read_bool()?)?;
            for Named { values, .. } in &mut found {
                // Minima and maxima of 0 and 1 are bool.
                if let Values::Int8(array) = values {
                    *values = Values::Bool(array.mapv(|x| x != 0));
                }
            }
            Ok(found)
        }
        Some(Type::Int8) => of(args, ops, &file.read::<i8>()?),
        Some(Type::Int16) => of(args, ops, &file.read::<i16>()?),
        Some(Type::Int32) => of(args, ops, &file.read::<i32>()?),
        Some(Type::Int64) => of(args, ops, &file.read::<i64>()?),
        Some(Type::Uint8) => of(args, ops, &file.read::<u8>()?),
        Some(Type::Uint16) => of(args, ops, &file.read::<u16>()?),
        Some(Type::Uint32) => of(args, ops, &file.read::<u32>()?),
        Some(Type::Uint64) => of(args, ops, &file.read::<u64>()?),
        Some(Type::Float16) => of(args, ops, &file.read_half()?),
        Some(Type::Float32) => of(args, ops, &file.read::<f32>()?),
        Some(Type::Float64) => of(args, ops, &file.read::<f64>()?),
        Some(Type::Complex64) => of(args, ops, &file.read::<Complex<f32>>()?),
        Some(Type::Complex128) => of(args, ops, &file.read::<Complex<f64>>()?),
        _ => Err(file.refuse(&format!("complex64, complex128 or {}", npy::REAL))),
    }
}

fn of<E: Streamed>(args: &args::Reduce, ops: &[Op], data: &ArrayD<E>) -> Result<Vec<Named>> {
    let mut builder = ReducePlan::<E>::builder(data.shape()).ops(ops.iter().copied());
    builder = builder.keepdims(args.keepdims).skip_nan(args.skip_nan);
    if !args.axis.is_empty() {
        let about = wavemill::source::Description::new(&args.data, data.shape(), E::TYPE);
        builder = builder.axes(&axes(&args.axis, &about)?);
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
    let named = |(op, answer): (&Op, _)| Named {
        name: op.name().to_owned(),
        label: op.to_string(),
        values: Values::from(answer),
        axes: Vec::new(),
    };
    Ok(ops.iter().zip(answers).map(named).collect())
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
