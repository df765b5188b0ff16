//! A cache of rustfft's plans for single lines, kept from one transform to the next.

use std::sync::{Arc, Mutex};

use rustfft::{Fft, FftPlanner};

use crate::numeric::float::Float;
use crate::numeric::sign::Sign;

/// rustfft's planner, which remembers the plans it made: for small transforms making them costs more than anything
/// else.
pub(crate) type Planner<T> = Mutex<Option<Remembered<T>>>;

/// A planner and the lines it made plans for.
pub(crate) struct Remembered<T: Float> {
    planner: FftPlanner<T>,
    lines: Vec<(usize, Sign)>,
}

/// The most cells of all remembered lines together; beyond it all plans are dropped. Plans take 2 to 3 complex numbers
/// a cell.
const REMEMBERED: usize = 1 << 19;

/// rustfft's plan of one line.
pub(crate) fn plan<T: Float>(planner: &Planner<T>, cells: usize, sign: Sign) -> Arc<dyn Fft<T>> {
    let mut fresh = None;
    // If a planner panicked half-way, its lock is poisoned and a fresh planner is used.
    let mut shared = planner.lock().ok();
    let remembered = shared.as_deref_mut().unwrap_or(&mut fresh);
    let full = |known: &Remembered<T>| known.lines.iter().map(|line| line.0).sum::<usize>() + cells > REMEMBERED;
    if remembered.as_ref().is_some_and(|known| !known.lines.contains(&(cells, sign)) && full(known)) {
        *remembered = None;
    }
    let known = remembered.get_or_insert_with(|| Remembered { planner: FftPlanner::new(), lines: Vec::new() });
    if !known.lines.contains(&(cells, sign)) {
        known.lines.push((cells, sign));
    }
    match sign {
        Sign::Plus => known.planner.plan_fft_inverse(cells),
        Sign::Minus => known.planner.plan_fft_forward(cells),
    }
}
