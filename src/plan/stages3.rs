//! The order of the stages of type 3, on any backend: sources are spread onto a grid, whose cells are the modes of a
//! type 2 at the targets; in reverse for the adjoint.

use std::ops::Range;
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
    /// Spreads from the sources; for the adjoint, interpolates at them.
    outer: Stages<T, B>,
    /// Type 2 at the targets; for the adjoint, type 1 from them.
    inner: Stages<T, B>,
    /// The phase factors by which strengths are multiplied; `None` if all of them are 1.
    sources: Option<B::Phases<T>>,
    /// The factors by which values are multiplied: phases, divided by the kernel's transform.
    targets: B::Phases<T>,
    /// Scratch memory between the two transforms, kept from one execution to the next.
    spare: Mutex<Vec<B::Scratch<T>>>,
}

impl<T: Real, B: Backend> Stages3<T, B> {
    pub(crate) fn new(
        [outer, inner]: [Stages<T, B>; 2],
        sources: Option<Vec<Complex<T>>>,
        targets: Vec<Complex<T>>,
    ) -> Result<Arc<Self>> {
        let (backend, together) = (&outer.kernels.backend, outer.kernels.together.min(inner.kernels.together));
        let sources = sources.map(|factors| backend.phases(factors, together)).transpose()?;
        let targets = backend.phases(targets, together)?;
        Ok(Arc::new(Self { outer, inner, sources, targets, spare: Mutex::default() }))
    }

    /// Runs the groups of a batch one after another, in the grids of the outer and the inner plan and scratch memory
    /// between them. Then waits for the grids with the index `last`, on which all work is queued, and keeps the memory.
    fn in_groups(
        &self,
        batch: Batch,
        timings: &mut Timings,
        last: usize,
        mut run: impl FnMut(Range<usize>, [B::Fine<T>; 2], &mut B::Scratch<T>, &mut Timings) -> Result<[B::Fine<T>; 2]>,
    ) -> Result<()> {
        let (outer, inner) = (&*self.outer.kernels, &*self.inner.kernels);
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = spare().pop().unwrap_or_default();
        let mut fine = [outer.fine()?, inner.fine()?];
        for items in batch.groups(outer.together.min(inner.together)) {
            fine = run(items, fine, &mut scratch, timings)?;
        }
        outer.backend.finish(&mut fine[last], timings)?;
        let [outer_fine, inner_fine] = fine;
        outer.keep(outer_fine);
        inner.keep(inner_fine);
        spare().push(scratch);
        Ok(())
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
        let (outer, inner) = (&self.outer.kernels.prepared, &self.inner.kernels.prepared);
        let backend = &self.outer.kernels.backend;
        self.in_groups(batch, timings, 0, |items, [outer_fine, inner_fine], scratch, timings| {
            let count = items.len();
            let mut grid = backend.timed(timings, Stage::Spread, || match &self.sources {
                Some(phases) => {
                    let phases = (phases, sign);
                    backend.spread_phased(outer, sources, phases, strengths, items.clone(), outer_fine, scratch)
                }
                None => {
                    let grid = backend.clear(outer, outer_fine)?;
                    backend.spread(outer, sources, strengths, items.clone(), grid)
                }
            })?;
            let spectrum = backend.timed(timings, Stage::Deconvolve, || {
                backend.grid_to_spectrum((outer, &mut grid), (inner, inner_fine), count, sign, scratch)
            })?;
            let mut found = backend.fft_back(inner, spectrum, count, sign, timings)?;
            backend.timed(timings, Stage::Interpolate, || {
                backend.interp_phased(inner, targets, (&self.targets, sign), &mut found, values, items)
            })?;
            backend.hand_on(&mut found.0, &mut grid.0);
            Ok([grid.0, found.0])
        })
    }

    /// The adjoint: strengths at the sources from values at the targets. `batch` has the sign of the exponent in the
    /// adjoint, opposite to that of the type 3 whose adjoint it is.
    pub(crate) fn adjoint(
        &self,
        values: &B::Input<'_, Complex<T>>,
        strengths: &mut B::Output<'_, Complex<T>>,
        batch: Batch,
        timings: &mut Timings,
    ) -> Result<()> {
        let (sources, targets, sign) = (self.outer.points("adjoint")?, self.inner.points("adjoint")?, batch.sign);
        let (outer, inner) = (&self.outer.kernels.prepared, &self.inner.kernels.prepared);
        let backend = &self.outer.kernels.backend;
        self.in_groups(batch, timings, 1, |items, [outer_fine, inner_fine], scratch, timings| {
            let count = items.len();
            let grid = backend.timed(timings, Stage::Spread, || {
                let phases = (&self.targets, sign);
                backend.spread_phased(inner, targets, phases, values, items.clone(), inner_fine, scratch)
            })?;
            let mut spectrum = backend.fft(inner, grid, count, sign, timings)?;
            let mut grid = backend.timed(timings, Stage::Deconvolve, || {
                backend.spectrum_to_grid((inner, &mut spectrum), (outer, outer_fine), count, sign, scratch)
            })?;
            backend.timed(timings, Stage::Interpolate, || match &self.sources {
                Some(phases) => backend.interp_phased(outer, sources, (phases, sign), &mut grid, strengths, items),
                None => backend.interp(outer, sources, &mut grid, strengths, items),
            })?;
            backend.hand_on(&mut grid.0, &mut spectrum.0);
            Ok([grid.0, spectrum.0])
        })
    }

    /// Type 3 or its adjoint between arrays of the host, with one row for each transform.
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
