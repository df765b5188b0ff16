// Type 1, first stage: grid[l] += sum_j c[j] prod_a phi((l_a - u_ja) 2/w), deterministic and without atomics.
//
// A workgroup holds a box of the grid in registers: a lane owns COLUMN neighbouring cells along the first axis, and
// takes the points of the box that may reach them one after another, so that no two lanes add to one cell and the order
// of additions is fixed. The kernel values of a batch of points are computed together and wait in workgroup memory, as
// rows of the box with zeros beside the stencil. A batch's points are in the order of the cells they begin in along the
// axis KEY, so those that reach given lanes are a range. Boxes of one dispatch never overlap (tiles of one colour), so
// sums are returned to the grid by plain additions. A crowded tile is the work of several groups: all but the last
// leave their sums in scratch memory, and the last one returns them with its own. Items of a batch are workgroups along
// z. Missing axes come last, with one cell each.

const AXES = {{AXES}}u;
const PLAINS = max(AXES - 1u, 1u); // axes whose kernel values are not in vectors of four
const WIDTH = {{WIDTH}}u;
const COLUMN = {{COLUMN}}u; // cells of a lane
const COLUMNS = {{COLUMNS}}u; // lanes of a box on the first axis; SECOND and THIRD are those on the others
const SECOND = {{SECOND}}u;
const THIRD = {{THIRD}}u;
const LANES = COLUMNS * SECOND * THIRD;
const KEY = {{KEY}}u;
const TEAMS = {{TEAMS}}u; // groups of lanes that take the same points
const TEAM = {{TEAM}}u; // cells of a team along the axis KEY
const BATCH = {{BATCH}}u; // points between barriers
const QUADS = {{QUADS}}u; // vectors of four kernel values along the first axis; 0 if it is the only one
const PLAIN = {{PLAIN}}u; // kernel values along the only axis, with zeros on either side; else 0

struct Params {
    cells: vec3<u32>, // of the grid; missing axes come first, with one cell
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
    others: u32, // the first of the boxes in scratch memory that are returned with this one, `joined` in all
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

// Where stencils begin in the box along the axis KEY: negative if before it, as the box may be a part of its tile.
var<workgroup> starts: array<i32, BATCH>;
// The first point of each team, and the first one after its last.
var<workgroup> ranges: array<u32, 2u * TEAMS>;
var<workgroup> charges: array<Complex, BATCH>;
var<workgroup> quads: array<vec4<Real>, BATCH * max(QUADS, 1u)>;
var<workgroup> rows: array<Real, BATCH * SECOND>;
var<workgroup> lines: array<Real, BATCH * THIRD>;
var<workgroup> plain: array<Real, BATCH * max(PLAIN, 1u)>;

{{KERNEL}}

// Where the stencil of the point i begins in the box, along an axis in use.
fn start(job: Job, i: u32, axis: u32) -> i32 {
    return i32(cells[axis * params.points + i]) - i32(job.origin[axis]);
}

// A kernel value along the first axis; 0 beside the stencil.
fn value(i: u32, cell: i32) -> Real {
    if (cell < 0 || cell >= i32(WIDTH)) {
        return Real(0);
    }
    return kernel(arguments[i], u32(cell));
}

// The first point of a batch that begins at a cell or after it.
fn first_from(cell: i32, batch: u32) -> u32 {
    var before = 0u;
    for (var step = {{SEARCHED}}u; step > 0u; step /= 2u) {
        if (before + step <= batch && starts[min(before + step, BATCH) - 1u] < cell) {
            before += step;
        }
    }
    return before;
}

// Extents in the order of a box's axes: missing ones last.
fn box_order(extents: vec3<u32>) -> vec3<u32> {
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
    let team = select(second / TEAM, first / TEAM, AXES == 1u);
    {{DECLARE}}
    if (AXES == 1u) {
        for (var at = lane; at < BATCH * PLAIN; at += LANES) {
            plain[at] = Real(0);
        }
    }

    for (var done = 0u; done < job.count; done += BATCH) {
        let batch = min(BATCH, job.count - done);
        let from_here = job.first + done;
        workgroupBarrier(); // the previous batch has been read
        for (var point = lane; point < batch; point += LANES) {
            let i = from_here + point;
            charges[point] = strengths[params.base + group.z * params.points + order[i]];
            starts[point] = start(job, i, KEY);
        }
        if (AXES > 1u) {
            for (var at = lane; at < batch * SECOND; at += LANES) {
                rows[at] = Real(0);
            }
        }
        if (AXES > 2u) {
            for (var at = lane; at < batch * THIRD; at += LANES) {
                lines[at] = Real(0);
            }
        }
        workgroupBarrier();
        for (var bound = lane; bound < 2u * TEAMS; bound += LANES) {
            let cell = i32(bound / 2u * TEAM);
            ranges[bound] = first_from(select(cell + i32(TEAM), cell - i32(WIDTH) + 1, bound % 2u == 0u), batch);
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
        for (var at = lane; at < batch * PLAINS * WIDTH; at += LANES) {
            let j = at % WIDTH;
            let point = at / WIDTH / PLAINS;
            let i = from_here + point;
            if (AXES == 1u) {
                plain[point * PLAIN + COLUMN - 1u + j] = kernel(arguments[i], j);
            } else {
                let axis = 1u + at / WIDTH % PLAINS;
                // Cells before the box become numbers far beyond it.
                let cell = u32(start(job, i, axis) + i32(j));
                let value = kernel(arguments[axis * params.points + i], j);
                if (axis == 1u && cell < SECOND) {
                    rows[point * SECOND + cell] = value;
                }
                if (axis == 2u && cell < THIRD) {
                    lines[point * THIRD + cell] = value;
                }
            }
        }
        workgroupBarrier();
        let after = ranges[2u * team + 1u];
        for (var point = ranges[2u * team]; point < after; point++) {
            {{WEIGH}}
            {{ADD}}
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
    if (second >= job.extent.y || third >= job.extent.z) {
        return;
    }
    let n = box_order(params.cells);
    let row = wrapped(job.origin.y + second, n.y) * n.z + wrapped(job.origin.z + third, n.z);
    let here = (params.item + group.z) * n.x * n.y * n.z + row;
    {{RETURN}}
}
