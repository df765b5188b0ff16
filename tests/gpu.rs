//! Tests of what only GPUs have: arrays that stay on the device, a device that the program made, small limits, lost
//! devices, f64 as a feature.
#![cfg(feature = "gpu")]

use crate::common::{self, Random, allowed, own_device, relative_error, views};
use ndarray::{Array1, Array2, Axis};
use num_complex::Complex;
use wavemill::matmul::MatmulPlan;
use wavemill::nufft::direct;
use wavemill::reduce::{Op, ReducePlan};
use wavemill::{
    Device, Error, Gpu, ModeOrder, NufftPlan, NufftPlan3, Real, Shape, Sign, Stage, UniformTransform, wgpu,
};

fn buffer(gpu: &Gpu, numbers: usize) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 8 * numbers as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

fn bytes(numbers: &[Complex<f32>]) -> Vec<u8> {
    numbers.iter().flat_map(|z| [z.re.to_ne_bytes(), z.im.to_ne_bytes()].concat()).collect()
}

fn read(gpu: &Gpu, from: &wgpu::Buffer) -> Vec<u8> {
    let staging = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: from.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(from, 0, &staging, 0, from.size());
    gpu.queue().submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
    staging.get_mapped_range(..).unwrap().to_vec()
}

#[test]
fn arrays_on_the_device_give_the_same_bits() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let device = Device::from(gpu.clone());
    let mut random = Random::new(41);
    let x = random.points(500, 2, 3.0);
    let strengths = random.strengths::<f32>(2 * 500).into_shape_with_order((2, 500)).unwrap();
    let mut plan = NufftPlan::<f32>::builder([20, 18]).tolerance(1e-4).batch(2).build(&device).unwrap();
    plan.set_points(views(&x)).unwrap();
    let modes = plan.type1(&strengths).unwrap();
    let values = plan.type2(&modes).unwrap();

    let (on_device, modes_there, values_there) = (buffer(&gpu, 1000), buffer(&gpu, 720), buffer(&gpu, 1000));
    gpu.queue().write_buffer(&on_device, 0, &bytes(strengths.as_slice().unwrap()));
    let input = gpu.array(on_device).unwrap();
    let mut output = gpu.array(modes_there.clone()).unwrap();
    plan.type1_on_gpu(&input, &mut output).unwrap();
    let mut back = gpu.array(values_there.clone()).unwrap();
    plan.type2_on_gpu(&output, &mut back).unwrap();
    assert_eq!(read(&gpu, &modes_there), bytes(modes.as_slice().unwrap()));
    assert_eq!(read(&gpu, &values_there), bytes(values.as_slice().unwrap()));

    // A buffer that is too small is an error, not a read past its end.
    let mut short = gpu.array(buffer(&gpu, 100)).unwrap();
    let error = plan.type2_on_gpu(&output, &mut short).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

#[test]
fn arrays_hold_what_was_uploaded() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let reals: Vec<f64> = (0..101).map(f64::from).collect();
    let complex = Random::new(89).strengths::<f32>(77).to_vec();
    let (real_array, array) = (gpu.upload(&reals).unwrap(), gpu.upload(&complex).unwrap());
    assert_eq!((real_array.len(), array.len(), array.is_empty()), (101, 77, false));
    assert_eq!((gpu.download(&real_array).unwrap(), gpu.download(&array).unwrap()), (reals, complex.clone()));
    assert!(gpu.upload::<f32>(&[]).unwrap().is_empty());

    // A program's own commands copy to an array, and to a buffer that becomes an array.
    let zeros = gpu.zeros::<Complex<f32>>(77).unwrap();
    assert_eq!(gpu.download(&zeros).unwrap(), vec![Complex::default(); 77]);
    let own = buffer(&gpu, 77);
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(array.buffer(), 0, zeros.buffer(), 0, 8 * 77);
    encoder.copy_buffer_to_buffer(array.buffer(), 0, &own, 0, 8 * 77);
    gpu.queue().submit([encoder.finish()]);
    let own_array = gpu.array::<Complex<f32>>(own.clone()).unwrap();
    assert_eq!((own_array.len(), own_array.buffer()), (77, &own));
    assert_eq!((gpu.download(&zeros).unwrap(), gpu.download(&own_array).unwrap()), (complex.clone(), complex));

    let descriptor = wgpu::BufferDescriptor {
        label: None,
        size: 64,
        usage: wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    };
    let error = gpu.array::<f32>(gpu.device().create_buffer(&descriptor)).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }) && error.to_string().contains("STORAGE"), "{error}");
}

/// WebGPU's default limits, 16 KiB of workgroup memory and 256 invocations, are enough.
#[test]
fn default_limits_are_enough() {
    let Some((_, _turn)) = common::gpu() else { return };
    let (_, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::empty());
    let device = Device::from(gpu);
    let mut random = Random::new(43);
    for (modes, tolerance) in [(&[300][..], 1e-6), (&[30, 22], 1e-5), (&[9, 8, 11], 1e-4), (&[6, 7, 5], 1e-6)] {
        let x = random.points(1200, modes.len(), 5.0);
        let (c, f) = (random.strengths::<f32>(1200), random.modes::<f32>(modes));
        let mut plan = NufftPlan::<f32>::builder(modes).tolerance(tolerance).build(&device).unwrap();
        plan.set_points(views(&x)).unwrap();
        let exact = direct::type1(&views(&x), c.as_slice().unwrap(), modes, Sign::Plus).unwrap();
        let first = relative_error(&plan.type1(&c).unwrap(), &exact);
        let exact = direct::type2(&views(&x), f.view(), Sign::Plus).unwrap();
        let second = relative_error(&plan.type2(&f).unwrap(), &exact);
        let bound = allowed::<f32>(tolerance);
        assert!(first <= bound && second <= bound, "{modes:?} {tolerance:e}: {first:e} {second:e}");
    }
    // f64 was not requested, so it does not exist on this device.
    let error = NufftPlan::<f64>::builder([10]).build(&device).unwrap_err();
    assert!(matches!(error, Error::Device { .. }) && error.to_string().contains("SHADER_F64"), "{error}");
}

/// The whole transform is on the device, with WebGPU's default limits: also for lines of several passes, a batch of
/// more grids than are transformed together, both signs, both orders, and f64 if the adapter has it.
#[test]
fn the_uniform_transform_of_the_device_keeps_the_law() {
    fn check<T: Real>(device: &Device, modes: &[usize], points: usize, tolerance: f64, order: ModeOrder) {
        let mut random = Random::new(53);
        let x = random.points(points, modes.len(), 5.0);
        let builder = NufftPlan::<T>::builder(modes).tolerance(tolerance).order(order).batch(2);
        let mut plan = builder.uniform_transform(UniformTransform::Device).build(device).unwrap();
        assert!(plan.describe().contains("transform   on the device"));
        plan.set_points(views(&x)).unwrap();
        let strengths = Array2::from_shape_simple_fn((2, points), || random.complex::<T>());
        let found = plan.type1(&strengths).unwrap();
        plan.set_sign(Sign::Minus);
        let values = plan.type2(&found).unwrap();
        let mut host = NufftPlan::<T>::builder(modes).tolerance(1e-13).accept_reachable().order(order).batch(2);
        host = host.sign(Sign::Plus);
        let mut host = host.build(&common::cpu()).unwrap();
        host.set_points(views(&x)).unwrap();
        let wide = |z: &Complex<T>| Complex::new(z.re.into(), z.im.into());
        let exact = host.type1(&strengths).unwrap().map(wide);
        let first = relative_error(&found, &exact);
        host.set_sign(Sign::Minus);
        let exact = host.type2(&found).unwrap().map(wide);
        let second = relative_error(&values, &exact);
        let bound = allowed::<T>(tolerance);
        assert!(first <= bound && second <= bound, "{modes:?} {tolerance:e} {order}: {first:e} {second:e}");
        // A second execution gives the same bits.
        plan.set_sign(Sign::Plus);
        assert_eq!(plan.type1(&strengths).unwrap(), found);
    }
    let Some((_, _turn)) = common::gpu() else { return };
    let (_, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::SHADER_F64);
    let device = Device::from(gpu.clone());
    for (modes, tolerance) in [
        (&[300][..], 1e-6),
        (&[5000], 1e-5),
        (&[30, 22], 1e-5),
        (&[9, 8, 11], 1e-4),
        (&[1300, 2], 1e-4),
        (&[2, 1300], 1e-4),
    ] {
        check::<f32>(&device, modes, 900, tolerance, ModeOrder::Centred);
    }
    check::<f32>(&device, &[31, 20], 900, 1e-4, ModeOrder::Fft);
    // There are few points on a large grid, one of them alone in its tile.
    for modes in [&[4000][..], &[150, 120], &[30, 26, 28]] {
        check::<f32>(&device, modes, 12, 1e-5, ModeOrder::Centred);
        check::<f32>(&device, modes, 1, 1e-3, ModeOrder::Centred);
    }
    if gpu.has_f64() {
        check::<f64>(&device, &[33, 24], 900, 1e-9, ModeOrder::Centred);
        check::<f64>(&device, &[20, 18, 22], 5, 1e-11, ModeOrder::Centred);
    }
}

/// There are no submissions and transfers but the caller's own.
#[test]
fn executing_on_the_device_submits_once_and_moves_nothing() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let device = Device::from(gpu.clone());
    let mut random = Random::new(59);
    let x = random.points(400, 2, 3.0);
    let builder = NufftPlan::<f32>::builder([20, 18]).tolerance(1e-4).batch(3);
    let mut plan = builder.uniform_transform(UniformTransform::Device).build(&device).unwrap();
    // The plan has three grids on the device, and no copy on the host.
    let grids = 3 * 8 * plan.recipe().grid.iter().product::<usize>();
    assert!((grids..grids + 10_000).contains(&plan.recipe().bytes), "{}", plan.describe());
    plan.set_points(views(&x)).unwrap();
    let strengths = random.strengths::<f32>(1200);
    let (there, modes, values) = (buffer(&gpu, 1200), buffer(&gpu, 1080), buffer(&gpu, 1200));
    gpu.queue().write_buffer(&there, 0, &bytes(strengths.as_slice().unwrap()));
    let input = gpu.array(there.clone()).unwrap();
    let (mut output, mut back) = (gpu.array(modes.clone()).unwrap(), gpu.array(values.clone()).unwrap());
    let timed = gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY);
    let stages_took = |plan: &NufftPlan<f32, ndarray::Ix2>, stages: [Stage; 3]| {
        for stage in stages.into_iter().filter(|_| timed) {
            let timings = plan.timings();
            assert!(timings.get(stage).is_some_and(|time| !time.is_zero()), "{stage}: {timings:?}");
        }
    };
    let before = (gpu.submissions(), gpu.transferred());
    plan.type1_on_gpu(&input, &mut output).unwrap();
    assert_eq!((gpu.submissions() - before.0, gpu.transferred() - before.1), (1, 0));
    stages_took(&plan, [Stage::Spread, Stage::Fft, Stage::Deconvolve]);
    plan.set_sign(Sign::Minus);
    plan.type2_on_gpu(&output, &mut back).unwrap();
    assert_eq!((gpu.submissions() - before.0, gpu.transferred() - before.1), (2, 0));
    stages_took(&plan, [Stage::Interpolate, Stage::Fft, Stage::Deconvolve]);

    // The same execution is recorded into the program's commands.
    let expected = (read(&gpu, &modes), read(&gpu, &values));
    gpu.queue().write_buffer(&modes, 0, &vec![0; 8 * 1080]);
    let encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let before = gpu.submissions();
    plan.set_sign(Sign::Plus);
    let encoder = plan.record_type1(encoder, &input, &mut output).unwrap();
    plan.set_sign(Sign::Minus);
    let encoder = plan.record_type2(encoder, &output, &mut back).unwrap();
    assert_eq!(gpu.submissions(), before);
    gpu.queue().submit([encoder.finish()]);
    assert!((read(&gpu, &modes), read(&gpu, &values)) == expected);
    // If nothing is asked for, the plan says why it chose a transform.
    let plan = NufftPlan::<f32>::builder([20]).build(&device).unwrap();
    let [host, device_takes] = plan.recipe().transform_times.unwrap();
    let chosen = if device_takes < host { UniformTransform::Device } else { UniformTransform::Host };
    assert_eq!(plan.recipe().uniform, chosen);
    assert!(plan.describe().contains(&format!("transform   {chosen}, expected to take")), "{}", plan.describe());
    // A plan whose grid is transformed on the host cannot be recorded.
    let mut plan = NufftPlan::<f32>::builder([20]).uniform_transform(UniformTransform::Host).build(&device).unwrap();
    plan.set_points(views(&x[..1])).unwrap();
    let encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let error = plan.record_type1(encoder, &input, &mut output).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }), "{error}");
}

#[test]
fn a_type_3_stays_on_the_device() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let device = Device::from(gpu.clone());
    let mut random = Random::new(67);
    // Centres other than 0 need phases for sources and targets.
    for (centres, batch) in [((0.0, 0.0), 1), ((3.0, -7.0), 3)] {
        let x = random.points(300, 2, 2.0).into_iter().map(|x| x + centres.0).collect::<Vec<_>>();
        let s = random.points(250, 2, 9.0).into_iter().map(|s| s + centres.1).collect::<Vec<_>>();
        let builder = NufftPlan3::<f32>::builder(2).tolerance(1e-4).batch(batch);
        let mut plan = builder.uniform_transform(UniformTransform::Device).build(&device).unwrap();
        let mut nothing = gpu.zeros(1).unwrap();
        let early = plan.type3_on_gpu(&gpu.zeros(1).unwrap(), &mut nothing).unwrap_err();
        assert!(matches!(early, Error::Order { .. }), "{early}");
        plan.set_points(views(&x), views(&s)).unwrap();
        let strengths = Array2::from_shape_simple_fn((batch, 300), || random.complex::<f32>());
        let expected = plan.type3(&strengths).unwrap();
        let adjoint = plan.adjoint(&expected).unwrap();
        for (item, values) in expected.outer_iter().enumerate() {
            let strengths = strengths.row(item).to_owned();
            let exact = direct::type3(&views(&x), strengths.as_slice().unwrap(), &views(&s), Sign::Plus).unwrap();
            let error = relative_error(values, &exact);
            assert!(error < 5e-4, "{centres:?}, item {item}: {error:e}");
            // <f, A c> = <A* f, c>.
            let wide = |z: &Complex<f32>| Complex::new(f64::from(z.re), f64::from(z.im));
            let power: f64 = values.iter().map(|z| wide(z).norm_sqr()).sum();
            let back = adjoint.index_axis(Axis(0), item);
            let inner: Complex<f64> = back.iter().zip(&strengths).map(|(a, c)| wide(a).conj() * wide(c)).sum();
            assert!((inner - power).norm() < 1e-5 * power, "{inner} {power}");
        }

        let (there, values) = (buffer(&gpu, 300 * batch), buffer(&gpu, 250 * batch));
        let back = buffer(&gpu, 300 * batch);
        gpu.queue().write_buffer(&there, 0, &bytes(strengths.as_slice().unwrap()));
        let input = gpu.array(there).unwrap();
        let (mut output, mut to) = (gpu.array(values.clone()).unwrap(), gpu.array(back.clone()).unwrap());
        let before = (gpu.submissions(), gpu.transferred());
        plan.type3_on_gpu(&input, &mut output).unwrap();
        // Only small parameters are transferred.
        assert_eq!(gpu.submissions() - before.0, 1);
        assert!(gpu.transferred() - before.1 < 100, "{} bytes", gpu.transferred() - before.1);
        plan.adjoint_on_gpu(&output, &mut to).unwrap();
        assert_eq!(gpu.submissions() - before.0, 2);
        assert!(read(&gpu, &values) == bytes(expected.as_slice().unwrap()));
        assert!(read(&gpu, &back) == bytes(adjoint.as_slice().unwrap()));
    }
}

#[test]
fn points_can_come_from_the_device() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let device = Device::from(gpu.clone());
    let mut random = Random::new(67);
    let x = random.points(300, 2, 3.0);
    let c = random.strengths::<f32>(300);
    let mut plan = NufftPlan::<f32>::builder([16, 12]).tolerance(1e-4).build(&device).unwrap();
    plan.set_points(views(&x)).unwrap();
    let expected = plan.type1(&c).unwrap();
    let there: Vec<_> = x.iter().map(|axis| gpu.upload(axis.as_slice().unwrap()).unwrap()).collect();
    plan.set_points_on_gpu(&there.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(plan.type1(&c).unwrap(), expected);
    // Arrays that are made again and again reuse memory, and do not contain its earlier contents.
    for seed in 0..4 {
        let c = Random::new(seed).strengths::<f32>(300);
        let twice = (plan.type1(&c).unwrap(), plan.type1(&c).unwrap());
        assert_eq!(twice.0, twice.1);
        let exact = direct::type1(&views(&x), c.as_slice().unwrap(), &[16, 12], Sign::Plus).unwrap();
        assert!(relative_error(&twice.0, &exact) < 4e-4);
    }
    // Two arrays that exist at once do not share memory.
    let other = Random::new(83).strengths::<f32>(300);
    let (first, _second) = (gpu.upload(c.as_slice().unwrap()).unwrap(), gpu.upload(other.as_slice().unwrap()).unwrap());
    let mut output = gpu.zeros(192).unwrap();
    plan.type1_on_gpu(&first, &mut output).unwrap();
    assert_eq!(gpu.download(&output).unwrap(), expected.as_slice().unwrap());

    let mut here = NufftPlan::<f32>::builder([16, 12]).build(&common::cpu()).unwrap();
    let error = here.set_points_on_gpu(&there.iter().collect::<Vec<_>>()).unwrap_err();
    assert!(matches!(error, Error::Device { .. }), "{error}");
}

#[test]
fn compiling_is_a_stage_of_the_first_plan() {
    let Some((_, _turn)) = common::gpu() else { return };
    let (_, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::empty());
    let device = Device::from(gpu.clone());
    let build = || NufftPlan::<f32>::builder([40]).tolerance(1e-3).build(&device).unwrap();
    let first = build();
    let compiling = first.timings().get(Stage::Compile).unwrap();
    assert!(!compiling.is_zero() && compiling <= first.timings().get(Stage::Plan).unwrap());
    assert!(build().timings().get(Stage::Compile).is_none(), "the second finds them compiled");
    assert!(gpu.self_test().unwrap().iter().all(|(_, right)| *right), "{:?}", gpu.self_test());
}

/// Release builds run shaders without checks.
#[test]
fn shaders_without_checks_give_the_same() {
    let Some((_, _turn)) = common::gpu() else { return };
    let mut random = Random::new(71);
    let x = random.points(500, 2, 3.0);
    let c = random.strengths::<f32>(500);
    let results = [true, false].map(|check| {
        let (_, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::empty());
        gpu.check_shaders(check);
        let builder = NufftPlan::<f32>::builder([20, 15]).tolerance(1e-3).uniform_transform(UniformTransform::Device);
        let mut plan = builder.build(&Device::from(gpu)).unwrap();
        plan.set_points(views(&x)).unwrap();
        let modes = plan.type1(&c).unwrap();
        let values = plan.type2(&modes).unwrap();
        (modes, values)
    });
    let wide = |z: &Complex<f32>| Complex::new(z.re.into(), z.im.into());
    let exact = direct::type1(&views(&x), c.as_slice().unwrap(), &[20, 15], Sign::Plus).unwrap();
    for (modes, values) in &results {
        assert!(relative_error(modes, &exact) < 4e-3);
        // Compilers may fuse multiplications and additions differently.
        assert!(relative_error(values, &results[0].1.map(wide)) < 1e-6);
    }
}

#[test]
fn compiled_pipelines_are_kept_in_a_file() {
    let Some((_, _turn)) = common::gpu() else { return };
    let folder = std::env::temp_dir().join(format!("wavemill-pipelines-{}", std::process::id()));
    let plan = |keep: bool| {
        let (_, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::PIPELINE_CACHE);
        if !gpu.device().features().contains(wgpu::Features::PIPELINE_CACHE) {
            // SAFETY: as below.
            let error = unsafe { gpu.keep_pipelines(&folder) }.unwrap_err();
            assert!(matches!(error, Error::Device { .. }), "{error}");
            return None;
        }
        if keep {
            // SAFETY: nobody else writes to the folder.
            unsafe { gpu.keep_pipelines(&folder) }.unwrap();
        }
        let x = Random::new(73).points(50, 1, 3.0);
        let mut plan = NufftPlan::<f32>::builder([30]).tolerance(1e-3).build(&Device::from(gpu.clone())).unwrap();
        plan.set_points(views(&x)).unwrap();
        let modes = plan.type1(&Random::new(79).strengths::<f32>(50)).unwrap();
        gpu.save_pipelines().unwrap();
        Some(modes)
    };
    let (without, first, second) = (plan(false), plan(true), plan(true));
    assert!(without == first && first == second);
    if first.is_some() {
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() == 1 && std::fs::metadata(&files[0]).unwrap().len() > 0, "{files:?}");
        // A file that is not a cache, or a damaged one, is replaced.
        let mut damaged = std::fs::read(&files[0]).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        for contents in [&b"nonsense"[..], &damaged] {
            std::fs::write(&files[0], contents).unwrap();
            assert!(plan(true) == first);
            assert!(std::fs::read(&files[0]).unwrap() != contents);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn what_a_binding_cannot_hold_is_refused_with_the_numbers() {
    let Some((_, _turn)) = common::gpu() else { return };
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 20, ..Default::default() };
    let (_, gpu) = own_device(limits, wgpu::Features::empty());
    let device = Device::from(gpu);
    let error = NufftPlan::<f32>::builder([1000, 1000]).build(&device).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("1048576"), "{error}");
    let mut plan = NufftPlan::<f32>::builder([100]).build(&device).unwrap();
    let error = plan.set_points([Array1::<f64>::zeros(300_000).view()]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn a_lost_device_is_an_error_and_leaves_the_output_alone() {
    let Some((_, _turn)) = common::gpu() else { return };
    let (device, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::empty());
    let mut random = Random::new(47);
    let x = random.points(100, 1, 3.0);
    let c = random.strengths::<f32>(100);
    let mut plan = NufftPlan::<f32>::builder([50]).build(&Device::from(gpu.clone())).unwrap();
    plan.set_points(views(&x)).unwrap();
    let mut modes = plan.type1(&c).unwrap();
    let before = modes.clone();
    device.destroy();
    for _ in 0..2 {
        let error = plan.type1_into(&c, &mut modes).unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        assert_eq!(modes, before);
    }
    assert!(NufftPlan::<f32>::builder([50]).build(&Device::from(gpu)).is_err());
    // The next plan on another device works.
    let mut plan = NufftPlan::<f32>::builder([50]).build(&common::cpu()).unwrap();
    plan.set_points(views(&x)).unwrap();
    assert!(relative_error(&plan.type1(&c).unwrap(), &before.mapv(|z| Complex::new(z.re.into(), z.im.into()))) < 1e-5);
}

#[test]
fn a_lost_device_ends_every_kind_of_work_and_leaves_the_outputs_alone() {
    let Some((_, _turn)) = common::gpu() else { return };
    let (raw, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::empty());
    let device = Device::from(gpu);
    let mut random = Random::new(48);
    let (x, s) = (random.points(90, 1, 3.0), random.points(70, 1, 40.0));
    let (c, f) = (random.strengths::<f32>(90), random.modes::<f32>(&[50]));
    let mut plan = NufftPlan::<f32>::builder([50]).build(&device).unwrap();
    plan.set_points(views(&x)).unwrap();
    let mut plan3 = NufftPlan3::<f32>::builder(1).build(&device).unwrap();
    plan3.set_points(views(&x), views(&s)).unwrap();
    let matrix = Array2::from_shape_fn((40, 40), |(i, j)| (i + 2 * j) as f32);
    let product = MatmulPlan::<f32>::builder(40, 40, 40).build(&device).unwrap();
    let sums = ReducePlan::<f32>::builder([40, 40]).axes(&[0]).ops([Op::Sum, Op::Max]).build(&device).unwrap();
    let mut values = plan.type2(&f).unwrap();
    let mut spectrum = plan3.type3(&c).unwrap();
    let mut squares = product.execute(&matrix, &matrix).unwrap();
    let mut answers = sums.execute(&matrix).unwrap();
    let before = (values.clone(), spectrum.clone(), squares.clone(), answers.clone());
    raw.destroy();
    let lost = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    };
    for _ in 0..2 {
        lost(plan.type2_into(&f, &mut values));
        lost(plan3.type3_into(&c, &mut spectrum));
        lost(product.execute_into(2.0, &matrix, &matrix, 1.0, &mut squares));
        lost(sums.execute_into(&matrix, &mut answers));
        lost(plan.set_points(views(&x)));
        lost(plan3.set_points(views(&s), views(&x)));
    }
    assert_eq!((values, spectrum, squares, answers), before);
}

#[test]
fn kernels_too_wide_for_a_workgroup_are_refused() {
    let Some((device, _turn)) = common::gpu() else { return };
    let wide = NufftPlan::<f32>::builder([50]).kernel(Shape::Gaussian).tolerance(1e-9).accept_reachable();
    assert!(wide.build(&device).is_ok());
    let wide = NufftPlan::<f64>::builder([50]).kernel(Shape::Gaussian).tolerance(1e-13);
    let error = wide.build(&device).unwrap_err();
    assert!(matches!(error, Error::Device { .. }), "{error}");
}

#[test]
fn every_adapter_is_listed_with_its_self_test() {
    let Some((_, _turn)) = common::gpu() else { return };
    let all = Device::all();
    assert_eq!(all.iter().filter(|candidate| candidate.chosen).count(), 1);
    let passed = all.iter().filter(|candidate| candidate.self_test.is_some_and(|error| error <= 4e-4)).count();
    assert!(passed > 0, "{all:?}");
    for candidate in &all {
        assert!(!candidate.why.is_empty());
        // Software devices are never chosen.
        assert!(candidate.kind != wavemill::Kind::SoftwareGpu || !candidate.chosen);
    }
    assert!(!Device::auto().reason().is_empty());
}
