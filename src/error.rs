//! The crate's error type, whose messages say what was expected, what was given, and what to change.

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. On an error nothing has been written to the caller's arrays.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array's length or shape does not fit the plan.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// The shape the plan needs.
        expected: String,
        /// The shape that was given.
        got: String,
    },
    /// A coordinate is NaN or infinite.
    #[error(
        "point {index} has the coordinate {value} on axis {axis}: coordinates must be finite; remove or mask such \
         points"
    )]
    NotFinite {
        /// Index of the first such point.
        index: usize,
        /// Its axis.
        axis: usize,
        /// The value found.
        value: f64,
    },
    /// A parameter is outside its range.
    #[error("{what} = {got}; must satisfy {expected}")]
    Parameter {
        /// The parameter's name.
        what: &'static str,
        /// The condition it must satisfy, and what to do about it.
        expected: String,
        /// The value that was given.
        got: String,
    },
    /// The tolerance is smaller than what this precision, kernel and upsampling can reach.
    #[error(
        "tolerance {tolerance:e} is out of reach here: the smallest reachable one is {smallest:e} ({why}); ask for \
         that, or accept it with accept_reachable()"
    )]
    Tolerance {
        /// The tolerance asked for.
        tolerance: f64,
        /// The smallest tolerance that can be kept.
        smallest: f64,
        /// What sets that limit.
        why: String,
    },
    /// A product of sizes overflows, or more memory is needed than is available.
    #[error("{what} needs {needed}, but {limit}")]
    TooLarge {
        /// What was to be allocated or computed.
        what: &'static str,
        /// How much it needs.
        needed: String,
        /// What limits it, and what to change.
        limit: String,
    },
    /// A file, a store or a chunk of it cannot be read, or does not hold what it should.
    #[error("cannot read {what}: {reason}")]
    Read {
        /// The file, and the variable, chunk or place in it.
        what: String,
        /// What went wrong, and what to do.
        reason: String,
    },
    /// A file or a store cannot be written. What was at its place before is still there.
    #[error("cannot write {what}: {reason}")]
    Write {
        /// The file, and the place in it.
        what: String,
        /// What went wrong, and what to do.
        reason: String,
    },
    /// Long work was stopped by the function that watches it.
    #[error("stopped")]
    Stopped,
    /// A call came before the one it depends on.
    #[error("{call} needs {first} first: call it once before")]
    Order {
        /// The call that was made.
        call: &'static str,
        /// The call that must come first.
        first: &'static str,
    },
    /// There is no such device, or it cannot do what is asked.
    #[error("{device}: {reason}")]
    Device {
        /// The device's name, or what was looked for.
        device: String,
        /// What it lacks or what went wrong, and what to do.
        reason: String,
    },
    /// The device was lost: the driver reset it, or it was unplugged. Build a new device and a new plan.
    #[error("the device {device} was lost ({reason}); open a device and build the plan again")]
    DeviceLost {
        /// The device's name.
        device: String,
        /// What the driver said.
        reason: String,
    },
}

impl Error {
    /// A shape error from anything that prints.
    pub(crate) fn shape(what: &'static str, expected: impl ToString, got: impl ToString) -> Self {
        Self::Shape { what, expected: expected.to_string(), got: got.to_string() }
    }

    /// A read error from anything that prints.
    pub(crate) fn read(what: impl ToString, reason: impl ToString) -> Self {
        Self::Read { what: what.to_string(), reason: reason.to_string() }
    }

    /// A parameter error from anything that prints.
    pub(crate) fn parameter(what: &'static str, expected: impl ToString, got: impl ToString) -> Self {
        Self::Parameter { what, expected: expected.to_string(), got: got.to_string() }
    }
}
