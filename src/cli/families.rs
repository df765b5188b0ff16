//! The measurements of `bench` besides transforms: reductions, compared with the rate at which memory is read, and
//! matrix products, compared with the processor's peak arithmetic rate.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use num_complex::Complex;
use serde_json::{Value, json};
use wavemill::matmul::{MatmulPlan, direct, peak};
use wavemill::reduce::{Answer, Op, ReducePlan};
use wavemill::{Device, Float, Kind, Number};

use crate::measure::{median, runs};
use crate::measured::read_time;

/// One measurement of a reduction or a matrix product.
#[derive(Debug)]
pub(crate) struct Rate {
    pub(crate) device: usize,
    /// "reduce" or "matmul".
    pub(crate) family: &'static str,
    pub(crate) what: String,
    pub(crate) seconds: f64,
    /// In GB/s or GFLOP/s.
    pub(crate) rate: f64,
    /// The most that a processor's memory or arithmetic allows, measured in the same run; none for a GPU, whose data
    /// come over a bus.
    pub(crate) ceiling: Option<f64>,
    /// The relative error on a sample of the result: the maximum for a reduction, in the l2 norm for a product.
    pub(crate) error: f64,
}

impl Rate {
    pub(crate) fn unit(&self) -> &'static str {
        if self.family == "reduce" { "GB/s" } else { "GFLOP/s" }
    }

    pub(crate) fn json(&self, devices: &[String]) -> Value {
        json!({
            "device": devices[self.device], "family": self.family, "what": self.what, "seconds": self.seconds,
            "rate": self.rate, "unit": self.unit(), "ceiling": self.ceiling, "error": self.error,
        })
    }
}

/// Measures reductions and matrix products on one device.
pub(crate) fn measure(number: usize, device: &Device, quick: bool, budget: Duration) -> Result<Vec<Rate>> {
    let mut rates = Vec::new();
    // The array is larger than caches.
    let side = if quick { 4000 } else { 10_000 };
    // Multiples of 1/16, whose sums are exact.
    let data = Array2::from_shape_fn((side, side), |(i, j)| ((i * 7919 + j * 104_729) % 4093) as f32 / 16.0);
    let read = (device.kind() == Kind::Cpu).then(|| read_time(&data.view().into_dyn(), 5)).flatten();
    let ceiling = read.map(|seconds| 4e-9 * data.len() as f64 / seconds);
    for op in [Op::Sum, Op::Var { ddof: 0.0 }, Op::Max] {
        for axes in [&[0, 1][..], &[0], &[1]] {
            let plan = ReducePlan::<f32>::builder([side, side]).axes(axes).ops([op]).build(device)?;
            let mut answers = Vec::new();
            let seconds = timed(budget, || {
                answers = plan.execute(&data)?;
                Ok(())
            })?;
            rates.push(Rate {
                device: number,
                family: "reduce",
                what: format!(
                    "{op} f32 {side} x {side} over {}",
                    if axes.len() == 2 { "all".into() } else { format!("axis {}", axes[0]) }
                ),
                seconds,
                rate: 4e-9 * data.len() as f64 / seconds,
                ceiling,
                error: error(&answers[0], op, axes, &data)?,
            });
        }
    }
    let sizes = if quick { [128, 256] } else { [256, 1024] };
    for n in sizes {
        rates.push(product::<f32>(number, device, n, budget)?);
        rates.push(product::<Complex<f32>>(number, device, n, budget)?);
        if device.kind() == Kind::Cpu {
            rates.push(product::<f64>(number, device, n, budget)?);
        }
    }
    Ok(rates)
}

/// The median of as many runs as the budget allows.
fn timed(budget: Duration, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let (begun, mut seconds) = (Instant::now(), Vec::new());
    while runs(seconds.len(), begun.elapsed(), budget) {
        let begun = Instant::now();
        run()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    Ok(median(&seconds))
}

/// The largest relative error of the first, a middle and the last result.
fn error(answer: &Answer<f32>, op: Op, axes: &[usize], data: &Array2<f32>) -> Result<f64> {
    let exact = |numbers: &mut dyn Iterator<Item = f64>| {
        let numbers: Vec<f64> = numbers.collect();
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        match op {
            Op::Sum => numbers.iter().sum(),
            Op::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count,
        }
    };
    let found: Vec<f64> = match answer {
        Answer::Sum(found) | Answer::Element(found) => found.iter().map(|&x| f64::from(x)).collect(),
        Answer::Float(found) => found.iter().map(|&x| f64::from(x)).collect(),
        other => bail!("no reference for {other:?}"),
    };
    let wide = |line: ArrayView1<'_, f32>| exact(&mut line.iter().map(|&x| f64::from(x)));
    let off = |(at, found): (usize, f64)| {
        let exact = match axes {
            [0] => wide(data.index_axis(Axis(1), at)),
            [1] => wide(data.index_axis(Axis(0), at)),
            _ => exact(&mut data.iter().map(|&x| f64::from(x))),
        };
        (found / exact - 1.0).abs()
    };
    let sample = [0, found.len() / 2, found.len() - 1].map(|at| (at, found[at]));
    Ok(sample.into_iter().map(off).fold(0.0, f64::max))
}

/// The relative l2 error of the first, a middle and the last row of C = A·B, against sums in f64.
fn product_error<V: Number>(a: ArrayView2<'_, V>, b: ArrayView2<'_, V>, c: ArrayView2<'_, V>) -> f64 {
    let rows = [0, c.nrows() / 2, c.nrows() - 1];
    let exact = direct(a.select(Axis(0), &rows).view(), b);
    let wide = |value: V| {
        let value = value.complex();
        Complex::<f64>::new(value.re.into(), value.im.into())
    };
    let off = c.select(Axis(0), &rows).iter().zip(&exact).map(|(&c, e)| (wide(c) - e).norm_sqr()).sum::<f64>();
    (off / exact.iter().map(Complex::norm_sqr).sum::<f64>()).sqrt()
}

fn product<V: Number>(number: usize, device: &Device, n: usize, budget: Duration) -> Result<Rate> {
    let entry = |seed: f64| {
        let part = |i: usize, j: usize, step: f64| V::Real::nearest((seed * i as f64 + step * j as f64).sin());
        Array2::from_shape_fn((n, n), |(i, j)| V::part_of(Complex::new(part(i, j, 1.3), part(i, j, 2.9))))
    };
    let (a, b) = (entry(0.7), entry(1.9));
    let plan = MatmulPlan::<V>::builder(n, n, n).build(device)?;
    let mut c = Array2::from_elem((n, n), V::default());
    let seconds = timed(budget, || plan.execute_into(V::unit(), &a, &b, V::default(), &mut c).map_err(Into::into))?;
    let ceiling = (device.kind() == Kind::Cpu).then(|| 1e-9 * peak::<V::Real>() * rayon::current_num_threads() as f64);
    Ok(Rate {
        device: number,
        family: "matmul",
        what: format!("{} {n} x {n} x {n}", V::name()),
        seconds,
        rate: 1e-9 * plan.recipe().operations() * (V::PARTS * V::PARTS) as f64 / seconds,
        ceiling,
        error: product_error(a.view(), b.view(), c.view()),
    })
}
