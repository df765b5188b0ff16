//! The non-uniform FFT on a GPU: its stages handed to the host halves of the shaders.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use num_complex::Complex;

use crate::backend::gridding::{Design, Grid, Gridding, Phased, Spectrum};
use crate::error::{Error, Result};
use crate::gpu::buffer::{Input, Output, complex_bytes};
use crate::gpu::grid::{Fine, bytes as grid_bytes};
use crate::gpu::phase::Phases;
use crate::gpu::points::Points;
use crate::gpu::queue::Queue;
use crate::gpu::{Gpu, deconvolve, interp, jobs, spread, uniform};
use crate::machine::pages;
use crate::nufft::bins::{Bins, Tiling};
use crate::nufft::recipe::UniformTransform;
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::{Number, Real};

/// The most bytes of the grids of transforms executed together.
const TOGETHER_BYTES: u64 = 256 << 20;

/// One plan's tables, transform and pipelines.
#[derive(Debug)]
pub(crate) struct Prepared<T: Real> {
    /// Cells of the grid on three axes; missing axes come first, with one cell.
    extents: [u32; 3],
    coefficients: wgpu::Buffer,
    spread: spread::Prepared,
    interp: interp::Prepared,
    modes: deconvolve::Modes<T>,
    uniform: uniform::Prepared<T>,
}

impl Gpu {
    /// Lets work on grids be recorded into the program's encoder instead of the plan's own.
    pub(crate) fn lend<T: Real>(
        &self,
        prepared: &Prepared<T>,
        mut fine: Fine<T>,
        encoder: wgpu::CommandEncoder,
    ) -> Result<Fine<T>> {
        if matches!(prepared.uniform, uniform::Prepared::Host(..)) {
            return Err(Error::parameter("the plan's uniform transform", "UniformTransform::Device", "Host"));
        }
        fine.queue = Queue::from_encoder(encoder);
        Ok(fine)
    }

    /// Gives the program's encoder back.
    pub(crate) fn take_back<T: Real>(&self, fine: &mut Fine<T>) -> Result<wgpu::CommandEncoder> {
        self.0.alive()?;
        std::mem::take(&mut fine.queue).into_encoder()
    }
}

impl Gridding for Gpu {
    type Fine<T: Real> = Fine<T>;
    type Points<T: Real> = Points<T>;
    type Prepared<T: Real> = Prepared<T>;

    fn most_cells<T: Real>(&self) -> usize {
        (self.0.limits.max_storage_buffer_binding_size / complex_bytes::<T>()) as usize
    }

    fn uniform<T: Real>(&self, asked: UniformTransform, grid: &[usize]) -> (UniformTransform, Option<[f64; 2]>) {
        if asked != UniformTransform::Auto {
            return (asked, None);
        }
        let bytes = grid_bytes::<T>(grid) as f64;
        let [host, device] = uniform::expected(self.0.info.device_type, bytes, grid.len() as f64);
        let better = if device < host { UniformTransform::Device } else { UniformTransform::Host };
        (better, Some([host, device]))
    }

    fn compiling(&self) -> Duration {
        Duration::from_nanos(self.0.compiling.load(Ordering::Relaxed))
    }

    fn tiling<T: Real>(&self, grid: &[usize], widths: &[usize]) -> Result<Tiling> {
        Ok(jobs::shape::<T>(&self.0, grid.len(), widths[0])?.tiling(grid))
    }

    fn prepare<T: Real>(&self, design: &Design<'_, T>) -> Result<Prepared<T>> {
        let context = &*self.0;
        context.supports::<T>()?;
        let together = self.together(design, usize::MAX);
        context.bindable("the fine grid", grid_bytes::<T>(design.grid))?;
        let mut extents = [1; 3];
        for (extent, &cells) in extents[3 - design.grid.len()..].iter_mut().zip(design.grid) {
            *extent = cells as u32;
        }
        let uniform = uniform::Prepared::new(context, design, together)?;
        let by_cell = matches!(uniform, uniform::Prepared::Device(_));
        Ok(Prepared {
            extents,
            coefficients: context.table("the kernel's coefficients", &design.kernels[0].coefficients)?,
            spread: spread::Prepared::new(context, design)?,
            interp: interp::Prepared::new(context, design)?,
            modes: deconvolve::Modes::new(context, design, by_cell, |axis, bin| uniform.placed(axis, bin))?,
            uniform,
        })
    }

    fn fine_bytes<T: Real>(&self, design: &Design<'_, T>) -> usize {
        let copies = if design.uniform == UniformTransform::Host { 2 } else { 1 };
        usize::try_from(grid_bytes::<T>(design.grid).saturating_mul(copies)).unwrap_or(usize::MAX)
    }

    fn together<T: Real>(&self, design: &Design<'_, T>, batch: usize) -> usize {
        let grid = grid_bytes::<T>(design.grid).max(1);
        let most = self.0.limits.max_storage_buffer_binding_size.min(TOGETHER_BYTES);
        batch.min((most / grid).max(1) as usize)
    }

    fn blank<T: Real>(&self, prepared: &Prepared<T>, items: usize) -> Result<Fine<T>> {
        let cells = prepared.extents.iter().map(|&cells| cells as usize).product();
        prepared.uniform.blank(&self.0, cells, items)
    }

    fn timed<R>(&self, _: &mut Timings, _: Stage, work: impl FnOnce() -> R) -> R {
        work()
    }

    fn finish<T: Real>(&self, fine: &mut Fine<T>, timings: &mut Timings) -> Result<()> {
        fine.queue.submit(&self.0, timings)
    }

    fn place<T: Real>(&self, prepared: &Prepared<T>, bins: Bins<T>) -> Result<Points<T>> {
        Points::new(&self.0, &prepared.spread.shape, prepared.extents, bins)
    }

    fn clear<V: Number>(&self, _: &Prepared<V::Real>, mut fine: Fine<V::Real>) -> Result<Grid<Fine<V::Real>, V>> {
        let Fine { buffer, queue, .. } = &mut fine;
        queue.record(&self.0, "clear", |encoder| encoder.clear_buffer(buffer, 0, None))?;
        Ok(Grid::new(fine))
    }

    fn read_grid<V: Number>(
        &self,
        _: &Prepared<V::Real>,
        grid: &mut Grid<Fine<V::Real>, V>,
        to: &mut [V],
    ) -> Result<()> {
        pages::room("the fine grid on the host", &[to.len()], 2 * size_of::<V::Real>(), "use fewer modes")?;
        let mut all = vec![Complex::default(); to.len()];
        self.0.download("the fine grid", &grid.0.buffer, &mut all)?;
        to.iter_mut().zip(all).for_each(|(to, from)| *to = V::part_of(from));
        Ok(())
    }

    fn write_grid<V: Number>(
        &self,
        _: &Prepared<V::Real>,
        from: &[V],
        fine: Fine<V::Real>,
    ) -> Result<Grid<Fine<V::Real>, V>> {
        pages::room("the fine grid on the host", &[from.len()], 2 * size_of::<V::Real>(), "use fewer modes")?;
        let all: Vec<Complex<V::Real>> = from.iter().map(|number| number.complex()).collect();
        self.0.write("the fine grid", &fine.buffer, &all)?;
        Ok(Grid::new(fine))
    }

    fn spread<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        points: &Points<V::Real>,
        strengths: &Input<V>,
        items: Range<usize>,
        mut grid: Grid<Fine<V::Real>, V>,
    ) -> Result<Grid<Fine<V::Real>, V>> {
        spread::run(
            &self.0,
            (&prepared.spread, &prepared.coefficients),
            points,
            &strengths.buffer,
            items,
            &mut grid.0,
        )?;
        Ok(grid)
    }

    fn fft<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        grid: Grid<Fine<V::Real>, V>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Spectrum<Fine<V::Real>, V>> {
        let mut fine = grid.0;
        prepared.uniform.forward(&self.0, &mut fine, items, sign, timings)?;
        Ok(Spectrum::new(fine))
    }

    fn deconvolve<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        spectrum: &mut Spectrum<Fine<V::Real>, V>,
        modes: &mut Output<'_, Complex<V::Real>>,
        items: Range<usize>,
        sign: Sign,
    ) -> Result<()> {
        let modes = prepared.modes.of(&self.0, &modes.buffer, items)?;
        prepared.uniform.write_modes(&self.0, &mut spectrum.0, &modes, sign)
    }

    fn deconvolve_back<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        modes: &Input<Complex<V::Real>>,
        items: Range<usize>,
        sign: Sign,
        mut fine: Fine<V::Real>,
    ) -> Result<Spectrum<Fine<V::Real>, V>> {
        let modes = prepared.modes.of(&self.0, &modes.buffer, items)?;
        prepared.uniform.read_modes(&self.0, &modes, &mut fine, sign)?;
        Ok(Spectrum::new(fine))
    }

    fn fft_back<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        spectrum: Spectrum<Fine<V::Real>, V>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Grid<Fine<V::Real>, V>> {
        let mut fine = spectrum.0;
        prepared.uniform.backward(&self.0, &mut fine, items, sign, timings)?;
        Ok(Grid::new(fine))
    }

    fn interp<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        points: &Points<V::Real>,
        grid: &mut Grid<Fine<V::Real>, V>,
        values: &mut Output<'_, V>,
        items: Range<usize>,
    ) -> Result<()> {
        interp::run(&self.0, (&prepared.interp, &prepared.coefficients), points, &mut grid.0, &values.buffer, items)
    }
}

impl Phased for Gpu {
    type Phases<T: Real> = Phases<T>;
    type Scratch<T: Real> = ();

    fn hand_on<T: Real>(&self, from: &mut Fine<T>, to: &mut Fine<T>) {
        from.hand_on(to);
    }

    fn phases<T: Real>(&self, factors: Vec<Complex<T>>, together: usize) -> Result<Phases<T>> {
        Phases::new(&self.0, &factors, together)
    }

    fn spread_phased<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Points<T>,
        (phases, sign): (&Phases<T>, Sign),
        strengths: &Input<Complex<T>>,
        items: Range<usize>,
        mut fine: Fine<T>,
        (): &mut (),
    ) -> Result<Grid<Fine<T>, Complex<T>>> {
        let here = 0..items.len();
        let phased = phases.before_spreading(&self.0, &mut fine, sign, strengths, items)?;
        let grid = self.clear(prepared, fine)?;
        self.spread(prepared, points, &phased, here, grid)
    }

    fn interp_phased<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Points<T>,
        (phases, sign): (&Phases<T>, Sign),
        grid: &mut Grid<Fine<T>, Complex<T>>,
        values: &mut Output<'_, Complex<T>>,
        items: Range<usize>,
    ) -> Result<()> {
        self.interp(prepared, points, grid, &mut phases.scratch(), 0..items.len())?;
        phases.after_interpolation(&self.0, &mut grid.0, sign, values, items)
    }

    fn grid_to_spectrum<T: Real>(
        &self,
        (_, grid): (&Prepared<T>, &mut Grid<Fine<T>, Complex<T>>),
        (inner, mut fine): (&Prepared<T>, Fine<T>),
        items: usize,
        sign: Sign,
        (): &mut (),
    ) -> Result<Spectrum<Fine<T>, Complex<T>>> {
        grid.0.hand_on(&mut fine);
        self.deconvolve_back(inner, &grid.0.as_input(), 0..items, sign, fine)
    }

    fn spectrum_to_grid<T: Real>(
        &self,
        (inner, spectrum): (&Prepared<T>, &mut Spectrum<Fine<T>, Complex<T>>),
        (_, fine): (&Prepared<T>, Fine<T>),
        items: usize,
        sign: Sign,
        (): &mut (),
    ) -> Result<Grid<Fine<T>, Complex<T>>> {
        let mut grid = Grid::new(fine);
        self.deconvolve(inner, spectrum, &mut grid.0.as_output(), 0..items, sign)?;
        spectrum.0.hand_on(&mut grid.0);
        Ok(grid)
    }
}
