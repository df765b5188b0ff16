//! Reductions over any axes of an array: sums, means, variances, extremes and where they are, products, norms, counts.
//!
//! NumPy is the specification: NaN propagates unless it is skipped, of equals the first in C order counts, `ddof`, `keepdims`,
//! no axes at all and no elements at all mean what they mean there. Beyond it:
//!
//! - several results come from one pass over the data ([`ReducePlan`]);
//! - results are the same bits for any number of threads, and a sum over chunks is the same bits for any order and any grouping of
//!   the chunks ([`ReduceState`]);
//! - f32 data keep their digits: blocks are summed in f64, f64 data with the error of every addition, and blocks are added up
//!   exactly.
//!
//! ```
//! use ndarray::array;
//! use wavemill::reduce;
//!
//! let x = array![[1.0f32, 5.0], [3.0, 4.0]];
//! assert_eq!(reduce::sum(x.view(), &[1])?, array![6.0, 7.0].into_dyn());
//! assert_eq!(reduce::max(x.view(), &[0, 1])?[[]], 5.0);
//! # Ok::<(), wavemill::Error>(())
//! ```
//!
//! # Accuracy
//! Sums of f32: correctly rounded from f64 block sums, error below 1 unit in the last place unless terms cancel by more than 2²⁵.
//! Sums of f64: the sum of blocks carries the errors of all additions, error below 1 unit in the last place unless terms cancel
//! by more than 2⁵⁰. Means are those sums divided once. Variances: deviations from an element of the block, in f64;
//! blocks are joined exactly. `tests/reduce_accuracy.rs` holds all of it to an exact sum, on GPUs too: f32 sums there are two f32, and
//! blocks are added up exactly all the same ([`ReducePlan`] says what differs).

pub(crate) mod answer;
pub(crate) mod cells;
pub mod direct;
pub(crate) mod element;
pub(crate) mod layout;
pub(crate) mod op;
mod plan;
pub(crate) mod power;
mod state;
mod window;

use ndarray::{ArrayD, ArrayView, ArrayViewD, Dimension};

pub use answer::Answer;
pub use element::Element;
pub use op::Op;
pub use plan::{ReduceBuilder, ReducePlan};
pub use state::ReduceState;

use op::Needs;

use crate::cpu::Cpu;
use crate::device::Device;
use crate::error::Result;

/// What is asked of a backend: to find out what is needed of the elements of an array, reduced where `over` says so.
#[derive(Debug)]
pub(crate) struct Reduction<'a, E> {
    pub(crate) view: ArrayViewD<'a, E>,
    pub(crate) over: &'a [bool],
    pub(crate) needs: Needs,
    /// Whether NaNs count for nothing.
    pub(crate) skip: bool,
    /// Of the array's shape.
    pub(crate) weights: Option<ArrayViewD<'a, f64>>,
}

/// What was made of the results, tile by tile, and the kept axes in whose C order they come.
#[derive(Debug)]
pub(crate) struct Reduced<R> {
    pub(crate) order: Vec<usize>,
    pub(crate) tiles: Vec<R>,
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
