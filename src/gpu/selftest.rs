//! The self-test of a device: its arithmetic is tested before it is trusted.

use num_complex::Complex;

use crate::error::Result;
use crate::gpu::buffer::complex_bytes;
use crate::gpu::device::Context;
use crate::gpu::fft::Passes;
use crate::gpu::pipeline::{Slot, Source, generate};
use crate::gpu::queue::Queue;
use crate::nufft::timings::Timings;
use crate::numeric::sign::Sign;

pub(super) fn source() -> Source {
    generate::<f32>("selftest".into(), include_str!("../../shaders/selftest.wgsl"), &[])
}

/// What was tested, and whether it was right.
pub(super) fn findings(context: &Context) -> Result<Vec<(&'static str, bool)>> {
    let (one, small, square) = (1.0f32, 2f32.powi(-24), 1.0 + 2f32.powi(-12));
    let nan = f32::NAN.to_bits();
    let params = context.uniform(&[0, nan, one.to_bits(), small.to_bits(), square.to_bits(), 0, 0, 0])?;
    let found = context.storage("findings", 4 * 72)?;
    let kernel = context.kernel(&source(), "main", &[Slot::Uniform, Slot::Write])?;
    let group = context.bind("selftest", &kernel, vec![params.as_entire_binding(), found.as_entire_binding()])?;
    context.run("selftest", |encoder| {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    })?;
    let mut bits = [0u32; 72];
    context.download("findings", &found, &mut bits)?;
    let rounding = [one + small, one + 3.0 * small, square * square].map(f32::to_bits) == bits[..3];
    let lanes = (0..64u32).all(|lane| bits[8 + lane as usize] == (63 - lane) * (63 - lane));
    Ok(vec![
        ("rounding to nearest", rounding),
        ("pinned sums", bits[3] == small.to_bits()),
        ("NaN by its bits", bits[4] == 1 && f32::from_bits(bits[5]).is_nan()),
        ("workgroup memory", lanes),
        ("a small transform", transform(context)?),
    ])
}

/// Whether the transform of a tone of 60 numbers has a single bin.
fn transform(context: &Context) -> Result<bool> {
    let tone = |l: u16| Complex::from_polar(1.0f32, -std::f32::consts::TAU * f32::from(7 * l % 60) / 60.0);
    let mut numbers: Vec<_> = (0..60).map(tone).collect();
    let passes = Passes::natural::<f32>(context, &[60], 1)?;
    let [there, scratch] = [(); 2].map(|()| context.storage("a small transform", 60 * complex_bytes::<f32>()));
    let (there, scratch, mut queue) = (there?, scratch?, Queue::default());
    context.write("a small transform", &there, &numbers)?;
    passes.forward(context, &mut queue, [&there, &scratch], 1, Sign::Plus)?;
    queue.submit(context, &mut Timings::default())?;
    context.download("a small transform", &there, &mut numbers)?;
    let expected = |bin: usize| Complex::new(if bin == 7 { 60.0 } else { 0.0 }, 0.0);
    Ok(numbers.iter().enumerate().all(|(bin, z)| (z - expected(bin)).norm() < 1e-4))
}
