//! Products of matrices that are larger than memory: read from files or stores, and written to one.

use anyhow::{Result, bail};
use ndarray::{ArrayView2, Ix2};
use num_complex::Complex;
use serde_json::Map;
use wavemill::dynamic::Streamed;
use wavemill::matmul::Op;
use wavemill::reduce::{Answer, ReducePlan, ReduceState};
use wavemill::source::{self, ElementType, NpyWriter, Region, ZarrArray, ZarrWriter};
use wavemill::stream::Multiply;
use wavemill::{Cpu, Device};

use crate::args::{self, Choice};
use crate::{device, output, progress, results};

/// Where the product goes.
enum Sink {
    Npy(NpyWriter),
    Zarr(ZarrWriter, Box<ZarrArray>),
}

/// Multiplies in so many bytes of memory.
pub(crate) fn multiply(args: &args::Matmul, memory: usize) -> Result<()> {
    let store = args.out.as_ref().filter(|path| results::is_store(path));
    if store.is_none() {
        output::check(&args.out)?;
    }
    let name = |path: &std::path::Path| path.display().to_string();
    let a = source::open(&name(&args.a), &source::Options::default())?;
    let b = if args.a == args.b { a.clone() } else { source::open(&name(&args.b), &source::Options::default())? };
    let op = |transposed: bool| if transposed { Op::Transpose } else { Op::Plain };
    // Reading takes as long as multiplying on a fast device.
    let device =
        if args.run.device == Choice::Auto { Device::from(Cpu::new()) } else { device::choose(args.run.device, 0.0)? };
    let builder = Multiply::builder(a, b).op_a(op(args.trans_a)).op_b(op(args.trans_b));
    let product = builder.memory(memory).build(&device)?;
    if args.plan {
        return output::print(&format!("{}\n", product.describe()));
    }
    match product.element() {
        ElementType::Float32 => run::<f32>(args, &product),
        ElementType::Float64 => run::<f64>(args, &product),
        ElementType::Complex64 => run::<Complex<f32>>(args, &product),
        _ => run::<Complex<f64>>(args, &product),
    }
}

fn run<E: Streamed>(args: &args::Matmul, product: &Multiply) -> Result<()> {
    let shape = product.shape();
    let (sink, staged) = match &args.out {
        Some(path) if results::is_store(path) => {
            let (writer, staged) = output::stage(|| ZarrWriter::create(path), ZarrWriter::staging)?;
            let array = writer.array("product", (&shape, &product.chunks()), E::TYPE, &[None, None], Map::new())?;
            (Some(Sink::Zarr(writer, Box::new(array))), Some(staged))
        }
        Some(path) => {
            let (writer, staged) = output::stage(|| NpyWriter::create(path, &shape, E::TYPE), NpyWriter::staging)?;
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
                Some(Sink::Npy(writer)) => writer.write(block, bytes),
                Some(Sink::Zarr(_, array)) => array.write(block, bytes),
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
