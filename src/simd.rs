//! The one place where an instruction set is chosen: inner loops are written once, as plain loops over arrays of fixed
//! length, and compiled for what the processor has.

/// A loop nest to be compiled for several instruction sets. `FMA` says whether fused multiply-add is an instruction there.
pub(crate) trait Vectorised {
    type Output;
    /// Implementations and all they call must be `#[inline(always)]`.
    fn run<const FMA: bool>(self) -> Self::Output;
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

/// A loop nest over stencil rows of `P` cells, which are `H = P/2` groups of four numbers: real and imaginary part of two
/// cells. The compiler makes full vectors of such groups; of pairs it made half ones.
pub(crate) trait OverRows {
    type Output;
    /// As [`Vectorised::run`].
    fn run<const FMA: bool, const P: usize, const H: usize>(self) -> Self::Output;
}

struct Rows<V, const P: usize, const H: usize>(V);

impl<V: OverRows, const P: usize, const H: usize> Vectorised for Rows<V, P, H> {
    type Output = V::Output;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> V::Output {
        self.0.run::<FMA, P, H>()
    }
}

/// Runs it for a kernel table's row length.
pub(crate) fn run_rows<V: OverRows>(padded: usize, loops: V) -> V::Output {
    match padded {
        2 => run(Rows::<V, 2, 1>(loops)),
        4 => run(Rows::<V, 4, 2>(loops)),
        6 => run(Rows::<V, 6, 3>(loops)),
        8 => run(Rows::<V, 8, 4>(loops)),
        10 => run(Rows::<V, 10, 5>(loops)),
        12 => run(Rows::<V, 12, 6>(loops)),
        14 => run(Rows::<V, 14, 7>(loops)),
        16 => run(Rows::<V, 16, 8>(loops)),
        _ => run(Rows::<V, 32, 16>(loops)),
    }
}

/// A row of real weights, each twice: for the real and the imaginary part.
#[inline(always)]
pub(crate) fn doubled<T: Copy, const P: usize, const H: usize>(weights: [T; P]) -> [[T; 4]; H] {
    let mut rows = [[weights[0]; 4]; H];
    for (row, pair) in rows.iter_mut().zip(weights.as_chunks::<2>().0) {
        *row = [pair[0], pair[0], pair[1], pair[1]];
    }
    rows
}
