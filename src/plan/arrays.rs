//! Input and output arrays of plans: checks of shapes, traits that relate the dimensions of inputs and results, and
//! access to elements in C order.

use std::borrow::Cow;

use ndarray::{Array, ArrayRef, ArrayView2, Axis, Dimension, Ix1, Ix2, Ix3, Ix4, IxDyn};

use crate::error::{Error, Result};
use crate::machine::pages;
use crate::real::Number;

/// The dimension of the strengths (one axis, or two with a batch), which determines that of the modes.
pub trait PointsOf<D: Dimension>: Dimension {
    /// The dimension of the modes: `D`, or one axis more with a batch.
    type Modes: Dimension;
}
impl<D: Dimension> PointsOf<D> for Ix1 {
    type Modes = D;
}
impl<D: Dimension> PointsOf<D> for Ix2 {
    type Modes = D::Larger;
}
impl<D: Dimension> PointsOf<D> for IxDyn {
    type Modes = IxDyn;
}

/// The dimension of the modes (`D`, or one axis more with a batch), which determines that of the values.
pub trait ModesOf<D: Dimension>: Dimension {
    /// The dimension of the values: one axis, or two with a batch.
    type Points: Dimension;
}

impl ModesOf<Ix1> for Ix1 {
    type Points = Ix1;
}
impl ModesOf<Ix1> for Ix2 {
    type Points = Ix2;
}
impl ModesOf<Ix2> for Ix2 {
    type Points = Ix1;
}
impl ModesOf<Ix2> for Ix3 {
    type Points = Ix2;
}
impl ModesOf<Ix3> for Ix3 {
    type Points = Ix1;
}
impl ModesOf<Ix3> for Ix4 {
    type Points = Ix2;
}
impl ModesOf<IxDyn> for Ix1 {
    type Points = IxDyn;
}
impl ModesOf<IxDyn> for Ix2 {
    type Points = IxDyn;
}
impl ModesOf<IxDyn> for Ix3 {
    type Points = IxDyn;
}
impl ModesOf<IxDyn> for Ix4 {
    type Points = IxDyn;
}
impl<D: Dimension> ModesOf<D> for IxDyn {
    type Points = IxDyn;
}

/// What to change if a result of a transform does not fit in memory.
pub(super) const SMALLER: &str = "compute fewer transforms of the batch at a time, or fewer modes or points";

/// An array of zeros; an error with `advice` if there is no memory for it. The shape has the dimension `D` because `D`
/// comes from the traits above or a checked array.
pub(super) fn zeros<V: Number, D: Dimension>(what: &'static str, shape: IxDyn, advice: &str) -> Result<Array<V, D>> {
    pages::room(what, shape.slice(), size_of::<V>(), advice)?;
    let array = Array::default(shape).into_dimensionality();
    Ok(array.expect("the shape was checked against what the dimension was made of"))
}

/// A view with one row for each transform, of an array of shape `[M]` or `[batch, M]` with any strides.
pub(super) fn rows<V, D: Dimension>(array: &ArrayRef<V, D>) -> ArrayView2<'_, V> {
    let view = array.view().into_dyn();
    let view = if view.ndim() == 1 { view.insert_axis(Axis(0)) } else { view };
    view.into_dimensionality().expect("a shape that was checked")
}

/// A view with one row for each transform, of contiguous numbers.
pub(super) fn rows_of_slice<V>(numbers: &[V], batch: usize) -> ArrayView2<'_, V> {
    ArrayView2::from_shape((batch, numbers.len() / batch), numbers).expect("a length that was checked")
}

/// What to change if a copy of an array does not fit in memory.
const IN_ORDER: &str = "give an array in C order, which is not copied";

/// An array's elements in C order: its own memory if it is laid out so, else a copy.
pub(super) fn in_order<V: Number, D: Dimension>(array: &ArrayRef<V, D>) -> Result<Cow<'_, [V]>> {
    if let Some(slice) = array.as_slice() {
        return Ok(slice.into());
    }
    pages::room("a copy of the input in C order", array.shape(), size_of::<V>(), IN_ORDER)?;
    Ok(array.iter().copied().collect::<Vec<_>>().into())
}

/// An output array that is written in C order: its own memory if it is laid out so, else a copy.
pub(super) struct InOrder<'a, V, D: Dimension> {
    array: &'a mut ArrayRef<V, D>,
    copy: Option<Vec<V>>,
}

impl<'a, V: Number, D: Dimension> InOrder<'a, V, D> {
    pub(super) fn to_write(array: &'a mut ArrayRef<V, D>) -> Result<Self> {
        if array.as_slice().is_some() {
            return Ok(Self { array, copy: None });
        }
        pages::room("a copy of the output in C order", array.shape(), size_of::<V>(), IN_ORDER)?;
        let copy = Some(vec![V::default(); array.len()]);
        Ok(Self { array, copy })
    }

    /// The elements in C order.
    pub(super) fn slice(&mut self) -> &mut [V] {
        match &mut self.copy {
            Some(copy) => copy,
            None => self.array.as_slice_mut().expect("without a copy the array is in C order"),
        }
    }

    /// Writes the copy, if there is one, to the array.
    pub(super) fn store(self) {
        if let Some(copy) = self.copy {
            self.array.iter_mut().zip(copy).for_each(|(to, from)| *to = from);
        }
    }
}

pub(super) fn check(what: &'static str, expected: &IxDyn, got: &[usize]) -> Result<()> {
    if expected.slice() == got {
        return Ok(());
    }
    Err(Error::shape(what, format!("the shape {:?}", expected.slice()), format!("{got:?}")))
}
