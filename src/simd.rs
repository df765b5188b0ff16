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

/// A loop nest over stencil rows of `P` cells.
pub(crate) trait OverRows {
    type Output;
    /// As [`Vectorised::run`].
    fn run<const FMA: bool, const P: usize>(self) -> Self::Output;
}

struct Rows<V, const P: usize>(V);

impl<V: OverRows, const P: usize> Vectorised for Rows<V, P> {
    type Output = V::Output;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> V::Output {
        self.0.run::<FMA, P>()
    }
}

/// Runs it for a kernel table's row length.
pub(crate) fn run_rows<V: OverRows>(padded: usize, loops: V) -> V::Output {
    match padded {
        2 => run(Rows::<V, 2>(loops)),
        4 => run(Rows::<V, 4>(loops)),
        6 => run(Rows::<V, 6>(loops)),
        8 => run(Rows::<V, 8>(loops)),
        10 => run(Rows::<V, 10>(loops)),
        12 => run(Rows::<V, 12>(loops)),
        14 => run(Rows::<V, 14>(loops)),
        16 => run(Rows::<V, 16>(loops)),
        _ => run(Rows::<V, 32>(loops)),
    }
}
