//! Products of matrices that are larger than memory: tiles of C stay in memory while panels of A and B stream past.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytemuck::Pod;
use ndarray::{Array2, ArrayView2, s};
use num_complex::Complex;

use crate::device::{Device, Kind};
use crate::error::{Error, Result};
use crate::machine::pages;
use crate::matmul::product::Op;
use crate::matmul::whole::add_wrapping;
use crate::plan::matmul::MatmulPlan;
use crate::real::Number;
use crate::shape;
use crate::source::converted::Converted;
use crate::source::description::Source;
use crate::source::element::{ElementType, Stored};
use crate::source::region::Region;
use crate::stream::pass::bytes;
use crate::stream::run::Progress;

/// Columns of a panel of A, at most: rows of a panel are then some kilobytes, long enough to be read at full speed.
const DEPTH: usize = 1024;
/// Rows of C that are given at a time; tiles are multiples of it, so that they are whole chunks of a store.
const STRIPE: usize = 256;

/// C = op(A)·op(B) for two sources, within a memory budget.
///
/// Elements of two types are converted to the one that NumPy's `result_type` gives, with float32 in place of float16.
/// Integers wrap, and of bool an element of C is whether both factors are true somewhere, as in NumPy; the CPU
/// multiplies these.
///
/// A tile of C is accumulated in memory over all of k, so that there are no partial products. With tiles of t rows and
/// columns the traffic is `m n k (1/t + 1/t)` elements read and `m n` written; reading overlaps with multiplying. If A
/// and B are one source and C is X·Xᵀ or Xᵀ·X, only tiles on and below the diagonal are computed.
#[derive(Debug, Clone)]
pub struct Multiply {
    a: Arc<dyn Source>,
    b: Arc<dyn Source>,
    ops: [Op; 2],
    device: Device,
    element: ElementType,
    /// Bytes of an element of A and of B before it is converted.
    sizes: [usize; 2],
    extents: [usize; 3],
    /// Rows and columns of a tile of C, and the depth of a panel.
    tile: [usize; 3],
    symmetric: bool,
    peak: usize,
}

/// The parameters of a [`Multiply`] to be built.
#[derive(Debug, Clone)]
#[must_use]
pub struct MultiplyBuilder {
    sources: [Arc<dyn Source>; 2],
    ops: [Op; 2],
    budget: Option<usize>,
}

impl MultiplyBuilder {
    /// The operation applied to A [default: plain, A itself].
    pub fn op_a(mut self, op: Op) -> Self {
        self.ops[0] = op;
        self
    }

    /// The operation applied to B [default: plain, B itself].
    pub fn op_b(mut self, op: Op) -> Self {
        self.ops[1] = op;
        self
    }

    /// The most bytes of memory for a tile of C and panels of A and B [default: half of what is available now].
    pub fn memory(mut self, bytes: usize) -> Self {
        self.budget = Some(bytes);
        self
    }

    /// Checks the factors and chooses tiles.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not matrices that can be multiplied; [`Error::Device`] for integers or bool on a
    /// GPU; [`Error::TooLarge`] if the budget is too small, which names one that would do.
    pub fn build(self, device: &Device) -> Result<Multiply> {
        let Self { sources: [a, b], ops, budget } = self;
        let (left, right) = (a.description(), b.description());
        for about in [left, right] {
            if about.shape.len() != 2 {
                return Err(Error::shape(
                    "factor",
                    "two axes",
                    format!("{} in {}", shape::written(&about.shape), about.name),
                ));
            }
        }
        let element = left.element.promoted(right.element);
        let computed = computed(element);
        if computed == ElementType::Int64 && device.kind() != Kind::Cpu {
            let reason = format!("it does not multiply {element}; use the CPU, or convert the factors to float32");
            return Err(Error::Device { device: device.name(), reason });
        }
        let turned = |op: Op, extents: &[usize]| {
            if op.transposes() { [extents[1], extents[0]] } else { [extents[0], extents[1]] }
        };
        let ([m, k], [rows, n]) = (turned(ops[0], &left.shape), turned(ops[1], &right.shape));
        if rows != k {
            return Err(Error::shape("B", format!("{k} rows, as A has columns"), rows));
        }
        let size = computed.size();
        let symmetric = Arc::ptr_eq(&a, &b) && matches!(ops, [Op::Plain, Op::Transpose] | [Op::Transpose, Op::Plain]);
        let limit = budget.or_else(|| pages::available().map(|bytes| bytes as usize / 2)).unwrap_or(usize::MAX);
        let scratch = |panel: usize| a.scratch(panel).max(b.scratch(panel));
        // A tile, two panels of each factor (one is read while the other is multiplied), and stripes that are given.
        let cost = |[rows, columns, depth]: [usize; 3]| {
            let panels = (rows + columns).saturating_mul(depth).saturating_mul(size);
            let stripes = 2 * STRIPE * rows.max(columns) * size;
            // Products of integers copy a panel of B that is not in C order.
            let copy = if computed == ElementType::Int64 { columns.saturating_mul(depth) * size } else { 0 };
            rows.saturating_mul(columns).saturating_mul(size) + 2 * panels + stripes + copy + scratch(panels)
        };
        let whole = [m.max(1), n.max(1), k.max(1)];
        let mut found = None;
        // The largest tile that fits, of the shapes that are worth trying.
        for depth in [k.min(DEPTH), k.min(DEPTH / 4), k.min(DEPTH / 16)] {
            let depth = depth.max(1);
            let mut side = STRIPE;
            while side < m.max(n).max(1) && cost([(2 * side).min(whole[0]), (2 * side).min(whole[1]), depth]) <= limit {
                side *= 2;
            }
            while cost([(side + STRIPE).min(whole[0]), (side + STRIPE).min(whole[1]), depth]) <= limit
                && side < m.max(n)
            {
                side += STRIPE;
            }
            let tile = [side.min(whole[0]), side.min(whole[1]), depth];
            if cost(tile) <= limit {
                found = Some(tile);
                break;
            }
        }
        let Some(tile) = found else {
            let least = cost([STRIPE.min(whole[0]), STRIPE.min(whole[1]), k.clamp(1, DEPTH / 16)]);
            return Err(Error::TooLarge {
                what: "the product",
                needed: format!("{least} bytes of memory"),
                limit: format!("{limit} are allowed; allow at least {least}"),
            });
        };
        let peak = cost(tile);
        let sizes = [&a, &b].map(|x| x.description().element.size());
        let [a, b] = [a, b].map(|x| Converted::of(x, computed));
        Ok(Multiply { a, b, ops, device: device.clone(), element, sizes, extents: [m, k, n], tile, symmetric, peak })
    }
}

/// The type in which products with elements of this type are computed.
fn computed(element: ElementType) -> ElementType {
    use ElementType::{Complex64, Complex128, Float32, Float64, Int64};
    if matches!(element, Float32 | Float64 | Complex64 | Complex128) { element } else { Int64 }
}

/// Elements of panels, and how the product of two panels is added to a tile.
trait Panel: Stored {
    fn add(
        device: &Device,
        ops: [Op; 2],
        left: ArrayView2<'_, Self>,
        right: ArrayView2<'_, Self>,
        tile: &mut Array2<Self>,
    ) -> Result<()>;
}

impl<V: Number + Stored> Panel for V {
    fn add(
        device: &Device,
        ops: [Op; 2],
        left: ArrayView2<'_, V>,
        right: ArrayView2<'_, V>,
        tile: &mut Array2<V>,
    ) -> Result<()> {
        // The views are transposed already; conjugation is left to the plan.
        let only = |op: Op| if op.conjugates() { Op::Conjugate } else { Op::Plain };
        let builder = MatmulPlan::<V>::builder(left.nrows(), left.ncols(), right.ncols());
        let plan = builder.op_a(only(ops[0])).op_b(only(ops[1])).build(device)?;
        plan.execute_into(V::unit(), &left, &right, V::unit(), tile)
    }
}

impl Panel for i64 {
    fn add(
        device: &Device,
        _: [Op; 2],
        left: ArrayView2<'_, i64>,
        right: ArrayView2<'_, i64>,
        tile: &mut Array2<i64>,
    ) -> Result<()> {
        device.install(usize::MAX, || add_wrapping(left, right, tile.view_mut()))
    }
}

/// What takes the product: an array's rows, some at a time.
pub type Take<'a> = dyn FnMut(&Region, &[u8]) -> Result<()> + 'a;

impl Multiply {
    /// Starts a product of two sources; give the same [`Arc`] twice for X·Xᵀ.
    pub fn builder(a: Arc<dyn Source>, b: Arc<dyn Source>) -> MultiplyBuilder {
        MultiplyBuilder { sources: [a, b], ops: [Op::Plain; 2], budget: None }
    }

    /// The extents of C.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.extents[0], self.extents[2]]
    }

    /// The element type of C.
    #[must_use]
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Chunks for a store of C: every block that [`Multiply::run`] gives is made of whole ones.
    #[must_use]
    pub fn chunks(&self) -> [usize; 2] {
        [STRIPE.min(self.tile[0]), STRIPE.min(self.tile[1])]
    }

    /// The most bytes that the tile and the panels take at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// The tiles of C that are computed: first row, first column, rows, columns.
    fn tiles(&self) -> Vec<[usize; 4]> {
        let [m, _, n] = self.extents;
        let rows = (0..m).step_by(self.tile[0]);
        let tiles = rows.flat_map(|i| (0..n).step_by(self.tile[1]).map(move |j| [i, j]));
        let tiles = tiles.filter(|&[i, j]| !self.symmetric || j <= i);
        tiles.map(|[i, j]| [i, j, self.tile[0].min(m - i), self.tile[1].min(n - j)]).collect()
    }

    /// Bytes of A and B that are read, as they are before they are converted.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.tiles().into_iter().map(|tile| self.panels(tile, self.extents[1])).sum()
    }

    /// Bytes of the panels of a tile, so many steps deep.
    fn panels(&self, [i, j, rows, columns]: [usize; 4], depth: usize) -> u64 {
        let both = [rows, if self.symmetric && i == j { 0 } else { columns }];
        let line: usize = both.iter().zip(self.sizes).map(|(lines, size)| lines * size).sum();
        line as u64 * depth as u64
    }

    /// The product in words: extents, tiles, traffic and memory.
    #[must_use]
    pub fn describe(&self) -> String {
        let [m, k, n] = self.extents;
        let [rows, columns, depth] = self.tile;
        let size = self.element().size();
        let mut text = format!(
            "{} times {}: {m} x {k} by {k} x {n} of {}\n",
            self.a.description().name,
            self.b.description().name,
            self.element()
        );
        let symmetric = if self.symmetric { ", of which those on and below the diagonal are computed" } else { "" };
        let _ =
            writeln!(text, "tiles of {rows} x {columns}, panels {depth} deep{symmetric}, on {}", self.device.name());
        let least = if rows >= m && columns >= n { "each factor once" } else { "a larger budget reads less" };
        let _ =
            writeln!(text, "reads {} ({least}), the product has {}", bytes(self.reads()), bytes((m * n * size) as u64));
        let _ = write!(text, "memory: at most {}", bytes(self.peak as u64));
        text
    }

    /// Computes the product and gives it in blocks of rows, in no particular order: the place in C, and the elements in
    /// C order and this machine's byte order. It ends when `watch` says `false`.
    ///
    /// # Errors
    /// [`Error::Read`] if a factor cannot be read, [`Error::Stopped`], and what `take` gives.
    pub fn run(&self, watch: &dyn Fn(Progress) -> bool, take: &mut Take<'_>) -> Result<()> {
        match self.element {
            ElementType::Float32 => self.run_as::<f32>(watch, take),
            ElementType::Float64 => self.run_as::<f64>(watch, take),
            ElementType::Complex64 => self.run_as::<Complex<f32>>(watch, take),
            ElementType::Complex128 => self.run_as::<Complex<f64>>(watch, take),
            element => self.run_as::<i64>(watch, &mut |block, bytes| narrowed(element, block, bytes, take)),
        }
    }

    fn run_as<V: Panel>(&self, watch: &dyn Fn(Progress) -> bool, take: &mut Take<'_>) -> Result<()> {
        let (total, mut done) = (self.reads(), 0);
        std::thread::scope(|scope| {
            // Panels that were multiplied go back to the reader, which fills them again. An error drops these ends, and
            // the reader ends too.
            let (full, panels) = sync_channel::<Result<[Vec<V>; 2]>>(1);
            let (back, empty) = sync_channel(2);
            scope.spawn(move || self.read_all::<V>(&full, &empty));
            let mut c = Vec::new();
            for [i, j, rows, columns] in self.tiles() {
                c.clear();
                c.resize(rows * columns, V::default());
                let mut tile = Array2::from_shape_vec((rows, columns), std::mem::take(&mut c))
                    .map_err(|_| Error::shape("tile", format!("{rows} x {columns}"), "another length"))?;
                for k in (0..self.extents[1]).step_by(self.tile[2]) {
                    let depth = self.tile[2].min(self.extents[1] - k);
                    let [a, b] = panels.recv().map_err(|_| Error::read("a factor", "its reader ended"))??;
                    let one = self.symmetric && i == j;
                    let left = self.panel(&a, [rows, depth], self.ops[0]);
                    let right = if one { left.reversed_axes() } else { self.panel(&b, [depth, columns], self.ops[1]) };
                    V::add(&self.device, self.ops, left, right, &mut tile)?;
                    done += self.panels([i, j, rows, columns], depth);
                    // The reader has ended where there is nothing left to read.
                    let _ = back.send([a, b]);
                    if !watch(Progress { done, total }) {
                        return Err(Error::Stopped);
                    }
                }
                give(&tile.view(), [i, j], take)?;
                if self.symmetric && i != j {
                    give(&tile.t(), [j, i], take)?;
                }
                c = tile.into_raw_vec_and_offset().0;
            }
            Ok(())
        })
    }

    /// A panel as it is multiplied: rows and columns after op().
    fn panel<'a, V>(&self, panel: &'a [V], [rows, columns]: [usize; 2], op: Op) -> ArrayView2<'a, V> {
        let len = rows * columns;
        let shape = if op.transposes() { (columns, rows) } else { (rows, columns) };
        let view = ArrayView2::from_shape(shape, &panel[..len]).expect("a panel has as many elements as its shape");
        if op.transposes() { view.reversed_axes() } else { view }
    }

    /// Reads the panels of all tiles in the order in which they are multiplied.
    fn read_all<V: Panel>(&self, full: &SyncSender<Result<[Vec<V>; 2]>>, empty: &Receiver<[Vec<V>; 2]>) {
        let mut spare = 2;
        for [i, j, rows, columns] in self.tiles() {
            for k in (0..self.extents[1]).step_by(self.tile[2]) {
                let depth = self.tile[2].min(self.extents[1] - k);
                let used = if spare > 0 {
                    spare -= 1;
                    Some([Vec::new(), Vec::new()])
                } else {
                    empty.recv().ok()
                };
                let Some([mut a, mut b]) = used else { return };
                let read = read(&*self.a, [i, k], [rows, depth], self.ops[0], &mut a).and_then(|()| {
                    if self.symmetric && i == j {
                        Ok(())
                    } else {
                        read(&*self.b, [k, j], [depth, columns], self.ops[1], &mut b)
                    }
                });
                let failed = read.is_err();
                if full.send(read.map(|()| [a, b])).is_err() || failed {
                    return;
                }
            }
        }
    }
}

/// Reads the part of op(X) that begins at a row and a column.
fn read<V: Panel>(x: &dyn Source, at: [usize; 2], extents: [usize; 2], op: Op, to: &mut Vec<V>) -> Result<()> {
    let turn = |[a, b]: [usize; 2]| if op.transposes() { vec![b, a] } else { vec![a, b] };
    let block = Region { start: turn(at), shape: turn(extents) };
    to.resize(block.len(), V::default());
    x.read(&block, bytemuck::cast_slice_mut(to))
}

/// Gives a tile in stripes of rows.
fn give<V: Panel>(tile: &ArrayView2<'_, V>, [i, j]: [usize; 2], take: &mut Take<'_>) -> Result<()> {
    let (rows, columns) = tile.dim();
    for first in (0..rows).step_by(STRIPE) {
        let last = rows.min(first + STRIPE);
        let stripe = tile.slice(s![first..last, ..]);
        let stripe = stripe.as_standard_layout();
        let block = Region { start: vec![i + first, j], shape: vec![last - first, columns] };
        take(&block, bytemuck::cast_slice(stripe.as_slice().unwrap_or_default()))?;
    }
    Ok(())
}

/// Gives integers of 64 bits as elements of this type, of which they have the last bits; or bool, which is true if the
/// sum of products is not 0.
fn narrowed(element: ElementType, block: &Region, bytes: &[u8], take: &mut Take<'_>) -> Result<()> {
    fn cut<T: Pod>(bytes: &[u8], to: impl Fn(i64) -> T) -> Vec<T> {
        bytemuck::cast_slice(bytes).iter().map(|&x| to(x)).collect()
    }
    #[expect(clippy::cast_possible_truncation, reason = "integers wrap")]
    match (element, element.size()) {
        (ElementType::Bool, _) => take(block, &cut(bytes, |x| u8::from(x != 0))),
        (_, 1) => take(block, &cut(bytes, |x| x as u8)),
        (_, 2) => take(block, bytemuck::cast_slice(&cut(bytes, |x| x as u16))),
        (_, 4) => take(block, bytemuck::cast_slice(&cut(bytes, |x| x as u32))),
        _ => take(block, bytes),
    }
}
