//! Spectra of unevenly sampled data: Lomb-Scargle periodograms, how significant their peaks are, fits of waves, and the
//! inverse of the non-uniform FFT.
//!
//! | to | use |
//! |---|---|
//! | search one series for periods | [`LombScargle`]: powers, peaks, false-alarm probabilities, the spectral window |
//! | search many series at the same times, with gaps or without | [`LombScargle::plan`], [`LombScarglePlan::power`] |
//! | search many series, each at its own times | [`LombScargle::power_of_each`] |
//! | fit several waves and a trend at once | [`Waves::fit`] |
//! | find the modes of values at uneven points | [`Inverse`] |
//!
//! # Normalisations
//! `χ²` is the weighted sum of squares that the model leaves, `χ₀²` that of the values about their weighted mean.
//!
//! | [`Normalization`] | power | range |
//! |---|---|---|
//! | `Standard` | `1 - χ²/χ₀²` | 0 to 1 |
//! | `Model` | `χ₀²/χ² - 1` | 0 up |
//! | `Log` | `ln(χ₀²/χ²)` | 0 up |
//! | `Psd` | `(χ₀² - χ²)/2`, with the errors given | 0 up, mean 1 for noise of these errors and one term |
//!
//! # When to use what
//! - A mean of its own at each frequency (the default) costs nothing and is right where phases are covered unevenly.
//! - Several terms find waves that are not sinusoidal, such as light curves of variable stars, at the price of more
//!   noise: multiples of the frequency fit too.
//! - False-alarm probabilities are of white noise. Where noise rises towards low frequencies, compare a peak with the
//!   median around it, as the program's `periodogram` does.
//!
//! # References
//! Lomb (1976); Scargle (1982); Press and Rybicki (1989); Baluev (2008); Zechmeister and Kürster (2009); VanderPlas,
//! Understanding the Lomb-Scargle Periodogram (2018).

pub(crate) mod frequencies;
pub(crate) mod inverse;
pub(crate) mod lomb_scargle;
pub(crate) mod many;
pub(crate) mod model;
pub(crate) mod normalization;
pub(crate) mod peaks;
pub(crate) mod series;
pub(crate) mod significance;
pub(crate) mod solve;
pub(crate) mod sums;
pub(crate) mod toeplitz;
pub(crate) mod waves;

pub use frequencies::{AutoFrequency, Frequencies};
pub use inverse::{Inverse, InverseBuilder, NormalProduct, Solution, Stop, gap_weights};
pub use lomb_scargle::{LombScargle, LombScargleBuilder};
pub use many::LombScarglePlan;
pub use normalization::Normalization;
pub use peaks::Peak;
pub use significance::FalseAlarm;
pub use waves::{Measured, Term, Wave, Waves};
