//! The one place where an instruction set is chosen: inner loops are written once, as plain loops over arrays of fixed
//! length, and compiled for what the processor has.

use crate::real::Real;

/// A loop nest to be compiled for several instruction sets. `FMA` says whether fused multiply-add is an instruction there.
pub(crate) trait Vectorised {
    type Output;
    /// Implementations and all they call must be `#[inline(always)]`.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// `a * b + c`: fused where the processor has the instruction, in two steps where it would be a library call.
#[inline(always)]
pub(crate) fn multiply_add<const FMA: bool, T: Real>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}

/// Asks for the cache line of an element that will be needed soon, if there is such an element.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if index < slice.len() {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the element is inside the slice, and a prefetch has no effect but on caches.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(slice.as_ptr().add(index).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, index);
}

/// Runs it with AVX2 and FMA where the processor has them. AVX-512 is left alone: the compiler's code for it was slower
/// (115-125 against 85 ns a point in 3-D spreading, Zen 4).
#[inline]
pub(crate) fn run<V: Vectorised>(loops: V) -> V::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(
            #[inline(always)]
            || loops.run::<true>(),
        );
    }
    loops.run::<{ cfg!(target_arch = "aarch64") }>()
}
