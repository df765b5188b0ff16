//! Extents of arrays: products checked for overflow, and their form in messages.

use crate::error::{Error, Result};

/// The product of extents, or an error that names what does not fit in this machine's address space.
pub(crate) fn product(what: &'static str, extents: &[usize]) -> Result<usize> {
    extents
        .iter()
        .try_fold(1usize, |total, &extent| total.checked_mul(extent))
        .filter(|&total| total <= isize::MAX as usize / 16)
        .ok_or_else(|| Error::TooLarge {
            what,
            needed: format!("{extents:?} elements"),
            limit: "their product does not fit in the address space; use fewer modes or a smaller batch".into(),
        })
}

/// Extents as they are written in messages, `256 x 256`.
pub(crate) fn written(extents: &[usize]) -> String {
    let words: Vec<String> = extents.iter().map(ToString::to_string).collect();
    words.join(" x ")
}
