//! Reductions on the device: the array goes over in pieces, the shader finds out what is needed of each block, the host joins
//! the blocks.

use ndarray::{ArrayViewD, CowArray, IxDyn};

use crate::error::{Error, Result};
use crate::gpu::device::Context;
use crate::gpu::pipeline::{Slot, Source, folded, generate_as};
use crate::lanes::{Best, Count, Join, Moment, Pair};
use crate::real::Real;
use crate::reduce::Reduction;
use crate::reduce::cells::{Cells, Tally, improve};
use crate::reduce::element::{Element, Scalar};
use crate::reduce::op::{Needs, Op};

/// Lanes of a workgroup.
const LANES: usize = 64;
/// Elements of a run, and of a column, that are joined on the device.
const BLOCKS: [usize; 2] = [1 << 14, 1 << 10];
/// Bytes of a piece: it bounds the staging memory, and the next piece travels while this one is reduced.
const PIECE: u64 = 64 << 20;

/// Sums of f32 with the errors of all additions. What is pinned cannot be reassociated.
const SUMS_F32: &str = "fn pin(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ params.zero);
}

fn added_one(a: Sum, x: f32) -> Sum {
    let sum = pin(a.high + x);
    let part = pin(sum - a.high);
    return Sum(sum, a.low + (pin(a.high - pin(sum - part)) + pin(x - part)));
}

fn added(a: Sum, b: Sum) -> Sum {
    let sum = added_one(a, b.high);
    return Sum(sum.high, sum.low + b.low);
}

// The square in halves of 12 bits, whose products are exact.
fn added_square(a: Sum, x: f32) -> Sum {
    let high = bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
    let low = pin(x - high);
    let square = pin(x * x);
    let error = pin(pin(pin(high * high) - square) + pin(2.0 * high * low)) + pin(low * low);
    let sum = added_one(a, square);
    return Sum(sum.high, sum.low + error);
}

fn nan_bits(bits: u32) -> bool {
    return (bits & 0x7fffffffu) > 0x7f800000u;
}";

/// Sums of f64, whose bits WGSL cannot pin.
const SUMS_F64: &str = "fn added_one(a: Sum, x: f64) -> Sum {
    return Sum(a.high + x, a.low);
}

fn added(a: Sum, b: Sum) -> Sum {
    return Sum(a.high + b.high, a.low + b.low);
}

fn added_square(a: Sum, x: f64) -> Sum {
    return added_one(a, x * x);
}

fn nan_bits(bits: vec2<u32>) -> bool {
    let high = bits.y & 0x7fffffffu;
    return high > 0x7ff00000u || (high == 0x7ff00000u && bits.x != 0u);
}";

/// Sums of integers in halves of 16 bits, which do not overflow within a block.
const SUMS_INTEGER: &str = "fn added_one(a: Sum, x: Real) -> Sum {
    return Sum(a.high + (x >> 16u), a.low + (x & Real(0xffff)));
}

// Not asked for: squares of integers do not fit.
fn added_square(a: Sum, x: Real) -> Sum {
    return a;
}

fn added(a: Sum, b: Sum) -> Sum {
    return Sum(a.high + b.high, a.low + b.low);
}";

/// What the shader makes of the elements it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// They are what is reduced.
    Elements,
    /// Complex numbers, of which |z|² is reduced.
    Powers,
}

/// Numbers of a block's record, in the order in which the shader writes them.
fn record(needs: Needs) -> Vec<&'static str> {
    let mut fields = Vec::new();
    let mut some = |needed: bool, names: &[&'static str]| fields.extend(names.iter().filter(|_| needed));
    some(needs.total, &["total.high", "total.low"]);
    some(needs.moments, &["shift", "first.high", "first.low", "second.high", "second.low"]);
    some(needs.least || needs.first_least, &["least"]);
    some(needs.greatest || needs.first_greatest, &["greatest"]);
    some(needs.absolute, &["absolute.high", "absolute.low"]);
    some(needs.squares, &["squares.high", "squares.low"]);
    fields
}

/// The shader for elements that WGSL calls `real`.
pub(super) fn source(real: &'static str, load: Load, needs: Needs, skip: bool, columns: bool) -> Source {
    let float = real.starts_with('f');
    let (stored, words, value, nan) = match (real, load) {
        ("f32", Load::Elements) => ("f32", "u32", "elements[index]", "nan_bits(words[index])"),
        ("f32", Load::Powers) => (
            "vec2<f32>",
            "vec2<u32>",
            "dot(elements[index], elements[index])",
            "nan_bits(words[index].x) || nan_bits(words[index].y)",
        ),
        ("f64", Load::Elements) => ("f64", "vec2<u32>", "elements[index]", "nan_bits(words[index])"),
        ("f64", Load::Powers) => (
            "vec2<f64>",
            "vec4<u32>",
            "elements[index].x * elements[index].x + elements[index].y * elements[index].y",
            "nan_bits(words[index].xy) || nan_bits(words[index].zw)",
        ),
        _ => (real, "u32", "elements[index]", "false"),
    };
    let arithmetic = match real {
        "f32" => SUMS_F32,
        "f64" => SUMS_F64,
        _ => SUMS_INTEGER,
    };
    let fields = record(needs);
    let write: Vec<_> =
        fields.iter().enumerate().map(|(at, field)| format!("numbers[n + {at}u] = state.{field};")).collect();
    let flag = |flag: bool| flag.to_string();
    let values = [
        ("ARITHMETIC", format!("{arithmetic}\nfn is_nan(index: u32) -> bool {{\n    return {nan};\n}}")),
        ("LANES", LANES.to_string()),
        ("COLUMNS", flag(columns)),
        ("SKIP", flag(skip && float)),
        ("TRUTHS", flag(needs.truths)),
        ("TOTAL", flag(needs.total)),
        ("MOMENTS", flag(needs.moments)),
        ("LEAST", flag(needs.least || needs.first_least)),
        ("GREATEST", flag(needs.greatest || needs.first_greatest)),
        ("ABSOLUTE", flag(needs.absolute)),
        ("SQUARES", flag(needs.squares)),
        ("STORED", stored.into()),
        ("WORDS", words.into()),
        ("LOAD", format!("return {value};")),
        ("NUMBERS", fields.len().max(1).to_string()),
        ("WRITE", write.join("\n    ")),
    ];
    let name = format!("reduce {load:?} {:x} skip {skip} columns {columns}", needs.bits());
    generate_as(real, name, include_str!("../../shaders/reduce.wgsl"), &values)
}

/// Every specialisation there is a rule for.
pub(super) fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for real in ["f32", "f64", "i32", "u32"] {
        let loads = if real.starts_with('f') { &[Load::Elements, Load::Powers][..] } else { &[Load::Elements] };
        let ops = || Op::EVERY.into_iter().filter(|op| !op.weighs() && *op != Op::Prod);
        let all: Vec<_> = ops().collect();
        for needs in ops().map(|op| vec![op]).chain([all]) {
            for (skip, columns) in [(false, false), (false, true), (true, false), (true, true)] {
                let source = |&load| source(real, load, Needs::of(&needs, skip), skip, columns);
                sources.extend(loads.iter().map(source));
            }
        }
    }
    sources
}

/// An array of these elements as the shader sees it: x[k, r, c], reduced over r.
#[derive(Debug, Clone, Copy)]
struct Shape {
    outer: usize,
    rows: usize,
    columns: usize,
}

/// A piece of it.
#[derive(Debug, Clone, Copy)]
struct Piece {
    outer: (usize, usize),
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Piece {
    fn len(&self) -> usize {
        [self.outer, self.rows, self.columns].iter().map(|(first, end)| end - first).product()
    }
}

/// A dispatch that was submitted: its records and what they are of.
#[derive(Debug)]
struct Pending {
    piece: Piece,
    blocks: usize,
    numbers: wgpu::Buffer,
    places: wgpu::Buffer,
}

/// One reduction on its way.
#[derive(Debug)]
struct Job<'a> {
    context: &'a Context,
    source: Source,
    needs: Needs,
    block: usize,
    /// Bytes of a number in a record.
    number: usize,
    /// Bytes of an element.
    stored: usize,
}

/// What the device cannot find out.
fn refused(context: &Context, name: &str, complex: bool, needs: Needs, skip: bool, weighted: bool) -> Result<()> {
    let float = name.starts_with('f') || complex;
    let reason = if !["f32", "f64", "i32", "u32", "c64", "c128"].contains(&name) {
        format!("reduces no {name}: f32, i32, u32, complex numbers, and f64 where shaders have it")
    } else if weighted || needs.product {
        "computes no products and no weighted sums".into()
    } else if !float && (needs.moments || needs.absolute || needs.squares) {
        format!("computes sums, means and extremes of {name} only")
    } else if complex && (skip || needs.absolute || needs.greatest || needs.truths) {
        "computes sums, means, variances and the 2-norm of complex numbers only, NaN included".into()
    } else {
        return Ok(());
    };
    Err(context.error(format!("{reason}; use the CPU: Device::from(Cpu::new())")))
}

/// What is known of each result, all axes that are kept in C order.
pub(super) fn run<E: Element>(context: &Context, asked: &Reduction<'_, E>) -> Result<Cells<E::Scalar>> {
    let Reduction { view, over, needs, skip, weights } = asked;
    refused(context, E::NAME, E::PARTS == 2, *needs, *skip, weights.is_some())?;
    let real = match E::NAME {
        "f64" | "c128" => {
            context.supports::<f64>()?;
            "f64"
        }
        "c64" => "f32",
        name => name,
    };
    let (data, shape) = brought(view.view(), over);
    let data = data.as_slice().expect("brought into C order");
    // Complex numbers are twice as many columns.
    let shape = Shape { columns: shape.columns * E::PARTS, ..shape };
    let mut cells = Cells::identity(*needs, shape.outer * shape.columns / E::PARTS, E::PARTS);
    if data.is_empty() {
        return Ok(cells);
    }
    let job = Job::new(context, real, Load::Elements, *needs, *skip, shape.columns > 1);
    let limit = PIECE.min(context.limits.max_storage_buffer_binding_size) as usize;
    // Records must fit too: a block has one, and at worst half of the blocks are all but empty.
    let records = limit / (record(*needs).len() * job.number).max(16);
    let most = (limit / job.number).min(records * shape.rows.min(job.block) / 2).max(1);
    let scalars = data.len() * E::PARTS;
    let size = most.min(scalars) as u64 * job.number as u64;
    // While one piece is reduced the next one travels into the other buffer.
    let buffers = [context.storage("elements", size)?, context.storage("elements", size)?];
    let mut pending: Option<Pending> = None;
    for (index, piece) in pieces(shape, most, job.block).into_iter().enumerate() {
        let buffer = &buffers[index % 2];
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let offset = |outer: usize, row: usize| (outer * shape.rows + row) * shape.columns * job.number;
        if piece.columns.1 - piece.columns.0 == shape.columns {
            let start = offset(piece.outer.0, piece.rows.0);
            context.write("elements", buffer, &bytes[start..start + piece.len() * job.number])?;
        } else {
            let columns = piece.columns.0 * job.number..piece.columns.1 * job.number;
            let part: Vec<u8> = (piece.rows.0..piece.rows.1)
                .flat_map(|row| &bytes[offset(piece.outer.0, row)..][columns.clone()])
                .copied()
                .collect();
            context.write("elements", buffer, &part)?;
        }
        let next = job.submit(buffer, piece)?;
        if let Some(before) = pending.replace(next) {
            job.collect::<E>(&before, shape, *skip, &mut cells)?;
        }
    }
    if let Some(last) = pending {
        job.collect::<E>(&last, shape, *skip, &mut cells)?;
    }
    Ok(cells)
}

/// An array in C order as the shader sees it, if its reduced axes are next to each other.
fn seen(extents: &[usize], over: &[bool]) -> Option<Shape> {
    let first = over.iter().position(|&over| over).unwrap_or(over.len());
    let end = over.iter().rposition(|&over| over).map_or(first, |last| last + 1);
    let product = |axes: &[usize]| axes.iter().product();
    let shape = Shape {
        outer: product(&extents[..first]),
        rows: product(&extents[first..end]),
        columns: product(&extents[end..]),
    };
    over[first..end].iter().all(|&over| over).then_some(shape)
}

/// The array in C order with its reduced axes next to each other, copied where it is not so.
fn brought<'a, E: Element>(view: ArrayViewD<'a, E>, over: &[bool]) -> (CowArray<'a, E, IxDyn>, Shape) {
    if let Some(shape) = seen(view.shape(), over) {
        let data = if view.is_standard_layout() { view.into() } else { view.as_standard_layout().into_owned().into() };
        return (data, shape);
    }
    let axes = |wanted: bool| (0..over.len()).filter(move |&axis| over[axis] == wanted);
    let product = |wanted: bool| axes(wanted).map(|axis| view.shape()[axis]).product();
    let shape = Shape { outer: product(false), rows: product(true), columns: 1 };
    let order: Vec<_> = axes(false).chain(axes(true)).collect();
    (view.permuted_axes(IxDyn(&order)).as_standard_layout().into_owned().into(), shape)
}

/// What is known of the results of |z|² for complex numbers in device memory, which stay there.
pub(super) fn powers<E: Element + Real>(
    context: &Context,
    buffer: &wgpu::Buffer,
    extents: &[usize],
    over: &[bool],
    needs: Needs,
    skip: bool,
) -> Result<Cells<E::Scalar>> {
    context.supports::<E>()?;
    refused(context, <E as Real>::NAME, false, needs, skip, needs.weighted)?;
    let Some(shape) = seen(extents, over) else {
        return Err(Error::parameter("axes", "next to each other for numbers on a device", format!("{over:?}")));
    };
    let count = shape.outer * shape.rows * shape.columns;
    let bytes = count as u64 * 2 * size_of::<E>() as u64;
    if bytes > buffer.size() {
        let got = buffer.size() / (2 * size_of::<E>() as u64);
        return Err(Error::shape("numbers on the device", count, got));
    }
    context.bindable("numbers on the device", bytes)?;
    let mut cells = Cells::identity(needs, shape.outer * shape.columns, 1);
    if count > 0 {
        let job = Job::new(context, <E as Real>::NAME, Load::Powers, needs, skip, shape.columns > 1);
        let whole = Piece { outer: (0, shape.outer), rows: (0, shape.rows), columns: (0, shape.columns) };
        let pending = job.submit(buffer, whole)?;
        job.collect::<E>(&pending, shape, skip, &mut cells)?;
    }
    Ok(cells)
}

/// Pieces of at most so many scalars, whole blocks of rows where there is more than one.
fn pieces(shape: Shape, most: usize, block: usize) -> Vec<Piece> {
    let Shape { outer, rows, columns } = shape;
    let spans =
        |all: usize, step: usize| (0..all).step_by(step.max(1)).map(move |first| (first, all.min(first + step.max(1))));
    if rows * columns <= most {
        let whole = |outer| Piece { outer, rows: (0, rows), columns: (0, columns) };
        return spans(outer, most / (rows * columns).max(1)).map(whole).collect();
    }
    let wide = columns.min(most.div_ceil(block)).max(1);
    let high = (most / wide / block).max(1) * block;
    let high = high.min((most / wide).max(1));
    let mut all = Vec::new();
    for k in 0..outer {
        for columns in spans(columns, wide) {
            all.extend(spans(rows, high).map(|rows| Piece { outer: (k, k + 1), rows, columns }));
        }
    }
    all
}

impl<'a> Job<'a> {
    fn new(context: &'a Context, real: &'static str, load: Load, needs: Needs, skip: bool, columns: bool) -> Self {
        let number = if real == "f64" { 8 } else { 4 };
        Self {
            context,
            source: source(real, load, needs, skip, columns),
            needs,
            block: BLOCKS[usize::from(columns)],
            number,
            stored: if load == Load::Powers { 2 * number } else { number },
        }
    }

    /// Starts the reduction of a piece that lies at the beginning of a buffer.
    fn submit(&self, buffer: &wgpu::Buffer, piece: Piece) -> Result<Pending> {
        let Self { context, block, .. } = *self;
        let [outer, rows, columns] = [piece.outer, piece.rows, piece.columns].map(|(first, end)| end - first);
        let blocks = rows.div_ceil(block);
        let jobs = outer * blocks * columns;
        let fields = record(self.needs).len().max(1);
        let numbers = context.storage("partial results", (jobs * fields * self.number) as u64)?;
        let places = context.storage("partial results", (jobs * 16) as u64)?;
        let params = [outer, rows, columns, blocks, block, 0].map(|number| number as u32);
        let params = context.uniform(&params)?;
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Write, Slot::Write];
        let kernel = context.kernel(&self.source, "main", &slots)?;
        let size = wgpu::BufferSize::new((piece.len() * self.stored) as u64);
        let elements = || wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size });
        let resources = vec![
            params.as_entire_binding(),
            elements(),
            elements(),
            numbers.as_entire_binding(),
            places.as_entire_binding(),
        ];
        let group = context.bind("reduce", &kernel, resources)?;
        context.submit("reduce", |encoder| {
            let descriptor = wgpu::ComputePassDescriptor { label: Some("reduce"), timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            let (x, y) = folded(if columns > 1 { jobs.div_ceil(LANES) } else { jobs });
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, 1);
        })?;
        Ok(Pending { piece, blocks, numbers, places })
    }

    /// Waits for a piece and takes its blocks in.
    fn collect<E: Element>(
        &self,
        pending: &Pending,
        shape: Shape,
        skip: bool,
        cells: &mut Cells<E::Scalar>,
    ) -> Result<()> {
        let Pending { piece, blocks, numbers, places } = pending;
        let columns = piece.columns.1 - piece.columns.0;
        let jobs = (piece.outer.1 - piece.outer.0) * blocks * columns;
        let fields = record(self.needs);
        let mut records = vec![0u8; jobs * fields.len() * self.number];
        self.context.download("partial results", numbers, &mut records)?;
        let mut counts = vec![[0u32; 4]; jobs];
        self.context.download("partial results", places, &mut counts)?;
        for (job, count) in counts.iter().enumerate() {
            let (outer, column) = (job / columns / blocks, job % columns);
            let scalar = (piece.outer.0 + outer) * shape.columns + piece.columns.0 + column;
            let record = Record::<E> {
                bytes: &records[job * fields.len() * self.number..][..fields.len() * self.number],
                fields: &fields,
                number: self.number,
                element: std::marker::PhantomData,
            };
            record.join(cells, scalar, count, piece.rows.0 as u64, skip);
        }
        Ok(())
    }
}

/// What the shader found out of one block.
#[derive(Debug)]
struct Record<'a, E> {
    bytes: &'a [u8],
    fields: &'a [&'static str],
    number: usize,
    element: std::marker::PhantomData<E>,
}

impl<E: Element> Record<'_, E> {
    fn scalar(&self, field: &str) -> E::Scalar {
        let at = self.fields.iter().position(|name| *name == field).expect("the record has what is needed");
        let bytes = &self.bytes[at * self.number..][..self.number];
        if E::PARTS == 2 {
            bytemuck::pod_read_unaligned(bytes)
        } else {
            bytemuck::pod_read_unaligned::<E>(bytes).widen()[0]
        }
    }

    fn pair(&self, name: &str) -> Pair {
        let [high, low] = ["high", "low"].map(|part| self.scalar(&format!("{name}.{part}")));
        Pair { high: high.lift(), low: low.lift() }
    }

    /// Takes it into the result whose scalars begin at `scalar`.
    fn join(&self, cells: &mut Cells<E::Scalar>, scalar: usize, count: &[u32; 4], first: u64, skip: bool) {
        let output = scalar / E::PARTS;
        let &[valid, truths, least, greatest] = count;
        let needs = cells.needs;
        if scalar.is_multiple_of(E::PARTS) {
            let count = Count { valid: valid.into(), truths: truths.into() };
            cells.counts[output] = cells.counts[output].join(count);
        }
        if needs.total {
            let [high, low] = ["total.high", "total.low"].map(|field| self.scalar(field));
            cells.totals[scalar].add(E::Scalar::block_of(high, low));
        }
        if needs.moments {
            let [first, second] = ["first", "second"].map(|name| self.pair(name)).map(|pair| pair.high + pair.low);
            let shift = self.scalar("shift").lift();
            cells.moments[scalar].add(Moment { count: valid.into(), shift, first, second });
        }
        if needs.squares {
            cells.squares[output].add(self.pair("squares"));
        }
        if needs.absolute {
            cells.absolutes[output].add(self.pair("absolute"));
        }
        let best = |field: &str, place: u32| (self.scalar(field), first + u64::from(place));
        if needs.least || needs.first_least {
            let (value, place) = best("least", least);
            let best = Best { value, place, skip };
            cells.least.get_mut(output).into_iter().for_each(|all| improve(all, best));
            cells.first_least.get_mut(output).into_iter().for_each(|all| improve(all, best));
        }
        if needs.greatest || needs.first_greatest {
            let (value, place) = best("greatest", greatest);
            let best = Best { value, place, skip };
            cells.greatest.get_mut(output).into_iter().for_each(|all| improve(all, best));
            cells.first_greatest.get_mut(output).into_iter().for_each(|all| improve(all, best));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, Shape, pieces};

    /// Every element is in one piece, and no piece is too large.
    fn check(shape: Shape, most: usize, block: usize) {
        let mut seen = vec![0u8; shape.outer * shape.rows * shape.columns];
        for piece in pieces(shape, most, block) {
            assert!(piece.len() <= most && piece.len() > 0, "{piece:?} of {shape:?}");
            let Piece { outer, rows, columns } = piece;
            assert!(columns == (0, shape.columns) || outer.1 - outer.0 == 1, "{piece:?} is not in rows");
            assert!(rows == (0, shape.rows) || outer.1 - outer.0 == 1, "{piece:?} is not in one part");
            for k in outer.0..outer.1 {
                for r in rows.0..rows.1 {
                    (columns.0..columns.1).for_each(|c| seen[(k * shape.rows + r) * shape.columns + c] += 1);
                }
            }
        }
        assert!(seen.iter().all(|&count| count == 1), "{shape:?} in pieces of {most}");
    }

    #[test]
    fn pieces_cover_the_array_once() {
        for (outer, rows, columns) in
            [(1, 1, 1), (7, 5, 3), (1, 1000, 1), (1, 3, 1000), (2, 100, 50), (50, 1, 20), (3, 64, 64)]
        {
            for most in [1, 2, 10, 64, 999, 100_000] {
                for block in [1, 8, 64] {
                    check(Shape { outer, rows, columns }, most, block);
                }
            }
        }
    }
}
