//! The stages of the non-uniform FFT on the CPU: the kernel of each, and how much work is shared among threads.

use std::ops::Range;
use std::sync::OnceLock;

use ndarray::{ArrayView2, s};
use num_complex::Complex;

use crate::backend::engine::Engine;
use crate::backend::gridding::{Design, Grid, Gridding, Phased, Spectrum};
use crate::cpu::grid::{Field, Fine, Holds, Prepared};
use crate::cpu::{Cpu, deconvolve, interp, phase, spread};
use crate::error::Result;
use crate::loops::layout::Layout;
use crate::loops::spread::TOGETHER;
use crate::loops::stencil::Stencil;
use crate::machine::pages::Pages;
use crate::machine::parallel;
use crate::nufft::bins::{AxisTiles, Bins, Tiling};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::{Number, Real};
use crate::shape;

/// The most bytes of the grids of transforms executed together.
const TOGETHER_BYTES: usize = 64 << 20;

impl Gridding for Cpu {
    type Fine<T: Real> = Fine<T>;
    type Points<T: Real> = Bins<T>;
    type Prepared<T: Real> = Prepared<T>;

    fn has_cost_model(&self) -> bool {
        true
    }

    /// Tiles in slabs that are thick enough for a slab's stencils to reach no further than the next slab.
    fn tiling<T: Real>(&self, grid: &[usize], widths: &[usize]) -> Result<Tiling> {
        // A tile in one dimension fills half of the first-level cache: points are sorted faster into fewer, larger
        // tiles.
        let line = 16 * 1024 / size_of::<Complex<T>>();
        let across = match grid.len() {
            1 => line,
            2 if size_of::<T>() == 4 => 64,
            _ => 16,
        };
        let thick = match grid.len() {
            1 => line,
            2 => 16.max(widths[0].next_power_of_two()),
            _ => 8.max((widths[0] - 1).next_power_of_two()),
        };
        let size = |axis: usize| if axis == 0 { thick } else { across };
        // Where slower axes are shorter than a tile, it is longer on the fastest, so that it has as many cells.
        let (fastest, slower) = grid.split_last().expect("a grid has an axis");
        let times = slower.iter().enumerate().map(|(axis, &cells)| (size(axis) / cells).max(1)).product::<usize>();
        let slower = slower.iter().enumerate().map(|(axis, &cells)| AxisTiles::of_size(cells, size(axis)));
        // The power of two below, since a tile's size is one; it is 1 in one dimension.
        let last = AxisTiles::of_size(*fastest, size(grid.len() - 1) << times.ilog2());
        Ok(Tiling { axes: slower.chain([last]).collect() })
    }

    fn together<T: Real>(&self, design: &Design<'_, T>, batch: usize) -> usize {
        // Evaluating the kernel once for several transforms pays while their tiles stay in the second-level cache.
        let bytes = self.fine_bytes(design);
        batch.min(TOGETHER).min((TOGETHER_BYTES / bytes.max(1)).max(1))
    }

    fn prepare<T: Real>(&self, design: &Design<'_, T>) -> Result<Prepared<T>> {
        let Design { grid, kernels, modes, order, sign, .. } = *design;
        let complex = Field::new::<Complex<T>>(grid, kernels, modes, order);
        shape::product("the fine grid with its halo", &complex.layout.padded)?;
        complex.transform.ready(sign);
        let (grid, kernels, mode_count) = (grid.to_vec(), kernels.to_vec(), design.mode_count());
        Ok(Prepared { grid, kernels, modes: modes.to_vec(), mode_count, order, complex, real: OnceLock::new() })
    }

    fn fine_bytes<T: Real>(&self, design: &Design<'_, T>) -> usize {
        let layout = Layout::new::<Complex<T>>(design.grid, &Stencil::new::<Complex<T>>(design.kernels));
        layout.len().saturating_mul(size_of::<Complex<T>>())
    }

    fn blank<T: Real>(&self, prepared: &Prepared<T>, items: usize) -> Result<Fine<T>> {
        // Real cells take half of this memory and a line's pairs lie behind them; the other half is too small for those
        // of a short line, hence 64 cells more.
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

    fn clear<V: Number>(&self, _: &Prepared<V::Real>, mut fine: Fine<V::Real>) -> Result<Grid<Fine<V::Real>, V>> {
        if fine.holds == Holds::Sums {
            fine.holds = Holds::Stale;
        }
        Ok(Grid::new(fine))
    }

    fn read_grid<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        grid: &mut Grid<Fine<V::Real>, V>,
        to: &mut [V],
    ) -> Result<()> {
        let (field, fine) = (prepared.field::<V>(), &mut grid.0);
        let layout = &field.layout;
        fine.zeroed();
        let cells = &*fine.cells(field, to.len() / layout.cells.iter().product::<usize>());
        parallel::chunks(to, layout.cells[2], 1, |index, row| row.copy_from_slice(&cells[layout.row(index)]));
        Ok(())
    }

    fn write_grid<V: Number>(
        &self,
        prepared: &Prepared<V::Real>,
        from: &[V],
        mut fine: Fine<V::Real>,
    ) -> Result<Grid<Fine<V::Real>, V>> {
        let field = prepared.field::<V>();
        let layout = &field.layout;
        fine.holds = Holds::Stale;
        let cells = fine.cells(field, from.len() / layout.cells.iter().product::<usize>());
        for (index, row) in from.chunks_exact(layout.cells[2]).enumerate() {
            cells[layout.row(index)].copy_from_slice(row);
        }
        cells.chunks_exact_mut(layout.len()).for_each(|grid| interp::fill_halo(layout, grid));
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
        let clean = fine.holds != Holds::Stale;
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
        fine.holds = Holds::Stale;
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
        fine.holds = Holds::Stale;
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
                    interp::fill_halo(&field.layout, cells);
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
}

/// Numbers that pass between the two plans of a type 3 transform.
#[derive(Debug, Default)]
pub(crate) struct Scratch<T> {
    strengths: Vec<Complex<T>>,
    grids: Vec<Complex<T>>,
}

impl Phased for Cpu {
    type Phases<T: Real> = Vec<Complex<T>>;
    type Scratch<T: Real> = Scratch<T>;

    fn phases<T: Real>(&self, factors: Vec<Complex<T>>, _: usize) -> Result<Vec<Complex<T>>> {
        Ok(factors)
    }

    fn spread_phased<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Bins<T>,
        (phases, sign): (&Vec<Complex<T>>, Sign),
        strengths: &ArrayView2<'_, Complex<T>>,
        items: Range<usize>,
        fine: Fine<T>,
        scratch: &mut Scratch<T>,
    ) -> Result<Grid<Fine<T>, Complex<T>>> {
        let rows = strengths.slice(s![items.clone(), ..]);
        let phased = &mut scratch.strengths;
        self.install(rows.len(), || phase::product(rows, phases, sign, phased));
        let phased = ArrayView2::from_shape((items.len(), points.len), phased).expect("a row for each transform");
        let grid = self.clear(prepared, fine)?;
        self.spread(prepared, points, &phased, 0..items.len(), grid)
    }

    fn interp_phased<T: Real>(
        &self,
        prepared: &Prepared<T>,
        points: &Bins<T>,
        (phases, sign): (&Vec<Complex<T>>, Sign),
        grid: &mut Grid<Fine<T>, Complex<T>>,
        values: &mut &mut [Complex<T>],
        items: Range<usize>,
    ) -> Result<()> {
        self.interp(prepared, points, grid, values, items.clone())?;
        let values = &mut values[items.start * points.len..items.end * points.len];
        self.install(values.len(), || phase::multiply(values, phases, sign));
        Ok(())
    }

    fn grid_to_spectrum<T: Real>(
        &self,
        (outer, grid): (&Prepared<T>, &mut Grid<Fine<T>, Complex<T>>),
        (inner, fine): (&Prepared<T>, Fine<T>),
        items: usize,
        sign: Sign,
        scratch: &mut Scratch<T>,
    ) -> Result<Spectrum<Fine<T>, Complex<T>>> {
        let grids = &mut scratch.grids;
        grids.resize(items * inner.mode_count, Complex::default());
        self.install(grids.len(), || self.read_grid(outer, grid, grids))?;
        let modes = ArrayView2::from_shape((items, inner.mode_count), grids).expect("a row for each transform");
        self.deconvolve_back(inner, &modes, 0..items, sign, fine)
    }

    fn spectrum_to_grid<T: Real>(
        &self,
        (inner, spectrum): (&Prepared<T>, &mut Spectrum<Fine<T>, Complex<T>>),
        (outer, fine): (&Prepared<T>, Fine<T>),
        items: usize,
        sign: Sign,
        scratch: &mut Scratch<T>,
    ) -> Result<Grid<Fine<T>, Complex<T>>> {
        let grids = &mut scratch.grids;
        grids.resize(items * inner.mode_count, Complex::default());
        self.deconvolve(inner, spectrum, &mut grids.as_mut_slice(), 0..items, sign)?;
        self.install(grids.len(), || self.write_grid(outer, grids, fine))
    }
}
