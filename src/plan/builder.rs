//! Builders of plans: what is chosen before anything is computed, and the plan made of it.

use std::time::{Duration, Instant};

use crate::backend::Design;
use crate::device::{Device, Engine};
use crate::error::{Error, Result};
use crate::nufft::choice::{self, Choice, LARGEST_UPSAMPLING, Request};
use crate::nufft::kernel::Shape;
use crate::nufft::points::{Fold, Unit};
use crate::nufft::recipe::{ModeOrder, Recipe, UniformTransform};
use crate::nufft::table::{KernelTable, ModeAxis};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::plan::nufft::NufftPlan;
use crate::plan::stages::OnBackend;
use crate::real::Real;
use crate::shape;

/// Chooses what a [`NufftPlan`] will do. Defaults: tolerance 1e-6, sign +, centred modes, one transform, period 2π.
#[derive(Debug, Clone)]
pub struct NufftBuilder<T: Real> {
    modes: Vec<usize>,
    batch: Option<usize>,
    tolerance: f64,
    accept: bool,
    sign: Sign,
    order: ModeOrder,
    shape: Shape,
    upsampling: Option<f64>,
    uniform: UniformTransform,
    points: Option<usize>,
    /// One for all axes, or one an axis.
    units: Vec<Unit>,
    precision: std::marker::PhantomData<T>,
}

impl<T: Real> NufftBuilder<T> {
    pub(super) fn new(modes: Vec<usize>) -> Self {
        Self {
            modes,
            batch: None,
            tolerance: 1e-6,
            accept: false,
            sign: Sign::Plus,
            order: ModeOrder::Centred,
            shape: Shape::default(),
            upsampling: None,
            uniform: UniformTransform::Auto,
            points: None,
            units: vec![Unit::Radians { step: 1.0 }],
            precision: std::marker::PhantomData,
        }
    }

    /// The relative l2 error to keep, `0 < tolerance < 1`; see [`NufftPlan`] for the law.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Takes the smallest reachable tolerance where the one asked for is out of reach, instead of an error. The recipe says
    /// which.
    #[must_use]
    pub fn accept_reachable(mut self) -> Self {
        self.accept = true;
        self
    }

    /// Executes `batch` transforms over the same points at once; arrays then have a leading axis of that length.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// The sign of the exponent; [`NufftPlan::set_sign`] changes it later at no cost.
    #[must_use]
    pub fn sign(mut self, sign: Sign) -> Self {
        self.sign = sign;
        self
    }

    /// The order of modes along each axis.
    #[must_use]
    pub fn order(mut self, order: ModeOrder) -> Self {
        self.order = order;
        self
    }

    /// The spreading kernel's shape.
    #[must_use]
    pub fn kernel(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// The ratio of fine-grid cells to modes, 1.2 to 4. Less needs less memory and a wider kernel. Without it, a model of the costs
    /// chooses on the CPU; on a GPU it is 2.
    #[must_use]
    pub fn upsampling(mut self, upsampling: f64) -> Self {
        self.upsampling = Some(upsampling);
        self
    }

    /// Where a GPU's grid is transformed; [`Recipe::uniform`] says what became of [`UniformTransform::Auto`].
    #[must_use]
    pub fn uniform_transform(mut self, uniform: UniformTransform) -> Self {
        self.uniform = uniform;
        self
    }

    /// The number of points to expect, by which costs are weighed; without it, as many as modes. Any number may be set later.
    #[must_use]
    pub fn expected_points(mut self, points: usize) -> Self {
        self.points = Some(points);
        self
    }

    /// The coordinates' period, in their own unit, instead of 2π: the exponent is `±2πi k·x/period`.
    #[must_use]
    pub fn period(mut self, period: f64) -> Self {
        self.units = vec![Unit::Period(period)];
        self
    }

    /// The exponent is `±i k·x·step`: the period is 2π/step exactly, not rounded to an f64.
    #[must_use]
    pub fn step(mut self, step: f64) -> Self {
        self.units = vec![Unit::Radians { step }];
        self
    }

    /// A unit for each axis.
    pub(crate) fn units(mut self, units: Vec<Unit>) -> Self {
        self.units = units;
        self
    }

    /// Chooses kernel, width and grid, and prepares the device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its range, [`Error::Tolerance`] for a tolerance out of reach,
    /// [`Error::TooLarge`] where sizes overflow or the device has not the memory, [`Error::Device`] where it lacks the precision.
    pub fn build(self, device: &Device) -> Result<NufftPlan<T>> {
        let start = Instant::now();
        let points = match device.engine() {
            Engine::Cpu(_) => {
                Some(self.points.unwrap_or_else(|| self.modes.iter().fold(1, |a, &b| a.saturating_mul(b))))
            }
            #[cfg(feature = "gpu")]
            Engine::Gpu(_) => None,
        };
        let choice = choice::choose::<T>(&Request {
            modes: &self.modes,
            tolerance: self.tolerance,
            accept: self.accept,
            shape: self.shape,
            upsampling: self.upsampling,
            points,
        })?;
        self.assemble(device, choice, true, start)
    }

    /// The plan for a width and a grid; `transforms` is false for one that only spreads and interpolates.
    pub(crate) fn assemble(
        self,
        device: &Device,
        choice: Choice,
        transforms: bool,
        start: Instant,
    ) -> Result<NufftPlan<T>> {
        for unit in &self.units {
            match *unit {
                Unit::Radians { step } if step.is_finite() && step != 0.0 => {}
                Unit::Period(period) if period.is_finite() && period > 0.0 => {}
                Unit::Radians { step } => return Err(Error::parameter("step", "a finite number other than 0", step)),
                Unit::Period(period) => return Err(Error::parameter("period", "a finite number above 0", period)),
            }
        }
        let batch = self.batch.unwrap_or(1);
        if batch == 0 {
            return Err(Error::parameter("batch", "at least 1", batch));
        }
        shape::product("the fine grid", &choice.grid)?;
        let batched: Vec<usize> = self.modes.iter().copied().chain([batch]).collect();
        shape::product("the modes", &batched)?;
        let kernel = self.shape.build(choice.width, choice.upsampling.min(LARGEST_UPSAMPLING));
        let accuracy = (0.05 * choice.predicted_error).max(2.0 * T::ROUNDOFF);
        let table = KernelTable::<T>::fit(&*kernel, choice.width, accuracy);
        let axes: Vec<ModeAxis<T>> = device.install(self.modes.iter().sum(), || {
            let sizes = self.modes.iter().zip(&choice.grid).filter(|_| transforms);
            sizes.map(|(&modes, &cells)| ModeAxis::new(&*kernel, choice.width, modes, cells, self.order)).collect()
        });
        let tiling = OnBackend::<T>::tiling(device, &choice.grid, choice.width)?;
        let (grid, order, sign) = (&choice.grid, self.order, self.sign);
        let (uniform, transform_times) = match device.engine() {
            Engine::Cpu(_) => (UniformTransform::Host, None),
            #[cfg(feature = "gpu")]
            Engine::Gpu(_) if !transforms => (UniformTransform::Device, None),
            #[cfg(feature = "gpu")]
            Engine::Gpu(gpu) => gpu.uniform::<T>(self.uniform, grid),
        };
        let design = Design { grid, kernel: &table, modes: &axes, tiling: &tiling, order, sign, uniform };
        let before = compiling(device);
        let (stages, fine_bytes) = OnBackend::new(device, &design, batch)?;
        let compiled = compiling(device).saturating_sub(before);
        let factor_bytes = axes.iter().map(|axis| axis.count() / 2 * size_of::<T>()).sum::<usize>();
        let units = self.units.iter().cycle();
        let folds = grid.iter().zip(units).map(|(&cells, &unit)| Fold::new(unit, cells, choice.width)).collect();
        let recipe = Recipe {
            modes: self.modes,
            grid: choice.grid,
            batch,
            tolerance: choice.tolerance,
            asked: self.tolerance,
            kernel: self.shape,
            width: choice.width,
            upsampling: choice.upsampling,
            degree: table.degree,
            tiles: tiling.axes.iter().map(|axis| axis.count).collect(),
            predicted_error: choice.predicted_error,
            bytes: fine_bytes + factor_bytes,
            sign: self.sign,
            order: self.order,
            uniform,
            transform_times,
            precision: T::NAME,
            device: device.name(),
        };
        let mut timings = Timings::default();
        timings.add(Stage::Plan, start.elapsed());
        if !compiled.is_zero() {
            timings.add(Stage::Compile, compiled);
        }
        Ok(NufftPlan {
            recipe,
            batched: self.batch.is_some(),
            points: None,
            device: device.clone(),
            folds,
            tiling,
            stages,
            timings,
        })
    }
}

/// What a device has spent on compiling so far.
fn compiling(device: &Device) -> Duration {
    match device.engine() {
        Engine::Cpu(_) => Duration::ZERO,
        #[cfg(feature = "gpu")]
        Engine::Gpu(gpu) => gpu.compiling(),
    }
}
