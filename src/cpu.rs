//! The CPU backend: rayon threads, SIMD chosen at run time. The kernels are in the modules named after them.

pub(crate) mod deconvolve;
pub(crate) mod fft;
pub(crate) mod interp;
pub(crate) mod spread;

use std::sync::Arc;

use num_complex::Complex;

use crate::backend::{Backend, Design, Grid, Spectrum};
use crate::error::{Error, Result};
use crate::nufft::{AxisTiles, Bins, KernelTable, ModeAxis, Sign, Stage, Tiling, Timings};
use crate::pages::Pages;
use crate::parallel;
use crate::real::Real;
use crate::shape;

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
    fn new<T: Real>(grid: &[usize], kernel: &KernelTable<T>) -> Self {
        let dimensions = grid.len();
        let first = 3 - dimensions;
        let (mut cells, mut padded) = ([1; 3], [1; 3]);
        for (axis, &count) in grid.iter().enumerate() {
            cells[first + axis] = count;
            padded[first + axis] = count + kernel.width - 1;
        }
        padded[2] = cells[2] + kernel.padded;
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

/// What the CPU keeps of a plan.
#[derive(Debug)]
pub struct Prepared<T: Real> {
    pub(crate) layout: Layout,
    pub(crate) kernel: KernelTable<T>,
    pub(crate) modes: Vec<ModeAxis<T>>,
    transform: fft::Transform<T>,
}

impl<T: Real> Prepared<T> {
    fn mode_count(&self) -> usize {
        self.modes.iter().map(|axis| axis.factor.len()).product()
    }
}

impl Backend for Cpu {
    type Input<'a, T: Real> = &'a [Complex<T>];
    type Output<'a, T: Real> = &'a mut [Complex<T>];
    type Fine<T: Real> = Pages<Complex<T>>;
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

    fn prepare<T: Real>(&self, design: &Design<'_, T>) -> Result<Prepared<T>> {
        let layout = Layout::new(design.grid, design.kernel);
        shape::product("the fine grid with its halo", &layout.padded)?;
        let kept: Vec<usize> = design.modes.iter().map(|axis| axis.bin.len()).collect();
        let strides = &layout.strides[layout.slowest()..];
        let transform = fft::Transform::new(design.grid, strides, &kept);
        transform.ready(design.sign);
        let modes = transform.placed(design.modes);
        Ok(Prepared { layout, kernel: design.kernel.clone(), modes, transform })
    }

    fn fine_bytes<T: Real>(&self, design: &Design<'_, T>) -> usize {
        Layout::new(design.grid, design.kernel).len().saturating_mul(size_of::<Complex<T>>())
    }

    fn blank<T: Real>(&self, prepared: &Prepared<T>) -> Result<Pages<Complex<T>>> {
        Pages::zeroed(prepared.layout.len(), "the fine grid", "use fewer modes or a smaller upsampling")
    }

    fn place<T: Real>(&self, _: &Prepared<T>, bins: Bins<T>) -> Result<Bins<T>> {
        Ok(bins)
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

    fn spread<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Bins<T>,
        strengths: &&[Complex<T>],
        item: usize,
        mut fine: Pages<Complex<T>>,
    ) -> Result<Grid<Pages<Complex<T>>>> {
        let strengths = &strengths[item * points.len..][..points.len];
        self.install(points.len + fine.len(), || {
            spread::spread(&prepared.layout, &prepared.kernel, points, strengths, &mut fine);
        });
        Ok(Grid(fine))
    }

    fn fft<T: Real>(
        &self,
        prepared: &Prepared<T>,
        Grid(mut fine): Grid<Pages<Complex<T>>>,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Spectrum<Pages<Complex<T>>>> {
        let items = fine.len();
        timings.time(Stage::Fft, || self.install(items, || prepared.transform.forward(&mut fine, sign)));
        Ok(Spectrum(fine))
    }

    fn deconvolve<T: Real>(
        &self,
        prepared: &Prepared<T>,
        Spectrum(fine): &Spectrum<Pages<Complex<T>>>,
        modes: &mut &mut [Complex<T>],
        item: usize,
    ) -> Result<()> {
        let count = prepared.mode_count();
        let modes = &mut modes[item * count..][..count];
        self.install(count, || deconvolve::deconvolve(&prepared.layout, &prepared.modes, fine, modes));
        Ok(())
    }

    fn deconvolve_back<T: Real>(
        &self,
        prepared: &Prepared<T>,
        modes: &&[Complex<T>],
        item: usize,
        mut fine: Pages<Complex<T>>,
    ) -> Result<Spectrum<Pages<Complex<T>>>> {
        let count = prepared.mode_count();
        let modes = &modes[item * count..][..count];
        self.install(fine.len(), || deconvolve::back(&prepared.layout, &prepared.modes, modes, &mut fine));
        Ok(Spectrum(fine))
    }

    fn fft_back<T: Real>(
        &self,
        prepared: &Prepared<T>,
        Spectrum(mut fine): Spectrum<Pages<Complex<T>>>,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Grid<Pages<Complex<T>>>> {
        let items = fine.len();
        timings.time(Stage::Fft, || {
            self.install(items, || {
                prepared.transform.backward(&mut fine, sign);
                interp::fill_halo(&prepared.layout, prepared.kernel.width, &mut fine);
            });
        });
        Ok(Grid(fine))
    }

    fn interp<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Bins<T>,
        Grid(fine): &Grid<Pages<Complex<T>>>,
        values: &mut &mut [Complex<T>],
        item: usize,
    ) -> Result<()> {
        let values = &mut values[item * points.len..][..points.len];
        self.install(points.len, || interp::interp(&prepared.layout, &prepared.kernel, points, fine, values));
        Ok(())
    }
}
