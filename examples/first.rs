//! The README's first program: samples at uneven times, their spectrum, and back.

use ndarray::Array1;
use wavemill::{Device, NufftPlan, Sign};

fn main() -> wavemill::Result<()> {
    let device = Device::auto();
    println!("{}: {}", device.name(), device.reason());

    // 1000 samples of a wave with 42 periods, at uneven times in [0, 2π).
    let times = Array1::from_iter((0..1000).map(|j| (f64::from(j) * 0.618_034).fract() * std::f64::consts::TAU));
    let samples = times.mapv(|t| (42.0 * t).cos() as f32);

    // 257 modes, -128 to 128. Coordinates are f64 although the data are f32.
    let mut plan = NufftPlan::<f32>::builder([257]).tolerance(1e-5).sign(Sign::Minus).build(&device)?;
    println!("{}", plan.describe());
    plan.set_points([&times])?;
    let spectrum = plan.type1(&samples)?;

    let strength = |k: i32| spectrum[(k + 128) as usize].norm() / 1000.0;
    let strongest = (0..=128).max_by(|&a, &b| strength(a).total_cmp(&strength(b))).unwrap_or(0);
    println!("strongest at k = {strongest}, amplitude {:.3}", 2.0 * strength(strongest));
    assert_eq!(strongest, 42);
    Ok(())
}
