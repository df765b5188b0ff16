//! Tests with input that breaks other programs: extreme coordinates, degenerate sizes, wrong shapes.

use crate::common::{Random, allowed, cpu, on_every_device, relative_error, views};
use ndarray::{Array1, Array2, ArrayD, IxDyn, array};
use num_complex::Complex;
use wavemill::matmul::{matmul, wrapping};
use wavemill::nufft::direct;
use wavemill::reduce::{Op, ReducePlan};
use wavemill::{Device, Error, NufftPlan, NufftPlan3, Real, Sign};

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

/// Numbers whose absolute values add up to a 256th of the largest number leave no range on the way: results are those
/// of ordinary numbers, times a power of two.
fn hold_near_the_limit<T: Real>(device: &Device, largest: f64) {
    let mut random = Random::new(31);
    for dimensions in 1..=3 {
        let x = random.points(60, dimensions, 3.0);
        let s = random.points(60, dimensions, 20.0);
        let modes = [12, 9, 10][..dimensions].to_vec();
        let (c, f) = (random.strengths::<T>(60), random.modes::<T>(&modes));
        let mut plan = NufftPlan::<T>::builder(modes).tolerance(1e-5).build(device).unwrap();
        plan.set_points(views(&x)).unwrap();
        let mut between = NufftPlan3::<T>::builder(dimensions).tolerance(1e-5).build(device).unwrap();
        between.set_points(views(&x), views(&s)).unwrap();
        let sizes = |z: &Complex<T>| Into::<f64>::into(z.re).abs() + Into::<f64>::into(z.im).abs();
        let power = |sum: f64| T::nearest(2f64.powi((largest / 256.0 / sum).log2().floor() as i32));
        let by = power(c.iter().map(sizes).sum());
        let large = c.mapv(|c| c * by);
        assert_eq!(plan.type1(&large).unwrap(), plan.type1(&c).unwrap().mapv(|z| z * by), "type 1, {dimensions}-D");
        let wanted = between.type3(&c).unwrap().mapv(|z| z * by);
        assert_eq!(between.type3(&large).unwrap(), wanted, "type 3, {dimensions}-D");
        let by = power(f.iter().map(sizes).sum());
        let wanted = plan.type2(&f).unwrap().mapv(|z| z * by);
        assert_eq!(plan.type2(&f.mapv(|f| f * by)).unwrap(), wanted, "type 2, {dimensions}-D");
    }
}

#[test]
fn sums_near_the_limit_of_the_range_are_right() {
    on_every_device(|device| hold_near_the_limit::<f32>(device, f32::MAX.into()));
    hold_near_the_limit::<f64>(&cpu(), f64::MAX);
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
    let error = wavemill::Cpu::with_threads(100_000).unwrap_err();
    assert!(matches!(error, Error::Parameter { what: "threads", .. }), "{error}");
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

/// Each result takes terabytes; the inputs take megabytes.
#[test]
fn results_that_memory_cannot_hold_are_refused_with_their_size() {
    let refused = |error: Error, part: &str| {
        let text = error.to_string();
        assert!(matches!(error, Error::TooLarge { .. }) && text.contains("bytes") && text.contains(part), "{text}");
    };
    let (many, zero) = (1 << 20, Complex::new(0.0f32, 0.0));
    let (column, row) = (Array2::<f32>::ones((2 * many, 1)), Array2::<f32>::ones((1, 2 * many)));
    refused(matmul(&column, &row).unwrap_err(), "2097152 x 2097152");

    let x = Array1::from_elem(many, 0.5);
    let one = [array![0.5]];
    let strengths = Array2::from_elem((many, 1), zero);
    let mut plan = NufftPlan::<f32>::builder([many]).batch(many).build(&cpu()).unwrap();
    plan.set_points(views(&one)).unwrap();
    refused(plan.type1(&strengths).unwrap_err(), "the modes");
    let mut plan = NufftPlan::<f32>::builder([1]).batch(many).build(&cpu()).unwrap();
    plan.set_points([x.view()]).unwrap();
    refused(plan.type2(&strengths).unwrap_err(), "the values");
    refused(plan.interpolate(&Array2::from_elem((many, plan.recipe().grid[0]), zero)).unwrap_err(), "the values");
    let mut plan = NufftPlan3::<f32>::builder(1).batch(many).build(&cpu()).unwrap();
    if plan.set_points(views(&one), [x.view()]).is_ok() {
        refused(plan.type3(&strengths).unwrap_err(), "the values");
    }

    for shape in [[0, 1 << 60], [0, 1 << 40], [1 << 40, 0], [1 << 20, 1 << 20]] {
        for op in [Op::Sum, Op::Any, Op::Var { ddof: 1.0 }] {
            let axes: &[usize] = if shape[0] == 0 { &[0] } else { &[] };
            let axes = if shape[1] == 0 { &[1] } else { axes };
            let error = ReducePlan::<f32>::builder(shape).axes(axes).ops([op]).build(&cpu()).map(drop).unwrap_err();
            refused(error, "the results");
        }
    }
}

#[test]
fn integer_products_wrap_and_refuse_what_does_not_fit() {
    let mut random = Random::new(4);
    for (m, k, n) in [(0, 3, 2), (3, 0, 2), (1, 1, 1), (17, 5, 33), (40, 70, 600), (33, 2, 1)] {
        let mut integers = |rows, columns| Array2::from_shape_simple_fn((rows, columns), || random.bits() as i64);
        let (a, b, mut c) = (integers(k, m).reversed_axes(), integers(n, k).reversed_axes(), integers(m, n));
        let wide = |x: &Array2<i64>| x.mapv(i128::from);
        wrapping(a.view(), b.view(), c.view_mut()).unwrap();
        let term = |i: usize, j: usize| {
            let products = wide(&a)
                .row(i)
                .into_iter()
                .zip(wide(&b).column(j))
                .map(|(&a, &b)| a.wrapping_mul(b))
                .collect::<Vec<_>>();
            products.into_iter().fold(0i128, i128::wrapping_add) as i64
        };
        assert_eq!(c, Array2::from_shape_fn((m, n), |(i, j)| term(i, j)), "{m} x {k} x {n}");
    }
    let (a, mut c) = (Array2::<i64>::zeros((2, 3)), Array2::<i64>::ones((2, 2)));
    assert!(matches!(wrapping(a.view(), a.view(), c.view_mut()), Err(Error::Shape { what: "B", .. })));
    assert!(matches!(
        wrapping(a.view(), a.t(), c.slice_mut(ndarray::s![..1, ..])),
        Err(Error::Shape { what: "C", .. })
    ));
    assert!(c.iter().all(|&x| x == 1));
}
