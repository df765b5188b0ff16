//! What a plan chose, as a value that can be printed and tested.

/// The sign of the exponent in `exp(±i k·x)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// `exp(+i k·x)`.
    Plus,
    /// `exp(-i k·x)`.
    Minus,
}

/// The order of modes along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeOrder {
    /// `-(N/2) .. N-N/2-1`, rising.
    Centred,
    /// `0 .. N-N/2-1, -(N/2) .. -1`, as FFTs order them.
    Fft,
}
