//! The trigonometric sums of series at many frequencies, from which periodograms are computed.
//!
//! For each harmonic m these are `Σ w v exp(2πi m f t)` and `Σ w exp(2πi m f t)` over the series, with times counted
//! from the middle. Evenly spaced frequencies are the modes of a type 1 (Press and Rybicki 1989 with a non-uniform FFT
//! in place of their extirpolation); any others are the targets of a type 3.

use std::f64::consts::TAU;
use std::ops::Range;

use ndarray::{Array2, Ix1};
use num_complex::Complex;

use crate::device::{Device, Kind as DeviceKind};
use crate::error::Result;
use crate::machine::parallel;
use crate::nufft::{NufftPlan, NufftPlan3, Sign};
use crate::numeric::turns::wave_at;
use crate::spectral::frequencies::{Frequencies, Kind};
use crate::spectral::model::Model;
use crate::spectral::series::Sampling;

/// Sums at a block of frequencies, for each harmonic from 1 on; empty where they are not needed.
pub(super) type Sums = Vec<Vec<Complex<f64>>>;

/// The most frequencies that are summed at once: their sums take 100 MB for one term.
const BLOCK: usize = 1 << 21;
/// On the CPU fewer are summed at once if values are few, so that grids stay in cache: so many for each value, since
/// each block spreads all values anew, and at least so many.
const BLOCK_FOR_A_VALUE: usize = 32;
const SMALL_BLOCK: usize = 1 << 16;
/// Below this many pairs of a value and a frequency, adding up term by term takes less time than making a plan.
const DIRECT: usize = 1 << 15;

/// Values that one task multiplies by waves.
const TASK: usize = 1 << 13;

/// What to sum over a series, beside waves and weights.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    Weights,
    Values(&'a [f64]),
}

/// Prepared sums over the times of a series at given frequencies.
#[derive(Debug)]
pub(super) struct Summation {
    /// Times from the middle.
    times: Vec<f64>,
    frequencies: Frequencies,
    model: Model,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Direct,
    /// A plan for each harmonic, of so many modes.
    Regular(usize, Vec<NufftPlan<f64, Ix1>>),
    Any(Vec<NufftPlan3<f64>>),
}

impl Summation {
    /// Prepares the sums that a model needs, over one series at a time or over `rows` of them.
    pub(super) fn new(
        sampling: &Sampling,
        frequencies: &Frequencies,
        model: Model,
        rows: usize,
        tolerance: f64,
        device: &Device,
    ) -> Result<Self> {
        let times: Vec<f64> = sampling.centred().collect();
        let few = times.len().saturating_mul(frequencies.len()).saturating_mul(rows) < DIRECT;
        let orders = 1..=2 * model.terms;
        let way = match &frequencies.0 {
            _ if few => Way::Direct,
            Kind::Regular { step, count, .. } => {
                let small = times.len().saturating_mul(BLOCK_FOR_A_VALUE).next_power_of_two().max(SMALL_BLOCK);
                let most = if device.kind() == DeviceKind::Cpu { small.min(BLOCK) } else { BLOCK };
                // Blocks of equal length, so that the last is not mostly beyond the end.
                let block = count.div_ceil(count.div_ceil(most).max(1));
                let plan = |order: usize| {
                    let builder = NufftPlan::<f64>::builder([block]).tolerance(tolerance).accept_reachable();
                    let builder = builder.period(1.0 / (order as f64 * step)).expected_points(times.len());
                    let mut plan = builder.sign(Sign::Plus).batch(2).build(device)?;
                    plan.set_points([&times])?;
                    Ok(plan)
                };
                Way::Regular(block, orders.map(plan).collect::<Result<_>>()?)
            }
            Kind::Any(frequencies) => {
                let plan = |order: usize| {
                    let builder = NufftPlan3::<f64>::builder(1).tolerance(tolerance).accept_reachable();
                    let mut plan = builder.sign(Sign::Plus).batch(2).build(device)?;
                    plan.set_points([&times], [&targets(frequencies, order)])?;
                    Ok(plan)
                };
                Way::Any(orders.map(plan).collect::<Result<_>>()?)
            }
        };
        Ok(Self { times, frequencies: frequencies.clone(), model, way })
    }

    /// The same sums over other times.
    pub(super) fn at(&self, sampling: &Sampling) -> Result<Self> {
        let times: Vec<f64> = sampling.centred().collect();
        let way = match &self.way {
            Way::Direct => Way::Direct,
            Way::Regular(block, plans) => {
                let moved = |plan: &NufftPlan<f64, Ix1>| {
                    let mut plan = plan.clone();
                    plan.set_points([&times])?;
                    Ok(plan)
                };
                Way::Regular(*block, plans.iter().map(moved).collect::<Result<_>>()?)
            }
            Way::Any(plans) => {
                let Kind::Any(frequencies) = &self.frequencies.0 else { unreachable!("plans of any frequencies") };
                let moved = |(order, plan): (usize, &NufftPlan3<f64>)| {
                    let mut plan = plan.clone();
                    plan.set_points([&times], [&targets(frequencies, order + 1)])?;
                    Ok(plan)
                };
                Way::Any(plans.iter().enumerate().map(moved).collect::<Result<_>>()?)
            }
        };
        Ok(Self { times, frequencies: self.frequencies.clone(), model: self.model, way })
    }

    /// The blocks of frequencies.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let len = self.frequencies.len();
        let block = if let Way::Regular(block, _) = self.way { block } else { len }.max(1);
        (0..len).step_by(block).map(move |first| first..len.min(first + block))
    }

    /// Whether a row's sum with a harmonic is needed.
    fn needs(&self, row: Row<'_>, order: usize) -> bool {
        let Model { terms, mean } = self.model;
        match row {
            Row::Values(_) => order <= terms,
            // The weights' sum of order 1 joins the mean to the first term, or two terms that follow one another.
            Row::Weights => order > 1 || mean || terms > 1,
        }
    }

    /// The sums of each row over a block of frequencies.
    pub(super) fn block(&self, block: &Range<usize>, weights: &[f64], rows: &[Row<'_>]) -> Result<Vec<Sums>> {
        let waves = match self.way {
            Way::Regular(modes, _) => {
                let middle = self.frequencies.get(block.start) + self.step() * (modes / 2) as f64;
                let mut waves = vec![Complex::default(); self.times.len()];
                parallel::each_chunk(&mut waves, TASK, |index, waves| {
                    let times = &self.times[index * TASK..];
                    waves.iter_mut().zip(times).for_each(|(wave, &time)| *wave = wave_at(middle, time));
                });
                waves
            }
            _ => Vec::new(),
        };
        let mut sums = vec![Sums::new(); rows.len()];
        for order in 1..=2 * self.model.terms {
            let needed: Vec<Row<'_>> = rows.iter().copied().filter(|&row| self.needs(row, order)).collect();
            let found = match &self.way {
                _ if needed.is_empty() => Array2::default((0, 0)),
                Way::Direct => self.direct(block, weights, &needed, order),
                Way::Regular(_, plans) => {
                    let plan = plans[order - 1].of_batch(needed.len());
                    plan.type1(&strengths(weights, &needed, &waves, order))?
                }
                Way::Any(plans) => {
                    let plan = plans[order - 1].of_batch(needed.len());
                    plan.type3(&strengths(weights, &needed, &waves, order))?
                }
            };
            let length = found.ncols();
            let mut found = found.into_raw_vec_and_offset().0;
            for (sums, &row) in sums.iter_mut().zip(rows).rev() {
                let mut row = if self.needs(row, order) { found.split_off(found.len() - length) } else { Vec::new() };
                row.truncate(block.len());
                sums.push(row);
            }
        }
        Ok(sums)
    }

    fn step(&self) -> f64 {
        if let Kind::Regular { step, .. } = self.frequencies.0 { step } else { 0.0 }
    }

    /// The sums term by term.
    fn direct(&self, block: &Range<usize>, weights: &[f64], rows: &[Row<'_>], order: usize) -> Array2<Complex<f64>> {
        let mut sums = Array2::default((rows.len(), block.len()));
        for (frequency, mut sums) in block.clone().zip(sums.columns_mut()) {
            let frequency = order as f64 * self.frequencies.get(frequency);
            for (index, (&time, weight)) in self.times.iter().zip(weights).enumerate() {
                let weighted = wave_at(frequency, time) * weight;
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum += match row {
                        Row::Weights => weighted,
                        Row::Values(values) => weighted * values[index],
                    };
                }
            }
        }
        sums
    }
}

/// The sums over values and over weights at one frequency, for all harmonics of a model, term by term.
pub(super) fn of_one(sampling: &Sampling, values: &[f64], frequency: f64, terms: usize) -> [Sums; 2] {
    let mut sums = [vec![Complex::default(); terms], vec![Complex::default(); 2 * terms]];
    for ((time, &weight), &value) in sampling.centred().zip(&sampling.weights).zip(values) {
        let first = wave_at(frequency, time);
        let mut power = Complex::new(weight, 0.0);
        let [of_values, of_weights] = &mut sums;
        for (order, sum) in of_weights.iter_mut().enumerate() {
            power *= first;
            *sum += power;
            if let Some(sum) = of_values.get_mut(order) {
                *sum += power * value;
            }
        }
    }
    sums.map(|sums| sums.into_iter().map(|sum| vec![sum]).collect())
}

/// Frequencies times an order, in radians.
fn targets(frequencies: &[f64], order: usize) -> Vec<f64> {
    frequencies.iter().map(|frequency| TAU * order as f64 * frequency).collect()
}

/// The rows to transform for a harmonic: weights, or weights times values, times the power of the waves if there are
/// any.
fn strengths(weights: &[f64], rows: &[Row<'_>], waves: &[Complex<f64>], order: usize) -> Array2<Complex<f64>> {
    let mut strengths = Array2::default((rows.len(), weights.len()));
    for (mut strengths, row) in strengths.outer_iter_mut().zip(rows) {
        let strengths = strengths.as_slice_mut().unwrap_or(&mut []);
        parallel::each_chunk(strengths, TASK, |chunk, strengths| {
            for (index, strength) in (chunk * TASK..).zip(strengths) {
                let wave =
                    waves.get(index).map_or(Complex::new(1.0, 0.0), |&wave| (1..order).fold(wave, |z, _| z * wave));
                let factor =
                    if let Row::Values(values) = row { weights[index] * values[index] } else { weights[index] };
                *strength = wave * factor;
            }
        });
    }
    strengths
}
