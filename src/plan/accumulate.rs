//! Type 1 over chunks of points: all chunks are spread onto the same grid, which is transformed once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use ndarray::{Array, ArrayRef, Dimension, IxDyn};
use num_complex::Complex;

use crate::device::Device;
use crate::error::Result;
use crate::nufft::points::{Coordinates, Points};
use crate::nufft::timings::Timings;
use crate::plan::arrays::{InOrder, PointsOf, SMALLER, check, rows, zeros};
use crate::plan::nufft::{Geometry, NufftPlan};
use crate::plan::on_backend::{OnBackend, SumsOnBackend, on_backend};
use crate::plan::stages::Batch;
use crate::real::{Number, Real};

impl<T: Real, D: Dimension> NufftPlan<T, D> {
    /// Begins a type 1 over chunks of points, for more points than fit in memory: all chunks are spread onto the same
    /// grid, which is transformed once. The plan keeps its own points.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] if a batch needs more grids than there is memory for.
    pub fn accumulate<V: Number<Real = T>, S: PointsOf<D>>(&self) -> Result<Accumulation<T, V, S, D>> {
        Accumulation::new(self)
    }
}

/// A type 1 that is being computed over chunks of points; [`NufftPlan::accumulate`] begins it. It has grids of its own,
/// so the plan can be used meanwhile. Strengths are complex, or real in all chunks.
///
/// The modes are those of all points together, with the plan's accuracy; the order of the chunks affects only rounding.
///
/// ```
/// use num_complex::Complex;
/// use ndarray::{array, s};
/// use wavemill::{Cpu, Device, NufftPlan};
///
/// let x = [0.1, 0.7, 2.0, 5.0];
/// let c = array![0.1, -0.7, 2.0, -5.0];
/// let mut plan = NufftPlan::<f64>::builder([6]).tolerance(1e-9).build(&Device::from(Cpu::new()))?;
/// let mut sum = plan.accumulate()?;
/// sum.add([&x[..3]], &c.slice(s![..3]))?;
/// sum.add([&x[3..]], &c.slice(s![3..]))?;
/// let modes = sum.finish()?;
/// plan.set_points([&x])?;
/// let whole = plan.type1(&c)?;
/// assert!(modes.iter().zip(&whole).all(|(a, b): (&Complex<f64>, _)| (a - b).norm() < 1e-14 * 20.0));
/// # Ok::<(), wavemill::Error>(())
/// ```
pub struct Accumulation<T: Real, V: Number<Real = T>, S: PointsOf<D>, D: Dimension> {
    sums: SumsOnBackend<T, V>,
    geometry: Arc<Geometry>,
    device: Device,
    batch: Batch,
    /// The number of the points' axes.
    axes: usize,
    /// The extent of the strengths' leading axis, if there is a batch.
    batched: Option<usize>,
    /// The shape of the modes, with the batch in front.
    modes: IxDyn,
    dimensions: PhantomData<(S, D)>,
}

impl<T: Real, V: Number<Real = T>, S: PointsOf<D>, D: Dimension> fmt::Debug for Accumulation<T, V, S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulation").field("modes", &self.modes).finish_non_exhaustive()
    }
}

impl<T: Real, V: Number<Real = T>, S: PointsOf<D>, D: Dimension> Accumulation<T, V, S, D> {
    pub(super) fn new(plan: &NufftPlan<T, D>) -> Result<Self> {
        let batch = plan.batch();
        let sums = match &plan.stages {
            OnBackend::Cpu(stages) => SumsOnBackend::Cpu(stages.clone(), stages.sums(batch)?),
            #[cfg(feature = "gpu")]
            OnBackend::Gpu(stages) => SumsOnBackend::Gpu(stages.clone(), stages.sums(batch)?),
        };
        Ok(Self {
            sums,
            geometry: Arc::clone(&plan.geometry),
            device: plan.device.clone(),
            batch,
            axes: plan.recipe.modes.len(),
            batched: plan.batched.then_some(batch.count),
            modes: plan.modes_shape(),
            dimensions: PhantomData,
        })
    }

    /// Adds a chunk: its coordinates, as [`NufftPlan::set_points`] takes them, and its strengths. If its input is
    /// refused, the sum does not change.
    ///
    /// # Errors
    /// As [`NufftPlan::set_points`] and [`NufftPlan::type1_into`].
    pub fn add<X: Coordinates>(&mut self, coordinates: impl AsRef<[X]>, strengths: &ArrayRef<V, S>) -> Result<()> {
        let axes: Vec<_> = coordinates.as_ref().iter().map(Coordinates::coordinates).collect();
        let points = Points::new(&axes, self.axes)?;
        let expected: Vec<usize> = self.batched.into_iter().chain([points.len()]).collect();
        check("strengths", &IxDyn(&expected), strengths.shape())?;
        let Self { sums, geometry, device, batch, .. } = self;
        on_backend!(SumsOnBackend, sums, stages, sums => {
            geometry.place(device, &points, stages)?;
            stages.add(sums, rows(strengths), *batch, &mut Timings::default())
        })
    }

    /// Transforms the sum to the modes of all points added.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if strengths have another dimension than the plan's batch asks for,
    /// [`crate::Error::TooLarge`] if there is no memory for the modes, [`crate::Error::DeviceLost`].
    pub fn finish(self) -> Result<Array<Complex<T>, S::Modes>> {
        let expected: Vec<usize> = self.batched.into_iter().chain([0]).collect();
        if let Some(axes) = S::NDIM {
            check("the axes of strengths", &IxDyn(&[expected.len()]), &[axes])?;
        }
        let mut modes = zeros("the modes", self.modes.clone(), SMALLER)?;
        self.finish_into(&mut modes)?;
        Ok(modes)
    }

    /// Transforms the sum, writing the modes to the caller's array.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the array has another shape than the modes, [`crate::Error::DeviceLost`]. Nothing is
    /// written then.
    pub fn finish_into<E: Dimension>(self, modes: &mut ArrayRef<Complex<T>, E>) -> Result<()> {
        check("modes", &self.modes, modes.shape())?;
        let (mut target, batch) = (InOrder::to_write(modes)?, self.batch);
        on_backend!(SumsOnBackend, self.sums, stages, sums => {
            stages.modes_of_sums(sums, target.slice(), batch, &mut Timings::default())
        })?;
        target.store();
        Ok(())
    }
}
