//! Tests of uniform transforms on a GPU against plain sums along one axis after another.
#![cfg(feature = "gpu")]

use crate::common::{self, Random, own_device, relative_error};
use num_complex::Complex;
use wavemill::fft::Fft;
use wavemill::{Error, Gpu, Real, Sign, Timings, wgpu};

/// The transform by direct sums along one axis after another, in f64.
fn expected(numbers: &[Complex<f64>], extents: &[usize], sign: Sign) -> Vec<Complex<f64>> {
    let mut numbers = numbers.to_vec();
    for (axis, &n) in extents.iter().enumerate() {
        let stride: usize = extents[axis + 1..].iter().product();
        let circle = std::f64::consts::TAU * if sign == Sign::Plus { 1.0 } else { -1.0 };
        let twiddles: Vec<_> = (0..n).map(|m| Complex::from_polar(1.0, circle * m as f64 / n as f64)).collect();
        let at = |index: usize| index / stride % n;
        numbers = (0..numbers.len())
            .map(|index| {
                let first = index - at(index) * stride;
                (0..n).map(|l| numbers[first + l * stride] * twiddles[at(index) * l % n]).sum()
            })
            .collect();
    }
    numbers
}

/// Checks transforms of random numbers in both directions. The bound in f64 is the error of the plain sums.
fn check<T: Real>(gpu: &Gpu, extents: &[usize], batch: usize, bound: f64) {
    let mut random = Random::new(61);
    let count: usize = extents.iter().product();
    let numbers: Vec<Complex<T>> = (0..count * batch).map(|_| random.complex()).collect();
    let fft = Fft::<T>::new(gpu, extents, batch).unwrap();
    for sign in [Sign::Plus, Sign::Minus] {
        let mut there = gpu.upload(&numbers).unwrap();
        fft.execute(&mut there, sign).unwrap();
        let found = gpu.download(&there).unwrap();
        for (found, numbers) in found.chunks(count).zip(numbers.chunks(count)) {
            let wide: Vec<_> = numbers.iter().map(|z| Complex::new(z.re.into(), z.im.into())).collect();
            let error = relative_error(found, &expected(&wide, extents, sign));
            assert!(error < bound, "{extents:?} x {batch}, {sign}, {}: {error:e}", fft.describe());
        }
    }
}

/// Covers every radix, lines of one stage and of several, axes of all strides, columns that do not fill a workgroup,
/// and batches.
#[test]
fn transforms_are_the_sums() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    for (extents, batch) in
        [(&[1][..], 2), (&[2], 1), (&[3], 5), (&[45], 3), (&[600], 2), (&[6, 10], 2), (&[20, 9], 1), (&[5, 4, 27], 2)]
    {
        check::<f32>(&gpu, extents, batch, 4e-7);
    }
    if gpu.has_f64() {
        check::<f64>(&gpu, &[60, 8], 2, 3e-15);
        check::<f64>(&gpu, &[1000], 1, 3e-15);
    }
}

/// With 16 KiB of workgroup memory, lines of more than 2048 numbers take two passes, and lines of more than 2 million
/// three; strided lines of more than 1024 take two.
#[test]
fn long_lines_take_several_passes() {
    let Some((_, _turn)) = common::gpu() else { return };
    let (_, gpu) = own_device(wgpu::Limits::default(), wgpu::Features::SHADER_F64);
    let fft = Fft::<f32>::new(&gpu, &[4096], 3).unwrap();
    assert!(fft.describe().contains("64·64"), "{}", fft.describe());
    check::<f32>(&gpu, &[4096], 3, 4e-7);
    check::<f32>(&gpu, &[1200, 3], 1, 4e-7);
    if gpu.has_f64() {
        check::<f64>(&gpu, &[3000], 2, 3e-15);
    }
    // Three passes: a tone becomes one bin, and the bin with the other sign becomes the tone again.
    let n = 1 << 22;
    let fft = Fft::<f32>::new(&gpu, &[n], 1).unwrap();
    let at = 1_234_567;
    let mut numbers = vec![Complex::new(0.0f32, 0.0); n];
    numbers[at] = Complex::new(1.0, 0.0);
    let mut there = gpu.upload(&numbers).unwrap();
    fft.execute(&mut there, Sign::Minus).unwrap();
    let tone = gpu.download(&there).unwrap();
    let angle = |l: usize| -std::f64::consts::TAU * ((at * l) % n) as f64 / n as f64;
    let exact: Vec<_> = (0..n).map(|l| Complex::from_polar(1.0, angle(l))).collect();
    assert!(relative_error(&tone, &exact) < 5e-7);
    fft.execute(&mut there, Sign::Plus).unwrap();
    let back = gpu.download(&there).unwrap();
    assert!((back[at].re / n as f32 - 1.0).abs() < 1e-6);
    let rest: f64 = back.iter().enumerate().filter(|(l, _)| *l != at).map(|(_, z)| f64::from(z.norm_sqr())).sum();
    assert!(rest.sqrt() < 1e-6 * n as f64, "{rest:e}");
}

#[test]
fn a_program_records_a_transform_into_its_own_commands() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let fft = Fft::<f32>::new(&gpu, &[45], 1).unwrap();
    let numbers: Vec<Complex<f32>> = (0..45).map(|l| Complex::new(l as f32, 1.0)).collect();
    let (mut own, mut recorded) = (gpu.upload(&numbers).unwrap(), gpu.upload(&numbers).unwrap());
    let mut timings = Timings::default();
    let before = gpu.submissions();
    fft.timed(&mut own, Sign::Plus, &mut timings).unwrap();
    assert_eq!(gpu.submissions() - before, 1);
    let encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let encoder = fft.record(encoder, &mut recorded, Sign::Plus).unwrap();
    assert_eq!(gpu.download(&recorded).unwrap(), numbers, "nothing is done before the program submits");
    gpu.queue().submit([encoder.finish()]);
    assert_eq!(gpu.download(&recorded).unwrap(), gpu.download(&own).unwrap());
}

#[test]
fn what_cannot_be_transformed_is_refused() {
    let Some((_, _turn)) = common::gpu() else { return };
    let gpu = Gpu::enumerate().into_iter().find_map(Result::ok).unwrap();
    let error = Fft::<f32>::new(&gpu, &[14], 1).unwrap_err();
    assert!(error.to_string().contains("powers of 2, 3 and 5") && error.to_string().contains("14"), "{error}");
    assert!(matches!(Fft::<f32>::new(&gpu, &[], 1).unwrap_err(), Error::Parameter { .. }));
    assert!(matches!(Fft::<f32>::new(&gpu, &[0], 1).unwrap_err(), Error::Parameter { .. }));
    assert!(matches!(Fft::<f32>::new(&gpu, &[8], 0).unwrap_err(), Error::Parameter { .. }));
    assert!(matches!(Fft::<f32>::new(&gpu, &[1 << 20], 1 << 20).unwrap_err(), Error::TooLarge { .. }));
    let fft = Fft::<f32>::new(&gpu, &[8], 2).unwrap();
    let mut short = gpu.upload(&[Complex::new(0.0f32, 0.0); 8]).unwrap();
    assert!(matches!(fft.execute(&mut short, Sign::Plus).unwrap_err(), Error::Shape { .. }));
}
