//! The two element types every kernel is written for, f32 and f64.

use std::fmt;
use std::sync::Arc;

use rustfft::Fft;

use crate::cpu::{fft, interp, spread};
use crate::nufft::Sign;
use crate::stencil;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// The large inner loops, compiled once a type in this crate: a generic function is compiled again in every crate that
/// uses it, and these have some dozens of variants.
#[expect(private_interfaces, reason = "a supertrait of a public trait that nobody outside can name")]
pub trait Compiled: Sized {
    fn spread(loops: spread::Spread<'_, Self>)
    where
        Self: Real;
    fn interp(loops: interp::Interp<'_, Self>)
    where
        Self: Real;
    fn plan_fft(cells: usize, sign: Sign) -> Arc<dyn Fft<Self>>
    where
        Self: Real;
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

/// A coordinate type. Whatever the precision of the data, geometry is computed in more than f64.
pub trait Coordinate: sealed::Sealed + Copy + Send + Sync + Into<f64> + 'static {}
impl Coordinate for f32 {}
impl Coordinate for f64 {}

#[expect(private_interfaces, reason = "see the trait")]
impl Compiled for f32 {
    fn spread(loops: spread::Spread<'_, Self>) {
        stencil::run_f32(loops.layout.dimensions, loops.stencil.row, loops);
    }
    fn interp(loops: interp::Interp<'_, Self>) {
        stencil::run_f32(loops.layout.dimensions, loops.stencil.row, loops);
    }
    fn plan_fft(cells: usize, sign: Sign) -> Arc<dyn Fft<Self>> {
        static PLANNER: fft::Planner<f32> = fft::Planner::new(None);
        fft::plan(&PLANNER, cells, sign)
    }
}

#[expect(private_interfaces, reason = "see the trait")]
impl Compiled for f64 {
    fn spread(loops: spread::Spread<'_, Self>) {
        stencil::run_f64(loops.layout.dimensions, loops.stencil.row, loops);
    }
    fn interp(loops: interp::Interp<'_, Self>) {
        stencil::run_f64(loops.layout.dimensions, loops.stencil.row, loops);
    }
    fn plan_fft(cells: usize, sign: Sign) -> Arc<dyn Fft<Self>> {
        static PLANNER: fft::Planner<f64> = fft::Planner::new(None);
        fft::plan(&PLANNER, cells, sign)
    }
}
