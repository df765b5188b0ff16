//! The variance state: moments of blocks, joined exactly, so that variances do not depend on the order of blocks.

use crate::numeric::superaccumulator::Superaccumulator;
use crate::reduce::partial::{Bytes, Moment, Partial};
use crate::reduce::tally::{canonical, is_special};

/// The variance state of some blocks: the moments of the only block, or exact sums over several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variance {
    /// The variance if it is infinite or NaN, else 0.
    special: f64,
    one: Option<Moment>,
    many: Option<Box<Many>>,
}

/// Exact sums over several blocks.
#[derive(Debug, Clone, Copy, Default)]
struct Many {
    count: u64,
    /// `Σ x`.
    sum: Superaccumulator,
    /// `Σ x²`.
    squares: Superaccumulator,
}

impl Many {
    fn add(&mut self, Moment { count, shift, first, second }: Moment) {
        self.count = self.count.saturating_add(count as u64);
        self.sum.add(first);
        self.sum.add_product(shift, count, 1);
        self.squares.add(second);
        self.squares.add_product(2.0 * shift, first, 1);
        self.squares.add_product(shift, shift, count as u32);
    }

    /// `Σ (x - mean)²`.
    fn deviation(&self) -> f64 {
        let count = self.count as f64;
        let mean = self.sum.value() / count;
        // Deviations are from the rounded mean. `high + low` is `Σ (x - mean)`, small and exact, which corrects for the
        // rounding.
        let mut rest = self.sum;
        rest.add_product(-mean, count, 1);
        let (high, low) = rest.pair();
        let mut about = self.squares;
        about.add_product(mean, -mean, self.count as u32);
        about.add_product(mean * 65536.0, -mean * 65536.0, (self.count >> 32) as u32);
        about.add_product(-2.0 * mean, high, 1);
        about.add_product(-2.0 * mean, low, 1);
        about.value() - high * (high / count)
    }
}

impl Variance {
    pub(crate) fn add(&mut self, block: Moment) {
        if block.count == 0.0 {
            return;
        }
        if !block.second.is_finite() {
            self.special = canonical(self.special + block.deviation());
        } else if self.one.is_none() && self.many.is_none() {
            self.one = Some(block);
        } else {
            self.many().add(block);
        }
    }

    /// The exact sums, which take over the moments of a single block.
    fn many(&mut self) -> &mut Many {
        let many = self.many.get_or_insert_default();
        if let Some(block) = self.one.take() {
            many.add(block);
        }
        many
    }

    /// `Σ (x - mean)²`.
    pub(crate) fn deviation(&self) -> f64 {
        let deviation = match (&self.one, &self.many) {
            _ if self.special != 0.0 => return self.special,
            (Some(block), _) => block.deviation(),
            (None, Some(many)) => many.deviation(),
            (None, None) => 0.0,
        };
        deviation.max(0.0)
    }
}

impl Moment {
    /// `Σ (x - mean)²` of the block alone: infinite or NaN if it, or an element, is.
    #[inline(always)]
    pub(crate) fn deviation(self) -> f64 {
        let Self { count, first, second, .. } = self;
        let deviation = second - first * (first / count);
        // Of no elements it is 0, not NaN.
        let deviation = if deviation > 0.0 { deviation } else { 0.0 };
        let special = if first.is_finite() { f64::INFINITY } else { f64::NAN };
        if second.is_finite() { deviation } else { special }
    }
}

/// The variance of `valid` elements with this `Σ (x - mean)²`.
#[inline(always)]
pub(crate) fn variance(deviation: f64, valid: f64, ddof: f64, skip: bool) -> f64 {
    let freedom = valid - ddof;
    if skip && freedom <= 0.0 { f64::NAN } else { deviation / freedom.max(0.0) }
}

impl Partial for Variance {
    // With what an allocator adds.
    const BOXED: usize = size_of::<Many>() + 16;

    fn merge(&mut self, other: &Self) {
        self.special = canonical(self.special + other.special);
        if let Some(block) = other.one {
            self.add(block);
        }
        if let Some(more) = &other.many {
            let many = self.many();
            many.count = many.count.saturating_add(more.count);
            many.sum.merge(&more.sum);
            many.squares.merge(&more.squares);
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.special.to_le_bytes());
        to.push(u8::from(self.one.is_some()) + 2 * u8::from(self.many.is_some()));
        let Moment { count, shift, first, second } = self.one.unwrap_or_default();
        [count, shift, first, second].iter().for_each(|x| to.extend(x.to_le_bytes()));
        let many = self.many.as_deref().copied().unwrap_or_default();
        to.extend(many.count.to_le_bytes());
        many.sum.to_bytes(to);
        many.squares.to_bytes(to);
    }

    fn read(from: &mut Bytes<'_>) -> Option<Self> {
        let (special, [kind]) = (from.number()?, from.take()?);
        let [count, shift, first, second] = [from.number()?, from.number()?, from.number()?, from.number()?];
        let total = from.take().map(u64::from_le_bytes)?;
        let (sum, squares) =
            (Superaccumulator::from_bytes(&from.take()?)?, Superaccumulator::from_bytes(&from.take()?)?);
        let finite = [count, shift, first, second].iter().all(|x| x.is_finite());
        if !(is_special(special) && kind < 3 && finite && count >= 0.0) {
            return None;
        }
        Some(Self {
            special,
            one: (kind & 1 != 0).then_some(Moment { count, shift, first, second }),
            many: (kind & 2 != 0).then(|| Box::new(Many { count: total, sum, squares })),
        })
    }
}
