//! Tests of the error law: the relative l2 error against direct sums is at most max(floor, 4·tol), where the floor is
//! 3e-14 in f64 and 1e-6 in f32.

use crate::common::{Random, allowed, cpu, relative_error, views};
use wavemill::nufft::direct;
use wavemill::{Device, NufftPlan, Real, Shape, Sign};

/// The errors of types 1 and 2 of random data at random points, which reach beyond the period.
fn errors<T: Real>(device: &Device, modes: &[usize], points: usize, shape: Shape, tolerance: f64) -> [f64; 2] {
    let mut random = Random::new(modes.iter().sum::<usize>() as u64 + points as u64);
    let x = random.points(points, modes.len(), 9.0);
    let strengths = random.strengths::<T>(points);
    let coefficients = random.modes::<T>(modes);
    let mut plan = NufftPlan::<T>::builder(modes).tolerance(tolerance).kernel(shape).build(device).unwrap();
    plan.set_points(views(&x)).unwrap();
    let got = plan.type1(&strengths).unwrap();
    let exact = direct::type1(&views(&x), strengths.as_slice().unwrap(), modes, Sign::Plus).unwrap();
    let first = relative_error(&got, &exact);
    plan.set_sign(Sign::Minus);
    let got = plan.type2(&coefficients).unwrap();
    let exact = direct::type2(&views(&x), coefficients.view(), Sign::Minus).unwrap();
    [first, relative_error(&got, &exact)]
}

fn hold<T: Real>(device: &Device, modes: &[usize], points: usize, shape: Shape, tolerance: f64) {
    let found = errors::<T>(device, modes, points, shape, tolerance);
    for (kind, error) in found.iter().enumerate() {
        assert!(
            *error <= allowed::<T>(tolerance),
            "type {} {} {shape} {modes:?} tol {tolerance:e} on {}: {error:e}",
            kind + 1,
            T::NAME,
            device.name()
        );
    }
    println!("{} {shape} {modes:?} tol {tolerance:e}: {:.1e} {:.1e}", T::NAME, found[0], found[1]);
}

const CASES: [&[usize]; 3] = [&[1001], &[40, 33], &[12, 9, 14]];

#[test]
fn holds_in_f64() {
    for modes in CASES {
        for digits in 1..=14 {
            hold::<f64>(&cpu(), modes, 1500, Shape::Prolate, 10f64.powi(-digits));
        }
    }
}

#[test]
fn holds_in_f32() {
    for modes in CASES {
        for digits in 1..=6 {
            hold::<f32>(&cpu(), modes, 1500, Shape::Prolate, 10f64.powi(-digits));
        }
    }
}

#[test]
fn holds_for_every_kernel_shape() {
    for shape in [Shape::KaiserBessel, Shape::ExpSemicircle, Shape::Gaussian] {
        for modes in CASES {
            for digits in [1, 3, 6, 9, 12, 14] {
                hold::<f64>(&cpu(), modes, 1000, shape, 10f64.powi(-digits));
            }
            hold::<f32>(&cpu(), modes, 1000, shape, 1e-6);
        }
    }
}

/// With a period of 1 a phase is `2π k x`. The coordinates are multiples of 1/1024, for which the oracle computes k x
/// modulo 1 exactly.
#[test]
fn an_explicit_period_is_exact() {
    let mut random = Random::new(77);
    let x = ndarray::Array1::from_iter((0..500).map(|_| (random.between(-50.0, 50.0) * 1024.0).round() / 1024.0));
    let strengths = random.strengths::<f64>(500);
    let mut plan = NufftPlan::<f64>::builder([4096]).tolerance(1e-13).period(1.0).build(&cpu()).unwrap();
    plan.set_points([x.view()]).unwrap();
    let got = plan.type1(&strengths).unwrap();
    let exact: Vec<num_complex::Complex<f64>> = (-2048i64..2048)
        .map(|k| {
            let term = |(x, c): (&f64, &num_complex::Complex<f64>)| {
                let turns = ((*x * 1024.0) as i64 * k).rem_euclid(1024) as f64 / 1024.0;
                c * num_complex::Complex::from_polar(1.0, std::f64::consts::TAU * turns)
            };
            x.iter().zip(&strengths).map(term).sum()
        })
        .collect();
    let error = relative_error(&got, &exact);
    assert!(error <= allowed::<f64>(1e-13), "{error:e}");
}

#[cfg(feature = "gpu")]
mod on_a_gpu {
    use super::*;

    #[test]
    fn holds_in_f32() {
        let Some((device, _turn)) = crate::common::gpu() else { return };
        for modes in CASES {
            for digits in 1..=6 {
                hold::<f32>(&device, modes, 1500, Shape::Prolate, 10f64.powi(-digits));
            }
        }
    }

    /// An adapter with f64 keeps the same law as the CPU; one without returns an error that says so.
    #[test]
    fn holds_in_f64_where_the_adapter_has_it() {
        let Some((device, _turn)) = crate::common::gpu() else { return };
        if let Err(error) = NufftPlan::<f64>::builder([10]).build(&device) {
            assert!(matches!(error, wavemill::Error::Device { .. }) && error.to_string().contains("f64"), "{error}");
            println!("{} has no f64", device.name());
            return;
        }
        for modes in CASES {
            for digits in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14] {
                hold::<f64>(&device, modes, 800, Shape::Prolate, 10f64.powi(-digits));
            }
        }
    }
}
