//! The choice of an instruction set, made only here.
//!
//! Inner loops are written once, as plain loops over arrays of fixed length, and compiled for several instruction sets.

pub(crate) use crate::machine::vector::{Vector, multiply_add};

/// A loop nest to be compiled for several instruction sets. `FMA` says whether fused multiply-add is an instruction in
/// the one that was chosen.
pub(crate) trait Vectorised {
    type Output;
    /// Implementations and all they call must be `#[inline(always)]`.
    fn run<const FMA: bool>(self) -> Self::Output;
    /// The loops compiled for AVX2 and FMA. This is a method, and not a function of this file, so that the compiler
    /// puts it beside the loops: all loops in one unit of compilation would take one thread some minutes.
    ///
    /// # Safety
    /// The processor has what `pulp::x86::V3` proves.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx,avx2,bmi1,bmi2,fma,lzcnt,popcnt")]
    unsafe fn with_avx2(self) -> Self::Output
    where
        Self: Sized,
    {
        self.run::<true>()
    }
}

/// Loops that are written for AVX-512 and compiled for it too.
pub(crate) trait Widest: Vectorised {
    /// The loops compiled for AVX-512.
    ///
    /// # Safety
    /// The processor has what `pulp::x86::V4` proves.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx,avx2,bmi1,bmi2,fma,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
    unsafe fn with_avx512(self) -> Self::Output
    where
        Self: Sized,
    {
        self.run::<true>()
    }
}

/// Prefetches the cache line of an element that will be needed soon; does nothing if the index is outside.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    if index < slice.len() {
        prefetch_from(slice.as_ptr().wrapping_add(index));
    }
}

/// Prefetches the cache line at this address.
#[inline(always)]
pub(crate) fn prefetch_from<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch affects only caches, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Vectors of 32 bytes, of f32 or f64, for loops that run with `FMA`.
#[cfg(target_arch = "x86_64")]
pub(crate) use crate::machine::avx::{WideF32, WideF64, WidestF32, WidestF64};
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type WideF32 = [f32; 8];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type WideF64 = [f64; 4];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type WidestF32 = [f32; 8];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type WidestF64 = [f64; 4];

/// Runs loops, with AVX2 and FMA where the processor has them. AVX-512 is only for loops that are written for it
/// ([`run_widest`]): the compiler's own code for it was slower (115-125 against 85 ns a point in 3-D spreading, Zen 4).
/// Stencils in vectors of 64 bytes gained 5 to 15 % in 2-D and 3-D at width 8, nothing at 12, and lost 5 to 20 % in 1-D
/// and at width 4 (Sapphire Rapids).
#[inline]
pub(crate) fn run<V: Vectorised>(loops: V) -> V::Output {
    #[cfg(target_arch = "x86_64")]
    if pulp::x86::V3::try_new().is_some() {
        // SAFETY: the processor has these instructions, as just proved.
        return unsafe { loops.with_avx2() };
    }
    loops.run::<{ cfg!(target_arch = "aarch64") }>()
}

/// Whether [`run`] runs loops with fused multiply-add.
#[inline(always)]
pub(crate) fn fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V3::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    cfg!(target_arch = "aarch64")
}

/// Whether the processor has AVX-512, for [`run_widest`].
#[inline(always)]
pub(crate) fn widest() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V4::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Runs loops with AVX-512, which the processor has ([`widest`]).
#[inline]
pub(crate) fn run_widest<V: Widest>(loops: V) -> V::Output {
    assert!(widest(), "the processor has AVX-512");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the processor has these instructions, as just asserted.
    return unsafe { loops.with_avx512() };
    #[cfg(not(target_arch = "x86_64"))]
    loops.run::<true>()
}
