//! Expressions, slices and axes as `--expr`, `--slice` and `--axis` take them: the input is an expression up to a byte
//! 0, and then a slice. The parser belongs to the program, so its files are compiled here once more.
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the program uses more of these files than this target")]

#[path = "../../src/cli/axes.rs"]
mod axes;
#[path = "../../src/cli/expression.rs"]
mod expression;
#[path = "../../src/cli/named.rs"]
mod named;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ndarray::Array3;
use wavemill::reduce::Op;
use wavemill::source::{Memory, Source};
use wavemill::stream::{Pass, Request};
use wavemill::{Cpu, Device};

fuzz_target!(|input: &[u8]| {
    let (text, rest) = wavemill_fuzz::split(input);
    let (text, rest) = (String::from_utf8_lossy(text), String::from_utf8_lossy(rest));
    let source: Arc<dyn Source> = Arc::new(Memory::new("x", &Array3::<f32>::ones((4, 3, 2))));
    let run = |requests: Vec<Request>| {
        let builder =
            requests.into_iter().fold(Pass::builder(source.clone()), |builder, request| builder.request(request));
        let pass = builder.memory(1 << 20).build(&Device::from(Cpu::new())).ok()?;
        Some((pass.run().ok()?, pass))
    };
    if let Ok(expression) = expression::Expression::parse(&text, source.description())
        && let Some((found, pass)) = run(expression.requests())
    {
        let mut found = found.into_iter().enumerate();
        // Terms of different shapes, and extremes of nothing, are errors.
        let _ = expression.combine(&mut found, &|request| pass.kept(request));
    }
    if let Ok(slice) = axes::slice(&rest) {
        let _ = run(vec![Request::new([Op::Sum]).slice(0, slice)]);
    }
    let _ = axes::axis(&rest, source.description());
});
