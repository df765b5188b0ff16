//! Plans: they execute what a builder chose.

use std::borrow::Cow;
use std::fmt;
use std::time::Instant;

use ndarray::{ArrayD, ArrayRef, ArrayView1, ArrayView2, Axis, Dimension, IxDyn};
use num_complex::Complex;

use crate::device::Device;
#[cfg(feature = "gpu")]
use crate::device::Engine;
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;
use crate::nufft::bins::{Bins, Tiling};
use crate::nufft::points::{Fold, Points};
use crate::nufft::recipe::Recipe;
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::float::Coordinate;
use crate::numeric::sign::Sign;
use crate::plan::accumulate::Accumulation;
use crate::plan::builder::NufftBuilder;
#[cfg(feature = "gpu")]
use crate::plan::stages::Stages;
use crate::plan::stages::{Execute, OnBackend, Progress, Watcher};
use crate::real::{Number, Real};

/// A non-uniform FFT of types 1 and 2 for given modes, tolerance and points.
///
/// Type 1, non-uniform to uniform: `f[k] = Σ_j c[j] exp(±i k·x[j])`. Type 2, uniform to non-uniform:
/// `c[j] = Σ_k f[k] exp(±i k·x[j])`. With opposite signs they are each other's adjoint. There is no factor 1/N.
///
/// # Shapes
/// d = 1, 2 or 3 axes with N₁..N_d modes, `k = -(N/2) .. N-N/2-1` on each; M points. Coordinates: d arrays of length M, the
/// i-th belonging to the i-th axis. Strengths and values: `[M]`. Modes: `[N₁, .., N_d]`. With [`NufftBuilder::batch`] both gain a
/// leading axis. Strengths may be real, and so may the values of a type 2 ([`NufftPlan::type2_real`]): on the CPU that takes half of the
/// time where a point's stencil is large (0.5 to 0.65 in 3-D, 0.6 to 0.85 in 1-D and 2-D, where finding a point costs as much as
/// its stencil), and half of the grid's memory; on a GPU it takes as long as complex data. Coordinates and strengths are read where
/// they lie, at any strides; modes, and results, that are not in C order go through a copy.
///
/// # Units and range
/// Coordinates are radians (or have the builder's period), of any finite size: they are reduced modulo the period in extended
/// precision, whatever the precision of the data. NaN and infinity are errors.
///
/// # Accuracy
/// The relative l2 error against direct sums is at most `max(floor, 4·tolerance)`, floor 3e-14 in f64 and 1e-6 in f32, for up
/// to 2²⁰ modes on an axis; `tests/error_law.rs` enforces it. On the CPU results are the same bits for any number of threads, on
/// a GPU the same from run to run.
///
/// # Performance
/// `O(w^d M + n^d log n)` operations, w the width and n the fine grid; of the pairs that keep the tolerance the CPU's plan takes the
/// cheapest for [`NufftBuilder::expected_points`]. The plan keeps its grid: executing again allocates nothing but the result, and
/// [`NufftPlan::type1_into`] not even that; setting points again reuses their memory. A batch evaluates the kernel once a point for
/// several transforms at a time. That the bits do not depend on the number of threads costs the CPU nothing that could be measured
/// in 2-D and 3-D, and at most a tenth of spreading in 1-D (slabs of the grid are spread in two turns).
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
/// plan.set_points(&[array![0.0, std::f64::consts::PI].view()])?;
/// let modes = plan.type1(&array![Complex::new(1.0, 0.0), Complex::new(1.0, 0.0)])?;
/// // exp(i k 0) + exp(i k π) is 2 for even k and 0 for odd k.
/// for (mode, expected) in modes.iter().zip([2.0, 0.0, 2.0, 0.0, 2.0]) {
///     assert!((mode - expected).norm() < 1e-11);
/// }
/// # Ok::<(), wavemill::Error>(())
/// ```
pub struct NufftPlan<T: Real> {
    pub(super) recipe: Recipe,
    pub(super) batched: bool,
    pub(super) points: Option<usize>,
    pub(super) device: Device,
    pub(super) folds: Vec<Fold>,
    pub(super) tiling: Tiling,
    pub(super) stages: OnBackend<T>,
    pub(super) timings: Timings,
}

impl<T: Real> fmt::Debug for NufftPlan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NufftPlan").field("recipe", &self.recipe).field("points", &self.points).finish_non_exhaustive()
    }
}

impl<T: Real> NufftPlan<T> {
    /// Starts a plan for these modes, one extent an axis.
    pub fn builder(modes: impl Into<Vec<usize>>) -> NufftBuilder<T> {
        NufftBuilder::new(modes.into())
    }

    /// What the plan chose.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The recipe in words.
    #[must_use]
    pub fn describe(&self) -> String {
        self.recipe.to_string()
    }

    /// The times of the build, the latest `set_points` and the latest execution.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Changes the sign of the exponent. Only the uniform transform's direction differs, and the plan has both: type 2 with
    /// the opposite sign is the exact adjoint of type 1.
    pub fn set_sign(&mut self, sign: Sign) {
        self.recipe.sign = sign;
    }

    /// Calls `watch` whenever a stage of an execution ends, for some transforms of a batch at a time: for a progress bar, or a log of
    /// long executions. It replaces an earlier one.
    pub fn on_progress(&mut self, watch: impl FnMut(Progress) + Send + Sync + 'static) {
        self.stages.stages().watch(Watcher::new(watch));
    }

    /// Sets the points: one view an axis, all of one length, in f64 or f32 whatever the precision of the data. On an error
    /// the earlier points stay.
    ///
    /// # Errors
    /// [`Error::Shape`] for a wrong number of views or lengths that differ, [`Error::NotFinite`] naming the first NaN or
    /// infinity.
    pub fn set_points<'a, C: Coordinate>(&mut self, coordinates: impl AsRef<[ArrayView1<'a, C>]>) -> Result<()> {
        let start = Instant::now();
        let points = Points::new(coordinates.as_ref(), self.recipe.modes.len())?;
        let Self { folds, tiling, recipe, stages, .. } = self;
        let stages = stages.stages();
        let earlier = stages.earlier();
        let bins = self
            .device
            .install(points.len(), || Bins::sort(&points, folds, tiling.clone(), recipe.tolerance, earlier))?;
        stages.place(bins)?;
        self.points = Some(points.len());
        self.timings.forget(&[Stage::Plan, Stage::Compile]);
        self.timings.add(Stage::SetPoints, start.elapsed());
        Ok(())
    }

    /// Sets points whose coordinates are on the plan's GPU, an array an axis. They are folded and sorted on the host, to which they
    /// are taken, since sorting is what keeps results the same bits.
    ///
    /// # Errors
    /// As [`NufftPlan::set_points`]; [`Error::Device`] if the plan is not of a GPU, or the device was lost.
    #[cfg(feature = "gpu")]
    pub fn set_points_on_gpu<C: Number + Coordinate>(&mut self, coordinates: &[&crate::gpu::Array<C>]) -> Result<()> {
        let Engine::Gpu(gpu) = self.device.engine() else {
            let reason = "its plans take coordinates from the host: use set_points".into();
            return Err(Error::Device { device: self.device.name(), reason });
        };
        let here = coordinates.iter().map(|axis| gpu.download(axis)).collect::<Result<Vec<_>>>()?;
        self.set_points(here.iter().map(ArrayView1::from).collect::<Vec<_>>())
    }

    /// Type 1: modes from strengths, complex or real. Real ones take about half the time on the CPU; their modes are all there, with
    /// `f[-k] = conj(f[k])` to rounding.
    ///
    /// # Errors
    /// As [`NufftPlan::type1_into`].
    pub fn type1<V: Number<Real = T>, D: Dimension>(
        &mut self,
        strengths: &ArrayRef<V, D>,
    ) -> Result<ArrayD<Complex<T>>> {
        let mut modes = ArrayD::zeros(self.modes_shape());
        self.type1_into(strengths, &mut modes)?;
        Ok(modes)
    }

    /// Type 1 into an array of the caller's.
    ///
    /// # Errors
    /// [`Error::Order`] before `set_points`, [`Error::Shape`] where an array does not fit, [`Error::DeviceLost`]. Nothing is written
    /// then.
    pub fn type1_into<V: Number<Real = T>, D: Dimension, E: Dimension>(
        &mut self,
        strengths: &ArrayRef<V, D>,
        modes: &mut ArrayRef<Complex<T>, E>,
    ) -> Result<()> {
        let points = self.points.ok_or(Error::Order { call: "type1", first: "set_points" })?;
        check("strengths", &self.values_shape(points), strengths.shape())?;
        check("modes", &self.modes_shape(), modes.shape())?;
        into_contiguous(modes, |target| self.type1_rows(rows(strengths), target))
    }

    /// Type 2: values at the points from modes.
    ///
    /// # Errors
    /// As [`NufftPlan::type2_into`].
    pub fn type2<D: Dimension>(&mut self, modes: &ArrayRef<Complex<T>, D>) -> Result<ArrayD<Complex<T>>> {
        let points = self.points.ok_or(Error::Order { call: "type2", first: "set_points" })?;
        let mut values = ArrayD::zeros(self.values_shape(points));
        self.type2_into(modes, &mut values)?;
        Ok(values)
    }

    /// Type 2 where the function is real: `c[j] = Re Σ_k f[k] exp(±i k·x[j])`, which is the whole sum if `f[-k] = conj(f[k])`. It
    /// takes about half the time on the CPU, and with the opposite sign is the adjoint of type 1 from real strengths.
    ///
    /// # Errors
    /// As [`NufftPlan::type2_into`].
    pub fn type2_real<D: Dimension>(&mut self, modes: &ArrayRef<Complex<T>, D>) -> Result<ArrayD<T>> {
        let points = self.points.ok_or(Error::Order { call: "type2_real", first: "set_points" })?;
        let mut values = ArrayD::zeros(self.values_shape(points));
        self.type2_into(modes, &mut values)?;
        Ok(values)
    }

    /// Type 2 into an array of the caller's: complex values, or real ones as [`NufftPlan::type2_real`] gives them.
    ///
    /// # Errors
    /// [`Error::Order`] before `set_points`, [`Error::Shape`] where an array does not fit, [`Error::DeviceLost`]. Nothing is written
    /// then.
    pub fn type2_into<V: Number<Real = T>, D: Dimension, E: Dimension>(
        &mut self,
        modes: &ArrayRef<Complex<T>, D>,
        values: &mut ArrayRef<V, E>,
    ) -> Result<()> {
        let points = self.points.ok_or(Error::Order { call: "type2", first: "set_points" })?;
        check("modes", &self.modes_shape(), modes.shape())?;
        check("values", &self.values_shape(points), values.shape())?;
        into_contiguous(values, |target| self.type2_flat(&contiguous(modes), target))
    }

    /// Begins a type 1 over chunks of points, for more of them than fit in memory: their sum is transformed once. Points set
    /// before stay until the first chunk is added.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if a batch needs more grids than there is memory for.
    pub fn accumulate(&mut self) -> Result<Accumulation<'_, T>> {
        self.stages.stages().begin(self.recipe.batch)?;
        self.timings.forget(&[Stage::Plan, Stage::Compile, Stage::SetPoints]);
        Ok(Accumulation::new(self))
    }

    /// Spreading alone: `grid[l] = Σ_j c[j] Π_a φ((l_a - u_ja)·2/w)` on the fine grid of [`Recipe::grid`], u the point in cells from
    /// cell 0 on, l taken periodically, φ the kernel of width w with φ(0) = 1.
    ///
    /// # Errors
    /// As [`NufftPlan::type1_into`].
    pub fn spread<D: Dimension>(&mut self, strengths: &ArrayRef<Complex<T>, D>) -> Result<ArrayD<Complex<T>>> {
        let points = self.points.ok_or(Error::Order { call: "spread", first: "set_points" })?;
        check("strengths", &self.values_shape(points), strengths.shape())?;
        let mut grids = ArrayD::zeros(self.with_batch(&self.recipe.grid));
        into_contiguous(&mut grids, |target| self.spread_rows(rows(strengths), target))?;
        Ok(grids)
    }

    /// Interpolation alone, the adjoint of [`NufftPlan::spread`]: `c[j] = Σ_l grid[l] Π_a φ((l_a - u_ja)·2/w)`.
    ///
    /// # Errors
    /// As [`NufftPlan::type2_into`].
    pub fn interpolate<D: Dimension>(&mut self, grid: &ArrayRef<Complex<T>, D>) -> Result<ArrayD<Complex<T>>> {
        let points = self.points.ok_or(Error::Order { call: "interpolate", first: "set_points" })?;
        check("grid", &self.with_batch(&self.recipe.grid), grid.shape())?;
        let mut values = ArrayD::zeros(self.values_shape(points));
        into_contiguous(&mut values, |target| self.interpolate_flat(&contiguous(grid), target))?;
        Ok(values)
    }

    /// [`NufftPlan::spread`] on arrays whose lengths are right.
    pub(crate) fn spread_flat(&mut self, strengths: &[Complex<T>], grids: &mut [Complex<T>]) -> Result<()> {
        self.spread_rows(in_rows(strengths, self.recipe.batch), grids)
    }

    fn spread_rows(&mut self, strengths: ArrayView2<'_, Complex<T>>, grids: &mut [Complex<T>]) -> Result<()> {
        let batch = self.recipe.batch;
        self.timed(|stages, timings| stages.spread(strengths, grids, batch, timings))
    }

    /// [`NufftPlan::interpolate`] on arrays whose lengths are right.
    pub(crate) fn interpolate_flat(&mut self, grids: &[Complex<T>], values: &mut [Complex<T>]) -> Result<()> {
        let batch = self.recipe.batch;
        self.timed(|stages, timings| stages.interpolate(grids, values, batch, timings))
    }

    /// A type 1 of arrays whose lengths are right.
    pub(crate) fn type1_flat<V: Number<Real = T>>(&mut self, strengths: &[V], modes: &mut [Complex<T>]) -> Result<()> {
        self.type1_rows(in_rows(strengths, self.recipe.batch), modes)
    }

    fn type1_rows<V: Number<Real = T>>(
        &mut self,
        strengths: ArrayView2<'_, V>,
        modes: &mut [Complex<T>],
    ) -> Result<()> {
        let Recipe { batch, sign, .. } = self.recipe;
        self.timed(|stages, timings| stages.execute1(V::values(strengths), modes, batch, sign, timings))
    }

    /// A type 2 of arrays whose lengths are right.
    pub(crate) fn type2_flat<V: Number<Real = T>>(&mut self, modes: &[Complex<T>], values: &mut [V]) -> Result<()> {
        let Recipe { batch, sign, .. } = self.recipe;
        self.timed(|stages, timings| {
            stages.execute2(in_rows(modes, batch), V::values_mut(values), batch, sign, timings)
        })
    }

    fn timed(&mut self, execute: impl FnOnce(&mut dyn Execute<T>, &mut Timings) -> Result<()>) -> Result<()> {
        let start = Instant::now();
        let Self { stages, timings, .. } = self;
        timings.forget(&[Stage::Plan, Stage::Compile, Stage::SetPoints]);
        execute(stages.stages(), timings)?;
        timings.add(Stage::Execute, start.elapsed());
        Ok(())
    }

    /// Adds the points set last to what is being accumulated.
    pub(crate) fn add<D: Dimension>(&mut self, strengths: &ArrayRef<Complex<T>, D>) -> Result<()> {
        let points = self.points.ok_or(Error::Order { call: "add", first: "set_points" })?;
        check("strengths", &self.values_shape(points), strengths.shape())?;
        self.stages.stages().add(rows(strengths), self.recipe.batch, &mut self.timings)
    }

    /// The modes of what was accumulated.
    pub(crate) fn finish<E: Dimension>(&mut self, modes: &mut ArrayRef<Complex<T>, E>) -> Result<()> {
        check("modes", &self.modes_shape(), modes.shape())?;
        let Self { recipe, stages, timings, .. } = self;
        into_contiguous(modes, |target| stages.stages().finish(target, recipe.batch, recipe.sign, timings))
    }

    /// The stages on the GPU, for arrays that already are on the device.
    #[cfg(feature = "gpu")]
    pub fn on_gpu(&mut self) -> Option<&mut Stages<T, Gpu>> {
        match &mut self.stages {
            OnBackend::Gpu(stages) => Some(stages),
            OnBackend::Cpu(_) => None,
        }
    }

    pub(crate) fn modes_shape(&self) -> IxDyn {
        self.with_batch(&self.recipe.modes)
    }

    fn values_shape(&self, points: usize) -> IxDyn {
        self.with_batch(&[points])
    }

    pub(crate) fn with_batch(&self, extents: &[usize]) -> IxDyn {
        let batch = self.batched.then_some(self.recipe.batch);
        IxDyn(&batch.into_iter().chain(extents.iter().copied()).collect::<Vec<_>>())
    }
}

/// One transform's numbers a row, from an array of shape `[M]` or `[batch, M]`, wherever they lie.
fn rows<V, D: Dimension>(array: &ArrayRef<V, D>) -> ArrayView2<'_, V> {
    let view = array.view().into_dyn();
    let view = if view.ndim() == 1 { view.insert_axis(Axis(0)) } else { view };
    view.into_dimensionality().expect("a shape that was checked")
}

/// One transform's numbers a row, from numbers one after another.
fn in_rows<V>(numbers: &[V], batch: usize) -> ArrayView2<'_, V> {
    ArrayView2::from_shape((batch, numbers.len() / batch), numbers).expect("a length that was checked")
}

/// An array's elements in C order: its own memory, or a copy where it is laid out otherwise.
pub(crate) fn contiguous<V: Number, D: Dimension>(array: &ArrayRef<V, D>) -> Cow<'_, [V]> {
    array.as_slice().map_or_else(|| array.iter().copied().collect::<Vec<_>>().into(), Cow::from)
}

/// Writes an array in C order, through a copy where it is laid out otherwise.
pub(crate) fn into_contiguous<V: Number, E: Dimension>(
    array: &mut ArrayRef<V, E>,
    write: impl FnOnce(&mut [V]) -> Result<()>,
) -> Result<()> {
    if let Some(target) = array.as_slice_mut() {
        return write(target);
    }
    let mut apart = vec![V::default(); array.len()];
    write(&mut apart)?;
    array.iter_mut().zip(apart).for_each(|(to, from)| *to = from);
    Ok(())
}

pub(crate) fn check(what: &'static str, expected: &IxDyn, got: &[usize]) -> Result<()> {
    if expected.as_array_view().as_slice() == Some(got) {
        return Ok(());
    }
    let expected: Vec<usize> = expected.as_array_view().to_vec();
    Err(Error::shape(what, format!("the shape {expected:?}"), format!("{got:?}")))
}
