//! Matrix products on the device: the kernel's shape, its unrolled code, and matrices that are sent in pieces.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use ndarray::{Array3, ArrayView3, ArrayViewD, Axis, CowArray, Ix3, s};

use crate::error::{Error, Result};
use crate::gpu::buffer::{Alternating, Array};
use crate::gpu::device::Context;
use crate::gpu::pipeline::{Slot, Source, folded, generate_as, unrolled};
use crate::machine::pages;
use crate::matmul::product::{Matrices, Op, Product};
use crate::matmul::recipe::MatmulRecipe;
use crate::numeric::float::Float;
use crate::real::Number;

/// Bytes of device memory that pieces of matrices take unless the caller says otherwise.
const MEMORY: usize = 1 << 30;
/// With fewer workgroups than this k is cut into parts, because few leave a large GPU idle.
const FEW: usize = 128;
/// A part has at least this many steps along k.
const PART: usize = 512;

/// Steps along k that are unrolled: unrolling all takes compilers ten times as long.
const UNROLLED: usize = 4;

/// A kernel's shape: rows and columns of a block, which is square, and of a lane's tile, and steps along k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    block: usize,
    tile: usize,
    steps: usize,
}

/// Every shape there is, for real numbers of `bytes` bytes and elements of `parts` of them.
fn shapes(bytes: usize, parts: usize) -> impl Iterator<Item = Shape> {
    // Both blocks take at most 16 KiB of workgroup memory, which every device has.
    let steps = move |block: usize| (1024 / block * 4 / (parts * bytes)).min(16);
    let shape = move |(block, tile)| Shape { block, tile, steps: steps(block) };
    [(32, 4), (64, 4), (128, 8)]
        .into_iter()
        .map(shape)
        .filter(|shape| shape.steps >= 4 && shape.tile * shape.steps >= 16)
        .filter(move |shape| shape.block < 128 || parts * bytes == 4)
}

/// The largest shape that suits matrices of these extents.
fn shape<V: Number>([m, _, n]: [usize; 3]) -> Shape {
    let fits = |shape: &Shape| shape.block == 32 || m.min(n) >= if shape.block == 64 { 64 } else { 512 };
    shapes(size_of::<V::Real>(), V::PARTS).filter(fits).last().expect("the smallest fits all")
}

/// What a kernel is generated for.
#[derive(Debug, Clone, Copy)]
struct Variant {
    real: &'static str,
    parts: usize,
    shape: Shape,
    /// Whether neighbouring lanes load neighbours along k, for A and for B.
    along: [bool; 2],
    edges: bool,
    sums: bool,
}

/// The shader of a variant.
fn source(variant: Variant) -> Source {
    let Variant { real, parts, shape: Shape { block, tile, steps }, along, edges, sums } = variant;
    let (complex, across, quads) = (parts == 2, block / tile, tile / 4);
    let lanes = across * across;
    let vectors = block / 4 * steps;
    let loads = vectors.div_ceil(lanes);
    let row = block / 4 + 1;
    let guard = |load: usize, line: String| {
        if (load + 1) * lanes > vectors {
            format!("if (lane + {}u < {vectors}u) {{ {line} }}", load * lanes)
        } else {
            line
        }
    };
    let place = |load: usize, name: &str, along: bool| {
        let slot = format!("(lane + {}u)", load * lanes);
        let (quad, step) = if along {
            (format!("{slot} / BK"), format!("{slot} % BK"))
        } else {
            (format!("{slot} % {}u", block / 4), format!("{slot} / {}u", block / 4))
        };
        format!(
            "let {name}_quad{load} = {quad};\n    let {name}_step{load} = {step};\n    var {name}_next{load} = Four();"
        )
    };
    let fetch = |load: usize, from: &str| {
        let one = |name: &str, edge: &str| {
            let (first, step) = (format!("{edge} + 4u * {name}_quad{load}"), format!("{from} + {name}_step{load}"));
            format!("{name}_next{load} = four_of_{name}({name}_start, {first}, {step}, end);")
        };
        guard(load, format!("{} {}", one("a", "top"), one("b", "left")))
    };
    let store = |load: usize| {
        let one = |name: &str, part: &str| {
            format!("{name}_{part}[{name}_step{load} * {row}u + {name}_quad{load}] = {name}_next{load}.{part};")
        };
        let mut line = format!("{} {}", one("a", "re"), one("b", "re"));
        if complex {
            let _ = write!(line, " {} {}", one("a", "im"), one("b", "im"));
        }
        guard(load, line)
    };
    let names: &[&str] = if complex { &["re", "im"] } else { &["re"] };
    let multiply = |step: usize| {
        let mut text = String::new();
        for name in names {
            for quad in 0..quads {
                let at = step * row + quad * across;
                for (factor, lane) in [("a", "ty"), ("b", "tx")] {
                    let _ = writeln!(text, "let {factor}{step}_{name}{quad} = {factor}_{name}[base + {at}u + {lane}];");
                }
            }
        }
        for i in 0..tile {
            let of_a = |name: &str| format!("vec4<Real>(a{step}_{name}{}.{})", i / 4, ["x", "y", "z", "w"][i % 4]);
            for quad in 0..quads {
                let of_b = |name: &str| format!("b{step}_{name}{quad}");
                let mut add = |to: &str, a: String, b: &str| {
                    let _ = writeln!(text, "c_{to}_{i}_{quad} = fma({a}, {}, c_{to}_{i}_{quad});", of_b(b));
                };
                add("re", of_a("re"), "re");
                if complex {
                    add("re", format!("-{}", of_a("im")), "im");
                    add("im", of_a("re"), "im");
                    add("im", of_a("im"), "re");
                }
            }
        }
        text
    };
    let tiles = || (0..tile).flat_map(|i| (0..quads).map(move |quad| (i, quad)));
    let declare =
        names.iter().flat_map(|name| tiles().map(move |(i, quad)| format!("var c_{name}_{i}_{quad} = vec4<Real>();")));
    let put = tiles().map(|(i, quad)| {
        let row = format!("top + 4u * ({}u + ty) + {}u", i / 4 * across, i % 4);
        let column = format!("left + 4u * ({}u + tx)", quad * across);
        let im = if complex { format!("c_im_{i}_{quad}") } else { "vec4<Real>()".into() };
        format!("put(c_start, {row}, {column}, Four(c_re_{i}_{quad}, {im}));")
    });
    let imaginary = if complex { include_str!("../../shaders/matmul/imaginary.wgsl") } else { "" };
    let four = if complex {
        "return Four(vec4<Real>(x.x, y.x, z.x, w.x), sign * vec4<Real>(x.y, y.y, z.y, w.y));"
    } else {
        "return Four(vec4<Real>(x, y, z, w), vec4<Real>());"
    };
    let times = if complex {
        "return vec2<Real>(scale.x * x.x - scale.y * x.y, scale.x * x.y + scale.y * x.x);"
    } else {
        "return scale.x * x;"
    };
    let values = [
        ("LANES", lanes.to_string()),
        ("BM", block.to_string()),
        ("BN", block.to_string()),
        ("BK", steps.to_string()),
        ("UNROLLED", UNROLLED.to_string()),
        ("ROW_OF_VECTORS", row.to_string()),
        ("EDGES", edges.to_string()),
        ("SUMS", sums.to_string()),
        ("ACROSS", across.to_string()),
        ("STORED", if complex { "Complex".into() } else { "Real".into() }),
        ("IMAGINARY", imaginary.into()),
        ("FOUR", four.into()),
        ("ELEMENT", if complex { "vec2<Real>(values.re[j], values.im[j])" } else { "values.re[j]" }.into()),
        ("TIMES", times.into()),
        ("DECLARE", declare.collect::<Vec<_>>().join("\n    ")),
        (
            "PLACES",
            unrolled(0..loads, |load| format!("{}\n    {}", place(load, "a", along[0]), place(load, "b", along[1]))),
        ),
        ("FETCH_FIRST", unrolled(0..loads, |load| fetch(load, "first"))),
        ("FETCH_NEXT", unrolled(0..loads, |load| fetch(load, "step + BK"))),
        ("STORE", unrolled(0..loads, store)),
        ("MULTIPLY", unrolled(0..UNROLLED, multiply)),
        ("PUT", put.collect::<Vec<_>>().join("\n    ")),
    ];
    let name = format!("matmul {parts} {block} along {along:?} edges {edges} sums {sums}");
    generate_as(real, name, include_str!("../../shaders/matmul.wgsl"), &values)
}

/// Every specialisation of the shader.
pub(super) fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (real, bytes) in [("f32", 4), ("f64", 8)] {
        for parts in [1, 2] {
            for shape in shapes(bytes, parts) {
                for bits in 0..16 {
                    let bit = |bit: usize| bits >> bit & 1 == 1;
                    let (along, edges, sums) = ([bit(0), bit(1)], bit(2), bit(3));
                    sources.push(source(Variant { real, parts, shape, along, edges, sums }));
                }
            }
        }
    }
    sources
}

/// How products of this shape are computed within `memory` bytes of device memory.
pub(super) fn recipe<V: Number>(
    context: &Context,
    extents: [usize; 3],
    batch: usize,
    memory: Option<usize>,
) -> Result<MatmulRecipe> {
    context.supports::<V::Real>()?;
    let Shape { block, tile, steps } = shape::<V>(extents);
    let memory = memory.unwrap_or(MEMORY);
    let most = (context.limits.max_storage_buffer_binding_size.min(context.limits.max_buffer_size)) as usize;
    let mut pieces = extents;
    let bytes = |[m, k, n]: [usize; 3]| [m * k, k * n, m * n].map(|count| count * size_of::<V>());
    // While one piece of A and of B is multiplied, the next ones are on their way.
    let needed = |pieces| {
        let [a, b, c] = bytes(pieces);
        2 * (a + b) + c
    };
    while needed(pieces) > memory || bytes(pieces).iter().any(|&bytes| bytes > most) {
        let [a, b, c] = bytes(pieces);
        let [m, k, n] = pieces;
        let largest = if c >= a.max(b) {
            [m, 0, n]
        } else if a >= b {
            [m, k, 0]
        } else {
            [0, k, n]
        };
        let axis = (0..3).max_by_key(|&axis| largest[axis]).unwrap_or(0);
        if pieces[axis] <= block {
            return Err(Error::TooLarge {
                what: "a product's pieces",
                needed: format!("{} bytes of device memory at least", needed(pieces.map(|extent| extent.min(block)))),
                limit: format!("{memory} bytes are allowed; give more with memory(), or use the CPU"),
            });
        }
        pieces[axis] = pieces[axis].div_ceil(2).next_multiple_of(block);
    }
    let together = if pieces == extents {
        let largest = bytes(pieces).into_iter().max().unwrap_or(0).max(1);
        (most / largest).min(memory / needed(pieces).max(1)).clamp(1, batch.max(1))
    } else {
        1
    };
    let groups = pieces[0].div_ceil(block) * pieces[2].div_ceil(block) * together;
    let splits = (pieces[1] / PART).min(FEW / groups.max(1)).max(1);
    let sums = if splits > 1 { splits * bytes(pieces)[2] } else { 0 };
    Ok(MatmulRecipe {
        shape: extents,
        batch,
        tile: [tile, tile],
        block: [block, steps, block],
        splits,
        pieces,
        together,
        workspace: (needed(pieces) + sums) * together,
    })
}

/// A matrix, or matrices one after another, in a buffer. Strides are between rows, columns and matrices, in elements.
#[derive(Debug, Clone, Copy)]
struct Held<'a> {
    buffer: &'a wgpu::Buffer,
    strides: [usize; 2],
    item: usize,
}

/// Products of a batch of matrices that are on the device.
#[derive(Debug)]
struct Job<'a, V> {
    extents: [usize; 3],
    items: usize,
    splits: usize,
    a: Held<'a>,
    b: Held<'a>,
    c: &'a wgpu::Buffer,
    conjugate: [bool; 2],
    alpha: V,
    beta: V,
}

impl<V: Number> Job<'_, V> {
    /// Records the products and submits them, once.
    fn submit(&self, context: &Context) -> Result<()> {
        let Self { extents: [m, k, n], items, splits, a, b, c, conjugate, alpha, beta } = *self;
        let shape = shape::<V>(self.extents);
        let Shape { block, steps, .. } = shape;
        let splits = splits.min(k.div_ceil(steps)).max(1);
        let each = k.div_ceil(splits).next_multiple_of(steps).max(steps);
        let splits = k.div_ceil(each).max(1);
        let edges = k == 0 || [m % block, n % block, k % steps].iter().any(|&rest| rest > 0);
        let along = [a.strides[1] == 1, b.strides[0] == 1];
        let variant = Variant { real: V::Real::NAME, parts: V::PARTS, shape, along, edges, sums: splits > 1 };
        let source = source(variant);
        let (down, across) = (m.div_ceil(block), n.div_ceil(block));
        let groups = down * across * splits * items;
        let params = |groups: usize| {
            let strides = [a.strides[0], a.strides[1], a.item, b.strides[0], b.strides[1], b.item];
            let reads = usize::from(beta != V::default());
            let [row, step, a_item, b_step, column, b_item] = strides;
            [m, k, n, row, step, a_item, b_step, column, b_item, down, across, splits, each, groups, reads, 0]
                .map(|number| number as u32)
        };
        let sign = |conjugate: bool| V::Real::nearest(if conjugate { -1.0 } else { 1.0 });
        let (alpha, beta) = (alpha.complex(), beta.complex());
        let scales = [alpha.re, alpha.im, beta.re, beta.im, sign(conjugate[0]), sign(conjugate[1])];
        let scales = context.table("scales", &scales)?;
        let parameters = context.uniform(&params(groups))?;
        let sums = match splits {
            1 => None,
            _ => {
                let bytes = (splits * items * m * n * size_of::<V>()) as u64;
                context.bindable("sums of parts of k", bytes)?;
                Some(context.storage("sums of parts of k", bytes)?)
            }
        };
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Write, Slot::Read];
        let kernel = context.kernel(&source, "main", &slots)?;
        let resources = vec![
            parameters.as_entire_binding(),
            scales.as_entire_binding(),
            a.buffer.as_entire_binding(),
            sums.as_ref().unwrap_or(c).as_entire_binding(),
            b.buffer.as_entire_binding(),
        ];
        let group = context.bind("matmul", &kernel, resources)?;
        let mut passes = vec![(kernel, group, groups)];
        if let Some(sums) = &sums {
            let kernel = context.kernel(&source, "join", &slots[..4])?;
            let parameters = context.uniform(&params(items * m * n))?;
            let resources = vec![
                parameters.as_entire_binding(),
                scales.as_entire_binding(),
                sums.as_entire_binding(),
                c.as_entire_binding(),
            ];
            let group = context.bind("matmul", &kernel, resources)?;
            let lanes = (block / shape.tile).pow(2);
            passes.push((kernel, group, (items * m * n).div_ceil(lanes)));
        }
        context.submit("matmul", |encoder| {
            for (kernel, group, groups) in &passes {
                let descriptor = wgpu::ComputePassDescriptor { label: Some("matmul"), timestamp_writes: None };
                let mut pass = encoder.begin_compute_pass(&descriptor);
                let (x, y) = folded(*groups);
                pass.set_pipeline(&kernel.pipeline);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(x, y, 1);
            }
        })?;
        Ok(())
    }
}

/// The elements of a batch's matrices, and the strides of rows and columns; copied where they are not contiguous.
fn laid<'a, V: Number>(view: &'a ArrayView3<'_, V>) -> (Cow<'a, [V]>, [usize; 2]) {
    let [_, rows, columns] = *view.shape() else { unreachable!("three axes") };
    let transposed = view.view().permuted_axes([0, 2, 1]);
    match (view.as_slice(), transposed.to_slice()) {
        (Some(slice), _) => (slice.into(), [columns, 1]),
        (None, Some(slice)) => (slice.into(), [1, rows]),
        _ => (view.iter().copied().collect::<Vec<_>>().into(), [columns, 1]),
    }
}

/// What to change if copies of the matrices do not fit in memory.
const FEWER: &str = "multiply some rows of A, or some of the batch, at a time";

/// A factor on the host: the matrices of a batch, or one matrix for the whole batch.
fn factor<'a, V: Number>(x: &'a ArrayViewD<'_, V>, batch: usize) -> Result<CowArray<'a, V, Ix3>> {
    let axes = x.ndim();
    let [rows, columns] = [x.len_of(Axis(axes - 2)), x.len_of(Axis(axes - 1))];
    let mut first = x.view();
    // The stride of an axis of one matrix is any number.
    if (0..axes - 2).all(|axis| first.strides()[axis] == 0 || first.len_of(Axis(axis)) == 1) {
        for _ in 0..axes - 2 {
            first = first.index_axis_move(Axis(0), 0);
        }
        return Ok(first.insert_axis(Axis(0)).into_dimensionality().expect("three axes").into());
    }
    if !x.is_standard_layout() {
        pages::room("a copy of a factor", &[batch, rows, columns], size_of::<V>(), FEWER)?;
    }
    Ok(x.to_shape((batch, rows, columns)).expect("as many elements as the batch has"))
}

/// Device memory for pieces of A or of B, which knows the piece that it holds.
#[derive(Debug)]
struct Slots {
    buffers: Alternating,
    /// The piece in the current buffer: its first matrix, row and column, and its strides.
    holds: Option<([usize; 3], [usize; 2])>,
}

impl Slots {
    fn new(context: &Context, what: &'static str, bytes: usize) -> Result<Self> {
        Ok(Self { buffers: Alternating::new(context, what, bytes as u64)?, holds: None })
    }

    /// Brings a piece to device memory, unless it is there.
    fn hold<V: Number>(
        &mut self,
        context: &Context,
        matrices: &CowArray<'_, V, Ix3>,
        items: Range<usize>,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Result<Held<'_>> {
        let single = matrices.len_of(Axis(0)) == 1;
        let items = if single { 0..1 } else { items };
        let (key, extent) = ([items.start, rows.start, columns.start], rows.len() * columns.len());
        let strides = match self.holds {
            Some((held, strides)) if held == key => strides,
            _ => {
                let view = matrices.slice(s![items, rows, columns]);
                let (elements, strides) = laid(&view);
                self.buffers.write(context, &elements)?;
                self.holds = Some((key, strides));
                strides
            }
        };
        Ok(Held { buffer: self.buffers.current(), strides, item: if single { 0 } else { extent } })
    }
}

/// C = alpha·A·B + beta·C of matrices on the host, in the recipe's pieces.
pub(super) fn run<V: Number>(context: &Context, recipe: &MatmulRecipe, product: &mut Product<'_, V>) -> Result<()> {
    let Product { matrices, conjugate, alpha, beta } = product;
    let (Matrices { a, b, mut c }, conjugate, alpha, beta) = (matrices.any(), *conjugate, *alpha, *beta);
    let ([m, k, n], batch, [high, deep, wide]) = (recipe.shape, recipe.batch, recipe.pieces);
    if c.is_empty() {
        return Ok(());
    }
    if k == 0 || alpha == V::default() {
        // There is nothing for a device to do.
        c.mapv_inplace(|x| if beta == V::default() { beta } else { x * beta });
        return Ok(());
    }
    let (a, b) = (factor(&a, batch)?, factor(&b, batch)?);
    let bytes = [high * deep, deep * wide, high * wide].map(|count| count * size_of::<V>());
    let together = recipe.together.max(1);
    let mut a_slots = Slots::new(context, "A", bytes[0] * together)?;
    let mut b_slots = Slots::new(context, "B", bytes[1] * together)?;
    let piece = context.storage("C", (bytes[2] * together) as u64)?;
    // The caller's array is written only when all of the result has arrived.
    pages::room("the product", &[batch, m, n], size_of::<V>(), FEWER)?;
    let mut result = Array3::<V>::default((batch, m, n));
    let before = (beta != V::default()).then(|| c.to_shape((batch, m, n)).expect("C has the batch's matrices"));
    let spans = |all: usize, each: usize| (0..all).step_by(each).map(move |first| first..all.min(first + each));
    for items in spans(batch, together) {
        for (rows, columns) in
            spans(m, high).flat_map(|rows| spans(n, wide).map(move |columns| (rows.clone(), columns)))
        {
            let place = s![items.clone(), rows.clone(), columns.clone()];
            if let Some(before) = &before {
                let elements: Vec<V> = before.slice(place).iter().copied().collect();
                context.write("C", &piece, &elements)?;
            }
            for steps in spans(k, deep) {
                let job = Job {
                    extents: [rows.len(), steps.len(), columns.len()],
                    items: items.len(),
                    splits: recipe.splits,
                    a: a_slots.hold(context, &a, items.clone(), rows.clone(), steps.clone())?,
                    b: b_slots.hold(context, &b, items.clone(), steps.clone(), columns.clone())?,
                    c: &piece,
                    conjugate,
                    alpha,
                    beta: if steps.start == 0 { beta } else { V::unit() },
                };
                job.submit(context)?;
            }
            let mut elements = vec![V::default(); items.len() * rows.len() * columns.len()];
            context.download("C", &piece, &mut elements)?;
            let shape = (items.len(), rows.len(), columns.len());
            let elements = Array3::from_shape_vec(shape, elements).expect("the shape of the piece");
            result.slice_mut(place).assign(&elements);
        }
    }
    drop(before);
    let result = result.into_shape_with_order(c.raw_dim()).expect("C has the batch's matrices");
    c.assign(&result);
    Ok(())
}

/// C = alpha·A·B + beta·C of matrices that are on the device, in one submission.
pub(super) fn on_device<V: Number>(
    context: &Context,
    recipe: &MatmulRecipe,
    ops: [Op; 2],
    alpha: V,
    [a, b]: [&Array<V>; 2],
    beta: V,
    c: &mut Array<V>,
) -> Result<()> {
    let ([m, k, n], batch) = (recipe.shape, recipe.batch);
    if a.buffer == c.buffer || b.buffer == c.buffer {
        return Err(context.error("C must be in a buffer of its own, not that of A or B"));
    }
    let factor = |what: &'static str, x: &Array<V>, rows: usize, columns: usize| match x.len {
        len if len == rows * columns => Ok(0),
        len if len == batch * rows * columns => Ok(rows * columns),
        len => Err(Error::shape(what, format!("{batch} x {rows} x {columns} elements, or one matrix"), len)),
    };
    let (a_item, b_item) = (factor("A", a, m, k)?, factor("B", b, k, n)?);
    if c.len != batch * m * n {
        return Err(Error::shape("C", format!("{batch} x {m} x {n} elements"), c.len));
    }
    for (what, x) in [("A", a), ("B", b), ("C", &*c)] {
        context.bindable(what, x.buffer.size())?;
    }
    if c.len == 0 {
        return Ok(());
    }
    let strides = |op: Op, rows: usize, columns: usize| if op.transposes() { [1, rows] } else { [columns, 1] };
    let job = Job {
        // With alpha = 0 nothing of A and B counts, not even NaN.
        extents: [m, if alpha == V::default() { 0 } else { k }, n],
        items: batch,
        splits: recipe.splits,
        a: Held { buffer: &a.buffer, strides: strides(ops[0], m, k), item: a_item },
        b: Held { buffer: &b.buffer, strides: strides(ops[1], k, n), item: b_item },
        c: &c.buffer,
        conjugate: ops.map(Op::conjugates),
        alpha,
        beta,
    };
    job.submit(context)
}
