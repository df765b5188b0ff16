//! The geometry of type 3: centres and extents of sources and targets, and the grid between them.
//!
//! The centres are shifted to zero, which multiplies by the phases computed here.

use ndarray::ArrayView1;
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::machine::parallel;
use crate::nufft::choice::{LARGEST_UPSAMPLING, smooth_size};
use crate::nufft::kernel::KernelShape;
use crate::nufft::points::{Points, Unit};
use crate::nufft::table::{Correction, TOGETHER};
use crate::numeric::float::{Coordinate, Float};
use crate::numeric::turns;

/// Sources and targets, each relative to their centre.
#[derive(Debug)]
pub(crate) struct Rescaling {
    pub(crate) axes: Vec<Axis>,
}

impl Rescaling {
    pub(crate) fn new<C: Coordinate, S: Coordinate>(sources: &Points<'_, C>, targets: &Points<'_, S>) -> Self {
        let axes = sources.axes.iter().zip(&targets.axes).map(|(x, s)| {
            let ((source_centre, x_reach, sources), (target_centre, s_reach, targets)) = (centred(*x), centred(*s));
            Axis { sources, targets, source_centre, target_centre, reach: (x_reach, s_reach) }
        });
        Self { axes: axes.collect() }
    }

    /// Cells that a grid without upsampling would need on each axis.
    pub(crate) fn modes(&self) -> Result<Vec<usize>> {
        self.axes.iter().map(|axis| size("the grid of a type 3", axis.modes())).collect()
    }

    /// The grid for a width and an upsampling factor; it is large enough that no stencil wraps around.
    pub(crate) fn grid(&self, width: usize, upsampling: f64) -> Result<Vec<usize>> {
        let cells = |axis: &Axis| {
            let spacing = axis.spacing(upsampling.min(LARGEST_UPSAMPLING));
            let needed = size("the grid of a type 3", 2.0 * axis.reach.0 / spacing + width as f64 + 2.0)?;
            Ok(smooth_size(needed.max(2 * width)))
        };
        self.axes.iter().map(cells).collect()
    }

    /// The grid's spacing on each axis.
    pub(crate) fn spacings(&self, upsampling: f64) -> Vec<f64> {
        self.axes.iter().map(|axis| axis.spacing(upsampling)).collect()
    }

    /// `exp(+i s̄·x)` for each source x, where s̄ is the targets' centre; none if that is 0.
    pub(crate) fn source_phases<T: Float, C: Coordinate>(&self, originals: &Points<'_, C>) -> Option<Vec<Complex<T>>> {
        let mut phases =
            self.axes.iter().any(|axis| axis.target_centre != 0.0).then(|| unit(self.axes[0].sources.len()))?;
        for (axis, original) in self.axes.iter().zip(&originals.axes) {
            multiply_phases(&mut phases, axis.target_centre, |j| original[j].into());
        }
        Some(narrow(phases))
    }

    /// `exp(+i (s - s̄)·x̄)` for each target s, where x̄ and s̄ are the centres of sources and targets, times the
    /// correction for the kernel's transform. `s·x̄` and `s̄·x̄` are exact: where x̄ is large, the phase of a rounded
    /// `s - s̄` would be off by much.
    pub(crate) fn target_phases<T: Float, S: Coordinate>(
        &self,
        originals: &Points<'_, S>,
        (kernel, width): (&dyn KernelShape, usize),
        spacings: &[f64],
    ) -> Vec<Complex<T>> {
        let mut phases = unit(originals.len());
        for ((axis, &spacing), original) in self.axes.iter().zip(spacings).zip(&originals.axes) {
            multiply_phases(&mut phases, axis.source_centre, |k| original[k].into());
            multiply_phases(&mut phases, axis.source_centre, |_| -axis.target_centre);
            let correction = Correction::new(kernel, width, spacing * axis.reach.1);
            parallel::chunks(&mut phases, TOGETHER, 16, |index, values| {
                let targets = &axis.targets[index * TOGETHER..];
                let angles = std::array::from_fn(|i| targets.get(i).map_or(0.0, |s| spacing * s));
                values.iter_mut().zip(correction.at(angles)).for_each(|(value, factor)| *value *= factor);
            });
        }
        narrow(phases)
    }
}

fn unit(count: usize) -> Vec<Complex<f64>> {
    vec![Complex::new(1.0, 0.0); count]
}

/// The centre of coordinates, half their extent, and the coordinates relative to the centre. A centre near zero is
/// taken as zero: subtracting it would only round.
fn centred<C: Coordinate>(coordinates: ArrayView1<'_, C>) -> (f64, f64, Vec<f64>) {
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for &x in &coordinates {
        range = (range.0.min(x.into()), range.1.max(x.into()));
    }
    let half = 0.5 * range.1 - 0.5 * range.0;
    let centre = 0.5 * range.1 + 0.5 * range.0;
    let centre = if centre.abs() <= 0.1 * half { 0.0 } else { centre };
    let moved: Vec<f64> = coordinates.iter().map(|&x| x.into() - centre).collect();
    let half = moved.iter().fold(0.0, |half: f64, x| half.max(x.abs()));
    (centre, half, moved)
}

/// One axis of sources, targets and the grid between them.
#[derive(Debug)]
pub(crate) struct Axis {
    pub(crate) sources: Vec<f64>,
    pub(crate) targets: Vec<f64>,
    source_centre: f64,
    target_centre: f64,
    /// Half the extents of sources and targets.
    reach: (f64, f64),
}

impl Axis {
    /// Cells that a grid without upsampling would need.
    fn modes(&self) -> f64 {
        2.0 * self.reach.0 * self.reach.1 / std::f64::consts::PI
    }

    /// The grid's spacing for an upsampling factor: the band of the targets must be 1/σ of the grid's. With a single
    /// source or target any spacing will do.
    fn spacing(&self, upsampling: f64) -> f64 {
        let (sources, targets) = self.reach;
        match (sources > 0.0, targets > 0.0) {
            (_, true) => std::f64::consts::PI / (upsampling * targets),
            (true, false) => 2.0 * sources,
            (false, false) => 1.0,
        }
    }
}

/// A number of cells rounded up, or an error if it is more than an axis can have.
fn size(what: &'static str, cells: f64) -> Result<usize> {
    let cells = cells.ceil().max(1.0);
    if cells < f64::from(1u32 << 30) {
        return Ok(cells as usize);
    }
    Err(Error::TooLarge {
        what,
        needed: format!("{cells:.2e} cells on an axis"),
        limit:
            "an axis holds at most 2^30; it is the product of the extents of sources and targets: split either into \
                parts that lie together"
                .into(),
    })
}

/// Multiplies by `exp(+i centre·x)`, in turns that are exact to the last bit of x whatever the size of the product.
fn multiply_phases(values: &mut [Complex<f64>], centre: f64, x: impl Fn(usize) -> f64 + Sync) {
    if centre == 0.0 {
        return;
    }
    parallel::chunks(values, 1024, 16, |index, values| {
        for (i, value) in values.iter_mut().enumerate() {
            let turns = Unit::Radians { step: centre }.exact(x(index * 1024 + i));
            *value *= turns::wave(turns);
        }
    });
}

fn narrow<T: Float>(values: Vec<Complex<f64>>) -> Vec<Complex<T>> {
    values.into_iter().map(|z| Complex::new(T::nearest(z.re), T::nearest(z.im))).collect()
}
