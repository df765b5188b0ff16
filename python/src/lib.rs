//! The extension module behind the Python package `wavemill`: the crate's plans for arrays whose element type and
//! number of axes are known at run time. What Python users call is in `wavemill/*.py`, which checks arguments and
//! allocates results; here arrays are borrowed, the interpreter is left, and a plan is executed.

use pyo3::prelude::*;

mod devices;
mod errors;
mod matmul;
mod nufft;
mod reduce;
mod sources;
mod spectral;
mod states;

#[pymodule(gil_used = false)]
mod _wavemill {
    #[pymodule_export]
    use crate::devices::{Device, devices};
    #[pymodule_export]
    use crate::errors::ToleranceError;
    #[pymodule_export]
    use crate::matmul::{matmul, matmul_integers};
    #[pymodule_export]
    use crate::nufft::Nufft;
    #[pymodule_export]
    use crate::reduce::reduce;
    #[pymodule_export]
    use crate::sources::Source;
    #[pymodule_export]
    use crate::spectral::Periodogram;
    #[pymodule_export]
    use crate::states::{finish, merge, state};

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("version", env!("CARGO_PKG_VERSION"))?;
        module.add("gpu", cfg!(feature = "gpu"))
    }
}
