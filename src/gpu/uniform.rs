//! The FFT of a plan's fine grid: on the device (`gpu/fft.rs`), or on the host (`cpu/fft.rs`) with copies there and
//! back.

use num_complex::Complex;

use crate::backend::gridding::Design;
use crate::cpu::fft::Transform;
use crate::error::Result;
use crate::gpu::buffer::complex_bytes;
use crate::gpu::deconvolve::{ItemModes, Kernels};
use crate::gpu::device::Context;
use crate::gpu::fft::Passes;
use crate::gpu::grid::Fine;
use crate::gpu::queue::Queue;
use crate::machine::pages;
use crate::nufft::recipe::UniformTransform;
use crate::nufft::table::ModeAxis;
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::Real;

/// The seconds that the transform of a grid of `bytes` bytes should take on the host and on the device, by the bytes
/// that are moved. The constants are round figures: bytes a second within the device, bytes a second between it and the
/// host, and seconds that any pass costs. Those of software devices were measured on lavapipe with two threads.
pub(super) fn expected(kind: wgpu::DeviceType, bytes: f64, axes: f64) -> [f64; 2] {
    let (memory, bus, pass) = match kind {
        wgpu::DeviceType::DiscreteGpu => (400e9, 12e9, 10e-6),
        wgpu::DeviceType::Cpu => (0.15e9, 4e9, 300e-6),
        _ => (40e9, 8e9, 20e-6),
    };
    let wait = 50e-6;
    let host = 2.0 * (wait + bytes / bus) + axes * bytes / (2.5e9 * rayon::current_num_threads() as f64);
    [host, axes * (pass + 2.0 * bytes / memory)]
}

/// The transform of one plan's grids.
#[derive(Debug)]
pub(super) enum Prepared<T: Real> {
    Device(Passes),
    Host(Box<Transform<T>>, Kernels),
}

impl<T: Real> Prepared<T> {
    pub(super) fn new(context: &Context, design: &Design<'_, T>, together: usize) -> Result<Self> {
        let grid = design.grid;
        // A plan that only spreads has no modes.
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

    /// The index on its axis at which the transform leaves a bin.
    pub(super) fn placed(&self, axis: usize, bin: usize) -> usize {
        match self {
            Self::Device(passes) => passes.placed(axis, bin),
            Self::Host(transform, _) => transform.placed(bin),
        }
    }

    /// Memory for `items` grids of `cells` cells.
    pub(super) fn blank(&self, context: &Context, cells: usize, items: usize) -> Result<Fine<T>> {
        let what = "the fine grid";
        let all = cells.saturating_mul(items);
        let bytes = (all as u64).saturating_mul(complex_bytes::<T>());
        context.bindable(what, bytes)?;
        let copied = if matches!(self, Self::Host(..)) { all } else { 0 };
        pages::room("the fine grid on the host", &[copied], 2 * size_of::<T>(), "use fewer modes")?;
        Ok(Fine {
            buffer: context.storage(what, bytes)?,
            queue: Queue::default(),
            host: vec![Complex::default(); copied],
            cells,
        })
    }

    /// Takes a spectrum to modes; on a device this is the last pass.
    pub(super) fn write_modes(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        modes: &ItemModes<'_, T>,
        sign: Sign,
    ) -> Result<()> {
        let Fine { buffer, queue, .. } = fine;
        match self {
            Self::Device(passes) => passes.write_modes(context, queue, buffer, modes, sign),
            Self::Host(_, kernels) => kernels.forward(context, fine, modes),
        }
    }

    /// Takes modes to a spectrum; on a device this is the first pass.
    pub(super) fn read_modes(
        &self,
        context: &Context,
        modes: &ItemModes<'_, T>,
        fine: &mut Fine<T>,
        sign: Sign,
    ) -> Result<()> {
        let Fine { buffer, queue, .. } = fine;
        match self {
            Self::Device(passes) => passes.read_modes(context, queue, modes, buffer, sign),
            Self::Host(_, kernels) => kernels.back(context, modes, fine),
        }
    }

    /// Transforms grids to spectra; on a device the last pass is left to [`Prepared::write_modes`].
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

    /// Transforms spectra to grids; on a device [`Prepared::read_modes`] has done the first pass.
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

/// Copies the grids to the host, does the work there and copies them back.
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

#[cfg(test)]
mod tests {
    use super::expected;

    /// Hardware transforms grids of any size itself; software leaves them to the host, on which it runs.
    #[test]
    fn the_model_knows_hardware_from_software() {
        for axes in 1..=3 {
            for bytes in [1e3, 1e6, 1e9] {
                let device_is_faster = |kind| {
                    let [host, device] = expected(kind, bytes, f64::from(axes));
                    device < host
                };
                assert!(device_is_faster(wgpu::DeviceType::DiscreteGpu), "{axes} axes, {bytes} bytes");
                assert!(device_is_faster(wgpu::DeviceType::IntegratedGpu), "{axes} axes, {bytes} bytes");
                assert!(!device_is_faster(wgpu::DeviceType::Cpu), "{axes} axes, {bytes} bytes");
            }
        }
    }
}
