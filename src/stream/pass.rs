//! A pass over a source, planned within a memory budget; `run.rs` runs it.

use std::fmt::Write;
use std::sync::Arc;

use crate::device::Device;
use crate::dynamic::{Streamed, with_element};
use crate::error::{Error, Result};
use crate::machine::pages;
use crate::plan::reduce::ReducePlan;
use crate::shape;
use crate::source::description::Source;
use crate::source::region::Region;
use crate::stream::tiling::Tiling;
use crate::stream::view::{Request, View};

/// An axis of a source that results keep, and which of its indices: `start + step · i` for i below `len`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The axis of the source.
    pub axis: usize,
    /// The first index.
    pub start: usize,
    /// From one index to the next.
    pub step: usize,
    /// The number of indices.
    pub len: usize,
}

/// A planned pass over a source.
#[derive(Debug, Clone)]
pub struct Pass {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) views: Vec<View>,
    pub(crate) device: Device,
    pub(crate) tiling: Tiling,
    pub(crate) workers: usize,
    cost: Cost,
    budget: Option<usize>,
}

/// The parameters of a [`Pass`] to be built.
#[derive(Debug, Clone)]
#[must_use]
pub struct PassBuilder {
    source: Arc<dyn Source>,
    requests: Vec<Request>,
    budget: Option<usize>,
}

/// Bytes that a pass needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    /// All results.
    results: usize,
    /// The slab of a worker, and what the source needs to read it.
    slab: usize,
    /// The states of a worker, and the results of a tile.
    states: usize,
}

impl Cost {
    fn worker(self) -> usize {
        self.slab.saturating_add(self.states)
    }

    fn total(self, workers: usize) -> usize {
        self.results.saturating_add(self.worker().saturating_mul(workers))
    }
}

impl PassBuilder {
    /// Adds a request; its results come at its place.
    pub fn request(mut self, request: Request) -> Self {
        self.requests.push(request);
        self
    }

    /// The most bytes of memory for results, slabs and states [default: half of what is available now]. The process
    /// needs some more for itself, which does not depend on the data.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.budget = Some(bytes);
        self
    }

    /// Checks the requests, and cuts the array so that the budget is kept.
    ///
    /// # Errors
    /// As [`crate::reduce::ReduceBuilder::build`]; [`Error::Parameter`] for slices outside the source;
    /// [`Error::TooLarge`] if the budget is too small, which names the smallest that would do.
    pub fn build(self, device: &Device) -> Result<Pass> {
        let Self { source, requests, budget } = self;
        let about = source.description();
        if requests.is_empty() {
            return Err(Error::parameter("requests", "at least one, given by request()", "none"));
        }
        let views: Vec<_> = requests.iter().map(|request| request.on(about)).collect::<Result<_>>()?;
        for view in &views {
            with_element!(about.element, check(view, device))?;
        }
        let size = about.element.size();
        let budget_or_half = budget.or_else(|| pages::available().map(|bytes| bytes as usize / 2));
        let plan = |most: usize| {
            let tiling = Tiling::new(about, &views, most);
            let cost = with_element!(about.element, cost(&*source, &views, &tiling, device))?;
            Ok::<_, Error>((tiling, cost))
        };
        let limit = budget_or_half.unwrap_or(usize::MAX);
        let threads = rayon::current_num_threads();
        // A smaller slab is the last thing to try, since it changes the last bits of results.
        let (mut tiling, mut cost) = plan(usize::MAX)?;
        let (mut most, mut workers) = (tiling.slab_bytes(size), threads);
        while cost.total(workers) > limit {
            if workers > 1 {
                workers -= 1;
                continue;
            }
            let (smaller, cheaper) = plan(most / 2)?;
            if most <= 1 {
                let needed = format!("{} bytes of memory", cost.total(1));
                let limit = format!("{limit} are allowed; allow at least {}, or ask for fewer results", cost.total(1));
                return Err(Error::TooLarge { what: "the pass", needed, limit });
            }
            (tiling, cost, most) = (smaller, cheaper, most / 2);
        }
        let items = tiling.tiles().saturating_mul(tiling.slabs(&tiling.tile(0)).max(1));
        Ok(Pass { views, device: device.clone(), tiling, workers: workers.min(items), cost, budget, source })
    }
}

/// The plan of a view's part of these extents.
pub(crate) fn plan_of<E: Streamed>(view: &View, extents: &[usize], device: &Device) -> Result<ReducePlan<E>> {
    let Request { ops, keepdims, skip, .. } = &view.request;
    let builder = ReducePlan::<E>::builder(extents).axes(&view.axes()).ops(ops.iter().copied());
    builder.keepdims(*keepdims).skip_nan(*skip).build(device)
}

/// Checks a request against the element type.
fn check<E: Streamed>(view: &View, device: &Device) -> Result<()> {
    let weighed = view.request.ops.iter().find(|op| op.weighs());
    match (weighed, &view.request.weights) {
        (Some(op), None) => Err(Error::parameter("weights", format!("given with the request for {op}"), "none")),
        (None, Some(_)) => {
            Err(Error::parameter("weights", "used by wsum or average; ask for one of them", "weights only"))
        }
        _ => plan_of::<E>(view, &view.shape(), device).map(drop),
    }
}

fn cost<E: Streamed>(source: &dyn Source, views: &[View], tiling: &Tiling, device: &Device) -> Result<Cost> {
    let slab = tiling.slab_bytes(size_of::<E>());
    let one_slab = tiling.slabs(&Region { start: vec![0; tiling.shape.len()], shape: tiling.tile.clone() }) <= 1;
    let mut cost = Cost { results: 0, slab: slab.saturating_add(source.scratch(slab)), states: 0 };
    for view in views {
        let whole = plan_of::<E>(view, &view.shape(), device)?;
        let part: Vec<_> = view
            .steps
            .iter()
            .zip(&tiling.tile)
            .map(|(steps, &tile)| tile.div_ceil(steps.step).min(steps.count))
            .collect();
        let tile = plan_of::<E>(view, &part, device)?;
        cost.results = cost.results.saturating_add(whole.answer_bytes());
        // The results of a tile are computed before they go to their places; a slab's partials are merged into the
        // tile's.
        let states = if one_slab { 0 } else { tile.state_bytes().saturating_mul(2) };
        cost.states = cost.states.saturating_add(states).saturating_add(tile.answer_bytes().saturating_mul(2));
    }
    Ok(cost)
}

impl Pass {
    /// Starts a pass over a source.
    pub fn builder(source: Arc<dyn Source>) -> PassBuilder {
        PassBuilder { source, requests: Vec::new(), budget: None }
    }

    /// Bytes of elements that the pass reads.
    #[must_use]
    pub fn reads(&self) -> u64 {
        let size = self.source.description().element.size() as u64;
        let slabs = (0..self.tiling.tiles()).flat_map(|tile| {
            let tile = self.tiling.tile(tile);
            (0..self.tiling.slabs(&tile)).map(move |slab| self.tiling.slab(&tile, slab)).collect::<Vec<_>>()
        });
        slabs.filter(|slab| self.wanted(slab)).map(|slab| slab.len() as u64 * size).sum()
    }

    /// The most bytes that results, slabs and states take at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.cost.total(self.workers)
    }

    /// The axes that the results of a request keep, in their order; a reduced axis that stays has no indices here.
    #[must_use]
    pub fn kept(&self, request: usize) -> Vec<Kept> {
        let view = &self.views[request];
        let kept = |&axis: &usize| !view.over[axis] || view.request.keepdims;
        let of = |axis: usize| {
            let steps = view.steps[axis];
            let len = if view.over[axis] { 0 } else { steps.count };
            Kept { axis, start: steps.start, step: steps.step, len }
        };
        (0..view.over.len()).filter(kept).map(of).collect()
    }

    /// Whether any request needs elements of this slab.
    pub(crate) fn wanted(&self, slab: &Region) -> bool {
        self.views.iter().any(|view| !view.within(slab).is_empty())
    }

    /// The pass in words: what it computes, what it reads, how the array is cut, and the memory it takes.
    #[must_use]
    pub fn describe(&self) -> String {
        let about = self.source.description();
        let mut text =
            format!("{}: {} of {}, {}\n", about.name, shape::written(&about.shape), about.element, about.format);
        for view in &self.views {
            let ops: Vec<_> = view.request.ops.iter().map(ToString::to_string).collect();
            let axes: Vec<_> = view.axes().into_iter().map(|axis| about.axis_name(axis)).collect();
            let part: Vec<_> = view.steps.iter().map(|steps| steps.count).collect();
            let results = view.results(&view.shape());
            let results = if results.is_empty() { "one number".into() } else { shape::written(&results) };
            let _ = writeln!(
                text,
                "  {} over {} of {}, to {results}",
                ops.join(", "),
                axes.join(", "),
                shape::written(&part)
            );
        }
        let (read, all) = (self.reads(), about.bytes() as u64);
        let slabs = self.tiling.slabs(&self.tiling.tile(0));
        let _ = writeln!(
            text,
            "one pass: reads {} of {} of elements, in {} tiles of results, each of {slabs} slabs of {} ({}), chunks of {}",
            bytes(read),
            bytes(all),
            self.tiling.tiles(),
            shape::written(&self.tiling.slab),
            bytes(self.tiling.slab_bytes(about.element.size()) as u64),
            shape::written(&about.chunks),
        );
        let used: u64 =
            self.views.iter().map(|view| view.shape().iter().map(|&n| n as u64).product::<u64>()).max().unwrap_or(0)
                * about.element.size() as u64;
        if used < read / 2 {
            let _ = writeln!(
                text,
                "the chunks do not suit this: {} of what is read are used. Chunks that are shorter along the sliced axes \
                 would be read alone; making them reads and writes {} once",
                bytes(used),
                bytes(all),
            );
        }
        let chunk = about.chunks.iter().product::<usize>() * about.element.size();
        if chunk < 1 << 14 && all > 1 << 26 {
            let _ = writeln!(
                text,
                "the chunks have {} each: opening them takes longer than reading; chunks of 1 MB or more suit better",
                bytes(chunk as u64)
            );
        }
        let budget = self
            .budget
            .map_or_else(|| "no budget was given".into(), |budget| format!("the budget is {}", bytes(budget as u64)));
        let _ = write!(
            text,
            "memory: at most {}: results {}, and for each of {} threads a slab with {} and states with {}; {budget}",
            bytes(self.peak() as u64),
            bytes(self.cost.results as u64),
            self.workers,
            bytes(self.cost.slab as u64),
            bytes(self.cost.states as u64),
        );
        text
    }
}

/// Bytes with a unit.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let number = bytes as f64;
    units.iter().find(|(unit, _)| number >= *unit).map_or_else(
        || format!("{bytes} bytes"),
        |(unit, name)| format!("{} {name}", shape::significant(number / unit, 3)),
    )
}
