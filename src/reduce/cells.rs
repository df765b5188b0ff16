//! What is known of each result while elements are still coming: one mergeable state a quantity.

use crate::element::Scalar;
use crate::loops::best::Best;
use crate::loops::lanes::{Count, Join, Moment, Pair};
use crate::numeric::scaled::Power;
use crate::numeric::superaccumulator::Window;
use crate::reduce::op::Needs;

/// A sum over blocks that does not depend on their order.
pub(crate) trait Tally: Clone + std::fmt::Debug + Default + Send + Sync {
    /// The sum over one block.
    type Block: Join;
    fn add(&mut self, block: Self::Block);
    fn merge(&mut self, other: &Self);
    /// Divided by a number of elements.
    fn mean(&self, count: u64) -> f64;
    fn write(&self, to: &mut Vec<u8>);
    fn read(from: &mut Bytes<'_>) -> Option<Self>;
}

impl Tally for i128 {
    type Block = i128;
    fn add(&mut self, block: i128) {
        *self = self.wrapping_add(block);
    }
    fn merge(&mut self, other: &i128) {
        self.add(*other);
    }
    fn mean(&self, count: u64) -> f64 {
        if count == 0 {
            return f64::NAN;
        }
        let (whole, rest) = (self / i128::from(count), self % i128::from(count));
        whole as f64 + rest as f64 / count as f64
    }
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }
    fn read(from: &mut Bytes<'_>) -> Option<Self> {
        from.take().map(i128::from_le_bytes)
    }
}

/// A sum of floating-point numbers: the only block's, or an exact one of all blocks'.
#[derive(Debug, Clone, Default)]
pub(crate) struct FloatTally {
    /// The sum of what is not finite: 0, an infinity or NaN.
    special: f64,
    one: Option<Pair>,
    many: Option<Box<Window>>,
}

/// One NaN for all.
fn canonical(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x }
}

impl FloatTally {
    /// The nearest f64.
    pub(crate) fn value(&self) -> f64 {
        let (high, low) = self.pair();
        high + low
    }

    /// As two numbers, the second below the first's precision.
    fn pair(&self) -> (f64, f64) {
        match (&self.one, &self.many) {
            _ if self.special != 0.0 => (self.special, 0.0),
            (Some(pair), _) => (pair.high, pair.low),
            (None, Some(window)) => window.pair(),
            (None, None) => (0.0, 0.0),
        }
    }

    fn window(&mut self) -> &mut Window {
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
            let window = self.window();
            window.add(block.high);
            window.add(block.low);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.special = canonical(self.special + other.special);
        if let Some(pair) = other.one {
            self.add(pair);
        }
        if let Some(window) = &other.many {
            self.window().merge(window);
        }
    }

    fn mean(&self, count: u64) -> f64 {
        let (high, low) = self.pair();
        let count = count as f64;
        let mean = high / count;
        if mean.is_finite() { mean + (mean.mul_add(-count, high) + low) / count } else { mean }
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
        let window = Window::from_bytes(&from.take()?);
        let (one, many) = ((kind & 1 != 0).then_some(pair), (kind & 2 != 0).then(|| Box::new(window)));
        Some(Self { special, one, many })
    }
}

/// Moments over blocks that do not depend on their order: the only block's, or exact sums over all blocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread {
    /// 0, or an infinity or NaN that the variance is.
    special: f64,
    one: Option<Moment>,
    many: Option<Box<Many>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Many {
    count: u64,
    /// `Σ x`.
    sum: Window,
    /// `Σ x²`.
    squares: Window,
}

impl Many {
    fn add(&mut self, Moment { count, shift, first, second }: Moment) {
        self.count += count as u64;
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
        // About a mean that is rounded; what it is off by is exact in the sums, and small.
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

impl Spread {
    pub(crate) fn add(&mut self, block: Moment) {
        if block.count == 0.0 {
            return;
        }
        if !block.second.is_finite() {
            let special = if block.first.is_finite() { f64::INFINITY } else { f64::NAN };
            self.special = canonical(self.special + special);
        } else if self.one.is_none() && self.many.is_none() {
            self.one = Some(block);
        } else {
            self.many().add(block);
        }
    }

    fn many(&mut self) -> &mut Many {
        let many = self.many.get_or_insert_default();
        if let Some(block) = self.one.take() {
            many.add(block);
        }
        many
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.special = canonical(self.special + other.special);
        if let Some(block) = other.one {
            self.add(block);
        }
        if let Some(more) = &other.many {
            let many = self.many();
            many.count += more.count;
            many.sum.merge(&more.sum);
            many.squares.merge(&more.squares);
        }
    }

    /// `Σ (x - mean)²`.
    pub(crate) fn deviation(&self) -> f64 {
        let deviation = match (&self.one, &self.many) {
            _ if self.special != 0.0 => return self.special,
            (Some(Moment { count, first, second, .. }), _) => second - first * (first / count),
            (None, Some(many)) => many.deviation(),
            (None, None) => 0.0,
        };
        deviation.max(0.0)
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
        let (sum, squares) = (Window::from_bytes(&from.take()?), Window::from_bytes(&from.take()?));
        Some(Self {
            special,
            one: (kind & 1 != 0).then_some(Moment { count, shift, first, second }),
            many: (kind & 2 != 0).then(|| Box::new(Many { count: total, sum, squares })),
        })
    }
}

/// What is known of some results: a vector for each quantity that is needed, the others empty. Complex numbers have two sums
/// each, one after another; their extremes are those of their absolute values.
#[derive(Debug, Clone)]
pub(crate) struct Cells<S: Scalar> {
    pub(crate) needs: Needs,
    pub(crate) outputs: usize,
    /// Scalars of an element.
    pub(crate) parts: usize,
    pub(crate) counts: Vec<Count>,
    pub(crate) totals: Vec<S::Tally>,
    pub(crate) moments: Vec<Spread>,
    pub(crate) least: Vec<Option<Best<S, false>>>,
    pub(crate) greatest: Vec<Option<Best<S, true>>>,
    pub(crate) first_least: Vec<Option<Best<S, false>>>,
    pub(crate) first_greatest: Vec<Option<Best<S, true>>>,
    pub(crate) products: Vec<Power>,
    pub(crate) absolutes: Vec<FloatTally>,
    pub(crate) squares: Vec<FloatTally>,
    pub(crate) weighted: Vec<FloatTally>,
    pub(crate) weights: Vec<FloatTally>,
}

/// Takes one more block into an extreme.
pub(crate) fn improve<S: Scalar, const GREATEST: bool>(best: &mut Option<Best<S, GREATEST>>, block: Best<S, GREATEST>) {
    *best = Some(best.map_or(block, |best| best.join(block)));
}

impl<S: Scalar> Cells<S> {
    /// Of no elements.
    pub(crate) fn identity(needs: Needs, outputs: usize, parts: usize) -> Self {
        fn some<T: Clone + Default>(needed: bool, len: usize) -> Vec<T> {
            vec![T::default(); if needed { len } else { 0 }]
        }
        Self {
            needs,
            outputs,
            parts,
            counts: some(true, outputs),
            totals: some(needs.total, outputs * parts),
            moments: some(needs.moments, outputs * parts),
            least: some(needs.least, outputs),
            greatest: some(needs.greatest, outputs),
            first_least: some(needs.first_least, outputs),
            first_greatest: some(needs.first_greatest, outputs),
            products: some(needs.product, outputs),
            absolutes: some(needs.absolute, outputs),
            squares: some(needs.squares, outputs),
            weighted: some(needs.weighted, outputs * parts),
            weights: some(needs.weighted, outputs),
        }
    }

    /// Takes in other elements of the same results.
    pub(crate) fn merge(&mut self, other: &Self) {
        (0..self.outputs).for_each(|output| self.merge_one(output, other, output));
    }

    /// Takes other elements, known of as result `from` there, into result `to`.
    pub(crate) fn merge_one(&mut self, to: usize, other: &Self, from: usize) {
        fn best<S: Scalar, const GREATEST: bool>(
            to: &mut [Option<Best<S, GREATEST>>],
            from: &[Option<Best<S, GREATEST>>],
        ) {
            for (to, from) in to.iter_mut().zip(from) {
                from.iter().for_each(|from| improve(to, *from));
            }
        }
        fn tally<T: Tally>(to: &mut [T], from: &[T]) {
            to.iter_mut().zip(from).for_each(|(to, from)| to.merge(from));
        }
        // What is not needed is empty on both sides.
        fn at<T>(all: &[T], index: usize, parts: usize) -> &[T] {
            all.get(index * parts..(index + 1) * parts).unwrap_or_default()
        }
        fn at_mut<T>(all: &mut [T], index: usize, parts: usize) -> &mut [T] {
            all.get_mut(index * parts..(index + 1) * parts).unwrap_or_default()
        }
        let parts = self.parts;
        self.counts[to] = self.counts[to].join(other.counts[from]);
        tally(at_mut(&mut self.totals, to, parts), at(&other.totals, from, parts));
        let spreads = at_mut(&mut self.moments, to, parts).iter_mut();
        spreads.zip(at(&other.moments, from, parts)).for_each(|(to, from)| to.merge(from));
        best(at_mut(&mut self.least, to, 1), at(&other.least, from, 1));
        best(at_mut(&mut self.greatest, to, 1), at(&other.greatest, from, 1));
        best(at_mut(&mut self.first_least, to, 1), at(&other.first_least, from, 1));
        best(at_mut(&mut self.first_greatest, to, 1), at(&other.first_greatest, from, 1));
        let products = at_mut(&mut self.products, to, 1).iter_mut();
        products.zip(at(&other.products, from, 1)).for_each(|(to, from)| *to = to.join(*from));
        tally(at_mut(&mut self.absolutes, to, 1), at(&other.absolutes, from, 1));
        tally(at_mut(&mut self.squares, to, 1), at(&other.squares, from, 1));
        tally(at_mut(&mut self.weighted, to, parts), at(&other.weighted, from, parts));
        tally(at_mut(&mut self.weights, to, 1), at(&other.weights, from, 1));
    }

    /// Renames the places of elements.
    pub(crate) fn move_places(&mut self, to: impl Fn(u64) -> u64) {
        self.first_least.iter_mut().flatten().for_each(|best| best.place = to(best.place));
        self.first_greatest.iter_mut().flatten().for_each(|best| best.place = to(best.place));
    }

    /// All of it, in little-endian bytes whose number depends on nothing but needs and outputs.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        fn best<S: Scalar, const GREATEST: bool>(all: &[Option<Best<S, GREATEST>>], to: &mut Vec<u8>) {
            for best in all {
                let Best { value, place, skip } =
                    best.unwrap_or(Best { value: S::default(), place: u64::MAX, skip: false });
                to.extend(bytemuck::bytes_of(&value));
                to.extend(place.to_le_bytes());
                to.push(u8::from(best.is_some()) + 2 * u8::from(skip));
            }
        }
        for Count { valid, truths } in &self.counts {
            to.extend(valid.to_le_bytes());
            to.extend(truths.to_le_bytes());
        }
        self.totals.iter().for_each(|tally| tally.write(to));
        self.moments.iter().for_each(|spread| spread.write(to));
        best(&self.least, to);
        best(&self.greatest, to);
        best(&self.first_least, to);
        best(&self.first_greatest, to);
        for Power { number: [re, im], exponent, whole } in &self.products {
            [re, im].iter().for_each(|x| to.extend(x.to_le_bytes()));
            to.extend(exponent.to_le_bytes());
            to.extend(whole.to_le_bytes());
        }
        for tallies in [&self.absolutes, &self.squares, &self.weighted, &self.weights] {
            tallies.iter().for_each(|tally| tally.write(to));
        }
    }

    /// What [`Cells::write`] wrote, or none if there are too few bytes.
    pub(crate) fn read(needs: Needs, outputs: usize, parts: usize, from: &mut Bytes<'_>) -> Option<Self> {
        fn best<S: Scalar, const GREATEST: bool>(
            all: &mut [Option<Best<S, GREATEST>>],
            from: &mut Bytes<'_>,
        ) -> Option<()> {
            for best in all {
                let value = bytemuck::pod_read_unaligned(from.some(size_of::<S>())?);
                let (place, [kind]) = (from.take().map(u64::from_le_bytes)?, from.take()?);
                *best = (kind & 1 != 0).then_some(Best { value, place, skip: kind & 2 != 0 });
            }
            Some(())
        }
        let mut cells = Self::identity(needs, outputs, parts);
        for count in &mut cells.counts {
            *count =
                Count { valid: from.take().map(u64::from_le_bytes)?, truths: from.take().map(u64::from_le_bytes)? };
        }
        for tally in &mut cells.totals {
            *tally = Tally::read(from)?;
        }
        for spread in &mut cells.moments {
            *spread = Spread::read(from)?;
        }
        best(&mut cells.least, from)?;
        best(&mut cells.greatest, from)?;
        best(&mut cells.first_least, from)?;
        best(&mut cells.first_greatest, from)?;
        for power in &mut cells.products {
            *power = Power {
                number: [from.number()?, from.number()?],
                exponent: from.take().map(i64::from_le_bytes)?,
                whole: from.take().map(i64::from_le_bytes)?,
            };
        }
        for tallies in [&mut cells.absolutes, &mut cells.squares, &mut cells.weighted, &mut cells.weights] {
            for tally in tallies {
                *tally = Tally::read(from)?;
            }
        }
        Some(cells)
    }
}

/// Bytes being read.
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
