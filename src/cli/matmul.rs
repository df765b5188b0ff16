//! The `matmul` command: the matrix product of two NumPy files, with the shapes and types that NumPy's `matmul` allows.

use anyhow::{Result, ensure};
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::WritableElement;
use num_complex::Complex;
use serde_json::json;
use wavemill::matmul::{MatmulPlan, Op, freivalds};
use wavemill::source::Stored;
use wavemill::{Float, Number, significant};

use crate::args;
use crate::factors::{Factors, matrix, write_timings};
use crate::measure::samples;
use crate::npy::{self, Npy, Type};
use crate::{device, integers, large, output};

/// The approximate number of multiplications and additions of a processor in a second, for the choice of a device.
const OPERATIONS_PER_SECOND: f64 = 2e10;

/// Runs the command.
pub(crate) fn run(args: &args::Matmul) -> Result<()> {
    if let Some(bytes) = args.memory {
        return large::multiply(args, bytes);
    }
    output::check(args.run.timings.iter().chain(&args.out))?;
    let files = [Npy::open(&args.a)?, Npy::open(&args.b)?];
    let types = files.each_ref().map(Npy::element);
    let [Some(a), Some(b)] = types else {
        let [a, b] = files;
        let unknown = if types[0].is_none() { a } else { b };
        return Err(unknown.refuse(&format!("complex64, complex128 or {}", npy::REAL)));
    };
    match a.promoted(b) {
        Type::Float32 => multiply::<f32>(args, files),
        Type::Float64 => multiply::<f64>(args, files),
        Type::Complex64 => multiply::<Complex<f32>>(args, files),
        Type::Complex128 => multiply::<Complex<f64>>(args, files),
        whole => integers::multiply(args, files, whole),
    }
}

/// Reads a file as elements of type `V`, to which NumPy converts its own.
fn read<V: Number + Stored>(file: Npy) -> Result<ArrayD<V>> {
    let nearest = |re: f64, im: f64| V::part_of(Complex::new(V::Real::nearest(re), V::Real::nearest(im)));
    match file.element() {
        Some(same) if same == V::TYPE => file.read(),
        Some(Type::Complex64) => {
            npy::converted(file.read::<Complex<f32>>()?, |value| nearest(value.re.into(), value.im.into()))
        }
        _ => npy::converted(file.read_real()?, |value| nearest(value, 0.0)),
    }
}

/// Multiplies the files as elements of type `V`.
fn multiply<V: Number + Stored + WritableElement>(args: &args::Matmul, files: [Npy; 2]) -> Result<()> {
    let [a, b] = files;
    let product = Factors::new(args, read::<V>(a)?, read::<V>(b)?)?;
    let Factors { a, b, shape: [m, k, n], batch, transposed, .. } = &product;
    let op = |transposed: bool| if transposed { Op::Transpose } else { Op::Plain };
    let builder = MatmulPlan::<V>::builder(*m, *k, *n).batch(&batch[..]);
    // A complex product is four real ones.
    let parts = (V::PARTS * V::PARTS) as f64;
    let device = device::choose(args.run.device, parts * product.operations() / OPERATIONS_PER_SECOND)?;
    let plan = builder.op_a(op(transposed[0])).op_b(op(transposed[1])).build(&device)?;
    let mut c = ArrayD::<V>::default(IxDyn(&[0, 0]));
    let samples = samples(args.run.repeat.get(), || {
        if c.is_empty() {
            c = plan.execute(a, b)?.into_dyn();
            return Ok(());
        }
        Ok(plan.execute_into(V::unit(), a, b, V::default(), &mut c)?)
    })?;
    let worst = args.check.map(|rounds| check(&product, &c, rounds.get())).transpose()?;
    write_timings(args, &samples, &plan.describe(), parts * product.operations(), json!(worst))?;
    match &args.out {
        Some(path) => npy::write(path, &product.result(c)),
        None => Ok(()),
    }
}

/// Freivalds' check of every product in the batch. Returns the largest deviation, in units of what rounding explains.
fn check<V: Number>(product: &Factors<V>, c: &ArrayD<V>, rounds: usize) -> Result<f64> {
    let mut worst = 0.0f64;
    product.each(|a, b, index| {
        worst = worst.max(freivalds(a, b, matrix(c, index)?, rounds, 1)?.worst);
        Ok(())
    })?;
    ensure!(
        worst <= 1.0,
        "the product is wrong: it is off by {} times what rounding explains (Freivalds' check)",
        significant(worst, 2)
    );
    Ok(worst)
}
