//! Arrays as plans take and give them: shapes checked, dimensions that follow from one another, and elements in C
//! order.

use std::borrow::Cow;

use ndarray::{Array, ArrayRef, ArrayView2, Axis, Dimension, Ix1, Ix2, Ix3, Ix4, IxDyn};

use crate::error::{Error, Result};
use crate::real::Number;

/// The dimension of strengths, from which that of the modes follows: one axis, or two with a batch.
pub trait PointsOf<D: Dimension>: Dimension {
    /// The dimension of the modes, `D` or one more.
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

/// The dimension of modes, from which that of the values follows: `D`, or one more with a batch.
pub trait ModesOf<D: Dimension>: Dimension {
    /// The dimension of the values, one or two.
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

/// Zeros of a shape whose dimension was found by the types above.
pub(super) fn zeros<V: Number, D: Dimension>(shape: IxDyn) -> Array<V, D> {
    Array::default(shape).into_dimensionality().expect("the shape was checked against what the dimension was made of")
}

/// One transform's numbers a row, from an array of shape `[M]` or `[batch, M]`, wherever they lie.
pub(super) fn rows<V, D: Dimension>(array: &ArrayRef<V, D>) -> ArrayView2<'_, V> {
    let view = array.view().into_dyn();
    let view = if view.ndim() == 1 { view.insert_axis(Axis(0)) } else { view };
    view.into_dimensionality().expect("a shape that was checked")
}

/// One transform's numbers a row, from numbers one after another.
pub(super) fn rows_of_slice<V>(numbers: &[V], batch: usize) -> ArrayView2<'_, V> {
    ArrayView2::from_shape((batch, numbers.len() / batch), numbers).expect("a length that was checked")
}

/// An array's elements in C order: its own memory, or a copy where it is laid out otherwise.
pub(super) fn in_order<V: Number, D: Dimension>(array: &ArrayRef<V, D>) -> Cow<'_, [V]> {
    array.as_slice().map_or_else(|| array.iter().copied().collect::<Vec<_>>().into(), Cow::from)
}

/// An array that is to be written in C order: its own memory, or a copy where it is laid out otherwise.
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

    /// Brings a copy home.
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
