//! The parts of a plan whose types depend on the backend: enums with a variant for each backend, matched once in every
//! call.

use std::sync::Arc;

use crate::cpu::Cpu;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;
use crate::plan::stages::{Stages, Sums};
use crate::plan::stages3::Stages3;
use crate::real::{Number, Real};

/// The stages of types 1 and 2 on the backend a plan was built for.
#[derive(Debug)]
pub(crate) enum OnBackend<T: Real> {
    Cpu(Stages<T, Cpu>),
    #[cfg(feature = "gpu")]
    Gpu(Stages<T, Gpu>),
}

impl<T: Real> Clone for OnBackend<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Cpu(stages) => Self::Cpu(stages.clone()),
            #[cfg(feature = "gpu")]
            Self::Gpu(stages) => Self::Gpu(stages.clone()),
        }
    }
}

/// The stages and grids of a type 1 that is being computed over chunks of points.
#[derive(Debug)]
pub(crate) enum SumsOnBackend<T: Real, V: Number<Real = T>> {
    Cpu(Stages<T, Cpu>, Sums<T, Cpu, V>),
    #[cfg(feature = "gpu")]
    Gpu(Stages<T, Gpu>, Sums<T, Gpu, V>),
}

/// The stages of type 3, for points that are set.
#[derive(Debug, Clone)]
pub(crate) enum OnBackend3<T: Real> {
    Cpu(Arc<Stages3<T, Cpu>>),
    #[cfg(feature = "gpu")]
    Gpu(Arc<Stages3<T, Gpu>>),
}

/// A match whose arms all have the same expression, evaluated with the contents of the variant, whose types differ
/// between backends.
macro_rules! on_backend {
    ($all:ident, $value:expr, $($name:ident),+ => $work:expr) => {
        match $value {
            $all::Cpu($($name),+) => $work,
            #[cfg(feature = "gpu")]
            $all::Gpu($($name),+) => $work,
        }
    };
}
pub(crate) use on_backend;
