//! The sign of the exponent in every transform.

use std::fmt;

/// The sign of the exponent in `exp(±i k·x)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// `exp(+i k·x)`.
    Plus,
    /// `exp(-i k·x)`.
    Minus,
}

impl Sign {
    /// The other sign.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plus => "+",
            Self::Minus => "-",
        })
    }
}
