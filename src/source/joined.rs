//! Several sources one after another along an axis: a list of files that hold one array.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::shape;
use crate::source::description::{Coordinates, Description, Source};
use crate::source::region::{Place, Region, copy};

/// Sources one after another along an axis, as one.
#[derive(Debug)]
pub struct Joined {
    description: Description,
    axis: usize,
    parts: Vec<Arc<dyn Source>>,
    /// The index along the axis at which each part begins.
    starts: Vec<usize>,
}

impl Joined {
    /// Joins sources along an axis, in this order.
    ///
    /// # Errors
    /// [`Error::Shape`] if one has another type, other axes or other extents than the first, which it names;
    /// [`Error::Parameter`] for no sources or an axis that they do not have.
    pub fn new(parts: Vec<Arc<dyn Source>>, axis: usize) -> Result<Self> {
        let Some(first) = parts.first().map(|part| part.description().clone()) else {
            return Err(Error::parameter("files", "at least one", "none"));
        };
        if axis >= first.shape.len() {
            return Err(Error::parameter("axis to join along", format!("less than {}", first.shape.len()), axis));
        }
        let (mut starts, mut end) = (Vec::new(), 0usize);
        for part in &parts {
            let about = part.description();
            let others = |shape: &[usize]| {
                shape.iter().enumerate().map(|(at, &len)| if at == axis { 0 } else { len }).collect::<Vec<_>>()
            };
            let names = |axes: &[crate::source::description::Axis]| {
                axes.iter().filter_map(|axis| axis.name.clone()).collect::<Vec<_>>()
            };
            if about.element != first.element
                || others(&about.shape) != others(&first.shape)
                || names(&about.axes) != names(&first.axes)
            {
                let words = |d: &Description| {
                    format!(
                        "{} of {} over {} in {}",
                        shape::written(&d.shape),
                        d.element,
                        names(&d.axes).join(", "),
                        d.name
                    )
                };
                return Err(Error::shape(
                    "a file of the list",
                    format!("{}, apart from axis {axis}", words(&first)),
                    words(about),
                ));
            }
            starts.push(end);
            end = end.saturating_add(about.shape[axis]);
        }
        let mut description = first.clone();
        description.divisible = parts.iter().all(|part| part.description().divisible);
        description.shape[axis] = end;
        shape::product("the files' array", &description.shape)?;
        // Chunks that begin where files do are cheapest, if all files are equally long.
        let length = first.shape[axis];
        let even = parts.iter().all(|part| part.description().shape[axis] == length);
        let chunk = first.chunks[axis];
        description.chunks[axis] = if even && length % chunk != 0 { length } else { chunk }.max(1);
        if parts.len() > 1 {
            description.name = format!("{} and {} more", first.name, parts.len() - 1);
            description.format =
                format!("{}, {} files along {}", first.format, parts.len(), description.axis_name(axis));
        }
        Ok(Self { description, axis, parts, starts })
    }
}

impl Source for Joined {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&self, block: &Region, to: &mut [u8]) -> Result<()> {
        let size = self.description.element.size();
        block.check(&self.description.shape, size, to.len())?;
        if block.is_empty() {
            return Ok(());
        }
        let wanted = block.range(self.axis);
        let first = self.starts.partition_point(|&start| start <= wanted.start) - 1;
        // Where all axes before are one index, a part of the block is one piece of memory.
        let direct = block.shape[..self.axis].iter().all(|&extent| extent == 1);
        let row: usize = block.shape[self.axis + 1..].iter().product::<usize>() * size;
        let mut piece = Vec::new();
        for (part, &start) in self.parts[first..].iter().zip(&self.starts[first..]) {
            if start >= wanted.end {
                break;
            }
            let (low, high) = (wanted.start.max(start), wanted.end.min(start + part.description().shape[self.axis]));
            if low >= high {
                continue;
            }
            let mut inner = block.clone();
            (inner.start[self.axis], inner.shape[self.axis]) = (low - start, high - low);
            if direct {
                part.read(&inner, &mut to[(low - wanted.start) * row..(high - wanted.start) * row])?;
                continue;
            }
            piece.resize(inner.len() * size, 0);
            part.read(&inner, &mut piece)?;
            let mut there = Region { start: vec![0; block.shape.len()], shape: inner.shape.clone() };
            there.start[self.axis] = low - wanted.start;
            let from = Place::of(&Region::whole(&inner.shape), &inner.shape, size);
            copy(&inner.shape, size, (&piece, &from), (to, &Place::of(&there, &block.shape, size)));
        }
        Ok(())
    }

    fn coordinates(&self, axis: usize) -> Result<Option<Coordinates>> {
        let first = self.parts[0].coordinates(axis)?;
        if axis != self.axis {
            return Ok(first);
        }
        let Some(mut all) = first else { return Ok(None) };
        for part in &self.parts[1..] {
            match part.coordinates(axis)? {
                // Other files may count from another day; such coordinates cannot be joined as numbers.
                Some(next) if next.units == all.units => all.values.extend(next.values),
                _ => return Ok(None),
            }
        }
        Ok(Some(all))
    }

    fn scratch(&self, block: usize) -> usize {
        let inner = self.parts.iter().map(|part| part.scratch(block)).max().unwrap_or(0);
        inner + if self.axis == 0 { 0 } else { block }
    }

    fn stored(&self) -> Option<u64> {
        self.parts.iter().map(|part| part.stored()).sum()
    }
}
