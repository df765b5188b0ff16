//! The self-test of a GPU: its arithmetic, and small transforms of both types held to direct sums, before anything is trusted to the
//! driver.

use ndarray::{Array1, ArrayD, IxDyn};
use num_complex::Complex;

use crate::backend::Backend;
use crate::device::{Candidate, Device, Kind};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nufft::{NufftPlan, Sign, direct};

/// The tolerance of the self-test's transforms, and the error up to which it passes (the error law's factor of 4).
const TOLERANCE: f64 = 1e-4;

/// Every GPU found, tested; the first hardware one that passed is chosen.
pub(super) fn gpus() -> Vec<Candidate> {
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
    let coefficients = ArrayD::from_shape_vec(IxDyn(&modes), (0..180).map(number).collect()).expect("12 x 15 numbers");

    let mut plan = NufftPlan::<f32>::builder(modes).tolerance(TOLERANCE).sign(Sign::Minus).build(device)?;
    plan.set_points([x.view(), y.view()])?;
    let transformed = plan.type1(&strengths)?;
    let exact = direct::type1(&[x.view(), y.view()], strengths.as_slice().expect("contiguous"), &modes, Sign::Minus)?;
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
