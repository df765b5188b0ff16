//! Input and output arrays of plans: checks of shapes, traits that relate the dimensions of inputs and results, and
//! access to elements in C order.

use std::borrow::Cow;

use ndarray::{Array, ArrayRef, ArrayView2, Axis, Dimension, Ix1, Ix2, Ix3, Ix4, IxDyn};

use crate::error::{Error, Result};
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

/// An array of zeros. The shape has the dimension `D` because `D` comes from the traits above or a checked array.
pub(super) fn zeros<V: Number, D: Dimension>(shape: IxDyn) -> Array<V, D> {
    Array::default(shape).into_dimensionality().expect("the shape was checked against what the dimension was made of")
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

/// An array's elements in C order: its own memory if it is laid out so, else a copy.
pub(super) fn in_order<V: Number, D: Dimension>(array: &ArrayRef<V, D>) -> Cow<'_, [V]> {
    array.as_slice().map_or_else(|| array.iter().copied().collect::<Vec<_>>().into(), Cow::from)
}

/// An output array that is written in C order: its own memory if it is laid out so, else a copy.
pub(super) struct InOrder<'a, V, D: Dimension> {
    array: &'a mut ArrayRef<V, D>,
    copy: Option<Vec<V>>,
}

impl<'a, V: Number, D: Dimension> InOrder<'a, V, D> {
    pub(super) fn to_write(array: &'a mut ArrayRef<V, D>) -> Self {
        let copy = array.as_slice().is_none().then(|| vec![V::default(); array.len()]);
        Self { array, copy }
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
