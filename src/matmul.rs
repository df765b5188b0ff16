//! Matrix products: C = alpha·op(A)·op(B) + beta·C.
//!
//! `C[i, j] = alpha Σ_l op(A)[i, l] op(B)[l, j] + beta C[i, j]`, for i below m, l below k and j below n, where op(X) is
//! X itself, its transpose, its conjugate or its adjoint ([`Op`]). Elements are f32, f64 and complex numbers of them;
//! products of f32 are computed in f32 on every device, never in a narrower type. [`wrapping`] multiplies integers.
//!
//! ```
//! use ndarray::array;
//! use wavemill::matmul::{MatmulPlan, Op, matmul};
//!
//! let (a, b) = (array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], array![[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]);
//! assert_eq!(matmul(&a, &b)?, array![[1.0, 2.0, 0.0], [3.0, 4.0, 2.0], [5.0, 6.0, 4.0]]);
//!
//! let device = wavemill::Device::from(wavemill::Cpu::new());
//! let plan = MatmulPlan::<f64>::builder(2, 3, 2).op_a(Op::Transpose).build(&device)?;
//! println!("{}", plan.describe());
//! let mut c = array![[1.0, 1.0], [1.0, 1.0]];
//! plan.execute_into(2.0, &a, &a, -1.0, &mut c)?;
//! assert_eq!(c, array![[69.0, 87.0], [87.0, 111.0]]); // 2 AᵀA - C
//! # Ok::<(), wavemill::Error>(())
//! ```
//!
//! # Shapes
//! op(A) is [.., m, k], op(B) [.., k, n] and C [.., m, n]; the axes in front are a batch ([`MatmulBuilder::batch`]), to
//! which A and B broadcast as in NumPy. Matrices may have any strides: a transposed view costs no copy on the CPU. Any
//! extent may be 0 or 1; with k = 0 the sum is empty and C = beta·C.
//!
//! # Accuracy
//! `|C - Ĉ| <= γ |alpha| |op(A)| |op(B)|`, elementwise, where γ is about (k/256 + 256) roundoffs at worst and some √k
//! on average; for complex numbers it is twice that. `tests/matmul.rs` checks this bound against [`direct`], and
//! [`freivalds`] checks any product afterwards. Results are the same bits for any number of threads and in every run on
//! one device. With beta = 0, C is not read, and with alpha = 0, A and B are not: a NaN in them then has no effect, as
//! in BLAS.
//!
//! # Performance
//! On a CPU, threads share the blocks of C, or parts of k where C is small and k long; `benches/record` has timings. On
//! a GPU, matrices that do not fit in device memory are sent in pieces, and each piece of C accumulates there over the
//! whole of k.

pub(crate) mod check;
pub(crate) mod direct;
pub(crate) mod product;
pub(crate) mod recipe;
pub(crate) mod whole;

pub use crate::plan::calls::matmul;
pub use crate::plan::matmul::{Batched, MatmulBuilder, MatmulPlan, peak};
pub use check::{Check, freivalds};
pub use direct::direct;
pub use product::Op;
pub use recipe::MatmulRecipe;
pub use whole::wrapping;
