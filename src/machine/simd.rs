//! The one place where an instruction set is chosen: inner loops are written once, as plain loops over arrays of fixed
//! length, and compiled for what the processor has.

use crate::numeric::float::Float;

/// A loop nest to be compiled for several instruction sets. `FMA` says whether fused multiply-add is an instruction there.
pub(crate) trait Vectorised {
    type Output;
    /// Implementations and all they call must be `#[inline(always)]`.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// `a * b + c`: fused where the processor has the instruction, in two steps where it would be a library call.
#[inline(always)]
pub(crate) fn multiply_add<const FMA: bool, T: Float>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}

/// Asks for the cache line of an element that will be needed soon, if there is such an element.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    if index < slice.len() {
        prefetch_from(slice[index..].as_ptr());
    }
}

/// Asks for the cache line at this place.
#[inline(always)]
pub(crate) fn prefetch_from<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect but on caches, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Some numbers side by side in one register, for loops in which the compiler finds no vectors by itself.
pub(crate) trait Vector<T>: Copy {
    /// All of them this number.
    fn splat(x: T) -> Self;
    /// # Safety
    /// So many numbers are there.
    unsafe fn load(from: *const T) -> Self;
    /// # Safety
    /// There is room for so many numbers.
    unsafe fn store(self, to: *mut T);
    /// `self * a + b`.
    fn multiply_add(self, a: Self, b: Self) -> Self;
    /// `self + a`.
    fn plus(self, a: Self) -> Self;
    /// Neighbours in each other's place.
    fn swapped(self) -> Self;
}

/// Vectors of any processor: what the compiler makes of arrays.
impl<T: Float, const L: usize> Vector<T> for [T; L] {
    #[inline(always)]
    fn splat(x: T) -> Self {
        [x; L]
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
    #[inline(always)]
    fn multiply_add(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|lane| multiply_add::<{ cfg!(target_arch = "aarch64") }, T>(self[lane], a[lane], b[lane]))
    }
    #[inline(always)]
    fn plus(self, a: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + a[lane])
    }
    #[inline(always)]
    fn swapped(self) -> Self {
        std::array::from_fn(|lane| self[lane ^ 1])
    }
}

/// A vector of AVX. Made only inside [`run`], where AVX2 and FMA were found.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx<V>(V);

/// 32 bytes of f32, and of f64, for loops that run with `FMA`.
#[cfg(target_arch = "x86_64")]
pub(crate) type WideF32 = Avx<std::arch::x86_64::__m256>;
#[cfg(target_arch = "x86_64")]
pub(crate) type WideF64 = Avx<std::arch::x86_64::__m256d>;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type WideF32 = [f32; 8];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type WideF64 = [f64; 4];

#[cfg(target_arch = "x86_64")]
mod avx {
    use std::arch::x86_64::{
        __m256, __m256d, _mm256_add_pd, _mm256_add_ps, _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_loadu_pd,
        _mm256_loadu_ps, _mm256_permute_pd, _mm256_permute_ps, _mm256_set1_pd, _mm256_set1_ps, _mm256_storeu_pd,
        _mm256_storeu_ps,
    };

    use super::{Avx, Vector};

    macro_rules! vector {
        ($type:ty, $register:ty, $splat:ident, $load:ident, $store:ident, $fused:ident, $add:ident, $permute:ident, $order:literal) => {
            impl Vector<$type> for Avx<$register> {
                #[inline(always)]
                fn splat(x: $type) -> Self {
                    // SAFETY: the processor has AVX2 and FMA where such a vector is made.
                    Self(unsafe { $splat(x) })
                }
                #[inline(always)]
                unsafe fn load(from: *const $type) -> Self {
                    // SAFETY: as the caller promises, and as above.
                    Self(unsafe { $load(from) })
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $type) {
                    // SAFETY: as the caller promises, and as above.
                    unsafe { $store(to, self.0) }
                }
                #[inline(always)]
                fn multiply_add(self, a: Self, b: Self) -> Self {
                    // SAFETY: as above.
                    Self(unsafe { $fused(self.0, a.0, b.0) })
                }
                #[inline(always)]
                fn plus(self, a: Self) -> Self {
                    // SAFETY: as above.
                    Self(unsafe { $add(self.0, a.0) })
                }
                #[inline(always)]
                fn swapped(self) -> Self {
                    // SAFETY: as above.
                    Self(unsafe { $permute::<$order>(self.0) })
                }
            }
        };
    }
    vector!(
        f32,
        __m256,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_permute_ps,
        0b1011_0001
    );
    vector!(
        f64,
        __m256d,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_permute_pd,
        0b0101
    );
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
