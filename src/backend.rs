//! What a backend is: arrays of its own and the kernels of the non-uniform FFT, of reductions and of matrix products, each with its contract.
//!
//! A backend knows arrays and kernels and no mathematics: tables of polynomial coefficients, tile boundaries and correction
//! factors come from [`crate::nufft`]. Only a plan knows the order of the stages; [`Grid`] and [`Spectrum`] keep that order
//! in the types, and whether strengths and values are real or complex. To add a backend: implement [`Backend`] in a module of its own and give [`crate::Device`] a variant.
//!
//! The letters: d axes (1 to 3, the last one contiguous), N modes and n fine-grid cells on an axis, M points, w kernel width.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::element::Element;
use crate::error::Result;
use crate::matmul::product::Product;
use crate::matmul::recipe::MatmulRecipe;
use crate::nufft::bins::{Bins, Tiling};
use crate::nufft::recipe::{ModeOrder, UniformTransform};
use crate::nufft::table::{KernelTable, ModeAxis};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::sign::Sign;
use crate::real::{Number, Real};
use crate::reduce::cells::Cells;
use crate::reduce::request::{Reduced, Reduction};

/// A fine grid holding spread strengths (type 1), or the function that is to be interpolated (type 2), of numbers `V`.
#[derive(Debug)]
pub struct Grid<F, V>(pub F, PhantomData<V>);

/// The same memory after (type 1) or before (type 2) the uniform transform.
#[derive(Debug)]
pub struct Spectrum<F, V>(pub F, PhantomData<V>);

impl<F, V> Grid<F, V> {
    /// Says that it is one.
    pub fn new(fine: F) -> Self {
        Self(fine, PhantomData)
    }
}

impl<F, V> Spectrum<F, V> {
    /// Says that it is one.
    pub fn new(fine: F) -> Self {
        Self(fine, PhantomData)
    }
}

/// All that the kernels of one plan need and that does not depend on the points.
#[derive(Debug)]
pub struct Design<'a, T: Real> {
    /// Cells of the fine grid on each axis.
    pub grid: &'a [usize],
    /// The spreading kernel.
    pub kernel: &'a KernelTable<T>,
    /// Where each mode lies in the spectrum and what it is multiplied by, on each axis; none if the grid will not be transformed.
    pub modes: &'a [ModeAxis<T>],
    /// How points are binned, as [`Backend::tiling`] chose.
    pub tiling: &'a Tiling,
    /// The order of modes.
    pub order: ModeOrder,
    /// Where a device's grid is transformed, `Host` or `Device`.
    pub uniform: UniformTransform,
    /// The sign the plan starts with; the other one is prepared when first used.
    pub sign: Sign,
}

impl<T: Real> Design<'_, T> {
    /// Modes of one transform: the product of the axes' mode counts.
    #[must_use]
    pub fn mode_count(&self) -> usize {
        self.modes.iter().map(ModeAxis::count).product()
    }
}

/// Arrays and kernels on one kind of device.
///
/// A backend without kernels for real data computes with complex numbers and takes the real part of values last.
///
/// Laws, held by the tests on every backend: `fft_back` is the adjoint of `fft` with the opposite sign, `interp` of `spread`,
/// `deconvolve_back` of `deconvolve`; results are the same bits from run to run, and on the CPU for any number of threads.
pub trait Backend: Clone + fmt::Debug + Send + Sync + 'static {
    /// Numbers a kernel reads; may borrow the caller's.
    type Input<'a, V: Number>;
    /// Numbers a kernel writes; may borrow the caller's.
    type Output<'a, V: Number>;
    /// The fine grids of transforms executed together.
    type Fine<T: Real>: fmt::Debug + Send + Sync;
    /// Points sorted by tile.
    type Points<T: Real>: fmt::Debug + Send + Sync;
    /// What is prepared once for a plan: tables, transforms, pipelines.
    type Prepared<T: Real>: fmt::Debug + Send + Sync;

    /// The device's name, for people.
    fn name(&self) -> String;

    /// Runs host work on the threads this backend was given; `items` pieces of it, too few to share out below some thousands.
    fn install<R: Send>(&self, _items: usize, work: impl FnOnce() -> R + Send) -> R {
        work()
    }

    /// Does the host's part of a stage. Where the device works on its own, [`Backend::finish`] adds the time of its part.
    fn timed<R>(&self, timings: &mut Timings, stage: Stage, work: impl FnOnce() -> R) -> R {
        timings.time(stage, work)
    }

    /// Sees to it that all that was asked of these grids so far is done, and adds what the device took for each stage.
    ///
    /// # Errors
    /// If the device was lost.
    fn finish<T: Real>(&self, _fine: &mut Self::Fine<T>, _timings: &mut Timings) -> Result<()> {
        Ok(())
    }

    /// How points must be binned for this backend's spreading on a grid of these extents with this kernel.
    ///
    /// # Errors
    /// If the kernel or the grid is more than the device can hold.
    fn tiling<T: Real>(&self, grid: &[usize], width: usize) -> Result<Tiling>;

    /// How many of a batch of transforms are executed together, so that a point's kernel values serve them all.
    fn together<T: Real>(&self, _design: &Design<'_, T>, _batch: usize) -> usize {
        1
    }

    /// Prepares the kernels of one plan. `design` is copied where it is needed later.
    ///
    /// # Errors
    /// If the device lacks the precision or the memory.
    fn prepare<T: Real>(&self, design: &Design<'_, T>) -> Result<Self::Prepared<T>>;

    /// Bytes [`Backend::blank`] will allocate for one grid of this design.
    fn fine_bytes<T: Real>(&self, design: &Design<'_, T>) -> usize;

    /// Allocates `items` fine grids.
    ///
    /// # Errors
    /// If the device has not the memory.
    fn blank<T: Real>(&self, prepared: &Self::Prepared<T>, items: usize) -> Result<Self::Fine<T>>;

    /// Takes binned points to the device.
    ///
    /// # Errors
    /// If the device has not the memory.
    fn place<T: Real>(&self, prepared: &Self::Prepared<T>, bins: Bins<T>) -> Result<Self::Points<T>>;

    /// The sorted points behind placed ones, whose memory the next ones may take; none where they were copied.
    fn sorted<'a, T: Real>(&self, _points: &'a mut Self::Points<T>) -> Option<&'a mut Bins<T>> {
        None
    }

    /// Makes the caller's numbers readable by kernels, one transform's a row, at any strides: borrowed where memory is shared,
    /// uploaded where it is not.
    ///
    /// # Errors
    /// If the device has not the memory.
    fn load<'a, V: Number>(&self, host: ArrayView2<'a, V>) -> Result<Self::Input<'a, V>>;

    /// Makes the caller's array writable by kernels. Nothing reaches it before [`Backend::store`] where memory is not shared.
    ///
    /// # Errors
    /// If the device has not the memory.
    fn open<'a, V: Number>(&self, host: &'a mut [V]) -> Result<Self::Output<'a, V>>;

    /// Brings what was written to the caller.
    ///
    /// # Errors
    /// If the device was lost.
    fn store<V: Number>(&self, output: Self::Output<'_, V>) -> Result<()>;

    /// Makes every cell zero, of a grid that strengths will be added to.
    ///
    /// # Errors
    /// If the device was lost.
    fn clear<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        fine: Self::Fine<V::Real>,
    ) -> Result<Grid<Self::Fine<V::Real>, V>>;

    /// Brings grids to the host, one after another in C order.
    ///
    /// # Errors
    /// If the device was lost.
    fn read_grid<T: Real>(
        &self,
        prepared: &Self::Prepared<T>,
        grid: &mut Grid<Self::Fine<T>, Complex<T>>,
        to: &mut [Complex<T>],
    ) -> Result<()>;

    /// Takes grids from the host, one after another in C order.
    ///
    /// # Errors
    /// If the device was lost.
    fn write_grid<T: Real>(
        &self,
        prepared: &Self::Prepared<T>,
        from: &[Complex<T>],
        fine: Self::Fine<T>,
    ) -> Result<Grid<Self::Fine<T>, Complex<T>>>;

    /// Type 1, first stage: `grid[l] += Σ_j c[j] Π_a φ((l_a - u_ja)·2/w)`, u the point in grid units, l wrapped; `c` are the
    /// M strengths from `i * M` on for each i of `items`.
    ///
    /// # Errors
    /// If the device was lost.
    fn spread<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        points: &Self::Points<V::Real>,
        strengths: &Self::Input<'_, V>,
        items: Range<usize>,
        grid: Grid<Self::Fine<V::Real>, V>,
    ) -> Result<Grid<Self::Fine<V::Real>, V>>;

    /// Type 1, second stage: `spectrum[k] = Σ_l grid[l] exp(±2πi k·l/n)`, valid where a mode lies, of the first `items` grids. A
    /// backend may leave an axis or a pass to `deconvolve`. The time of the rest goes to [`crate::Stage::Fft`], and the grid's way to
    /// where it is transformed and back, if there is one, to [`crate::Stage::Transfers`].
    ///
    /// # Errors
    /// If the device was lost.
    fn fft<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        grid: Grid<Self::Fine<V::Real>, V>,
        items: usize,
        sign: Sign,
        timings: &mut Timings,
    ) -> Result<Spectrum<Self::Fine<V::Real>, V>>;

    /// Type 1, last stage: `f[k] = spectrum[bin(k)] · Π_a factor_a(k_a)` into the modes from `i * Π N` on, for each
    /// i of `items`; all of them, where strengths were real too. The spectrum is of no use afterwards.
    ///
    /// # Errors
    /// If the device was lost.
    fn deconvolve<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        spectrum: &mut Spectrum<Self::Fine<V::Real>, V>,
        modes: &mut Self::Output<'_, Complex<V::Real>>,
        items: Range<usize>,
        sign: Sign,
    ) -> Result<()>;

    /// Type 2, first stage: `spectrum[bin(k)] = f[k] · Π_a factor_a(k_a)`, zero elsewhere, where values will be complex; of
    /// `(f[k] + conj(f[-k]))/2` where they will be real. A backend may do an axis or a pass of the transform at once, and leave undone what
    /// `fft_back` does not read.
    ///
    /// # Errors
    /// If the device was lost.
    fn deconvolve_back<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        modes: &Self::Input<'_, Complex<V::Real>>,
        items: Range<usize>,
        sign: Sign,
        fine: Self::Fine<V::Real>,
    ) -> Result<Spectrum<Self::Fine<V::Real>, V>>;

    /// Type 2, second stage: `grid[l] = Σ_k spectrum[k] exp(±2πi k·l/n)`, timed as [`Backend::fft`] is.
    ///
    /// # Errors
    /// If the device was lost.
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
    ///
    /// # Errors
    /// If the device was lost.
    fn interp<V: Number>(
        &self,
        prepared: &Self::Prepared<V::Real>,
        points: &Self::Points<V::Real>,
        grid: &mut Grid<Self::Fine<V::Real>, V>,
        values: &mut Self::Output<'_, V>,
        items: Range<usize>,
    ) -> Result<()>;

    /// Reductions: finds out what is needed of the elements that each result is made of. `finish` is called with what is known of
    /// some results, and what it gives comes in the order of results. The places of elements count in C order over the reduced
    /// axes.
    ///
    /// # Errors
    /// If the device lacks the element type or the memory, or was lost.
    #[doc(hidden)]
    #[expect(private_interfaces, private_bounds, reason = "only plans call it")]
    fn reduce<E: Element, R: Send>(
        &self,
        asked: &Reduction<'_, E>,
        finish: impl Fn(Cells<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>>;

    /// How products of m x k by k x n matrices, `batch` of them, are computed within so many bytes of device memory.
    ///
    /// # Errors
    /// If the device has not the precision, or the memory is too little.
    fn matmul_recipe<V: Number>(&self, shape: [usize; 3], batch: usize, memory: Option<usize>) -> Result<MatmulRecipe>;

    /// Matrix products: `C = alpha·A·B + beta·C`, each element's sum in an order of the recipe's, whatever the threads.
    ///
    /// # Errors
    /// If the device was lost or has not the memory.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only plans call it")]
    fn matmul<V: Number>(&self, recipe: &MatmulRecipe, product: Product<'_, V>) -> Result<()>;
}
