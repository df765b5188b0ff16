//! What a product is of: how each factor is taken, and what a plan asks of a backend's kernels.

use ndarray::{ArrayViewD, ArrayViewMutD};

/// What a factor is multiplied as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Op {
    /// As it is.
    #[default]
    Plain,
    /// Rows for columns.
    Transpose,
    /// Each element conjugated.
    Conjugate,
    /// Both.
    Adjoint,
}

impl Op {
    /// Whether rows are columns.
    #[must_use]
    pub fn transposes(self) -> bool {
        matches!(self, Self::Transpose | Self::Adjoint)
    }

    /// Whether elements are conjugated.
    #[must_use]
    pub fn conjugates(self) -> bool {
        matches!(self, Self::Conjugate | Self::Adjoint)
    }
}

/// What a backend is asked for: all arrays of as many axes, batch in front, A and B broadcast to it and transposed as
/// asked.
#[derive(Debug)]
pub(crate) struct Product<'a, V> {
    pub(crate) a: ArrayViewD<'a, V>,
    pub(crate) b: ArrayViewD<'a, V>,
    pub(crate) c: ArrayViewMutD<'a, V>,
    /// Whether A and B are conjugated.
    pub(crate) conjugate: [bool; 2],
    pub(crate) alpha: V,
    pub(crate) beta: V,
}
