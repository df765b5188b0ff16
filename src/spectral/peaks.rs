//! The peaks of a periodogram, refined between its frequencies.

use crate::error::{Error, Result};
use crate::spectral::frequencies::Frequencies;
use crate::spectral::lomb_scargle::LombScargle;
use crate::spectral::waves::{Fit, Shape, Wave};

/// A peak of a periodogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Peak {
    /// The power at the refined frequency, in the periodogram's normalisation.
    pub power: f64,
    /// The model at that frequency.
    pub wave: Wave,
}

impl LombScargle {
    /// The highest peaks of a power spectrum, at most `count`, the highest first. Peaks are at least a resolution
    /// element, one over the length of the series, apart; each is refined from the frequency with the highest power by
    /// Gauss-Newton steps in frequency and coefficients, and its standard deviations are those of that fit. A peak may
    /// be an alias or a side lobe of a higher one: [`super::Waves`] fits several waves at once.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one power for each frequency.
    pub fn peaks(&self, frequencies: &Frequencies, power: &ndarray::ArrayRef1<f64>, count: usize) -> Result<Vec<Peak>> {
        if power.len() != frequencies.len() {
            return Err(Error::shape("power", frequencies.len(), power.len()));
        }
        let at: Vec<f64> = frequencies.iter().collect();
        let mut order: Vec<usize> = (0..at.len()).collect();
        order.sort_unstable_by(|&a, &b| at[a].total_cmp(&at[b]));
        let rank = |place: usize| order.get(place).map_or(f64::NEG_INFINITY, |&index| power[index]);
        let mut maxima: Vec<usize> = (0..order.len())
            .filter(|&place| {
                let (here, before) = (rank(place), if place > 0 { rank(place - 1) } else { f64::NEG_INFINITY });
                before < here && rank(place + 1) <= here
            })
            .map(|place| order[place])
            .collect();
        maxima.sort_by(|&a, &b| power[b].total_cmp(&power[a]));
        let element = if self.sampling.span > 0.0 { 1.0 / self.sampling.span } else { 0.0 };
        let mut found: Vec<f64> = Vec::new();
        for index in maxima {
            if found.len() < count && found.iter().all(|other| (other - at[index]).abs() >= element) {
                found.push(at[index]);
            }
        }
        Ok(found.into_iter().map(|frequency| self.peak(frequency)).collect())
    }

    /// The peak near a frequency.
    fn peak(&self, frequency: f64) -> Peak {
        let shape = Shape { degree: self.model.mean.then_some(0), terms: self.model.terms };
        let (sampling, values) = (&self.sampling, &self.values);
        let fit = Fit::refined(sampling, values, shape, vec![frequency]);
        let left = fit.squares;
        let explained = (values.energy - left).max(0.0);
        let power = self.normalization.of(explained, left, values.half(sampling));
        let wave = fit.waves(sampling, values.scale).remove(0);
        Peak { power, wave }
    }
}
