// Phases of type 3: output[j] = input[j] phase[j], or times the conjugate, with one lane for each number and items
// along z.

const LANES = {{LANES}}u;

struct Params {
    count: u32,
    conjugate: u32,
    input: u32, // of the first item's numbers
    output: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> phases: array<Complex>;
@group(0) @binding(2) var<storage, read> input: array<Complex>;
@group(0) @binding(3) var<storage, read_write> output: array<Complex>;

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let j = unfolded(group) * LANES + lane;
    if (j < params.count) {
        let at = group.z * params.count + j;
        let z = input[params.input + at];
        let phase = phases[j];
        let sine = select(phase.y, -phase.y, params.conjugate != 0u);
        output[params.output + at] = Complex(z.x * phase.x - z.y * sine, z.x * sine + z.y * phase.x);
    }
}
