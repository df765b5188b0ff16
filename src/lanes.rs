//! The inner loops of reductions: W accumulators side by side that are fed with rows of W elements, for each quantity a
//! reduction may need. Written once as loops over arrays of fixed length, for [`crate::simd`] to compile.
//!
//! A run of elements in memory is rows of W that end in one result; columns of a matrix are W results.

#![expect(clippy::needless_range_loop, reason = "a lane is counted through several arrays at once")]

use crate::reduce::element::Scalar;
use crate::reduce::power::Power;
use crate::simd::multiply_add;

/// Elements of a row.
pub(crate) const LANES: usize = 16;

/// Rows of W elements, wherever they are.
pub(crate) trait Rows<S, const W: usize> {
    fn count(&self) -> usize;
    fn row(&self, index: usize) -> &[S; W];
}

/// Elements one after another.
impl<S, const W: usize> Rows<S, W> for &[[S; W]] {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn row(&self, index: usize) -> &[S; W] {
        &self[index]
    }
}

/// W columns of some rows, from one column on.
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

/// W accumulators of one quantity. With `SKIP` NaNs count for nothing.
pub(crate) trait Fold<S, const SKIP: bool, const W: usize>: Copy {
    /// What is known of some elements.
    type Block: Join;
    /// Before the first row of a block, which is fed too: a quantity may be found relative to it.
    fn start(first: &[S; W]) -> Self;
    /// Takes rows in; row r lies at place `first + r * step`.
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, first: u64, step: u64);
    /// What one lane has come to; `offset` is from a row's place to the lane's.
    fn lane(&self, lane: usize, offset: u64) -> Self::Block;
}

/// What is known of two sets of elements, from what is known of each; the first lies before the second.
pub(crate) trait Join: Copy {
    fn join(self, after: Self) -> Self;
}

/// The element, or 0 in place of a NaN that counts for nothing: before it is widened, so that one mask serves all.
#[inline(always)]
fn valid<S: Scalar, const SKIP: bool>(x: S) -> S {
    if SKIP && x.is_nan() { S::default() } else { x }
}

/// A sum and what rounding took from it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pair {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

/// `a + b` as a rounded sum and its error (Knuth's two-sum).
#[inline(always)]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

impl Join for Pair {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        let (high, error) = two_sum(self.high, after.high);
        Self { high, low: self.low + after.low + error }
    }
}

/// Sums of f32 in f64: 29 bits to spare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wide<const W: usize>([f64; W]);

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Wide<W> {
    type Block = Pair;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self([0.0; W])
    }
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            let row = rows.row(r);
            for w in 0..W {
                self.0[w] += valid::<S, SKIP>(row[w]).lift();
            }
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Pair {
        Pair { high: self.0[lane], low: 0.0 }
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
    fn add(&mut self, terms: [f64; W]) {
        for w in 0..W {
            let (high, error) = two_sum(self.high[w], terms[w]);
            self.high[w] = high;
            self.low[w] += error;
        }
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
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            self.add(rows.row(r).map(|x| valid::<S, SKIP>(x).lift()));
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Pair {
        self.pair(lane)
    }
}

/// `Σ |x|`, as [`Paired`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absolute<const W: usize>(Paired<W>);

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Absolute<W> {
    type Block = Pair;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self(Paired::zero())
    }
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            self.0.add(rows.row(r).map(|x| valid::<S, SKIP>(x).lift().abs()));
        }
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
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            let row = rows.row(r);
            for w in 0..W {
                let x = valid::<S, SKIP>(row[w]).lift();
                self.0[w] = multiply_add::<FMA, f64>(x, x, self.0[w]);
            }
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Pair {
        Pair { high: self.0[lane], low: 0.0 }
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
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            let row = rows.row(r);
            if size_of::<S>() == 4 {
                for w in 0..W {
                    self.low[w] += row[w].whole();
                }
            } else {
                for w in 0..W {
                    let x = row[w].whole();
                    self.low[w] += x & 0xffff_ffff;
                    self.high[w] += if S::UNSIGNED { (x as u64 >> 32) as i64 } else { x >> 32 };
                }
            }
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> i128 {
        i128::from(self.low[lane]) + (i128::from(self.high[lane]) << 32)
    }
}

impl Join for i128 {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        self + after
    }
}

/// Number, first and second moment of elements about a shift near them: `Σ (x - shift)` and `Σ (x - shift)²`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moment {
    pub(crate) count: f64,
    pub(crate) shift: f64,
    pub(crate) first: f64,
    pub(crate) second: f64,
}

impl Join for Moment {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        if self.count == 0.0 {
            return after;
        }
        if after.count == 0.0 {
            return self;
        }
        // Of what comes after, about the shift of what was before.
        let by = after.shift - self.shift;
        let first = after.first + after.count * by;
        let second = after.second + by * (after.first + first);
        Self { count: self.count + after.count, first: self.first + first, second: self.second + second, ..self }
    }
}

/// [`Moment`]s. With `SKIP` each lane's shift is its first element that is not NaN.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments<const W: usize> {
    count: [f64; W],
    shift: [f64; W],
    first: [f64; W],
    second: [f64; W],
}

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Moments<W> {
    type Block = Moment;
    #[inline(always)]
    fn start(first: &[S; W]) -> Self {
        Self { count: [0.0; W], shift: first.map(S::lift), first: [0.0; W], second: [0.0; W] }
    }
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            let row = rows.row(r);
            for w in 0..W {
                let x = row[w].lift();
                let mut from = x - self.shift[w];
                if SKIP {
                    let valid = !row[w].is_nan();
                    self.shift[w] = if self.count[w] == 0.0 && valid { x } else { self.shift[w] };
                    from = if valid { x - self.shift[w] } else { 0.0 };
                    self.count[w] += if valid { 1.0 } else { 0.0 };
                }
                self.first[w] += from;
                self.second[w] = multiply_add::<FMA, f64>(from, from, self.second[w]);
            }
        }
        if !SKIP {
            self.count = self.count.map(|count| count + rows.count() as f64);
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Moment {
        let Self { count, shift, first, second } = self;
        Moment { count: count[lane], shift: shift[lane], first: first[lane], second: second[lane] }
    }
}

/// The greatest element of a set, or the least, and where it is first found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best<S, const GREATEST: bool> {
    pub(crate) value: S,
    pub(crate) place: u64,
    /// Whether NaNs count for nothing.
    pub(crate) skip: bool,
}

/// Whether `x` takes the place of `best`, which came first.
#[inline(always)]
fn better<S: Scalar>(x: S, best: S, greatest: bool, skip: bool) -> bool {
    let beyond = if greatest { x > best } else { x < best };
    // One NaN is as good as another: the first stays.
    beyond | if skip { best.is_nan() & !x.is_nan() } else { x.is_nan() & !best.is_nan() }
}

impl<S: Scalar, const GREATEST: bool> Join for Best<S, GREATEST> {
    /// In any order: of equals the one that lies first is taken.
    #[inline(always)]
    fn join(self, other: Self) -> Self {
        let (before, after) = if self.place <= other.place { (self, other) } else { (other, self) };
        if better(after.value, before.value, GREATEST, self.skip) { after } else { before }
    }
}

/// The greatest elements, or the least. Their places are not kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extreme<S, const GREATEST: bool, const W: usize> {
    /// Of those that are not NaN.
    best: [S; W],
    /// Whether the result is NaN: apart, so that one comparison does not wait for another.
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
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            let row = rows.row(r);
            for w in 0..W {
                let x = row[w];
                let beyond = if GREATEST { x > self.best[w] } else { x < self.best[w] };
                self.best[w] = if beyond { x } else { self.best[w] };
                // Any NaN makes it NaN; with `SKIP` anything else makes it none.
                self.flag[w] = if x.is_nan() != SKIP { x } else { self.flag[w] };
            }
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Self::Block {
        let value = if self.flag[lane].is_nan() { S::nan() } else { self.best[lane] };
        Best { value, place: 0, skip: SKIP }
    }
}

/// The greatest elements, or the least, and where they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First<S: Scalar, const GREATEST: bool, const W: usize> {
    value: [S; W],
    /// Rows from the block's first one, as wide as the scalar so that both are replaced by the same mask.
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
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, first: u64, step: u64) {
        if self.first == u64::MAX {
            (self.first, self.step) = (first, step);
        }
        for r in 0..rows.count() {
            let row = rows.row(r);
            for w in 0..W {
                let replaced = better(row[w], self.value[w], GREATEST, SKIP);
                self.value[w] = if replaced { row[w] } else { self.value[w] };
                self.row[w] = if replaced { self.rows } else { self.row[w] };
            }
            self.rows = S::next(self.rows);
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, offset: u64) -> Self::Block {
        let place = self.first + self.row[lane].into() * self.step + offset;
        Best { value: self.value[lane], place, skip: SKIP }
    }
}

/// `Π x`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Products<const W: usize>([Power; W]);

impl<S: Scalar, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Products<W> {
    type Block = Power;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self([Power::default(); W])
    }
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            let row = rows.row(r);
            for w in 0..W {
                if S::FLOAT {
                    let x = if SKIP && row[w].is_nan() { 1.0 } else { row[w].lift() };
                    self.0[w] = self.0[w].join(Power::of([x, 0.0]));
                } else {
                    self.0[w].whole = self.0[w].whole.wrapping_mul(row[w].whole());
                }
            }
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Power {
        self.0[lane]
    }
}

/// How many elements are not NaN, and how many of those are not 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) valid: u64,
    pub(crate) truths: u64,
}

impl Join for Count {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        Self { valid: self.valid + after.valid, truths: self.truths + after.truths }
    }
}

/// [`Count`]s; truths only if asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts<S: Scalar, const TRUTHS: bool, const W: usize> {
    /// As wide as the scalar, so that comparisons serve as they are.
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
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        for r in 0..rows.count() {
            let row = rows.row(r);
            for w in 0..W {
                let valid = !SKIP || !row[w].is_nan();
                self.valid[w] = if valid { S::next(self.valid[w]) } else { self.valid[w] };
                if TRUTHS {
                    let truth = valid & (row[w] != S::default());
                    self.truths[w] = if truth { S::next(self.truths[w]) } else { self.truths[w] };
                }
            }
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> Count {
        Count { valid: self.valid[lane].into(), truths: self.truths[lane].into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold<F: Fold<f64, SKIP, 2>, const SKIP: bool>(data: &[[f64; 2]]) -> F::Block {
        let mut lanes = F::start(&data[0]);
        lanes.feed::<true>(&data, 0, 2);
        lanes.lane(0, 0).join(lanes.lane(1, 1))
    }

    #[test]
    fn moments_are_joined_about_one_shift() {
        let found = fold::<Moments<2>, false>(&[[1.0, 10.0], [2.0, 30.0], [6.0, 50.0]]);
        assert_eq!(found, Moment { count: 6.0, shift: 1.0, first: 93.0, second: 1.0 + 25.0 + 81.0 + 841.0 + 2401.0 });
        let skipped = fold::<Moments<2>, true>(&[[f64::NAN, 10.0], [2.0, f64::NAN], [6.0, 50.0]]);
        assert_eq!(skipped, Moment { count: 4.0, shift: 2.0, first: 60.0, second: 16.0 + 64.0 + 48.0 * 48.0 });
    }

    #[test]
    fn of_equals_the_first_is_found() {
        let data = [[3.0, 3.0], [1.0, 1.0], [1.0, 1.0]];
        assert_eq!(fold::<First<f64, false, 2>, false>(&data).place, 2);
        assert_eq!(fold::<First<f64, true, 2>, false>(&data).place, 0);
        let nans = [[3.0, f64::NAN], [f64::NAN, 1.0], [0.0, 9.0]];
        assert_eq!(fold::<First<f64, false, 2>, false>(&nans).place, 1);
        assert_eq!(fold::<First<f64, false, 2>, true>(&nans).place, 4);
        assert_eq!(fold::<First<f64, true, 2>, true>(&nans).place, 5);
    }

    #[test]
    fn products_do_not_overflow_on_the_way() {
        let half = f64::from_bits((1023 - 1000) << 52);
        let found =
            fold::<Products<2>, false>(&[[1e300, half], [3.0, half], [f64::MAX, f64::from_bits(6)], [half, 1e-300]]);
        // 1e300 and 1e-300, 3 times 6 times 2^1024 times 2^-3000 times 2^-1074.
        assert_eq!(found.exponent, 4 - 3050);
        assert!((found.number[0] - 18.0 / 16.0).abs() < 1e-14, "{found:?}");
        assert!(fold::<Products<2>, false>(&[[0.0, f64::INFINITY], [1.0, 1.0]]).number[0].is_nan());
    }
}
