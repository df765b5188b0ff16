//! The GPU backend: opening devices, arrays in device memory, and handing the work of plans to kernels.
//!
//! The modules, from the bottom up; each imports only from those before it. `gpu/device.rs` opens devices and turns
//! their errors into values, with `gpu/cache.rs` for pipelines that are kept in a file and `gpu/kernel.rs` for compiled
//! kernels; `gpu/buffer.rs` moves memory; `gpu/queue.rs` submits work and times it; `gpu/pipeline.rs` compiles shaders;
//! `gpu/grid.rs`, `gpu/jobs.rs` and `gpu/points.rs` hold what kernels share. Then come the kernels, each file the host
//! half of the shader with its name. Above them `gpu/uniform.rs` transforms grids where it is faster, `gpu/gridding.rs`
//! has the stages of the non-uniform FFT, `gpu/selftest.rs` tests a device, and `gpu/sources.rs` lists all shaders.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::backend::engine::Engine;
use crate::backend::product::Multiply;
use crate::backend::reduction::Reduce;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::machine::pages;
use crate::matmul::product::{Op, Product};
use crate::matmul::recipe::MatmulRecipe;
use crate::nufft::timings::Timings;
use crate::numeric::sign::Sign;
use crate::real::{Number, Real, Values};
use crate::reduce::partials::Partials;
use crate::reduce::quantity::Needs;
use crate::reduce::request::{Reduced, Reduction};

mod arithmetic;
mod buffer;
mod cache;
mod deconvolve;
mod device;
pub(crate) mod fft;
mod grid;
mod gridding;
mod interp;
mod jobs;
mod kernel;
mod matmul;
mod phase;
mod pipeline;
mod points;
mod queue;
mod record;
mod reduce;
mod selftest;
mod sources;
mod spread;
mod uniform;

pub use buffer::Array;
pub(crate) use buffer::{Input, Output};
pub(crate) use queue::Queue;
#[doc(hidden)]
pub use sources::shader_sources;

use buffer::complex_bytes;
use device::{Context, lock};

/// A GPU, open for work. Clones share the device and its compiled kernels.
///
/// f32 runs on every device; f64 where [`Gpu::has_f64`] says so. Results are the same bits from run to run on one
/// device, and differ in the last digits from those of another device or of the CPU.
#[derive(Clone)]
pub struct Gpu(Arc<Context>);

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gpu").field(&self.0.name()).finish()
    }
}

impl Gpu {
    /// Opens the first GPU that is hardware, discrete ones before integrated ones. Devices emulated in software are
    /// opened by [`Gpu::enumerate`] only.
    ///
    /// # Errors
    /// [`Error::Device`], saying what was found instead.
    pub fn new() -> Result<Self> {
        let mut adapters = device::adapters()?;
        adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            _ => 2,
        });
        let mut found = Vec::new();
        for adapter in &adapters {
            let info = adapter.get_info();
            if info.device_type == wgpu::DeviceType::Cpu {
                found.push(format!("{} is emulated in software", info.name));
                continue;
            }
            match Context::open(adapter) {
                Ok(context) => return Ok(Self(Arc::new(context))),
                Err(error) => found.push(error.to_string()),
            }
        }
        let found = if found.is_empty() { "no adapter at all".into() } else { found.join("; ") };
        Err(Error::Device {
            device: "GPU".into(),
            reason: format!("no hardware found ({found}); install its Vulkan, Metal or DX12 driver, or use the CPU"),
        })
    }

    /// Opens every adapter, software ones included. An adapter that cannot be opened gives an error, which names it.
    #[must_use]
    pub fn enumerate() -> Vec<Result<Self>> {
        match device::adapters() {
            Ok(adapters) => {
                adapters.iter().map(|adapter| Context::open(adapter).map(|context| Self(Arc::new(context)))).collect()
            }
            Err(error) => vec![Err(error)],
        }
    }

    /// Uses a device that the program has opened already, within the limits and features it was opened with. Its error
    /// and device-lost handlers stay as they are.
    #[must_use]
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Self(Arc::new(Context::adopt(device, queue)))
    }

    /// The wgpu device, to create buffers on.
    #[must_use]
    pub fn device(&self) -> &wgpu::Device {
        &self.0.device
    }

    /// The number of submissions of commands so far. Uploads are part of the next one.
    #[must_use]
    pub fn submissions(&self) -> u64 {
        self.0.submissions.load(Ordering::Relaxed)
    }

    /// Time spent on compiling shaders so far.
    #[must_use]
    pub fn compiling(&self) -> Duration {
        Duration::from_nanos(self.0.compiling.load(Ordering::Relaxed))
    }

    /// Bytes copied to the device and back so far.
    #[must_use]
    pub fn transferred(&self) -> u64 {
        self.0.transferred.load(Ordering::Relaxed)
    }

    /// The wgpu queue that work is submitted to.
    #[must_use]
    pub fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    /// Whether the device is a CPU that runs shaders, such as Mesa's lavapipe.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.0.info.device_type == wgpu::DeviceType::Cpu
    }

    /// The driver and its version, and the interface it is used through.
    #[must_use]
    pub fn driver(&self) -> String {
        let info = &self.0.info;
        format!("{} {} ({})", info.driver, info.driver_info, info.backend).trim().replace("  ", " ")
    }

    /// Whether plans can be f64.
    #[must_use]
    pub fn has_f64(&self) -> bool {
        self.0.features.contains(wgpu::Features::SHADER_F64)
    }

    /// The limits and features that decide what fits and how fast it goes, as names and values to be shown.
    #[must_use]
    pub fn limits_that_matter(&self) -> Vec<(String, String)> {
        let (limits, features, info) = (&self.0.limits, self.0.features, &self.0.info);
        let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
        let whether = |feature| if features.contains(feature) { "yes" } else { "no" }.to_string();
        [
            ("largest binding", mebibytes(limits.max_storage_buffer_binding_size)),
            ("largest buffer", mebibytes(limits.max_buffer_size)),
            ("workgroup memory", format!("{} KiB", limits.max_compute_workgroup_storage_size >> 10)),
            ("invocations of a workgroup", limits.max_compute_invocations_per_workgroup.to_string()),
            ("workgroups along an axis", limits.max_compute_workgroups_per_dimension.to_string()),
            ("storage buffers of a shader", limits.max_storage_buffers_per_shader_stage.to_string()),
            ("subgroup size", format!("{} to {}", info.subgroup_min_size, info.subgroup_max_size)),
            ("f64 in shaders", whether(wgpu::Features::SHADER_F64)),
            ("timestamps", whether(wgpu::Features::TIMESTAMP_QUERY)),
            ("pipelines kept in a file", whether(wgpu::Features::PIPELINE_CACHE)),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into()
    }

    /// Keeps compiled pipelines in a file of this folder, so that pipelines that an earlier run of the program saved
    /// there need not be compiled again. [`Gpu::save_pipelines`] writes the file. A file that was cut short or damaged,
    /// or is of another adapter, driver or version of the driver, is not used, and is replaced.
    ///
    /// # Errors
    /// [`Error::Device`] if the driver keeps no pipelines (only Vulkan's can), [`Error::Parameter`] if the folder
    /// cannot be used.
    ///
    /// # Safety
    /// The driver runs what the file holds: only those who may run code in this program may be able to write to the
    /// folder.
    pub unsafe fn keep_pipelines(&self, folder: impl AsRef<Path>) -> Result<()> {
        let context = &self.0;
        let name = wgpu::util::pipeline_cache_key(&context.info)
            .filter(|_| context.features.contains(wgpu::Features::PIPELINE_CACHE))
            .ok_or_else(|| {
                let reason =
                    "its driver keeps no compiled pipelines (PIPELINE_CACHE); nothing is gained by a folder for them";
                context.error(reason)
            })?;
        let owner = format!("{}, {}", context.name(), self.driver());
        let kept = cache::Kept::open(&name, owner, folder.as_ref(), |data| {
            let descriptor = wgpu::PipelineCacheDescriptor { label: Some("wavemill"), data, fallback: true };
            // SAFETY: the data are whole and what `save_pipelines` wrote for this adapter and driver: the checksum
            // tells them from damaged ones, and the caller promises that none were forged.
            context.checked("the pipeline cache", || unsafe { context.device.create_pipeline_cache(&descriptor) })
        })?;
        *lock(&self.0.kept) = Some(kept);
        Ok(())
    }

    /// Writes the pipelines compiled since [`Gpu::keep_pipelines`], and those that its file held, to that file; does
    /// nothing without one.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file cannot be written.
    pub fn save_pipelines(&self) -> Result<()> {
        lock(&self.0.kept).as_ref().map_or(Ok(()), cache::Kept::save)
    }

    /// Sets whether shaders that are compiled from now on check indices and bound loops. By default they do in builds
    /// with debug assertions.
    #[doc(hidden)]
    pub fn check_shaders(&self, check: bool) {
        self.0.checked_shaders.store(check, Ordering::Relaxed);
    }

    /// Tests the device's arithmetic: returns what was tested, and whether it was right. [`crate::Device::all`] skips a
    /// device that failed a test.
    ///
    /// # Errors
    /// If the device cannot run the test.
    pub fn self_test(&self) -> Result<Vec<(&'static str, bool)>> {
        selftest::findings(&self.0)
    }

    /// Copies numbers to the device unchanged: strengths, modes, values, coordinates or matrices.
    ///
    /// # Errors
    /// If the device lacks the memory, or was lost.
    pub fn upload<V: Number>(&self, numbers: &[V]) -> Result<Array<V>> {
        let buffer = self.0.storage("numbers", size_of_val(numbers) as u64)?;
        self.0.write("numbers", &buffer, numbers)?;
        Ok(Array { buffer, len: numbers.len(), kind: PhantomData })
    }

    /// Device memory for `len` numbers, all of them zero.
    ///
    /// # Errors
    /// If the device lacks the memory, or was lost.
    pub fn zeros<V: Number>(&self, len: usize) -> Result<Array<V>> {
        let mut array = self.room(len)?;
        self.zero(&mut array)?;
        Ok(array)
    }

    /// Sets all numbers to zero.
    pub(crate) fn zero<V>(&self, array: &mut Array<V>) -> Result<()> {
        self.0.run("zeros", |encoder| encoder.clear_buffer(&array.buffer, 0, None))
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// An array of the numbers in the caller's buffer, which kernels read and write; complex numbers have the real part
    /// first. The buffer needs the usage `STORAGE`. [`Array::buffer`] returns it.
    ///
    /// # Errors
    /// If the buffer cannot be bound.
    pub fn array<V: Number>(&self, buffer: wgpu::Buffer) -> Result<Array<V>> {
        bindable(&buffer)?;
        let len = buffer.size() as usize / size_of::<V>();
        Ok(Array { buffer, len, kind: PhantomData })
    }

    /// Copies numbers to the host. The buffer needs the usage `COPY_SRC`, as those of [`Gpu::upload`] have.
    ///
    /// # Errors
    /// If the device was lost.
    pub fn download<V: Number>(&self, array: &Array<V>) -> Result<Vec<V>> {
        pages::room("a copy on the host", &[array.len], size_of::<V>(), "leave the numbers on the device")?;
        let mut numbers = vec![V::default(); array.len];
        self.0.download("numbers", &array.buffer, &mut numbers)?;
        Ok(numbers)
    }
}

impl Gpu {
    /// Partials of |z|² over some axes of complex numbers on the device.
    pub(crate) fn reduce_powers<E: Element + Real>(
        &self,
        numbers: &Array<Complex<E>>,
        extents: &[usize],
        over: &[bool],
        needs: Needs,
        skip: bool,
    ) -> Result<Partials<E::Scalar>> {
        reduce::powers::<E>(&self.0, &numbers.buffer, extents, over, needs, skip)
    }

    /// The passes of the uniform transforms of `batch` arrays, which have `count` numbers in all.
    pub(crate) fn fft_passes<T: Real>(&self, extents: &[usize], batch: usize, count: usize) -> Result<fft::Passes> {
        self.0.supports::<T>()?;
        self.0.bindable("the numbers of a transform", count as u64 * complex_bytes::<T>())?;
        fft::Passes::natural::<T>(&self.0, extents, batch)
    }

    /// Records transforms of numbers; the scratch memory has the same size.
    pub(crate) fn transform<V>(
        &self,
        passes: &fft::Passes,
        queue: &mut Queue,
        [numbers, scratch]: [&Array<V>; 2],
        batch: usize,
        sign: Sign,
    ) -> Result<()> {
        passes.forward(&self.0, queue, [&numbers.buffer, &scratch.buffer], batch, sign)
    }

    /// Submits what was recorded and waits for it.
    pub(crate) fn submit(&self, queue: &mut Queue, timings: &mut Timings) -> Result<()> {
        queue.submit(&self.0, timings)
    }

    /// Device memory for `len` numbers.
    pub(crate) fn room<V: Number>(&self, len: usize) -> Result<Array<V>> {
        let buffer = self.0.storage("scratch numbers", len.saturating_mul(size_of::<V>()) as u64)?;
        Ok(Array { buffer, len, kind: PhantomData })
    }

    /// Computes products of matrices that are on the device.
    pub(crate) fn matmul_on_device<V: Number>(
        &self,
        recipe: &MatmulRecipe,
        ops: [Op; 2],
        alpha: V,
        factors: [&Array<V>; 2],
        beta: V,
        c: &mut Array<V>,
    ) -> Result<()> {
        matmul::on_device(&self.0, recipe, ops, alpha, factors, beta, c)
    }
}

fn bindable(buffer: &wgpu::Buffer) -> Result<()> {
    if buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        return Ok(());
    }
    Err(Error::parameter("the usage of the buffer", "STORAGE among others", format!("{:?}", buffer.usage())))
}

impl Engine for Gpu {
    type Input<'a, V: Number> = Input<V>;
    type Output<'a, V: Number> = Output<'a, V>;

    fn name(&self) -> String {
        Self::name(self)
    }

    fn load<V: Number>(&self, host: ArrayView2<'_, V>) -> Result<Input<V>> {
        let buffer = self.0.lease("input", host.len() as u64 * complex_bytes::<V::Real>())?;
        match V::values(host) {
            Values::Complex(host) => {
                let host = host.as_standard_layout();
                self.0.write("input", &buffer, host.as_slice().expect("standard layout"))?;
            }
            Values::Real(host) => {
                let host: Vec<_> = host.iter().map(|&x| Complex::new(x, V::Real::default())).collect();
                self.0.write("input", &buffer, &host)?;
            }
        }
        Ok(Input { buffer, kind: PhantomData })
    }

    fn open<'a, V: Number>(&self, host: &'a mut [V]) -> Result<Output<'a, V>> {
        let bytes = host.len() as u64 * complex_bytes::<V::Real>();
        Ok(Output { buffer: self.0.lease("output", bytes)?, host: Some(host) })
    }

    fn store<V: Number>(&self, output: Output<'_, V>) -> Result<()> {
        match output.host {
            Some(host) => {
                // The copy comes in pieces, so the caller's array is written only when all of them have arrived.
                let mut all = vec![Complex::default(); host.len()];
                self.0.download("output", &output.buffer, &mut all)?;
                host.iter_mut().zip(all).for_each(|(to, from)| *to = V::part_of(from));
                Ok(())
            }
            None => self.0.alive(),
        }
    }
}

impl Reduce for Gpu {
    fn reduce<E: Element, R: Send>(
        &self,
        asked: &Reduction<'_, E>,
        finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>> {
        let partials = reduce::run(&self.0, asked)?;
        let order = (0..asked.over.len()).filter(|&axis| !asked.over[axis]).collect();
        Ok(Reduced { order, tiles: vec![finish(partials)] })
    }
}

impl Multiply for Gpu {
    fn matmul_recipe<V: Number>(&self, shape: [usize; 3], batch: usize, memory: Option<usize>) -> Result<MatmulRecipe> {
        matmul::recipe::<V>(&self.0, shape, batch, memory)
    }

    fn matmul<V: Number>(&self, recipe: &MatmulRecipe, product: &mut Product<'_, V>) -> Result<()> {
        matmul::run(&self.0, recipe, product)
    }
}
