//! The `matmul` command: the product of two NumPy files, as NumPy's `matmul` takes them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use ndarray::{ArrayD, ArrayView2, Axis, Ix2, IxDyn};
use ndarray_npy::{ReadableElement, WritableElement};
use num_complex::Complex;
use serde_json::json;
use wavemill::Number;
use wavemill::matmul::{MatmulPlan, Op, freivalds};

use crate::args;
use crate::nufft::median;
use crate::{device, npy, output};

/// Runs the command.
pub(crate) fn run(args: &args::Matmul) -> Result<()> {
    for path in args.measured.timings.iter().chain(&args.out) {
        output::check(path)?;
    }
    for multiply in [of::<f32>, of::<f64>, of::<Complex<f32>>, of::<Complex<f64>>] {
        if multiply(args)? {
            return Ok(());
        }
    }
    bail!("{} must hold float32, float64, complex64 or complex128", args.a.display())
}

/// Multiplies the files, or says that the first holds another type.
fn of<V: Number + ReadableElement + WritableElement>(args: &args::Matmul) -> Result<bool> {
    let Some(a) = npy::read_as::<V>(&args.a)? else { return Ok(false) };
    let Some(b) = npy::read_as::<V>(&args.b)? else {
        bail!("{} must hold the type of {}, {}", args.b.display(), args.a.display(), V::name());
    };
    let ([m, k], [rows, n]) = (matrix(&args.a, &a, args.trans_a)?, matrix(&args.b, &b, args.trans_b)?);
    ensure!(
        rows == k,
        "{} has {k} columns and {} {rows} rows: they must be as many; --trans-a and --trans-b turn a matrix",
        args.a.display(),
        args.b.display()
    );
    let batch = batch(&a.shape()[..a.ndim() - 2], &b.shape()[..b.ndim() - 2])?;
    let device = device::choose(args.on.device)?;
    let op = |turned: bool| if turned { Op::Transpose } else { Op::Plain };
    let builder = MatmulPlan::<V>::builder(m, k, n).batch(&batch).op_a(op(args.trans_a)).op_b(op(args.trans_b));
    let plan = builder.build(&device)?;
    let mut c = ArrayD::<V>::default(IxDyn(&[&batch[..], &[m, n]].concat()));
    let mut samples = Vec::new();
    for _ in 0..args.measured.repeat.get() {
        let begun = Instant::now();
        plan.execute_into(V::unit(), &a, &b, V::default(), &mut c)?;
        samples.push(begun.elapsed().as_secs_f64());
    }
    let worst = args.check.map(|rounds| check(args, [&a, &b, &c], rounds.get())).transpose()?;
    if let Some(path) = &args.measured.timings {
        let seconds = median(&samples);
        // A complex product is four real ones.
        let operations = plan.recipe().operations() * (V::PARTS * V::PARTS) as f64;
        let text = serde_json::to_string_pretty(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "plan": plan.describe(),
            "threads": rayon::current_num_threads(),
            "execute": seconds,
            "flop_per_second": operations / seconds,
            "freivalds": worst,
            "samples": samples,
        }))?;
        output::write_text(path, &(text + "\n"))?;
    }
    if let Some(path) = &args.out {
        npy::write(path, &c)?;
    }
    Ok(true)
}

/// Rows and columns of a file's matrices, as they are multiplied.
fn matrix<V>(path: &Path, array: &ArrayD<V>, turned: bool) -> Result<[usize; 2]> {
    let &[.., rows, columns] = array.shape() else {
        bail!(
            "{} has the shape {:?}; a matrix has two axes, a batch has more before them",
            path.display(),
            array.shape()
        );
    };
    Ok(if turned { [columns, rows] } else { [rows, columns] })
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

/// Freivalds' check of every product: the worst of them, in units of what rounding explains.
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
    let turned =
        |x: ArrayView2<'_, V>, turned: bool| if turned { x.reversed_axes().into_owned() } else { x.into_owned() };
    let mut worst = 0.0f64;
    for ((a, b), c) in a.outer_iter().zip(b.outer_iter()).zip(c.outer_iter()) {
        let (a, b) = (turned(a, args.trans_a), turned(b, args.trans_b));
        let c = c.into_dimensionality::<Ix2>()?;
        worst = worst.max(freivalds(a.view(), b.view(), c, rounds, 1)?.worst);
    }
    ensure!(
        worst <= 1.0,
        "the product is wrong: it is off by {worst:.1} times what rounding explains (Freivalds' check)"
    );
    Ok(worst)
}
