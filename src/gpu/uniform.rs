//! The uniform transform of a plan's grid: on the device, or on the host by the CPU's twin.

use std::marker::PhantomData;

use num_complex::Complex;

use crate::backend::Design;
use crate::cpu::fft::Transform;
use crate::error::Result;
use crate::gpu::buffer::{Input, Lease, Output, complex_bytes};
use crate::gpu::deconvolve::{Kernels, Taken};
use crate::gpu::device::Context;
use crate::gpu::fft::Passes;
use crate::gpu::queue::Queue;
use crate::nufft::{ModeAxis, Sign, Stage, Timings, UniformTransform};
use crate::real::Real;

/// Fine grids in device memory, in C order, with the work on them that was not submitted yet, and their copy on the host where they
/// are transformed there.
#[derive(Debug)]
pub struct Fine<T> {
    pub(super) buffer: wgpu::Buffer,
    pub(super) queue: Queue,
    host: Vec<Complex<T>>,
    /// Of one grid.
    cells: usize,
}

impl<T: Real> Fine<T> {
    /// Its grids as what kernels read of another plan.
    pub(crate) fn as_input(&self) -> Input<Complex<T>> {
        Input { buffer: Lease::foreign(self.buffer.clone()), kind: PhantomData }
    }

    /// Its grids as what kernels write of another plan.
    pub(crate) fn as_output(&self) -> Output<'static, Complex<T>> {
        Output { buffer: Lease::foreign(self.buffer.clone()), host: None }
    }

    /// Lets another one's work follow on its own, in the same submission. The other must have none.
    pub(crate) fn hand_on(&mut self, to: &mut Self) {
        to.queue = std::mem::take(&mut self.queue);
    }
}

/// Bytes of a grid on the device.
pub(super) fn bytes<T: Real>(grid: &[usize]) -> u64 {
    grid.iter().fold(complex_bytes::<T>(), |bytes, &cells| bytes.saturating_mul(cells as u64))
}

/// The transform of one plan.
#[derive(Debug)]
pub(super) enum Prepared<T: Real> {
    Device(Passes),
    Host(Box<Transform<T>>, Kernels),
}

impl<T: Real> Prepared<T> {
    pub(super) fn new(context: &Context, design: &Design<'_, T>, together: usize) -> Result<Self> {
        let grid = design.grid;
        // Spreading alone has no modes.
        let kept: Vec<usize> = design.modes.iter().map(ModeAxis::count).collect();
        if design.uniform == UniformTransform::Device {
            let kept: Vec<[usize; 2]> = kept.iter().map(|count| [count - count / 2, count / 2]).collect();
            return Ok(Self::Device(Passes::pruned::<T>(context, &grid[..kept.len()], &kept, together)?));
        }
        let strides: Vec<usize> = (0..grid.len()).map(|axis| grid[axis + 1..].iter().product()).collect();
        let transform = Transform::new(grid, &strides, &kept, design.order);
        transform.ready(design.sign);
        Ok(Self::Host(Box::new(transform), Kernels::new::<T>(context)?))
    }

    /// Where the transform leaves a bin of an axis.
    pub(super) fn placed(&self, axis: usize, bin: usize) -> usize {
        match self {
            Self::Device(passes) => passes.placed(axis, bin),
            Self::Host(transform, _) => transform.placed(bin),
        }
    }

    /// Room for some grids of so many cells.
    pub(super) fn blank(&self, context: &Context, cells: usize, items: usize) -> Result<Fine<T>> {
        let what = "the fine grid";
        let all = cells.saturating_mul(items);
        let bytes = (all as u64).saturating_mul(complex_bytes::<T>());
        context.bindable(what, bytes)?;
        let copied = if matches!(self, Self::Host(..)) { all } else { 0 };
        Ok(Fine {
            buffer: context.storage(what, bytes)?,
            queue: Queue::default(),
            host: vec![Complex::default(); copied],
            cells,
        })
    }

    /// From spectrum to modes.
    pub(super) fn write_modes(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        modes: &Taken<'_, T>,
        sign: Sign,
    ) -> Result<()> {
        let Fine { buffer, queue, .. } = fine;
        match self {
            Self::Device(passes) => passes.write_modes(context, queue, buffer, modes, sign),
            Self::Host(_, kernels) => kernels.forward(context, fine, modes),
        }
    }

    /// From modes to spectrum.
    pub(super) fn read_modes(
        &self,
        context: &Context,
        modes: &Taken<'_, T>,
        fine: &mut Fine<T>,
        sign: Sign,
    ) -> Result<()> {
        let Fine { buffer, queue, .. } = fine;
        match self {
            Self::Device(passes) => passes.read_modes(context, queue, modes, buffer, sign),
            Self::Host(_, kernels) => kernels.back(context, modes, fine),
        }
    }

    /// From grid to spectrum; a device leaves the last pass to [`Prepared::write_modes`].
    pub(super) fn forward(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        match self {
            Self::Device(passes) => {
                let Fine { buffer, queue, .. } = fine;
                passes.forward(context, queue, [buffer, buffer], items, sign)
            }
            Self::Host(transform, _) => on_the_host(context, fine, items, timings, |cells| {
                transform.forward(cells, sign);
                transform.slowest(cells, sign);
            }),
        }
    }

    /// From spectrum to grid; a device has done the first pass.
    pub(super) fn backward(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        match self {
            Self::Device(passes) => passes.backward(context, &mut fine.queue, &fine.buffer, items, sign),
            Self::Host(transform, _) => on_the_host(context, fine, items, timings, |cells| {
                transform.slowest(cells, sign);
                transform.backward(cells, sign);
            }),
        }
    }
}

/// Takes the grid to the host, does the work and takes it back.
fn on_the_host<T: Real>(
    context: &Context,
    fine: &mut Fine<T>,
    items: usize,
    timings: &mut Timings,
    work: impl Fn(&mut [Complex<T>]),
) -> Result<()> {
    let Fine { buffer, queue, host, cells } = fine;
    queue.submit(context, timings)?;
    let host = &mut host[..items * *cells];
    timings.time(Stage::Transfers, || context.download("the fine grid", buffer, host))?;
    timings.time(Stage::Fft, || host.chunks_exact_mut(*cells).for_each(work));
    timings.time(Stage::Transfers, || context.write("the fine grid", buffer, host))
}
