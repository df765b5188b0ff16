//! Work on arrays that are larger than memory, within a memory budget: reductions in one pass over a source ([`Pass`]),
//! products of matrices ([`Multiply`]), and type 1 over points on disk ([`type1`]).
//!
//! ```
//! use std::sync::Arc;
//! use ndarray::Array3;
//! use wavemill::reduce::Op;
//! use wavemill::source::Memory;
//! use wavemill::stream::{Pass, Request, Slice};
//!
//! let weather = Array3::from_shape_fn((1464, 7, 14), |(t, j, i)| (i as f32) + 1e-3 * (j as f32) + (t % 4) as f32);
//! let source = Arc::new(Memory::new("weather", &weather).with_chunks(&[4, 2, 2]));
//! // The mean over time, and the days less the nights, from one read.
//! let mean = |slice| Request::new([Op::Mean]).axes(&[0]).slice(0, slice);
//! let pass = Pass::builder(source)
//!     .request(mean(Slice::all()))
//!     .request(mean(Slice::step(0, 4)))
//!     .request(mean(Slice::step(2, 4)))
//!     .memory(1 << 20)
//!     .build(&wavemill::Cpu::new().into())?;
//! println!("{}", pass.describe());
//! let found = pass.run()?;
//! let (day, night) = (found[1][0].to_f64().unwrap(), found[2][0].to_f64().unwrap());
//! assert!((&day - &night).iter().all(|x| (x + 2.0).abs() < 1e-5));
//! # Ok::<(), wavemill::Error>(())
//! ```
//!
//! # How it works
//! The array is cut into *tiles* of results, and each tile into *slabs* of whole chunks. A slab is read and reduced,
//! and its state merged into the tile's; when the last slab of a tile is done, its results are complete and its state
//! is given back. So memory holds the results, and for each thread a slab and the state of a tile, whatever the length
//! of the reduced axes. Chunks are read once, in any order, by all threads of the current pool.
//!
//! # Accuracy
//! As [`crate::reduce`] states, and the same bits for any number of threads. The slabs, and with them the last bit of a
//! result, depend on the grid of chunks, on what is asked for together, and on a budget that is tight.

pub(crate) mod pass;
pub(crate) mod product;
pub(crate) mod run;
pub(crate) mod tiling;
pub(crate) mod transform;
pub(crate) mod view;

pub use pass::{Kept, Pass, PassBuilder};
pub use product::{Multiply, MultiplyBuilder, Take};
pub use run::{Emit, Progress};
pub use transform::type1;
pub use view::{Request, Slice};
