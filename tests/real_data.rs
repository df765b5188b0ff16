//! Tests of real strengths and real values: the error law against direct sums, symmetry, and adjointness of type 1 and
//! type 2.

use crate::common::{Random, allowed, cpu, on_every_device, relative_error, views};
use ndarray::{Array1, Array2, ArrayD, Axis};
use num_complex::Complex;
use wavemill::nufft::direct;
use wavemill::{Cpu, Device, ModeOrder, NufftPlan, Real, Sign};

const ORDERS: [ModeOrder; 2] = [ModeOrder::Centred, ModeOrder::Fft];

fn strengths<T: Real>(random: &mut Random, count: usize) -> Array1<T> {
    Array1::from_iter((0..count).map(|_| T::nearest(random.between(-1.0, 1.0))))
}

fn complex<T: Real>(values: &Array1<T>) -> Array1<Complex<T>> {
    values.mapv(|x| Complex::new(x, T::zero()))
}

/// The errors of both types on one plan, in the plan's order, against direct sums.
fn errors<T: Real>(
    device: &Device,
    modes: &[usize],
    points: usize,
    tolerance: f64,
    sign: Sign,
    order: ModeOrder,
) -> [f64; 2] {
    let mut random = Random::new(modes.iter().sum::<usize>() as u64);
    let x = random.points(points, modes.len(), 5.0);
    let c = strengths::<T>(&mut random, points);
    let builder = NufftPlan::<T>::builder(modes).tolerance(tolerance).order(order).sign(sign);
    let mut plan = builder.build(device).unwrap();
    plan.set_points(views(&x)).unwrap();
    let exact = direct::type1(&views(&x), complex(&c).as_slice().unwrap(), modes, sign).unwrap();
    let spectrum = centred(plan.type1(&c).unwrap(), order);
    let first = relative_error(&spectrum, &exact);

    let f = random.modes::<T>(modes);
    let exact = direct::type2(&views(&x), f.view(), sign).unwrap();
    let exact: Vec<_> = exact.iter().map(|z| Complex::new(z.re, 0.0)).collect();
    let values = plan.type2_real(&uncentred(f, order)).unwrap();
    let values: Vec<_> = values.iter().map(|&x| Complex::new(x, T::zero())).collect();
    [first, relative_error(&values, &exact)]
}

/// Modes in the given order, converted to centred order.
fn centred<T: Real>(modes: ArrayD<Complex<T>>, order: ModeOrder) -> ArrayD<Complex<T>> {
    rotated(modes, order, |count| count / 2)
}

fn uncentred<T: Real>(modes: ArrayD<Complex<T>>, order: ModeOrder) -> ArrayD<Complex<T>> {
    rotated(modes, order, |count| count - count / 2)
}

fn rotated<T: Real>(
    mut modes: ArrayD<Complex<T>>,
    order: ModeOrder,
    by: impl Fn(usize) -> usize,
) -> ArrayD<Complex<T>> {
    if order == ModeOrder::Fft {
        for axis in 0..modes.ndim() {
            for mut lane in modes.lanes_mut(Axis(axis)) {
                let mut line = lane.to_vec();
                let count = line.len();
                line.rotate_right(by(count));
                lane.iter_mut().zip(line).for_each(|(to, from)| *to = from);
            }
        }
    }
    modes
}

/// Covers odd and even extents, the shortest ones, both orders and both signs.
#[test]
fn keeps_the_law_for_every_shape() {
    let shapes: [&[usize]; 21] = [
        &[1],
        &[2],
        &[3],
        &[8],
        &[150],
        &[151],
        &[1, 1],
        &[2, 3],
        &[30, 31],
        &[31, 40],
        &[1, 4, 2],
        &[10, 12, 14],
        &[9, 12, 7],
        &[12, 9, 34],
        &[3, 200],
        &[200, 3],
        &[2, 5, 90],
        &[90, 4, 3],
        &[5, 40, 14],
        &[1, 200],
        &[200, 1],
    ];
    for modes in shapes {
        for order in ORDERS {
            for sign in [Sign::Plus, Sign::Minus] {
                for tolerance in [1e-3, 1e-8, 1e-14] {
                    let found = errors::<f64>(&cpu(), modes, 60, tolerance, sign, order);
                    let worst = found[0].max(found[1]);
                    assert!(
                        worst <= allowed::<f64>(tolerance),
                        "{modes:?} {order:?} {sign:?} {tolerance:e}: {found:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn keeps_the_law_at_every_tolerance() {
    for modes in [&[1][..], &[2], &[5], &[73], &[18, 25], &[8, 9, 10]] {
        for digits in 1..=14 {
            let tolerance = 10f64.powi(-digits);
            let found = errors::<f64>(&cpu(), modes, 300, tolerance, Sign::Plus, ModeOrder::Centred);
            assert!(found[0].max(found[1]) <= allowed::<f64>(tolerance), "f64 {modes:?} {tolerance:e}: {found:?}");
            if digits <= 6 {
                let found = errors::<f32>(&cpu(), modes, 300, tolerance, Sign::Minus, ModeOrder::Fft);
                assert!(found[0].max(found[1]) <= allowed::<f32>(tolerance), "f32 {modes:?} {tolerance:e}: {found:?}");
            }
        }
    }
}

/// Covers lines that are long enough to be split into rows and columns, and crowded points.
#[test]
fn keeps_the_law_on_long_lines_and_crowded_tiles() {
    for modes in [430_000, 524_289] {
        for order in ORDERS {
            let found = errors::<f64>(&cpu(), &[modes], 20, 1e-12, Sign::Plus, order);
            assert!(found[0].max(found[1]) <= allowed::<f64>(1e-12), "{modes} {order:?}: {found:?}");
        }
    }
    let found = errors::<f64>(&cpu(), &[9], 30_000, 1e-9, Sign::Plus, ModeOrder::Centred);
    assert!(found[0].max(found[1]) <= allowed::<f64>(1e-9), "{found:?}");
}

#[test]
fn every_device_keeps_the_law() {
    on_every_device(|device| {
        let found = errors::<f32>(device, &[24, 31], 700, 1e-5, Sign::Minus, ModeOrder::Centred);
        assert!(found[0].max(found[1]) <= allowed::<f32>(1e-5), "{}: {found:?}", device.name());
    });
}

/// Modes of real strengths have conjugate symmetry; and batches, threads and earlier complex data change no bit.
#[test]
fn symmetric_and_the_same_bits_whatever_came_before() {
    let mut random = Random::new(5);
    let x = random.points(20_000, 2, 3.0);
    let c = Array2::from_shape_simple_fn((3, 20_000), || random.between(-1.0, 1.0));
    let f = random.modes::<f64>(&[3, 61, 75]);
    let mut plan = NufftPlan::<f64>::builder([61, 75]).batch(3).build(&cpu()).unwrap();
    plan.set_points(views(&x)).unwrap();
    plan.type1(&c.mapv(|x| Complex::new(x, x))).unwrap();
    let (modes, values) = (plan.type1(&c).unwrap(), plan.type2_real(&f).unwrap());
    for item in 0..3 {
        for k in 0..61 {
            for l in 0..75 {
                let off = modes[[item, k, l]] - modes[[item, 60 - k, 74 - l]].conj();
                assert!(off.norm() < 1e-11 && (l == 37 || off.norm() == 0.0), "{k} {l}: {off}");
            }
        }
    }
    for threads in [1, 3] {
        let device = Device::from(Cpu::with_threads(threads).unwrap());
        let mut plan = NufftPlan::<f64>::builder([61, 75]).build(&device).unwrap();
        plan.set_points(views(&x)).unwrap();
        for item in 0..3 {
            assert_eq!(plan.type1(&c.index_axis(Axis(0), item)).unwrap(), modes.index_axis(Axis(0), item));
            let found = plan.type2_real(&f.index_axis(Axis(0), item)).unwrap();
            assert_eq!(found, values.index_axis(Axis(0), item));
        }
    }
}

/// Re⟨F c, f⟩ = ⟨c, Re F* f⟩ for real c, up to rounding for every tolerance.
#[test]
fn real_type_2_is_the_adjoint_of_real_type_1() {
    for modes in [&[151][..], &[24, 31], &[8, 12, 6], &[100_000]] {
        let mut random = Random::new(7);
        let x = random.points(700, modes.len(), 4.0);
        let (c, f) = (strengths::<f64>(&mut random, 700), random.modes::<f64>(modes));
        let mut plan = NufftPlan::<f64>::builder(modes).tolerance(1e-3).build(&cpu()).unwrap();
        plan.set_points(views(&x)).unwrap();
        let forward = plan.type1(&c).unwrap();
        plan.set_sign(Sign::Minus);
        let mut back = Array1::zeros(700);
        plan.type2_into(&f, &mut back).unwrap();
        let left: f64 = forward.iter().zip(&f).map(|(a, b)| (a * b.conj()).re).sum();
        let right = c.dot(&back);
        let norm = |z: &ArrayD<Complex<f64>>| z.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        assert!((left - right).abs() < 1e-14 * norm(&forward) * norm(&f), "{modes:?}: {left} {right}");
    }
}
