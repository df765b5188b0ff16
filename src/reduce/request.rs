//! What a plan asks of a backend's reduction kernels, and what it gets back.

use ndarray::ArrayViewD;

use crate::reduce::quantity::Needs;

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
