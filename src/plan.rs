//! Plans, which users build and execute. Only this module knows the order of a transform's stages.

pub(crate) mod accumulate;
pub(crate) mod arrays;
pub(crate) mod builder;
pub(crate) mod calls;
#[cfg(feature = "gpu")]
pub(crate) mod fft;
pub(crate) mod matmul;
pub(crate) mod nufft;
pub(crate) mod nufft3;
#[cfg(feature = "gpu")]
mod nufft_gpu;
pub(crate) mod on_backend;
pub(crate) mod reduce;
pub(crate) mod stages;
pub(crate) mod stages3;
pub(crate) mod state;
pub(crate) mod vanderplas;
