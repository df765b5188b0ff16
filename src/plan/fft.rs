//! Plans of uniform FFTs, for numbers that are on a GPU.

use num_complex::Complex;

use crate::error::{Error, Result};
use crate::gpu::fft::Passes;
use crate::gpu::{Array, Gpu, Queue};
use crate::nufft::timings::Timings;
use crate::numeric::sign::Sign;
use crate::real::Real;
use crate::shape;

/// A plan of uniform transforms on a GPU.
///
/// # Shapes
/// One to three axes whose lengths are products of powers of 2, 3 and 5; numbers in C order, `batch` transforms one
/// after another.
///
/// # Accuracy
/// The roots of unity are computed in f64 on the host. The relative l2 error grows with the logarithm of the size: it
/// is below 5e-7 in f32 for 2²² numbers, and below 3e-15 in f64 for some thousand numbers. `tests/fft.rs` checks these
/// bounds.
///
/// # Performance
/// Each pass reads and writes every number once. An axis of up to 2048 (f32) or 1024 (f64) numbers takes one pass on a
/// device with 16 KiB of workgroup memory; with 32 KiB that length doubles, and for an axis other than the last it
/// halves. A longer axis takes two or more passes, and the plan then keeps scratch memory of the size of the data.
///
/// # References
/// Stockham (1966); Bailey (1990).
///
/// ```
/// use num_complex::Complex;
/// use wavemill::{Gpu, Sign};
/// use wavemill::fft::Fft;
///
/// // Any adapter, a software one too; a machine may have none.
/// let Some(gpu) = Gpu::enumerate().into_iter().find_map(Result::ok) else { return Ok(()) };
/// let fft = Fft::<f32>::new(&gpu, &[60], 1)?;
/// let turn = -std::f32::consts::TAU * 7.0 / 60.0;
/// let tone: Vec<_> = (0..60).map(|l| Complex::from_polar(1.0, turn * l as f32)).collect();
/// let mut numbers = gpu.upload(&tone)?;
/// fft.execute(&mut numbers, Sign::Plus)?;
/// let spectrum = gpu.download(&numbers)?;
/// assert!((spectrum[7] - Complex::new(60.0, 0.0)).norm() < 1e-4 && spectrum[8].norm() < 1e-4);
/// # Ok::<(), wavemill::Error>(())
/// ```
#[derive(Debug)]
pub struct Fft<T: Real> {
    gpu: Gpu,
    extents: Vec<usize>,
    batch: usize,
    passes: Passes,
    scratch: Array<Complex<T>>,
}

impl<T: Real> Fft<T> {
    /// Plans `batch` transforms of these extents and compiles their shaders.
    ///
    /// # Errors
    /// [`Error::Parameter`] for extents it cannot transform, [`Error::TooLarge`] for more numbers than one binding of
    /// the device holds, [`Error::Device`] where it lacks the precision.
    pub fn new(gpu: &Gpu, extents: &[usize], batch: usize) -> Result<Self> {
        if !(1..=3).contains(&extents.len()) {
            return Err(Error::parameter("the extents of a transform", "one to three", extents.len()));
        }
        if batch == 0 {
            return Err(Error::parameter("batch", "at least 1", batch));
        }
        let all: Vec<usize> = extents.iter().copied().chain([batch]).collect();
        let count = shape::product("the numbers of a transform", &all)?;
        let passes = gpu.fft_passes::<T>(extents, batch, count)?;
        let scratch = gpu.room(if passes.split() { count } else { 0 })?;
        Ok(Self { gpu: gpu.clone(), extents: extents.to_vec(), batch, passes, scratch })
    }

    /// The number of passes: how often each number is read and written.
    #[must_use]
    pub fn passes(&self) -> usize {
        self.passes.count()
    }

    /// The plan in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { extents, batch, passes, .. } = self;
        format!("{} {} x {batch}, lines of {}", T::NAME, shape::written(extents), passes.lengths())
    }

    /// Transforms numbers in place, in one submission.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of elements is not the plan's, [`Error::DeviceLost`].
    pub fn execute(&self, numbers: &mut Array<Complex<T>>, sign: Sign) -> Result<()> {
        self.timed(numbers, sign, &mut Timings::default())
    }

    /// Transforms as [`Fft::execute`] does, and adds the time that the device took to `timings`.
    ///
    /// # Errors
    /// As [`Fft::execute`].
    pub fn timed(&self, numbers: &mut Array<Complex<T>>, sign: Sign, timings: &mut Timings) -> Result<()> {
        let mut queue = Queue::default();
        self.enqueue(&mut queue, numbers, sign)?;
        self.gpu.submit(&mut queue, timings)
    }

    /// Records the transform into the caller's command encoder, and returns the encoder.
    ///
    /// # Errors
    /// As [`Fft::execute`]; the encoder is lost then.
    pub fn record(
        &self,
        encoder: wgpu::CommandEncoder,
        numbers: &mut Array<Complex<T>>,
        sign: Sign,
    ) -> Result<wgpu::CommandEncoder> {
        let mut queue = Queue::from_encoder(encoder);
        self.enqueue(&mut queue, numbers, sign)?;
        queue.into_encoder()
    }

    fn enqueue(&self, queue: &mut Queue, numbers: &mut Array<Complex<T>>, sign: Sign) -> Result<()> {
        let expected = self.extents.iter().product::<usize>() * self.batch;
        if numbers.len() != expected {
            return Err(Error::shape("the numbers of a transform", format!("{expected} numbers"), numbers.len()));
        }
        self.gpu.transform(&self.passes, queue, [numbers, &self.scratch], self.batch, sign)
    }
}
