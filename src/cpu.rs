//! The CPU backend: rayon threads, SIMD chosen at run time. The kernels are in the modules named after them.

pub(crate) mod deconvolve;
pub(crate) mod fft;
pub(crate) mod interp;
pub(crate) mod matmul;
pub(crate) mod phase;
pub(crate) mod reduce;
pub(crate) mod spread;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ndarray::{ArrayView2, s};
use num_complex::Complex;

use crate::backend::{Backend, Design, Grid, Spectrum};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::loops::layout::Layout;
use crate::loops::stencil::Stencil;
use crate::machine::pages::Pages;
use crate::machine::parallel;
use crate::matmul::product::Product;
use crate::matmul::recipe::MatmulRecipe;
use crate::nufft::bins::{AxisTiles, Bins, Tiling};
use crate::nufft::recipe::ModeOrder;
use crate::nufft::table::{KernelTable, ModeAxis};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::{Number, Real};
use crate::reduce::cells::Cells;
use crate::reduce::request::{Reduced, Reduction};
use crate::shape;

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
    grid: Vec<usize>,
    kernel: KernelTable<T>,
    modes: Vec<ModeAxis<T>>,
    mode_count: usize,
    order: ModeOrder,
    complex: Field<T>,
    /// Made when real data first come.
    real: OnceLock<Box<Field<T>>>,
}

/// A grid of complex or of real cells: how it lies in memory, its stencils, its transform, its modes.
#[derive(Debug)]
pub(crate) struct Field<T: Real> {
    pub(crate) layout: Layout,
    pub(crate) stencil: Stencil<T>,
    pub(crate) transform: fft::Transform<T>,
    pub(crate) axes: Vec<ModeAxis<T>>,
    pub(crate) places: deconvolve::Places,
}

impl<T: Real> Field<T> {
    /// For cells of type `V`.
    fn new<V: Number<Real = T>>(
        grid: &[usize],
        kernel: &KernelTable<T>,
        modes: &[ModeAxis<T>],
        order: ModeOrder,
    ) -> Self {
        let stencil = Stencil::new::<V>(kernel);
        let layout = Layout::new::<V>(grid, &stencil);
        let strides = &layout.strides[layout.slowest()..];
        let kept: Vec<usize> = modes.iter().map(ModeAxis::count).collect();
        let real = V::PARTS == 1;
        let (transform, axes) = if real {
            (fft::Transform::real(grid, strides, &kept), modes.iter().map(ModeAxis::symmetric).collect())
        } else {
            (fft::Transform::new(grid, strides, &kept, order), modes.to_vec())
        };
        Self { layout, stencil, transform, axes, places: deconvolve::Places::new(modes, order, real) }
    }

    /// Cells of complex numbers that a grid of `V` takes.
    fn complex_len<V: Number>(&self) -> usize {
        self.layout.len() * V::PARTS / 2
    }
}

impl<T: Real> Prepared<T> {
    /// What serves cells of type `V`.
    fn field<V: Number<Real = T>>(&self) -> &Field<T> {
        let Self { grid, kernel, modes, order, complex, real, .. } = self;
        if V::PARTS == 2 {
            complex
        } else {
            real.get_or_init(|| Box::new(Field::new::<V>(grid, kernel, modes, *order)))
        }
    }
}

/// Fine grids of transforms executed together, one after another: of complex cells, or of real ones in half of the memory.
#[derive(Debug)]
pub struct Fine<T: Real> {
    cells: Pages<Complex<T>>,
    holds: Holds,
}

impl<T: Real> Fine<T> {
    /// Some grids' cells.
    fn cells<V: Number<Real = T>>(&mut self, field: &Field<T>, grids: usize) -> &mut [V] {
        &mut bytemuck::cast_slice_mut(&mut self.cells)[..grids * field.layout.len()]
    }
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
    type Input<'a, V: Number> = ArrayView2<'a, V>;
    type Output<'a, V: Number> = &'a mut [V];
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
        // A tile in one dimension fills half of the first-level cache; fewer and larger ones are sorted into more quickly.
        let line = 16 * 1024 / size_of::<Complex<T>>();
        let across = match grid.len() {
            1 => line,
            2 if size_of::<T>() == 4 => 64,
            _ => 16,
        };
        let thick = match grid.len() {
            1 => line,
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
        batch.min(crate::loops::spread::TOGETHER).min((TOGETHER_BYTES / bytes.max(1)).max(1))
    }

    fn prepare<T: Real>(&self, design: &Design<'_, T>) -> Result<Prepared<T>> {
        let Design { grid, kernel, modes, order, sign, .. } = *design;
        let complex = Field::new::<Complex<T>>(grid, kernel, modes, order);
        shape::product("the fine grid with its halo", &complex.layout.padded)?;
        complex.transform.ready(sign);
        let (grid, kernel, mode_count) = (grid.to_vec(), kernel.clone(), design.mode_count());
        Ok(Prepared { grid, kernel, modes: modes.to_vec(), mode_count, order, complex, real: OnceLock::new() })
    }

    fn fine_bytes<T: Real>(&self, design: &Design<'_, T>) -> usize {
        let layout = Layout::new::<Complex<T>>(design.grid, &Stencil::new::<Complex<T>>(design.kernel));
        layout.len().saturating_mul(size_of::<Complex<T>>())
    }

    fn blank<T: Real>(&self, prepared: &Prepared<T>, items: usize) -> Result<Fine<T>> {
        // Real cells take half of it and keep a line's pairs behind them, for which short lines leave too little.
        let len = prepared.complex.layout.len().saturating_mul(items).saturating_add(64);
        let cells = Pages::zeroed(len, "the fine grid", "use fewer modes or a smaller upsampling")?;
        Ok(Fine { cells, holds: Holds::Nothing })
    }

    fn place<T: Real>(&self, _: &Prepared<T>, bins: Bins<T>) -> Result<Bins<T>> {
        Ok(bins)
    }

    fn sorted<'a, T: Real>(&self, points: &'a mut Bins<T>) -> Option<&'a mut Bins<T>> {
        Some(points)
    }

    fn load<'a, V: Number>(&self, host: ArrayView2<'a, V>) -> Result<ArrayView2<'a, V>> {
        Ok(host)
    }

    fn open<'a, V: Number>(&self, host: &'a mut [V]) -> Result<&'a mut [V]> {
        Ok(host)
    }

    fn store<V: Number>(&self, _: &mut [V]) -> Result<()> {
        Ok(())
    }

    fn clear<V: Number>(&self, _: &Prepared<V::Real>, mut fine: Fine<V::Real>) -> Result<Grid<Fine<V::Real>, V>> {
        if fine.holds == Holds::Sums {
            fine.holds = Holds::Leavings;
        }
        Ok(Grid::new(fine))
    }

    fn read_grid<T: Real>(
        &self,
        prepared: &Prepared<T>,
        grid: &mut Grid<Fine<T>, Complex<T>>,
        to: &mut [Complex<T>],
    ) -> Result<()> {
        let fine = &mut grid.0;
        fine.zeroed();
        let layout = &prepared.complex.layout;
        parallel::chunks(to, layout.cells[2], 1, |index, row| row.copy_from_slice(&fine.cells[layout.row(index)]));
        Ok(())
    }

    fn write_grid<T: Real>(
        &self,
        prepared: &Prepared<T>,
        from: &[Complex<T>],
        mut fine: Fine<T>,
    ) -> Result<Grid<Fine<T>, Complex<T>>> {
        let Field { layout, stencil, .. } = &prepared.complex;
        fine.holds = Holds::Leavings;
        for (index, row) in from.chunks_exact(layout.cells[2]).enumerate() {
            fine.cells[layout.row(index)].copy_from_slice(row);
        }
        let cells: usize = layout.cells.iter().product();
        let grids = fine.cells.chunks_exact_mut(layout.len()).take(from.len() / cells);
        grids.for_each(|grid| interp::fill_halo(layout, stencil.width, grid));
        Ok(Grid::new(fine))
    }

    fn spread<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        points: &Bins<V::Real>,
        strengths: &ArrayView2<'_, V>,
        items: Range<usize>,
        mut grid: Grid<Fine<V::Real>, V>,
    ) -> Result<Grid<Fine<V::Real>, V>> {
        let (field, fine) = (prepared.field::<V>(), &mut grid.0);
        let strengths = strengths.slice(s![items.clone(), ..]);
        let clean = fine.holds != Holds::Leavings;
        fine.holds = Holds::Sums;
        let grids = fine.cells(field, items.len());
        self.install(spread::work::<V>(&field.layout, &field.stencil, points.len), || {
            spread::spread(field, points, strengths, grids, clean);
        });
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
        let (field, mut fine) = (prepared.field::<V>(), grid.0);
        let len = field.complex_len::<V>();
        fine.zeroed();
        fine.holds = Holds::Leavings;
        timings.time(Stage::Fft, || {
            self.install(len, || {
                fine.cells.chunks_exact_mut(len).take(items).for_each(|grid| field.transform.forward(grid, sign));
            });
        });
        Ok(Spectrum::new(fine))
    }

    fn deconvolve<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        spectrum: &mut Spectrum<Fine<V::Real>, V>,
        modes: &mut &mut [Complex<V::Real>],
        items: Range<usize>,
        sign: Sign,
    ) -> Result<()> {
        let (field, count) = (prepared.field::<V>(), prepared.mode_count);
        let modes = modes[items.start * count..items.end * count].chunks_exact_mut(count);
        let len = field.complex_len::<V>();
        let (grids, spare) = spectrum.0.cells.split_at_mut(items.len() * len);
        self.install(len, || {
            let grids = grids.chunks_exact_mut(len);
            grids.zip(modes).for_each(|(grid, modes)| deconvolve::deconvolve(field, sign, grid, &mut *spare, modes));
        });
        Ok(())
    }

    fn deconvolve_back<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        modes: &ArrayView2<'_, Complex<V::Real>>,
        items: Range<usize>,
        sign: Sign,
        mut fine: Fine<V::Real>,
    ) -> Result<Spectrum<Fine<V::Real>, V>> {
        let (field, count) = (prepared.field::<V>(), prepared.mode_count);
        let modes = modes.slice(s![items.clone(), ..]);
        let modes = modes.as_standard_layout();
        let modes = modes.as_slice().expect("standard layout").chunks_exact(count);
        fine.holds = Holds::Leavings;
        let len = field.complex_len::<V>();
        let (grids, spare) = fine.cells.split_at_mut(items.len() * len);
        self.install(len, || {
            let grids = grids.chunks_exact_mut(len);
            grids.zip(modes).for_each(|(grid, modes)| deconvolve::back(field, sign, modes, grid, &mut *spare));
        });
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
        let (field, mut fine) = (prepared.field::<V>(), spectrum.0);
        let len = field.complex_len::<V>();
        timings.time(Stage::Fft, || {
            self.install(len, || {
                for grid in fine.cells.chunks_exact_mut(len).take(items) {
                    field.transform.backward(grid, sign);
                    let cells: &mut [V] = bytemuck::cast_slice_mut(grid);
                    interp::fill_halo(&field.layout, field.stencil.width, cells);
                }
            });
        });
        Ok(Grid::new(fine))
    }

    fn interp<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        points: &Bins<V::Real>,
        grid: &mut Grid<Fine<V::Real>, V>,
        values: &mut &mut [V],
        items: Range<usize>,
    ) -> Result<()> {
        let field = prepared.field::<V>();
        let values = &mut values[items.start * points.len..items.end * points.len];
        let grids = &bytemuck::cast_slice(&grid.0.cells)[..items.len() * field.layout.len()];
        self.install(spread::work::<V>(&field.layout, &field.stencil, points.len), || {
            interp::interp(field, points, grids, values);
        });
        Ok(())
    }

    #[expect(private_interfaces, private_bounds, reason = "see the trait")]
    fn reduce<E: Element, R: Send>(
        &self,
        asked: &Reduction<'_, E>,
        finish: impl Fn(Cells<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>> {
        Ok(self.install(asked.view.len(), || reduce::run(asked, finish)))
    }

    fn matmul_recipe<V: Number>(&self, shape: [usize; 3], batch: usize, _: Option<usize>) -> Result<MatmulRecipe> {
        Ok(matmul::recipe::<V>(shape, batch))
    }

    #[expect(private_interfaces, reason = "see the trait")]
    fn matmul<V: Number>(&self, recipe: &MatmulRecipe, product: Product<'_, V>) -> Result<()> {
        self.install(matmul::work::<V>(recipe), || matmul::run(product));
        Ok(())
    }
}
