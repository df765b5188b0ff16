//! Spectra of unevenly sampled data.

pub(crate) mod frequencies;
pub(crate) mod lomb_scargle;
pub(crate) mod many;
pub(crate) mod model;
pub(crate) mod normalization;
pub(crate) mod peaks;
pub(crate) mod series;
pub(crate) mod significance;
pub(crate) mod solve;
pub(crate) mod sums;
pub(crate) mod waves;

pub use frequencies::{AutoFrequency, Frequencies};
pub use lomb_scargle::{LombScargle, LombScargleBuilder};
pub use many::LombScarglePlan;
pub use normalization::Normalization;
pub use peaks::Peak;
pub use significance::FalseAlarm;
pub use waves::{Measured, Term, Wave, Waves};
