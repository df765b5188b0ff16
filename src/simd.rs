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

/// A loop nest over stencils of `D` axes whose rows have `P` cells, which are `H = P/2` groups of four numbers: real and
/// imaginary part of two cells. The compiler makes full vectors of such groups; of pairs it made half ones.
pub(crate) trait OverStencils {
    type Output;
    /// As [`Vectorised::run`].
    fn run<const FMA: bool, const D: usize, const P: usize, const H: usize>(self) -> Self::Output;
}

struct Stencils<V, const D: usize, const P: usize, const H: usize>(V);

impl<V: OverStencils, const D: usize, const P: usize, const H: usize> Vectorised for Stencils<V, D, P, H> {
    type Output = V::Output;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> V::Output {
        self.0.run::<FMA, D, P, H>()
    }
}

/// Runs it for so many axes and a kernel table's row length.
pub(crate) fn run_stencils<V: OverStencils>(dimensions: usize, padded: usize, loops: V) -> V::Output {
    match dimensions {
        1 => run_rows::<V, 1>(padded, loops),
        2 => run_rows::<V, 2>(padded, loops),
        _ => run_rows::<V, 3>(padded, loops),
    }
}

fn run_rows<V: OverStencils, const D: usize>(padded: usize, loops: V) -> V::Output {
    match padded {
        2 => run(Stencils::<V, D, 2, 1>(loops)),
        4 => run(Stencils::<V, D, 4, 2>(loops)),
        6 => run(Stencils::<V, D, 6, 3>(loops)),
        8 => run(Stencils::<V, D, 8, 4>(loops)),
        10 => run(Stencils::<V, D, 10, 5>(loops)),
        12 => run(Stencils::<V, D, 12, 6>(loops)),
        14 => run(Stencils::<V, D, 14, 7>(loops)),
        16 => run(Stencils::<V, D, 16, 8>(loops)),
        _ => run(Stencils::<V, D, 32, 16>(loops)),
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
