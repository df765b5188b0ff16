//! The `periodogram` command: removes the trend of unevenly sampled data, computes their spectrum by type-1 transforms,
//! and lists the periods that stand out.

use std::f64::consts::TAU;
use std::fmt::Write;

use anyhow::{Result, bail};
use wavemill::nufft::{NufftPlan, Sign};

use crate::args;
use crate::fit::Fit;
use crate::plot::Spectrum;
use crate::series::Series;
use crate::{device, output};

/// A period is listed if its amplitude is at least this many times the median around it, the usual limit for such
/// spectra (Breger et al. 1993). Noise alone exceeds it in about one spectrum of fifty.
const STANDS_OUT: f64 = 4.0;
/// The background at f is the median from f/1.5 to 1.5 f, or over 8 resolution elements on each side if that is more.
const BACKGROUND_RATIO: f64 = 1.5;
const BACKGROUND_ELEMENTS: f64 = 8.0;
/// Frequencies at which the background is computed; it is interpolated between them.
const BACKGROUND_NODES: usize = 256;
/// The most frequencies of a spectrum: more would fill the memory of a laptop.
const MOST_FREQUENCIES: f64 = (1u64 << 26) as f64;

/// The frequencies of the spectrum, evenly spaced: k / period for k from `first` to `last`.
struct Comb {
    period: f64,
    /// Frequencies for each resolution element.
    elements: f64,
    first: usize,
    last: usize,
    frequencies: Vec<f64>,
}

impl Comb {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked against MOST_FREQUENCIES")]
    fn new(args: &args::Periodogram, samples: usize, span: f64) -> Result<Self> {
        let period = f64::from(args.oversample) * span;
        let highest = args.max_frequency.unwrap_or((samples - 1) as f64 / (2.0 * span));
        let last = highest * period;
        let lowest = 1.0 / span;
        if last.is_nan() || highest < 2.0 * lowest {
            bail!(
                "--max-frequency {highest} is too small: the data resolve frequencies from {lowest:.6} on; give at \
                 least twice that"
            );
        }
        if last > MOST_FREQUENCIES {
            bail!("{last:.1e} frequencies are too many; give a smaller --max-frequency or --oversample");
        }
        let (first, last) = (usize::from(args.oversample), last as usize);
        Ok(Self {
            period,
            elements: args.oversample.into(),
            first,
            last,
            frequencies: (first..=last).map(|k| k as f64 / period).collect(),
        })
    }
}

/// A period that stands out.
struct Peak {
    frequency: f64,
    amplitude: f64,
    /// The amplitude divided by the background, which is the median around it after all periods found are subtracted.
    ratio: f64,
}

/// Runs the command.
pub(crate) fn run(args: &args::Periodogram) -> Result<()> {
    output::check(&args.out)?;
    let series = Series::read(args)?;
    let samples = series.times.len();
    let needed = usize::from(args.detrend) + 8;
    if samples < needed {
        bail!(
            "{} holds {samples} usable rows; {needed} are needed for a trend of degree {}",
            args.data.display(),
            args.detrend
        );
    }
    let (low, high) = series.times.iter().fold((f64::MAX, f64::MIN), |(l, h), &t| (l.min(t), h.max(t)));
    let span = high - low;
    if span <= 0.0 {
        bail!("{}: all times are the same; --time names the column of times", args.data.display());
    }
    let centre = low + 0.5 * span;
    let times: Vec<f64> = series.times.iter().map(|time| time - centre).collect();
    let comb = Comb::new(args, samples, span)?;

    let mut fit = Fit::new(series.values.clone());
    for column in trend(&times, span, args.detrend) {
        fit.add(column);
    }
    let device = device::choose(args.device, (times.len() + comb.last) as f64 * 1e-7)?;
    let mut plan = NufftPlan::<f64>::builder([2 * comb.last + 1])
        .tolerance(1e-9)
        .sign(Sign::Minus)
        .period(comb.period)
        .expected_points(times.len())
        .build(&device)?;
    plan.set_points([ndarray::aview1(&times)])?;

    let spectrum = amplitudes(&plan, &comb, &fit.residual)?;
    let mut left = spectrum.clone();
    let mut level = background(&comb, &left, span);
    let mut found: Vec<f64> = Vec::new();
    while found.len() < usize::from(args.peaks) && samples > needed + 2 * found.len() {
        let Some(frequency) = strongest(&comb, &left, &level, &found, span) else { break };
        // Each wave is fitted and subtracted, with its spectral leakage, before the next one is searched.
        let wave = |part: fn(f64) -> f64| times.iter().map(|time| part(TAU * frequency * time)).collect();
        fit.add(wave(f64::cos));
        fit.add(wave(f64::sin));
        found.push(frequency);
        left = amplitudes(&plan, &comb, &fit.residual)?;
        level = background(&comb, &left, span);
    }
    let factors = fit.coefficients();
    let waves = factors[usize::from(args.detrend) + 1..].chunks_exact(2);
    let mut peaks: Vec<Peak> = found
        .iter()
        .zip(waves)
        .map(|(&frequency, wave)| {
            let amplitude = wave[0].hypot(wave[1]);
            Peak { frequency, amplitude, ratio: amplitude / level[nearest(&comb, frequency)] }
        })
        .collect();
    peaks.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));

    if let Some(path) = &args.out {
        output::write_text(path, &draw(&series, &comb, &spectrum, &level, &peaks)?)?;
    }
    let mut text = format!(
        "{}: {samples} values over {span:.4} {}, {} gaps left out, a trend of degree {} removed\n\
         {} frequencies up to {:.4} {}, on {}\n\n",
        series.name,
        if series.unit.is_empty() { "units of time" } else { series.unit },
        series.gaps,
        args.detrend,
        comb.frequencies.len(),
        comb.frequencies[comb.frequencies.len() - 1],
        per(&series),
        device.name(),
    );
    let period = if series.unit.is_empty() { "period".to_owned() } else { format!("period, {}", series.unit) };
    writeln!(
        text,
        "{period:>15}  {:>20}  {:>12}  {:>16}",
        format!("frequency, {}", per(&series)),
        "amplitude",
        "over background"
    )?;
    for peak in &peaks {
        writeln!(
            text,
            "{:>15}  {:>20.5}  {:>12.5}  {:>16.1}",
            quote(1.0 / peak.frequency, span),
            peak.frequency,
            peak.amplitude,
            peak.ratio
        )?;
    }
    if peaks.is_empty() {
        writeln!(text, "No period stands out {STANDS_OUT} times above the background.")?;
    }
    output::print(&text)
}

/// Formats a period with the decimals that are certain if its frequency is known to a quarter of a resolution element.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn quote(period: f64, span: f64) -> String {
    let uncertainty = period * period / (4.0 * span);
    format!("{period:.*}", (-uncertainty.log10()).floor().clamp(0.0, 12.0) as usize)
}

fn per(series: &Series) -> &'static str {
    if series.unit.is_empty() { "per unit" } else { "per year" }
}

/// Chebyshev polynomials on the span of times, as powers of time would be nearly linearly dependent.
fn trend(times: &[f64], span: f64, degree: u8) -> Vec<Vec<f64>> {
    let angle = |time: f64| (2.0 * time / span).clamp(-1.0, 1.0).acos();
    (0..=degree).map(|n| times.iter().map(|&time| (f64::from(n) * angle(time)).cos()).collect()).collect()
}

/// The amplitudes at the frequencies of the comb: 2/M times the transform's magnitude, the amplitude of a sinusoid.
#[expect(clippy::cast_precision_loss, reason = "a count below 2^53")]
fn amplitudes(plan: &NufftPlan<f64, ndarray::Ix1>, comb: &Comb, data: &[f64]) -> Result<Vec<f64>> {
    let modes = plan.type1(&*ndarray::aview1(data))?;
    let scale = 2.0 / data.len() as f64;
    // Centred order: frequency 0 is at `last`.
    Ok(modes.iter().skip(comb.last + comb.first).map(|mode| scale * mode.norm()).collect())
}

/// The index of the comb's frequency that is nearest to the given one.
fn nearest(comb: &Comb, frequency: f64) -> usize {
    let above = comb.frequencies.partition_point(|&f| f < frequency).min(comb.frequencies.len() - 1);
    let nearer_below = above > 0 && frequency - comb.frequencies[above - 1] < comb.frequencies[above] - frequency;
    if nearer_below { above - 1 } else { above }
}

/// The local median of the amplitudes at each frequency.
#[expect(clippy::cast_precision_loss, reason = "a count of nodes")]
fn background(comb: &Comb, amplitudes: &[f64], span: f64) -> Vec<f64> {
    let frequencies = &comb.frequencies;
    let (lowest, highest) = (frequencies[0], frequencies[frequencies.len() - 1]);
    let ratio = (highest / lowest).powf(1.0 / (BACKGROUND_NODES - 1) as f64);
    let reach = BACKGROUND_ELEMENTS / span;
    let nodes: Vec<(f64, f64)> = (0..BACKGROUND_NODES)
        .map(|node| {
            let f = lowest * ratio.powf(node as f64);
            let low = (f / BACKGROUND_RATIO).min(f - reach);
            let high = (f * BACKGROUND_RATIO).max(f + reach);
            let (from, to) = (frequencies.partition_point(|&g| g < low), frequencies.partition_point(|&g| g <= high));
            let mut near = amplitudes[from..to].to_vec();
            let middle = near.len() / 2;
            (f, *near.select_nth_unstable_by(middle, f64::total_cmp).1)
        })
        .collect();
    let mut node = 0;
    let level = frequencies.iter().map(|&f| {
        while node + 2 < nodes.len() && nodes[node + 1].0 < f {
            node += 1;
        }
        let ((f0, a0), (f1, a1)) = (nodes[node], nodes[node + 1]);
        a0 + (a1 - a0) * ((f / f0).ln() / (f1 / f0).ln()).clamp(0.0, 1.0)
    });
    level.collect()
}

/// The frequency of the local maximum highest above the background, interpolated between frequencies of the comb. It is
/// at least a resolution element away from those already found.
fn strongest(comb: &Comb, amplitudes: &[f64], level: &[f64], found: &[f64], span: f64) -> Option<f64> {
    let ratio = |i: usize| amplitudes[i] / level[i];
    let far = |i: usize| found.iter().all(|f| (comb.frequencies[i] - f).abs() >= 1.0 / span);
    let peak = (1..amplitudes.len() - 1)
        .filter(|&i| amplitudes[i - 1] <= amplitudes[i] && amplitudes[i] > amplitudes[i + 1])
        .filter(|&i| ratio(i) >= STANDS_OUT && far(i))
        .max_by(|&a, &b| ratio(a).total_cmp(&ratio(b)))?;
    // The top of the parabola through three amplitudes.
    let (before, at, after) = (amplitudes[peak - 1], amplitudes[peak], amplitudes[peak + 1]);
    let shift = 0.5 * (before - after) / (before - 2.0 * at + after);
    Some(comb.frequencies[peak] + shift / comb.period)
}

fn draw(series: &Series, comb: &Comb, amplitudes: &[f64], level: &[f64], peaks: &[Peak]) -> Result<String> {
    let unit = if series.unit.is_empty() { String::new() } else { format!(" {}", series.unit) };
    let span = comb.period / comb.elements;
    let label = |period: f64| format!("{}{unit}", quote(period, span));
    Spectrum {
        title: format!("Spectrum of {}", series.name),
        across: if series.unit.is_empty() {
            "frequency, cycles per unit of time"
        } else {
            "frequency, cycles per year"
        }
        .into(),
        up: format!("amplitude, in units of {}", series.name),
        frequencies: &comb.frequencies,
        amplitudes,
        background: level,
        peaks: peaks
            .iter()
            .map(|peak| (peak.frequency, amplitudes[nearest(comb, peak.frequency)], label(1.0 / peak.frequency)))
            .collect(),
    }
    .draw()
}
