//! The list of every shader in every specialisation, for a validator to see.

use crate::gpu::pipeline::{Source, roomy};
use crate::gpu::{deconvolve, fft, interp, jobs, matmul, phase, reduce, selftest, spread};
use crate::real::Real;

/// The name and the text of each shader.
#[doc(hidden)]
#[must_use]
pub fn shader_sources() -> Vec<(String, String)> {
    fn of<T: Real>(sources: &mut Vec<Source>) {
        sources.push(deconvolve::source::<T>());
        sources.push(phase::source::<T>());
        for axes in 1..=3 {
            for width in 2..=jobs::WIDEST {
                let (padded, degree) = (width.next_multiple_of(2), width + 3);
                for limits in [wgpu::Limits::default(), roomy()] {
                    let shape = jobs::Shape::new::<T>(&limits, axes, width);
                    sources.extend(shape.map(|shape| spread::source::<T>(&shape, padded, degree)));
                }
                sources.push(interp::source::<T>(axes, width, padded, degree));
            }
        }
    }
    let mut sources = Vec::new();
    of::<f32>(&mut sources);
    of::<f64>(&mut sources);
    sources.extend(reduce::sources());
    sources.extend(matmul::sources());
    sources.extend(fft::sources());
    sources.push(selftest::source());
    sources.into_iter().map(|source| (source.name, source.text)).collect()
}
