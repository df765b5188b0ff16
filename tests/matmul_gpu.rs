//! Tests of matrix products on a GPU: matrices that stay on the device, larger ones that are uploaded in pieces, splits
//! along k, and errors.
#![cfg(feature = "gpu")]

use ndarray::{Array2, Array3, ArrayD};
use num_complex::Complex;
use wavemill::matmul::{MatmulPlan, Op};
use wavemill::{Device, Error, Float, Gpu, Number, wgpu};

use crate::common::{self, Random};

fn numbers<V: Number>(seed: u64, count: usize) -> Vec<V> {
    let mut random = Random::new(seed);
    let mut part = || V::Real::nearest(random.between(-1.0, 1.0));
    (0..count).map(|_| V::part_of(Complex::new(part(), part()))).collect()
}

/// The largest difference of two results whose elements are sums of k products of numbers within ±1.
fn off<V: Number>(a: &[V], b: &[V], k: usize) -> f64 {
    let unit = V::Real::ROUNDOFF * 4.0 * k as f64;
    let wide = |x: V| {
        let z = x.complex();
        Complex::<f64>::new(z.re.into(), z.im.into())
    };
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| (wide(a) - wide(b)).norm() / unit).fold(0.0, f64::max)
}

fn on_device<V: Number>(gpu: &Gpu, [m, k, n]: [usize; 3], ops: [Op; 2], batch: usize) {
    let (a, b, c) = (numbers::<V>(1, batch * m * k), numbers::<V>(2, k * n), numbers::<V>(3, batch * m * n));
    let [alpha, beta] = [V::part_of(Complex::new(V::Real::nearest(0.5), V::Real::nearest(2.0))), V::unit()];
    let build = |device: &Device| {
        MatmulPlan::<V>::builder(m, k, n).op_a(ops[0]).op_b(ops[1]).batch([batch]).build(device).unwrap()
    };
    let (here, there) = (build(&common::cpu()), build(&Device::from(gpu.clone())));
    let shaped = |x: &[V], rows: usize, columns: usize, op: Op| {
        let (rows, columns) = if op.transposes() { (columns, rows) } else { (rows, columns) };
        Array3::from_shape_vec((x.len() / rows / columns, rows, columns), x.to_vec()).unwrap()
    };
    let mut expected = shaped(&c, m, n, Op::Plain);
    let (host_a, host_b) = (shaped(&a, m, k, ops[0]), shaped(&b, k, n, ops[1]));
    here.execute_into(alpha, &host_a, &host_b, beta, &mut expected).unwrap();

    let (a, b, mut c) = (gpu.upload(&a).unwrap(), gpu.upload(&b).unwrap(), gpu.upload(&c).unwrap());
    there.execute_on_gpu(alpha, &a, &b, beta, &mut c).unwrap();
    let got = gpu.download(&c).unwrap();
    let off = off(&got, expected.as_slice().unwrap(), 4 * (k + 1));
    assert!(off <= 1.0, "{} {m} x {k} x {n}, {ops:?}, {batch}: {off} of what is allowed", V::name());
    // A second execution gives the same bits.
    let mut again = gpu.upload(&numbers::<V>(3, batch * m * n)).unwrap();
    there.execute_on_gpu(alpha, &a, &b, beta, &mut again).unwrap();
    assert_eq!(gpu.download(&again).unwrap(), got);
}

#[test]
fn matrices_stay_on_the_device() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let ops = [[Op::Plain, Op::Plain], [Op::Transpose, Op::Adjoint], [Op::Adjoint, Op::Transpose]];
    for (index, shape) in [[1, 1, 1], [32, 32, 32], [70, 33, 65], [64, 1200, 64], [5, 3000, 9]].into_iter().enumerate()
    {
        for (turn, ops) in ops.into_iter().enumerate() {
            match (index + turn) % 4 {
                2 if gpu.has_f64() => on_device::<f64>(&gpu, shape, ops, 2),
                3 if gpu.has_f64() => on_device::<Complex<f64>>(&gpu, shape, ops, 1),
                1 => on_device::<Complex<f32>>(&gpu, shape, ops, 3),
                _ => on_device::<f32>(&gpu, shape, ops, 1),
            }
        }
    }
    // The product is large enough for the largest blocks, inside and at edges.
    on_device::<f32>(&gpu, [512, 40, 640], [Op::Plain, Op::Plain], 1);
    on_device::<f32>(&gpu, [513, 9, 515], [Op::Transpose, Op::Plain], 1);
}

#[test]
fn pieces_give_what_the_whole_gives() {
    let Some((device, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 16, ..Default::default() };
    let (_, own) = common::own_device(limits, wgpu::Features::empty());
    let small = Device::from(own);
    let a = Array2::from_shape_vec((300, 400), numbers::<f32>(1, 300 * 400)).unwrap();
    let b = Array2::from_shape_vec((350, 400), numbers::<f32>(2, 350 * 400)).unwrap();
    let c = Array2::from_shape_vec((300, 350), numbers::<f32>(3, 300 * 350)).unwrap();
    let run = |device: &Device, memory: Option<usize>| {
        let builder = MatmulPlan::<f32>::builder(300, 400, 350).op_b(Op::Transpose);
        let plan = memory.map_or(builder.clone(), |memory| builder.memory(memory)).build(device).unwrap();
        let mut c = c.clone();
        plan.execute_into(2.0, &a, &b, -1.0, &mut c).unwrap();
        (c.into_raw_vec_and_offset().0, plan.recipe().clone())
    };
    let (expected, _) = run(&common::cpu(), None);
    for (device, memory) in [(&device, None), (&device, Some(200_000)), (&small, None), (&small, Some(100_000))] {
        let (got, recipe) = run(device, memory);
        assert!(off(&got, &expected, 800) <= 1.0, "{recipe}");
        if let Some(memory) = memory {
            assert!(recipe.workspace <= memory && recipe.pieces != recipe.shape, "{recipe}");
        }
    }
    let batch = MatmulPlan::<f32>::builder(30, 40, 50).batch([6]).memory(70_000).build(&device).unwrap();
    assert_eq!(batch.recipe().together, 2, "{}", batch.describe());
    let (a, b) = (numbers::<f32>(4, 6 * 30 * 40), numbers::<f32>(5, 6 * 40 * 50));
    let a = ArrayD::from_shape_vec(vec![6, 30, 40], a).unwrap();
    let b = ArrayD::from_shape_vec(vec![6, 40, 50], b).unwrap();
    let host = MatmulPlan::<f32>::builder(30, 40, 50).batch([6]).build(&common::cpu()).unwrap();
    let (got, expected) = (batch.execute(&a, &b).unwrap(), host.execute(&a, &b).unwrap());
    assert!(off(got.as_slice().unwrap(), expected.as_slice().unwrap(), 40) <= 1.0);
    let nothing = MatmulPlan::<f32>::builder(300, 300, 300).memory(1000).build(&Device::from(gpu));
    assert!(matches!(nothing, Err(Error::TooLarge { .. })));
}

#[test]
fn what_cannot_be_is_refused() {
    let Some((device, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let device_of_its_own = Device::from(gpu.clone());
    let plan = MatmulPlan::<f32>::builder(4, 4, 4).build(&device_of_its_own).unwrap();
    let usage = wgpu::BufferUsages::STORAGE;
    let descriptor = wgpu::BufferDescriptor { label: None, size: 64, usage, mapped_at_creation: false };
    let buffer = gpu.device().create_buffer(&descriptor);
    let (a, mut c) = (gpu.array::<f32>(buffer.clone()).unwrap(), gpu.array::<f32>(buffer).unwrap());
    let b = gpu.upload(&[1.0f32; 16]).unwrap();
    let refused = plan.execute_on_gpu(1.0, &a, &b, 0.0, &mut c).unwrap_err();
    assert!(refused.to_string().contains("a buffer of its own"), "{refused}");
    let mut c = gpu.upload(&[1.0f32; 15]).unwrap();
    assert!(matches!(plan.execute_on_gpu(1.0, &a, &b, 0.0, &mut c), Err(Error::Shape { what: "C", .. })));
    let host = MatmulPlan::<f32>::builder(4, 4, 4).build(&common::cpu()).unwrap();
    assert!(matches!(host.execute_on_gpu(1.0, &a, &b, 0.0, &mut c), Err(Error::Device { .. })));
    drop(device);
}
