//! The reduction of blocks of elements to partials: every needed quantity, over a run of one output's elements or over
//! rows whose columns are outputs.
//!
//! This is compiled once for each scalar type, by [`crate::machine::simd`] for the processor's instructions.

use std::ops::Range;

use crate::loops::best::{Extreme, First, find};
use crate::loops::lanes::{Absolute, Accumulate, Counted, Counts, Fold, LANES, Moments, Rows, Squares, Strip, median};
use crate::loops::products::Products;
use crate::machine::simd::{self, Vectorised};
use crate::numeric::scaled::ScaledProduct;
use crate::reduce::best::{Best, improve, is_plain_zero, settle};
use crate::reduce::partial::{Count, Join, Moment};
use crate::reduce::partials::Partials;
use crate::reduce::quantity::Quantity;
use crate::reduce::tally::Tally;

/// Rows that are added to the accumulators of columns at a time, for one load and store of the accumulators. So many
/// rows of a large matrix are streams that the processor still prefetches; with 32 rows it takes twice as long.
pub(crate) const ROWS: usize = 8;

/// The large inner loops, compiled once for each scalar type, in this crate.
pub(crate) trait Compiled: Accumulate {
    fn block(block: Block<'_, Self>);
    fn rows(rows: PanelRows<'_, Self>);
}

/// Implements [`Compiled`] for each scalar. A generic implementation would be compiled again in every crate.
macro_rules! compiled {
    ($($type:ty),*) => {$(
        impl Compiled for $type {
            fn block(block: Block<'_, Self>) {
                simd::run(block);
            }
            fn rows(rows: PanelRows<'_, Self>) {
                simd::run(rows);
            }
        }
    )*};
}
compiled!(f32, f64, i32, i64, u64);

/// A block of one output's elements, to be added to the output's partials.
#[derive(Debug)]
pub(crate) struct Block<'a, S: Accumulate> {
    pub(crate) slices: &'a [&'a [S]],
    /// The place of the first element.
    pub(crate) first: u64,
    /// Whether NaNs are skipped.
    pub(crate) skip: bool,
    /// Memory for the absolute values of complex numbers.
    pub(crate) magnitudes: &'a mut Vec<S>,
    /// The output in `partials` to which the elements belong.
    pub(crate) output: usize,
    pub(crate) partials: &'a mut Partials<S>,
}

impl<S: Accumulate> Vectorised for Block<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        if S::FLOAT && self.skip { self.take::<FMA, true>() } else { self.take::<FMA, false>() }
    }
}

impl<S: Accumulate> Block<'_, S> {
    #[inline(always)]
    fn take<const FMA: bool, const SKIP: bool>(self) {
        if S::FLOAT && self.partials.parts == 2 { self.complex::<FMA, SKIP>() } else { self.real::<FMA, SKIP>() }
    }

    #[inline(always)]
    fn real<const FMA: bool, const SKIP: bool>(self) {
        let Self { slices, first, output, partials, .. } = self;
        let mut counted = None;
        for quantity in partials.needs.each() {
            match quantity {
                Quantity::Total | Quantity::Moments | Quantity::Squares => {
                    counted = common::<S, FMA, SKIP, 1>(quantity, slices, output, partials).or(counted);
                }
                Quantity::Least => {
                    let found = fold_slices::<S, Extreme<S, false, LANES>, FMA, SKIP, 1>(slices);
                    found.into_iter().flatten().for_each(|best| improve(&mut partials.least[output], best));
                    settle(&mut partials.least[output], || holds_plain_zero(slices));
                }
                Quantity::Greatest => greatest::<S, FMA, SKIP>(slices, &mut partials.greatest[output]),
                Quantity::FirstLeast => {
                    first_of::<S, FMA, SKIP, false>(slices, first, &mut partials.first_least[output]);
                }
                Quantity::FirstGreatest => {
                    first_of::<S, FMA, SKIP, true>(slices, first, &mut partials.first_greatest[output]);
                }
                Quantity::Product => {
                    let [found] = fold_slices::<S, Products<false, LANES>, FMA, SKIP, 1>(slices);
                    found
                        .into_iter()
                        .for_each(|block| partials.products[output] = partials.products[output].join(block));
                }
                Quantity::Absolute => absolute::<S, FMA, SKIP>(slices, output, partials),
                // Counts follow below; the caller, which has the weights, computes weighted sums.
                Quantity::Count | Quantity::Truths | Quantity::Weighted => {}
            }
        }
        count::<S, FMA, SKIP>(slices, counted, output, partials);
    }

    #[inline(always)]
    fn complex<const FMA: bool, const SKIP: bool>(self) {
        let Self { slices, magnitudes, output, partials, .. } = self;
        let pairs = || slices.iter().flat_map(|slice| slice.as_chunks::<2>().0);
        magnitudes.clear();
        magnitudes.extend(pairs().map(|&[re, im]| S::magnitude(re, im)));
        let sizes: &[&[S]] = &[magnitudes];
        let mut counted = None;
        for quantity in partials.needs.each() {
            match quantity {
                Quantity::Total | Quantity::Moments | Quantity::Squares => {
                    counted = common::<S, FMA, SKIP, 2>(quantity, slices, output, partials).or(counted);
                }
                Quantity::Greatest => greatest::<S, FMA, SKIP>(sizes, &mut partials.greatest[output]),
                Quantity::Product => {
                    for &[re, im] in pairs() {
                        if !(SKIP && re.is_nan()) {
                            let factor = ScaledProduct::of([re.lift(), im.lift()]);
                            partials.products[output] = partials.products[output].join(factor);
                        }
                    }
                }
                Quantity::Absolute => absolute::<S, FMA, SKIP>(sizes, output, partials),
                // Complex numbers have no order, and their infinity norm needs only the greatest absolute value.
                Quantity::Least | Quantity::FirstLeast | Quantity::FirstGreatest => {}
                Quantity::Count | Quantity::Truths | Quantity::Weighted => {}
            }
        }
        count::<S, FMA, SKIP>(sizes, counted, output, partials);
    }
}

/// Sums of the elements that are not NaN, and their number.
pub(super) type CountedSums<S, const W: usize> = Counted<<S as Accumulate>::Sums<true, W>, Counts<S, false, W>>;

/// Computes a quantity that real and complex numbers share, for each part by itself. With `SKIP` it also returns the
/// number of elements if a sum counts them anyway; then either both parts of a complex number are NaN or none.
#[inline(always)]
fn common<S: Accumulate, const FMA: bool, const SKIP: bool, const PARTS: usize>(
    quantity: Quantity,
    slices: &[&[S]],
    output: usize,
    partials: &mut Partials<S>,
) -> Option<Count> {
    match quantity {
        Quantity::Total => {
            let tallies = partials.totals[output * PARTS..].iter_mut();
            if SKIP {
                let found = fold_slices::<S, CountedSums<S, LANES>, FMA, true, PARTS>(slices);
                tallies.zip(found).for_each(|(tally, block)| block.into_iter().for_each(|(block, _)| tally.add(block)));
                found[0].map(|(_, count)| count)
            } else {
                let found = fold_slices::<S, S::Sums<false, LANES>, FMA, false, PARTS>(slices);
                tallies.zip(found).for_each(|(tally, block)| block.into_iter().for_each(|block| tally.add(block)));
                None
            }
        }
        Quantity::Moments => {
            let found = fold_slices::<S, Moments<S, LANES>, FMA, SKIP, PARTS>(slices);
            let all = &mut partials.moments[output * PARTS..];
            all.iter_mut().zip(found).for_each(|(all, block)| block.into_iter().for_each(|block| all.add(block)));
            found[0].filter(|_| SKIP).map(|Moment { count, .. }| Count { valid: count as u64, truths: 0 })
        }
        _ => {
            let [found] = fold_slices::<S, Squares<LANES>, FMA, SKIP, 1>(slices);
            found.into_iter().for_each(|block| partials.squares[output].add(block));
            None
        }
    }
}

#[inline(always)]
fn greatest<S: Accumulate, const FMA: bool, const SKIP: bool>(slices: &[&[S]], known: &mut Option<Best<S, true>>) {
    let [found] = fold_slices::<S, Extreme<S, true, LANES>, FMA, SKIP, 1>(slices);
    found.into_iter().for_each(|best| improve(known, best));
    settle(known, || holds_plain_zero(slices));
}

/// Whether a zero without a minus sign is among the elements.
#[cold]
fn holds_plain_zero<S: Accumulate>(slices: &[&[S]]) -> bool {
    slices.iter().any(|slice| slice.iter().any(|&x| is_plain_zero(x)))
}

#[inline(always)]
fn absolute<S: Accumulate, const FMA: bool, const SKIP: bool>(
    slices: &[&[S]],
    output: usize,
    partials: &mut Partials<S>,
) {
    let [found] = fold_slices::<S, Absolute<LANES>, FMA, SKIP, 1>(slices);
    found.into_iter().for_each(|block| partials.absolutes[output].add(block));
}

/// Counts a block's elements, unless another quantity did it on the way.
#[inline(always)]
fn count<S: Accumulate, const FMA: bool, const SKIP: bool>(
    slices: &[&[S]],
    counted: Option<Count>,
    output: usize,
    partials: &mut Partials<S>,
) {
    let needs = partials.needs;
    let count = if needs.has(Quantity::Truths) {
        let [found] = fold_slices::<S, Counts<S, true, LANES>, FMA, SKIP, 1>(slices);
        found.unwrap_or_default()
    } else if let (Some(count), true) = (counted, needs.has(Quantity::Count)) {
        count
    } else if needs.has(Quantity::Count) {
        let [found] = fold_slices::<S, Counts<S, false, LANES>, FMA, SKIP, 1>(slices);
        found.unwrap_or_default()
    } else {
        Count { valid: slices.iter().map(|slice| slice.len() as u64).sum(), truths: 0 }
    };
    partials.counts[output] = partials.counts[output].join(count);
}

/// Updates the first least or greatest element with a block, which is one slice, or none if there are no elements.
///
/// The extreme alone is found, at the speed of memory, and its place is searched only if it replaces the known extreme;
/// the block is in a cache by then.
#[inline(always)]
fn first_of<S: Accumulate, const FMA: bool, const SKIP: bool, const GREATEST: bool>(
    slices: &[&[S]],
    place: u64,
    known: &mut Option<Best<S, GREATEST>>,
) {
    debug_assert!(slices.len() <= 1, "places are counted along one slice");
    let Some(&slice) = slices.first() else { return };
    let [best] = fold_slices::<S, Extreme<S, GREATEST, LANES>, FMA, SKIP, 1>(&[slice]);
    // It is compared as if it were the block's first element: at a later place it could not be better.
    let best = best.map(|best| Best { place, ..best });
    let replaces = |best: &Best<S, GREATEST>| known.is_none_or(|known| known.join(*best).place != known.place);
    if let Some(best) = best.filter(replaces) {
        let index = place_in(slice, best.value);
        *known = Some(Best { value: slice[index], place: place + index as u64, ..best });
    }
}

/// The first place of the slice's extreme.
#[inline(always)]
pub(super) fn place_in<S: Accumulate>(slice: &[S], extreme: S) -> usize {
    find(slice, extreme).expect("an extreme is one of the elements")
}

/// The partial of all slices, for each part of complex numbers by itself: rows of lanes are folded first, then the
/// elements that fill no row.
#[inline(always)]
pub(super) fn fold_slices<S, F, const FMA: bool, const SKIP: bool, const PARTS: usize>(
    slices: &[&[S]],
) -> [Option<F::Block>; PARTS]
where
    S: Accumulate,
    F: Fold<S, SKIP, LANES>,
{
    // What is computed relative to an element is so relative to the first that is not NaN, in every lane.
    let mut elements = slices.iter().flat_map(|slice| slice.as_chunks::<PARTS>().0);
    let Some(&leading) = elements.next() else { return [None; PARTS] };
    let mut leading = if SKIP && leading[0].is_nan() { valid(elements).unwrap_or(leading) } else { leading };
    if F::RELATIVE {
        let ends = slices.first().zip(slices.last());
        let ends = ends.map(|(first, last)| (first.as_chunks::<PARTS>().0, last.as_chunks::<PARTS>().0));
        if let Some((first, &[.., last])) = ends
            && let Some(middle) = first.get(first.len() / 2)
        {
            for part in 0..PARTS {
                leading[part] = median(leading[part], middle[part], last[part]);
            }
        }
    }
    // Accumulators are kept in memory, and in registers while they are fed: the compiler vectorises from the stores, as
    // it does in `columns`. Without them min and argmin of f32 took 3 to 5 times as long.
    let mut kept = F::start(&std::array::from_fn(|lane| leading[lane % PARTS]));
    std::hint::black_box(&mut kept);
    for slice in slices {
        let mut lanes = kept;
        lanes.feed::<FMA>(&slice.as_chunks::<LANES>().0, 0, 0);
        kept = lanes;
    }
    std::hint::black_box(&mut kept);
    slices.iter().for_each(|slice| kept.rest::<FMA>(slice.as_chunks::<LANES>().1));
    kept.joined::<PARTS>().map(Some)
}

/// The first element without NaN.
#[cold]
fn valid<'a, S: Accumulate, const PARTS: usize>(
    mut elements: impl Iterator<Item = &'a [S; PARTS]>,
) -> Option<[S; PARTS]> {
    elements.find(|element| element.iter().all(|x| !x.is_nan())).copied()
}

/// Accumulators of columns, in strips of [`LANES`] columns; the last strip may overlap the one before.
#[derive(Debug)]
pub(crate) struct Panel<S: Accumulate, const SKIP: bool> {
    totals: Vec<S::Sums<false, LANES>>,
    /// Used in place of totals if NaNs are skipped.
    counted: Vec<CountedSums<S, LANES>>,
    moments: Vec<Moments<S, LANES>>,
    least: Vec<Extreme<S, false, LANES>>,
    greatest: Vec<Extreme<S, true, LANES>>,
    first_least: Vec<First<S, false, LANES>>,
    first_greatest: Vec<First<S, true, LANES>>,
    products: Vec<Products<false, LANES>>,
    absolutes: Vec<Absolute<LANES>>,
    squares: Vec<Squares<LANES>>,
    truths: Vec<Counts<S, true, LANES>>,
    counts: Vec<Counts<S, false, LANES>>,
    rows: u64,
}

impl<S: Accumulate, const SKIP: bool> Default for Panel<S, SKIP> {
    fn default() -> Self {
        Self {
            totals: Vec::new(),
            counted: Vec::new(),
            moments: Vec::new(),
            least: Vec::new(),
            greatest: Vec::new(),
            first_least: Vec::new(),
            first_greatest: Vec::new(),
            products: Vec::new(),
            absolutes: Vec::new(),
            squares: Vec::new(),
            truths: Vec::new(),
            counts: Vec::new(),
            rows: 0,
        }
    }
}

/// A panel that skips NaNs, or one that does not.
#[derive(Debug)]
pub(crate) enum Panels<S: Accumulate> {
    Plain(Panel<S, false>),
    Skipping(Panel<S, true>),
}

impl<S: Accumulate> Panels<S> {
    /// The panel of a new block.
    pub(crate) fn new(skip: bool) -> Self {
        if skip && S::FLOAT { Self::Skipping(Panel::default()) } else { Self::Plain(Panel::default()) }
    }
}

/// Some rows of a panel; at the `end` of the block the accumulators are added to the partials of their outputs.
#[derive(Debug)]
pub(crate) struct PanelRows<'a, S: Accumulate> {
    /// Rows of at least [`LANES`] columns; columns beyond the outputs are padding, which is ignored.
    pub(crate) rows: &'a [&'a [S]],
    /// The place of the first row.
    pub(crate) first: u64,
    pub(crate) panel: &'a mut Panels<S>,
    pub(crate) end: bool,
    pub(crate) partials: &'a mut Partials<S>,
}

impl<S: Accumulate> Vectorised for PanelRows<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { rows, first, panel, end, partials } = self;
        match panel {
            Panels::Plain(panel) => panel.take::<FMA>(rows, first, end, partials),
            Panels::Skipping(panel) => panel.take::<FMA>(rows, first, end, partials),
        }
    }
}

impl<S: Accumulate, const SKIP: bool> Panel<S, SKIP> {
    #[inline(always)]
    fn take<const FMA: bool>(&mut self, rows: &[&[S]], first: u64, end: bool, partials: &mut Partials<S>) {
        let panel = self;
        let (needs, parts) = (partials.needs, partials.parts);
        panel.rows += rows.len() as u64;
        let end = end.then_some(partials.outputs * parts);
        let counts = &mut partials.counts;
        let mut count = |column: usize, block: Count| counts[column] = counts[column].join(block);
        // If sums, moments or truths count the elements anyway, there is no pass for the count alone. Complex numbers
        // are not counted here.
        let others = [(Quantity::Truths, true), (Quantity::Total, SKIP), (Quantity::Moments, SKIP)];
        let counting = others.into_iter().find(|&(quantity, counts)| counts && needs.has(quantity));
        let counting = counting.map_or(Quantity::Count, |(quantity, _)| quantity);
        let counted = |by: Quantity| needs.has(Quantity::Count) && counting == by;
        for quantity in needs.each() {
            match quantity {
                Quantity::Count if counting != Quantity::Count => {}
                Quantity::Count => columns::<S, _, FMA, SKIP>(&mut panel.counts, rows, first, end, &mut count),
                Quantity::Truths => columns::<S, _, FMA, SKIP>(&mut panel.truths, rows, first, end, &mut count),
                Quantity::Total if SKIP => {
                    columns::<S, _, FMA, true>(&mut panel.counted, rows, first, end, |column, (block, valid)| {
                        partials.totals[column].add(block);
                        if counted(quantity) {
                            count(column, valid);
                        }
                    });
                }
                Quantity::Total => {
                    let into = &mut partials.totals;
                    columns::<S, _, FMA, false>(&mut panel.totals, rows, first, end, |column, block| {
                        into[column].add(block)
                    });
                }
                Quantity::Moments => {
                    columns::<S, _, FMA, SKIP>(&mut panel.moments, rows, first, end, |column, block| {
                        partials.moments[column].add(block);
                        if counted(quantity) {
                            count(column, Count { valid: block.count as u64, truths: 0 });
                        }
                    });
                }
                Quantity::Least => {
                    let into = &mut partials.least;
                    columns::<S, _, FMA, SKIP>(&mut panel.least, rows, first, end, |column, best| {
                        improve(&mut into[column], best)
                    });
                }
                Quantity::Greatest => {
                    let into = &mut partials.greatest;
                    columns::<S, _, FMA, SKIP>(&mut panel.greatest, rows, first, end, |column, best| {
                        improve(&mut into[column], best)
                    });
                }
                Quantity::FirstLeast => {
                    let into = &mut partials.first_least;
                    columns::<S, _, FMA, SKIP>(&mut panel.first_least, rows, first, end, |column, best| {
                        improve(&mut into[column], best)
                    });
                }
                Quantity::FirstGreatest => {
                    let into = &mut partials.first_greatest;
                    columns::<S, _, FMA, SKIP>(&mut panel.first_greatest, rows, first, end, |column, best| {
                        improve(&mut into[column], best);
                    });
                }
                Quantity::Product => {
                    let into = &mut partials.products;
                    columns::<S, _, FMA, SKIP>(&mut panel.products, rows, first, end, |column, block| {
                        into[column] = into[column].join(block);
                    });
                }
                Quantity::Absolute => {
                    let into = &mut partials.absolutes;
                    columns::<S, _, FMA, SKIP>(&mut panel.absolutes, rows, first, end, |column, block| {
                        into[column].add(block)
                    });
                }
                Quantity::Squares => {
                    let into = &mut partials.squares;
                    columns::<S, _, FMA, SKIP>(&mut panel.squares, rows, first, end, |column, block| {
                        into[column / parts].add(block)
                    });
                }
                // Weighted elements never come as panels.
                Quantity::Weighted => {}
            }
        }
        if end.is_some() && !needs.has(Quantity::Count) && !needs.has(Quantity::Truths) {
            counts.iter_mut().for_each(|count| count.valid += panel.rows);
        }
    }
}

/// Prefetches the columns of some strips later: rows are so many streams, more than the processor follows by itself.
/// Sums of 13 times 3 rows of 95,120 f64 took twice as long without.
#[inline(always)]
fn ahead<S>(rows: &[&[S]], column: usize) {
    const AHEAD: usize = 1024;
    for row in rows {
        let next = row.as_ptr().wrapping_add(column).wrapping_byte_add(AHEAD);
        simd::prefetch_from(next);
        if size_of::<S>() * LANES > 64 {
            simd::prefetch_from(next.wrapping_byte_add(64));
        }
    }
}

/// Feeds rows to the strips of one quantity. At the block's end, with the number of columns in `end`, it calls `give`
/// for each strip with its first column, the columns that were not given with the strip before, and the accumulators.
/// The first row has the place `first`, and each is `step` places after the one before.
#[inline(always)]
pub(super) fn strips<S: Accumulate, F: Fold<S, SKIP, LANES>, const FMA: bool, const SKIP: bool>(
    strips: &mut Vec<F>,
    rows: &[&[S]],
    (first, step): (u64, u64),
    end: Option<usize>,
    mut give: impl FnMut(usize, Range<usize>, &F),
) {
    let width = rows[0].len();
    let start = |strip: usize| (strip * LANES).min(width - LANES);
    let new = |strip| {
        let strip = Strip { rows, column: start(strip) };
        let row = |index| Rows::<S, LANES>::row(&strip, index);
        let mut leading = *row(0);
        if F::RELATIVE {
            let (middle, last) = (row(rows.len() / 2), row(rows.len() - 1));
            for lane in 0..LANES {
                leading[lane] = median(leading[lane], middle[lane], last[lane]);
            }
        }
        F::start(&leading)
    };
    let columns = |index: usize, wanted: usize| index * LANES..wanted.min(start(index) + LANES);
    if let (true, Some(wanted)) = (strips.is_empty(), end) {
        for index in 0..width.div_ceil(LANES) {
            // As in `fold_slices`.
            let mut kept = new(index);
            std::hint::black_box(&mut kept);
            let mut lanes = kept;
            ahead(rows, start(index));
            lanes.feed::<FMA>(&Strip { rows, column: start(index) }, first, step);
            kept = lanes;
            std::hint::black_box(&mut kept);
            give(start(index), columns(index, wanted), &kept);
        }
        return;
    }
    if strips.is_empty() {
        strips.extend((0..width.div_ceil(LANES)).map(new));
    }
    for (index, strip) in strips.iter_mut().enumerate() {
        // A copy stays in registers, while each change behind a reference would have to be stored.
        let mut lanes = *strip;
        ahead(rows, start(index));
        lanes.feed::<FMA>(&Strip { rows, column: start(index) }, first, step);
        *strip = lanes;
        if let Some(wanted) = end {
            give(start(index), columns(index, wanted), strip);
        }
    }
}

/// Feeds rows to the strips of one quantity. At the block's end it calls `give` with each column's partial.
#[inline(always)]
fn columns<S: Accumulate, F: Fold<S, SKIP, LANES>, const FMA: bool, const SKIP: bool>(
    all: &mut Vec<F>,
    rows: &[&[S]],
    first: u64,
    end: Option<usize>,
    mut give: impl FnMut(usize, F::Block),
) {
    strips::<S, F, FMA, SKIP>(all, rows, (first, 1), end, |start, columns, lanes| {
        columns.for_each(|column| give(column, lanes.lane(column - start, 0)));
    });
}
