//! Type 3, from any real sources to any real targets: spreading onto a grid of its own, and an inner type 2 at the targets.

use std::fmt;
use std::time::Instant;

use ndarray::{ArrayD, ArrayRef, ArrayView1, Dimension, IxDyn};
use num_complex::Complex;

use crate::cpu::phase::{multiply, product};
use crate::device::{Device, Engine};
use crate::error::{Error, Result};
use crate::machine::pages;
use crate::machine::parallel;
use crate::nufft::choice::{self, Choice, LARGEST_UPSAMPLING, Request, smooth_size};
use crate::nufft::kernel::Shape;
use crate::nufft::points::{Points, Unit};
use crate::nufft::recipe::{ModeOrder, Recipe, UniformTransform};
use crate::nufft::table::{Correction, TOGETHER};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::float::Coordinate;
use crate::numeric::sign::Sign;
use crate::numeric::turns;
use crate::plan::builder::NufftBuilder;
use crate::plan::nufft::{NufftPlan, check, contiguous, into_contiguous};
#[cfg(feature = "gpu")]
use crate::plan::stages3::{Sides, Stages3};
use crate::real::Real;

/// Chooses what a [`NufftPlan3`] will do. Defaults: tolerance 1e-6, sign +, one transform.
#[derive(Debug, Clone)]
pub struct NufftBuilder3<T: Real> {
    dimensions: usize,
    tolerance: f64,
    accept: bool,
    sign: Sign,
    batch: Option<usize>,
    uniform: UniformTransform,
    precision: std::marker::PhantomData<T>,
}

impl<T: Real> NufftBuilder3<T> {
    /// The relative l2 error to keep, `0 < tolerance < 1`; see [`NufftPlan3`] for the law.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Takes the smallest reachable tolerance where the one asked for is out of reach, instead of an error.
    #[must_use]
    pub fn accept_reachable(mut self) -> Self {
        self.accept = true;
        self
    }

    /// The sign of the exponent.
    #[must_use]
    pub fn sign(mut self, sign: Sign) -> Self {
        self.sign = sign;
        self
    }

    /// Executes `batch` transforms over the same points at once; arrays then have a leading axis of that length.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// Where a GPU's grid is transformed [default: `Auto`].
    #[must_use]
    pub fn uniform_transform(mut self, uniform: UniformTransform) -> Self {
        self.uniform = uniform;
        self
    }

    /// Checks what was asked. Grids depend on the points, and are made when those are set.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its range, [`Error::Tolerance`] for a tolerance out of reach.
    pub fn build(self, device: &Device) -> Result<NufftPlan3<T>> {
        if !(1..=3).contains(&self.dimensions) {
            return Err(Error::parameter("dimensions", "1, 2 or 3", self.dimensions));
        }
        if self.batch == Some(0) {
            return Err(Error::parameter("batch", "at least 1", 0));
        }
        // What depends on no points is checked now.
        choice::choose::<T>(&self.request(&vec![100; self.dimensions], None))?;
        Ok(NufftPlan3 { builder: self, device: device.clone(), set: None, timings: Timings::default() })
    }

    fn request<'a>(&self, modes: &'a [usize], points: Option<usize>) -> Request<'a> {
        let Self { tolerance, accept, .. } = *self;
        Request { modes, tolerance, accept, shape: Shape::Prolate, upsampling: None, points }
    }
}

/// A non-uniform FFT of type 3 for given sources and targets: `f[k] = Σ_j c[j] exp(±i s[k]·x[j])`.
///
/// # Shapes
/// d = 1, 2 or 3 axes, M sources x, K targets s: d arrays each. Strengths: `[M]`, values: `[K]`; with a batch both gain a leading
/// axis.
///
/// # Units and range
/// Sources and targets in any reciprocal units, of any finite size. What costs is the space-bandwidth product of each axis: with X
/// and S half the extents of sources and targets the grid has about `2σ X S/π` cells. If the grids do not fit in memory,
/// [`NufftPlan3::set_points`] says how much they would need.
///
/// # Accuracy
/// The relative l2 error against direct sums is at most `max(floor, 5·tolerance)`, floor 3e-14 in f64 and 1e-6 in f32, and
/// besides what one rounding of the coordinates to their centre causes, `1e-16 · X S` where the centre is not 0;
/// `tests/type3.rs` enforces it.
///
/// # Method
/// Sources, from their centre, are spread onto a grid of spacing `h = π/(σ S)`; an inner type 2 evaluates the grid's transform at
/// the targets from theirs. Phases before and after move the centres, and the kernel's transform is divided out (Lee and
/// Greengard 2005; Barnett, Magland and af Klinteberg 2019).
///
/// ```
/// use ndarray::array;
/// use num_complex::Complex;
/// use wavemill::{Cpu, Device, NufftPlan3};
///
/// let mut plan = NufftPlan3::<f64>::builder(1).tolerance(1e-10).build(&Device::from(Cpu::new()))?;
/// plan.set_points([array![0.5, 2.25].view()], [array![-3.7, 0.0, 11.3].view()])?;
/// let values = plan.type3(&array![Complex::new(1.0, 0.0), Complex::new(0.0, 2.0)])?;
/// for (value, s) in values.iter().zip([-3.7, 0.0, 11.3]) {
///     let exact = Complex::from_polar(1.0, 0.5 * s) + Complex::new(0.0, 2.0) * Complex::from_polar(1.0, 2.25 * s);
///     assert!((value - exact).norm() < 1e-9);
/// }
/// # Ok::<(), wavemill::Error>(())
/// ```
pub struct NufftPlan3<T: Real> {
    builder: NufftBuilder3<T>,
    device: Device,
    set: Option<Set<T>>,
    timings: Timings,
}

/// What depends on the points.
struct Set<T: Real> {
    sources: usize,
    targets: usize,
    /// Spreads sources; none if there are no sources or no targets.
    plans: Option<Plans<T>>,
}

struct Plans<T: Real> {
    outer: NufftPlan<T>,
    inner: NufftPlan<T>,
    /// `exp(+i s̄·x)` of each source from its centre, s̄ the targets' centre; none if that is 0.
    before: Option<Vec<Complex<T>>>,
    /// `exp(+i s·x̄)` of each target, times the correction.
    after: Vec<Complex<T>>,
    /// Strengths or values on their way, and grids, kept from one execution to the next; nothing where a GPU keeps them.
    turned: Vec<Complex<T>>,
    grids: Vec<Complex<T>>,
    /// The phases on the GPU, where the plans are of one.
    #[cfg(feature = "gpu")]
    sides: Option<Sides<T>>,
}

impl<T: Real> Plans<T> {
    /// The stages on the GPU.
    #[cfg(feature = "gpu")]
    fn on_gpu(&mut self) -> Option<Stages3<'_, T>> {
        let Self { outer, inner, sides, .. } = self;
        Some(Stages3 { outer: outer.on_gpu()?, inner: inner.on_gpu()?, sides: sides.as_ref()? })
    }

    /// From the sources' side to the targets'.
    fn forward(
        &mut self,
        strengths: &[Complex<T>],
        values: &mut [Complex<T>],
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        #[cfg(feature = "gpu")]
        if let Some(mut stages) = self.on_gpu() {
            return stages.with_host_arrays(strengths, values, timings, |stages, strengths, values, timings| {
                stages.type3(strengths, values, sign, timings)
            });
        }
        let Self { outer, inner, before, after, turned, grids, .. } = self;
        let strengths = match before {
            Some(before) => product(strengths, before, sign, turned),
            None => strengths,
        };
        outer.spread_flat(strengths, grids)?;
        inner.type2_flat(grids, values)?;
        multiply(values, after, sign);
        timings.take(outer.timings());
        timings.take(inner.timings());
        Ok(())
    }

    /// From the targets' side to the sources'.
    fn back(
        &mut self,
        values: &[Complex<T>],
        strengths: &mut [Complex<T>],
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        #[cfg(feature = "gpu")]
        if let Some(mut stages) = self.on_gpu() {
            return stages.with_host_arrays(values, strengths, timings, |stages, values, strengths, timings| {
                stages.adjoint(values, strengths, sign, timings)
            });
        }
        let Self { outer, inner, before, after, turned, grids, .. } = self;
        let values = product(values, after, sign, turned);
        inner.set_sign(sign);
        let done = inner.type1_flat(values, grids);
        inner.set_sign(sign.opposite());
        done?;
        outer.interpolate_flat(grids, strengths)?;
        if let Some(before) = before {
            multiply(strengths, before, sign);
        }
        timings.take(outer.timings());
        timings.take(inner.timings());
        Ok(())
    }
}

impl<T: Real> fmt::Debug for NufftPlan3<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NufftPlan3").field("builder", &self.builder).finish_non_exhaustive()
    }
}

/// The centre and half the extent of coordinates, each from the centre. A centre near zero is taken as zero: subtracting it
/// would only round.
fn centred<C: Coordinate>(coordinates: ArrayView1<'_, C>) -> (f64, f64, Vec<f64>) {
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for &x in &coordinates {
        range = (range.0.min(x.into()), range.1.max(x.into()));
    }
    let half = 0.5 * range.1 - 0.5 * range.0;
    let centre = 0.5 * range.1 + 0.5 * range.0;
    let centre = if centre.abs() <= 0.1 * half { 0.0 } else { centre };
    let moved: Vec<f64> = coordinates.iter().map(|&x| x.into() - centre).collect();
    let half = moved.iter().fold(0.0, |half: f64, x| half.max(x.abs()));
    (centre, half, moved)
}

/// One axis of sources, targets and the grid between them.
struct Axis {
    sources: Vec<f64>,
    targets: Vec<f64>,
    source_centre: f64,
    target_centre: f64,
    /// Half extents.
    reach: (f64, f64),
}

impl Axis {
    /// Cells a grid of upsampling 1 would need.
    fn modes(&self) -> f64 {
        2.0 * self.reach.0 * self.reach.1 / std::f64::consts::PI
    }

    /// The grid's spacing for an upsampling factor: the band of the targets must be 1/σ of the grid's. Where there is one
    /// source or one target, anything will do.
    fn spacing(&self, upsampling: f64) -> f64 {
        let (sources, targets) = self.reach;
        match (sources > 0.0, targets > 0.0) {
            (_, true) => std::f64::consts::PI / (upsampling * targets),
            (true, false) => 2.0 * sources,
            (false, false) => 1.0,
        }
    }
}

impl<T: Real> NufftPlan3<T> {
    /// Starts a plan for 1, 2 or 3 axes.
    pub fn builder(dimensions: usize) -> NufftBuilder3<T> {
        let (tolerance, accept, sign, batch, uniform) = (1e-6, false, Sign::Plus, None, UniformTransform::Auto);
        NufftBuilder3 { dimensions, tolerance, accept, sign, batch, uniform, precision: std::marker::PhantomData }
    }

    /// Sets sources and targets: one view an axis each, in f64 or f32. On an error the earlier ones stay.
    ///
    /// # Errors
    /// [`Error::Shape`] for a wrong number of views or lengths that differ, [`Error::NotFinite`] naming the first NaN or
    /// infinity, [`Error::TooLarge`] where the grids do not fit in memory.
    pub fn set_points<'a, 'b, C: Coordinate, S: Coordinate>(
        &mut self,
        sources: impl AsRef<[ArrayView1<'a, C>]>,
        targets: impl AsRef<[ArrayView1<'b, S>]>,
    ) -> Result<()> {
        let start = Instant::now();
        let sources = Points::new(sources.as_ref(), self.builder.dimensions)?;
        let targets = Points::new(targets.as_ref(), self.builder.dimensions)?;
        sources.finite()?;
        targets.finite()?;
        let plans = if sources.is_empty() || targets.is_empty() {
            None
        } else {
            let points = sources.len() + targets.len();
            Some(self.device.install(points, || self.plans(&sources, &targets))?)
        };
        self.set = Some(Set { sources: sources.len(), targets: targets.len(), plans });
        self.timings = Timings::default();
        self.timings.add(Stage::SetPoints, start.elapsed());
        Ok(())
    }

    fn plans<C: Coordinate, S: Coordinate>(
        &self,
        sources: &Points<'_, C>,
        targets: &Points<'_, S>,
    ) -> Result<Plans<T>> {
        let axes: Vec<Axis> = sources
            .axes
            .iter()
            .zip(&targets.axes)
            .map(|(x, s)| {
                let ((source_centre, x_reach, sources), (target_centre, s_reach, targets)) = (centred(*x), centred(*s));
                Axis { sources, targets, source_centre, target_centre, reach: (x_reach, s_reach) }
            })
            .collect();
        let modes = axes.iter().map(|axis| size("the grid of a type 3", axis.modes())).collect::<Result<Vec<_>>>()?;
        // The grid holds every stencil without going round.
        let grid = |width: usize, upsampling: f64| {
            let cells = |axis: &Axis| {
                let spacing = axis.spacing(upsampling.min(LARGEST_UPSAMPLING));
                let needed = size("the grid of a type 3", 2.0 * axis.reach.0 / spacing + width as f64 + 2.0)?;
                Ok(smooth_size(needed.max(2 * width)))
            };
            axes.iter().map(cells).collect::<Result<Vec<usize>>>()
        };
        let request = self.builder.request(&modes, Some(sources.len()));
        let choice = choice::choose_outer::<T>(&request, targets.len(), grid)?;
        let Choice { width, upsampling, tolerance, predicted_error, .. } = choice;
        let (grid, upsampling) = (grid(width, upsampling)?, upsampling.min(LARGEST_UPSAMPLING));
        // A GPU says itself what it cannot hold.
        if matches!(self.device.engine(), Engine::Cpu(_)) {
            self.fits(&grid)?;
        }
        let spacings: Vec<f64> = axes.iter().map(|axis| axis.spacing(upsampling)).collect();

        let choice = Choice { tolerance, width, grid: grid.clone(), upsampling, predicted_error };
        let builder = |units: Vec<Unit>| {
            let builder = NufftPlan::<T>::builder(grid.clone()).tolerance(tolerance).order(ModeOrder::Fft).units(units);
            let builder = builder.accept_reachable().sign(self.builder.sign);
            self.builder.batch.map_or(builder.clone(), |batch| builder.batch(batch))
        };
        let lengths =
            grid.iter().zip(&spacings).map(|(&cells, spacing)| Unit::Period(cells as f64 * spacing)).collect();
        let outer: NufftBuilder<T> = builder(lengths);
        let mut outer = outer.assemble(&self.device, choice, false, Instant::now())?;
        let steps = spacings.iter().map(|&step| Unit::Radians { step }).collect();
        let inner = builder(steps).uniform_transform(self.builder.uniform).expected_points(targets.len());
        let mut inner = inner.build(&self.device)?;
        outer.set_points(axes.iter().map(|axis| ArrayView1::from(&axis.sources)).collect::<Vec<_>>())?;
        inner.set_points(axes.iter().map(|axis| ArrayView1::from(&axis.targets)).collect::<Vec<_>>())?;

        let one = Complex::new(1.0, 0.0);
        let mut before = axes.iter().any(|axis| axis.target_centre != 0.0).then(|| vec![one; sources.len()]);
        let mut after = vec![one; targets.len()];
        let kernel = Shape::Prolate.build(width, upsampling);
        for ((axis, &spacing), original) in axes.iter().zip(&spacings).zip(&targets.axes) {
            before.iter_mut().for_each(|before| turn(before, axis.target_centre, |j| axis.sources[j]));
            turn(&mut after, axis.source_centre, |k| original[k].into());
            let correction = Correction::new(&*kernel, width, spacing * axis.reach.1);
            parallel::chunks(&mut after, TOGETHER, 16, |index, values| {
                let targets = &axis.targets[index * TOGETHER..];
                let angles = std::array::from_fn(|i| targets.get(i).map_or(0.0, |s| spacing * s));
                values.iter_mut().zip(correction.at(angles)).for_each(|(value, factor)| *value *= factor);
            });
        }
        let (before, after) = (before.map(narrow), narrow(after));
        let batch = self.builder.batch.unwrap_or(1);
        #[cfg(feature = "gpu")]
        let sides = match (outer.on_gpu(), inner.on_gpu()) {
            (Some(outer), Some(inner)) => Some(Sides::new([outer, inner], before.as_deref(), &after, batch)?),
            _ => None,
        };
        let cells = match self.device.engine() {
            Engine::Cpu(_) => grid.iter().product::<usize>() * batch,
            #[cfg(feature = "gpu")]
            Engine::Gpu(_) => 0,
        };
        Ok(Plans {
            outer,
            inner,
            before,
            after,
            turned: Vec::new(),
            grids: vec![Complex::default(); cells],
            #[cfg(feature = "gpu")]
            sides,
        })
    }

    /// An estimate of the memory, and an error if the machine has not so much.
    fn fits(&self, grid: &[usize]) -> Result<()> {
        let cells = grid.iter().fold(1.0, |product, &n| product * n as f64);
        let batch = self.builder.batch.unwrap_or(1) as f64;
        // The grid, its copy between the plans for each of a batch, and the inner grid at upsampling 2 at the most.
        let bytes = cells * 2.0 * size_of::<T>() as f64 * (1.0 + batch + 2f64.powi(grid.len() as i32));
        match pages::available() {
            Some(available) if bytes > available as f64 => Err(Error::TooLarge {
                what: "a type 3",
                needed: format!("grids of {} cells, about {bytes:.2e} bytes", crate::shape::written(grid)),
                limit: format!(
                    "{available:.2e} bytes are available; its size is the product of the extents of sources and targets: split \
                     either into parts that lie together"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// What the outer (spreading) and inner (type 2) plans chose; none before points are set or where there are none.
    #[must_use]
    pub fn recipes(&self) -> Option<(&Recipe, &Recipe)> {
        let plans = self.set.as_ref()?.plans.as_ref()?;
        Some((plans.outer.recipe(), plans.inner.recipe()))
    }

    /// The recipes in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.recipes() {
            Some((outer, inner)) => format!("type 3, spreading:\n{outer}\ntype 3, inner type 2:\n{inner}"),
            None => "type 3, no points".into(),
        }
    }

    /// The times of the latest `set_points` and execution.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The stages on the GPU, for strengths and values that already are on the device; none before points are set or where there are none.
    #[cfg(feature = "gpu")]
    pub fn on_gpu(&mut self) -> Option<Stages3<'_, T>> {
        self.set.as_mut()?.plans.as_mut()?.on_gpu()
    }

    /// Values at the targets from strengths at the sources.
    ///
    /// # Errors
    /// As [`NufftPlan3::type3_into`].
    pub fn type3<D: Dimension>(&mut self, strengths: &ArrayRef<Complex<T>, D>) -> Result<ArrayD<Complex<T>>> {
        let targets = self.set("type3")?.targets;
        let mut values = ArrayD::zeros(self.shape(targets));
        self.type3_into(strengths, &mut values)?;
        Ok(values)
    }

    /// Values at the targets, into an array of the caller's.
    ///
    /// # Errors
    /// [`Error::Order`] before `set_points`, [`Error::Shape`] where an array does not fit, [`Error::DeviceLost`]. Nothing is written
    /// then.
    pub fn type3_into<D: Dimension, E: Dimension>(
        &mut self,
        strengths: &ArrayRef<Complex<T>, D>,
        values: &mut ArrayRef<Complex<T>, E>,
    ) -> Result<()> {
        let Set { sources, targets, .. } = *self.set("type3")?;
        check("strengths", &self.shape(sources), strengths.shape())?;
        check("values", &self.shape(targets), values.shape())?;
        let strengths = contiguous(strengths);
        self.execute(values, |plans, values, sign, timings| plans.forward(&strengths, values, sign, timings))
    }

    /// The adjoint: strengths at the sources from values at the targets, `c[j] = Σ_k f[k] exp(∓i s[k]·x[j])`. It is the exact
    /// adjoint of what [`NufftPlan3::type3`] computes.
    ///
    /// # Errors
    /// As [`NufftPlan3::type3_into`].
    pub fn adjoint<D: Dimension>(&mut self, values: &ArrayRef<Complex<T>, D>) -> Result<ArrayD<Complex<T>>> {
        let Set { sources, targets, .. } = *self.set("adjoint")?;
        check("values", &self.shape(targets), values.shape())?;
        let mut strengths = ArrayD::zeros(self.shape(sources));
        let values = contiguous(values);
        self.execute(&mut strengths, |plans, strengths, sign, timings| {
            plans.back(&values, strengths, sign.opposite(), timings)
        })?;
        Ok(strengths)
    }

    fn execute<E: Dimension>(
        &mut self,
        output: &mut ArrayRef<Complex<T>, E>,
        work: impl FnOnce(&mut Plans<T>, &mut [Complex<T>], Sign, &mut Timings) -> Result<()> + Send,
    ) -> Result<()> {
        let start = Instant::now();
        let sign = self.builder.sign;
        self.timings.forget(&[Stage::SetPoints]);
        match self.set.as_mut().and_then(|set| set.plans.as_mut()) {
            Some(plans) => {
                let device = self.device.clone();
                let timings = &mut self.timings;
                into_contiguous(output, |output| device.install(output.len(), || work(plans, output, sign, timings)))?;
            }
            None => output.fill(Complex::default()),
        }
        self.timings.add(Stage::Execute, start.elapsed());
        Ok(())
    }

    fn set(&self, call: &'static str) -> Result<&Set<T>> {
        self.set.as_ref().ok_or(Error::Order { call, first: "set_points" })
    }

    fn shape(&self, len: usize) -> IxDyn {
        IxDyn(&self.builder.batch.into_iter().chain([len]).collect::<Vec<_>>())
    }
}

/// A whole number of cells, if there can be so many on an axis.
fn size(what: &'static str, cells: f64) -> Result<usize> {
    let cells = cells.ceil().max(1.0);
    if cells < f64::from(1u32 << 30) {
        return Ok(cells as usize);
    }
    Err(Error::TooLarge {
        what,
        needed: format!("{cells:.2e} cells on an axis"),
        limit: "an axis holds at most 2^30; it is the product of the extents of sources and targets: split either into parts that \
                lie together"
            .into(),
    })
}

/// Multiplies by `exp(+i centre·x)`, in turns that are exact to the last bit of x whatever the size of the product.
fn turn(values: &mut [Complex<f64>], centre: f64, x: impl Fn(usize) -> f64 + Sync) {
    if centre == 0.0 {
        return;
    }
    parallel::chunks(values, 1024, 16, |index, values| {
        for (i, value) in values.iter_mut().enumerate() {
            let turns = Unit::Radians { step: centre }.exact(x(index * 1024 + i));
            *value *= turns::wave(turns);
        }
    });
}

fn narrow<T: Real>(values: Vec<Complex<f64>>) -> Vec<Complex<T>> {
    values.into_iter().map(|z| Complex::new(T::nearest(z.re), T::nearest(z.im))).collect()
}
