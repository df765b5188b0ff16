//! What is asked of a pass: operations over some axes of a part of the source.

use ndarray::{ArrayD, ArrayRef, Dimension, IxDyn};

use crate::error::{Error, Result};
use crate::reduce::op::Op;
use crate::source::description::Description;
use crate::source::region::Region;

/// Every `step`-th index from `start` up to, not including, `stop`. As in Python, negative ends count from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    start: Option<isize>,
    stop: Option<isize>,
    step: usize,
}

impl Slice {
    /// All indices.
    #[must_use]
    pub fn all() -> Self {
        Self { start: None, stop: None, step: 1 }
    }

    /// Every `step`-th index from `start` on.
    #[must_use]
    pub fn step(start: isize, step: usize) -> Self {
        Self { start: Some(start), stop: None, step }
    }

    /// The indices from `start` up to, not including, `stop`.
    #[must_use]
    pub fn range(start: isize, stop: isize) -> Self {
        Self { start: Some(start), stop: Some(stop), step: 1 }
    }

    /// `start:stop:step`, where `None` is what Python leaves out.
    #[must_use]
    pub fn new(start: Option<isize>, stop: Option<isize>, step: usize) -> Self {
        Self { start, stop, step }
    }

    /// One index.
    #[must_use]
    pub fn index(at: isize) -> Self {
        Self { start: Some(at), stop: if at == -1 { None } else { Some(at + 1) }, step: 1 }
    }

    /// The first index, the step and the number of indices on an axis of this length.
    fn on(self, axis: &str, len: usize) -> Result<Steps> {
        if self.step == 0 {
            return Err(Error::parameter("step of a slice", "at least 1", 0));
        }
        let end = |given: Option<isize>, otherwise: usize| match given {
            None => otherwise,
            Some(at) if at < 0 => len.saturating_sub(at.unsigned_abs()),
            Some(at) => (at as usize).min(len),
        };
        let (start, stop) = (end(self.start, 0), end(self.stop, len));
        let count = stop.saturating_sub(start).div_ceil(self.step);
        if count == 0 && len > 0 && self != Self::all() {
            let expected = format!("at least one index of axis {axis}, which has {len}");
            return Err(Error::parameter("slice", expected, format!("{start}:{stop}:{}", self.step)));
        }
        Ok(Steps { start, step: self.step, count })
    }
}

/// Indices of an axis: `start + step · i` for i below `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start: usize,
    pub(crate) step: usize,
    pub(crate) count: usize,
}

impl Steps {
    /// Those of its indices that lie in a range: the first of them, and how many.
    pub(crate) fn within(self, range: std::ops::Range<usize>) -> (usize, usize) {
        let first = |at: usize| at.saturating_sub(self.start).div_ceil(self.step).min(self.count);
        let (low, high) = (first(range.start), first(range.end));
        (low, high - low)
    }
}

/// Operations over some axes of a part of a source.
#[derive(Debug, Clone)]
#[must_use]
pub struct Request {
    pub(crate) ops: Vec<Op>,
    pub(crate) axes: Option<Vec<usize>>,
    pub(crate) slices: Vec<(usize, Slice)>,
    pub(crate) keepdims: bool,
    pub(crate) skip: bool,
    pub(crate) weights: Option<ArrayD<f64>>,
}

impl Request {
    /// These operations over all axes of the whole source.
    pub fn new(ops: impl IntoIterator<Item = Op>) -> Self {
        Self {
            ops: ops.into_iter().collect(),
            axes: None,
            slices: Vec::new(),
            keepdims: false,
            skip: false,
            weights: None,
        }
    }

    /// The axes to reduce [default: all of them].
    pub fn axes(mut self, axes: &[usize]) -> Self {
        self.axes = Some(axes.to_vec());
        self
    }

    /// Only these indices of an axis.
    pub fn slice(mut self, axis: usize, slice: Slice) -> Self {
        self.slices.push((axis, slice));
        self
    }

    /// Whether reduced axes stay, with one element [default: no].
    pub fn keepdims(mut self, keepdims: bool) -> Self {
        self.keepdims = keepdims;
        self
    }

    /// Whether NaNs are skipped [default: no].
    pub fn skip_nan(mut self, skip: bool) -> Self {
        self.skip = skip;
        self
    }

    /// The weights of [`Op::WeightedSum`] and [`Op::Average`], of a shape that broadcasts to the part's.
    pub fn weights<D: Dimension>(mut self, weights: &ArrayRef<f64, D>) -> Self {
        self.weights = Some(weights.to_owned().into_dyn());
        self
    }

    /// The request for a source of this description, checked.
    pub(crate) fn on(&self, about: &Description) -> Result<View> {
        let shape = &about.shape;
        let mut steps: Vec<_> = shape.iter().map(|&len| Steps { start: 0, step: 1, count: len }).collect();
        for &(axis, slice) in &self.slices {
            let Some(found) = steps.get_mut(axis) else {
                return Err(Error::parameter("axis of a slice", format!("less than {}", shape.len()), axis));
            };
            *found = slice.on(&about.axis_name(axis), shape[axis])?;
        }
        let mut over = vec![self.axes.is_none(); shape.len()];
        for &axis in self.axes.iter().flatten() {
            match over.get_mut(axis) {
                Some(reduced) if !*reduced => *reduced = true,
                Some(_) => return Err(Error::parameter("axes", "each axis given once", format!("axis {axis} twice"))),
                None => return Err(Error::parameter("axis", format!("less than {}", shape.len()), axis)),
            }
        }
        let view = View { request: self.clone(), steps, over };
        if let Some(weights) = &self.weights
            && weights.broadcast(IxDyn(&view.shape())).is_none()
        {
            let expected = format!("a shape that broadcasts to {}", crate::shape::written(&view.shape()));
            return Err(Error::shape("weights", expected, crate::shape::written(weights.shape())));
        }
        Ok(view)
    }
}

/// A request whose slices and axes fit the source.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) request: Request,
    pub(crate) steps: Vec<Steps>,
    pub(crate) over: Vec<bool>,
}

impl View {
    /// The extents of the part that is reduced.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.steps.iter().map(|steps| steps.count).collect()
    }

    /// The reduced axes.
    pub(crate) fn axes(&self) -> Vec<usize> {
        (0..self.over.len()).filter(|&axis| self.over[axis]).collect()
    }

    /// The part's indices that lie in a region of the source.
    pub(crate) fn within(&self, region: &Region) -> Region {
        let found = self.steps.iter().enumerate().map(|(axis, steps)| steps.within(region.range(axis)));
        let (start, shape) = found.unzip();
        Region { start, shape }
    }

    /// The shape of the results for a part of these extents.
    pub(crate) fn results(&self, shape: &[usize]) -> Vec<usize> {
        let axes = shape.iter().zip(&self.over);
        axes.filter_map(|(&len, &over)| if !over { Some(len) } else { self.request.keepdims.then_some(1) }).collect()
    }

    /// Where the results of a part begin among all results.
    pub(crate) fn place(&self, start: &[usize]) -> Vec<usize> {
        let axes = start.iter().zip(&self.over);
        axes.filter_map(|(&at, &over)| if !over { Some(at) } else { self.request.keepdims.then_some(0) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_python() {
        let on = |slice: Slice, len| {
            let steps = slice.on("time", len).unwrap();
            (0..steps.count).map(|i| steps.start + i * steps.step).collect::<Vec<_>>()
        };
        assert_eq!(on(Slice::all(), 3), [0, 1, 2]);
        assert_eq!(on(Slice::step(2, 4), 12), [2, 6, 10]);
        assert_eq!(on(Slice::range(-3, -1), 10), [7, 8]);
        assert_eq!(on(Slice::range(5, 100), 7), [5, 6]);
        assert_eq!(on(Slice::index(-1), 7), [6]);
        assert_eq!(on(Slice::index(-2), 7), [5]);
        assert_eq!(on(Slice::all(), 0), [0; 0]);
        let error = Slice::index(9).on("time", 9).unwrap_err().to_string();
        assert!(error.contains("axis time, which has 9"), "{error}");
        assert!(Slice::step(0, 0).on("x", 5).is_err());
    }

    #[test]
    fn steps_within_a_range() {
        let steps = Steps { start: 3, step: 4, count: 5 };
        assert_eq!(steps.within(0..100), (0, 5));
        assert_eq!(steps.within(3..4), (0, 1));
        assert_eq!(steps.within(4..7), (1, 0));
        assert_eq!(steps.within(4..8), (1, 1));
        assert_eq!(steps.within(15..20), (3, 2));
        assert_eq!(steps.within(20..90), (5, 0));
    }
}
