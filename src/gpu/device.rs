//! A device: finding and opening adapters, turning errors into values, submitting work and waiting for it.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::gpu::cache::Kept;
use crate::gpu::kernel::Kernel;
use crate::real::Real;

/// The timeout of one wait; waits without one have hung on software devices.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The time after which a device that does not answer is taken for lost.
const END_OF_PATIENCE: Duration = Duration::from_secs(900);

/// Features that are enabled where the adapter offers them.
const WANTED: wgpu::Features =
    wgpu::Features::SHADER_F64.union(wgpu::Features::TIMESTAMP_QUERY).union(wgpu::Features::PIPELINE_CACHE);

/// Locks a mutex, even one that a panicking thread held: the caches and messages in these are whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open device with everything that belongs to it.
pub(super) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: wgpu::AdapterInfo,
    pub(super) limits: wgpu::Limits,
    pub(super) features: wgpu::Features,
    /// Pipelines by the name of their specialisation.
    pub(super) kernels: Mutex<HashMap<String, Arc<Kernel>>>,
    /// The file that compiled pipelines are kept in, if there is one.
    pub(super) kept: Mutex<Option<Kept>>,
    /// Whether shaders check their indices and bound their loops.
    pub(super) checked_shaders: AtomicBool,
    /// The staging buffer of the last download: mapping fresh pages costs more than the copy.
    pub(super) staging: Mutex<Option<wgpu::Buffer>>,
    /// Whether the device's timestamps can be trusted.
    pub(super) stamped: AtomicBool,
    /// Nanoseconds spent on compiling so far.
    pub(super) compiling: AtomicU64,
    /// Submissions so far.
    pub(super) submissions: AtomicU64,
    /// Bytes taken to the device and back so far.
    pub(super) transferred: AtomicU64,
    /// Buffers free for reuse.
    pub(super) pool: Mutex<Vec<wgpu::Buffer>>,
    /// Why the device is lost, once it is.
    lost: Arc<OnceLock<String>>,
    /// An error that no error scope caught.
    fault: Arc<Mutex<Option<String>>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("info", &self.info).field("lost", &self.lost.get()).finish_non_exhaustive()
    }
}

/// All adapters. The process has a single wgpu instance, since loaders crash when several threads make and drop them.
pub(super) fn adapters() -> Result<Vec<wgpu::Adapter>> {
    static INSTANCE: OnceLock<Option<wgpu::Instance>> = OnceLock::new();
    let instance = INSTANCE.get_or_init(|| {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        catch_unwind(AssertUnwindSafe(|| wgpu::Instance::new(descriptor))).ok()
    });
    let found = instance.as_ref().and_then(|instance| {
        let all = || pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        catch_unwind(AssertUnwindSafe(all)).ok()
    });
    found.ok_or_else(|| Error::Device {
        device: "GPU".into(),
        reason: "the graphics driver failed while adapters were listed; check its installation or use the CPU".into(),
    })
}

impl Context {
    /// Opens an adapter with all its limits: the defaults allow 128 MiB where the hardware allows gigabytes.
    pub(super) fn open(adapter: &wgpu::Adapter) -> Result<Self> {
        static OPENING: Mutex<()> = Mutex::new(());
        let info = adapter.get_info();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wavemill"),
            required_features: adapter.features() & WANTED,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let opened = {
            let _one_at_a_time = lock(&OPENING);
            catch_unwind(AssertUnwindSafe(|| pollster::block_on(adapter.request_device(&descriptor))))
        };
        let failed = |reason: String| Error::Device { device: info.name.clone(), reason };
        let (device, queue) = opened
            .map_err(|_| failed("the driver failed while the device was opened".into()))?
            .map_err(|error| failed(format!("cannot be opened: {error}")))?;

        let context = Self::adopt(device, queue);
        let lost = Arc::clone(&context.lost);
        context.device.set_device_lost_callback(move |reason, message| {
            let _ = lost.set(format!("{reason:?}: {message}"));
        });
        let fault = Arc::clone(&context.fault);
        context.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&fault).get_or_insert_with(|| error.to_string());
        }));
        Ok(context)
    }

    /// Takes a device that belongs to the program; its handlers stay the program's.
    pub(super) fn adopt(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Self {
            info: device.adapter_info(),
            limits: device.limits(),
            features: device.features(),
            kernels: Mutex::default(),
            kept: Mutex::default(),
            checked_shaders: AtomicBool::new(cfg!(debug_assertions)),
            staging: Mutex::default(),
            stamped: AtomicBool::new(device.features().contains(wgpu::Features::TIMESTAMP_QUERY)),
            pool: Mutex::default(),
            compiling: AtomicU64::new(0),
            submissions: AtomicU64::new(0),
            transferred: AtomicU64::new(0),
            lost: Arc::default(),
            fault: Arc::default(),
            device,
            queue,
        }
    }

    /// The adapter's name.
    pub(super) fn name(&self) -> &str {
        if self.info.name.is_empty() { "GPU" } else { &self.info.name }
    }

    /// An error that names this device.
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Device { device: self.name().into(), reason: reason.into() }
    }

    /// Whether kernels in this precision can run.
    pub(super) fn supports<T: Real>(&self) -> Result<()> {
        if T::NAME == "f64" && !self.features.contains(wgpu::Features::SHADER_F64) {
            return Err(self.error("has no f64 in shaders (SHADER_F64); use f32, or the CPU"));
        }
        Ok(())
    }

    /// Fails if the device was lost, or if an earlier call failed unseen.
    pub(super) fn alive(&self) -> Result<()> {
        if let Some(reason) = self.lost.get() {
            return Err(Error::DeviceLost { device: self.name().into(), reason: reason.clone() });
        }
        match lock(&self.fault).take() {
            Some(reason) => Err(self.error(reason)),
            None => Ok(()),
        }
    }

    /// Runs calls of wgpu, and returns the first error of any kind.
    pub(super) fn caught<R>(&self, work: impl FnOnce() -> R) -> Result<R, wgpu::Error> {
        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation]
            .map(|filter| self.device.push_error_scope(filter));
        let done = work();
        let mut first = None;
        for scope in scopes.into_iter().rev() {
            first = pollster::block_on(scope.pop()).or(first);
        }
        match first {
            Some(error) => {
                self.probe();
                Err(error)
            }
            None => Ok(done),
        }
    }

    /// Finds out whether an error was the first sign of a lost device. Until work is submitted and waited for, wgpu
    /// does not report the loss itself, only what follows from it.
    fn probe(&self) {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let index = self.queue.submit([]);
        drop(scope);
        // A loss is stored in `lost`, and the caller asks `alive`.
        let _ = self.wait(index);
    }

    /// The same as `caught`, with the crate's error; `what` names the operation.
    pub(super) fn checked<R>(&self, what: &str, work: impl FnOnce() -> R) -> Result<R> {
        self.alive()?;
        let done = self.caught(work);
        self.alive()?;
        done.map_err(|error| self.error(format!("{what}: {error}")))
    }

    /// Records commands, submits them and waits until they are done.
    pub(super) fn run(&self, what: &str, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<()> {
        let index = self.submit(what, record)?;
        self.wait(index)
    }

    /// Records commands and submits them.
    pub(super) fn submit(
        &self,
        what: &str,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<wgpu::SubmissionIndex> {
        self.checked(what, || {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(what) });
            record(&mut encoder);
            self.submissions.fetch_add(1, Ordering::Relaxed);
            self.queue.submit([encoder.finish()])
        })
    }

    /// Waits for a submission, in finite steps; a device that never answers is declared lost.
    pub(super) fn wait(&self, index: wgpu::SubmissionIndex) -> Result<()> {
        let begun = Instant::now();
        loop {
            let poll = wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout: Some(PATIENCE) };
            // wgpu panics on driver errors in a poll; here they mean that the device is gone.
            let reason = match catch_unwind(AssertUnwindSafe(|| self.device.poll(poll))) {
                Ok(Ok(_)) => return self.alive(),
                Ok(Err(wgpu::PollError::Timeout)) if begun.elapsed() < END_OF_PATIENCE => {
                    self.alive()?;
                    continue;
                }
                Ok(Err(wgpu::PollError::Timeout)) => format!("no answer within {} s", END_OF_PATIENCE.as_secs()),
                Ok(Err(error)) => format!("it takes no more work: {error}"),
                Err(_) => "the driver failed while it was waited for".into(),
            };
            let _ = self.lost.set(reason);
            return self.alive();
        }
    }
}
