//! Progress of a pass over a source: bytes, rate and time left on a terminal, nothing in a pipe.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use wavemill::dynamic::Values;
use wavemill::stream::Pass;

/// Runs a pass and shows how far it is.
pub(crate) fn run(pass: &Pass) -> Result<Vec<Vec<Values>>> {
    let bar = bar(pass.reads())?;
    let found = pass.run_watched(&|progress| {
        bar.set_position(progress.done);
        true
    });
    bar.finish_and_clear();
    Ok(found?)
}

/// A bar for so many bytes.
pub(crate) fn bar(bytes: u64) -> Result<ProgressBar> {
    let style = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    Ok(ProgressBar::new(bytes).with_style(ProgressStyle::with_template(style)?))
}
