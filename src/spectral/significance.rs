//! False-alarm probabilities of a periodogram's highest peak.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::machine::parallel;
use crate::numeric::random::Random;
use crate::spectral::frequencies::Frequencies;
use crate::spectral::lomb_scargle::LombScargle;
use crate::spectral::normalization::Normalization;

/// How the probability is computed that noise alone has a peak of some power or more.
///
/// With `Z` the power, `p₁(Z)` the probability that it is exceeded at one frequency, `f` the highest frequency, `T` the
/// length of the series and `W = f √(4π var t)`:
///
/// | method | formula |
/// |---|---|
/// | `Baluev` | `1 - (1 - p₁) exp(-τ)`, the upper bound without aliases |
/// | `Davies` | `p₁ + τ`, an upper bound that can exceed 1 |
/// | `Naive` | `1 - (1 - p₁)^(f T)`, as if f T frequencies were independent |
///
/// with `τ(Z) = W γ(M-1) (1 - Z)^((M-4)/2) √((M-1) Z/2)` and `γ(n) = √(2/n) Γ(n/2)/Γ((n-1)/2)` in the standard
/// normalisation (Baluev 2008, table 1, which has the others). Naive is known for any number of terms, the other two
/// for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FalseAlarm {
    /// The default.
    #[default]
    Baluev,
    /// Davies' bound.
    Davies,
    /// From a number of independent frequencies.
    Naive,
}

impl LombScargle {
    /// The probability that noise alone has a peak of at least this power at any frequency up to `highest`.
    ///
    /// Noise is white and normal, its variance unknown in all normalisations but [`Normalization::Psd`], for which it
    /// is that of the errors given.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a highest frequency that is not above 0, fewer than 4 values for one term (one more
    /// than there are coefficients in general), data that were not centred, or several terms with a method other than
    /// naive.
    pub fn false_alarm(&self, method: FalseAlarm, power: f64, highest: f64) -> Result<f64> {
        Ok(self.null(method, highest)?.probability(method, power))
    }

    /// [`LombScargle::false_alarm`] by Baluev's method.
    ///
    /// # Errors
    /// As [`LombScargle::false_alarm`].
    pub fn false_alarm_probability(&self, power: f64, highest: f64) -> Result<f64> {
        self.false_alarm(FalseAlarm::Baluev, power, highest)
    }

    /// The power that noise alone exceeds with this probability, from 0 to 1.
    ///
    /// # Errors
    /// As [`LombScargle::false_alarm`]; and [`Error::Parameter`] for a probability that is not between 0 and 1, or that
    /// no power has: bounds exceed every probability near 1 for some power.
    pub fn false_alarm_level(&self, method: FalseAlarm, probability: f64, highest: f64) -> Result<f64> {
        if !(probability > 0.0 && probability < 1.0) {
            return Err(Error::parameter("probability", "0 < probability < 1", probability));
        }
        self.null(method, highest)?.level(method, probability)
    }

    /// The highest powers of series made of this one's values (with their errors) drawn at random with replacement, in
    /// ascending order: of noise that has the distribution and the sampling of the data. The part of them that is at
    /// least a peak's power is its false-alarm probability. The same seed draws the same series.
    ///
    /// # Errors
    /// As [`LombScargle::power`].
    pub fn bootstrap(&self, frequencies: &Frequencies, draws: usize, seed: u64) -> Result<Vec<f64>> {
        let (samples, centre) = (self.sampling.len(), self.model.mean || self.centre);
        let summation = self.summation(frequencies, self.model, draws)?;
        let drawn = |draw: usize| {
            let mut random = Random::new(seed.wrapping_add((draw as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let places: Vec<usize> = (0..samples).map(|_| random.below(samples)).collect();
            let mut sampling = self.sampling.clone();
            sampling.weights = places.iter().map(|&place| self.sampling.weights[place]).collect();
            let total: f64 = sampling.weights.iter().sum();
            sampling.weights.iter_mut().for_each(|weight| *weight /= total);
            let values = self.values.drawn(&places, &sampling.weights, centre);
            let mut power = vec![0.0; frequencies.len()];
            if values.energy > 0.0 {
                self.power_of(&sampling, &values, frequencies, &summation, &mut power)?;
            }
            Ok(power.into_iter().fold(0.0, f64::max))
        };
        let work = samples.saturating_add(frequencies.len()).saturating_mul(draws);
        let mut highest: Vec<f64> =
            self.device.install(work, || parallel::collect(draws, drawn).into_iter().collect::<Result<_>>())?;
        highest.sort_by(f64::total_cmp);
        Ok(highest)
    }

    fn null(&self, method: FalseAlarm, highest: f64) -> Result<Null> {
        if !(highest.is_finite() && highest > 0.0) {
            return Err(Error::parameter("the highest frequency", "a finite number above 0", highest));
        }
        if !(self.model.mean || self.centre) {
            let expected = "centred data or a model with a mean of its own for a false-alarm probability";
            return Err(Error::parameter("centre", expected, false));
        }
        let terms = self.model.terms;
        if terms > 1 && method != FalseAlarm::Naive {
            return Err(Error::parameter("terms", "1, or the naive method or a bootstrap instead", terms));
        }
        let sampling = &self.sampling;
        // The mean is a coefficient whether it was subtracted or fitted.
        let coefficients = 1 + 2 * terms;
        if sampling.len() <= coefficients {
            let expected = format!("more than {coefficients}, the coefficients of the model");
            return Err(Error::parameter("the number of values", expected, sampling.len()));
        }
        let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
            sampling.centred().zip(&sampling.weights).map(|(time, weight)| weight * of(time)).sum()
        };
        let centre = mean(&|time| time);
        Ok(Null {
            terms,
            normalization: self.normalization,
            half: self.values.half(sampling),
            samples: sampling.len() as f64,
            free: (sampling.len() - coefficients) as f64,
            width: highest * (4.0 * PI * mean(&|time| (time - centre).powi(2))).sqrt(),
            independent: highest * sampling.span,
        })
    }
}

/// What is known of the powers of noise.
struct Null {
    terms: usize,
    normalization: Normalization,
    half: f64,
    samples: f64,
    /// Values less coefficients.
    free: f64,
    width: f64,
    independent: f64,
}

impl Null {
    fn probability(&self, method: FalseAlarm, power: f64) -> f64 {
        if power.is_nan() {
            return f64::NAN;
        }
        let single = self.single(power);
        match method {
            FalseAlarm::Naive => -(self.independent * (-single).ln_1p()).exp_m1(),
            FalseAlarm::Davies => single + self.tau(power),
            FalseAlarm::Baluev => {
                let tau = self.tau(power);
                -(-tau).exp_m1() + single * (-tau).exp()
            }
        }
    }

    /// The probability that the power at one frequency is exceeded: a χ² or beta distribution with two degrees of
    /// freedom for each term.
    fn single(&self, power: f64) -> f64 {
        if power <= 0.0 {
            return 1.0;
        }
        if self.normalization == Normalization::Psd {
            let mut term = 1.0;
            let rest = (1..self.terms).map(|k| {
                term *= power / k as f64;
                term
            });
            return (-power).exp() * (1.0 + rest.sum::<f64>());
        }
        let part = self.normalization.part(power, self.half).min(1.0);
        let mut term = 1.0;
        let rest = (1..self.terms).map(|k| {
            term *= part * (0.5 * self.free + (k - 1) as f64) / k as f64;
            term
        });
        let sum = 1.0 + rest.sum::<f64>();
        (0.5 * self.free * (-part).ln_1p()).exp() * sum
    }

    /// The expected number of times that noise crosses this power upwards.
    fn tau(&self, power: f64) -> f64 {
        let (z, free, width) = (power.max(0.0), self.free, self.width);
        match self.normalization {
            Normalization::Psd => width * (-z).exp() * z.sqrt(),
            Normalization::Standard => {
                let without = self.samples - 1.0;
                let rest = (0.5 * (free - 1.0) * (-z.min(1.0)).ln_1p()).exp();
                gamma_ratio(without) * width * rest * (0.5 * without * z).sqrt()
            }
            Normalization::Model => {
                let rest = (-0.5 * free * z.ln_1p()).exp();
                if z.is_infinite() { 0.0 } else { gamma_ratio(free) * width * rest * (0.5 * free * z).sqrt() }
            }
            Normalization::Log => {
                let rest = (-0.5 * z * (free - 0.5)).exp();
                let root = (free * (0.5 * z).sinh()).sqrt();
                if z.is_infinite() { 0.0 } else { gamma_ratio(free) * width * rest * root }
            }
        }
    }

    /// The power of a probability, by bisection where the probability falls as the power grows.
    fn level(&self, method: FalseAlarm, probability: f64) -> Result<f64> {
        // Powers in terms of the explained part, or of the power itself where that has no bound.
        let power = |x: f64| match self.normalization {
            Normalization::Standard => x,
            Normalization::Model => x / (1.0 - x),
            Normalization::Log => -(-x).ln_1p(),
            Normalization::Psd => -2.0 * (-x).ln_1p(),
        };
        let at = |x: f64| self.probability(method, power(x));
        // The probability rises from p₁(0) to its maximum and falls from there on.
        let (mut low, mut high) = (0.0, 1.0 - f64::EPSILON);
        for _ in 0..200 {
            let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if at(a) < at(b) { low = a } else { high = b }
        }
        let top = low;
        if at(top) < probability {
            let expected = format!("at most {}, the highest that any power has by this method", at(top));
            return Err(Error::parameter("probability", expected, probability));
        }
        let (mut low, mut high) = (top, 1.0);
        while high - low > f64::EPSILON * high {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if at(middle) > probability { low = middle } else { high = middle }
        }
        Ok(power(0.5 * (low + high)))
    }
}

/// `√(2/N) Γ(N/2) / Γ((N-1)/2)`.
fn gamma_ratio(n: f64) -> f64 {
    (2.0 / n).sqrt() * (libm::lgamma(0.5 * n) - libm::lgamma(0.5 * (n - 1.0))).exp()
}
