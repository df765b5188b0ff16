//! Matrix products: C = alpha·op(A)·op(B) + beta·C.
//!
//! `C[i, j] = alpha Σ_l op(A)[i, l] op(B)[l, j] + beta C[i, j]`, for i below m, l below k and j below n, where op(X) is X itself, its
//! transpose, its conjugate or its adjoint ([`Op`]). Elements are f32, f64 and complex numbers of them; f32 is computed in f32 on
//! every device, nothing narrower.
//!
//! ```
//! use ndarray::array;
//! use wavemill::matmul::{MatmulPlan, Op, matmul};
//!
//! let (a, b) = (array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], array![[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]);
//! assert_eq!(matmul(a.view(), b.view())?, array![[1.0, 2.0, 0.0], [3.0, 4.0, 2.0], [5.0, 6.0, 4.0]]);
//!
//! let device = wavemill::Device::from(wavemill::Cpu::new());
//! let plan = MatmulPlan::<f64>::builder(2, 3, 2).op_a(Op::Transpose).build(&device)?;
//! println!("{}", plan.describe());
//! let mut c = array![[1.0, 1.0], [1.0, 1.0]];
//! plan.execute_into(2.0, a.view(), a.view(), -1.0, c.view_mut())?;
//! assert_eq!(c, array![[69.0, 87.0], [87.0, 111.0]]); // 2 AᵀA - C
//! # Ok::<(), wavemill::Error>(())
//! ```
//!
//! # Shapes
//! A is [.., m, k] and B [.., k, n] as op() leaves them, C [.., m, n]; what comes before is a batch ([`MatmulBuilder::batch`]), to
//! which A and B broadcast as in NumPy. Any strides: a transposed view costs no copy on the CPU. Any extent may be 0 or 1; with
//! k = 0 the sum is empty and C = beta·C.
//!
//! # Accuracy
//! `|C - Ĉ| <= γ |alpha| |op(A)| |op(B)|`, elementwise, γ about (k/256 + 256) roundoffs at worst and some √k on average; complex
//! numbers twice that. `tests/matmul.rs` holds results to it against [`direct`], and [`freivalds`] checks any product afterwards.
//! Results are the same bits for any number of threads and in every run on one device. With beta = 0, C is not read; with alpha =
//! 0, A and B are not: NaN in them does not count, as in BLAS.
//!
//! # Performance
//! On a CPU see `benches/record`; blocks of C are shared among threads, and where C is small and k long, parts of k. On a GPU, what
//! does not fit in device memory goes over in pieces, and each piece of C accumulates there over the whole of k.

mod check;
mod direct;
mod plan;
mod recipe;

use ndarray::{Array2, ArrayView2, ArrayViewD, ArrayViewMutD};

pub use check::{Check, freivalds};
pub use direct::direct;
pub use plan::{MatmulBuilder, MatmulPlan};
pub use recipe::MatmulRecipe;

use crate::cpu::Cpu;
use crate::device::Device;
use crate::error::Result;
use crate::real::{Number, Real};

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

/// A·B on the CPU, all threads.
///
/// # Errors
/// [`crate::Error::Shape`] if the columns of A are not as many as the rows of B.
pub fn matmul<V: Number>(a: ArrayView2<'_, V>, b: ArrayView2<'_, V>) -> Result<Array2<V>> {
    let plan = MatmulPlan::builder(a.nrows(), a.ncols(), b.ncols()).build(&Device::from(Cpu::new()))?;
    let mut c = Array2::default((a.nrows(), b.ncols()));
    plan.execute_into(V::unit(), a, b, V::default(), c.view_mut())?;
    Ok(c)
}

/// What a backend is asked for: all arrays of as many axes, batch in front, A and B broadcast to it and transposed as asked.
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

/// Floating-point operations a second that one thread does at most, a multiplication and an addition being two: measured with all numbers
/// in registers, in some milliseconds. No product on the CPU is faster.
#[must_use]
pub fn peak<T: Real>() -> f64 {
    T::peak()
}
