//! What a matrix product is asked to compute: how each factor enters it, and the operands that a backend's kernels get.

use ndarray::{ArrayView, ArrayViewMut, Axis, Dimension, Ix3, IxDyn};

/// How a factor enters a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Op {
    /// As it is.
    #[default]
    Plain,
    /// Transposed.
    Transpose,
    /// Conjugated.
    Conjugate,
    /// Transposed and conjugated.
    Adjoint,
}

impl Op {
    /// Whether the factor is transposed.
    #[must_use]
    pub fn transposes(self) -> bool {
        matches!(self, Self::Transpose | Self::Adjoint)
    }

    /// Whether the factor is conjugated.
    #[must_use]
    pub fn conjugates(self) -> bool {
        matches!(self, Self::Conjugate | Self::Adjoint)
    }
}

/// The operands that a backend gets.
#[derive(Debug)]
pub(crate) struct Product<'a, V> {
    pub(crate) matrices: Batch<'a, V>,
    /// Whether A and B are conjugated.
    pub(crate) conjugate: [bool; 2],
    pub(crate) alpha: V,
    pub(crate) beta: V,
}

/// A batch's matrices: of one axis, which views hold without a list of axes, or of any number of them.
#[derive(Debug)]
pub(crate) enum Batch<'a, V> {
    Row(Matrices<'a, V, Ix3>),
    Any(Matrices<'a, V, IxDyn>),
}

impl<V> Batch<'_, V> {
    /// Views of the matrices with a list of axes.
    #[cfg(feature = "gpu")]
    pub(crate) fn any(&mut self) -> Matrices<'_, V, IxDyn> {
        match self {
            Self::Row(row) => {
                let Matrices { a, b, c } = row.again();
                Matrices { a: a.into_dyn(), b: b.into_dyn(), c: c.into_dyn() }
            }
            Self::Any(any) => any.again(),
        }
    }
}

/// The matrices of a product, or those of a batch with its axes in front. All have the same number of axes; A and B are
/// already broadcast to the batch and transposed as asked.
#[derive(Debug)]
pub(crate) struct Matrices<'a, V, D: Dimension> {
    pub(crate) a: ArrayView<'a, V, D>,
    pub(crate) b: ArrayView<'a, V, D>,
    pub(crate) c: ArrayViewMut<'a, V, D>,
}

impl<'a, V, D: Dimension> Matrices<'a, V, D> {
    /// The same, to be used for a while.
    pub(crate) fn again(&mut self) -> Matrices<'_, V, D> {
        Matrices { a: self.a.view(), b: self.b.view(), c: self.c.view_mut() }
    }

    /// Cuts a product in two: C at an index of axis `c`, A and B at the same index of their axes, if these are given.
    pub(crate) fn cut(self, a: Option<Axis>, b: Option<Axis>, c: Axis, index: usize) -> (Self, Self) {
        let both = |x: ArrayView<'a, V, D>, axis: Option<Axis>| match axis {
            Some(axis) => x.split_at(axis, index),
            None => (x.clone(), x),
        };
        let ((a0, a1), (b0, b1), (c0, c1)) = (both(self.a, a), both(self.b, b), self.c.split_at(c, index));
        (Self { a: a0, b: b0, c: c0 }, Self { a: a1, b: b1, c: c1 })
    }
}
