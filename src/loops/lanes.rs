//! The accumulators of reductions: for each quantity, W of them side by side, which are fed with rows of W elements.
//! They are written once as loops over arrays of fixed length, for [`crate::machine::simd`] to compile.
//!
//! A run of one output's elements is read as rows of W, whose accumulators are joined at the end; W columns of a matrix
//! are W outputs.

#![expect(clippy::needless_range_loop, reason = "one index runs over the lanes of several arrays")]

use crate::machine::simd::multiply_add;
use crate::numeric::sums::two_sum;
use crate::reduce::best::Best;
use crate::reduce::partial::{Count, Join, Moment, Pair};
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::Tally;

/// Elements of a row, and accumulators side by side.
pub(crate) const LANES: usize = 16;

/// The number of streams in which a long run is read. The processor prefetches each: f64 sums, of 7 operations an
/// element, take 42 ms with four streams, 67 ms with one, and 58 ms with one and prefetch instructions (800 MB, which
/// take 43 ms to read as one stream, Zen 3).
const STREAMS: usize = 4;
/// The least number of rows for which a run is read in several streams. A shorter run follows the one before it in
/// memory, and is part of a stream that the processor already prefetches.
const LONG: usize = 256;

/// A sequence of rows of W elements.
pub(crate) trait Rows<S, const W: usize> {
    fn count(&self) -> usize;
    fn row(&self, index: usize) -> &[S; W];
    /// Calls `take`, which must be inlined, for every row, in an order that suits the memory.
    #[inline(always)]
    fn each(&self, mut take: impl FnMut(&[S; W])) {
        // Not `for_each`: where it is not inlined, what it calls is compiled for any processor.
        for r in 0..self.count() {
            take(self.row(r));
        }
    }
}

/// Rows that follow one another in memory.
impl<S, const W: usize> Rows<S, W> for &[[S; W]] {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn row(&self, index: usize) -> &[S; W] {
        &self[index]
    }
    #[inline(always)]
    fn each(&self, mut take: impl FnMut(&[S; W])) {
        let each = if self.len() < LONG { 0 } else { self.len() / STREAMS };
        let streams = &self[..STREAMS * each];
        for first in 0..each {
            // The compiler does not unroll a loop whose step it does not know. Unrolled, it would interleave rows and
            // run out of registers.
            let mut r = first;
            while r < streams.len() {
                take(&streams[r]);
                r += each;
            }
        }
        for row in &self[STREAMS * each..] {
            take(row);
        }
    }
}

/// W columns of some rows, from `column` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strip<'a, S> {
    pub(crate) rows: &'a [&'a [S]],
    pub(crate) column: usize,
}

impl<S, const W: usize> Rows<S, W> for Strip<'_, S> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.rows.len()
    }
    #[inline(always)]
    fn row(&self, index: usize) -> &[S; W] {
        self.rows[index][self.column..].first_chunk().expect("strips end where rows do")
    }
}

/// W accumulators of one quantity. With `SKIP` NaNs are skipped.
pub(crate) trait Fold<S: Copy, const SKIP: bool, const W: usize>: Copy {
    /// The partial of some elements.
    type Block: Join;
    /// Whether it is computed relative to the row that it is started with, which then need not be the first.
    const RELATIVE: bool = false;
    /// Empty accumulators. They are given the block's first row, relative to which a quantity may be computed; that row
    /// must still be fed.
    fn start(first: &[S; W]) -> Self;
    /// Adds an element to one lane.
    fn one<const FMA: bool>(&mut self, lane: usize, x: S);
    /// Adds a row.
    #[inline(always)]
    fn take<const FMA: bool>(&mut self, row: &[S; W]) {
        for w in 0..W {
            self.one::<FMA>(w, row[w]);
        }
    }
    /// Adds the elements that fill no row, to the first lanes.
    #[inline(always)]
    fn rest<const FMA: bool>(&mut self, tail: &[S]) {
        for (w, &x) in tail.iter().enumerate() {
            self.one::<FMA>(w, x);
        }
    }
    /// Adds rows; row r has the place `first + r * step`.
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        rows.each(
            #[inline(always)]
            |row| self.take::<FMA>(row),
        );
    }
    /// The partial of one lane; `offset` is the lane's place minus its row's.
    fn lane(&self, lane: usize, offset: u64) -> Self::Block;
    /// The partials of all lanes together, for each part of complex numbers by itself, for lanes that were started with
    /// the same element.
    #[inline(always)]
    fn joined<const PARTS: usize>(&self) -> [Self::Block; PARTS] {
        halved::<_, W, PARTS>(std::array::from_fn(|lane| self.lane(lane, 0)), |a, b| a.join(b))
    }
}

/// The median of three elements, without those that are NaN: an element to which deviations are relative keeps digits
/// only if it is near the others, which the first need not be.
#[inline(always)]
pub(super) fn median<S: Scalar>(a: S, b: S, c: S) -> S {
    let [b, c] = [b, c].map(|x| if x.is_nan() { a } else { x });
    let (low, high) = if b < a { (b, a) } else { (a, b) };
    let least = if c < high { c } else { high };
    if a.is_nan() {
        b
    } else if least > low {
        least
    } else {
        low
    }
}

/// Joins lanes w and w + W/2, then w and w + W/4, and so on: few steps that wait for one another.
#[inline(always)]
pub(super) fn halved<T: Copy, const W: usize, const PARTS: usize>(
    mut lanes: [T; W],
    join: impl Fn(T, T) -> T,
) -> [T; PARTS] {
    let mut half = W / 2;
    while half >= PARTS {
        for w in 0..half {
            lanes[w] = join(lanes[w], lanes[w + half]);
        }
        half /= 2;
    }
    std::array::from_fn(|part| lanes[part])
}

/// A scalar with the type of its sums' accumulators.
pub(crate) trait Accumulate: Scalar {
    /// Accumulators of sums, side by side.
    type Sums<const SKIP: bool, const W: usize>: Fold<Self, SKIP, W, Block = <Self::Tally as Tally>::Block>
        + std::fmt::Debug;
}

impl Accumulate for f32 {
    type Sums<const SKIP: bool, const W: usize> = Wide<W>;
}
impl Accumulate for f64 {
    type Sums<const SKIP: bool, const W: usize> = Paired<W>;
}
impl Accumulate for i32 {
    type Sums<const SKIP: bool, const W: usize> = Split<W>;
}
impl Accumulate for i64 {
    type Sums<const SKIP: bool, const W: usize> = Split<W>;
}
impl Accumulate for u64 {
    type Sums<const SKIP: bool, const W: usize> = Split<W>;
}

/// The element, or 0 in place of a skipped NaN. NaNs are replaced before elements are widened, so that one mask serves
/// all.
#[inline(always)]
fn valid<S: Scalar, const SKIP: bool>(x: S) -> S {
    if SKIP && x.is_nan() { S::default() } else { x }
}

/// Sums of f32 in f64, which has 29 bits to spare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wide<const W: usize>([f64; W]);

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Wide<W> {
    type Block = Pair;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self([0.0; W])
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        self.0[w] += valid::<S, SKIP>(x).lift();
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Pair {
        Pair { high: self.0[lane], low: 0.0 }
    }
    #[inline(always)]
    fn joined<const PARTS: usize>(&self) -> [Pair; PARTS] {
        halved(self.0, |a, b| a + b).map(|high| Pair { high, low: 0.0 })
    }
}

/// Sums in f64, with the errors of all additions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paired<const W: usize> {
    high: [f64; W],
    low: [f64; W],
}

impl<const W: usize> Paired<W> {
    #[inline(always)]
    fn zero() -> Self {
        Self { high: [0.0; W], low: [0.0; W] }
    }

    #[inline(always)]
    fn accumulate(&mut self, w: usize, term: f64) {
        let (high, error) = two_sum(self.high[w], term);
        self.high[w] = high;
        self.low[w] += error;
    }

    #[inline(always)]
    fn pair(&self, lane: usize) -> Pair {
        Pair { high: self.high[lane], low: self.low[lane] }
    }
}

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Paired<W> {
    type Block = Pair;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self::zero()
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        self.accumulate(w, valid::<S, SKIP>(x).lift());
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Pair {
        self.pair(lane)
    }
}

/// `Σ |x|`, with the errors of all additions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absolute<const W: usize>(Paired<W>);

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Absolute<W> {
    type Block = Pair;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self(Paired::zero())
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        self.0.accumulate(w, valid::<S, SKIP>(x).lift().abs());
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Pair {
        self.0.pair(lane)
    }
}

/// `Σ x²`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Squares<const W: usize>([f64; W]);

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Squares<W> {
    type Block = Pair;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self([0.0; W])
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        let x = valid::<S, SKIP>(x).lift();
        self.0[w] = multiply_add::<FMA, f64>(x, x, self.0[w]);
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Pair {
        Pair { high: self.0[lane], low: 0.0 }
    }
    #[inline(always)]
    fn joined<const PARTS: usize>(&self) -> [Pair; PARTS] {
        halved(self.0, |a, b| a + b).map(|high| Pair { high, low: 0.0 })
    }
}

/// Sums of integers in two halves, neither of which overflows within a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split<const W: usize> {
    low: [i64; W],
    high: [i64; W],
}

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Split<W> {
    type Block = i128;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self { low: [0; W], high: [0; W] }
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        let x = x.whole();
        if size_of::<S>() == 4 {
            self.low[w] += x;
        } else {
            self.low[w] += x & 0xffff_ffff;
            self.high[w] += if S::UNSIGNED { (x as u64 >> 32) as i64 } else { x >> 32 };
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> i128 {
        i128::from(self.low[lane]) + (i128::from(self.high[lane]) << 32)
    }
    #[inline(always)]
    fn joined<const PARTS: usize>(&self) -> [i128; PARTS] {
        // Blocks are so short that not even the halves' sums overflow.
        let [low, high] = [self.low, self.high].map(|lanes| halved::<_, W, PARTS>(lanes, |a, b| a + b));
        std::array::from_fn(|part| i128::from(low[part]) + (i128::from(high[part]) << 32))
    }
}

/// [`Moment`]s. With `SKIP` each lane's shift is its first element that is not NaN.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments<S: Scalar, const W: usize> {
    rows: u64,
    /// With `SKIP` the number of elements that are not NaN, else of those beside full rows.
    count: [S::Index; W],
    /// The element relative to which moments are taken. It also replaces skipped NaNs, since its own deviation is 0.
    shift: [S; W],
    /// Whether some lane has had only NaNs so far; used with `SKIP` only.
    unset: bool,
    first: [f64; W],
    second: [f64; W],
}

impl<S: Scalar, const W: usize> Moments<S, W> {
    /// Finds shifts for lanes that have had only NaNs.
    #[inline(always)]
    fn shift_by(&mut self, rows: &impl Rows<S, W>) {
        let mut set = self.count.map(|count| count.into() > 0);
        for r in 0..rows.count() {
            for (w, &x) in rows.row(r).iter().enumerate() {
                if !set[w] && !x.is_nan() {
                    (self.shift[w], set[w]) = (x, true);
                }
            }
            if set == [true; W] {
                break;
            }
        }
        self.unset = set != [true; W];
    }
}

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Moments<S, W> {
    type Block = Moment;
    const RELATIVE: bool = true;
    #[inline(always)]
    fn start(first: &[S; W]) -> Self {
        let unset = SKIP && first.iter().any(|x| x.is_nan());
        let shift = first.map(valid::<S, SKIP>);
        Self { rows: 0, count: [S::Index::default(); W], shift, unset, first: [0.0; W], second: [0.0; W] }
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, mut x: S) {
        if SKIP {
            let valid = !x.is_nan();
            x = if valid { x } else { self.shift[w] };
            self.count[w] = if valid { S::next(self.count[w]) } else { self.count[w] };
        }
        let from = x.lift() - self.shift[w].lift();
        self.first[w] += from;
        self.second[w] = multiply_add::<FMA, f64>(from, from, self.second[w]);
    }
    #[inline(always)]
    fn rest<const FMA: bool>(&mut self, tail: &[S]) {
        for (w, &x) in tail.iter().enumerate() {
            Fold::<S, SKIP, W>::one::<FMA>(self, w, x);
            if !SKIP {
                self.count[w] = S::next(self.count[w]);
            }
        }
    }
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        if SKIP && self.unset {
            self.shift_by(rows);
        }
        rows.each(
            #[inline(always)]
            |row| Fold::<S, SKIP, W>::take::<FMA>(self, row),
        );
        self.rows += rows.count() as u64;
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Moment {
        let count = self.count[lane].into() + if SKIP { 0 } else { self.rows };
        let (shift, first, second) = (self.shift[lane].lift(), self.first[lane], self.second[lane]);
        Moment { count: count as f64, shift, first, second }
    }
    #[inline(always)]
    fn joined<const PARTS: usize>(&self) -> [Moment; PARTS] {
        // All lanes of a part have the same shift.
        let [first, second] = [self.first, self.second].map(|lanes| halved::<_, W, PARTS>(lanes, |a, b| a + b));
        let counts = halved::<_, W, PARTS>(self.count.map(Into::<u64>::into), |a, b| a + b);
        std::array::from_fn(|part| {
            let count = counts[part] + if SKIP { 0 } else { self.rows * (W / PARTS) as u64 };
            let shift = self.shift[part].lift();
            Moment { count: count as f64, shift, first: first[part], second: second[part] }
        })
    }
}

/// The greatest `|x|`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Largest<const W: usize> {
    size: [f64; W],
    /// NaN if the result is NaN.
    flag: [f64; W],
}

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Largest<W> {
    type Block = Best<f64, true>;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self { size: [0.0; W], flag: [0.0; W] }
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        let size = f64::abs(x.lift());
        self.size[w] = if size > self.size[w] { size } else { self.size[w] };
        if S::FLOAT && !SKIP {
            self.flag[w] = if size.is_nan() { size } else { self.flag[w] };
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Self::Block {
        let value = if self.flag[lane].is_nan() { f64::NAN } else { self.size[lane] };
        Best { value, place: 0, skip: SKIP }
    }
}

/// [`Count`]s; elements that are not 0 are counted only if `TRUTHS`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts<S: Scalar, const TRUTHS: bool, const W: usize> {
    /// Counts are as wide as the scalar, so that masks of comparisons need no conversion.
    valid: [S::Index; W],
    truths: [S::Index; W],
}

impl<S: Scalar, const TRUTHS: bool, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Counts<S, TRUTHS, W> {
    type Block = Count;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self { valid: [S::Index::default(); W], truths: [S::Index::default(); W] }
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        let valid = !SKIP || !x.is_nan();
        self.valid[w] = if valid { S::next(self.valid[w]) } else { self.valid[w] };
        if TRUTHS {
            let truth = valid & (x != S::default());
            self.truths[w] = if truth { S::next(self.truths[w]) } else { self.truths[w] };
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Count {
        Count { valid: self.valid[lane].into(), truths: self.truths[lane].into() }
    }
}

/// A quantity and the number of elements, in one pass. A separate pass for the number took as long as the sum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<F, C>(F, C);

impl<S: Copy, F, C, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Counted<F, C>
where
    F: Fold<S, SKIP, W>,
    C: Fold<S, SKIP, W, Block = Count>,
{
    type Block = (F::Block, Count);
    #[inline(always)]
    fn start(first: &[S; W]) -> Self {
        Self(F::start(first), C::start(first))
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        self.0.one::<FMA>(w, x);
        self.1.one::<FMA>(w, x);
    }
    #[inline(always)]
    fn lane(&self, lane: usize, offset: u64) -> Self::Block {
        (self.0.lane(lane, offset), self.1.lane(lane, offset))
    }
    #[inline(always)]
    fn joined<const PARTS: usize>(&self) -> [Self::Block; PARTS] {
        let (all, counts) = (self.0.joined::<PARTS>(), self.1.joined::<PARTS>());
        std::array::from_fn(|part| (all[part], counts[part]))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::loops) fn fold<F: Fold<f64, SKIP, 2>, const SKIP: bool>(data: &[[f64; 2]]) -> F::Block {
        let mut lanes = F::start(&data[0]);
        lanes.feed::<true>(&data, 0, 2);
        lanes.lane(0, 0).join(lanes.lane(1, 1))
    }

    #[test]
    fn moments_are_joined_about_one_shift() {
        let found = fold::<Moments<f64, 2>, false>(&[[1.0, 10.0], [2.0, 30.0], [6.0, 50.0]]);
        assert_eq!(found, Moment { count: 6.0, shift: 1.0, first: 93.0, second: 1.0 + 25.0 + 81.0 + 841.0 + 2401.0 });
        let skipped = fold::<Moments<f64, 2>, true>(&[[f64::NAN, 10.0], [2.0, f64::NAN], [6.0, 50.0]]);
        assert_eq!(skipped, Moment { count: 4.0, shift: 2.0, first: 60.0, second: 16.0 + 64.0 + 48.0 * 48.0 });
    }
}
