//! Reductions on the CPU: an array is cut into blocks, blocks are reduced to partials, and partials of one result are
//! merged. Results of one block are computed without partials where that is possible, by [`crate::cpu::plain`].
//!
//! A block is at most [`BLOCK`] elements of a result. Where blocks begin depends on shape and strides alone, so results
//! are the same bits for any number of threads. How a block is read depends on the memory layout. A run of one result's
//! elements goes through [`LANES`] accumulators that are joined at the end. Columns, where neighbours belong to
//! neighbouring results, have one accumulator each and are read some rows at a time. Scattered elements are copied into
//! a run first.

use crate::element::Element;
use crate::loops::folds::ROWS;
use crate::loops::folds::{Block, Compiled, PanelRows, Panels};
use crate::loops::lanes::LANES;
use crate::machine::parallel;
use crate::reduce::best::{is_plain_zero, settle};
use crate::reduce::layout::{Inner, Layout};
use crate::reduce::partial::{Join, Pair};
use crate::reduce::partials::Partials;
use crate::reduce::quantity::Needs;
use crate::reduce::request::{Reduced, Reduction};
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::Tally;

/// The most elements of a block. Sums of f32 in f64 over so many still have 15 bits to spare.
pub(crate) const BLOCK: usize = 1 << 14;
/// Runs shorter than this are copied into one, because each run ends with a row that is not full.
const SHORT: usize = 16 * LANES;
/// The most elements of results that are transposed, i.e. copied into columns: one by one, results cost 100 ns each.
const TRANSPOSED: usize = 64;
/// Columns fewer than this are gathered from several outer indices: a tile of its own for each of them costs a
/// microsecond (100,000 x 10 x 3 over the middle axis took 20 times as long as NumPy).
pub(crate) const NARROW: usize = 64;
/// Elements of a task.
pub(crate) const TASK: usize = 1 << 18;
/// Columns of a task: their accumulators stay in the second-level cache.
pub(crate) const COLUMNS: std::ops::RangeInclusive<usize> = 512..=4096;

/// The reduction of an array with its memory layout.
#[derive(Debug, Clone, Copy)]
struct Task<'a, E> {
    layout: &'a Layout<'a, E>,
    /// The layout of the weights, with elements in the same order.
    weights: Option<&'a Layout<'a, f64>>,
    needs: Needs,
    skip: bool,
    /// Whether elements may be read as scalars in place, if their memory consists of scalars.
    direct: bool,
    /// Whether results have so few elements that they are transposed: copied into columns.
    transposed: bool,
    /// The number of columns, if they are so few that those of several outer indices are gathered.
    narrow: Option<usize>,
}

/// Reduces an array: calls `finish` with the partials of each tile of results, and returns its values in the order of
/// the results.
pub(crate) fn run<E: Element, R: Send>(
    asked: &Reduction<'_, E>,
    finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
) -> Reduced<R> {
    let Reduction { view, over, needs, skip, weights } = asked;
    // The parts of a complex number must be skipped together, which needs a copy.
    let direct = !(E::PARTS == 2 && *skip);
    let adjacent = weights.is_none();
    let mut layout = Layout::new(view.view(), over, needs.places() || weights.is_some(), adjacent);
    // The accumulators of columns take scalars one by one, and cannot combine the two parts of a complex number.
    let columns = adjacent && !(E::PARTS == 2 && needs.of_magnitudes());
    if !columns && matches!(layout.inner, Inner::Columns(_)) {
        layout = layout.scattered();
    }
    let weights = weights.as_ref().map(|weights| Layout::new(weights.view(), over, true, false));
    let transposed =
        columns && !matches!(layout.inner, Inner::Columns(_)) && (1..=TRANSPOSED).contains(&layout.elements());
    let narrow = match layout.inner {
        Inner::Columns(columns) if (1..NARROW).contains(&columns) && layout.outer() > 1 => Some(columns),
        _ => None,
    };
    let weights = weights.as_ref();
    let task = Task { layout: &layout, weights, needs: *needs, skip: *skip, direct, transposed, narrow };
    let tiles = task.run(finish);
    Reduced { order: layout.order.clone(), tiles }
}

impl<E: Element> Task<'_, E> {
    fn run<R: Send>(self, finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync) -> Vec<R> {
        let (outputs, elements) = (self.layout.outputs(), self.layout.elements());
        let work = outputs.saturating_mul(elements);
        let blocks = self.blocks();
        // A task has `wide` results, and `long` blocks of each.
        let wide = match self.layout.inner {
            Inner::Columns(_) if self.narrow.is_some() => *COLUMNS.start(),
            Inner::Columns(columns) => {
                let share = columns.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(LANES);
                share.clamp(*COLUMNS.start(), *COLUMNS.end())
            }
            _ if self.transposed => *COLUMNS.start(),
            _ => (TASK / elements.max(1)).max(1),
        };
        let long = (TASK / BLOCK).max(1).min(blocks.max(1));
        let long = if matches!(self.layout.inner, Inner::Columns(_)) { 1 } else { long };
        let tiles = self.tiles(wide);
        let parts = blocks.div_ceil(long).max(1);
        let part = |index: usize| self.tile(tiles.at(index / parts), (index % parts) * long, long);
        let share = parallel::worth_sharing(work) && tiles.count * parts > 1;
        if parts == 1 {
            return parallel::collect_if(share, tiles.count, |index| finish(part(index)));
        }
        let found = parallel::collect_if(share, tiles.count * parts, part);
        let merged = |tile: usize| {
            let partials = &found[tile * parts..(tile + 1) * parts];
            let mut all = partials[0].clone();
            partials[1..].iter().for_each(|partials| all.merge(partials));
            finish(all)
        };
        parallel::collect(tiles.count, merged)
    }
}

/// Results that are computed together: `len` columns from `column` on at one outer index, or of several if they are
/// narrow, or without columns `len` outer indices.
#[derive(Debug, Clone, Copy)]
struct Tile {
    outer: usize,
    column: usize,
    len: usize,
}

/// The tiles of an array, in the order of results; each but the last has `wide` results.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    count: usize,
    wide: usize,
    outer: usize,
    columns: Option<usize>,
    /// Results of an outer index of a tile of several.
    each: usize,
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
                Tile { outer, column: 0, len: len * self.each }
            }
        }
    }
}

impl<E: Element> Task<'_, E> {
    fn tiles(&self, wide: usize) -> Tiles {
        let outer = self.layout.outer();
        if let Some(columns) = self.narrow {
            let wide = (wide / columns).max(1);
            return Tiles { count: outer.div_ceil(wide), wide, outer, columns: None, each: columns };
        }
        let columns = match self.layout.inner {
            Inner::Columns(columns) => Some(columns),
            _ => None,
        };
        let count = columns.map_or(outer.div_ceil(wide), |columns| outer * columns.div_ceil(wide));
        Tiles { count, wide, outer, columns, each: 1 }
    }

    /// The number of blocks of each result.
    fn blocks(&self) -> usize {
        let steps = self.layout.steps();
        match self.layout.inner {
            Inner::Run(len) if len >= BLOCK => steps * len.div_ceil(BLOCK),
            Inner::Run(len) => steps.div_ceil((BLOCK / len.max(1)).max(1)),
            _ => steps.div_ceil(BLOCK),
        }
    }

    /// The partials of a tile's results over `count` blocks from `first` on.
    fn tile(&self, tile: Tile, first: usize, count: usize) -> Partials<E::Scalar> {
        let mut partials = Partials::identity(self.needs, tile.len, E::PARTS);
        let range = first..self.blocks().min(first + count);
        if let Inner::Columns(_) = self.layout.inner {
            range.for_each(|block| self.panel(tile, block, &mut partials));
            return partials;
        }
        if self.transposed {
            self.transposed_tile(tile, &mut partials);
            return partials;
        }
        let mut into = Destination { output: 0, scalars: Vec::new(), magnitudes: Vec::new(), partials: &mut partials };
        for output in 0..tile.len {
            into.output = output;
            range.clone().for_each(|block| self.line(tile.outer + output, block, &mut into));
        }
        partials
    }

    /// Reduces one block of one result.
    fn line(&self, outer: usize, block: usize, into: &mut Destination<'_, E::Scalar>) {
        let layout = self.layout;
        let run = |step, skip, len| self.scalars(layout.slice(outer, step, skip, len));
        let mut scalars = std::mem::take(&mut into.scalars);
        scalars.clear();
        match layout.inner {
            Inner::Run(len) if len >= BLOCK => {
                let each = len.div_ceil(BLOCK);
                let (step, skip) = (block / each, block % each * BLOCK);
                let part = layout.slice(outer, step, skip, BLOCK.min(len - skip));
                let slice = self.scalars(part).unwrap_or_else(|| self.fetched(part, &mut scalars));
                self.give(&[slice], step * len + skip, into);
            }
            Inner::Run(len) => {
                let each = (BLOCK / len.max(1)).max(1);
                let steps = block * each..layout.steps().min((block + 1) * each);
                let first = steps.start * len;
                let together = steps.len() > 1 && (len < SHORT || self.needs.places());
                let runs: Option<Vec<_>> =
                    if together { None } else { steps.clone().map(|step| run(step, 0, len)).collect() };
                match runs {
                    Some(runs) => self.give(&runs, first, into),
                    None => {
                        steps.for_each(|step| self.fetch(layout.slice(outer, step, 0, len), &mut scalars));
                        self.give(&[&scalars], first, into);
                    }
                }
            }
            _ => {
                let first = block * BLOCK;
                let count = BLOCK.min(layout.steps() - first);
                scalars.reserve(count * E::PARTS);
                if E::PARTS == 1 {
                    layout.visit(outer, first, count, |x| scalars.push(x.widen()[0]));
                } else {
                    layout.visit(outer, first, count, |x| self.fetch(&[x], &mut scalars));
                }
                if let Some(weights) = self.weights {
                    let mut weight = Vec::with_capacity(count);
                    weights.visit(outer, first, count, |w| weight.push(w));
                    weigh(&scalars, &weight, self.skip, into.output, into.partials);
                }
                self.give(&[&scalars], first, into);
            }
        }
        into.scalars = scalars;
    }

    /// Elements as scalars in place, if they can be read so.
    fn scalars<'b>(&self, slice: &'b [E]) -> Option<&'b [E::Scalar]> {
        if self.direct { E::scalars(slice) } else { None }
    }

    /// Copies elements as scalars. If NaNs are skipped, a complex number with NaN in one part becomes NaN in both.
    fn fetch(&self, slice: &[E], to: &mut Vec<E::Scalar>) {
        if let Some(scalars) = self.scalars(slice) {
            to.extend_from_slice(scalars);
        } else if E::PARTS == 1 {
            to.extend(slice.iter().map(|x| x.widen()[0]));
        } else {
            to.extend(slice.iter().flat_map(|x| {
                let [a, b] = x.widen();
                if a.is_nan() || b.is_nan() { [E::Scalar::nan(); 2] } else { [a, b] }
            }));
        }
    }

    fn fetched<'b>(&self, slice: &[E], to: &'b mut Vec<E::Scalar>) -> &'b [E::Scalar] {
        self.fetch(slice, to);
        to
    }

    fn give(&self, slices: &[&[E::Scalar]], first: usize, into: &mut Destination<'_, E::Scalar>) {
        let Destination { partials, output, magnitudes, .. } = into;
        let first = first as u64;
        Compiled::block(Block { slices, first, skip: self.skip, magnitudes, output: *output, partials });
    }

    /// Reduces one block of rows of a tile of columns.
    fn panel(&self, tile: Tile, block: usize, partials: &mut Partials<E::Scalar>) {
        let steps = block * BLOCK..self.layout.steps().min((block + 1) * BLOCK);
        let mut panel = Panels::new(self.skip);
        let width = (tile.len * E::PARTS).max(LANES);
        let (mut copies, mut gathered) = (Vec::new(), Vec::new());
        for group in steps.clone().step_by(ROWS) {
            let count = ROWS.min(steps.end - group);
            let slice = |r: usize| self.layout.slice(tile.outer, group + r, tile.column, tile.len);
            let mut rows: [&[E::Scalar]; ROWS] = [&[]; ROWS];
            let found = self.narrow.is_none()
                && rows.iter_mut().zip(0..count).all(|(row, r)| match self.scalars(slice(r)) {
                    Some(scalars) if scalars.len() >= LANES => {
                        *row = scalars;
                        true
                    }
                    _ => false,
                });
            if !found {
                // Rows of other types are widened, narrow ones gathered, and rows narrower than a strip padded. Padding
                // is ignored.
                copies.clear();
                for r in 0..count {
                    match self.narrow {
                        Some(columns) => {
                            gathered.clear();
                            self.layout.comb(tile.outer, tile.len / columns, group + r, &mut gathered);
                            self.fetch(&gathered, &mut copies);
                        }
                        None => self.fetch(slice(r), &mut copies),
                    }
                    copies.resize((r + 1) * width, E::Scalar::default());
                }
                rows.iter_mut().zip(copies.chunks(width)).for_each(|(row, copy)| *row = copy);
            }
            let end = group + count == steps.end;
            Compiled::rows(PanelRows { rows: &rows[..count], first: group as u64, panel: &mut panel, end, partials });
        }
        self.settle(partials, |output| {
            steps.clone().any(|step| {
                let (outer, column) = match self.narrow {
                    Some(columns) => (tile.outer + output / columns, output % columns),
                    None => (tile.outer, tile.column + output),
                };
                self.layout.slice(outer, step, column, 1).iter().any(|x| is_plain_zero(x.widen()[0]))
            })
        });
    }

    /// Removes the minus sign of extremes that are 0 where `plain_zero` says that the elements of the block that was
    /// added last hold a zero without one, for each output by its number.
    fn settle(&self, partials: &mut Partials<E::Scalar>, plain_zero: impl Fn(usize) -> bool) {
        for (output, best) in partials.least.iter_mut().enumerate() {
            settle(best, || plain_zero(output));
        }
        for (output, best) in partials.greatest.iter_mut().enumerate() {
            settle(best, || plain_zero(output));
        }
    }

    /// Reduces a tile of results of few elements each, after a transposition that makes them columns.
    fn transposed_tile(&self, tile: Tile, partials: &mut Partials<E::Scalar>) {
        let (layout, count) = (self.layout, self.layout.elements());
        let width = (tile.len * E::PARTS).max(LANES);
        let mut columns = vec![E::Scalar::default(); count * width];
        if let Some(all) = layout.together(tile.outer, tile.len).and_then(|all| self.scalars(all)) {
            // The tile is transposed as a whole: looking results up one by one doubled the time for 8 elements each.
            for (row, to) in columns.chunks_exact_mut(width).enumerate() {
                let from = all[row * E::PARTS..].chunks(count * E::PARTS);
                to.chunks_exact_mut(E::PARTS).zip(from).for_each(|(to, from)| to.copy_from_slice(&from[..E::PARTS]));
            }
        } else {
            let mut scalars = Vec::with_capacity(count * E::PARTS);
            for output in 0..tile.len {
                scalars.clear();
                match layout.inner {
                    Inner::Run(len) => (0..layout.steps())
                        .for_each(|step| self.fetch(layout.slice(tile.outer + output, step, 0, len), &mut scalars)),
                    _ => layout.visit(tile.outer + output, 0, count, |x| self.fetch(&[x], &mut scalars)),
                }
                for (row, parts) in scalars.chunks_exact(E::PARTS).enumerate() {
                    columns[row * width + output * E::PARTS..][..E::PARTS].copy_from_slice(parts);
                }
            }
        }
        let mut panel = Panels::new(self.skip);
        let rows: Vec<&[E::Scalar]> = columns.chunks_exact(width).collect();
        Compiled::rows(PanelRows { rows: &rows, first: 0, panel: &mut panel, end: true, partials });
        self.settle(partials, |output| rows.iter().any(|row| is_plain_zero(row[output * E::PARTS])));
    }
}

/// The output that blocks are added to, and memory for copies of their elements.
#[derive(Debug)]
struct Destination<'a, S: Scalar> {
    output: usize,
    scalars: Vec<S>,
    magnitudes: Vec<S>,
    partials: &'a mut Partials<S>,
}

/// Adds the weighted sums of a block, in which the scalars of an element follow one another.
fn weigh<S: Scalar>(scalars: &[S], weights: &[f64], skip: bool, output: usize, partials: &mut Partials<S>) {
    let parts = partials.parts;
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
    (0..parts).for_each(|part| partials.weighted[output * parts + part].add(sums[part]));
    partials.weights[output].add(total);
}
