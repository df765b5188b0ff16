//! Partial results of reductions: of one block of elements ([`Join`]), and of many ([`Partial`]), which are written as
//! bytes too.

use crate::numeric::scaled::ScaledProduct;
use crate::numeric::sums::two_sum;

/// The partial result of a set of elements, as blocks give it.
pub(crate) trait Join: Copy {
    /// The partial result of two sets together, of which `self` comes first.
    fn join(self, after: Self) -> Self;
}

/// The partial result for one quantity of one output, while elements are still coming.
pub(crate) trait Partial: Clone + Default {
    /// Bytes that it may have elsewhere, after a merge.
    const BOXED: usize = 0;
    /// Adds the partial result of other elements.
    fn merge(&mut self, other: &Self);
    /// Appends the partial as bytes, whose number does not depend on the data.
    fn write(&self, to: &mut Vec<u8>);
    /// Reads what [`Partial::write`] wrote; `None` if the bytes are not a partial.
    fn read(from: &mut Bytes<'_>) -> Option<Self>;
}

/// A sum as two numbers: the rounded sum and its rounding error.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pair {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl Join for Pair {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        let (high, error) = two_sum(self.high, after.high);
        Self { high, low: self.low + after.low + error }
    }
}

impl Join for i128 {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        self.wrapping_add(after)
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
        // Moments of `after` about the shift of `self`.
        let by = after.shift - self.shift;
        let first = after.first + after.count * by;
        let second = after.second + by * (after.first + first);
        Self { count: self.count + after.count, first: self.first + first, second: self.second + second, ..self }
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
        // Saturating, because counts read from bytes may be anything.
        Self { valid: self.valid.saturating_add(after.valid), truths: self.truths.saturating_add(after.truths) }
    }
}

impl<A: Join, B: Join> Join for (A, B) {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        (self.0.join(after.0), self.1.join(after.1))
    }
}

impl Partial for Count {
    fn merge(&mut self, other: &Self) {
        *self = self.join(*other);
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.valid.to_le_bytes());
        to.extend(self.truths.to_le_bytes());
    }

    fn read(from: &mut Bytes<'_>) -> Option<Self> {
        let (valid, truths) = (from.take().map(u64::from_le_bytes)?, from.take().map(u64::from_le_bytes)?);
        (truths <= valid).then_some(Self { valid, truths })
    }
}

impl Join for ScaledProduct {
    #[inline(always)]
    fn join(self, after: Self) -> Self {
        self.times(after)
    }
}

impl Partial for ScaledProduct {
    fn merge(&mut self, other: &Self) {
        *self = self.times(*other);
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.number.iter().for_each(|x| to.extend(x.to_le_bytes()));
        to.extend(self.exponent.to_le_bytes());
        to.extend(self.whole.to_le_bytes());
    }

    fn read(from: &mut Bytes<'_>) -> Option<Self> {
        let number = [from.number()?, from.number()?];
        let (exponent, whole) = (from.take().map(i64::from_le_bytes)?, from.take().map(i64::from_le_bytes)?);
        // A valid product is normalised: its greater part is from 1 to 2, or 0, infinite or NaN.
        let normalised = Self::of(number);
        let same = normalised.exponent == 0 && normalised.number.map(f64::to_bits) == number.map(f64::to_bits);
        same.then_some(Self { number, exponent, whole })
    }
}

/// Bytes that are read from the front; reads give `None` past the end.
#[derive(Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn some(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.some(N).and_then(|bytes| bytes.try_into().ok())
    }

    pub(crate) fn number(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }
}
