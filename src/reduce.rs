//! Reductions over any axes of an array: sums, means, variances, extremes and their positions, products, norms, counts.
//!
//! NumPy is the specification: NaN propagates unless it is skipped, the first of equal elements in C order is chosen,
//! and `ddof`, `keepdims`, an empty list of axes and an empty array mean the same as there. Beyond NumPy:
//!
//! - several results come from one pass over the data ([`ReducePlan`]);
//! - results are the same bits for any number of threads, and a sum over chunks is the same bits for any order and any
//!   grouping of the chunks ([`ReduceState`]);
//! - sums keep their digits: blocks of f32 are summed in f64, blocks of f64 together with the error of every addition,
//!   and the sums of blocks are added exactly.
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
//! - Sums of f32 are correctly rounded from f64 block sums: the error is below 1 unit in the last place unless terms
//!   cancel by more than 2²⁵.
//! - Sums of f64 include the errors of all additions: the error is below 1 unit in the last place unless terms cancel
//!   by more than 2⁵⁰.
//! - Means are these sums, divided once.
//! - Variances are computed in f64 from deviations from an element of the block; blocks are joined exactly.
//!
//! `tests/reduce_accuracy.rs` compares all of this with exact sums, on GPUs too: there the sum of a block of f32 is a
//! pair of f32, and the sums of blocks are added exactly as well ([`ReducePlan`] says what differs).

pub(crate) mod answer;
pub(crate) mod best;
pub mod direct;
pub(crate) mod element;
pub(crate) mod layout;
pub(crate) mod op;
pub(crate) mod partial;
pub(crate) mod partials;
pub(crate) mod plain;
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
