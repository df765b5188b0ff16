//! Spreading kernels: the shapes, their Fourier transforms, and their parameters for a tolerance.

use std::f64::consts::PI;
use std::fmt;

use crate::nufft::prolate::Prolate;

/// A spreading kernel φ on [-1, 1]: even, with φ(0) = 1 and a Fourier transform without zeros where modes lie.
///
/// Backends never see a shape, because a plan fits polynomials to it. A new shape is a type with these two functions
/// and an entry in [`Shape`].
pub(crate) trait KernelShape: fmt::Debug + Send + Sync {
    /// φ(x) for |x| <= 1.
    fn value(&self, x: f64) -> f64;
    /// `∫ φ(s) cos(x s) ds` over [-1, 1], for 0 <= x <= π w/(2σ).
    fn fourier(&self, x: f64) -> f64;
}

/// The family of kernel shapes a plan may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Shape {
    /// The prolate spheroidal wave function ψ₀ with bandwidth `π w (1 - 1/(2σ))`: the least aliasing for a width.
    #[default]
    Prolate,
    /// `I₀(β√(1-x²))/I₀(β)`.
    KaiserBessel,
    /// `exp(β(√(1-x²) - 1))`, the "exponential of semicircle" of Barnett, Magland and af Klinteberg (2019).
    ExpSemicircle,
    /// The truncated Gaussian of Greengard and Lee (2004), with the parameters of the 2015 article on non-uniform FFTs
    /// in Python: width 2 Msp and upsampling 2 (3 for tolerances of 1e-11 and below). About twice as wide as the
    /// others.
    Gaussian,
}

/// The largest width a stencil may have.
pub(crate) const WIDEST: usize = 32;
/// The largest width for which shapes other than the Gaussian are used.
const WIDEST_GOOD: usize = 16;

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Prolate => "prolate",
            Self::KaiserBessel => "Kaiser-Bessel",
            Self::ExpSemicircle => "exponential of semicircle",
            Self::Gaussian => "Gaussian",
        })
    }
}

impl Shape {
    /// The upsampling factor if none is asked for.
    pub(crate) fn default_upsampling(self, tolerance: f64) -> f64 {
        match self {
            Self::Gaussian if tolerance <= 1e-11 => 3.0,
            _ => 2.0,
        }
    }

    /// The widest kernel of this shape.
    pub(crate) fn widest(self) -> usize {
        if self == Self::Gaussian { WIDEST } else { WIDEST_GOOD }
    }

    /// Its widths: all from 2 on, of the Gaussian the even ones.
    pub(crate) fn widths(self) -> impl Iterator<Item = usize> {
        (2..=self.widest()).step_by(if self == Self::Gaussian { 2 } else { 1 })
    }

    /// The smallest width whose predicted error is at most the tolerance, if there is one.
    pub(crate) fn width(self, tolerance: f64, dimensions: usize, upsampling: f64) -> Option<usize> {
        self.widths().find(|&width| self.predicted_error(width, dimensions, upsampling) <= tolerance)
    }

    /// The smallest tolerance that any width reaches.
    pub(crate) fn smallest_tolerance(self, dimensions: usize, upsampling: f64) -> f64 {
        self.predicted_error(self.widest(), dimensions, upsampling)
    }

    /// The relative l2 error caused by aliasing.
    ///
    /// For the shapes other than the Gaussian it is `0.2 √d (1.9 - w/20) exp(-π √(1 - 1/σ) (w - 1))`, a fit to measured
    /// transforms; for the Gaussian it is the article's `exp(-π (w/2) (σ - 1)/(σ - 1/2))`, with the half step that its
    /// rounding of Msp allows.
    pub(crate) fn predicted_error(self, width: usize, dimensions: usize, upsampling: f64) -> f64 {
        let w = width as f64;
        match self {
            Self::Gaussian => (-PI * (0.5 * w + 0.5) * (upsampling - 1.0) / (upsampling - 0.5)).exp(),
            _ => {
                let rate = PI * (1.0 - 1.0 / upsampling).sqrt();
                Self::scale(width, dimensions) * (-rate * (w - 1.0)).exp()
            }
        }
    }

    fn scale(width: usize, dimensions: usize) -> f64 {
        0.2 * (dimensions as f64).sqrt() * (1.9 - 0.05 * width as f64)
    }

    /// The smallest upsampling factor at which a width keeps a tolerance; not available for the Gaussian.
    pub(crate) fn least_upsampling(self, tolerance: f64, width: usize, dimensions: usize) -> Option<f64> {
        let root = (Self::scale(width, dimensions) / tolerance).ln() / (PI * (width as f64 - 1.0));
        (root < 1.0).then(|| 1.0 / (1.0 - root.max(0.0).powi(2)))
    }

    /// The shape with its parameter for a width and an upsampling factor.
    pub(crate) fn build(self, width: usize, upsampling: f64) -> Box<dyn KernelShape> {
        let band = PI * width as f64 * (1.0 - 0.5 / upsampling);
        match self {
            Self::Prolate => Box::new(Prolate::new(band)),
            // Beatty, Nishimura and Pauly (2005), eq. 5.
            Self::KaiserBessel => Box::new(KaiserBessel::new((band * band - 0.8 * PI * PI).max(1.0).sqrt())),
            Self::ExpSemicircle => Box::new(ExpSemicircle { beta: 0.976 * band }),
            Self::Gaussian => Box::new(Gaussian { rate: 0.5 * band }),
        }
    }
}

impl KernelShape for Prolate {
    fn value(&self, x: f64) -> f64 {
        self.value(x)
    }
    fn fourier(&self, x: f64) -> f64 {
        self.fourier(x)
    }
}

#[derive(Debug)]
struct KaiserBessel {
    beta: f64,
    peak: f64,
}

impl KaiserBessel {
    fn new(beta: f64) -> Self {
        Self { beta, peak: bessel_i0(beta) }
    }
}

impl KernelShape for KaiserBessel {
    fn value(&self, x: f64) -> f64 {
        bessel_i0(self.beta * (1.0 - x * x).max(0.0).sqrt()) / self.peak
    }
    fn fourier(&self, x: f64) -> f64 {
        let square = self.beta * self.beta - x * x;
        let root = square.abs().sqrt();
        // sinh(root)/root, which goes on as a sine past β; narrow kernels come there at small upsampling factors.
        let ratio = match root {
            0.0 => 1.0,
            _ if square < 0.0 => root.sin() / root,
            _ => root.sinh() / root,
        };
        2.0 * ratio / self.peak
    }
}

/// The modified Bessel function I₀ by its power series, whose terms are all positive.
fn bessel_i0(x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[derive(Debug)]
struct ExpSemicircle {
    beta: f64,
}

impl KernelShape for ExpSemicircle {
    fn value(&self, x: f64) -> f64 {
        (self.beta * ((1.0 - x * x).max(0.0).sqrt() - 1.0)).exp()
    }
    /// The midpoint rule in θ, where x = cos θ: the integrand is smooth except for a kink of size `exp(-β)` at the
    /// ends.
    fn fourier(&self, x: f64) -> f64 {
        const STEPS: u32 = 128;
        let step = PI / f64::from(STEPS);
        (0..STEPS)
            .map(|i| {
                let (sin, cos) = ((f64::from(i) + 0.5) * step).sin_cos();
                (self.beta * (sin - 1.0)).exp() * (x * cos).cos() * sin
            })
            .sum::<f64>()
            * step
    }
}

#[derive(Debug)]
struct Gaussian {
    rate: f64,
}

impl KernelShape for Gaussian {
    fn value(&self, x: f64) -> f64 {
        (-self.rate * x * x).exp()
    }
    /// The transform of the Gaussian without truncation, which the article uses to deconvolve: the truncated part is
    /// below the tolerance.
    fn fourier(&self, x: f64) -> f64 {
        (PI / self.rate).sqrt() * (-x * x / (4.0 * self.rate)).exp()
    }
}

/// The kernel of an axis that is interpolated exactly: the periodic Dirichlet kernel of all frequencies to `highest`,
/// `(1 + 2 Σ_k cos πkx)/(2·highest + 1)`, whose stencil is the whole axis.
#[derive(Debug)]
pub(crate) struct Dirichlet {
    pub(crate) highest: usize,
}

impl KernelShape for Dirichlet {
    fn value(&self, x: f64) -> f64 {
        let count = (2 * self.highest + 1) as f64;
        let sine = (0.5 * PI * x).sin();
        if sine == 0.0 { 1.0 } else { (0.5 * PI * count * x).sin() / (count * sine) }
    }
    /// The value at x = πk, for whole k up to the highest.
    fn fourier(&self, _: f64) -> f64 {
        2.0 / (2 * self.highest + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_match_quadrature() {
        for shape in [Shape::Prolate, Shape::KaiserBessel, Shape::ExpSemicircle] {
            for width in [4, 7, 12, 16] {
                let kernel = shape.build(width, 2.0);
                assert!((kernel.value(0.0) - 1.0).abs() < 1e-14);
                let steps = 20_000;
                for x in [0.0, 0.2 * width as f64, PI * width as f64 / 4.0] {
                    let midpoint: f64 = (0..steps)
                        .map(|i| {
                            let s = (2.0 * f64::from(i) + 1.0) / f64::from(steps) - 1.0;
                            kernel.value(s) * (x * s).cos()
                        })
                        .sum::<f64>()
                        * 2.0
                        / f64::from(steps);
                    let relative = (kernel.fourier(x) / midpoint - 1.0).abs();
                    assert!(
                        relative < 1e-6 && relative < 1e-9 + 0.1 * kernel.value(1.0),
                        "{shape} {width} {x}: {relative:e}"
                    );
                }
            }
        }
    }
}
