//! A reduction as a plan requests it from a backend, and the backend's answer.

use ndarray::ArrayViewD;

use crate::reduce::plain::Found;
use crate::reduce::quantity::Needs;
use crate::reduce::scalar::Scalar;

/// The request to compute the needed quantities of an array, reduced over the axes marked in `over`.
#[derive(Debug)]
pub(crate) struct Reduction<'a, E> {
    pub(crate) view: ArrayViewD<'a, E>,
    pub(crate) over: &'a [bool],
    pub(crate) needs: Needs,
    /// Whether NaNs are skipped.
    pub(crate) skip: bool,
    /// Weights in the array's shape.
    pub(crate) weights: Option<ArrayViewD<'a, f64>>,
}

/// What was made of the results: one item for each tile of results, which are in C order over the kept axes in `order`.
#[derive(Debug)]
pub(crate) struct Reduced<R> {
    pub(crate) order: Vec<usize>,
    pub(crate) tiles: Vec<R>,
}

/// The results of some operations, computed without partials, in C order over the kept axes in `order`.
#[derive(Debug)]
pub(crate) struct Answered<S: Scalar> {
    pub(crate) order: Vec<usize>,
    pub(crate) found: Vec<Found<S>>,
}
