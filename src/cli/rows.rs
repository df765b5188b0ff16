//! The results of `bench`: its measurements, and the cases that a device could not compute.

use crate::cases::Group;
use crate::families::Rate;
use crate::measure::Row;

/// A case that a device could not compute.
#[derive(Debug)]
pub(crate) struct Skip {
    pub(crate) device: String,
    pub(crate) case: String,
    pub(crate) reason: String,
}

/// All results of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) quick: bool,
    pub(crate) devices: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) rates: Vec<Rate>,
    pub(crate) skipped: Vec<Skip>,
    /// The time that all measurements took.
    pub(crate) seconds: f64,
}

impl Report {
    /// The rows of one group on one device.
    pub(crate) fn part(&self, group: Group, device: usize) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.group == group && row.device == device)
    }
}
