//! The `demo` command: example data that are larger than memory, whose reductions are known.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde_json::Map;
use wavemill::source::{ElementType, Region, ZarrWriter};

use crate::args::{self, Example};
use crate::{memory, output, progress, results};

/// Time steps of a NetCDF file: a day of measurements.
const STEPS: usize = 4;

/// Writes the example.
pub(crate) fn run(args: &args::Demo) -> Result<()> {
    let Example::Weather = args.what;
    ensure!(
        args.shape.len() == 3 && args.chunks.len() == 3,
        "--shape and --chunks have three extents: time steps, latitudes, longitudes"
    );
    ensure!(args.shape.iter().chain(&args.chunks).all(|&extent| extent > 0), "--shape and --chunks are above 0");
    // Few files are so large, and sizes in bytes must not overflow.
    let most = args.shape.iter().try_fold(4usize, |bytes, &extent| bytes.checked_mul(extent));
    ensure!(
        most.is_some_and(|bytes| bytes < 1 << 60),
        "--shape {:?} is more than any disk holds; give smaller extents",
        args.shape
    );
    if results::is_store(&args.out) { zarr(args) } else { netcdf(args) }
}

/// The temperature in kelvin: a plane with four steps of a day, exact sums of which are known.
fn temperature(t: usize, j: usize, i: usize) -> f32 {
    (i as f64 + 1e-3 * j as f64 + (t % 4) as f64 + 273.15) as f32
}

fn zarr(args: &args::Demo) -> Result<()> {
    let chunk: Vec<_> = args.shape.iter().zip(&args.chunks).map(|(&len, &chunk)| len.min(chunk)).collect();
    memory::room("a chunk and a copy of it", &chunk, 8 * rayon::current_num_threads(), "give smaller --chunks")?;
    let (writer, staged) = output::stage(|| ZarrWriter::create(&args.out), ZarrWriter::staging)?;
    let axes = ["time", "latitude", "longitude"].map(|name| Some(name.to_owned()));
    let mut about = Map::new();
    about.insert("units".into(), "K".into());
    about.insert("long_name".into(), "temperature".into());
    let shape = &args.shape;
    let array = writer.array("t2m", (shape, &args.chunks), ElementType::Float32, &axes, about)?;
    let counts: Vec<_> = shape.iter().zip(array.chunks()).map(|(&len, &chunk)| len.div_ceil(chunk)).collect();
    let bar = progress::bar(shape.iter().product::<usize>() as u64 * 4)?;
    (0..counts.iter().product()).into_par_iter().try_for_each(|number: usize| -> Result<()> {
        let at = [number / (counts[1] * counts[2]), number / counts[2] % counts[1], number % counts[2]];
        let start: Vec<_> = at.iter().zip(array.chunks()).map(|(at, chunk)| at * chunk).collect();
        let extents: Vec<_> = (0..3).map(|axis| array.chunks()[axis].min(shape[axis] - start[axis])).collect();
        let block = Region { start, shape: extents };
        let bytes: Vec<u8> = (block.range(0))
            .flat_map(|t| block.range(1).map(move |j| (t, j)))
            .flat_map(|(t, j)| block.range(2).map(move |i| temperature(t, j, i)))
            .flat_map(f32::to_ne_bytes)
            .collect();
        bar.inc(bytes.len() as u64);
        Ok(array.write(&block, &bytes)?)
    })?;
    for (axis, name) in ["latitude", "longitude"].into_iter().enumerate() {
        let len = shape[axis + 1];
        let values = coordinates(len, if axis == 0 { (90.0, -90.0) } else { (0.0, 360.0 - 360.0 / len as f64) });
        let mut about = Map::new();
        about.insert("units".into(), ["degrees_north", "degrees_east"][axis].into());
        let array = writer.array(name, (&[len], &[len]), ElementType::Float64, &[Some(name.into())], about)?;
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_ne_bytes()).collect();
        array.write(&Region::whole(&[len]), &bytes)?;
    }
    bar.finish_and_clear();
    writer.finish()?;
    drop(staged);
    Ok(())
}

/// Numbers from one end to the other, evenly spaced.
fn coordinates(len: usize, (first, last): (f64, f64)) -> Vec<f64> {
    let steps = (len - 1).max(1) as f64;
    (0..len).map(|index| first + (last - first) * index as f64 / steps).collect()
}

/// Writes files of [`STEPS`] time steps in NetCDF's classic format with 64-bit offsets.
fn netcdf(args: &args::Demo) -> Result<()> {
    // The format writes sizes of variables in 32 bits.
    let steps = STEPS.min(args.shape[0]);
    let bytes = steps as u128 * 4 * args.shape[1] as u128 * args.shape[2] as u128;
    ensure!(
        bytes < 1 << 32,
        "a file of {steps} time steps would take {bytes} bytes, and NetCDF's classic format has less than {} for a \
         variable; write a store, as --out weather.zarr",
        1u64 << 32
    );
    output::make_folder(&args.out)?;
    let bar = progress::bar(args.shape.iter().product::<usize>() as u64 * 4)?;
    let files = args.shape[0].div_ceil(STEPS);
    let digits = files.to_string().len();
    (0..files).into_par_iter().try_for_each(|number| -> Result<()> {
        let path = args.out.join(format!("weather-{number:0digits$}.nc"));
        let steps = STEPS * number..args.shape[0].min(STEPS * (number + 1));
        output::write(&path, |file| {
            one_file(file, steps, &args.shape).with_context(|| format!("cannot write {}", path.display()))
        })?;
        bar.inc((STEPS * args.shape[1] * args.shape[2] * 4) as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// The classic format: a header of dimensions, attributes and variables with the places of their data, all big-endian.
fn one_file(file: &mut BufWriter<&File>, steps: std::ops::Range<usize>, shape: &[usize]) -> Result<()> {
    let [dimensions, variables_follow, attributes] = [10, 11, 12];
    let [char, float, double_kind] = [2, 5, 6];
    let extents = [steps.len(), shape[1], shape[2]];
    let names = ["time", "latitude", "longitude"];
    let word = |to: &mut Vec<u8>, x: usize| to.extend((x as u32).to_be_bytes());
    let text = |to: &mut Vec<u8>, text: &str| {
        to.extend((text.len() as u32).to_be_bytes());
        to.extend(text.as_bytes());
        to.resize(to.len().next_multiple_of(4), 0);
    };
    let variables = [
        ("time", vec![0], double_kind, "hours since 2000-01-01"),
        ("latitude", vec![1], double_kind, "degrees_north"),
        ("longitude", vec![2], double_kind, "degrees_east"),
        ("t2m", vec![0, 1, 2], float, "K"),
    ];
    let bytes = |axes: &[usize], kind: usize| {
        axes.iter().map(|&axis| extents[axis]).product::<usize>() * if kind == double_kind { 8 } else { 4 }
    };
    // The header is made twice: the first time to know its length.
    let mut header = Vec::new();
    for _ in 0..2 {
        let mut place = header.len();
        header = b"CDF\x02\0\0\0\0".to_vec();
        word(&mut header, dimensions);
        word(&mut header, 3);
        for (name, extent) in names.iter().zip(extents) {
            text(&mut header, name);
            word(&mut header, extent);
        }
        // No attributes of the file.
        header.extend([0; 8]);
        word(&mut header, variables_follow);
        word(&mut header, variables.len());
        for (name, axes, kind, units) in &variables {
            text(&mut header, name);
            word(&mut header, axes.len());
            axes.iter().for_each(|&axis| word(&mut header, axis));
            word(&mut header, attributes);
            word(&mut header, 1);
            text(&mut header, "units");
            word(&mut header, char);
            text(&mut header, units);
            word(&mut header, *kind);
            let size = bytes(axes, *kind);
            word(&mut header, size);
            header.extend((place as u64).to_be_bytes());
            place += size;
        }
    }
    file.write_all(&header)?;
    let double = |file: &mut BufWriter<&File>, list: Vec<f64>| {
        list.into_iter().try_for_each(|x| file.write_all(&x.to_be_bytes()))
    };
    double(file, steps.clone().map(|t| 6.0 * t as f64).collect())?;
    double(file, coordinates(shape[1], (90.0, -90.0)))?;
    double(file, coordinates(shape[2], (0.0, 360.0 - 360.0 / shape[2] as f64)))?;
    for t in steps {
        for j in 0..shape[1] {
            let row: Vec<u8> = (0..shape[2]).flat_map(|i| temperature(t, j, i).to_be_bytes()).collect();
            file.write_all(&row)?;
        }
    }
    Ok(())
}
