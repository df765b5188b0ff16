//! Tests of reductions on a GPU: a spectrum whose peak is found on the device, small limits, errors.
#![cfg(feature = "gpu")]

use crate::common::{self, Random, views};
use crate::reduce_numpy::flat;
use ndarray::{Array3, ArrayD};
use num_complex::Complex;
use wavemill::reduce::{Answer, Element, Op, ReducePlan};
use wavemill::{Device, Error, Gpu, NufftPlan};

#[test]
fn a_spectrum_is_reduced_where_it_is() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let device = Device::from(gpu.clone());
    let times = Random::new(3).points(400, 1, 3.0);
    let samples: Vec<_> = times[0].iter().map(|t| Complex::new((42.0 * t).cos() as f32, 0.0)).collect();
    let mut plan = NufftPlan::<f32>::builder([300]).tolerance(1e-5).build(&device).unwrap();
    plan.set_points(views(&times)).unwrap();
    let modes = plan.type1(&ndarray::Array1::from(samples.clone())).unwrap();

    let (input, mut output) = (gpu.upload(&samples).unwrap(), gpu.zeros(300).unwrap());
    plan.type1_on_gpu(&input, &mut output).unwrap();

    let ops = [Op::Sum, Op::Max, Op::ArgMax];
    let peak = ReducePlan::<f32>::builder([300]).ops(ops).build(&device).unwrap();
    let answers = peak.execute_powers(&output).unwrap();
    let [Answer::Sum(sum), Answer::Element(max), Answer::Index(at)] = &answers[..] else { panic!("{answers:?}") };
    let powers: Vec<f64> = modes.iter().map(|z| f64::from(z.re).powi(2) + f64::from(z.im).powi(2)).collect();
    let total: f64 = powers.iter().sum();
    // A real series has two peaks, at 42 and at -42; modes begin at -150.
    assert!([108, 192].contains(&at[[]]), "{at}");
    assert!((f64::from(max[[]]) / powers[at[[]] as usize] - 1.0).abs() < 1e-6);
    assert!((f64::from(sum[[]]) / total - 1.0).abs() < 1e-6, "{sum} instead of {total}");

    let halves = ReducePlan::<f32>::builder([2, 150]).axes(&[1]).ops([Op::ArgMax]).build(&device).unwrap();
    assert_eq!(halves.execute_powers(&output).unwrap(), [Answer::Index(ndarray::arr1(&[108, 42]).into_dyn())]);
    let more = ReducePlan::<f32>::builder([301]).ops([Op::Max]).build(&device).unwrap();
    assert!(matches!(more.execute_powers(&output), Err(Error::Shape { .. })));
    let elsewhere = ReducePlan::<f32>::builder([300]).ops([Op::Max]).build(&common::cpu()).unwrap();
    assert!(matches!(elsewhere.execute_powers(&output), Err(Error::Device { .. })));
}

/// Arrays that one binding cannot hold are uploaded in pieces, whichever axes are reduced.
#[test]
fn pieces_give_what_the_whole_gives() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 16, ..Default::default() };
    let (_, own) = common::own_device(limits, wgpu::Features::empty());
    let (small, large) = (Device::from(own), Device::from(gpu));
    let mut random = Random::new(8);
    let x = Array3::from_shape_simple_fn((7, 300, 90), || 270.0 + random.unit() as f32).into_dyn();
    let weights = x.mapv(|x| f64::from(x).sin().abs());
    let ops = [
        Op::Sum,
        Op::Mean,
        Op::Std { ddof: 1.0 },
        Op::Min,
        Op::ArgMin,
        Op::ArgMax,
        Op::Norm1,
        Op::Norm2,
        Op::All,
        Op::Average,
        Op::Prod,
    ];
    for axes in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2]] {
        let run = |device: &Device| {
            let plan = ReducePlan::builder(x.shape()).axes(axes).ops(ops).weights(&weights).build(device);
            plan.unwrap().execute(&x).unwrap()
        };
        let (pieces, whole, host) = (run(&small), run(&large), run(&common::cpu()));
        for (((pieces, whole), host), op) in pieces.iter().zip(&whole).zip(&host).zip(ops) {
            let close =
                |a: &ArrayD<f32>, b: &ArrayD<f32>| a.iter().zip(b).all(|(a, b)| a == b || (a / b - 1.0).abs() < 3e-7);
            match (pieces, whole, host) {
                (Answer::Sum(a), Answer::Sum(b), Answer::Sum(c))
                | (Answer::Mean(a), Answer::Mean(b), Answer::Mean(c))
                | (Answer::Float(a), Answer::Float(b), Answer::Float(c)) => {
                    assert!(close(a, b) && close(b, c), "{op} over {axes:?}");
                }
                _ => assert!(pieces == whole && whole == host, "{op} over {axes:?}"),
            }
        }
    }
}

/// Compares every operation with the CPU, on arrays whose results have several blocks: runs and columns, with NaN
/// propagated and skipped.
fn twins<E: Element>(device: &Device, tolerance: f64, mut next: impl FnMut() -> E) {
    if !common::reduces::<E>(device) {
        return;
    }
    for (shape, axes) in [([2, 20_000, 1], 1), ([2, 2500, 3], 1), ([3, 2, 40], 0)] {
        let x = Array3::from_shape_simple_fn(shape, &mut next);
        let weights = Array3::from_shape_fn((1, shape[1], 1), |(_, row, _)| 1e-3 + (row as f64 * 0.7).sin().powi(2));
        for op in Op::EVERY.into_iter().filter(|op| !E::NAME.starts_with('c') || !orders(*op)) {
            for skip in [false, true] {
                let run = |device: &Device| {
                    let plan = ReducePlan::builder(shape).axes(&[axes]).ops([op]).skip_nan(skip);
                    let weighed = matches!(op, Op::WeightedSum | Op::Average);
                    let plan = if weighed { plan.weights(&weights) } else { plan };
                    flat(&plan.build(device).unwrap().execute(&x).unwrap()[0])
                };
                let (got, expected) = (run(device), run(&common::cpu()));
                assert_eq!(got.len(), expected.len());
                let parse = |text: &String| text.parse::<f64>().unwrap();
                let scale =
                    expected.iter().map(parse).filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
                for (got, expected) in got.iter().zip(&expected) {
                    let (a, b) = (parse(got), parse(expected));
                    let close = got == expected || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * scale;
                    assert!(close, "{op} of {} {shape:?}, skip {skip}: {got} instead of {expected}", E::NAME);
                }
            }
        }
    }
}

fn orders(op: Op) -> bool {
    matches!(op, Op::Min | Op::Max | Op::ArgMin | Op::ArgMax)
}

#[test]
fn the_twins_agree() {
    let Some((device, _turn)) = common::gpu() else { return };
    let mut random = Random::new(12);
    // Numbers are near 1, so that products stay in range; one in 9000 is NaN.
    let mut real = move || {
        let size = random.between(-0.9, 0.9).exp2();
        let sign = if random.bits() & 1 == 0 { 1.0 } else { -1.0 };
        if random.bits().is_multiple_of(9000) { f64::NAN } else { sign * size }
    };
    twins(&device, 1e-6, || real() as f32);
    // Squares of these are out of the range of f32.
    for unit in [1e-26, 1e25] {
        twins(&device, 1e-6, || (real() * unit) as f32);
    }
    twins(&device, 1e-12, &mut real);
    twins(&device, 1e-6, || Complex::new(real() as f32, real() as f32) * 0.7);
    twins(&device, 1e-12, || Complex::new(real(), real()) * 0.7);
    let mut random = Random::new(13);
    let mut bits = move || random.bits();
    twins(&device, 1e-14, || bits() as i32);
    twins(&device, 1e-14, || bits() as u32);
    twins(&device, 1e-14, || bits() as i16);
    twins(&device, 1e-14, || bits() as u16);
    twins(&device, 1e-14, || bits() as i8);
    twins(&device, 1e-14, || bits() as u8);
    // Products of odd integers do not wrap to 0.
    twins(&device, 1e-14, || bits() as i32 | 1);
    twins(&device, 1e-14, || bits() as u32 | 1);
}

/// Weighted integers are uploaded in halves to a device that has no f64.
#[test]
fn weighted_integers_keep_their_digits_without_f64() {
    let Some((_, _turn)) = common::gpu() else { return };
    let (_, own) = common::own_device(wgpu::Limits::default(), wgpu::Features::empty());
    let device = Device::from(own);
    assert!(!common::reduces::<f64>(&device));
    let mut random = Random::new(14);
    let x = Array3::from_shape_simple_fn((3, 4000, 2), || random.bits() as i32);
    // Weights are far outside the range of f32.
    for scale in [1.0, 1e-200, 1e150] {
        let weights = Array3::from_shape_simple_fn((3, 4000, 2), || scale * random.unit());
        let ops = [Op::WeightedSum, Op::Average, Op::Sum, Op::Count];
        let plan = |device: &Device| {
            let plan = ReducePlan::builder(x.shape()).axes(&[1]).ops(ops).weights(&weights);
            plan.build(device).unwrap().execute(&x).unwrap()
        };
        let (got, expected) = (plan(&device), plan(&common::cpu()));
        assert_eq!(got[2..], expected[2..]);
        for ((got, expected), op) in got.iter().zip(&expected).zip(ops).take(2) {
            let (Answer::Mean(got), Answer::Mean(expected)) = (got, expected) else { panic!() };
            // Errors are relative to the sum of |w x|.
            let size = 2f64.powi(30) * if op == Op::Average { 1.0 } else { 2000.0 * scale };
            for (got, expected) in got.iter().zip(expected) {
                assert!(
                    (got - expected).abs() <= 1e-12 * size,
                    "{op}, weights of {scale}: {got} instead of {expected}"
                );
            }
        }
    }
}

/// Products and norms whose intermediate results leave the range, elements at its ends, and ones that are not finite.
#[test]
fn the_whole_range_is_multiplied_and_measured() {
    let Some((device, _turn)) = common::gpu() else { return };
    fn both<E: Element>(device: &Device, x: &[E], ops: &[Op]) {
        if !common::reduces::<E>(device) {
            return;
        }
        let run = |device: &Device| {
            let plan = ReducePlan::builder([x.len()]).ops(ops.iter().copied()).build(device).unwrap();
            plan.execute(&*ndarray::ArrayView1::from(x)).unwrap()
        };
        let lost = if ["f32", "c64"].contains(&E::NAME) { x.len() as f64 * common::lost(device) } else { 0.0 };
        for ((got, expected), op) in run(device).iter().zip(&run(&common::cpu())).zip(ops) {
            for (got, expected) in flat(got).iter().zip(&flat(expected)) {
                let (a, b): (f64, f64) = (got.parse().unwrap(), expected.parse().unwrap());
                let close = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 3e-7 * b.abs() + lost;
                assert!(close, "{op} of {x:?}: {got} instead of {expected}");
            }
        }
    }
    let (tiny, inf) = (f32::from_bits(3), f32::INFINITY);
    for x in [
        &[1e30f32, 1e30, 1e-30, 1e-30][..],
        &[tiny, 3e38, 1e7, -2.0],
        &[tiny],
        &[tiny, tiny, 1e38, 1e38, 1e13],
        &[f32::MAX, f32::MIN_POSITIVE, -1.5],
        &[inf, -2.0],
        &[inf, 0.0],
        &[-inf, -1.0, -3.0],
        &[inf, f32::NAN],
        &[0.0, -1.0],
    ] {
        both(&device, x, &[Op::Prod, Op::Norm1, Op::NormInf, Op::Any, Op::All]);
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x).signum() * f64::from(x).abs().powi(7)).collect();
        both(&device, &wide, &[Op::Prod, Op::Norm1, Op::NormInf, Op::Any, Op::All]);
        let rotated: Vec<_> = x.iter().map(|&x| Complex::new(0.6 * x, 0.8 * x)).collect();
        both(&device, &rotated, &[Op::Norm1, Op::NormInf, Op::Any, Op::All]);
        both(&device, &x.iter().map(|&x| Complex::new(x, 0.0)).collect::<Vec<_>>(), &[Op::Prod]);
        both(&device, &x.iter().map(|&x| Complex::new(0.0, x)).collect::<Vec<_>>(), &[Op::Prod, Op::Norm1]);
        let wide: Vec<_> = wide.iter().map(|&x| Complex::new(0.6 * x, -0.8 * x)).collect();
        both(&device, &wide, &[Op::Norm1, Op::NormInf, Op::Prod]);
    }
}

#[test]
fn what_a_gpu_has_not_is_said_and_not_computed_elsewhere() {
    let Some((device, _turn)) = common::gpu() else { return };
    fn refused<E: Element>(device: &Device) {
        let plan = ReducePlan::<E>::builder([10]).ops([Op::Sum]).build(device).unwrap();
        let error = plan.execute(&ndarray::Array1::from_elem(10, E::default())).unwrap_err();
        assert!(matches!(&error, Error::Device { reason, .. } if reason.contains("use the CPU")), "{error}");
    }
    refused::<i64>(&device);
    refused::<u64>(&device);
    // Numbers on the device cannot be weighted.
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let numbers = gpu.zeros::<Complex<f32>>(10).unwrap();
    let weights = ndarray::Array1::ones(10);
    let plan = ReducePlan::<f32>::builder([10]).ops([Op::Average]).weights(&weights).build(&device).unwrap();
    assert!(matches!(plan.execute_powers(&numbers), Err(Error::Device { .. })));
}
