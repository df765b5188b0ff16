//! Results with their names, axes and units.

use anyhow::Result;
use wavemill::dynamic::Values;
use wavemill::source::{Coordinates, Source};
use wavemill::stream::Kept;

/// A result with its name.
#[derive(Debug)]
pub(crate) struct Named {
    /// The name of its file.
    pub(crate) name: String,
    /// What it is called where it is printed.
    pub(crate) label: String,
    pub(crate) values: Values,
    /// The source's axes that it has.
    pub(crate) axes: Vec<Kept>,
}

/// Whether results of this operation have the data's unit.
pub(crate) fn keeps_units(name: &str) -> bool {
    !matches!(name, "var" | "argmin" | "argmax" | "count" | "any" | "all" | "prod")
}

/// The coordinates of the indices of an axis that a result has.
pub(crate) fn along(source: &dyn Source, kept: Kept) -> Result<Option<Coordinates>> {
    let Some(all) = source.coordinates(kept.axis)? else { return Ok(None) };
    let values: Vec<f64> = all.values.into_iter().skip(kept.start).step_by(kept.step).take(kept.len).collect();
    Ok((values.len() == kept.len).then_some(Coordinates { values, units: all.units }))
}
