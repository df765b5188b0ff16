//! Tests of the convention of the 2015 article: its check values, its range of eps, and its Gaussian gridding.

use crate::common::{Random, cpu};
use ndarray::aview1;
use num_complex::Complex;
use wavemill::nufft::vanderplas;
use wavemill::{Error, NufftPlan, Shape, Sign};

/// NumPy's RandomState(0).rand(n): MT19937 seeded by its linear initialisation, with 53 bits a number.
fn numpy_random_state_0(count: usize) -> Vec<f64> {
    let mut state = [0u32; 624];
    for i in 1..624usize {
        state[i] = 1_812_433_253u32.wrapping_mul(state[i - 1] ^ state[i - 1] >> 30).wrapping_add(i as u32);
    }
    let mut next = 624;
    let mut word = || {
        if next == 624 {
            for i in 0..624 {
                let y = state[i] & 0x8000_0000 | state[(i + 1) % 624] & 0x7fff_ffff;
                state[i] = state[(i + 397) % 624] ^ y >> 1 ^ if y & 1 == 1 { 0x9908_b0df } else { 0 };
            }
            next = 0;
        }
        let mut y = state[next];
        next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    };
    (0..count)
        .map(|_| {
            let (high, low) = (word() >> 5, word() >> 6);
            (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
        })
        .collect()
}

fn article_input() -> (Vec<f64>, Vec<f64>) {
    let x: Vec<f64> = numpy_random_state_0(1001).iter().map(|r| 100.0 * r).collect();
    assert_eq!(x[0], 54.881_350_392_732_47);
    let y = x.iter().map(|x| x.sin()).collect();
    (x, y)
}

#[test]
fn gives_the_published_values() {
    let (x, y) = article_input();
    for (df, first, power) in [
        (1.0, Complex::new(-0.015_237_278_582_519_533, -0.001_343_103_570_353_627_6), 0.979_948_067_621_750_9),
        (2.0, Complex::new(-0.013_725_164_282_631_656, 0.015_635_819_026_742_954), 0.527_291_584_680_243_1),
    ] {
        let spectrum = vanderplas(&x, &y, 1000, df, 1e-15, Sign::Plus).unwrap();
        assert!((spectrum[500] - -0.013_379_558_174_159_612).norm() < 1e-15);
        // The published values are sums with rounded phases k·df·x, up to 5e4·df, and are accurate to about 1e-14.
        assert!((spectrum[0] - first).norm() < 3e-14, "{}", spectrum[0]);
        let total: f64 = spectrum.iter().map(Complex::norm_sqr).sum();
        assert!((total - power).abs() < 1e-13, "{total}");
        let conjugate = vanderplas(&x, &y, 1000, df, 1e-15, Sign::Minus).unwrap();
        for (plus, minus) in spectrum.iter().zip(&conjugate) {
            assert!((plus - minus.conj()).norm() < 1e-14);
        }
    }
}

#[test]
fn is_right_for_every_small_m() {
    let (x, y) = article_input();
    for m in 1..40 {
        let spectrum = vanderplas(&x, &y, m, 1.0, 1e-15, Sign::Plus).unwrap();
        let at: Vec<[i64; 3]> = (0..m as i64).map(|i| [i - (m / 2) as i64, 0, 0]).collect();
        let strengths: Vec<Complex<f64>> = y.iter().map(|&y| y.into()).collect();
        let exact = wavemill::nufft::direct::type1_at(&[aview1(&x)], &strengths, &at, Sign::Plus).unwrap();
        for (value, exact) in spectrum.iter().zip(exact) {
            assert!((value - exact / 1001.0).norm() < 1e-14, "m = {m}");
        }
    }
}

#[test]
fn takes_complex_values() {
    let (x, y) = article_input();
    let imaginary: Vec<Complex<f64>> = y.iter().map(|&y| Complex::new(0.0, y)).collect();
    let real = vanderplas(&x, &y, 64, 1.0, 1e-9, Sign::Plus).unwrap();
    let complex = vanderplas(&x, &imaginary, 64, 1.0, 1e-9, Sign::Plus).unwrap();
    for (real, complex) in real.iter().zip(complex) {
        // Real values are computed by other code, and differ by rounding only.
        let off = (real * Complex::i() - complex).norm();
        assert!(off < 3e-14, "{off:e}");
    }
}

#[test]
fn refuses_eps_outside_the_convention() {
    for eps in [1e-33, 1e-1, 0.0, -1e-3, f64::NAN, f64::INFINITY] {
        let error = vanderplas(&[1.0], &[1.0], 10, 1.0, eps, Sign::Plus).unwrap_err();
        assert!(matches!(error, Error::Parameter { what: "eps", .. }), "{error}");
        assert!(error.to_string().contains("must satisfy 1e-33 < eps < 1e-1"), "{error}");
    }
    assert!(vanderplas(&[1.0], &[1.0], 10, 1.0, 2e-33, Sign::Plus).is_ok());
    assert!(matches!(vanderplas::<f64>(&[], &[], 10, 1.0, 1e-6, Sign::Plus), Err(Error::Shape { .. })));
    assert!(matches!(vanderplas(&[1.0, 2.0], &[1.0], 10, 1.0, 1e-6, Sign::Plus), Err(Error::Shape { .. })));
    assert!(matches!(vanderplas(&[1.0], &[1.0], 0, 1.0, 1e-6, Sign::Plus), Err(Error::Parameter { .. })));
    assert!(matches!(vanderplas(&[f64::NAN], &[1.0], 3, 1.0, 1e-6, Sign::Plus), Err(Error::NotFinite { .. })));
}

/// The article's Msp and ratio for its eps are reproduced with the Gaussian kernel.
#[test]
fn gridding_of_the_article_can_be_reproduced() {
    for (eps, ratio, half) in [(1e-3, 2.0, 3), (1e-6, 2.0, 7), (1e-10, 2.0, 11), (1e-12, 3.0, 11)] {
        let plan = NufftPlan::<f64>::builder([1000]).kernel(Shape::Gaussian).tolerance(eps).build(&cpu()).unwrap();
        let recipe = plan.recipe();
        assert_eq!((recipe.width, recipe.upsampling), (2 * half, ratio), "eps = {eps:e}");
    }
}

/// `step` scales the coordinates exactly, so the same points in another unit give the same modes.
#[test]
fn a_step_is_a_change_of_unit() {
    let mut random = Random::new(4);
    let x = random.points(400, 1, 50.0);
    let strengths = random.strengths::<f64>(400);
    let mut wide = NufftPlan::<f64>::builder([300]).tolerance(1e-12).build(&cpu()).unwrap();
    wide.set_points([x[0].view()]).unwrap();
    let expected = wide.type1(&strengths).unwrap();
    let quarter = &x[0] / 4.0;
    let mut plan = NufftPlan::<f64>::builder([300]).tolerance(1e-12).step(4.0).build(&cpu()).unwrap();
    plan.set_points([quarter.view()]).unwrap();
    assert_eq!(plan.type1(&strengths).unwrap(), expected);
}
