//! Plans of types 1 and 2: setting points and executing transforms.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ndarray::{Array, ArrayRef, Dimension, IntoDimension, IxDyn};
use num_complex::Complex;

use crate::backend::Backend;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::nufft::bins::{Bins, Tiling};
use crate::nufft::points::{Coordinates, Fold, Points};
use crate::nufft::recipe::Recipe;
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::float::Coordinate;
use crate::numeric::sign::Sign;
use crate::plan::arrays::{InOrder, ModesOf, PointsOf, SMALLER, check, in_order, rows, rows_of_slice, zeros};
use crate::plan::builder::{NufftBuilder, ToModes};
use crate::plan::on_backend::{OnBackend, on_backend};
use crate::plan::stages::{Batch, Progress, Stages, Watcher};
use crate::real::{Number, Real};

/// A non-uniform FFT of types 1 and 2 for given modes, tolerance and points.
///
/// Type 1, non-uniform to uniform: `f[k] = Σ_j c[j] exp(±i k·x[j])`. Type 2, uniform to non-uniform:
/// `c[j] = Σ_k f[k] exp(±i k·x[j])`. With opposite signs they are each other's adjoint. There is no factor 1/N.
///
/// # Shapes
/// d = 1, 2 or 3 axes with N₁..N_d modes, `k = -(N/2) .. N-N/2-1` on each; M points. Coordinates: d arrays of length M,
/// the i-th belonging to the i-th axis. Strengths and values: `[M]`. Modes: `[N₁, .., N_d]`. With
/// [`NufftBuilder::batch`] both gain a leading axis. The dimension of results follows from how the modes were given:
/// two extents give an `Array2`, with a batch an `Array3`, and extents in a `Vec` an `ArrayD`. Strengths may be real,
/// and so may the values of a type 2 ([`NufftPlan::type2_real`]): on the CPU that takes half of the time where a
/// point's stencil is large (0.5 to 0.65 in 3-D, 0.6 to 0.85 in 1-D and 2-D, where finding a point costs as much as its
/// stencil), and half of the grid's memory; on a GPU it takes as long as complex data. Coordinates and strengths are
/// read in place with any strides; modes and results that are not in C order are copied.
///
/// # Units and range
/// Coordinates are radians (or have the builder's period), of any finite size: they are reduced modulo the period in
/// extended precision, whatever the precision of the data. NaN and infinity are errors.
///
/// # Accuracy
/// The relative l2 error against direct sums is at most `max(floor, 4·tolerance)`, floor 3e-14 in f64 and 1e-6 in f32,
/// for up to 2²⁰ modes on an axis and data that do not lie in a few modes or points. Whatever the data, each output is
/// off by at most `max(floor, 30·√d·tolerance)` times the sum of all absolute inputs: the outermost modes have the
/// largest error. To have each output within a tolerance of that sum, ask for a `30·√d`th of it: kernels are one or two
/// points wider then, and type 1 took 1.03 to 1.09 times as long in 1-D, 1.1 to 1.3 in 2-D, 1.4 to 1.6 in 3-D (10⁶
/// points and modes, tolerances 1e-3 to 1e-9). A kernel or an upsampling factor that the caller chooses keeps the same
/// bounds, or is refused with the smallest tolerance that it keeps. `tests/error_law.rs` enforces these bounds. On the
/// CPU results are the same bits for any number of threads, on a GPU the same from run to run.
///
/// # Performance
/// `O(w^d M + n^d log n)` operations, where w is the kernel's width and n the fine grid's cells on an axis. Of the
/// pairs (w, n) that keep the tolerance, a plan on the CPU takes the cheapest for [`NufftBuilder::expected_points`].
/// Short axes may be interpolated exactly ([`Recipe::exact`]): N modes need at most N + 2 cells then, and not 2w.
/// The plan keeps its grid: executing again allocates nothing but the result, and [`NufftPlan::type1_into`] not even
/// that; setting points again reuses their memory. Executing takes `&self`: several threads may share a plan, each
/// execution with grids of its own. A clone shares tables, grids and points, and may set points of its own. In a batch,
/// the kernel is evaluated once for each point and several transforms together. Making the bits independent of the
/// number of threads costs the CPU nothing measurable in 2-D and 3-D, and at most a tenth of the time of spreading in
/// 1-D (slabs of the grid are spread in two turns).
///
/// # References
/// Dutt and Rokhlin (1993); Greengard and Lee (2004); Barnett, Magland and af Klinteberg (2019).
///
/// ```
/// use ndarray::array;
/// use num_complex::Complex;
/// use wavemill::{Cpu, Device, NufftPlan};
///
/// let device = Device::from(Cpu::new());
/// let mut plan = NufftPlan::<f64>::builder([5]).tolerance(1e-12).build(&device)?;
/// plan.set_points([&[0.0, std::f64::consts::PI]])?;
/// let modes = plan.type1(&array![Complex::new(1.0, 0.0), Complex::new(1.0, 0.0)])?;
/// // exp(i k 0) + exp(i k π) is 2 for even k and 0 for odd k.
/// for (mode, expected) in modes.iter().zip([2.0, 0.0, 2.0, 0.0, 2.0]) {
///     assert!((mode - expected).norm() < 1e-11);
/// }
/// # Ok::<(), wavemill::Error>(())
/// ```
pub struct NufftPlan<T: Real, D: Dimension = IxDyn> {
    pub(super) recipe: Recipe,
    pub(super) batched: bool,
    pub(super) points: Option<usize>,
    pub(super) device: Device,
    pub(super) geometry: Arc<Geometry>,
    pub(super) stages: OnBackend<T>,
    pub(super) timings: Mutex<Timings>,
    pub(super) dimension: std::marker::PhantomData<D>,
}

/// How coordinates are mapped to the fine grid and sorted by tile.
#[derive(Debug)]
pub(super) struct Geometry {
    pub(super) folds: Vec<Fold>,
    pub(super) tiling: Tiling,
    pub(super) tolerance: f64,
}

impl Geometry {
    /// Sorts points and hands them to the backend.
    pub(super) fn place<T: Real, B: Backend, C: Coordinate>(
        &self,
        device: &Device,
        points: &Points<'_, C>,
        stages: &mut Stages<T, B>,
    ) -> Result<()> {
        let earlier = stages.earlier();
        let sort = || Bins::sort(points, &self.folds, self.tiling.clone(), self.tolerance, earlier);
        let bins = device.install(points.len(), sort)?;
        stages.place(bins)
    }
}

impl<T: Real, D: Dimension> fmt::Debug for NufftPlan<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NufftPlan").field("recipe", &self.recipe).field("points", &self.points).finish_non_exhaustive()
    }
}

impl<T: Real, D: Dimension> Clone for NufftPlan<T, D> {
    fn clone(&self) -> Self {
        Self {
            recipe: self.recipe.clone(),
            batched: self.batched,
            points: self.points,
            device: self.device.clone(),
            geometry: Arc::clone(&self.geometry),
            stages: self.stages.clone(),
            timings: Mutex::new(self.timings()),
            dimension: self.dimension,
        }
    }
}

impl<T: Real> NufftPlan<T> {
    /// Starts a plan for modes with one extent for each axis: `[256, 256]`, say, or a `Vec` if the number of axes is
    /// known only at run time.
    pub fn builder<I: IntoDimension>(modes: I) -> NufftBuilder<T, ToModes<I::Dim>> {
        NufftBuilder::to_modes(modes.into_dimension().slice().to_vec())
    }
}

impl<T: Real, D: Dimension> NufftPlan<T, D> {
    /// The parameters that the plan chose: kernel width, grid and others.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The recipe in words.
    #[must_use]
    pub fn describe(&self) -> String {
        self.recipe.to_string()
    }

    /// The times of the build, the latest `set_points` and the execution that ended last.
    pub fn timings(&self) -> Timings {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the sign of the exponent. It costs nothing: only the uniform transform's direction differs, and the plan
    /// has both. Type 2 with the opposite sign is the exact adjoint of type 1.
    pub fn set_sign(&mut self, sign: Sign) {
        self.recipe.sign = sign;
    }

    /// Calls `watch` whenever a stage of an execution ends, for a progress bar or a log. In a batch a stage ends for
    /// several transforms at a time. The function replaces an earlier one.
    pub fn on_progress(&mut self, watch: impl Fn(Progress) + Send + Sync + 'static) {
        on_backend!(OnBackend, &mut self.stages, stages => stages.watch(Watcher::new(watch)));
    }

    /// Sets the points: the coordinates on each axis, all of one length, as slices, `Vec`s or arrays of one dimension
    /// (any stride), in f64 or f32 whatever the precision of the data. On an error the earlier points stay.
    ///
    /// # Errors
    /// [`Error::Shape`] for a wrong number of axes or lengths that differ, [`Error::NotFinite`] naming the first NaN or
    /// infinity.
    pub fn set_points<X: Coordinates>(&mut self, coordinates: impl AsRef<[X]>) -> Result<()> {
        let start = Instant::now();
        let axes: Vec<_> = coordinates.as_ref().iter().map(Coordinates::coordinates).collect();
        let points = Points::new(&axes, self.recipe.modes.len())?;
        let Self { geometry, stages, device, .. } = self;
        on_backend!(OnBackend, stages, stages => geometry.place(device, &points, stages))?;
        self.points = Some(points.len());
        let timings = self.timings.get_mut().unwrap_or_else(PoisonError::into_inner);
        timings.forget(&[Stage::Plan, Stage::Compile]);
        timings.add(Stage::SetPoints, start.elapsed());
        Ok(())
    }

    /// Type 1: modes from strengths, complex or real. Real ones take about half the time on the CPU; all modes are
    /// computed all the same, with `f[-k] = conj(f[k])` up to rounding.
    ///
    /// # Errors
    /// As [`NufftPlan::type1_into`].
    pub fn type1<V: Number<Real = T>, S: PointsOf<D>>(
        &self,
        strengths: &ArrayRef<V, S>,
    ) -> Result<Array<Complex<T>, S::Modes>> {
        // The shape is checked before the result is allocated: with an axis too many or too few, as for a missing
        // batch, the result's dimension would not fit its shape.
        check("strengths", &self.values_shape(self.points_set("type1")?), strengths.shape())?;
        let mut modes = zeros("the modes", self.modes_shape(), SMALLER)?;
        self.type1_into(strengths, &mut modes)?;
        Ok(modes)
    }

    /// Type 1, writing to the caller's array.
    ///
    /// # Errors
    /// [`Error::Order`] before `set_points`, [`Error::Shape`] if an array has another shape, [`Error::DeviceLost`].
    /// Nothing is written then.
    pub fn type1_into<V: Number<Real = T>, S: Dimension, E: Dimension>(
        &self,
        strengths: &ArrayRef<V, S>,
        modes: &mut ArrayRef<Complex<T>, E>,
    ) -> Result<()> {
        check("strengths", &self.values_shape(self.points_set("type1")?), strengths.shape())?;
        check("modes", &self.modes_shape(), modes.shape())?;
        let (mut modes, mut timings) = (InOrder::to_write(modes)?, self.lasting_timings());
        on_backend!(OnBackend, &self.stages, stages => {
            stages.on_host(rows(strengths), modes.slice(), &mut timings, |fine, strengths, modes, timings| {
                stages.type1(fine, strengths, modes, self.batch(), timings)
            })
        })?;
        modes.store();
        self.executed(timings);
        Ok(())
    }

    /// Type 2: values at the points from modes.
    ///
    /// # Errors
    /// As [`NufftPlan::type2_into`].
    pub fn type2<M: ModesOf<D>>(&self, modes: &ArrayRef<Complex<T>, M>) -> Result<Array<Complex<T>, M::Points>> {
        self.type2_as(modes)
    }

    /// Type 2 for a real function: `c[j] = Re Σ_k f[k] exp(±i k·x[j])`, which is the whole sum if `f[-k] = conj(f[k])`.
    /// It takes about half the time on the CPU, and with the opposite sign is the adjoint of type 1 from real
    /// strengths.
    ///
    /// # Errors
    /// As [`NufftPlan::type2_into`].
    pub fn type2_real<M: ModesOf<D>>(&self, modes: &ArrayRef<Complex<T>, M>) -> Result<Array<T, M::Points>> {
        self.type2_as(modes)
    }

    fn type2_as<V: Number<Real = T>, M: ModesOf<D>>(
        &self,
        modes: &ArrayRef<Complex<T>, M>,
    ) -> Result<Array<V, M::Points>> {
        let points = self.points_set("type2")?;
        check("modes", &self.modes_shape(), modes.shape())?;
        let mut values = zeros("the values", self.values_shape(points), SMALLER)?;
        self.type2_into(modes, &mut values)?;
        Ok(values)
    }

    /// Type 2, writing to the caller's array: complex values, or real ones as [`NufftPlan::type2_real`] gives them.
    ///
    /// # Errors
    /// [`Error::Order`] before `set_points`, [`Error::Shape`] if an array has another shape, [`Error::DeviceLost`].
    /// Nothing is written then.
    pub fn type2_into<V: Number<Real = T>, M: Dimension, E: Dimension>(
        &self,
        modes: &ArrayRef<Complex<T>, M>,
        values: &mut ArrayRef<V, E>,
    ) -> Result<()> {
        let points = self.points_set("type2")?;
        check("modes", &self.modes_shape(), modes.shape())?;
        check("values", &self.values_shape(points), values.shape())?;
        let (modes, batch) = (in_order(modes)?, self.batch());
        let (mut values, mut timings) = (InOrder::to_write(values)?, self.lasting_timings());
        on_backend!(OnBackend, &self.stages, stages => {
            let rows = rows_of_slice(&modes, batch.count);
            stages.on_host(rows, values.slice(), &mut timings, |fine, modes, values, timings| {
                stages.type2(fine, modes, values, batch, timings)
            })
        })?;
        values.store();
        self.executed(timings);
        Ok(())
    }

    /// Spreading alone: `grid[l] = Σ_j c[j] Π_a φ((l_a - u_ja)·2/w)` on the fine grid of [`Recipe::grid`], where u is
    /// the point's position in cells counted from cell 0, l is periodic, and φ is the kernel of width w with φ(0) = 1.
    /// On axes that are exact, w is the number of cells and φ the Dirichlet kernel of [`Recipe::exact`].
    /// Strengths and grid are complex, or both real.
    ///
    /// # Errors
    /// As [`NufftPlan::type1_into`].
    pub fn spread<V: Number<Real = T>, S: PointsOf<D>>(
        &self,
        strengths: &ArrayRef<V, S>,
    ) -> Result<Array<V, S::Modes>> {
        check("strengths", &self.values_shape(self.points_set("spread")?), strengths.shape())?;
        let mut grids: Array<V, S::Modes> = zeros("the grids", self.with_batch(&self.recipe.grid), SMALLER)?;
        let (mut target, mut timings) = (InOrder::to_write(&mut grids)?, self.lasting_timings());
        on_backend!(OnBackend, &self.stages, stages => {
            stages.spread(rows(strengths), target.slice(), self.batch(), &mut timings)
        })?;
        target.store();
        self.executed(timings);
        Ok(grids)
    }

    /// Interpolation alone, the adjoint of [`NufftPlan::spread`]: `c[j] = Σ_l grid[l] Π_a φ((l_a - u_ja)·2/w)`.
    ///
    /// # Errors
    /// As [`NufftPlan::type2_into`].
    pub fn interpolate<V: Number<Real = T>, M: ModesOf<D>>(
        &self,
        grid: &ArrayRef<V, M>,
    ) -> Result<Array<V, M::Points>> {
        let points = self.points_set("interpolate")?;
        check("grid", &self.with_batch(&self.recipe.grid), grid.shape())?;
        let mut values: Array<V, M::Points> = zeros("the values", self.values_shape(points), SMALLER)?;
        let grid = in_order(grid)?;
        let (mut target, mut timings) = (InOrder::to_write(&mut values)?, self.lasting_timings());
        on_backend!(OnBackend, &self.stages, stages => {
            stages.interpolate(&grid, target.slice(), self.batch(), &mut timings)
        })?;
        target.store();
        self.executed(timings);
        Ok(values)
    }

    /// The same plan with the same points for another number of transforms at once.
    pub(crate) fn of_batch(&self, batch: usize) -> Self {
        let mut plan = self.clone();
        (plan.batched, plan.recipe.batch) = (true, batch);
        plan
    }

    pub(super) fn points_set(&self, call: &'static str) -> Result<usize> {
        self.points.ok_or(Error::Order { call, first: "set_points" })
    }

    pub(super) fn batch(&self) -> Batch {
        Batch { count: self.recipe.batch, sign: self.recipe.sign }
    }

    /// The times that an execution does not replace: those of the build and of `set_points`.
    pub(super) fn lasting_timings(&self) -> Timings {
        let mut timings = self.timings();
        timings.forget(&[Stage::Plan, Stage::Compile, Stage::SetPoints]);
        timings
    }

    pub(super) fn executed(&self, timings: Timings) {
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner) = timings;
    }

    pub(super) fn modes_shape(&self) -> IxDyn {
        self.with_batch(&self.recipe.modes)
    }

    pub(super) fn values_shape(&self, points: usize) -> IxDyn {
        self.with_batch(&[points])
    }

    fn with_batch(&self, extents: &[usize]) -> IxDyn {
        let batch = self.batched.then_some(self.recipe.batch);
        IxDyn(&batch.into_iter().chain(extents.iter().copied()).collect::<Vec<_>>())
    }
}
