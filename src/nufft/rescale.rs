//! The geometry of type 3: centres and extents of sources and targets, and the grid between them.
//!
//! The centres are shifted to zero, which multiplies by the phases computed here.

use ndarray::{ArrayView1, aview1, s};
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::machine::parallel;
use crate::nufft::choice::{LARGEST_UPSAMPLING, smooth_size};
use crate::nufft::kernel::KernelShape;
use crate::nufft::points::Points;
use crate::nufft::table::{Correction, TOGETHER};
use crate::nufft::waves::{BLOCK, Waves};
use crate::numeric::float::{Coordinate, Float};

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
            let needed = size("the grid of a type 3", 2.0 * (axis.reach.0 / spacing) + width as f64 + 2.0)?;
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
        self.axes.iter().any(|axis| axis.target_centre != 0.0).then(|| {
            let waves: Vec<Waves> = self.axes.iter().map(|axis| Waves::new(axis.target_centre)).collect();
            factors(originals.len(), |first, values| {
                for ((axis, waves), original) in self.axes.iter().zip(&waves).zip(&originals.axes) {
                    if axis.target_centre != 0.0 {
                        multiply(values, waves.at(&block(*original, first)));
                    }
                }
            })
        })
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
        let tables: Vec<_> = self
            .axes
            .iter()
            .zip(spacings)
            .map(|(axis, spacing)| {
                let waves = Waves::new(axis.source_centre);
                (waves, waves.exact(-axis.target_centre), Correction::new(kernel, width, spacing * axis.reach.1))
            })
            .collect();
        factors(originals.len(), |first, values| {
            for (((axis, original), &spacing), (waves, shift, correction)) in
                self.axes.iter().zip(&originals.axes).zip(spacings).zip(&tables)
            {
                if axis.source_centre != 0.0 {
                    multiply(values, waves.at(&block(*original, first)));
                    values.iter_mut().for_each(|value| *value *= shift);
                }
                let targets = block(aview1(&axis.targets), first);
                for (values, targets) in values.chunks_exact_mut(TOGETHER).zip(targets.as_chunks().0) {
                    let factors = correction.at(targets.map(|s| spacing * s));
                    values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
                }
            }
        })
    }
}

/// Factors of points, computed in f64 a block at a time: `multiply(first, values)` multiplies ones by those of the
/// points from `first` on.
fn factors<T: Float>(count: usize, multiply: impl Fn(usize, &mut [Complex<f64>; BLOCK]) + Sync) -> Vec<Complex<T>> {
    let mut all = vec![Complex::default(); count];
    parallel::chunks(&mut all, BLOCK, 64, |index, some| {
        let mut values = [Complex::new(1.0, 0.0); BLOCK];
        multiply(index * BLOCK, &mut values);
        some.iter_mut().zip(values).for_each(|(to, z)| *to = Complex::new(T::nearest(z.re), T::nearest(z.im)));
    });
    all
}

/// A block of coordinates from `first` on, with zeros behind the last one.
fn block<C: Coordinate>(coordinates: ArrayView1<'_, C>, first: usize) -> [f64; BLOCK] {
    let mut block = [0.0; BLOCK];
    let some = coordinates.slice(s![first..coordinates.len().min(first + BLOCK)]);
    block.iter_mut().zip(some).for_each(|(to, &x)| *to = x.into());
    block
}

fn multiply(values: &mut [Complex<f64>; BLOCK], waves: [Complex<f64>; BLOCK]) {
    values.iter_mut().zip(waves).for_each(|(value, wave)| *value *= wave);
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
    let mut moved = vec![0.0; coordinates.len()];
    parallel::chunks(&mut moved, 4096, 1, |index, moved| {
        let from = coordinates.slice(s![index * 4096..index * 4096 + moved.len()]);
        moved.iter_mut().zip(from).for_each(|(to, &x)| *to = x.into() - centre);
    });
    // Rounding keeps the order, so the ends stay the ends.
    let half = (range.1 - centre).abs().max((range.0 - centre).abs());
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

    /// The grid's spacing for an upsampling factor: the band of the targets must be 1/σ of the grid's. It is no more
    /// than the extent of the sources: where targets are all but equal, the grid's length would not be finite.
    fn spacing(&self, upsampling: f64) -> f64 {
        let (sources, targets) = self.reach;
        // A smaller spacing has no reciprocal.
        let most = if sources > 0.0 { (2.0 * sources).clamp(1e-290, 1e290) } else { 1.0 };
        if targets > 0.0 { most.min(std::f64::consts::PI / upsampling / targets) } else { most }
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
