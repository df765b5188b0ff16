//! The time that each stage of a plan and its executions took.

use std::fmt;
use std::time::{Duration, Instant};

/// A stage of a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Choosing and preparing: kernel fit, correction factors, transforms, pipelines.
    Plan,
    /// Compiling shaders that no earlier plan needed; part of the plan's time.
    Compile,
    /// Folding, checking and sorting the points.
    SetPoints,
    /// Strengths onto the grid (type 1).
    Spread,
    /// The uniform transform.
    Fft,
    /// Correction and mode order, in either direction, with the part of the transform in which it is fused: on the CPU
    /// the slowest axis, on a GPU that transforms the pass next to the modes.
    Deconvolve,
    /// Grid values at the points (type 2).
    Interpolate,
    /// Input to the device and output from it; and the grid's way to the host and back, where the uniform transform of
    /// a GPU's grid is the host's.
    Transfers,
    /// The whole execution.
    Execute,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plan => "plan",
            Self::Compile => "compile",
            Self::SetPoints => "set_points",
            Self::Spread => "spread",
            Self::Fft => "fft",
            Self::Deconvolve => "deconvolve",
            Self::Interpolate => "interpolate",
            Self::Transfers => "transfers",
            Self::Execute => "execute",
        })
    }
}

/// What the latest build, `set_points` and execution of a plan took, in the order the stages first ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timings {
    stages: Vec<(Stage, Duration)>,
}

impl Timings {
    /// Stages and their times.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> + '_ {
        self.stages.iter().copied()
    }

    /// The time of one stage, if it ran.
    #[must_use]
    pub fn get(&self, stage: Stage) -> Option<Duration> {
        self.iter().find(|(name, _)| *name == stage).map(|(_, time)| time)
    }

    /// Runs a stage and adds its time.
    pub fn time<R>(&mut self, stage: Stage, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.add(stage, start.elapsed());
        result
    }

    /// Adds to a stage's time.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        match self.stages.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, total)) => *total += time,
            None => self.stages.push((stage, time)),
        }
    }

    /// Forgets the stages of an earlier execution (or of earlier points).
    pub(crate) fn forget(&mut self, keep: &[Stage]) {
        self.stages.retain(|(name, _)| keep.contains(name));
    }
}
