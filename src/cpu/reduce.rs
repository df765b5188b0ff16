//! Reductions: blocks of elements are taken into accumulators, and blocks of one result merged.
//!
//! A block is at most [`BLOCK`] elements of a result, cut at places that depend on shape and strides alone: so results
//! are the same bits for any number of threads. Memory decides how it is read. Runs of one result's elements go through
//! [`LANES`] accumulators that are joined at the end; columns, where neighbours belong to neighbouring results, through
//! one accumulator each, some rows at a time; what has no neighbours is fetched into a run first.

use rayon::prelude::*;

use crate::element::Element;
use crate::loops::folds::{Block, Compiled, PanelRows, Panels};
use crate::loops::lanes::LANES;
use crate::machine::parallel;
use crate::reduce::layout::{Inner, Layout};
use crate::reduce::partial::{Join, Pair};
use crate::reduce::partials::Partials;
use crate::reduce::quantity::Needs;
use crate::reduce::request::{Reduced, Reduction};
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::Tally;

/// Elements of a result that share accumulators. Sums of f32 in f64 keep 15 bits to spare over so many.
const BLOCK: usize = 1 << 14;
/// Runs shorter than this are copied one after another: a run ends with a row that is not full.
const SHORT: usize = 16 * LANES;
/// Results of so few elements are copied into columns: one by one they cost 100 ns each.
const TURNED: usize = 64;
/// Elements of a task.
const TASK: usize = 1 << 18;
/// Rows taken into the accumulators of columns at a time: they are loaded and stored once for all of them. So many rows
/// of a large matrix are streams the processor still fetches ahead; with 32 it takes twice as long.
const ROWS: usize = 8;
/// Columns of a task: their accumulators stay in the second-level cache.
const COLUMNS: std::ops::RangeInclusive<usize> = 512..=4096;

/// What is asked of an array, as it lies in memory.
#[derive(Debug, Clone, Copy)]
struct Task<'a, E> {
    layout: &'a Layout<'a, E>,
    /// Weights in the layout's order, where there are any.
    weights: Option<&'a Layout<'a, f64>>,
    needs: Needs,
    skip: bool,
    /// Whether elements can be read as scalars where they lie, if they are such.
    direct: bool,
    /// Whether results are made of so few elements that they are copied into columns.
    turned: bool,
}

/// Reduces an array: `finish` is called with what is known of some results, and what it gives comes in the order of
/// results.
pub(crate) fn run<E: Element, R: Send>(
    asked: &Reduction<'_, E>,
    finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
) -> Reduced<R> {
    let Reduction { view, over, needs, skip, weights } = asked;
    // Scalars must be in memory as such to be read there, and a complex number's parts be skipped together.
    let direct = !(E::PARTS == 2 && *skip);
    let adjacent = weights.is_none();
    let mut layout = Layout::new(view.view(), over, needs.places() || weights.is_some(), adjacent);
    // Columns know no pairs of scalars.
    let columns = adjacent && !(E::PARTS == 2 && needs.of_magnitudes());
    if !columns && matches!(layout.inner, Inner::Columns(_)) {
        layout = layout.scattered();
    }
    let weights = weights.as_ref().map(|weights| Layout::new(weights.view(), over, true, false));
    let turned = columns && !matches!(layout.inner, Inner::Columns(_)) && (1..=TURNED).contains(&layout.elements());
    let task = Task { layout: &layout, weights: weights.as_ref(), needs: *needs, skip: *skip, direct, turned };
    let tiles = task.run(finish);
    Reduced { order: layout.order.clone(), tiles }
}

impl<E: Element> Task<'_, E> {
    fn run<R: Send>(self, finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync) -> Vec<R> {
        let (outputs, elements) = (self.layout.outputs(), self.layout.elements());
        let work = outputs.saturating_mul(elements);
        let blocks = self.blocks();
        // So many results, and so many of their blocks, make a task.
        let wide = match self.layout.inner {
            Inner::Columns(columns) => {
                let share = columns.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(LANES);
                share.clamp(*COLUMNS.start(), *COLUMNS.end())
            }
            _ if self.turned => *COLUMNS.start(),
            _ => (TASK / elements.max(1)).max(1),
        };
        let long = (TASK / BLOCK).max(1).min(blocks.max(1));
        let long = if matches!(self.layout.inner, Inner::Columns(_)) { 1 } else { long };
        let tiles = self.tiles(wide);
        let parts = blocks.div_ceil(long).max(1);
        let part = |index: usize| self.tile(tiles.at(index / parts), (index % parts) * long, long);
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
        let merged = |cells: &[Partials<E::Scalar>]| {
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
    fn tile(&self, tile: Tile, first: usize, count: usize) -> Partials<E::Scalar> {
        let mut cells = Partials::identity(self.needs, tile.len, E::PARTS);
        let range = first..self.blocks().min(first + count);
        if let Inner::Columns(_) = self.layout.inner {
            range.for_each(|block| self.panel(tile, block, &mut cells));
            return cells;
        }
        if self.turned {
            self.turn(tile, &mut cells);
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
                layout.visit(outer, first, count, |x| self.fetch(&[x], &mut scalars));
                if let Some(weights) = self.weights {
                    let mut weight = Vec::with_capacity(count);
                    weights.visit(outer, first, count, |w| weight.push(w));
                    weigh(&scalars, &weight, self.skip, into.output, into.cells);
                }
                self.give(&[&scalars], first, into);
            }
        }
        into.scalars = scalars;
    }

    /// Elements as scalars where they lie.
    fn scalars<'b>(&self, slice: &'b [E]) -> Option<&'b [E::Scalar]> {
        if self.direct { E::scalars(slice) } else { None }
    }

    /// Elements as scalars, copied. With NaNs skipped a complex number with one part NaN is NaN.
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

    fn give(&self, slices: &[&[E::Scalar]], first: usize, into: &mut Into<'_, E::Scalar>) {
        let Into { cells, output, magnitudes, .. } = into;
        let first = first as u64;
        Compiled::block(Block { slices, first, skip: self.skip, magnitudes, output: *output, cells });
    }

    /// One block of rows of a tile of columns.
    fn panel(&self, tile: Tile, block: usize, cells: &mut Partials<E::Scalar>) {
        let steps = block * BLOCK..self.layout.steps().min((block + 1) * BLOCK);
        let mut panel = Panels::new(self.skip);
        let width = (tile.len * E::PARTS).max(LANES);
        let mut copies = Vec::new();
        for group in steps.clone().step_by(ROWS) {
            let count = ROWS.min(steps.end - group);
            let slice = |r: usize| self.layout.slice(tile.outer, group + r, tile.column, tile.len);
            let mut rows: [&[E::Scalar]; ROWS] = [&[]; ROWS];
            let found = rows.iter_mut().zip(0..count).all(|(row, r)| match self.scalars(slice(r)) {
                Some(scalars) if scalars.len() >= LANES => {
                    *row = scalars;
                    true
                }
                _ => false,
            });
            if !found {
                // Of other types, or narrower than a strip: widened, with padding that is ignored.
                copies.clear();
                for r in 0..count {
                    self.fetch(slice(r), &mut copies);
                    copies.resize((r + 1) * width, E::Scalar::default());
                }
                rows.iter_mut().zip(copies.chunks(width)).for_each(|(row, copy)| *row = copy);
            }
            let end = group + count == steps.end;
            Compiled::rows(PanelRows { rows: &rows[..count], first: group as u64, panel: &mut panel, end, cells });
        }
    }

    /// A tile of results of few elements each, as columns.
    fn turn(&self, tile: Tile, cells: &mut Partials<E::Scalar>) {
        let (layout, count) = (self.layout, self.layout.elements());
        let width = (tile.len * E::PARTS).max(LANES);
        let mut columns = vec![E::Scalar::default(); count * width];
        if let Some(all) = layout.together(tile.outer, tile.len).and_then(|all| self.scalars(all)) {
            // Transposed as a whole: found one by one, results of 8 elements cost twice as much each.
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
        Compiled::rows(PanelRows { rows: &rows, first: 0, panel: &mut panel, end: true, cells });
    }
}

/// Where blocks of a result go, and memory for those that are not in one piece.
#[derive(Debug)]
struct Into<'a, S: Scalar> {
    output: usize,
    scalars: Vec<S>,
    magnitudes: Vec<S>,
    cells: &'a mut Partials<S>,
}

/// Weighted sums of elements, scalars of an element one after another.
fn weigh<S: Scalar>(scalars: &[S], weights: &[f64], skip: bool, output: usize, cells: &mut Partials<S>) {
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
