//! Devices: a backend, and the reason why it was chosen.

use crate::backend::engine::Engine as _;
use crate::backend::gridding::Gridding as _;
use crate::backend::product::Multiply;
use crate::backend::reduction::Reduce;
use crate::cpu::Cpu;
use crate::element::Element;
#[cfg(feature = "gpu")]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;
use crate::matmul::product::Product;
use crate::matmul::recipe::MatmulRecipe;
use crate::real::{Number, Real};
use crate::reduce::op::Op;
use crate::reduce::partials::Partials;
use crate::reduce::request::{Answered, Reduced, Reduction};

/// A backend, and why it was chosen.
#[derive(Debug, Clone)]
pub struct Device {
    backend: AnyBackend,
    reason: String,
}

/// Any of the backends. A plan that holds types of its backend matches on it once, when it is built.
#[derive(Debug, Clone)]
pub(crate) enum AnyBackend {
    Cpu(Cpu),
    #[cfg(feature = "gpu")]
    Gpu(Gpu),
}

/// What kind of device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.name(),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.name(),
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
        match &self.backend {
            AnyBackend::Cpu(_) => Kind::Cpu,
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) if gpu.is_software() => Kind::SoftwareGpu,
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(_) => Kind::Gpu,
        }
    }

    /// The GPU, to keep arrays on it; `None` if the device is not one.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn gpu(&self) -> Option<&Gpu> {
        match &self.backend {
            AnyBackend::Gpu(gpu) => Some(gpu),
            AnyBackend::Cpu(_) => None,
        }
    }

    /// The GPU, or an error that says what else to call.
    #[cfg(feature = "gpu")]
    pub(crate) fn need_gpu(&self, instead: &str) -> Result<&Gpu> {
        self.gpu().ok_or_else(|| {
            let reason = format!("its arrays are in host memory: use {instead}");
            Error::Device { device: self.name(), reason }
        })
    }

    /// The same backend with another reason.
    pub(crate) fn because(self, reason: String) -> Self {
        Self { reason, ..self }
    }

    pub(crate) fn backend(&self) -> &AnyBackend {
        &self.backend
    }

    /// Whether a cost model chooses kernel width and grid.
    pub(crate) fn has_cost_model(&self) -> bool {
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.has_cost_model(),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.has_cost_model(),
        }
    }

    /// The number of cells of the largest grid that it takes.
    pub(crate) fn most_cells<T: Real>(&self) -> usize {
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.most_cells::<T>(),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.most_cells::<T>(),
        }
    }

    pub(crate) fn install<R: Send>(&self, items: usize, work: impl FnOnce() -> R + Send) -> R {
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.install(items, work),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.install(items, work),
        }
    }
}

impl From<Cpu> for Device {
    fn from(cpu: Cpu) -> Self {
        Self { backend: AnyBackend::Cpu(cpu), reason: "the CPU, as asked for".into() }
    }
}

#[cfg(feature = "gpu")]
impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self { backend: AnyBackend::Gpu(gpu), reason: "a GPU, as asked for".into() }
    }
}

impl Reduce for Device {
    fn reduce<E: Element, R: Send>(
        &self,
        asked: &Reduction<'_, E>,
        finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>> {
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.reduce(asked, finish),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.reduce(asked, finish),
        }
    }

    fn plain<E: Element>(&self, asked: &Reduction<'_, E>, ops: &[Op]) -> Option<Answered<E::Scalar>> {
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.plain(asked, ops),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.plain(asked, ops),
        }
    }
}

impl Multiply for Device {
    fn matmul_recipe<V: Number>(&self, shape: [usize; 3], batch: usize, memory: Option<usize>) -> Result<MatmulRecipe> {
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.matmul_recipe::<V>(shape, batch, memory),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.matmul_recipe::<V>(shape, batch, memory),
        }
    }

    fn matmul<V: Number>(&self, recipe: &MatmulRecipe, product: &mut Product<'_, V>) -> Result<()> {
        match &self.backend {
            AnyBackend::Cpu(cpu) => cpu.matmul(recipe, product),
            #[cfg(feature = "gpu")]
            AnyBackend::Gpu(gpu) => gpu.matmul(recipe, product),
        }
    }
}
