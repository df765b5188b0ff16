//! Type 3: any sources and targets, far away, in one place or hostile, against direct sums.

use arbtest::arbitrary::{self, Unstructured};
use ndarray::{Array1, ArrayD};
use num_complex::Complex;
use wavemill::nufft::{UniformTransform, direct};
use wavemill::{Float, NufftPlan3, Number, Sign};

use super::Outcome::{Checked, Unchecked};
use super::{
    Case, Inputs, allowed_each, bits, cases, hold, hostile, inputs, misshapen, only_elements, scattered, tolerance,
    wide, with_threads,
};
use crate::common::{Random, allowed, cpu, views};

/// The coordinates of sources and of targets on one axis. The product of their extents is bounded, and so is the grid.
struct Axis {
    sources: Array1<f64>,
    targets: Array1<f64>,
}

/// Centres up to 10⁶, half extents whose product is at most `largest`, or points that are all in one place.
fn axis(
    u: &mut Unstructured<'_>,
    random: &mut Random,
    [sources, targets]: [usize; 2],
    largest: f64,
) -> arbitrary::Result<Axis> {
    let product = 10f64.powf(random.between(-3.0, largest.log10()));
    let reach = 10f64.powf(random.between(-3.0, 4.0));
    let mut some = |count: usize, reach: f64| -> arbitrary::Result<Array1<f64>> {
        let size = 10f64.powf(random.between(-2.0, 6.0));
        let centre = *u.choose(&[0.0, 0.0, size, -size])?;
        Ok(match u.int_in_range(0..=11u8)? {
            0 => Array1::from_elem(count, Some(hostile(u)?).filter(|x| x.is_finite()).unwrap_or(centre)),
            1 => Array1::from_elem(count, centre),
            // Not a number added to a centre: the difference to the centre would be exact.
            _ => Array1::from_shape_simple_fn(count, || random.between(centre - reach, centre + reach)),
        })
    };
    Ok(Axis { sources: some(sources, reach)?, targets: some(targets, product / reach)? })
}

/// The centre of some coordinates if it counts, as it does unless it is near 0, and half of their extent.
fn extent(x: &Array1<f64>) -> (bool, f64) {
    let (low, high) = x.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    let half = 0.5 * high - 0.5 * low;
    let centred = (0.5 * high + 0.5 * low).abs() <= 0.1 * half;
    (!centred, if centred { low.abs().max(high.abs()) } else { half })
}

/// Calls that must fail, and leave what they would write to and the plan's points as they were.
fn refuse<V: Number>(
    u: &mut Unstructured<'_>,
    plan: &mut NufftPlan3<V::Real>,
    [x, s]: [&[Array1<f64>]; 2],
    c: &ArrayD<V>,
    values: &ArrayD<Complex<V::Real>>,
) -> arbitrary::Result<()> {
    let (mut sources, mut targets) = (x.to_vec(), s.to_vec());
    let bad = if u.arbitrary()? { &mut sources } else { &mut targets };
    let (axis, count) = (u.choose_index(bad.len())?, bad[0].len());
    match u.int_in_range(0..=2u8)? {
        0 if count > 0 => bad[axis][u.choose_index(count)?] = *u.choose(&[f64::NAN, f64::INFINITY, -f64::INFINITY])?,
        1 if bad.len() > 1 => bad[axis] = Array1::zeros(count + 1),
        // No memory holds the grid.
        2 if x[0].len() > 1 && s[0].len() > 1 => {
            for some in [&mut sources, &mut targets] {
                (some[axis][0], some[axis][1]) = (1e12, -*u.choose(&[1e12, 1e300, f64::MAX])?);
            }
        }
        _ => bad.push(Array1::zeros(count)),
    }
    assert!(plan.set_points(views(&sources), views(&targets)).is_err(), "{sources:?} and {targets:?} are taken");
    let seven = V::Real::nearest(7.0);
    let mode = Complex::new(seven, seven);
    let (mut out, mut back) = (values.mapv(|_| mode), ArrayD::from_elem(c.raw_dim(), mode));
    let mut other_out = ArrayD::from_elem(misshapen(u, values.shape())?, mode);
    let mut other_back = ArrayD::from_elem(misshapen(u, c.shape())?, mode);
    assert!(plan.type3_into(c, &mut other_out).is_err() && plan.type3_into(&other_back, &mut out).is_err());
    assert!(plan.adjoint_into(values, &mut other_back).is_err() && plan.adjoint_into(&other_out, &mut back).is_err());
    assert!(plan.type3(&other_back).is_err() && plan.adjoint(&other_out).is_err());
    let kept = [out, back, other_out, other_back].iter().flatten().all(|z| *z == mode);
    assert!(kept, "an error wrote to the output");
    Ok(())
}

fn transform<V: Number>(u: &mut Unstructured<'_>) -> Case {
    let dimensions = if u.ratio(1, 60)? { *u.choose(&[0, 4])? } else { u.int_in_range(1..=3)? };
    let sign = *u.choose(&[Sign::Plus, Sign::Minus])?;
    let mut builder = NufftPlan3::<V::Real>::builder(dimensions).tolerance(tolerance::<V::Real>(u)?).sign(sign);
    if u.ratio(7, 8)? {
        builder = builder.accept_reachable();
    }
    let batch = *u.choose(&[None, None, None, None, None, Some(1), Some(2), Some(5)])?;
    let batch = if u.ratio(1, 60)? { Some(0) } else { batch };
    if let Some(batch) = batch {
        builder = builder.batch(batch);
    }
    if u.ratio(1, 4)? {
        builder = builder.uniform_transform(*u.choose(&[UniformTransform::Host, UniformTransform::Device])?);
    }
    let Ok(mut plan) = builder.clone().build(&cpu()) else { return Ok(Unchecked) };
    let batches = batch.unwrap_or(1);
    // Most direct sums are short, and few cases have so many points that threads share them.
    let terms = if u.ratio(1, 12)? { 200_000 } else { 20_000 };
    let crowd = u.ratio(1, 64)?;
    let sources = if crowd { 25_000 / batches } else { *u.choose(&[0, 1, 2, 3, 10, 40, 150, 600])? };
    let targets = *u.choose(&[0, 1, 2, 3, 10, 40, 150, 600])?;
    let targets = if crowd { targets.min(8) } else { targets.min(terms / (sources * batches).max(1)) };
    let mut random = Random::new(u.arbitrary()?);
    let largest = [1.0, 2000.0, 60.0, 12.0][dimensions] * if u.ratio(1, 24)? { 4.0 } else { 1.0 };
    let axes = (0..dimensions).map(|_| axis(u, &mut random, [sources, targets], largest));
    let axes = axes.collect::<arbitrary::Result<Vec<_>>>()?;
    let (x, s): (Vec<_>, Vec<_>) = axes.into_iter().map(|axis| (axis.sources, axis.targets)).unzip();

    let extents = |last: usize| batch.into_iter().chain([last]).collect::<Vec<_>>();
    let (c, of_c) = inputs::<V>(u, &mut random, &extents(sources), sources)?;
    let (f, of_f) = inputs::<Complex<V::Real>>(u, &mut random, &extents(targets), targets)?;
    assert!(plan.type3(&c).is_err() && plan.adjoint(&f).is_err(), "there are no points yet");
    plan.set_points(views(&x), views(&s)).unwrap();
    let reaches: Vec<_> = x.iter().zip(&s).map(|(x, s)| (extent(x), extent(s))).collect();
    let what = || {
        let asked = plan.describe();
        format!("{dimensions}-D {of_c:?} {of_f:?} {sources} sources, {targets} targets, {reaches:?}, {asked}")
    };
    let found = plan.type3(&c).unwrap();
    let back = if u.ratio(1, 3)? { Some(plan.adjoint(&f).unwrap()) } else { None };
    if crowd || u.ratio(1, 4)? {
        // Other threads and memory layouts, and grids that were used before.
        let mut other = builder.build(with_threads(u.int_in_range(1..=3)?)).unwrap();
        other.set_points(views(&x), views(&s)).unwrap();
        let mut values = scattered(u, &found)?;
        values.fill(Complex::default());
        for _ in 0..u.int_in_range(1..=2u8)? {
            other.type3_into(&scattered(u, &c)?, &mut values).unwrap();
            assert!(bits(&values) == bits(&found), "other bits: {}", what());
        }
        assert!(only_elements(values), "written between elements: {}", what());
        if let Some(back) = &back {
            assert!(bits(&other.adjoint(&scattered(u, &f)?).unwrap()) == bits(back), "other bits: {}", what());
        }
    }
    if u.ratio(1, 4)? {
        let mut plan = plan.clone();
        refuse(u, &mut plan, [&x, &s], &c, &f)?;
        assert!(bits(&plan.type3(&c).unwrap()) == bits(&found), "an error changed something: {}", what());
    }

    let kept = plan.recipes().map_or(0.0, |(outer, _)| outer.tolerance);
    // The coordinates are rounded once if a centre is not 0.
    let rounded = reaches.iter().map(|((far_x, x), (far_s, s))| if *far_x || *far_s { x * s } else { 0.0 });
    let rounding = 2.0 * f64::EPSILON * rounded.filter(|product| product.is_finite()).sum::<f64>();
    let each = allowed_each::<V::Real>(kept, dimensions) + rounding;
    // Of few targets a large part is at the edges of their range, where the law of each output is all that is kept.
    // Where the values are all alike, their error varies more: twice the law is allowed.
    let (many, varied) = (sources.min(targets) >= 30, reaches.iter().any(|((_, x), (_, s))| x * s > 30.0));
    let law = allowed::<V::Real>(0.0).max(5.0 * kept) * if varied { 1.0 } else { 2.0 } + rounding;
    let l2 = |of: Inputs| (many && of == Inputs::Even).then_some(law);
    let c = c.into_shape_with_order((batches, sources)).unwrap();
    let f = f.into_shape_with_order((batches, targets)).unwrap();
    let row = |x: &ArrayD<Complex<V::Real>>, len: usize| -> Vec<Vec<Complex<f64>>> {
        let numbers: Vec<_> = x.iter().map(wide).collect();
        (0..batches).map(|row| numbers[row * len..(row + 1) * len].to_vec()).collect()
    };
    let (found, back) = (row(&found, targets), back.map(|back| row(&back, sources)));
    for transform in 0..batches {
        let strengths: Vec<_> = c.row(transform).iter().map(|x| x.complex()).collect();
        let wanted = direct::type3(&views(&x), &strengths, &views(&s), sign).unwrap();
        let inputs: Vec<_> = strengths.iter().map(wide).collect();
        hold(|| format!("type 3, {}", what()), (&found[transform], &wanted), &inputs, each, l2(of_c));
        if let Some(back) = &back {
            let opposite = if sign == Sign::Plus { Sign::Minus } else { Sign::Plus };
            let values = f.row(transform).to_vec();
            let wanted = direct::type3(&views(&s), &values, &views(&x), opposite).unwrap();
            let inputs: Vec<_> = values.iter().map(wide).collect();
            // What is promised of the adjoint is that it is one: each of its errors is one of type 3.
            hold(|| format!("adjoint, {}", what()), (&back[transform], &wanted), &inputs, each, None);
        }
    }
    Ok(Checked)
}

#[test]
fn keeps_the_law() {
    cases("type3", |u| match u.int_in_range(0..=7u8)? {
        0 => transform::<f32>(u),
        1 => transform::<f64>(u),
        2..=4 => transform::<Complex<f32>>(u),
        _ => transform::<Complex<f64>>(u),
    });
}
