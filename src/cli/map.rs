//! Results with two axes as maps: colours with a bar, what is missing in grey, coordinates and units.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ndarray::{Array2, Ix2};
use wavemill::source::{Coordinates, Source};

use crate::named::{Named, along, keeps_units};
use crate::output::{self, Draft};
use crate::picture::{Anchor, Colour, LETTER, Picture};

/// Width and height, at most, of the map itself.
const LARGEST: (usize, usize) = (960, 720);
/// Height, at least, of a map that can be made taller.
const LOWEST: usize = 150;
/// What is missing, as land in a field of the sea.
const MISSING: Colour = [190, 190, 190];
const LINES: Colour = [40, 40, 40];
/// From dark to light, equal steps looking equal: ten colours of the public-domain colour map viridis.
const SEQUENTIAL: [Colour; 10] = [
    [68, 1, 84],
    [72, 40, 120],
    [62, 74, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [109, 205, 89],
    [180, 222, 44],
    [253, 231, 37],
];
/// From below zero to above, white between.
const DIVERGING: [Colour; 5] = [[0, 68, 136], [86, 180, 233], [247, 247, 247], [240, 160, 90], [170, 60, 0]];

/// Whether a result has two axes that can be drawn.
pub(crate) fn can_draw(result: &Named) -> bool {
    matches!(result.values.shape(), &[height, width] if height > 0 && width > 0)
}

/// Draws a result with two axes to a file that is not yet in its place.
pub(crate) fn draft(path: &Path, result: &Named, source: Option<&dyn Source>) -> Result<Draft> {
    ensure!(
        can_draw(result),
        "a map has two axes, and the result {} has the shape {:?}; reduce all axes but two",
        result.name,
        result.values.shape()
    );
    let values = result.values.to_f64().context("a map is of real numbers; reduce absolute values")?;
    let values = values.into_dimensionality::<Ix2>()?;
    let mut axes = [Side::default(), Side::default()];
    if let Some(source) = source {
        for (side, kept) in axes.iter_mut().zip(&result.axes) {
            side.name = source.description().axes[kept.axis].name.clone();
            side.coordinates = along(source, *kept)?;
        }
    }
    let about = source.map(Source::description);
    let mut title = result.label.clone();
    if let Some(what) = about.and_then(|about| about.title.as_ref()) {
        title.push_str(&format!(" of {what}"));
    }
    if let Some(units) = about.and_then(|about| about.units.as_ref()).filter(|_| keeps_units(&result.name)) {
        title.push_str(&format!(" [{units}]"));
    }
    let picture = draw(&values, &title, &axes);
    output::draft(path, |file| picture.write(file))
}

/// What is written along an axis.
#[derive(Debug, Default)]
struct Side {
    name: Option<String>,
    coordinates: Option<Coordinates>,
}

impl Side {
    fn title(&self) -> String {
        let units = self.coordinates.as_ref().and_then(|found| found.units.as_ref());
        let units = units.map_or(String::new(), |units| format!(" [{units}]"));
        format!("{}{units}", self.name.as_deref().unwrap_or("index"))
    }

    /// The values at the first and the last index.
    fn ends(&self, len: usize) -> (f64, f64) {
        let indices = (0.0, (len - 1) as f64);
        self.coordinates.as_ref().map_or(indices, |found| match found.values[..] {
            [first, .., last] => (first, last),
            [only] => (only, only),
            [] => indices,
        })
    }

    /// Places of round numbers along the axis, as fractions of the way from the middle of the first index to that of
    /// the last.
    fn ticks(&self, len: usize, count: usize) -> Vec<(f64, f64)> {
        let (first, last) = self.ends(len);
        if first == last {
            return vec![(0.0, first)];
        }
        round_numbers(first.min(last), first.max(last), count)
            .into_iter()
            .map(|x| ((x - first) / (last - first), x))
            .collect()
    }
}

/// About so many round numbers in a range, or fewer.
fn round_numbers(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count.max(1) as f64;
    if !(rough > 0.0 && rough.is_finite()) {
        return vec![low];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|x| x * power).find(|&step| step >= rough).unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil();
    (0..20).map(|i| (first + f64::from(i)) * step).take_while(|&x| x <= high + 1e-9 * step).map(|x| x + 0.0).collect()
}

/// A round number without the digits that rounding left.
fn label(x: f64) -> String {
    let text = wavemill::significant(x, 6);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The colours for values, by their range.
#[derive(Debug)]
struct Scale {
    low: f64,
    high: f64,
    colours: &'static [Colour],
}

impl Scale {
    /// Both signs get white at zero, if the smaller side is no less than a tenth of the larger.
    fn of(values: &Array2<f64>) -> Self {
        let finite = values.iter().filter(|x| x.is_finite());
        let (mut low, mut high) = finite.fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if low < 0.0 && high > 0.0 && (-low).min(high) >= 0.1 * (-low).max(high) {
            let most = high.max(-low);
            return Self { low: -most, high: most, colours: &DIVERGING };
        }
        Self { low, high, colours: &SEQUENTIAL }
    }

    fn colour(&self, x: f64) -> Colour {
        if x.is_nan() {
            return MISSING;
        }
        let way = if self.high > self.low { ((x - self.low) / (self.high - self.low)).clamp(0.0, 1.0) } else { 0.5 };
        let steps = self.colours.len() - 1;
        let place = way * steps as f64;
        let at = (place as usize).min(steps - 1);
        let (a, b, part) = (self.colours[at], self.colours[at + 1], place - at as f64);
        std::array::from_fn(|i| (f64::from(a[i]) + part * (f64::from(b[i]) - f64::from(a[i]))).round() as u8)
    }
}

fn draw(values: &Array2<f64>, title: &str, axes: &[Side; 2]) -> Picture {
    let (rows, columns) = values.dim();
    // Small fields are enlarged by a whole factor, large ones are thinned out.
    let enlarge = (LARGEST.0 / columns).min(LARGEST.1 / rows);
    let shrink = (columns as f64 / LARGEST.0 as f64).max(rows as f64 / LARGEST.1 as f64).max(1.0);
    let extent = |len: usize| if enlarge > 0 { len * enlarge } else { ((len as f64 / shrink) as usize).max(1) };
    // Bands are made taller, so that what stands beside them has room.
    let (width, height) = (extent(columns), extent(rows));
    let height = height * LOWEST.div_ceil(height).min(8);
    let count = (height / (2 * LETTER.1)).clamp(1, 5);
    let scale = Scale::of(values);
    let numbers = round_numbers(scale.low, scale.high, count);
    let vertical = axes[0].ticks(rows, count);
    let longest = |list: &mut dyn Iterator<Item = f64>| list.map(|x| label(x).len()).max().unwrap_or(1) * LETTER.0;
    let left = longest(&mut vertical.iter().map(|tick| tick.1)) + 24;
    let right = 24 + 20 + 10 + longest(&mut numbers.iter().copied()) + 16;
    let (top, bottom) = (4 * LETTER.1, 4 * LETTER.1);
    let full = (left + width + right).max(title.chars().count() * LETTER.0 + 32);
    let mut picture = Picture::new(full, top + height + bottom);
    // Coordinates that grow, as latitudes from the south, grow upwards; indices count downwards as in a printed matrix.
    let (first, last) = axes[0].ends(rows);
    let up = axes[0].coordinates.is_some() && last > first;
    for y in 0..height {
        let row = y * rows / height;
        let row = if up { rows - 1 - row } else { row };
        for x in 0..width {
            picture.dot(left + x, top + y, scale.colour(values[[row, x * columns / width]]));
        }
    }
    picture.frame((left, top), (width, height), LINES);
    picture.text(title, (left, LETTER.1), Anchor::Left);
    // The middle of an index is half of its pixels from its edge.
    let place = |way: f64, pixels: usize, len: usize| {
        let each = pixels as f64 / len as f64;
        (each / 2.0 + way * (pixels as f64 - each)) as usize
    };
    for (way, x) in axes[1].ticks(columns, 5) {
        let at = left + place(way, width, columns);
        picture.fill((at, top + height), (1, 6), LINES);
        picture.text(&label(x), (at, top + height + 16), Anchor::Middle);
    }
    picture.text(&axes[1].title(), (left + width / 2, top + height + 38), Anchor::Middle);
    for (way, x) in vertical {
        let way = if up { 1.0 - way } else { way };
        let at = top + place(way, height, rows);
        picture.fill((left - 6, at), (6, 1), LINES);
        picture.text(&label(x), (left - 10, at), Anchor::Right);
    }
    picture.text(&axes[0].title(), (8, top - LETTER.1), Anchor::Left);
    let bar = left + width + 24;
    for y in 0..height {
        let way = 1.0 - (y as f64 + 0.5) / height as f64;
        picture.fill((bar, top + y), (20, 1), scale.colour(scale.low + way * (scale.high - scale.low)));
    }
    picture.frame((bar, top), (20, height), LINES);
    for x in numbers {
        let way = if scale.high > scale.low { (x - scale.low) / (scale.high - scale.low) } else { 0.5 };
        let at = top + ((1.0 - way) * (height - 1) as f64) as usize;
        picture.fill((bar + 20, at), (5, 1), LINES);
        picture.text(&label(x), (bar + 30, at), Anchor::Left);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(round_numbers(-90.0, 90.0, 5), [-50.0, 0.0, 50.0]);
        assert_eq!(round_numbers(0.0, 1439.0, 5), [0.0, 500.0, 1000.0]);
        assert_eq!(round_numbers(271.2, 304.9, 5), [280.0, 290.0, 300.0]);
        assert_eq!(round_numbers(3.0, 3.0, 5), [3.0]);
        assert_eq!([0.1 + 0.2, 280.0, -1e-9].map(label), ["0.3", "280", "-1.00000e-9"]);
    }

    #[test]
    fn colours_follow_the_range() {
        let scale = Scale::of(&ndarray::array![[0.0, 10.0], [f64::NAN, 5.0]]);
        assert_eq!((scale.colour(0.0), scale.colour(10.0)), (SEQUENTIAL[0], SEQUENTIAL[9]));
        assert_eq!(scale.colour(f64::NAN), MISSING);
        let both = Scale::of(&ndarray::array![[-1.0, 0.5]]);
        assert_eq!((both.low, both.high, both.colour(0.0)), (-1.0, 1.0, DIVERGING[2]));
        let nothing = Scale::of(&ndarray::array![[f64::NAN]]);
        assert_eq!((nothing.low, nothing.high), (0.0, 1.0));
    }
}
