// The uniform transform of lines of numbers: X[k] = sum_l x[l] exp(2 pi i k l / LENGTH), Stockham's order, radices 2,
// 3, 4, 5, 8 and products of two of them (shaders/fft/composite.wgsl).
//
// A workgroup takes COLUMNS lines. Neighbouring lanes take neighbouring lines, so that strided axes are read in whole
// sectors. A lane keeps its butterflies in registers; between two stages they go through workgroup memory. The other
// sign is the same transform with real and imaginary parts exchanged on the way in and out. Longer lines take several
// passes, with twiddles between them; src/fft/passes.rs plans the passes and src/gpu/fft.rs makes the stages. The pass
// next to the modes of a NUFFT deconvolves too: it writes modes, or reads them (shaders/fft/).

const LENGTH = {{LENGTH}}u;
const COLUMNS = {{COLUMNS}}u;
const LANES = {{LANES}}u; // of one line
const FINE = {{FINE}}u; // twiddles in the fine table

// Lines along one axis: there are `count` of them, the first `head` are neighbours, the others lie `skip` further on.
struct Axis {
    count: u32,
    head: u32,
    skip: u32,
    input_stride: u32,
    output_stride: u32,
    pad_a: u32,
    pad_b: u32,
    pad_c: u32,
}

// In a line the numbers from `read_head` to `read_tail` are zero, and those from `write_head` to `write_tail` not
// wanted.
struct Params {
    lines: u32,
    exchanged: u32, // whether real and imaginary parts are exchanged, for the other sign
    input_stride: u32, // from one number of a line to the next
    output_stride: u32,
    read_head: u32,
    read_tail: u32,
    write_head: u32,
    write_tail: u32,
    axes: array<Axis, {{AXES}}>,
}

@group(0) @binding(0) var<uniform> params: Params;
// Twiddles of the line, then the fine and the coarse table of the longer line.
@group(0) @binding(1) var<storage, read> twiddles: array<Complex>;
@group(0) @binding(2) var<storage, read_write> output: array<Complex>;
{{INPUT}}

var<workgroup> tile: array<Complex, {{TILE}}>;

fn times(a: Complex, b: Complex) -> Complex {
    return Complex(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// i z
fn times_i(z: Complex) -> Complex {
    return Complex(-z.y, z.x);
}

fn dft2(v: array<Complex, 2>) -> array<Complex, 2> {
    return array<Complex, 2>(v[0] + v[1], v[0] - v[1]);
}

fn dft3(v: array<Complex, 3>) -> array<Complex, 3> {
    let sum = v[1] + v[2];
    let even = v[0] - sum * {{HALF}};
    let odd = times_i(v[1] - v[2]) * {{SIN_3}};
    return array<Complex, 3>(v[0] + sum, even + odd, even - odd);
}

fn dft4(v: array<Complex, 4>) -> array<Complex, 4> {
    let a = v[0] + v[2];
    let b = v[0] - v[2];
    let c = v[1] + v[3];
    let d = times_i(v[1] - v[3]);
    return array<Complex, 4>(a + c, b + d, a - c, b - d);
}

fn dft5(v: array<Complex, 5>) -> array<Complex, 5> {
    let a = v[1] + v[4];
    let b = v[2] + v[3];
    let c = times_i(v[1] - v[4]);
    let d = times_i(v[2] - v[3]);
    let near = v[0] + a * {{COS_5}} - b * {{COS_10}};
    let far = v[0] - a * {{COS_10}} + b * {{COS_5}};
    let near_odd = c * {{SIN_5}} + d * {{SIN_10}};
    let far_odd = c * {{SIN_10}} - d * {{SIN_5}};
    return array<Complex, 5>(v[0] + a + b, near + near_odd, far + far_odd, far - far_odd, near - near_odd);
}

fn dft8(v: array<Complex, 8>) -> array<Complex, 8> {
    let a = dft4(array<Complex, 4>(v[0], v[2], v[4], v[6]));
    let b = dft4(array<Complex, 4>(v[1], v[3], v[5], v[7]));
    let b1 = (b[1] + times_i(b[1])) * {{SIN_8}};
    let b2 = times_i(b[2]);
    let b3 = (times_i(b[3]) - b[3]) * {{SIN_8}};
    return array<Complex, 8>(
        a[0] + b[0], a[1] + b1, a[2] + b2, a[3] + b3, a[0] - b[0], a[1] - b1, a[2] - b2, a[3] - b3
    );
}

{{COMPOSITES}}

struct Place {
    input: u32,
    output: u32,
    rest: u32, // of a longer line: place within what the next passes transform
    mode: u32, // next to the modes: rank among the modes of the other axes, NONE where there is none
    cell: u32, // the line's first cell along its axis
    factor: Real,
}

fn place(line: u32) -> Place {
    var place = Place();
    var left = line;
    {{PLACE}}
    return place;
}

// exp(2 pi i m / n), where n is the length of the longer line
fn twiddle(m: u32) -> Complex {
    return times(twiddles[LENGTH + m % FINE], twiddles[LENGTH + FINE + m / FINE]);
}

fn take(place: Place, index: u32) -> Complex {
    if (index >= params.read_head && index < params.read_tail) {
        return Complex();
    }
    {{READ}}
    return {{TAKEN}};
}

fn give(place: Place, index: u32, value: Complex) {
    if (index >= params.write_head && index < params.write_tail) {
        return;
    }
    let z = {{GIVEN}};
    {{WRITE}}
}

@compute @workgroup_size({{WORKGROUP}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = lane % COLUMNS;
    let first = lane / COLUMNS;
    let line = unfolded(group) * COLUMNS + column;
    // Passes are planned for more grids than there may be: lanes without a line take the first one again and do not
    // write.
    var found = place(min(line, params.lines - 1u));
    let there = line < params.lines && found.input < arrayLength(&{{GRIDS}});
    if (!there) {
        found = place(0u);
    }
    let place = found;
    {{STAGES}}
}
