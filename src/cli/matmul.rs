//! The `matmul` command: the matrix product of two NumPy files, with the shapes that NumPy's `matmul` allows.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use ndarray::{ArrayD, ArrayView2, Axis, Ix2, IxDyn};
use ndarray_npy::WritableElement;
use num_complex::Complex;
use serde_json::json;
use wavemill::Number;
use wavemill::matmul::{MatmulPlan, Op, freivalds};

use crate::args;
use crate::measure::{median, samples};
use crate::npy::{self, Npy, Stored, Type};
use crate::{device, output};

/// The approximate number of multiplications and additions of a processor in a second, for the choice of a device.
const OPERATIONS_PER_SECOND: f64 = 2e10;

/// Runs the command.
pub(crate) fn run(args: &args::Matmul) -> Result<()> {
    output::check(args.run.timings.iter().chain(&args.out))?;
    let a = Npy::open(&args.a)?;
    match a.element() {
        Some(Type::Float32) => multiply::<f32>(args, a),
        Some(Type::Float64) => multiply::<f64>(args, a),
        Some(Type::Complex64) => multiply::<Complex<f32>>(args, a),
        Some(Type::Complex128) => multiply::<Complex<f64>>(args, a),
        _ => Err(a.refuse("float32, float64, complex64 or complex128")),
    }
}

/// Multiplies the files, the first of which has elements of type `V`.
fn multiply<V: Number + Stored + WritableElement>(args: &args::Matmul, a: Npy) -> Result<()> {
    let b = Npy::open(&args.b)?;
    if b.element() != Some(V::TYPE) {
        return Err(b.refuse(&format!("the type of {}, {}", args.a.display(), V::TYPE)));
    }
    let (a, b) = (a.read::<V>()?, b.read::<V>()?);
    let ([m, k], [rows, n]) = (matrix(&args.a, &a, args.trans_a)?, matrix(&args.b, &b, args.trans_b)?);
    ensure!(
        rows == k,
        "{} has {k} columns and {} has {rows} rows: B must have as many rows as A has columns; --trans-a and --trans-b \
         transpose a matrix",
        args.a.display(),
        args.b.display()
    );
    let batch = batch(&a.shape()[..a.ndim() - 2], &b.shape()[..b.ndim() - 2])?;
    let op = |transposed: bool| if transposed { Op::Transpose } else { Op::Plain };
    let builder = MatmulPlan::<V>::builder(m, k, n).batch(&batch[..]).op_a(op(args.trans_a)).op_b(op(args.trans_b));
    // A complex product is four real ones.
    let parts = (V::PARTS * V::PARTS) as f64;
    let each = [m, k, n].iter().chain(&batch).map(|&extent| extent as f64).product::<f64>();
    let device = device::choose(args.run.device, 2.0 * parts * each / OPERATIONS_PER_SECOND)?;
    let plan = builder.build(&device)?;
    let mut c = ArrayD::<V>::default(IxDyn(&[&batch[..], &[m, n]].concat()));
    let samples = samples(args.run.repeat.get(), || {
        plan.execute_into(V::unit(), &a, &b, V::default(), &mut c).map_err(Into::into)
    })?;
    let worst = args.check.map(|rounds| check(args, [&a, &b, &c], rounds.get())).transpose()?;
    if let Some(path) = &args.run.timings {
        let seconds = median(&samples);
        let document = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "plan": plan.describe(),
            "threads": rayon::current_num_threads(),
            "execute": seconds,
            "flop_per_second": plan.recipe().operations() * parts / seconds,
            "freivalds": worst,
            "samples": samples,
        });
        output::write_json(path, &document)?;
    }
    if let Some(path) = &args.out {
        npy::write(path, &c)?;
    }
    Ok(())
}

/// Rows and columns of a file's matrices, after the transposition that was asked for.
fn matrix<V>(path: &Path, array: &ArrayD<V>, transposed: bool) -> Result<[usize; 2]> {
    let &[.., rows, columns] = array.shape() else {
        bail!(
            "{} has the shape {:?}; a matrix has two axes, a batch has more before them",
            path.display(),
            array.shape()
        );
    };
    Ok(if transposed { [columns, rows] } else { [rows, columns] })
}

/// The extents to which both batches broadcast.
fn batch(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let axes = a.len().max(b.len());
    let extent = |x: &[usize], axis: usize| (axis + x.len()).checked_sub(axes).map_or(1, |axis| x[axis]);
    let both = |axis: usize| match (extent(a, axis), extent(b, axis)) {
        (a, b) if a == b || b == 1 => Ok(a),
        (1, b) => Ok(b),
        _ => bail!("the batches {a:?} and {b:?} do not broadcast: extents must be equal, or one of them 1"),
    };
    (0..axes).map(both).collect()
}

/// Freivalds' check of every product in the batch. Returns the largest deviation, in units of what rounding explains.
fn check<V: Number>(args: &args::Matmul, [a, b, c]: [&ArrayD<V>; 3], rounds: usize) -> Result<f64> {
    let batch = &c.shape()[..c.ndim() - 2];
    let count: usize = batch.iter().product();
    let of = |x: &ArrayD<V>| {
        let shape = IxDyn(&[batch, &x.shape()[x.ndim() - 2..]].concat());
        x.broadcast(shape).map(|all| all.into_owned())
    };
    let (Some(a), Some(b)) = (of(a), of(b)) else { bail!("the batches broadcast") };
    let three = |x: ArrayD<V>| {
        let matrix = [x.len_of(Axis(x.ndim() - 2)), x.len_of(Axis(x.ndim() - 1))];
        x.as_standard_layout().into_owned().into_shape_with_order((count, matrix[0], matrix[1]))
    };
    let (a, b, c) = (three(a)?, three(b)?, three(c.clone())?);
    let factor = |x: ArrayView2<'_, V>, transposed: bool| {
        if transposed { x.reversed_axes().into_owned() } else { x.into_owned() }
    };
    let mut worst = 0.0f64;
    for ((a, b), c) in a.outer_iter().zip(b.outer_iter()).zip(c.outer_iter()) {
        let (a, b) = (factor(a, args.trans_a), factor(b, args.trans_b));
        let c = c.into_dimensionality::<Ix2>()?;
        worst = worst.max(freivalds(a.view(), b.view(), c, rounds, 1)?.worst);
    }
    ensure!(
        worst <= 1.0,
        "the product is wrong: it is off by {worst:.1} times what rounding explains (Freivalds' check)"
    );
    Ok(worst)
}
