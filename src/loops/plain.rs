//! Results straight from the accumulators, for reductions of which all elements of a result are in one block.
//!
//! This is compiled once for each scalar type, by [`crate::machine::simd`] for the processor's instructions.

use crate::loops::best::{Extreme, First};
use crate::loops::folds::{CountedSums, ROWS, fold_slices, place_in, strips};
use crate::loops::lanes::{Absolute, Accumulate, Counts, Fold, LANES, Largest, Moments, Squares};
use crate::loops::products::Products;
use crate::machine::simd::{self, Vectorised};
use crate::numeric::float::Float;
use crate::reduce::best::Best;
use crate::reduce::op::Op;
use crate::reduce::partial::Join;
use crate::reduce::plain::{NONE, Piece};
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::{Tally, value_of};
use crate::reduce::variance::variance;

/// Rows that are read at once if there are no more, so that accumulators are never stored.
const FEW: usize = 4 * ROWS;

/// What rows hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Columns of at least [`LANES`] results; those beyond the results are padding.
    Columns,
    /// The elements of a result.
    Runs,
    /// Elements of all results in turn, [`LANES`] of each; the last row may be shorter.
    Combs,
}

/// Some results of one operation, and all their elements.
#[derive(Debug)]
pub(crate) struct Plain<'a, S: Accumulate> {
    pub(crate) rows: &'a [&'a [S]],
    pub(crate) kind: Kind,
    pub(crate) op: Op,
    /// Whether NaNs are skipped.
    pub(crate) skip: bool,
    pub(crate) to: Piece<'a, S>,
}

/// The loops of this file, compiled once for each scalar type, in this crate.
pub(crate) trait CompiledPlain: Accumulate {
    fn plain(plain: Plain<'_, Self>);
}

/// Implements [`CompiledPlain`] for each scalar.
macro_rules! compiled {
    ($($type:ty),*) => {$(
        impl CompiledPlain for $type {
            fn plain(plain: Plain<'_, Self>) {
                simd::run(plain);
            }
        }
    )*};
}
compiled!(f32, f64, i32, i64, u64);

impl<S: Accumulate> Vectorised for Plain<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        if S::FLOAT && self.skip { self.take::<FMA, true>() } else { self.take::<FMA, false>() }
    }
}

impl<S: Accumulate> Plain<'_, S> {
    #[inline(always)]
    fn take<const FMA: bool, const SKIP: bool>(self) {
        let Self { rows, kind, op, skip, to } = self;
        let count = match kind {
            Kind::Columns => rows.len(),
            Kind::Runs => rows[0].len(),
            Kind::Combs => rows.iter().map(|row| row.len()).sum::<usize>() / to.len(),
        } as u64;
        let rows = Rows { rows, kind };
        let real = <S::Real as Float>::nearest;
        match (op, to) {
            (Op::Sum, Piece::Whole(to)) => rows.each::<S::Sums<SKIP, LANES>, _, FMA, SKIP>(to, S::sum),
            (Op::Prod, Piece::Whole(to)) => rows.each::<Products<true, LANES>, _, FMA, SKIP>(to, S::product),
            (Op::Mean, Piece::Real(to)) if SKIP => rows.each::<CountedSums<S, LANES>, _, FMA, true>(
                to,
                #[inline(always)]
                |(block, count)| real(S::Tally::mean_of(block, count.valid)),
            ),
            (Op::Mean, Piece::Real(to)) => rows.each::<S::Sums<false, LANES>, _, FMA, false>(
                to,
                #[inline(always)]
                |block| real(S::Tally::mean_of(block, count)),
            ),
            (Op::Var { ddof }, Piece::Real(to)) => rows.each::<Moments<S, LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |block| real(variance(block.deviation(), block.count, ddof, skip)),
            ),
            (Op::Std { ddof }, Piece::Real(to)) => rows.each::<Moments<S, LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |block| real(variance(block.deviation(), block.count, ddof, skip).sqrt()),
            ),
            (Op::Norm1, Piece::Real(to)) => rows.each::<Absolute<LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |block| real(value_of(block)),
            ),
            (Op::Norm2, Piece::Real(to)) => rows.each::<Squares<LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |block| real(value_of(block).sqrt()),
            ),
            (Op::NormInf, Piece::Real(to)) => rows.each::<Largest<LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |best| real(best.value),
            ),
            (Op::Min, Piece::Element(to)) => rows.each::<Extreme<S, false, LANES>, _, FMA, SKIP>(to, value_of_best),
            (Op::Max, Piece::Element(to)) => rows.each::<Extreme<S, true, LANES>, _, FMA, SKIP>(to, value_of_best),
            (Op::ArgMin, Piece::Index(to)) => rows.places::<FMA, SKIP, false>(to),
            (Op::ArgMax, Piece::Index(to)) => rows.places::<FMA, SKIP, true>(to),
            (Op::Count, Piece::Index(to)) => rows.each::<Counts<S, false, LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |count| count.valid,
            ),
            (Op::Any, Piece::Truth(to)) => rows.each::<Counts<S, true, LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |count| count.truths > 0,
            ),
            (Op::All, Piece::Truth(to)) => rows.each::<Counts<S, true, LANES>, _, FMA, SKIP>(
                to,
                #[inline(always)]
                |count| count.truths == count.valid,
            ),
            _ => unreachable!("there is room of its kind for each operation that has results without partials"),
        }
    }
}

/// The rows of some results.
struct Rows<'a, S> {
    rows: &'a [&'a [S]],
    kind: Kind,
}

impl<S: Accumulate> Rows<'_, S> {
    #[inline(always)]
    fn each<F, R, const FMA: bool, const SKIP: bool>(&self, to: &mut [R], finish: impl Fn(F::Block) -> R)
    where
        F: Fold<S, SKIP, LANES>,
        R: Copy,
    {
        match self.kind {
            Kind::Columns => self.down::<F, R, FMA, SKIP>(to, finish),
            Kind::Combs => self.combed::<F, R, FMA, SKIP>(to, finish),
            Kind::Runs => {
                for (to, row) in to.iter_mut().zip(self.rows) {
                    if let [Some(block)] = fold_slices::<S, F, FMA, SKIP, 1>(&[row]) {
                        *to = finish(block);
                    }
                }
            }
        }
    }

    /// The results of few columns.
    #[inline(always)]
    fn combed<F, R, const FMA: bool, const SKIP: bool>(&self, to: &mut [R], finish: impl Fn(F::Block) -> R)
    where
        F: Fold<S, SKIP, LANES>,
    {
        let columns = to.len();
        let width = columns * LANES;
        let full = self.rows.len() - usize::from(self.rows[self.rows.len() - 1].len() < width);
        let (full, tail) = self.rows.split_at(full);
        let mut kept: Vec<F> = Vec::new();
        for (group, rows) in full.chunks(ROWS).enumerate() {
            let first = (group * ROWS * LANES) as u64;
            strips::<S, F, FMA, SKIP>(&mut kept, rows, (first, LANES as u64), None, |_, _, _| {});
        }
        for (lanes, tail) in kept.iter_mut().zip(tail.iter().flat_map(|tail| tail.chunks(LANES))) {
            lanes.rest::<FMA>(tail);
        }
        for (column, to) in to.iter_mut().enumerate() {
            let block = |turn: usize| {
                let at = turn * columns + column;
                kept[at / LANES].lane(at % LANES, turn as u64)
            };
            let mut all = block(0);
            for turn in 1..LANES {
                all = all.join(block(turn));
            }
            *to = finish(all);
        }
    }

    /// The results of columns.
    #[inline(always)]
    fn down<F, R, const FMA: bool, const SKIP: bool>(&self, to: &mut [R], finish: impl Fn(F::Block) -> R)
    where
        F: Fold<S, SKIP, LANES>,
        R: Copy,
    {
        let mut kept = Vec::new();
        let some = if self.rows.len() <= FEW { FEW } else { ROWS };
        let last = (self.rows.len() - 1) / some;
        for (group, rows) in self.rows.chunks(some).enumerate() {
            let (first, end) = ((group * some) as u64, (group == last).then_some(to.len()));
            strips::<S, F, FMA, SKIP>(
                &mut kept,
                rows,
                (first, 1),
                end,
                // What is not inlined is compiled for any processor.
                #[inline(always)]
                |start, columns, lanes| {
                    let mut found = [finish(lanes.lane(0, 0)); LANES];
                    for (lane, found) in found.iter_mut().enumerate() {
                        *found = finish(lanes.lane(lane, 0));
                    }
                    // Columns that overlap the strip before are written again, with the same results.
                    match to.get_mut(start..).and_then(|to| to.first_chunk_mut()) {
                        Some(to) => *to = found,
                        None => to[columns.clone()].copy_from_slice(&found[columns.start - start..columns.end - start]),
                    }
                },
            );
        }
    }

    /// The first places of the least or greatest elements.
    #[inline(always)]
    fn places<const FMA: bool, const SKIP: bool, const GREATEST: bool>(&self, to: &mut [u64]) {
        if self.kind != Kind::Runs {
            self.each::<First<S, GREATEST, LANES>, _, FMA, SKIP>(to, place_of::<S, SKIP, GREATEST>);
            return;
        }
        for (to, row) in to.iter_mut().zip(self.rows) {
            if let [Some(best)] = fold_slices::<S, Extreme<S, GREATEST, LANES>, FMA, SKIP, 1>(&[row]) {
                *to = if SKIP && best.value.is_nan() { NONE } else { place_in(row, best.value) as u64 };
            }
        }
    }
}

#[inline(always)]
fn value_of_best<S: Scalar, const GREATEST: bool>(best: Best<S, GREATEST>) -> S {
    best.value
}

#[inline(always)]
fn place_of<S: Scalar, const SKIP: bool, const GREATEST: bool>(best: Best<S, GREATEST>) -> u64 {
    if SKIP && best.value.is_nan() { NONE } else { best.place }
}
