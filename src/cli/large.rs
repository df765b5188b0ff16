//! Products of matrices that are larger than memory: read from files or stores, and written to one.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use ndarray::{ArrayView2, Ix2};
use num_complex::Complex;
use serde_json::Map;
use wavemill::dynamic::Streamed;
use wavemill::matmul::Op;
use wavemill::reduce::{Answer, ReducePlan, ReduceState};
use wavemill::source::{self, ElementType, NpyWriter, Region, Source, ZarrArray, ZarrWriter};
use wavemill::stream::Multiply;
use wavemill::{Cpu, Device};

use crate::args::{self, Choice};
use crate::vector::{Vector, without};
use crate::{device, output, progress, results, stream};

/// Where the product goes.
enum Sink {
    Npy(NpyWriter),
    Zarr(ZarrWriter, Box<ZarrArray>),
}

/// Multiplies in so many bytes of memory.
pub(crate) fn multiply(args: &args::Matmul, memory: usize) -> Result<()> {
    match &args.out {
        Some(path) if results::is_store(path) => output::check_store(path)?,
        _ => output::check(&args.out)?,
    }
    let open = |path: &Path| -> Result<_> {
        let name = path.display().to_string();
        stream::in_parts(&name)?;
        Ok(source::open(&name, &source::Options::default())?)
    };
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    for source in [&a, &b] {
        let about = source.description();
        ensure!(
            matches!(about.shape[..], [_] | [_, _]),
            "{} has the shape {:?}; --memory multiplies matrices, of two axes, and vectors, of one",
            about.name,
            about.shape
        );
    }
    // As in NumPy a vector is a row of A, or a column of B, and is its own transpose.
    let vectors = [&a, &b].map(|source| source.description().shape.len() == 1);
    let op = |transposed: bool, vector: bool| if transposed && !vector { Op::Transpose } else { Op::Plain };
    let ops = [op(args.trans_a, vectors[0]), op(args.trans_b, vectors[1])];
    let b = if args.a == args.b { a.clone() } else { b };
    let a: Arc<dyn Source> = if vectors[0] { Arc::new(Vector::new(a, 0)) } else { a };
    let b: Arc<dyn Source> = if vectors[1] { Arc::new(Vector::new(b, 1)) } else { b };
    // Reading takes as long as multiplying on a fast device.
    let device =
        if args.run.device == Choice::Auto { Device::from(Cpu::new()) } else { device::choose(args.run.device, 0.0)? };
    let builder = Multiply::builder(a, b).op_a(ops[0]).op_b(ops[1]);
    let product = builder.memory(memory).build(&device)?;
    if args.plan {
        return output::print(&format!("{}\n", product.describe()));
    }
    let lost: Vec<usize> = (0..2).filter(|&axis| vectors[axis]).collect();
    match product.element() {
        // Bytes of 0 and 1.
        ElementType::Bool | ElementType::Uint8 => run::<u8>(args, &product, &lost),
        ElementType::Int8 => run::<i8>(args, &product, &lost),
        ElementType::Int16 => run::<i16>(args, &product, &lost),
        ElementType::Int32 => run::<i32>(args, &product, &lost),
        ElementType::Int64 => run::<i64>(args, &product, &lost),
        ElementType::Uint16 => run::<u16>(args, &product, &lost),
        ElementType::Uint32 => run::<u32>(args, &product, &lost),
        ElementType::Uint64 => run::<u64>(args, &product, &lost),
        ElementType::Float32 => run::<f32>(args, &product, &lost),
        ElementType::Float64 => run::<f64>(args, &product, &lost),
        ElementType::Complex64 => run::<Complex<f32>>(args, &product, &lost),
        ElementType::Complex128 => run::<Complex<f64>>(args, &product, &lost),
        other => bail!("there are no products of {other}"),
    }
}

/// Computes the product, which is written without the axes that are lost.
fn run<E: Streamed>(args: &args::Matmul, product: &Multiply, lost: &[usize]) -> Result<()> {
    let shape = product.shape();
    let chunks = Region { start: product.chunks().to_vec(), shape: shape.to_vec() };
    let Region { start: chunks, shape: kept } = without(&chunks, lost);
    let element = product.element();
    let (sink, staged) = match &args.out {
        Some(path) if results::is_store(path) => {
            let (writer, staged) = output::stage(|| ZarrWriter::create(path), ZarrWriter::staging)?;
            let array = writer.array("product", (&kept, &chunks), element, &vec![None; kept.len()], Map::new())?;
            (Some(Sink::Zarr(writer, Box::new(array))), Some(staged))
        }
        Some(path) => {
            let (writer, staged) = output::stage(|| NpyWriter::create(path, &kept, element), NpyWriter::staging)?;
            (Some(Sink::Npy(writer)), Some(staged))
        }
        None => (None, None),
    };
    let device = Device::from(Cpu::new());
    let plan = ReducePlan::<E>::builder(shape).ops([wavemill::reduce::Op::Sum]).build(&device)?;
    let mut sum = plan.state()?;
    let bar = progress::bar(product.reads())?;
    product.run(
        &|progress| {
            bar.set_position(progress.done);
            true
        },
        &mut |block, bytes| {
            if args.sum {
                add(&mut sum, block, bytes)?;
            }
            match &sink {
                Some(Sink::Npy(writer)) => writer.write(&without(block, lost), bytes),
                Some(Sink::Zarr(_, array)) => array.write(&without(block, lost), bytes),
                None => Ok(()),
            }
        },
    )?;
    bar.finish_and_clear();
    match sink {
        Some(Sink::Npy(writer)) => writer.finish()?,
        Some(Sink::Zarr(writer, _)) => writer.finish()?,
        None => {}
    }
    drop(staged);
    if args.sum {
        let [Answer::Sum(total)] = &sum.finish()?[..] else { bail!("a sum has one result") };
        output::print(&format!("sum: {:?}\n", total.first().unwrap_or(&E::Sum::default())))?;
    }
    Ok(())
}

fn add<E: Streamed>(sum: &mut ReduceState<E>, block: &Region, bytes: &[u8]) -> wavemill::Result<()> {
    let elements: &[E] = bytemuck::cast_slice(bytes);
    let view = ArrayView2::from_shape(Ix2(block.shape[0], block.shape[1]), elements);
    sum.update(&view.expect("a block has as many elements as its shape"), &block.start)
}
