//! The order of the stages, on any backend: `Points -> Bins -> Grid -> Spectrum -> Modes`, and back for type 2.

use std::fmt;
use std::ops::Range;

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::backend::{Backend, Design, Grid};
use crate::cpu::Cpu;
use crate::device::{Device, Engine};
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Gpu, Input, Output};
use crate::nufft::bins::{Bins, Tiling};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::{Number, Real, Values, ValuesMut};

/// A plan's stages on one backend. What it reads and writes are the backend's own arrays, so that a program which keeps its
/// data on the device transfers nothing.
#[derive(Debug)]
pub struct Stages<T: Real, B: Backend> {
    pub(super) backend: B,
    pub(super) prepared: B::Prepared<T>,
    pub(super) points: Option<B::Points<T>>,
    /// Kept from one execution to the next: fresh pages cost more than the transform.
    pub(super) fine: Option<B::Fine<T>>,
    /// Grids to which chunks of points are being added, one for each group of a batch.
    sums: Vec<Grid<B::Fine<T>, Complex<T>>>,
    /// Transforms executed together.
    pub(super) together: usize,
    watcher: Watcher,
}

impl<T: Real, B: Backend> Stages<T, B> {
    pub(crate) fn new(backend: B, design: &Design<'_, T>, batch: usize) -> Result<Self> {
        let prepared = backend.prepare(design)?;
        let together = backend.together(design, batch);
        // At once, so that what does not fit is refused when the plan is built; pages are not touched before they are used.
        let fine = Some(backend.blank(&prepared, together)?);
        Ok(Self { backend, prepared, points: None, fine, sums: Vec::new(), together, watcher: Watcher::default() })
    }

    /// The backend the stages run on.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Memory for grids, which goes back to `fine`.
    pub(super) fn fine(&mut self) -> Result<B::Fine<T>> {
        // A sum that was begun and never finished has the plan's own memory first.
        match self.fine.take().or_else(|| self.sums.drain(..).next().map(|grid| grid.0)) {
            Some(fine) => Ok(fine),
            None => self.backend.blank(&self.prepared, self.together),
        }
    }

    /// Type 1 of `batch` sets of strengths, real or complex, on arrays of the backend.
    ///
    /// # Errors
    /// [`Error::Order`] if no points were set; [`Error::DeviceLost`].
    pub fn type1<V: Number<Real = T>>(
        &mut self,
        strengths: &B::Input<'_, V>,
        modes: &mut B::Output<'_, Complex<T>>,
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        self.start1(strengths, modes, batch, sign, timings)?;
        self.finish(timings)
    }

    /// All that type 1 asks of the device.
    fn start1<V: Number<Real = T>>(
        &mut self,
        strengths: &B::Input<'_, V>,
        modes: &mut B::Output<'_, Complex<T>>,
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        for items in groups(batch, self.together) {
            let blank = self.fine()?;
            let Self { backend, prepared, points, watcher, .. } = self;
            let points = points.as_ref().ok_or(Error::Order { call: "type1", first: "set_points" })?;
            let done = items.end;
            let mut grid = backend.timed(timings, Stage::Spread, || {
                let grid = backend.clear::<V>(prepared, blank)?;
                backend.spread(prepared, points, strengths, items.clone(), grid)
            })?;
            watcher.tell(backend, &mut grid.0, timings, Progress { stage: Stage::Spread, done, of: batch })?;
            let mut spectrum = backend.fft(prepared, grid, items.len(), sign, timings)?;
            watcher.tell(backend, &mut spectrum.0, timings, Progress { stage: Stage::Fft, done, of: batch })?;
            backend.timed(timings, Stage::Deconvolve, || {
                backend.deconvolve(prepared, &mut spectrum, modes, items, sign)
            })?;
            watcher.tell(backend, &mut spectrum.0, timings, Progress { stage: Stage::Deconvolve, done, of: batch })?;
            self.fine = Some(spectrum.0);
        }
        Ok(())
    }

    /// Type 2 of `batch` sets of modes, to complex values or to their real parts, on arrays of the backend.
    ///
    /// # Errors
    /// [`Error::Order`] if no points were set; [`Error::DeviceLost`].
    pub fn type2<V: Number<Real = T>>(
        &mut self,
        modes: &B::Input<'_, Complex<T>>,
        values: &mut B::Output<'_, V>,
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        self.start2(modes, values, batch, sign, timings)?;
        self.finish(timings)
    }

    /// Waits for what was asked of the device.
    pub(super) fn finish(&mut self, timings: &mut Timings) -> Result<()> {
        let Self { backend, fine, .. } = self;
        fine.as_mut().map_or(Ok(()), |fine| backend.finish(fine, timings))
    }

    /// All that type 2 asks of the device.
    fn start2<V: Number<Real = T>>(
        &mut self,
        modes: &B::Input<'_, Complex<T>>,
        values: &mut B::Output<'_, V>,
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        for items in groups(batch, self.together) {
            let blank = self.fine()?;
            let Self { backend, prepared, points, watcher, .. } = self;
            let points = points.as_ref().ok_or(Error::Order { call: "type2", first: "set_points" })?;
            let done = items.end;
            let mut spectrum = backend.timed(timings, Stage::Deconvolve, || {
                backend.deconvolve_back::<V>(prepared, modes, items.clone(), sign, blank)
            })?;
            watcher.tell(backend, &mut spectrum.0, timings, Progress { stage: Stage::Deconvolve, done, of: batch })?;
            let mut grid = backend.fft_back(prepared, spectrum, items.len(), sign, timings)?;
            watcher.tell(backend, &mut grid.0, timings, Progress { stage: Stage::Fft, done, of: batch })?;
            backend
                .timed(timings, Stage::Interpolate, || backend.interp(prepared, points, &mut grid, values, items))?;
            watcher.tell(backend, &mut grid.0, timings, Progress { stage: Stage::Interpolate, done, of: batch })?;
            self.fine = Some(grid.0);
        }
        Ok(())
    }
}

#[cfg(feature = "gpu")]
impl<T: Real> Stages<T, Gpu> {
    /// Records type 1 into a program's own commands, and gives them back: it is done when the program has submitted them, before
    /// which nothing else may be asked of the plan. Nothing is timed.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the plan's uniform transform is the host's, else as [`Stages::type1`]; the commands are lost then.
    pub fn record_type1(
        &mut self,
        encoder: wgpu::CommandEncoder,
        strengths: &Input<Complex<T>>,
        modes: &mut Output<'_, Complex<T>>,
        batch: usize,
        sign: Sign,
    ) -> Result<wgpu::CommandEncoder> {
        self.lend(encoder, (strengths, &*modes))?;
        self.start1(strengths, modes, batch, sign, &mut Timings::default())?;
        self.take_back()
    }

    /// Records type 2 in the same way.
    ///
    /// # Errors
    /// As [`Stages::record_type1`].
    pub fn record_type2(
        &mut self,
        encoder: wgpu::CommandEncoder,
        modes: &Input<Complex<T>>,
        values: &mut Output<'_, Complex<T>>,
        batch: usize,
        sign: Sign,
    ) -> Result<wgpu::CommandEncoder> {
        self.lend(encoder, (modes, &*values))?;
        self.start2(modes, values, batch, sign, &mut Timings::default())?;
        self.take_back()
    }

    fn lend(
        &mut self,
        encoder: wgpu::CommandEncoder,
        arrays: (&Input<Complex<T>>, &Output<'_, Complex<T>>),
    ) -> Result<()> {
        let fine = self.fine()?;
        self.fine = Some(self.backend.lend(&self.prepared, fine, encoder, arrays)?);
        Ok(())
    }

    fn take_back(&mut self) -> Result<wgpu::CommandEncoder> {
        let fine = self.fine.as_mut().ok_or(Error::Order { call: "record", first: "set_points" })?;
        self.backend.take_back(fine)
    }
}

/// How far an execution has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The stage that ended.
    pub stage: Stage,
    /// Transforms of the batch that it ended for.
    pub done: usize,
    /// Transforms of the batch.
    pub of: usize,
}

/// Who wants to know.
#[derive(Default)]
pub(crate) struct Watcher(Option<Box<dyn FnMut(Progress) + Send + Sync>>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watcher").field(&self.0.is_some()).finish()
    }
}

impl Watcher {
    pub(crate) fn new(watch: impl FnMut(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(watch)))
    }

    /// Tells of a stage, when it is done.
    fn tell<T: Real, B: Backend>(
        &mut self,
        backend: &B,
        fine: &mut B::Fine<T>,
        timings: &mut Timings,
        progress: Progress,
    ) -> Result<()> {
        if let Some(watch) = &mut self.0 {
            backend.finish(fine, timings)?;
            watch(progress);
        }
        Ok(())
    }
}

/// The transforms of a batch, so many at a time.
pub(super) fn groups(batch: usize, together: usize) -> impl Iterator<Item = Range<usize>> {
    (0..batch).step_by(together).map(move |first| first..batch.min(first + together))
}

/// The stages on whichever backend a plan was built for.
pub(crate) enum OnBackend<T: Real> {
    Cpu(Stages<T, Cpu>),
    #[cfg(feature = "gpu")]
    Gpu(Stages<T, Gpu>),
}

impl<T: Real> OnBackend<T> {
    /// How the device wants points binned.
    pub(crate) fn tiling(device: &Device, grid: &[usize], width: usize) -> Result<Tiling> {
        match device.engine() {
            Engine::Cpu(cpu) => cpu.tiling::<T>(grid, width),
            #[cfg(feature = "gpu")]
            Engine::Gpu(gpu) => gpu.tiling::<T>(grid, width),
        }
    }

    /// The stages, and the bytes of their fine grids.
    pub(crate) fn new(device: &Device, design: &Design<'_, T>, batch: usize) -> Result<(Self, usize)> {
        Ok(match device.engine() {
            Engine::Cpu(cpu) => (
                Self::Cpu(Stages::new(cpu.clone(), design, batch)?),
                cpu.fine_bytes(design).saturating_mul(cpu.together(design, batch)),
            ),
            #[cfg(feature = "gpu")]
            Engine::Gpu(gpu) => (
                Self::Gpu(Stages::new(gpu.clone(), design, batch)?),
                gpu.fine_bytes(design).saturating_mul(gpu.together(design, batch)),
            ),
        })
    }

    pub(crate) fn stages(&mut self) -> &mut dyn Execute<T> {
        match self {
            Self::Cpu(stages) => stages,
            #[cfg(feature = "gpu")]
            Self::Gpu(stages) => stages,
        }
    }
}

/// Stages on some backend, between arrays of the host.
pub(crate) trait Execute<T: Real> {
    /// Tells of each stage of an execution that ends.
    fn watch(&mut self, watcher: Watcher);
    /// Earlier points whose memory the next ones may take.
    fn earlier(&mut self) -> Option<&mut Bins<T>>;
    /// Takes sorted points to the backend.
    fn place(&mut self, bins: Bins<T>) -> Result<()>;
    /// One type 1; modes are written only if it succeeds where memory is not shared, and never before the checks.
    fn execute1(
        &mut self,
        strengths: Values<'_, T>,
        modes: &mut [Complex<T>],
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()>;
    /// One type 2, in the same way.
    fn execute2(
        &mut self,
        modes: ArrayView2<'_, Complex<T>>,
        values: ValuesMut<'_, T>,
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()>;
    /// Begins a type 1 over chunks of points: zero grids for a batch.
    fn begin(&mut self, batch: usize) -> Result<()>;
    /// Adds the points placed last.
    fn add(&mut self, strengths: ArrayView2<'_, Complex<T>>, batch: usize, timings: &mut Timings) -> Result<()>;
    /// The modes of all that was added.
    fn finish(&mut self, modes: &mut [Complex<T>], batch: usize, sign: Sign, timings: &mut Timings) -> Result<()>;
    /// Strengths spread onto grids, C-ordered, and no more.
    fn spread(
        &mut self,
        strengths: ArrayView2<'_, Complex<T>>,
        grids: &mut [Complex<T>],
        batch: usize,
        timings: &mut Timings,
    ) -> Result<()>;
    /// Values interpolated from grids, C-ordered, and no more.
    fn interpolate(
        &mut self,
        grids: &[Complex<T>],
        values: &mut [Complex<T>],
        batch: usize,
        timings: &mut Timings,
    ) -> Result<()>;
}

impl<T: Real, B: Backend> Stages<T, B> {
    fn run1<V: Number<Real = T>>(
        &mut self,
        strengths: ArrayView2<'_, V>,
        modes: &mut [Complex<T>],
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        let backend = self.backend.clone();
        let (input, mut output) =
            timings.time(Stage::Transfers, || Ok::<_, Error>((backend.load(strengths)?, backend.open(modes)?)))?;
        self.type1::<V>(&input, &mut output, batch, sign, timings)?;
        timings.time(Stage::Transfers, || backend.store(output))
    }

    fn run2<V: Number<Real = T>>(
        &mut self,
        modes: ArrayView2<'_, Complex<T>>,
        values: &mut [V],
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        let backend = self.backend.clone();
        let (input, mut output) =
            timings.time(Stage::Transfers, || Ok::<_, Error>((backend.load(modes)?, backend.open(values)?)))?;
        self.type2::<V>(&input, &mut output, batch, sign, timings)?;
        timings.time(Stage::Transfers, || backend.store(output))
    }
}

impl<T: Real, B: Backend> Execute<T> for Stages<T, B> {
    fn watch(&mut self, watcher: Watcher) {
        self.watcher = watcher;
    }

    fn earlier(&mut self) -> Option<&mut Bins<T>> {
        self.points.as_mut().and_then(|points| self.backend.sorted(points))
    }

    fn place(&mut self, bins: Bins<T>) -> Result<()> {
        self.points = Some(self.backend.place(&self.prepared, bins)?);
        Ok(())
    }

    fn execute1(
        &mut self,
        strengths: Values<'_, T>,
        modes: &mut [Complex<T>],
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        match strengths {
            Values::Real(strengths) => self.run1(strengths, modes, batch, sign, timings),
            Values::Complex(strengths) => self.run1(strengths, modes, batch, sign, timings),
        }
    }

    fn execute2(
        &mut self,
        modes: ArrayView2<'_, Complex<T>>,
        values: ValuesMut<'_, T>,
        batch: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        match values {
            ValuesMut::Real(values) => self.run2(modes, values, batch, sign, timings),
            ValuesMut::Complex(values) => self.run2(modes, values, batch, sign, timings),
        }
    }

    fn begin(&mut self, batch: usize) -> Result<()> {
        // The plan's own memory serves the first group.
        let own = self.fine()?;
        self.sums = vec![self.backend.clear(&self.prepared, own)?];
        for items in groups(batch, self.together).skip(1) {
            let fine = self.backend.blank(&self.prepared, items.len())?;
            self.sums.push(self.backend.clear(&self.prepared, fine)?);
        }
        Ok(())
    }

    fn add(&mut self, strengths: ArrayView2<'_, Complex<T>>, batch: usize, timings: &mut Timings) -> Result<()> {
        let Self { backend, prepared, points, sums, together, .. } = self;
        let points = points.as_ref().ok_or(Error::Order { call: "add", first: "set_points" })?;
        let strengths = timings.time(Stage::Transfers, || backend.load(strengths))?;
        let earlier = std::mem::take(sums);
        for (items, grid) in groups(batch, *together).zip(earlier) {
            let mut grid =
                backend.timed(timings, Stage::Spread, || backend.spread(prepared, points, &strengths, items, grid))?;
            backend.finish(&mut grid.0, timings)?;
            sums.push(grid);
        }
        Ok(())
    }

    fn finish(&mut self, modes: &mut [Complex<T>], batch: usize, sign: Sign, timings: &mut Timings) -> Result<()> {
        let Self { backend, prepared, sums, together, fine, .. } = self;
        let mut output = timings.time(Stage::Transfers, || backend.open(modes))?;
        for (items, grid) in groups(batch, *together).zip(sums.drain(..)) {
            let mut spectrum = backend.fft(prepared, grid, items.len(), sign, timings)?;
            backend.timed(timings, Stage::Deconvolve, || {
                backend.deconvolve(prepared, &mut spectrum, &mut output, items, sign)
            })?;
            backend.finish(&mut spectrum.0, timings)?;
            // The first is the plan's own; others may be smaller.
            fine.get_or_insert(spectrum.0);
        }
        timings.time(Stage::Transfers, || backend.store(output))
    }

    fn spread(
        &mut self,
        strengths: ArrayView2<'_, Complex<T>>,
        grids: &mut [Complex<T>],
        batch: usize,
        timings: &mut Timings,
    ) -> Result<()> {
        let size = grids.len() / batch;
        for items in groups(batch, self.together) {
            let blank = self.fine()?;
            let Self { backend, prepared, points, .. } = self;
            let points = points.as_ref().ok_or(Error::Order { call: "spread", first: "set_points" })?;
            let strengths = timings.time(Stage::Transfers, || backend.load(strengths))?;
            let mut grid = backend.timed(timings, Stage::Spread, || {
                let grid = backend.clear(prepared, blank)?;
                backend.spread(prepared, points, &strengths, items.clone(), grid)
            })?;
            backend.finish(&mut grid.0, timings)?;
            timings.time(Stage::Transfers, || {
                backend.read_grid(prepared, &mut grid, &mut grids[items.start * size..items.end * size])
            })?;
            self.fine = Some(grid.0);
        }
        Ok(())
    }

    fn interpolate(
        &mut self,
        grids: &[Complex<T>],
        values: &mut [Complex<T>],
        batch: usize,
        timings: &mut Timings,
    ) -> Result<()> {
        let size = grids.len() / batch;
        let backend = self.backend.clone();
        let mut output = timings.time(Stage::Transfers, || backend.open(values))?;
        for items in groups(batch, self.together) {
            let blank = self.fine()?;
            let Self { prepared, points, .. } = self;
            let points = points.as_ref().ok_or(Error::Order { call: "interpolate", first: "set_points" })?;
            let mut grid = timings.time(Stage::Transfers, || {
                backend.write_grid(prepared, &grids[items.start * size..items.end * size], blank)
            })?;
            backend.timed(timings, Stage::Interpolate, || {
                backend.interp(prepared, points, &mut grid, &mut output, items)
            })?;
            backend.finish(&mut grid.0, timings)?;
            self.fine = Some(grid.0);
        }
        timings.time(Stage::Transfers, || backend.store(output))
    }
}
