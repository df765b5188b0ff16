//! Random tests of the library with input of every kind, hostile kinds too: nothing panics or overflows, every result
//! is right or an error, and an error changes nothing.
//!
//! Each target runs `WAVEMILL_FUZZ_CASES` cases [default: 2000] that are drawn from `WAVEMILL_FUZZ_SEED` [default: 1].
//! A failure prints how to repeat its case alone, with `WAVEMILL_FUZZ_CASE`. A long run of one target takes seed after
//! seed: `WAVEMILL_FUZZ_CASES=100000 WAVEMILL_FUZZ_SEED=7 cargo test --test all fuzz::transforms`.

mod products;
mod reductions;
mod states;
mod transforms;
mod type3;

use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

use arbtest::arbitrary::{self, Unstructured};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use num_complex::Complex;
use wavemill::{Cpu, Device, Float, Number, Real};

use crate::common::{Random, allowed};

/// What became of a case.
enum Outcome {
    /// Its result was compared with another one.
    Checked,
    /// It was an error, as it may be, or has nothing to be compared with.
    Unchecked,
}

type Case = arbitrary::Result<Outcome>;

/// The bytes that a case is drawn from: more than any of them takes.
const BYTES: usize = 4096;

/// Checks a property for the wanted number of cases.
fn cases(name: &str, property: impl Fn(&mut Unstructured<'_>) -> Case) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let (seed, alone) = (number("WAVEMILL_FUZZ_SEED").unwrap_or(1), number("WAVEMILL_FUZZ_CASE"));
    let wanted = if alone.is_some() { 1 } else { number("WAVEMILL_FUZZ_CASES").unwrap_or(2000) };
    let first = alone.unwrap_or(0);
    let (mut ran, mut checked, mut short) = (0, 0, 0);
    let (start, mut bytes) = (Instant::now(), [0; BYTES]);
    for case in first..first + wanted {
        let _repeat = Repeat { name, seed, case };
        let mut random = Random::new(Random::new(seed).bits().wrapping_add(case));
        bytes.chunks_exact_mut(8).for_each(|some| some.copy_from_slice(&random.bits().to_le_bytes()));
        let mut u = Unstructured::new(&bytes);
        let outcome = property(&mut u);
        // Where the bytes end, all that is drawn is 0 or an error.
        short += u64::from(outcome.is_err() || u.is_empty());
        ran += u64::from(outcome.is_ok());
        checked += u64::from(matches!(outcome, Ok(Outcome::Checked)));
    }
    let seconds = start.elapsed().as_secs_f64();
    // The test harness captures println, but not this.
    let _ = writeln!(std::io::stderr(), "fuzz::{name}: {ran} cases of seed {seed}, {checked} checked, {seconds:.1} s");
    assert!(ran + short >= wanted && 50 * short <= wanted, "{ran} cases of {wanted}, {short} were short of bytes");
    assert!(wanted < 100 || 4 * checked >= ran, "{checked} cases of {ran} were checked");
}

/// Prints how to repeat a case, if it panics.
struct Repeat<'a> {
    name: &'a str,
    seed: u64,
    case: u64,
}

impl Drop for Repeat<'_> {
    fn drop(&mut self) {
        let Self { name, seed, case } = self;
        if std::thread::panicking() {
            let variables = format!("WAVEMILL_FUZZ_SEED={seed} WAVEMILL_FUZZ_CASE={case}");
            eprintln!("to repeat it: {variables} cargo test --test all fuzz::{name}");
        }
    }
}

/// Checks a property of files for `WAVEMILL_FUZZ_SECONDS` [default: 3]. A failure prints its seed;
/// `ARBTEST_SEED=0x.. cargo test --test all fuzz_files::name_of_the_target` repeats the case.
#[cfg(all(feature = "netcdf", feature = "zarr"))]
pub(crate) fn fuzz(name: &str, bytes: u32, mut property: impl FnMut(&mut Unstructured<'_>) -> arbitrary::Result<()>) {
    let seconds = std::env::var("WAVEMILL_FUZZ_SECONDS").map_or(3.0, |text| text.parse().expect("a number of seconds"));
    let mut cases = 0u64;
    let counted = |u: &mut Unstructured<'_>| {
        cases += 1;
        property(u)
    };
    let budget = std::time::Duration::from_secs_f64(seconds);
    arbtest::arbtest(counted).size_min(32).size_max(bytes).budget(budget).run();
    // The test harness captures println, but not this.
    let _ = writeln!(std::io::stderr(), "fuzz::{name}: {cases} cases in {seconds} s");
}

/// A number of any kind: NaN, infinities, any bits, extremes, multiples of π, ordinary numbers.
fn hostile(u: &mut Unstructured<'_>) -> arbitrary::Result<f64> {
    let pi = std::f64::consts::PI;
    Ok(match u.int_in_range(0..=19u8)? {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => f64::from_bits(u.arbitrary()?),
        4 => *u.choose(&[1e300, -1e300, f64::MAX, f64::MIN, 1e15, -4e18])?,
        5 => *u.choose(&[f64::MIN_POSITIVE, 5e-324, -5e-324, 1e-310, 1e-300])?,
        6 => *u.choose(&[pi, -pi, pi.next_up(), pi.next_down(), (-pi).next_up(), (-pi).next_down()])?,
        7 => *u.choose(&[2.0 * pi, (2.0 * pi).next_down(), pi / 2.0, -2.0 * pi, 0.0, -0.0])?,
        8 => *u.choose(&[1.0, -1.0, 0.5, 2.0, 3.0, 1e-6])?,
        _ => tame(u)?,
    })
}

/// A number of absolute value up to 8.
fn tame(u: &mut Unstructured<'_>) -> arbitrary::Result<f64> {
    Ok(f64::from(u.arbitrary::<i32>()?) / f64::from(1 << 28))
}

/// A tolerance, seldom one that nothing can keep.
fn tolerance<T: Real>(u: &mut Unstructured<'_>) -> arbitrary::Result<f64> {
    Ok(match u.int_in_range(0..=19u8)? {
        0 => hostile(u)?,
        1 => *u.choose(&[1e-14, 1e-15, 1e-16, 0.999_999, 0.5, 0.1])?,
        _ => 10f64.powf(-f64::from(u.int_in_range(30..=if T::NAME == "f32" { 600 } else { 1400 })?) / 100.0),
    })
}

/// How the inputs of a transform are distributed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inputs {
    Even,
    /// One alone is not 0.
    One,
    /// All but one are tiny.
    Tiny,
    /// Sizes are of six orders of magnitude.
    Uneven,
}

/// Random inputs of this shape, whose last axes are one transform of `len` inputs, of some overall size.
fn inputs<V: Number>(
    u: &mut Unstructured<'_>,
    random: &mut Random,
    shape: &[usize],
    len: usize,
) -> arbitrary::Result<(ArrayD<V>, Inputs)> {
    use Inputs::{Even, One, Tiny, Uneven};
    let kind = *u.choose(&[Even, Even, Even, Even, Even, One, Tiny, Uneven])?;
    let size = *u.choose(&[1.0, 1.0, 1.0, 1e-20, 1e20])?;
    let mut all = ArrayD::from_shape_simple_fn(IxDyn(shape), || V::part_of(random.complex()));
    let slice = all.as_slice_mut().expect("an array in C order");
    for row in slice.chunks_mut(len.max(1)) {
        let kept = random.bits() as usize % row.len();
        for (at, x) in row.iter_mut().enumerate() {
            let by = match kind {
                Even => 1.0,
                _ if kind != Uneven && at == kept => 1.0,
                One => 0.0,
                Tiny => 1e-10,
                Uneven => 10f64.powf(random.between(-6.0, 0.0)),
            };
            *x = V::part_of(x.complex() * <V::Real as Float>::nearest(by * size));
        }
    }
    Ok((all, kind))
}

/// The error that the law allows each output, as a part of the sum of all absolute inputs.
fn allowed_each<T: Real>(tolerance: f64, dimensions: usize) -> f64 {
    allowed::<T>(0.0).max(30.0 * (dimensions as f64).sqrt() * tolerance)
}

/// Checks each output, and their l2 error if `l2` is its bound: relative to the norm of the outputs, or to the norm
/// that they usually have if terms happen to cancel.
fn hold(
    what: impl Fn() -> String,
    (got, wanted): (&[Complex<f64>], &[Complex<f64>]),
    inputs: &[Complex<f64>],
    each: f64,
    l2: Option<f64>,
) {
    let size = |x: &mut dyn Iterator<Item = Complex<f64>>| x.map(|z| z.norm_sqr()).sum::<f64>().sqrt();
    let sum: f64 = inputs.iter().map(|z| z.norm()).sum();
    assert_eq!(got.len(), wanted.len(), "{}", what());
    for (index, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let off = (got - wanted).norm();
        assert!(off <= each * sum, "output {index}: {:e} of {each:e}, {}", off / sum, what());
    }
    let Some(l2) = l2 else { return };
    let usual = (got.len() as f64).sqrt() * size(&mut inputs.iter().copied());
    let scale = size(&mut wanted.iter().copied()).max(usual);
    let off = size(&mut got.iter().zip(wanted).map(|(a, b)| a - b));
    assert!(off <= l2 * scale, "{:e} of {l2:e}, {}", off / scale, what());
}

fn wide<V: Number>(x: &V) -> Complex<f64> {
    let z = x.complex();
    Complex::new(z.re.into(), z.im.into())
}

/// The bits of numbers, so that NaN is itself and zeros have a sign.
fn bits<'a, V: Number>(numbers: impl IntoIterator<Item = &'a V>) -> Vec<[u64; 2]> {
    numbers.into_iter().map(wide).map(|z| [z.re.to_bits(), z.im.to_bits()]).collect()
}

/// The CPU with one to three threads of its own, which are started once.
fn with_threads(count: usize) -> &'static Device {
    static DEVICES: [OnceLock<Device>; 3] = [const { OnceLock::new() }; 3];
    DEVICES[count - 1].get_or_init(|| Device::from(Cpu::with_threads(count).unwrap()))
}

/// The same array in another memory layout: permuted axes, every other element, backwards. Seldom in the same one.
fn scattered<E: Clone + Default>(u: &mut Unstructured<'_>, x: &ArrayD<E>) -> arbitrary::Result<ArrayD<E>> {
    let axes = x.ndim();
    let mut order: Vec<usize> = (0..axes).collect();
    for at in 1..axes {
        order.swap(at, u.int_in_range(0..=at)?);
    }
    let (mut extents, mut steps) = (vec![0; axes], vec![1isize; axes]);
    for axis in 0..axes {
        steps[axis] = *u.choose(&[1, 1, 1, 2, 3, -1, -2])?;
        extents[axis] = x.shape()[axis] * steps[axis].unsigned_abs();
    }
    let memory: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
    let mut back = vec![0; axes];
    order.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
    let mut y = ArrayD::from_elem(IxDyn(&memory), E::default()).permuted_axes(IxDyn(&back));
    (0..axes).for_each(|axis| y.slice_axis_inplace(Axis(axis), Slice::new(0, None, steps[axis])));
    y.assign(x);
    Ok(y)
}

/// Whether nothing was written between the elements of a scattered array, where zeros were.
fn only_elements<E: Clone + Default + PartialEq>(x: ArrayD<E>) -> bool {
    let between = |memory: &[E], len| memory.iter().filter(|&x| *x == E::default()).count() >= memory.len() - len;
    let len = x.len();
    between(&x.into_raw_vec_and_offset().0, len)
}

/// A shape that differs from this one in an extent or in the number of axes.
fn misshapen(u: &mut Unstructured<'_>, shape: &[usize]) -> arbitrary::Result<IxDyn> {
    let mut other = shape.to_vec();
    match u.int_in_range(0..=2u8)? {
        0 if shape.len() > 1 => drop(other.remove(0)),
        1 if !shape.is_empty() => {
            let axis = u.choose_index(shape.len())?;
            other[axis] += 1;
        }
        _ => other.insert(0, 1),
    }
    Ok(IxDyn(&other))
}
