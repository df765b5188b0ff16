// Type 2, last stage: c[j] = sum_l grid[l] prod_a phi((l_a - u_ja) 2/w), one lane a point, in the order of the tiles;
// items along z.
//
// The last axis is unrolled, its kernel values and cells in registers; the first axis' values are computed as its loop
// goes, and of three axes the middle one's wait in workgroup memory, each lane reading only what it wrote.

const WIDTH = {{WIDTH}}u;
const LANES = {{LANES}}u;
const DEPTH = {{DEPTH}}u; // stencil cells on the first of three axes, else 1
const HEIGHT = {{HEIGHT}}u; // stencil cells on the last axis but one, else 1

struct Params {
    cells: vec3<u32>, // of the grid; leading ones where there are fewer axes
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

{{HEIGHTS}}

{{KERNEL}}

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unfolded(group) * LANES + lane;
    if (i >= params.points) {
        return;
    }
    {{CORNERS}}
    {{FILL_HEIGHTS}}
    {{LAST}}
    let grids = group.z * params.cells.x * params.cells.y * params.cells.z;
    var total = Complex();
    for (var z = 0u; z < DEPTH; z++) {
        let rows = wrapped(corner_z + z, params.cells.x) * params.cells.y;
        var plane = Complex();
        for (var y = 0u; y < HEIGHT; y++) {
            let row = grids + (rows + wrapped(corner_y + y, params.cells.y)) * params.cells.z;
            var sum = grid[row + x0] * k0;
            {{ROW_SUM}}
            {{ADD_ROW}}
        }
        {{ADD_PLANE}}
    }
    values[params.base + group.z * params.points + order[i]] = total;
}
