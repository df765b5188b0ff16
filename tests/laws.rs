//! Tests of laws that every backend keeps: adjointness, linearity, shifts, batches equal single transforms, the same
//! bits from run to run, the same answer on every device.

use crate::common::{Random, allowed, cpu, on_every_device, relative_error, views};
use ndarray::{Array1, Array2, Axis, IxDyn, s};
use num_complex::Complex;
use proptest::prelude::*;
use wavemill::nufft::direct;
use wavemill::{Cpu, Device, Error, ModeOrder, NufftPlan, Real, Sign, Stage};

const CASES: [&[usize]; 4] = [&[151], &[24, 31], &[9, 12, 7], &[3, 90]];

fn plan<T: Real>(device: &Device, modes: &[usize], points: &[Array1<f64>], tolerance: f64) -> NufftPlan<T> {
    let mut plan = NufftPlan::<T>::builder(modes).tolerance(tolerance).build(device).unwrap();
    plan.set_points(views(points)).unwrap();
    plan
}

fn dot<'a>(
    a: impl IntoIterator<Item = &'a Complex<f32>>,
    b: impl IntoIterator<Item = &'a Complex<f32>>,
) -> Complex<f64> {
    let wide = |z: &Complex<f32>| Complex::new(f64::from(z.re), f64::from(z.im));
    a.into_iter().zip(b).map(|(a, b)| wide(a) * wide(b).conj()).sum()
}

/// ⟨F c, f⟩ = ⟨c, F* f⟩ with F type 1 and F* type 2 of the opposite sign, up to rounding for every tolerance.
#[test]
fn type_2_is_the_adjoint_of_type_1() {
    on_every_device(|device| {
        for modes in CASES {
            let mut random = Random::new(7);
            let x = random.points(700, modes.len(), 4.0);
            let (c, f) = (random.strengths::<f32>(700), random.modes::<f32>(modes));
            let mut plan = plan::<f32>(device, modes, &x, 1e-3);
            let forward = plan.type1(&c).unwrap();
            plan.set_sign(Sign::Minus);
            let back = plan.type2(&f).unwrap();
            let (left, right) = (dot(&forward, &f), dot(&c, &back));
            let scale = dot(&forward, &forward).re.sqrt() * dot(&f, &f).re.sqrt();
            assert!((left - right).norm() < 2e-6 * scale, "{modes:?} on {}: {left} {right}", device.name());
        }
    });
}

/// The same law in f64 at the tightest tolerance.
#[test]
fn type_2_is_the_adjoint_of_type_1_in_f64() {
    for modes in CASES {
        let mut random = Random::new(8);
        let x = random.points(700, modes.len(), 4.0);
        let (c, f) = (random.strengths::<f64>(700), random.modes::<f64>(modes));
        let mut plan = plan::<f64>(&cpu(), modes, &x, 1e-14);
        let forward = plan.type1(&c).unwrap();
        plan.set_sign(Sign::Minus);
        let back = plan.type2(&f).unwrap();
        let left: Complex<f64> = forward.iter().zip(&f).map(|(a, b)| a * b.conj()).sum();
        let right: Complex<f64> = c.iter().zip(&back).map(|(a, b)| a * b.conj()).sum();
        let norm = |numbers: &mut dyn Iterator<Item = &Complex<f64>>| numbers.map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        let scale = norm(&mut forward.iter()) * norm(&mut f.iter());
        assert!((left - right).norm() < 1e-14 * scale, "{modes:?}: {left} {right}");
    }
}

/// A plan can move to another thread and be shared between threads.
#[test]
fn plans_are_send_and_sync() {
    fn check<P: Send + Sync>() {}
    check::<NufftPlan<f32>>();
    check::<NufftPlan<f64>>();
    check::<Device>();
}

#[test]
fn batch_equals_single_bit_for_bit() {
    on_every_device(|device| {
        for modes in CASES {
            let mut random = Random::new(11);
            let x = random.points(600, modes.len(), 4.0);
            let strengths = Array2::from_shape_simple_fn((3, 600), || random.complex::<f32>());
            let mut batched = NufftPlan::<f32>::builder(modes).tolerance(1e-5).batch(3).build(device).unwrap();
            batched.set_points(views(&x)).unwrap();
            let all = batched.type1(&strengths).unwrap();
            let back = batched.type2(&all).unwrap();
            assert_eq!(back.shape(), [3, 600]);
            let single = plan::<f32>(device, modes, &x, 1e-5);
            for item in 0..3 {
                let one = single.type1(&strengths.index_axis(Axis(0), item).to_owned()).unwrap();
                assert_eq!(one, all.index_axis(Axis(0), item), "{modes:?} on {}", device.name());
                let values = single.type2(&one).unwrap();
                assert_eq!(values, back.index_axis(Axis(0), item), "{modes:?} on {}", device.name());
            }
        }
    });
}

/// The progress callback is called for every stage of every group of a batch, in order, up to the whole batch.
#[test]
fn progress_is_told() {
    let mut random = Random::new(43);
    let x = random.points(50, 2, 3.0);
    let mut plan = NufftPlan::<f64>::builder([9, 7]).batch(6).build(&cpu()).unwrap();
    plan.set_points(views(&x)).unwrap();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = told.clone();
    plan.on_progress(move |progress| log.lock().unwrap().push(progress));
    let modes = plan.type1(&Array2::from_shape_simple_fn((6, 50), || random.complex::<f64>())).unwrap();
    let stages = |told: &[wavemill::nufft::Progress]| told.iter().map(|told| told.stage).collect::<Vec<_>>();
    let first = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(stages(&first[..3]), [Stage::Spread, Stage::Fft, Stage::Deconvolve]);
    plan.type2(&modes).unwrap();
    let second = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(stages(&second[..3]), [Stage::Deconvolve, Stage::Fft, Stage::Interpolate]);
    for told in [first, second] {
        assert!(told.iter().all(|told| told.of == 6) && told.iter().is_sorted_by_key(|told| told.done));
        assert!(told.last().unwrap().done == 6 && told[0].done > 1, "several transforms share a point's kernel values");
    }
}

/// Transforms of chunks of points add up to the transform of all points, in batches too. A sum that is dropped has no
/// effect.
#[test]
fn chunks_of_points_add_up() {
    on_every_device(|device| {
        for modes in CASES {
            let mut random = Random::new(37);
            let x = random.points(900, modes.len(), 4.0);
            let strengths = Array2::from_shape_simple_fn((6, 900), || random.complex::<f32>());
            let mut plan = NufftPlan::<f32>::builder(modes).tolerance(1e-5).batch(6).build(device).unwrap();
            plan.set_points(views(&x)).unwrap();
            let whole = plan.type1(&strengths).unwrap();
            let part =
                |range: std::ops::Range<usize>| -> Vec<_> { x.iter().map(|x| x.slice(s![range.clone()])).collect() };
            let mut dropped = plan.accumulate().unwrap();
            dropped.add(part(0..900), &strengths).unwrap();
            let _ = dropped;
            let mut sum = plan.accumulate().unwrap();
            for range in [0..100, 100..100, 100..870, 870..900] {
                sum.add(part(range.clone()), &strengths.slice(s![.., range])).unwrap();
            }
            assert!(sum.add(part(0..10), &strengths).is_err());
            let added = sum.finish().unwrap();
            let wide = whole.mapv(|z| Complex::new(f64::from(z.re), f64::from(z.im)));
            let apart = relative_error(&added, &wide);
            assert!(apart < 1e-6, "{modes:?} on {}: {apart:e}", device.name());
            // The plan is unchanged, and a sum without chunks is 0.
            plan.set_points(views(&x)).unwrap();
            assert_eq!(plan.type1(&strengths).unwrap(), whole);
            let nothing = plan.accumulate::<Complex<f32>, ndarray::Ix2>().unwrap();
            assert!(nothing.finish().unwrap().iter().all(|mode| mode.norm() == 0.0));
        }
    });
}

/// Interpolation alone is the adjoint of spreading alone. The sum of a grid is the sum over strengths, each times its
/// stencil's sum, which is the same for all up to the kernel's tolerance.
#[test]
fn spreading_and_interpolation_alone_are_adjoint() {
    on_every_device(|device| {
        for modes in CASES {
            let mut random = Random::new(41);
            let x = random.points(300, modes.len(), 4.0);
            let c = random.strengths::<f32>(300);
            let plan = plan::<f32>(device, modes, &x, 1e-5);
            let spread = plan.spread(&c).unwrap();
            assert_eq!(spread.shape(), plan.recipe().grid);
            let grid = random.modes::<f32>(&plan.recipe().grid.clone());
            let values = plan.interpolate(&grid).unwrap();
            let (left, right) = (dot(&spread, &grid), dot(&c, &values));
            let scale = dot(&spread, &spread).re.sqrt() * dot(&grid, &grid).re.sqrt();
            assert!((left - right).norm() < 2e-6 * scale, "{modes:?} on {}: {left} {right}", device.name());
            // Interpolation from a grid of ones gives each stencil's sum, which varies by the kernel's tolerance only.
            let ones = ndarray::ArrayD::from_elem(grid.shape(), Complex::new(1.0f32, 0.0));
            let sums = plan.interpolate(&ones).unwrap();
            let spreads: Complex<f32> = spread.iter().sum();
            let strengths: Complex<f32> = c.iter().sum();
            assert!((spreads - strengths * sums[0]).norm() < 1e-3 * sums[0].re * 17.0, "{modes:?}");
            assert!(sums.iter().all(|sum| (sum - sums[0]).norm() < 2e-4 * sums[0].re), "{modes:?}");
        }
    });
}

/// Points all over the period, and points crowded in a corner, which are spread by other code.
fn crowds(random: &mut Random, dimensions: usize) -> Vec<Vec<Array1<f64>>> {
    vec![random.points(60_000, dimensions, 3.2), random.points(60_000, dimensions, 0.02)]
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    for modes in [&[40_000][..], &[230_000], &[200, 220], &[30, 41, 36], &[3, 700], &[2, 40, 33]] {
        let mut random = Random::new(13);
        for x in crowds(&mut random, modes.len()) {
            let strengths = random.strengths::<f64>(60_000);
            let run = |threads: usize| {
                let device = Device::from(Cpu::with_threads(threads).unwrap());
                let plan = plan::<f64>(&device, modes, &x, 1e-7);
                let forward = plan.type1(&strengths).unwrap();
                let back = plan.type2(&forward).unwrap();
                (forward, back)
            };
            let alone = run(1);
            assert!(alone.0.iter().all(|mode| mode.re.is_finite()));
            for threads in [2, 4] {
                assert!(run(threads) == alone, "{modes:?} with {threads} threads");
            }
        }
    }
}

#[test]
fn the_same_bits_from_run_to_run() {
    on_every_device(|device| {
        for modes in [&[3000][..], &[50, 40], &[12, 10, 14]] {
            let mut random = Random::new(17);
            for reach in [3.2, 0.02] {
                let x = random.points(9000, modes.len(), reach);
                let strengths = random.strengths::<f32>(9000);
                let mut first = plan::<f32>(device, modes, &x, 1e-5);
                let forward = first.type1(&strengths).unwrap();
                let back = first.type2(&forward).unwrap();
                let mut second = plan::<f32>(device, modes, &x, 1e-5);
                for plan in [&mut first, &mut second] {
                    assert_eq!(plan.type1(&strengths).unwrap(), forward, "{modes:?} on {}", device.name());
                    assert_eq!(plan.type2(&forward).unwrap(), back, "{modes:?} on {}", device.name());
                }
            }
        }
    });
}

/// Crowded points against the oracle: they are spread in private tiles (CPU) and in several rounds (GPU), and the
/// errors of all points have the same sign.
#[test]
fn crowded_points_keep_the_error_law() {
    on_every_device(|device| {
        for (modes, tolerance) in [(&[640][..], 1e-5), (&[160, 120], 1e-4), (&[8, 6, 10], 1e-5), (&[32, 30, 26], 1e-5)]
        {
            let mut random = Random::new(19);
            let x = random.points(20_000, modes.len(), 0.03);
            let strengths = random.strengths::<f32>(20_000);
            let plan = plan::<f32>(device, modes, &x, tolerance);
            let forward = plan.type1(&strengths).unwrap();
            let sample: Vec<usize> = (0..400).map(|_| (random.bits() % forward.len() as u64) as usize).collect();
            let mode = |mut index: usize| {
                let mut k = [0; 3];
                for (axis, &extent) in modes.iter().enumerate().rev() {
                    k[axis] = (index % extent) as i64 - (extent / 2) as i64;
                    index /= extent;
                }
                k
            };
            let at: Vec<[i64; 3]> = sample.iter().map(|&index| mode(index)).collect();
            let exact = direct::type1_at(&views(&x), strengths.as_slice().unwrap(), &at, Sign::Plus).unwrap();
            let forward = forward.as_slice().unwrap();
            let error = relative_error(&sample.iter().map(|&index| forward[index]).collect::<Vec<_>>(), &exact);
            println!("{modes:?} {tolerance:e} on {}: {error:.2e}", device.name());
            assert!(error <= allowed::<f32>(tolerance), "{modes:?} {tolerance:e} on {}: {error:e}", device.name());
        }
    });
}

/// Backends agree up to rounding with the same width and grid, whatever the error of both.
#[test]
fn every_device_gives_the_same_answer() {
    on_every_device(|device| {
        for (modes, order) in
            [(&[2500][..], ModeOrder::Fft), (&[40, 55], ModeOrder::Centred), (&[14, 9, 20], ModeOrder::Fft)]
        {
            let mut random = Random::new(23);
            let x = random.points(3000, modes.len(), 30.0);
            let (c, f) = (random.strengths::<f32>(3000), random.modes::<f32>(modes));
            let run = |device: &Device| {
                let builder =
                    NufftPlan::<f32>::builder(modes).tolerance(1e-5).order(order).sign(Sign::Minus).upsampling(2.0);
                let mut plan = builder.build(device).unwrap();
                plan.set_points(views(&x)).unwrap();
                (plan.type1(&c).unwrap(), plan.type2(&f).unwrap())
            };
            let (one, two) = (run(&cpu()), run(device));
            for (one, two) in [(&one.0, &two.0), (&one.1, &two.1)] {
                let wide = one.mapv(|z| Complex::new(f64::from(z.re), f64::from(z.im)));
                let apart = relative_error(two, &wide);
                assert!(apart < 2e-6, "{modes:?} on {}: {apart:e}", device.name());
            }
        }
    });
}

#[test]
fn fft_order_is_centred_order_rotated() {
    for modes in [&[8][..], &[7], &[5, 6]] {
        let mut random = Random::new(29);
        let x = random.points(100, modes.len(), 4.0);
        let c = random.strengths::<f64>(100);
        let build = |order| {
            let mut plan = NufftPlan::<f64>::builder(modes).order(order).build(&cpu()).unwrap();
            plan.set_points(views(&x)).unwrap();
            plan
        };
        let (centred, fft) = (build(ModeOrder::Centred), build(ModeOrder::Fft));
        let (a, b) = (centred.type1(&c).unwrap(), fft.type1(&c).unwrap());
        for (at, value) in a.indexed_iter() {
            let there: Vec<usize> = (0..modes.len()).map(|d| (at[d] + modes[d] - modes[d] / 2) % modes[d]).collect();
            assert_eq!(*value, b[IxDyn(&there)]);
        }
        assert_eq!(centred.type2(&a).unwrap(), fft.type2(&b).unwrap());
    }
}

/// Coordinates are columns of a table, read from its end, and strengths have the points along the first axis.
#[test]
fn arrays_at_any_stride_give_the_same_bits() {
    on_every_device(|device| {
        let mut random = Random::new(31);
        let table = Array2::from_shape_simple_fn((900, 2), || random.between(-4.0, 4.0));
        let strengths = Array2::from_shape_simple_fn((900, 3), || random.complex::<f32>());
        let columns: Vec<_> = table.columns().into_iter().map(|column| column.slice_move(s![..;-1])).collect();
        let apart: Vec<_> = columns.iter().map(|column| Array1::from_iter(column.iter().copied())).collect();
        let mut plan = NufftPlan::<f32>::builder([24, 31]).tolerance(1e-4).batch(3).build(device).unwrap();
        plan.set_points(views(&apart)).unwrap();
        let expected = plan.type1(&strengths.t().as_standard_layout()).unwrap();
        plan.set_points(&columns).unwrap();
        assert_eq!(plan.type1(&strengths.t()).unwrap(), expected, "{}", device.name());
        let real = strengths.mapv(|z| z.re);
        let expected = plan.type1(&real.t().as_standard_layout()).unwrap();
        assert_eq!(plan.type1(&real.t()).unwrap(), expected, "real, {}", device.name());
        // Modes are in Fortran order.
        let mut modes = ndarray::Array3::zeros([31, 24, 3]);
        plan.type1_into(&real.t(), &mut modes.view_mut().reversed_axes()).unwrap();
        assert_eq!(modes.view().reversed_axes(), expected);
        let values = plan.type2(&expected).unwrap();
        assert_eq!(plan.type2(&modes.reversed_axes()).unwrap(), values, "type 2, {}", device.name());
    });
}

#[test]
fn bad_coordinates_are_named_at_any_stride() {
    let mut table = Array2::zeros((600, 2));
    table[[411, 1]] = f64::NAN;
    let mut plan = NufftPlan::<f64>::builder([8, 8]).build(&cpu()).unwrap();
    let error = plan.set_points([table.column(0), table.column(1)]).unwrap_err();
    assert!(matches!(error, Error::NotFinite { index: 411, axis: 1, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn is_linear(modes in 1usize..300, points in 1usize..300, seed: u64, re in -2.0..2.0, im in -2.0..2.0) {
        let mut random = Random::new(seed);
        let x = random.points(points, 1, 10.0);
        let (a, b) = (random.strengths::<f64>(points), random.strengths::<f64>(points));
        let factor = Complex::new(re, im);
        let plan = plan::<f64>(&cpu(), &[modes], &x, 1e-9);
        let sum = plan.type1(&(&a + &b.mapv(|b| b * factor))).unwrap();
        let parts = plan.type1(&a).unwrap() + plan.type1(&b).unwrap().mapv(|b| b * factor);
        let scale = parts.iter().chain(&sum).map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        prop_assert!((&sum - &parts).iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt() <= 1e-13 * scale);
    }

    /// Moving every point by s multiplies mode k by exp(i k s).
    #[test]
    fn shifting_points_turns_modes(modes in 2usize..200, points in 1usize..200, seed: u64, shift in -20.0..20.0) {
        let mut random = Random::new(seed);
        let x = random.points(points, 1, 3.0);
        let c = random.strengths::<f64>(points);
        let still = plan::<f64>(&cpu(), &[modes], &x, 1e-11).type1(&c).unwrap();
        let moved = plan::<f64>(&cpu(), &[modes], &[&x[0] + shift], 1e-11).type1(&c).unwrap();
        let scale = still.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        for (i, (still, moved)) in still.iter().zip(&moved).enumerate() {
            let k = i as f64 - (modes / 2) as f64;
            prop_assert!((still * Complex::from_polar(1.0, k * shift) - moved).norm() <= 1e-10 * scale.max(1.0));
        }
    }

    #[test]
    fn any_size_and_any_number_of_points_keep_the_law(
        a in 1usize..40, b in 1usize..12, points in 0usize..60, seed: u64, digits in 1i32..13,
    ) {
        let tolerance = 10f64.powi(-digits);
        let mut random = Random::new(seed);
        let x = random.points(points, 2, 8.0);
        let c = random.strengths::<f64>(points);
        let got = plan::<f64>(&cpu(), &[a, b], &x, tolerance).type1(&c).unwrap();
        let exact = direct::type1(&views(&x), c.as_slice().unwrap(), &[a, b], Sign::Plus).unwrap();
        // The error is relative to the usual size of a sum of this many terms, as terms may cancel in few modes.
        let size = (points as f64 * (a * b) as f64).sqrt().max(1e-300);
        let off = (got.iter().zip(&exact)).map(|(a, b)| (a - b).norm_sqr()).sum::<f64>().sqrt();
        prop_assert!(off <= allowed::<f64>(tolerance) * size, "{off:e} of {size:e}");
    }
}

/// Executing takes `&self`, and a clone has points of its own.
#[test]
fn a_plan_is_shared_by_threads_and_cloned_for_other_points() {
    on_every_device(|device| {
        let mut random = Random::new(97);
        let (x, y) = (random.points(400, 2, 3.0), random.points(150, 2, 3.0));
        let (c, d) = (random.strengths::<f32>(400), random.strengths::<f32>(150));
        let mut plan = NufftPlan::<f32>::builder([18, 21]).tolerance(1e-4).build(device).unwrap();
        plan.set_points(views(&x)).unwrap();
        let expected = plan.type1(&c).unwrap();
        let mut other = plan.clone();
        assert_eq!(other.type1(&c).unwrap(), expected, "a clone has the points of its plan, {}", device.name());
        other.set_points(views(&y)).unwrap();
        let of_other = other.type1(&d).unwrap();
        assert_eq!(plan.type1(&c).unwrap(), expected, "and leaves them alone");
        let exact = direct::type1(&views(&y), d.as_slice().unwrap(), &[18, 21], Sign::Plus).unwrap();
        assert!(relative_error(&of_other, &exact) < 4e-4);
        let (plan, other, values) = (&plan, &other, plan.type2(&expected).unwrap());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..4 {
                        assert_eq!(plan.type1(&c).unwrap(), expected);
                        assert_eq!(plan.type2(&expected).unwrap(), values);
                        assert_eq!(other.type1(&d).unwrap(), of_other);
                    }
                });
            }
        });
    });
}

/// Real strengths that are accumulated or spread give what complex ones give.
#[test]
fn real_strengths_are_accumulated_and_spread() {
    on_every_device(|device| {
        for modes in [&[40][..], &[12, 17], &[6, 7, 9]] {
            let mut random = Random::new(101);
            let x = random.points(300, modes.len(), 3.0);
            let real = Array1::from_shape_simple_fn(300, || random.between(-1.0, 1.0));
            let complex = real.mapv(|c| Complex::new(c, 0.0));
            let mut plan = NufftPlan::<f64>::builder(modes.to_vec()).tolerance(1e-9).build(device).unwrap();
            let part = |range: std::ops::Range<usize>| {
                x.iter().map(|axis| axis.slice(s![range.clone()]).to_owned()).collect::<Vec<_>>()
            };
            let mut sum = plan.accumulate().unwrap();
            for range in [0..130, 130..300] {
                sum.add(part(range.clone()), &real.slice(s![range])).unwrap();
            }
            let added = sum.finish().unwrap();
            plan.set_points(views(&x)).unwrap();
            let whole = plan.type1(&complex).unwrap();
            assert!(relative_error(&added, &whole) < 1e-13, "{modes:?}, {}", device.name());
            let (grid, both) = (plan.spread(&real).unwrap(), plan.spread(&complex).unwrap());
            let apart = relative_error(&grid.mapv(|cell| Complex::new(cell, 0.0)), &both);
            assert!(apart < 1e-14, "{modes:?}, {}: {apart:e}", device.name());
            let values: ndarray::ArrayD<f64> = plan.interpolate(&grid).unwrap();
            let apart =
                relative_error(&values.mapv(|value| Complex::new(value, 0.0)), &plan.interpolate(&both).unwrap());
            assert!(apart < 1e-14, "{modes:?}, {}: {apart:e}", device.name());
        }
    });
}
