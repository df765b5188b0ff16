//! Tests of the accuracy of sums, means and variances against exact sums, in units in the last place, over every axis,
//! in f32 and f64.

use crate::common::{self, Random, cpu, on_every_device};
use ndarray::{Array1, Array2, ArrayD, Axis, IxDyn};
use num_complex::Complex;
use wavemill::Device;
use wavemill::reduce::{Answer, Element, Op, ReducePlan, direct};

/// The error in units in the last place; `ulp` is the type's unit at 1.
fn ulps(got: f64, exact: f64, ulp: f64) -> f64 {
    let unit = 2f64.powi(exact.abs().log2().floor() as i32) * ulp;
    (got - exact).abs() / unit
}

fn run<E: wavemill::reduce::Element>(device: &Device, x: &ArrayD<E>, axes: &[usize], op: Op) -> Answer<E> {
    let plan = ReducePlan::builder(x.shape()).axes(axes).ops([op]).build(device).unwrap();
    plan.execute(x).unwrap().remove(0)
}

const ULP32: f64 = 1.0 / (1u64 << 23) as f64;
const ULP64: f64 = f64::EPSILON;

/// Temperatures in kelvin, for which plain f32 sums lose their digits.
fn kelvin(rows: usize, columns: usize) -> ArrayD<f32> {
    let mut random = Random::new(4);
    Array2::from_shape_simple_fn((rows, columns), || (273.15 + random.between(-1.0, 1.0)) as f32).into_dyn()
}

#[test]
fn f32_means_variances_and_sums_are_within_one_unit() {
    common::on_every_device(|device| {
        // The long axis is the first, the last, or both are long.
        for (rows, columns) in [(300_000, 3), (3, 300_000), (1000, 700)] {
            let x = kelvin(rows, columns);
            for axes in [&[0][..], &[1], &[0, 1]] {
                let ops = [Op::Sum, Op::Mean, Op::Var { ddof: 0.0 }, Op::Std { ddof: 1.0 }];
                let plan = ReducePlan::builder(x.shape()).axes(axes).ops(ops).build(device).unwrap();
                for (op, answer) in ops.into_iter().zip(plan.execute(&x).unwrap()) {
                    let exact = direct::reduce(x.view(), axes, op, false, None).unwrap();
                    let (Answer::Sum(got) | Answer::Mean(got) | Answer::Float(got)) = answer else { panic!() };
                    for (got, exact) in got.iter().zip(&exact) {
                        let off = ulps((*got).into(), exact.re, ULP32);
                        assert!(off <= 1.0, "{op} over {axes:?} of {rows} x {columns} on {}: {off} ulp", device.name());
                    }
                }
            }
        }
    });
}

#[test]
fn f64_sums_are_within_two_units() {
    common::on_every_device(|device| {
        if !common::reduces::<f64>(device) {
            return;
        }
        let mut random = Random::new(5);
        let mut next = || random.between(-1.0, 1.0);
        let constant = Array1::from_elem(1_000_000, 273.15).into_dyn();
        let noise = Array1::from_shape_simple_fn(1_000_000, &mut next).into_dyn();
        let wide = Array1::from_shape_simple_fn(300_000, || next() * 2f64.powi((next() * 60.0) as i32)).into_dyn();
        for (name, x) in [("constant", constant), ("noise", noise), ("wide", wide)] {
            for count in [1, 15, 16, 17, 1000, 16_384, 16_385, x.len()] {
                let part = x.slice_axis(Axis(0), (0..count).into()).to_owned();
                let exact = direct::exact(part.iter().copied());
                let Answer::Sum(sum) = run(device, &part, &[0], Op::Sum) else { panic!() };
                let off = ulps(sum[[]], exact, ULP64);
                assert!(off <= 2.0, "the sum of {count} of {name}: {off} ulp");
            }
        }
    });
}

#[test]
fn f64_variances_keep_what_the_mean_leaves() {
    common::on_every_device(|device| {
        if !common::reduces::<f64>(device) {
            return;
        }
        let mut random = Random::new(6);
        // The mean is `ratio` times the deviation. With plain squares, 1e8 would leave no digit of the variance.
        for (ratio, allowed) in [(0.0, 1e-14), (1e3, 1e-14), (1e8, 1e-10), (1e11, 1e-4)] {
            let x = Array2::from_shape_simple_fn((100_000, 4), || ratio + random.between(-1.0, 1.0)).into_dyn();
            for axes in [&[0][..], &[0, 1]] {
                let exact = direct::reduce(x.view(), axes, Op::Var { ddof: 1.0 }, false, None).unwrap();
                let Answer::Float(got) = run(device, &x, axes, Op::Var { ddof: 1.0 }) else { panic!() };
                for (got, exact) in got.iter().zip(&exact) {
                    assert!((got / exact.re - 1.0).abs() <= allowed, "mean {ratio}: {got} instead of {}", exact.re);
                }
            }
        }
    });
}

/// Whatever the first element is: deviations are not taken about an element that is far from the others.
#[test]
fn variances_do_not_depend_on_one_element() {
    let mut random = Random::new(31);
    for (rows, columns) in [(1000, 40), (7, 300), (300, 3), (40_000, 2)] {
        let mut x = ArrayD::from_shape_simple_fn(IxDyn(&[rows, columns]), || 1e6 + random.between(-1.0, 1.0));
        x.slice_axis_mut(Axis(0), (..1).into()).fill(1e6 + 1e3);
        for axis in [0, 1] {
            for skip in [false, true] {
                // Along rows the outlier is the whole first row, which has no variance.
                let view =
                    if axis == 1 { x.clone().reversed_axes().as_standard_layout().into_owned() } else { x.clone() };
                let plan = ReducePlan::<f64>::builder(view.shape()).axes(&[axis]).ops([Op::Var { ddof: 0.0 }]);
                let plan = plan.skip_nan(skip).build(&cpu()).unwrap();
                let [Answer::Float(got)] = &plan.execute(&view).unwrap()[..] else { panic!() };
                for (got, column) in got.iter().zip(x.axis_iter(Axis(1))) {
                    // Elements minus 10^6 are exact.
                    let near: Vec<f64> = column.iter().map(|x| x - 1e6).collect();
                    let mean = direct::exact(near.iter().copied()) / rows as f64;
                    let exact = direct::exact(near.iter().map(|x| (x - mean) * (x - mean))) / rows as f64;
                    assert!((got / exact - 1.0).abs() < 1e-14, "{rows} x {columns}, axis {axis}: {got} {exact}");
                }
            }
        }
    }
}

#[test]
fn weighted_means_agree_with_exact_sums() {
    common::on_every_device(|device| {
        let mut random = Random::new(7);
        let x = Array2::from_shape_simple_fn((500, 70), || random.between(200.0, 300.0) as f32).into_dyn();
        // The weights are cell areas by latitude, along one axis.
        let weights = Array2::from_shape_fn((500, 1), |(row, _)| (row as f64 / 160.0 - 1.56).cos());
        for axes in [&[0][..], &[1], &[0, 1]] {
            let ops = [Op::Average, Op::WeightedSum];
            let plan = ReducePlan::builder(x.shape()).axes(axes).ops(ops).weights(&weights).build(device).unwrap();
            for (op, answer) in ops.into_iter().zip(plan.execute(&x).unwrap()) {
                let wide = weights.broadcast((500, 70)).unwrap().into_dyn();
                let exact = direct::reduce(x.view(), axes, op, false, Some(wide)).unwrap();
                let Answer::Mean(got) = answer else { panic!() };
                for (got, exact) in got.iter().zip(&exact) {
                    assert!(
                        ulps((*got).into(), exact.re, ULP32) <= 1.0,
                        "{op} over {axes:?}: {got} instead of {}",
                        exact.re
                    );
                }
            }
        }
    });
}

/// NumPy divides a complex sum by a complex number, whose result has no finite part beside one that is not.
#[test]
fn complex_means_are_not_half_finite() {
    common::on_every_device(|device| {
        for special in [f32::NAN, f32::INFINITY] {
            let x = Array1::from(vec![Complex::new(special, 1.0), Complex::new(1.0, 1.0)]).into_dyn();
            let Answer::Mean(mean) = run(device, &x, &[0], Op::Mean) else { panic!() };
            let Answer::Sum(sum) = run(device, &x, &[0], Op::Sum) else { panic!() };
            assert!(!mean[[]].re.is_finite() && mean[[]].im.is_nan(), "{special}: {}", mean[[]]);
            assert_eq!(sum[[]].im, 2.0);
        }
    });
}

#[test]
fn products_leave_the_range_only_at_the_end() {
    common::on_every_device(|device| {
        let mut x = Array1::from_elem(4000, 1e30f32).into_dyn();
        x.iter_mut().skip(1).step_by(2).for_each(|x| *x = 1e-30);
        let Answer::Sum(product) = run(device, &x, &[0], Op::Prod) else { panic!() };
        // Neither number is exact in f32, so the reference is their product to the power of 2000.
        let exact = (f64::from(1e30f32) * f64::from(1e-30f32)).powi(2000);
        assert!((f64::from(product[[]]) / exact - 1.0).abs() < 1e-7, "{} instead of {exact}", product[[]]);
    });
}

/// Extremes of zeros with a minus sign have it, as NumPy's have, and of zeros of both signs the one without it is
/// taken, in whatever order and blocks they come.
#[test]
fn zeros_keep_their_sign() {
    fn check<E: Element + From<f32>>(device: &Device, skip: bool) {
        for shape in [[1, 1], [1, 40], [40, 1], [3, 70], [2000, 3], [100, 300], [2, 40_000]] {
            for (axes, places) in [(&[0][..], 1), (&[1], 1), (&[0, 1], 2), (&[0], 0)] {
                let ops = [Op::Min, Op::Max, Op::NormInf, Op::ArgMax];
                let plan = ReducePlan::<E>::builder(shape).axes(axes).ops(ops).skip_nan(skip).build(device).unwrap();
                let mut x = Array2::from_elem(shape, E::from(-0.0));
                let signs = |x: &Array2<E>| {
                    let [Answer::Element(least), Answer::Element(greatest), Answer::Float(norm), _] =
                        &plan.execute(x).unwrap()[..]
                    else {
                        panic!("other answers")
                    };
                    assert!(norm.iter().all(|x| !format!("{x:?}").starts_with('-')), "a norm is negative");
                    let minus = |x: &ArrayD<E>| x.iter().filter(|x| format!("{x:?}") == "-0.0").count();
                    (minus(least), minus(greatest))
                };
                let all = x.len() / axes.iter().map(|&axis| shape[axis]).product::<usize>();
                let what = format!("{shape:?} over {axes:?} on {}, skip {skip}", device.name());
                assert_eq!(signs(&x), (all, all), "{what}");
                // One zero without a sign, at the end or the beginning, changes one result.
                for at in
                    [[0, 0], [shape[0] - 1, shape[1] - 1], [shape[0] / 2, shape[1] / 2]].into_iter().take(places + 1)
                {
                    x[at] = E::from(0.0);
                    assert_eq!(signs(&x), (all - 1, all - 1), "{what}, {at:?}");
                    x[at] = E::from(-0.0);
                }
            }
        }
    }
    on_every_device(|device| {
        for skip in [false, true] {
            check::<f32>(device, skip);
        }
    });
    for skip in [false, true] {
        check::<f64>(&cpu(), skip);
    }
}

/// As NumPy's, a complex product with a part that is not finite has NaN in the other part; NaN makes both parts NaN.
#[test]
fn complex_products_that_are_not_finite_are_nan_as_in_numpy() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let big = 1e30;
    let cases: [(&[[f32; 2]], [f32; 2]); 9] = [
        (&[[nan, 0.0], [2.0, 0.0]], [nan, nan]),
        (&[[3.0, 1.0], [2.0, nan], [1.0, 0.0]], [nan, nan]),
        (&[[2.0, 0.0], [inf, 0.0], [3.0, 0.0]], [inf, nan]),
        (&[[0.0, 0.0], [inf, 0.0]], [nan, nan]),
        (&[[-2.0, 0.0], [inf, 0.0]], [-inf, nan]),
        (&[[big, big], [big, big], [1.0, 0.0]], [nan, inf]),
        (&[[big, 0.0], [-big, 0.0], [1.0, 0.0]], [-inf, nan]),
        // Only the result counts: here it is in range, where NumPy's is not.
        (&[[big, big], [big, big], [0.0, 1.0 / big], [1.0 / big, 0.0]], [-2.0, 0.0]),
        (&[[1.5, 0.0], [0.0, 2.0]], [0.0, 3.0]),
    ];
    on_every_device(|device| {
        for (factors, [re, im]) in cases {
            let x = Array1::from_iter(factors.iter().map(|&[re, im]| Complex::new(re, im)));
            let plan = ReducePlan::<Complex<f32>>::builder([x.len()]).ops([Op::Prod]).build(device).unwrap();
            let [Answer::Sum(found)] = &plan.execute(&x).unwrap()[..] else { panic!("another answer") };
            let same = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs() || a == b || (a.is_nan() && b.is_nan());
            let found = found[[]];
            assert!(same(found.re, re) && same(found.im, im), "{x} gave {found} on {}", device.name());
        }
    });
}
