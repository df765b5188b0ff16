//! The CPU's inner loops, compiled once for each element type and for what the processor has.

pub(crate) mod best;
pub(crate) mod block;
pub(crate) mod folds;
pub(crate) mod interp;
pub(crate) mod lanes;
pub(crate) mod layout;
pub(crate) mod ordered;
mod panels;
pub(crate) mod peak;
pub(crate) mod plain;
pub(crate) mod planner;
pub(crate) mod products;
mod small;
pub(crate) mod spread;
pub(crate) mod stencil;
mod thin;
pub(crate) mod tiles;
pub(crate) mod transpose;
