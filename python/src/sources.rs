//! Arrays in files, which are reduced in one pass within a memory budget.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use numpy::PyArray1;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use wavemill::dynamic::Values;
use wavemill::source::{self, Options};
use wavemill::stream::{Pass, Slice};

use crate::devices::Device;
use crate::errors::raised;
use crate::reduce::{Request, owned};

/// From one look at signals and progress to the next.
const LOOK: Duration = Duration::from_millis(50);

/// A slice of an axis: its number, and start, stop and step as in Python.
type Part = (usize, (Option<isize>, Option<isize>, usize));

/// An array in a file, a store or several files.
#[pyclass(frozen)]
#[derive(Debug)]
pub(crate) struct Source(Arc<dyn source::Source>);

#[pymethods]
impl Source {
    #[new]
    fn new(py: Python<'_>, name: &str, along: Option<String>, raw: bool) -> PyResult<Self> {
        let options = Options::default().raw(raw);
        let options = along.into_iter().fold(options, Options::along);
        py.detach(|| source::open(name, &options)).map(Self).map_err(raised)
    }

    #[getter]
    fn name(&self) -> &str {
        &self.0.description().name
    }

    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.0.description().shape.clone()
    }

    #[getter]
    fn chunks(&self) -> Vec<usize> {
        self.0.description().chunks.clone()
    }

    #[getter]
    fn dtype(&self) -> String {
        self.0.description().element.to_string()
    }

    #[getter]
    fn dims(&self) -> Vec<Option<String>> {
        self.0.description().axes.iter().map(|axis| axis.name.clone()).collect()
    }

    #[getter]
    fn units(&self) -> Option<String> {
        self.0.description().units.clone()
    }

    #[getter]
    fn title(&self) -> Option<String> {
        self.0.description().title.clone()
    }

    #[getter]
    fn format(&self) -> &str {
        &self.0.description().format
    }

    /// The coordinates along an axis and their unit.
    fn coordinates<'py>(&self, py: Python<'py>, axis: usize) -> PyResult<Option<(Bound<'py, PyAny>, Option<String>)>> {
        let found = py.detach(|| self.0.coordinates(axis)).map_err(raised)?;
        Ok(found.map(|found| (PyArray1::from_vec(py, found.values).into_any(), found.units)))
    }

    /// What a pass would do, in words.
    fn plan(&self, request: Request, parts: Vec<Part>, memory: Option<usize>, device: &Device) -> PyResult<String> {
        Ok(self.pass(&request, &parts, memory, device)?.describe())
    }

    /// Reduces the array; one array for each operation. `progress` is called with the bytes that were read and those of
    /// the whole pass, some times a second.
    fn reduce<'py>(
        &self,
        py: Python<'py>,
        request: Request,
        parts: Vec<Part>,
        memory: Option<usize>,
        device: &Device,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let pass = self.pass(&request, &parts, memory, device)?;
        let total = pass.reads();
        let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
        let (ended, end) = (Mutex::new(false), Condvar::new());
        let found = std::thread::scope(|scope| {
            let pass = scope.spawn(|| {
                let found = pass.run_watched(&|progress| {
                    done.store(progress.done, Ordering::Relaxed);
                    !stop.load(Ordering::Relaxed)
                });
                *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
                end.notify_one();
                found
            });
            let (mut over, mut interrupted) = (false, None);
            while !over {
                // This thread alone sees the interpreter's signals, and so it only waits.
                over = py.detach(|| {
                    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                    let waited = end.wait_timeout_while(ended, LOOK, |ended| !*ended);
                    let (ended, _) = waited.unwrap_or_else(PoisonError::into_inner);
                    *ended || pass.is_finished()
                });
                let mut look = py.check_signals();
                if let (Ok(()), Some(progress)) = (&look, &progress) {
                    look = progress.call1((done.load(Ordering::Relaxed), total)).map(drop);
                }
                if let Err(error) = look {
                    stop.store(true, Ordering::Relaxed);
                    interrupted.get_or_insert(error);
                }
            }
            let found = pass.join().map_err(|_| PyRuntimeError::new_err("the pass ended in a panic"))?;
            match interrupted {
                Some(error) => Err(error),
                None => found.map_err(raised),
            }
        })?;
        Ok(found.into_iter().flatten().map(|values| array_of(py, values)).collect())
    }
}

impl Source {
    fn pass(&self, request: &Request, parts: &[Part], memory: Option<usize>, device: &Device) -> PyResult<Pass> {
        let asked = wavemill::stream::Request::new(request.ops()?).axes(&request.axes);
        let asked = asked.keepdims(request.keepdims).skip_nan(request.skip);
        let slice = |(start, stop, step)| Slice::new(start, stop, step);
        let asked = parts.iter().fold(asked, |asked, &(axis, part)| asked.slice(axis, slice(part)));
        let builder = Pass::builder(self.0.clone()).request(asked);
        let builder = memory.into_iter().fold(builder, |builder, bytes| builder.memory(bytes));
        builder.build(&device.0).map_err(raised)
    }
}

/// A result as an array that Python owns.
fn array_of(py: Python<'_>, values: Values) -> Bound<'_, PyAny> {
    match values {
        Values::Bool(array) => owned(py, array),
        Values::Int8(array) => owned(py, array),
        Values::Int16(array) => owned(py, array),
        Values::Int32(array) => owned(py, array),
        Values::Int64(array) => owned(py, array),
        Values::Uint8(array) => owned(py, array),
        Values::Uint16(array) => owned(py, array),
        Values::Uint32(array) => owned(py, array),
        Values::Uint64(array) => owned(py, array),
        Values::Float32(array) => owned(py, array),
        Values::Float64(array) => owned(py, array),
        Values::Complex64(array) => owned(py, array),
        Values::Complex128(array) => owned(py, array),
        _ => unreachable!("every type is above"),
    }
}
