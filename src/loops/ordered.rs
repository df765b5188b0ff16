//! Extremes, their places and truths of elements in their own type, without widening: for integers narrower than the
//! scalars of the other loops, and truths for all elements that cannot be skipped.
//!
//! This is compiled once for each element type, by [`crate::machine::simd`] for the processor's instructions.

use std::marker::PhantomData;
use std::ops::BitOr;

use crate::loops::plain::Kind;
use crate::machine::simd::{self, Vectorised};
use crate::reduce::element::Reducible;
use crate::reduce::op::Op;
use crate::reduce::plain::Piece;

/// Bytes of the columns that are reduced at a time: their extremes stay in the first-level cache.
const CACHE: usize = 1 << 14;
/// Elements of a run that are compared before it is looked whether the answer is known.
const RUN: usize = 256;

/// Some results of one operation, and all their elements.
#[derive(Debug)]
pub(crate) struct Own<'a, E: Reducible> {
    /// Rows of any number of columns, or runs.
    pub(crate) rows: &'a [&'a [E]],
    pub(crate) kind: Kind,
    pub(crate) op: Op,
    pub(crate) to: Piece<'a, E::Scalar>,
}

/// An element type with these loops.
pub(crate) trait Ordered: Reducible {
    /// Whether the loops of this file compute an operation of elements that are not skipped.
    fn has(op: Op) -> bool;
    /// Computes results of an operation that the type has here.
    fn ordered(own: Own<'_, Self>);
}

/// An integer that is 0 or not.
trait Flag: Copy + Default + PartialEq + From<bool> + BitOr<Output = Self> {}
impl<F: Copy + Default + PartialEq + From<bool> + BitOr<Output = F>> Flag for F {}

/// Implements [`Ordered`] for real element types: `narrow` ones have extremes too.
macro_rules! ordered {
    ($($type:ty, $flag:ty, $narrow:literal);*) => {$(
        impl Ordered for $type {
            fn has(op: Op) -> bool {
                matches!(op, Op::Any | Op::All) || $narrow && op.orders()
            }
            fn ordered(own: Own<'_, Self>) {
                simd::run(Compared::<_, $flag, $narrow>(own, PhantomData));
            }
        }
    )*};
}
ordered!(
    f32, u32, false; f64, u64, false; i32, u32, false; i64, u64, false; u64, u64, false;
    i8, u8, true; i16, u16, true; u8, u8, true; u16, u16, true; u32, u32, true
);

impl<T> Ordered for num_complex::Complex<T>
where
    Self: Reducible,
{
    fn has(_: Op) -> bool {
        false
    }
    fn ordered(_: Own<'_, Self>) {}
}

/// The results to compute, with an integer as wide as the elements, so that masks of comparisons need no conversion.
struct Compared<'a, E: Reducible, F, const NARROW: bool>(Own<'a, E>, PhantomData<F>);

impl<E: Reducible + PartialOrd, F: Flag, const NARROW: bool> Vectorised for Compared<'_, E, F, NARROW> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Own { rows, kind, op, to } = self.0;
        let columns = kind == Kind::Columns;
        match (op, to) {
            (Op::Any, Piece::Truth(to)) => truths::<E, F, true>(rows, columns, to),
            (Op::All, Piece::Truth(to)) => truths::<E, F, false>(rows, columns, to),
            (Op::Min, Piece::Element(to)) if NARROW => extremes::<E, false>(rows, columns, to),
            (Op::Max, Piece::Element(to)) if NARROW => extremes::<E, true>(rows, columns, to),
            (Op::ArgMin, Piece::Index(to)) if NARROW => places::<E, false>(rows, columns, to),
            (Op::ArgMax, Piece::Index(to)) if NARROW => places::<E, true>(rows, columns, to),
            _ => unreachable!("the other operations are in `crate::loops::plain`"),
        }
    }
}

/// The better of two elements that are no NaN.
#[inline(always)]
fn best_of<E: PartialOrd, const GREATEST: bool>(a: E, b: E) -> E {
    if GREATEST == (b > a) { b } else { a }
}

/// The extremes of some columns from `start` on.
#[inline(always)]
fn down<E: Reducible + PartialOrd, const GREATEST: bool>(rows: &[&[E]], start: usize, best: &mut [E]) {
    let count = best.len();
    best.copy_from_slice(&rows[0][start..start + count]);
    let (fours, rest) = rows[1..].as_chunks::<4>();
    for four in fours {
        let [a, b, c, d] = four.map(|row| &row[start..start + count]);
        for at in 0..count {
            let ab = best_of::<E, GREATEST>(a[at], b[at]);
            let cd = best_of::<E, GREATEST>(c[at], d[at]);
            best[at] = best_of::<E, GREATEST>(best[at], best_of::<E, GREATEST>(ab, cd));
        }
    }
    for row in rest {
        let row = &row[start..start + count];
        for at in 0..count {
            best[at] = best_of::<E, GREATEST>(best[at], row[at]);
        }
    }
}

/// The extreme of a run.
#[inline(always)]
fn along<E: Reducible + PartialOrd, const GREATEST: bool>(run: &[E]) -> E {
    const LANES: usize = 64;
    let (rows, tail) = run.as_chunks::<LANES>();
    let mut found = run[0];
    if let Some((first, rows)) = rows.split_first() {
        let mut lanes = *first;
        for row in rows {
            for lane in 0..LANES {
                lanes[lane] = best_of::<E, GREATEST>(lanes[lane], row[lane]);
            }
        }
        for lane in lanes {
            found = best_of::<E, GREATEST>(found, lane);
        }
    }
    for &x in tail {
        found = best_of::<E, GREATEST>(found, x);
    }
    found
}

#[inline(always)]
fn extremes<E: Reducible + PartialOrd, const GREATEST: bool>(rows: &[&[E]], columns: bool, to: &mut [E::Scalar]) {
    if !columns {
        for (to, run) in to.iter_mut().zip(rows) {
            *to = along::<E, GREATEST>(run).widen()[0];
        }
        return;
    }
    let wide = CACHE / size_of::<E>();
    let mut best = vec![E::default(); wide.min(to.len())];
    for (part, to) in to.chunks_mut(wide).enumerate() {
        let best = &mut best[..to.len()];
        down::<E, GREATEST>(rows, part * wide, best);
        for at in 0..to.len() {
            to[at] = best[at].widen()[0];
        }
    }
}

#[inline(always)]
fn places<E: Reducible + PartialOrd, const GREATEST: bool>(rows: &[&[E]], columns: bool, to: &mut [u64]) {
    if !columns {
        for (to, run) in to.iter_mut().zip(rows) {
            let best = along::<E, GREATEST>(run);
            let mut place = 0;
            for part in run.chunks(RUN) {
                let mut holds = false;
                for &x in part {
                    holds |= x == best;
                }
                if holds {
                    break;
                }
                place += part.len();
            }
            *to = (place + run[place..].iter().position(|&x| x == best).unwrap_or_default()) as u64;
        }
        return;
    }
    let wide = CACHE / size_of::<E>().max(4);
    let (mut best, mut first) = (vec![E::default(); wide.min(to.len())], vec![0u32; wide.min(to.len())]);
    for (part, to) in to.chunks_mut(wide).enumerate() {
        let (best, first, start) = (&mut best[..to.len()], &mut first[..to.len()], part * wide);
        down::<E, GREATEST>(rows, start, best);
        // From the last row to the first, whose place stays.
        for (place, row) in rows.iter().enumerate().rev() {
            let row = &row[start..start + best.len()];
            for at in 0..best.len() {
                first[at] = if row[at] == best[at] { place as u32 } else { first[at] };
            }
        }
        for at in 0..to.len() {
            to[at] = first[at].into();
        }
    }
}

/// Whether any element is not 0, or whether none is.
#[inline(always)]
fn truths<E: Reducible, F: Flag, const ANY: bool>(rows: &[&[E]], columns: bool, to: &mut [bool]) {
    let (zero, unset) = (E::default(), F::default());
    if !columns {
        for (to, run) in to.iter_mut().zip(rows) {
            *to = !ANY;
            for part in run.chunks(RUN) {
                const LANES: usize = 32;
                let mut found = [unset; LANES];
                let (rows, tail) = part.as_chunks::<LANES>();
                for row in rows {
                    for lane in 0..LANES {
                        found[lane] = found[lane] | F::from((row[lane] != zero) == ANY);
                    }
                }
                for (lane, &x) in tail.iter().enumerate() {
                    found[lane] = found[lane] | F::from((x != zero) == ANY);
                }
                if found != [unset; LANES] {
                    *to = ANY;
                    break;
                }
            }
        }
        return;
    }
    let wide = CACHE / size_of::<E>();
    let mut found = vec![unset; wide.min(to.len())];
    for (part, to) in to.chunks_mut(wide).enumerate() {
        let (start, found) = (part * wide, &mut found[..to.len()]);
        found.fill(unset);
        for row in rows {
            let row = &row[start..start + found.len()];
            for at in 0..found.len() {
                let holds = (row[at] != zero) == ANY;
                // Of these two each is the faster one for some widths.
                found[at] = if size_of::<F>() == 1 {
                    found[at] | F::from(holds)
                } else if holds {
                    F::from(true)
                } else {
                    found[at]
                };
            }
        }
        for at in 0..to.len() {
            to[at] = (found[at] != unset) == ANY;
        }
    }
}
