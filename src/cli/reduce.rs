//! The `reduce` command: several reductions over axes of a file, a store or a list of files, from one read.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wavemill::reduce::Op;
use wavemill::source::{self, Source};
use wavemill::stream::{Pass, Request};
use wavemill::{Cpu, Device};

use crate::args::{self, Choice};
use crate::axes::{axes, axis, slice};
use crate::expression::Expression;
use crate::named::Named;
use crate::npy::Npy;
use crate::results;
use crate::{device, measured, output, progress};

/// Runs the command.
pub(crate) fn run(args: &args::Reduce) -> Result<()> {
    match &args.out {
        Some(store) if results::is_store(store) => output::check_store(store)?,
        Some(folder) => output::make_folder(folder)?,
        None => {}
    }
    check_files(args, args.ops.iter().map(|op| op.name()))?;
    let weighed = args.ops.iter().find(|op| matches!(op, Op::WeightedSum | Op::Average));
    match (weighed, &args.weights) {
        (Some(op), None) => bail!("--ops {op} needs weights; name their file with --weights"),
        (None, Some(_)) => {
            bail!("--weights is for wsum and average, which --ops does not name; add one or leave it out")
        }
        _ => {}
    }
    // What is measured, and what comes through a pipe, is read whole.
    let path = Path::new(&args.data);
    let pipe = args.data == "-" || path.metadata().is_ok_and(|about| !about.is_file() && !about.is_dir());
    if pipe || args.run.timings.is_some() {
        ensure!(
            args.expr.is_empty() && args.slice.is_empty() && args.map.is_none() && !args.plan,
            "--expr, --slice, --map and --plan need a file that can be read in parts, and no --timings"
        );
        let ops: Vec<_> = args.ops.iter().map(|op| op.with_ddof(args.ddof)).collect();
        return results::give(measured::reduce(args, &ops)?, args, None);
    }
    let mut options = source::Options::default().raw(args.raw);
    if let Some(axis) = &args.along {
        options = options.along(axis);
    }
    let source = source::open(&args.data, &options)?;
    let expressions =
        args.expr.iter().map(|text| Expression::parse(text, source.description())).collect::<Result<Vec<_>>>()?;
    check_files(args, expressions.iter().map(Expression::name))?;
    let mut requests: Vec<Request> = expressions.iter().flat_map(Expression::requests).collect();
    if expressions.is_empty() {
        requests.push(request(args, &*source)?);
    }
    let requests = requests.into_iter().map(|request| request.skip_nan(args.skip_nan));
    // Reading takes longer than reducing on any device, so that auto is the processor here.
    let device =
        if args.run.device == Choice::Auto { Device::from(Cpu::new()) } else { device::choose(args.run.device, 0.0)? };
    let mut builder = requests.fold(Pass::builder(source.clone()), wavemill::stream::PassBuilder::request);
    if let Some(bytes) = args.memory {
        builder = builder.memory(bytes);
    }
    let pass = builder.build(&device)?;
    if args.plan {
        return output::print(&format!("{}\n", pass.describe()));
    }
    let found = progress::run(&pass)?;
    let axes_of = |request: usize| pass.kept(request);
    let named = if expressions.is_empty() {
        let ops = args.ops.iter().map(|op| op.with_ddof(args.ddof));
        let pairs = ops.zip(found.into_iter().flatten());
        pairs
            .map(|(op, values)| Named { name: op.name().to_owned(), label: op.to_string(), values, axes: axes_of(0) })
            .collect()
    } else {
        let mut left = found.into_iter().enumerate();
        expressions.iter().map(|expression| expression.combine(&mut left, &axes_of)).collect::<Result<Vec<_>>>()?
    };
    results::give(named, args, Some(&*source))
}

/// Checks that the files of these results, and the others that are asked for, could be written and are different.
fn check_files<'a>(args: &args::Reduce, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let Some(out) = &args.out else {
        return output::check(args.run.timings.iter().chain(&args.map));
    };
    let mut earlier = Vec::new();
    for name in names {
        ensure!(!earlier.contains(&name), "two results are called {name}; give each a name of its own");
        earlier.push(name);
    }
    let earlier = if results::is_store(out) { Vec::new() } else { earlier };
    let results = earlier.into_iter().map(|name| out.join(format!("{name}.npy")));
    let all: Vec<_> = args.run.timings.iter().chain(&args.map).cloned().chain(results).collect();
    output::check(&all)
}

/// The request of --ops, --axis and --slice.
fn request(args: &args::Reduce, source: &dyn Source) -> Result<Request> {
    let about = source.description();
    let ops = args.ops.iter().map(|op| op.with_ddof(args.ddof));
    let mut request = Request::new(ops).keepdims(args.keepdims);
    if !args.axis.is_empty() {
        request = request.axes(&axes(&args.axis, about)?);
    }
    for text in &args.slice {
        let (name, range) = text.split_once('=').with_context(|| format!("--slice {text}: write it as time=::4"))?;
        request = request.slice(axis(name, about)?, slice(range)?);
    }
    if let Some(path) = &args.weights {
        request = request.weights(&Npy::open(path)?.read_real()?);
    }
    Ok(request)
}
