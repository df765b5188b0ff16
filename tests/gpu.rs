//! What only a GPU has: arrays that stay on the device, a device of the program's own, small limits, loss, precision.
#![cfg(feature = "gpu")]

use crate::common::{self, Random, allowed, relative_error, views};
use ndarray::Array1;
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::{Device, Error, Gpu, NufftPlan, Shape, Sign, Timings, wgpu};

/// A device of the program's own on the adapter the tests use, with these limits.
fn own_device(limits: wgpu::Limits) -> (wgpu::Device, wgpu::Queue) {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters.sort_by_key(|adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu);
    let request = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
    pollster::block_on(adapters[0].request_device(&request)).unwrap()
}

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
    let stages = plan.on_gpu().unwrap();
    let mut timings = Timings::default();
    let input = gpu.input(on_device).unwrap();
    let mut output = gpu.output(modes_there.clone()).unwrap();
    stages.type1(&input, &mut output, 2, Sign::Plus, &mut timings).unwrap();
    let input = gpu.input(modes_there.clone()).unwrap();
    let mut output = gpu.output(values_there.clone()).unwrap();
    stages.type2(&input, &mut output, 2, Sign::Plus, &mut timings).unwrap();
    assert_eq!(read(&gpu, &modes_there), bytes(modes.as_slice().unwrap()));
    assert_eq!(read(&gpu, &values_there), bytes(values.as_slice().unwrap()));

    // A buffer that is too small is an error, not a read past its end.
    let mut short = gpu.output(buffer(&gpu, 100)).unwrap();
    let input = gpu.input(modes_there).unwrap();
    let error = plan.on_gpu().unwrap().type2(&input, &mut short, 2, Sign::Plus, &mut timings).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

/// WebGPU's default limits, 16 KiB of workgroup memory and 256 invocations, are enough.
#[test]
fn default_limits_are_enough() {
    let Some((_, _turn)) = common::gpu() else { return };
    let (device, queue) = own_device(wgpu::Limits::default());
    let device = Device::from(Gpu::from_wgpu(device, queue));
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

#[test]
fn what_a_binding_cannot_hold_is_refused_with_the_numbers() {
    let Some((_, _turn)) = common::gpu() else { return };
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 20, ..Default::default() };
    let (device, queue) = own_device(limits);
    let device = Device::from(Gpu::from_wgpu(device, queue));
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
    let (device, queue) = own_device(wgpu::Limits::default());
    let gpu = Gpu::from_wgpu(device.clone(), queue);
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
