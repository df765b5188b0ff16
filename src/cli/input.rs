//! The inputs of a transform, read from NumPy files: coordinates of points, and strengths at points or modes.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use ndarray::{Array1, ArrayD, Ix1};
use ndarray_npy::WritableElement;
use num_complex::Complex;
use wavemill::{Float, Number, Numeric, Real};

use crate::memory;
use crate::npy::{self, Npy, Type};

/// Coordinates, an array for each axis: f32 if no file has a wider type.
#[derive(Debug)]
pub(crate) enum Points {
    F32(Vec<Array1<f32>>),
    F64(Vec<Array1<f64>>),
}

impl Points {
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let files = paths.iter().map(|path| Npy::open(path)).collect::<Result<Vec<_>>>()?;
        if files.iter().all(|file| matches!(file.element(), Some(Type::Float16 | Type::Float32))) {
            let single =
                |file: Npy| if file.element() == Some(Type::Float16) { file.read_half() } else { file.read::<f32>() };
            return Ok(Self::F32(axes(paths, files, single)?));
        }
        Ok(Self::F64(axes(paths, files, Npy::read_real)?))
    }

    /// The number of points, on the first axis.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(axes) => axes.first().map_or(0, Array1::len),
            Self::F64(axes) => axes.first().map_or(0, Array1::len),
        }
    }
}

/// Reads each file as the coordinates of an axis.
fn axes<C>(paths: &[PathBuf], files: Vec<Npy>, read: impl Fn(Npy) -> Result<ArrayD<C>>) -> Result<Vec<Array1<C>>> {
    let axis = |(path, file): (&PathBuf, Npy)| {
        let array = read(file)?;
        let shape = array.shape().to_vec();
        array.into_dimensionality::<Ix1>().map_err(|_| {
            anyhow!(
                "{} has the shape {shape:?}; coordinates must be of shape [M], a file for each axis",
                path.display()
            )
        })
    };
    paths.iter().zip(files).map(axis).collect()
}

/// Strengths or modes, or the result of a transform.
#[derive(Debug)]
pub(crate) enum Values<T: Real> {
    Real(ArrayD<T>),
    Complex(ArrayD<Complex<T>>),
}

impl<T: Real> Values<T> {
    /// Reads the values to transform, in C order. NaN and infinities are errors, as they would make the whole result
    /// NaN.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let complex = |re: f64, im: f64| Complex::new(T::nearest(re), T::nearest(im));
        let file = Npy::open(path)?;
        match file.element() {
            Some(Type::Complex128) => {
                let array = file.read::<Complex<f64>>()?;
                checked(path, npy::converted(array, |value| complex(value.re, value.im))?).map(Self::Complex)
            }
            Some(Type::Complex64) => {
                let array = file.read::<Complex<f32>>()?;
                checked(path, npy::converted(array, |value| complex(value.re.into(), value.im.into()))?)
                    .map(Self::Complex)
            }
            Some(_) => checked(path, npy::converted(file.read_real()?, T::nearest)?).map(Self::Real),
            None => Err(file.refuse(&format!("complex64, complex128 or {}", npy::REAL))),
        }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Real(array) => array.shape(),
            Self::Complex(array) => array.shape(),
        }
    }

    /// Whether no value is infinite or NaN.
    pub(crate) fn is_finite(&self) -> bool {
        match self {
            Self::Real(array) => array.iter().all(|value| finite(*value)),
            Self::Complex(array) => array.iter().all(|value| finite(*value)),
        }
    }

    /// The values as complex numbers.
    pub(crate) fn complex(self) -> Result<Self> {
        match self {
            Self::Real(array) => npy::converted(array, |value| value.complex()).map(Self::Complex),
            Self::Complex(_) => Ok(self),
        }
    }

    /// Writes the values to a NumPy file.
    pub(crate) fn write(&self, path: &Path) -> Result<()>
    where
        T: WritableElement,
        Complex<T>: WritableElement,
    {
        match self {
            Self::Real(array) => npy::write(path, array),
            Self::Complex(array) => npy::write(path, array),
        }
    }
}

fn finite<V: Number>(value: V) -> bool {
    let value = value.complex();
    Into::<f64>::into(value.re).is_finite() && Into::<f64>::into(value.im).is_finite()
}

fn checked<V: Number>(path: &Path, array: ArrayD<V>) -> Result<ArrayD<V>> {
    let array = if array.is_standard_layout() {
        array
    } else {
        memory::room("a copy in C order", array.shape(), size_of::<V>(), "write the file in C order")?;
        array.as_standard_layout().into_owned()
    };
    if let Some((index, value)) = array.indexed_iter().find(|&(_, &value)| !finite(value)) {
        let (index, value) = (ndarray::Dimension::slice(&index), value.complex());
        bail!(
            "{}: the value at {index:?} is {} + {}i in {}; remove or mask such values",
            path.display(),
            value.re,
            value.im,
            V::Real::NAME
        );
    }
    Ok(array)
}
