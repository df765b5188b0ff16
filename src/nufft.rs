//! The non-uniform FFT of types 1, 2 and 3: definitions, plans, and the direct sums they are held to.

mod accumulate;
mod bins;
mod builder;
mod choice;
pub mod direct;
mod kernel;
mod plan;
mod points;
mod prolate;
mod recipe;
mod stages;
#[cfg(feature = "gpu")]
mod stages3;
mod table;
mod timings;
mod turns;
mod type3;
mod vanderplas;

pub use accumulate::Accumulation;
pub use bins::{AxisTiles, BLOCK, Bins, Tiling, Unpacked};
pub use builder::NufftBuilder;
pub use kernel::{KernelShape, Shape};
pub use plan::NufftPlan;
pub use points::{Fold, Points};
pub use recipe::{ModeOrder, Recipe, Sign, UniformTransform};
pub use stages::{Progress, Stages};
#[cfg(feature = "gpu")]
pub use stages3::Stages3;
pub use table::{KernelTable, ModeAxis};
pub use timings::{Stage, Timings};
pub use type3::{NufftBuilder3, NufftPlan3};
pub use vanderplas::vanderplas;
