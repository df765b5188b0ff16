// Type 1, first stage: grid[l] += sum_j c[j] prod_a phi((l_a - u_ja) 2/w), deterministic and without atomics.
//
// A team of lanes holds a box of the grid in workgroup memory and takes the points of one tile in batches: the kernel
// values of a batch are computed together, then each lane adds, point after point, to the cells that are its own: those
// with its residues modulo the width. A cell has one owner, so points need no barrier between them and the order of
// additions is fixed. Boxes of one dispatch never overlap (tiles of one parity colour), so the return to the grid is a
// plain addition. Items of a batch are workgroups along z.

const AXES = {{AXES}}u;
const WIDTH = {{WIDTH}}u;
const SPLIT = {{SPLIT}}u; // lanes that share the first of three axes
const TEAM = {{TEAM}}u; // lanes of one box
const TEAMS = {{TEAMS}}u; // boxes of one workgroup
const BATCH = {{BATCH}}u; // points between barriers
const CELLS = {{CELLS}}u; // cells of the largest box
const VALUES = BATCH * AXES * WIDTH;

struct Params {
    cells: vec3<u32>, // of the grid; leading ones where there are fewer axes
    points: u32,
    base: u32, // of the first item's strengths
}

struct Call {
    first: u32,
    jobs: u32,
}

struct Job {
    origin: vec3<u32>, // of the box; may pass the end of an axis
    first: u32,
    extent: vec3<u32>,
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> call: Call;
@group(0) @binding(2) var<storage, read> jobs: array<Job>;
@group(0) @binding(3) var<storage, read> cells: array<u32>;
@group(0) @binding(4) var<storage, read> arguments: array<Real>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read> coefficients: array<Real>;
@group(0) @binding(7) var<storage, read> strengths: array<Complex>;
@group(0) @binding(8) var<storage, read_write> grid: array<Complex>;

var<workgroup> tile: array<Complex, TEAMS * CELLS>;
var<workgroup> values: array<Real, TEAMS * VALUES>;
var<workgroup> charges: array<Complex, TEAMS * BATCH>;
// Where a stencil begins in the box, times 16, plus that place's residue.
var<workgroup> corners: array<i32, TEAMS * BATCH * AXES>;

{{KERNEL}}

// `start` modulo `period`; a stencil may begin before a box that is a slice of its tile.
fn packed(start: i32, period: u32) -> i32 {
    let residue = (start % i32(period) + i32(period)) % i32(period);
    return (start << 4u) | residue;
}

// The first stencil cell that belongs to the lane with this residue.
fn owned(lane: u32, corner: i32, period: u32) -> u32 {
    let residue = u32(corner & 15);
    return select(lane - residue, lane + period - residue, lane < residue);
}

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let team = invocation / TEAM;
    let lane = invocation % TEAM;
    let first = unfolded(group) * TEAMS;
    if (first >= call.jobs) {
        return;
    }

    // Every lane goes through as many batches as the busiest team, since barriers are for all.
    var longest = 0u;
    for (var other = 0u; other < TEAMS; other++) {
        if (first + other < call.jobs) {
            longest = max(longest, jobs[call.first + first + other].count);
        }
    }
    var job = Job();
    if (first + team < call.jobs) {
        job = jobs[call.first + first + team];
    }

    let box = team * CELLS;
    let volume = job.extent.x * job.extent.y * job.extent.z;
    for (var cell = lane; cell < volume; cell += TEAM) {
        tile[box + cell] = Complex();
    }

    let height = i32(job.extent.y);
    let depth = i32(job.extent.x);
    let a = lane % WIDTH;
    let b = (lane / WIDTH) % WIDTH;
    let c = lane / (WIDTH * WIDTH);

    for (var done = 0u; done < longest; done += BATCH) {
        let batch = min(BATCH, max(job.count, done) - done);
        workgroupBarrier(); // the previous batch has been read
        for (var point = lane; point < batch; point += TEAM) {
            let i = job.first + done + point;
            let slot = team * BATCH + point;
            charges[slot] = strengths[params.base + group.z * params.points + order[i]];
            for (var axis = 0u; axis < AXES; axis++) {
                let start = i32(cells[axis * params.points + i]) - i32(job.origin[3u - AXES + axis]);
                let period = select(WIDTH, SPLIT, AXES == 3u && axis == 0u);
                corners[slot * AXES + axis] = packed(start, period);
            }
        }
        for (var value = lane; value < batch * AXES * WIDTH; value += TEAM) {
            let i = job.first + done + value / (AXES * WIDTH);
            let axis = (value / WIDTH) % AXES;
            values[team * VALUES + value] = kernel(arguments[axis * params.points + i], value % WIDTH);
        }
        workgroupBarrier();
        for (var point = 0u; point < batch; point++) {
            let slot = team * BATCH + point;
            let weights = slot * AXES * WIDTH;
            let corner = corners[slot * AXES + AXES - 1u];
            let along = owned(a, corner, WIDTH);
            let x = box + u32(corner >> 4u) + along; // boxes span the last axis of their tile
            let charge = charges[slot] * values[weights + (AXES - 1u) * WIDTH + along];
            if (AXES == 1u) {
                tile[x] += charge;
            } else {
                let corner = corners[slot * AXES + AXES - 2u];
                let along = owned(b, corner, WIDTH);
                let y = (corner >> 4u) + i32(along);
                if (y >= 0 && y < height) {
                    let charge = charge * values[weights + (AXES - 2u) * WIDTH + along];
                    if (AXES == 2u) {
                        tile[x + u32(y) * job.extent.z] += charge;
                    } else {
                        // Of the lane's cells of the stencil only those in the box, which may be a slice of the tile.
                        let corner = corners[slot * AXES];
                        let start = corner >> 4u;
                        let before = u32(max(-start, 0));
                        let end = u32(clamp(depth - start, 0, i32(WIDTH)));
                        var along = owned(c, corner, SPLIT);
                        along += (max(before, along) - along + SPLIT - 1u) / SPLIT * SPLIT;
                        for (; along < end; along += SPLIT) {
                            let z = u32(start + i32(along));
                            tile[x + (z * job.extent.y + u32(y)) * job.extent.z] += charge * values[weights + along];
                        }
                    }
                }
            }
        }
    }
    workgroupBarrier();

    let item = group.z * params.cells.x * params.cells.y * params.cells.z;
    for (var cell = lane; cell < volume; cell += TEAM) {
        let x = wrapped(job.origin.z + cell % job.extent.z, params.cells.z);
        let rows = cell / job.extent.z;
        let y = wrapped(job.origin.y + rows % job.extent.y, params.cells.y);
        let z = wrapped(job.origin.x + rows / job.extent.y, params.cells.x);
        grid[item + (z * params.cells.y + y) * params.cells.z + x] += tile[box + cell];
    }
}
