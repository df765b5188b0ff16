//! Reductions over any axes of an array: sums, means, variances, extremes and where they are, products, norms, counts.
//!
//! NumPy is the specification: NaN propagates unless it is skipped, of equals the first in C order counts, `ddof`,
//! `keepdims`, no axes at all and no elements at all mean what they mean there. Beyond it:
//!
//! - several results come from one pass over the data ([`ReducePlan`]);
//! - results are the same bits for any number of threads, and a sum over chunks is the same bits for any order and any
//!   grouping of the chunks ([`ReduceState`]);
//! - f32 data keep their digits: blocks are summed in f64, f64 data with the error of every addition, and blocks are
//!   added up exactly.
//!
//! ```
//! use ndarray::array;
//! use wavemill::reduce;
//!
//! let x = array![[1.0f32, 5.0], [3.0, 4.0]];
//! assert_eq!(reduce::sum(&x, &[1])?, array![6.0, 7.0].into_dyn());
//! assert_eq!(reduce::max(&x, &[0, 1])?[[]], 5.0);
//! # Ok::<(), wavemill::Error>(())
//! ```
//!
//! # Accuracy
//! Sums of f32: correctly rounded from f64 block sums, error below 1 unit in the last place unless terms cancel by more
//! than 2²⁵. Sums of f64: the sum of blocks carries the errors of all additions, error below 1 unit in the last place
//! unless terms cancel by more than 2⁵⁰. Means are those sums divided once. Variances: deviations from an element of
//! the block, in f64; blocks are joined exactly. `tests/reduce_accuracy.rs` holds all of it to an exact sum, on GPUs
//! too: f32 sums there are two f32, and blocks are added up exactly all the same ([`ReducePlan`] says what differs).

pub(crate) mod answer;
pub(crate) mod best;
pub mod direct;
pub(crate) mod element;
pub(crate) mod layout;
pub(crate) mod op;
pub(crate) mod partial;
pub(crate) mod partials;
pub(crate) mod quantity;
pub(crate) mod request;
pub(crate) mod scalar;
pub(crate) mod tally;
pub(crate) mod variance;

pub use crate::element::Element;
pub use crate::plan::calls::{max, mean, min, sum, var};
pub use crate::plan::reduce::{ReduceBuilder, ReducePlan};
pub use crate::plan::state::ReduceState;
pub use answer::Answer;
pub use element::Reducible;
pub use op::Op;
