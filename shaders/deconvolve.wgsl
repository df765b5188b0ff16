// Between spectrum and modes: f[k] = spectrum[bin(k)] prod_a factor_a(k_a), and the same way back, with one lane for
// each mode and items along z. Where the device transforms, the pass next to the modes deconvolves instead (fft.wgsl).

const LANES = {{LANES}}u;

struct Params {
    modes: vec3<u32>, // on each axis; missing axes come last, with one mode
    count: u32,
    cells: vec3<u32>, // of the grid
    base: u32, // of the first item's modes
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bins: array<u32>; // of the modes of the first axis, the second, the third
@group(0) @binding(2) var<storage, read> factors: array<Real>;
@group(0) @binding(3) var<storage, read> input: array<Complex>;
@group(0) @binding(4) var<storage, read_write> output: array<Complex>;

struct Place {
    cell: u32,
    factor: Real,
}

fn place(mode: u32, item: u32) -> Place {
    let grid = item * params.cells.x * params.cells.y * params.cells.z;
    let x = params.modes.x + params.modes.y + mode % params.modes.z;
    let rows = mode / params.modes.z;
    let y = params.modes.x + rows % params.modes.y;
    let z = rows / params.modes.y;
    let cell = (bins[z] * params.cells.y + bins[y]) * params.cells.z + bins[x];
    return Place(grid + cell, factors[z] * factors[y] * factors[x]);
}

@compute @workgroup_size({{LANES}})
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let mode = unfolded(group) * LANES + lane;
    if (mode < params.count) {
        let place = place(mode, group.z);
        output[params.base + group.z * params.count + mode] = input[place.cell] * place.factor;
    }
}

@compute @workgroup_size({{LANES}})
fn back(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let mode = unfolded(group) * LANES + lane;
    if (mode < params.count) {
        let place = place(mode, group.z);
        output[place.cell] = input[params.base + group.z * params.count + mode] * place.factor;
    }
}
