//! Reductions of arrays of any element type.

use ndarray::{ArrayD, IxDyn};
use num_complex::Complex;
use numpy::PyUntypedArrayMethods;
use numpy::{Element, PyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use wavemill::ReducePlan;
use wavemill::reduce::{Answer, Op};

use crate::devices::Device;
use crate::errors::{borrowed, raised};

/// What a plan of reductions is made from, apart from the shape.
#[derive(Debug, FromPyObject)]
pub(crate) struct Request {
    /// Names of operations, each with its ddof.
    #[pyo3(item)]
    pub(crate) ops: Vec<(String, f64)>,
    #[pyo3(item)]
    pub(crate) axes: Vec<usize>,
    #[pyo3(item)]
    pub(crate) keepdims: bool,
    #[pyo3(item)]
    pub(crate) skip: bool,
}

impl Request {
    pub(crate) fn ops(&self) -> PyResult<Vec<Op>> {
        let op = |(name, ddof): &(String, f64)| name.parse::<Op>().map(|op| op.with_ddof(*ddof)).map_err(raised);
        self.ops.iter().map(op).collect()
    }

    /// The plan for data of this shape.
    pub(crate) fn plan<E: wavemill::reduce::Element>(
        &self,
        shape: &[usize],
        weights: Option<&ArrayD<f64>>,
        device: &Device,
    ) -> PyResult<ReducePlan<E>> {
        let builder = ReducePlan::<E>::builder(shape).axes(&self.axes).ops(self.ops()?);
        let builder = builder.keepdims(self.keepdims).skip_nan(self.skip);
        let builder = match weights {
            Some(weights) => builder.weights(weights),
            None => builder,
        };
        builder.build(&device.0).map_err(raised)
    }
}

/// Calls `$work::<E>(array, ..)` for the array's element type.
macro_rules! by_element {
    ($data:expr, $work:ident($($argument:expr),*)) => {
        crate::reduce::by_element!(@each $data, $work($($argument),*), f32 f64 Complex<f32> Complex<f64>
            i8 i16 i32 i64 u8 u16 u32 u64)
    };
    (@each $data:expr, $work:ident $arguments:tt, $($element:ty)*) => {{
        $(if let Ok(data) = $data.cast::<PyArrayDyn<$element>>() {
            return crate::reduce::by_element!(@call $work, $element, data, $arguments);
        })*
        Err(crate::reduce::unknown($data))
    }};
    (@call $work:ident, $element:ty, $data:ident, ($($argument:expr),*)) => {
        $work::<$element>($data, $($argument),*)
    };
}
pub(crate) use by_element;

/// The exception for elements that cannot be reduced.
pub(crate) fn unknown(data: &Bound<'_, PyUntypedArray>) -> PyErr {
    PyTypeError::new_err(format!(
        "a: expected an array of bool, integers, float32, float64, complex64 or complex128, got {}; convert it with \
         astype",
        data.dtype()
    ))
}

/// Reduces an array; one array for each operation.
#[pyfunction]
pub(crate) fn reduce<'py>(
    data: &Bound<'py, PyUntypedArray>,
    request: Request,
    weights: Option<PyReadonlyArrayDyn<'py, f64>>,
    device: &Device,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let weights = weights.map(|weights| weights.as_array().to_owned());
    by_element!(data, run(&request, weights.as_ref(), device))
}

fn run<'py, E>(
    data: &Bound<'py, PyArrayDyn<E>>,
    request: &Request,
    weights: Option<&ArrayD<f64>>,
    device: &Device,
) -> PyResult<Vec<Bound<'py, PyAny>>>
where
    E: wavemill::reduce::Element + Element,
    E::Sum: Element,
    E::Mean: Element,
    E::Float: Element,
{
    let py = data.py();
    let array = data.try_readonly().map_err(|error| borrowed("a", error))?;
    let view = array.as_array();
    let answers = py.detach(|| {
        let plan = request.plan::<E>(view.shape(), weights, device)?;
        plan.execute(&view).map_err(raised)
    })?;
    Ok(answers.into_iter().map(|answer| array_of(py, answer)).collect())
}

/// An array that Python owns.
pub(crate) fn owned<T: Element>(py: Python<'_>, array: ArrayD<T>) -> Bound<'_, PyAny> {
    PyArray::<T, IxDyn>::from_owned_array(py, array).into_any()
}

/// A result as an array that Python owns.
pub(crate) fn array_of<E>(py: Python<'_>, answer: Answer<E>) -> Bound<'_, PyAny>
where
    E: wavemill::reduce::Element + Element,
    E::Sum: Element,
    E::Mean: Element,
    E::Float: Element,
{
    match answer {
        Answer::Sum(array) => owned(py, array),
        Answer::Mean(array) => owned(py, array),
        Answer::Float(array) => owned(py, array),
        Answer::Element(array) => owned(py, array),
        Answer::Index(array) => owned(py, array),
        Answer::Truth(array) => owned(py, array),
        _ => unreachable!("every kind of answer is above"),
    }
}
