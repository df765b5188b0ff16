//! Products of integers and of bool for the `matmul` command: as in NumPy integers wrap in the type of the result, and
//! an element of a product of bool is whether both factors are true somewhere.

use anyhow::{Result, ensure};
use ndarray::{Array1, ArrayD, ArrayView2, Axis, Dimension, Ix2, IxDyn};
use serde_json::json;
use wavemill::matmul::wrapping;

use crate::args::{self, Choice};
use crate::factors::{Factors, matrix, write_timings};
use crate::measure::samples;
use crate::memory;
use crate::npy::{self, Npy, Type};

/// Multiplies the files, whose product has elements of this type.
pub(crate) fn multiply(args: &args::Matmul, [a, b]: [Npy; 2], element: Type) -> Result<()> {
    ensure!(
        matches!(args.run.device, Choice::Auto | Choice::Cpu),
        "only the processor multiplies integers: give --device cpu, or leave it out; or convert the files to float32"
    );
    let product = Factors::new(args, a.read_whole()?, b.read_whole()?)?;
    let [m, _, n] = product.shape;
    let shape = IxDyn(&[&product.batch[..], &[m, n]].concat());
    memory::room("the product", shape.slice(), 8, "multiply some rows of A, or some of the batch, at a time")?;
    let mut c = ArrayD::<i64>::zeros(shape);
    let samples = samples(args.run.repeat.get(), || {
        product.each(|a, b, index| {
            let mut view = c.view_mut();
            index.slice().iter().for_each(|&at| view.index_axis_inplace(Axis(0), at));
            Ok(wrapping(a, b, view.into_dimensionality::<Ix2>()?)?)
        })
    })?;
    if let Some(rounds) = args.check {
        product.each(|a, b, index| check(a, b, matrix(&c, index)?, rounds.get()))?;
    }
    let plan = format!("products of {element} on the processor");
    write_timings(args, &samples, &plan, product.operations(), json!(args.check.map(|_| 0)))?;
    let Some(path) = &args.out else { return Ok(()) };
    let c = product.result(c);
    // Cutting bits off a sum that wrapped leaves what it is in fewer bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "integers wrap")]
    match element {
        Type::Bool => npy::write(path, &npy::converted(c, |x| x != 0)?),
        Type::Int8 => npy::write(path, &npy::converted(c, |x| x as i8)?),
        Type::Int16 => npy::write(path, &npy::converted(c, |x| x as i16)?),
        Type::Int32 => npy::write(path, &npy::converted(c, |x| x as i32)?),
        Type::Uint8 => npy::write(path, &npy::converted(c, |x| x as u8)?),
        Type::Uint16 => npy::write(path, &npy::converted(c, |x| x as u16)?),
        Type::Uint32 => npy::write(path, &npy::converted(c, |x| x as u32)?),
        Type::Uint64 => npy::write(path, &npy::converted(c, |x| x as u64)?),
        _ => npy::write(path, &c),
    }
}

/// Compares A·(B·x) with C·x, exactly, for vectors x of pseudo-random integers.
fn check(a: ArrayView2<'_, i64>, b: ArrayView2<'_, i64>, c: ArrayView2<'_, i64>, rounds: usize) -> Result<()> {
    let times = |x: ArrayView2<'_, i64>, by: &Array1<i64>| {
        let row = |sum: i64, (&x, &y): (&i64, &i64)| sum.wrapping_add(x.wrapping_mul(y));
        x.outer_iter().map(|x| x.iter().zip(by).fold(0, row)).collect::<Array1<i64>>()
    };
    let mut state = 1i64;
    for _ in 0..rounds {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 32
        };
        let x: Array1<i64> = (0..b.ncols()).map(|_| next()).collect();
        ensure!(times(a, &times(b, &x)) == times(c, &x), "the product is wrong (Freivalds' check)");
    }
    Ok(())
}
