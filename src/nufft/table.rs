//! The kernel as backends see it: polynomial panels and correction factors, whatever the shape behind them.

use crate::nufft::kernel::KernelShape;
use crate::nufft::recipe::ModeOrder;
use crate::real::Real;

/// Piecewise-polynomial kernel values. A point whose stencil begins a fraction z ∈ [0, 1] of a cell before cell 0 gives cell i
/// the value `φ(2(i + z)/w - 1) = Σ_p coefficients[p][i] · s^(degree - p)`, s = 2z - 1: one argument for all w panels.
#[derive(Debug, Clone)]
pub struct KernelTable<T> {
    /// Cells a stencil covers on each axis.
    pub width: usize,
    /// Panels stored, `width` rounded up to an even number (to 32 past 16); the panels past `width` are zero.
    pub padded: usize,
    /// Degree of the polynomials.
    pub degree: usize,
    /// `(degree + 1) × padded` coefficients, highest power first.
    pub coefficients: Vec<T>,
}

/// One axis of modes, in the caller's order.
#[derive(Debug, Clone)]
pub struct ModeAxis<T> {
    /// The fine-grid bin of each mode, `k mod n`.
    pub bin: Vec<u32>,
    /// What each mode is multiplied by: `1 / ((w/2) φ̂(π w k / n))`.
    pub factor: Vec<T>,
}
