//! The `info` command: what a file or a store holds.

use std::fmt::Write;

use anyhow::Result;
use wavemill::source::{self, Source};

use crate::{args, output, stream};

/// Prints the description of a source.
pub(crate) fn run(args: &args::Info) -> Result<()> {
    let mut options = source::Options::default().raw(args.raw);
    if let Some(axis) = &args.along {
        options = options.along(axis);
    }
    stream::in_parts(&args.data)?;
    let source = source::open(&args.data, &options)?;
    output::print(&text(&*source)?)
}

fn text(source: &dyn Source) -> Result<String> {
    let about = source.description();
    let mut text = format!("{}\n  {}\n", about.name, about.format);
    if let Some(title) = &about.title {
        let units = about.units.as_ref().map_or(String::new(), |units| format!(" [{units}]"));
        writeln!(text, "  {title}{units}")?;
    }
    writeln!(text, "  {} of {}, {} bytes", written(&about.shape), about.element, about.bytes())?;
    let counts: Vec<_> = about.shape.iter().zip(&about.chunks).map(|(&len, &chunk)| len.div_ceil(chunk)).collect();
    let chunk = about.chunks.iter().product::<usize>() * about.element.size();
    writeln!(
        text,
        "  chunks of {} ({chunk} bytes), {} of them",
        written(&about.chunks),
        counts.iter().product::<usize>()
    )?;
    for axis in 0..about.shape.len() {
        write!(
            text,
            "  axis {axis}: {} {}",
            about.axes[axis].name.as_deref().unwrap_or("without a name,"),
            about.shape[axis]
        )?;
        if let Some(found) = source.coordinates(axis)?
            && let [first, .., last] | [first @ last] = found.values[..]
        {
            write!(text, ", from {first} to {last} {}", found.units.unwrap_or_default())?;
        }
        text.push('\n');
    }
    Ok(text)
}

fn written(extents: &[usize]) -> String {
    if extents.is_empty() {
        return "one number".into();
    }
    extents.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}
