//! Arrays whose element type is known at run time: what a pass over a file gives, and what is written to files.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn, SliceInfoElem};
use num_complex::Complex;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::reduce::answer::Answer;
use crate::shape;
use crate::source::element::{ElementType, Stored};

/// An array of one of the element types.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "a variant for each element type, of its name")]
pub enum Values {
    Bool(ArrayD<bool>),
    Int8(ArrayD<i8>),
    Int16(ArrayD<i16>),
    Int32(ArrayD<i32>),
    Int64(ArrayD<i64>),
    Uint8(ArrayD<u8>),
    Uint16(ArrayD<u16>),
    Uint32(ArrayD<u32>),
    Uint64(ArrayD<u64>),
    Float32(ArrayD<f32>),
    Float64(ArrayD<f64>),
    Complex64(ArrayD<Complex<f32>>),
    Complex128(ArrayD<Complex<f64>>),
}

/// Does something with the array, whatever its elements are.
macro_rules! each {
    ($values:expr, $array:ident => $body:expr) => {
        match $values {
            Values::Bool($array) => $body,
            Values::Int8($array) => $body,
            Values::Int16($array) => $body,
            Values::Int32($array) => $body,
            Values::Int64($array) => $body,
            Values::Uint8($array) => $body,
            Values::Uint16($array) => $body,
            Values::Uint32($array) => $body,
            Values::Uint64($array) => $body,
            Values::Float32($array) => $body,
            Values::Float64($array) => $body,
            Values::Complex64($array) => $body,
            Values::Complex128($array) => $body,
        }
    };
}

/// Runs `$run::<E>` for the element type E that the source's elements are read as.
macro_rules! with_element {
    ($element:expr, $run:ident($($argument:expr),*)) => {
        match $element {
            // 0 and 1, of which the extremes become bool again.
            $crate::source::element::ElementType::Bool => $run::<i8>($($argument),*),
            $crate::source::element::ElementType::Int8 => $run::<i8>($($argument),*),
            $crate::source::element::ElementType::Int16 => $run::<i16>($($argument),*),
            $crate::source::element::ElementType::Int32 => $run::<i32>($($argument),*),
            $crate::source::element::ElementType::Int64 => $run::<i64>($($argument),*),
            $crate::source::element::ElementType::Uint8 => $run::<u8>($($argument),*),
            $crate::source::element::ElementType::Uint16 => $run::<u16>($($argument),*),
            $crate::source::element::ElementType::Uint32 => $run::<u32>($($argument),*),
            $crate::source::element::ElementType::Uint64 => $run::<u64>($($argument),*),
            $crate::source::element::ElementType::Float16 => $run::<f32>($($argument),*),
            $crate::source::element::ElementType::Float32 => $run::<f32>($($argument),*),
            $crate::source::element::ElementType::Float64 => $run::<f64>($($argument),*),
            $crate::source::element::ElementType::Complex64 => $run::<num_complex::Complex<f32>>($($argument),*),
            $crate::source::element::ElementType::Complex128 => $run::<num_complex::Complex<f64>>($($argument),*),
        }
    };
}
pub(crate) use with_element;

/// An element type that [`Values`] can hold.
pub trait Held: Clone + Default + Sized {
    /// The array as one whose element type is known at run time.
    fn held(array: ArrayD<Self>) -> Values;
    /// The array, if it has elements of this type.
    fn of(values: &Values) -> Option<ArrayViewD<'_, Self>>;
    /// The array, if it has elements of this type, to be written to.
    fn of_mut(values: &mut Values) -> Option<ArrayViewMutD<'_, Self>>;
}

macro_rules! held {
    ($($element:ty, $variant:ident);*) => {$(
        impl Held for $element {
            fn held(array: ArrayD<Self>) -> Values {
                Values::$variant(array)
            }
            fn of(values: &Values) -> Option<ArrayViewD<'_, Self>> {
                if let Values::$variant(array) = values { Some(array.view()) } else { None }
            }
            fn of_mut(values: &mut Values) -> Option<ArrayViewMutD<'_, Self>> {
                if let Values::$variant(array) = values { Some(array.view_mut()) } else { None }
            }
        }
    )*};
}
held!(
    bool, Bool; i8, Int8; i16, Int16; i32, Int32; i64, Int64; u8, Uint8; u16, Uint16; u32, Uint32; u64, Uint64;
    f32, Float32; f64, Float64; Complex<f32>, Complex64; Complex<f64>, Complex128
);

/// An element type that is read from sources, and whose results can be held.
pub trait Streamed: Stored + Held + Element<Sum: Held, Mean: Held, Float: Held> {}
impl<E: Stored + Held + Element<Sum: Held, Mean: Held, Float: Held>> Streamed for E {}

impl Values {
    /// The element type.
    #[must_use]
    pub fn element(&self) -> ElementType {
        match self {
            Self::Bool(_) => ElementType::Bool,
            Self::Int8(_) => ElementType::Int8,
            Self::Int16(_) => ElementType::Int16,
            Self::Int32(_) => ElementType::Int32,
            Self::Int64(_) => ElementType::Int64,
            Self::Uint8(_) => ElementType::Uint8,
            Self::Uint16(_) => ElementType::Uint16,
            Self::Uint32(_) => ElementType::Uint32,
            Self::Uint64(_) => ElementType::Uint64,
            Self::Float32(_) => ElementType::Float32,
            Self::Float64(_) => ElementType::Float64,
            Self::Complex64(_) => ElementType::Complex64,
            Self::Complex128(_) => ElementType::Complex128,
        }
    }

    /// The extents.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        each!(self, array => array.shape())
    }

    /// An array of zeros of the same element type.
    #[must_use]
    pub fn zeros_like(&self, shape: &[usize]) -> Self {
        fn zeros<T: Held>(_: &ArrayD<T>, shape: &[usize]) -> Values {
            T::held(ArrayD::default(IxDyn(shape)))
        }
        each!(self, array => zeros(array, shape))
    }

    /// Copies an array of the same element type to these indices.
    ///
    /// # Errors
    /// [`Error::Shape`] if it has another type or reaches out of this one.
    pub fn place(&mut self, at: &[usize], part: &Self) -> Result<()> {
        fn place<T: Held>(to: &mut ArrayD<T>, at: &[usize], part: &Values) -> Option<()> {
            let part = T::of(part)?;
            let fits = at.len() == to.ndim()
                && part.ndim() == to.ndim()
                && at.iter().zip(part.shape()).zip(to.shape()).all(|((&at, &len), &all)| at <= all && len <= all - at);
            let slices = at.iter().zip(part.shape()).map(|(&at, &len)| SliceInfoElem::from(at..at + len));
            fits.then(|| to.slice_mut(&slices.collect::<Vec<_>>()[..]).assign(&part))
        }
        let (element, extents) = (self.element(), shape::written(self.shape()));
        each!(self, array => place(array, at, part)).ok_or_else(|| {
            let got = format!("{} of {} at {at:?}", shape::written(part.shape()), part.element());
            Error::shape("part of an array", format!("inside {extents} of {element}"), got)
        })
    }

    /// The elements' bytes in C order and this machine's byte order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        fn bytes<T: bytemuck::NoUninit>(array: &ArrayD<T>) -> Vec<u8> {
            array.iter().flat_map(bytemuck::bytes_of).copied().collect()
        }
        each!(self, array => bytes(array))
    }

    /// Real numbers as f64; `None` for complex ones. Integers of more than 53 bits are rounded.
    #[must_use]
    pub fn to_f64(&self) -> Option<ArrayD<f64>> {
        Some(match self {
            Self::Bool(array) => array.mapv(|x| if x { 1.0 } else { 0.0 }),
            Self::Int8(array) => array.mapv(f64::from),
            Self::Int16(array) => array.mapv(f64::from),
            Self::Int32(array) => array.mapv(f64::from),
            Self::Int64(array) => array.mapv(|x| x as f64),
            Self::Uint8(array) => array.mapv(f64::from),
            Self::Uint16(array) => array.mapv(f64::from),
            Self::Uint32(array) => array.mapv(f64::from),
            Self::Uint64(array) => array.mapv(|x| x as f64),
            Self::Float32(array) => array.mapv(f64::from),
            Self::Float64(array) => array.clone(),
            Self::Complex64(_) | Self::Complex128(_) => return None,
        })
    }
}

impl<E: Streamed> From<Answer<E>> for Values {
    fn from(answer: Answer<E>) -> Self {
        match answer {
            Answer::Sum(array) => Held::held(array),
            Answer::Mean(array) => Held::held(array),
            Answer::Float(array) => Held::held(array),
            Answer::Element(array) => Held::held(array),
            Answer::Index(array) => Held::held(array),
            Answer::Truth(array) => Held::held(array),
        }
    }
}
