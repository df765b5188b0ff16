//! Matrix products on the CPU: batches, blocks of C and parts of k, shared among threads.
//!
//! The loops of a block are in `loops/tiles.rs`, in `loops/small.rs` where B is best read in place, and in
//! `loops/thin.rs` where C has few rows or columns.
//!
//! Every element of C is summed in the order of k, but for dot products. Where C is small and k long, k is summed in
//! parts. The shape decides both, so results are the same bits for any number of threads.

use ndarray::{ArrayViewMut, Axis, Dimension, Ix2, Ix3, IxDyn};

use crate::loops::block::{Block, Thin};
use crate::loops::tiles::{self, DEPTH, HIGH, WIDE};
use crate::machine::parallel;
use crate::matmul::product::{Batch, Matrices, Product};
use crate::matmul::recipe::MatmulRecipe;
use crate::real::Number;

/// Real multiplications below which a product is not shared: they take 20 µs, and waking a thread takes half of that.
const WORTH_SHARING: usize = 400_000;
/// Real multiplications from which on a product has more pieces than threads: n = 512 takes 4.5 ms in two pieces and
/// 5.5 in eight, which pack more of A and B.
const MANY: usize = 1 << 28;
/// The most parts of k, used where C is so small that it has too few tiles for the threads.
const PARTS: usize = 32;

/// How [`run`] computes products of this shape.
pub(crate) fn recipe<V: Number>([m, k, n]: [usize; 3], batch: usize) -> MatmulRecipe {
    let [rows, width] = tiles::tile();
    let wide = WIDE / size_of::<V>();
    let splits = splits::<V>(m, k, n);
    let bytes = (HIGH + wide) * DEPTH * size_of::<V>();
    MatmulRecipe {
        shape: [m, k, n],
        batch,
        tile: [rows / V::PARTS, width / size_of::<V>()],
        block: [HIGH / V::PARTS, DEPTH, wide],
        splits,
        pieces: [m, k, n],
        together: batch,
        workspace: bytes + if splits > 1 { splits * m * n * size_of::<V>() } else { 0 },
    }
}

/// The work of a plan's products, in the units of [`crate::machine::parallel`].
pub(crate) fn work<V: Number>(recipe: &MatmulRecipe) -> usize {
    let [m, k, n] = recipe.shape;
    let all = [m, k, n, recipe.batch, V::PARTS * size_of::<V>()].iter().fold(1usize, |all, &x| all.saturating_mul(x));
    if all / 8 < WORTH_SHARING { 0 } else { usize::MAX }
}

/// The parts of k that are summed separately: more than one where C is small and k is long. The shape alone decides.
fn splits<V: Number>(m: usize, k: usize, n: usize) -> usize {
    let tiles = m.div_ceil(HIGH) * n.div_ceil(WIDE / size_of::<V>());
    if tiles == 1 && m.max(n) <= 2 * HIGH { (k / (4 * DEPTH)).clamp(1, PARTS) } else { 1 }
}

/// How products are computed: conjugation of A and B, alpha and beta, and the sharing among threads.
#[derive(Debug, Clone, Copy)]
struct Task<V> {
    conjugate: [bool; 2],
    alpha: V,
    beta: V,
    /// Matrices of a batch that one task computes.
    together: usize,
    /// Blocks that one matrix is cut into.
    pieces: usize,
    thin: Thin,
}

/// C = alpha·A·B + beta·C for all matrices of a batch.
pub(crate) fn run<V: Number>(product: &mut Product<'_, V>) {
    let Product { matrices, conjugate, alpha, beta } = product;
    let task = Task { conjugate: *conjugate, alpha: *alpha, beta: *beta, together: 0, pieces: 0, thin: Thin::No };
    match matrices {
        Batch::Row(matrices) if matrices.c.is_empty() => {}
        Batch::Row(matrices) => task.sized(matrices).row(matrices.again()),
        Batch::Any(matrices) if matrices.c.is_empty() => {}
        Batch::Any(matrices) => task.sized(matrices).batch(matrices.again()),
    }
}

impl<V: Number> Task<V> {
    /// The task with what depends on the extents and strides of the matrices.
    fn sized<D: Dimension>(self, Matrices { a, b, c }: &Matrices<'_, V, D>) -> Self {
        let axes = c.ndim();
        let extents @ [m, k, n] = [c.len_of(Axis(axes - 2)), a.len_of(Axis(axes - 1)), c.len_of(Axis(axes - 1))];
        let count: usize = c.shape()[..axes - 2].iter().product();
        let strides = |strides: &[isize]| [strides[axes - 2], strides[axes - 1]];
        let thin = Thin::of::<V>(extents, strides(a.strides()), strides(b.strides()));
        let work = [m, k, n].iter().fold(V::PARTS * size_of::<V>(), |work, &x| work.saturating_mul(x)) / 8;
        if work.saturating_mul(count) < WORTH_SHARING {
            return Self { together: count, pieces: 1, thin, ..self };
        }
        let all = rayon::current_num_threads();
        let together = (WORTH_SHARING / 4 / work.max(1)).clamp(1, count.div_ceil(all).max(1));
        // Large products have more pieces than threads, so that one late thread delays the others less.
        let each = if work < MANY { 1 } else { 4 };
        let pieces = if work < WORTH_SHARING || all == 1 { 1 } else { (each * all).div_ceil(count.max(1)) };
        Self { together, pieces, thin, ..self }
    }

    /// Computes a batch with any number of axes in front.
    fn batch(self, Matrices { a, b, mut c }: Matrices<'_, V, IxDyn>) {
        if c.ndim() == 3 {
            let three = "three axes are left";
            return self.row(Matrices {
                a: a.into_dimensionality().expect(three),
                b: b.into_dimensionality().expect(three),
                c: c.into_dimensionality().expect(three),
            });
        }
        c.outer_iter_mut().zip(a.outer_iter().zip(b.outer_iter())).for_each(|(c, (a, b))| {
            self.batch(Matrices { a, b, c });
        });
    }

    /// Computes a batch with one axis in front.
    fn row(self, Matrices { a, b, mut c }: Matrices<'_, V, Ix3>) {
        let ([count, m, n], k) = ([0, 1, 2].map(|axis| c.len_of(Axis(axis))), a.len_of(Axis(2)));
        if count <= self.together && self.pieces == 1 && splits::<V>(m, k, n) == 1 {
            if !self.prepared(&mut c, k) {
                V::multiply(Block::new([a, b], c, self.conjugate, self.alpha, self.beta != V::default(), self.thin));
            }
            return;
        }
        if count <= self.together {
            let each = c.outer_iter_mut().zip(a.outer_iter().zip(b.outer_iter()));
            each.for_each(|(c, (a, b))| self.one(Matrices { a, b, c }));
            return;
        }
        let (low, high) = Matrices { a, b, c }.cut(Some(Axis(0)), Some(Axis(0)), Axis(0), count / 2);
        parallel::both(|| self.row(low), || self.row(high));
    }

    /// Multiplies C by beta; tells whether that is all, since nothing is to be added.
    fn prepared<D: Dimension>(self, c: &mut ArrayViewMut<'_, V, D>, k: usize) -> bool {
        let [zero, one] = [V::default(), V::unit()];
        let nothing = k == 0 || self.alpha == zero;
        if self.beta == zero {
            if nothing {
                c.fill(zero);
            }
        } else if self.beta != one {
            c.mapv_inplace(|x| x * self.beta);
        }
        nothing || c.is_empty()
    }

    /// Computes one product.
    fn one(self, Matrices { a, b, mut c }: Matrices<'_, V, Ix2>) {
        if self.prepared(&mut c, a.ncols()) {
            return;
        }
        let zero = V::default();
        let add = self.beta != zero;
        let ([m, n], k) = ([c.nrows(), c.ncols()], a.ncols());
        let parts = splits::<V>(m, k, n);
        if parts == 1 {
            self.split(Matrices { a, b, c }, add, self.pieces);
            return;
        }
        // Every part of k is summed in a C of its own; then these are added in order.
        let each = k.div_ceil(parts).next_multiple_of(DEPTH);
        let count = k.div_ceil(each);
        let mut sums = vec![zero; count * m * n];
        let part = |index: usize, sum: &mut [V]| {
            let range = index * each..k.min((index + 1) * each);
            let a = a.slice(ndarray::s![.., range.clone()]);
            let b = b.slice(ndarray::s![range, ..]);
            let c = ArrayViewMut::from_shape((m, n), sum).expect("a sum has the shape of C");
            self.split(Matrices { a, b, c }, false, 1);
        };
        if self.pieces == 1 {
            sums.chunks_mut(m * n).enumerate().for_each(|(index, sum)| part(index, sum));
        } else {
            parallel::each_chunk(&mut sums, m * n, part);
        }
        for (index, to) in c.indexed_iter_mut() {
            let at = index.0 * n + index.1;
            let total = sums.chunks(m * n).map(|sum| sum[at]).reduce(|a, b| a + b).unwrap_or(zero);
            *to = if add { *to + total } else { total };
        }
    }

    /// Computes a product in `pieces` blocks of C, each whole along k.
    fn split(self, matrices: Matrices<'_, V, Ix2>, add: bool, pieces: usize) {
        let [m, n] = [matrices.c.nrows(), matrices.c.ncols()];
        let [rows, width] = tiles::tile();
        let (rows, columns) = (rows / V::PARTS, width / size_of::<V>());
        let first = pieces / 2;
        // The longer side is cut, and columns if both are equal: then no two threads pack the same part of B.
        let (low, high) = if pieces > 1 && n > columns && n >= m {
            let cut = (n * first / pieces).next_multiple_of(columns).min(n - 1);
            matrices.cut(None, Some(Axis(1)), Axis(1), cut)
        } else if pieces > 1 && m > rows {
            let cut = (m * first / pieces).next_multiple_of(rows).min(m - 1);
            matrices.cut(Some(Axis(0)), None, Axis(0), cut)
        } else {
            let Matrices { a, b, c } = matrices;
            let [a, b] = [a, b].map(|x| x.insert_axis(Axis(0)));
            return V::multiply(Block::new([a, b], c.insert_axis(Axis(0)), self.conjugate, self.alpha, add, self.thin));
        };
        parallel::both(|| self.split(low, add, first), || self.split(high, add, pieces - first));
    }
}
