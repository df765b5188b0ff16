//! Results of reductions: printed, written as `.npy` files or as a Zarr store, and drawn as maps.

use std::fmt::{Debug, Write};
use std::path::Path;

use anyhow::{Result, ensure};
use ndarray::ArrayD;
use serde_json::{Map, Value};
use wavemill::dynamic::Values;
use wavemill::source::{Coordinates, ElementType, Region, Source, ZarrWriter};

use crate::named::{Named, along, keeps_units};
use crate::output::{Draft, StagedFolder};
use crate::{args, map, npy, output};

/// The bytes of a chunk of a store that is written.
const CHUNK: usize = 1 << 20;

/// Whether a path names a Zarr store.
pub(crate) fn is_store(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zarr")
}

/// Gives the results to where the arguments say.
pub(crate) fn give(results: Vec<Named>, args: &args::Reduce, source: Option<&dyn Source>) -> Result<()> {
    let mut drafts: Vec<Draft> = Vec::new();
    if let Some(path) = &args.map {
        let [result] = &results[..] else {
            anyhow::bail!(
                "--map draws one result, and {} were asked for; name one operation, or use --out",
                results.len()
            );
        };
        drafts.push(map::draft(path, result, source)?);
    }
    let mut store = None;
    match &args.out {
        Some(path) if is_store(path) => store = Some(zarr(path, &results, source)?),
        Some(folder) => {
            // All of them or none: they take their places when all are complete.
            for result in &results {
                drafts.push(draft(&folder.join(format!("{}.npy", result.name)), &result.values)?);
                if !args.expr.is_empty() && map::can_draw(result) {
                    drafts.push(map::draft(&folder.join(format!("{}.png", result.name)), result, source)?);
                }
            }
        }
        None if args.map.is_some() => {}
        None => {
            let mut text = String::new();
            for result in &results {
                writeln!(text, "{}: {}", result.label, printed(&result.values))?;
            }
            output::print(&text)?;
        }
    }
    output::place(drafts)?;
    store.map_or(Ok(()), |(writer, staged): (ZarrWriter, StagedFolder)| {
        writer.finish()?;
        drop(staged);
        Ok(())
    })
}

/// Does something with the array, whatever its elements are.
macro_rules! each {
    ($values:expr, $array:ident => $body:expr) => {
        match $values {
            Values::Bool($array) => $body,
            Values::Int8($array) => $body,
            Values::Int16($array) => $body,
            Values::Int32($array) => $body,
            Values::Int64($array) => $body,
            Values::Uint8($array) => $body,
            Values::Uint16($array) => $body,
            Values::Uint32($array) => $body,
            Values::Uint64($array) => $body,
            Values::Float32($array) => $body,
            Values::Float64($array) => $body,
            Values::Complex64($array) => $body,
            Values::Complex128($array) => $body,
            other => anyhow::bail!("{} has no file format here", other.element()),
        }
    };
}

fn draft(path: &Path, values: &Values) -> Result<Draft> {
    each!(values, array => npy::draft(path, array))
}

/// The text that ndarray prints for the result: of long arrays the middle is left out.
fn printed(values: &Values) -> String {
    fn text<T: Debug>(array: &ArrayD<T>) -> Result<String> {
        let text = format!("{array:?}");
        // The end, ndarray's remarks on the memory layout, is removed.
        Ok(text.rsplit_once(", shape=").map_or(text.clone(), |(values, _)| values.to_owned()))
    }
    let found = || each!(values, array => text(array));
    found().unwrap_or_default()
}

/// Writes all results, and the coordinates of their axes, to a store that is not yet in its place.
fn zarr(path: &Path, results: &[Named], source: Option<&dyn Source>) -> Result<(ZarrWriter, StagedFolder)> {
    ensure!(!results.is_empty(), "there is nothing to write");
    let (writer, staged) = output::stage(|| ZarrWriter::create(path), ZarrWriter::staging)?;
    let mut coordinates: Vec<(String, Coordinates)> = Vec::new();
    for result in results {
        let mut axes: Vec<Option<String>> = result
            .axes
            .iter()
            .map(|kept| source.and_then(|source| source.description().axes[kept.axis].name.clone()))
            .collect();
        for (kept, name) in result.axes.iter().zip(&axes) {
            let (Some(name), Some(source)) = (name, source) else { continue };
            let known = coordinates.iter().any(|(other, _)| other == name);
            if !known
                && kept.len > 0
                && let Some(found) = along(source, *kept)?
            {
                coordinates.push((name.clone(), found));
            }
        }
        // By the source's numbers, so that different axes of two results have different names.
        for (kept, name) in result.axes.iter().zip(&mut axes) {
            name.get_or_insert_with(|| format!("dim_{}", kept.axis));
        }
        let mut attributes = Map::new();
        if let Some(units) =
            source.and_then(|source| source.description().units.clone()).filter(|_| keeps_units(&result.name))
        {
            attributes.insert("units".into(), units.into());
        }
        array(
            &writer,
            &result.name,
            (result.values.shape(), result.values.element()),
            &axes,
            attributes,
            &result.values.to_bytes(),
        )?;
    }
    for (name, found) in coordinates {
        let attributes = found.units.map(|units| ("units".to_owned(), Value::from(units))).into_iter().collect();
        let bytes: Vec<u8> = found.values.iter().flat_map(|x| x.to_ne_bytes()).collect();
        let shape = [found.values.len()];
        array(&writer, &name, (&shape, ElementType::Float64), &[Some(name.clone())], attributes, &bytes)?;
    }
    Ok((writer, staged))
}

fn array(
    writer: &ZarrWriter,
    name: &str,
    (shape, element): (&[usize], ElementType),
    axes: &[Option<String>],
    attributes: Map<String, Value>,
    bytes: &[u8],
) -> Result<()> {
    // Chunks of about the same size, cut from the first axes.
    let (mut chunks, mut left) = (vec![1; shape.len()], (CHUNK / element.size()).max(1));
    for (chunk, &extent) in chunks.iter_mut().zip(shape).rev() {
        *chunk = extent.clamp(1, left);
        left = (left / *chunk).max(1);
    }
    let array = writer.array(name, (shape, &chunks), element, axes, attributes)?;
    Ok(array.write(&Region::whole(shape), bytes)?)
}
