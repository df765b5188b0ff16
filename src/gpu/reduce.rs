//! Reductions on a GPU: the array is uploaded in pieces, the shader reduces each block to a record, and the host joins
//! the records to partials.

use std::borrow::Cow;

use ndarray::{ArrayViewD, CowArray, IxDyn};

use crate::element::Element;
use crate::error::{Error, Result};
use crate::gpu::arithmetic::{Load, lanes, source};
use crate::gpu::buffer::{Alternating, Fetch};
use crate::gpu::device::Context;
use crate::gpu::pipeline::{Slot, Source, folded};
use crate::gpu::record::{Block, Format, Kind, Record, times_power};
use crate::machine::pages;
use crate::numeric::scaled::ScaledProduct;
use crate::real::Real;
use crate::reduce::best::is_plain_zero;
use crate::reduce::op::Op;
use crate::reduce::partial::Join;
use crate::reduce::partials::Partials;
use crate::reduce::quantity::{Needs, Quantity};
use crate::reduce::request::Reduction;
use crate::reduce::scalar::Scalar;

/// The elements of a block of a run and of a column. Sums of integers in 16-bit halves do not overflow up to 2^15.
const BLOCKS: [usize; 2] = [1 << 14, 1 << 10];
/// The most elements of a block, in long runs of floating-point numbers.
const LONGEST: usize = 1 << 16;
/// The number of blocks of a long run from which blocks become longer: each has a record that the host must join.
const MANY: usize = 1 << 11;
/// The most bytes of a piece. It bounds the staging memory, and the next piece is uploaded while this one is reduced.
const PIECE: u64 = 64 << 20;
/// Bytes of a weight: an f64, or two f32, the second of which is the rounding error of the first.
const WEIGHT: usize = 8;

/// Shaders for every kind of number, with the needs of each operation and of all together.
pub(super) fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for kind in [Kind::F32, Kind::F64, Kind::I32, Kind::U32] {
        // Weighted sums of integers are computed on floating-point numbers, and integers have no NaN to skip.
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

/// The shape of an array as the shader sees it: x[k, r, c] with k < outer, r < rows and c < columns, reduced over r.
#[derive(Debug, Clone, Copy)]
struct Shape {
    outer: usize,
    rows: usize,
    columns: usize,
}

/// A part of an array that is uploaded and reduced at once: a range (first, end) of each index.
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

/// The form in which elements are uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Elements as they are in memory.
    Same,
    /// Integers of 8 and 16 bits as i32.
    Widened,
    /// Integers as f64.
    Lifted,
    /// Integers as two f32, each of them a half of 16 bits; the sums of the halves are added up.
    Halved,
}

impl Form {
    /// The numbers that the shader computes with, and how it loads an element.
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

    /// The bytes to upload.
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

/// Weights in the order of their elements.
#[derive(Debug, Clone, Copy)]
struct Weights<'a> {
    numbers: &'a [f64],
    /// Weights are uploaded times `2^-exponent`, so that the largest is below 1: f32 lacks the range of f64.
    exponent: i32,
}

impl<'a> Weights<'a> {
    fn new(numbers: &'a [f64]) -> Self {
        let largest = numbers.iter().filter(|weight| weight.is_finite()).fold(0.0f64, |most, w| most.max(w.abs()));
        Self { numbers, exponent: (largest.to_bits() >> 52) as i32 - 1022 }
    }

    /// The bytes to upload for some of the weights.
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

/// A submitted dispatch: the download of its records, and the piece they belong to.
#[derive(Debug)]
struct Pending {
    piece: Piece,
    blocks: usize,
    records: Fetch,
    /// The byte where the counts and places of blocks begin, after the numbers of all records.
    places: usize,
}

/// One pass over the elements, with one shader.
#[derive(Debug)]
struct Job<'a> {
    context: &'a Context,
    source: Source,
    format: Format,
    shape: Shape,
    skip: bool,
    /// Whether this pass counts elements: only the first of several does.
    counted: bool,
    /// Weights were divided by `2^exponent`.
    exponent: i32,
    /// Elements of a block.
    block: usize,
    /// Lanes of a workgroup.
    lanes: usize,
    /// Bytes of an element.
    stored: usize,
}

/// Returns the error for element types that a device cannot reduce.
fn refused(context: &Context, name: &str) -> Result<()> {
    if ["f32", "f64", "i8", "i16", "i32", "u8", "u16", "u32", "c64", "c128"].contains(&name) {
        return Ok(());
    }
    let reason = format!("reduces no {name}: WGSL has integers of 32 bits; use the CPU");
    Err(context.error(reason))
}

/// The partials of each result, in C order over the kept axes.
pub(super) fn run<E: Element>(context: &Context, asked: &Reduction<'_, E>) -> Result<Partials<E::Scalar>> {
    let Reduction { view, over, needs, skip, weights } = asked;
    refused(context, E::NAME)?;
    let form = if ["i8", "i16", "u8", "u16"].contains(&E::NAME) { Form::Widened } else { Form::Same };
    if form.kind::<E>().0 == Kind::F64 {
        context.supports::<f64>()?;
    }
    let (data, shape) = contiguous(view.view(), over)?;
    let data = data.as_slice().expect("data are in C order");
    let weights = weights.as_ref().map(|weights| contiguous(weights.view(), over)).transpose()?;
    let weights =
        weights.as_ref().map(|(weights, _)| Weights::new(weights.as_slice().expect("weights are in C order")));
    let mut partials = Partials::of_all(*needs, shape.outer * shape.columns, E::PARTS)?;
    if data.is_empty() {
        return Ok(partials);
    }
    let weighing = Needs::only(Quantity::Weighted);
    let rest = Needs::all(needs.each().filter(|&quantity| quantity != Quantity::Weighted));
    let passes = if E::Scalar::FLOAT || !needs.has(Quantity::Weighted) {
        vec![(form, *needs)]
    } else {
        // Weighted sums need integers as floating-point numbers, in a pass of their own.
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

/// The shape that the shader sees of an array in C order, if its reduced axes are next to each other.
fn shader_shape(extents: &[usize], over: &[bool]) -> Option<Shape> {
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

/// The array in C order with its reduced axes next to each other, copied if it is not so yet.
fn contiguous<'a, T: Clone>(view: ArrayViewD<'a, T>, over: &[bool]) -> Result<(CowArray<'a, T, IxDyn>, Shape)> {
    let shape = shader_shape(view.shape(), over);
    if let (Some(shape), true) = (shape, view.is_standard_layout()) {
        return Ok((view.into(), shape));
    }
    pages::room("a copy in C order for the GPU", view.shape(), size_of::<T>(), "reduce a part of the array at a time")?;
    if let Some(shape) = shape {
        return Ok((view.as_standard_layout().into_owned().into(), shape));
    }
    let axes = |wanted: bool| (0..over.len()).filter(move |&axis| over[axis] == wanted);
    let product = |wanted: bool| axes(wanted).map(|axis| view.shape()[axis]).product();
    let shape = Shape { outer: product(false), rows: product(true), columns: 1 };
    let order: Vec<_> = axes(false).chain(axes(true)).collect();
    Ok((view.permuted_axes(IxDyn(&order)).as_standard_layout().into_owned().into(), shape))
}

/// The partials of |z|² for complex numbers z in device memory, which stay there.
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
    let Some(shape) = shader_shape(extents, over) else {
        return Err(Error::parameter("axes", "next to each other for numbers on a device", format!("{over:?}")));
    };
    let count = shape.outer * shape.rows * shape.columns;
    let bytes = count as u64 * 2 * size_of::<E>() as u64;
    if bytes > buffer.size() {
        let got = buffer.size() / (2 * size_of::<E>() as u64);
        return Err(Error::shape("numbers on the device", count, got));
    }
    context.bindable("numbers on the device", bytes)?;
    let mut partials = Partials::of_all(needs, shape.outer * shape.columns, 1)?;
    if count > 0 {
        let kind = if size_of::<E>() == 4 { Kind::F32 } else { Kind::F64 };
        let job = Job::new(context, (kind, Load::Powers), needs, skip, shape);
        let whole = Piece { outer: (0, shape.outer), rows: (0, shape.rows), columns: (0, shape.columns) };
        let pending = job.submit(buffer, None, whole)?;
        job.collect::<E>(pending, &[], &mut partials)?;
    }
    Ok(partials)
}

/// The elements of a piece, one after another.
fn gathered<T: Copy>(all: &[T], shape: Shape, piece: Piece) -> Cow<'_, [T]> {
    let offset = |outer: usize, row: usize| (outer * shape.rows + row) * shape.columns;
    let start = offset(piece.outer.0, piece.rows.0);
    if piece.columns == (0, shape.columns) {
        return Cow::Borrowed(&all[start..start + piece.len()]);
    }
    // A piece with only some of the columns has one outer index.
    let columns = piece.columns.0..piece.columns.1;
    let rows = piece.rows.0..piece.rows.1;
    rows.flat_map(|row| &all[offset(piece.outer.0, row)..][columns.clone()]).copied().collect()
}

/// Cuts an array into pieces of at most `most` elements, between blocks of rows if pieces can hold whole blocks.
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

    /// Uploads and reduces all elements, in pieces.
    fn run<E: Element>(
        &mut self,
        form: Form,
        data: &[E],
        weights: Option<Weights<'_>>,
        partials: &mut Partials<E::Scalar>,
    ) -> Result<()> {
        let Self { context, shape, format, .. } = *self;
        let limit = PIECE.min(context.limits.max_storage_buffer_binding_size) as usize;
        // The records must fit a binding too: each block has one, and in the worst case half of the blocks are almost
        // empty.
        let records = limit / (format.fields().len() * format.kind.bytes()).max(16);
        let element = if weights.is_some() { self.stored.max(WEIGHT) } else { self.stored };
        let most = (limit / element).min(records * shape.rows.min(self.block) / 2).max(1);
        let size = most.min(data.len()) as u64;
        let two = |what, bytes: usize| Alternating::new(context, what, size * bytes as u64);
        let mut elements = two("elements", self.stored)?;
        let mut heavy = weights.map(|weights| Ok::<_, Error>((weights, two("weights", WEIGHT)?))).transpose()?;
        if format.kind != Kind::F64 {
            self.exponent = weights.map_or(0, |weights| weights.exponent);
        }
        let mut pending: Option<Pending> = None;
        for piece in pieces(shape, most, self.block) {
            elements.write(context, &form.bytes(&gathered(data, shape, piece)))?;
            if let Some((weights, buffers)) = &mut heavy {
                buffers.write(context, &weights.bytes(gathered(weights.numbers, shape, piece), format.kind))?;
            }
            let weight_buffer = heavy.as_ref().map(|(_, buffers)| buffers.current());
            let next = self.submit(elements.current(), weight_buffer, piece)?;
            if let Some(before) = pending.replace(next) {
                self.collect(before, data, partials)?;
            }
        }
        pending.map_or(Ok(()), |last| self.collect(last, data, partials))
    }

    /// Submits the reduction of a piece that is on the device, and the download of its records.
    fn submit(&self, buffer: &wgpu::Buffer, weights: Option<&wgpu::Buffer>, piece: Piece) -> Result<Pending> {
        let context = self.context;
        let [outer, rows, columns] = [piece.outer, piece.rows, piece.columns].map(|(first, end)| end - first);
        let blocks = rows.div_ceil(self.block);
        let jobs = outer * blocks * columns;
        let numbers = self.format.fields().len().max(1) * self.format.kind.bytes();
        // Numbers and places share one buffer, so that they are downloaded together.
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
            // Without weights any buffer will do, since the shader does not read it.
            weights.map_or(elements(buffer, self.stored), |weights| elements(weights, WEIGHT)),
        ];
        let group = context.bind("reduce", &kernel, resources)?;
        let records = context.fetch("partial results", &records, 0..all, |encoder| {
            let descriptor = wgpu::ComputePassDescriptor { label: Some("reduce"), timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            // A lane reduces one column's block, or a workgroup a run's block.
            let (x, y) = folded(if self.shape.columns > 1 { jobs.div_ceil(self.lanes) } else { jobs });
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, 1);
        })?;
        Ok(Pending { piece, blocks, records, places })
    }

    /// Waits for the records of a piece and joins them to the partials.
    fn collect<E: Element>(&self, pending: Pending, data: &[E], partials: &mut Partials<E::Scalar>) -> Result<()> {
        let Pending { piece, blocks, records, places } = pending;
        records.read(self.context, |bytes| {
            let (numbers, places) = bytes.split_at(places);
            self.join(piece, blocks, numbers, bytemuck::cast_slice(places), data, partials);
        })
    }

    /// Joins the records of a piece to the partials.
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
            let parts = || {
                let rows = row..piece.rows.1.min(row + self.block);
                rows.map(|row| data[(outer * shape.rows + row) * shape.columns + column].widen())
            };
            // The host computes the product of a block of complex numbers if some are not finite: the shader cannot.
            let product = || {
                let valid = parts().filter(|parts| !(self.skip && parts.iter().any(|part| part.is_nan())));
                valid
                    .fold(ScaledProduct::default(), |all, [re, im]| all.join(ScaledProduct::of([re.lift(), im.lift()])))
            };
            // Powers, whose elements are not on the host, have no signs.
            let plain_zero = || parts().any(|[x, _]| is_plain_zero(x));
            record.join(partials, counts, block, product, plain_zero);
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
