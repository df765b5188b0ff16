//! Devices: what was found, whether it passed its self-test, and which one a program should use.

#[cfg(feature = "gpu")]
mod selftest;

use crate::backend::Backend;
use crate::cpu::Cpu;
use crate::error::Result;
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

/// A backend that was found.
#[derive(Debug)]
pub struct Candidate {
    /// The device's name.
    pub name: String,
    /// What kind it is.
    pub kind: Kind,
    /// Limits and features that matter, name and value.
    pub facts: Vec<(String, String)>,
    /// The device, or why it cannot be used.
    pub device: Result<Device>,
    /// The relative error of the self-test's transforms; none for the CPU, which needs no driver.
    pub self_test: Option<f64>,
    /// Whether [`Device::auto`] picks it.
    pub chosen: bool,
    /// Why it is picked or not.
    pub why: String,
}

impl Device {
    /// The first GPU that is hardware and passes its self-test, else the CPU. [`Device::reason`] says why.
    #[must_use]
    pub fn auto() -> Self {
        let mut reasons = Vec::new();
        for candidate in Self::all() {
            match (candidate.chosen, candidate.device) {
                (true, Ok(mut device)) => {
                    reasons.push(candidate.why);
                    device.reason = reasons.join("; ");
                    return device;
                }
                _ => reasons.push(format!("{}: {}", candidate.name, candidate.why)),
            }
        }
        Self { engine: Engine::Cpu(Cpu::new()), reason: reasons.join("; ") }
    }

    /// Every backend found, GPUs first, the CPU last. GPUs run their self-test.
    #[must_use]
    pub fn all() -> Vec<Candidate> {
        #[cfg(feature = "gpu")]
        let mut found = selftest::gpus();
        #[cfg(not(feature = "gpu"))]
        let mut found = Vec::new();
        let better = found.iter().any(|candidate: &Candidate| candidate.chosen);
        let cpu = Cpu::new();
        let why = match (better, cfg!(feature = "gpu")) {
            (true, _) => "a GPU passed its self-test and is preferred",
            (false, true) => "the CPU, because no hardware GPU was found that passed its self-test",
            (false, false) => "the CPU, because this build has no GPU support (feature `gpu`)",
        };
        found.push(Candidate {
            name: cpu.name(),
            kind: Kind::Cpu,
            facts: vec![("threads".into(), cpu.threads().to_string()), ("instructions".into(), instructions().into())],
            device: Ok(Self::from(cpu)),
            self_test: None,
            chosen: !better,
            why: why.into(),
        });
        found
    }

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

/// The instruction set the inner loops will use.
fn instructions() -> &'static str {
    struct Which;
    impl crate::simd::Vectorised for Which {
        type Output = bool;
        #[inline(always)]
        fn run<const FMA: bool>(self) -> bool {
            FMA
        }
    }
    match (cfg!(target_arch = "x86_64"), crate::simd::run(Which)) {
        (true, true) => "AVX2 and FMA",
        (true, false) => "SSE2",
        (false, true) => "NEON",
        (false, false) => "scalar",
    }
}
