//! Tests of the inverse non-uniform FFT: recovery of known modes, and the two ways of multiplying by the normal matrix.

use std::f64::consts::TAU;
use std::time::Duration;

use ndarray::{Array1, Array2, Array3, Dimension};
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::spectral::{Inverse, NormalProduct, Stop, gap_weights};
use wavemill::{Real, Sign};

use crate::common::{Random, cpu, on_every_device, relative_error, views};

/// Points on a grid, each moved at random by less than half of its spacing.
fn jittered(random: &mut Random, count: usize) -> Vec<f64> {
    (0..count).map(|j| (j as f64 + 0.8 * random.unit()) * TAU / count as f64).collect()
}

fn norm<T: Real, D: Dimension>(array: &ndarray::Array<Complex<T>, D>) -> f64 {
    array.iter().map(|z| Into::<f64>::into(z.re).powi(2) + Into::<f64>::into(z.im).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn band_limited_functions_are_recovered() {
    let mut random = Random::new(1);
    let f = Array1::from_iter((0..65).map(|_| random.complex::<f64>()));
    let x = jittered(&mut random, 200);
    for (sign, product) in [(Sign::Plus, NormalProduct::Toeplitz), (Sign::Minus, NormalProduct::Plan)] {
        let values = Array1::from(direct::type2(&[ndarray::aview1(&x)], f.view().into_dyn(), sign).unwrap());
        let builder = Inverse::<f64>::builder([65]).tolerance(1e-13).sign(sign).product(product);
        let inverse = builder.weights(&gap_weights(&x, TAU).unwrap()).build(&cpu(), [&x]).unwrap();
        let stop = Stop { residual: 1e-12, ..Stop::default() };
        let found = inverse.solve(&values, &stop).unwrap();
        let error = relative_error(&found.modes, &f);
        assert!(error < 1e-10 && found.history.len() < 40, "{error:e} after {}", found.history.len());
    }
    // In f32, in two dimensions, on every device.
    on_every_device(|device| {
        let mut random = Random::new(2);
        let f = Array2::from_shape_simple_fn((12, 17), || random.complex::<f64>());
        let points = random.points(2000, 2, 10.0);
        let values = direct::type2(&views(&points), f.view().into_dyn(), Sign::Plus).unwrap();
        let values: Array1<_> = values.iter().map(|z| Complex::new(z.re as f32, z.im as f32)).collect();
        for product in [NormalProduct::Toeplitz, NormalProduct::Plan] {
            let builder = Inverse::<f32>::builder([12, 17]).tolerance(1e-6).product(product);
            let inverse = builder.build(device, views(&points)).unwrap();
            let found = inverse.solve(&values, &Stop { residual: 1e-6, ..Stop::default() }).unwrap();
            let error = relative_error(&found.modes, &f);
            assert!(error < 1e-4, "{error:e} on {}", device.name());
        }
    });
}

#[test]
fn both_products_are_the_same_matrix() {
    let mut random = Random::new(3);
    let points = random.points(300, 3, 4.0);
    let weights: Vec<f64> = (0..300).map(|_| random.unit()).collect();
    let values = random.strengths::<f64>(300);
    // With a strong λ the solution is near A*W c / λ, so that few steps suffice and both agree to the tolerance.
    let solve = |product, tolerance| {
        let builder = Inverse::<f64>::builder([5, 6, 7]).tolerance(tolerance).weights(&weights).regularisation(20.0);
        let inverse = builder.product(product).build(&cpu(), views(&points)).unwrap();
        inverse.solve(&values, &Stop { residual: 1e-14, ..Stop::default() }).unwrap().modes
    };
    for tolerance in [1e-4, 1e-8, 1e-12] {
        let (a, b): (Array3<_>, Array3<_>) =
            (solve(NormalProduct::Toeplitz, tolerance), solve(NormalProduct::Plan, tolerance));
        let off = norm(&(&a - &b)) / norm(&b);
        assert!(off < 10.0 * tolerance, "{off:e} for {tolerance:e}");
    }
    // The normal equations hold term by term: Σ_l t[k-l] f[l] + λ f[k] = Σ_j w c exp(-i k·x).
    let f = solve(NormalProduct::Toeplitz, 1e-13);
    let weighted: Vec<Complex<f64>> = values.iter().zip(&weights).map(|(c, w)| c * w).collect();
    let right = direct::type1(&views(&points), &weighted, &[5, 6, 7], Sign::Minus).unwrap();
    let at = direct::type2(&views(&points), f.view().into_dyn(), Sign::Plus).unwrap();
    let at: Vec<Complex<f64>> = at.iter().zip(&weights).map(|(c, w)| c * w).collect();
    let left = direct::type1(&views(&points), &at, &[5, 6, 7], Sign::Minus).unwrap() + &f.into_dyn() * 20.0;
    assert!(relative_error(&left, &right) < 1e-12, "{:e}", relative_error(&left, &right));
}

#[test]
fn weights_make_up_for_density() {
    let mut random = Random::new(4);
    // Points crowded at 0: their gaps, and Pipe's weights, are about the density's inverse.
    let x: Vec<f64> = (0..400).map(|_| TAU * random.unit().powi(2)).collect();
    let gaps = gap_weights(&x, TAU).unwrap();
    assert!((gaps.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let twice: Vec<f64> = x.iter().chain(&x).copied().collect();
    let halves = gap_weights(&twice, TAU).unwrap();
    assert!(gaps.iter().zip(&halves).all(|(gap, half)| (gap - 2.0 * half).abs() < 1e-15));
    let plain = Inverse::<f64>::builder([33]).tolerance(1e-12).build(&cpu(), [&x]).unwrap();
    let pipe = plain.pipe_weights(20).unwrap();
    let f = Array1::from_iter((0..33).map(|_| random.complex::<f64>()));
    let values = Array1::from(direct::type2(&[ndarray::aview1(&x)], f.view().into_dyn(), Sign::Plus).unwrap());
    let iterations = |weights: Option<&Vec<f64>>| {
        let builder = Inverse::<f64>::builder([33]).tolerance(1e-12);
        let builder = if let Some(weights) = weights { builder.weights(weights) } else { builder };
        let inverse = builder.build(&cpu(), [&x]).unwrap();
        let found = inverse.solve(&values, &Stop { residual: 1e-8, ..Stop::default() }).unwrap();
        assert!(relative_error(&found.modes, &f) < 1e-6);
        found.history.len()
    };
    let (none, gaps, pipe) = (iterations(None), iterations(Some(&gaps)), iterations(Some(&pipe)));
    assert!(gaps < none && pipe < none, "{none} without weights, {gaps} by gaps, {pipe} by Pipe");
}

#[test]
fn it_stops_where_it_is_told_and_refuses_what_it_cannot_use() {
    let mut random = Random::new(5);
    let x = jittered(&mut random, 50);
    let values = random.strengths::<f64>(50);
    let inverse = Inverse::<f64>::builder([40]).tolerance(1e-9).build(&cpu(), [&x]).unwrap();
    let stop = Stop { residual: 0.0, iterations: 7, time: None };
    assert_eq!(inverse.solve(&values, &stop).unwrap().history.len(), 8);
    let mut seen = Vec::new();
    let found = inverse.solve_watched(&values, &stop, |done, residual| {
        seen.push((done, residual));
        done < 3
    });
    assert_eq!(found.unwrap().history, seen.iter().map(|seen| seen.1).collect::<Vec<_>>());
    assert_eq!(seen.len(), 4);
    let at_once = Stop { time: Some(Duration::ZERO), ..stop };
    assert_eq!(inverse.solve(&values, &at_once).unwrap().history.len(), 1);
    let zeros = inverse.solve(&Array1::zeros(50), &Stop::default()).unwrap();
    assert!(zeros.modes.iter().all(|mode| mode.norm() == 0.0) && zeros.history == [0.0]);
    assert!(inverse.solve(&Array1::zeros(49), &stop).is_err());
    let mut bad = values.clone();
    bad[9].im = f64::NAN;
    assert!(inverse.solve(&bad, &stop).unwrap_err().to_string().contains("index 9"));
    let build = |weights: Vec<f64>, lambda: f64| {
        Inverse::<f64>::builder([40]).weights(&weights).regularisation(lambda).build(&cpu(), [&x])
    };
    assert!(build(vec![1.0; 49], 0.0).is_err() && build(vec![-1.0; 50], 0.0).is_err());
    assert!(build(vec![1.0; 50], f64::NAN).is_err() && build(vec![1.0; 50], 1.0).is_ok());
    assert!(gap_weights(&[0.0, f64::NAN], 1.0).is_err() && gap_weights(&[0.5], 0.0).is_err());
    assert_eq!(gap_weights(&[0.5], 2.0).unwrap(), [1.0]);
}
