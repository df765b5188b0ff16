//! Interpolation (type 2): values of the fine grid at the points, in tile order, returned to the caller's order.

use std::ops::Range;

use crate::cpu::spread::{TOGETHER, work};
use crate::cpu::{Field, Layout};
use crate::nufft::{BLOCK, Bins};
use crate::parallel::{self, Disjoint};
use crate::real::{Number, Real};
use crate::simd::multiply_add;
use crate::stencil::{Blocks, Fetch, OverStencils, PART, Stencil, Step, repeated};

/// Points a task takes.
const TASK: usize = 4096;

/// `values[j] = Σ_l grid[l] φ(l - u_j)` for each of some grids in a row; their halos must be filled.
pub(crate) fn interp<V: Number>(field: &Field<V::Real>, bins: &Bins<V::Real>, grids: &[V], values: &mut [V]) {
    let Field { layout, stencil, .. } = field;
    let values = Disjoint::new(values);
    parallel::each(bins.len.div_ceil(TASK), work::<V>(layout, stencil, bins.len), |task| {
        let points = task * TASK..bins.len.min((task + 1) * TASK);
        V::interp(Interp { layout, stencil, bins, grids, values, points });
    });
}

/// Copies the first cells of each axis behind its last, fastest axis first.
pub(crate) fn fill_halo<V: Number>(layout: &Layout, width: usize, grid: &mut [V]) {
    let [_, rows, row] = layout.padded;
    let [planes, lines, cells] = layout.cells;
    parallel::chunks(&mut grid[..planes * rows * row], rows * row, 1, |_, plane| {
        parallel::chunks(&mut plane[..lines * row], row, 1, |_, row| {
            let (inside, halo) = row.split_at_mut(cells);
            // Beyond one period only weights of zero reach, which what is there must not turn into NaN.
            let (near, far) = halo.split_at_mut(halo.len().min(inside.len()));
            near.copy_from_slice(&inside[..near.len()]);
            far.fill(V::default());
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
pub(crate) struct Interp<'a, V: Number> {
    layout: &'a Layout,
    stencil: &'a Stencil<V::Real>,
    bins: &'a Bins<V::Real>,
    grids: &'a [V],
    values: Disjoint<'a, V>,
    points: Range<usize>,
}

impl<V: Number> Interp<'_, V> {
    /// Axes, and cells of a stencil's row.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.layout.dimensions, self.stencil.row)
    }
}

impl<V: Number> OverStencils for Interp<'_, V> {
    /// Rows are summed with the weights of the slower axes first; one product with the fastest axis' weights comes last.
    #[inline(always)]
    fn run<const FMA: bool, const D: usize, const P: usize, const L: usize, const G: usize, const Q: usize>(self) {
        let Self { layout, stencil, bins, grids, values, points } = self;
        let width = stencil.width;
        let strides: [usize; 3] = std::array::from_fn(|axis| if axis < D { layout.strides[3 - D + axis] } else { 0 });
        let reach = strides[..D - 1].iter().sum::<usize>() * (width - 1) + P;
        let mut blocks = Blocks::new::<V>(bins, stencil, points, strides, 0);
        let mut fetch = Fetch::new::<V>(bins, stencil, strides);
        // Returned to the caller's order together: they go to places far apart, for which one after another would wait.
        let mut found = [[[V::Real::default(); L]; BLOCK]; TOGETHER];
        let mut weights = [[[[V::Real::default(); L]; Q]; D]; PART];
        let each: Vec<&[V]> = grids.chunks_exact(layout.len()).collect();
        while let Some(Step { block, count, ahead, .. }) = blocks.next::<D>() {
            fetch.begin(ahead, count);
            for k in 0..count {
                if k.is_multiple_of(PART) {
                    stencil.weigh::<FMA, D, L, Q>(block, k, &mut weights[..PART.min(count - k)]);
                }
                // Their places lie far apart: they are on their way while the block is summed.
                values.prefetch(block.indices()[k] as usize);
                fetch.next(grids);
                let offset = block.offsets[k];
                let weights = &weights[k % PART];
                let row_weights: [[V::Real; L]; G] = repeated::<V, L, Q, G>(&weights[D - 1]);
                let [slow, middle] = [0, 1].map(|axis| &weights[axis.min(D - 1)].as_flattened()[..width]);
                for (cells, found) in each.iter().zip(&mut found) {
                    assert!(offset + reach <= cells.len());
                    let cells = cells.as_ptr();
                    let mut sums = [[V::Real::default(); L]; G];
                    let mut add_row = |offset: usize, weight: V::Real| {
                        // SAFETY: the stencil's last row ends `reach` cells after its first begins, and that is inside.
                        let row = unsafe { &*cells.add(offset).cast::<[[V::Real; L]; G]>() };
                        for (sum, group) in sums.iter_mut().zip(row) {
                            for lane in 0..L {
                                sum[lane] = multiply_add::<FMA, V::Real>(group[lane], weight, sum[lane]);
                            }
                        }
                    };
                    match D {
                        1 => add_row(offset, V::Real::nearest(1.0)),
                        2 => {
                            for (row, &weight) in slow.iter().enumerate() {
                                add_row(offset + row * strides[0], weight);
                            }
                        }
                        _ => {
                            for (plane, &outer) in slow.iter().enumerate() {
                                let offset = offset + plane * strides[0];
                                for (row, &weight) in middle.iter().enumerate() {
                                    add_row(offset + row * strides[1], outer * weight);
                                }
                            }
                        }
                    }
                    let mut value = [V::Real::default(); L];
                    for (sum, weight) in sums.iter().zip(&row_weights) {
                        for lane in 0..L {
                            value[lane] = multiply_add::<FMA, V::Real>(sum[lane], weight[lane], value[lane]);
                        }
                    }
                    found[k] = value;
                }
            }
            for (item, found) in found.iter().take(each.len()).enumerate() {
                for (&index, lanes) in block.indices()[..count].iter().zip(found) {
                    // SAFETY: the indices are a permutation, so every point has a place of its own.
                    unsafe { values.write(item * bins.len + index as usize, V::sum(*lanes)) };
                }
            }
        }
    }
}
