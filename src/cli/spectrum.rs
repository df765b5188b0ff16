//! The drawing of `periodogram`: the spectrum with the periods found, the spectral window, and the values folded by the
//! strongest period.

use std::f64::consts::TAU;

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::numbers::{measured, probability};
use crate::plot::{Area, COLOURS, Decades, FONT, GREY, chart, svg, thin, words};
use crate::search::{Found, nearest};
use crate::series::Series;

/// Height of the drawing of one series.
const HEIGHT: u32 = 820;
/// The most values that are drawn as points.
const MOST_POINTS: usize = 800;

/// Draws the series one below the other.
pub(crate) fn draw(all: &[Series], found: &[Found]) -> Result<String> {
    let count = u32::try_from(all.len())?;
    svg((1000, HEIGHT * count), |root| {
        let areas = root.split_evenly((all.len(), 1));
        for ((series, found), area) in all.iter().zip(found).zip(&areas) {
            one(root, area, series, found)?;
        }
        Ok(())
    })
}

/// Draws a series into an area of `root`, to whose corner the coordinates of charts refer.
fn one(root: &Area<'_>, area: &Area<'_>, series: &Series, found: &Found) -> Result<()> {
    area.draw(&Text::new(format!("Spectrum of {}", series.name), (20, 22), words(20, BLACK, HPos::Left)))?;
    let legend = "orange: median around; discs: periods found; dashes: false-alarm probabilities of white noise";
    area.draw(&Text::new(legend, (980, 24), words(13, GREY, HPos::Right)))?;
    let (_, body) = area.split_vertically(40);
    let (above, below) = body.split_vertically(460);
    spectrum(root, &above, series, found)?;
    let halves = below.split_evenly((1, 2));
    window(root, &halves[0], series, found)?;
    folded(&halves[1], series, found)
}

fn across(series: &Series) -> String {
    format!("frequency, cycles per {}", if series.unit.many.is_empty() { "unit of time" } else { series.unit.one })
}

fn ends(values: &[f64]) -> std::ops::Range<f64> {
    values[0]..values[values.len() - 1]
}

fn spectrum(root: &Area<'_>, area: &Area<'_>, series: &Series, found: &Found) -> Result<()> {
    let frequencies = &found.frequencies;
    // The axis ends a little below the background, as dips to nearly 0 would stretch it.
    let least = found.background.iter().copied().filter(|level| *level > 0.0).fold(0.1, f64::min) / 10.0;
    let up = Decades::around(found.power.iter().copied().chain([1.0]).map(|value| value.max(least)));
    let floor = up.start();
    let names = ["", &across(series), "part of the variance that a wave explains"];
    let chart = chart(area, names, Decades::between(ends(frequencies)), up)?;
    let line = |values: &mut dyn Iterator<Item = f64>| {
        thin(frequencies.iter().zip(values).map(|(&f, value)| chart.backend_coord(&(f, value.max(floor)))))
    };
    root.draw(&PathElement::new(line(&mut found.power.iter().copied()), COLOURS[0].stroke_width(1)))?;
    root.draw(&PathElement::new(line(&mut found.background.iter().copied()), COLOURS[1].stroke_width(2)))?;
    let (left, right) = (frequencies[0], frequencies[frequencies.len() - 1]);
    for (&(probability, level), side) in found.levels.iter().zip([9, -9]) {
        let (from, to) = (chart.backend_coord(&(left, level)), chart.backend_coord(&(right, level)));
        for x in (from.0..to.0).step_by(10) {
            root.draw(&PathElement::new(vec![(x, from.1), ((x + 5).min(to.0), from.1)], GREY.stroke_width(1)))?;
        }
        root.draw(&Text::new(probability.to_string(), (to.0 - 4, from.1 + side), words(12, GREY, HPos::Right)))?;
    }
    let mut taken: Vec<(i32, i32)> = Vec::new();
    for line in &found.lines {
        let frequency = line.wave.frequency.value;
        let power = found.power[nearest(frequencies, frequency)];
        let (period, error) = (1.0 / frequency, line.excess * line.wave.frequency.error / frequency.powi(2));
        let at = chart.backend_coord(&(frequency.clamp(left, right), power.max(floor)));
        let mut text = (at.0, at.1 - 16);
        while taken.iter().any(|t| (t.0 - text.0).abs() < 110 && (t.1 - text.1).abs() < 17) {
            text.1 -= 17;
        }
        taken.push(text);
        let label = format!("{} {}", measured(period, error).0, series.unit.many);
        root.draw(&Circle::new(at, 4, COLOURS[1].filled()))?;
        root.draw(&PathElement::new(vec![(at.0, at.1 - 4), (text.0, text.1 + 8)], GREY.stroke_width(1)))?;
        root.draw(&Text::new(label, text, words(13, BLACK, HPos::Center)))?;
    }
    Ok(())
}

fn window(root: &Area<'_>, area: &Area<'_>, series: &Series, found: &Found) -> Result<()> {
    let frequencies = &found.frequencies;
    let up = Decades::around(found.window.iter().map(|value| value.max(1e-5)).chain([1.0]));
    let floor = up.start();
    let names = ["spectral window", &across(series), "|Σ w exp(2πi f t)|²"];
    let chart = chart(area, names, Decades::between(ends(frequencies)), up)?;
    let points = frequencies.iter().zip(&found.window);
    let line = thin(points.map(|(&f, &value)| chart.backend_coord(&(f, value.max(floor)))));
    root.draw(&PathElement::new(line, COLOURS[2].stroke_width(1)))?;
    Ok(())
}

/// Values without the trend and all other waves against the phase of the strongest, over two periods.
fn folded(area: &Area<'_>, series: &Series, found: &Found) -> Result<()> {
    let Some(line) = found.lines.first() else {
        let at = (230, 160);
        area.draw(&Text::new("no period to fold by", at, words(14, GREY, HPos::Center)))?;
        return Ok(());
    };
    let wave = &line.wave;
    let model = |phase: f64| -> f64 {
        let term = |(n, term): (usize, &wavemill::spectral::Term)| {
            term.amplitude.value * (TAU * ((n + 1) as f64 * phase - term.phase.value)).cos()
        };
        wave.terms.iter().enumerate().map(term).sum()
    };
    let phase = |time: f64| (wave.frequency.value * (time - wave.epoch)).rem_euclid(1.0);
    let every = series.times.len().div_ceil(MOST_POINTS);
    let points: Vec<(f64, f64)> = (series.times.iter().zip(&found.residuals).step_by(every))
        .map(|(&time, rest)| (phase(time), model(phase(time)) + rest))
        .collect();
    let curve: Vec<(f64, f64)> = (0..=200).map(|k| (f64::from(k) / 100.0, model(f64::from(k) / 100.0))).collect();
    let (low, high) = points
        .iter()
        .chain(&curve)
        .fold((f64::MAX, f64::MIN), |(low, high), point| (low.min(point.1), high.max(point.1)));
    let room = 0.05 * (high - low).max(f64::MIN_POSITIVE);
    let caption = format!(
        "folded by {} {}",
        measured(1.0 / wave.frequency.value, line.excess * wave.frequency.error / wave.frequency.value.powi(2)).0,
        series.unit.many
    );
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(24)
        .x_label_area_size(50)
        .y_label_area_size(76)
        .caption(caption, (FONT, 16))
        .build_cartesian_2d(0.0..2.0, low - room..high + room)?;
    chart
        .configure_mesh()
        .x_desc(format!("phase, false alarm {}", probability(line.alarm)))
        .y_desc(series.name.clone())
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .light_line_style(TRANSPARENT)
        .y_label_formatter(&|value| short_label(*value))
        .draw()?;
    let twice = points.iter().flat_map(|&(phase, value)| [(phase, value), (phase + 1.0, value)]);
    chart.draw_series(twice.map(|point| Circle::new(point, 1, COLOURS[0].mix(0.5).filled())))?;
    chart.draw_series(LineSeries::new(curve, COLOURS[1].stroke_width(2)))?;
    Ok(())
}

/// A number on an axis, which needs few digits.
fn short_label(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) {
        format!("{}", (value * 1e6).round() / 1e6)
    } else {
        format!("{value:.1e}")
    }
}
