//! The products that the loops of matrix products compute, and how their sums are written to C.

use std::marker::PhantomData;

use ndarray::{ArrayView3, ArrayViewMut3};

use crate::loops::panels::Matrix;
use crate::machine::simd::Vector;
use crate::numeric::float::{Float, Numeric};

/// The most lanes of C in a thin product, which are its rows, or twice as many for complex numbers.
pub(super) const LANES: usize = 8;
/// Times the square of the few rows or columns of C: from so many steps on, contiguous columns of B are multiplied by
/// dot products. A dot product takes some 12 cycles for its end, and its vectors are full whatever the extents.
const LONG: usize = 24;
/// The C of a thin product is swept from so many elements of a row on; tiles are faster for fewer.
const WIDE: usize = 64;
/// The most numbers of A whose rows are copied for dot products.
const COPIED: usize = 1 << 19;

/// Whether a product is thin, with few rows or with few columns, and then whether its elements are dot products. These
/// sum in another order, so this depends on the whole product and not on how threads divide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thin {
    No,
    Rows { dots: bool },
    Columns { dots: bool },
}

impl Thin {
    /// What a product of these extents is, of factors with these strides in elements, as it is best computed.
    pub(crate) fn of<V: Numeric>([m, k, n]: [usize; 3], a_strides: [isize; 2], b_strides: [isize; 2]) -> Self {
        // The strides of the long factor, B or Aᵀ, from row to row and from column to column, and from one step of the
        // short factor to the next.
        let rows = m <= n;
        let (few, many, [down, across], step) =
            if rows { (m, n, b_strides, a_strides[1]) } else { (n, m, [a_strides[1], a_strides[0]], b_strides[0]) };
        if few * V::PARTS > LANES {
            return Self::No;
        }
        let dots = down == 1 && k >= LONG * few * few && (step == 1 || LANES * k <= COPIED);
        // Packing complex numbers for a sweep takes longer than tiles do.
        let sweeps = many >= WIDE && (across == 1 || V::PARTS == 1);
        match rows {
            _ if !(dots || sweeps) => Self::No,
            true => Self::Rows { dots },
            false => Self::Columns { dots },
        }
    }

    /// Whether elements are dot products.
    pub(super) fn dots(self) -> bool {
        matches!(self, Self::Rows { dots: true } | Self::Columns { dots: true })
    }

    /// The same for the transposed product.
    #[inline(always)]
    pub(super) fn transposed(self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Rows { dots } => Self::Columns { dots },
            Self::Columns { dots } => Self::Rows { dots },
        }
    }
}

/// A block of C, and the rows of A and columns of B whose product it is; or such blocks of a batch, all alike. Strides
/// count real numbers, extents elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a, T> {
    pub(super) count: usize,
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) a: Matrix<T>,
    pub(super) b: Matrix<T>,
    /// Where the block is written; no other task writes there.
    pub(super) c: *mut T,
    pub(super) c_strides: [isize; 2],
    /// From one of the batch to the next, in A, B and C.
    apart: [isize; 3],
    /// The signs of the imaginary parts of A and B.
    pub(super) signs: [T; 2],
    pub(super) alpha: [T; 2],
    /// Whether C is added to.
    pub(super) add: bool,
    /// Whether the product that this is of is thin.
    pub(super) thin: Thin,
    life: PhantomData<&'a mut [T]>,
}

impl<'a, T: Float> Block<'a, T> {
    /// The blocks of these views, whose shapes must fit; the first axis is that of the batch. Blocks are made only
    /// here: the safety of their loops rests on the check.
    pub(crate) fn new<V: Numeric<Real = T>>(
        [a, b]: [ArrayView3<'a, V>; 2],
        mut c: ArrayViewMut3<'a, V>,
        conjugate: [bool; 2],
        alpha: V,
        add: bool,
        thin: Thin,
    ) -> Self {
        let ((count, m, n), k) = (c.dim(), a.dim().2);
        assert!(a.dim() == (count, m, k) && b.dim() == (count, k, n), "the shapes of a product fit");
        let signs = conjugate.map(|conjugate| if conjugate { -T::one() } else { T::one() });
        let parts = V::PARTS as isize;
        let [[a_apart, a_down, a_across], [b_apart, b_down, b_across], [c_apart, c_down, c_across]] =
            [a.strides(), b.strides(), c.strides()].map(|strides| [0, 1, 2].map(|axis| strides[axis] * parts));
        let alpha = alpha.complex();
        let block = Self {
            count,
            m,
            k,
            n,
            a: Matrix { start: a.as_ptr().cast(), strides: [a_down, a_across] },
            b: Matrix { start: b.as_ptr().cast(), strides: [b_down, b_across] },
            c: c.as_mut_ptr().cast(),
            c_strides: [c_down, c_across],
            apart: [a_apart, b_apart, c_apart],
            signs,
            alpha: [alpha.re, alpha.im],
            add,
            thin,
            life: PhantomData,
        };
        // Rows of C should be contiguous; if its columns are instead, the transposed product has contiguous rows.
        if c_down.unsigned_abs() < c_across.unsigned_abs() && m > 1 { block.transposed() } else { block }
    }

    /// The block with rows and columns exchanged: Cᵀ = Bᵀ·Aᵀ.
    #[inline(always)]
    pub(super) fn transposed(self) -> Self {
        let ([a_apart, b_apart, c_apart], [c_down, c_across], [sign_a, sign_b]) =
            (self.apart, self.c_strides, self.signs);
        Self {
            m: self.n,
            n: self.m,
            a: self.b.transposed(),
            b: self.a.transposed(),
            c_strides: [c_across, c_down],
            apart: [b_apart, a_apart, c_apart],
            signs: [sign_b, sign_a],
            thin: self.thin.transposed(),
            ..self
        }
    }

    /// One of the batch.
    ///
    /// # Safety
    /// There are so many.
    #[inline(always)]
    pub(super) unsafe fn item(&self, item: usize) -> Self {
        // SAFETY: as the caller promises.
        let (a, b, c) = unsafe { self.of(item) };
        Self { a, b, c, count: 1, ..*self }
    }

    /// A, B and C of one of the batch.
    ///
    /// # Safety
    /// There are so many.
    #[inline(always)]
    pub(super) unsafe fn of(&self, item: usize) -> (Matrix<T>, Matrix<T>, *mut T) {
        let [a, b, c] = self.apart.map(|apart| item as isize * apart);
        // SAFETY: the matrices are inside of the batch's arrays, as the caller promises.
        let (a, b, c) = unsafe { (self.a.start.offset(a), self.b.start.offset(b), self.c.offset(c)) };
        (Matrix { start: a, ..self.a }, Matrix { start: b, ..self.b }, c)
    }

    /// A pointer to an element of C.
    ///
    /// # Safety
    /// The element is inside.
    #[inline(always)]
    pub(super) unsafe fn place(&self, row: usize, column: usize) -> *mut T {
        // SAFETY: as the caller promises.
        unsafe { self.c.offset(row as isize * self.c_strides[0] + column as isize * self.c_strides[1]) }
    }

    /// Products with the real parts of A, and those with its imaginary parts, combined; real numbers as they are.
    #[inline(always)]
    pub(super) fn combined<V: Vector<T>, const PARTS: usize>(&self, capability: V::Capability, [re, im]: [V; 2]) -> V {
        if PARTS == 1 {
            return re;
        }
        let ([a, b], zero) = (self.signs, V::splat(capability, T::zero()));
        let (own, other) = (V::pairs(capability, T::one(), b), V::pairs(capability, -a * b, a));
        im.swapped().multiply_add(other, re.multiply_add(own, zero))
    }

    /// A vector times alpha.
    #[inline(always)]
    pub(super) fn scaled<V: Vector<T>, const PARTS: usize>(&self, capability: V::Capability, x: V) -> V {
        let [re, im] = self.alpha;
        if self.alpha == [T::one(), T::zero()] {
            return x;
        }
        let zero = V::splat(capability, T::zero());
        let scaled = x.multiply_add(V::splat(capability, re), zero);
        if PARTS == 1 { scaled } else { x.swapped().multiply_add(V::pairs(capability, -im, im), scaled) }
    }

    /// Writes or adds the first `count` numbers of a vector to a row of C.
    ///
    /// # Safety
    /// The numbers are inside C.
    #[inline(always)]
    pub(super) unsafe fn put_vector<V: Vector<T>, const PARTS: usize>(
        &self,
        capability: V::Capability,
        value: V,
        to: *mut T,
        count: usize,
        add: bool,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            if self.c_strides[1] != PARTS as isize {
                let mut numbers = [T::zero(); 16];
                value.write(&mut numbers);
                for (at, &number) in numbers[..count].iter().enumerate() {
                    let to = to.offset((at / PARTS) as isize * self.c_strides[1]).add(at % PARTS);
                    *to = if add { *to + number } else { number };
                }
            } else if count == V::LANES {
                (if add { V::load(capability, to).plus(value) } else { value }).store(to);
            } else {
                (if add { V::load_some(capability, to, count).plus(value) } else { value }).store_some(to, count);
            }
        }
    }
}
