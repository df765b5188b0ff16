//! A device is one of the engines there are, and why it was chosen.

use crate::backend::Backend;
use crate::cpu::Cpu;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;

/// A backend, and why it was chosen.
#[derive(Debug, Clone)]
pub struct Device {
    engine: Engine,
    reason: String,
}

#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Cpu(Cpu),
    #[cfg(feature = "gpu")]
    Gpu(Gpu),
}

/// What kind of device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The processor, through rayon.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// A graphics interface computed by the processor; correct and slow, used only when asked for.
    SoftwareGpu,
}

impl Device {
    /// The device's name.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.engine {
            Engine::Cpu(cpu) => cpu.name(),
            #[cfg(feature = "gpu")]
            Engine::Gpu(gpu) => gpu.name(),
        }
    }

    /// Why this device was chosen.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.engine {
            Engine::Cpu(_) => Kind::Cpu,
            #[cfg(feature = "gpu")]
            Engine::Gpu(gpu) if gpu.is_software() => Kind::SoftwareGpu,
            #[cfg(feature = "gpu")]
            Engine::Gpu(_) => Kind::Gpu,
        }
    }

    /// The GPU, where it is one: to keep arrays on it.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn gpu(&self) -> Option<&Gpu> {
        match &self.engine {
            Engine::Gpu(gpu) => Some(gpu),
            Engine::Cpu(_) => None,
        }
    }

    /// The same engine with another reason.
    pub(crate) fn because(self, reason: String) -> Self {
        Self { reason, ..self }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn install<R: Send>(&self, items: usize, work: impl FnOnce() -> R + Send) -> R {
        match &self.engine {
            Engine::Cpu(cpu) => cpu.install(items, work),
            #[cfg(feature = "gpu")]
            Engine::Gpu(gpu) => gpu.install(items, work),
        }
    }
}

impl From<Cpu> for Device {
    fn from(cpu: Cpu) -> Self {
        Self { engine: Engine::Cpu(cpu), reason: "the CPU, as asked for".into() }
    }
}

#[cfg(feature = "gpu")]
impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self { engine: Engine::Gpu(gpu), reason: "a GPU, as asked for".into() }
    }
}
