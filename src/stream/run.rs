//! Runs a pass: workers take tiles, read their slabs, and give the results of a tile when it is complete.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice as Cut};

use crate::dynamic::{Streamed, Values, with_element};
use crate::error::{Error, Result};
use crate::machine::pages;
use crate::plan::state::ReduceState;
use crate::shape;
use crate::source::element::ElementType;
use crate::source::region::Region;
use crate::stream::pass::{Pass, plan_of};
use crate::stream::view::View;

/// How far a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of elements that were read and reduced.
    pub done: u64,
    /// Bytes of elements that the pass reads in all.
    pub total: u64,
}

/// What takes the results of a pass: the request's number, where the part begins among all of its results, and the part
/// for each operation.
pub type Emit<'a> = dyn Fn(usize, &[usize], Vec<Values>) -> Result<()> + Sync + 'a;

/// What the workers of a pass share.
struct Run<'a> {
    pass: &'a Pass,
    /// Slabs of a tile are shared by this many workers.
    segments: usize,
    next: AtomicUsize,
    stop: AtomicBool,
    failed: Mutex<Option<Error>>,
    done: AtomicU64,
    total: u64,
    watch: &'a (dyn Fn(Progress) -> bool + Sync),
    emit: &'a Emit<'a>,
}

impl Pass {
    /// Runs the pass; gives the results of each request, in the order of its operations.
    ///
    /// # Errors
    /// [`Error::Read`] if the source cannot be read, and as [`crate::reduce::ReducePlan::execute`].
    pub fn run(&self) -> Result<Vec<Vec<Values>>> {
        self.run_watched(&|_| true)
    }

    /// Runs the pass, and tells how far it is after every slab, from any of its threads; it ends when `watch` says
    /// `false`.
    ///
    /// # Errors
    /// As [`Pass::run`], and [`Error::Stopped`].
    pub fn run_watched(&self, watch: &(dyn Fn(Progress) -> bool + Sync)) -> Result<Vec<Vec<Values>>> {
        let found: Mutex<Vec<Vec<Values>>> = Mutex::new(vec![Vec::new(); self.views.len()]);
        let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
        self.run_to(watch, &|view, at, part| {
            let shape = self.views[view].results(&self.views[view].shape());
            let mut found = lock();
            let all = &mut found[view];
            if all.is_empty() {
                if part.iter().all(|part| part.shape() == shape) {
                    *all = part;
                    return Ok(());
                }
                *all = part.iter().map(|part| part.zeros_like(&shape)).collect();
            }
            all.iter_mut().zip(&part).try_for_each(|(all, part)| all.place(at, part))
        })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs the pass, and gives the results tile by tile: the request's number, where the part begins among all of its
    /// results, and the part for each operation. It is called from any of the pass's threads.
    ///
    /// # Errors
    /// As [`Pass::run_watched`], and the first error that `emit` gives.
    pub fn run_to(&self, watch: &(dyn Fn(Progress) -> bool + Sync), emit: &Emit<'_>) -> Result<()> {
        let slabs = self.tiling.slabs(&self.tiling.tile(0)).max(1);
        let segments = if self.tiling.tiles() >= 4 * self.workers { 1 } else { slabs.min(4 * self.workers) };
        let run = Run {
            pass: self,
            segments,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            failed: Mutex::new(None),
            done: AtomicU64::new(0),
            total: self.reads(),
            watch,
            emit,
        };
        with_element!(self.source.description().element, all(&run));
        match run.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// What the segments of a tile have found together.
struct Tile<E: Streamed> {
    states: Vec<Option<ReduceState<E>>>,
    missing: usize,
}

/// Runs all workers of a pass.
fn all<E: Streamed>(run: &Run<'_>) {
    let pass = run.pass;
    let tiles: Vec<Mutex<Option<Tile<E>>>> =
        if run.segments > 1 { (0..pass.tiling.tiles()).map(|_| Mutex::new(None)).collect() } else { Vec::new() };
    let worker = || {
        if let Err(error) = work(run, &tiles) {
            run.stop.store(true, Ordering::Relaxed);
            run.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    };
    if pass.workers == 1 {
        worker();
    } else {
        rayon::scope(|scope| (0..pass.workers).for_each(|_| scope.spawn(|_| worker())));
    }
}

/// Takes segments of tiles until none is left.
fn work<E: Streamed>(run: &Run<'_>, tiles: &[Mutex<Option<Tile<E>>>]) -> Result<()> {
    let pass = run.pass;
    let mut memory: Vec<E> = Vec::new();
    loop {
        let item = run.next.fetch_add(1, Ordering::Relaxed);
        let (index, segment) = (item / run.segments, item % run.segments);
        if index >= pass.tiling.tiles() || run.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let tile = pass.tiling.tile(index);
        let slabs = pass.tiling.slabs(&tile);
        let share = |part: usize| part * slabs / run.segments;
        let parts: Vec<_> = pass.views.iter().map(|view| view.within(&tile)).collect();
        let mut states: Vec<Option<ReduceState<E>>> = pass.views.iter().map(|_| None).collect();
        if slabs == 1 && pass.views.iter().all(|view| view.request.weights.is_none()) {
            // The tile is reduced at once.
            let slab = run.read(&tile, &mut memory)?;
            for (at, (view, part)) in pass.views.iter().zip(&parts).enumerate() {
                if part.shape.iter().zip(&view.over).all(|(&len, &over)| over || len > 0) {
                    let plan = plan_of::<E>(view, &part.shape, &pass.device)?;
                    let answers = plan.execute(&elements(view, part, &tile, &slab))?;
                    run.emit(at, view, part, answers.into_iter().map(Values::from).collect())?;
                }
            }
            run.advance(tile.len())?;
            continue;
        }
        for slab in (share(segment)..share(segment + 1)).map(|slab| pass.tiling.slab(&tile, slab)) {
            if run.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if !pass.wanted(&slab) {
                continue;
            }
            let data = run.read(&slab, &mut memory)?;
            for ((view, part), state) in pass.views.iter().zip(&parts).zip(&mut states) {
                let found = view.within(&slab);
                if found.is_empty() {
                    continue;
                }
                let state = match state {
                    Some(state) => state,
                    None => state.insert(plan_of::<E>(view, &part.shape, &pass.device)?.state()?),
                };
                let chunk = elements(view, &found, &slab, &data);
                let at = found.relative_to(&part.start).start;
                match &view.request.weights {
                    Some(weights) => state.update_weighted(&chunk, &weights_of(weights, view, &found)?, &at)?,
                    None => state.update(&chunk, &at)?,
                }
            }
            run.advance(slab.len())?;
        }
        let mut complete = states;
        if run.segments > 1 {
            let mut shared = tiles[index].lock().unwrap_or_else(PoisonError::into_inner);
            let tile = shared.get_or_insert_with(|| Tile { states: vec![], missing: run.segments });
            if tile.states.is_empty() {
                tile.states = complete;
            } else {
                for (all, mine) in tile.states.iter_mut().zip(complete) {
                    match (all.as_mut(), mine) {
                        (Some(all), Some(mine)) => all.merge(&mine)?,
                        (None, mine) => *all = mine,
                        (Some(_), None) => {}
                    }
                }
            }
            tile.missing -= 1;
            if tile.missing > 0 {
                continue;
            }
            complete = shared.take().map_or_else(Vec::new, |tile| tile.states);
        }
        for (at, ((view, part), state)) in pass.views.iter().zip(&parts).zip(complete).enumerate() {
            if part.shape.iter().zip(&view.over).any(|(&len, &over)| !over && len == 0) && pass.tiling.tiles() > 1 {
                continue;
            }
            let state = match state {
                Some(state) => state,
                None => plan_of::<E>(view, &part.shape, &pass.device)?.state()?,
            };
            run.emit(at, view, part, state.finish()?.into_iter().map(Values::from).collect())?;
        }
    }
}

/// The elements of a view that lie in a region of the source, `found` by their indices in the view.
fn elements<'a, E>(view: &View, found: &Region, region: &Region, data: &ArrayViewD<'a, E>) -> ArrayViewD<'a, E> {
    let mut chunk = data.clone();
    for axis in 0..found.shape.len() {
        let steps = view.steps[axis];
        let first = (steps.start + found.start[axis] * steps.step).saturating_sub(region.start[axis]);
        let end = if found.shape[axis] == 0 { first } else { first + (found.shape[axis] - 1) * steps.step + 1 };
        chunk.slice_axis_inplace(Axis(axis), Cut::new(first as isize, Some(end as isize), steps.step as isize));
    }
    chunk
}

/// The weights of a part of a view.
fn weights_of(weights: &ArrayD<f64>, view: &View, found: &Region) -> Result<ArrayD<f64>> {
    let all = view.shape();
    let Some(mut wide) = weights.broadcast(IxDyn(&all)) else {
        return Err(Error::shape(
            "weights",
            format!("a shape that broadcasts to {}", shape::written(&all)),
            shape::written(weights.shape()),
        ));
    };
    for axis in 0..all.len() {
        let range = found.range(axis);
        wide.slice_axis_inplace(Axis(axis), Cut::from(range.start..range.end));
    }
    Ok(wide.to_owned())
}

impl Run<'_> {
    /// Reads a region of the source.
    fn read<'m, E: Streamed>(&self, region: &Region, memory: &'m mut Vec<E>) -> Result<ArrayViewD<'m, E>> {
        let len = region.len();
        if memory.len() < len {
            pages::room("a slab", &[len], size_of::<E>(), "allow less memory for the pass")?;
            memory.resize(len, E::default());
        }
        let data = &mut memory[..len];
        self.pass.source.read(region, bytemuck::cast_slice_mut(data))?;
        ArrayViewD::from_shape(IxDyn(&region.shape), data)
            .map_err(|_| Error::shape("slab", shape::written(&region.shape), len))
    }

    /// Counts elements that are done, and asks whether to go on.
    fn advance(&self, elements: usize) -> Result<()> {
        let bytes = (elements * self.pass.source.description().element.size()) as u64;
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if (self.watch)(Progress { done, total: self.total }) { Ok(()) } else { Err(Error::Stopped) }
    }

    /// Gives the results of a part of a view to the caller.
    fn emit(&self, at: usize, view: &View, part: &Region, mut values: Vec<Values>) -> Result<()> {
        if self.pass.source.description().element == ElementType::Bool {
            for value in &mut values {
                if let Values::Int8(array) = value {
                    *value = Values::Bool(array.mapv(|x| x != 0));
                }
            }
        }
        (self.emit)(at, &view.place(&part.start), values)
    }
}
