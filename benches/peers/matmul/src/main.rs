//! Times products by wavemill, OpenBLAS, faer with its own threads, and gemm, alternating on the same matrices in
//! row-major order.
//!
//! `matmul-peers THREADS OPENBLAS.so [quick | MxKxNxBATCH[:OPS[:TYPE]]..]` prints a line of CSV for each case: type, m,
//! k, n, batch, and for each library the median seconds and the largest error of a row, in units of the bound of
//! Freivalds' check. OPS are n or t for A and B, as `nt` for A·Bᵀ; a case without a type is measured for all four.
//! OpenBLAS is the one in NumPy's wheel, whose names begin with `scipy_` and end with `64_`.

use std::ffi::c_int;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use faer::linalg::matmul::matmul;
use faer::mat::{MatMut, MatRef};
use faer::{Accum, Par};
use libloading::Library;
use ndarray::{Array3, ArrayView2, Axis};
use num_complex::Complex;
use wavemill::matmul::{MatmulPlan, Op, freivalds};
use wavemill::{Cpu, Device, Float, Number};

/// Seconds of a library's turn in each round, about.
const TURN: f64 = 0.02;
/// CBLAS's constant for row-major order.
const ROW_MAJOR: c_int = 101;

/// CBLAS's constant for a matrix that is transposed or not.
fn constant(transposed: bool) -> c_int {
    if transposed { 112 } else { 111 }
}

/// A product: m, k, n, batch, and whether A and B are stored transposed.
#[derive(Clone, Copy)]
struct Case {
    extents: [usize; 4],
    transposed: [bool; 2],
}

type RealGemm<T> =
    unsafe extern "C" fn(c_int, c_int, c_int, i64, i64, i64, T, *const T, i64, *const T, i64, T, *mut T, i64);
type ComplexGemm<T> =
    unsafe extern "C" fn(c_int, c_int, c_int, i64, i64, i64, *const T, *const T, i64, *const T, i64, *const T, *mut T, i64);

/// An element type of the peers.
trait Element: Number + faer::traits::ComplexField {
    /// OpenBLAS's matrix product, as a function of the case and of A, B and C.
    fn open_blas(library: &Library, case: Case) -> impl Fn(*const Self, *const Self, *mut Self);
}

macro_rules! real {
    ($type:ty, $name:literal) => {
        impl Element for $type {
            fn open_blas(library: &Library, case: Case) -> impl Fn(*const Self, *const Self, *mut Self) {
                // SAFETY: the symbol is CBLAS's function of this signature, with 64-bit integers.
                let gemm = *unsafe { library.get::<RealGemm<Self>>($name) }.expect("a CBLAS function");
                let [m, k, n, _] = case.extents.map(|extent| extent as i64);
                let [op_a, op_b] = case.transposed.map(constant);
                let (a_wide, b_wide) = (if case.transposed[0] { m } else { k }, if case.transposed[1] { k } else { n });
                move |a, b, c| {
                    // SAFETY: the matrices have these extents, in row-major order.
                    unsafe { gemm(ROW_MAJOR, op_a, op_b, m, n, k, 1.0, a, a_wide, b, b_wide, 0.0, c, n) }
                }
            }
        }
    };
}
macro_rules! complex {
    ($type:ty, $name:literal) => {
        impl Element for $type {
            fn open_blas(library: &Library, case: Case) -> impl Fn(*const Self, *const Self, *mut Self) {
                // SAFETY: as above.
                let gemm = *unsafe { library.get::<ComplexGemm<Self>>($name) }.expect("a CBLAS function");
                let [m, k, n, _] = case.extents.map(|extent| extent as i64);
                let [op_a, op_b] = case.transposed.map(constant);
                let (a_wide, b_wide) = (if case.transposed[0] { m } else { k }, if case.transposed[1] { k } else { n });
                move |a, b, c| {
                    let (one, zero) = (Self::new(1.0, 0.0), Self::new(0.0, 0.0));
                    // SAFETY: as above.
                    unsafe { gemm(ROW_MAJOR, op_a, op_b, m, n, k, &one, a, a_wide, b, b_wide, &zero, c, n) }
                }
            }
        }
    };
}
real!(f32, b"scipy_cblas_sgemm64_");
real!(f64, b"scipy_cblas_dgemm64_");
complex!(Complex<f32>, b"scipy_cblas_cgemm64_");
complex!(Complex<f64>, b"scipy_cblas_zgemm64_");

/// The cases, each as m, k, n and batch.
fn cases(quick: bool) -> Vec<[usize; 4]> {
    let sizes: &[usize] = if quick { &[32, 128, 512] } else { &[32, 64, 96, 128, 256, 512, 1024, 2048, 4096] };
    let tall = if quick { 10_000 } else { 1_000_000 };
    let thin = [[tall, 32, 32, 1], [32, 32, tall, 1], [32, tall, 32, 1], [32, 32, 32, 1000]];
    sizes.iter().map(|&n| [n, n, n, 1]).chain(thin).collect()
}

fn numbers<V: Number>(batch: usize, rows: usize, columns: usize) -> Array3<V> {
    let mut state = (rows * 31 + columns) as u64;
    let mut part = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        V::Real::nearest((state >> 33) as f64 / f64::from(1u32 << 30) - 1.0)
    };
    Array3::from_shape_simple_fn((batch, rows, columns), || V::part_of(Complex::new(part(), part())))
}

fn measure<V: Element>(case: Case, threads: usize, library: &Library) {
    let Case { extents: [m, k, n, batch], transposed } = case;
    let stored = |transposed, rows, columns| if transposed { (columns, rows) } else { (rows, columns) };
    let ((a_rows, a_wide), (b_rows, b_wide)) = (stored(transposed[0], m, k), stored(transposed[1], k, n));
    let (a, b) = (numbers::<V>(batch, a_rows, a_wide), numbers::<V>(batch, b_rows, b_wide));
    let mut c = Array3::<V>::default((batch, m, n));
    let device = Device::from(Cpu::new());
    let [op_a, op_b] = transposed.map(|transposed| if transposed { Op::Transpose } else { Op::Plain });
    let builder = MatmulPlan::<V>::builder(m, k, n).batch([batch]).op_a(op_a).op_b(op_b);
    let plan = builder.build(&device).expect("a plan");
    let open_blas = V::open_blas(library, case);
    // Strides of rows and columns of A, B and C as they are multiplied.
    let strides = |transposed, wide: usize| if transposed { [1, wide as isize] } else { [wide as isize, 1] };
    let (a_strides, b_strides) = (strides(transposed[0], a_wide), strides(transposed[1], b_wide));
    let faer_threads = NonZeroUsize::new(threads).filter(|threads| threads.get() > 1);
    let par = faer_threads.map_or(Par::Seq, Par::Rayon);
    let gemm_threads = if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };

    let operations = 2.0 * (m * k) as f64 * (n * batch) as f64 * (V::PARTS * V::PARTS) as f64;
    let rounds = if operations > 2e10 { 3 } else { 7 };
    let mut repeats = [1; 4];
    let mut times = [const { Vec::new() }; 4];
    let mut errors = [0.0f64; 4];
    // The first round allocates and wakes threads, the second tells how long a call takes.
    for round in 0..rounds + 2 {
        for library in 0..4 {
            let begun = Instant::now();
            for _ in 0..repeats[library] {
                if library == 0 {
                    plan.execute_into(V::unit(), &a, &b, V::default(), &mut c).expect("a product");
                    continue;
                }
                for ((a, b), mut c) in a.outer_iter().zip(b.outer_iter()).zip(c.outer_iter_mut()) {
                    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                    let across = n as isize;
                    match library {
                        1 => open_blas(a, b, c),
                        // SAFETY: the matrices have these extents and strides.
                        2 => unsafe {
                            let a = MatRef::from_raw_parts(a, m, k, a_strides[0], a_strides[1]);
                            let b = MatRef::from_raw_parts(b, k, n, b_strides[0], b_strides[1]);
                            let c = MatMut::from_raw_parts_mut(c, m, n, across, 1);
                            matmul(c, Accum::Replace, a, b, V::unit(), par);
                        },
                        // SAFETY: as above.
                        _ => unsafe {
                            let (zero, one) = (V::default(), V::unit());
                            let ([a_down, a_step], [b_down, b_step]) = (a_strides, b_strides);
                            gemm::gemm(
                                m, n, k, c, 1, across, false, a, a_step, a_down, b, b_step, b_down, zero, one, false,
                                false, false, gemm_threads,
                            );
                        },
                    }
                }
            }
            if round > 1 {
                times[library].push(begun.elapsed().as_secs_f64() / repeats[library] as f64);
            } else if round == 1 {
                repeats[library] = ((TURN / begun.elapsed().as_secs_f64()) as usize).clamp(1, 20_000);
            } else {
                let view = |x: &Array3<V>, transposed: bool| {
                    let x = x.index_axis(Axis(0), batch - 1).to_owned();
                    if transposed { x.reversed_axes() } else { x }
                };
                let (a, b, c) = (view(&a, transposed[0]), view(&b, transposed[1]), view(&c, false));
                errors[library] = error(a.view(), b.view(), c.view());
                c.iter().for_each(|x| assert!(*x == *x, "a library wrote NaN"));
            }
            // OpenBLAS's threads go on spinning: after 40 ms they still took half of the processor from the others.
            std::thread::sleep(Duration::from_millis(if library == 1 && threads > 1 { 100 } else { 0 }));
        }
    }
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let columns: Vec<_> = medians.iter().zip(errors).map(|(time, error)| format!("{time:.4e},{error:.2e}")).collect();
    println!("{},{m},{k},{n},{batch},{threads},{}", V::name(), columns.join(","));
}

fn error<V: Number>(a: ArrayView2<'_, V>, b: ArrayView2<'_, V>, c: ArrayView2<'_, V>) -> f64 {
    freivalds(a, b, c, 2, 1).expect("shapes that fit").worst
}

/// A case in words, and its type, which is empty for all types.
fn named(word: &str) -> (Case, &str) {
    let mut parts = word.split(':');
    let extents: Vec<usize> = parts.next().unwrap_or("").split('x').map(|x| x.parse().expect("an extent")).collect();
    let mut ops = parts.next().unwrap_or("nn").chars().map(|op| op == 't');
    let transposed = [ops.next().expect("two letters"), ops.next().expect("two letters")];
    (Case { extents: extents.try_into().expect("MxKxNxBATCH"), transposed }, parts.next().unwrap_or(""))
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, threads, library, rest @ ..] = &arguments[..] else { panic!("matmul-peers THREADS OPENBLAS.so [quick | MxKxNxBATCH[:OPS[:TYPE]]..]") };
    let threads: usize = threads.parse().expect("a number of threads");
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("a pool");
    // SAFETY: loading OpenBLAS runs its own initialisers alone.
    let library = unsafe { Library::new(library) }.expect("OpenBLAS");
    let named: Vec<_> = rest.iter().filter(|word| *word != "quick").map(|word| named(word)).collect();
    let plain = |extents| (Case { extents, transposed: [false; 2] }, "");
    let cases = if named.is_empty() { cases(!rest.is_empty()).into_iter().map(plain).collect() } else { named };
    for (case, element) in cases {
        let asked = |name: &str| element.is_empty() || element == name;
        if asked("f32") {
            measure::<f32>(case, threads, &library);
        }
        if asked("f64") {
            measure::<f64>(case, threads, &library);
        }
        if asked("c64") {
            measure::<Complex<f32>>(case, threads, &library);
        }
        if asked("c128") {
            measure::<Complex<f64>>(case, threads, &library);
        }
    }
}
