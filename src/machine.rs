//! What the host machine offers: vector instructions, threads, large pages.

#[cfg(target_arch = "x86_64")]
mod avx;
pub(crate) mod pages;
pub(crate) mod parallel;
pub(crate) mod simd;
mod vector;
