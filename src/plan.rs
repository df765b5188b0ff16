//! Plans: what users build and execute. The only place that knows the order of stages.

pub(crate) mod accumulate;
pub(crate) mod builder;
pub(crate) mod calls;
#[cfg(feature = "gpu")]
pub(crate) mod fft;
pub(crate) mod matmul;
pub(crate) mod nufft;
pub(crate) mod nufft3;
pub(crate) mod reduce;
pub(crate) mod stages;
#[cfg(feature = "gpu")]
pub(crate) mod stages3;
pub(crate) mod state;
pub(crate) mod vanderplas;
