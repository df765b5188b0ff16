//! Sums of block sums that do not depend on the order of blocks: exact, and rounded once.

use crate::numeric::superaccumulator::Superaccumulator;
use crate::reduce::partial::{Bytes, Join, Pair, Partial};

/// A sum over blocks that does not depend on the blocks' order.
pub(crate) trait Tally: Partial + std::fmt::Debug + Send + Sync {
    /// The sum over one block.
    type Block: Join;
    fn add(&mut self, block: Self::Block);
    /// The sum divided by a number of elements.
    fn mean(&self, count: u64) -> f64;
    /// The sum of a block, divided by a number of elements.
    fn mean_of(block: Self::Block, count: u64) -> f64;
}

impl Tally for i128 {
    type Block = i128;
    fn add(&mut self, block: i128) {
        *self = self.wrapping_add(block);
    }
    fn mean(&self, count: u64) -> f64 {
        Self::mean_of(*self, count)
    }
    #[inline(always)]
    fn mean_of(sum: i128, count: u64) -> f64 {
        if let Ok(sum) = i64::try_from(sum)
            && sum.unsigned_abs() <= 1 << 53
        {
            return sum as f64 / count as f64;
        }
        if count == 0 {
            return f64::NAN;
        }
        let (whole, rest) = (sum / i128::from(count), sum % i128::from(count));
        whole as f64 + rest as f64 / count as f64
    }
}

impl Partial for i128 {
    fn merge(&mut self, other: &i128) {
        self.add(*other);
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }

    fn read(from: &mut Bytes<'_>) -> Option<Self> {
        from.take().map(i128::from_le_bytes)
    }
}

/// An exact sum of floating-point block sums: the pair of the only block, or a superaccumulator for several.
#[derive(Debug, Clone, Default)]
pub(crate) struct FloatTally {
    /// The sum of block sums that are not finite: 0, an infinity or NaN.
    special: f64,
    one: Option<Pair>,
    many: Option<Box<Superaccumulator>>,
}

/// Replaces all NaNs by the same one.
#[inline(always)]
pub(super) fn canonical(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x }
}

/// Whether a number read from bytes can be a sum's `special` part: 0, an infinity or NaN.
pub(super) fn is_special(x: f64) -> bool {
    x == 0.0 || !x.is_finite()
}

/// A block's sum as two numbers; if it is not finite it is the first.
#[inline(always)]
fn parts_of(Pair { high, low }: Pair) -> (f64, f64) {
    if high.is_finite() && low.is_finite() { (high, low) } else { (canonical(high), 0.0) }
}

/// The nearest f64 to a block's sum.
#[inline(always)]
pub(crate) fn value_of(block: Pair) -> f64 {
    let (high, low) = parts_of(block);
    high + low
}

impl FloatTally {
    /// The nearest f64.
    pub(crate) fn value(&self) -> f64 {
        let (high, low) = self.pair();
        high + low
    }

    /// The sum as two numbers, the second below the first's precision.
    fn pair(&self) -> (f64, f64) {
        match (&self.one, &self.many) {
            _ if self.special != 0.0 => (self.special, 0.0),
            (Some(pair), _) => (pair.high, pair.low),
            (None, Some(exact)) => exact.pair(),
            (None, None) => (0.0, 0.0),
        }
    }

    /// The superaccumulator, which takes over the pair of a single block.
    fn exact(&mut self) -> &mut Superaccumulator {
        let many = self.many.get_or_insert_default();
        if let Some(pair) = self.one.take() {
            many.add(pair.high);
            many.add(pair.low);
        }
        many
    }
}

impl Tally for FloatTally {
    type Block = Pair;

    fn add(&mut self, block: Pair) {
        if !block.high.is_finite() || !block.low.is_finite() {
            self.special = canonical(self.special + block.high);
        } else if self.one.is_none() && self.many.is_none() {
            self.one = Some(block);
        } else {
            let exact = self.exact();
            exact.add(block.high);
            exact.add(block.low);
        }
    }

    fn mean(&self, count: u64) -> f64 {
        divided(self.pair(), count)
    }

    #[inline(always)]
    fn mean_of(block: Pair, count: u64) -> f64 {
        divided(parts_of(block), count)
    }
}

/// `(high + low) / count`, rounded about once.
#[inline(always)]
fn divided((high, low): (f64, f64), count: u64) -> f64 {
    let count = count as f64;
    let mean = high / count;
    if mean.is_finite() { mean + (mean.mul_add(-count, high) + low) / count } else { mean }
}

impl Partial for FloatTally {
    // With what an allocator adds.
    const BOXED: usize = size_of::<Superaccumulator>() + 16;

    fn merge(&mut self, other: &Self) {
        self.special = canonical(self.special + other.special);
        if let Some(pair) = other.one {
            self.add(pair);
        }
        if let Some(exact) = &other.many {
            self.exact().merge(exact);
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.special.to_le_bytes());
        to.push(u8::from(self.one.is_some()) + 2 * u8::from(self.many.is_some()));
        let pair = self.one.unwrap_or_default();
        to.extend(pair.high.to_le_bytes());
        to.extend(pair.low.to_le_bytes());
        self.many.as_deref().copied().unwrap_or_default().to_bytes(to);
    }

    fn read(from: &mut Bytes<'_>) -> Option<Self> {
        let (special, [kind]) = (from.number()?, from.take()?);
        let pair = Pair { high: from.number()?, low: from.number()? };
        let exact = Superaccumulator::from_bytes(&from.take()?)?;
        let valid = is_special(special) && kind < 3 && pair.high.is_finite() && pair.low.is_finite();
        if !valid {
            return None;
        }
        let (one, many) = ((kind & 1 != 0).then_some(pair), (kind & 2 != 0).then(|| Box::new(exact)));
        Some(Self { special, one, many })
    }
}
