//! Functions that compute a transform, a reduction or a product in one call without a plan, on all threads of the CPU.

use ndarray::{Array, Array1, Array2, ArrayD, ArrayRef, Dimension, IntoDimension, Ix1, Ix2};
use num_complex::Complex;

use crate::cpu::Cpu;
use crate::device::Device;
use crate::element::Element;
use crate::error::Result;
use crate::nufft::points::Coordinates;
use crate::numeric::sign::Sign;
use crate::plan::arrays::ModesOf;
use crate::plan::matmul::MatmulPlan;
use crate::plan::nufft::NufftPlan;
use crate::plan::nufft3::NufftPlan3;
use crate::plan::reduce::ReducePlan;
use crate::real::{Number, Real};
use crate::reduce::answer::Answer;
use crate::reduce::op::Op;

/// Type 1, non-uniform to uniform: `f[k] = Σ_j c[j] exp(±i k·x[j])` for modes of these extents; see [`NufftPlan`].
///
/// ```
/// use ndarray::array;
/// use wavemill::Sign;
/// use wavemill::nufft;
///
/// let modes = nufft::type1([&[0.0, std::f64::consts::PI]], &array![1.0, 1.0], [5], 1e-12, Sign::Plus)?;
/// assert!((modes[1] - 0.0).norm() < 1e-11 && (modes[2] - 2.0).norm() < 1e-11);
/// # Ok::<(), wavemill::Error>(())
/// ```
///
/// # Errors
/// As building a [`NufftPlan`], setting its points and executing it.
pub fn type1<V: Number, X: Coordinates, I: IntoDimension>(
    points: impl AsRef<[X]>,
    strengths: &ArrayRef<V, Ix1>,
    modes: I,
    tolerance: f64,
    sign: Sign,
) -> Result<Array<Complex<V::Real>, I::Dim>> {
    let builder = NufftPlan::<V::Real>::builder(modes).tolerance(tolerance).sign(sign);
    let mut plan = builder.expected_points(strengths.len()).build(&Device::from(Cpu::new()))?;
    plan.set_points(points)?;
    plan.type1(strengths)
}

/// Type 2, uniform to non-uniform: `c[j] = Σ_k f[k] exp(±i k·x[j])` for modes in centred order; see [`NufftPlan`].
///
/// # Errors
/// As [`type1`].
pub fn type2<T: Real, X: Coordinates, D: ModesOf<D>>(
    points: impl AsRef<[X]>,
    modes: &ArrayRef<Complex<T>, D>,
    tolerance: f64,
    sign: Sign,
) -> Result<Array<Complex<T>, D::Points>> {
    let points = points.as_ref();
    let count = points.first().map_or(0, |axis| axis.coordinates().len());
    let builder = NufftPlan::<T>::builder(modes.raw_dim()).tolerance(tolerance).sign(sign);
    let mut plan = builder.expected_points(count).build(&Device::from(Cpu::new()))?;
    plan.set_points(points)?;
    plan.type2(modes)
}

/// Type 3, from any sources x to any targets s: `f[k] = Σ_j c[j] exp(±i s[k]·x[j])`; see [`NufftPlan3`].
///
/// # Errors
/// As building a [`NufftPlan3`], setting its points and executing it.
pub fn type3<V: Number, X: Coordinates, S: Coordinates>(
    sources: impl AsRef<[X]>,
    strengths: &ArrayRef<V, Ix1>,
    targets: impl AsRef<[S]>,
    tolerance: f64,
    sign: Sign,
) -> Result<Array1<Complex<V::Real>>> {
    let sources = sources.as_ref();
    let mut plan = NufftPlan3::<V::Real>::builder(sources.len())
        .tolerance(tolerance)
        .sign(sign)
        .build(&Device::from(Cpu::new()))?;
    plan.set_points(sources, targets)?;
    plan.type3(strengths)
}

/// A·B on the CPU with all threads.
///
/// # Errors
/// [`crate::Error::Shape`] if A does not have as many columns as B has rows.
pub fn matmul<V: Number>(a: &ArrayRef<V, Ix2>, b: &ArrayRef<V, Ix2>) -> Result<Array2<V>> {
    MatmulPlan::builder(a.nrows(), a.ncols(), b.ncols()).build(&Device::from(Cpu::new()))?.execute(a, b)
}

/// Computes one operation over some axes on the CPU.
fn one<E: Element, D: Dimension>(data: &ArrayRef<E, D>, axes: &[usize], op: Op, skip: bool) -> Result<Answer<E>> {
    let plan =
        ReducePlan::builder(data.shape()).axes(axes).ops([op]).skip_nan(skip).build(&Device::from(Cpu::new()))?;
    Ok(plan.execute(data)?.remove(0))
}

/// `Σ x` over some axes, on the CPU; see [`Op::Sum`].
///
/// # Errors
/// [`crate::Error::Parameter`] for an axis that does not exist or is given twice.
pub fn sum<E: Element, D: Dimension>(data: &ArrayRef<E, D>, axes: &[usize]) -> Result<ArrayD<E::Sum>> {
    match one(data, axes, Op::Sum, false)? {
        Answer::Sum(sums) => Ok(sums),
        _ => unreachable!("a sum is a sum"),
    }
}

/// `Σ x / n` over some axes, on the CPU; see [`Op::Mean`].
///
/// # Errors
/// As [`sum`].
pub fn mean<E: Element, D: Dimension>(data: &ArrayRef<E, D>, axes: &[usize]) -> Result<ArrayD<E::Mean>> {
    match one(data, axes, Op::Mean, false)? {
        Answer::Mean(means) => Ok(means),
        _ => unreachable!("a mean is a mean"),
    }
}

/// `Σ |x - mean|² / (n - ddof)` over some axes, on the CPU; see [`Op::Var`].
///
/// # Errors
/// As [`sum`].
pub fn var<E: Element, D: Dimension>(data: &ArrayRef<E, D>, axes: &[usize], ddof: f64) -> Result<ArrayD<E::Float>> {
    match one(data, axes, Op::Var { ddof }, false)? {
        Answer::Float(found) => Ok(found),
        _ => unreachable!("a variance is real"),
    }
}

/// The least elements over some axes, on the CPU; see [`Op::Min`].
///
/// # Errors
/// As [`sum`]; and [`crate::Error::Shape`] if there are no elements.
pub fn min<E: Element, D: Dimension>(data: &ArrayRef<E, D>, axes: &[usize]) -> Result<ArrayD<E>> {
    match one(data, axes, Op::Min, false)? {
        Answer::Element(found) => Ok(found),
        _ => unreachable!("the least element is an element"),
    }
}

/// The greatest elements over some axes, on the CPU; see [`Op::Max`].
///
/// # Errors
/// As [`min`].
pub fn max<E: Element, D: Dimension>(data: &ArrayRef<E, D>, axes: &[usize]) -> Result<ArrayD<E>> {
    match one(data, axes, Op::Max, false)? {
        Answer::Element(found) => Ok(found),
        _ => unreachable!("the greatest element is an element"),
    }
}
