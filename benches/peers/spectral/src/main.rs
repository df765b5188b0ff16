//! Periodograms by wavemill, of the series in a folder.
//!
//! `spectral-peers FOLDER KIND FIRST STEP COUNT TERMS TOLERANCE THREADS REPEATS` reads times.npy, values.npy and
//! errors.npy, and for KIND `each` starts.npy, the places where series begin; `one` and `same` (values of shape
//! [series, times]) do not need it. It prints the seconds of each repeat, from arrays to powers, and writes powers.npy.

use std::path::PathBuf;
use std::time::Instant;

use ndarray::{Array1, Array2, ArrayD, Axis, s};
use ndarray_npy::{read_npy, write_npy};
use wavemill::spectral::{Frequencies, LombScargle};
use wavemill::{Cpu, Device};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, kind, first, step, count, terms, tolerance, threads, repeats] = words.as_slice() else {
        return Err("FOLDER KIND FIRST STEP COUNT TERMS TOLERANCE THREADS REPEATS".into());
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let (folder, device) = (PathBuf::from(folder), Device::from(Cpu::new()));
    let (terms, tolerance): (usize, f64) = (terms.parse()?, tolerance.parse()?);
    let frequencies = Frequencies::regular(first.parse()?, step.parse()?, count.parse()?)?;
    let times: Array1<f64> = read_npy(folder.join("times.npy"))?;
    let values: ArrayD<f64> = read_npy(folder.join("values.npy"))?;
    let errors: Array1<f64> = read_npy(folder.join("errors.npy"))?;
    let search = |range: std::ops::Range<usize>, values: ndarray::ArrayView1<'_, f64>| {
        let builder = LombScargle::builder(times.slice(s![range.clone()]), values);
        builder.errors(errors.slice(s![range])).terms(terms).tolerance(tolerance).build(&device)
    };
    let starts: Vec<i64> = match kind.as_str() {
        "each" => read_npy::<_, Array1<i64>>(folder.join("starts.npy"))?.to_vec(),
        _ => Vec::new(),
    };
    let mut powers = Array2::zeros((0, 0));
    // The first is not counted: it finds out what the machine can do.
    for repeat in 0..=repeats.parse()? {
        let begun = Instant::now();
        powers = match kind.as_str() {
            "one" => search(0..times.len(), values.view().into_dimensionality()?)?.power(&frequencies)?.insert_axis(Axis(0)),
            "same" => {
                let values = values.view().into_dimensionality::<ndarray::Ix2>()?;
                search(0..times.len(), values.row(0))?.plan(&frequencies)?.power(&values)?
            }
            _ => {
                let values = values.view().into_dimensionality::<ndarray::Ix1>()?;
                let ends = starts.iter().skip(1).copied().chain([times.len() as i64]);
                let ranges = starts.iter().zip(ends).map(|(&from, to)| from as usize..to as usize);
                let series: Vec<LombScargle> =
                    ranges.map(|range| search(range.clone(), values.slice(s![range]))).collect::<Result<_, _>>()?;
                LombScargle::power_of_each(&series, &frequencies)?
            }
        };
        if repeat > 0 {
            println!("{:e}", begun.elapsed().as_secs_f64());
        }
    }
    write_npy(folder.join("powers.npy"), &powers)?;
    Ok(())
}
