//! Reductions: blocks of elements are taken into accumulators, and blocks of one result merged.
//!
//! A block is at most [`BLOCK`] elements of a result, cut at places that depend on shape and strides alone: so results are the
//! same bits for any number of threads. Memory decides how it is read. Runs of one result's elements go through [`LANES`]
//! accumulators that are joined at the end; columns, where neighbours belong to neighbouring results, through one accumulator
//! each, some rows at a time; what has no neighbours is fetched into a run first.

use rayon::prelude::*;

use crate::lanes::{
    Absolute, Count, Counts, Extreme, First, Fold, Join, LANES, Moments, Pair, Power, Products, Rows, Squares, Strip,
};
use crate::parallel;
use crate::reduce::cells::{Cells, Tally, improve};
use crate::reduce::element::{Element, Scalar};
use crate::reduce::layout::{Inner, Layout};
use crate::reduce::op::Needs;
use crate::reduce::{Reduced, Reduction};
use crate::simd::{self, Vectorised};

/// Elements of a result that share accumulators. Sums of f32 in f64 keep 15 bits to spare over so many.
const BLOCK: usize = 1 << 14;
/// Runs shorter than this are copied one after another: a run ends with a row that is not full.
const SHORT: usize = 16 * LANES;
/// Elements of a task.
const TASK: usize = 1 << 18;
/// Rows taken into the accumulators of columns at a time: they are loaded and stored once for all of them.
const ROWS: usize = 16;
/// Columns of a task: their accumulators stay in the second-level cache.
const COLUMNS: std::ops::RangeInclusive<usize> = 512..=4096;

/// The large inner loops, compiled once a type in this crate.
pub(crate) trait Compiled: Sized {
    fn block(block: Block<'_, Self>)
    where
        Self: Scalar;
    fn rows(rows: PanelRows<'_, Self>)
    where
        Self: Scalar;
}

/// A implementation for each scalar: generic ones would be compiled again in every crate.
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

/// What is asked of an array, as it lies in memory.
#[derive(Debug, Clone, Copy)]
struct Task<'a, E> {
    layout: &'a Layout<'a, E>,
    /// Weights in the layout's order, where there are any.
    weights: Option<&'a Layout<'a, f64>>,
    needs: Needs,
    skip: bool,
}

/// Reduces an array: `finish` is called with what is known of some results, and what it gives comes in the order of results.
pub(crate) fn run<E: Element, R: Send>(
    asked: &Reduction<'_, E>,
    finish: impl Fn(Cells<E::Scalar>) -> R + Send + Sync,
) -> Reduced<R> {
    let Reduction { view, over, needs, skip, weights } = asked;
    // Scalars must be in memory as such to be read there, and a complex number's parts be skipped together.
    let native = size_of::<E>() == E::PARTS * size_of::<E::Scalar>() && !(E::PARTS == 2 && *skip);
    let adjacent = native && weights.is_none();
    let mut layout = Layout::new(view.view(), over, needs.places() || weights.is_some(), adjacent);
    if E::PARTS == 2 && needs.of_magnitudes() && matches!(layout.inner, Inner::Columns(_)) {
        layout = layout.scattered();
    }
    let weights = weights.as_ref().map(|weights| Layout::new(weights.view(), over, true, false));
    let task = Task { layout: &layout, weights: weights.as_ref(), needs: *needs, skip: *skip };
    let tiles = task.run(finish);
    Reduced { order: layout.order.clone(), tiles }
}

impl<E: Element> Task<'_, E> {
    fn run<R: Send>(self, finish: impl Fn(Cells<E::Scalar>) -> R + Send + Sync) -> Vec<R> {
        let task = self;
        let (outputs, elements) = (task.layout.outputs(), task.layout.elements());
        let work = outputs.saturating_mul(elements);
        let blocks = task.blocks();
        // So many results, and so many of their blocks, make a task.
        let wide = match task.layout.inner {
            Inner::Columns(columns) => {
                let share = columns.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(LANES);
                share.clamp(*COLUMNS.start(), *COLUMNS.end())
            }
            _ => (TASK / elements.max(1)).max(1),
        };
        let long = (TASK / BLOCK).max(1).min(blocks.max(1));
        let long = if matches!(task.layout.inner, Inner::Columns(_)) { 1 } else { long };
        let tiles = task.tiles(wide);
        let parts = blocks.div_ceil(long).max(1);
        let part = |index: usize| task.tile(tiles.at(index / parts), (index % parts) * long, long);
        let share = parallel::worth_sharing(work) && tiles.count * parts > 1;
        if parts == 1 {
            let one = |index| finish(part(index));
            return if share {
                (0..tiles.count).into_par_iter().map(one).collect()
            } else {
                (0..tiles.count).map(one).collect()
            };
        }
        let found: Vec<_> = if share {
            (0..tiles.count * parts).into_par_iter().map(part).collect()
        } else {
            (0..tiles.count * parts).map(part).collect()
        };
        let merged = |cells: &[Cells<E::Scalar>]| {
            let mut all = cells[0].clone();
            cells[1..].iter().for_each(|cells| all.merge(cells));
            finish(all)
        };
        found.par_chunks(parts).map(merged).collect()
    }
}

/// Results that are computed together: `len` of them from `column` on at an outer index, or from an outer index on.
#[derive(Debug, Clone, Copy)]
struct Tile {
    outer: usize,
    column: usize,
    len: usize,
}

/// All tiles, in the order of results.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    count: usize,
    wide: usize,
    outer: usize,
    columns: Option<usize>,
}

impl Tiles {
    fn at(&self, index: usize) -> Tile {
        let tile = |index: usize, all: usize| (index * self.wide, self.wide.min(all - index * self.wide));
        match self.columns {
            Some(columns) => {
                let each = columns.div_ceil(self.wide);
                let (column, len) = tile(index % each, columns);
                Tile { outer: index / each, column, len }
            }
            None => {
                let (outer, len) = tile(index, self.outer);
                Tile { outer, column: 0, len }
            }
        }
    }
}

impl<E: Element> Task<'_, E> {
    fn tiles(&self, wide: usize) -> Tiles {
        let outer = self.layout.outer();
        let columns = match self.layout.inner {
            Inner::Columns(columns) => Some(columns),
            _ => None,
        };
        let count = columns.map_or(outer.div_ceil(wide), |columns| outer * columns.div_ceil(wide));
        Tiles { count, wide, outer, columns }
    }

    /// Blocks of each result.
    fn blocks(&self) -> usize {
        let steps = self.layout.steps();
        match self.layout.inner {
            Inner::Run(len) if len >= BLOCK => steps * len.div_ceil(BLOCK),
            Inner::Run(len) => steps.div_ceil((BLOCK / len.max(1)).max(1)),
            _ => steps.div_ceil(BLOCK),
        }
    }

    /// Some results' blocks from `first` on.
    fn tile(&self, tile: Tile, first: usize, count: usize) -> Cells<E::Scalar> {
        let mut cells = Cells::identity(self.needs, tile.len, E::PARTS);
        let range = first..self.blocks().min(first + count);
        if let Inner::Columns(_) = self.layout.inner {
            range.for_each(|block| self.panel(tile, block, &mut cells));
            return cells;
        }
        let mut into = Into { output: 0, scalars: Vec::new(), magnitudes: Vec::new(), cells: &mut cells };
        for output in 0..tile.len {
            into.output = output;
            range.clone().for_each(|block| self.line(tile.outer + output, block, &mut into));
        }
        cells
    }

    /// One block of one result.
    fn line(&self, outer: usize, block: usize, into: &mut Into<'_, E::Scalar>) {
        let layout = self.layout;
        let run = |step, skip, len| E::scalars(layout.slice(outer, step, skip, len)).expect("runs are of scalars");
        match layout.inner {
            Inner::Run(len) if len >= BLOCK => {
                let each = len.div_ceil(BLOCK);
                let (step, skip) = (block / each, block % each * BLOCK);
                self.give(&[run(step, skip, BLOCK.min(len - skip))], step * len + skip, into);
            }
            Inner::Run(len) => {
                let each = (BLOCK / len.max(1)).max(1);
                let steps = block * each..layout.steps().min((block + 1) * each);
                let first = steps.start * len;
                if steps.len() == 1 {
                    self.give(&[run(steps.start, 0, len)], first, into);
                } else if len < SHORT || self.needs.places() {
                    let mut scalars = std::mem::take(&mut into.scalars);
                    scalars.clear();
                    steps.for_each(|step| scalars.extend_from_slice(run(step, 0, len)));
                    self.give(&[&scalars], first, into);
                    into.scalars = scalars;
                } else {
                    let runs: Vec<_> = steps.map(|step| run(step, 0, len)).collect();
                    self.give(&runs, first, into);
                }
            }
            _ => {
                let first = block * BLOCK;
                let count = BLOCK.min(layout.steps() - first);
                let mut scalars = std::mem::take(&mut into.scalars);
                scalars.clear();
                layout.visit(outer, first, count, |x| {
                    let [a, b] = x.widen();
                    // A complex number with one part NaN is NaN.
                    let nan = self.skip && E::PARTS == 2 && (a.is_nan() || b.is_nan());
                    let parts = if nan { [E::Scalar::nan(); 2] } else { [a, b] };
                    scalars.extend_from_slice(&parts[..E::PARTS]);
                });
                if let Some(weights) = self.weights {
                    let mut weight = Vec::with_capacity(count);
                    weights.visit(outer, first, count, |w| weight.push(w));
                    weigh(&scalars, &weight, self.skip, into.output, into.cells);
                }
                self.give(&[&scalars], first, into);
                into.scalars = scalars;
            }
        }
    }

    fn give(&self, slices: &[&[E::Scalar]], first: usize, into: &mut Into<'_, E::Scalar>) {
        let Into { cells, output, magnitudes, .. } = into;
        let first = first as u64;
        Compiled::block(Block { slices, first, skip: self.skip, magnitudes, output: *output, cells });
    }

    /// One block of rows of a tile of columns.
    fn panel(&self, tile: Tile, block: usize, cells: &mut Cells<E::Scalar>) {
        let steps = block * BLOCK..self.layout.steps().min((block + 1) * BLOCK);
        let skip = self.skip && E::Scalar::FLOAT;
        let mut panel = if skip { Panels::Skipping(Panel::default()) } else { Panels::Plain(Panel::default()) };
        // A tile that is narrower than a strip is widened by what is nobody's.
        let narrow = tile.len * E::PARTS < LANES;
        let mut wide = [[E::Scalar::default(); LANES]; ROWS];
        for group in steps.clone().step_by(ROWS) {
            let count = ROWS.min(steps.end - group);
            let mut rows: [&[E::Scalar]; ROWS] = [&[]; ROWS];
            for (r, row) in rows[..count].iter_mut().enumerate() {
                let slice = self.layout.slice(tile.outer, group + r, tile.column, tile.len);
                *row = E::scalars(slice).expect("columns are of scalars");
                if narrow {
                    wide[r][..row.len()].copy_from_slice(row);
                }
            }
            if narrow {
                rows[..count].iter_mut().zip(&wide).for_each(|(row, wide)| *row = wide);
            }
            let first = group as u64;
            let end = group + count == steps.end;
            Compiled::rows(PanelRows { rows: &rows[..count], first, panel: &mut panel, end, cells });
        }
    }
}

/// Where blocks of a result go, and memory for those that are not in one piece.
#[derive(Debug)]
struct Into<'a, S: Scalar> {
    output: usize,
    scalars: Vec<S>,
    magnitudes: Vec<S>,
    cells: &'a mut Cells<S>,
}

/// Weighted sums of elements, scalars of an element one after another.
fn weigh<S: Scalar>(scalars: &[S], weights: &[f64], skip: bool, output: usize, cells: &mut Cells<S>) {
    let parts = cells.parts;
    let mut sums = [Pair::default(); 2];
    let mut total = Pair::default();
    for (element, &weight) in scalars.chunks_exact(parts).zip(weights) {
        if skip && element[0].is_nan() {
            continue;
        }
        for (sum, x) in sums.iter_mut().zip(element) {
            let product = x.lift() * weight;
            let error = x.lift().mul_add(weight, -product);
            *sum = sum.join(Pair { high: product, low: error });
        }
        total = total.join(Pair { high: weight, low: 0.0 });
    }
    (0..parts).for_each(|part| cells.weighted[output * parts + part].add(sums[part]));
    cells.weights[output].add(total);
}

/// A block of one result's elements.
#[derive(Debug)]
pub(crate) struct Block<'a, S: Scalar> {
    slices: &'a [&'a [S]],
    first: u64,
    skip: bool,
    magnitudes: &'a mut Vec<S>,
    output: usize,
    cells: &'a mut Cells<S>,
}

impl<S: Scalar> Vectorised for Block<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        if S::FLOAT && self.skip { self.take::<true>() } else { self.take::<false>() }
    }
}

impl<S: Scalar> Block<'_, S> {
    #[inline(always)]
    fn take<const SKIP: bool>(self) {
        if S::FLOAT && self.cells.parts == 2 { self.complex::<SKIP>() } else { self.real::<SKIP>() }
    }

    #[inline(always)]
    fn real<const SKIP: bool>(self) {
        let Self { slices, first, output, cells, .. } = self;
        both::<S, SKIP, 1>(slices, output, cells);
        let needs = cells.needs;
        if needs.least {
            let found = line::<S, Extreme<S, false, LANES>, Extreme<S, false, 1>, SKIP, 1>(slices, first);
            found.into_iter().flatten().for_each(|best| improve(&mut cells.least[output], best));
        }
        if needs.greatest {
            let found = line::<S, Extreme<S, true, LANES>, Extreme<S, true, 1>, SKIP, 1>(slices, first);
            found.into_iter().flatten().for_each(|best| improve(&mut cells.greatest[output], best));
        }
        if needs.first_least {
            let found = line::<S, First<S, false, LANES>, First<S, false, 1>, SKIP, 1>(slices, first);
            found.into_iter().flatten().for_each(|best| improve(&mut cells.first_least[output], best));
        }
        if needs.first_greatest {
            let found = line::<S, First<S, true, LANES>, First<S, true, 1>, SKIP, 1>(slices, first);
            found.into_iter().flatten().for_each(|best| improve(&mut cells.first_greatest[output], best));
        }
        if needs.product {
            let found = line::<S, Products<LANES>, Products<1>, SKIP, 1>(slices, first);
            found.into_iter().flatten().for_each(|block| cells.products[output] = cells.products[output].join(block));
        }
        sizes::<S, SKIP>(slices, output, cells);
    }

    #[inline(always)]
    fn complex<const SKIP: bool>(self) {
        let Self { slices, first, magnitudes, output, cells, .. } = self;
        both::<S, SKIP, 2>(slices, output, cells);
        let needs = cells.needs;
        let pairs = || slices.iter().flat_map(|slice| slice.as_chunks::<2>().0);
        if needs.product {
            for &[re, im] in pairs() {
                if !(SKIP && re.is_nan()) {
                    cells.products[output] = cells.products[output].join(Power::of([re.lift(), im.lift()]));
                }
            }
        }
        magnitudes.clear();
        magnitudes.extend(pairs().map(|&[re, im]| S::magnitude(re, im)));
        let slices: &[&[S]] = &[magnitudes];
        if needs.greatest {
            let found = line::<S, Extreme<S, true, LANES>, Extreme<S, true, 1>, SKIP, 1>(slices, first);
            found.into_iter().flatten().for_each(|best| improve(&mut cells.greatest[output], best));
        }
        sizes::<S, SKIP>(slices, output, cells);
    }
}

/// Takes in what real and complex numbers have in common: each part counts by itself.
#[inline(always)]
fn both<S: Scalar, const SKIP: bool, const PARTS: usize>(slices: &[&[S]], output: usize, cells: &mut Cells<S>) {
    if cells.needs.total {
        let found = line::<S, S::Sums<SKIP, LANES>, S::Sums<SKIP, 1>, SKIP, PARTS>(slices, 0);
        let tallies = &mut cells.totals[output * PARTS..];
        tallies.iter_mut().zip(found).for_each(|(tally, block)| block.into_iter().for_each(|block| tally.add(block)));
    }
    if cells.needs.moments {
        let found = line::<S, Moments<LANES>, Moments<1>, SKIP, PARTS>(slices, 0);
        let spreads = &mut cells.moments[output * PARTS..];
        spreads.iter_mut().zip(found).for_each(|(spread, block)| block.into_iter().for_each(|block| spread.add(block)));
    }
    if cells.needs.squares {
        let [found] = line::<S, Squares<LANES>, Squares<1>, SKIP, 1>(slices, 0);
        found.into_iter().for_each(|block| cells.squares[output].add(block));
    }
}

/// Takes in what depends on absolute values alone.
#[inline(always)]
fn sizes<S: Scalar, const SKIP: bool>(slices: &[&[S]], output: usize, cells: &mut Cells<S>) {
    if cells.needs.absolute {
        let [found] = line::<S, Absolute<LANES>, Absolute<1>, SKIP, 1>(slices, 0);
        found.into_iter().for_each(|block| cells.absolutes[output].add(block));
    }
    let count = if cells.needs.count || cells.needs.truths {
        let [found] = line::<S, Counts<LANES>, Counts<1>, SKIP, 1>(slices, 0);
        found.unwrap_or_default()
    } else {
        Count { valid: slices.iter().map(|slice| slice.len() as u64).sum(), truths: 0 }
    };
    cells.counts[output] = cells.counts[output].join(count);
}

/// What all slices come to, joined in their order: rows of lanes first, then the elements that fill no row. For complex numbers
/// each part by itself.
#[inline(always)]
fn line<S, F, G, const SKIP: bool, const PARTS: usize>(slices: &[&[S]], first: u64) -> [Option<F::Block>; PARTS]
where
    S: Scalar,
    F: Fold<S, SKIP, LANES>,
    G: Fold<S, SKIP, 1, Block = F::Block>,
{
    let mut found = [None; PARTS];
    let mut join = |part: usize, block: F::Block| {
        found[part] = Some(found[part].map_or(block, |before: F::Block| before.join(block)));
    };
    let mut lanes: Option<F> = None;
    let mut place = first;
    for slice in slices {
        let (rows, _) = slice.as_chunks::<LANES>();
        if let Some(row) = rows.first() {
            lanes.get_or_insert_with(|| F::start(row)).feed(&rows, place, LANES as u64);
        }
        place += slice.len() as u64;
    }
    if let Some(lanes) = lanes {
        (0..LANES).for_each(|lane| join(lane % PARTS, lanes.lane(lane, lane as u64)));
    }
    place = first;
    for slice in slices {
        let tail = slice.as_chunks::<LANES>().1;
        for part in 0..PARTS.min(tail.len()) {
            let mut column = [[S::default()]; LANES];
            let count = tail.len() / PARTS;
            (0..count).for_each(|index| column[index] = [tail[index * PARTS + part]]);
            let mut one = G::start(&column[0]);
            one.feed(&&column[..count], place + (slice.len() - tail.len()) as u64, 1);
            join(part, one.lane(0, 0));
        }
        place += slice.len() as u64;
    }
    found
}

/// Accumulators of columns, in strips of lanes; the last strip may overlap the one before.
#[derive(Debug)]
struct Panel<S: Scalar, const SKIP: bool> {
    totals: Vec<S::Sums<SKIP, LANES>>,
    moments: Vec<Moments<LANES>>,
    least: Vec<Extreme<S, false, LANES>>,
    greatest: Vec<Extreme<S, true, LANES>>,
    first_least: Vec<First<S, false, LANES>>,
    first_greatest: Vec<First<S, true, LANES>>,
    products: Vec<Products<LANES>>,
    absolutes: Vec<Absolute<LANES>>,
    squares: Vec<Squares<LANES>>,
    counts: Vec<Counts<LANES>>,
    rows: u64,
}

impl<S: Scalar, const SKIP: bool> Default for Panel<S, SKIP> {
    fn default() -> Self {
        Self {
            totals: Vec::new(),
            moments: Vec::new(),
            least: Vec::new(),
            greatest: Vec::new(),
            first_least: Vec::new(),
            first_greatest: Vec::new(),
            products: Vec::new(),
            absolutes: Vec::new(),
            squares: Vec::new(),
            counts: Vec::new(),
            rows: 0,
        }
    }
}

/// Either kind of panel.
#[derive(Debug)]
enum Panels<S: Scalar> {
    Plain(Panel<S, false>),
    Skipping(Panel<S, true>),
}

/// Some rows of a panel; at the `end` of the block its columns go into their cells.
#[derive(Debug)]
pub(crate) struct PanelRows<'a, S: Scalar> {
    rows: &'a [&'a [S]],
    first: u64,
    panel: &'a mut Panels<S>,
    end: bool,
    cells: &'a mut Cells<S>,
}

impl<S: Scalar> Vectorised for PanelRows<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { rows, first, panel, end, cells } = self;
        match panel {
            Panels::Plain(panel) => panel.take(rows, first, end, cells),
            Panels::Skipping(panel) => panel.take(rows, first, end, cells),
        }
    }
}

impl<S: Scalar, const SKIP: bool> Panel<S, SKIP> {
    #[inline(always)]
    fn take(&mut self, rows: &[&[S]], first: u64, end: bool, cells: &mut Cells<S>) {
        let panel = self;
        let (needs, parts) = (cells.needs, cells.parts);
        panel.rows += rows.len() as u64;
        let end = end.then_some(cells.outputs * parts);
        if needs.total {
            columns::<S, _, SKIP>(&mut panel.totals, rows, first, end, |column, block| cells.totals[column].add(block));
        }
        if needs.moments {
            columns::<S, _, SKIP>(&mut panel.moments, rows, first, end, |column, block| {
                cells.moments[column].add(block)
            });
        }
        if needs.least {
            let into = &mut cells.least;
            columns::<S, _, SKIP>(&mut panel.least, rows, first, end, |column, best| improve(&mut into[column], best));
        }
        if needs.greatest {
            let into = &mut cells.greatest;
            columns::<S, _, SKIP>(&mut panel.greatest, rows, first, end, |column, best| {
                improve(&mut into[column], best)
            });
        }
        if needs.first_least {
            let into = &mut cells.first_least;
            columns::<S, _, SKIP>(&mut panel.first_least, rows, first, end, |column, best| {
                improve(&mut into[column], best)
            });
        }
        if needs.first_greatest {
            let into = &mut cells.first_greatest;
            columns::<S, _, SKIP>(&mut panel.first_greatest, rows, first, end, |column, best| {
                improve(&mut into[column], best);
            });
        }
        if needs.product {
            let into = &mut cells.products;
            columns::<S, _, SKIP>(&mut panel.products, rows, first, end, |column, block| {
                into[column] = into[column].join(block);
            });
        }
        if needs.absolute {
            let into = &mut cells.absolutes;
            columns::<S, _, SKIP>(&mut panel.absolutes, rows, first, end, |column, block| into[column].add(block));
        }
        if needs.squares {
            let into = &mut cells.squares;
            columns::<S, _, SKIP>(&mut panel.squares, rows, first, end, |column, block| {
                into[column / parts].add(block)
            });
        }
        let counts = &mut cells.counts;
        if needs.count || needs.truths {
            columns::<S, _, SKIP>(&mut panel.counts, rows, first, end, |column, block| {
                counts[column] = counts[column].join(block);
            });
        } else if end.is_some() {
            counts.iter_mut().for_each(|count| count.valid += panel.rows);
        }
    }
}

/// Feeds rows to the strips of one quantity, and at the end hands over what each of so many columns has come to.
#[inline(always)]
fn columns<S: Scalar, F: Fold<S, SKIP, LANES>, const SKIP: bool>(
    strips: &mut Vec<F>,
    rows: &[&[S]],
    first: u64,
    end: Option<usize>,
    mut give: impl FnMut(usize, F::Block),
) {
    let width = rows[0].len();
    let start = |strip: usize| (strip * LANES).min(width - LANES);
    if strips.is_empty() {
        let strip = |strip| F::start(Rows::<S, LANES>::row(&Strip { rows, column: start(strip) }, 0));
        strips.extend((0..width.div_ceil(LANES)).map(strip));
    }
    for (index, strip) in strips.iter_mut().enumerate() {
        strip.feed(&Strip { rows, column: start(index) }, first, 1);
        if let Some(wanted) = end {
            // Lanes that the strip before has given already are left out.
            let columns = index * LANES..wanted.min(start(index) + LANES);
            columns.for_each(|column| give(column, strip.lane(column - start(index), 0)));
        }
    }
}
