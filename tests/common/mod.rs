//! Helpers of the integration tests: random input, error measures, and the devices to test on.
#![allow(dead_code, reason = "a build without the GPU uses a part of it")]

use ndarray::{Array1, ArrayD, ArrayView1, IxDyn};
use num_complex::Complex;
use wavemill::{Cpu, Device, Real};

/// A small deterministic generator (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number uniform in [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn complex<T: Real>(&mut self) -> Complex<T> {
        Complex::new(T::nearest(self.between(-1.0, 1.0)), T::nearest(self.between(-1.0, 1.0)))
    }

    pub(crate) fn points(&mut self, count: usize, dimensions: usize, reach: f64) -> Vec<Array1<f64>> {
        (0..dimensions).map(|_| Array1::from_iter((0..count).map(|_| self.between(-reach, reach)))).collect()
    }

    pub(crate) fn strengths<T: Real>(&mut self, count: usize) -> Array1<Complex<T>> {
        Array1::from_iter((0..count).map(|_| self.complex()))
    }

    pub(crate) fn modes<T: Real>(&mut self, extents: &[usize]) -> ArrayD<Complex<T>> {
        ArrayD::from_shape_simple_fn(IxDyn(extents), || self.complex())
    }
}

pub(crate) fn views<C>(points: &[Array1<C>]) -> Vec<ArrayView1<'_, C>> {
    points.iter().map(|axis| axis.view()).collect()
}

/// The relative l2 error; NaN if either side contains NaN.
pub(crate) fn relative_error<'a, T: Real>(
    values: impl IntoIterator<Item = &'a Complex<T>>,
    exact: impl IntoIterator<Item = &'a Complex<f64>>,
) -> f64 {
    let (mut off, mut norm) = (0.0, 0.0);
    for (value, exact) in values.into_iter().zip(exact) {
        off += (Complex::new(value.re.into(), value.im.into()) - exact).norm_sqr();
        norm += exact.norm_sqr();
    }
    if off == 0.0 { 0.0 } else { (off / norm).sqrt() }
}

/// The largest f32 that a device may flush to 0: 2^-126 if it flushes subnormal numbers, which the sum of one of them
/// shows, else 0.
pub(crate) fn lost(device: &Device) -> f64 {
    let tiny = Array1::from_elem(1, f32::from_bits(3));
    let plan = wavemill::reduce::ReducePlan::builder([1]).ops([wavemill::reduce::Op::Sum]).build(device).unwrap();
    match &plan.execute(&tiny).unwrap()[..] {
        [wavemill::reduce::Answer::Sum(sum)] if sum[[]] == tiny[0] => 0.0,
        [wavemill::reduce::Answer::Sum(sum)] if sum[[]] == 0.0 => f64::from(f32::MIN_POSITIVE),
        other => panic!("{other:?} instead of the sum of {tiny}"),
    }
}

/// The error that the law allows.
pub(crate) fn allowed<T: Real>(tolerance: f64) -> f64 {
    let floor = if T::NAME == "f32" { 1e-6 } else { 3e-14 };
    f64::max(floor, 4.0 * tolerance)
}

pub(crate) fn cpu() -> Device {
    Device::from(Cpu::new())
}

/// The GPU to test on, which may be a software device. Without one it returns `None` and prints so; with
/// `WAVEMILL_REQUIRE_GPU=1` it fails. A test program has one device, which one test at a time uses.
#[cfg(feature = "gpu")]
pub(crate) fn gpu() -> Option<(Device, std::sync::MutexGuard<'static, ()>)> {
    use std::io::Write;
    use std::sync::{Mutex, OnceLock, PoisonError};
    static FOUND: OnceLock<Option<wavemill::Gpu>> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let guard = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let gpu = FOUND.get_or_init(|| {
        let mut found = wavemill::Gpu::enumerate();
        // Hardware comes first.
        found.sort_by_key(|gpu| gpu.as_ref().map_or(2, |gpu| usize::from(gpu.is_software())));
        match found.into_iter().next() {
            Some(Ok(gpu)) => Some(gpu),
            other => {
                let why = other.map_or_else(|| "no adapter".into(), |error| error.unwrap_err().to_string());
                let required = std::env::var_os("WAVEMILL_REQUIRE_GPU").is_some_and(|value| value == "1");
                assert!(!required, "WAVEMILL_REQUIRE_GPU=1, but no GPU can be used: {why}");
                // The test harness captures println, but not this.
                let _ = writeln!(std::io::stderr(), "no GPU can be used here ({why}): GPU tests are left out");
                None
            }
        }
    });
    gpu.clone().map(|gpu| (Device::from(gpu), guard))
}

/// A device with these limits and features, made by the program on the adapter that the tests use.
#[cfg(feature = "gpu")]
pub(crate) fn own_device(
    limits: wavemill::wgpu::Limits,
    features: wavemill::wgpu::Features,
) -> (wavemill::wgpu::Device, wavemill::Gpu) {
    use wavemill::wgpu;
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters.sort_by_key(|adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu);
    let required_features = features & adapters[0].features();
    let request = wgpu::DeviceDescriptor { required_limits: limits, required_features, ..Default::default() };
    let (device, queue) = pollster::block_on(adapters[0].request_device(&request)).unwrap();
    (device.clone(), wavemill::Gpu::from_wgpu(device, queue))
}

/// Runs a check on the CPU, and on a GPU if there is one.
pub(crate) fn on_every_device(check: impl Fn(&Device)) {
    check(&cpu());
    #[cfg(feature = "gpu")]
    if let Some((device, _turn)) = gpu() {
        check(&device);
    }
}

/// Whether a device can reduce these elements: no GPU has 64-bit integers, and some have no f64.
pub(crate) fn reduces<E: wavemill::reduce::Element>(device: &Device) -> bool {
    let plan = wavemill::ReducePlan::builder([1]).ops([wavemill::reduce::Op::Sum]).build(device).unwrap();
    match plan.execute(&ndarray::arr1(&[E::default()])) {
        Ok(_) => true,
        Err(wavemill::Error::Device { reason, .. }) => {
            assert!(reason.contains("use the CPU") || reason.contains("f64"), "{reason}");
            assert!(["i64", "u64", "f64", "c128"].contains(&E::NAME), "{} is refused: {reason}", E::NAME);
            false
        }
        Err(error) => panic!("{error}"),
    }
}
