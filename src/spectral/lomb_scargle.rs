//! The generalised Lomb-Scargle periodogram of one series.

use std::fmt;

use ndarray::{Array1, Array2};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::machine::parallel;
use crate::nufft::points::Coordinates;
use crate::numeric::least_squares::dot;
use crate::spectral::frequencies::{AutoFrequency, Frequencies};
use crate::spectral::model::Model;
use crate::spectral::normalization::Normalization;
use crate::spectral::series::{Errors, Sampling, Values, finite};
use crate::spectral::solve;
use crate::spectral::sums::{self, Row, Summation, Sums};

/// The most Fourier terms of a model.
const MOST_TERMS: usize = 10;
/// With more frequencies at once a transform keeps all threads busy by itself.
pub(super) const LARGE: usize = 1 << 17;
/// Frequencies that one task turns from sums into powers.
const CHUNK: usize = 1 << 13;
/// The errors of sums are amplified by the inverse of the part of a column that is perpendicular to the others. Where
/// that part is smaller than this, the transforms' sums are replaced by sums term by term, which have 16 digits.
const INDEPENDENT: f64 = 1e-3;
/// And where it is smaller than this, those lose too many digits as well, and the model is fitted to the values
/// themselves, which amplifies rounding by its root only.
const DEPENDENT: f64 = 1e-5;
/// The part of the variance that a model may leave before it is computed from the values themselves, where the power
/// depends on what is left.
const LEFT: f64 = 1e-2;

/// The options of a [`LombScargle`] to be built.
#[derive(Debug, Clone)]
pub struct LombScargleBuilder<T, Y> {
    times: T,
    values: Y,
    errors: Errors,
    mean: bool,
    centre: bool,
    terms: usize,
    normalization: Normalization,
    tolerance: f64,
}

impl<T: Coordinates, Y: Coordinates> LombScargleBuilder<T, Y> {
    /// The standard deviation of each value; values weigh as its inverse square. Default: all weigh the same.
    #[must_use]
    pub fn errors(mut self, errors: impl Coordinates) -> Self {
        self.errors = Errors::Each(errors.coordinates().iter().map(|&error| error.into()).collect());
        self
    }

    /// One standard deviation for all values: it matters for [`Normalization::Psd`] and for errors of peaks.
    #[must_use]
    pub fn error(mut self, error: f64) -> Self {
        self.errors = Errors::One(error);
        self
    }

    /// Whether the model at each frequency has a mean of its own. Default: true.
    #[must_use]
    pub fn fit_mean(mut self, fit_mean: bool) -> Self {
        self.mean = fit_mean;
        self
    }

    /// Whether the weighted mean is subtracted from the values first; for the power it is wherever the model has a mean
    /// of its own. Default: true.
    #[must_use]
    pub fn centre(mut self, centre: bool) -> Self {
        self.centre = centre;
        self
    }

    /// The number of Fourier terms of the model, 1 to 10. Default: 1.
    #[must_use]
    pub fn terms(mut self, terms: usize) -> Self {
        self.terms = terms;
        self
    }

    /// What the power is. Default: [`Normalization::Standard`].
    #[must_use]
    pub fn normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// The tolerance of the non-uniform FFTs, relative to the sums' l2 norm; one below what f64 can reach is taken as
    /// the smallest reachable. Default: 1e-12.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Checks times, values and errors.
    ///
    /// # Errors
    /// [`Error::Shape`] for arrays of different lengths; [`Error::Parameter`] for no values, one that is not finite,
    /// an error that is not above 0 and finite, values that are all the same where the mean is subtracted, a number of
    /// terms outside 1 to 10, or a tolerance outside 0 to 1.
    pub fn build(self, device: &Device) -> Result<LombScargle> {
        let Self { mean, centre, terms, normalization, tolerance, .. } = self;
        if !(1..=MOST_TERMS).contains(&terms) {
            return Err(Error::parameter("terms", format!("1 to {MOST_TERMS}"), terms));
        }
        if !(tolerance > 0.0 && tolerance < 1.0) {
            return Err(Error::parameter("tolerance", "0 < tolerance < 1", tolerance));
        }
        let sampling = Sampling::new(&self.times, &self.errors)?;
        let values = Values::new(&self.values, &sampling, mean || centre)?;
        if values.energy == 0.0 {
            let got = format!("{} everywhere", self.values.coordinates()[0].into());
            return Err(Error::parameter("values", "values that vary: constant ones have no periods", got));
        }
        let model = Model { terms, mean };
        Ok(LombScargle { sampling, values, model, centre, normalization, tolerance, device: device.clone() })
    }
}

/// The generalised Lomb-Scargle periodogram: how much of the variance of unevenly sampled values a wave of each
/// frequency explains.
///
/// # Formula
/// At each frequency f the model `y(t) = θ₀ + Σ_n [θ_{2n-1} sin(2πn f t) + θ_{2n} cos(2πn f t)]`, n from 1 to the
/// number of terms, is fitted to values y at times t by least squares with the weights `1/σ²`. With `χ²(f)` the
/// weighted sum of squares that it leaves, and `χ₀²` that of the values without their weighted mean, the power is `P(f)
/// = 1 - χ²(f)/χ₀²`, or another [`Normalization`] of the same numbers. Without θ₀ (`fit_mean(false)`) and with one term
/// this is the periodogram of Lomb (1976) and Scargle (1982); with θ₀, that of Zechmeister and Kürster (2009).
///
/// # Shapes and units
/// M times and values, as slices, `Vec`s or arrays of one dimension, f64 or f32, in any order; times may repeat.
/// Frequencies are in cycles per unit of time. Powers: one for each frequency.
///
/// # Accuracy
/// Powers agree with a fit at each frequency to 1e-10 relative plus 1e-14 with the default tolerance. Times are counted
/// from their middle, and the products of frequency and time are reduced exactly, so that days since 4713 BC cost no
/// digits. Where columns of the model are nearly dependent, as at frequencies below one over the length of the series,
/// the fit is made from the values themselves. `tests/lomb_scargle.rs` compares with such fits and with astropy's
/// answers.
///
/// # Performance
/// 2n non-uniform FFTs for n terms, n of them of two rows: `O(M log(1/tolerance) + N log N)` for N evenly spaced
/// frequencies. At most 2²¹ frequencies are transformed at once.
///
/// # References
/// Lomb (1976); Scargle (1982); Press and Rybicki (1989); Zechmeister and Kürster (2009); VanderPlas (2018).
///
/// ```
/// use wavemill::{Cpu, Device};
/// use wavemill::spectral::{AutoFrequency, LombScargle};
///
/// // A wave of period 7.3 days, sampled at uneven times.
/// let times: Vec<f64> = (0..200).map(|j| f64::from(j) + 0.4 * f64::from(j * j % 7)).collect();
/// let values: Vec<f64> = times.iter().map(|t| 3.0 + (std::f64::consts::TAU * t / 7.3).sin()).collect();
/// let search = LombScargle::builder(&times, &values).build(&Device::from(Cpu::new()))?;
/// let frequencies = search.autofrequency(&AutoFrequency::default())?;
/// let power = search.power(&frequencies)?;
/// let peak = search.peaks(&frequencies, &power, 1)?.remove(0);
/// assert!((1.0 / peak.wave.frequency.value - 7.3).abs() < 1e-9);
/// assert!(search.false_alarm_probability(peak.power, frequencies.highest())? < 1e-12);
/// # Ok::<(), wavemill::Error>(())
/// ```
#[derive(Clone)]
pub struct LombScargle {
    pub(super) sampling: Sampling,
    pub(super) values: Values,
    pub(super) model: Model,
    pub(super) centre: bool,
    pub(super) normalization: Normalization,
    pub(super) tolerance: f64,
    pub(super) device: Device,
}

impl fmt::Debug for LombScargle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LombScargle").field("values", &self.sampling.len()).finish_non_exhaustive()
    }
}

impl LombScargle {
    /// Starts with the times and values of a series.
    pub fn builder<T: Coordinates, Y: Coordinates>(times: T, values: Y) -> LombScargleBuilder<T, Y> {
        LombScargleBuilder {
            times,
            values,
            errors: Errors::None,
            mean: true,
            centre: true,
            terms: 1,
            normalization: Normalization::Standard,
            tolerance: 1e-12,
        }
    }

    /// Evenly spaced frequencies that resolve every peak up to a multiple of half the mean rate of sampling.
    ///
    /// # Errors
    /// [`Error::Parameter`] if all times are the same, or the options ask for no frequencies or too many.
    pub fn autofrequency(&self, options: &AutoFrequency) -> Result<Frequencies> {
        options.choose(self.sampling.len(), self.sampling.span)
    }

    /// The power at each frequency.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the transforms need more memory than there is, [`Error::Device`] if the device does not
    /// compute in f64, [`Error::DeviceLost`].
    pub fn power(&self, frequencies: &Frequencies) -> Result<Array1<f64>> {
        let summation = self.summation(frequencies, self.model, 1)?;
        let mut powers = vec![0.0; frequencies.len()];
        self.power_of(&self.sampling, &self.values, frequencies, &summation, &mut powers)?;
        Ok(powers.into())
    }

    /// The search without some of the values, which must not be all.
    pub(super) fn without(&self, kept: &[bool]) -> Self {
        Self { sampling: self.sampling.part(kept), ..self.clone() }
    }

    /// Sums for a model over the times of the series, for `rows` series.
    pub(super) fn summation(&self, frequencies: &Frequencies, model: Model, rows: usize) -> Result<Summation> {
        Summation::new(&self.sampling, frequencies, model, rows, self.tolerance, &self.device)
    }

    /// The powers of other values, and of other weights, at the same times.
    pub(super) fn power_of(
        &self,
        sampling: &Sampling,
        values: &Values,
        frequencies: &Frequencies,
        summation: &Summation,
        powers: &mut [f64],
    ) -> Result<()> {
        let blocks: Vec<_> = summation.blocks().collect();
        let mut rest = powers;
        let mut work = Vec::with_capacity(blocks.len());
        for block in blocks {
            let (powers, after) = rest.split_at_mut(block.len());
            work.push((block, powers));
            rest = after;
        }
        let of_block = |_, (block, powers): (std::ops::Range<usize>, &mut [f64])| {
            let sums = summation.block(&block, &sampling.weights, &[Row::Values(&values.values), Row::Weights])?;
            let place = |index| frequencies.get(block.start + index);
            self.powers(sampling, values, [&sums[0], &sums[1]], place, powers);
            Ok(())
        };
        // Large blocks keep all threads busy one after the other.
        if work.len() < 4 || work[0].0.len() > LARGE {
            return work.into_iter().try_for_each(|item| of_block(0, item));
        }
        self.device.install(frequencies.len(), || parallel::try_each(work, of_block))
    }

    /// The powers of a block of frequencies, from the sums over values and over weights.
    pub(super) fn powers(
        &self,
        sampling: &Sampling,
        values: &Values,
        sums: [&Sums; 2],
        frequency: impl Fn(usize) -> f64 + Sync,
        powers: &mut [f64],
    ) {
        let (energy, half) = (values.energy, values.half(sampling));
        let sensitive = matches!(self.normalization, Normalization::Model | Normalization::Log);
        let most = if sensitive { (1.0 - LEFT) * energy } else { f64::MAX };
        let chunk = |chunk: usize, powers: &mut [f64]| {
            solve::explained(sums, self.model, INDEPENDENT, chunk * CHUNK, powers);
            for power in powers {
                let explained = power.clamp(0.0, energy);
                let found = self.normalization.of(explained, energy - explained, half);
                *power = if *power <= most { found } else { f64::NAN };
            }
        };
        let again = |index: usize| {
            let (explained, left) = self.with_all_digits(sampling, values, frequency(index), most);
            (index, self.normalization.of(explained, left, half))
        };
        self.device.install(powers.len(), || {
            parallel::each_chunk(powers, CHUNK, chunk);
            let missing: Vec<usize> = (0..powers.len()).filter(|&index| powers[index].is_nan()).collect();
            let found = parallel::collect(missing.len(), |place| again(missing[place]));
            found.into_iter().for_each(|(index, power)| powers[index] = power);
        });
    }

    /// What the model explains and what it leaves at a frequency, from sums term by term or from the values.
    fn with_all_digits(&self, sampling: &Sampling, values: &Values, frequency: f64, most: f64) -> (f64, f64) {
        let [of_values, of_weights] = sums::of_one(sampling, &values.values, frequency, self.model.terms);
        let mut explained = [0.0];
        solve::explained([&of_values, &of_weights], self.model, DEPENDENT, 0, &mut explained);
        if explained[0] <= most {
            let explained = explained[0].clamp(0.0, values.energy);
            return (explained, values.energy - explained);
        }
        let fit = self.model.fit(sampling, values, frequency, sampling.middle);
        (fit.explained(), dot(&fit.residual, &fit.residual))
    }

    /// The spectral window: `|Σ w exp(2πi f t)|²` at each frequency, 1 at frequency 0. A wave of frequency g shows at
    /// every f where the window is large at f - g: peaks of the window are where aliases come from.
    ///
    /// # Errors
    /// As [`LombScargle::power`].
    pub fn window(&self, frequencies: &Frequencies) -> Result<Array1<f64>> {
        // A model without a mean needs no sums of the weights with the waves themselves; those of ones are they.
        let (model, ones) = (Model { terms: 1, mean: false }, vec![1.0; self.sampling.len()]);
        let summation = self.summation(frequencies, model, 1)?;
        let mut window = Vec::with_capacity(frequencies.len());
        for block in summation.blocks() {
            let sums = summation.block(&block, &self.sampling.weights, &[Row::Values(&ones)])?.remove(0);
            window.extend(sums[0].iter().map(|sum| sum.norm_sqr().min(1.0)));
        }
        Ok(window.into())
    }

    /// The number that [`LombScargle::model`] adds to its columns: the weighted mean of the values, or 0 if they were
    /// not centred.
    #[must_use]
    pub fn offset(&self) -> f64 {
        if self.centre { self.values.mean } else { 0.0 }
    }

    /// The columns of the model at given times: `[times, coefficients]`, in the order of [`LombScargle::coefficients`].
    ///
    /// # Errors
    /// [`Error::Parameter`] if a time or the frequency is not finite.
    pub fn design_matrix<X: Coordinates>(&self, times: &X, frequency: f64) -> Result<Array2<f64>> {
        check(frequency)?;
        Ok(self.model.matrix(&finite("times", times)?, frequency))
    }

    /// The coefficients θ of the model at a frequency: the mean, unless the model has none, then `sin(2πn f t)` and
    /// `cos(2πn f t)` for each term n. The model is [`LombScargle::offset`] plus their product with the columns.
    /// Coefficients that the values do not determine are 0.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the frequency is not finite.
    pub fn coefficients(&self, frequency: f64) -> Result<Array1<f64>> {
        check(frequency)?;
        let mut found = self.model.fit(&self.sampling, &self.values, frequency, 0.0).coefficients();
        found.iter_mut().for_each(|coefficient| *coefficient *= self.values.scale);
        if self.model.mean && !self.centre {
            // The values were centred for their digits; the mean that was subtracted belongs to θ₀.
            found[0] += self.values.mean;
        }
        Ok(found.into())
    }

    /// The model of a frequency at given times.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a time or the frequency is not finite.
    pub fn model<X: Coordinates>(&self, times: &X, frequency: f64) -> Result<Array1<f64>> {
        let coefficients = self.coefficients(frequency)?;
        let values = self.model.evaluate(coefficients.as_slice().unwrap_or(&[]), &finite("times", times)?, frequency);
        Ok(values + self.offset())
    }
}

fn check(frequency: f64) -> Result<()> {
    if frequency.is_finite() { Ok(()) } else { Err(Error::parameter("frequency", "a finite number", frequency)) }
}
