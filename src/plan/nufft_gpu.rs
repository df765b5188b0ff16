//! Executions of plans of types 1 and 2 between arrays that are on the plan's GPU, in C order and with the batch in front: one submission,
//! and nothing goes over the bus where the grid is transformed on the device.

use std::time::Instant;

use ndarray::Dimension;
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::gpu::{Array, Gpu, Input, Output};
use crate::nufft::timings::{Stage, Timings};
use crate::numeric::float::Coordinate;
use crate::plan::nufft::NufftPlan;
use crate::plan::on_backend::OnBackend;
use crate::plan::stages::Stages;
use crate::real::{Number, Real};

impl<T: Real, D: Dimension> NufftPlan<T, D> {
    /// Sets points whose coordinates are on the plan's GPU, an array an axis. They are folded and sorted on the host, to which they
    /// are taken, since sorting is what keeps results the same bits.
    ///
    /// # Errors
    /// As [`NufftPlan::set_points`]; [`Error::Device`] if the plan is not of a GPU, or the device was lost.
    pub fn set_points_on_gpu<C: Number + Coordinate>(&mut self, coordinates: &[&Array<C>]) -> Result<()> {
        let gpu = self.device.need_gpu("set_points")?;
        let here = coordinates.iter().map(|axis| gpu.download(axis)).collect::<Result<Vec<_>>>()?;
        self.set_points(here)
    }

    /// [`NufftPlan::type1`] between arrays on the plan's GPU.
    ///
    /// # Errors
    /// [`Error::Device`] if the plan is not of a GPU, [`Error::Order`] before `set_points`, [`Error::Shape`] if an array is too short,
    /// [`Error::DeviceLost`].
    pub fn type1_on_gpu(&self, strengths: &Array<Complex<T>>, modes: &mut Array<Complex<T>>) -> Result<()> {
        let (stages, mut timings, start) = (self.on_gpu("type1")?, self.lasting_timings(), Instant::now());
        let (strengths, mut modes) = (Input::from(strengths), Output::from(modes));
        let fine = stages.type1(stages.kernels.fine()?, &strengths, &mut modes, self.batch(), &mut timings)?;
        stages.end(fine, &mut timings)?;
        timings.add(Stage::Execute, start.elapsed());
        self.executed(timings);
        Ok(())
    }

    /// [`NufftPlan::type2`] between arrays on the plan's GPU.
    ///
    /// # Errors
    /// As [`NufftPlan::type1_on_gpu`].
    pub fn type2_on_gpu(&self, modes: &Array<Complex<T>>, values: &mut Array<Complex<T>>) -> Result<()> {
        let (stages, mut timings, start) = (self.on_gpu("type2")?, self.lasting_timings(), Instant::now());
        let (modes, mut values) = (Input::from(modes), Output::from(values));
        let fine = stages.type2(stages.kernels.fine()?, &modes, &mut values, self.batch(), &mut timings)?;
        stages.end(fine, &mut timings)?;
        timings.add(Stage::Execute, start.elapsed());
        self.executed(timings);
        Ok(())
    }

    /// Records type 1 into a program's own commands, and gives them back: it is done when the program has submitted them. Nothing is
    /// timed.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the plan's uniform transform is the host's, else as [`NufftPlan::type1_on_gpu`]; the commands are lost
    /// then.
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

    /// Records type 2 in the same way.
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
    /// Grids whose work goes into a program's commands.
    fn lent(&self, encoder: wgpu::CommandEncoder) -> Result<<Gpu as crate::backend::gridding::Gridding>::Fine<T>> {
        self.kernels.backend.lend(&self.kernels.prepared, self.kernels.fine()?, encoder)
    }

    /// The program's commands, and the grids back in the pool: whoever uses them next is submitted later or earlier as a whole.
    fn take_back(
        &self,
        mut fine: <Gpu as crate::backend::gridding::Gridding>::Fine<T>,
    ) -> Result<wgpu::CommandEncoder> {
        let encoder = self.kernels.backend.take_back(&mut fine)?;
        self.kernels.keep(fine);
        Ok(encoder)
    }
}
