//! The order of the stages of types 1 and 2, on any backend: `Points -> Bins -> Grid -> Spectrum -> Modes`, and in
//! reverse for type 2.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::backend::Backend;
use crate::backend::gridding::{Design, Grid};
use crate::error::{Error, Result};
use crate::nufft::bins::Bins;
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::{Number, Real};

/// A plan's stages on one backend. Clones share the tables, the memory of grids, and the points until one of them sets
/// its own.
#[derive(Debug)]
pub(crate) struct Stages<T: Real, B: Backend> {
    pub(super) kernels: Arc<Kernels<T, B>>,
    pub(super) points: Option<Arc<B::Points<T>>>,
    watcher: Option<Watcher>,
}

impl<T: Real, B: Backend> Clone for Stages<T, B> {
    fn clone(&self) -> Self {
        Self { kernels: Arc::clone(&self.kernels), points: self.points.clone(), watcher: self.watcher.clone() }
    }
}

/// The part of the stages that does not depend on the points.
#[derive(Debug)]
pub(super) struct Kernels<T: Real, B: Backend> {
    pub(super) backend: B,
    pub(super) prepared: B::Prepared<T>,
    /// The number of transforms executed together.
    pub(super) together: usize,
    /// Grids kept for later executions, as many as were ever in use at the same time: touching fresh pages costs more
    /// than the transform.
    spare: Mutex<Vec<B::Fine<T>>>,
}

impl<T: Real, B: Backend> Kernels<T, B> {
    /// Memory for the grids of transforms executed together, kept from an earlier execution or new.
    pub(super) fn fine(&self) -> Result<B::Fine<T>> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.map_or_else(|| self.backend.blank(&self.prepared, self.together), Ok)
    }

    /// Keeps memory for the next execution.
    pub(super) fn keep(&self, fine: B::Fine<T>) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(fine);
    }
}

/// Which transforms a call computes, and in which direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) count: usize,
    pub(crate) sign: Sign,
}

impl Batch {
    /// The transforms in groups of at most `together`.
    pub(super) fn groups(self, together: usize) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).step_by(together).map(move |first| first..self.count.min(first + together))
    }
}

impl<T: Real, B: Backend> Stages<T, B> {
    pub(crate) fn new(backend: B, design: &Design<'_, T>, batch: usize) -> Result<Self> {
        let prepared = backend.prepare(design)?;
        let together = backend.together(design, batch);
        // Grids are allocated at once, so that those that do not fit are refused when the plan is built; their pages
        // are touched only when they are used.
        let spare = Mutex::new(vec![backend.blank(&prepared, together)?]);
        let kernels = Arc::new(Kernels { backend, prepared, together, spare });
        Ok(Self { kernels, points: None, watcher: None })
    }

    /// Sets the function that is called when a stage of an execution ends.
    pub(crate) fn watch(&mut self, watcher: Watcher) {
        self.watcher = Some(watcher);
    }

    /// The earlier points, whose memory the next ones may reuse; `None` if a clone of the plan shares them.
    pub(crate) fn earlier(&mut self) -> Option<&mut Bins<T>> {
        self.kernels.backend.sorted(Arc::get_mut(self.points.as_mut()?)?)
    }

    /// Hands sorted points to the backend.
    pub(crate) fn place(&mut self, bins: Bins<T>) -> Result<()> {
        self.points = Some(Arc::new(self.kernels.backend.place(&self.kernels.prepared, bins)?));
        Ok(())
    }

    pub(super) fn points(&self, call: &'static str) -> Result<&B::Points<T>> {
        self.points.as_deref().ok_or(Error::Order { call, first: "set_points" })
    }

    /// Type 1 on arrays of the backend. Returns the grids, on which work may still be queued.
    pub(super) fn type1<V: Number<Real = T>>(
        &self,
        mut fine: B::Fine<T>,
        strengths: &B::Input<'_, V>,
        modes: &mut B::Output<'_, Complex<T>>,
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<B::Fine<T>> {
        let (Kernels { backend, prepared, together, .. }, points) = (&*self.kernels, self.points("type1")?);
        for items in batch.groups(*together) {
            let done = items.end;
            let mut grid = backend.timed(timings, Stage::Spread, || {
                let grid = backend.clear::<V>(prepared, fine)?;
                backend.spread(prepared, points, strengths, items.clone(), grid)
            })?;
            self.report(&mut grid.0, timings, Stage::Spread, done, batch)?;
            let mut spectrum = backend.fft(prepared, grid, items.len(), batch.sign, timings)?;
            self.report(&mut spectrum.0, timings, Stage::Fft, done, batch)?;
            backend.timed(timings, Stage::Deconvolve, || {
                backend.deconvolve(prepared, &mut spectrum, modes, items, batch.sign)
            })?;
            self.report(&mut spectrum.0, timings, Stage::Deconvolve, done, batch)?;
            fine = spectrum.0;
        }
        Ok(fine)
    }

    /// Type 2 on arrays of the backend, to complex values or to their real parts. Returns the grids, on which work may
    /// still be queued.
    pub(super) fn type2<V: Number<Real = T>>(
        &self,
        mut fine: B::Fine<T>,
        modes: &B::Input<'_, Complex<T>>,
        values: &mut B::Output<'_, V>,
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<B::Fine<T>> {
        let (Kernels { backend, prepared, together, .. }, points) = (&*self.kernels, self.points("type2")?);
        for items in batch.groups(*together) {
            let done = items.end;
            let mut spectrum = backend.timed(timings, Stage::Deconvolve, || {
                backend.deconvolve_back::<V>(prepared, modes, items.clone(), batch.sign, fine)
            })?;
            self.report(&mut spectrum.0, timings, Stage::Deconvolve, done, batch)?;
            let mut grid = backend.fft_back(prepared, spectrum, items.len(), batch.sign, timings)?;
            self.report(&mut grid.0, timings, Stage::Fft, done, batch)?;
            backend
                .timed(timings, Stage::Interpolate, || backend.interp(prepared, points, &mut grid, values, items))?;
            self.report(&mut grid.0, timings, Stage::Interpolate, done, batch)?;
            fine = grid.0;
        }
        Ok(fine)
    }

    /// Waits for all work queued on these grids, and keeps them for the next execution.
    pub(super) fn end(&self, mut fine: B::Fine<T>, timings: &mut Timings) -> Result<()> {
        self.kernels.backend.finish(&mut fine, timings)?;
        self.kernels.keep(fine);
        Ok(())
    }

    /// Calls the watcher, if there is one, when a stage has ended.
    fn report(
        &self,
        fine: &mut B::Fine<T>,
        timings: &mut Timings,
        stage: Stage,
        done: usize,
        batch: Batch,
    ) -> Result<()> {
        if let Some(Watcher(watch)) = &self.watcher {
            self.kernels.backend.finish(fine, timings)?;
            watch(Progress { stage, done, of: batch.count });
        }
        Ok(())
    }

    /// Executes between arrays of the host. The output is never written before the checks; where the device has memory
    /// of its own, it is written only if the execution succeeds.
    pub(super) fn on_host<I: Number<Real = T>, O: Number<Real = T>>(
        &self,
        input: ArrayView2<'_, I>,
        output: &mut [O],
        timings: &mut Timings,
        run: impl FnOnce(B::Fine<T>, &B::Input<'_, I>, &mut B::Output<'_, O>, &mut Timings) -> Result<B::Fine<T>>,
    ) -> Result<()> {
        let (start, backend) = (Instant::now(), &self.kernels.backend);
        let (input, mut output) =
            timings.time(Stage::Transfers, || Ok::<_, Error>((backend.load(input)?, backend.open(output)?)))?;
        let fine = run(self.kernels.fine()?, &input, &mut output, timings)?;
        self.end(fine, timings)?;
        timings.time(Stage::Transfers, || backend.store(output))?;
        timings.add(Stage::Execute, start.elapsed());
        Ok(())
    }

    /// Zero grids for a batch, to which chunks of points are added.
    pub(crate) fn sums<V: Number<Real = T>>(&self, batch: Batch) -> Result<Sums<T, B, V>> {
        let Kernels { backend, prepared, together, .. } = &*self.kernels;
        // The first group uses grids that the plan keeps.
        let mut grids = vec![backend.clear(prepared, self.kernels.fine()?)?];
        for items in batch.groups(*together).skip(1) {
            grids.push(backend.clear(prepared, backend.blank(prepared, items.len())?)?);
        }
        Ok(grids)
    }

    /// Spreads the points placed last, adding to these grids.
    pub(crate) fn add<V: Number<Real = T>>(
        &self,
        sums: &mut Sums<T, B, V>,
        strengths: ArrayView2<'_, V>,
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<()> {
        let (Kernels { backend, prepared, together, .. }, points) = (&*self.kernels, self.points("add")?);
        let strengths = timings.time(Stage::Transfers, || backend.load(strengths))?;
        let earlier = std::mem::take(sums);
        for (items, grid) in batch.groups(*together).zip(earlier) {
            let mut grid =
                backend.timed(timings, Stage::Spread, || backend.spread(prepared, points, &strengths, items, grid))?;
            backend.finish(&mut grid.0, timings)?;
            sums.push(grid);
        }
        Ok(())
    }

    /// Transforms the grids to the modes of all points added.
    pub(crate) fn modes_of_sums<V: Number<Real = T>>(
        &self,
        sums: Sums<T, B, V>,
        modes: &mut [Complex<T>],
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<()> {
        let Kernels { backend, prepared, together, .. } = &*self.kernels;
        let mut output = timings.time(Stage::Transfers, || backend.open(modes))?;
        for (items, grid) in batch.groups(*together).zip(sums) {
            let (first, count) = (items.start == 0, items.len());
            let mut spectrum = backend.fft(prepared, grid, count, batch.sign, timings)?;
            backend.timed(timings, Stage::Deconvolve, || {
                backend.deconvolve(prepared, &mut spectrum, &mut output, items, batch.sign)
            })?;
            backend.finish(&mut spectrum.0, timings)?;
            // Only the first group's grids can serve later executions: those of other groups may be smaller.
            if first {
                self.kernels.keep(spectrum.0);
            }
        }
        timings.time(Stage::Transfers, || backend.store(output))
    }

    /// Spreading alone: strengths onto grids in C order.
    pub(crate) fn spread<V: Number<Real = T>>(
        &self,
        strengths: ArrayView2<'_, V>,
        grids: &mut [V],
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<()> {
        let start = Instant::now();
        let (Kernels { backend, prepared, together, .. }, points) = (&*self.kernels, self.points("spread")?);
        let size = grids.len() / batch.count;
        let strengths = timings.time(Stage::Transfers, || backend.load(strengths))?;
        for items in batch.groups(*together) {
            let fine = self.kernels.fine()?;
            let mut grid = backend.timed(timings, Stage::Spread, || {
                let grid = backend.clear::<V>(prepared, fine)?;
                backend.spread(prepared, points, &strengths, items.clone(), grid)
            })?;
            backend.finish(&mut grid.0, timings)?;
            timings.time(Stage::Transfers, || {
                backend.read_grid(prepared, &mut grid, &mut grids[items.start * size..items.end * size])
            })?;
            self.kernels.keep(grid.0);
        }
        timings.add(Stage::Execute, start.elapsed());
        Ok(())
    }

    /// Interpolation alone: values from grids in C order.
    pub(crate) fn interpolate<V: Number<Real = T>>(
        &self,
        grids: &[V],
        values: &mut [V],
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<()> {
        let start = Instant::now();
        let (Kernels { backend, prepared, together, .. }, points) = (&*self.kernels, self.points("interpolate")?);
        let size = grids.len() / batch.count;
        let mut output = timings.time(Stage::Transfers, || backend.open(values))?;
        for items in batch.groups(*together) {
            let fine = self.kernels.fine()?;
            let mut grid = timings.time(Stage::Transfers, || {
                backend.write_grid(prepared, &grids[items.start * size..items.end * size], fine)
            })?;
            backend.timed(timings, Stage::Interpolate, || {
                backend.interp(prepared, points, &mut grid, &mut output, items)
            })?;
            backend.finish(&mut grid.0, timings)?;
            self.kernels.keep(grid.0);
        }
        timings.time(Stage::Transfers, || backend.store(output))?;
        timings.add(Stage::Execute, start.elapsed());
        Ok(())
    }
}

/// Grids to which chunks of points are being added, one for each group of a batch.
pub(crate) type Sums<T, B, V> = Vec<Grid<<B as crate::backend::gridding::Gridding>::Fine<T>, V>>;

/// The progress of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The stage that ended.
    pub stage: Stage,
    /// The number of the batch's transforms for which it has ended.
    pub done: usize,
    /// The number of transforms in the batch.
    pub of: usize,
}

/// The caller's function that is called with the progress.
#[derive(Clone)]
pub(crate) struct Watcher(Arc<dyn Fn(Progress) + Send + Sync>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

impl Watcher {
    pub(crate) fn new(watch: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(watch))
    }
}
