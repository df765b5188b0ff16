//! The element types of transforms and products: f32, f64 and complex numbers of them, each with the inner loops that
//! are compiled for it.

use std::sync::Arc;

use ndarray::ArrayView2;
use num_complex::Complex;
use rustfft::Fft;

use crate::loops::block::Block;
use crate::loops::{interp, peak, planner, spread, stencil};
use crate::machine::simd;
use crate::nufft::remembered::Remembered;
use crate::numeric::float::{Float, Numeric};
use crate::numeric::sign::Sign;

/// The large inner loops, compiled in this crate once for each type: a generic function would be compiled again in
/// every crate that uses it, and these have some dozens of variants.
pub(crate) trait Compiled: Sized {
    fn spread(loops: spread::Spread<'_, Self>)
    where
        Self: Real;
    fn spread_complex(loops: spread::Spread<'_, Complex<Self>>)
    where
        Self: Real;
    fn interp(loops: interp::Interp<'_, Self>)
    where
        Self: Real;
    fn interp_complex(loops: interp::Interp<'_, Complex<Self>>)
    where
        Self: Real;
    fn plan_fft(cells: usize, sign: Sign) -> Arc<dyn Fft<Self>>
    where
        Self: Real;
    fn multiply(block: Block<'_, Self>)
    where
        Self: Real;
    fn multiply_complex(block: Block<'_, Self>)
    where
        Self: Real;
    fn peak() -> f64;
    fn remembered() -> &'static Remembered<Self>
    where
        Self: Real;
}

/// A real number type that kernels compute in: `f32` or `f64`. Sealed.
#[expect(private_bounds, reason = "nobody outside can name the loops")]
pub trait Real: Float + Compiled {}
impl Real for f32 {}
impl Real for f64 {}

/// A number type of strengths, values and matrices: real or complex. Sealed.
#[expect(private_bounds, reason = "nobody outside can name the loops")]
pub trait Number: Loops<Real: Real> {}
impl<T: Real> Number for T {}
impl<T: Real> Number for Complex<T> {}

/// The inner loops of a number type, under the same names for real and complex numbers.
pub(crate) trait Loops: Numeric<Real: Real> {
    fn spread(loops: spread::Spread<'_, Self>);
    fn interp(loops: interp::Interp<'_, Self>);
    fn multiply(block: Block<'_, Self::Real>);
    fn values(view: ArrayView2<'_, Self>) -> Values<'_, Self::Real>;
}

/// Real or complex numbers, with one row for each transform, where a type parameter cannot tell which they are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values<'a, T: Real> {
    Real(ArrayView2<'a, T>),
    Complex(ArrayView2<'a, Complex<T>>),
}

impl<T: Real> Loops for T {
    fn spread(loops: spread::Spread<'_, T>) {
        <T as Compiled>::spread(loops);
    }
    fn interp(loops: interp::Interp<'_, T>) {
        <T as Compiled>::interp(loops);
    }
    fn multiply(block: Block<'_, T>) {
        <T as Compiled>::multiply(block);
    }
    fn values(view: ArrayView2<'_, T>) -> Values<'_, T> {
        Values::Real(view)
    }
}

impl<T: Real> Loops for Complex<T> {
    fn spread(loops: spread::Spread<'_, Self>) {
        T::spread_complex(loops);
    }
    fn interp(loops: interp::Interp<'_, Self>) {
        T::interp_complex(loops);
    }
    fn multiply(block: Block<'_, T>) {
        T::multiply_complex(block);
    }
    fn values(view: ArrayView2<'_, Self>) -> Values<'_, T> {
        Values::Complex(view)
    }
}

impl Compiled for f32 {
    fn spread(loops: spread::Spread<'_, Self>) {
        stencil::run_f32(loops.shape(), loops);
    }
    fn spread_complex(loops: spread::Spread<'_, Complex<Self>>) {
        stencil::run_complex_f32(loops.shape(), loops);
    }
    fn interp(loops: interp::Interp<'_, Self>) {
        stencil::run_f32(loops.shape(), loops);
    }
    fn interp_complex(loops: interp::Interp<'_, Complex<Self>>) {
        stencil::run_complex_f32(loops.shape(), loops);
    }
    fn plan_fft(cells: usize, sign: Sign) -> Arc<dyn Fft<Self>> {
        static PLANNER: planner::Planner<f32> = planner::Planner::new(None);
        planner::plan(&PLANNER, cells, sign)
    }
    fn multiply(block: Block<'_, Self>) {
        block.run::<simd::WidestF32, simd::WideF32, [Self; 8], 1>();
    }
    fn multiply_complex(block: Block<'_, Self>) {
        block.run::<simd::WidestF32, simd::WideF32, [Self; 8], 2>();
    }
    fn peak() -> f64 {
        peak::peak::<Self, simd::WidestF32, simd::WideF32, [Self; 8]>()
    }
    fn remembered() -> &'static Remembered<Self> {
        static TABLES: Remembered<f32> = Remembered::new();
        &TABLES
    }
}

impl Compiled for f64 {
    fn spread(loops: spread::Spread<'_, Self>) {
        stencil::run_f64(loops.shape(), loops);
    }
    fn spread_complex(loops: spread::Spread<'_, Complex<Self>>) {
        stencil::run_complex_f64(loops.shape(), loops);
    }
    fn interp(loops: interp::Interp<'_, Self>) {
        stencil::run_f64(loops.shape(), loops);
    }
    fn interp_complex(loops: interp::Interp<'_, Complex<Self>>) {
        stencil::run_complex_f64(loops.shape(), loops);
    }
    fn plan_fft(cells: usize, sign: Sign) -> Arc<dyn Fft<Self>> {
        static PLANNER: planner::Planner<f64> = planner::Planner::new(None);
        planner::plan(&PLANNER, cells, sign)
    }
    fn multiply(block: Block<'_, Self>) {
        block.run::<simd::WidestF64, simd::WideF64, [Self; 4], 1>();
    }
    fn multiply_complex(block: Block<'_, Self>) {
        block.run::<simd::WidestF64, simd::WideF64, [Self; 4], 2>();
    }
    fn peak() -> f64 {
        peak::peak::<Self, simd::WidestF64, simd::WideF64, [Self; 4]>()
    }
    fn remembered() -> &'static Remembered<Self> {
        static TABLES: Remembered<f64> = Remembered::new();
        &TABLES
    }
}
