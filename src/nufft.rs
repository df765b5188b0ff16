//! The non-uniform FFT of types 1, 2 and 3: definitions, plans, and the direct sums that serve as their oracle.

pub(crate) mod aliasing;
pub(crate) mod bins;
pub(crate) mod choice;
pub mod direct;
pub(crate) mod kernel;
pub(crate) mod points;
pub(crate) mod prolate;
pub(crate) mod recipe;
pub(crate) mod remembered;
pub(crate) mod rescale;
pub(crate) mod table;
pub(crate) mod timings;
pub(crate) mod waves;

pub use crate::numeric::sign::Sign;
pub use crate::plan::accumulate::Accumulation;
pub use crate::plan::arrays::{ModesOf, PointsOf};
pub use crate::plan::builder::{NufftBuilder, ToFrequencies, ToModes};
pub use crate::plan::calls::{type1, type2, type3};
pub use crate::plan::nufft::NufftPlan;
pub use crate::plan::nufft3::{NufftBuilder3, NufftPlan3};
pub use crate::plan::stages::Progress;
pub use crate::plan::vanderplas::vanderplas;
pub use kernel::Shape;
pub use points::Coordinates;
pub use recipe::{ModeOrder, Recipe, UniformTransform};
pub use timings::{Stage, Timings};
