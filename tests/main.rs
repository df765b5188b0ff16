//! All integration tests of the library as one program. With a program for each file the code of plans would be
//! compiled a dozen times, which takes 6 minutes.

mod common;
mod error_law;
mod extremes;
mod fft;
mod fuzz;
#[cfg(all(feature = "netcdf", feature = "zarr"))]
mod fuzz_files;
mod gpu;
mod hostile;
mod inverse;
mod laws;
mod lomb_scargle;
mod matmul;
mod matmul_gpu;
mod readme;
mod real_data;
mod reduce_accuracy;
mod reduce_gpu;
mod reduce_numpy;
mod reduce_state;
mod shaders;
mod source;
mod stream;
mod type3;
mod vanderplas;
