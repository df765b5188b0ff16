//! The uniform transform of a grid on the device: it is taken to the host, transformed by the CPU's twin, and taken back.

use num_complex::Complex;

use crate::backend::Design;
use crate::cpu::fft::Transform;
use crate::error::Result;
use crate::gpu::buffer::complex_bytes;
use crate::gpu::device::Context;
use crate::nufft::{ModeAxis, Sign, Stage, Timings};
use crate::real::Real;

/// A fine grid in device memory, in C order, and its copy on the host while it is transformed.
#[derive(Debug)]
pub struct Fine<T> {
    pub(super) buffer: wgpu::Buffer,
    host: Vec<Complex<T>>,
}

/// Bytes of a grid, on the device and again on the host.
pub(super) fn bytes<T: Real>(grid: &[usize]) -> u64 {
    2 * grid.iter().fold(complex_bytes::<T>(), |bytes, &cells| bytes.saturating_mul(cells as u64))
}

impl<T: Real> Fine<T> {
    pub(super) fn new(context: &Context, cells: usize) -> Result<Self> {
        let what = "the fine grid";
        let bytes = (cells as u64).saturating_mul(complex_bytes::<T>());
        context.bindable(what, bytes)?;
        Ok(Self { buffer: context.storage(what, bytes)?, host: vec![Complex::default(); cells] })
    }
}

/// The transform of one plan.
#[derive(Debug)]
pub(super) struct Prepared<T: Real> {
    transform: Transform<T>,
}

impl<T: Real> Prepared<T> {
    pub(super) fn new(design: &Design<'_, T>) -> Self {
        let grid = design.grid;
        let strides: Vec<usize> = (0..grid.len()).map(|axis| grid[axis + 1..].iter().product()).collect();
        let kept: Vec<usize> = design.modes.iter().map(ModeAxis::count).collect();
        let transform = Transform::new(grid, &strides, &kept, design.order);
        transform.ready(design.sign);
        Self { transform }
    }

    /// Where the transform leaves a bin of an axis.
    pub(super) fn placed(&self, bin: usize) -> usize {
        self.transform.placed(bin)
    }

    /// From grid to spectrum.
    pub(super) fn forward(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        on_the_host(context, fine, timings, |cells| {
            self.transform.forward(cells, sign);
            self.transform.slowest(cells, sign);
        })
    }

    /// From spectrum to grid.
    pub(super) fn backward(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        on_the_host(context, fine, timings, |cells| {
            self.transform.slowest(cells, sign);
            self.transform.backward(cells, sign);
        })
    }
}

/// Takes the grid to the host, does the work and takes it back.
fn on_the_host<T: Real>(
    context: &Context,
    fine: &mut Fine<T>,
    timings: &mut Timings,
    work: impl FnOnce(&mut [Complex<T>]),
) -> Result<()> {
    let Fine { buffer, host } = fine;
    timings.time(Stage::Transfers, || context.download("the fine grid", buffer, host))?;
    timings.time(Stage::Fft, || work(host));
    timings.time(Stage::Transfers, || context.write("the fine grid", buffer, host))
}
