//! The element types that can be reduced (real and complex floating-point numbers, integers) and the types of their
//! results. No loops are here.

use std::fmt::Debug;

use num_complex::Complex;

use crate::numeric::float::Float;
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::FloatTally;

mod sealed {
    pub trait Sealed {}
}

/// An element type: f32, f64, i8 to i64, u8 to u64, and complex numbers of f32 and f64. Sealed.
#[expect(private_interfaces, reason = "code outside this crate cannot call the methods that take them")]
#[expect(private_bounds, reason = "the scalar type is internal")]
pub trait Reducible: sealed::Sealed + bytemuck::Pod + Debug + Default + PartialEq + Send + Sync {
    /// The real type in which reductions are computed.
    #[doc(hidden)]
    type Scalar: Scalar;
    /// Scalars of an element: 2 for complex numbers, else 1.
    #[doc(hidden)]
    const PARTS: usize;
    /// The type's name: `f32`, `i8`, `c64`, and so on.
    const NAME: &'static str;
    /// The result type of [`crate::reduce::Op::Sum`] and [`crate::reduce::Op::Prod`]: the type itself, and for integers
    /// `i64` or `u64`, in which they wrap.
    type Sum: bytemuck::Pod + Debug + Default + PartialEq + Send + Sync;
    /// The result type of [`crate::reduce::Op::Mean`]: the type itself, and f64 for integers.
    type Mean: bytemuck::Pod + Debug + Default + PartialEq + Send + Sync;
    /// The result type of [`crate::reduce::Op::Var`], [`crate::reduce::Op::Std`] and the norms: the real type, and f64
    /// for integers.
    type Float: Float;
    /// The elements as scalars in place; `None` if their memory does not consist of such scalars.
    #[doc(hidden)]
    fn scalars(slice: &[Self]) -> Option<&[Self::Scalar]>;
    /// The element as scalars; the second is 0 if the element has one part.
    #[doc(hidden)]
    fn widen(self) -> [Self::Scalar; 2];
    /// The element of these scalars.
    #[doc(hidden)]
    fn narrow(parts: [Self::Scalar; 2]) -> Self;
    /// The result of a sum, from the sums of the parts.
    #[doc(hidden)]
    fn sum(parts: &[<Self::Scalar as Scalar>::Tally]) -> Self::Sum;
    /// The result of a mean, from f64; each part is rounded once.
    #[doc(hidden)]
    fn mean(parts: [f64; 2]) -> Self::Mean;
    /// The result of a product: `whole` for integers, `parts` for other elements.
    #[doc(hidden)]
    fn product(whole: i64, parts: [f64; 2]) -> Self::Sum;
}

impl sealed::Sealed for f32 {}
impl sealed::Sealed for f64 {}
impl<T: Float> sealed::Sealed for Complex<T> {}

#[expect(private_interfaces, reason = "see the trait")]
impl<T: Float + Scalar<Tally = FloatTally> + sealed::Sealed> Reducible for T {
    type Scalar = T;
    const PARTS: usize = 1;
    const NAME: &'static str = <T as Float>::NAME;
    type Sum = T;
    type Mean = T;
    type Float = T;
    fn scalars(slice: &[T]) -> Option<&[T]> {
        Some(slice)
    }
    #[inline(always)]
    fn widen(self) -> [T; 2] {
        [self, T::default()]
    }
    fn narrow(parts: [T; 2]) -> T {
        parts[0]
    }
    fn sum(parts: &[FloatTally]) -> T {
        T::nearest(parts[0].value())
    }
    fn mean(parts: [f64; 2]) -> T {
        T::nearest(parts[0])
    }
    fn product(_: i64, parts: [f64; 2]) -> T {
        T::nearest(parts[0])
    }
}

#[expect(private_interfaces, reason = "see the trait")]
impl<T: Float + Scalar<Tally = FloatTally>> Reducible for Complex<T>
where
    Self: bytemuck::Pod,
{
    type Scalar = T;
    const PARTS: usize = 2;
    const NAME: &'static str = if size_of::<T>() == 4 { "c64" } else { "c128" };
    type Sum = Self;
    type Mean = Self;
    type Float = T;
    fn scalars(slice: &[Self]) -> Option<&[T]> {
        Some(bytemuck::cast_slice(slice))
    }
    #[inline(always)]
    fn widen(self) -> [T; 2] {
        [self.re, self.im]
    }
    fn narrow([re, im]: [T; 2]) -> Self {
        Self::new(re, im)
    }
    fn sum(parts: &[FloatTally]) -> Self {
        Self::new(T::nearest(parts[0].value()), T::nearest(parts[1].value()))
    }
    fn mean([re, im]: [f64; 2]) -> Self {
        Self::new(T::nearest(re), T::nearest(im))
    }
    fn product(_: i64, parts: [f64; 2]) -> Self {
        let [re, im] = parts.map(|part| -> f64 { T::nearest(part).into() });
        if re.is_finite() && im.is_finite() {
            return Self::new(T::nearest(re), T::nearest(im));
        }
        // As one more factor of 1 makes it, by the formula for complex numbers.
        Self::new(T::nearest(re - im * 0.0), T::nearest(im + re * 0.0))
    }
}

/// Implements [`Reducible`] for integers, given the scalar they are widened to and the type of their sums.
macro_rules! integer_element {
    ($($type:ty, $name:literal, $scalar:ty, $sum:ty);*) => {$(
        impl sealed::Sealed for $type {}
        impl Reducible for $type {
            type Scalar = $scalar;
            const PARTS: usize = 1;
            const NAME: &'static str = $name;
            type Sum = $sum;
            type Mean = f64;
            type Float = f64;
            fn scalars(slice: &[Self]) -> Option<&[$scalar]> {
                (size_of::<Self>() == size_of::<$scalar>()).then(|| bytemuck::cast_slice(slice))
            }
            #[inline(always)]
            fn widen(self) -> [$scalar; 2] {
                [self.into(), 0]
            }
            fn narrow(parts: [$scalar; 2]) -> Self {
                parts[0] as Self
            }
            fn sum(parts: &[i128]) -> $sum {
                parts[0] as $sum
            }
            fn mean(parts: [f64; 2]) -> f64 {
                parts[0]
            }
            fn product(whole: i64, _: [f64; 2]) -> $sum {
                whole as $sum
            }
        }
    )*};
}
integer_element!(
    i8, "i8", i32, i64; i16, "i16", i32, i64; i32, "i32", i32, i64; i64, "i64", i64, i64;
    u8, "u8", i32, u64; u16, "u16", i32, u64; u32, "u32", i64, u64; u64, "u64", u64, u64
);
