//! Type 3 on a GPU: the stages of its two plans one after another. The grid between them is the one's result and the other's modes, and
//! stays where it is.

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::backend::{Backend, Grid};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Input, Output, Phases};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::plan::stages::{Stages, groups};
use crate::real::Real;

/// The stages of a [`crate::NufftPlan3`] on its GPU, for strengths and values that are there already: one submission, and nothing goes over
/// the bus where the grid is transformed on the device.
#[derive(Debug)]
pub struct Stages3<'a, T: Real> {
    /// Spreads sources, and interpolates at them on the way back.
    pub(super) outer: &'a mut Stages<T, Gpu>,
    /// Type 2 at the targets, type 1 of them on the way back.
    pub(super) inner: &'a mut Stages<T, Gpu>,
    pub(super) sides: &'a Sides<T>,
}

/// What strengths and values are multiplied by, and how many of them there are.
#[derive(Debug)]
pub(super) struct Sides<T> {
    /// At the sources; none if it is 1.
    sources: Option<Phases<T>>,
    targets: Phases<T>,
    batch: usize,
}

impl<T: Real> Sides<T> {
    pub(super) fn new(
        [outer, inner]: [&Stages<T, Gpu>; 2],
        before: Option<&[Complex<T>]>,
        after: &[Complex<T>],
        batch: usize,
    ) -> Result<Self> {
        let (gpu, together) = (&outer.backend, outer.together.min(inner.together));
        let sources = before.map(|phases| gpu.phases(phases, together)).transpose()?;
        Ok(Self { sources, targets: gpu.phases(after, together)?, batch })
    }
}

/// Points were set, since a type 3 has no stages before.
const UNSET: Error = Error::Order { call: "type3", first: "set_points" };

impl<T: Real> Stages3<'_, T> {
    /// Does some work between arrays of the host, a batch each.
    pub(super) fn with_host_arrays(
        &mut self,
        input: &[Complex<T>],
        output: &mut [Complex<T>],
        timings: &mut Timings,
        work: impl FnOnce(&mut Self, &Input<Complex<T>>, &mut Output<'_, Complex<T>>, &mut Timings) -> Result<()>,
    ) -> Result<()> {
        let gpu = self.outer.backend.clone();
        let shape = (self.sides.batch, input.len() / self.sides.batch);
        let rows = ArrayView2::from_shape(shape, input).expect("the plan has checked the shape");
        let (input, mut output) =
            timings.time(Stage::Transfers, || Ok::<_, Error>((gpu.load(rows)?, gpu.open(output)?)))?;
        work(self, &input, &mut output, timings)?;
        timings.time(Stage::Transfers, || gpu.store(output))
    }

    /// Values at the targets from strengths at the sources, for the plan's batch.
    ///
    /// # Errors
    /// [`Error::Shape`] if an array is too small, [`Error::DeviceLost`].
    pub fn type3(
        &mut self,
        strengths: &Input<Complex<T>>,
        values: &mut Output<'_, Complex<T>>,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        let Self { outer, inner, sides: Sides { sources, targets, batch } } = self;
        let gpu = outer.backend.clone();
        for items in groups(*batch, outer.together.min(inner.together)) {
            let (mut blank, here) = (outer.fine()?, 0..items.len());
            let points = outer.points.as_ref().ok_or(UNSET)?;
            let turned;
            let (numbers, those) = match sources {
                Some(phases) => {
                    turned = gpu.turn(&mut blank, phases, sign, strengths, items.clone())?;
                    (&turned, here.clone())
                }
                None => (strengths, items.clone()),
            };
            let grid = gpu.clear(&outer.prepared, blank)?;
            let mut grid = gpu.spread(&outer.prepared, points, numbers, those, grid)?;

            let (mut fine, modes) = (inner.fine()?, grid.0.as_input());
            let points = inner.points.as_ref().ok_or(UNSET)?;
            grid.0.hand_on(&mut fine);
            let spectrum = gpu.deconvolve_back(&inner.prepared, &modes, here.clone(), sign, fine)?;
            let mut found = gpu.fft_back(&inner.prepared, spectrum, here.len(), sign, timings)?;
            gpu.interp(&inner.prepared, points, &mut found, &mut targets.unturned(), here)?;
            gpu.turn_back(&mut found.0, targets, sign, values, items)?;
            found.0.hand_on(&mut grid.0);
            (outer.fine, inner.fine) = (Some(grid.0), Some(found.0));
        }
        outer.finish(timings)
    }

    /// The adjoint: strengths at the sources from values at the targets, as [`crate::NufftPlan3::adjoint`] with the opposite of `sign` in
    /// its plan.
    ///
    /// # Errors
    /// As [`Stages3::type3`].
    pub fn adjoint(
        &mut self,
        values: &Input<Complex<T>>,
        strengths: &mut Output<'_, Complex<T>>,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<()> {
        let Self { outer, inner, sides: Sides { sources, targets, batch } } = self;
        let gpu = outer.backend.clone();
        for items in groups(*batch, outer.together.min(inner.together)) {
            let (mut blank, here) = (inner.fine()?, 0..items.len());
            let points = inner.points.as_ref().ok_or(UNSET)?;
            let turned = gpu.turn(&mut blank, targets, sign, values, items.clone())?;
            let grid = gpu.clear(&inner.prepared, blank)?;
            let grid = gpu.spread(&inner.prepared, points, &turned, here.clone(), grid)?;
            let mut spectrum = gpu.fft(&inner.prepared, grid, here.len(), sign, timings)?;
            let mut grid = Grid::<_, Complex<T>>::new(outer.fine()?);
            gpu.deconvolve(&inner.prepared, &mut spectrum, &mut grid.0.as_output(), here.clone(), sign)?;

            let points = outer.points.as_ref().ok_or(UNSET)?;
            spectrum.0.hand_on(&mut grid.0);
            match sources {
                Some(phases) => {
                    gpu.interp(&outer.prepared, points, &mut grid, &mut phases.unturned(), here)?;
                    gpu.turn_back(&mut grid.0, phases, sign, strengths, items)?;
                }
                None => gpu.interp(&outer.prepared, points, &mut grid, strengths, items)?,
            }
            grid.0.hand_on(&mut spectrum.0);
            (outer.fine, inner.fine) = (Some(grid.0), Some(spectrum.0));
        }
        inner.finish(timings)
    }
}
