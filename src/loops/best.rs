//! The inner loops that find the greatest or the least element, with or without its first place.

#![expect(clippy::needless_range_loop, reason = "one index runs over the lanes of several arrays")]

use crate::loops::lanes::{Fold, LANES, Rows, halved};
use crate::reduce::best::{Best, better};
use crate::reduce::scalar::Scalar;

/// W accumulators of the greatest or the least element, without places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extreme<S, const GREATEST: bool, const W: usize> {
    /// The best of the elements that are not NaN.
    best: [S; W],
    /// NaN if the result is NaN. It is apart from `best` so that one comparison does not wait for another.
    flag: [S; W],
}

impl<S: Scalar, const GREATEST: bool, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Extreme<S, GREATEST, W> {
    type Block = Best<S, GREATEST>;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        let worst = if GREATEST { S::LOWEST } else { S::HIGHEST };
        Self { best: [worst; W], flag: [if SKIP { S::nan() } else { S::default() }; W] }
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        let beyond = if GREATEST { x > self.best[w] } else { x < self.best[w] };
        self.best[w] = if beyond { x } else { self.best[w] };
        // Any NaN makes the flag NaN; with `SKIP` it starts as NaN, and any number replaces it.
        self.flag[w] = if x.is_nan() != SKIP { x } else { self.flag[w] };
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Self::Block {
        let value = if self.flag[lane].is_nan() { S::nan() } else { self.best[lane] };
        Best { value, place: 0, skip: SKIP }
    }
    #[inline(always)]
    fn joined<const PARTS: usize>(&self) -> [Self::Block; PARTS] {
        let beyond = |x: S, best: S| if GREATEST { x > best } else { x < best };
        let best = halved::<_, W, PARTS>(self.best, |a, b| if beyond(b, a) { b } else { a });
        let flag = halved::<_, W, PARTS>(self.flag, |a, b| if b.is_nan() != SKIP { b } else { a });
        std::array::from_fn(|part| {
            let value = if flag[part].is_nan() { S::nan() } else { best[part] };
            Best { value, place: 0, skip: SKIP }
        })
    }
}

/// W accumulators of the greatest or the least element and its first place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First<S: Scalar, const GREATEST: bool, const W: usize> {
    value: [S; W],
    /// Row of the value, counted from the block's first; as wide as the scalar, so that one mask replaces both.
    row: [S::Index; W],
    rows: S::Index,
    first: u64,
    step: u64,
}

impl<S: Scalar, const GREATEST: bool, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for First<S, GREATEST, W> {
    type Block = Best<S, GREATEST>;
    #[inline(always)]
    fn start(first: &[S; W]) -> Self {
        Self { value: *first, row: [S::Index::default(); W], rows: S::Index::default(), first: u64::MAX, step: 0 }
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        let replaced = better(x, self.value[w], GREATEST, SKIP);
        self.value[w] = if replaced { x } else { self.value[w] };
        self.row[w] = if replaced { self.rows } else { self.row[w] };
    }
    #[inline(always)]
    fn take<const FMA: bool>(&mut self, row: &[S; W]) {
        for w in 0..W {
            Fold::<S, SKIP, W>::one::<FMA>(self, w, row[w]);
        }
        self.rows = S::next(self.rows);
    }
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, first: u64, step: u64) {
        if self.first == u64::MAX {
            (self.first, self.step) = (first, step);
        }
        // Not `each`: the first place is found only if rows come in the order of places.
        for r in 0..rows.count() {
            Fold::<S, SKIP, W>::take::<FMA>(self, rows.row(r));
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, offset: u64) -> Self::Block {
        let place = self.first + self.row[lane].into() * self.step + offset;
        Best { value: self.value[lane], place, skip: SKIP }
    }
}

/// The index of the first element that equals `value`, or that is NaN if `value` is.
#[inline(always)]
pub(crate) fn find<S: Scalar>(slice: &[S], value: S) -> Option<usize> {
    // Two loops, so that none tests for each element which of the two is wanted.
    if value.is_nan() {
        position(
            slice,
            #[inline(always)]
            |x| x.is_nan(),
        )
    } else {
        position(
            slice,
            #[inline(always)]
            |x| x == value,
        )
    }
}

/// The index of the first element for which `holds` is true. Hits are counted in lanes, eight rows at a time, without a
/// branch for each element.
#[inline(always)]
fn position<S: Scalar>(slice: &[S], holds: impl Fn(S) -> bool) -> Option<usize> {
    let mut begin = 0;
    for part in slice.as_chunks::<{ 8 * LANES }>().0 {
        let mut hits = [S::Index::default(); LANES];
        for row in part.as_chunks::<LANES>().0 {
            for w in 0..LANES {
                hits[w] = if holds(row[w]) { S::next(hits[w]) } else { hits[w] };
            }
        }
        if hits.iter().fold(0, |all, &hits| all | hits.into()) > 0 {
            break;
        }
        begin += part.len();
    }
    let index = slice[begin..].iter().position(|&x| holds(x))?;
    Some(begin + index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::lanes::tests::fold;

    #[test]
    fn the_first_of_equal_elements_is_found() {
        let data = [[3.0, 3.0], [1.0, 1.0], [1.0, 1.0]];
        assert_eq!(fold::<First<f64, false, 2>, false>(&data).place, 2);
        assert_eq!(fold::<First<f64, true, 2>, false>(&data).place, 0);
        let nans = [[3.0, f64::NAN], [f64::NAN, 1.0], [0.0, 9.0]];
        assert_eq!(fold::<First<f64, false, 2>, false>(&nans).place, 1);
        assert_eq!(fold::<First<f64, false, 2>, true>(&nans).place, 4);
        assert_eq!(fold::<First<f64, true, 2>, true>(&nans).place, 5);
    }

    #[test]
    fn places_are_found_in_rows_and_beyond_them() {
        let mut data = vec![1.0; 1000];
        assert_eq!(find(&data, 1.0), Some(0));
        assert_eq!(find(&data, 2.0), None);
        for place in [999, 500, 128, 17] {
            (data[place], data[place - 1]) = (-0.0, f64::NAN);
            assert_eq!((find(&data, 0.0), find(&data, f64::NAN)), (Some(place), Some(place - 1)));
        }
    }
}
