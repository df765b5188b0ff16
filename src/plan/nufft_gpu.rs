//! Executions of plans of types 1 and 2 between arrays that are on the plan's GPU, in C order and with the batch in
//! front: one submission, and nothing is copied between host and device where the grid is transformed on the device.

use std::time::Instant;

use ndarray::Dimension;
use num_complex::Complex;

use crate::backend::gridding::Gridding;
use crate::error::{Error, Result};
use crate::gpu::{Array, Gpu, Input, Output};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::float::Coordinate;
use crate::plan::nufft::NufftPlan;
use crate::plan::on_backend::OnBackend;
use crate::plan::stages::Stages;
use crate::real::{Number, Real};

/// The grids of an execution on a GPU.
type Fine<T> = <Gpu as Gridding>::Fine<T>;

impl<T: Real, D: Dimension> NufftPlan<T, D> {
    /// Sets points whose coordinates are on the plan's GPU, one array for each axis. They are copied to the host and
    /// are folded and sorted there, since results are the same bits in every run only if points are sorted in a fixed
    /// order.
    ///
    /// # Errors
    /// As [`NufftPlan::set_points`]; [`Error::Device`] if the plan is not on a GPU, or the device was lost.
    pub fn set_points_on_gpu<C: Number + Coordinate>(&mut self, coordinates: &[&Array<C>]) -> Result<()> {
        let gpu = self.device.need_gpu("set_points")?;
        let here = coordinates.iter().map(|axis| gpu.download(axis)).collect::<Result<Vec<_>>>()?;
        self.set_points(here)
    }

    /// [`NufftPlan::type1`] between arrays on the plan's GPU. Its result can be used there, in a uniform transform or a
    /// product, without the host:
    ///
    /// ```
    /// use num_complex::Complex;
    /// use wavemill::fft::Fft;
    /// use wavemill::matmul::MatmulPlan;
    /// use wavemill::{Device, Gpu, ModeOrder, NufftPlan, Sign};
    ///
    /// // Any adapter, a software one too; a machine may have none.
    /// let Some(gpu) = Gpu::enumerate().into_iter().find_map(Result::ok) else { return Ok(()) };
    /// let device = Device::from(gpu.clone());
    ///
    /// // Two sets of strengths at five points: 1 at the first, 2 at the last.
    /// let points: Vec<f64> = (0..5).map(|j| 0.4 * f64::from(j)).collect();
    /// let (zero, one) = (Complex::new(0.0f32, 0.0), Complex::new(1.0, 0.0));
    /// let strengths = gpu.upload(&[one, zero, zero, zero, zero, zero, zero, zero, zero, one + one])?;
    /// let builder = NufftPlan::<f32>::builder([60]).batch(2).tolerance(1e-5).sign(Sign::Minus).order(ModeOrder::Fft);
    /// let mut plan = builder.build(&device)?;
    /// plan.set_points([&points])?;
    /// let mut modes = gpu.zeros(2 * 60)?;
    /// plan.type1_on_gpu(&strengths, &mut modes)?;
    ///
    /// // Modes times their adjoint: the inner products of the two spectra.
    /// let product = MatmulPlan::<Complex<f32>>::builder(2, 60, 2).op_b(wavemill::matmul::Op::Adjoint).build(&device)?;
    /// let mut inner = gpu.zeros(4)?;
    /// product.execute_on_gpu(one, &modes, &modes, zero, &mut inner)?;
    /// let inner = gpu.download(&inner)?;
    /// assert!((inner[0].re - 60.0).abs() < 0.01 && (inner[3].re - 240.0).abs() < 0.01);
    ///
    /// // Back to 60 places on a circle: a peak where the points were, at 0 and at 1.6 / 2π of the circle.
    /// Fft::<f32>::new(&gpu, &[60], 2)?.execute(&mut modes, Sign::Plus)?;
    /// let places = gpu.download(&modes)?;
    /// let peak = |of: &[Complex<f32>]| (0..60).max_by(|&a, &b| of[a].norm().total_cmp(&of[b].norm()));
    /// assert_eq!([peak(&places[..60]), peak(&places[60..])], [Some(0), Some(15)]);
    /// # Ok::<(), wavemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Device`] if the plan is not on a GPU, [`Error::Order`] before `set_points`, [`Error::Shape`] if an
    /// array is too short, [`Error::DeviceLost`].
    pub fn type1_on_gpu(&self, strengths: &Array<Complex<T>>, modes: &mut Array<Complex<T>>) -> Result<()> {
        self.execute_on_gpu("type1", |stages, fine, timings| {
            stages.type1(fine, &Input::from(strengths), &mut Output::from(modes), self.batch(), timings)
        })
    }

    /// [`NufftPlan::type2`] between arrays on the plan's GPU.
    ///
    /// # Errors
    /// As [`NufftPlan::type1_on_gpu`].
    pub fn type2_on_gpu(&self, modes: &Array<Complex<T>>, values: &mut Array<Complex<T>>) -> Result<()> {
        self.execute_on_gpu("type2", |stages, fine, timings| {
            stages.type2(fine, &Input::from(modes), &mut Output::from(values), self.batch(), timings)
        })
    }

    fn execute_on_gpu(
        &self,
        call: &'static str,
        run: impl FnOnce(&Stages<T, Gpu>, Fine<T>, &mut Timings) -> Result<Fine<T>>,
    ) -> Result<()> {
        let (stages, mut timings, start) = (self.on_gpu(call)?, self.lasting_timings(), Instant::now());
        let fine = run(stages, stages.kernels.fine()?, &mut timings)?;
        stages.end(fine, &mut timings)?;
        timings.add(Stage::Execute, start.elapsed());
        self.executed(timings);
        Ok(())
    }

    /// Records type 1 into the caller's command encoder, and returns the encoder. The transform runs when the caller
    /// submits the commands, and is not timed.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the plan transforms its grid on the host, else as [`NufftPlan::type1_on_gpu`]; the
    /// encoder is lost then.
    pub fn record_type1(
        &self,
        encoder: wgpu::CommandEncoder,
        strengths: &Array<Complex<T>>,
        modes: &mut Array<Complex<T>>,
    ) -> Result<wgpu::CommandEncoder> {
        let stages = self.on_gpu("type1")?;
        let (strengths, mut modes) = (Input::from(strengths), Output::from(modes));
        let fine = stages.lent(encoder)?;
        let fine = stages.type1(fine, &strengths, &mut modes, self.batch(), &mut Timings::default())?;
        stages.take_back(fine)
    }

    /// Records type 2 into the caller's command encoder, as [`NufftPlan::record_type1`] records type 1.
    ///
    /// # Errors
    /// As [`NufftPlan::record_type1`].
    pub fn record_type2(
        &self,
        encoder: wgpu::CommandEncoder,
        modes: &Array<Complex<T>>,
        values: &mut Array<Complex<T>>,
    ) -> Result<wgpu::CommandEncoder> {
        let stages = self.on_gpu("type2")?;
        let (modes, mut values) = (Input::from(modes), Output::from(values));
        let fine = stages.lent(encoder)?;
        let fine = stages.type2(fine, &modes, &mut values, self.batch(), &mut Timings::default())?;
        stages.take_back(fine)
    }

    fn on_gpu(&self, instead: &'static str) -> Result<&Stages<T, Gpu>> {
        match &self.stages {
            OnBackend::Gpu(stages) => Ok(stages),
            OnBackend::Cpu(_) => {
                let reason = format!("its arrays are in host memory: use {instead}");
                Err(Error::Device { device: self.device.name(), reason })
            }
        }
    }
}

impl<T: Real> Stages<T, Gpu> {
    /// Grids whose commands are recorded into the caller's encoder.
    fn lent(&self, encoder: wgpu::CommandEncoder) -> Result<Fine<T>> {
        self.kernels.backend.lend(&self.kernels.prepared, self.kernels.fine()?, encoder)
    }

    /// Returns the caller's encoder, and puts the grids back into the pool. Another execution may use them before the
    /// encoder is submitted, since submissions run as a whole, one after another.
    fn take_back(&self, mut fine: Fine<T>) -> Result<wgpu::CommandEncoder> {
        let encoder = self.kernels.backend.take_back(&mut fine)?;
        self.kernels.keep(fine);
        Ok(encoder)
    }
}
