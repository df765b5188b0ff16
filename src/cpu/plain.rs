//! Reductions on the CPU of which all elements of a result are in one block: results come straight from the
//! accumulators, tile by tile.
//!
//! Results whose elements are rows of a matrix are columns, which are read in place. A result whose elements are one
//! run is read as such. Few columns of many elements are read as combs. Anything else is gathered into columns, tiles
//! of which fit the first-level cache if results have few elements. What depends on partials, as weights do, is in
//! [`crate::cpu::reduce`].

use crate::cpu::reduce::{BLOCK, COLUMNS, NARROW, TASK};
use crate::element::Element;
use crate::loops::lanes::LANES;
use crate::loops::ordered::Own;
use crate::loops::plain::{CompiledPlain, Kind, Plain};
use crate::machine::parallel;
use crate::reduce::best::is_plain_zero;
use crate::reduce::layout::{Inner, Layout};
use crate::reduce::op::Op;
use crate::reduce::plain::{Found, Piece};
use crate::reduce::request::{Answered, Reduction};
use crate::reduce::scalar::Scalar;

/// Runs of at most so many elements are gathered into columns: as runs, results cost 20 ns each.
const SHORT: usize = 48;
/// The most columns that are read as combs, and the fewest elements of a result: joining lanes costs 100 ns a result.
const COMBED: usize = 16;
const LONG: usize = 192;
/// Elements of a tile that is gathered: half of a first-level cache of f32.
const TILE: usize = 4096;
/// Runs that are given to the loops at a time.
const ROWS: usize = 256;
/// The fewest elements of a task.
const LEAST: usize = 1 << 13;

/// How elements are read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// Columns in place, of this many columns at each outer index.
    Columns(usize),
    /// Few columns in place, of this many at each outer index.
    Combs(usize),
    /// Runs in place.
    Runs,
    /// Copied into columns.
    Gathered,
}

/// Reduces an array; `None` if results must be computed from partials.
pub(crate) fn run<E: Element>(asked: &Reduction<'_, E>, ops: &[Op]) -> Option<Answered<E::Scalar>> {
    let Reduction { view, over, needs, skip, weights } = asked;
    if E::PARTS != 1 || weights.is_some() || view.is_empty() {
        return None;
    }
    let layout = Layout::new(view.view(), over, needs.places(), true);
    let (results, elements) = (layout.outputs(), layout.elements());
    // Several operations read a tile one after another, which must be in a cache by then.
    if ops.len() > 1 && elements > SHORT {
        return None;
    }
    let own = ops.iter().all(|&op| E::has(op)) && !(*skip && E::Scalar::FLOAT);
    let in_place = own || E::scalars(&[]).is_some();
    let way = way(&layout, in_place, own)?;
    let mut found = ops.iter().map(|&op| Found::room(op, results)).collect::<Option<Vec<_>>>()?;
    let places = if way == Way::Gathered { layout.places() } else { Vec::new() };
    let task = Task { layout: &layout, way, places: &places, ops, skip: *skip };
    let work = |start: usize, length: usize, pieces: &mut [Piece<'_, E::Scalar>]| {
        let tile = (start, length);
        if own {
            let finish = |rows: &[&[E]], kind, part| task.own(rows, kind, part, pieces);
            task.run(tile, Some(itself), |x| x, finish);
        } else {
            let finish = |rows: &[&[E::Scalar]], kind, part| task.finish(rows, kind, part, pieces);
            task.run(tile, in_place.then_some(E::scalars), |x| x.widen()[0], finish);
        }
    };
    let threads = rayon::current_num_threads();
    if threads == 1 || !parallel::worth_sharing(results * elements) {
        work(0, results, &mut found.iter_mut().map(Found::whole).collect::<Vec<_>>());
        return Some(Answered { order: layout.order, found });
    }
    let lengths = tasks(way, results, elements, threads);
    let mut start = 0;
    let mut tasks = Vec::with_capacity(lengths.len());
    for &length in &lengths {
        tasks.push((start, length, Vec::with_capacity(ops.len())));
        start += length;
    }
    for column in &mut found {
        tasks.iter_mut().zip(column.pieces(&lengths)).for_each(|((.., pieces), piece)| pieces.push(piece));
    }
    parallel::each_chunk(&mut tasks, 1, |_, task| {
        let (start, length, pieces) = &mut task[0];
        work(*start, *length, pieces);
    });
    Some(Answered { order: layout.order, found })
}

/// How elements are read; `None` if a result has more than a block of them, or no way is fast.
fn way<E: Element>(layout: &Layout<'_, E>, in_place: bool, own: bool) -> Option<Way> {
    let elements = layout.elements();
    match layout.inner {
        Inner::Columns(columns) if in_place && (columns >= NARROW || columns >= LANES && layout.outer() == 1) => {
            (elements <= BLOCK).then_some(Way::Columns(columns))
        }
        Inner::Columns(columns)
            if in_place && !own && columns <= COMBED && elements >= LONG && layout.block(0).is_some() =>
        {
            (elements <= BLOCK).then_some(Way::Combs(columns))
        }
        Inner::Columns(_) => (elements <= BLOCK).then_some(Way::Gathered),
        Inner::Run(_) if elements <= SHORT => Some(Way::Gathered),
        Inner::Run(_) if layout.steps() == 1 => (elements <= BLOCK).then_some(Way::Runs),
        _ => (elements <= BLOCK).then_some(Way::Gathered),
    }
}

/// The numbers of results of the tasks.
fn tasks(way: Way, results: usize, elements: usize, threads: usize) -> Vec<usize> {
    let share = (results * elements / (4 * threads)).clamp(LEAST, TASK);
    let pieces = |all: usize, wide: usize| {
        let mut pieces = vec![wide; all / wide];
        match (all % wide, pieces.last_mut()) {
            (0, _) => {}
            // Fewer columns than lanes cannot be read by themselves.
            (rest, Some(last)) if rest < LANES => *last += rest,
            (rest, _) => pieces.push(rest),
        }
        pieces
    };
    match way {
        Way::Columns(columns) if columns * elements > share && columns > *COLUMNS.start() => {
            let wide = columns.div_ceil(4 * threads).next_multiple_of(LANES).clamp(*COLUMNS.start(), *COLUMNS.end());
            pieces(columns, wide).repeat(results / columns)
        }
        Way::Columns(columns) | Way::Combs(columns) => {
            let each = columns * (share / (columns * elements)).max(1);
            let mut all = vec![each; results / each];
            all.extend(Some(results % each).filter(|&rest| rest > 0));
            all
        }
        _ => pieces(results, (share / elements).max(LANES)),
    }
}

/// Elements that are read as they are.
fn itself<E>(slice: &[E]) -> Option<&[E]> {
    Some(slice)
}

/// A view of elements as what the loops read.
type InPlace<E, T> = fn(&[E]) -> Option<&[T]>;

/// What all tasks share.
struct Task<'a, E> {
    layout: &'a Layout<'a, E>,
    way: Way,
    /// Where the elements of a result are, for [`Way::Gathered`].
    places: &'a [isize],
    ops: &'a [Op],
    skip: bool,
}

impl<E: Element> Task<'_, E> {
    /// Computes `count` results from result `first` on: calls `finish` with rows of elements, what they hold,
    /// and the numbers of these results. Elements are converted if they are not read `in_place`.
    fn run<T: Copy + Default>(
        &self,
        (first, count): (usize, usize),
        in_place: Option<InPlace<E, T>>,
        convert: impl Fn(E) -> T,
        mut finish: impl FnMut(&[&[T]], Kind, (usize, usize)),
    ) {
        let layout = self.layout;
        match (self.way, in_place) {
            (Way::Columns(columns), Some(in_place)) => {
                let mut rows = Vec::with_capacity(layout.steps());
                let (mut done, mut column) = (0, first % columns);
                while done < count {
                    let left = (columns - column).min(count - done);
                    // Fewer columns than lanes cannot be read by themselves.
                    let wide = if left < COLUMNS.end() + LANES { left } else { *COLUMNS.end() };
                    let outer = (first + done) / columns;
                    let row = |step| in_place(layout.slice(outer, step, column, wide)).unwrap_or_default();
                    rows.clear();
                    rows.extend((0..layout.steps()).map(row));
                    finish(&rows, Kind::Columns, (done, wide));
                    (done, column) = (done + wide, (column + wide) % columns);
                }
            }
            (Way::Combs(columns), Some(in_place)) => {
                for done in (0..count).step_by(columns) {
                    let block = layout.block((first + done) / columns).and_then(in_place).unwrap_or_default();
                    let rows: Vec<_> = block.chunks(LANES * columns).collect();
                    finish(&rows, Kind::Combs, (done, columns));
                }
            }
            (Way::Runs, Some(in_place)) => {
                let row = |result| in_place(layout.slice(first + result, 0, 0, layout.elements())).unwrap_or_default();
                let mut rows = Vec::with_capacity(count.min(ROWS));
                for done in (0..count).step_by(ROWS) {
                    let some = ROWS.min(count - done);
                    rows.clear();
                    rows.extend((done..done + some).map(row));
                    finish(&rows, Kind::Runs, (done, some));
                }
            }
            (Way::Runs, None) => {
                let len = layout.elements();
                let some = (TILE / len).max(1);
                let mut copies = Vec::with_capacity(some * len);
                for done in (0..count).step_by(some) {
                    let some = some.min(count - done);
                    copies.clear();
                    for result in first + done..first + done + some {
                        copies.extend(layout.slice(result, 0, 0, len).iter().map(|&x| convert(x)));
                    }
                    let rows: Vec<_> = copies.chunks(len).collect();
                    finish(&rows, Kind::Runs, (done, some));
                }
            }
            _ => {
                let elements = self.places.len();
                let wide =
                    (TILE / elements / LANES * LANES).min(count.next_multiple_of(LANES)).clamp(LANES, *COLUMNS.start());
                let mut copies = vec![T::default(); elements * wide];
                for done in (0..count).step_by(wide) {
                    let some = wide.min(count - done);
                    layout.gather((first + done, some), self.places, (&mut copies, wide), &convert);
                    let rows: Vec<_> = copies.chunks(wide).map(|row| &row[..some.max(LANES)]).collect();
                    finish(&rows, Kind::Columns, (done, some));
                }
            }
        }
    }

    /// The results of some rows in the elements' own type, for every operation.
    fn own(&self, rows: &[&[E]], kind: Kind, (start, count): (usize, usize), to: &mut [Piece<'_, E::Scalar>]) {
        for (&op, to) in self.ops.iter().zip(to) {
            E::ordered(Own { rows, kind, op, to: to.part(start, count) });
        }
    }

    /// The results of some rows, for every operation.
    fn finish(
        &self,
        rows: &[&[E::Scalar]],
        kind: Kind,
        (start, count): (usize, usize),
        to: &mut [Piece<'_, E::Scalar>],
    ) {
        for (&op, to) in self.ops.iter().zip(to) {
            let (skip, to) = (self.skip, &mut to.part(start, count));
            CompiledPlain::plain(Plain { rows, kind, op, skip, to: to.part(0, count) });
            // The loops keep the zero that they meet first. With a minus sign it is the result only if all zeros have.
            if let Piece::Element(all) = to
                && all.iter().fold(false, |any, best| any | best.is_minus_zero())
            {
                for (result, best) in all.iter_mut().enumerate().filter(|(_, best)| best.is_minus_zero()) {
                    let plain = match kind {
                        Kind::Columns => rows.iter().any(|row| is_plain_zero(row[result])),
                        Kind::Runs => rows[result].iter().any(|&x| is_plain_zero(x)),
                        Kind::Combs => {
                            rows.iter().any(|row| row[result..].iter().step_by(count).any(|&x| is_plain_zero(x)))
                        }
                    };
                    *best = if plain { E::Scalar::default() } else { *best };
                }
            }
        }
    }
}
