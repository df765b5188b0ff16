//! Interpolation (type 2): values of the fine grid at the points, in tile order, returned to the caller's order.

use num_complex::Complex;

use crate::cpu::Layout;
use crate::nufft::multiply_add;
use crate::nufft::{Bins, KernelTable};
use crate::parallel::{self, Disjoint};
use crate::real::Real;
use crate::simd::{self, OverStencils};

/// Values returned to the caller's order together: they go to places far apart, for which one after another would wait. That
/// they are stored as four numbers is also what makes the compiler sum in vectors of four.
const BLOCK: usize = 128;
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
    pub(crate) layout: &'a Layout,
    pub(crate) kernel: &'a KernelTable<T>,
    bins: &'a Bins<T>,
    grid: &'a [Complex<T>],
    values: Disjoint<'a, Complex<T>>,
    points: std::ops::Range<usize>,
}

impl<T: Real> OverStencils for Interp<'_, T> {
    type Output = ();
    /// Rows are summed with the weights of the slower axes first; one product with the fastest axis' weights comes last.
    #[inline(always)]
    fn run<const FMA: bool, const D: usize, const P: usize, const H: usize>(self) {
        let Self { layout, kernel, bins, grid, values, points } = self;
        let cells: &[[T; 2]] = bytemuck::cast_slice(grid);
        let width = kernel.width;
        let mut block = [[T::zero(); 4]; BLOCK];
        for (k, i) in points.clone().enumerate() {
            let mut offset = 0;
            let mut weights = [[T::zero(); P]; D];
            for (axis, weights) in weights.iter_mut().enumerate() {
                offset += bins.cells[axis * bins.len + i] as usize * layout.strides[3 - D + axis];
                *weights = kernel.values::<FMA, P>(bins.fractions[axis * bins.len + i]);
            }
            let mut sums = [[T::zero(); 4]; H];
            let mut add_row = |offset: usize, weight: T| {
                let row: &[[T; 4]] = cells[offset..offset + P].as_flattened().as_chunks::<4>().0;
                let row: &[[T; 4]; H] = row.try_into().expect("H groups");
                for (sum, group) in sums.iter_mut().zip(row) {
                    for lane in 0..4 {
                        sum[lane] = multiply_add::<FMA, T>(group[lane], weight, sum[lane]);
                    }
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
            let row_weights: [[T; 4]; H] = simd::doubled(weights[D - 1]);
            let mut value = [T::zero(); 4];
            for (sum, weight) in sums.iter().zip(&row_weights) {
                for lane in 0..4 {
                    value[lane] = multiply_add::<FMA, T>(sum[lane], weight[lane], value[lane]);
                }
            }
            block[k % BLOCK] = value;
            if k % BLOCK == BLOCK - 1 || i + 1 == points.end {
                let first = i - k % BLOCK;
                for (&index, value) in bins.order[first..=i].iter().zip(&block) {
                    let value = Complex::new(value[0] + value[2], value[1] + value[3]);
                    // SAFETY: `order` is a permutation, so every point has a place of its own.
                    unsafe { values.write(index as usize, value) };
                }
            }
        }
    }
}
