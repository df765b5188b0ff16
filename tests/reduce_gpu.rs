//! Reductions on a GPU: a spectrum whose peak is found without leaving the device, small limits, what is refused.
#![cfg(feature = "gpu")]

use crate::common::{self, Random, views};
use ndarray::{Array3, ArrayD};
use num_complex::Complex;
use wavemill::reduce::{Answer, Op, ReducePlan};
use wavemill::{Device, Error, Gpu, NufftPlan, Sign, Timings, wgpu};

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

    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let create = |size| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let (strengths, spectrum) = (create(8 * 400), create(8 * 300));
    let bytes: Vec<u8> = samples.iter().flat_map(|z| [z.re.to_ne_bytes(), z.im.to_ne_bytes()].concat()).collect();
    gpu.queue().write_buffer(&strengths, 0, &bytes);
    let input = gpu.input(strengths).unwrap();
    let mut output = gpu.output(spectrum).unwrap();
    plan.on_gpu().unwrap().type1(&input, &mut output, 1, Sign::Plus, &mut Timings::default()).unwrap();

    let ops = [Op::Sum, Op::Max, Op::ArgMax];
    let peak = ReducePlan::<f32>::builder([300]).ops(ops).build(&device).unwrap();
    let answers = peak.execute_powers(&output).unwrap();
    let [Answer::Sum(sum), Answer::Element(max), Answer::Index(at)] = &answers[..] else { panic!("{answers:?}") };
    let powers: Vec<f64> = modes.iter().map(|z| f64::from(z.re).powi(2) + f64::from(z.im).powi(2)).collect();
    let total: f64 = powers.iter().sum();
    // Of two peaks of a real series, one at 42 and one at -42; modes begin at -150.
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

/// What one binding cannot hold goes over in pieces, whichever axes are reduced.
#[test]
fn pieces_give_what_the_whole_gives() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 16, ..Default::default() };
    let (_, own) = common::own_device(limits, wgpu::Features::empty());
    let (small, large) = (Device::from(own), Device::from(gpu));
    let mut random = Random::new(8);
    let x = Array3::from_shape_simple_fn((7, 300, 90), || 270.0 + random.unit() as f32).into_dyn();
    let ops =
        [Op::Sum, Op::Mean, Op::Std { ddof: 1.0 }, Op::Min, Op::ArgMin, Op::ArgMax, Op::Norm1, Op::Norm2, Op::All];
    for axes in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2]] {
        let run = |device: &Device| {
            let plan = ReducePlan::builder(x.shape()).axes(axes).ops(ops).build(device).unwrap();
            plan.execute(x.view()).unwrap()
        };
        let (pieces, whole, host) = (run(&small), run(&large), run(&common::cpu()));
        for (((pieces, whole), host), op) in pieces.iter().zip(&whole).zip(&host).zip(ops) {
            let close = |a: &ArrayD<f32>, b: &ArrayD<f32>| a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 3e-7);
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

#[test]
fn what_a_gpu_has_not_is_said_and_not_computed_elsewhere() {
    let Some((device, _turn)) = common::gpu() else { return };
    let refused = |answer: wavemill::Result<usize>| {
        let error = answer.unwrap_err();
        assert!(matches!(&error, Error::Device { reason, .. } if reason.contains("use the CPU")), "{error}");
    };
    let x = ndarray::Array1::<f32>::ones(10);
    let plan = |op| ReducePlan::builder([10]).ops([op]).build(&device).unwrap();
    refused(plan(Op::Prod).execute(x.view()).map(|all| all.len()));
    refused(
        ReducePlan::<i64>::builder([10])
            .ops([Op::Sum])
            .build(&device)
            .unwrap()
            .execute(x.mapv(|x| x as i64).view())
            .map(|all| all.len()),
    );
    let complex = x.mapv(|x| Complex::new(x, x));
    refused(
        ReducePlan::builder([10]).ops([Op::Norm1]).build(&device).unwrap().execute(complex.view()).map(|all| all.len()),
    );
}
