//! Plans of type 3, from any real sources to any real targets: sources are spread onto a grid, whose cells are the
//! modes of an inner type 2 at the targets.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ndarray::{Array, ArrayRef, Dimension, IxDyn};
use num_complex::Complex;

use crate::device::{Device, Kind};
use crate::error::{Error, Result};
use crate::machine::pages;
use crate::nufft::choice::{self, Choice, LARGEST_UPSAMPLING, Request};
use crate::nufft::kernel::Shape;
use crate::nufft::points::{Coordinates, Points, Unit};
use crate::nufft::recipe::{ModeOrder, Recipe};
use crate::nufft::rescale::Rescaling;
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::float::{Coordinate, Numeric as _};
use crate::plan::arrays::{InOrder, SMALLER, check, rows, zeros};
use crate::plan::builder::{NufftBuilder, ToFrequencies};
use crate::plan::nufft::NufftPlan;
use crate::plan::on_backend::{OnBackend, OnBackend3, on_backend};
use crate::plan::stages::Batch;
use crate::plan::stages3::Stages3;
use crate::real::{Number, Real, Values};
use crate::shape;

/// The parameters of a [`NufftPlan3`] to be built.
pub type NufftBuilder3<T> = NufftBuilder<T, ToFrequencies>;

impl<T: Real> NufftBuilder<T, ToFrequencies> {
    /// Checks the parameters. The grids depend on the points, and are made when the points are set.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its range, [`Error::Tolerance`] for a tolerance out of reach.
    pub fn build(self, device: &Device) -> Result<NufftPlan3<T>> {
        let dimensions = self.kind.dimensions;
        if !(1..=3).contains(&dimensions) {
            return Err(Error::parameter("dimensions", "1, 2 or 3", dimensions));
        }
        let batch = Batch { count: self.batch_count()?, sign: self.sign };
        // Whether the tolerance can be kept does not depend on the points, so it is checked now.
        choice::choose::<T>(&self.request(&vec![100; dimensions], None))?;
        Ok(NufftPlan3 { builder: self, batch, device: device.clone(), points: None, timings: Mutex::default() })
    }

    fn request<'a>(&self, modes: &'a [usize], points: Option<usize>) -> Request<'a> {
        let Self { tolerance, accept, .. } = *self;
        Request { modes, tolerance, accept, shape: Shape::Prolate, upsampling: None, points, cells: usize::MAX }
    }
}

/// A non-uniform FFT of type 3 for given sources and targets: `f[k] = Σ_j c[j] exp(±i s[k]·x[j])`.
///
/// # Shapes
/// d = 1, 2 or 3 axes, M sources x, K targets s: d arrays each. Strengths: `[M]`, values: `[K]`; with a batch both gain
/// a leading axis. Strengths may be real.
///
/// # Units and range
/// Sources and targets are in any units whose product is radians, and of any finite size. The cost depends on the
/// space-bandwidth product of each axis: if X and S are half the extents of sources and targets, the grid has about
/// `2σ X S/π` cells on that axis. If the grids do not fit in memory, [`NufftPlan3::set_points`] says how much they
/// would need.
///
/// # Accuracy
/// The relative l2 error against direct sums is at most `max(floor, 5·tolerance)`, with floor 3e-14 in f64 and 1e-6 in
/// f32. If a centre is not 0, however far from it, coordinates relative to the centre are rounded once, which adds
/// `1e-16 · X S`. Whatever the data, each value is off by at most `max(floor, 30·√d·tolerance)` times the sum of all
/// absolute strengths. Of fewer than some 30 sources or targets, where X S is below 30 on every axis, and where targets
/// lie only at the edges of their range, that is the only bound. `tests/type3.rs` enforces both.
///
/// # Method
/// Sources, relative to their centre, are spread onto a grid of spacing `h = π/(σ S)`; an inner type 2 evaluates the
/// grid's transform at the targets, relative to theirs. Phase factors before and after account for the centres, and the
/// kernel's transform is divided out (Lee and Greengard 2005; Barnett, Magland and af Klinteberg 2019).
///
/// ```
/// use ndarray::array;
/// use num_complex::Complex;
/// use wavemill::{Cpu, Device, NufftPlan3};
///
/// let mut plan = NufftPlan3::<f64>::builder(1).tolerance(1e-10).build(&Device::from(Cpu::new()))?;
/// plan.set_points([&[0.5, 2.25]], [&[-3.7, 0.0, 11.3]])?;
/// let values = plan.type3(&array![Complex::new(1.0, 0.0), Complex::new(0.0, 2.0)])?;
/// for (value, s) in values.iter().zip([-3.7, 0.0, 11.3]) {
///     let exact = Complex::from_polar(1.0, 0.5 * s) + Complex::new(0.0, 2.0) * Complex::from_polar(1.0, 2.25 * s);
///     assert!((value - exact).norm() < 1e-9);
/// }
/// # Ok::<(), wavemill::Error>(())
/// ```
pub struct NufftPlan3<T: Real> {
    builder: NufftBuilder3<T>,
    batch: Batch,
    device: Device,
    points: Option<PointData<T>>,
    timings: Mutex<Timings>,
}

/// The data of a plan that depend on its points.
#[derive(Clone)]
struct PointData<T: Real> {
    sources: usize,
    targets: usize,
    /// None if there are no sources or no targets.
    plans: Option<Plans<T>>,
}

/// The stages, and the recipes of the two plans from which they are made.
#[derive(Clone)]
struct Plans<T: Real> {
    stages: OnBackend3<T>,
    outer: Recipe,
    inner: Recipe,
}

impl<T: Real> fmt::Debug for NufftPlan3<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NufftPlan3").field("builder", &self.builder).finish_non_exhaustive()
    }
}

impl<T: Real> Clone for NufftPlan3<T> {
    fn clone(&self) -> Self {
        Self {
            builder: self.builder.clone(),
            batch: self.batch,
            device: self.device.clone(),
            points: self.points.clone(),
            timings: Mutex::new(self.timings()),
        }
    }
}

impl<T: Real> NufftPlan3<T> {
    /// Starts a plan for 1, 2 or 3 axes.
    pub fn builder(dimensions: usize) -> NufftBuilder3<T> {
        NufftBuilder::of(ToFrequencies { dimensions })
    }

    /// Sets sources and targets: the coordinates on each axis, as [`NufftPlan::set_points`] takes them. On an error the
    /// earlier ones stay.
    ///
    /// # Errors
    /// [`Error::Shape`] for a wrong number of axes or lengths that differ, [`Error::NotFinite`] naming the first NaN or
    /// infinity, [`Error::TooLarge`] where the grids do not fit in memory.
    pub fn set_points<X: Coordinates, S: Coordinates>(
        &mut self,
        sources: impl AsRef<[X]>,
        targets: impl AsRef<[S]>,
    ) -> Result<()> {
        let start = Instant::now();
        let dimensions = self.builder.kind.dimensions;
        let axes: Vec<_> = sources.as_ref().iter().map(Coordinates::coordinates).collect();
        let sources = Points::new(&axes, dimensions)?;
        let axes: Vec<_> = targets.as_ref().iter().map(Coordinates::coordinates).collect();
        let targets = Points::new(&axes, dimensions)?;
        sources.finite()?;
        targets.finite()?;
        let plans = if sources.is_empty() || targets.is_empty() {
            None
        } else {
            let points = sources.len() + targets.len();
            Some(self.device.install(points, || self.plans(&sources, &targets))?)
        };
        self.points = Some(PointData { sources: sources.len(), targets: targets.len(), plans });
        let mut timings = Timings::default();
        timings.add(Stage::SetPoints, start.elapsed());
        self.timings = Mutex::new(timings);
        Ok(())
    }

    fn plans<C: Coordinate, S: Coordinate>(
        &self,
        sources: &Points<'_, C>,
        targets: &Points<'_, S>,
    ) -> Result<Plans<T>> {
        let between = Rescaling::new(sources, targets);
        let modes = between.modes()?;
        let request = self.builder.request(&modes, Some(sources.len()));
        let choice = choice::choose_outer::<T>(&request, targets.len(), |w, upsampling| between.grid(w, upsampling))?;
        let Choice { width, upsampling, tolerance, predicted_error, .. } = choice;
        let (grid, upsampling) = (between.grid(width, upsampling)?, upsampling.min(LARGEST_UPSAMPLING));
        // A GPU refuses by itself what it cannot hold.
        if self.device.kind() == Kind::Cpu {
            self.check_memory(&grid)?;
        }
        let spacings = between.spacings(upsampling);

        let exact = vec![false; grid.len()];
        let choice = Choice { tolerance, width, grid: grid.clone(), exact, upsampling, predicted_error };
        let builder = |units: Vec<Unit>| {
            let builder = NufftPlan::<T>::builder(grid.clone()).tolerance(tolerance).order(ModeOrder::Fft).units(units);
            let builder = builder.accept_reachable().sign(self.builder.sign);
            self.builder.batch.map_or(builder.clone(), |batch| builder.batch(batch))
        };
        let lengths =
            grid.iter().zip(&spacings).map(|(&cells, spacing)| Unit::Period(cells as f64 * spacing)).collect();
        let mut outer = builder(lengths).assemble(&self.device, choice, false, Instant::now())?;
        let steps = spacings.iter().map(|&step| Unit::Radians { step }).collect();
        let inner = builder(steps).uniform_transform(self.builder.uniform).expected_points(targets.len());
        let mut inner = inner.build(&self.device)?;
        outer.set_points(between.axes.iter().map(|axis| &axis.sources).collect::<Vec<_>>())?;
        inner.set_points(between.axes.iter().map(|axis| &axis.targets).collect::<Vec<_>>())?;

        let kernel = Shape::Prolate.build(width, upsampling);
        let before = between.source_phases::<T, C>(sources);
        let after = between.target_phases::<T, S>(targets, (&*kernel, width), &spacings);
        let stages = match (outer.stages, inner.stages) {
            (OnBackend::Cpu(outer), OnBackend::Cpu(inner)) => {
                OnBackend3::Cpu(Stages3::new([outer, inner], before, after)?)
            }
            #[cfg(feature = "gpu")]
            (OnBackend::Gpu(outer), OnBackend::Gpu(inner)) => {
                OnBackend3::Gpu(Stages3::new([outer, inner], before, after)?)
            }
            #[cfg(feature = "gpu")]
            _ => unreachable!("both plans are of one device"),
        };
        Ok(Plans { stages, outer: outer.recipe, inner: inner.recipe })
    }

    /// Estimates the memory that the grids need; an error if less is available.
    fn check_memory(&self, grid: &[usize]) -> Result<()> {
        let cells = grid.iter().fold(1.0, |product, &n| product * n as f64);
        let batch = self.builder.batch.unwrap_or(1) as f64;
        // The outer grid, its copy between the two plans for each transform of the batch, and the inner grid, whose
        // upsampling factor is 2 at most.
        let bytes = cells * 2.0 * size_of::<T>() as f64 * (1.0 + batch + 2f64.powi(grid.len() as i32));
        match pages::available() {
            Some(available) if bytes > available as f64 => Err(Error::TooLarge {
                what: "a type 3",
                needed: format!("grids of {} cells, about {bytes:.2e} bytes", shape::written(grid)),
                limit: format!(
                    "{available:.2e} bytes are available; its size is the product of the \
                     extents of sources and targets: split either into parts that lie together"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// What the outer (spreading) and inner (type 2) plans chose; `None` before points are set, or if there are no
    /// sources or no targets.
    #[must_use]
    pub fn recipes(&self) -> Option<(&Recipe, &Recipe)> {
        let plans = self.points.as_ref()?.plans.as_ref()?;
        Some((&plans.outer, &plans.inner))
    }

    /// The recipes in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.recipes() {
            Some((outer, inner)) => format!("type 3, spreading:\n{outer}\ntype 3, inner type 2:\n{inner}"),
            None => "type 3, no points".into(),
        }
    }

    /// The times of the latest `set_points` and the execution that ended last.
    pub fn timings(&self) -> Timings {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Values at the targets from strengths at the sources, complex or real.
    ///
    /// # Errors
    /// As [`NufftPlan3::type3_into`].
    pub fn type3<V: Number<Real = T>, D: Dimension>(&self, strengths: &ArrayRef<V, D>) -> Result<Array<Complex<T>, D>> {
        let PointData { sources, targets, .. } = *self.points_set("type3")?;
        check("strengths", &self.shape(sources), strengths.shape())?;
        let mut values = self.zeros("the values", targets)?;
        self.type3_into(strengths, &mut values)?;
        Ok(values)
    }

    /// Computes values at the targets as [`NufftPlan3::type3`] does, writing to the caller's array.
    ///
    /// # Errors
    /// [`Error::Order`] before `set_points`, [`Error::Shape`] if an array has another shape, [`Error::DeviceLost`].
    /// Nothing is written then.
    pub fn type3_into<V: Number<Real = T>, D: Dimension, E: Dimension>(
        &self,
        strengths: &ArrayRef<V, D>,
        values: &mut ArrayRef<Complex<T>, E>,
    ) -> Result<()> {
        let PointData { sources, targets, .. } = *self.points_set("type3")?;
        check("strengths", &self.shape(sources), strengths.shape())?;
        check("values", &self.shape(targets), values.shape())?;
        self.execute(strengths, values, self.batch, false)
    }

    /// The adjoint: strengths at the sources from values at the targets, `c[j] = Σ_k f[k] exp(∓i s[k]·x[j])`. It is the
    /// exact adjoint of what [`NufftPlan3::type3`] computes.
    ///
    /// # Errors
    /// As [`NufftPlan3::type3_into`].
    pub fn adjoint<V: Number<Real = T>, D: Dimension>(&self, values: &ArrayRef<V, D>) -> Result<Array<Complex<T>, D>> {
        let PointData { sources, targets, .. } = *self.points_set("adjoint")?;
        check("values", &self.shape(targets), values.shape())?;
        let mut strengths = self.zeros("the strengths", sources)?;
        self.adjoint_into(values, &mut strengths)?;
        Ok(strengths)
    }

    /// The adjoint, writing to the caller's array.
    ///
    /// # Errors
    /// As [`NufftPlan3::type3_into`].
    pub fn adjoint_into<V: Number<Real = T>, D: Dimension, E: Dimension>(
        &self,
        values: &ArrayRef<V, D>,
        strengths: &mut ArrayRef<Complex<T>, E>,
    ) -> Result<()> {
        let PointData { sources, targets, .. } = *self.points_set("adjoint")?;
        check("values", &self.shape(targets), values.shape())?;
        check("strengths", &self.shape(sources), strengths.shape())?;
        self.execute(values, strengths, Batch { sign: self.batch.sign.opposite(), ..self.batch }, true)
    }

    fn execute<V: Number<Real = T>, D: Dimension, E: Dimension>(
        &self,
        input: &ArrayRef<V, D>,
        output: &mut ArrayRef<Complex<T>, E>,
        batch: Batch,
        adjoint: bool,
    ) -> Result<()> {
        let Some(plans) = &self.points_set("execute")?.plans else {
            output.fill(Complex::default());
            return Ok(());
        };
        let copy;
        let input = match V::values(rows(input)) {
            Values::Complex(rows) => rows,
            Values::Real(rows) => {
                pages::room("complex strengths", rows.shape(), 2 * size_of::<T>(), SMALLER)?;
                copy = rows.mapv(|number| number.complex());
                copy.view()
            }
        };
        let (mut output, mut timings) = (InOrder::to_write(output)?, self.timings());
        timings.forget(&[Stage::SetPoints]);
        on_backend!(OnBackend3, &plans.stages, stages => {
            stages.on_host(input, output.slice(), (batch, adjoint), &mut timings)
        })?;
        output.store();
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner) = timings;
        Ok(())
    }

    /// The same plan with the same points for another number of transforms at once.
    pub(crate) fn of_batch(&self, batch: usize) -> Self {
        let mut plan = self.clone();
        (plan.builder.batch, plan.batch.count) = (Some(batch), batch);
        plan
    }

    fn points_set(&self, call: &'static str) -> Result<&PointData<T>> {
        self.points.as_ref().ok_or(Error::Order { call, first: "set_points" })
    }

    fn shape(&self, len: usize) -> IxDyn {
        IxDyn(&self.builder.batch.into_iter().chain([len]).collect::<Vec<_>>())
    }

    /// An array of zeros for `len` points, of the same dimension as the input, whose shape was checked.
    fn zeros<D: Dimension>(&self, what: &'static str, len: usize) -> Result<Array<Complex<T>, D>> {
        zeros(what, self.shape(len), SMALLER)
    }
}

#[cfg(feature = "gpu")]
impl<T: Real> NufftPlan3<T> {
    /// [`NufftPlan3::type3`] between arrays on the plan's GPU, in C order and with the batch in front: one submission,
    /// and nothing is copied between host and device where the grid is transformed on the device.
    ///
    /// # Errors
    /// [`Error::Device`] if the plan is not on a GPU, [`Error::Order`] before `set_points`, [`Error::Shape`] if an
    /// array is too short, [`Error::DeviceLost`].
    pub fn type3_on_gpu(
        &self,
        strengths: &crate::gpu::Array<Complex<T>>,
        values: &mut crate::gpu::Array<Complex<T>>,
    ) -> Result<()> {
        self.on_gpu("type3", strengths, values, (self.batch, false))
    }

    /// [`NufftPlan3::adjoint`] between arrays on the plan's GPU, as [`NufftPlan3::type3_on_gpu`] computes type 3.
    ///
    /// # Errors
    /// As [`NufftPlan3::type3_on_gpu`].
    pub fn adjoint_on_gpu(
        &self,
        values: &crate::gpu::Array<Complex<T>>,
        strengths: &mut crate::gpu::Array<Complex<T>>,
    ) -> Result<()> {
        let batch = Batch { sign: self.batch.sign.opposite(), ..self.batch };
        self.on_gpu("adjoint", values, strengths, (batch, true))
    }

    fn on_gpu(
        &self,
        call: &'static str,
        input: &crate::gpu::Array<Complex<T>>,
        output: &mut crate::gpu::Array<Complex<T>>,
        (batch, adjoint): (Batch, bool),
    ) -> Result<()> {
        let gpu = self.device.need_gpu(call)?;
        let (start, mut timings) = (Instant::now(), self.timings());
        timings.forget(&[Stage::SetPoints]);
        match &self.points_set(call)?.plans {
            Some(Plans { stages: OnBackend3::Gpu(stages), .. }) => {
                let (input, mut output) = (input.into(), output.into());
                if adjoint {
                    stages.adjoint(&input, &mut output, batch, &mut timings)?;
                } else {
                    stages.type3(&input, &mut output, batch, &mut timings)?;
                }
            }
            _ => gpu.zero(output)?,
        }
        timings.add(Stage::Execute, start.elapsed());
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner) = timings;
        Ok(())
    }
}
