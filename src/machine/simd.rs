//! The choice of an instruction set, made only here.
//!
//! Inner loops are written once, as plain loops over arrays of fixed length, and compiled for several instruction sets.

use crate::numeric::float::Float;

/// A loop nest to be compiled for several instruction sets. `FMA` says whether fused multiply-add is an instruction in
/// the one that was chosen.
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

/// Several numbers in one register, for loops that the compiler does not vectorise by itself.
pub(crate) trait Vector<T>: Copy {
    /// Proof that the processor has the instructions; no vector is made without it.
    type Capability: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// The proof, if the processor has the instructions.
    fn capability() -> Option<Self::Capability>;
    /// A vector of one number, repeated.
    fn splat(capability: Self::Capability, x: T) -> Self;
    /// A vector of two numbers in turn.
    fn pairs(capability: Self::Capability, even: T, odd: T) -> Self;
    /// Loads a vector.
    ///
    /// # Safety
    /// [`Vector::LANES`] numbers can be read there.
    unsafe fn load(capability: Self::Capability, from: *const T) -> Self;
    /// Stores the vector.
    ///
    /// # Safety
    /// [`Vector::LANES`] numbers can be written there.
    unsafe fn store(self, to: *mut T);
    /// `self * a + b`.
    fn multiply_add(self, a: Self, b: Self) -> Self;
    /// `self + a`.
    fn plus(self, a: Self) -> Self;
    /// The vector with each pair of neighbours exchanged.
    fn swapped(self) -> Self;
    /// Writes the numbers to the beginning of a slice of at least [`Vector::LANES`] elements.
    #[inline(always)]
    fn write(self, to: &mut [T]) {
        assert!(to.len() >= Self::LANES);
        // SAFETY: the slice is long enough, as just asserted.
        unsafe { self.store(to.as_mut_ptr()) };
    }
}

/// Vectors for any processor: arrays, which the compiler vectorises.
impl<T: Float, const L: usize> Vector<T> for [T; L] {
    type Capability = ();
    const LANES: usize = L;
    #[inline(always)]
    fn capability() -> Option<()> {
        Some(())
    }
    #[inline(always)]
    fn splat((): (), x: T) -> Self {
        [x; L]
    }
    #[inline(always)]
    fn pairs((): (), even: T, odd: T) -> Self {
        std::array::from_fn(|lane| if lane % 2 == 0 { even } else { odd })
    }
    #[inline(always)]
    unsafe fn load((): (), from: *const T) -> Self {
        // SAFETY: the caller promises that these numbers can be read.
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller promises that these numbers can be written.
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

/// An AVX vector, with the proof that the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx<V>(pulp::x86::V3, V);

/// Vectors of 32 bytes, of f32 or f64, for loops that run with `FMA`.
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
    use std::arch::x86_64::{__m256, __m256d, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_storeu_pd, _mm256_storeu_ps};

    use pulp::x86::V3;

    use super::{Avx, Vector};

    impl Vector<f32> for Avx<__m256> {
        type Capability = V3;
        const LANES: usize = 8;
        #[inline(always)]
        fn capability() -> Option<V3> {
            V3::try_new()
        }
        #[inline(always)]
        fn splat(v3: V3, x: f32) -> Self {
            Self(v3, v3.avx._mm256_set1_ps(x))
        }
        #[inline(always)]
        fn pairs(v3: V3, a: f32, b: f32) -> Self {
            Self(v3, v3.avx._mm256_setr_ps(a, b, a, b, a, b, a, b))
        }
        #[inline(always)]
        unsafe fn load(v3: V3, from: *const f32) -> Self {
            // SAFETY: `v3` proves that the processor has AVX, and the caller promises that 8 numbers can be read.
            Self(v3, unsafe { _mm256_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the vector's proof says that the processor has AVX, and the caller promises that 8 numbers can be
            // written.
            unsafe { _mm256_storeu_ps(to, self.1) }
        }
        #[inline(always)]
        fn multiply_add(self, a: Self, b: Self) -> Self {
            Self(self.0, self.0.fma._mm256_fmadd_ps(self.1, a.1, b.1))
        }
        #[inline(always)]
        fn plus(self, a: Self) -> Self {
            Self(self.0, self.0.avx._mm256_add_ps(self.1, a.1))
        }
        #[inline(always)]
        fn swapped(self) -> Self {
            Self(self.0, self.0.avx._mm256_permute_ps::<0b1011_0001>(self.1))
        }
    }

    impl Vector<f64> for Avx<__m256d> {
        type Capability = V3;
        const LANES: usize = 4;
        #[inline(always)]
        fn capability() -> Option<V3> {
            V3::try_new()
        }
        #[inline(always)]
        fn splat(v3: V3, x: f64) -> Self {
            Self(v3, v3.avx._mm256_set1_pd(x))
        }
        #[inline(always)]
        fn pairs(v3: V3, a: f64, b: f64) -> Self {
            Self(v3, v3.avx._mm256_setr_pd(a, b, a, b))
        }
        #[inline(always)]
        unsafe fn load(v3: V3, from: *const f64) -> Self {
            // SAFETY: `v3` proves that the processor has AVX, and the caller promises that 4 numbers can be read.
            Self(v3, unsafe { _mm256_loadu_pd(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f64) {
            // SAFETY: the vector's proof says that the processor has AVX, and the caller promises that 4 numbers can be
            // written.
            unsafe { _mm256_storeu_pd(to, self.1) }
        }
        #[inline(always)]
        fn multiply_add(self, a: Self, b: Self) -> Self {
            Self(self.0, self.0.fma._mm256_fmadd_pd(self.1, a.1, b.1))
        }
        #[inline(always)]
        fn plus(self, a: Self) -> Self {
            Self(self.0, self.0.avx._mm256_add_pd(self.1, a.1))
        }
        #[inline(always)]
        fn swapped(self) -> Self {
            Self(self.0, self.0.avx._mm256_permute_pd::<0b0101>(self.1))
        }
    }
}

/// Runs loops, with AVX2 and FMA where the processor has them. AVX-512 is not used: the compiler's code for it was
/// slower (115-125 against 85 ns a point in 3-D spreading, Zen 4).
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
