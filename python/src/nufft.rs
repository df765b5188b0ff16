//! Plans of non-uniform FFTs of all types, in both precisions.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{ArrayView1, ArrayView2};
use num_complex::Complex;
use numpy::PyUntypedArrayMethods;
use numpy::{Element, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use wavemill::nufft::{ToFrequencies, ToModes};
use wavemill::{ModeOrder, NufftBuilder, NufftPlan, NufftPlan3, Real, Sign};

use crate::devices::Device;
use crate::errors::{borrowed, raised};

/// A plan of any type and precision.
#[derive(Clone)]
enum Plan {
    Modes32(NufftPlan<f32>),
    Modes64(NufftPlan<f64>),
    Frequencies32(NufftPlan3<f32>),
    Frequencies64(NufftPlan3<f64>),
}

/// The parameters of a plan.
#[derive(FromPyObject)]
struct Parameters {
    /// The extents of the modes; none for type 3.
    #[pyo3(item)]
    modes: Vec<usize>,
    #[pyo3(item)]
    dimensions: usize,
    #[pyo3(item)]
    batch: usize,
    #[pyo3(item)]
    tolerance: f64,
    #[pyo3(item)]
    accept: bool,
    #[pyo3(item)]
    plus: bool,
    #[pyo3(item)]
    fft_order: bool,
    #[pyo3(item)]
    upsampling: Option<f64>,
    #[pyo3(item)]
    points: Option<usize>,
    /// Whether to spread and interpolate only.
    #[pyo3(item)]
    spreads: bool,
    #[pyo3(item)]
    single: bool,
}

impl Parameters {
    fn common<T: Real, K>(&self, builder: NufftBuilder<T, K>) -> NufftBuilder<T, K> {
        let sign = if self.plus { Sign::Plus } else { Sign::Minus };
        let builder = builder.tolerance(self.tolerance).batch(self.batch).sign(sign);
        if self.accept { builder.accept_reachable() } else { builder }
    }

    fn to_modes<T: Real>(&self, device: &wavemill::Device) -> wavemill::Result<NufftPlan<T>> {
        let builder: NufftBuilder<T, ToModes<_>> = self.common(NufftPlan::<T>::builder(self.modes.clone()));
        let builder = builder.order(if self.fft_order { ModeOrder::Fft } else { ModeOrder::Centred });
        let builder = self.upsampling.into_iter().fold(builder, NufftBuilder::upsampling);
        if self.spreads {
            return builder.build_spreading(device);
        }
        self.points.into_iter().fold(builder, NufftBuilder::expected_points).build(device)
    }

    fn to_frequencies<T: Real>(&self, device: &wavemill::Device) -> wavemill::Result<NufftPlan3<T>> {
        let builder: NufftBuilder<T, ToFrequencies> = self.common(NufftPlan3::<T>::builder(self.dimensions));
        builder.build(device)
    }
}

/// What an execution computes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Direction {
    Type1,
    Type2,
    Type3,
    Adjoint3,
    Spread,
    Interpolate,
}

/// A plan of type 1 and 2, or of type 3.
///
/// Executions hold the plan with the points that it had when they began; points set meanwhile are for later ones.
#[pyclass(frozen, module = "wavemill._wavemill")]
pub(crate) struct Nufft(Mutex<Arc<Plan>>);

#[pymethods]
impl Nufft {
    /// Makes the plan; `type3` says which kind.
    #[new]
    fn new(py: Python<'_>, type3: bool, parameters: Parameters, device: &Device) -> PyResult<Self> {
        let device = &device.0;
        let plan = py.detach(|| {
            Ok(match (type3, parameters.single) {
                (false, true) => Plan::Modes32(parameters.to_modes(device)?),
                (false, false) => Plan::Modes64(parameters.to_modes(device)?),
                (true, true) => Plan::Frequencies32(parameters.to_frequencies(device)?),
                (true, false) => Plan::Frequencies64(parameters.to_frequencies(device)?),
            })
        });
        plan.map(|plan| Self(Mutex::new(Arc::new(plan)))).map_err(raised)
    }

    /// The tolerance that the plan keeps; none for type 3, where it depends on the points.
    fn tolerance(&self, py: Python<'_>) -> Option<f64> {
        match &*self.plan(py) {
            Plan::Modes32(plan) => Some(plan.recipe().tolerance),
            Plan::Modes64(plan) => Some(plan.recipe().tolerance),
            _ => None,
        }
    }

    /// The plan in words.
    fn describe(&self, py: Python<'_>) -> String {
        match &*self.plan(py) {
            Plan::Modes32(plan) => plan.describe(),
            Plan::Modes64(plan) => plan.describe(),
            Plan::Frequencies32(plan) => plan.describe(),
            Plan::Frequencies64(plan) => plan.describe(),
        }
    }

    /// Sets the points, and the targets of a type 3: one array for each axis, all float32 or all float64.
    fn set_points(
        &self,
        py: Python<'_>,
        points: Vec<Bound<'_, PyUntypedArray>>,
        targets: Vec<Bound<'_, PyUntypedArray>>,
    ) -> PyResult<()> {
        if points.first().is_some_and(|axis| axis.cast::<PyArray1<f32>>().is_ok()) {
            self.place::<f32>(py, &points, &targets)
        } else {
            self.place::<f64>(py, &points, &targets)
        }
    }

    /// Executes in the direction "1", "2", "3", "adjoint 3", "spread" or "interpolate", writing to `out`; `opposite`
    /// takes the other sign.
    fn execute(
        &self,
        direction: &str,
        data: &Bound<'_, PyUntypedArray>,
        out: &Bound<'_, PyUntypedArray>,
        opposite: bool,
    ) -> PyResult<()> {
        let direction = match direction {
            "1" => Direction::Type1,
            "2" => Direction::Type2,
            "3" => Direction::Type3,
            "adjoint 3" => Direction::Adjoint3,
            "spread" => Direction::Spread,
            "interpolate" => Direction::Interpolate,
            _ => return Err(PyValueError::new_err(format!("direction = {direction}"))),
        };
        match &*self.plan(data.py()) {
            Plan::Modes32(plan) => modes(plan, direction, data, out, opposite),
            Plan::Modes64(plan) => modes(plan, direction, data, out, opposite),
            Plan::Frequencies32(plan) => frequencies(plan, direction, data, out),
            Plan::Frequencies64(plan) => frequencies(plan, direction, data, out),
        }
    }
}

impl Nufft {
    fn plan(&self, py: Python<'_>) -> Arc<Plan> {
        // The interpreter is left, since the thread that holds the lock may need it.
        py.detach(|| Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn place<C: wavemill::Coordinate + Element>(
        &self,
        py: Python<'_>,
        points: &[Bound<'_, PyUntypedArray>],
        targets: &[Bound<'_, PyUntypedArray>],
    ) -> PyResult<()> {
        fn read<'py, C: Element>(axis: &Bound<'py, PyUntypedArray>) -> PyResult<PyReadonlyArray1<'py, C>> {
            let array = axis.cast::<PyArray1<C>>().map_err(|_| {
                let expected = "expected arrays of one dimension, all float32 or all float64";
                PyTypeError::new_err(format!("points: {expected}, got {}", axis.dtype()))
            })?;
            array.try_readonly().map_err(|error| borrowed("points", error))
        }
        let points = points.iter().map(read).collect::<PyResult<Vec<_>>>()?;
        let targets = targets.iter().map(read).collect::<PyResult<Vec<_>>>()?;
        let points: Vec<ArrayView1<'_, C>> = points.iter().map(|axis| axis.as_array()).collect();
        let targets: Vec<ArrayView1<'_, C>> = targets.iter().map(|axis| axis.as_array()).collect();
        py.detach(|| match Arc::make_mut(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            Plan::Modes32(plan) => plan.set_points(&points),
            Plan::Modes64(plan) => plan.set_points(&points),
            Plan::Frequencies32(plan) => plan.set_points(&points, &targets),
            Plan::Frequencies64(plan) => plan.set_points(&points, &targets),
        })
        .map_err(raised)
    }
}

/// The exception for arrays of other types than the plan's.
fn mistyped<T: Real>(data: &Bound<'_, PyUntypedArray>, out: &Bound<'_, PyUntypedArray>) -> PyErr {
    PyTypeError::new_err(format!(
        "execute: expected arrays with an axis for the batch, of complex numbers of {}, or real ones where the \
         transform takes them, got {} and {}",
        T::NAME,
        data.dtype(),
        out.dtype()
    ))
}

fn modes<T: Real + Element>(
    plan: &NufftPlan<T>,
    direction: Direction,
    data: &Bound<'_, PyUntypedArray>,
    out: &Bound<'_, PyUntypedArray>,
    opposite: bool,
) -> PyResult<()>
where
    Complex<T>: Element,
{
    let py = data.py();
    let flipped;
    let plan = if opposite {
        // A clone shares tables, grids and points.
        let mut clone = plan.clone();
        clone.set_sign(plan.recipe().sign.opposite());
        flipped = clone;
        &flipped
    } else {
        plan
    };
    macro_rules! run {
        ($from:ty, $to:ty, $method:ident) => {
            if let (Ok(data), Ok(out)) = (data.cast::<$from>(), out.cast::<$to>()) {
                let data = data.try_readonly().map_err(|error| borrowed("data", error))?;
                let mut out = out.try_readwrite().map_err(|error| borrowed("out", error))?;
                let (data, mut out) = (data.as_array(), out.as_array_mut());
                return py.detach(|| plan.$method(&data, &mut out)).map_err(raised);
            }
        };
    }
    macro_rules! spread {
        ($method:ident, $from:ty, $to:ty) => {
            if let (Ok(data), Ok(out)) = (data.cast::<$from>(), out.cast::<$to>()) {
                let data = data.try_readonly().map_err(|error| borrowed("data", error))?;
                let mut out = out.try_readwrite().map_err(|error| borrowed("out", error))?;
                let (data, mut out) = (data.as_array().into_dyn(), out.as_array_mut().into_dyn());
                return py.detach(|| plan.$method(&data).map(|found| out.assign(&found))).map_err(raised);
            }
        };
    }
    match direction {
        Direction::Type1 => {
            run!(PyArray2<Complex<T>>, PyArrayDyn<Complex<T>>, type1_into);
            run!(PyArray2<T>, PyArrayDyn<Complex<T>>, type1_into);
        }
        Direction::Type2 => {
            run!(PyArrayDyn<Complex<T>>, PyArray2<Complex<T>>, type2_into);
            run!(PyArrayDyn<Complex<T>>, PyArray2<T>, type2_into);
        }
        Direction::Spread => spread!(spread, PyArray2<Complex<T>>, PyArrayDyn<Complex<T>>),
        Direction::Interpolate => spread!(interpolate, PyArrayDyn<Complex<T>>, PyArray2<Complex<T>>),
        Direction::Type3 | Direction::Adjoint3 => {}
    }
    Err(mistyped::<T>(data, out))
}

fn frequencies<T: Real + Element>(
    plan: &NufftPlan3<T>,
    direction: Direction,
    data: &Bound<'_, PyUntypedArray>,
    out: &Bound<'_, PyUntypedArray>,
) -> PyResult<()>
where
    Complex<T>: Element,
{
    let py = data.py();
    let Ok(target) = out.cast::<PyArray2<Complex<T>>>() else { return Err(mistyped::<T>(data, out)) };
    let mut target = target.try_readwrite().map_err(|error| borrowed("out", error))?;
    let mut target = target.as_array_mut();
    macro_rules! run {
        ($from:ty) => {
            if let Ok(data) = data.cast::<PyArray2<$from>>() {
                let data = data.try_readonly().map_err(|error| borrowed("data", error))?;
                let data: ArrayView2<'_, $from> = data.as_array();
                let done = py.detach(|| match direction {
                    Direction::Adjoint3 => plan.adjoint_into(&data, &mut target),
                    _ => plan.type3_into(&data, &mut target),
                });
                return done.map_err(raised);
            }
        };
    }
    run!(Complex<T>);
    run!(T);
    Err(mistyped::<T>(data, out))
}
