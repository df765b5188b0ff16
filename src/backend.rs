//! What a backend is: arrays of its own (an engine), and one trait for each family of kernels.
//!
//! A backend knows arrays and kernels and no mathematics: tables of polynomial coefficients, tile boundaries and
//! correction factors come from [`crate::nufft`]. Only a plan knows the order of the stages. Backends are not for
//! programs to add, so the traits are the crate's own; CONTRIBUTING.md shows how one is added.
//!
//! The letters in their contracts: d axes (1 to 3, the last one contiguous), N modes and n fine-grid cells on an axis,
//! M points, w the kernel's width.

pub(crate) mod engine;
pub(crate) mod gridding;
pub(crate) mod product;
pub(crate) mod reduction;

/// Everything a device must be able to do.
pub(crate) trait Backend: gridding::Phased + reduction::Reduce + product::Multiply {}

impl<B: gridding::Phased + reduction::Reduce + product::Multiply> Backend for B {}
