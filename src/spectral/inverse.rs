//! The inverse non-uniform FFT: modes whose values at the points are nearest to given ones, by conjugate gradients.

use std::fmt;
use std::time::{Duration, Instant};

use ndarray::{Array, Array1, ArrayRef, Axis, Dimension, IntoDimension, Ix1, IxDyn};
use num_complex::Complex;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::nufft::points::Coordinates;
use crate::nufft::{NufftBuilder, NufftPlan, Sign, ToModes};
use crate::real::Real;
use crate::spectral::toeplitz::Toeplitz;

/// How an iteration multiplies by the normal matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormalProduct {
    /// As a convolution of modes, by two uniform FFTs of twice their number on each axis, on the CPU. An iteration does
    /// not depend on the number of points.
    Toeplitz,
    /// By a type 2 and a type 1, on the plan's device.
    Plan,
}

/// The parameters of an [`Inverse`] to be built.
#[derive(Debug, Clone)]
pub struct InverseBuilder<T: Real, D> {
    plan: NufftBuilder<T, ToModes<D>>,
    /// The plan of the Toeplitz matrix's kernel.
    kernel: NufftBuilder<T, ToModes<D>>,
    modes: Vec<usize>,
    weights: Option<Vec<f64>>,
    regularisation: f64,
    product: NormalProduct,
}

/// When [`Inverse::solve`] stops: at the first of these. Default: 1e-6, and 100 iterations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Norm of the normal equations' residual, relative to that of their right side.
    pub residual: f64,
    /// Most iterations.
    pub iterations: usize,
    /// Most time.
    pub time: Option<Duration>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { residual: 1e-6, iterations: 100, time: None }
    }
}

/// What [`Inverse::solve`] found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Solution<T: Real, D: Dimension = IxDyn> {
    /// The modes.
    pub modes: Array<Complex<T>, D>,
    /// The relative residual of the normal equations before each iteration, and after the last.
    pub history: Vec<f64>,
}

/// The inverse non-uniform FFT for given points: `f` that minimises
/// `Σ_j w_j |Σ_k f[k] exp(±i k·x[j]) - c[j]|² + λ Σ_k |f[k]|²`.
///
/// # Method
/// Conjugate gradients on the normal equations `(A*WA + λ) f = A*W c`, where A is a type 2 and A* its adjoint. `A*WA`
/// is a Toeplitz matrix on each axis, with the kernel `t[q] = Σ_j w_j exp(∓i q·x[j])`; an iteration multiplies by it
/// with two FFTs ([`NormalProduct::Toeplitz`]), or with two transforms ([`NormalProduct::Plan`]).
///
/// # Accuracy
/// The normal matrix has the transforms' errors: residuals do not fall below some tolerances times its condition. Modes
/// are determined where the largest gap between points is below half a wavelength of the highest; the weights of points
/// crowded together, one over their density, make iterations few ([`Inverse::pipe_weights`]).
///
/// # References
/// Fessler et al. (2005), Toeplitz-based iterative image reconstruction; Pipe and Menon (1999); Feichtinger, Gröchenig
/// and Strohmer (1995).
///
/// ```
/// use std::f64::consts::TAU;
/// use ndarray::Array1;
/// use num_complex::Complex;
/// use wavemill::spectral::{Inverse, Stop};
/// use wavemill::{Cpu, Device};
///
/// // A function of five modes, from 40 uneven samples.
/// let x: Vec<f64> = (0..40).map(|j| (0.618 * f64::from(j)).fract() * TAU).collect();
/// let value = |x: f64| Complex::new(1.0 + (2.0 * x).cos(), x.sin());
/// let values: Array1<Complex<f64>> = x.iter().map(|&x| value(x)).collect();
/// let inverse = Inverse::<f64>::builder([5]).tolerance(1e-12).build(&Device::from(Cpu::new()), [&x])?;
/// let found = inverse.solve(&values, &Stop { residual: 1e-11, ..Stop::default() })?;
/// // 1 + cos 2x + i sin x has the modes 1/2, -1/2, 1, 1/2, 1/2.
/// for (mode, expected) in found.modes.iter().zip([0.5, -0.5, 1.0, 0.5, 0.5]) {
///     assert!((mode - expected).norm() < 1e-9);
/// }
/// # Ok::<(), wavemill::Error>(())
/// ```
pub struct Inverse<T: Real, D: Dimension = IxDyn> {
    /// Type 2 with the sign asked for; type 1 is used with the opposite one.
    plan: NufftPlan<T, D>,
    adjoint: NufftPlan<T, D>,
    points: usize,
    weights: Option<Vec<f64>>,
    regularisation: f64,
    toeplitz: Option<Toeplitz<T>>,
}

impl<T: Real, D: Dimension> fmt::Debug for Inverse<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inverse").field("plan", &self.plan).field("points", &self.points).finish_non_exhaustive()
    }
}

impl<T: Real, D: Dimension> InverseBuilder<T, D> {
    /// The tolerance of the transforms. Default: 1e-6.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        (self.plan, self.kernel) = (self.plan.tolerance(tolerance), self.kernel.tolerance(tolerance));
        self
    }

    /// The sign of the exponent. Default: +.
    #[must_use]
    pub fn sign(mut self, sign: Sign) -> Self {
        (self.plan, self.kernel) = (self.plan.sign(sign), self.kernel.sign(sign));
        self
    }

    /// The coordinates' period. Default: 2π.
    #[must_use]
    pub fn period(mut self, period: f64) -> Self {
        (self.plan, self.kernel) = (self.plan.period(period), self.kernel.period(period));
        self
    }

    /// The weight of each point, at least 0. Default: all 1.
    #[must_use]
    pub fn weights(mut self, weights: impl Coordinates) -> Self {
        self.weights = Some(weights.coordinates().iter().map(|&weight| weight.into()).collect());
        self
    }

    /// λ, at least 0, in units of weights: the sum of all weights is the largest that the matrix's diagonal has.
    /// Default: 0.
    #[must_use]
    pub fn regularisation(mut self, regularisation: f64) -> Self {
        self.regularisation = regularisation;
        self
    }

    /// How an iteration multiplies by the normal matrix. Default: [`NormalProduct::Toeplitz`].
    #[must_use]
    pub fn product(mut self, product: NormalProduct) -> Self {
        self.product = product;
        self
    }

    /// Plans the transforms and sets the points, one array of coordinates for each axis.
    ///
    /// # Errors
    /// As building a [`NufftPlan`] and setting its points; [`Error::Shape`] if there is not one weight for each point,
    /// [`Error::Parameter`] for a weight or λ that is not finite and at least 0.
    pub fn build<X: Coordinates>(self, device: &Device, points: impl AsRef<[X]>) -> Result<Inverse<T, D>> {
        let points = points.as_ref();
        let count = points.first().map_or(0, |axis| axis.coordinates().len());
        let usable = |value: f64| value >= 0.0 && value.is_finite();
        if let Some(weights) = &self.weights {
            if weights.len() != count {
                return Err(Error::shape("weights", format!("{count}, one for each point"), weights.len()));
            }
            if let Some(index) = weights.iter().position(|&weight| !usable(weight)) {
                let got = format!("{} at index {index}", weights[index]);
                return Err(Error::parameter("weights", "finite numbers of at least 0", got));
            }
        }
        if !usable(self.regularisation) {
            let expected = "a finite number of at least 0";
            return Err(Error::parameter("regularisation", expected, self.regularisation));
        }
        let mut plan = self.plan.expected_points(count).build(device)?;
        plan.set_points(points)?;
        let mut adjoint = plan.clone();
        let opposite = plan.recipe().sign.opposite();
        adjoint.set_sign(opposite);
        let toeplitz = match self.product {
            NormalProduct::Plan => None,
            NormalProduct::Toeplitz => {
                let mut kernel = self.kernel.expected_points(count).sign(opposite).build(device)?;
                kernel.set_points(points)?;
                let weights = Array1::from_iter(
                    (0..count).map(|index| T::nearest(self.weights.as_ref().map_or(1.0, |weights| weights[index]))),
                );
                let kernel = kernel.type1(&weights)?;
                Some(Toeplitz::new(&self.modes, kernel.view()))
            }
        };
        let Self { weights, regularisation, .. } = self;
        Ok(Inverse { plan, adjoint, points: count, weights, regularisation, toeplitz })
    }
}

impl<T: Real> Inverse<T> {
    /// Starts with the modes, one extent for each axis.
    pub fn builder<I: IntoDimension>(modes: I) -> InverseBuilder<T, I::Dim> {
        let extents = modes.into_dimension();
        let mut twice = extents.clone();
        twice.slice_mut().iter_mut().for_each(|extent| *extent = extent.saturating_mul(2));
        InverseBuilder {
            plan: NufftPlan::<T>::builder(extents.clone()),
            kernel: NufftPlan::<T>::builder(twice),
            modes: extents.slice().to_vec(),
            weights: None,
            regularisation: 0.0,
            product: NormalProduct::Toeplitz,
        }
    }
}

impl<T: Real, D: Dimension> Inverse<T, D> {
    /// The modes of these values at the points.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one value for each point, [`Error::Parameter`] if one is not finite,
    /// [`Error::DeviceLost`].
    pub fn solve(&self, values: &ArrayRef<Complex<T>, Ix1>, stop: &Stop) -> Result<Solution<T, D>> {
        self.solve_watched(values, stop, |_, _| true)
    }

    /// [`Inverse::solve`], which calls `watch` with the number of iterations done and the relative residual before each
    /// further one, and stops where it returns false.
    ///
    /// # Errors
    /// As [`Inverse::solve`].
    pub fn solve_watched(
        &self,
        values: &ArrayRef<Complex<T>, Ix1>,
        stop: &Stop,
        mut watch: impl FnMut(usize, f64) -> bool,
    ) -> Result<Solution<T, D>> {
        if values.len() != self.points {
            return Err(Error::shape("values", format!("{}, one for each point", self.points), values.len()));
        }
        if let Some(index) = values.iter().position(|value| !norm(*value).is_finite()) {
            let got = format!("{} at index {index}", values[index]);
            return Err(Error::parameter("values", "finite numbers: leave points without a value out", got));
        }
        let begun = Instant::now();
        let mut residual = self.adjoint(values.to_owned())?;
        let mut modes = Array::zeros(residual.raw_dim());
        let mut direction = residual.clone();
        let first = squares(&residual);
        let (mut square, mut history) = (first, Vec::new());
        loop {
            let relative = if first > 0.0 { (square / first).sqrt() } else { 0.0 };
            history.push(relative);
            let late = stop.time.is_some_and(|limit| begun.elapsed() >= limit);
            let done = history.len() - 1;
            if relative <= stop.residual || done >= stop.iterations || late || !watch(done, relative) {
                return Ok(Solution { modes, history });
            }
            let product = self.normal(&direction)?;
            let curvature = dot(&direction, &product);
            // Rounding has used up what conjugate gradients can gain.
            if curvature.is_nan() || curvature <= 0.0 {
                return Ok(Solution { modes, history });
            }
            let step = square / curvature;
            add(&mut modes, step, &direction);
            add(&mut residual, -step, &product);
            let next = squares(&residual);
            let ratio = T::nearest(next / square);
            direction.zip_mut_with(&residual, |direction, &rest| *direction = rest + *direction * ratio);
            square = next;
        }
    }

    /// Weights of the points that make up for their density, by Pipe's iteration `w ← w / (A T A* w)`, scaled so that
    /// their sum is 1: with them `A*WA` is near a multiple of the identity where points are dense. T tapers modes
    /// linearly to 0 at the highest, so that `A T A*` smooths by Fejér's kernel, which is nowhere negative.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn pipe_weights(&self, iterations: usize) -> Result<Vec<f64>> {
        let mut weights = vec![1.0; self.points];
        for _ in 0..iterations {
            let strengths =
                Array1::from_iter(weights.iter().map(|&weight| Complex::new(T::nearest(weight), T::default())));
            let mut modes = self.adjoint.type1(&strengths)?;
            let extents = modes.shape().to_vec();
            let taper = |axis: usize, index: usize| {
                let half = extents[axis] / 2;
                1.0 - index.abs_diff(half) as f64 / (half + 1) as f64
            };
            for axis in 0..extents.len() {
                for mut lane in modes.lanes_mut(Axis(axis)) {
                    let factors = (0..).map(|index| T::nearest(taper(axis, index)));
                    lane.iter_mut().zip(factors).for_each(|(value, factor)| *value = *value * factor);
                }
            }
            let mut smoothed = Array1::default(self.points);
            self.plan.type2_into(&modes, &mut smoothed)?;
            for (weight, &density) in weights.iter_mut().zip(&smoothed) {
                let density = norm(density);
                *weight = if density > 0.0 { *weight / density } else { 0.0 };
            }
        }
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Ok(weights)
    }

    /// `A*W` of values at the points.
    fn adjoint(&self, mut values: Array1<Complex<T>>) -> Result<Array<Complex<T>, D>> {
        if let Some(weights) = &self.weights {
            values.iter_mut().zip(weights).for_each(|(value, &weight)| *value = *value * T::nearest(weight));
        }
        self.adjoint.type1(&values)
    }

    /// `(A*WA + λ) f`.
    fn normal(&self, modes: &Array<Complex<T>, D>) -> Result<Array<Complex<T>, D>> {
        let mut product = match &self.toeplitz {
            Some(toeplitz) => toeplitz.times(modes),
            None => {
                let mut values = Array1::default(self.points);
                self.plan.type2_into(modes, &mut values)?;
                self.adjoint(values)?
            }
        };
        if self.regularisation > 0.0 {
            add(&mut product, self.regularisation, modes);
        }
        Ok(product)
    }
}

/// Weights for points on one axis: half the distance between the neighbours of each, around the period, in units of the
/// period, so that their sum is 1; points in one place share theirs.
///
/// # Errors
/// [`Error::Parameter`] for a coordinate that is not finite, or a period that is not above 0 and finite.
pub fn gap_weights(points: &impl Coordinates, period: f64) -> Result<Vec<f64>> {
    if !(period > 0.0 && period.is_finite()) {
        return Err(Error::parameter("period", "a finite number above 0", period));
    }
    let points: Vec<f64> = points.coordinates().iter().map(|&point| Into::<f64>::into(point)).collect();
    if let Some(index) = points.iter().position(|point| !point.is_finite()) {
        return Err(Error::parameter("points", "finite numbers", format!("{} at index {index}", points[index])));
    }
    let place: Vec<f64> = points.iter().map(|point| point.rem_euclid(period) / period).collect();
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| place[a].total_cmp(&place[b]));
    // Places that are taken, and the points in each.
    let groups: Vec<&[usize]> = order.chunk_by(|&a, &b| place[a] == place[b]).collect();
    let at = |group: usize| place[groups[group][0]];
    let mut weights = vec![0.0; points.len()];
    for (index, group) in groups.iter().enumerate() {
        let before = if index > 0 { at(index - 1) } else { at(groups.len() - 1) - 1.0 };
        let after = if index + 1 < groups.len() { at(index + 1) } else { at(0) + 1.0 };
        let weight = 0.5 * (after - before) / group.len() as f64;
        group.iter().for_each(|&point| weights[point] = weight);
    }
    Ok(weights)
}

fn norm<T: Real>(z: Complex<T>) -> f64 {
    Into::<f64>::into(z.re).hypot(z.im.into())
}

fn dot<T: Real, D: Dimension>(a: &Array<Complex<T>, D>, b: &Array<Complex<T>, D>) -> f64 {
    let real = |(a, b): (&Complex<T>, &Complex<T>)| -> f64 {
        let (x, y): (f64, f64) = (a.re.into(), a.im.into());
        x * Into::<f64>::into(b.re) + y * Into::<f64>::into(b.im)
    };
    a.iter().zip(b).map(real).sum()
}

fn squares<T: Real, D: Dimension>(a: &Array<Complex<T>, D>) -> f64 {
    dot(a, a)
}

fn add<T: Real, D: Dimension>(to: &mut Array<Complex<T>, D>, factor: f64, what: &Array<Complex<T>, D>) {
    let factor = T::nearest(factor);
    to.zip_mut_with(what, |to, &what| *to = *to + what * factor);
}
