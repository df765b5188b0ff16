//! Finds devices, tests them, and chooses the one that a program should use.

use crate::backend::engine::Engine as _;
use crate::cpu::Cpu;
use crate::device::{Device, Kind};
use crate::error::Result;

/// A device that was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The device's name.
    pub name: String,
    /// What kind it is.
    pub kind: Kind,
    /// The limits and features that matter, as names and values.
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
                (true, Ok(device)) => {
                    reasons.push(candidate.why);
                    return device.because(reasons.join("; "));
                }
                _ => reasons.push(format!("{}: {}", candidate.name, candidate.why)),
            }
        }
        Self::from(Cpu::new()).because(reasons.join("; "))
    }

    /// Every backend found, GPUs first, the CPU last. GPUs run their self-test.
    #[must_use]
    pub fn all() -> Vec<Candidate> {
        #[cfg(feature = "gpu")]
        let mut found = gpus::found();
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
}

/// The instruction set the inner loops will use.
fn instructions() -> &'static str {
    struct Which;
    impl crate::machine::simd::Vectorised for Which {
        type Output = bool;
        #[inline(always)]
        fn run<const FMA: bool>(self) -> bool {
            FMA
        }
    }
    match (cfg!(target_arch = "x86_64"), crate::machine::simd::run(Which)) {
        (true, true) => "AVX2 and FMA",
        (true, false) => "SSE2",
        (false, true) => "NEON",
        (false, false) => "scalar",
    }
}

/// The self-test of a GPU, before anything else is run on it: its arithmetic, and small transforms of types 1 and 2
/// compared with direct sums.
#[cfg(feature = "gpu")]
mod gpus {
    use ndarray::{Array1, ArrayD, IxDyn};
    use num_complex::Complex;

    use super::Candidate;
    use crate::device::{Device, Kind};
    use crate::error::{Error, Result};
    use crate::gpu::Gpu;
    use crate::nufft::direct;
    use crate::numeric::sign::Sign;
    use crate::plan::nufft::NufftPlan;

    /// The tolerance of the self-test's transforms, and the error up to which it passes (the error law's factor of 4).
    const TOLERANCE: f64 = 1e-4;

    /// Every GPU found, with its self-test run; the first hardware GPU that passed is chosen.
    pub(super) fn found() -> Vec<Candidate> {
        let mut taken = false;
        let mut candidates = Vec::new();
        for found in Gpu::enumerate() {
            let candidate = match found {
                Ok(gpu) => tested(gpu, &mut taken),
                Err(error) => Candidate {
                    name: match &error {
                        Error::Device { device, .. } => device.clone(),
                        _ => "GPU".into(),
                    },
                    kind: Kind::Gpu,
                    facts: Vec::new(),
                    why: format!("cannot be used ({error})"),
                    device: Err(error),
                    self_test: None,
                    chosen: false,
                },
            };
            candidates.push(candidate);
        }
        candidates
    }

    fn tested(gpu: Gpu, taken: &mut bool) -> Candidate {
        let (name, mut facts, software) = (gpu.name(), gpu.limits_that_matter(), gpu.is_software());
        let findings = gpu.self_test();
        let device = Device::from(gpu);
        let measured = findings.and_then(|findings| {
            let (right, wrong): (Vec<_>, Vec<_>) = findings.into_iter().partition(|(_, right)| *right);
            let names = |of: &[(&str, bool)]| of.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            facts.push(("arithmetic that is right".into(), names(&right)));
            if wrong.is_empty() {
                return error_of(&device);
            }
            Err(Error::Device {
                device: name.clone(),
                reason: format!("these are wrong in its shaders: {}", names(&wrong)),
            })
        });
        let passed = measured.as_ref().is_ok_and(|&error| error <= 4.0 * TOLERANCE);
        let chosen = passed && !software && !*taken;
        *taken |= chosen;
        let why = match &measured {
            Err(error) => format!("the self-test failed ({error})"),
            Ok(error) if !passed => format!("the self-test's error is {error:.1e}, more than {:.0e}", 4.0 * TOLERANCE),
            Ok(_) if software => "a software device, used only when asked for".into(),
            Ok(_) if chosen => "the first hardware GPU that passed its self-test".into(),
            Ok(_) => "passed its self-test; an earlier GPU is preferred".into(),
        };
        let self_test = measured.as_ref().ok().copied();
        let device = match measured {
            Ok(_) if passed => Ok(device),
            Ok(_) => Err(Error::Device { device: name.clone(), reason: why.clone() }),
            Err(error) => Err(error),
        };
        Candidate {
            name,
            kind: if software { Kind::SoftwareGpu } else { Kind::Gpu },
            facts,
            device,
            self_test,
            chosen,
            why,
        }
    }

    /// The larger relative l2 error of a type 1 and a type 2 transform in two dimensions.
    fn error_of(device: &Device) -> Result<f64> {
        const POINTS: usize = 300;
        let modes = [12, 15];
        let wave = |rate: f64| Array1::from_iter((0..POINTS).map(|j| 7.0 * (rate * j as f64).sin()));
        let (x, y) = (wave(0.713), wave(1.291));
        let number = |i: usize| Complex::new((1.7 * i as f32).sin(), (2.3 * i as f32).cos());
        let strengths = Array1::from_iter((0..POINTS).map(number));
        let coefficients =
            ArrayD::from_shape_vec(IxDyn(&modes), (0..180).map(number).collect()).expect("12 x 15 numbers");

        let mut plan = NufftPlan::<f32>::builder(modes).tolerance(TOLERANCE).sign(Sign::Minus).build(device)?;
        plan.set_points([x.view(), y.view()])?;
        let transformed = plan.type1(&strengths)?;
        let exact =
            direct::type1(&[x.view(), y.view()], strengths.as_slice().expect("contiguous"), &modes, Sign::Minus)?;
        let first = relative_error(transformed.iter(), exact.iter());
        let transformed = plan.type2(&coefficients)?;
        let exact = direct::type2(&[x.view(), y.view()], coefficients.view(), Sign::Minus)?;
        Ok(first.max(relative_error(transformed.iter(), exact.iter())))
    }

    fn relative_error<'a>(
        values: impl Iterator<Item = &'a Complex<f32>>,
        exact: impl Iterator<Item = &'a Complex<f64>>,
    ) -> f64 {
        let (mut off, mut norm) = (0.0, 0.0);
        for (value, exact) in values.zip(exact) {
            off += (Complex::new(f64::from(value.re), f64::from(value.im)) - exact).norm_sqr();
            norm += exact.norm_sqr();
        }
        // A NaN must not pass: the comparison with the bound is false for it.
        (off / norm).sqrt()
    }
}
