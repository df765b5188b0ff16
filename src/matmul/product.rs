//! What a matrix product is asked to compute: how each factor enters it, and the operands that a backend's kernels get.

use ndarray::{ArrayViewD, ArrayViewMutD};

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

/// The operands that a backend gets. All arrays have the same number of axes, those of the batch in front; A and B are
/// already broadcast to the batch and transposed as asked.
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
