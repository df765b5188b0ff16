//! The uniform FFT on the device: the layout of a pass in workgroups, its shader, and the dispatches of all passes.

use std::sync::Arc;

use num_complex::Complex;

use crate::error::Result;
use crate::fft::passes::{Axis, Between, Lines, Memory, Pass, Plan, Room, radices};
use crate::gpu::buffer::complex_bytes;
use crate::gpu::deconvolve::ItemModes;
use crate::gpu::device::Context;
use crate::gpu::kernel::Kernel;
use crate::gpu::pipeline::{Slot, Source, folded, generate, roomy, unrolled};
use crate::gpu::queue::Queue;
use crate::nufft::timings::Stage;
use crate::numeric::sign::Sign;
use crate::real::Real;

/// The most lanes of a workgroup: every device has as many.
const LANES: usize = 256;
/// The most memory of a workgroup: more leaves room for fewer groups at a time, and gives a lane more than one
/// butterfly. On an H200 256 x 256 x 256 numbers took 0.78 ms with 32 KiB and 0.46 ms with 16.
const MEMORY: u32 = 16 << 10;
/// A workgroup takes at least this many numbers, so that short lines fill it too.
const NUMBERS: usize = 1024;
/// Bytes of neighbouring lines that a workgroup takes along a strided axis: some whole sectors of memory.
const SECTORS: usize = 128;

/// The binding of the input, where it is another array than the output.
const INPUT: &str = include_str!("../../shaders/fft/input.wgsl");
/// The transform of a radix that is a product of two.
const COMPOSITE: &str = include_str!("../../shaders/fft/composite.wgsl");
/// The code that finds a line's place along one axis.
const PLACE_AXIS: &str = include_str!("../../shaders/fft/place_axis.wgsl");
/// The bindings of the pass next to the modes of a NUFFT, which deconvolves.
const MODES: &str = include_str!("../../shaders/fft/modes.wgsl");
/// The code that finds what all modes of a line share.
const PLACE_MODES: &str = include_str!("../../shaders/fft/place_modes.wgsl");
/// The code by which that pass reads a number from its mode.
const READ_MODES: &str = include_str!("../../shaders/fft/read_modes.wgsl");
/// The code by which that pass writes a number to its mode.
const WRITE_MODES: &str = include_str!("../../shaders/fft/write_modes.wgsl");

/// The capacity of a device's workgroups.
fn room<T: Real>(limits: &wgpu::Limits) -> Room {
    let bytes = complex_bytes::<T>() as usize;
    let numbers = limits.max_compute_workgroup_storage_size.min(MEMORY) as usize / bytes;
    let lanes = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x) as usize;
    // The largest radix is the one whose numbers a lane's registers hold well.
    Room { numbers, bytes, lanes: lanes.min(LANES), radix: if bytes == 8 { 16 } else { 8 } }
}

/// Whether a pass is the one next to the modes of a NUFFT, which deconvolves too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    None,
    /// The last pass of type 1: it writes modes.
    Out,
    /// The first pass of type 2: it reads modes.
    In,
}

/// How the workgroups of a pass are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    length: usize,
    radices: Vec<usize>,
    columns: usize,
    /// Lanes of one line.
    lanes: usize,
    axes: usize,
    /// Which axis of the lines counts places within what later passes transform; its index sets the twiddles between
    /// passes.
    rest: Option<usize>,
    between: Between,
    /// Whether it reads and writes different arrays.
    apart: bool,
    end: End,
    /// Entries of the fine table of twiddles.
    fine: usize,
}

impl Layout {
    fn new(room: &Room, pass: &Pass, end: End) -> Self {
        let length = pass.length;
        let radices = radices(length, room.radix).unwrap_or_default();
        let largest = radices.first().copied().unwrap_or(1);
        // A workgroup takes neighbouring lines of a strided axis, and enough short lines to fill it.
        let strided = if pass.strides == [1, 1] { 1 } else { SECTORS / room.bytes };
        let wished = strided.max(NUMBERS / length).min(room.numbers / length).min(pass.count()).max(1);
        let columns = (1 << wished.ilog2()).min(room.lanes);
        let butterflies = length / largest;
        let rounds = (butterflies * columns).div_ceil(room.lanes);
        Self {
            length,
            radices,
            columns,
            lanes: butterflies.div_ceil(rounds),
            axes: pass.lines.len(),
            rest: pass.lines.iter().position(|lines| lines.rest),
            between: pass.between,
            apart: matches!(pass.memory, Memory::ToScratch | Memory::FromScratch) || end != End::None,
            end,
            fine: fine(pass.modulus),
        }
    }

    /// The shader's functions for the stages' radices that are products of two.
    fn composites<T: Real>(&self) -> String {
        let mut radices = self.radices.clone();
        radices.dedup();
        radices.into_iter().filter_map(composite::<T>).collect::<Vec<_>>().join("\n")
    }

    fn source<T: Real>(&self) -> Source {
        let Self { length, columns, lanes, axes, rest, between, apart, end, fine, .. } = self;
        let rest = rest.map_or("none".into(), |rest| rest.to_string());
        let shape = format!("{length} x{columns} lanes {lanes} axes {axes} rest {rest}");
        let radices = self.radices.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
        let name = format!("fft {shape} radices {radices} {between:?} apart {apart} end {end:?} fine {fine}");
        let mut place = unrolled(0..self.axes, |axis| {
            let counted = if self.rest == Some(axis) { "place.rest = i;" } else { "" };
            PLACE_AXIS.replace("{{AXIS}}", &axis.to_string()).replace("{{COUNTED}}", counted)
        });
        if *end != End::None {
            place = format!("{place}\n    {PLACE_MODES}");
        }
        let (taken, given) = match self.between {
            Between::None => ("select(z, z.yx, params.exchanged != 0u)", "value"),
            Between::After => ("select(z, z.yx, params.exchanged != 0u)", "times(value, twiddle(place.rest * index))"),
            Between::Before => ("times(select(z, z.yx, params.exchanged != 0u), twiddle(place.rest * index))", "value"),
        };
        let mut input = String::new();
        if *apart {
            input += INPUT;
        }
        if *end != End::None {
            input += MODES;
        }
        let from = if *apart { "input" } else { "output" };
        let read = match end {
            End::In => READ_MODES.into(),
            _ => format!("let z = {from}[place.input + index * params.input_stride];"),
        };
        let write = match end {
            End::Out => WRITE_MODES,
            _ => "output[place.output + index * params.output_stride] = select(z, z.yx, params.exchanged != 0u);",
        };
        let number = number::<T>;
        let circle = std::f64::consts::TAU;
        let values = [
            ("LENGTH", length.to_string()),
            ("COLUMNS", columns.to_string()),
            ("LANES", lanes.to_string()),
            ("FINE", fine.to_string()),
            ("AXES", axes.max(&1).to_string()),
            ("INPUT", input),
            ("GRIDS", if *end == End::Out { "input" } else { "output" }.into()),
            ("READ", read),
            ("WRITE", write.into()),
            ("TILE", (length * columns).to_string()),
            ("HALF", number(0.5)),
            ("SIN_3", number((circle / 3.0).sin())),
            ("COS_5", number((circle / 5.0).cos())),
            ("COS_10", number((circle / 10.0).cos())),
            ("SIN_5", number((circle / 5.0).sin())),
            ("SIN_10", number((circle / 10.0).sin())),
            ("SIN_8", number(std::f64::consts::FRAC_1_SQRT_2)),
            ("COMPOSITES", self.composites::<T>()),
            ("PLACE", place),
            ("TAKEN", taken.into()),
            ("GIVEN", given.into()),
            ("WORKGROUP", (lanes * columns).to_string()),
            ("STAGES", self.stages()),
        ];
        generate::<T>(name, include_str!("../../shaders/fft.wgsl"), &values)
    }

    /// The shader's stages, unrolled: each lane's butterflies are read, transformed, and written when all have been
    /// read.
    fn stages(&self) -> String {
        let mut text = String::new();
        let mut before = 1;
        for (stage, &radix) in self.radices.iter().enumerate() {
            let butterflies = self.length / radix;
            let (first, last) = (stage == 0, stage + 1 == self.radices.len());
            let rounds = butterflies.div_ceil(self.lanes);
            let whole = rounds * self.lanes == butterflies;
            text += &format!("// Stage {stage}: radix {radix} after {before}\n    ");
            for round in 0..rounds {
                let t = format!("t{stage}_{round}");
                let at = format!("first + {}u", round * self.lanes);
                // A lane without a butterfly repeats the last one.
                let at = if whole { at } else { format!("min({at}, {}u)", butterflies - 1) };
                text += &format!("let {t} = {at};\n    ");
                let numbers = (0..radix).map(|i| {
                    let index = format!("{t} + {}u", i * butterflies);
                    let number = if first {
                        format!("take(place, {index})")
                    } else {
                        format!("tile[({index}) * COLUMNS + column]")
                    };
                    match i {
                        _ if before == 1 || i == 0 => number,
                        _ => {
                            let step = i * (self.length / (before * radix));
                            format!("times({number}, twiddles[{t} % {before}u * {step}u])")
                        }
                    }
                });
                let numbers = numbers.collect::<Vec<_>>().join(", ");
                text += &format!("let v{stage}_{round} = dft{radix}(array<Complex, {radix}>({numbers}));\n    ");
            }
            if !first && !last {
                text += "workgroupBarrier();\n    ";
            }
            for round in 0..rounds {
                let guard = match (last, whole) {
                    (true, true) => "there".into(),
                    (true, false) => format!("there && first + {}u < {butterflies}u", round * self.lanes),
                    (false, true) => String::new(),
                    (false, false) => format!("first + {}u < {butterflies}u", round * self.lanes),
                };
                if !guard.is_empty() {
                    text += &format!("if ({guard}) {{\n    ");
                }
                for i in 0..radix {
                    let t = format!("t{stage}_{round}");
                    text += &if last {
                        format!("    give(place, {t} + {}u, v{stage}_{round}[{i}]);\n    ", i * butterflies)
                    } else {
                        let index =
                            format!("{t} / {before}u * {}u + {t} % {before}u + {}u", before * radix, i * before);
                        format!("    tile[({index}) * COLUMNS + column] = v{stage}_{round}[{i}];\n    ")
                    };
                }
                if !guard.is_empty() {
                    text += "}\n    ";
                }
            }
            if !last {
                text += "workgroupBarrier();\n    ";
            }
            before *= radix;
        }
        text
    }
}

/// The shader's function for a radix that is a product of two; `None` for the radices that it has already.
fn composite<T: Real>(radix: usize) -> Option<String> {
    let (a, b) = match radix {
        6 => (3, 2),
        9 => (3, 3),
        10 => (5, 2),
        12 => (4, 3),
        15 => (5, 3),
        16 => (4, 4),
        _ => return None,
    };
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    let first = unrolled(0..b, |n| {
        let inputs = list(&mut (0..a).map(|m| format!("v[{}]", b * m + n)));
        format!("let a{n} = dft{a}(array<Complex, {a}>({inputs}));")
    });
    let second = unrolled(0..a, |k| {
        let inputs = list(&mut (0..b).map(|n| match n * k {
            0 => format!("a{n}[{k}]"),
            m if 4 * m == radix => format!("times_i(a{n}[{k}])"),
            m => {
                let w: Complex<f64> = twiddle(m, radix);
                format!("times(a{n}[{k}], Complex({}, {}))", number::<T>(w.re), number::<T>(w.im))
            }
        }));
        format!("let b{k} = dft{b}(array<Complex, {b}>({inputs}));")
    });
    let outputs = list(&mut (0..radix).map(|k| format!("b{}[{}]", k % a, k / a)));
    let values =
        [("{{RADIX}}", radix.to_string()), ("{{FIRST}}", first), ("{{SECOND}}", second), ("{{OUTPUTS}}", outputs)];
    Some(values.iter().fold(COMPOSITE.to_owned(), |text, (name, value)| text.replace(name, value)))
}

/// A number in WGSL's notation.
fn number<T: Real>(x: f64) -> String {
    format!("Real({x:?}{})", if T::NAME == "f64" { "lf" } else { "" })
}

/// Shaders for lines of every radix and of some lengths that plans come to, on small devices and large ones.
pub(super) fn sources() -> Vec<Source> {
    fn of<T: Real>(sources: &mut Vec<Source>) {
        for limits in [wgpu::Limits::default(), roomy()] {
            let room = room::<T>(&limits);
            for grid in
                [&[2][..], &[30], &[8, 60], &[2000], &[40, 2048], &[5, 9, 16], &[1 << 20], &[25, 46_656], &[1 << 23]]
            {
                let all: Vec<[usize; 2]> = grid.iter().map(|&cells| [cells, 0]).collect();
                for natural in [false, true] {
                    let plan = Plan::new(&room, grid, &all, 3, natural).expect("lengths with small factors");
                    let mut every = |pass: &Pass, out: End, back: End| {
                        sources.push(Layout::new(&room, pass, out).source::<T>());
                        sources.push(Layout::new(&room, &pass.transposed(), back).source::<T>());
                    };
                    plan.passes.iter().for_each(|pass| every(pass, End::None, End::None));
                    plan.passes.last().into_iter().for_each(|pass| every(pass, End::Out, End::In));
                }
            }
        }
    }
    let mut sources = Vec::new();
    of::<f32>(&mut sources);
    of::<f64>(&mut sources);
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources.dedup_by(|a, b| a.name == b.name);
    sources
}

/// Entries of the fine table of a longer line's twiddles, about as many as in the coarse one: any of its twiddles is a
/// product of one entry of each.
fn fine(modulus: usize) -> usize {
    1 << modulus.ilog2().div_ceil(2)
}

/// `exp(2πi m/n)`, computed in f64.
fn twiddle<T: Real>(m: usize, n: usize) -> Complex<T> {
    let (sin, cos) = (std::f64::consts::TAU * (m as f64 / n as f64)).sin_cos();
    Complex::new(T::nearest(cos), T::nearest(sin))
}

/// A pass ready to run.
#[derive(Debug)]
struct Ready {
    kernel: Arc<Kernel>,
    /// Twiddles of a line, then the fine and the coarse table of the longer line it is part of.
    twiddles: wgpu::Buffer,
    /// The parameters for sign + and, one `stride` of bytes further on, for sign -.
    params: wgpu::Buffer,
    stride: u32,
    /// Lines of one grid.
    lines: usize,
    /// Lines of a workgroup.
    columns: usize,
    memory: Memory,
}

impl Ready {
    fn new<T: Real>(context: &Context, room: &Room, pass: &Pass, end: End, batch: usize) -> Result<Self> {
        let layout = Layout::new(room, pass, end);
        let mut slots = vec![Slot::Call, Slot::Read, Slot::Write];
        slots.extend(layout.apart.then_some(Slot::Read));
        if end != End::None {
            slots.extend([Slot::Uniform, Slot::Read, Slot::Read]);
        }
        let kernel = context.kernel(&layout.source::<T>(), "main", &slots)?;
        let (length, fine) = (pass.length, layout.fine);
        let mut twiddles: Vec<Complex<T>> = (0..length).map(|m| twiddle(m, length)).collect();
        twiddles.extend((0..fine).map(|m| twiddle::<T>(m, pass.modulus)));
        twiddles.extend((0..pass.modulus.div_ceil(fine)).map(|m| twiddle::<T>(m * fine, pass.modulus)));

        let [(read_head, read_tail), (write_head, write_tail)] = pass.holes;
        let [input, output] = pass.strides;
        let numbers = |exchanged: usize| {
            let mut numbers =
                vec![pass.count(), exchanged, input, output, read_head, read_tail, write_head, write_tail];
            for Lines { count, head, skip, strides: [input, output], .. } in &pass.lines {
                numbers.extend([*count, *head, *skip, *input, *output, 0, 0, 0]);
            }
            numbers.resize(numbers.len().max(16), 0);
            numbers.into_iter().map(|number| number as u32).collect::<Vec<_>>()
        };
        let align = context.limits.min_uniform_buffer_offset_alignment as usize / 4;
        let mut params = numbers(0);
        let stride = params.len().next_multiple_of(align);
        params.resize(stride, 0);
        params.extend(numbers(1));
        params.resize(2 * stride, 0);
        Ok(Self {
            kernel,
            twiddles: context.table("twiddles", &twiddles)?,
            params: context.uniform(&params)?,
            stride: 4 * stride as u32,
            lines: pass.count() / batch,
            columns: layout.columns,
            memory: pass.memory,
        })
    }
}

/// The passes of uniform transforms of grids in one buffer.
#[derive(Debug)]
pub(crate) struct Passes {
    axes: Vec<Axis>,
    forward: Vec<Ready>,
    backward: Vec<Ready>,
    /// The last pass forward and the first one backward, which go between grids and modes.
    ends: Option<Box<[Ready; 2]>>,
}

impl Passes {
    /// The passes between modes and the cells of up to `batch` grids, which lie one after another. On each axis `kept`
    /// has the number of kept bins from 0 on, and of those below 0. The last pass forward is [`Passes::write_modes`],
    /// the first one backward [`Passes::read_modes`].
    pub(super) fn pruned<T: Real>(
        context: &Context,
        grid: &[usize],
        kept: &[[usize; 2]],
        batch: usize,
    ) -> Result<Self> {
        let room = room::<T>(&context.limits);
        let Plan { axes, passes } = Plan::new(&room, grid, kept, batch, false)?;
        let ready = |pass: &Pass, end| Ready::new::<T>(context, &room, pass, end, batch);
        let (last, rest) = match passes.split_last() {
            Some((last, rest)) => (Some(last), rest),
            None => (None, &[][..]),
        };
        let ends = |last: &Pass| Ok(Box::new([ready(last, End::Out)?, ready(&last.transposed(), End::In)?]));
        let ends = last.map(ends).transpose()?;
        let forward = rest.iter().map(|pass| ready(pass, End::None)).collect::<Result<_>>()?;
        let backward = rest.iter().rev().map(|pass| ready(&pass.transposed(), End::None)).collect::<Result<_>>()?;
        Ok(Self { axes, forward, backward, ends })
    }

    /// The passes over `batch` grids, one after another, that put bins where cells were, in natural order.
    pub(super) fn natural<T: Real>(context: &Context, grid: &[usize], batch: usize) -> Result<Self> {
        let room = room::<T>(&context.limits);
        let all: Vec<[usize; 2]> = grid.iter().map(|&cells| [cells, 0]).collect();
        let Plan { axes, passes } = Plan::new(&room, grid, &all, batch, true)?;
        let ready = |pass| Ready::new::<T>(context, &room, pass, End::None, batch);
        Ok(Self { axes, forward: passes.iter().map(ready).collect::<Result<_>>()?, backward: Vec::new(), ends: None })
    }

    /// Whether some axis takes several passes, which need scratch memory to end in natural order.
    pub(crate) fn split(&self) -> bool {
        self.axes.iter().any(|axis| axis.factors.len() > 1)
    }

    /// The number of passes over the grids.
    pub(crate) fn count(&self) -> usize {
        self.forward.len() + usize::from(self.ends.is_some())
    }

    /// Lengths of the passes, to be shown.
    pub(crate) fn lengths(&self) -> String {
        let axis = |axis: &Axis| axis.factors.iter().map(ToString::to_string).collect::<Vec<_>>().join("·");
        self.axes.iter().map(axis).collect::<Vec<_>>().join(" x ")
    }

    /// Where a bin of an axis lies in the spectrum.
    pub(super) fn placed(&self, axis: usize, bin: usize) -> usize {
        self.axes[axis].placed(bin)
    }

    /// Records the transform from cells to bins, without its last pass if that writes modes.
    pub(super) fn forward(
        &self,
        context: &Context,
        queue: &mut Queue,
        [numbers, scratch]: [&wgpu::Buffer; 2],
        items: usize,
        sign: Sign,
    ) -> Result<()> {
        record(context, &self.forward, queue, [numbers, scratch], items, sign)
    }

    /// Records the transform from bins to cells, without its first pass if that reads modes.
    pub(super) fn backward(
        &self,
        context: &Context,
        queue: &mut Queue,
        numbers: &wgpu::Buffer,
        items: usize,
        sign: Sign,
    ) -> Result<()> {
        record(context, &self.backward, queue, [numbers, numbers], items, sign)
    }

    /// Records the last pass forward, from grids to modes.
    pub(super) fn write_modes<T: Real>(
        &self,
        context: &Context,
        queue: &mut Queue,
        grids: &wgpu::Buffer,
        modes: &ItemModes<'_, T>,
        sign: Sign,
    ) -> Result<()> {
        let Some([out, _]) = self.ends.as_deref() else { return context.alive() };
        out.at_the_end(context, queue, [grids.as_entire_binding(), modes.numbers.clone()], modes, sign)
    }

    /// Records the first pass backward, from modes to all numbers of the grids that the other passes read.
    pub(super) fn read_modes<T: Real>(
        &self,
        context: &Context,
        queue: &mut Queue,
        modes: &ItemModes<'_, T>,
        grids: &wgpu::Buffer,
        sign: Sign,
    ) -> Result<()> {
        let Some([_, back]) = self.ends.as_deref() else { return context.alive() };
        back.at_the_end(context, queue, [modes.numbers.clone(), grids.as_entire_binding()], modes, sign)
    }
}

impl Ready {
    /// The binding of the parameters; the dispatch gives the offset for its sign.
    fn call(&self) -> wgpu::BindingResource<'_> {
        let size = wgpu::BufferSize::new(u64::from(self.stride));
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &self.params, offset: 0, size })
    }

    /// Dispatches the pass for the first `items` grids.
    fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, group: &wgpu::BindGroup, items: usize, sign: Sign) {
        let (x, y) = folded((self.lines * items).div_ceil(self.columns));
        pass.set_pipeline(&self.kernel.pipeline);
        pass.set_bind_group(0, group, &[if sign == Sign::Plus { 0 } else { self.stride }]);
        pass.dispatch_workgroups(x, y, 1);
    }

    /// Records the pass next to the modes.
    fn at_the_end<T: Real>(
        &self,
        context: &Context,
        queue: &mut Queue,
        [input, output]: [wgpu::BindingResource<'_>; 2],
        modes: &ItemModes<'_, T>,
        sign: Sign,
    ) -> Result<()> {
        let what = "fft and deconvolve";
        let tables = [&*modes.params, &modes.modes.places, &modes.modes.factors].map(wgpu::Buffer::as_entire_binding);
        let resources = [self.call(), self.twiddles.as_entire_binding(), output, input].into_iter().chain(tables);
        let group = context.bind(what, &self.kernel, resources.collect())?;
        queue.pass(context, Stage::Deconvolve, what, |pass| self.dispatch(pass, &group, modes.items, sign))
    }
}

/// Records passes over the first `items` grids.
fn record(
    context: &Context,
    passes: &[Ready],
    queue: &mut Queue,
    [numbers, scratch]: [&wgpu::Buffer; 2],
    items: usize,
    sign: Sign,
) -> Result<()> {
    let what = "fft";
    if passes.is_empty() {
        return context.alive();
    }
    let bound = passes.iter().map(|ready| {
        let (input, output) = match ready.memory {
            Memory::InPlace => (None, numbers),
            Memory::InScratch => (None, scratch),
            Memory::ToScratch => (Some(numbers), scratch),
            Memory::FromScratch => (Some(scratch), numbers),
        };
        let mut resources = vec![ready.call(), ready.twiddles.as_entire_binding(), output.as_entire_binding()];
        resources.extend(input.map(wgpu::Buffer::as_entire_binding));
        context.bind(what, &ready.kernel, resources)
    });
    let bound: Vec<wgpu::BindGroup> = bound.collect::<Result<_>>()?;
    queue.pass(context, Stage::Fft, what, |pass| {
        passes.iter().zip(&bound).for_each(|(ready, group)| ready.dispatch(pass, group, items, sign));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shader itself must not write past the modes of the items there are, however many grids the pass was planned
    /// for. Drivers may drop such writes, so that running it would show nothing.
    #[test]
    fn modes_are_bounded_by_their_array() {
        let room = room::<f32>(&wgpu::Limits::default());
        let plan = Plan::new(&room, &[48], &[[10, 10]], 1000, false).expect("a length with small factors");
        let pass = plan.passes.last().expect("there is one");
        let text = |pass: &Pass, end| Layout::new(&room, pass, end).source::<f32>().text;
        let (out, back) = (text(pass, End::Out), text(&pass.transposed(), End::In));
        let places = |text: &str, array: &str| text.matches(&format!("{array}[")).count();
        assert_eq!((places(&out, "output"), places(&back, "input")), (1, 1));
        assert!(out.contains("if (mode < arrayLength(&output)) {\n        output[mode]"), "{out}");
        assert!(
            back.contains(
                "if (mode >= arrayLength(&input)) {\n        return Complex();\n    }\n    let z = input[mode]"
            )
        );
        assert!(
            out.contains("found.input < arrayLength(&input)") && back.contains("found.input < arrayLength(&output)")
        );
    }
}
