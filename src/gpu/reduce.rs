//! Reductions on the device: the array goes over in pieces, the shader finds out what is needed of each block, the host
//! joins the blocks.

use std::borrow::Cow;

use ndarray::{ArrayViewD, CowArray, IxDyn};

use crate::element::Element;
use crate::error::{Error, Result};
use crate::gpu::arithmetic::{Load, lanes, source};
use crate::gpu::buffer::Fetch;
use crate::gpu::device::Context;
use crate::gpu::pipeline::{Slot, Source, folded};
use crate::gpu::record::{Block, Format, Kind, Record, times_power};
use crate::numeric::scaled::ScaledProduct;
use crate::real::Real;
use crate::reduce::op::Op;
use crate::reduce::partial::Join;
use crate::reduce::partials::Partials;
use crate::reduce::quantity::{Needs, Quantity};
use crate::reduce::request::Reduction;
use crate::reduce::scalar::Scalar;

/// Elements of a run, and of a column, that are joined on the device: sums of integers in halves fit for 2^15.
const BLOCKS: [usize; 2] = [1 << 14, 1 << 10];
/// Elements of a longer run's blocks at most, where they are floating-point numbers, and how many blocks are enough:
/// each has a record that the host joins.
const LONGEST: usize = 1 << 16;
const MANY: usize = 1 << 11;
/// Bytes of a piece: it bounds the staging memory, and the next piece travels while this one is reduced.
const PIECE: u64 = 64 << 20;
/// Bytes of a weight: f64, or a number of f32 and what rounding took from it.
const WEIGHT: usize = 8;

/// Every specialisation there is a rule for.
pub(super) fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for kind in [Kind::F32, Kind::F64, Kind::I32, Kind::U32] {
        // Integers are weighed as floating-point numbers, and none of them is NaN.
        let loads = if kind.float() { &[Load::Elements, Load::Pairs, Load::Powers][..] } else { &[Load::Elements] };
        let ops = || Op::EVERY.into_iter().filter(|op| kind.float() || !op.weighs());
        let all: Vec<_> = ops().collect();
        for needs in ops().map(|op| vec![op]).chain([all]) {
            for (skip, columns) in [(false, false), (false, true), (true, false), (true, true)] {
                let source = |&load| source(kind, load, Needs::of(&needs, skip), skip, columns);
                sources.extend(loads.iter().filter(|_| kind.float() || !skip).map(source));
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

/// How elements go over, and as what the shader sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As they are.
    Same,
    /// Integers of 8 and 16 bits, in 32.
    Widened,
    /// Integers as f64.
    Lifted,
    /// Integers as halves of 16 bits, both f32: two parts whose sums are added up.
    Halved,
}

impl Form {
    /// What the shader sees.
    fn kind<E: Element>(self) -> (Kind, Load) {
        match (self, E::NAME) {
            (Self::Widened, _) | (Self::Same, "i32") => (Kind::I32, Load::Elements),
            (Self::Lifted, _) | (Self::Same, "f64") => (Kind::F64, Load::Elements),
            (Self::Halved, _) | (Self::Same, "c64") => (Kind::F32, Load::Pairs),
            (Self::Same, "c128") => (Kind::F64, Load::Pairs),
            (Self::Same, "u32") => (Kind::U32, Load::Elements),
            (Self::Same, _) => (Kind::F32, Load::Elements),
        }
    }

    /// The bytes that go over.
    fn bytes<E: Element>(self, elements: &[E]) -> Cow<'_, [u8]> {
        let scalars = || elements.iter().map(|x| x.widen()[0]);
        match self {
            Self::Same => Cow::Borrowed(bytemuck::cast_slice(elements)),
            Self::Widened => bytemuck::cast_slice(&scalars().collect::<Vec<_>>()).to_vec().into(),
            Self::Lifted => bytemuck::cast_slice(&scalars().map(Scalar::lift).collect::<Vec<_>>()).to_vec().into(),
            Self::Halved => {
                let halves = scalars().map(Scalar::whole).flat_map(|x| [(x >> 16 << 16) as f32, (x & 0xffff) as f32]);
                bytemuck::cast_slice(&halves.collect::<Vec<_>>()).to_vec().into()
            }
        }
    }
}

/// Weights in the order of the elements they belong to.
#[derive(Debug, Clone, Copy)]
struct Weights<'a> {
    numbers: &'a [f64],
    /// They go over times 2 to minus this, which brings the largest to below 1: f32 have not the range of f64.
    exponent: i32,
}

impl<'a> Weights<'a> {
    fn new(numbers: &'a [f64]) -> Self {
        let largest = numbers.iter().filter(|weight| weight.is_finite()).fold(0.0f64, |most, w| most.max(w.abs()));
        Self { numbers, exponent: (largest.to_bits() >> 52) as i32 - 1022 }
    }

    /// The bytes of some of them.
    fn bytes(self, weights: Cow<'_, [f64]>, kind: Kind) -> Vec<u8> {
        if kind == Kind::F64 {
            return bytemuck::cast_slice(&weights).to_vec();
        }
        let parts = weights.iter().flat_map(|&weight| {
            let weight = times_power(weight, -self.exponent);
            let high = weight as f32;
            [high, if high.is_finite() { (weight - f64::from(high)) as f32 } else { 0.0 }]
        });
        bytemuck::cast_slice(&parts.collect::<Vec<_>>()).to_vec()
    }
}

/// A dispatch that was submitted: its records, which are on their way, and what they are of.
#[derive(Debug)]
struct Pending {
    piece: Piece,
    blocks: usize,
    records: Fetch,
    /// Where the blocks' places begin, after their numbers.
    places: usize,
}

/// One pass over the elements.
#[derive(Debug)]
struct Job<'a> {
    context: &'a Context,
    source: Source,
    format: Format,
    shape: Shape,
    skip: bool,
    /// Whether elements are counted: once, if there is more than one pass.
    counted: bool,
    /// The power of two that weights were divided by.
    exponent: i32,
    /// Elements of a block.
    block: usize,
    /// Of a workgroup.
    lanes: usize,
    /// Bytes of an element.
    stored: usize,
}

/// What the device cannot find out.
fn refused(context: &Context, name: &str) -> Result<()> {
    if ["f32", "f64", "i8", "i16", "i32", "u8", "u16", "u32", "c64", "c128"].contains(&name) {
        return Ok(());
    }
    let reason = format!("reduces no {name}: WGSL has integers of 32 bits; use the CPU: Device::from(Cpu::new())");
    Err(context.error(reason))
}

/// What is known of each result, all axes that are kept in C order.
pub(super) fn run<E: Element>(context: &Context, asked: &Reduction<'_, E>) -> Result<Partials<E::Scalar>> {
    let Reduction { view, over, needs, skip, weights } = asked;
    refused(context, E::NAME)?;
    let form = if ["i8", "i16", "u8", "u16"].contains(&E::NAME) { Form::Widened } else { Form::Same };
    if form.kind::<E>().0 == Kind::F64 {
        context.supports::<f64>()?;
    }
    let (data, shape) = brought(view.view(), over);
    let data = data.as_slice().expect("brought into C order");
    let weights = weights.as_ref().map(|weights| brought(weights.view(), over).0);
    let weights =
        weights.as_ref().map(|weights| Weights::new(weights.as_slice().expect("brought into C order like the data")));
    let mut partials = Partials::identity(*needs, shape.outer * shape.columns, E::PARTS);
    if data.is_empty() {
        return Ok(partials);
    }
    let weighing = Needs::only(Quantity::Weighted);
    let rest = Needs::all(needs.each().filter(|&quantity| quantity != Quantity::Weighted));
    let passes = if E::Scalar::FLOAT || !needs.has(Quantity::Weighted) {
        vec![(form, *needs)]
    } else {
        // Weights make integers floating-point numbers.
        let weighed = if context.supports::<f64>().is_ok() { Form::Lifted } else { Form::Halved };
        if rest == Needs::default() { vec![(weighed, weighing)] } else { vec![(form, rest), (weighed, weighing)] }
    };
    for (index, (form, needs)) in passes.into_iter().enumerate() {
        let (kind, load) = form.kind::<E>();
        let mut job = Job::new(context, (kind, load), needs, *skip, shape);
        job.counted = index == 0;
        job.run(form, data, weights.filter(|_| needs.has(Quantity::Weighted)), &mut partials)?;
    }
    Ok(partials)
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
fn brought<'a, T: Clone>(view: ArrayViewD<'a, T>, over: &[bool]) -> (CowArray<'a, T, IxDyn>, Shape) {
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
) -> Result<Partials<E::Scalar>> {
    context.supports::<E>()?;
    if needs.has(Quantity::Weighted) {
        let reason = "weighs no numbers that are on it: weigh mapv(|z| z.norm_sqr()) with execute";
        return Err(context.error(reason));
    }
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
    let mut partials = Partials::identity(needs, shape.outer * shape.columns, 1);
    if count > 0 {
        let kind = if size_of::<E>() == 4 { Kind::F32 } else { Kind::F64 };
        let job = Job::new(context, (kind, Load::Powers), needs, skip, shape);
        let whole = Piece { outer: (0, shape.outer), rows: (0, shape.rows), columns: (0, shape.columns) };
        let pending = job.submit(buffer, None, whole)?;
        job.collect::<E>(pending, &[], &mut partials)?;
    }
    Ok(partials)
}

/// A piece's elements one after another.
fn gathered<T: Copy>(all: &[T], shape: Shape, piece: Piece) -> Cow<'_, [T]> {
    let offset = |outer: usize, row: usize| (outer * shape.rows + row) * shape.columns;
    let start = offset(piece.outer.0, piece.rows.0);
    if piece.columns == (0, shape.columns) {
        return Cow::Borrowed(&all[start..start + piece.len()]);
    }
    // Part of the columns, of one outer index.
    let columns = piece.columns.0..piece.columns.1;
    let rows = piece.rows.0..piece.rows.1;
    rows.flat_map(|row| &all[offset(piece.outer.0, row)..][columns.clone()]).copied().collect()
}

/// Pieces of at most so many elements, whole blocks of rows where there is more than one.
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
    fn new(context: &'a Context, (kind, load): (Kind, Load), needs: Needs, skip: bool, shape: Shape) -> Self {
        let columns = shape.columns > 1;
        Self {
            context,
            source: source(kind, load, needs, skip, columns),
            format: Format { kind, parts: if load == Load::Pairs { 2 } else { 1 }, needs },
            shape,
            skip,
            counted: true,
            exponent: 0,
            block: if kind.float() && !columns {
                (shape.rows / MANY).next_power_of_two().clamp(BLOCKS[0], LONGEST)
            } else {
                BLOCKS[usize::from(columns)]
            },
            lanes: lanes(kind, load),
            stored: kind.bytes() * if load == Load::Elements { 1 } else { 2 },
        }
    }

    /// Takes all elements over, in pieces.
    fn run<E: Element>(
        &mut self,
        form: Form,
        data: &[E],
        weights: Option<Weights<'_>>,
        partials: &mut Partials<E::Scalar>,
    ) -> Result<()> {
        let Self { context, shape, format, .. } = *self;
        let limit = PIECE.min(context.limits.max_storage_buffer_binding_size) as usize;
        // Records must fit too: a block has one, and at worst half of the blocks are all but empty.
        let records = limit / (format.fields().len() * format.kind.bytes()).max(16);
        let element = if weights.is_some() { self.stored.max(WEIGHT) } else { self.stored };
        let most = (limit / element).min(records * shape.rows.min(self.block) / 2).max(1);
        let size = most.min(data.len()) as u64;
        // While one piece is reduced the next one travels into the other buffer.
        let two = |what, bytes: usize| -> Result<_> {
            Ok([context.storage(what, size * bytes as u64)?, context.storage(what, size * bytes as u64)?])
        };
        let buffers = two("elements", self.stored)?;
        let heavy = weights.map(|weights| Ok::<_, Error>((weights, two("weights", WEIGHT)?))).transpose()?;
        if format.kind != Kind::F64 {
            self.exponent = weights.map_or(0, |weights| weights.exponent);
        }
        let mut pending: Option<Pending> = None;
        for (index, piece) in pieces(shape, most, self.block).into_iter().enumerate() {
            let buffer = &buffers[index % 2];
            context.write("elements", buffer, &form.bytes(&gathered(data, shape, piece)))?;
            let mut beside = None;
            if let Some((weights, buffers)) = &heavy {
                let bytes = weights.bytes(gathered(weights.numbers, shape, piece), format.kind);
                context.write("weights", &buffers[index % 2], &bytes)?;
                beside = Some(&buffers[index % 2]);
            }
            let next = self.submit(buffer, beside, piece)?;
            if let Some(before) = pending.replace(next) {
                self.collect(before, data, partials)?;
            }
        }
        pending.map_or(Ok(()), |last| self.collect(last, data, partials))
    }

    /// Reduces a piece that is on the device.
    fn submit(&self, buffer: &wgpu::Buffer, weights: Option<&wgpu::Buffer>, piece: Piece) -> Result<Pending> {
        let context = self.context;
        let [outer, rows, columns] = [piece.outer, piece.rows, piece.columns].map(|(first, end)| end - first);
        let blocks = rows.div_ceil(self.block);
        let jobs = outer * blocks * columns;
        let numbers = self.format.fields().len().max(1) * self.format.kind.bytes();
        // Both in one buffer, so that they come to the host together.
        let places = (jobs * numbers).next_multiple_of(context.limits.min_storage_buffer_offset_alignment as usize);
        let all = (places + jobs * 16) as u64;
        let records = context.storage("partial results", all)?;
        let part = |offset: usize, bytes: usize| {
            let size = wgpu::BufferSize::new(bytes as u64);
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &records, offset: offset as u64, size })
        };
        let params = [outer, rows, columns, blocks, self.block, 0, 1, 0].map(|number| number as u32);
        let params = context.uniform(&params)?;
        let slots = [Slot::Uniform, Slot::Read, Slot::Write, Slot::Write, Slot::Read, Slot::Read];
        let kernel = context.kernel(&self.source, "main", &slots)?;
        let elements = |buffer, bytes: usize| {
            let size = wgpu::BufferSize::new((piece.len() * bytes) as u64);
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size })
        };
        let resources = vec![
            params.as_entire_binding(),
            elements(buffer, self.stored),
            part(0, jobs * numbers),
            part(places, jobs * 16),
            elements(buffer, self.stored),
            // Where there are none the shader does not look.
            weights.map_or(elements(buffer, self.stored), |weights| elements(weights, WEIGHT)),
        ];
        let group = context.bind("reduce", &kernel, resources)?;
        let records = context.fetch("partial results", &records, 0..all, |encoder| {
            let descriptor = wgpu::ComputePassDescriptor { label: Some("reduce"), timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            // A lane a column of a block, or a workgroup a block.
            let (x, y) = folded(if self.shape.columns > 1 { jobs.div_ceil(self.lanes) } else { jobs });
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, 1);
        })?;
        Ok(Pending { piece, blocks, records, places })
    }

    /// Waits for a piece and takes its blocks in.
    fn collect<E: Element>(&self, pending: Pending, data: &[E], partials: &mut Partials<E::Scalar>) -> Result<()> {
        let Pending { piece, blocks, records, places } = pending;
        records.read(self.context, |bytes| {
            let (numbers, places) = bytes.split_at(places);
            self.join(piece, blocks, numbers, bytemuck::cast_slice(places), data, partials);
        })
    }

    /// Takes the blocks of a piece in.
    fn join<E: Element>(
        &self,
        piece: Piece,
        blocks: usize,
        records: &[u8],
        counts: &[[u32; 4]],
        data: &[E],
        partials: &mut Partials<E::Scalar>,
    ) {
        let shape = self.shape;
        let columns = piece.columns.1 - piece.columns.0;
        let size = self.format.fields().len() * self.format.kind.bytes();
        for (job, counts) in counts.iter().enumerate() {
            let outer = piece.outer.0 + job / columns / blocks;
            let column = piece.columns.0 + job % columns;
            let row = piece.rows.0 + job / columns % blocks * self.block;
            let record = Record { bytes: &records[job * size..][..size], format: self.format };
            let block = Block {
                output: outer * shape.columns + column,
                first: piece.rows.0 as u64,
                skip: self.skip,
                counted: self.counted,
                exponent: self.exponent,
            };
            // The product of complex numbers some of which are not finite, of which WGSL knows nothing.
            let product = || {
                let rows = row..piece.rows.1.min(row + self.block);
                let parts = rows.map(|row| data[(outer * shape.rows + row) * shape.columns + column].widen());
                let valid = parts.filter(|parts| !(self.skip && parts.iter().any(|part| part.is_nan())));
                valid
                    .fold(ScaledProduct::default(), |all, [re, im]| all.join(ScaledProduct::of([re.lift(), im.lift()])))
            };
            record.join(partials, counts, block, product);
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
