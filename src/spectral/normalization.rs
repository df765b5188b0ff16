//! The normalisations of a periodogram, and what each expects of noise.

use std::fmt;

/// What a periodogram's power is, from `χ²`, the weighted sum of squares left by the model at a frequency, and `χ₀²`,
/// that of the data without a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// `P = 1 - χ²/χ₀²`, from 0 to 1: the part of the variance that the model explains.
    #[default]
    Standard,
    /// `P = χ₀²/χ² - 1`, from 0 up.
    Model,
    /// `P = ln(χ₀²/χ²)`, from 0 up.
    Log,
    /// `P = (χ₀² - χ²)/2` with the errors as given, or 1 where none are: noise of these errors has the mean 1.
    Psd,
}

impl Normalization {
    /// All of them.
    pub const EVERY: [Self; 4] = [Self::Standard, Self::Model, Self::Log, Self::Psd];

    /// The power, from the sum of squares that the model explains and the one that it leaves; `half` is half of their
    /// sum where squares are in units of the errors' variance.
    #[inline(always)]
    pub(super) fn of(self, explained: f64, left: f64, half: f64) -> f64 {
        match self {
            Self::Standard => explained / (explained + left),
            Self::Model => explained / left,
            Self::Log => (explained / left).ln_1p(),
            Self::Psd => explained / (explained + left) * half,
        }
    }

    /// `1 - χ²/χ₀²` for a power.
    pub(super) fn part(self, power: f64, half: f64) -> f64 {
        match self {
            Self::Standard => power,
            Self::Model => power / (1.0 + power),
            Self::Log => -(-power).exp_m1(),
            Self::Psd => power / half,
        }
    }
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Model => "model",
            Self::Log => "log",
            Self::Psd => "psd",
        })
    }
}
