//! Tests of the error law: the relative l2 error against direct sums is at most max(floor, 4·tol), where the floor is
//! 3e-14 in f64 and 1e-6 in f32.

use crate::common::{Random, allowed, cpu, relative_error, views};
use ndarray::{Array1, ArrayD};
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::{Device, Error, NufftPlan, Real, Shape, Sign};

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

/// Short axes, of which each place and each number of modes from 1 to 15 occurs, are interpolated exactly where that is
/// cheaper than a finer grid.
#[test]
fn holds_where_axes_are_exact() {
    for short in 1..=15 {
        for (modes, exact) in [
            (vec![short], vec![true]),
            (vec![short, 400], vec![true, false]),
            (vec![400, short], vec![false, true]),
            (vec![short, 90, short], vec![true, false, true]),
            (vec![90, short, 60], vec![false, true, false]),
        ] {
            for tolerance in [1e-2, 1e-6, 1e-11, 1e-14] {
                let plan = NufftPlan::<f64>::builder(&modes[..]).tolerance(tolerance).build(&cpu()).unwrap();
                if tolerance < 1e-10 && short <= 8 {
                    // Here the kernel of a finer grid is much wider than the axis.
                    assert_eq!(plan.recipe().exact, exact, "{modes:?} {tolerance:e}: {plan:?}");
                }
                hold::<f64>(&cpu(), &modes, 30, Shape::Prolate, tolerance);
            }
            hold::<f32>(&cpu(), &modes, 30, Shape::Prolate, 1e-5);
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

/// Whatever the caller fixes, the plan keeps the law, or refuses and names the smallest tolerance that it can keep.
#[test]
fn holds_for_what_the_caller_fixes_or_is_refused() {
    fn build<T: Real>(modes: &[usize], shape: Shape, upsampling: f64, tolerance: f64) -> Result<NufftPlan<T>, Error> {
        let builder = NufftPlan::<T>::builder(modes).tolerance(tolerance).kernel(shape).upsampling(upsampling);
        builder.build(&cpu())
    }
    fn fixed<T: Real>(modes: &[usize], shape: Shape, upsampling: f64, asked: f64, refused: &mut usize) {
        let mut tolerance = asked;
        let mut plan = build::<T>(modes, shape, upsampling, tolerance).unwrap_or_else(|error| {
            let Error::Tolerance { smallest, .. } = error else { panic!("{error}") };
            assert!(smallest > asked, "{shape} {upsampling} {asked:e}: {smallest:e}");
            *refused += 1;
            tolerance = smallest;
            build::<T>(modes, shape, upsampling, smallest).unwrap()
        });
        let mut random = Random::new(5);
        let count = if modes.iter().product::<usize>() > 100_000 { 30 } else { 600 };
        let x = random.points(count, modes.len(), 4.0);
        let strengths = random.strengths::<T>(count);
        plan.set_points(views(&x)).unwrap();
        let got = plan.type1(&strengths).unwrap();
        let exact = direct::type1(&views(&x), strengths.as_slice().unwrap(), modes, Sign::Plus).unwrap();
        let error = relative_error(&got, &exact);
        assert!(error <= allowed::<T>(tolerance), "{shape} {modes:?} upsampling {upsampling} {tolerance:e}: {error:e}");
    }
    let mut refused = 0;
    // Enough modes that the grid is hardly finer than what is asked, and that no axis is exact.
    for shape in [Shape::Prolate, Shape::KaiserBessel] {
        for digits in [2, 3, 4, 5, 6, 7, 8] {
            fixed::<f64>(&[50, 60, 72], shape, 1.2, 10f64.powi(-digits), &mut refused);
        }
        let found = build::<f64>(&[50, 60, 72], shape, 1.2, 1e-4).unwrap();
        assert!(found.recipe().upsampling < 1.26 && found.recipe().exact == [false; 3], "{found:?}");
    }
    for shape in [Shape::Prolate, Shape::KaiserBessel, Shape::ExpSemicircle, Shape::Gaussian] {
        for upsampling in [1.2, 1.25, 1.5, 2.0, 3.0, 4.0] {
            for digits in [2, 4, 6, 9, 12, 14] {
                for modes in [&[1001][..], &[70], &[20, 17], &[9, 7, 8]] {
                    fixed::<f64>(modes, shape, upsampling, 10f64.powi(-digits), &mut refused);
                    if digits <= 6 {
                        fixed::<f32>(modes, shape, upsampling, 10f64.powi(-digits), &mut refused);
                    }
                }
            }
        }
    }
    assert!(refused > 20, "{refused} were refused");
    let error = build::<f32>(&[100], Shape::Gaussian, 1.2, 1e-6).unwrap_err();
    assert!(matches!(error, Error::Tolerance { smallest, .. } if smallest > 1e-3), "{error}");
}

/// Data may lie in one place, where the kernel's error is the largest: each output is off by no more than
/// `max(floor, 30·√d·tolerance)` of the sum of all absolute inputs.
#[test]
fn one_mode_or_one_point_alone_keeps_the_law_of_each_output() {
    fn alone<T: Real>(modes: &[usize], shape: Shape, upsampling: Option<f64>, tolerance: f64) {
        let mut builder = NufftPlan::<T>::builder(modes).tolerance(tolerance).kernel(shape).accept_reachable();
        builder = upsampling.map_or(builder.clone(), |factor| builder.clone().upsampling(factor));
        let mut plan = builder.build(&cpu()).unwrap();
        let mut random = Random::new(9);
        let x = random.points(100, modes.len(), 4.0);
        plan.set_points(views(&x)).unwrap();
        let kept = plan.recipe().tolerance;
        let bound = T::FLOOR.max(30.0 * (modes.len() as f64).sqrt() * kept);
        let unit = |re: f64, im: f64| Complex::new(T::nearest(re), T::nearest(im));
        let keeps = |kind: usize,
                     got: &mut dyn Iterator<Item = &Complex<T>>,
                     exact: &mut dyn Iterator<Item = &Complex<f64>>| {
            let wide = |z: &Complex<T>| Complex::new(z.re.into(), z.im.into());
            let off = got.zip(exact).map(|(a, b)| (wide(a) - b).norm()).fold(0.0, f64::max);
            assert!(
                off <= bound,
                "type {kind} {} {modes:?} {shape} {upsampling:?} {tolerance:e}: {off:e} of {bound:e}",
                T::NAME
            );
        };
        let mut f = ArrayD::<Complex<T>>::zeros(modes);
        f[&vec![0; modes.len()][..]] = unit(1.0, 0.0);
        let exact = direct::type2(&views(&x), f.view(), Sign::Plus).unwrap();
        keeps(2, &mut plan.type2(&f).unwrap().iter(), &mut exact.iter());
        let mut c = Array1::<Complex<T>>::zeros(100);
        c[17] = unit(0.0, 1.0);
        let exact = direct::type1(&views(&x), c.as_slice().unwrap(), modes, Sign::Plus).unwrap();
        keeps(1, &mut plan.type1(&c).unwrap().iter(), &mut exact.iter());
    }
    for shape in [Shape::Prolate, Shape::KaiserBessel, Shape::ExpSemicircle, Shape::Gaussian] {
        for (modes, upsampling) in [
            (&[1000][..], None),
            (&[1000], Some(1.25)),
            (&[60, 100], None),
            (&[16, 30, 20], None),
            (&[40, 30], Some(1.2)),
        ] {
            (1..=14).for_each(|digits| alone::<f64>(modes, shape, upsampling, 10f64.powi(-digits)));
            (1..=6).for_each(|digits| alone::<f32>(modes, shape, upsampling, 10f64.powi(-digits)));
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
