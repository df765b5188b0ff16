//! Uniform fast Fourier transforms.
//!
//! `X[k] = Σ_l x[l] exp(±2πi Σ_a k_a l_a / n_a)` over one to three axes, with no factor 1/N. [`Fft`] transforms numbers
//! that are on a GPU: Stockham's algorithm in workgroup memory, with radices 2, 3, 4, 5, 8 and products of two of them;
//! lines too long for that memory take several passes.

pub(crate) mod passes;

pub use crate::plan::fft::Fft;
