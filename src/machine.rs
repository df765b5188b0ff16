//! What the host machine offers: vector instructions, threads, large pages.

pub(crate) mod pages;
pub(crate) mod parallel;
pub(crate) mod simd;
