//! The element types every kernel is written for: f32 and f64, and complex numbers of them.

use std::fmt;
use std::ops::{Add, Mul};
use std::sync::Arc;

use ndarray::ArrayView2;
use num_complex::Complex;
use rustfft::Fft;

use crate::cpu::{fft, interp, spread};
use crate::nufft::Sign;
use crate::{peak, simd, stencil, tiles};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl<T: super::Real> Sealed for num_complex::Complex<T> {}
}

/// The large inner loops, compiled once a type in this crate: a generic function is compiled again in every crate that
/// uses it, and these have some dozens of variants.
#[expect(private_interfaces, reason = "a supertrait of a public trait that nobody outside can name")]
pub trait Compiled: Sized {
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
    fn multiply(block: tiles::Block<'_, Self>)
    where
        Self: Real;
    fn multiply_complex(block: tiles::Block<'_, Self>)
    where
        Self: Real;
    fn peak() -> f64;
}

/// A real number type the kernels compute in: `f32` or `f64`. Sealed.
pub trait Real:
    sealed::Sealed + Compiled + rustfft::FftNum + bytemuck::Pod + Default + fmt::Display + fmt::LowerExp + Into<f64>
{
    /// The unit roundoff, 2⁻²⁴ or 2⁻⁵³.
    const ROUNDOFF: f64;
    /// The smallest tolerance a transform in this type promises.
    const SMALLEST_TOLERANCE: f64;
    /// Its name as NumPy and WGSL write it, `f32` or `f64`.
    const NAME: &'static str;
    /// The relative l2 error the law allows at any tolerance.
    const FLOOR: f64;
    /// The nearest value.
    fn nearest(x: f64) -> Self;
    /// `self * a + b`, rounded once; slow where the processor has no such instruction.
    fn fused(self, a: Self, b: Self) -> Self;
}

impl Real for f32 {
    const ROUNDOFF: f64 = 1.0 / (1u64 << 24) as f64;
    const SMALLEST_TOLERANCE: f64 = 1e-6;
    const NAME: &'static str = "f32";
    const FLOOR: f64 = 1e-6;
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked")]
    fn nearest(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
}

impl Real for f64 {
    const ROUNDOFF: f64 = 1.0 / (1u64 << 53) as f64;
    const SMALLEST_TOLERANCE: f64 = 1e-14;
    const NAME: &'static str = "f64";
    const FLOOR: f64 = 3e-14;
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
}

/// What strengths and values are: real numbers, or complex ones. Sealed.
#[expect(private_interfaces, reason = "nobody outside can call what takes them")]
pub trait Number:
    sealed::Sealed
    + bytemuck::Pod
    + Default
    + PartialEq
    + fmt::Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Mul<Output = Self>
{
    /// The real numbers it is made of.
    type Real: Real;
    /// How many of them.
    const PARTS: usize;
    /// Its name, `f32` or `complex f32`, for people.
    #[must_use]
    fn name() -> String {
        format!("{}{}", if Self::PARTS == 2 { "complex " } else { "" }, Self::Real::NAME)
    }
    /// The number 1.
    #[must_use]
    fn unit() -> Self {
        Self::part_of(Complex::new(Self::Real::nearest(1.0), Self::Real::default()))
    }
    /// As a complex number.
    fn complex(self) -> Complex<Self::Real>;
    /// The number, or the real part where it is to be real.
    fn part_of(z: Complex<Self::Real>) -> Self;
    /// Its parts in turn, as a vector.
    #[doc(hidden)]
    fn lanes<const L: usize>(self) -> [Self::Real; L];
    /// The sum over a vector of parts in turn.
    #[doc(hidden)]
    fn sum<const L: usize>(lanes: [Self::Real; L]) -> Self;
    #[doc(hidden)]
    fn spread(loops: spread::Spread<'_, Self>);
    #[doc(hidden)]
    fn interp(loops: interp::Interp<'_, Self>);
    #[doc(hidden)]
    fn multiply(block: tiles::Block<'_, Self::Real>);
    #[doc(hidden)]
    fn values(view: ArrayView2<'_, Self>) -> Values<'_, Self::Real>;
    #[doc(hidden)]
    fn values_mut(slice: &mut [Self]) -> ValuesMut<'_, Self::Real>;
}

/// Numbers of either kind, where a type parameter cannot be: one transform's a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values<'a, T: Real> {
    Real(ArrayView2<'a, T>),
    Complex(ArrayView2<'a, Complex<T>>),
}

/// Numbers to be written, of either kind, one after another.
#[derive(Debug)]
pub(crate) enum ValuesMut<'a, T: Real> {
    Real(&'a mut [T]),
    Complex(&'a mut [Complex<T>]),
}

#[expect(private_interfaces, reason = "see the trait")]
impl<T: Real> Number for T {
    type Real = T;
    const PARTS: usize = 1;
    #[inline(always)]
    fn complex(self) -> Complex<T> {
        Complex::new(self, T::zero())
    }
    #[inline(always)]
    fn part_of(z: Complex<T>) -> T {
        z.re
    }
    #[inline(always)]
    fn lanes<const L: usize>(self) -> [T; L] {
        [self; L]
    }
    #[inline(always)]
    fn sum<const L: usize>(lanes: [T; L]) -> T {
        lanes[1..].iter().fold(lanes[0], |sum, &lane| sum + lane)
    }
    fn spread(loops: spread::Spread<'_, T>) {
        <T as Compiled>::spread(loops);
    }
    fn interp(loops: interp::Interp<'_, T>) {
        <T as Compiled>::interp(loops);
    }
    fn multiply(block: tiles::Block<'_, T>) {
        <T as Compiled>::multiply(block);
    }
    fn values(view: ArrayView2<'_, T>) -> Values<'_, T> {
        Values::Real(view)
    }
    fn values_mut(slice: &mut [T]) -> ValuesMut<'_, T> {
        ValuesMut::Real(slice)
    }
}

#[expect(private_interfaces, reason = "see the trait")]
impl<T: Real> Number for Complex<T> {
    type Real = T;
    const PARTS: usize = 2;
    #[inline(always)]
    fn complex(self) -> Self {
        self
    }
    #[inline(always)]
    fn part_of(z: Self) -> Self {
        z
    }
    #[inline(always)]
    fn lanes<const L: usize>(self) -> [T; L] {
        let mut lanes = [self.re; L];
        for pair in 0..L / 2 {
            lanes[2 * pair + 1] = self.im;
        }
        lanes
    }
    #[inline(always)]
    fn sum<const L: usize>(lanes: [T; L]) -> Self {
        let pairs = lanes.as_chunks::<2>().0;
        let first = Complex::new(pairs[0][0], pairs[0][1]);
        pairs[1..].iter().fold(first, |sum, pair| sum + Complex::new(pair[0], pair[1]))
    }
    fn spread(loops: spread::Spread<'_, Self>) {
        T::spread_complex(loops);
    }
    fn interp(loops: interp::Interp<'_, Self>) {
        T::interp_complex(loops);
    }
    fn multiply(block: tiles::Block<'_, T>) {
        T::multiply_complex(block);
    }
    fn values(view: ArrayView2<'_, Self>) -> Values<'_, T> {
        Values::Complex(view)
    }
    fn values_mut(slice: &mut [Self]) -> ValuesMut<'_, T> {
        ValuesMut::Complex(slice)
    }
}

/// A coordinate type. Whatever the precision of the data, geometry is computed in more than f64.
pub trait Coordinate: sealed::Sealed + Copy + Send + Sync + Into<f64> + 'static {}
impl Coordinate for f32 {}
impl Coordinate for f64 {}

#[expect(private_interfaces, reason = "see the trait")]
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
        static PLANNER: fft::Planner<f32> = fft::Planner::new(None);
        fft::plan(&PLANNER, cells, sign)
    }
    fn multiply(block: tiles::Block<'_, Self>) {
        block.run::<simd::WideF32, [Self; 8], 1, 16>();
    }
    fn multiply_complex(block: tiles::Block<'_, Self>) {
        block.run::<simd::WideF32, [Self; 8], 2, 16>();
    }
    fn peak() -> f64 {
        peak::peak::<Self, simd::WideF32, [Self; 8], 8>()
    }
}

#[expect(private_interfaces, reason = "see the trait")]
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
        static PLANNER: fft::Planner<f64> = fft::Planner::new(None);
        fft::plan(&PLANNER, cells, sign)
    }
    fn multiply(block: tiles::Block<'_, Self>) {
        block.run::<simd::WideF64, [Self; 4], 1, 8>();
    }
    fn multiply_complex(block: tiles::Block<'_, Self>) {
        block.run::<simd::WideF64, [Self; 4], 2, 8>();
    }
    fn peak() -> f64 {
        peak::peak::<Self, simd::WideF64, [Self; 4], 4>()
    }
}
