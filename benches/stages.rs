//! Criterion benchmarks of each stage and of set_points, by the plan's own timings, for a two-dimensional and a
//! three-dimensional case in each precision. Run them by `cargo bench`; compare runs with criterion's baselines.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::{Array1, ArrayD, IxDyn};
use num_complex::Complex;
use wavemill::{Cpu, Device, NufftPlan, Real, Stage};

const POINTS: usize = 200_000;

/// Reproducible numbers that look random on the scale of a cell.
fn wave(count: usize, rate: f64) -> Array1<f64> {
    Array1::from_iter((0..count).map(|j| 3.0 * (rate * (j * j % 1_000_003) as f64).sin()))
}

fn stages<T: Real>(criterion: &mut Criterion, modes: &[usize], tolerance: f64) {
    let mut group = criterion.benchmark_group(format!("{}d {} {tolerance:e}", modes.len(), T::NAME));
    let x: Vec<_> = (0..modes.len()).map(|axis| wave(POINTS, 1.1 + axis as f64)).collect();
    let views: Vec<_> = x.iter().map(|x| x.view()).collect();
    let number = |i: usize| Complex::new(T::nearest((1.3 * i as f64).sin()), T::nearest((0.7 * i as f64).cos()));
    let strengths = Array1::from_iter((0..POINTS).map(number));
    let mut plan = NufftPlan::<T>::builder(modes).tolerance(tolerance).build(&Device::from(Cpu::new())).unwrap();
    plan.set_points(&views).unwrap();
    let mut spectrum = ArrayD::from_shape_fn(IxDyn(modes), |_| Complex::default());
    let mut values = Array1::from_elem(POINTS, Complex::default());

    group.bench_function("set_points", |bencher| bencher.iter(|| plan.set_points(&views).unwrap()));
    for (kind, stage) in [
        ("type 1", Stage::Spread),
        ("type 1", Stage::Fft),
        ("type 1", Stage::Deconvolve),
        ("type 1", Stage::Execute),
        ("type 2", Stage::Deconvolve),
        ("type 2", Stage::Fft),
        ("type 2", Stage::Interpolate),
        ("type 2", Stage::Execute),
    ] {
        group.bench_function(BenchmarkId::new(kind, stage), |bencher| {
            bencher.iter_custom(|count| {
                let mut total = Duration::ZERO;
                for _ in 0..count {
                    if kind == "type 1" {
                        plan.type1_into(&strengths, &mut spectrum).unwrap();
                    } else {
                        plan.type2_into(&spectrum, &mut values).unwrap();
                    }
                    total += plan.timings().get(stage).unwrap();
                }
                total
            });
        });
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    stages::<f64>(criterion, &[200_000], 1e-6);
    stages::<f64>(criterion, &[400, 400], 1e-6);
    stages::<f64>(criterion, &[60, 60, 60], 1e-6);
    stages::<f32>(criterion, &[400, 400], 1e-4);
    stages::<f32>(criterion, &[60, 60, 60], 1e-4);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(2));
    targets = all
}
criterion_main!(benches);
