//! Vectors of AVX (32 bytes) and AVX-512 (64 bytes), each with the proof that the processor has the instructions.

use std::arch::x86_64::*;

use pulp::x86::{V3, V4};

use crate::machine::vector::Vector;

/// A vector and its proof.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proved<P, V>(P, V);

/// Vectors of 32 bytes, of f32 or f64, with AVX2 and FMA.
pub(crate) type WideF32 = Proved<V3, __m256>;
pub(crate) type WideF64 = Proved<V3, __m256d>;
/// Vectors of 64 bytes, of f32 or f64, with AVX-512.
pub(crate) type WidestF32 = Proved<V4, __m512>;
pub(crate) type WidestF64 = Proved<V4, __m512d>;

/// Masks of the first numbers, read from the place that has as many ones as wanted.
static ONES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static LONG_ONES: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

impl Vector<f32> for WideF32 {
    type Capability = V3;
    const LANES: usize = 8;
    const MASKED: bool = true;
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
        // SAFETY: the proof says that the processor has AVX, and the caller promises that 8 numbers can be written.
        unsafe { _mm256_storeu_ps(to, self.1) }
    }
    #[inline(always)]
    unsafe fn load_some(v3: V3, from: *const f32, count: usize) -> Self {
        assert!(count <= 8);
        // SAFETY: the mask has 8 numbers from there on, and `count` numbers can be read, as the caller promises.
        Self(v3, unsafe { _mm256_maskload_ps(from, _mm256_loadu_si256(ONES.as_ptr().add(8 - count).cast())) })
    }
    #[inline(always)]
    unsafe fn store_some(self, mut to: *mut f32, count: usize) {
        // In parts of 4, 2 and 1: a store with a mask takes 42 instructions on some processors.
        // SAFETY: the proof says that the processor has AVX, and the caller promises that `count` numbers can be
        // written.
        unsafe {
            if count >= 8 {
                return self.store(to);
            }
            let mut rest = _mm256_castps256_ps128(self.1);
            if count & 4 != 0 {
                _mm_storeu_ps(to, rest);
                rest = _mm256_extractf128_ps::<1>(self.1);
                to = to.add(4);
            }
            if count & 2 != 0 {
                _mm_storel_pd(to.cast(), _mm_castps_pd(rest));
                rest = _mm_movehl_ps(rest, rest);
                to = to.add(2);
            }
            if count & 1 != 0 {
                _mm_store_ss(to, rest);
            }
        }
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

impl Vector<f64> for WideF64 {
    type Capability = V3;
    const LANES: usize = 4;
    const MASKED: bool = true;
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
        // SAFETY: the proof says that the processor has AVX, and the caller promises that 4 numbers can be written.
        unsafe { _mm256_storeu_pd(to, self.1) }
    }
    #[inline(always)]
    unsafe fn load_some(v3: V3, from: *const f64, count: usize) -> Self {
        assert!(count <= 4);
        // SAFETY: the mask has 4 numbers from there on, and `count` numbers can be read, as the caller promises.
        Self(v3, unsafe { _mm256_maskload_pd(from, _mm256_loadu_si256(LONG_ONES.as_ptr().add(4 - count).cast())) })
    }
    #[inline(always)]
    unsafe fn store_some(self, mut to: *mut f64, count: usize) {
        // SAFETY: the proof says that the processor has AVX, and the caller promises that `count` numbers can be
        // written.
        unsafe {
            if count >= 4 {
                return self.store(to);
            }
            let mut rest = _mm256_castpd256_pd128(self.1);
            if count & 2 != 0 {
                _mm_storeu_pd(to, rest);
                rest = _mm256_extractf128_pd::<1>(self.1);
                to = to.add(2);
            }
            if count & 1 != 0 {
                _mm_store_sd(to, rest);
            }
        }
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

impl Vector<f32> for WidestF32 {
    type Capability = V4;
    const LANES: usize = 16;
    const MASKED: bool = true;
    #[inline(always)]
    fn capability() -> Option<V4> {
        V4::try_new()
    }
    #[inline(always)]
    fn splat(v4: V4, x: f32) -> Self {
        Self(v4, v4.avx512f._mm512_set1_ps(x))
    }
    #[inline(always)]
    fn pairs(v4: V4, a: f32, b: f32) -> Self {
        Self(v4, v4.avx512f._mm512_setr4_ps(a, b, a, b))
    }
    #[inline(always)]
    unsafe fn load(v4: V4, from: *const f32) -> Self {
        // SAFETY: `v4` proves that the processor has AVX-512, and the caller promises that 16 numbers can be read.
        Self(v4, unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the proof says that the processor has AVX-512, and the caller promises that 16 numbers can be
        // written.
        unsafe { _mm512_storeu_ps(to, self.1) }
    }
    #[inline(always)]
    unsafe fn load_some(v4: V4, from: *const f32, count: usize) -> Self {
        let mask = u16::MAX >> (16 - count.clamp(1, 16));
        // SAFETY: as in `load`; numbers outside of the mask are not read.
        Self(v4, unsafe { _mm512_maskz_loadu_ps(mask, from) })
    }
    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, count: usize) {
        let mask = u16::MAX >> (16 - count.clamp(1, 16));
        // SAFETY: as in `store`; numbers outside of the mask are not written.
        unsafe { _mm512_mask_storeu_ps(to, mask, self.1) }
    }
    #[inline(always)]
    fn multiply_add(self, a: Self, b: Self) -> Self {
        Self(self.0, self.0.avx512f._mm512_fmadd_ps(self.1, a.1, b.1))
    }
    #[inline(always)]
    fn plus(self, a: Self) -> Self {
        Self(self.0, self.0.avx512f._mm512_add_ps(self.1, a.1))
    }
    #[inline(always)]
    fn swapped(self) -> Self {
        Self(self.0, self.0.avx512f._mm512_permute_ps::<0b1011_0001>(self.1))
    }
}

impl Vector<f64> for WidestF64 {
    type Capability = V4;
    const LANES: usize = 8;
    const MASKED: bool = true;
    #[inline(always)]
    fn capability() -> Option<V4> {
        V4::try_new()
    }
    #[inline(always)]
    fn splat(v4: V4, x: f64) -> Self {
        Self(v4, v4.avx512f._mm512_set1_pd(x))
    }
    #[inline(always)]
    fn pairs(v4: V4, a: f64, b: f64) -> Self {
        Self(v4, v4.avx512f._mm512_setr4_pd(a, b, a, b))
    }
    #[inline(always)]
    unsafe fn load(v4: V4, from: *const f64) -> Self {
        // SAFETY: `v4` proves that the processor has AVX-512, and the caller promises that 8 numbers can be read.
        Self(v4, unsafe { _mm512_loadu_pd(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: the proof says that the processor has AVX-512, and the caller promises that 8 numbers can be written.
        unsafe { _mm512_storeu_pd(to, self.1) }
    }
    #[inline(always)]
    unsafe fn load_some(v4: V4, from: *const f64, count: usize) -> Self {
        let mask = u8::MAX >> (8 - count.clamp(1, 8));
        // SAFETY: as in `load`; numbers outside of the mask are not read.
        Self(v4, unsafe { _mm512_maskz_loadu_pd(mask, from) })
    }
    #[inline(always)]
    unsafe fn store_some(self, to: *mut f64, count: usize) {
        let mask = u8::MAX >> (8 - count.clamp(1, 8));
        // SAFETY: as in `store`; numbers outside of the mask are not written.
        unsafe { _mm512_mask_storeu_pd(to, mask, self.1) }
    }
    #[inline(always)]
    fn multiply_add(self, a: Self, b: Self) -> Self {
        Self(self.0, self.0.avx512f._mm512_fmadd_pd(self.1, a.1, b.1))
    }
    #[inline(always)]
    fn plus(self, a: Self) -> Self {
        Self(self.0, self.0.avx512f._mm512_add_pd(self.1, a.1))
    }
    #[inline(always)]
    fn swapped(self) -> Self {
        Self(self.0, self.0.avx512f._mm512_permute_pd::<0b0101_0101>(self.1))
    }
}
