//! Type 1 over chunks of points: grids add up, and are transformed once.

use std::fmt;

use ndarray::{ArrayD, ArrayRef, ArrayView1, Dimension};
use num_complex::Complex;

use crate::error::Result;
use crate::numeric::float::Coordinate;
use crate::plan::nufft::NufftPlan;
use crate::real::Real;

/// A type 1 that is being summed over chunks of points, by [`NufftPlan::accumulate`]. Dropped unfinished, it leaves nothing.
///
/// The modes are those of all points together, to the law of the plan; the order of chunks matters to rounding only.
///
/// ```
/// use ndarray::{array, s};
/// use num_complex::Complex;
/// use wavemill::{Cpu, Device, NufftPlan};
///
/// let x = array![0.1, 0.7, 2.0, 5.0];
/// let c = x.mapv(|x| Complex::new(x, -x));
/// let mut plan = NufftPlan::<f64>::builder([6]).tolerance(1e-9).build(&Device::from(Cpu::new()))?;
/// let mut sum = plan.accumulate()?;
/// sum.add([x.slice(s![..3])], &c.slice(s![..3]))?;
/// sum.add([x.slice(s![3..])], &c.slice(s![3..]))?;
/// let modes = sum.finish()?;
/// plan.set_points([x.view()])?;
/// let whole = plan.type1(&c)?;
/// assert!(modes.iter().zip(&whole).all(|(a, b)| (a - b).norm() < 1e-14 * 20.0));
/// # Ok::<(), wavemill::Error>(())
/// ```
pub struct Accumulation<'p, T: Real> {
    plan: &'p mut NufftPlan<T>,
}

impl<T: Real> fmt::Debug for Accumulation<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulation").field("plan", &self.plan).finish()
    }
}

impl<'p, T: Real> Accumulation<'p, T> {
    pub(crate) fn new(plan: &'p mut NufftPlan<T>) -> Self {
        Self { plan }
    }

    /// Adds a chunk: its coordinates, as [`NufftPlan::set_points`] takes them, and its strengths. On an error in its input
    /// nothing was added.
    ///
    /// # Errors
    /// As [`NufftPlan::set_points`] and [`NufftPlan::type1_into`].
    pub fn add<'a, C: Coordinate, D: Dimension>(
        &mut self,
        coordinates: impl AsRef<[ArrayView1<'a, C>]>,
        strengths: &ArrayRef<Complex<T>, D>,
    ) -> Result<()> {
        self.plan.set_points(coordinates)?;
        self.plan.add(strengths)
    }

    /// Transforms the sum.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn finish(self) -> Result<ArrayD<Complex<T>>> {
        let mut modes = ArrayD::zeros(self.plan.modes_shape());
        self.plan.finish(&mut modes)?;
        Ok(modes)
    }

    /// Transforms the sum into an array of the caller's.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] where it does not fit, [`crate::Error::DeviceLost`]. Nothing is written then.
    pub fn finish_into<E: Dimension>(self, modes: &mut ArrayRef<Complex<T>, E>) -> Result<()> {
        self.plan.finish(modes)
    }
}
