//! Tests of the error law where it is hardest to keep: a million modes on an axis, axes of very different lengths,
//! points in one place, strengths of any size. Direct sums at a sample of the outputs are the reference.

use crate::common::{Random, allowed, cpu, relative_error, views};
use ndarray::{Array1, ArrayD, IxDyn};
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::{Device, NufftPlan, Real, Sign};

/// Checks the law for both types of one input, at a sample of modes and of points.
fn hold<T: Real>(
    device: &Device,
    x: &[Array1<f64>],
    strengths: &Array1<Complex<T>>,
    coefficients: &ArrayD<Complex<T>>,
    tolerance: f64,
) {
    let modes = coefficients.shape();
    let mut random = Random::new(coefficients.len() as u64);
    let mut plan = NufftPlan::<T>::builder(modes).tolerance(tolerance).build(device).unwrap();
    plan.set_points(views(x)).unwrap();

    let ends: Vec<usize> = modes.iter().map(|count| count - 1).collect();
    let draw = |_| modes.iter().map(|&count| (random.bits() % count as u64) as usize).collect::<Vec<_>>();
    let mut at: Vec<Vec<usize>> = (0..300).map(draw).collect();
    at.extend([vec![0; modes.len()], modes.iter().map(|count| count / 2).collect(), ends]);
    let frequencies = at.iter().map(|at| {
        let mut k = [0; 3];
        k.iter_mut().zip(at.iter().zip(modes)).for_each(|(k, (&at, &count))| *k = at as i64 - (count / 2) as i64);
        k
    });
    let k: Vec<[i64; 3]> = frequencies.collect();
    let got = plan.type1(strengths).unwrap();
    let got: Vec<_> = at.iter().map(|at| got[IxDyn(at)]).collect();
    let exact = direct::type1_at(&views(x), strengths.as_slice().unwrap(), &k, Sign::Plus).unwrap();
    let first = relative_error(&got, &exact);

    let indices: Vec<usize> = (0..30).map(|i| i * (x[0].len() / 30)).collect();
    let got = plan.type2(coefficients).unwrap();
    let got: Vec<_> = indices.iter().map(|&i| got[i]).collect();
    let exact = direct::type2_at(&views(x), coefficients.view(), Sign::Plus, &indices).unwrap();
    let second = relative_error(&got, &exact);

    let bound = allowed::<T>(tolerance);
    let case = format!("{} {modes:?} tol {tolerance:e} on {}: {first:.1e} {second:.1e}", T::NAME, device.name());
    println!("{case}");
    assert!(first <= bound && second <= bound, "{case}");
}

fn hold_for<T: Real>(device: &Device, modes: &[usize], tolerance: f64) {
    let mut random = Random::new(modes.iter().product::<usize>() as u64);
    let x = random.points(4000, modes.len(), 20.0);
    let (strengths, coefficients) = (random.strengths::<T>(4000), random.modes::<T>(modes));
    hold(device, &x, &strengths, &coefficients, tolerance);
}

/// With a million modes, to round k·x in the data's precision would cause errors of 4e-2 in f32 and 1e-10 in f64.
#[test]
fn does_not_degrade_with_the_number_of_modes() {
    for tolerance in [1e-4, 1e-6] {
        hold_for::<f32>(&cpu(), &[1 << 20], tolerance);
    }
    for tolerance in [1e-6, 1e-12, 1e-14] {
        hold_for::<f64>(&cpu(), &[1 << 20], tolerance);
    }
    hold_for::<f32>(&cpu(), &[999_983], 1e-5);
}

#[test]
fn does_not_degrade_with_the_ratio_of_two_axes() {
    for modes in [[4, 400_000], [400_000, 4], [3, 30_001], [9000, 9]] {
        hold_for::<f32>(&cpu(), &modes, 1e-5);
        for tolerance in [1e-6, 1e-14] {
            hold_for::<f64>(&cpu(), &modes, tolerance);
        }
    }
}

/// Points within a hundredth and within a millionth of the period, around an arbitrary place, and all in one point.
#[test]
fn holds_for_points_in_one_place() {
    for modes in [&[3000][..], &[60, 70], &[14, 15, 16]] {
        for reach in [0.01, 1e-6, 0.0] {
            let mut random = Random::new(31);
            let mut x = random.points(6000, modes.len(), reach * std::f64::consts::PI);
            x.iter_mut().for_each(|axis| *axis += 1.234);
            let (strengths, coefficients) = (random.strengths::<f64>(6000), random.modes::<f64>(modes));
            for tolerance in [1e-3, 1e-9, 1e-14] {
                hold(&cpu(), &x, &strengths, &coefficients, tolerance);
            }
            let (strengths, coefficients) = (random.strengths::<f32>(6000), random.modes::<f32>(modes));
            hold(&cpu(), &x, &strengths, &coefficients, 1e-5);
        }
    }
}

/// Checks the law for numbers whose sizes are 10 to powers in each range: of all sizes in one array, subnormal, large.
fn hold_for_sizes<T: Real>(ranges: &[(f64, f64, f64)]) {
    for modes in [&[500][..], &[24, 18], &[8, 9, 7]] {
        for &(from, to, tolerance) in ranges {
            let mut random = Random::new(17);
            let x = random.points(1200, modes.len(), 5.0);
            let mut scaled = |z: Complex<f64>| {
                let size = 10f64.powf(random.between(from, to));
                Complex::new(T::nearest(z.re * size), T::nearest(z.im * size))
            };
            let strengths = Random::new(3).strengths::<f64>(1200).mapv(&mut scaled);
            let coefficients = Random::new(4).modes::<f64>(modes).mapv(&mut scaled);
            hold(&cpu(), &x, &strengths, &coefficients, tolerance);
        }
    }
}

#[test]
fn holds_for_strengths_of_any_size() {
    hold_for_sizes::<f64>(&[(-323.0, 30.0, 1e-9), (-310.0, -309.0, 1e-9), (29.0, 30.0, 1e-14), (-200.0, 30.0, 1e-12)]);
    hold_for_sizes::<f32>(&[(-44.0, 30.0, 1e-5), (-39.5, -38.5, 1e-3), (29.0, 30.0, 1e-6)]);
}

#[cfg(feature = "gpu")]
#[test]
fn a_gpu_does_not_degrade_with_the_number_of_modes() {
    let Some((device, _turn)) = crate::common::gpu() else { return };
    hold_for::<f32>(&device, &[1 << 20], 1e-6);
}
