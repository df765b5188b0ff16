// Products of matrices: C = alpha·A·B + beta·C. A workgroup computes a block of C, each lane some of its rows and
// columns.
//
// Lanes load BK steps of A's rows and B's columns into workgroup memory, four rows or columns to a vector, real and
// imaginary parts apart; while these are multiplied, the next ones are on their way to registers. Unrolled code is
// filled in by src/gpu/matmul.rs: drivers do not unroll loops, and keep no arrays in registers.

const LANES = {{LANES}}u;
const BM = {{BM}}u; // BM, BN and BK: rows and columns of a block, steps along k
const BN = {{BN}}u;
const BK = {{BK}}u;
const EDGES = {{EDGES}}; // whether blocks may reach over the edges of the matrices
const SUMS = {{SUMS}}; // whether parts of k are summed separately, and joined later

struct Params {
    m: u32,
    k: u32,
    n: u32,
    a_row: u32, // strides between rows, steps, columns and matrices, in elements
    a_step: u32,
    a_item: u32,
    b_step: u32,
    b_column: u32,
    b_item: u32,
    down: u32, // blocks down and across C
    across: u32,
    splits: u32,
    each: u32, // steps of a part of k
    groups: u32,
    reads: u32, // whether C is read, as beta is not 0
}

struct Four { // four elements
    re: vec4<Real>,
    im: vec4<Real>,
}

@group(0) @binding(0) var<uniform> params: Params;
// Real and imaginary parts of alpha and beta, then the signs of the imaginary parts of A and B.
@group(0) @binding(1) var<storage, read> scales: array<Real>;
@group(0) @binding(2) var<storage, read> a: array<{{STORED}}>;
@group(0) @binding(3) var<storage, read_write> c: array<{{STORED}}>;
@group(0) @binding(4) var<storage, read> b: array<{{STORED}}>;

// Rows are padded by one vector, or they would meet in one memory bank.
var<workgroup> a_re: array<vec4<Real>, (BM / 4u + 1u) * BK>;
var<workgroup> b_re: array<vec4<Real>, (BN / 4u + 1u) * BK>;
{{IMAGINARY}}

fn four_of_a(start: u32, row: u32, step: u32, end: u32) -> Four {
    if (EDGES && step >= end) {
        return Four();
    }
    let last = params.m - 1u;
    var rows = vec4<u32>(row, row + 1u, row + 2u, row + 3u);
    if (EDGES) {
        rows = min(rows, vec4<u32>(last)); // rows beyond the last are not written
    }
    let at = start + step * params.a_step + rows * params.a_row;
    return four(a[at.x], a[at.y], a[at.z], a[at.w], scales[4]);
}

fn four_of_b(start: u32, column: u32, step: u32, end: u32) -> Four {
    if (EDGES && step >= end) {
        return Four();
    }
    let last = params.n - 1u;
    var columns = vec4<u32>(column, column + 1u, column + 2u, column + 3u);
    if (EDGES) {
        columns = min(columns, vec4<u32>(last));
    }
    let at = start + step * params.b_step + columns * params.b_column;
    return four(b[at.x], b[at.y], b[at.z], b[at.w], scales[5]);
}

fn four(x: {{STORED}}, y: {{STORED}}, z: {{STORED}}, w: {{STORED}}, sign: Real) -> Four {
    {{FOUR}}
}

fn scaled(value: {{STORED}}, before: {{STORED}}, reads: bool) -> {{STORED}} {
    let product = times(vec2<Real>(scales[0], scales[1]), value);
    if (!reads) { // then even NaN in C has no effect
        return product;
    }
    return product + times(vec2<Real>(scales[2], scales[3]), before);
}

fn times(scale: vec2<Real>, x: {{STORED}}) -> {{STORED}} {
    {{TIMES}}
}

// Writes four elements of a row.
fn put(start: u32, row: u32, column: u32, values: Four) {
    if (EDGES && row >= params.m) {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        if (EDGES && column + j >= params.n) {
            return;
        }
        let at = start + row * params.n + column + j;
        let value = {{ELEMENT}};
        if (SUMS) {
            c[at] = value;
        } else {
            c[at] = scaled(value, c[at], params.reads != 0u);
        }
    }
}

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = unfolded(group);
    if (index >= params.groups) {
        return;
    }
    let left = index % params.across * BN;
    let top = index / params.across % params.down * BM;
    let part = index / (params.across * params.down);
    let item = part / params.splits;
    let first = part % params.splits * params.each;
    let end = min(first + params.each, params.k);
    let a_start = item * params.a_item;
    let b_start = item * params.b_item;
    let tx = lane % {{ACROSS}}u;
    let ty = lane / {{ACROSS}}u;
    {{DECLARE}}
    {{PLACES}}
    {{FETCH_FIRST}}
    for (var step = first; step < end; step += BK) {
        {{STORE}}
        workgroupBarrier();
        if (step + BK < end) {
            {{FETCH_NEXT}}
        }
        for (var near = 0u; near < BK; near += {{UNROLLED}}u) {
            let base = near * {{ROW_OF_VECTORS}}u;
            {{MULTIPLY}}
        }
        workgroupBarrier();
    }
    let c_start = part * params.m * params.n;
    {{PUT}}
}

// Adds the parts' sums, which are in `a`, in order and writes C; `groups` is the number of elements to write.
@compute @workgroup_size({{LANES}})
fn join(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unfolded(group) * LANES + lane;
    if (at >= params.groups) {
        return;
    }
    let matrix = params.m * params.n;
    let start = at / matrix * params.splits * matrix + at % matrix;
    var sum = a[start];
    for (var part = 1u; part < params.splits; part++) {
        sum += a[start + part * matrix];
    }
    c[at] = scaled(sum, c[at], params.reads != 0u);
}
