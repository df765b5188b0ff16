//! Types 1 and 2: plans with any options, at points of every kind, against direct sums.

use arbtest::arbitrary::{self, Unstructured};
use ndarray::{Array1, ArrayD, ArrayView1, IxDyn};
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::{Float, ModeOrder, NufftPlan, Number, Real, Shape, Sign};

use super::Outcome::{Checked, Unchecked};
use super::{
    Case, Inputs, allowed_each, bits, cases, hold, hostile, inputs, misshapen, only_elements, scattered, tolerance,
    wide, with_threads,
};
use crate::common::{Random, allowed, cpu, views};

/// The unit of the coordinates.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Radians,
    Step(f64),
    Period(f64),
}

fn modes(u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<usize>> {
    let dimensions = if u.ratio(1, 40)? { *u.choose(&[0, 4])? } else { u.int_in_range(1..=3)? };
    let largest = match u.int_in_range(0..=15u8)? {
        0 => [0, 10_000, 300, 40, 5],
        1..=3 => [0, 2000, 60, 14, 5],
        _ => [0, 300, 24, 9, 5],
    }[dimensions];
    let extent = |u: &mut Unstructured<'_>| {
        if u.ratio(1, 80)? {
            Ok(*u.choose(&[0, usize::MAX, 1 << 62])?)
        } else if u.ratio(1, 8)? {
            Ok(1)
        } else {
            u.int_in_range(1..=largest)
        }
    };
    (0..dimensions).map(|_| extent(u)).collect()
}

/// Coordinates that are hostile, equal on each axis, equal in part, or ordinary, within a reach; and whether they are
/// neither in one place nor in a part of the period.
fn points(
    u: &mut Unstructured<'_>,
    random: &mut Random,
    [count, dimensions]: [usize; 2],
    unit: Unit,
) -> arbitrary::Result<(Vec<Array1<f64>>, bool)> {
    let reach = match unit {
        Unit::Period(period) if u.ratio(7, 8)? => 0.7 * period,
        Unit::Step(step) if u.ratio(7, 8)? => 4.0 / step.abs(),
        _ => 4.0,
    };
    let kind = u.int_in_range(0..=3u8)?;
    let mut x = random.points(count, dimensions, reach);
    for axis in &mut x {
        let some: Vec<f64> = (0..6).map(|_| hostile(u)).collect::<arbitrary::Result<_>>()?;
        for x in axis {
            match kind {
                0 if random.unit() < 0.3 => *x = some[random.bits() as usize % some.len()],
                1 => *x = some[0],
                2 if random.unit() < 0.3 => *x = some[0],
                _ => {}
            }
        }
    }
    Ok((x, kind != 1 && (reach != 4.0 || matches!(unit, Unit::Radians))))
}

/// Calls that must fail, and leave what they would write to and the plan's points as they were.
fn refuse<V: Number>(
    u: &mut Unstructured<'_>,
    plan: &mut NufftPlan<V::Real>,
    x: &[Array1<f64>],
    c: &ArrayD<V>,
    f: &ArrayD<Complex<V::Real>>,
) -> arbitrary::Result<()> {
    let (mut bad, count) = (x.to_vec(), x[0].len());
    let axis = u.choose_index(x.len())?;
    match u.int_in_range(0..=2u8)? {
        0 if count > 0 => bad[axis][u.choose_index(count)?] = *u.choose(&[f64::NAN, f64::INFINITY, -f64::INFINITY])?,
        1 if x.len() > 1 => bad[axis] = Array1::zeros(count + 1),
        _ => bad.push(Array1::zeros(count)),
    }
    assert!(plan.set_points(views(&bad)).is_err(), "{bad:?} are taken");
    let seven = V::Real::nearest(7.0);
    let (number, mode) = (V::part_of(Complex::new(seven, seven)), Complex::new(seven, seven));
    let (mut values, mut modes) = (ArrayD::from_elem(c.raw_dim(), number), ArrayD::from_elem(f.raw_dim(), mode));
    let mut other_values = ArrayD::from_elem(misshapen(u, c.shape())?, number);
    let mut other_modes = ArrayD::from_elem(misshapen(u, f.shape())?, mode);
    assert!(plan.type1_into(c, &mut other_modes).is_err(), "{:?} are taken", other_modes.shape());
    assert!(plan.type1_into(&other_values, &mut modes).is_err(), "{:?} are taken", other_values.shape());
    assert!(plan.type2_into(f, &mut other_values).is_err(), "{:?} are taken", other_values.shape());
    assert!(plan.type2_into(&other_modes, &mut values).is_err(), "{:?} are taken", other_modes.shape());
    assert!(plan.type1(&other_values).is_err() && plan.type2(&other_modes).is_err());
    let kept = values.iter().chain(&other_values).all(|x| *x == number);
    assert!(kept && modes.iter().chain(&other_modes).all(|z| *z == mode), "an error wrote to the output");
    Ok(())
}

fn transform<V: Number>(u: &mut Unstructured<'_>) -> Case {
    let modes = modes(u)?;
    let dimensions = modes.len();
    let shape = *u.choose(&[Shape::Prolate, Shape::KaiserBessel, Shape::ExpSemicircle, Shape::Gaussian])?;
    let order = *u.choose(&[ModeOrder::Centred, ModeOrder::Fft])?;
    let [sign, sign_built] = [*u.choose(&[Sign::Plus, Sign::Minus])?, *u.choose(&[Sign::Plus, Sign::Minus])?];
    let mut builder = NufftPlan::<V::Real>::builder(modes.clone()).tolerance(tolerance::<V::Real>(u)?);
    builder = builder.kernel(shape).order(order).sign(sign_built);
    if u.ratio(7, 8)? {
        builder = builder.accept_reachable();
    }
    let upsampling = match u.int_in_range(0..=15u8)? {
        0 => Some(hostile(u)?),
        1 => Some(*u.choose(&[1.0, 1.2, 1.2f64.next_down(), 1.25, 2.0, 4.0, 4.0f64.next_up()])?),
        2..=6 => Some(1.2 + 2.8 * f64::from(u.arbitrary::<u16>()?) / 65535.0),
        _ => None,
    };
    if let Some(upsampling) = upsampling {
        builder = builder.upsampling(upsampling);
    }
    let batch = match u.int_in_range(0..=11u8)? {
        0 if u.ratio(1, 4)? => Some(*u.choose(&[0, usize::MAX])?),
        1..=3 => Some(*u.choose(&[1, 2, 3, 9])?),
        _ => None,
    };
    if let Some(batch) = batch {
        builder = builder.batch(batch);
    }
    let unit = match u.int_in_range(0..=11u8)? {
        0 => Unit::Period(hostile(u)?),
        1..=2 => Unit::Period(*u.choose(&[1.0, 360.0, 1e-3, 0.1])?),
        3 => Unit::Step(hostile(u)?),
        4..=5 => Unit::Step(*u.choose(&[0.5, -1.0, 4.0, -0.125])?),
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
    let Ok(mut plan) = builder.clone().build(&cpu()) else { return Ok(Unchecked) };
    plan.set_sign(sign);

    let (total, batches) = (modes.iter().product::<usize>(), batch.unwrap_or(1));
    // Most direct sums are short, and few cases have so many points that threads share them.
    let terms = match u.int_in_range(0..=31u8)? {
        0 => 2_000_000,
        1..=5 => 200_000,
        _ if total > 2000 => 400_000,
        _ => 20_000,
    };
    let crowd = u.ratio(1, 64)?;
    let count = match crowd {
        true => 25_000 / batches,
        false => (*u.choose(&[0, 1, 2, 3, 10, 40, 150, 1000])?).min(terms / (total * batches)),
    };
    let mut random = Random::new(u.arbitrary()?);
    let (mut x, spread) = points(u, &mut random, [count, dimensions], unit)?;
    let narrow = u.ratio(1, 4)?;
    if narrow {
        x.iter_mut().for_each(|axis| axis.mapv_inplace(|x| f64::from(x as f32)));
    }
    let place = |plan: &mut NufftPlan<V::Real>, x: &[Array1<f64>]| match narrow {
        true => plan.set_points(x.iter().map(|axis| axis.mapv(|x| x as f32)).collect::<Vec<_>>()),
        false => plan.set_points(views(x)),
    };
    let placed = place(&mut plan, &x);
    let finite = x.iter().flatten().all(|x| x.is_finite());
    assert_eq!(placed.is_ok(), finite, "{placed:?}");
    let extents = |last: &[usize]| batch.into_iter().chain(last.iter().copied()).collect::<Vec<_>>();
    let (c, of_c) = inputs::<V>(u, &mut random, &extents(&[count]), count)?;
    let (f, of_f) = inputs::<Complex<V::Real>>(u, &mut random, &extents(&modes), total)?;
    if !finite {
        assert!(plan.type1(&c).is_err() && plan.type2(&f).is_err(), "points that were refused are used");
        x.iter_mut().for_each(|axis| axis.mapv_inplace(|x| if x.is_finite() { x } else { 0.5 }));
        place(&mut plan, &x).unwrap();
    }
    let (mut first, mut second) = (ArrayD::default(f.raw_dim()), ArrayD::default(c.raw_dim()));
    plan.type1_into(&c, &mut first).unwrap();
    plan.type2_into(&f, &mut second).unwrap();
    let what = || format!("{unit:?} {of_c:?} {of_f:?} {count} points, {}", plan.describe());
    let finite = first.iter().map(wide).chain(second.iter().map(wide)).all(|z: Complex<f64>| z.is_finite());
    assert!(finite, "{}, {x:?}", what());
    let same = |plan: &NufftPlan<V::Real>, found: (&ArrayD<Complex<V::Real>>, &ArrayD<V>)| {
        let text = plan.describe();
        assert!(bits(found.0) == bits(&first), "other bits of type 1: {text}");
        assert!(bits(found.1) == bits(&second), "other bits of type 2: {text}");
    };
    if crowd || u.ratio(1, 3)? {
        // Other threads, memory layouts and grids that were used before.
        let mut other = builder.build(with_threads(u.int_in_range(1..=3)?)).unwrap();
        other.set_sign(sign);
        place(&mut other, &x).unwrap();
        let (mut modes, mut values) = (scattered(u, &first)?, scattered(u, &second)?);
        modes.fill(Complex::default());
        values.fill(V::default());
        for _ in 0..u.int_in_range(1..=2u8)? {
            other.type1_into(&scattered(u, &c)?, &mut modes).unwrap();
            other.type2_into(&scattered(u, &f)?, &mut values).unwrap();
            same(&other, (&modes, &values));
        }
        assert!(only_elements(modes) && only_elements(values), "written between elements");
    }
    if u.ratio(1, 4)? {
        let mut plan = plan.clone();
        refuse(u, &mut plan, &x, &c, &f)?;
        let (mut modes, mut values) = (ArrayD::default(f.raw_dim()), ArrayD::default(c.raw_dim()));
        plan.type1_into(&c, &mut modes).unwrap();
        plan.type2_into(&f, &mut values).unwrap();
        same(&plan, (&modes, &values));
    }

    // `by` converts coordinates to radians. Only units are checked in which the product is exact or nearly so; `extra`
    // is 1 if it is rounded.
    let (by, extra) = match unit {
        Unit::Radians => (1.0, 0.0),
        Unit::Step(step) if [0.5, -1.0, 4.0, -0.125].contains(&step) => (step, 0.0),
        Unit::Period(period) if [1.0, 360.0, 1e-3, 0.1].contains(&period) => (std::f64::consts::TAU / period, 1.0),
        _ => return Ok(Unchecked),
    };
    let scaled: Vec<Array1<f64>> = x.iter().map(|axis| axis.mapv(|x| x * by)).collect();
    let exact = |(&x, &scaled): (&f64, &f64)| scaled.is_finite() && (extra > 0.0 || scaled / by == x);
    let largest = scaled.iter().flatten().fold(0.0f64, |a, x| a.max(x.abs()));
    if !x.iter().flatten().zip(scaled.iter().flatten()).all(exact) || (extra > 0.0 && largest > 1e5) {
        return Ok(Unchecked);
    }
    let phases = extra * largest.max(1.0) * 1e-15 * modes.iter().sum::<usize>() as f64;
    let (kept, at) = (plan.recipe().tolerance, views(&scaled));
    let each = allowed_each::<V::Real>(kept, dimensions) + phases;
    // With few terms the error varies more than with many: twice the law is allowed.
    let factor = if spread && count >= 30 && total >= 30 { 1.0 } else { 2.0 };
    let whole = total * count * batches <= terms;
    let l2 = |of: Inputs| (whole && of == Inputs::Even).then(|| factor * allowed::<V::Real>(kept) + phases);
    let rows = |x: &ArrayD<Complex<V::Real>>| x.to_shape((batches, total)).unwrap().to_owned();
    let (f, first) = (rows(&f), rows(&first));
    let c = c.into_shape_with_order((batches, count)).unwrap();
    let second = second.into_shape_with_order((batches, count)).unwrap();
    for transform in 0..if whole { batches } else { 1 } {
        let mut some = |of: usize| -> Vec<usize> {
            if whole { (0..of).collect() } else { (0..8).map(|_| random.bits() as usize % of).collect() }
        };
        let (at_modes, at_points) = (some(total), some(count));
        let (strengths, spectrum) = (c.row(transform), f.row(transform));
        let (wide_c, wide_f): (Vec<_>, Vec<_>) =
            (strengths.iter().map(wide).collect(), spectrum.iter().map(wide).collect());
        let frequencies: Vec<[i64; 3]> = at_modes.iter().map(|&index| frequency(index, &modes, order)).collect();
        let complex: Vec<_> = strengths.iter().map(|x| x.complex()).collect();
        let modes_wanted = direct::type1_at(&at, &complex, &frequencies, sign).unwrap();
        let centred = centred(spectrum, &modes, order);
        let mut values_wanted = direct::type2_at(&at, centred.view(), sign, &at_points).unwrap();
        if V::PARTS == 1 {
            values_wanted.iter_mut().for_each(|z| z.im = 0.0);
        }
        let got: Vec<_> = at_modes.iter().map(|&index| wide(&first[[transform, index]])).collect();
        hold(|| format!("type 1, {}", what()), (&got, &modes_wanted), &wide_c, each, l2(of_c));
        let got: Vec<_> = at_points.iter().map(|&index| wide(&second[[transform, index]])).collect();
        hold(|| format!("type 2, {}", what()), (&got, &values_wanted), &wide_f, each, l2(of_f));
    }
    Ok(Checked)
}

/// The mode at an index in C order.
fn frequency(mut index: usize, modes: &[usize], order: ModeOrder) -> [i64; 3] {
    let mut k = [0; 3];
    for (axis, &extent) in modes.iter().enumerate().rev() {
        let (place, half) = (index % extent, extent / 2);
        index /= extent;
        k[axis] = match order {
            ModeOrder::Fft if place < extent - half => place as i64,
            ModeOrder::Fft => place as i64 - extent as i64,
            ModeOrder::Centred => place as i64 - half as i64,
        };
    }
    k
}

/// Modes of any order in centred order, as the definition takes them.
fn centred<T: Real>(row: ArrayView1<'_, Complex<T>>, modes: &[usize], order: ModeOrder) -> ArrayD<Complex<T>> {
    let mut all = ArrayD::default(IxDyn(modes));
    for (index, &mode) in row.iter().enumerate() {
        let k = frequency(index, modes, order);
        let place: Vec<_> = modes.iter().zip(k).map(|(&extent, k)| (k + (extent / 2) as i64) as usize).collect();
        all[IxDyn(&place)] = mode;
    }
    all
}

#[test]
fn keep_the_law() {
    cases("transforms", |u| match u.int_in_range(0..=7u8)? {
        0 => transform::<f32>(u),
        1 => transform::<f64>(u),
        2..=4 => transform::<Complex<f32>>(u),
        _ => transform::<Complex<f64>>(u),
    });
}
