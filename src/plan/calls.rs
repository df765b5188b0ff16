//! Whole jobs in one call, on the CPU with all threads: reductions and products without a plan.

use ndarray::{Array2, ArrayD, ArrayView, ArrayView2, Dimension};

use crate::cpu::Cpu;
use crate::device::Device;
use crate::element::Element;
use crate::error::Result;
use crate::plan::matmul::MatmulPlan;
use crate::plan::reduce::ReducePlan;
use crate::real::Number;
use crate::reduce::answer::Answer;
use crate::reduce::op::Op;

/// A·B on the CPU, all threads.
///
/// # Errors
/// [`crate::Error::Shape`] if the columns of A are not as many as the rows of B.
pub fn matmul<V: Number>(a: ArrayView2<'_, V>, b: ArrayView2<'_, V>) -> Result<Array2<V>> {
    let plan = MatmulPlan::builder(a.nrows(), a.ncols(), b.ncols()).build(&Device::from(Cpu::new()))?;
    let mut c = Array2::default((a.nrows(), b.ncols()));
    plan.execute_into(V::unit(), a, b, V::default(), c.view_mut())?;
    Ok(c)
}

/// One operation on the CPU.
fn one<E: Element, D: Dimension>(data: ArrayView<'_, E, D>, axes: &[usize], op: Op, skip: bool) -> Result<Answer<E>> {
    let plan =
        ReducePlan::builder(data.shape()).axes(axes).ops([op]).skip_nan(skip).build(&Device::from(Cpu::new()))?;
    Ok(plan.execute(data)?.remove(0))
}

/// `Σ x` over some axes, on the CPU; see [`Op::Sum`].
///
/// # Errors
/// [`crate::Error::Parameter`] for an axis that is not there or given twice.
pub fn sum<E: Element, D: Dimension>(data: ArrayView<'_, E, D>, axes: &[usize]) -> Result<ArrayD<E::Sum>> {
    match one(data, axes, Op::Sum, false)? {
        Answer::Sum(sums) => Ok(sums),
        _ => unreachable!("a sum is a sum"),
    }
}

/// `Σ x / n` over some axes, on the CPU; see [`Op::Mean`].
///
/// # Errors
/// As [`sum`].
pub fn mean<E: Element, D: Dimension>(data: ArrayView<'_, E, D>, axes: &[usize]) -> Result<ArrayD<E::Mean>> {
    match one(data, axes, Op::Mean, false)? {
        Answer::Mean(means) => Ok(means),
        _ => unreachable!("a mean is a mean"),
    }
}

/// `Σ |x - mean|² / (n - ddof)` over some axes, on the CPU; see [`Op::Var`].
///
/// # Errors
/// As [`sum`].
pub fn var<E: Element, D: Dimension>(data: ArrayView<'_, E, D>, axes: &[usize], ddof: f64) -> Result<ArrayD<E::Float>> {
    match one(data, axes, Op::Var { ddof }, false)? {
        Answer::Float(found) => Ok(found),
        _ => unreachable!("a variance is real"),
    }
}

/// The least elements over some axes, on the CPU; see [`Op::Min`].
///
/// # Errors
/// As [`sum`]; and [`crate::Error::Shape`] if there are no elements.
pub fn min<E: Element, D: Dimension>(data: ArrayView<'_, E, D>, axes: &[usize]) -> Result<ArrayD<E>> {
    match one(data, axes, Op::Min, false)? {
        Answer::Element(found) => Ok(found),
        _ => unreachable!("the least element is an element"),
    }
}

/// The greatest elements over some axes, on the CPU; see [`Op::Max`].
///
/// # Errors
/// As [`min`].
pub fn max<E: Element, D: Dimension>(data: ArrayView<'_, E, D>, axes: &[usize]) -> Result<ArrayD<E>> {
    match one(data, axes, Op::Max, false)? {
        Answer::Element(found) => Ok(found),
        _ => unreachable!("the greatest element is an element"),
    }
}
