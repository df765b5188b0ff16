//! Builders of non-uniform FFTs: they take a plan's parameters, choose kernel and grid, and make the plan.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ndarray::Dimension;

use crate::backend::Backend;
use crate::backend::gridding::Design;
use crate::device::{AnyBackend, Device};
use crate::error::{Error, Result};
use crate::nufft::choice::{self, Choice, LARGEST_UPSAMPLING, Request, noise_growth};
use crate::nufft::kernel::{Dirichlet, Shape};
use crate::nufft::points::{Fold, Unit};
use crate::nufft::recipe::{ModeOrder, Recipe, UniformTransform};
use crate::nufft::table::{KernelTable, ModeAxis};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::plan::nufft::{Geometry, NufftPlan};
use crate::plan::on_backend::OnBackend;
use crate::plan::stages::Stages;
use crate::real::Real;
use crate::shape;

/// The parameters of a plan to be built: a [`NufftPlan`] if `K` is [`ToModes`], a [`crate::NufftPlan3`] if it is
/// [`ToFrequencies`]. Defaults: tolerance 1e-6, sign +, one transform, and for modes centred order and a period of 2π.
#[derive(Debug, Clone)]
pub struct NufftBuilder<T: Real, K> {
    pub(super) tolerance: f64,
    pub(super) accept: bool,
    pub(super) sign: Sign,
    pub(super) batch: Option<usize>,
    pub(super) uniform: UniformTransform,
    pub(super) kind: K,
    precision: PhantomData<T>,
}

/// The parameters that only plans of types 1 and 2 have.
#[derive(Debug, Clone)]
pub struct ToModes<D> {
    modes: Vec<usize>,
    order: ModeOrder,
    shape: Shape,
    upsampling: Option<f64>,
    points: Option<usize>,
    /// The coordinates' units: one for all axes, or one for each.
    units: Vec<Unit>,
    dimension: PhantomData<D>,
}

/// The parameters that only plans of type 3 have.
#[derive(Debug, Clone)]
pub struct ToFrequencies {
    pub(super) dimensions: usize,
}

/// The parameters that all plans have.
impl<T: Real, K> NufftBuilder<T, K> {
    pub(super) fn of(kind: K) -> Self {
        Self {
            tolerance: 1e-6,
            accept: false,
            sign: Sign::Plus,
            batch: None,
            uniform: UniformTransform::Auto,
            kind,
            precision: PhantomData,
        }
    }

    /// The relative l2 error to keep, `0 < tolerance < 1`; the plan's section on accuracy gives the exact bounds.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Takes the smallest reachable tolerance where the one asked for is out of reach, instead of an error. The recipe
    /// names the tolerance taken.
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

    /// Where a GPU's grid is transformed; [`Recipe::uniform`] says what [`UniformTransform::Auto`] chose.
    #[must_use]
    pub fn uniform_transform(mut self, uniform: UniformTransform) -> Self {
        self.uniform = uniform;
        self
    }

    /// The number of transforms in a batch; an error if it is 0.
    pub(super) fn batch_count(&self) -> Result<usize> {
        match self.batch {
            Some(0) => Err(Error::parameter("batch", "at least 1", 0)),
            batch => Ok(batch.unwrap_or(1)),
        }
    }
}

impl<T: Real, D: Dimension> NufftBuilder<T, ToModes<D>> {
    pub(super) fn to_modes(modes: Vec<usize>) -> Self {
        Self::of(ToModes {
            modes,
            order: ModeOrder::Centred,
            shape: Shape::default(),
            upsampling: None,
            points: None,
            units: vec![Unit::Radians { step: 1.0 }],
            dimension: PhantomData,
        })
    }

    /// The order of modes along each axis.
    #[must_use]
    pub fn order(mut self, order: ModeOrder) -> Self {
        self.kind.order = order;
        self
    }

    /// The spreading kernel's shape.
    #[must_use]
    pub fn kernel(mut self, shape: Shape) -> Self {
        self.kind.shape = shape;
        self
    }

    /// The ratio of fine-grid cells to modes, 1.2 to 4. A smaller ratio needs less memory and a wider kernel. If it is
    /// not set, a cost model chooses it on the CPU; on a GPU it is 2, or less where that grid would be too large for
    /// the device.
    #[must_use]
    pub fn upsampling(mut self, upsampling: f64) -> Self {
        self.kind.upsampling = Some(upsampling);
        self
    }

    /// The number of points to expect, which the cost model uses; if it is not set, as many as modes. Any number may be
    /// set later.
    #[must_use]
    pub fn expected_points(mut self, points: usize) -> Self {
        self.kind.points = Some(points);
        self
    }

    /// The coordinates' period, in their own unit, instead of 2π: the exponent is `±2πi k·x/period`.
    #[must_use]
    pub fn period(self, period: f64) -> Self {
        self.units(vec![Unit::Period(period)])
    }

    /// The exponent is `±i k·x·step`: the period is 2π/step exactly, not rounded to an f64.
    #[must_use]
    pub fn step(self, step: f64) -> Self {
        self.units(vec![Unit::Radians { step }])
    }

    /// A unit for each axis.
    pub(super) fn units(mut self, units: Vec<Unit>) -> Self {
        self.kind.units = units;
        self
    }

    /// Chooses kernel, width and grid, and prepares the device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its range, [`Error::Tolerance`] for a tolerance out of reach,
    /// [`Error::TooLarge`] where sizes overflow or the device lacks the memory, [`Error::Device`] where it lacks the
    /// precision.
    pub fn build(self, device: &Device) -> Result<NufftPlan<T, D>> {
        let start = Instant::now();
        let ToModes { modes, shape, upsampling, points, .. } = &self.kind;
        let expected = || points.unwrap_or_else(|| modes.iter().fold(1, |a, &b| a.saturating_mul(b)));
        let choice = choice::choose::<T>(&Request {
            modes,
            tolerance: self.tolerance,
            accept: self.accept,
            shape: *shape,
            upsampling: *upsampling,
            points: device.has_cost_model().then(expected),
            cells: device.most_cells::<T>(),
        })?;
        self.assemble(device, choice, true, start)
    }

    /// Makes a plan for [`NufftPlan::spread`] and [`NufftPlan::interpolate`] alone: its grid has one cell for each
    /// mode, so that its transforms, which no finer grid protects from aliasing, are of no use. The kernel is that of a
    /// transform of this tolerance and upsampling factor [default: 2].
    ///
    /// # Errors
    /// As [`NufftBuilder::build`], and [`Error::Parameter`] for axes shorter than two widths of the kernel.
    pub fn build_spreading(self, device: &Device) -> Result<NufftPlan<T, D>> {
        let start = Instant::now();
        let ToModes { modes, shape, upsampling, .. } = &self.kind;
        let upsampling = upsampling.unwrap_or(2.0);
        let choice = choice::choose::<T>(&Request {
            modes,
            tolerance: self.tolerance,
            accept: self.accept,
            shape: *shape,
            upsampling: Some(upsampling),
            points: None,
            cells: usize::MAX,
        })?;
        if let Some(short) = modes.iter().find(|&&cells| cells < 2 * choice.width) {
            let expected = format!("at least {} on each axis, twice the kernel's width, to spread", 2 * choice.width);
            return Err(Error::parameter("modes", expected, short));
        }
        let choice = Choice { grid: modes.clone(), upsampling, ..choice };
        self.assemble(device, choice, true, start)
    }

    /// Makes the plan for a chosen width and grid; `transforms` is false for a plan that only spreads and interpolates.
    pub(super) fn assemble(
        self,
        device: &Device,
        choice: Choice,
        transforms: bool,
        start: Instant,
    ) -> Result<NufftPlan<T, D>> {
        for unit in &self.kind.units {
            match *unit {
                Unit::Radians { step } if step.is_finite() && step != 0.0 => {}
                Unit::Period(period) if period.is_finite() && period > 0.0 => {}
                Unit::Radians { step } => return Err(Error::parameter("step", "a finite number other than 0", step)),
                Unit::Period(period) => return Err(Error::parameter("period", "a finite number above 0", period)),
            }
        }
        let batch = self.batch_count()?;
        shape::product("the fine grid", &choice.grid)?;
        let batched: Vec<usize> = self.kind.modes.iter().copied().chain([batch]).collect();
        shape::product("the modes", &batched)?;
        let built = match device.backend() {
            AnyBackend::Cpu(cpu) => {
                let (built, stages) = self.prepare(cpu, device, &choice, batch, transforms)?;
                (built, OnBackend::Cpu(stages))
            }
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => {
                let (built, stages) = self.prepare(gpu, device, &choice, batch, transforms)?;
                (built, OnBackend::Gpu(stages))
            }
        };
        let (Built { geometry, mut recipe, mut timings }, stages) = built;
        recipe.device = device.name();
        timings.add(Stage::Plan, start.elapsed());
        Ok(NufftPlan {
            recipe,
            batched: self.batch.is_some(),
            points: None,
            device: device.clone(),
            geometry: Arc::new(geometry),
            stages,
            timings: Mutex::new(timings),
            dimension: PhantomData,
        })
    }

    /// Fits the kernel's polynomials and prepares the stages on a backend.
    fn prepare<B: Backend>(
        &self,
        backend: &B,
        device: &Device,
        choice: &Choice,
        batch: usize,
        transforms: bool,
    ) -> Result<(Built, Stages<T, B>)> {
        let ToModes { modes, order, shape, units, .. } = &self.kind;
        let (order, sign, grid, width) = (*order, self.sign, &choice.grid, choice.width);
        let upsampling = choice.upsampling.min(LARGEST_UPSAMPLING);
        let kernel = || shape.build(width, upsampling);
        // The errors of the polynomials act as noise on the grid, which small upsampling factors amplify.
        let share = f64::min(0.05, 0.4 / noise_growth(width, upsampling));
        let accuracy = (share * choice.predicted_error).max(2.0 * T::ROUNDOFF);
        let remembered = T::remembered();
        let key = (Some(*shape), width, [upsampling.to_bits(), accuracy.to_bits()]);
        let table = remembered.kernel(key, || KernelTable::fit(&*kernel(), width, accuracy));
        // The coefficients' own rounding hides what is below 2e-15.
        let exactly = (0.05 * choice.tolerance).max(2.0 * T::ROUNDOFF).max(2e-15);
        let extents = || modes.iter().zip(grid).zip(&choice.exact);
        let tables: Vec<KernelTable<T>> = extents()
            .map(|((&modes, &cells), &exact)| match exact {
                true => remembered.kernel((None, cells, [modes as u64, exactly.to_bits()]), || {
                    KernelTable::fit(&Dirichlet { highest: modes / 2 }, cells, exactly)
                }),
                false => table.clone(),
            })
            .collect();
        let axes: Vec<ModeAxis<T>> = device.install(modes.iter().sum(), || {
            extents()
                .filter(|_| transforms)
                .map(|((&modes, &cells), &exact)| match exact {
                    true => ModeAxis::exact(modes, cells, order),
                    false => remembered
                        .axis((key, [modes, cells], order), || ModeAxis::new(&*kernel(), width, modes, cells, order)),
                })
                .collect()
        });
        let widths = choice.widths();
        let tiling = backend.tiling::<T>(grid, &widths)?;
        // A grid that is never transformed stays on the device.
        let asked = if transforms { self.uniform } else { UniformTransform::Device };
        let (uniform, transform_times) = backend.uniform::<T>(asked, grid);
        let design = Design { grid, kernels: &tables, modes: &axes, order, sign, uniform };
        let before = backend.compiling();
        let stages = Stages::new(backend.clone(), &design, batch)?;
        let compiled = backend.compiling().saturating_sub(before);
        let fine_bytes = backend.fine_bytes(&design).saturating_mul(backend.together(&design, batch));
        let factor_bytes = axes.iter().map(|axis| axis.count() / 2 * size_of::<T>()).sum::<usize>();
        let units = units.iter().cycle();
        let folds = grid.iter().zip(units).zip(&widths);
        let folds = folds.map(|((&cells, &unit), &width)| Fold::new(unit, cells, width)).collect();
        let recipe = Recipe {
            modes: modes.clone(),
            grid: grid.clone(),
            exact: choice.exact.clone(),
            batch,
            tolerance: choice.tolerance,
            asked: self.tolerance,
            kernel: *shape,
            width,
            upsampling: choice.upsampling,
            degree: tables.iter().map(|table| table.degree).max().unwrap_or(table.degree),
            tiles: tiling.axes.iter().map(|axis| axis.count).collect(),
            predicted_error: choice.predicted_error,
            bytes: fine_bytes + factor_bytes,
            sign,
            order,
            uniform,
            transform_times,
            precision: T::NAME,
            device: String::new(),
        };
        let mut timings = Timings::default();
        if !compiled.is_zero() {
            timings.add(Stage::Compile, compiled);
        }
        let geometry = Geometry { folds, tiling, tolerance: choice.tolerance };
        Ok((Built { geometry, recipe, timings }, stages))
    }
}

/// The parts of a plan whose types do not depend on the backend.
struct Built {
    geometry: Geometry,
    recipe: Recipe,
    timings: Timings,
}
