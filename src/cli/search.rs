//! The search for periods in a series: the strongest wave is fitted with those found before, and kept if noise of the
//! level around it is unlikely to be as strong.

use anyhow::{Context, Result, bail};
use ndarray::{Array1, aview1};
use wavemill::Device;
use wavemill::spectral::{FalseAlarm, Frequencies, LombScargle, LombScarglePlan, Wave, Waves};

use crate::args::{self, Method};
use crate::series::Series;

/// The background at f is the median from f/1.5 to 1.5 f, or over 12 resolution elements on each side if that is more.
const BACKGROUND_RATIO: f64 = 1.5;
const BACKGROUND_ELEMENTS: f64 = 12.0;
/// Frequencies at which the background is computed; it is interpolated between them.
const BACKGROUND_NODES: usize = 256;
/// The power law at the lowest frequencies is taken over this ratio of frequencies.
const BACKGROUND_SLOPE: f64 = 2.0;
/// The most frequencies of a spectrum: more would fill the memory of a laptop.
const MOST_FREQUENCIES: f64 = (1u64 << 26) as f64;
/// Spectra of a bootstrap.
const DRAWS: usize = 1000;
/// What is left of the variance after this is rounding.
const NOTHING: f64 = 1e-24;

/// A wave found.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) wave: Wave,
    /// The probability that noise has a peak as high as this anywhere.
    pub(crate) alarm: f64,
    /// By how much the noise around the line exceeds white noise of the same variance, as an amplitude; at least 1.
    pub(crate) excess: f64,
}

/// The spectrum of a series and the waves found in it.
#[derive(Debug)]
pub(crate) struct Found {
    /// The strongest first.
    pub(crate) lines: Vec<Line>,
    pub(crate) frequencies: Vec<f64>,
    /// The part of the variance about the trend that a wave of each frequency explains.
    pub(crate) power: Array1<f64>,
    pub(crate) window: Array1<f64>,
    /// The median around each frequency of what is left, in the same unit.
    pub(crate) background: Vec<f64>,
    /// Powers that white noise exceeds with some probabilities.
    pub(crate) levels: Vec<(f64, f64)>,
    pub(crate) residuals: Array1<f64>,
    pub(crate) span: f64,
}

/// A fit of the trend and waves, and the spectrum of what it leaves.
struct State {
    fit: Waves,
    at: Vec<f64>,
    /// In units of the variance about the mean.
    power: Array1<f64>,
    background: Vec<f64>,
}

struct Search<'a> {
    series: &'a Series,
    args: &'a args::Periodogram,
    span: f64,
    frequencies: Vec<f64>,
    plan: LombScarglePlan,
    device: &'a Device,
}

impl Found {
    /// Searches a series.
    pub(crate) fn new(series: &Series, args: &args::Periodogram, device: &Device) -> Result<Self> {
        let samples = series.times.len();
        let needed = usize::from(args.detrend) + 2 * usize::from(args.terms) + 6;
        if samples < needed {
            bail!(
                "{}, column {}, holds {samples} usable rows; {needed} are needed for a trend of degree {} and a wave of \
                 {} terms",
                args.data.display(),
                series.name,
                args.detrend,
                args.terms
            );
        }
        let (low, high) = series.times.iter().fold((f64::MAX, f64::MIN), |(l, h), &t| (l.min(t), h.max(t)));
        let span = high - low;
        if span <= 0.0 {
            bail!("{}: all times are the same; --time names the column of times", args.data.display());
        }
        let grid = grid(args, samples, span)?;
        let trend = fit(series, args, &[])?;
        // Constant values leave rounding.
        if trend.left == 0.0 {
            bail!("{}: {} does not vary; --value names the column of values", args.data.display(), series.name);
        }
        let plan = search(series, args, &trend.residuals, device)?.plan(&grid)?;
        let window = plan.window()?;
        let frequencies = grid.iter().collect();
        let search = Search { series, args, span, frequencies, plan, device };
        let first = search.state(trend, Vec::new())?;
        let (power, total) = (first.power.clone(), first.fit.left);
        let levels = search.levels(&first.fit.residuals)?;
        let (last, alarms) = search.lines(first)?;
        let mut lines: Vec<Line> = (last.fit.waves.iter().zip(alarms))
            .map(|(wave, alarm)| Line { wave: wave.clone(), alarm, excess: search.excess(&last, wave.frequency.value) })
            .collect();
        let strength = |line: &Line| line.wave.terms.iter().map(|term| term.amplitude.value.powi(2)).sum::<f64>();
        lines.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
        let background = last.background.iter().map(|level| level / total).collect();
        let (residuals, frequencies) = (last.fit.residuals, search.frequencies);
        Ok(Self { lines, frequencies, power: power / total, window, background, levels, residuals, span })
    }
}

/// The frequencies of the spectrum.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked against MOST_FREQUENCIES")]
fn grid(args: &args::Periodogram, samples: usize, span: f64) -> Result<Frequencies> {
    let step = 1.0 / (f64::from(args.oversample) * span);
    let (low, high) = args.frequency_range.unwrap_or((2.0 / span, (samples - 1) as f64 / (2.0 * span)));
    let low = if args.frequency_range.is_none() { low } else { low.max(step) };
    let steps = ((high - low) / step).floor();
    // Without a range there are more steps: no model has fewer than 8 rows.
    if steps.is_nan() || steps < 2.0 {
        let found = crate::numbers::short(1.0 / span);
        bail!("--frequency-range {low},{high} holds no peak: peaks are about {found} wide; give a wider range");
    }
    if steps > MOST_FREQUENCIES {
        bail!("{steps:.1e} frequencies are too many; give a smaller --frequency-range or --oversample");
    }
    Ok(Frequencies::regular(low, step, 1 + steps as usize)?)
}

/// Fits the trend and waves from these frequencies on.
fn fit(series: &Series, args: &args::Periodogram, at: &[f64]) -> Result<Waves> {
    let (terms, degree) = (args.terms.into(), args.detrend.into());
    Waves::fit(&series.times, &series.values, series.errors.as_deref(), at, terms, degree)
        .with_context(|| format!("{}, column {}", args.data.display(), series.name))
}

/// The periodogram of residuals.
fn search(
    series: &Series,
    args: &args::Periodogram,
    residuals: &Array1<f64>,
    device: &Device,
) -> wavemill::Result<LombScargle> {
    let builder = LombScargle::builder(&series.times, residuals).terms(args.terms.into());
    match &series.errors {
        Some(errors) => builder.errors(errors).build(device),
        None => builder.build(device),
    }
}

impl Search<'_> {
    /// The spectrum of what a fit leaves.
    fn state(&self, fit: Waves, at: Vec<f64>) -> Result<State> {
        let mut power = self.plan.power(&fit.residuals)?;
        // Residuals that are all the same have no spectrum.
        power.mapv_inplace(|power| if power.is_nan() { 0.0 } else { power * fit.left });
        let background = self.background(&power);
        Ok(State { fit, at, power, background })
    }

    /// Finds one wave after the other, and the false-alarm probability of each when it was found.
    fn lines(&self, mut state: State) -> Result<(State, Vec<f64>)> {
        let mut alarms = Vec::new();
        let coefficients =
            |waves: usize| waves * (2 * usize::from(self.args.terms) + 1) + usize::from(self.args.detrend) + 3;
        while alarms.len() < usize::from(self.args.peaks)
            && self.series.times.len() > coefficients(alarms.len() + 1)
            && state.fit.left > NOTHING
        {
            // The strongest wave, and if noise has such waves at its frequency, the one highest above its background.
            let strongest = self.highest(&state, |index| state.power[index]);
            let above = self.highest(&state, |index| state.power[index] / state.background[index]);
            let mut kept = None;
            for index in [strongest, above.filter(|_| above != strongest)].into_iter().flatten() {
                kept = self.with(&state, self.frequencies[index])?;
                if kept.is_some() {
                    break;
                }
            }
            let Some((next, alarm)) = kept else { break };
            state = next;
            alarms.push(alarm);
        }
        Ok((state, alarms))
    }

    /// The index of the local maximum of a function of the frequencies that is highest, at least a resolution element
    /// away from the waves found.
    fn highest(&self, state: &State, of: impl Fn(usize) -> f64) -> Option<usize> {
        let far = |index: usize| state.at.iter().all(|f| (self.frequencies[index] - f).abs() >= 1.0 / self.span);
        let last = self.frequencies.len() - 1;
        (0..=last)
            .filter(|&i| (i == 0 || of(i - 1) <= of(i)) && (i == last || of(i) > of(i + 1)) && far(i))
            .max_by(|&a, &b| of(a).total_cmp(&of(b)))
    }

    /// The state with one wave more, if it is significant.
    fn with(&self, state: &State, frequency: f64) -> Result<Option<(State, f64)>> {
        // Between its frequencies a spectrum rises by a few hundredths; a wave that is far from significant need not be
        // fitted.
        let about = state.power[nearest(&self.frequencies, frequency)] / state.fit.left;
        if self.method().is_some() && self.white(state, (1.2 * about).min(1.0))? > self.args.fap {
            return Ok(None);
        }
        let at: Vec<f64> = state.at.iter().copied().chain([frequency]).collect();
        let fit = fit(self.series, self.args, &at)?;
        let at: Vec<f64> = fit.waves.iter().map(|wave| wave.frequency.value).collect();
        let explained = state.fit.left - fit.left;
        let refined = at[at.len() - 1];
        let near = |a: &f64, b: &f64| (a - b).abs() < 0.5 / self.span;
        // A wave that is refined beyond the range is a trend, or an alias of one.
        let (lowest, highest) = (self.frequencies[0], self.frequencies[self.frequencies.len() - 1]);
        let within = (lowest..=highest).contains(&refined);
        if explained.is_nan() || explained <= 0.0 || !within || state.at.iter().any(|other| near(other, &refined)) {
            return Ok(None);
        }
        let white = self.white(state, explained / state.fit.left)?;
        if white > self.args.fap {
            return Ok(None);
        }
        let next = self.state(fit, at)?;
        let alarm = white.max(self.coloured(&next, explained, refined));
        Ok((alarm <= self.args.fap).then_some((next, alarm)))
    }

    /// The probability that white noise of the residuals' variance has a peak of this power anywhere.
    fn white(&self, state: &State, power: f64) -> Result<f64> {
        let search = search(self.series, self.args, &state.fit.residuals, self.device)?;
        let highest = self.frequencies[self.frequencies.len() - 1];
        Ok(match self.method() {
            Some(method) => search.false_alarm(method, power, highest)?.min(1.0),
            None => {
                let drawn = search.bootstrap(self.plan.frequencies(), DRAWS, 1)?;
                let above = drawn.iter().filter(|drawn| **drawn >= power).count();
                (above + 1) as f64 / (DRAWS + 1) as f64
            }
        })
    }

    /// `None` for a bootstrap.
    fn method(&self) -> Option<FalseAlarm> {
        match self.args.method {
            Method::Bootstrap => None,
            _ if self.args.terms > 1 => Some(FalseAlarm::Naive),
            Method::Baluev => Some(FalseAlarm::Baluev),
            Method::Davies => Some(FalseAlarm::Davies),
            Method::Naive => Some(FalseAlarm::Naive),
        }
    }

    /// The probability that noise of the background's level at `frequency` explains as much anywhere. The level is
    /// itself estimated from so many independent powers, so that the ratio has an F distribution.
    fn coloured(&self, state: &State, explained: f64, frequency: f64) -> f64 {
        let noise = self.noise(state, frequency);
        if noise <= NOTHING * explained {
            return 0.0;
        }
        let (low, high) = self.around(frequency);
        let ends = (self.frequencies[0], self.frequencies[self.frequencies.len() - 1]);
        let powers = (high.min(ends.1) - low.max(ends.0)) * self.span;
        // The square of a median's relative deviation, for exponential variates, is 1/ln²2 of a mean's.
        let known = (powers * std::f64::consts::LN_2.powi(2)).max(1.0);
        let ratio = 0.5 * explained / noise / known;
        let part = ratio / (1.0 + ratio);
        let (mut term, mut sum) = (1.0, 1.0);
        for k in 1..self.args.terms {
            term *= part * (known + f64::from(k) - 1.0) / f64::from(k);
            sum += term;
        }
        let single = ((-known * ratio.ln_1p()).exp() * sum).min(1.0);
        let independent = ends.1 * self.span;
        -(independent * (-single).ln_1p()).exp_m1()
    }

    /// The frequencies from which the background at a frequency is taken.
    fn around(&self, frequency: f64) -> (f64, f64) {
        let reach = BACKGROUND_ELEMENTS / self.span;
        ((frequency / BACKGROUND_RATIO).min(frequency - reach), (frequency * BACKGROUND_RATIO).max(frequency + reach))
    }

    /// The variance that noise explains by one degree of freedom at a frequency, from the median around it.
    fn noise(&self, state: &State, frequency: f64) -> f64 {
        let freedom = 2.0 * f64::from(self.args.terms);
        // Wilson and Hilferty's approximation of the median of a χ² distribution.
        let median = freedom * (1.0 - 2.0 / (9.0 * freedom)).powi(3);
        state.background[nearest(&self.frequencies, frequency)] / median
    }

    /// The noise at a frequency relative to that of which the deviations of a fit are computed, as an amplitude.
    fn excess(&self, state: &State, frequency: f64) -> f64 {
        let waves = state.at.len() * (2 * usize::from(self.args.terms) + 1);
        let free = (self.series.times.len() - waves).saturating_sub(usize::from(self.args.detrend) + 1).max(1);
        let white = match &self.series.errors {
            None => state.fit.left / free as f64,
            Some(errors) => {
                let weights: Vec<f64> = errors.iter().map(|error| error.powi(-2)).collect();
                let sum: f64 = weights.iter().sum();
                let mean = aview1(&weights).dot(&aview1(&self.series.values)) / sum;
                let squares = weights.iter().zip(&self.series.values).map(|(w, v)| w * (v - mean).powi(2));
                1.0 / squares.sum::<f64>()
            }
        };
        if white > 0.0 { (self.noise(state, frequency) / white).sqrt().max(1.0) } else { 1.0 }
    }

    /// Powers of white noise for some probabilities, where there are any.
    fn levels(&self, residuals: &Array1<f64>) -> Result<Vec<(f64, f64)>> {
        let search = search(self.series, self.args, residuals, self.device)?;
        let highest = self.frequencies[self.frequencies.len() - 1];
        let probabilities = [0.1, self.args.fap];
        let Some(method) = self.method() else {
            let drawn = search.bootstrap(self.plan.frequencies(), DRAWS, 1)?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below DRAWS")]
            let level = |p: f64| (p, drawn[(((1.0 - p) * DRAWS as f64) as usize).min(DRAWS - 1)]);
            return Ok(probabilities.into_iter().map(level).collect());
        };
        // A bound may exceed a probability for every power.
        let level = |p| Some((p, search.false_alarm_level(method, p, highest).ok()?));
        Ok(probabilities.into_iter().filter_map(level).collect())
    }

    /// The level of noise at each frequency: medians around some frequencies, joined by power laws, since noise of
    /// nature rises towards low frequencies. Below the lowest, the power law of those next to it goes on.
    fn background(&self, power: &Array1<f64>) -> Vec<f64> {
        let frequencies = &self.frequencies;
        let (lowest, highest) = (frequencies[0], frequencies[frequencies.len() - 1]);
        let ratio = (highest / lowest).powf(1.0 / (BACKGROUND_NODES - 1) as f64);
        // Logarithms of the middle of the frequencies around a node, and of their median power.
        let mut nodes: Vec<(f64, f64)> = Vec::with_capacity(BACKGROUND_NODES);
        for node in 0..BACKGROUND_NODES {
            let f = (lowest * ratio.powf(node as f64)).min(highest);
            let (low, high) = self.around(f);
            let from = frequencies.partition_point(|&g| g < low);
            let to = frequencies.partition_point(|&g| g <= high);
            let mut near = power.slice(ndarray::s![from..to]).to_vec();
            let half = near.len() / 2;
            let median = near.select_nth_unstable_by(half, f64::total_cmp).1.max(f64::MIN_POSITIVE);
            let middle = (0.5 * (frequencies[from] + frequencies[to - 1])).ln();
            if nodes.last().is_none_or(|last| middle > last.0) {
                nodes.push((middle, median.ln()));
            }
        }
        let slope = |(x0, y0): (f64, f64), (x1, y1): (f64, f64)| if x1 > x0 { (y1 - y0) / (x1 - x0) } else { 0.0 };
        let beyond = nodes.iter().find(|node| node.0 >= nodes[0].0 + BACKGROUND_SLOPE.ln()).or(nodes.last());
        let rise = beyond.map_or(0.0, |beyond| slope(nodes[0], *beyond)).min(0.0);
        let mut node = 0;
        let level = frequencies.iter().map(|&f| {
            let x = f.ln();
            while node + 1 < nodes.len() && nodes[node + 1].0 <= x {
                node += 1;
            }
            let (x0, y0) = nodes[node];
            let y = match nodes.get(node + 1) {
                _ if x < x0 => y0 + rise * (x - x0),
                Some(&next) => y0 + slope((x0, y0), next) * (x - x0),
                None => y0,
            };
            y.exp()
        });
        level.collect()
    }
}

/// The index of the frequency that is nearest to the given one.
pub(crate) fn nearest(frequencies: &[f64], frequency: f64) -> usize {
    let above = frequencies.partition_point(|&f| f < frequency).min(frequencies.len() - 1);
    let nearer_below = above > 0 && frequency - frequencies[above - 1] < frequencies[above] - frequency;
    if nearer_below { above - 1 } else { above }
}
