//! The error law: relative l2 error against direct sums <= max(floor, 4·tol), floor 3e-14 in f64 and 1e-6 in f32.

mod common;

use common::{Random, allowed, cpu, relative_error, views};
use wavemill::nufft::direct;
use wavemill::{Device, NufftPlan, Real, Shape, Sign};

/// Both types with random points beyond the period and random data; returns their errors.
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
