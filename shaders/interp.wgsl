// Type 2, last stage: c[j] = sum_l grid[l] prod_a phi((l_a - u_ja) 2/w), in the order of the tiles; items along z.
//
// In two and three dimensions WIDTH lanes share a point. Each has one cell of the last axis, so that neighbouring lanes
// read neighbouring cells, and sums over the rows of the other axes; then the sums of a point's lanes are added in
// their order. Each lane computes one kernel value for every axis; those of the other axes serve all of the point's
// lanes. In one dimension every lane has a point of its own.

const WIDTH = {{WIDTH}}u;
const SPAN = {{SPAN}}u; // lanes of a point
const POINTS = {{POINTS}}u; // points of a workgroup
const LANES = SPAN * POINTS;
const DEPTH = {{DEPTH}}u; // stencil cells on the first of three axes, else 1

struct Params {
    cells: vec3<u32>, // of the grid; missing axes come first, with one cell
    points: u32,
    base: u32, // of the first item's values
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> cells: array<u32>;
@group(0) @binding(2) var<storage, read> arguments: array<Real>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read> coefficients: array<Real>;
@group(0) @binding(5) var<storage, read> grid: array<Complex>;
@group(0) @binding(6) var<storage, read_write> values: array<Complex>;

var<workgroup> sums: array<Complex, LANES>;
// Kernel values on the other axes, shared by the lanes of a point.
var<workgroup> weights_z: array<Real, LANES>;
var<workgroup> weights_y: array<Real, LANES>;

{{KERNEL}}

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let point = lane / SPAN;
    let cell = lane % SPAN;
    let first = unfolded(group) * POINTS;
    // Lanes without a point repeat the last one.
    let i = min(first + point, params.points - 1u);
    {{CORNERS}}
    {{SHARE}}
    let grids = group.z * params.cells.x * params.cells.y * params.cells.z;
    var total = Complex();
    {{TOTAL}}
    sums[lane] = total;
    workgroupBarrier();
    if (lane < POINTS && first + lane < params.points) {
        var value = sums[lane * SPAN];
        for (var other = 1u; other < SPAN; other++) {
            value += sums[lane * SPAN + other];
        }
        values[params.base + group.z * params.points + order[first + lane]] = value;
    }
}
