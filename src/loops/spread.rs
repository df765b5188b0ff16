//! The inner loop of spreading: adds the strengths of some points, which are sorted by tile, to grid cells.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::loops::layout::Layout;
use crate::loops::stencil::{Blocks, Fetch, OverStencils, PART, Stencil, Step, repeated};
use crate::machine::simd::{self, multiply_add};
use crate::nufft::bins::{BLOCK, Bins};
use crate::numeric::float::Numeric;

/// The most transforms executed together.
pub(crate) const TOGETHER: usize = 4;

/// Cells to spread into: a slab of each grid, or private tiles.
pub(crate) struct Target<'a, V> {
    /// The offset of the first of `cells` in an array with these strides that begins at the grid's cell 0.
    pub(crate) origin: usize,
    pub(crate) strides: [usize; 3],
    pub(crate) cells: Vec<&'a mut [V]>,
}

/// The inner loop of spreading, for a range of sorted points.
pub(crate) struct Spread<'a, V: Numeric> {
    pub(crate) layout: &'a Layout,
    pub(crate) stencil: &'a Stencil<V::Real>,
    pub(crate) bins: &'a Bins<V::Real>,
    pub(crate) strengths: ArrayView2<'a, V>,
    pub(crate) points: Range<usize>,
    pub(crate) target: Target<'a, V>,
}

impl<V: Numeric> Spread<'_, V> {
    /// The number of axes and the cells in a stencil's row: they select the compiled variant.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.layout.dimensions, self.stencil.row)
    }
}

impl<V: Numeric> OverStencils for Spread<'_, V> {
    #[inline(always)]
    fn run<const FMA: bool, const D: usize, const P: usize, const L: usize, const G: usize, const Q: usize>(self) {
        let Self { stencil, bins, strengths, points, mut target, .. } = self;
        let widths = stencil.widths;
        let strides: [usize; 3] = std::array::from_fn(|axis| if axis < D { target.strides[3 - D + axis] } else { 0 });
        let reach = strides[..D - 1].iter().zip(widths).map(|(stride, width)| stride * (width - 1)).sum::<usize>() + P;
        let mut blocks = Blocks::new::<V>(bins, stencil, points, strides, target.origin);
        let mut fetch = Fetch::new::<V>(bins, stencil, strides);
        // A block's strengths are gathered together: one at a time, waiting for memory took 70 % of the two-dimensional
        // case.
        let mut gathered = [[V::default(); BLOCK]; TOGETHER];
        let mut weights = [[[[V::Real::default(); L]; Q]; D]; PART];
        while let Some(Step { block, count, ahead, coming }) = blocks.next::<D>() {
            fetch.begin(ahead, count);
            for (gathered, strengths) in gathered.iter_mut().zip(strengths.rows()) {
                let indices = block.indices();
                gathered.iter_mut().zip(&indices[..count]).for_each(|(to, &from)| *to = strengths[from as usize]);
            }
            for k in 0..count {
                if k.is_multiple_of(PART) {
                    stencil.weigh::<FMA, D, L, Q>(block, k, &mut weights[..PART.min(count - k)]);
                }
                // The next block's strengths lie far apart, so they are prefetched while this block is spread.
                if k < coming {
                    simd::prefetch_from(&strengths[[0, ahead.indices()[k] as usize]]);
                }
                fetch.next(&*target.cells[0]);
                let offset = block.offsets[k];
                let weights = &weights[k % PART];
                let row_weights: [[V::Real; L]; G] = repeated::<V, L, Q, G>(&weights[D - 1]);
                let [slow, middle] = [0, 1].map(|axis| &weights[axis.min(D - 1)].as_flattened()[..widths[axis]]);
                for (cells, gathered) in target.cells.iter_mut().zip(&gathered) {
                    assert!(offset + reach <= cells.len());
                    let cells = cells.as_mut_ptr();
                    let add_row = |offset: usize, scale: [V::Real; L]| {
                        // SAFETY: the stencil's last row ends `reach` cells after its first begins, within the cells as
                        // asserted.
                        let row = unsafe { &mut *cells.add(offset).cast::<[[V::Real; L]; G]>() };
                        for (group, weight) in row.iter_mut().zip(&row_weights) {
                            for lane in 0..L {
                                group[lane] = multiply_add::<FMA, V::Real>(weight[lane], scale[lane], group[lane]);
                            }
                        }
                    };
                    let strength = gathered[k].lanes::<L>();
                    let times = |numbers: [V::Real; L], weight: V::Real| numbers.map(|number| number * weight);
                    match D {
                        1 => add_row(offset, strength),
                        2 => {
                            for (row, &weight) in slow.iter().enumerate() {
                                add_row(offset + row * strides[0], times(strength, weight));
                            }
                        }
                        _ => {
                            for (plane, &outer) in slow.iter().enumerate() {
                                let scale = times(strength, outer);
                                let offset = offset + plane * strides[0];
                                for (row, &weight) in middle.iter().enumerate() {
                                    add_row(offset + row * strides[1], times(scale, weight));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
