//! Plots as SVG: the results of `bench` and of its GPU report, and what all drawings share.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use wavemill::significant;

use crate::args::Precision;
use crate::cases::{Group, PUBLISHED, PUBLISHED_POINTS};
use crate::measure::Row;
use crate::rows::Report;

/// Okabe and Ito's colours, which people with colour blindness can tell apart.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
pub(crate) const GREY: RGBColor = RGBColor(90, 90, 90);
pub(crate) const FONT: &str = "sans-serif";

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws an SVG of this size.
pub(crate) fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(text)
}

pub(crate) fn words(size: u32, colour: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour).pos(Pos::new(horizontal, VPos::Center))
}

/// A logarithmic axis with lines at powers of ten, or at every nth of them if not all fit.
pub(crate) struct Decades(std::ops::Range<f64>);

impl Decades {
    /// The axis of whole decades that contains these values.
    pub(crate) fn around(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            values.filter(|v| *v > 0.0).fold((f64::MAX, 0.0), |(l, h): (f64, f64), v| (l.min(v), h.max(v)));
        let (low, high) = if high > 0.0 { (low.log10().floor(), high.log10().ceil()) } else { (0.0, 1.0) };
        Self(10f64.powf(low)..10f64.powf(high.max(low + 1.0)))
    }

    /// The axis from one number above 0 to another.
    pub(crate) fn between(ends: std::ops::Range<f64>) -> Self {
        Self(ends)
    }

    /// The least number on the axis.
    pub(crate) fn start(&self) -> f64 {
        self.0.start
    }
}

impl Ranged for Decades {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let part = (value / self.0.start).ln() / (self.0.end / self.0.start).ln();
        first + (part * f64::from(last - first)).round() as i32
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred decades at most")]
    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let (low, high) = (self.0.start.log10().ceil() as i32, self.0.end.log10().floor() as i32);
        let step = ((high - low) as usize + 1).div_ceil(hint.max_num_points().clamp(2, 9)).max(1);
        (low..=high).step_by(step).map(|power| 10f64.powi(power)).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.0.clone()
    }
}

/// Formats a power of ten like "10⁻⁶", or as a plain number if that is short.
#[expect(clippy::cast_possible_truncation, reason = "an exponent")]
fn power(value: &f64) -> String {
    let exponent = value.log10().round() as i32;
    if (-2..=3).contains(&exponent) {
        return value.to_string();
    }
    let raised = |c: char| {
        c.to_digit(10).map_or('⁻', |digit| ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize])
    };
    format!("10{}", exponent.to_string().chars().map(raised).collect::<String>())
}

/// Draws the mark of a row: a disc for f64, a square for f32.
fn mark(area: &Area<'_>, at: (i32, i32), precision: Precision, colour: RGBColor) -> Result<()> {
    match precision {
        Precision::F64 => area.draw(&Circle::new(at, 4, colour.filled()))?,
        Precision::F32 => {
            area.draw(&Rectangle::new([(at.0 - 4, at.1 - 4), (at.0 + 4, at.1 + 4)], colour.stroke_width(2)))?
        }
    }
    Ok(())
}

/// Draws title and legend; returns the rest of the area.
fn heading<'a>(area: &Area<'a>, title: &str, report: &Report) -> Result<Area<'a>> {
    let rows = i32::try_from(report.devices.len())?;
    let (head, body) = area.split_vertically(44 + 20 * rows);
    head.draw(&Text::new(title.to_owned(), (20, 22), words(20, BLACK, HPos::Left)))?;
    for (row, (name, colour)) in (0..).zip(report.devices.iter().zip(COLOURS.into_iter().cycle())) {
        let y = 50 + 20 * row;
        mark(&head, (28, y), Precision::F64, colour)?;
        head.draw(&Text::new("f64", (38, y), words(14, GREY, HPos::Left)))?;
        mark(&head, (78, y), Precision::F32, colour)?;
        head.draw(&Text::new("f32", (88, y), words(14, GREY, HPos::Left)))?;
        head.draw(&Text::new(name.clone(), (122, y), words(14, BLACK, HPos::Left)))?;
    }
    Ok(body)
}

/// Axes that are both logarithmic.
pub(crate) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Decades, Decades>>;

/// A chart with a caption, names of its axes, grid lines and labels.
pub(crate) fn chart<'a>(
    area: &Area<'a>,
    [caption, across, up]: [&str; 3],
    x: Decades,
    y: Decades,
) -> Result<Chart<'a>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(10).margin_right(24).x_label_area_size(50).y_label_area_size(76);
    if !caption.is_empty() {
        builder.caption(caption, (FONT, 16));
    }
    let mut chart = builder.build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(across)
        .y_desc(up)
        .x_label_formatter(&power)
        .y_label_formatter(&power)
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .light_line_style(TRANSPARENT)
        .draw()?;
    Ok(chart)
}

/// Draws one device's rows, with a line through the marks of each precision.
fn series<'a>(
    root: &Area<'_>,
    chart: &Chart<'_>,
    colour: RGBColor,
    rows: impl Iterator<Item = &'a Row> + Clone,
    place: impl Fn(&Row) -> (f64, f64),
) -> Result<()> {
    for precision in [Precision::F64, Precision::F32] {
        let of_precision = rows.clone().filter(|row| row.precision == precision);
        let path: Vec<_> = of_precision.map(|row| chart.backend_coord(&place(row))).collect();
        root.draw(&PathElement::new(path.clone(), colour.stroke_width(2)))?;
        for at in path {
            mark(root, at, precision, colour)?;
        }
    }
    Ok(())
}

fn coloured(report: &Report) -> impl Iterator<Item = (usize, RGBColor)> {
    (0..report.devices.len()).zip(COLOURS.into_iter().cycle())
}

/// Plots time against M, with the times published in 2015.
#[expect(clippy::cast_precision_loss, reason = "sizes on an axis")]
pub(crate) fn ladder(report: &Report) -> Result<String> {
    svg((960, 680), |root| {
        let body = heading(root, "M points to M modes (type 1): plan, points and transform", report)?;
        let rows = || report.rows.iter().filter(|row| row.group == Group::Ladder);
        let times = rows().map(|row| row.total).chain(PUBLISHED.iter().map(|(_, time)| *time));
        let titles = ["", "M, points and modes", "total time, seconds"];
        // The axis leaves room on the right for the names of the published times.
        let chart = chart(&body, titles, Decades(5.0..2e6), Decades::around(times))?;
        for (device, colour) in coloured(report) {
            series(root, &chart, colour, report.part(Group::Ladder, device).collect::<Vec<_>>().into_iter(), |row| {
                (row.points as f64, row.total)
            })?;
        }
        // The slowest time is at the top; names are at least a line's height apart.
        let mut above = i32::MIN;
        for (name, time) in PUBLISHED {
            let at = chart.backend_coord(&(PUBLISHED_POINTS as f64, time));
            let text = (at.0 + 36, at.1.max(above.saturating_add(17)));
            above = text.1;
            root.draw(&TriangleMarker::new(at, 5, BLACK.filled()))?;
            root.draw(&PathElement::new(vec![(at.0 + 7, at.1), (text.0 - 4, text.1)], GREY.stroke_width(1)))?;
            root.draw(&Text::new(format!("{name} {time} s (2015)"), text, words(13, BLACK, HPos::Left)))?;
        }
        Ok(())
    })
}

/// Plots time per point against the error, with a panel for each dimension and type.
#[expect(clippy::cast_precision_loss, reason = "sizes on an axis")]
pub(crate) fn table(report: &Report) -> Result<String> {
    svg((1200, 820), |root| {
        let body = heading(root, "Execution time for a point against the error measured", report)?;
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.group == Group::Table).collect();
        let place = |row: &Row| (row.error, 1e9 * row.execute / row.points as f64);
        for (panel, area) in body.split_evenly((2, 3)).iter().enumerate() {
            let (kind, dimensions) = (1 + panel / 3, 1 + panel % 3);
            let shown =
                || rows.iter().copied().filter(|row| (usize::from(row.kind), row.dimensions) == (kind, dimensions));
            let Some(first) = shown().next() else { continue };
            let caption = format!("{}, {} modes", first.label, first.extents);
            let x = Decades::around(rows.iter().map(|row| place(row).0));
            let y = Decades::around(rows.iter().map(|row| place(row).1));
            let chart = chart(area, [&caption, "relative l2 error", "ns per point"], x, y)?;
            for (device, colour) in coloured(report) {
                series(root, &chart, colour, shown().filter(|row| row.device == device), place)?;
            }
        }
        Ok(())
    })
}

/// Plots the GPU report: points per second of transforms between arrays on the device, and the share of its copy
/// bandwidth that memory-bound kernels reach.
#[cfg(feature = "gpu")]
pub(crate) fn gpu(name: &str, rows: &[serde_json::Map<String, serde_json::Value>]) -> Result<String> {
    let text = |row: &serde_json::Map<_, _>, key: &str| row.get(key).map(ToString::to_string).unwrap_or_default();
    let number = |row: &serde_json::Map<_, serde_json::Value>, key: &str| row.get(key).and_then(|v| v.as_f64());
    let place = |row: &_| number(row, "points").zip(number(row, "points_per_s"));
    let uniform = || rows.iter().filter(|row| row.get("clustered").and_then(serde_json::Value::as_bool) == Some(false));
    svg((1200, 900), |root| {
        root.draw(&Text::new(name.to_owned(), (20, 22), words(20, BLACK, HPos::Left)))?;
        let (_, body) = root.split_vertically(40);
        let (above, below) = body.split_vertically(430);
        let mut shapes: Vec<String> = uniform().map(|row| text(row, "extents")).collect();
        shapes.dedup();
        let mut seen = std::collections::HashSet::new();
        shapes.retain(|shape| seen.insert(shape.clone()));
        for (kind, area) in (1..=2).zip(above.split_evenly((1, 2))) {
            let shown = || {
                uniform().filter(|row| {
                    number(row, "type") == Some(f64::from(kind)) && text(row, "precision").contains("f32")
                })
            };
            let least = shown().filter_map(|row| number(row, "tolerance")).fold(0.0, f64::max);
            let shown = || shown().filter(|row| number(row, "tolerance") == Some(least));
            let x = Decades::around(shown().filter_map(place).map(|at| at.0));
            let y = Decades::around(shown().filter_map(place).map(|at| at.1));
            let caption = format!("type {kind}, f32, tolerance {}", power(&least));
            let chart = chart(&area, [&caption, "points", "points a second"], x, y)?;
            for (row, (shape, colour)) in (0..).zip(shapes.iter().zip(COLOURS.into_iter().cycle())) {
                let of_shape = shown().filter(|row| text(row, "extents") == *shape).filter_map(place);
                let path: Vec<_> = of_shape.map(|at| chart.backend_coord(&at)).collect();
                area.draw(&Text::new(shape.clone(), (110, 50 + 18 * row), words(13, colour, HPos::Left)))?;
                root.draw(&PathElement::new(path.clone(), colour.stroke_width(2)))?;
                path.iter().try_for_each(|at| root.draw(&Circle::new(*at, 4, colour.filled())))?;
            }
        }
        let bars = rows.iter().filter_map(|row| number(row, "share_of_copy").map(|share| (row, share)));
        let label = "Share of the copy bandwidth (the line: all of it)";
        below.draw(&Text::new(label, (20, 12), words(16, BLACK, HPos::Left)))?;
        let named = bars.map(|(of, share)| {
            let what = ["part", "op", "extents", "precision"].map(|key| text(of, key).replace('"', "")).join(" ");
            (what, share, format!("{share:.2}"))
        });
        bars_of(&below, named)?;
        Ok(())
    })
}

/// Draws bars in columns of 20, each with a name before and a text behind it, and a line at 1.
fn bars_of(area: &Area<'_>, bars: impl Iterator<Item = (String, f64, String)>) -> Result<()> {
    for (row, (name, share, written)) in (0..).zip(bars) {
        let (column, y) = (600 * (row / 20), 36 + 20 * (row % 20));
        area.draw(&Text::new(name, (20 + column, y), words(13, BLACK, HPos::Left)))?;
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let end = 280 + column + (200.0 * share.clamp(0.0, 1.2)).round() as i32;
        area.draw(&Rectangle::new([(280 + column, y - 6), (end, y + 6)], COLOURS[0].filled()))?;
        area.draw(&PathElement::new(vec![(480 + column, y - 9), (480 + column, y + 9)], GREY.stroke_width(2)))?;
        area.draw(&Text::new(written, (end.max(480 + column) + 6, y), words(13, GREY, HPos::Left)))?;
    }
    Ok(())
}

/// Plots reductions and products as shares of the most that memory or arithmetic allows.
pub(crate) fn families(report: &Report) -> Result<String> {
    svg((1200, 480), |root| {
        let title = "Reductions and matrix products (the line: the most that memory or arithmetic allows)";
        root.draw(&Text::new(title, (20, 22), words(20, BLACK, HPos::Left)))?;
        let (_, body) = root.split_vertically(36);
        let bars = report.rates.iter().filter_map(|rate| {
            let written = format!("{} {}", significant(rate.rate, 4), rate.unit());
            rate.ceiling.map(|ceiling| (rate.what.clone(), rate.rate / ceiling, written))
        });
        bars_of(&body, bars)
    })
}

/// Keeps at most two points for each column of pixels, its extremes, so that long spectra make small files.
pub(crate) fn thin(points: impl Iterator<Item = (i32, i32)>) -> Vec<(i32, i32)> {
    let mut kept: Vec<(i32, i32)> = Vec::new();
    let mut column = None;
    for (x, y) in points {
        if column == Some(x) {
            let last = kept.len() - 1;
            let (low, high) = (kept[last - 1].1.min(y), kept[last].1.max(y));
            (kept[last - 1].1, kept[last].1) = (low, high);
        } else {
            kept.extend([(x, y), (x, y)]);
            column = Some(x);
        }
    }
    kept
}
