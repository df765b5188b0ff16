//! Fuzz tests with random input of every kind, hostile kinds too: nothing panics or overflows, and every result is
//! right or an error.
//!
//! Each target runs for `WAVEMILL_FUZZ_SECONDS` [default: 3] and prints the number of its cases. A failure prints its
//! seed; `ARBTEST_SEED=0x.. cargo test --test all fuzz::name_of_the_target` repeats the case.

use std::fmt::Debug;
use std::io::Write;
use std::time::Duration;

use arbtest::arbitrary::{self, Unstructured};
use ndarray::{Array1, Array2, ArrayD, ArrayView1, Axis, IxDyn, Slice};
use num_complex::Complex;
use wavemill::matmul::MatmulPlan;
use wavemill::nufft::direct;
use wavemill::reduce::{self, Answer, Element, Op, ReducePlan, ReduceState};
use wavemill::{Float, ModeOrder, NufftPlan, Number, Real, Shape, Sign};

use crate::common::{Random, allowed, cpu, views};
use crate::matmul::{OPS, applied, close, laid, matrix, oracle};

type Case = arbitrary::Result<()>;

/// Checks a property for as many cases as time allows.
pub(crate) fn fuzz(name: &str, bytes: u32, mut property: impl FnMut(&mut Unstructured<'_>) -> Case) {
    let seconds = std::env::var("WAVEMILL_FUZZ_SECONDS").map_or(3.0, |text| text.parse().expect("a number of seconds"));
    let mut cases = 0u64;
    let counted = |u: &mut Unstructured<'_>| {
        cases += 1;
        property(u)
    };
    arbtest::arbtest(counted).size_min(32).size_max(bytes).budget(Duration::from_secs_f64(seconds)).run();
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

// States.

/// The checksum of states, 64-bit FNV-1a, as `ReduceState::to_bytes` documents it.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Some operations that the elements have, weighted ones too.
fn operations(u: &mut Unstructured<'_>, complex: bool) -> arbitrary::Result<Vec<Op>> {
    let orders = |op: &Op| matches!(op, Op::Min | Op::Max | Op::ArgMin | Op::ArgMax);
    let all: Vec<Op> = Op::EVERY.into_iter().filter(|op| !(complex && orders(op))).collect();
    let wanted: u32 = if u.ratio(1, 4)? { u32::MAX } else { u.arbitrary()? };
    let some: Vec<Op> = (0..all.len()).filter(|at| wanted >> at & 1 == 1).map(|at| all[at]).collect();
    Ok(if some.is_empty() { vec![all[0]] } else { some })
}

/// The bytes of a field, often at the edges of the field's range.
fn field(u: &mut Unstructured<'_>) -> arbitrary::Result<[u8; 8]> {
    Ok(match u.int_in_range(0..=5u8)? {
        0 => hostile(u)?.to_le_bytes(),
        1 => u.choose(&[i64::MAX, i64::MIN, -1, 0, 1, 1 << 62, -(1 << 62), 1 << 32, 1 << 60])?.to_le_bytes(),
        2 => u64::from(u.int_in_range(0..=8u8)?).to_le_bytes(),
        // The top digit and the number of terms of a superaccumulator.
        3 => {
            let top = *u.choose(&[0, 1, 34, 68, 133, 136, 137, -1, i32::MAX, i32::MIN])?;
            let terms = *u.choose(&[0u32, 1, 2, (1 << 30) - 1, 1 << 30, u32::MAX])?;
            (u64::from(terms) << 32 | u64::from(top as u32)).to_le_bytes()
        }
        _ => u.arbitrary::<u64>()?.to_le_bytes(),
    })
}

/// Reads a state from its bytes, which are intact, changed or arbitrary, and goes on with it.
fn state<E: Element + Debug>(u: &mut Unstructured<'_>, element: impl Fn(f64) -> E) -> Case {
    let shape = [u.int_in_range(1..=4usize)?, u.int_in_range(1..=3usize)?];
    let axes = *u.choose(&[&[0][..], &[1], &[0, 1], &[]])?;
    let complex = ["c64", "c128"].contains(&E::NAME);
    let (ops, skip) = (operations(u, complex)?, u.arbitrary()?);
    let plan = ReducePlan::<E>::builder(shape).axes(axes).ops(ops).skip_nan(skip).build(&cpu()).unwrap();
    let take = |u: &mut Unstructured<'_>, state: &mut ReduceState<E>| -> Case {
        let numbers: Vec<f64> = (0..shape[0] * shape[1]).map(|_| hostile(u)).collect::<arbitrary::Result<_>>()?;
        let chunk = Array2::from_shape_fn(shape, |(i, j)| element(numbers[i * shape[1] + j]));
        let weights = Array1::from_elem(shape[1], 0.5);
        // All rows at once or one by one, for sums of one block and of several.
        if u.arbitrary()? {
            state.update_weighted(&chunk, &weights, &[0, 0]).unwrap();
        } else {
            for (row, chunk) in chunk.axis_chunks_iter(Axis(0), 1).enumerate() {
                state.update_weighted(&chunk, &weights, &[row, 0]).unwrap();
            }
        }
        Ok(())
    };
    let mut honest = plan.state().unwrap();
    if u.ratio(3, 4)? {
        take(u, &mut honest)?;
    }
    let whole = honest.to_bytes();
    let head = 20 + E::NAME.len();
    let mut bytes = whole.clone();
    let kind = u.int_in_range(0..=9u8)?;
    match kind {
        0 => bytes = u.bytes(u.len().min(whole.len()))?.to_vec(),
        1 => {
            let at = u.choose_index(bytes.len())?;
            bytes[at] ^= u.int_in_range(1..=255u8)?;
        }
        2 => {}
        _ => {
            // Some flags and fields are overwritten, and the checksum is made right again.
            for _ in 0..u.int_in_range(1..=4u8)? {
                let end = bytes.len() - 8;
                if u.ratio(1, 4)? {
                    let at = head + u.choose_index(end - head)?;
                    bytes[at] = *u.choose(&[0, 1, 2, 3, 4, 128, 255])?;
                } else {
                    let at = head + u.choose_index(end - head - 7)?;
                    bytes[at..at + 8].copy_from_slice(&field(u)?);
                }
            }
            if u.ratio(1, 20)? {
                let end = bytes.len() - 8;
                u.fill_buffer(&mut bytes[head..end])?;
            }
            let end = bytes.len() - 8;
            let sum = hash(&bytes[..end]);
            bytes[end..].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let read = ReduceState::from_bytes(&plan, &bytes);
    match kind {
        1 => assert!(read.is_err(), "a change of one byte is not seen"),
        2 => assert_eq!(read.as_ref().map(ReduceState::to_bytes).ok(), Some(whole)),
        _ => {}
    }
    let Ok(mut read) = read else { return Ok(()) };
    let once = read.clone();
    honest.merge(&read).unwrap();
    for _ in 0..u.int_in_range(0..=70u8)? {
        let same = read.clone();
        read.merge(&same).unwrap();
    }
    read.merge(&honest).unwrap();
    take(u, &mut read)?;
    for state in [&once, &honest, &read] {
        // The result is ignored: places are an error if all elements are NaN.
        let _ = state.finish();
        let _ = ReduceState::from_bytes(&plan, &state.to_bytes());
    }
    Ok(())
}

#[test]
fn states() {
    fuzz("states", 1024, |u| match u.int_in_range(0..=5u8)? {
        0 => state::<f32>(u, |x| x as f32),
        1 => state::<f64>(u, |x| x),
        2 => state::<Complex<f64>>(u, |x| Complex::new(x, 1.0 - x)),
        3 => state::<i32>(u, |x| x as i32),
        4 => state::<u64>(u, |x| x as u64),
        _ => state::<i64>(u, |x| x as i64),
    });
}

// Transforms.

/// The unit of the coordinates.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Radians,
    Step(f64),
    Period(f64),
}

fn transform<T: Real>(u: &mut Unstructured<'_>) -> Case {
    let dimensions = *u.choose(&[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 0, 4])?;
    let largest = [0, 300, 24, 9, 5][dimensions];
    let mut modes = Vec::new();
    for _ in 0..dimensions {
        modes.push(if u.ratio(1, 50)? {
            *u.choose(&[0, usize::MAX, 1 << 62])?
        } else if u.ratio(1, 8)? {
            1
        } else {
            u.int_in_range(1..=largest)?
        });
    }
    let tolerance = match u.int_in_range(0..=11u8)? {
        0 => hostile(u)?,
        1 => *u.choose(&[1e-14, 1e-15, 1e-16, 0.999_999, 0.5, 0.1])?,
        _ => 10f64.powf(-f64::from(u.int_in_range(30..=if T::NAME == "f32" { 600 } else { 1400 })?) / 100.0),
    };
    let shape = *u.choose(&[Shape::Prolate, Shape::KaiserBessel, Shape::ExpSemicircle, Shape::Gaussian])?;
    let order = *u.choose(&[ModeOrder::Centred, ModeOrder::Fft])?;
    let sign = *u.choose(&[Sign::Plus, Sign::Minus])?;
    let mut builder = NufftPlan::<T>::builder(modes.clone()).tolerance(tolerance).kernel(shape).order(order).sign(sign);
    if u.ratio(3, 4)? {
        builder = builder.accept_reachable();
    }
    let upsampling = match u.int_in_range(0..=9u8)? {
        0 => Some(hostile(u)?),
        1 => Some(*u.choose(&[1.0, 1.2, 1.2f64.next_down(), 1.25, 2.0, 4.0, 4.0f64.next_up()])?),
        2..=4 => Some(1.2 + 2.8 * f64::from(u.arbitrary::<u16>()?) / 65535.0),
        _ => None,
    };
    if let Some(upsampling) = upsampling {
        builder = builder.upsampling(upsampling);
    }
    let batch = *u.choose(&[None, None, None, Some(0), Some(1), Some(2), Some(3), Some(9), Some(usize::MAX)])?;
    if let Some(batch) = batch {
        builder = builder.batch(batch);
    }
    let unit = match u.int_in_range(0..=5u8)? {
        0 => Unit::Period(hostile(u)?),
        1 => Unit::Period(*u.choose(&[1.0, 360.0, 1e-3, 0.1])?),
        2 => Unit::Step(hostile(u)?),
        3 => Unit::Step(*u.choose(&[0.5, -1.0, 4.0, -0.125])?),
        _ => Unit::Radians,
    };
    builder = match unit {
        Unit::Period(period) => builder.period(period),
        Unit::Step(step) => builder.step(step),
        Unit::Radians => builder,
    };
    if u.ratio(1, 4)? {
        builder = builder.expected_points(*u.choose(&[0, 1, 1000, 1_000_000_000, usize::MAX])?);
    }
    let Ok(mut plan) = builder.build(&cpu()) else { return Ok(()) };
    let count = *u.choose(&[0, 1, 2, 3, 10, 40, 150])?;
    // Coordinates are hostile, equal on each axis, equal in part, or ordinary.
    let kind = u.int_in_range(0..=3u8)?;
    let mut random = Random::new(u.arbitrary()?);
    let mut x = random.points(count, dimensions, 4.0);
    for axis in &mut x {
        let one = hostile(u)?;
        for at in 0..count {
            match kind {
                0 if u.ratio(1, 3)? => axis[at] = hostile(u)?,
                1 => axis[at] = one,
                2 if u.ratio(1, 3)? => axis[at] = one,
                _ => {}
            }
        }
    }
    let placed = if u.ratio(1, 4)? {
        x.iter_mut().for_each(|axis| axis.mapv_inplace(|x| f64::from(x as f32)));
        let narrow: Vec<Array1<f32>> = x.iter().map(|axis| axis.mapv(|x| x as f32)).collect();
        plan.set_points(views(&narrow))
    } else {
        plan.set_points(views(&x))
    };
    let finite = x.iter().flatten().all(|x| x.is_finite());
    assert_eq!(placed.is_ok(), finite, "{placed:?}");
    let extents = |last: &[usize]| IxDyn(&batch.into_iter().chain(last.iter().copied()).collect::<Vec<_>>());
    let c = ArrayD::from_shape_simple_fn(extents(&[count]), || random.complex::<T>());
    let f = ArrayD::from_shape_simple_fn(extents(&modes), || random.complex::<T>());
    if !finite {
        assert!(plan.type1(&c).is_err() && plan.type2(&f).is_err(), "points that were refused are used");
        return Ok(());
    }
    let (first, second) = (plan.type1(&c).unwrap(), plan.type2(&f).unwrap());
    let finite = first.iter().chain(&second).all(|z| z.re.into().is_finite() && z.im.into().is_finite());
    assert!(finite, "{unit:?}, {x:?}, {}", plan.describe());

    // `by` converts coordinates to radians. Only units are checked in which the product is exact or nearly so; `extra`
    // is 1 if it is rounded.
    let (by, extra) = match unit {
        Unit::Radians => (1.0, 0.0),
        Unit::Step(step) if [0.5, -1.0, 4.0, -0.125].contains(&step) => (step, 0.0),
        Unit::Period(period) if [1.0, 360.0, 1e-3, 0.1].contains(&period) => (std::f64::consts::TAU / period, 1.0),
        _ => return Ok(()),
    };
    let scaled: Vec<Array1<f64>> = x.iter().map(|axis| axis.mapv(|x| x * by)).collect();
    let exact = |(&x, &scaled): (&f64, &f64)| scaled.is_finite() && (extra > 0.0 || scaled / by == x);
    let largest = scaled.iter().flatten().fold(0.0f64, |a, x| a.max(x.abs()));
    if !x.iter().flatten().zip(scaled.iter().flatten()).all(exact) || (extra > 0.0 && largest > 1e5) {
        return Ok(());
    }
    let phases = extra * largest.max(1.0) * 1e-15 * modes.iter().sum::<usize>() as f64;
    // With few terms the error varies more than with many: twice the law is allowed.
    let bound = 2.0 * allowed::<T>(plan.recipe().tolerance) + phases;
    let at = views(&scaled);
    let (total, wide) = (modes.iter().product::<usize>(), |z: &Complex<T>| Complex::new(z.re.into(), z.im.into()));
    let centred = |index: usize, extent: usize| match order {
        ModeOrder::Centred => index,
        ModeOrder::Fft => (index + extent - extent / 2) % extent,
    };
    let batches = batch.unwrap_or(1);
    let rows = |x: &ArrayD<Complex<T>>, row: usize| x.to_shape((batches, row)).unwrap().to_owned();
    let (c, f) = (rows(&c, count), rows(&f, total));
    let (first, second) = (rows(&first, total), rows(&second, count));
    for transform in 0..batches {
        // The oracle's modes are centred; those of a plan in FFT order are reordered.
        let reordered = |row: ArrayView1<'_, Complex<T>>| {
            let row = row.to_owned().into_shape_with_order(IxDyn(&modes)).unwrap();
            ArrayD::from_shape_fn(IxDyn(&modes), |index| {
                let place: Vec<_> = modes.iter().enumerate().map(|(axis, &n)| centred(index[axis], n)).collect();
                row[IxDyn(&place)]
            })
        };
        let (strengths, spectrum) = (c.row(transform), reordered(f.row(transform)));
        let modes_wanted = direct::type1(&at, &strengths.to_vec(), &modes, sign).unwrap();
        let values_wanted = direct::type2(&at, spectrum.view(), sign).unwrap();
        let size = |x: &mut dyn Iterator<Item = Complex<f64>>| x.map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        let off = |got: &mut dyn Iterator<Item = Complex<f64>>, wanted: &mut dyn Iterator<Item = Complex<f64>>| {
            size(&mut got.zip(wanted).map(|(a, b)| a - b))
        };
        // Errors are relative to the result's norm, or to its usual norm if terms happen to cancel.
        let usual = |x: ArrayView1<'_, Complex<T>>, terms: usize| (terms as f64).sqrt() * size(&mut x.iter().map(wide));
        let scale = size(&mut modes_wanted.iter().copied()).max(usual(strengths, total));
        let got = reordered(first.row(transform));
        let error = off(&mut got.iter().map(wide), &mut modes_wanted.iter().copied());
        assert!(error <= bound * scale, "type 1: {:e} of {bound:e}, {unit:?}, {}", error / scale, plan.describe());
        let scale = size(&mut values_wanted.iter().copied()).max(usual(f.row(transform), count));
        let error = off(&mut second.row(transform).iter().map(wide), &mut values_wanted.iter().copied());
        assert!(error <= bound * scale, "type 2: {:e} of {bound:e}, {unit:?}, {}", error / scale, plan.describe());
    }
    Ok(())
}

#[test]
fn transforms() {
    fuzz("transforms", 2048, |u| if u.arbitrary()? { transform::<f32>(u) } else { transform::<f64>(u) });
}

// Reductions.

/// The same array in another memory layout: permuted axes, every other element, backwards.
fn scattered<E: Element>(u: &mut Unstructured<'_>, x: &ArrayD<E>) -> arbitrary::Result<ArrayD<E>> {
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

/// All numbers of an answer.
fn flat<E: Element>(answer: &Answer<E>, wide: impl Fn(&dyn Debug) -> Complex<f64>) -> Vec<Complex<f64>> {
    match answer {
        Answer::Sum(array) => array.iter().map(|x| wide(x)).collect(),
        Answer::Mean(array) => array.iter().map(|x| wide(x)).collect(),
        Answer::Float(array) => array.iter().map(|x| wide(x)).collect(),
        Answer::Element(array) => array.iter().map(|x| wide(x)).collect(),
        Answer::Index(array) => array.iter().map(|&x| Complex::new(x as f64, 0.0)).collect(),
        Answer::Truth(array) => array.iter().map(|&x| Complex::new(f64::from(x), 0.0)).collect(),
        other => panic!("{other:?}"),
    }
}

/// The number, real or complex, that prints as this text.
fn parsed(value: &dyn Debug) -> Complex<f64> {
    let text = format!("{value:?}");
    let Some(parts) = text.strip_prefix("Complex { re: ").and_then(|text| text.strip_suffix(" }")) else {
        return Complex::new(text.parse().expect("a number"), 0.0);
    };
    let (re, im) = parts.split_once(", im: ").expect("two parts");
    Complex::new(re.parse().expect("a number"), im.parse().expect("a number"))
}

fn reduction<E: Element + Debug>(u: &mut Unstructured<'_>, element: impl Fn(f64) -> E, precision: f64) -> Case {
    let axes = u.int_in_range(0..=4usize)?;
    let mut shape = Vec::new();
    for _ in 0..axes {
        // Beside an extent of 0 the others count too: weights have them.
        let rest = 4000 / shape.iter().map(|&extent: &usize| extent.max(1)).product::<usize>();
        let extent = *u.choose(&[1, 1, 2, 3, 5, 8, 16, 17, 33, 70, 400, 3000, 0])?;
        shape.push(if extent <= rest { extent } else { 1 });
    }
    let mut over: Vec<usize> = (0..axes).filter(|_| u.arbitrary().unwrap_or(false)).collect();
    if u.ratio(1, 40)? {
        over.push(u.int_in_range(0..=5usize)?);
    }
    let complex = ["c64", "c128"].contains(&E::NAME);
    let mut ops = operations(u, complex)?;
    // One operation alone is computed without partials where that is possible.
    if u.arbitrary()? {
        ops = vec![*u.choose(&ops)?];
    }
    let ddof = *u.choose(&[0.0, 1.0, 0.5, -1.0, 2.0])?;
    ops.iter_mut().for_each(|op| *op = op.with_ddof(ddof));
    let (skip, keepdims) = (u.arbitrary()?, u.arbitrary()?);
    // Elements are about 1, of very different sizes, or of every kind.
    let kind = u.int_in_range(0..=2u8)?;
    let mut random = Random::new(u.arbitrary()?);
    let specials = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 5e-324, 1e-310, 3.0];
    let one = || match kind {
        1 => random.between(-1.0, 1.0) * 10f64.powf(random.between(-18.0, 18.0)),
        2 if random.bits().is_multiple_of(4) => specials[random.bits() as usize % specials.len()],
        _ => random.between(-2.0, 2.0),
    };
    let x = ArrayD::from_shape_simple_fn(IxDyn(&shape), one).mapv(element);
    let weighs = ops.iter().any(|op| matches!(op, Op::WeightedSum | Op::Average));
    let mut builder = ReducePlan::<E>::builder(&shape).axes(&over).ops(ops.clone()).skip_nan(skip).keepdims(keepdims);
    let narrow: Vec<usize> =
        shape.iter().map(|&extent| if random.bits().is_multiple_of(2) { extent } else { 1 }).collect();
    let weights = ArrayD::from_shape_simple_fn(IxDyn(&narrow), || random.unit());
    if weighs {
        builder = builder.weights(&weights);
    }
    let plan = match builder.build(&cpu()) {
        Ok(plan) => plan,
        Err(_) => return Ok(()),
    };
    let data = scattered(u, &x)?;
    let answers = match plan.execute(&data) {
        Ok(answers) => answers,
        Err(error) => {
            let places = ops.iter().any(|op| matches!(op, Op::ArgMin | Op::ArgMax));
            assert!(skip && places, "{error}: {}", plan.describe());
            return Ok(());
        }
    };
    let weights = weights.broadcast(IxDyn(&shape)).unwrap();
    let count: usize = over.iter().map(|&axis| shape[axis]).product();
    let sizes: Vec<f64> = x.iter().map(|x| parsed(x).norm()).filter(|size| size.is_finite()).collect();
    let greatest = sizes.iter().fold(0.0f64, |a, &b| a.max(b));
    for (answer, op) in answers.iter().zip(ops) {
        let exact = reduce::direct::reduce(x.view(), &over, op, skip, Some(weights.view()));
        let got = flat(answer, parsed);
        let Ok(exact) = exact else {
            assert!(skip, "{op}: the definition has an error only where all is skipped");
            continue;
        };
        assert_eq!(got.len(), exact.len(), "{}", plan.describe());
        for (got, exact) in got.iter().zip(&exact) {
            for (got, exact) in [(got.re, exact.re), (got.im, exact.im)].into_iter().take(E::PARTS) {
                // The definition multiplies and squares without scaling, and so overflows or underflows where the
                // library does not; and for complex numbers infinities and NaNs come in any combination.
                let narrow = precision > 1e-10;
                let [got, exact] = [got, exact].map(|x| if narrow { f64::from(x as f32) } else { x });
                let special = !exact.is_finite() || !got.is_finite();
                let spread = matches!(op, Op::Var { .. } | Op::Std { .. });
                let product = op == Op::Prod && (kind > 0 || count > 200 || !(1e-25..1e25).contains(&exact.abs()));
                // Integers wrap, but the definition in f64 does not.
                let product = product || (op == Op::Prod && !E::NAME.contains(['f', 'c']) && exact.abs() >= 9e18);
                if product || (special && (complex || spread)) {
                    continue;
                }
                let scale = match op {
                    Op::Sum | Op::WeightedSum => greatest * count as f64,
                    Op::Mean | Op::Average => greatest,
                    Op::Prod => exact.abs() * count as f64 / precision * 1e-15,
                    _ => 0.0,
                };
                let floor = if op == Op::Norm2 {
                    1e-150
                } else if narrow {
                    1e-44
                } else {
                    1e-322
                };
                let exactly = matches!(op, Op::Min | Op::Max | Op::ArgMin | Op::ArgMax | Op::Count | Op::Any | Op::All);
                let bound = if exactly { 0.0 } else { 8.0 * precision * exact.abs() + 1e-15 * scale + floor };
                let bound = if spread || op == Op::Norm2 { bound + 1e-12 * exact.abs() } else { bound };
                let same = got == exact || (got.is_nan() && exact.is_nan()) || (got - exact).abs() <= bound;
                assert!(
                    same,
                    "{op}: {got:e}, by definition {exact:e}: {}, strides {:?}",
                    plan.describe(),
                    data.strides()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn reductions() {
    fuzz("reductions", 512, |u| match u.int_in_range(0..=10u8)? {
        0 | 1 => reduction::<f32>(u, |x| x as f32, 6e-8),
        2 | 3 => reduction::<f64>(u, |x| x, 1.2e-16),
        4 => reduction::<Complex<f32>>(u, |x| Complex::new(x as f32, 1.0 - x as f32), 6e-8),
        5 => reduction::<Complex<f64>>(u, |x| Complex::new(x, 0.5 * x), 1.2e-16),
        6 => reduction::<i32>(u, |x| (16.0 * x) as i32, 1.2e-16),
        7 => reduction::<i8>(u, |x| (60.0 * x) as i8, 1.2e-16),
        8 => reduction::<u16>(u, |x| (300.0 * x) as u16, 1.2e-16),
        9 => reduction::<u32>(u, |x| (1e9 * x) as u32, 1.2e-16),
        _ => reduction::<u8>(u, |x| (100.0 * x) as u8, 1.2e-16),
    });
}

// Products.

fn product<V: Number>(u: &mut Unstructured<'_>) -> Case {
    let mut extent = || -> arbitrary::Result<usize> {
        Ok(if u.ratio(1, 16)? { *u.choose(&[0, 1, 300, 64, 520])? } else { u.int_in_range(0..=40)? })
    };
    let [m, k, n] = [extent()?, extent()?, extent()?];
    let (op_a, op_b) = (*u.choose(&OPS)?, *u.choose(&OPS)?);
    let mut random = Random::new(u.arbitrary()?);
    let number = |u: &mut Unstructured<'_>| -> arbitrary::Result<V> {
        let [re, im] = if u.arbitrary()? { [*u.choose(&[0.0, 1.0, -1.0])?, 0.0] } else { [tame(u)?, tame(u)?] };
        Ok(V::part_of(Complex::new(V::Real::nearest(re), V::Real::nearest(im))))
    };
    let (alpha, beta) = (number(u)?, number(u)?);
    let stored = |rows: usize, columns: usize, op: wavemill::matmul::Op| {
        if op.transposes() { (columns, rows) } else { (rows, columns) }
    };
    let ((a_rows, a_columns), (b_rows, b_columns)) = (stored(m, k, op_a), stored(k, n, op_b));
    let batch = *u.choose(&[0, 0, 0, 1, 2, 3])?;
    let layouts = [u.int_in_range(0..=2usize)?, u.int_in_range(0..=2usize)?, u.int_in_range(0..=2usize)?];
    let b = matrix::<V>(&mut random, b_rows, b_columns);
    let extents = if batch > 0 { vec![batch] } else { Vec::new() };
    let mut builder = MatmulPlan::<V>::builder(m, k, n).op_a(op_a).op_b(op_b).batch(extents);
    if u.ratio(1, 8)? {
        builder = builder.memory(*u.choose(&[0, 1, 1000, 100_000, usize::MAX])?);
    }
    let Ok(plan) = builder.build(&cpu()) else { return Ok(()) };
    let each: Vec<Array2<V>> = (0..batch.max(1)).map(|_| matrix(&mut random, a_rows, a_columns)).collect();
    let before = matrix::<V>(&mut random, m, n);
    let not = V::part_of(Complex::new(V::Real::nearest(f64::NAN), V::Real::nearest(0.0)));
    // With beta = 0, C is not read.
    let initial = if beta == V::default() { Array2::from_elem((m, n), not) } else { before.clone() };
    let mut results = Vec::new();
    if batch == 0 {
        let mut c = laid(&initial, layouts[2]);
        plan.execute_into(alpha, &laid(&each[0], layouts[0]), &laid(&b, layouts[1]), beta, &mut c).unwrap();
        results.push(c);
    } else {
        let views: Vec<_> = each.iter().map(|matrix| matrix.view()).collect();
        let a = ndarray::stack(Axis(0), &views).unwrap();
        let mut c = ndarray::stack(Axis(0), &vec![initial.view(); batch]).unwrap();
        plan.execute_into(alpha, &a, &laid(&b, layouts[1]), beta, &mut c).unwrap();
        results.extend(c.outer_iter().map(|c| c.to_owned()));
    }
    for (a, c) in each.iter().zip(&results) {
        let (expected, sizes) = oracle(alpha, &applied(a, op_a), &applied(&b, op_b), beta, &before);
        let what = format!("{m} x {k} x {n} {op_a:?} {op_b:?} {layouts:?} batch {batch} {alpha:?} {beta:?}");
        assert!(close(c.view(), &expected, &sizes, k), "{} {what}", V::name());
    }
    Ok(())
}

#[test]
fn products() {
    fuzz("products", 256, |u| match u.int_in_range(0..=3u8)? {
        0 => product::<f32>(u),
        1 => product::<f64>(u),
        2 => product::<Complex<f32>>(u),
        _ => product::<Complex<f64>>(u),
    });
}
