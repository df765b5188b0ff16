//! What one thread multiplies and adds at most: the ceiling of matrix products.

use std::hint::black_box;
use std::marker::PhantomData;
use std::time::Instant;

use crate::loops::tiles::ROWS;
use crate::machine::simd::{self, Vector, Vectorised};
use crate::numeric::float::Float;

/// Steps of each chain: some milliseconds in all.
const STEPS: usize = 1 << 20;

/// Chains of multiplications as many as a tile of a product has, all in registers.
struct Chains<T, V, A, const L: usize>(PhantomData<(T, V, A)>);

impl<T: Float, V: Vector<T>, A: Vector<T>, const L: usize> Vectorised for Chains<T, V, A, L> {
    type Output = T;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> T {
        if FMA { chains::<T, V, L>() } else { chains::<T, A, L>() }
    }
}

#[inline(always)]
fn chains<T: Float, V: Vector<T>, const L: usize>() -> T {
    let (a, b) = (V::splat(T::nearest(black_box(0.999))), V::splat(T::nearest(black_box(0.001))));
    let mut sums = [[b; 2]; ROWS];
    for _ in 0..STEPS {
        for pair in &mut sums {
            *pair = [pair[0].multiply_add(a, b), pair[1].multiply_add(a, b)];
        }
    }
    let mut total = sums[0][0].plus(sums[0][1]);
    for pair in &sums[1..] {
        total = total.plus(pair[0]).plus(pair[1]);
    }
    let mut lanes = [T::default(); L];
    // SAFETY: a vector has L numbers.
    unsafe { total.store(lanes.as_mut_ptr()) };
    lanes[0]
}

/// Operations a second, a multiplication and an addition being two.
pub(crate) fn peak<T: Float, V: Vector<T>, A: Vector<T>, const L: usize>() -> f64 {
    let seconds = |_| {
        let begun = Instant::now();
        black_box(simd::run(Chains::<T, V, A, L>(PhantomData)));
        begun.elapsed().as_secs_f64()
    };
    let best = (0..5).map(seconds).fold(f64::INFINITY, f64::min);
    (2 * 2 * ROWS * L * STEPS) as f64 / best
}
