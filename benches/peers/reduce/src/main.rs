//! Times reductions by wavemill and, on one thread, by ndarray, and passes that only read, alternating on one array.
//!
//! `reduce-peers X.npy FOLDER THREADS ROUNDS` answers each line `OP SKIP AXIS` on its standard input (`var skip 0`,
//! `sum keep all`) with median seconds in a line of four: wavemill, ndarray (NaN where it has no such operation),
//! reading the array as one stream a thread, and as four. Results go to `wavemill.npy` and `ndarray.npy` in the folder,
//! as f64.

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use ndarray::{ArrayD, Axis, IxDyn};
use ndarray_npy::{ReadableElement, read_npy, write_npy};
use wavemill::reduce::{Answer, Element, Op, ReducePlan};
use wavemill::{Cpu, Device, Real};

/// An element type that both libraries reduce.
trait Number: Real + Element<Sum = Self, Mean = Self, Float = Self> + ReadableElement {
    fn ndarray(x: &ArrayD<Self>, op: &str, axis: Option<Axis>) -> Option<ArrayD<Self>>;
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            fn ndarray(x: &ArrayD<Self>, op: &str, axis: Option<Axis>) -> Option<ArrayD<Self>> {
                let least = |a: Self, b: Self| if b < a { b } else { a };
                let greatest = |a: Self, b: Self| if b > a { b } else { a };
                let whole = |value: Self| ArrayD::from_elem(IxDyn(&[]), value);
                Some(match (op, axis) {
                    ("sum", None) => whole(x.sum()),
                    ("mean", None) => whole(x.mean()?),
                    ("var", None) => whole(x.var(0.0)),
                    ("std", None) => whole(x.std(0.0)),
                    ("min", None) => whole(x.fold(Self::INFINITY, |a, &b| least(a, b))),
                    ("max", None) => whole(x.fold(Self::NEG_INFINITY, |a, &b| greatest(a, b))),
                    ("sum", Some(axis)) => x.sum_axis(axis),
                    ("mean", Some(axis)) => x.mean_axis(axis)?,
                    ("var", Some(axis)) => x.var_axis(axis, 0.0),
                    ("std", Some(axis)) => x.std_axis(axis, 0.0),
                    ("min", Some(axis)) => x.fold_axis(axis, Self::INFINITY, |&a, &b| least(a, b)),
                    ("max", Some(axis)) => x.fold_axis(axis, Self::NEG_INFINITY, |&a, &b| greatest(a, b)),
                    _ => return None,
                })
            }
        }
    };
}
number!(f32);
number!(f64);

fn timed<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed().as_secs_f64(), result)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Adds all words, which each thread reads in `STREAMS` streams side by side.
fn read<const STREAMS: usize>(words: &[u64], threads: usize) {
    let sum = |part: &[u64]| {
        let each = part.len() / STREAMS / 16 * 16;
        let mut lanes = [0u64; 16];
        for at in (0..each).step_by(16) {
            for stream in 0..STREAMS {
                let line = &part[stream * each + at..][..16];
                lanes.iter_mut().zip(line).for_each(|(lane, word)| *lane = lane.wrapping_add(*word));
            }
        }
        part[STREAMS * each..].iter().chain(&lanes).fold(0, |all: u64, word| all.wrapping_add(*word))
    };
    let parts = words.chunks(words.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let work: Vec<_> = parts.map(|part| scope.spawn(move || std::hint::black_box(sum(part)))).collect();
        work.into_iter().for_each(|work| drop(work.join()));
    });
}

fn wide<T: Number>(answer: &Answer<T>) -> ArrayD<f64> {
    match answer {
        Answer::Sum(array) | Answer::Mean(array) | Answer::Float(array) | Answer::Element(array) => {
            array.mapv(Into::into)
        }
        Answer::Index(array) => array.mapv(|index| index as f64),
        other => panic!("{other:?}"),
    }
}

fn serve<T: Number>(x: &ArrayD<T>, folder: &Path, threads: usize, rounds: usize) {
    let slice = x.as_slice().expect("an array in C order");
    // SAFETY: floats are plain bytes, and vectors this large are aligned for words.
    let (_, words, _) = unsafe { slice.align_to::<u64>() };
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let [op, skip, axis] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("OP SKIP AXIS") };
        let axis = axis.parse().ok();
        let named: Op = op.parse().expect("an operation");
        let builder = ReducePlan::<T>::builder(x.shape()).ops([named]).skip_nan(skip == "skip");
        let builder = if let Some(axis) = axis { builder.axes(&[axis]) } else { builder };
        let plan = builder.build(&Device::from(Cpu::new())).expect("a plan");
        let mut times = [const { Vec::new() }; 4];
        for round in 0..=rounds {
            let (ours, answer) = timed(|| plan.execute(&x).expect("results"));
            // A library that takes three times as long is timed once.
            let slow = times[1].first().is_some_and(|&theirs: &f64| theirs > 3.0 * ours);
            let theirs = (threads == 1 && skip != "skip" && !(slow && round > 1))
                .then(|| timed(|| T::ndarray(x, op, axis.map(Axis))));
            let passes = [timed(|| read::<1>(words, threads)).0, timed(|| read::<4>(words, threads)).0];
            if round == 0 {
                write_npy(folder.join("wavemill.npy"), &wide(&answer[0])).expect("a file");
            }
            if let Some((seconds, Some(result))) = theirs {
                if round == 0 {
                    write_npy(folder.join("ndarray.npy"), &result.mapv(Into::<f64>::into)).expect("a file");
                }
                if round > 0 {
                    times[1].push(seconds);
                }
            }
            if round > 0 {
                times[0].push(ours);
                times[2].push(passes[0]);
                times[3].push(passes[1]);
            }
        }
        println!("{}", times.map(|times| median(times).to_string()).join(" "));
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, file, folder, threads, rounds] = &arguments[..] else { panic!("reduce-peers X.npy FOLDER THREADS ROUNDS") };
    let (threads, rounds) = (threads.parse().expect("a number"), rounds.parse().expect("a number"));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("a pool");
    match read_npy::<_, ArrayD<f32>>(file) {
        Ok(x) => serve(&x, Path::new(folder), threads, rounds),
        Err(_) => serve(&read_npy::<_, ArrayD<f64>>(file).expect("an array"), Path::new(folder), threads, rounds),
    }
}
