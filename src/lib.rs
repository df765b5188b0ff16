//! Non-uniform fast Fourier transforms, reductions and matrix products on any GPU and on the CPU, behind one trait.
//!
//! Type 1 computes `f[k] = Σ_j c[j] exp(±i k·x[j])` from samples at arbitrary points x, type 2 evaluates `c[j] = Σ_k
//! f[k] exp(±i k·x[j])` at arbitrary points; in one to three dimensions, in f32 and f64, to a tolerance that is kept
//! for a million modes on an axis; type 3 goes from any points to any frequencies. Start at [`NufftPlan`] (or
//! [`NufftPlan3`]); [`nufft::vanderplas`] computes the convention of a well-known article in one call, and
//! [`nufft::direct`] evaluates the definitions term by term.
//!
//! [`reduce`] sums, averages and compares arrays over any axes as NumPy does, with several results from one read of the
//! data, f32 right to the last digit, and states that take in chunks in any order. Start at [`ReducePlan`].
//!
//! [`matmul`] multiplies matrices, alpha·op(A)·op(B) + beta·C, of any strides and in batches. Start at [`MatmulPlan`].
//!
//! [`source`] reads arrays block by block from `.npy`, NetCDF and Zarr, and [`stream`] reduces and multiplies them
//! within a memory budget, whatever their size. Start at [`source::open`], [`stream::Pass`] and [`stream::Multiply`].
//!
//! [`spectral`] is what analysis of uneven samples builds on transforms: the generalised Lomb-Scargle periodogram of
//! one series or of many, false-alarm probabilities, peaks with standard deviations, and the inverse transform. Start
//! at [`spectral::LombScargle`] and [`spectral::Inverse`].
//!
//! `fft` is the uniform FFT of numbers on a GPU, which the other plans use there.
//!
//! # Layout
//! [`nufft`] holds the mathematics of transforms and knows no device: points are folded and sorted into bins, kernels
//! become tables of polynomials, and a plan runs the stages in order. [`reduce`] does the same for reductions
//! (operations, states that merge, plans), and [`matmul`] for products; [`spectral`] is built on plans alone. The
//! traits of `src/backend.rs` say what a device must be able to do; [`Cpu`] implements them with rayon and `Gpu` with
//! WGSL shaders on wgpu. The three files of a kernel have one name: the shader `shaders/spread.wgsl`, its CPU twin
//! `src/cpu/spread.rs` and its host half `src/gpu/spread.rs`. [`Device`] says which devices were found and which one to
//! use.
//!
//! # Features
//! `gpu` (default): the GPU backend; without it the dependencies hold no wgpu. `netcdf` and `zarr`: sources of these
//! formats. `cli`: the program `wavemill`, which has both.

mod backend;
mod cpu;
mod device;
mod discover;
pub mod dynamic;
mod element;
mod error;
#[cfg(feature = "gpu")]
pub mod fft;
#[cfg(feature = "gpu")]
pub mod gpu;
mod loops;
mod machine;
pub mod matmul;
pub mod nufft;
mod numeric;
mod plan;
mod real;
pub mod reduce;
mod shape;
pub mod source;
pub mod spectral;
pub mod stream;

pub use cpu::Cpu;
pub use device::{Device, Kind};
pub use discover::Candidate;
pub use error::{Error, Result};
#[cfg(feature = "gpu")]
pub use gpu::Gpu;
#[doc(hidden)]
pub use machine::pages::available as available_memory;
pub use matmul::{MatmulPlan, MatmulRecipe};
pub use nufft::{
    ModeOrder, NufftBuilder, NufftPlan, NufftPlan3, Recipe, Shape, Sign, Stage, Timings, UniformTransform,
};
pub use numeric::float::{Coordinate, Float, Numeric};
pub use real::{Number, Real};
pub use reduce::{ReducePlan, ReduceState};
#[doc(hidden)]
pub use shape::significant;
#[cfg(feature = "gpu")]
pub use wgpu;
