//! NumPy files: reading real and complex arrays of any layout, and writing complex ones.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use half::f16;
use ndarray::{Array1, ArrayD, Ix1, IxDyn, ShapeBuilder};
use ndarray_npy::npy::header::{Header, Layout};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement, WritableElement, WriteNpyExt};
use num_complex::Complex;
use wavemill::{Float, Number, Numeric, Real};

use crate::output;

/// An open file, its reader at the data, and its header, which does not say more elements than the file has bytes.
fn open(path: &Path) -> Result<(BufReader<File>, Header)> {
    let file = File::open(path).with_context(|| format!("cannot open {}; check the path", path.display()))?;
    let bytes = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    let mut file = BufReader::new(file);
    let header = Header::from_reader(&mut file).map_err(|error| unreadable(path, &error))?;
    let elements = header.shape.iter().try_fold(1u64, |all, &extent| all.checked_mul(extent as u64));
    if elements.is_none_or(|elements| elements > bytes) {
        let why = format!("its header says {:?} elements, it has {bytes} bytes", header.shape);
        return Err(unreadable(path, &why));
    }
    Ok((file, header))
}

fn unreadable(path: &Path, why: &dyn Display) -> anyhow::Error {
    anyhow!("{} is not a readable .npy file ({why}); write it with numpy.save", path.display())
}

/// Reads the file as an array of `A`, or says `None` if it holds another type.
pub(crate) fn read_as<A: ReadableElement>(path: &Path) -> Result<Option<ArrayD<A>>> {
    let (mut file, _) = open(path)?;
    file.rewind().map_err(|error| unreadable(path, &error))?;
    match ArrayD::<A>::read_npy(file) {
        Ok(array) => Ok(Some(array)),
        Err(ReadNpyError::WrongDescriptor(_)) => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Reads an array of float16 as f32, or says `None` if it holds another type.
pub(crate) fn read_half(path: &Path) -> Result<Option<ArrayD<f32>>> {
    let (mut file, header) = open(path)?;
    let number: fn([u8; 2]) -> f16 = match header.type_descriptor.to_string().as_str() {
        "'<f2'" => f16::from_le_bytes,
        "'>f2'" => f16::from_be_bytes,
        _ => return Ok(None),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    let numbers = bytes.as_chunks().0.iter().map(|&bytes| number(bytes).to_f32()).collect();
    let shape = IxDyn(&header.shape).set_f(header.layout == Layout::Fortran);
    ArrayD::from_shape_vec(shape, numbers).map(Some).map_err(|error| unreadable(path, &error))
}

/// Reads a real array of floats or integers, or says `None` if it is complex or something else.
pub(crate) fn read_real(path: &Path) -> Result<Option<ArrayD<f64>>> {
    macro_rules! try_types {
        ($($element:ty),*) => {
            $(if let Some(array) = read_as::<$element>(path)? {
                return Ok(Some(array.mapv(|value| value as f64)));
            })*
        };
    }
    #[expect(clippy::cast_precision_loss, clippy::cast_lossless, reason = "the nearest float is what NumPy would take")]
    {
        try_types!(f64, f32, i64, i32, i16, i8, u64, u32, u16, u8);
    }
    Ok(read_half(path)?.map(|array| array.mapv(f64::from)))
}

/// What a real file may hold.
const TYPES: &str = "float16, float32, float64 or integers";

/// Coordinates, an array for each axis: f32 if all files are.
#[derive(Debug)]
pub(crate) enum Points {
    F32(Vec<Array1<f32>>),
    F64(Vec<Array1<f64>>),
}

impl Points {
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let single = |path| {
            Ok(match read_as::<f32>(path)? {
                Some(axis) => Some(axis),
                None => read_half(path)?,
            })
        };
        let single = paths.iter().map(|path| single(path)).collect::<Result<Vec<_>>>()?;
        if let Some(axes) = single.into_iter().collect::<Option<Vec<_>>>() {
            let axes = axes.into_iter().zip(paths).map(|(axis, path)| line(path, axis)).collect::<Result<_>>()?;
            return Ok(Self::F32(axes));
        }
        let axis = |path: &PathBuf| {
            let array = read_real(path)?;
            line(path, array.ok_or_else(|| anyhow!("{} must hold real numbers: {TYPES}", path.display()))?)
        };
        Ok(Self::F64(paths.iter().map(axis).collect::<Result<_>>()?))
    }

    /// Of the first axis.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(axes) => axes.first().map_or(0, Array1::len),
            Self::F64(axes) => axes.first().map_or(0, Array1::len),
        }
    }
}

fn line<A>(path: &Path, array: ArrayD<A>) -> Result<Array1<A>> {
    let shape = array.shape().to_vec();
    array.into_dimensionality::<Ix1>().map_err(|_| {
        anyhow!("{} has the shape {shape:?}; coordinates must be of shape [M], one file an axis", path.display())
    })
}

/// Values of a file, or of a result.
#[derive(Debug)]
pub(crate) enum Values<T: Real> {
    Real(ArrayD<T>),
    Complex(ArrayD<Complex<T>>),
}

impl<T: Real> Values<T> {
    /// Reads the values to transform, in C order, and refuses any that would make the whole result NaN.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let complex = |re: f64, im: f64| Complex::new(T::nearest(re), T::nearest(im));
        if let Some(array) = read_as::<Complex<f64>>(path)? {
            checked(path, array.mapv(|value| complex(value.re, value.im))).map(Self::Complex)
        } else if let Some(array) = read_as::<Complex<f32>>(path)? {
            checked(path, array.mapv(|value| complex(value.re.into(), value.im.into()))).map(Self::Complex)
        } else if let Some(array) = read_real(path)? {
            checked(path, array.mapv(T::nearest)).map(Self::Real)
        } else {
            bail!("{} must hold complex64, complex128, {TYPES}", path.display());
        }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Real(array) => array.shape(),
            Self::Complex(array) => array.shape(),
        }
    }

    /// The same as complex numbers.
    pub(crate) fn complex(self) -> Self {
        match self {
            Self::Real(array) => Self::Complex(array.mapv(|value| value.complex())),
            Self::Complex(_) => self,
        }
    }

    /// Writes them to a NumPy file.
    pub(crate) fn write(&self, path: &Path) -> Result<()>
    where
        T: WritableElement,
        Complex<T>: WritableElement,
    {
        match self {
            Self::Real(array) => write(path, array),
            Self::Complex(array) => write(path, array),
        }
    }
}

fn checked<V: Number>(path: &Path, array: ArrayD<V>) -> Result<ArrayD<V>> {
    let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    let finite = |value: &V| {
        let value = value.complex();
        Into::<f64>::into(value.re).is_finite() && Into::<f64>::into(value.im).is_finite()
    };
    if let Some((index, value)) = array.indexed_iter().find(|(_, value)| !finite(value)) {
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

/// Writes an array to a NumPy file.
pub(crate) fn write<A: WritableElement>(path: &Path, array: &ArrayD<A>) -> Result<()> {
    output::write(path, |file| {
        array.write_npy(file).map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
    })
}
