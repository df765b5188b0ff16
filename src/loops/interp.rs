//! The inner loop of interpolation: sums the grid cells under the stencils of some points, which are sorted by tile.

use std::ops::Range;

use crate::loops::layout::Layout;
use crate::loops::spread::TOGETHER;
use crate::loops::stencil::{Blocks, Fetch, OverStencils, PART, Stencil, Step, repeated};
use crate::machine::parallel::Disjoint;
use crate::machine::simd::multiply_add;
use crate::nufft::bins::{BLOCK, Bins};
use crate::numeric::float::Numeric;

/// The inner loop of interpolation, for a range of sorted points.
pub(crate) struct Interp<'a, V: Numeric> {
    pub(crate) layout: &'a Layout,
    pub(crate) stencil: &'a Stencil<V::Real>,
    pub(crate) bins: &'a Bins<V::Real>,
    pub(crate) grids: &'a [V],
    pub(crate) values: Disjoint<'a, V>,
    pub(crate) points: Range<usize>,
}

impl<V: Numeric> Interp<'_, V> {
    /// The number of axes and the cells in a stencil's row: they select the compiled variant.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.layout.dimensions, self.stencil.row)
    }
}

impl<V: Numeric> OverStencils for Interp<'_, V> {
    /// Sums a stencil's rows with the weights of the slower axes, then multiplies once by the fastest axis' weights.
    #[inline(always)]
    fn run<const FMA: bool, const D: usize, const P: usize, const L: usize, const G: usize, const Q: usize>(self) {
        let Self { layout, stencil, bins, grids, values, points } = self;
        let widths = stencil.widths;
        let strides: [usize; 3] = std::array::from_fn(|axis| if axis < D { layout.strides[3 - D + axis] } else { 0 });
        let reach = strides[..D - 1].iter().zip(widths).map(|(stride, width)| stride * (width - 1)).sum::<usize>() + P;
        let mut blocks = Blocks::new::<V>(bins, stencil, points, strides, 0);
        let mut fetch = Fetch::new::<V>(bins, stencil, strides);
        // A block's values are written to the caller's order together: their places are far apart, and one by one each
        // write would wait for memory.
        let mut found = [[[V::Real::default(); L]; BLOCK]; TOGETHER];
        let mut weights = [[[[V::Real::default(); L]; Q]; D]; PART];
        let each: Vec<&[V]> = grids.chunks_exact(layout.len()).collect();
        while let Some(Step { block, count, ahead, .. }) = blocks.next::<D>() {
            fetch.begin(ahead, count);
            for k in 0..count {
                if k.is_multiple_of(PART) {
                    stencil.weigh::<FMA, D, L, Q>(block, k, &mut weights[..PART.min(count - k)]);
                }
                // The value's place is prefetched while the block is summed.
                values.prefetch(block.indices()[k] as usize);
                fetch.next(grids);
                let offset = block.offsets[k];
                let weights = &weights[k % PART];
                let row_weights: [[V::Real; L]; G] = repeated::<V, L, Q, G>(&weights[D - 1]);
                let [slow, middle] = [0, 1].map(|axis| &weights[axis.min(D - 1)].as_flattened()[..widths[axis]]);
                for (cells, found) in each.iter().zip(&mut found) {
                    assert!(offset + reach <= cells.len());
                    let cells = cells.as_ptr();
                    let mut sums = [[V::Real::default(); L]; G];
                    let mut add_row = |offset: usize, weight: V::Real| {
                        // SAFETY: the stencil's last row ends `reach` cells after its first begins, within the cells as
                        // asserted.
                        let row = unsafe { &*cells.add(offset).cast::<[[V::Real; L]; G]>() };
                        for (sum, group) in sums.iter_mut().zip(row) {
                            for lane in 0..L {
                                sum[lane] = multiply_add::<FMA, V::Real>(group[lane], weight, sum[lane]);
                            }
                        }
                    };
                    match D {
                        // The only row has no weight of a slower axis.
                        1 => {
                            // SAFETY: as above.
                            sums = unsafe { cells.add(offset).cast::<[[V::Real; L]; G]>().read() };
                        }
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
                    // SAFETY: the indices are a permutation, so no two points share a place.
                    unsafe { values.write(item * bins.len + index as usize, V::sum(*lanes)) };
                }
            }
        }
    }
}
