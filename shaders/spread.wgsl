// Type 1, first stage: grid[l] += sum_j c[j] prod_a phi((l_a - u_ja) 2/w), deterministic and without atomics.
//
// A workgroup holds a box of the grid in registers: a lane owns COLUMN neighbouring cells along the first axis, and
// takes the points of the box one after another, so that no two lanes add to one cell and the order of additions is
// fixed. The kernel values of a batch of points are computed together and wait in workgroup memory. Boxes of one
// dispatch never overlap (tiles of one parity colour), so the return to the grid is a plain addition. A crowded tile is
// the work of several groups: all but the last leave their sums in scratch memory, and the last one returns them with
// its own. Items of a batch are workgroups along z. Where there are fewer axes the missing ones come last, with one
// cell each.

const AXES = {{AXES}}u;
const WIDTH = {{WIDTH}}u;
const COLUMN = {{COLUMN}}u; // cells of a lane
const COLUMNS = {{COLUMNS}}u; // lanes of a box on each axis
const SECOND = {{SECOND}}u;
const THIRD = {{THIRD}}u;
const LANES = COLUMNS * SECOND * THIRD;
const BATCH = {{BATCH}}u; // points between barriers
const QUADS = {{QUADS}}u; // kernel values along the first axis, four by four; none of one axis
const PLAIN = {{PLAIN}}u; // kernel values along the other axes; along the only axis, with zeros on either side

struct Params {
    cells: vec3<u32>, // of the grid; leading ones where there are fewer axes
    points: u32,
    base: u32, // of the first item's strengths
    item: u32, // the first item
}

struct Call {
    first: u32,
    jobs: u32,
    apart: u32, // whether sums go to scratch memory
}

struct Job {
    origin: vec3<u32>, // of the box; may pass the end of an axis
    first: u32,
    extent: vec3<u32>,
    count: u32,
    others: u32, // the first of the boxes in scratch memory that it returns with its own, and how many
    joined: u32,
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
@group(0) @binding(9) var<storage, read_write> scratch: array<Complex>;

// Where a stencil begins in the box, which may be before it where a box is a part of its tile.
var<workgroup> starts: array<vec3<i32>, BATCH>;
var<workgroup> charges: array<Complex, BATCH>;
var<workgroup> quads: array<vec4<Real>, BATCH * max(QUADS, 1u)>;
var<workgroup> plain: array<Real, BATCH * PLAIN>;

{{KERNEL}}

// Of the point i, on the first axis and those that there are after it.
fn start(job: Job, i: u32, axis: u32) -> i32 {
    return i32(cells[axis * params.points + i]) - i32(job.origin[axis]);
}

// A kernel value along the first axis, 0 beside the stencil.
fn value(i: u32, cell: i32) -> Real {
    if (cell < 0 || cell >= i32(WIDTH)) {
        return Real(0);
    }
    return kernel(arguments[i], u32(cell));
}

// Axes in the order of the box: missing ones last.
fn turned(extents: vec3<u32>) -> vec3<u32> {
    if (AXES == 1u) {
        return extents.zxy;
    }
    if (AXES == 2u) {
        return extents.yzx;
    }
    return extents;
}

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = unfolded(group);
    if (index >= call.jobs) {
        return;
    }
    let job = jobs[call.first + index];
    let third = lane % THIRD;
    let second = lane / THIRD % SECOND;
    let first = lane / (THIRD * SECOND) * COLUMN;
    {{DECLARE}}
    // Whether any point reaches the column, and where those begin that do, or may.
    var touched = false;
    var low = i32(COLUMNS * COLUMN);
    var high = -i32(WIDTH);

    for (var done = 0u; done < job.count; done += BATCH) {
        let batch = min(BATCH, job.count - done);
        let from_here = job.first + done;
        workgroupBarrier(); // the previous batch has been read
        for (var point = lane; point < batch; point += LANES) {
            let i = from_here + point;
            charges[point] = strengths[params.base + group.z * params.points + order[i]];
            var at = vec3<i32>(start(job, i, 0u), 0, 0);
            if (AXES > 1u) {
                at.y = start(job, i, 1u);
            }
            if (AXES > 2u) {
                at.z = start(job, i, 2u);
            }
            starts[point] = at;
        }
        for (var quad = lane; quad < batch * QUADS; quad += LANES) {
            let i = from_here + quad / max(QUADS, 1u);
            let cell = i32(quad % max(QUADS, 1u) * 4u) - start(job, i, 0u);
            var four = vec4<Real>();
            if (cell > -4 && cell < i32(WIDTH)) {
                four = vec4<Real>(value(i, cell), value(i, cell + 1), value(i, cell + 2), value(i, cell + 3));
            }
            quads[quad] = four;
        }
        for (var at = lane; at < batch * PLAIN; at += LANES) {
            let i = from_here + at / PLAIN;
            let place = at % PLAIN;
            if (AXES == 1u) {
                plain[at] = value(i, i32(place) - i32(COLUMN));
            } else {
                plain[at] = kernel(arguments[(1u + place / WIDTH) * params.points + i], place % WIDTH);
            }
        }
        workgroupBarrier();
        for (var point = 0u; point < batch; point++) {
            let begin = starts[point];
            // Below 0 is beyond the width too.
            let b = u32(i32(second) - begin.y);
            let c = u32(i32(third) - begin.z);
            let a = i32(first) - begin.x;
            // Of fewer axes a box has as many lanes as work together anyway, and a branch costs more than it saves.
            if (AXES < 3u || (b < WIDTH && c < WIDTH && a > -i32(COLUMN) && a < i32(WIDTH))) {
                touched = touched || ((AXES != 2u || b < WIDTH) && a > -i32(COLUMN) && a < i32(WIDTH));
                low = min(low, -a);
                high = max(high, -a);
                var charge = charges[point];
                if (AXES == 2u) {
                    charge *= select(Real(0), plain[point * PLAIN + min(b, WIDTH - 1u)], b < WIDTH);
                }
                if (AXES == 3u) {
                    charge *= plain[point * PLAIN + b] * plain[point * PLAIN + WIDTH + c];
                }
                {{ADD}}
            }
        }
    }

    if (call.apart != 0u) {
        let box = index * COLUMN * LANES + lane;
        {{PUT_ASIDE}}
        return;
    }
    for (var other = job.others; other < job.others + job.joined; other++) {
        let box = other * COLUMN * LANES + lane;
        {{JOIN}}
    }
    if (job.joined > 0u) {
        touched = true;
        low = 0;
        high = i32(COLUMN);
    }
    if (second >= job.extent.y || third >= job.extent.z || !touched) {
        return;
    }
    let n = turned(params.cells);
    let row = wrapped(job.origin.y + second, n.y) * n.z + wrapped(job.origin.z + third, n.z);
    let here = (params.item + group.z) * n.x * n.y * n.z + row;
    let end = min(high + i32(WIDTH), i32(job.extent.x) - i32(first));
    {{RETURN}}
}
