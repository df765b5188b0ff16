//! Products of matrices of any element type.

use num_complex::Complex;
use numpy::PyUntypedArrayMethods;
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArray};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use wavemill::{MatmulPlan, Number};

use crate::devices::Device;
use crate::errors::{borrowed, raised};

/// C = A·B, or C += A·B if `add`, for matrices with the axes of a batch in front; A and B broadcast to C's batch.
#[pyfunction]
pub(crate) fn matmul(
    a: &Bound<'_, PyUntypedArray>,
    b: &Bound<'_, PyUntypedArray>,
    c: &Bound<'_, PyUntypedArray>,
    add: bool,
    device: &Device,
) -> PyResult<()> {
    macro_rules! of {
        ($($element:ty)*) => {$(
            if let (Ok(a), Ok(b), Ok(c)) = (
                a.cast::<PyArrayDyn<$element>>(),
                b.cast::<PyArrayDyn<$element>>(),
                c.cast::<PyArrayDyn<$element>>(),
            ) {
                return multiply::<$element>(a, b, c, add, device);
            }
        )*};
    }
    of!(f32 f64 Complex<f32> Complex<f64>);
    Err(PyTypeError::new_err(format!(
        "matmul: expected three arrays of one of float32, float64, complex64 and complex128, got {}, {} and {}",
        a.dtype(),
        b.dtype(),
        c.dtype()
    )))
}

fn multiply<V: Number + Element>(
    a: &Bound<'_, PyArrayDyn<V>>,
    b: &Bound<'_, PyArrayDyn<V>>,
    c: &Bound<'_, PyArrayDyn<V>>,
    add: bool,
    device: &Device,
) -> PyResult<()> {
    let py = a.py();
    let a = a.try_readonly().map_err(|error| borrowed("a", error))?;
    let b = b.try_readonly().map_err(|error| borrowed("b", error))?;
    let mut c = c.try_readwrite().map_err(|error| borrowed("out", error))?;
    let (a, b, mut c) = (a.as_array(), b.as_array(), c.as_array_mut());
    py.detach(|| {
        let (batch, matrix) = c.shape().split_at(c.ndim() - 2);
        let k = a.shape()[a.ndim() - 1];
        let builder = MatmulPlan::<V>::builder(matrix[0], k, matrix[1]).batch(batch.to_vec());
        let beta = if add { V::unit() } else { V::default() };
        builder.build(&device.0)?.execute_into(V::unit(), &a, &b, beta, &mut c)
    })
    .map_err(raised)
}

/// C = A·B of integers, modulo 2⁶⁴.
#[pyfunction]
pub(crate) fn matmul_integers(
    py: Python<'_>,
    a: PyReadonlyArray2<'_, i64>,
    b: PyReadonlyArray2<'_, i64>,
    mut c: PyReadwriteArray2<'_, i64>,
) -> PyResult<()> {
    let (a, b, c) = (a.as_array(), b.as_array(), c.as_array_mut());
    py.detach(|| wavemill::matmul::wrapping(a, b, c)).map_err(raised)
}
