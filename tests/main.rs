//! The library's tests, one program: as a program for each file the code of plans is compiled a dozen times over, 6
//! minutes' work.

mod common;
mod error_law;
mod extremes;
mod fft;
mod fuzz;
mod gpu;
mod hostile;
mod laws;
mod matmul;
mod matmul_gpu;
mod readme;
mod real_data;
mod reduce_accuracy;
mod reduce_gpu;
mod reduce_numpy;
mod reduce_state;
mod shaders;
mod type3;
mod vanderplas;
