//! The measurement of one transform by `bench`: median times, and the error on a sample of the result.

use std::time::{Duration, Instant};

use ndarray::ArrayD;
use num_complex::Complex;
use serde_json::{Value, json};
use wavemill::nufft::{ModeOrder, NufftPlan, Recipe, Sign};
use wavemill::{Device, Real};

use crate::args::Precision;
use crate::cases::{Group, Problem};

/// The most runs of one case.
const MOST_RUNS: usize = 25;
/// The fewest runs, if time allows: a median of three is not affected by the first, which warms up.
const FEWEST_RUNS: usize = 3;

/// The measurement of one case; times are in seconds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) group: Group,
    pub(crate) label: String,
    pub(crate) extents: String,
    pub(crate) dimensions: usize,
    pub(crate) kind: u8,
    pub(crate) device: usize,
    pub(crate) points: usize,
    pub(crate) precision: Precision,
    pub(crate) tolerance: f64,
    pub(crate) plan: f64,
    pub(crate) set_points: f64,
    /// An execution when the plan and its points exist already.
    pub(crate) execute: f64,
    /// A fresh plan, its points, and one execution.
    pub(crate) total: f64,
    /// Relative l2 error against direct sums.
    pub(crate) error: f64,
    pub(crate) runs: usize,
    pub(crate) recipe: Value,
}

impl Row {
    /// Points per second of an execution.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn rate(&self) -> f64 {
        self.points as f64 / self.execute
    }

    /// Whether the error is within the library's law: 4 times the tolerance, or the precision's floor if that is more.
    pub(crate) fn kept_promise(&self) -> bool {
        let floor: f64 = if self.precision == Precision::F32 { 1e-6 } else { 3e-14 };
        self.error <= floor.max(4.0 * self.tolerance)
    }
}

/// The seconds that each of `runs` runs takes.
pub(crate) fn samples(runs: usize, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<f64>> {
    (0..runs)
        .map(|_| {
            let begun = Instant::now();
            run()?;
            Ok(begun.elapsed().as_secs_f64())
        })
        .collect()
}

/// The median; NaN without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

/// Whether to run once more after `done` runs, which took `elapsed`.
pub(crate) fn runs(done: usize, elapsed: Duration, budget: Duration) -> bool {
    let enough = done >= FEWEST_RUNS && elapsed >= budget || done == MOST_RUNS;
    done == 0 || !enough && elapsed < 4 * budget
}

/// Measures one problem on one device, for about `budget` of time.
pub(crate) fn measure(
    problem: &Problem,
    device: (usize, &Device),
    accuracy: (Precision, f64),
    budget: Duration,
) -> wavemill::Result<Row> {
    match accuracy.0 {
        Precision::F32 => measure_as::<f32>(problem, device, accuracy, budget),
        Precision::F64 => measure_as::<f64>(problem, device, accuracy, budget),
    }
}

fn measure_as<T: Real>(
    problem: &Problem,
    (number, device): (usize, &Device),
    (precision, tolerance): (Precision, f64),
    budget: Duration,
) -> wavemill::Result<Row> {
    let case = &problem.case;
    let number_of = |value: f64| T::nearest(value);
    let values = problem.values.mapv(|value| Complex::new(number_of(value.re), number_of(value.im)));
    let [mut plans, mut sets, mut executions, mut totals] = [const { Vec::<f64>::new() }; 4];
    let begin = Instant::now();
    let (result, recipe) = loop {
        let start = Instant::now();
        let mut builder =
            NufftPlan::<T>::builder(case.modes.clone()).tolerance(tolerance).expected_points(problem.points[0].len());
        if case.group == Group::Ladder {
            // The 2015 article asked for 1e-15, which f64 cannot reach.
            builder = builder.accept_reachable();
        }
        let mut plan = builder.build(device)?;
        let built = start.elapsed();
        plan.set_points(problem.views())?;
        let set = start.elapsed();
        let mut result = if case.kind == 1 { plan.type1(&values)? } else { plan.type2(&values)? };
        totals.push(start.elapsed().as_secs_f64());
        plans.push(built.as_secs_f64());
        sets.push((set - built).as_secs_f64());
        let start = Instant::now();
        if case.kind == 1 {
            plan.type1_into(&values, &mut result)?;
        } else {
            plan.type2_into(&values, &mut result)?;
        }
        executions.push(start.elapsed().as_secs_f64());
        if !runs(totals.len(), begin.elapsed(), budget) {
            break (result, recipe_json(plan.recipe()));
        }
    };
    Ok(Row {
        group: case.group,
        label: case.label(),
        extents: case.extents(),
        dimensions: case.modes.len(),
        kind: case.kind,
        device: number,
        points: case.points,
        precision,
        tolerance,
        plan: median(&plans),
        set_points: median(&sets),
        execute: median(&executions),
        total: median(&totals),
        error: sampled_error(&result, problem),
        runs: totals.len(),
        recipe,
    })
}

/// The relative l2 error of the whole result, estimated from the sample: the root of the mean squared error there over
/// the mean square of the result (or of the reference, if the result is 0).
#[expect(clippy::cast_precision_loss, reason = "counts of outputs")]
pub(crate) fn sampled_error<T: Real>(result: &ArrayD<Complex<T>>, problem: &Problem) -> f64 {
    let wide = |value: &Complex<T>| Complex::<f64>::new(value.re.into(), value.im.into());
    let flat = result.as_slice().expect("a result is in C order");
    let reference = &problem.reference;
    let sample = reference.at.iter().map(|&index| wide(&flat[index]));
    let count = reference.at.len() as f64;
    let error = sample.zip(&reference.values).map(|(got, want)| (got - want).norm_sqr()).sum::<f64>() / count;
    let whole = flat.iter().map(|value| wide(value).norm_sqr()).sum::<f64>() / flat.len() as f64;
    let sampled = reference.values.iter().map(Complex::norm_sqr).sum::<f64>() / count;
    (error / if whole > 0.0 { whole } else { sampled }).sqrt()
}

/// A plan's recipe as JSON.
pub(crate) fn recipe_json(recipe: &Recipe) -> Value {
    json!({
        "device": recipe.device,
        "precision": recipe.precision,
        "modes": recipe.modes,
        "grid": recipe.grid,
        "batch": recipe.batch,
        "sign": if recipe.sign == Sign::Plus { "+" } else { "-" },
        "order": if recipe.order == ModeOrder::Centred { "centered" } else { "fft" },
        "tolerance_asked": recipe.asked,
        "tolerance": recipe.tolerance,
        "predicted_error": recipe.predicted_error,
        "kernel": recipe.kernel.to_string(),
        "width": recipe.width,
        "exact": recipe.exact,
        "upsampling": recipe.upsampling,
        "degree": recipe.degree,
        "tiles": recipe.tiles,
        "bytes": recipe.bytes,
    })
}
