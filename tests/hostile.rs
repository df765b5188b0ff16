//! Tests with input that breaks other programs: extreme coordinates, degenerate sizes, wrong shapes.

use crate::common::{Random, allowed, cpu, on_every_device, relative_error, views};
use ndarray::{Array1, ArrayD, IxDyn, array};
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::{Device, Error, NufftPlan, Real, Sign};

/// Checks the error law for both types at these points.
fn hold<T: Real>(device: &Device, modes: &[usize], x: &[Array1<f64>], tolerance: f64) {
    let mut random = Random::new(x[0].len() as u64);
    let (c, f) = (random.strengths::<T>(x[0].len()), random.modes::<T>(modes));
    let mut plan = NufftPlan::<T>::builder(modes).tolerance(tolerance).build(device).unwrap();
    plan.set_points(views(x)).unwrap();
    let exact = direct::type1(&views(x), c.as_slice().unwrap(), modes, Sign::Plus).unwrap();
    let first = relative_error(&plan.type1(&c).unwrap(), &exact);
    let exact = direct::type2(&views(x), f.view(), Sign::Plus).unwrap();
    let second = relative_error(&plan.type2(&f).unwrap(), &exact);
    let bound = allowed::<T>(tolerance);
    assert!(first <= bound && second <= bound, "{modes:?} {tolerance:e} on {}: {first:e} {second:e}", device.name());
}

fn extreme_coordinates() -> Array1<f64> {
    let pi = std::f64::consts::PI;
    let mut values = vec![0.0, -0.0, 1e300, -1e300, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e9, -1e9, 1e15, 4e18];
    for x in [pi, -pi, 2.0 * pi, -2.0 * pi, pi / 2.0, 3.0 * pi] {
        values.extend([x.next_down(), x, x.next_up()]);
    }
    Array1::from_vec(values)
}

#[test]
fn coordinates_of_any_finite_size() {
    let x = extreme_coordinates();
    let reversed: Array1<f64> = x.iter().rev().copied().collect();
    for tolerance in [1e-3, 1e-9, 1e-13] {
        hold::<f64>(&cpu(), &[1000], std::slice::from_ref(&x), tolerance);
        hold::<f64>(&cpu(), &[20, 21], &[x.clone(), reversed.clone()], tolerance);
    }
    on_every_device(|device| {
        hold::<f32>(device, &[1000], std::slice::from_ref(&x), 1e-5);
        hold::<f32>(device, &[20, 21], &[x.clone(), reversed.clone()], 1e-4);
    });
}

#[test]
fn points_in_odd_arrangements() {
    let count = 500;
    let ramp = Array1::from_iter((0..count).map(|i| -3.0 + 6.0 * f64::from(i) / f64::from(count)));
    let falling: Array1<f64> = ramp.iter().rev().copied().collect();
    let same = Array1::from_elem(count as usize, 1.25);
    let one_cell = Array1::from_iter((0..count).map(|i| 0.5 + 1e-9 * f64::from(i)));
    on_every_device(|device| {
        for x in [&ramp, &falling, &same, &one_cell] {
            hold::<f32>(device, &[64], std::slice::from_ref(x), 1e-5);
            hold::<f32>(device, &[12, 17], &[x.clone(), falling.clone()], 1e-5);
        }
    });
    for x in [&ramp, &falling, &same, &one_cell] {
        hold::<f64>(&cpu(), &[64], std::slice::from_ref(x), 1e-12);
        hold::<f64>(&cpu(), &[6, 5, 7], &[x.clone(), falling.clone(), ramp.clone()], 1e-12);
    }
}

#[test]
fn degenerate_sizes() {
    let mut random = Random::new(3);
    on_every_device(|device| {
        let mut random = Random::new(5);
        // One mode, prime counts, many more points than modes and the reverse, long thin grids.
        for (modes, points) in [
            (&[1][..], 50),
            (&[1, 1], 20),
            (&[1, 7, 1], 20),
            (&[997], 30),
            (&[3], 3000),
            (&[4099], 2),
            (&[2, 4000], 40),
            (&[3000, 1], 40),
        ] {
            hold::<f32>(device, modes, &random.points(points, modes.len(), 5.0), 1e-5);
        }
        // No points: type 1 gives zeros, type 2 an empty array.
        let mut plan = NufftPlan::<f32>::builder([10, 12]).build(device).unwrap();
        let none: Array1<f64> = array![];
        plan.set_points([none.view(), none.view()]).unwrap();
        let modes = plan.type1(&Array1::<Complex<f32>>::zeros(0)).unwrap();
        assert!(modes.shape() == [10, 12] && modes.iter().all(|z| *z == Complex::new(0.0, 0.0)));
        assert_eq!(plan.type2(&modes).unwrap().len(), 0);
    });
    for (modes, points) in [(&[1][..], 50), (&[100_003], 20), (&[2, 20_000], 10), (&[1, 3, 5], 400)] {
        hold::<f64>(&cpu(), modes, &random.points(points, modes.len(), 5.0), 1e-11);
    }
    // Aspect ratio 1 to 100,000.
    hold::<f64>(&cpu(), &[1, 100_000], &random.points(10, 2, 5.0), 1e-11);
    hold::<f64>(&cpu(), &[100_000, 1], &random.points(10, 2, 5.0), 1e-11);
}

#[test]
fn strengths_of_any_size() {
    let mut random = Random::new(9);
    let x = random.points(200, 1, 3.0);
    let base = random.strengths::<f64>(200);
    let mut plan = NufftPlan::<f64>::builder([100]).tolerance(1e-12).build(&cpu()).unwrap();
    plan.set_points(views(&x)).unwrap();
    let plain = plan.type1(&base).unwrap();
    for exponent in [-900, -300, 90, 900] {
        // A power of two commutes with every rounding.
        let scale = 2f64.powi(exponent);
        let scaled = plan.type1(&base.mapv(|c| c * scale)).unwrap();
        assert_eq!(scaled, plain.mapv(|mode| mode * scale), "2^{exponent}");
    }
    let denormal = plan.type1(&base.mapv(|c| c * 1e-310)).unwrap();
    assert!(denormal.iter().all(|mode| mode.re.is_finite() && mode.norm() < 1e-300));
}

#[test]
fn bad_coordinates_are_named_and_change_nothing() {
    on_every_device(|device| {
        let mut random = Random::new(2);
        let x = random.points(300, 2, 3.0);
        let c = random.strengths::<f32>(300);
        let mut plan = NufftPlan::<f32>::builder([8, 9]).build(device).unwrap();
        plan.set_points(views(&x)).unwrap();
        let before = plan.type1(&c).unwrap();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut broken = x.clone();
            broken[1][217] = bad;
            broken[0][250] = bad;
            let error = plan.set_points(views(&broken)).unwrap_err();
            assert!(matches!(error, Error::NotFinite { index: 217, axis: 1, .. }), "{error}");
        }
        // The plan still has the earlier points.
        assert_eq!(plan.type1(&c).unwrap(), before);
        let single: Vec<Array1<f32>> = x.iter().map(|axis| axis.mapv(|x| x as f32)).collect();
        let mut broken = single.clone();
        broken[0][0] = f32::NAN;
        assert!(matches!(plan.set_points(views(&broken)), Err(Error::NotFinite { index: 0, axis: 0, .. })));
    });
}

/// There are many points, so that several threads search for the first bad one.
#[test]
fn the_first_bad_coordinate_is_named_whatever_thread_finds_it() {
    let mut x = Array1::from_elem(200_000, 0.5);
    for index in [150_000, 77_777, 199_999] {
        x[index] = f64::NAN;
    }
    let mut plan = NufftPlan::<f64>::builder([64]).build(&cpu()).unwrap();
    assert!(matches!(plan.set_points([x.view()]), Err(Error::NotFinite { index: 77_777, .. })));
}

#[test]
fn f32_coordinates_are_taken_as_they_are() {
    let mut random = Random::new(21);
    let narrow = Array1::from_iter((0..400).map(|_| random.between(-100.0, 100.0) as f32));
    let wide = narrow.mapv(f64::from);
    let c = random.strengths::<f64>(400);
    let mut plan = NufftPlan::<f64>::builder([500]).tolerance(1e-12).build(&cpu()).unwrap();
    plan.set_points([narrow.view()]).unwrap();
    let from_narrow = plan.type1(&c).unwrap();
    plan.set_points([wide.view()]).unwrap();
    assert_eq!(from_narrow, plan.type1(&c).unwrap());
}

#[test]
fn wrong_shapes_and_calls_out_of_order() {
    let mut plan = NufftPlan::<f64>::builder([4, 5]).batch(2).build(&cpu()).unwrap();
    let c = ArrayD::<Complex<f64>>::zeros(IxDyn(&[2, 3]));
    assert!(matches!(plan.type1(&c), Err(Error::Order { call: "type1", .. })));
    assert!(matches!(plan.type2(&c), Err(Error::Order { call: "type2", .. })));
    let x = array![0.0, 1.0, 2.0];
    assert!(matches!(plan.set_points([x.view()]), Err(Error::Shape { .. })));
    assert!(matches!(plan.set_points([x.view(), array![0.0].view()]), Err(Error::Shape { .. })));
    plan.set_points([x.view(), x.view()]).unwrap();
    let mut modes = ArrayD::<Complex<f64>>::from_elem(IxDyn(&[2, 4, 6]), Complex::new(7.0, 7.0));
    let error = plan.type1_into(&c, &mut modes).unwrap_err();
    assert!(error.to_string().contains("[2, 4, 5]") && error.to_string().contains("[2, 4, 6]"), "{error}");
    assert!(modes.iter().all(|z| *z == Complex::new(7.0, 7.0)), "written to on an error");
    assert!(matches!(plan.type1(&Array1::<Complex<f64>>::zeros(3)), Err(Error::Shape { what: "strengths", .. })));
    assert!(matches!(plan.type2(&ArrayD::<Complex<f64>>::zeros(IxDyn(&[3]))), Err(Error::Shape { what: "modes", .. })));
    assert!(plan.type1(&c).is_ok());
}

#[test]
fn impossible_parameters() {
    let build = |modes: &[usize]| NufftPlan::<f64>::builder(modes).build(&cpu()).map(|_| ());
    assert!(matches!(build(&[]), Err(Error::Parameter { what: "modes", .. })));
    assert!(matches!(build(&[0]), Err(Error::Parameter { what: "modes", .. })));
    assert!(matches!(build(&[4, 4, 4, 4]), Err(Error::Parameter { what: "modes", .. })));
    assert!(matches!(build(&[usize::MAX]), Err(Error::TooLarge { .. })));
    assert!(matches!(build(&[1 << 29, 1 << 29, 1 << 29]), Err(Error::TooLarge { .. })));
    // 70 terabytes are refused when the plan is built, not when it is used.
    let error = build(&[1 << 20, 1 << 20]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "the fine grid", .. }), "{error}");
    let builder = NufftPlan::<f64>::builder([10]);
    for tolerance in [0.0, -1.0, 1.0, f64::NAN] {
        assert!(matches!(builder.clone().tolerance(tolerance).build(&cpu()), Err(Error::Parameter { .. })));
    }
    assert!(matches!(builder.clone().tolerance(1e-16).build(&cpu()), Err(Error::Tolerance { smallest: 1e-14, .. })));
    assert!(matches!(builder.clone().upsampling(1.0).build(&cpu()), Err(Error::Parameter { .. })));
    assert!(matches!(builder.clone().batch(0).build(&cpu()), Err(Error::Parameter { .. })));
    assert!(matches!(builder.clone().batch(usize::MAX).build(&cpu()), Err(Error::TooLarge { .. })));
    for period in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(builder.clone().period(period).build(&cpu()), Err(Error::Parameter { .. })));
    }
    assert!(matches!(builder.step(0.0).build(&cpu()), Err(Error::Parameter { .. })));
    let reached = NufftPlan::<f32>::builder([10]).tolerance(1e-9).accept_reachable().build(&cpu()).unwrap();
    assert_eq!((reached.recipe().asked, reached.recipe().tolerance), (1e-9, 1e-6));
}
