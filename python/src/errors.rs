//! The crate's errors as Python's exceptions, with the crate's text.

use numpy::BorrowError;
use pyo3::PyErr;
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use wavemill::Error;

pyo3::create_exception!(
    wavemill,
    ToleranceError,
    PyValueError,
    "An eps smaller than what precision, grid and kernel reach; the message names the smallest one."
);

/// An error of the crate as the exception that a NumPy user expects.
pub(crate) fn raised(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Tolerance { .. } => {
            ToleranceError::new_err(text.replace("accept_reachable()", "allow_eps_too_small=True"))
        }
        Error::TooLarge { .. } => PyMemoryError::new_err(text),
        Error::Order { .. } | Error::Device { .. } | Error::DeviceLost { .. } => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// The exception for an array that another call uses at the same time.
pub(crate) fn borrowed(what: &str, error: BorrowError) -> PyErr {
    PyValueError::new_err(format!(
        "{what}: {error}; expected an array that no other call writes to meanwhile and, for results, one that shares \
         no memory with the input: pass a copy"
    ))
}
