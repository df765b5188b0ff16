//! The CPU backend: rayon threads, SIMD chosen at run time. The kernels are in the modules named after them.

pub(crate) mod deconvolve;
pub(crate) mod fft;
pub(crate) mod interp;
pub(crate) mod spread;

use std::ops::Range;
use std::sync::Arc;

use num_complex::Complex;

use crate::backend::{Backend, Design, Grid, Spectrum};
use crate::error::{Error, Result};
use crate::nufft::{AxisTiles, Bins, ModeAxis, Sign, Stage, Tiling, Timings};
use crate::pages::Pages;
use crate::parallel;
use crate::real::Real;
use crate::shape;
use crate::stencil::Stencil;

/// Bytes that the grids of transforms executed together may take.
const TOGETHER_BYTES: usize = 64 << 20;

/// The CPU. Results are the same bits whatever the number of threads.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Cpu {
    /// Uses the rayon pool of whoever calls: the one whose `install` is on the stack, else the global one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses `threads` threads of its own; 0 means one a core.
    ///
    /// # Errors
    /// [`Error::Device`] if the threads cannot be started.
    pub fn with_threads(threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::Device { device: "CPU".into(), reason: error.to_string() })?;
        Ok(Self { pool: Some(Arc::new(pool)) })
    }

    /// Threads it uses.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or_else(rayon::current_num_threads, |pool| pool.current_num_threads())
    }
}

/// The fine grid in memory: three axes, the missing ones first with one cell, each followed by halo cells into which
/// stencils run over the edge. The halo also keeps rows off strides near powers of two.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Axes in use.
    pub(crate) dimensions: usize,
    /// Cells without halo.
    pub(crate) cells: [usize; 3],
    /// Cells with halo.
    pub(crate) padded: [usize; 3],
    /// Elements from one cell to the next.
    pub(crate) strides: [usize; 3],
}

impl Layout {
    fn new<T: Real>(grid: &[usize], stencil: &Stencil<T>) -> Self {
        let dimensions = grid.len();
        let first = 3 - dimensions;
        let (mut cells, mut padded) = ([1; 3], [1; 3]);
        for (axis, &count) in grid.iter().enumerate() {
            cells[first + axis] = count;
            padded[first + axis] = count + stencil.width - 1;
        }
        // Rows begin where vectors do.
        padded[2] = (cells[2] + stencil.row).next_multiple_of(4);
        Self { dimensions, cells, padded, strides: [padded[1] * padded[2], padded[2], 1] }
    }

    pub(crate) fn len(&self) -> usize {
        self.padded.iter().product()
    }

    /// The axis that is cut into slabs: the slowest one in use.
    pub(crate) fn slowest(&self) -> usize {
        3 - self.dimensions
    }
}

impl Layout {
    /// The place in the padded arrays of the i-th row of C-ordered arrays without padding.
    fn row(&self, index: usize) -> Range<usize> {
        let [planes, lines, cells] = self.cells;
        let (plane, line) = (index / lines, index % lines);
        let start = plane / planes * self.len() + plane % planes * self.strides[0] + line * self.strides[1];
        start..start + cells
    }
}

impl<T: Real> Fine<T> {
    /// Zeroes cells that hold nothing of use.
    fn zeroed(&mut self) {
        if self.holds == Holds::Leavings {
            self.cells.fill(Complex::default());
        }
    }
}

/// What the CPU keeps of a plan.
#[derive(Debug)]
pub struct Prepared<T: Real> {
    pub(crate) layout: Layout,
    pub(crate) stencil: Stencil<T>,
    modes: Vec<ModeAxis<T>>,
    mode_count: usize,
    transform: fft::Transform<T>,
}

/// Fine grids of transforms executed together, one after another.
#[derive(Debug)]
pub struct Fine<T: Real> {
    cells: Pages<Complex<T>>,
    holds: Holds,
}

/// What cells hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Zero.
    Nothing,
    /// Spread strengths, to which more may be added.
    Sums,
    /// Something of no use; who adds to it zeroes it first.
    Leavings,
}

impl Backend for Cpu {
    type Input<'a, T: Real> = &'a [Complex<T>];
    type Output<'a, T: Real> = &'a mut [Complex<T>];
    type Fine<T: Real> = Fine<T>;
    type Points<T: Real> = Bins<T>;
    type Prepared<T: Real> = Prepared<T>;

    fn name(&self) -> String {
        format!("CPU, {} thread{}", self.threads(), if self.threads() == 1 { "" } else { "s" })
    }

    fn install<R: Send>(&self, items: usize, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            // Handing little work to a pool costs more than the work.
            Some(pool) if parallel::worth_sharing(items) => pool.install(work),
            _ => work(),
        }
    }

    /// Slabs of tiles, thick enough that a slab's stencils reach no further than into the next one.
    fn tiling<T: Real>(&self, grid: &[usize], width: usize) -> Result<Tiling> {
        let across = match grid.len() {
            1 => 512,
            _ => 16,
        };
        let thick = match grid.len() {
            1 => 512,
            2 => 16.max(width.next_power_of_two()),
            _ => 8.max((width - 1).next_power_of_two()),
        };
        let axes = grid.iter().enumerate();
        Ok(Tiling {
            axes: axes.map(|(axis, &n)| AxisTiles::of_size(n, if axis == 0 { thick } else { across })).collect(),
        })
    }

    fn together<T: Real>(&self, design: &Design<'_, T>, batch: usize) -> usize {
        // Evaluating the kernel once for several transforms pays while their tiles stay in the second-level cache.
        let bytes = self.fine_bytes(design);
        batch.min(spread::TOGETHER).min((TOGETHER_BYTES / bytes.max(1)).max(1))
    }

    fn prepare<T: Real>(&self, design: &Design<'_, T>) -> Result<Prepared<T>> {
        let stencil = Stencil::new(design.kernel);
        let layout = Layout::new(design.grid, &stencil);
        shape::product("the fine grid with its halo", &layout.padded)?;
        let kept: Vec<usize> = design.modes.iter().map(ModeAxis::count).collect();
        let strides = &layout.strides[layout.slowest()..];
        let transform = fft::Transform::new(design.grid, strides, &kept, design.order);
        transform.ready(design.sign);
        Ok(Prepared { layout, stencil, modes: design.modes.to_vec(), mode_count: design.mode_count(), transform })
    }

    fn fine_bytes<T: Real>(&self, design: &Design<'_, T>) -> usize {
        Layout::new(design.grid, &Stencil::new(design.kernel)).len().saturating_mul(size_of::<Complex<T>>())
    }

    fn blank<T: Real>(&self, prepared: &Prepared<T>, items: usize) -> Result<Fine<T>> {
        let len = prepared.layout.len().saturating_mul(items);
        let cells = Pages::zeroed(len, "the fine grid", "use fewer modes or a smaller upsampling")?;
        Ok(Fine { cells, holds: Holds::Nothing })
    }

    fn place<T: Real>(&self, _: &Prepared<T>, bins: Bins<T>) -> Result<Bins<T>> {
        Ok(bins)
    }

    fn sorted<'a, T: Real>(&self, points: &'a mut Bins<T>) -> Option<&'a mut Bins<T>> {
        Some(points)
    }

    fn load<'a, T: Real>(&self, host: &'a [Complex<T>]) -> Result<&'a [Complex<T>]> {
        Ok(host)
    }

    fn open<'a, T: Real>(&self, host: &'a mut [Complex<T>]) -> Result<&'a mut [Complex<T>]> {
        Ok(host)
    }

    fn store<T: Real>(&self, _: &mut [Complex<T>]) -> Result<()> {
        Ok(())
    }

    fn clear<T: Real>(&self, _: &Prepared<T>, mut fine: Fine<T>) -> Result<Grid<Fine<T>>> {
        if fine.holds == Holds::Sums {
            fine.holds = Holds::Leavings;
        }
        Ok(Grid(fine))
    }

    fn read_grid<T: Real>(
        &self,
        prepared: &Prepared<T>,
        Grid(fine): &mut Grid<Fine<T>>,
        to: &mut [Complex<T>],
    ) -> Result<()> {
        fine.zeroed();
        let layout = &prepared.layout;
        parallel::chunks(to, layout.cells[2], 1, |index, row| row.copy_from_slice(&fine.cells[layout.row(index)]));
        Ok(())
    }

    fn write_grid<T: Real>(
        &self,
        prepared: &Prepared<T>,
        from: &[Complex<T>],
        mut fine: Fine<T>,
    ) -> Result<Grid<Fine<T>>> {
        let Prepared { layout, stencil, .. } = prepared;
        fine.holds = Holds::Leavings;
        for (index, row) in from.chunks_exact(layout.cells[2]).enumerate() {
            fine.cells[layout.row(index)].copy_from_slice(row);
        }
        let cells: usize = layout.cells.iter().product();
        let grids = fine.cells.chunks_exact_mut(layout.len()).take(from.len() / cells);
        grids.for_each(|grid| interp::fill_halo(layout, stencil.width, grid));
        Ok(Grid(fine))
    }

    fn spread<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Bins<T>,
        strengths: &&[Complex<T>],
        items: Range<usize>,
        Grid(mut fine): Grid<Fine<T>>,
    ) -> Result<Grid<Fine<T>>> {
        let strengths = &strengths[items.start * points.len..items.end * points.len];
        let grids = &mut fine.cells[..items.len() * prepared.layout.len()];
        self.install(spread::work(&prepared.layout, &prepared.stencil, points.len), || {
            spread::spread(prepared, points, strengths, grids, fine.holds != Holds::Leavings);
        });
        fine.holds = Holds::Sums;
        Ok(Grid(fine))
    }

    fn fft<T: Real>(
        &self,
        prepared: &Prepared<T>,
        Grid(mut fine): Grid<Fine<T>>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Spectrum<Fine<T>>> {
        let len = prepared.layout.len();
        fine.zeroed();
        fine.holds = Holds::Leavings;
        timings.time(Stage::Fft, || {
            self.install(len, || {
                fine.cells.chunks_exact_mut(len).take(items).for_each(|grid| prepared.transform.forward(grid, sign));
            });
        });
        Ok(Spectrum(fine))
    }

    fn deconvolve<T: Real>(
        &self,
        prepared: &Prepared<T>,
        Spectrum(fine): &mut Spectrum<Fine<T>>,
        modes: &mut &mut [Complex<T>],
        items: Range<usize>,
        sign: Sign,
    ) -> Result<()> {
        let Prepared { mode_count, transform, modes: axes, layout, .. } = prepared;
        let modes = modes[items.start * mode_count..items.end * mode_count].chunks_exact_mut(*mode_count);
        self.install(layout.len(), || {
            let grids = fine.cells.chunks_exact_mut(layout.len());
            grids.zip(modes).for_each(|(grid, modes)| deconvolve::deconvolve(transform, axes, sign, grid, modes));
        });
        Ok(())
    }

    fn deconvolve_back<T: Real>(
        &self,
        prepared: &Prepared<T>,
        modes: &&[Complex<T>],
        items: Range<usize>,
        sign: Sign,
        mut fine: Fine<T>,
    ) -> Result<Spectrum<Fine<T>>> {
        let Prepared { mode_count, transform, modes: axes, layout, .. } = prepared;
        let modes = modes[items.start * mode_count..items.end * mode_count].chunks_exact(*mode_count);
        fine.holds = Holds::Leavings;
        self.install(layout.len(), || {
            let grids = fine.cells.chunks_exact_mut(layout.len());
            grids.zip(modes).for_each(|(grid, modes)| deconvolve::back(transform, axes, sign, modes, grid));
        });
        Ok(Spectrum(fine))
    }

    fn fft_back<T: Real>(
        &self,
        prepared: &Prepared<T>,
        Spectrum(mut fine): Spectrum<Fine<T>>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Grid<Fine<T>>> {
        let len = prepared.layout.len();
        timings.time(Stage::Fft, || {
            self.install(len, || {
                for grid in fine.cells.chunks_exact_mut(len).take(items) {
                    prepared.transform.backward(grid, sign);
                    interp::fill_halo(&prepared.layout, prepared.stencil.width, grid);
                }
            });
        });
        Ok(Grid(fine))
    }

    fn interp<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Bins<T>,
        Grid(fine): &Grid<Fine<T>>,
        values: &mut &mut [Complex<T>],
        items: Range<usize>,
    ) -> Result<()> {
        let values = &mut values[items.start * points.len..items.end * points.len];
        let grids = &fine.cells[..items.len() * prepared.layout.len()];
        self.install(spread::work(&prepared.layout, &prepared.stencil, points.len), || {
            interp::interp(prepared, points, grids, values);
        });
        Ok(())
    }
}
