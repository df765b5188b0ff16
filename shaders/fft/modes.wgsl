// For the pass next to the modes of a NUFFT, which deconvolves: where modes are, and their correction factors.

const NONE = 0xffffffffu;

struct Modes {
    counts: vec3<u32>, // on each axis, the first one this pass transforms; missing axes have one
    all: u32, // modes of one grid
    cells: vec3<u32>,
    base: u32, // of the first item's modes
}

@group(0) @binding(4) var<uniform> modes: Modes;
// For each cell of each axis, one axis after another: the index of its mode or NONE, and the mode's correction factor.
@group(0) @binding(5) var<storage, read> ranks: array<u32>;
@group(0) @binding(6) var<storage, read> factors: array<Real>;

fn mode(place: Place, index: u32) -> u32 {
    let rank = ranks[place.cell + index];
    return select(place.mode + rank * modes.counts.y * modes.counts.z, NONE, place.mode == NONE || rank == NONE);
}

fn factor(place: Place, index: u32) -> Real {
    return place.factor * factors[place.cell + index];
}
