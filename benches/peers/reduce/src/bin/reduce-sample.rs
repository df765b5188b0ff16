//! Times single reductions by wavemill, for `benches/peers/reduce.py --sample`.
//!
//! `reduce-sample THREADS` reads lines. `load X.npy STEP` reads an array of three axes, of which every STEP-th element
//! of the last counts, and answers `ready`. `run OP SKIP SECONDS` reduces it over the middle axis (`run var skip 0.1`)
//! again and again for so long, answers with the median seconds, and writes the results to `X.npy.out` as f64.

use std::io::BufRead;
use std::time::Instant;

use ndarray::{Array3, ArrayD, Axis, Slice};
use ndarray_npy::{ReadableElement, read_npy, write_npy};
use wavemill::reduce::{Answer, Element, Op, ReducePlan};
use wavemill::{Cpu, Device};

/// An array of any of the types, and the step along its last axis.
enum Array {
    F32(Array3<f32>),
    F64(Array3<f64>),
    I32(Array3<i32>),
    U8(Array3<u8>),
}

fn read(file: &str) -> Array {
    let read = read_npy::<_, Array3<f32>>(file).map(Array::F32);
    let read = read.or_else(|_| read_npy(file).map(Array::F64)).or_else(|_| read_npy(file).map(Array::I32));
    read.or_else(|_| read_npy(file).map(Array::U8)).expect("an array of three axes")
}

fn wide<E: Element>(answer: &Answer<E>) -> ArrayD<f64>
where
    E: Into<f64>,
    E::Sum: num_traits::AsPrimitive<f64>,
    E::Mean: num_traits::AsPrimitive<f64>,
    E::Float: num_traits::AsPrimitive<f64>,
{
    use num_traits::AsPrimitive;
    match answer {
        Answer::Sum(all) => all.mapv(AsPrimitive::as_),
        Answer::Mean(all) => all.mapv(AsPrimitive::as_),
        Answer::Float(all) => all.mapv(AsPrimitive::as_),
        Answer::Element(all) => all.mapv(Into::into),
        Answer::Index(all) => all.mapv(|place| place as f64),
        Answer::Truth(all) => all.mapv(|truth| f64::from(u8::from(truth))),
        other => panic!("{other:?}"),
    }
}

/// Reduces the array for some seconds, and gives the median of the times and the results.
fn timed<E: Element + ReadableElement + Into<f64>>(
    x: &Array3<E>,
    step: usize,
    op: Op,
    skip: bool,
    seconds: f64,
) -> (f64, ArrayD<f64>)
where
    E::Sum: num_traits::AsPrimitive<f64>,
    E::Mean: num_traits::AsPrimitive<f64>,
    E::Float: num_traits::AsPrimitive<f64>,
{
    let view = x.slice_axis(Axis(2), Slice::from(..).step_by(step as isize));
    let plan = ReducePlan::<E>::builder(view.shape()).axes(&[1]).ops([op]).skip_nan(skip);
    let plan = plan.build(&Device::from(Cpu::new())).expect("a plan");
    let answer = plan.execute(&view).expect("results");
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || begun.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        std::hint::black_box(plan.execute(&view).expect("results"));
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], wide(&answer[0]))
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).expect("reduce-sample THREADS");
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("a pool");
    let mut loaded = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["load", file, step] => {
                loaded = Some((read(file), step.parse().expect("a number"), format!("{file}.out")));
                println!("ready");
            }
            ["run", op, skip, seconds] => {
                let (array, step, out) = loaded.as_ref().expect("an array is loaded first");
                let (op, skip, seconds) =
                    (op.parse().expect("an operation"), skip == "skip", seconds.parse().expect("a number"));
                let (seconds, results) = match array {
                    Array::F32(x) => timed(x, *step, op, skip, seconds),
                    Array::F64(x) => timed(x, *step, op, skip, seconds),
                    Array::I32(x) => timed(x, *step, op, skip, seconds),
                    Array::U8(x) => timed(x, *step, op, skip, seconds),
                };
                write_npy(out, &results).expect("a file");
                println!("{seconds}");
            }
            _ => panic!("load X.npy STEP, or run OP SKIP SECONDS"),
        }
    }
}
