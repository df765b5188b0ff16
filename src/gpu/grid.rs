//! Fine grids in device memory, with the recorded work on them that is not submitted yet.

use std::marker::PhantomData;

use num_complex::Complex;

use crate::gpu::buffer::{Input, Lease, Output, complex_bytes};
use crate::gpu::queue::Queue;
use crate::real::Real;

/// Fine grids in device memory, in C order, one after another. With them go the recorded work that is not submitted
/// yet, and a copy on the host if they are transformed there.
#[derive(Debug)]
pub(crate) struct Fine<T> {
    pub(super) buffer: wgpu::Buffer,
    pub(super) queue: Queue,
    pub(super) host: Vec<Complex<T>>,
    /// Cells of one grid.
    pub(super) cells: usize,
}

impl<T: Real> Fine<T> {
    /// The grids as modes for kernels of another plan to read.
    pub(crate) fn as_input(&self) -> Input<Complex<T>> {
        Input { buffer: Lease::foreign(self.buffer.clone()), kind: PhantomData }
    }

    /// The grids as modes for kernels of another plan to write.
    pub(crate) fn as_output(&self) -> Output<'static, Complex<T>> {
        Output { buffer: Lease::foreign(self.buffer.clone()), host: None }
    }

    /// Moves the recorded work to other grids, which must have none: further work on those then follows it in the same
    /// submission.
    pub(crate) fn hand_on(&mut self, to: &mut Self) {
        to.queue = std::mem::take(&mut self.queue);
    }
}

/// Bytes of a grid on the device.
pub(super) fn bytes<T: Real>(grid: &[usize]) -> u64 {
    grid.iter().fold(complex_bytes::<T>(), |bytes, &cells| bytes.saturating_mul(cells as u64))
}
