//! Vectors of numbers as loops see them: what registers of any width can do, and arrays in their place.

use crate::numeric::float::Float;

/// `a * b + c`: fused where the processor has the instruction, in two steps where it would be a library call.
#[inline(always)]
pub(crate) fn multiply_add<const FMA: bool, T: Float>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}

/// Several numbers in one register, for loops that the compiler does not vectorise by itself.
pub(crate) trait Vector<T>: Copy {
    /// Proof that the processor has the instructions; no vector is made without it.
    type Capability: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Whether a part of a vector is loaded in one instruction.
    const MASKED: bool;
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
    /// Loads the first `count` numbers, which are at most a vector; the rest are zeros.
    ///
    /// # Safety
    /// So many numbers can be read there.
    unsafe fn load_some(capability: Self::Capability, from: *const T, count: usize) -> Self;
    /// Stores the first `count` numbers, which are at most a vector.
    ///
    /// # Safety
    /// So many numbers can be written there.
    unsafe fn store_some(self, to: *mut T, count: usize);
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
    const MASKED: bool = false;
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
    unsafe fn load_some((): (), from: *const T, count: usize) -> Self {
        if count == L {
            // SAFETY: the caller promises that these numbers can be read.
            return unsafe { Self::load((), from) };
        }
        let mut numbers = [T::zero(); L];
        for (lane, number) in numbers[..count].iter_mut().enumerate() {
            // SAFETY: the caller promises that these numbers can be read.
            *number = unsafe { *from.add(lane) };
        }
        numbers
    }
    #[inline(always)]
    unsafe fn store_some(self, to: *mut T, count: usize) {
        for (lane, &number) in self[..count].iter().enumerate() {
            // SAFETY: the caller promises that these numbers can be written.
            unsafe { *to.add(lane) = number };
        }
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
