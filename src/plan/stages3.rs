//! The order of the stages of type 3, on any backend: sources are spread, and the grid is the modes of a type 2 at the
//! targets; back for the adjoint.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::nufft::timings::{Stage, Timings};
use crate::plan::stages::{Batch, Stages};
use crate::real::Real;

/// The stages of a type 3 on one backend.
#[derive(Debug)]
pub(crate) struct Stages3<T: Real, B: Backend> {
    /// Spreads sources, and interpolates at them on the way back.
    outer: Stages<T, B>,
    /// Type 2 at the targets, type 1 of them on the way back.
    inner: Stages<T, B>,
    /// What strengths are multiplied by; none if it is 1.
    sources: Option<B::Phases<T>>,
    /// What values are multiplied by.
    targets: B::Phases<T>,
    /// Memory between the two, kept from one execution to the next.
    spare: Mutex<Vec<B::Scratch<T>>>,
}

impl<T: Real, B: Backend> Stages3<T, B> {
    pub(crate) fn new(
        [outer, inner]: [Stages<T, B>; 2],
        sources: Option<&[Complex<T>]>,
        targets: &[Complex<T>],
    ) -> Result<Arc<Self>> {
        let (backend, together) = (&outer.kernels.backend, outer.kernels.together.min(inner.kernels.together));
        let sources = sources.map(|factors| backend.phases(factors, together)).transpose()?;
        let targets = backend.phases(targets, together)?;
        Ok(Arc::new(Self { outer, inner, sources, targets, spare: Mutex::default() }))
    }

    fn scratch(&self) -> B::Scratch<T> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Values at the targets from strengths at the sources, on arrays of the backend.
    pub(crate) fn type3(
        &self,
        strengths: &B::Input<'_, Complex<T>>,
        values: &mut B::Output<'_, Complex<T>>,
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<()> {
        let (sources, targets, sign) = (self.outer.points("type3")?, self.inner.points("type3")?, batch.sign);
        let (outer, inner) = (&*self.outer.kernels, &*self.inner.kernels);
        let (backend, mut scratch) = (&outer.backend, self.scratch());
        let (mut outer_fine, mut inner_fine) = (outer.fine()?, inner.fine()?);
        for items in batch.groups(outer.together.min(inner.together)) {
            let count = items.len();
            let mut grid = backend.timed(timings, Stage::Spread, || match &self.sources {
                Some(phases) => backend.spread_phased(
                    &outer.prepared,
                    sources,
                    (phases, sign),
                    strengths,
                    items.clone(),
                    outer_fine,
                    &mut scratch,
                ),
                None => {
                    let grid = backend.clear(&outer.prepared, outer_fine)?;
                    backend.spread(&outer.prepared, sources, strengths, items.clone(), grid)
                }
            })?;
            let spectrum = backend.timed(timings, Stage::Deconvolve, || {
                let (outer, inner) = ((&outer.prepared, &mut grid), (&inner.prepared, inner_fine));
                backend.grid_to_spectrum(outer, inner, count, sign, &mut scratch)
            })?;
            let mut found = backend.fft_back(&inner.prepared, spectrum, count, sign, timings)?;
            backend.timed(timings, Stage::Interpolate, || {
                let phases = (&self.targets, sign);
                backend.interp_phased(&inner.prepared, targets, phases, &mut found, values, items)
            })?;
            backend.hand_on(&mut found.0, &mut grid.0);
            (outer_fine, inner_fine) = (grid.0, found.0);
        }
        backend.finish(&mut outer_fine, timings)?;
        outer.keep(outer_fine);
        inner.keep(inner_fine);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        Ok(())
    }

    /// The adjoint: strengths at the sources from values at the targets. `batch` has the sign of the phases, that of
    /// the type 3 whose adjoint it is with the opposite sign.
    pub(crate) fn adjoint(
        &self,
        values: &B::Input<'_, Complex<T>>,
        strengths: &mut B::Output<'_, Complex<T>>,
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<()> {
        let (sources, targets, sign) = (self.outer.points("adjoint")?, self.inner.points("adjoint")?, batch.sign);
        let (outer, inner) = (&*self.outer.kernels, &*self.inner.kernels);
        let (backend, mut scratch) = (&outer.backend, self.scratch());
        let (mut outer_fine, mut inner_fine) = (outer.fine()?, inner.fine()?);
        for items in batch.groups(outer.together.min(inner.together)) {
            let count = items.len();
            let grid = backend.timed(timings, Stage::Spread, || {
                let phases = (&self.targets, sign);
                backend.spread_phased(&inner.prepared, targets, phases, values, items.clone(), inner_fine, &mut scratch)
            })?;
            let mut spectrum = backend.fft(&inner.prepared, grid, count, sign, timings)?;
            let mut grid = backend.timed(timings, Stage::Deconvolve, || {
                let (inner, outer) = ((&inner.prepared, &mut spectrum), (&outer.prepared, outer_fine));
                backend.spectrum_to_grid(inner, outer, count, sign, &mut scratch)
            })?;
            backend.timed(timings, Stage::Interpolate, || match &self.sources {
                Some(phases) => {
                    backend.interp_phased(&outer.prepared, sources, (phases, sign), &mut grid, strengths, items)
                }
                None => backend.interp(&outer.prepared, sources, &mut grid, strengths, items),
            })?;
            backend.hand_on(&mut grid.0, &mut spectrum.0);
            (outer_fine, inner_fine) = (grid.0, spectrum.0);
        }
        backend.finish(&mut inner_fine, timings)?;
        outer.keep(outer_fine);
        inner.keep(inner_fine);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        Ok(())
    }

    /// Either direction between arrays of the host, a row for each transform.
    pub(crate) fn on_host(
        &self,
        input: ArrayView2<'_, Complex<T>>,
        output: &mut [Complex<T>],
        (batch, adjoint): (Batch, bool),
        timings: &mut Timings,
    ) -> Result<()> {
        let (start, backend) = (Instant::now(), &self.outer.kernels.backend);
        let (input, mut output) =
            timings.time(Stage::Transfers, || Ok::<_, Error>((backend.load(input)?, backend.open(output)?)))?;
        if adjoint {
            self.adjoint(&input, &mut output, batch, timings)?;
        } else {
            self.type3(&input, &mut output, batch, timings)?;
        }
        timings.time(Stage::Transfers, || backend.store(output))?;
        timings.add(Stage::Execute, start.elapsed());
        Ok(())
    }
}
