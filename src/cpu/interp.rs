//! Interpolation (type 2): values of the fine grid at the points, in tile order, returned to the caller's order.

use num_complex::Complex;

use crate::cpu::Layout;
use crate::nufft::multiply_add;
use crate::nufft::{Bins, KernelTable};
use crate::parallel::{self, Disjoint};
use crate::real::Real;
use crate::simd::OverRows;

/// Points a task takes.
const TASK: usize = 4096;

/// `values[j] = Σ_l grid[l] φ(l - u_j)`; the grid's halo must be filled.
pub(crate) fn interp<T: Real>(
    layout: &Layout,
    kernel: &KernelTable<T>,
    bins: &Bins<T>,
    grid: &[Complex<T>],
    values: &mut [Complex<T>],
) {
    let values = Disjoint::new(values);
    parallel::each(bins.len.div_ceil(TASK), bins.len * kernel.width, |task| {
        let points = task * TASK..bins.len.min((task + 1) * TASK);
        T::interp(Interp { layout, kernel, bins, grid, values, points });
    });
}

/// Copies the first cells of each axis behind its last, fastest axis first.
pub(crate) fn fill_halo<T: Real>(layout: &Layout, width: usize, grid: &mut [Complex<T>]) {
    let [_, rows, row] = layout.padded;
    let [planes, lines, cells] = layout.cells;
    parallel::chunks(&mut grid[..planes * rows * row], rows * row, 1, |_, plane| {
        parallel::chunks(&mut plane[..lines * row], row, 1, |_, row| {
            let (inside, halo) = row.split_at_mut(cells);
            halo.copy_from_slice(&inside[..halo.len()]);
        });
        if layout.dimensions > 1 {
            let (inside, halo) = plane.split_at_mut(lines * row);
            halo.copy_from_slice(&inside[..(width - 1) * row]);
        }
    });
    if layout.dimensions > 2 {
        let (inside, halo) = grid.split_at_mut(planes * rows * row);
        halo.copy_from_slice(&inside[..halo.len()]);
    }
}

/// The inner loops: the values of some points.
pub(crate) struct Interp<'a, T: Real> {
    layout: &'a Layout,
    pub(crate) kernel: &'a KernelTable<T>,
    bins: &'a Bins<T>,
    grid: &'a [Complex<T>],
    values: Disjoint<'a, Complex<T>>,
    points: std::ops::Range<usize>,
}

impl<T: Real> OverRows for Interp<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool, const P: usize>(self) {
        match self.layout.dimensions {
            1 => self.points::<FMA, P, 1>(),
            2 => self.points::<FMA, P, 2>(),
            _ => self.points::<FMA, P, 3>(),
        }
    }
}

impl<T: Real> Interp<'_, T> {
    /// Rows are summed with the weights of the slower axes first; one product with the fastest axis' weights comes last.
    #[inline(always)]
    fn points<const FMA: bool, const P: usize, const D: usize>(self) {
        let Self { layout, kernel, bins, grid, values, points } = self;
        let cells: &[[T; 2]] = bytemuck::cast_slice(grid);
        let width = kernel.width;
        for i in points {
            let mut offset = 0;
            let mut weights = [[T::zero(); P]; D];
            for axis in 0..D {
                offset += bins.cells[axis * bins.len + i] as usize * layout.strides[3 - D + axis];
                weights[axis] = kernel.values::<FMA, P>(bins.fractions[axis * bins.len + i]);
            }
            let mut sums = [[T::zero(); 2]; P];
            let mut add_row = |offset: usize, weight: T| {
                let row: &[[T; 2]; P] = cells[offset..offset + P].try_into().expect("P cells");
                for (sum, cell) in sums.iter_mut().zip(row) {
                    sum[0] = multiply_add::<FMA, T>(cell[0], weight, sum[0]);
                    sum[1] = multiply_add::<FMA, T>(cell[1], weight, sum[1]);
                }
            };
            match D {
                1 => add_row(offset, T::one()),
                2 => {
                    for &weight in &weights[0][..width] {
                        add_row(offset, weight);
                        offset += layout.strides[1];
                    }
                }
                _ => {
                    for &outer in &weights[0][..width] {
                        let mut offset_row = offset;
                        for &weight in &weights[1][..width] {
                            add_row(offset_row, outer * weight);
                            offset_row += layout.strides[1];
                        }
                        offset += layout.strides[0];
                    }
                }
            }
            let mut value = [T::zero(); 2];
            for (sum, &weight) in sums.iter().zip(&weights[D - 1]) {
                value[0] = multiply_add::<FMA, T>(sum[0], weight, value[0]);
                value[1] = multiply_add::<FMA, T>(sum[1], weight, value[1]);
            }
            // SAFETY: `order` is a permutation, so every point has a place of its own.
            unsafe { values.write(bins.order[i] as usize, Complex::new(value[0], value[1])) };
        }
    }
}
