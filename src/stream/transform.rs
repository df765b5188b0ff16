//! Type 1 over points and strengths that are larger than memory: chunks are spread onto one grid, which is transformed
//! once.

use std::sync::Arc;

use ndarray::{Array, ArrayView1, Dimension, Ix1};
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::numeric::float::Coordinate;
use crate::plan::accumulate::Accumulation;
use crate::plan::nufft::NufftPlan;
use crate::real::Number;
use crate::source::description::Source;
use crate::source::element::{ElementType, Stored};
use crate::source::region::Region;
use crate::stream::run::Progress;

/// Type 1, `f[k] = Σ_j c[j] exp(±i k·x[j])`, of points and strengths from sources, `chunk` points at a time.
///
/// `points` has one source for each axis, of f64 or f32, and `strengths` one of elements V; each has one axis, of M. It
/// ends when `watch` says `false`.
///
/// ```
/// use std::sync::Arc;
/// use ndarray::Array1;
/// use num_complex::Complex;
/// use wavemill::source::Memory;
/// use wavemill::{Cpu, Device, NufftPlan, stream};
///
/// let x = Array1::from_iter((0..1000).map(|j| f64::from(j) * 0.618_034));
/// let c = x.mapv(f64::cos);
/// let mut plan = NufftPlan::<f64>::builder([64]).tolerance(1e-9).build(&Device::from(Cpu::new()))?;
/// let (points, strengths) = (Memory::new("x", &x), Memory::new("c", &c));
/// let found = stream::type1::<f64, _>(&plan, &[Arc::new(points)], &strengths, 300, &|_| true)?;
/// plan.set_points([&x])?;
/// let whole = plan.type1(&c)?;
/// assert!(found.iter().zip(&whole).all(|(a, b): (&Complex<f64>, _)| (a - b).norm() < 1e-11));
/// # Ok::<(), wavemill::Error>(())
/// ```
///
/// # Memory
/// The grids of [`NufftPlan::accumulate`], and for each point of a chunk its coordinates and strength twice, and 8
/// bytes.
///
/// # Accuracy
/// As of [`NufftPlan::accumulate`]: the order of the chunks affects only rounding.
///
/// # Errors
/// [`Error::Shape`] if the sources are not of one axis of the same length, one for each axis of the plan;
/// [`Error::Parameter`] for elements of other types; [`Error::Read`], [`Error::Stopped`], and as
/// [`crate::nufft::Accumulation::add`], whose point numbers then count from the beginning of a chunk.
pub fn type1<V: Number + Stored, D: Dimension>(
    plan: &NufftPlan<V::Real, D>,
    points: &[Arc<dyn Source>],
    strengths: &dyn Source,
    chunk: usize,
    watch: &dyn Fn(Progress) -> bool,
) -> Result<Array<Complex<V::Real>, D>> {
    let count = strengths.description().shape.first().copied().unwrap_or_default();
    for source in points.iter().map(|source| &**source).chain([strengths]) {
        if source.description().shape != [count] {
            let got = crate::shape::written(&source.description().shape);
            return Err(Error::shape("points and strengths", format!("one axis of {count}"), got));
        }
    }
    if strengths.description().element != V::TYPE {
        return Err(Error::parameter("strengths", format!("of {}", V::TYPE), strengths.description().element));
    }
    let types: Vec<_> = points.iter().map(|source| source.description().element).collect();
    let sum: Accumulation<V::Real, V, Ix1, D> = plan.accumulate()?;
    if types.iter().all(|kind| *kind == ElementType::Float64) {
        over::<f64, V, D>(sum, points, strengths, (count, chunk), watch)
    } else if types.iter().all(|kind| *kind == ElementType::Float32) {
        over::<f32, V, D>(sum, points, strengths, (count, chunk), watch)
    } else {
        let got: Vec<_> = types.iter().map(ToString::to_string).collect();
        Err(Error::parameter("points", "all of float64, or all of float32", got.join(", ")))
    }
}

fn over<X: Coordinate + Stored, V: Number + Stored, D: Dimension>(
    mut sum: Accumulation<V::Real, V, Ix1, D>,
    points: &[Arc<dyn Source>],
    strengths: &dyn Source,
    (count, chunk): (usize, usize),
    watch: &dyn Fn(Progress) -> bool,
) -> Result<Array<Complex<V::Real>, D>> {
    let each = (points.len() * size_of::<X>() + size_of::<V>()) as u64;
    let mut axes: Vec<Vec<X>> = vec![Vec::new(); points.len()];
    let mut values: Vec<V> = Vec::new();
    for first in (0..count).step_by(chunk.max(1)) {
        let len = chunk.max(1).min(count - first);
        let block = Region { start: vec![first], shape: vec![len] };
        for (axis, source) in axes.iter_mut().zip(points) {
            axis.resize(len, X::default());
            source.read(&block, bytemuck::cast_slice_mut(axis))?;
        }
        values.resize(len, V::default());
        strengths.read(&block, bytemuck::cast_slice_mut(&mut values))?;
        let views: Vec<_> = axes.iter().map(|axis| ArrayView1::from(&axis[..])).collect();
        sum.add(&views, &ArrayView1::from(&values[..]))?;
        if !watch(Progress { done: (first + len) as u64 * each, total: count as u64 * each }) {
            return Err(Error::Stopped);
        }
    }
    sum.finish()
}
