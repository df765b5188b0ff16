// What must be right before a device is trusted: rounding to nearest, the exact error of a sum of two when its steps
// are pinned, NaN by its bits, workgroup memory. Inputs come from a uniform, so that no compiler knows them.

struct Params {
    zero: u32,
    nan: u32,
    one: f32,
    small: f32, // 2^-24, half a unit in the last place of 1
    square: f32, // 1 + 2^-12, whose square is halfway between two numbers
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> found: array<u32>;

var<workgroup> tile: array<u32, 64>;

// The same number, as it depends on a value unknown before the dispatch: compilers move no arithmetic past it.
fn pin(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ params.zero);
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    tile[lane] = lane * lane + params.zero;
    workgroupBarrier();
    found[8u + lane] = tile[63u - lane];
    if (lane > 0u) {
        return;
    }
    found[0] = bitcast<u32>(params.one + params.small);
    found[1] = bitcast<u32>(params.one + 3.0 * params.small);
    found[2] = bitcast<u32>(params.square * params.square);
    let sum = pin(params.one + params.small);
    let part = pin(sum - params.one);
    let rest = pin(params.one - pin(sum - part)) + pin(params.small - part);
    found[3] = bitcast<u32>(rest);
    found[4] = u32((params.nan & 0x7fffffffu) > 0x7f800000u);
    found[5] = bitcast<u32>(bitcast<f32>(params.nan) + params.small);
}
