//! States of reductions as bytes, for schedulers that move them between processes.

use ndarray::ArrayD;
use num_complex::Complex;
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use wavemill::ReduceState;

use crate::devices::Device;
use crate::errors::{borrowed, raised};
use crate::reduce::{Request, array_of, by_element};

/// The state of one chunk, which begins at the indices `at` of an array of shape `whole`.
#[pyfunction]
pub(crate) fn state<'py>(
    data: &Bound<'py, PyUntypedArray>,
    whole: Vec<usize>,
    at: Vec<usize>,
    request: Request,
    weights: Option<PyReadonlyArrayDyn<'py, f64>>,
    device: &Device,
) -> PyResult<Bound<'py, PyBytes>> {
    let weights = weights.map(|weights| weights.as_array().to_owned());
    by_element!(data, of_chunk(&whole, &at, &request, weights.as_ref(), device))
}

fn of_chunk<'py, E: wavemill::reduce::Element + Element>(
    data: &Bound<'py, PyArrayDyn<E>>,
    whole: &[usize],
    at: &[usize],
    request: &Request,
    weights: Option<&ArrayD<f64>>,
    device: &Device,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let array = data.try_readonly().map_err(|error| borrowed("chunk", error))?;
    let view = array.as_array();
    let bytes = py.detach(|| {
        let mut state = request.plan::<E>(whole, None, device)?.state().map_err(raised)?;
        match weights {
            Some(weights) => state.update_weighted(&view, weights, at),
            None => state.update(&view, at),
        }
        .map_err(raised)?;
        Ok::<_, PyErr>(state.to_bytes())
    })?;
    Ok(PyBytes::new(py, &bytes))
}

/// Merges states of one array. `like` is any array of its element type.
#[pyfunction]
pub(crate) fn merge<'py>(
    like: &Bound<'py, PyUntypedArray>,
    states: Vec<Vec<u8>>,
    whole: Vec<usize>,
    request: Request,
    device: &Device,
) -> PyResult<Bound<'py, PyBytes>> {
    by_element!(like, merged(&states, &whole, &request, device))
}

fn merged<'py, E: wavemill::reduce::Element + Element>(
    like: &Bound<'py, PyArrayDyn<E>>,
    states: &[Vec<u8>],
    whole: &[usize],
    request: &Request,
    device: &Device,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = like.py();
    let bytes = py.detach(|| {
        let plan = request.plan::<E>(whole, None, device)?;
        let (first, rest) =
            states.split_first().ok_or_else(|| PyValueError::new_err("states: expected at least one, got none"))?;
        let mut state = ReduceState::from_bytes(&plan, first).map_err(raised)?;
        for other in rest {
            state.merge(&ReduceState::from_bytes(&plan, other).map_err(raised)?).map_err(raised)?;
        }
        Ok::<_, PyErr>(state.to_bytes())
    })?;
    Ok(PyBytes::new(py, &bytes))
}

/// The results of a state, one array for each operation.
#[pyfunction]
pub(crate) fn finish<'py>(
    like: &Bound<'py, PyUntypedArray>,
    state: Vec<u8>,
    whole: Vec<usize>,
    request: Request,
    device: &Device,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    by_element!(like, finished(&state, &whole, &request, device))
}

fn finished<'py, E>(
    like: &Bound<'py, PyArrayDyn<E>>,
    state: &[u8],
    whole: &[usize],
    request: &Request,
    device: &Device,
) -> PyResult<Vec<Bound<'py, PyAny>>>
where
    E: wavemill::reduce::Element + Element,
    E::Sum: Element,
    E::Mean: Element,
    E::Float: Element,
{
    let py = like.py();
    let answers = py.detach(|| {
        let plan = request.plan::<E>(whole, None, device)?;
        ReduceState::from_bytes(&plan, state).and_then(|state| state.finish()).map_err(raised)
    })?;
    Ok(answers.into_iter().map(|answer| array_of(py, answer)).collect())
}
