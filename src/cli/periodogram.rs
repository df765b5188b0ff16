//! The `periodogram` command: lists the periods in unevenly sampled data, how sure they are, and draws the spectrum.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, bail};

use crate::args::{self, Method};
use crate::numbers::{measured, probability, short};
use crate::search::{Found, Line};
use crate::series::Series;
use crate::{device, output, spectrum};

/// Runs the command.
pub(crate) fn run(args: &args::Periodogram) -> Result<()> {
    output::check(&args.out)?;
    let drawn = |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    let table = |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    if let Some(path) = args.out.iter().find(|path| !drawn(path) && !table(path)) {
        bail!(
            "--out {}: name a file that ends in .svg for a drawing, or in .csv for the spectrum's numbers",
            path.display()
        );
    }
    let all = Series::read(args)?;
    let work = all.iter().map(|series| series.times.len() as f64 * f64::from(args.oversample) * 1e-6).sum();
    let device = device::choose(args.device, work)?;
    let mut found = Vec::with_capacity(all.len());
    let mut text = String::new();
    for series in &all {
        let one = Found::new(series, args, &device)?;
        describe(&mut text, series, &one, args, &device.name())?;
        found.push(one);
    }
    // Every file is complete before the first is put in its place.
    let mut drafts = Vec::new();
    for path in &args.out {
        let contents = if drawn(path) { spectrum::draw(&all, &found)? } else { numbers(&all, &found)? };
        drafts.push(output::draft(path, |file| Ok(std::io::Write::write_all(file, contents.as_bytes())?))?);
    }
    output::place(drafts)?;
    output::print(&text)
}

/// The spectra as a table: a row for each frequency of each column.
fn numbers(all: &[Series], found: &[Found]) -> Result<String> {
    let header = ["column", "frequency", "power", "window"].map(str::to_owned).to_vec();
    let rows = all.iter().zip(found).flat_map(|(series, found)| {
        let numbers = found.frequencies.iter().zip(found.power.iter().zip(&found.window));
        numbers.map(|(f, (power, window))| {
            vec![series.name.clone(), f.to_string(), format!("{power:e}"), format!("{window:e}")]
        })
    });
    output::csv([header].into_iter().chain(rows))
}

/// What was read, and the periods found.
fn describe(text: &mut String, series: &Series, found: &Found, args: &args::Periodogram, device: &str) -> Result<()> {
    let (one, many) = (series.unit.one, series.unit.many);
    if !text.is_empty() {
        writeln!(text)?;
    }
    writeln!(
        text,
        "{}: {} values over {} {}, {} gaps left out, a trend of degree {} fitted\n\
         {} frequencies from {} to {} per {one}, on {device}\n",
        series.name,
        series.times.len(),
        short(found.span),
        if many.is_empty() { "units of time" } else { many },
        series.gaps,
        args.detrend,
        found.frequencies.len(),
        short(found.frequencies[0]),
        short(found.frequencies[found.frequencies.len() - 1]),
    )?;
    if found.lines.is_empty() {
        writeln!(
            text,
            "No period stands out: noise has a peak as high as the highest with a probability above {}.",
            args.fap
        )?;
        return Ok(());
    }
    let mut rows = vec![[
        if many.is_empty() { "period".to_owned() } else { format!("period, {many}") },
        "+-".into(),
        format!("frequency, per {one}"),
        "+-".into(),
        "amplitude".into(),
        "+-".into(),
        "false alarm".into(),
    ]];
    for Line { wave, alarm, excess } in &found.lines {
        let (frequency, first) = (wave.frequency, wave.terms[0].amplitude);
        let error = frequency.error * excess;
        let (period, period_error) = measured(1.0 / frequency.value, error / frequency.value.powi(2));
        let (frequency, frequency_error) = measured(frequency.value, error);
        let (amplitude, amplitude_error) = measured(first.value, first.error * excess);
        let alarm = if args.method == Method::Bootstrap { format!("<= {alarm:.1e}") } else { probability(*alarm) };
        rows.push([period, period_error, frequency, frequency_error, amplitude, amplitude_error, alarm]);
    }
    let widths: Vec<usize> =
        (0..7).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}")).collect();
        writeln!(text, "{}", cells.join("  "))?;
    }
    Ok(())
}
