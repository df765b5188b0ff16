//! Tests of passes over sources: the answers of a plan on the whole array, the same bits for any number of threads,
//! slices, budgets, and errors in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array, Array1, Array2, Array3, ArrayD, Axis, IxDyn, s};
use wavemill::dynamic::{Streamed, Values};
use wavemill::matmul::{MatmulPlan, Op as Op2, wrapping};
use wavemill::reduce::{Op, ReducePlan};
use wavemill::source::{Description, ElementType, Memory, Region, Source};
use wavemill::stream::{Multiply, Pass, Request, Slice};
use wavemill::{Cpu, Device, Error};

use crate::common::Random;

fn cpu() -> Device {
    Device::from(Cpu::new())
}

/// Whether two results are equal up to some units in the last place: where an array is cut changes that.
fn near(a: &Values, b: &Values) -> bool {
    let (Some(x), Some(y)) = (a.to_f64(), b.to_f64()) else {
        return a == b;
    };
    let ulp = if matches!(a, Values::Float32(_)) { 3e-7 } else { 4e-15 };
    a.element() == b.element()
        && x.shape() == y.shape()
        && x.iter().zip(&y).all(|(&x, &y)| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= ulp * x.abs())
}

fn agrees<E: Streamed>(random: &mut Random, make: impl Fn(&mut Random) -> E, ops: &[Op], device: &Device) {
    let mut pick = |most: usize| random.bits() as usize % most;
    let shape: Vec<usize> = (0..=pick(3)).map(|_| 1 + pick(9)).collect();
    let chunks: Vec<usize> = shape.iter().map(|&len| 1 + pick(len)).collect();
    let axes: Vec<usize> = (0..shape.len()).filter(|_| pick(2) == 0).collect();
    let (keepdims, skip, most) = (pick(2) == 0, pick(2) == 0, 200 + pick(20_000));
    let array = ArrayD::from_shape_simple_fn(IxDyn(&shape), || make(random));
    let plan = ReducePlan::<E>::builder(&shape).axes(&axes).ops(ops.iter().copied()).keepdims(keepdims);
    let wanted = plan.skip_nan(skip).build(device).unwrap().execute(&array);
    let source = Arc::new(Memory::new("x", &array).with_chunks(&chunks));
    let request = Request::new(ops.iter().copied()).axes(&axes).keepdims(keepdims).skip_nan(skip);
    let pass = Pass::builder(source).request(request).memory(most).build(device);
    let pass = match pass {
        Ok(pass) => pass,
        // The smallest budget is named, and is enough.
        Err(Error::TooLarge { needed, .. }) => {
            let bytes: usize = needed.split(' ').next().unwrap().parse().unwrap();
            assert!(bytes > most);
            let source = Arc::new(Memory::new("x", &array).with_chunks(&chunks));
            let request = Request::new(ops.iter().copied()).axes(&axes).keepdims(keepdims).skip_nan(skip);
            Pass::builder(source).request(request).memory(bytes).build(device).unwrap()
        }
        Err(error) => panic!("{error}"),
    };
    match (pass.run(), wanted) {
        (Ok(found), Ok(wanted)) => {
            let wanted: Vec<Values> = wanted.into_iter().map(Values::from).collect();
            assert_eq!(found[0].len(), wanted.len());
            for ((op, found), wanted) in ops.iter().zip(&found[0]).zip(&wanted) {
                assert!(near(found, wanted), "{op} over {axes:?} of {shape:?} in {chunks:?}: {found:?}, {wanted:?}");
            }
        }
        (Err(_), Err(_)) => {}
        (found, wanted) => panic!("{found:?}, but a plan gives {wanted:?}"),
    }
}

#[test]
fn a_pass_gives_what_a_plan_gives() {
    let every: Vec<Op> = Op::EVERY.into_iter().filter(|op| !matches!(op, Op::WeightedSum | Op::Average)).collect();
    crate::common::on_every_device(|device| {
        let mut random = Random::new(3);
        let rounds = if device.kind() == wavemill::Kind::Cpu { 150 } else { 5 };
        for _ in 0..rounds {
            let number = |random: &mut Random| {
                if random.bits().is_multiple_of(20) { f64::NAN } else { random.between(-3.0, 3.0) }
            };
            // A product of NaNs alone has no extremes; few numbers are NaN.
            agrees(&mut random, |random| number(random) as f32, &every, device);
            agrees(&mut random, |random| (random.bits() % 9) as u8, &every, device);
            if crate::common::reduces::<f64>(device) {
                agrees(&mut random, number, &every, device);
                agrees(&mut random, |random| random.bits() as i64 >> 40, &every, device);
            }
        }
    });
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let mut random = Random::new(11);
    let array = Array3::from_shape_simple_fn((40, 30, 20), || random.between(-1.0, 1.0) as f32);
    let ops = [Op::Sum, Op::Mean, Op::Var { ddof: 0.0 }, Op::ArgMax];
    for axes in [&[0][..], &[1, 2], &[0, 1, 2], &[]] {
        let run = |threads: usize| {
            let source = Arc::new(Memory::new("x", &array).with_chunks(&[3, 7, 6]));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                Pass::builder(source).request(Request::new(ops).axes(axes)).build(&cpu()).unwrap().run().unwrap()
            })
        };
        let one = run(1);
        assert!((2..6).all(|threads| run(threads) == one), "{axes:?}");
    }
}

#[test]
fn slices_are_taken_from_one_read() {
    let array = Array3::from_shape_fn((24, 5, 6), |(t, j, i)| ((t * t) % 17) as f64 + 0.1 * j as f64 + 10.0 * i as f64);
    // Each chunk may be read once only.
    #[derive(Debug)]
    struct Once(Memory<f64>, Vec<AtomicUsize>);
    impl Source for Once {
        fn description(&self) -> &Description {
            self.0.description()
        }
        fn read(&self, block: &Region, to: &mut [u8]) -> wavemill::Result<()> {
            for t in block.range(0) {
                for j in block.range(1) {
                    for i in block.range(2) {
                        assert_eq!(self.1[(t * 5 + j) * 6 + i].fetch_add(1, Ordering::Relaxed), 0, "read twice");
                    }
                }
            }
            self.0.read(block, to)
        }
    }
    let counts = (0..720).map(|_| AtomicUsize::new(0)).collect();
    let source = Arc::new(Once(Memory::new("x", &array).with_chunks(&[2, 2, 4]), counts));
    let mean = |slice| Request::new([Op::Mean]).axes(&[0]).slice(0, slice);
    let pass = Pass::builder(source.clone())
        .request(mean(Slice::all()))
        .request(mean(Slice::step(0, 4)))
        .request(mean(Slice::step(2, 4)))
        .request(mean(Slice::index(7)))
        .request(Request::new([Op::Max, Op::ArgMax]).slice(1, Slice::range(1, 3)).slice(2, Slice::step(1, 2)))
        .request(Request::new([Op::Sum]).axes(&[1, 2]))
        .build(&cpu())
        .unwrap();
    let found = pass.run().unwrap();
    let of = |request: usize| found[request][0].to_f64().unwrap();
    let close = |a: ArrayD<f64>, b: ndarray::ArrayViewD<'_, f64>| {
        a.shape() == b.shape() && (&a - &b).iter().all(|x| x.abs() < 1e-12)
    };
    assert!(close(of(0), array.mean_axis(Axis(0)).unwrap().view().into_dyn()));
    assert!(close(of(1), array.slice(s![..;4, .., ..]).mean_axis(Axis(0)).unwrap().view().into_dyn()));
    assert!(close(of(2), array.slice(s![2..;4, .., ..]).mean_axis(Axis(0)).unwrap().view().into_dyn()));
    assert!(close(of(3), array.index_axis(Axis(0), 7).into_dyn()));
    let part = array.slice(s![.., 1..3, 1..;2]);
    let (best, value) =
        part.iter().enumerate().fold((0, f64::MIN), |(at, most), (i, &x)| if x > most { (i, x) } else { (at, most) });
    assert_eq!(
        found[4],
        [
            Values::Float64(Array::from_elem(IxDyn(&[]), value)),
            Values::Uint64(Array::from_elem(IxDyn(&[]), best as u64))
        ]
    );
    assert!(close(of(5), array.sum_axis(Axis(2)).sum_axis(Axis(1)).view().into_dyn()));
    assert!(source.1.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}

#[test]
fn what_no_request_needs_is_not_read() {
    let array = Array1::from_iter((0..1000).map(f64::from));
    let pass = |slice| {
        let source = Arc::new(Memory::new("x", &array).with_chunks(&[10]));
        Pass::builder(source).request(Request::new([Op::Sum]).slice(0, slice)).build(&cpu()).unwrap()
    };
    let every_hundredth = pass(Slice::step(5, 100));
    assert_eq!(every_hundredth.reads(), 10 * 10 * 8);
    assert!(every_hundredth.describe().contains("the chunks do not suit this"), "{}", every_hundredth.describe());
    assert_eq!(every_hundredth.run().unwrap()[0][0], Values::Float64(ndarray::arr0(4550.0).into_dyn()));
    assert_eq!(pass(Slice::index(-1)).run().unwrap()[0][0], Values::Float64(ndarray::arr0(999.0).into_dyn()));
}

#[test]
fn weights_follow_the_data() {
    let mut random = Random::new(4);
    let array = Array2::from_shape_simple_fn((30, 8), || random.between(0.0, 1.0));
    let weights = Array2::from_shape_simple_fn((30, 1), || random.between(0.5, 1.0));
    let ops = [Op::Average, Op::WeightedSum, Op::Mean];
    let plan = ReducePlan::builder(array.shape()).axes(&[0]).ops(ops).weights(&weights).build(&cpu()).unwrap();
    let wanted: Vec<Values> = plan.execute(&array).unwrap().into_iter().map(Values::from).collect();
    let source: Arc<dyn Source> = Arc::new(Memory::new("x", &array).with_chunks(&[7, 3]));
    let request = || Request::new(ops).axes(&[0]);
    let build = |request: Request| Pass::builder(source.clone()).request(request).build(&cpu());
    let found = build(request().weights(&weights)).unwrap().run().unwrap();
    assert!(found[0].iter().zip(&wanted).all(|(a, b)| near(a, b)), "{found:?} {wanted:?}");
    assert!(build(request()).unwrap_err().to_string().contains("weights"));
    assert!(
        build(request().weights(&weights.slice(s![..29, ..])))
            .unwrap_err()
            .to_string()
            .contains("broadcasts to 30 x 8")
    );
    assert!(build(Request::new([Op::Mean]).weights(&weights)).unwrap_err().to_string().contains("weights only"));
}

#[test]
fn arrays_without_elements_or_axes_have_answers() {
    let pass = |array: &ArrayD<f32>, axes: &[usize]| {
        let source = Arc::new(Memory::new("x", array));
        Pass::builder(source)
            .request(Request::new([Op::Sum, Op::Mean]).axes(axes))
            .build(&cpu())
            .unwrap()
            .run()
            .unwrap()
            .remove(0)
    };
    let number = pass(&Array::from_elem(IxDyn(&[]), 2.5), &[]);
    assert_eq!(number[0], Values::Float32(Array::from_elem(IxDyn(&[]), 2.5)));
    let nothing = pass(&ArrayD::zeros(IxDyn(&[0, 3])), &[0]);
    assert_eq!(nothing[0], Values::Float32(ArrayD::zeros(IxDyn(&[3]))));
    assert!(nothing[1].to_f64().unwrap().iter().all(|x| x.is_nan()));
    assert_eq!(pass(&ArrayD::zeros(IxDyn(&[0, 3])), &[1])[0], Values::Float32(ArrayD::zeros(IxDyn(&[0]))));
}

#[test]
fn a_pass_that_fails_or_is_stopped_says_so() {
    #[derive(Debug)]
    struct Broken(Memory<f32>);
    impl Source for Broken {
        fn description(&self) -> &Description {
            self.0.description()
        }
        fn read(&self, block: &Region, to: &mut [u8]) -> wavemill::Result<()> {
            if block.range(0).contains(&77) {
                return Err(Error::Read { what: "disk, block 77".into(), reason: "it hums".into() });
            }
            self.0.read(block, to)
        }
    }
    let array = Array1::<f32>::ones(1000);
    let memory = || Memory::new("x", &array).with_chunks(&[10]);
    let request = Request::new([Op::Sum]);
    let error = Pass::builder(Arc::new(Broken(memory())))
        .request(request.clone())
        .memory(2000)
        .build(&cpu())
        .unwrap()
        .run()
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot read disk, block 77: it hums");
    let pass = Pass::builder(Arc::new(memory())).request(request).memory(2000).build(&cpu()).unwrap();
    let calls = AtomicUsize::new(0);
    assert_eq!(pass.run_watched(&|_| calls.fetch_add(1, Ordering::Relaxed) < 3).unwrap_err(), Error::Stopped);
    assert!(calls.load(Ordering::Relaxed) < 20);
    let last = std::sync::Mutex::new(0);
    pass.run_watched(&|progress| {
        assert!(progress.done <= progress.total && progress.total == 4000);
        let mut last = last.lock().unwrap();
        *last = progress.done.max(*last);
        true
    })
    .unwrap();
    assert_eq!(*last.lock().unwrap(), 4000);
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let source: Arc<dyn Source> = Arc::new(Memory::new("x", &Array2::<f32>::zeros((4, 5))));
    let says = |request: Request, part: &str| {
        let error = Pass::builder(source.clone()).request(request).build(&cpu()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let sum = || Request::new([Op::Sum]);
    says(sum().axes(&[2]), "axis = 2");
    says(sum().axes(&[1, 1]), "axis 1 twice");
    says(sum().slice(2, Slice::all()), "axis of a slice = 2");
    says(sum().slice(0, Slice::index(4)), "axis 0, which has 4");
    says(Request::new([]), "operations");
    assert!(Pass::builder(source.clone()).build(&cpu()).unwrap_err().to_string().contains("requests"));
    let complex: Arc<dyn Source> = Arc::new(Memory::new("z", &Array1::<num_complex::Complex<f64>>::zeros(3)));
    let error = Pass::builder(complex).request(Request::new([Op::Max])).build(&cpu()).unwrap_err().to_string();
    assert!(error.contains("no order"), "{error}");
}

/// The product in tiles, put together.
fn multiplied(product: &Multiply) -> Array2<f64> {
    let [m, n] = product.shape();
    let mut c = Array2::from_elem((m, n), f64::NAN);
    product
        .run(&|_| true, &mut |block, bytes| {
            let part: Vec<f64> = bytes.chunks(8).map(|x| f64::from_ne_bytes(x.try_into().unwrap())).collect();
            let (rows, columns) = (block.range(0), block.range(1));
            let mut place = c.slice_mut(s![rows, columns]);
            assert!(place.iter().all(|x| x.is_nan()), "a block came twice");
            place.assign(&Array2::from_shape_vec((block.shape[0], block.shape[1]), part).unwrap());
            Ok(())
        })
        .unwrap();
    c
}

#[test]
fn products_are_made_of_tiles() {
    let mut random = Random::new(8);
    for (m, k, n, memory) in [(700, 300, 530, 2 << 20), (3, 2000, 5, 1 << 20), (600, 1, 1, 4 << 20), (5, 0, 4, 1 << 20)]
    {
        for ops in [
            [Op2::Plain, Op2::Plain],
            [Op2::Transpose, Op2::Plain],
            [Op2::Plain, Op2::Transpose],
            [Op2::Adjoint, Op2::Conjugate],
        ] {
            let shape = |op: Op2, rows, columns| if op.transposes() { (columns, rows) } else { (rows, columns) };
            let a = Array2::from_shape_simple_fn(shape(ops[0], m, k), || random.between(-1.0, 1.0));
            let b = Array2::from_shape_simple_fn(shape(ops[1], k, n), || random.between(-1.0, 1.0));
            let plan = MatmulPlan::builder(m, k, n).op_a(ops[0]).op_b(ops[1]).build(&cpu()).unwrap();
            let wanted = plan.execute(&a, &b).unwrap();
            let read = Arc::new(AtomicUsize::new(0));
            let source = |array: &Array2<f64>| Arc::new(Counted(Memory::new("x", array), read.clone()));
            let builder = Multiply::builder(source(&a), source(&b)).op_a(ops[0]).op_b(ops[1]);
            let product = builder.memory(memory).build(&cpu()).unwrap();
            let found = multiplied(&product);
            assert!((&found - &wanted).iter().all(|x| x.abs() < 1e-12), "{m} {k} {n} {ops:?}");
            assert_eq!(read.load(Ordering::Relaxed) as u64, product.reads(), "{}", product.describe());
            assert!(product.peak() <= memory);
        }
    }
}

/// A source that counts the bytes that are read.
#[derive(Debug)]
struct Counted(Memory<f64>, Arc<AtomicUsize>);

impl Source for Counted {
    fn description(&self) -> &Description {
        self.0.description()
    }
    fn read(&self, block: &Region, to: &mut [u8]) -> wavemill::Result<()> {
        self.1.fetch_add(to.len(), Ordering::Relaxed);
        self.0.read(block, to)
    }
}

#[test]
fn a_matrix_times_its_transpose_is_half_of_the_work() {
    let mut random = Random::new(12);
    let x = Array2::from_shape_simple_fn((900, 70), || random.between(-1.0, 1.0));
    let read = Arc::new(AtomicUsize::new(0));
    let source: Arc<dyn Source> = Arc::new(Counted(Memory::new("x", &x), read.clone()));
    for (ops, wanted) in [([Op2::Plain, Op2::Transpose], x.dot(&x.t())), ([Op2::Transpose, Op2::Plain], x.t().dot(&x))]
    {
        let builder = Multiply::builder(source.clone(), source.clone()).op_a(ops[0]).op_b(ops[1]);
        let product = builder.memory(3 << 20).build(&cpu()).unwrap();
        read.store(0, Ordering::Relaxed);
        let found = multiplied(&product);
        assert!((&found - &wanted).iter().all(|x| x.abs() < 1e-12) && found == found.t());
        assert_eq!(read.load(Ordering::Relaxed) as u64, product.reads());
        let other = Multiply::builder(source.clone(), Arc::new(Memory::new("y", &x))).op_a(ops[0]).op_b(ops[1]);
        assert!(product.reads() < other.memory(3 << 20).build(&cpu()).unwrap().reads());
    }
}

/// Tiles of elements that are converted, and of integers that wrap, against NumPy's rules.
#[test]
fn products_of_mixed_types_and_integers_are_made_of_tiles() {
    fn product(a: Arc<dyn Source>, b: Arc<dyn Source>, wanted: ElementType) -> Vec<u8> {
        let builder = Multiply::builder(a, b).op_a(Op2::Transpose).op_b(Op2::Transpose);
        let product = builder.memory(3 << 20).build(&cpu()).unwrap();
        assert_eq!((product.element(), product.shape()), (wanted, [700, 530]));
        let read = product.reads();
        let size = wanted.size();
        let mut c = vec![0; 700 * 530 * size];
        let take = &mut |block: &Region, bytes: &[u8]| {
            for (row, part) in bytes.chunks_exact(block.shape[1] * size).enumerate() {
                let at = ((block.start[0] + row) * 530 + block.start[1]) * size;
                c[at..at + part.len()].copy_from_slice(part);
            }
            Ok(())
        };
        let last = std::cell::Cell::new(0);
        let watch = |progress: wavemill::stream::Progress| {
            last.set(progress.done);
            true
        };
        product.run(&watch, take).unwrap();
        assert_eq!(last.get(), read, "{}", product.describe());
        c
    }
    let mut random = Random::new(21);
    let a = Array2::from_shape_simple_fn((300, 700), || random.between(-32768.0, 32767.0) as i16);
    let b = Array2::from_shape_simple_fn((530, 300), || random.between(0.0, 255.9) as u8);
    let mut exact = Array2::zeros((700, 530));
    let wide = b.mapv(i64::from);
    wrapping(a.mapv(i64::from).t(), wide.t(), exact.view_mut()).unwrap();
    let source = || -> Arc<dyn Source> { Arc::new(Memory::new("b", &b)) };
    let short = product(Arc::new(Memory::new("a", &a)), source(), ElementType::Int16);
    assert!(short == exact.iter().flat_map(|&x| (x as i16).to_ne_bytes()).collect::<Vec<_>>());
    // float32 holds integers of 16 bits, and these sums too.
    let single = product(Arc::new(Memory::new("a", &a.mapv(|x| f32::from(x % 64)))), source(), ElementType::Float32);
    wrapping(a.mapv(|x| i64::from(x % 64)).t(), wide.t(), exact.view_mut()).unwrap();
    assert!(single == exact.iter().flat_map(|&x| (x as f32).to_ne_bytes()).collect::<Vec<_>>());
    let complex = a.mapv(|x| num_complex::Complex::new(0.0f32, f32::from(x % 64)));
    let turned = product(Arc::new(Memory::new("a", &complex)), source(), ElementType::Complex64);
    let wanted = exact.iter().flat_map(|&x| [0.0f32.to_ne_bytes(), (x as f32).to_ne_bytes()].concat());
    assert!(turned == wanted.collect::<Vec<_>>());
}

#[test]
fn products_that_cannot_be_made_say_why() {
    let source = |rows: usize, columns: usize| -> Arc<dyn Source> {
        Arc::new(Memory::new("x", &Array2::<f64>::ones((rows, columns))))
    };
    let says = |a: Arc<dyn Source>, b: Arc<dyn Source>, memory: usize, part: &str| {
        let error = Multiply::builder(a, b).memory(memory).build(&cpu()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    says(source(3, 4), source(3, 4), 1 << 20, "4 rows, as A has columns");
    says(source(3, 4), Arc::new(Memory::new("y", &Array1::<f64>::ones(4))), 1 << 20, "two axes");
    says(source(1000, 1000), source(1000, 1000), 1000, "1000 are allowed; allow at least");
    let product = Multiply::builder(source(300, 300), source(300, 300)).memory(1 << 22).build(&cpu()).unwrap();
    let stopped = product.run(&|_| false, &mut |_, _| Ok(()));
    assert_eq!(stopped.unwrap_err(), Error::Stopped);
    let full =
        product.run(&|_| true, &mut |_, _| Err(Error::Write { what: "c".into(), reason: "the disk is full".into() }));
    assert_eq!(full.unwrap_err().to_string(), "cannot write c: the disk is full");
}
