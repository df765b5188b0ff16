//! Axes and slices as users write them: names, numbers, and Python's `start:stop:step`.

use anyhow::{Context, Result, bail, ensure};
use wavemill::source;
use wavemill::stream::Slice;

/// The axis of a name or a number.
pub(crate) fn axis(name: &str, about: &source::Description) -> Result<usize> {
    let count = about.shape.len();
    ensure!(count > 0, "--axis {name}: the array has no axes, it is one number; leave --axis out");
    about.axis(name.trim()).with_context(|| {
        let names: Vec<_> = about.axes.iter().filter_map(|axis| axis.name.clone()).collect();
        let names = if names.is_empty() { String::new() } else { format!("{}, or ", names.join(", ")) };
        format!("axis {name}: the array has {count} axes; give {names}0 to {} or -{count} to -1", count - 1)
    })
}

pub(crate) fn axes(given: &[String], about: &source::Description) -> Result<Vec<usize>> {
    given.iter().map(|name| axis(name, about)).collect()
}

/// A slice as Python writes it, or one index.
pub(crate) fn slice(text: &str) -> Result<Slice> {
    let wrong = || format!("{text} is not a slice; write start:stop:step, parts of it as ::4 or 10:, or one index");
    let number = |part: &str| {
        let part = part.trim();
        if part.is_empty() { Ok(None) } else { part.parse::<isize>().map(Some).ok().with_context(wrong) }
    };
    let parts: Vec<_> = text.split(':').collect();
    match parts[..] {
        [index] => Ok(Slice::index(number(index)?.with_context(wrong)?)),
        [start, stop] => Ok(Slice::new(number(start)?, number(stop)?, 1)),
        [start, stop, step] => {
            let step = number(step)?.unwrap_or(1);
            ensure!(step > 0, "{text}: the step must be 1 or more");
            Ok(Slice::new(number(start)?, number(stop)?, step as usize))
        }
        _ => bail!(wrong()),
    }
}
