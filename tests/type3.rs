//! Tests of type 3: its error law, `max(floor, 5·tol)` with floor 3e-14 in f64 and 1e-6 in f32, degenerate cases,
//! adjointness, and errors.

use crate::common::{Random, cpu, on_every_device, relative_error, views};
use ndarray::{Array1, Array2, Axis};
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::{Device, Error, NufftPlan3, Real, Sign};

fn coordinates(random: &mut Random, count: usize, dimensions: usize, centre: f64, reach: f64) -> Vec<Array1<f64>> {
    // Not a number added to a centre: the difference to the centre would be exact.
    let one = |random: &mut Random| random.between(centre - reach, centre + reach);
    (0..dimensions).map(|_| Array1::from_iter((0..count).map(|_| one(random)))).collect()
}

/// The error that the law allows, plus that of rounding a coordinate relative to its centre.
fn allowed<T: Real>(tolerance: f64, product: f64) -> f64 {
    let floor = if T::NAME == "f32" { 1e-6 } else { 3e-14 };
    f64::max(floor, 5.0 * tolerance) + 2.0 * f64::EPSILON * product
}

struct Case {
    dimensions: usize,
    /// Centre and half extent of sources, then of targets.
    sources: (f64, f64),
    targets: (f64, f64),
}

fn hold<T: Real>(device: &Device, case: &Case, tolerance: f64, sign: Sign) {
    let mut random = Random::new(case.dimensions as u64 * 31 + case.targets.1.to_bits());
    let Case { dimensions, sources, targets } = *case;
    let x = coordinates(&mut random, 700, dimensions, sources.0, sources.1);
    let s = coordinates(&mut random, 500, dimensions, targets.0, targets.1);
    let c = random.strengths::<T>(700);
    let mut plan = NufftPlan3::<T>::builder(dimensions).tolerance(tolerance).sign(sign).build(device).unwrap();
    plan.set_points(views(&x), views(&s)).unwrap();
    let got = plan.type3(&c).unwrap();
    let exact = direct::type3(&views(&x), c.as_slice().unwrap(), &views(&s), sign).unwrap();
    let error = relative_error(&got, &exact);
    let bound = allowed::<T>(tolerance, sources.1 * targets.1 * dimensions as f64);
    println!("{} {dimensions}-D {sources:?} {targets:?} tol {tolerance:e}: {error:.1e}", T::NAME);
    assert!(
        error <= bound,
        "{} {dimensions}-D {sources:?} {targets:?} tol {tolerance:e} on {}: {error:e} > {bound:e}",
        T::NAME,
        device.name()
    );
}

#[test]
fn keeps_its_error_law() {
    let cases = [
        Case { dimensions: 1, sources: (0.0, 3.0), targets: (0.0, 200.0) },
        Case { dimensions: 1, sources: (-1e3, 0.01), targets: (1e6, 3e4) },
        Case { dimensions: 2, sources: (2.0, 1.0), targets: (-7.0, 30.0) },
        Case { dimensions: 3, sources: (0.0, 3.0), targets: (5.0, 6.0) },
    ];
    for case in &cases {
        for digits in 1..=14 {
            hold::<f64>(&cpu(), case, 10f64.powi(-digits), Sign::Plus);
        }
        for digits in 1..=6 {
            hold::<f32>(&cpu(), case, 10f64.powi(-digits), Sign::Minus);
        }
    }
}

#[test]
fn keeps_its_error_law_on_every_device() {
    on_every_device(|device| {
        for dimensions in 1..=3 {
            let case = Case { dimensions, sources: (1.0, 2.0), targets: (-20.0, 8.0) };
            hold::<f32>(device, &case, 1e-5, Sign::Plus);
        }
    });
}

/// A space-bandwidth product of 10⁶ has phases for which f32 lacks digits.
#[test]
fn does_not_degrade_with_the_space_bandwidth_product() {
    for targets in [(0.0, 1e6), (3e6, 1e6)] {
        hold::<f64>(&cpu(), &Case { dimensions: 1, sources: (0.0, 1.0), targets }, 1e-9, Sign::Plus);
        hold::<f32>(&cpu(), &Case { dimensions: 1, sources: (0.0, 1.0), targets }, 1e-5, Sign::Plus);
    }
}

/// Where both centres are large beside the extents, the phases that move them must be of the coordinates as given.
#[test]
fn centres_far_from_zero_cost_no_digits() {
    for (sources, targets) in [((500.0, 500.0), (1e8, 0.1)), ((1e6, 0.5), (-3e7, 40.0)), ((-1e9, 1.0), (1e9, 1.0))] {
        hold::<f64>(&cpu(), &Case { dimensions: 1, sources, targets }, 1e-12, Sign::Plus);
        hold::<f64>(&cpu(), &Case { dimensions: 2, sources, targets }, 1e-12, Sign::Minus);
    }
}

/// Targets at the edges of their range alone, where the error is the largest: each value is off by no more than
/// `max(floor, 30·√d·tolerance)` of the sum of all absolute strengths.
#[test]
fn edges_of_the_range_keep_the_law_of_each_output() {
    let mut random = Random::new(11);
    for dimensions in 1..=3 {
        let reach = [0.0, 60.0, 15.0, 7.0][dimensions];
        let x = random.points(60, dimensions, reach);
        let edge = Array1::from_iter((0..8).map(|k| if k % 2 == 0 { reach } else { -reach }));
        let s = vec![edge; dimensions];
        let c = random.strengths::<f64>(60);
        let scale = c.iter().map(|c| c.norm()).sum::<f64>();
        for digits in 1..=13 {
            let tolerance = 10f64.powi(-digits);
            let mut plan = NufftPlan3::<f64>::builder(dimensions).tolerance(tolerance).build(&cpu()).unwrap();
            plan.set_points(views(&x), views(&s)).unwrap();
            let got = plan.type3(&c).unwrap();
            let exact = direct::type3(&views(&x), c.as_slice().unwrap(), &views(&s), Sign::Plus).unwrap();
            let off = got.iter().zip(&exact).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max) / scale;
            let bound = f64::max(3e-14, 30.0 * (dimensions as f64).sqrt() * tolerance);
            println!("{dimensions} {tolerance:e}: {:.1}", off / tolerance);
            assert!(off <= bound, "{dimensions}-D {tolerance:e}: {off:e} of {bound:e}");
        }
    }
}

#[test]
fn degenerate_cases_are_right() {
    let mut random = Random::new(5);
    let several = random.points(40, 1, 3.0);
    let one = vec![Array1::from_elem(1, 0.7)];
    let equal = vec![Array1::from_elem(40, -2.5)];
    let zero = vec![Array1::from_elem(40, 0.0)];
    for x in [&several, &one, &equal, &zero] {
        for s in [&several, &one, &equal, &zero] {
            let c = random.strengths::<f64>(x[0].len());
            let mut plan = NufftPlan3::<f64>::builder(1).tolerance(1e-12).build(&cpu()).unwrap();
            plan.set_points(views(x), views(s)).unwrap();
            let got = plan.type3(&c).unwrap();
            let exact = direct::type3(&views(x), c.as_slice().unwrap(), &views(s), Sign::Plus).unwrap();
            let scale = c.iter().map(|c| c.norm()).sum::<f64>();
            for (a, b) in got.iter().zip(&exact) {
                assert!((a - b).norm() < 5e-12 * scale, "{} sources, {} targets", x[0].len(), s[0].len());
            }
        }
    }
    let none: Vec<Array1<f64>> = vec![Array1::zeros(0)];
    let mut plan = NufftPlan3::<f64>::builder(1).build(&cpu()).unwrap();
    plan.set_points(views(&none), views(&several)).unwrap();
    assert!(plan.type3(&Array1::<f64>::zeros(0)).unwrap().iter().all(|value| *value == Complex::default()));
    plan.set_points(views(&several), views(&none)).unwrap();
    assert!(plan.type3(&random.strengths::<f64>(40)).unwrap().is_empty());
}

#[test]
fn its_adjoint_is_exact_and_batches_equal_singles() {
    let mut random = Random::new(9);
    for dimensions in 1..=3 {
        let x = coordinates(&mut random, 300, dimensions, 1.5, 2.0);
        let s = coordinates(&mut random, 200, dimensions, -4.0, 7.0);
        let mut plan = NufftPlan3::<f64>::builder(dimensions).tolerance(1e-3).batch(2).build(&cpu()).unwrap();
        plan.set_points(views(&x), views(&s)).unwrap();
        let c = Array2::from_shape_simple_fn((2, 300), || random.complex::<f64>());
        let f = Array2::from_shape_simple_fn((2, 200), || random.complex::<f64>());
        let (forward, back) = (plan.type3(&c).unwrap(), plan.adjoint(&f).unwrap());
        let left: Complex<f64> = forward.iter().zip(&f).map(|(a, b)| a * b.conj()).sum();
        let right: Complex<f64> = c.iter().zip(&back).map(|(a, b)| a * b.conj()).sum();
        let scale = forward.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt() * (400.0f64).sqrt();
        assert!((left - right).norm() < 1e-13 * scale, "{dimensions}-D: {left} {right}");

        let mut single = NufftPlan3::<f64>::builder(dimensions).tolerance(1e-3).build(&cpu()).unwrap();
        single.set_points(views(&x), views(&s)).unwrap();
        for item in 0..2 {
            let one = single.type3(&c.index_axis(Axis(0), item)).unwrap();
            assert_eq!(one, forward.index_axis(Axis(0), item));
        }
    }
}

#[test]
fn what_cannot_be_is_refused_and_the_earlier_points_stay() {
    let mut random = Random::new(3);
    let (x, s) = (random.points(20, 2, 1.0), random.points(10, 2, 1.0));
    let mut plan = NufftPlan3::<f64>::builder(2).build(&cpu()).unwrap();
    let c = random.strengths::<f64>(20);
    assert!(matches!(plan.type3(&c), Err(Error::Order { .. })));
    plan.set_points(views(&x), views(&s)).unwrap();
    let before = plan.type3(&c).unwrap();
    let mut bad = s.clone();
    bad[1][4] = f64::NAN;
    assert!(matches!(plan.set_points(views(&x), views(&bad)), Err(Error::NotFinite { index: 4, axis: 1, .. })));
    assert!(matches!(plan.set_points(views(&x), views(&s[..1])), Err(Error::Shape { .. })));
    // 10⁷ by 10⁷ cells.
    let far: Vec<Array1<f64>> = s.iter().map(|s| s * 1e7).collect();
    let error = plan.set_points(views(&x), views(&far)).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let farther: Vec<Array1<f64>> = s.iter().map(|s| s * 1e300).collect();
    assert!(matches!(plan.set_points(views(&x), views(&farther)), Err(Error::TooLarge { .. })));
    assert!(matches!(plan.type3(&random.strengths::<f64>(19)), Err(Error::Shape { .. })));
    assert_eq!(plan.type3(&c).unwrap(), before);
    assert!(matches!(NufftPlan3::<f64>::builder(4).build(&cpu()), Err(Error::Parameter { .. })));
    assert!(matches!(NufftPlan3::<f32>::builder(1).tolerance(1e-9).build(&cpu()), Err(Error::Tolerance { .. })));
}

/// Half of the smallest number is 0, so that such targets are not in one place, and nor is their grid.
#[test]
fn coordinates_below_the_normal_range_are_taken() {
    let mut random = Random::new(4);
    let (x, c) = (random.points(40, 1, 3.0), random.strengths::<f64>(40));
    for size in [5e-324, -5e-324, 1e-310, 1e-300] {
        let tiny = [Array1::from_elem(40, size)];
        let mut plan = NufftPlan3::<f64>::builder(1).tolerance(1e-9).build(&cpu()).unwrap();
        for (sources, targets) in [(&x[..], &tiny[..]), (&tiny, &x), (&tiny, &tiny)] {
            plan.set_points(views(sources), views(targets)).unwrap();
            // Every phase is 0.
            let exact = vec![c.sum(); 40];
            let error = relative_error(&plan.type3(&c).unwrap(), &exact);
            assert!(error <= 5e-9, "{size:e}: {error:e}");
        }
    }
}
