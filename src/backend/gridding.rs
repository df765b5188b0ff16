//! The interface of backends that have the kernels of the non-uniform FFT.
//!
//! The kernels are spreading, the uniform transform, deconvolution, interpolation, and phases for type 3.
//!
//! The types [`Grid`] and [`Spectrum`] enforce the order of the stages, and say whether strengths and values are real
//! or complex.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use num_complex::Complex;

use crate::backend::engine::Engine;
use crate::error::Result;
use crate::nufft::bins::{Bins, Tiling};
use crate::nufft::recipe::{ModeOrder, UniformTransform};
use crate::nufft::table::{KernelTable, ModeAxis};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::{Number, Real};

/// A fine grid holding spread strengths (type 1), or the function that is to be interpolated (type 2), of numbers `V`.
#[derive(Debug)]
pub(crate) struct Grid<F, V>(pub(crate) F, PhantomData<V>);

/// The same memory after (type 1) or before (type 2) the uniform transform.
#[derive(Debug)]
pub(crate) struct Spectrum<F, V>(pub(crate) F, PhantomData<V>);

impl<F, V> Grid<F, V> {
    /// Marks memory as a grid.
    pub(crate) fn new(fine: F) -> Self {
        Self(fine, PhantomData)
    }
}

impl<F, V> Spectrum<F, V> {
    /// Marks memory as a spectrum.
    pub(crate) fn new(fine: F) -> Self {
        Self(fine, PhantomData)
    }
}

/// What the kernels of one plan need, except for the points.
#[derive(Debug)]
pub(crate) struct Design<'a, T: Real> {
    /// Cells of the fine grid on each axis.
    pub(crate) grid: &'a [usize],
    /// The spreading kernel of each axis. Without a cost model ([`Gridding::has_cost_model`]) they are all the same.
    pub(crate) kernels: &'a [KernelTable<T>],
    /// Where each mode lies in the spectrum and what it is multiplied by, on each axis; empty if the grid will not be
    /// transformed.
    pub(crate) modes: &'a [ModeAxis<T>],
    /// The order of modes.
    pub(crate) order: ModeOrder,
    /// Where the grid is transformed if the backend is a device: `Host` or `Device`.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "the CPU has no choice"))]
    pub(crate) uniform: UniformTransform,
    /// The sign the plan starts with; the other one is prepared when first used.
    pub(crate) sign: Sign,
}

impl<T: Real> Design<'_, T> {
    /// Modes of one transform: the product of the axes' mode counts.
    #[must_use]
    pub(crate) fn mode_count(&self) -> usize {
        self.modes.iter().map(ModeAxis::count).product()
    }
}

/// The stages of types 1 and 2.
///
/// A backend without kernels for real data computes with complex numbers and takes the real part of values last.
///
/// The tests hold every backend to these laws: `fft_back` is the adjoint of `fft` with the opposite sign, `interp` of
/// `spread`, `deconvolve_back` of `deconvolve`; results are the same bits from run to run, and on the CPU for any
/// number of threads. Every method that touches the device fails if it was lost or lacks the memory.
pub(crate) trait Gridding: Engine {
    /// The fine grids of transforms executed together.
    type Fine<T: Real>: fmt::Debug + Send + Sync;
    /// Points sorted by tile.
    type Points<T: Real>: fmt::Debug + Send + Sync;
    /// What is prepared once for a plan: tables, transforms, pipelines.
    type Prepared<T: Real>: fmt::Debug + Send + Sync;

    /// Whether there is a model of this backend's costs, by which width and grid are chosen for a number of points.
    fn has_cost_model(&self) -> bool {
        false
    }

    /// Cells of the largest grid this backend takes.
    fn most_cells<T: Real>(&self) -> usize {
        usize::MAX
    }

    /// Where a plan's grid is transformed. If that was left open, also the seconds that decided it: on the host,
    /// including the way there and back, and on the device.
    fn uniform<T: Real>(&self, _asked: UniformTransform, _grid: &[usize]) -> (UniformTransform, Option<[f64; 2]>) {
        (UniformTransform::Host, None)
    }

    /// Time spent on compiling kernels so far.
    fn compiling(&self) -> Duration {
        Duration::ZERO
    }

    /// Runs the host's part of a stage and adds its time. Where the device works on its own, [`Gridding::finish`] adds
    /// the time of its part.
    fn timed<R>(&self, timings: &mut Timings, stage: Stage, work: impl FnOnce() -> R) -> R {
        timings.time(stage, work)
    }

    /// Completes all work on these grids so far, and adds the time that the device took for each stage.
    fn finish<T: Real>(&self, _fine: &mut Self::Fine<T>, _timings: &mut Timings) -> Result<()> {
        Ok(())
    }

    /// The tiles by which points must be sorted for this backend's spreading on this grid with kernels of these widths.
    fn tiling<T: Real>(&self, grid: &[usize], widths: &[usize]) -> Result<Tiling>;

    /// How many of a batch of transforms are executed together, so that a point's kernel values serve them all.
    fn together<T: Real>(&self, _design: &Design<'_, T>, _batch: usize) -> usize {
        1
    }

    /// Prepares the kernels of one plan. `design` is copied where it is needed later.
    fn prepare<T: Real>(&self, design: &Design<'_, T>) -> Result<Self::Prepared<T>>;

    /// Bytes [`Gridding::blank`] will allocate for one grid of this design.
    fn fine_bytes<T: Real>(&self, design: &Design<'_, T>) -> usize;

    /// Allocates `items` fine grids.
    fn blank<T: Real>(&self, prepared: &Self::Prepared<T>, items: usize) -> Result<Self::Fine<T>>;

    /// Takes sorted points to the device.
    fn place<T: Real>(&self, prepared: &Self::Prepared<T>, bins: Bins<T>) -> Result<Self::Points<T>>;

    /// The sorted points behind placed ones, so that the next points can reuse their memory; `None` if they were
    /// copied.
    fn sorted<'a, T: Real>(&self, _points: &'a mut Self::Points<T>) -> Option<&'a mut Bins<T>> {
        None
    }

    /// Zeroes a grid to which strengths will be added.
    fn clear<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        fine: Self::Fine<V::Real>,
    ) -> Result<Grid<Self::Fine<V::Real>, V>>;

    /// Copies grids to the host, one after another in C order.
    fn read_grid<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        grid: &mut Grid<Self::Fine<V::Real>, V>,
        to: &mut [V],
    ) -> Result<()>;

    /// Copies grids from the host, one after another in C order.
    fn write_grid<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        from: &[V],
        fine: Self::Fine<V::Real>,
    ) -> Result<Grid<Self::Fine<V::Real>, V>>;

    /// Type 1, first stage: `grid[l] += Σ_j c[j] Π_a φ((l_a - u_ja)·2/w)`, where u is the point in grid units and l
    /// wraps; `c` are the M strengths from `i * M` on, for each i of `items`.
    fn spread<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        points: &Self::Points<V::Real>,
        strengths: &Self::Input<'_, V>,
        items: Range<usize>,
        grid: Grid<Self::Fine<V::Real>, V>,
    ) -> Result<Grid<Self::Fine<V::Real>, V>>;

    /// Type 1, second stage: `spectrum[k] = Σ_l grid[l] exp(±2πi k·l/n)`, valid where a mode lies, for the first
    /// `items` grids. A backend may leave an axis or a pass to `deconvolve`. The time goes to [`Stage::Fft`]; that of
    /// copying the grid to where it is transformed and back, if it must be copied, goes to [`Stage::Transfers`].
    fn fft<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        grid: Grid<Self::Fine<V::Real>, V>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Spectrum<Self::Fine<V::Real>, V>>;

    /// Type 1, last stage: `f[k] = spectrum[bin(k)] · Π_a factor_a(k_a)` into the modes from `i * Π N` on, for each i
    /// of `items`. All modes are written, even if strengths were real. The spectrum is of no use afterwards.
    fn deconvolve<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        spectrum: &mut Spectrum<Self::Fine<V::Real>, V>,
        modes: &mut Self::Output<'_, Complex<V::Real>>,
        items: Range<usize>,
        sign: Sign,
    ) -> Result<()>;

    /// Type 2, first stage: `spectrum[bin(k)] = f[k] · Π_a factor_a(k_a)`, zero elsewhere. Where values will be real,
    /// `(f[k] + conj(f[-k]))/2` takes the place of `f[k]`. A backend may already transform an axis or do a pass here,
    /// and need not write what `fft_back` does not read.
    fn deconvolve_back<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        modes: &Self::Input<'_, Complex<V::Real>>,
        items: Range<usize>,
        sign: Sign,
        fine: Self::Fine<V::Real>,
    ) -> Result<Spectrum<Self::Fine<V::Real>, V>>;

    /// Type 2, second stage: `grid[l] = Σ_k spectrum[k] exp(±2πi k·l/n)`, timed as [`Gridding::fft`] is.
    fn fft_back<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        spectrum: Spectrum<Self::Fine<V::Real>, V>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Grid<Self::Fine<V::Real>, V>>;

    /// Type 2, last stage: `c[j] = Σ_l grid[l] Π_a φ((l_a - u_ja)·2/w)` into the values from `i * M` on, for
    /// each i of `items`.
    fn interp<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        points: &Self::Points<V::Real>,
        grid: &mut Grid<Self::Fine<V::Real>, V>,
        values: &mut Self::Output<'_, V>,
        items: Range<usize>,
    ) -> Result<()>;
}

/// A backend's grid of complex cells.
pub(crate) type GridOf<B, T> = Grid<<B as Gridding>::Fine<T>, Complex<T>>;
/// A backend's spectrum of complex cells.
pub(crate) type SpectrumOf<B, T> = Spectrum<<B as Gridding>::Fine<T>, Complex<T>>;

/// Type 3: strengths and values are multiplied by phases, and the grid of one plan serves as the modes of another.
pub(crate) trait Phased: Gridding {
    /// A factor for each point.
    type Phases<T: Real>: fmt::Debug + Send + Sync;
    /// Memory between the stages, reused by later executions.
    type Scratch<T: Real>: fmt::Debug + Default + Send;

    /// Lets further work on one plan's grids follow that on another's: in the same submission, where a device has
    /// submissions.
    fn hand_on<T: Real>(&self, _from: &mut Self::Fine<T>, _to: &mut Self::Fine<T>) {}

    /// Takes factors to the device, to be used for `together` transforms at a time.
    fn phases<T: Real>(&self, factors: Vec<Complex<T>>, together: usize) -> Result<Self::Phases<T>>;

    /// [`Gridding::clear`] and [`Gridding::spread`] of strengths times their factors, or times the conjugates for the
    /// minus sign.
    #[expect(clippy::too_many_arguments, reason = "one more than spread, and each is another thing")]
    fn spread_phased<T: Real>(
        &self,
        prepared: &Self::Prepared<T>,
        points: &Self::Points<T>,
        phases: (&Self::Phases<T>, Sign),
        strengths: &Self::Input<'_, Complex<T>>,
        items: Range<usize>,
        fine: Self::Fine<T>,
        scratch: &mut Self::Scratch<T>,
    ) -> Result<Grid<Self::Fine<T>, Complex<T>>>;

    /// [`Gridding::interp`], then multiplication by the factors, or by the conjugates for the minus sign.
    fn interp_phased<T: Real>(
        &self,
        prepared: &Self::Prepared<T>,
        points: &Self::Points<T>,
        phases: (&Self::Phases<T>, Sign),
        grid: &mut Grid<Self::Fine<T>, Complex<T>>,
        values: &mut Self::Output<'_, Complex<T>>,
        items: Range<usize>,
    ) -> Result<()>;

    /// [`Gridding::deconvolve_back`] of an inner plan whose modes are the grids of an outer one, `items` of them. The
    /// recorded work on the outer grids continues in the inner ones.
    fn grid_to_spectrum<T: Real>(
        &self,
        outer: (&Self::Prepared<T>, &mut GridOf<Self, T>),
        inner: (&Self::Prepared<T>, Self::Fine<T>),
        items: usize,
        sign: Sign,
        scratch: &mut Self::Scratch<T>,
    ) -> Result<Spectrum<Self::Fine<T>, Complex<T>>>;

    /// The adjoint: [`Gridding::deconvolve`] of an inner plan into the grids of an outer one, in which the recorded
    /// work continues.
    fn spectrum_to_grid<T: Real>(
        &self,
        inner: (&Self::Prepared<T>, &mut SpectrumOf<Self, T>),
        outer: (&Self::Prepared<T>, Self::Fine<T>),
        items: usize,
        sign: Sign,
        scratch: &mut Self::Scratch<T>,
    ) -> Result<Grid<Self::Fine<T>, Complex<T>>>;
}
