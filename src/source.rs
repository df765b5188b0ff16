//! Arrays that are read block by block: files, lists of files, stores of chunks, and arrays in memory, behind the one
//! trait [`Source`].
//!
//! [`open`] takes what users type: `x.npy`, `store.zarr:t2m`, `file.nc:sst`, `data/*.nc:sst`. A source says what it is
//! ([`Description`]: extents, element type, names of axes, units, and the grid of chunks that are cheap to read whole),
//! and reads any block into the caller's memory, from any thread. [`crate::stream`] drives reductions from it within a
//! memory budget.
//!
//! | what | how | feature |
//! |---|---|---|
//! | `.npy`, C or Fortran order, any byte order | read at the places asked for | |
//! | Zarr v2 and v3, with their usual codecs and sharding | [zarrs](https://zarrs.dev) | `zarr` |
//! | NetCDF-3 (classic, 64-bit offset, 64-bit data) and NetCDF-4 | netcdf-reader, without C libraries | `netcdf` |
//! | an array in memory | [`Memory`] | |
//! | several of them along an axis | [`Joined`] | |
//!
//! # Conventions
//! `scale_factor`, `add_offset`, `_FillValue` and `missing_value` are applied as xarray does it by default
//! ([`Decoding`]): elements that equal a fill value become NaN, and integers become floats.

pub(crate) mod converted;
pub(crate) mod decoded;
pub(crate) mod description;
pub(crate) mod element;
pub(crate) mod flat;
pub(crate) mod joined;
pub(crate) mod memory;
#[cfg(feature = "netcdf")]
pub(crate) mod netcdf;
pub(crate) mod npy;
#[cfg(any(feature = "netcdf", feature = "zarr"))]
pub(crate) mod numbers;
pub(crate) mod open;
pub(crate) mod region;
#[doc(hidden)]
pub mod staging;
#[cfg(feature = "zarr")]
pub(crate) mod zarr;

pub use decoded::{Decoded, Decoding};
pub use description::{Axis, Coordinates, Description, Source};
pub use element::{ElementType, Stored};
#[doc(hidden)]
pub use flat::widen;
pub use joined::Joined;
pub use memory::Memory;
#[cfg(feature = "netcdf")]
pub use netcdf::NetCdf;
pub use npy::writer::NpyWriter;
pub use npy::{Npy, NpyHeader};
pub use open::{Options, open};
pub use region::Region;
#[cfg(feature = "zarr")]
pub use zarr::Zarr;
#[cfg(feature = "zarr")]
pub use zarr::writer::{ZarrArray, ZarrWriter};
