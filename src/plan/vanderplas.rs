//! Type 1 in the convention of the 2015 article "Fast numerical non-uniform Fourier transforms in Python".

use ndarray::aview1;
use num_complex::Complex;

use crate::cpu::Cpu;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::numeric::sign::Sign;
use crate::plan::nufft::NufftPlan;

/// `F[k] = (1/len(x)) Σ_j y[j] exp(± i k df x[j])` for `k = -(m/2) .. m-m/2-1`, in f64 on the CPU.
///
/// `y` is real or complex. `eps`, strictly between 1e-33 and 1e-1, is the relative l2 error asked for; below the
/// smallest reachable one, 1e-14, it is taken as that, as a plan's recipe would say (the convention's default is
/// 1e-15). Results are right for every m >= 1 (the article's own program is wrong for m < 8). To choose the article's
/// Gaussian kernel, or another device, build a [`NufftPlan`] with [`crate::NufftBuilder::step`] `= df` and divide by
/// the number of points.
///
/// # Errors
/// [`Error::Parameter`] for `eps` or `df` outside their range or `m = 0`, [`Error::Shape`] if `x` is empty or the
/// lengths differ, [`Error::NotFinite`] for a NaN or infinity in `x`.
///
/// ```
/// use wavemill::{Sign, nufft};
/// let x = [0.3, 1.1, 2.0, 5.5];
/// let y = x.map(f64::sin);
/// let spectrum = nufft::vanderplas(&x, &y, 9, 1.0, 1e-15, Sign::Plus)?;
/// assert!((spectrum[4].re - y.iter().sum::<f64>() / 4.0).abs() < 1e-14);
/// # Ok::<(), wavemill::Error>(())
/// ```
pub fn vanderplas<Y: Copy + Into<Complex<f64>>>(
    x: &[f64],
    y: &[Y],
    m: usize,
    df: f64,
    eps: f64,
    sign: Sign,
) -> Result<Vec<Complex<f64>>> {
    if !(eps > 1e-33 && eps < 1e-1) {
        return Err(Error::parameter("eps", "1e-33 < eps < 1e-1", format!("{eps:e}")));
    }
    if x.is_empty() || x.len() != y.len() {
        return Err(Error::shape("y", format!("as many values as x has ({}, at least 1)", x.len()), y.len()));
    }
    let mut plan = NufftPlan::<f64>::builder([m])
        .tolerance(eps)
        .accept_reachable()
        .step(df)
        .sign(sign)
        .build(&Device::from(Cpu::new()))?;
    plan.set_points([aview1(x)])?;
    let strengths: Vec<Complex<f64>> = y.iter().map(|&y| y.into()).collect();
    let modes = if strengths.iter().all(|c| c.im == 0.0) {
        let strengths: Vec<f64> = strengths.iter().map(|c| c.re).collect();
        plan.type1(&*aview1(&strengths))?
    } else {
        plan.type1(&*aview1(&strengths))?
    };
    let scale = 1.0 / x.len() as f64;
    Ok(modes.into_iter().map(|mode| mode * scale).collect())
}
