//! The peak rate of multiply-adds of one thread, measured: the ceiling of matrix products.

use std::hint::black_box;
use std::marker::PhantomData;
use std::time::Instant;

use crate::loops::tiles::ROWS;
use crate::machine::simd::{self, Vector, Vectorised, Widest};
use crate::numeric::float::Float;

/// Steps of each chain: they take some milliseconds in all.
const STEPS: usize = 1 << 20;

/// As many independent chains of multiply-adds as a tile of a product has sums, all in registers.
struct Chains<T, V, A>(PhantomData<(T, V, A)>);

impl<T: Float, V: Vector<T>, A: Vector<T, Capability = ()>> Vectorised for Chains<T, V, A> {
    type Output = T;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> T {
        match V::capability() {
            Some(capability) if FMA => chains::<T, V>(capability),
            _ => chains::<T, A>(()),
        }
    }
}

impl<T: Float, V: Vector<T>, A: Vector<T, Capability = ()>> Widest for Chains<T, V, A> {}

#[inline(always)]
fn chains<T: Float, V: Vector<T>>(capability: V::Capability) -> T {
    let (a, b) =
        (V::splat(capability, T::nearest(black_box(0.999))), V::splat(capability, T::nearest(black_box(0.001))));
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
    let mut lanes = [T::default(); 16];
    total.write(&mut lanes);
    lanes[0]
}

/// The measured operations per second of one thread, with vectors `W` where the processor has them, else `V` or `A`; a
/// multiply-add counts as two.
pub(crate) fn peak<T: Float, W: Vector<T>, V: Vector<T>, A: Vector<T, Capability = ()>>() -> f64 {
    let seconds = |_| {
        let begun = Instant::now();
        if simd::widest() {
            black_box(simd::run_widest(Chains::<T, W, A>(PhantomData)));
        } else {
            black_box(simd::run(Chains::<T, V, A>(PhantomData)));
        }
        begun.elapsed().as_secs_f64()
    };
    let best = (0..5).map(seconds).fold(f64::INFINITY, f64::min);
    let lanes = if simd::widest() { W::LANES } else { V::LANES };
    (2 * 2 * ROWS * lanes * STEPS) as f64 / best
}
