//! Plans of reductions: operations and axes are checked once, and the plan is executed on any number of arrays.

use std::marker::PhantomData;

use ndarray::{ArrayD, ArrayRef, ArrayViewD, Dimension, IxDyn};

use crate::backend::reduction::Reduce as _;
use crate::device::Device;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::machine::pages;
use crate::plan::state::ReduceState;
use crate::reduce::answer::{Answer, Column, empty};
use crate::reduce::op::Op;
use crate::reduce::partials::{FEWER, Partials};
use crate::reduce::quantity::Needs;
use crate::reduce::request::{Answered, Reduced, Reduction};
use crate::shape;

/// Reduces arrays of one shape, with several operations in one pass over the data.
///
/// ```
/// use ndarray::Array3;
/// use wavemill::reduce::{Answer, Op, ReducePlan};
///
/// let x = Array3::from_shape_fn((4, 2, 3), |(t, i, j)| (100 * t + 10 * i + j) as f32);
/// let plan = ReducePlan::builder(x.shape())
///     .axes(&[0])
///     .ops([Op::Mean, Op::Std { ddof: 1.0 }, Op::ArgMax])
///     .build(&wavemill::Device::from(wavemill::Cpu::new()))?;
/// println!("{}", plan.describe());
/// let [Answer::Mean(mean), Answer::Float(std), Answer::Index(last)] = &plan.execute(&x)?[..] else { panic!() };
/// assert_eq!(mean[[1, 2]], 162.0);
/// assert_eq!(std[[0, 0]], (50_000.0f64 / 3.0).sqrt() as f32);
/// assert_eq!(last[[1, 1]], 3);
/// # Ok::<(), wavemill::Error>(())
/// ```
///
/// # Shapes
/// The results' shape is the data's without the reduced axes, or with one element there ([`ReduceBuilder::keepdims`]).
/// Data may have any strides; it is fast if neighbours on some axis are neighbours in memory.
///
/// # Performance
/// One read of the data, shared by all operations. In four cases elements are fetched one by one, which is several
/// times slower: weighted operations, elements that are not neighbours in memory, integers of other sizes than i32, i64
/// and u64, and complex numbers with NaNs skipped.
///
/// # Devices
/// The CPU has every operation of every element type. So has a GPU, except for i64 and u64, which it refuses, and for
/// f64 and complex numbers of f64 where its shaders have no f64. Integers of 8 and 16 bits are sent to it as i32, and
/// weights as an array of the data's shape. Both devices give the same results up to rounding, except that on a GPU
/// - sums of f32 are infinite, as NumPy's are, where the sum of a block (16,384 elements, or 1,024 of a column) leaves
///   the range of f32, and numbers below 2⁻¹²⁶ may count as 0, depending on the device;
/// - a part of a complex number of f32 counts as 0, in products and absolute values, beside a part 2¹²⁶ times as large;
/// - weights of f32 elements keep 48 bits, and count as 0 beside a weight 2¹²⁶ times as large; weighted sums of
///   integers are computed in f64 or, where shaders have no f64, with an error of at most 1e-12 `Σ |w x|`.
#[derive(Debug, Clone)]
pub struct ReducePlan<E: Element> {
    pub(crate) shape: Vec<usize>,
    pub(crate) over: Vec<bool>,
    pub(crate) ops: Vec<Op>,
    pub(crate) keepdims: bool,
    pub(crate) skip: bool,
    weights: Option<ArrayD<f64>>,
    device: Device,
    element: PhantomData<E>,
}

/// The parameters of a [`ReducePlan`] to be built.
#[derive(Debug, Clone)]
#[must_use]
pub struct ReduceBuilder<E: Element> {
    shape: Vec<usize>,
    axes: Option<Vec<usize>>,
    ops: Vec<Op>,
    keepdims: bool,
    skip: bool,
    weights: Option<ArrayD<f64>>,
    element: PhantomData<E>,
}

impl<E: Element> ReducePlan<E> {
    /// Starts a plan for data of this shape, over all axes and without any operation yet.
    pub fn builder(shape: impl AsRef<[usize]>) -> ReduceBuilder<E> {
        ReduceBuilder {
            shape: shape.as_ref().to_vec(),
            axes: None,
            ops: Vec::new(),
            keepdims: false,
            skip: false,
            weights: None,
            element: PhantomData,
        }
    }

    /// Reduces an array; the results come in the order of the operations.
    ///
    /// # Errors
    /// [`Error::Shape`] if the array is not of the plan's shape, [`Error::Parameter`] if a result of [`Op::ArgMin`] or
    /// [`Op::ArgMax`] has nothing but NaNs to choose from and they are skipped, [`Error::Device`] if the device cannot
    /// compute it.
    pub fn execute<D: Dimension>(&self, data: &ArrayRef<E, D>) -> Result<Vec<Answer<E>>> {
        if data.shape() != self.shape {
            let (expected, got) = (shape::written(&self.shape), shape::written(data.shape()));
            return Err(Error::shape("data", expected, got));
        }
        if let (None, Some(op)) = (&self.weights, self.ops.iter().find(|op| op.weighs())) {
            return Err(Error::parameter("weights", format!("given to the builder for {op}"), "none"));
        }
        let weights = match &self.weights {
            Some(weights) => Some(weights.broadcast(IxDyn(&self.shape)).ok_or_else(|| misfit(weights, &self.shape))?),
            None => None,
        };
        let asked = self.asked(data.view().into_dyn(), weights.clone());
        if let Some(Answered { order, found }) = self.device.plain(&asked, &self.ops) {
            let columns = self.ops.iter().zip(found).map(|(&op, found)| Column::plain(op, found));
            return Ok(self.shaped(columns.collect::<Result<_>>()?, &order));
        }
        let reduced = self.reduce(data.view().into_dyn(), weights, |partials| self.columns(&partials))?;
        let mut columns: Vec<_> = self.columns(&Partials::identity(self.needs(), 0, E::PARTS))?;
        let mut tiles = reduced.tiles.into_iter().collect::<Result<Vec<_>>>()?;
        if tiles.len() == 1 {
            return Ok(self.shaped(tiles.remove(0), &reduced.order));
        }
        columns.iter_mut().for_each(|column| column.reserve(self.outputs()));
        for tile in tiles {
            let joined = columns.into_iter().zip(tile).map(|(all, next)| Column::join(std::iter::once(next), all));
            columns = joined.collect();
        }
        Ok(self.shaped(columns, &reduced.order))
    }

    /// Reduces an array, writing to the caller's answers, such as those of an earlier execution.
    ///
    /// # Errors
    /// As [`ReducePlan::execute`], and [`Error::Shape`] if an answer is not of the operation's kind and the results'
    /// shape. Nothing is written then.
    pub fn execute_into<D: Dimension>(&self, data: &ArrayRef<E, D>, answers: &mut [Answer<E>]) -> Result<()> {
        let found = self.execute(data)?;
        if answers.len() != found.len() || !answers.iter().zip(&found).all(|(to, from)| to.fits(from)) {
            let expected = format!("an answer of shape {:?} for each of {:?}", self.results(), self.ops);
            return Err(Error::shape("answers", expected, "answers of other kinds or shapes"));
        }
        answers.iter_mut().zip(&found).for_each(|(to, from)| to.assign(from));
        Ok(())
    }

    /// Reduces the powers |z|² of complex numbers that are on the plan's GPU, in C order: the spectrum of a transform,
    /// say. Only the results leave the device.
    ///
    /// ```
    /// use ndarray::Array1;
    /// use num_complex::Complex;
    /// use wavemill::reduce::{Answer, Op, ReducePlan};
    /// use wavemill::{Device, Gpu, NufftPlan, Sign};
    ///
    /// // Any adapter, a software one too; a machine may have none.
    /// let Some(gpu) = Gpu::enumerate().into_iter().find_map(Result::ok) else { return Ok(()) };
    /// let device = Device::from(gpu.clone());
    ///
    /// let times = Array1::from_iter((0..500).map(|j| (f64::from(j) * 0.618_034).fract() * std::f64::consts::TAU));
    /// let samples: Vec<_> = times.iter().map(|t| Complex::from_polar(1.0f32, (42.0 * t) as f32)).collect();
    /// let mut plan = NufftPlan::<f32>::builder([256]).tolerance(1e-5).sign(Sign::Minus).build(&device)?;
    /// plan.set_points([&times])?;
    ///
    /// // The modes stay on the device.
    /// let (strengths, mut modes) = (gpu.upload(&samples)?, gpu.zeros(256)?);
    /// plan.type1_on_gpu(&strengths, &mut modes)?;
    ///
    /// let peak = ReducePlan::<f32>::builder([256]).ops([Op::ArgMax, Op::Max]).build(&device)?;
    /// let [Answer::Index(at), Answer::Element(power)] = &peak.execute_powers(&modes)?[..] else { panic!() };
    /// assert_eq!(at[[]], 42 + 128);
    /// assert!((power[[]].sqrt() / 500.0 - 1.0).abs() < 1e-4);
    /// # Ok::<(), wavemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Device`] if the plan is not on a GPU, the GPU has no f64 or weights are asked for, [`Error::Shape`] if
    /// there are fewer numbers than the plan's shape has, [`Error::Parameter`] if reduced axes are not next to each
    /// other.
    #[cfg(feature = "gpu")]
    pub fn execute_powers(&self, numbers: &crate::gpu::Array<num_complex::Complex<E>>) -> Result<Vec<Answer<E>>>
    where
        E: crate::real::Real,
    {
        let gpu = self.device.need_gpu("execute with mapv(|z| z.norm_sqr())")?;
        let partials = gpu.reduce_powers::<E>(numbers, &self.shape, &self.over, self.needs(), self.skip)?;
        let kept: Vec<_> = (0..self.over.len()).filter(|&axis| !self.over[axis]).collect();
        Ok(self.shaped(self.columns(&partials)?, &kept))
    }

    /// A state that takes in an array of this shape chunk by chunk. Weights are given with the chunks.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there is no memory for the state of so many results.
    pub fn state(&self) -> Result<ReduceState<E>> {
        ReduceState::new(self.clone())
    }

    /// The plan in words: what it computes, and on which device.
    #[must_use]
    pub fn describe(&self) -> String {
        let ops: Vec<_> = self.ops.iter().map(Op::to_string).collect();
        let axes: Vec<_> = (0..self.over.len()).filter(|&axis| self.over[axis]).map(|axis| axis.to_string()).collect();
        format!(
            "{} over axes {} of {} of {}{}, to {}, on {}",
            ops.join(", "),
            axes.join(", "),
            shape::written(&self.shape),
            E::NAME,
            if self.skip { ", NaN skipped" } else { "" },
            shape::written(&self.results()),
            self.device.name(),
        )
    }

    /// The shape of the results.
    #[must_use]
    pub fn results(&self) -> Vec<usize> {
        let axes = self.shape.iter().zip(&self.over);
        axes.filter_map(|(&len, &over)| if !over { Some(len) } else { self.keepdims.then_some(1) }).collect()
    }

    pub(crate) fn needs(&self) -> Needs {
        Needs::of(&self.ops, self.skip)
    }

    /// Bytes of the results of all operations.
    pub(crate) fn answer_bytes(&self) -> usize {
        let each: usize = self.ops.iter().map(|&op| Column::<E>::size(op)).sum();
        self.outputs().saturating_mul(each)
    }

    /// Bytes of a state.
    pub(crate) fn state_bytes(&self) -> usize {
        self.outputs().saturating_mul(Partials::<E::Scalar>::bytes(self.needs(), E::PARTS))
    }

    /// The number of results of each operation.
    pub(crate) fn outputs(&self) -> usize {
        self.shape.iter().zip(&self.over).filter(|&(_, &over)| !over).map(|(&len, _)| len).product()
    }

    /// Reduces an array on the device; `finish` is applied to the partials of each tile of results.
    pub(crate) fn reduce<R: Send>(
        &self,
        view: ArrayViewD<'_, E>,
        weights: Option<ArrayViewD<'_, f64>>,
        finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>> {
        self.device.reduce(&self.asked(view, weights), finish)
    }

    fn asked<'a>(&'a self, view: ArrayViewD<'a, E>, weights: Option<ArrayViewD<'a, f64>>) -> Reduction<'a, E> {
        Reduction { view, over: &self.over, needs: self.needs(), skip: self.skip, weights }
    }

    /// The results of every operation, computed from the partials.
    pub(crate) fn columns(&self, partials: &Partials<E::Scalar>) -> Result<Vec<Column<E>>> {
        self.ops.iter().map(|&op| Column::of(op, partials, self.skip)).collect()
    }

    /// Makes arrays of results that are in C order over the kept axes, which are taken in the order `order`.
    pub(crate) fn shaped(&self, columns: Vec<Column<E>>, order: &[usize]) -> Vec<Answer<E>> {
        let extents: Vec<_> = order.iter().map(|&axis| self.shape[axis]).collect();
        let shape = self.results();
        columns.into_iter().map(|column| column.shaped(&extents, order, &shape)).collect()
    }
}

impl<E: Element> ReduceBuilder<E> {
    /// The axes to reduce [default: all of them]; an empty list reduces each element by itself.
    pub fn axes(mut self, axes: &[usize]) -> Self {
        self.axes = Some(axes.to_vec());
        self
    }

    /// The operations, whose results come in this order.
    pub fn ops(mut self, ops: impl IntoIterator<Item = Op>) -> Self {
        self.ops = ops.into_iter().collect();
        self
    }

    /// Whether reduced axes stay, with one element [default: no].
    pub fn keepdims(mut self, keepdims: bool) -> Self {
        self.keepdims = keepdims;
        self
    }

    /// Whether NaNs are skipped, as in NumPy's `nansum` and similar functions [default: no, they make results NaN]. A
    /// complex number is NaN if either part is.
    pub fn skip_nan(mut self, skip: bool) -> Self {
        self.skip = skip;
        self
    }

    /// The weights of [`Op::WeightedSum`] and [`Op::Average`], of a shape that broadcasts to the data's: aligned at the
    /// last axis, with one element where they do not vary. Weights along the first of three axes are
    /// `weights.into_shape_with_order((n, 1, 1))`.
    pub fn weights<D: Dimension>(mut self, weights: &ArrayRef<f64, D>) -> Self {
        self.weights = Some(weights.to_owned().into_dyn());
        self
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an axis that does not exist or is given twice, no operations, or an operation that the
    /// element type does not have; [`Error::Shape`] for weights that do not fit, or no elements where an operation
    /// needs one; [`Error::TooLarge`] for a shape that does not fit in the address space, or results that do not fit in
    /// memory.
    pub fn build(self, device: &Device) -> Result<ReducePlan<E>> {
        let Self { shape, axes, ops, keepdims, skip, weights, .. } = self;
        shape::product("data", &shape)?;
        let mut over = vec![axes.is_none(); shape.len()];
        for axis in axes.into_iter().flatten() {
            match over.get_mut(axis) {
                Some(reduced) if !*reduced => *reduced = true,
                Some(_) => return Err(Error::parameter("axes", "each axis given once", format!("axis {axis} twice"))),
                None => return Err(Error::parameter("axis", format!("axis < {}", shape.len()), axis)),
            }
        }
        if ops.is_empty() {
            return Err(Error::parameter("operations", "at least one, given by ops()", "none"));
        }
        if let Some(op) = ops.iter().find(|op| E::PARTS == 2 && op.orders()) {
            let wanted = "real elements: complex numbers have no order; reduce their absolute values";
            return Err(Error::parameter("operation", wanted, format!("{op} of {}", E::NAME)));
        }
        for op in &ops {
            if let Op::Var { ddof } | Op::Std { ddof } = op
                && !ddof.is_finite()
            {
                return Err(Error::parameter("ddof", "a finite number", ddof));
            }
        }
        let no_elements = shape.iter().zip(&over).any(|(&len, &over)| over && len == 0);
        let has_results = shape.iter().zip(&over).all(|(&len, &over)| over || len != 0);
        if let Some(&op) = ops.iter().find(|op| no_elements && has_results && op.orders()) {
            return Err(empty(op));
        }
        match (&weights, ops.iter().find(|op| op.weighs())) {
            (Some(weights), _) if weights.broadcast(IxDyn(&shape)).is_none() => return Err(misfit(weights, &shape)),
            (Some(_), None) => {
                return Err(Error::parameter(
                    "weights",
                    "used by wsum or average; ask for one of them",
                    "weights only",
                ));
            }
            _ => {}
        }
        let kept: Vec<_> = shape.iter().zip(&over).filter(|&(_, &over)| !over).map(|(&len, _)| len).collect();
        // Tiles of results are computed first, and then put in order.
        let each = 2 * ops.iter().map(|&op| Column::<E>::size(op)).sum::<usize>();
        pages::room("the results", &kept, each, FEWER)?;
        Ok(ReducePlan { shape, over, ops, keepdims, skip, weights, device: device.clone(), element: PhantomData })
    }
}

/// The error for weights that do not broadcast to the data.
fn misfit(weights: &ArrayD<f64>, shape: &[usize]) -> Error {
    let expected = format!("a shape that broadcasts to {}", shape::written(shape));
    Error::shape("weights", expected, shape::written(weights.shape()))
}
