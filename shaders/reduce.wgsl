// Reductions: what is known of the elements x[k, r, c] over r, block by block of r. The host joins the blocks in f64.
//
// Where there is one column a workgroup takes a block of a run, neighbouring lanes neighbouring elements, and joins its lanes in a
// fixed tree; else a lane takes a column's block. Sums of f32 carry the error of each addition, which compilers may take for zero:
// every intermediate is pinned by bits that are not known before the dispatch. NaN is told by bits too.

const LANES = {{LANES}}u;
const COLUMNS = {{COLUMNS}}; // whether lanes are columns
const SKIP = {{SKIP}}; // whether NaNs count for nothing
const TRUTHS = {{TRUTHS}};
const TOTAL = {{TOTAL}};
const MOMENTS = {{MOMENTS}};
const LEAST = {{LEAST}};
const GREATEST = {{GREATEST}};
const ABSOLUTE = {{ABSOLUTE}};
const SQUARES = {{SQUARES}};

struct Params {
    outer: u32, // k
    rows: u32, // r
    columns: u32, // c
    blocks: u32, // of each run or column
    block: u32, // rows of a block
    zero: u32, // 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> elements: array<{{STORED}}>;
@group(0) @binding(2) var<storage, read> words: array<{{WORDS}}>; // the same in bits
@group(0) @binding(3) var<storage, read_write> numbers: array<Real>; // {{NUMBERS}} for each block
@group(0) @binding(4) var<storage, read_write> places: array<u32>; // 4 for each block

struct Sum {
    high: Real,
    low: Real,
}

struct State {
    count: u32,
    truths: u32,
    total: Sum,
    shift: Real,
    first: Sum,
    second: Sum,
    least: Real,
    least_nan: bool,
    least_place: u32,
    greatest: Real,
    greatest_nan: bool,
    greatest_place: u32,
    absolute: Sum,
    squares: Sum,
}

{{ARITHMETIC}}

fn element(index: u32) -> Real {
    {{LOAD}}
}

// Whether (x, x_nan, x_place) takes the place of the best so far; of equals the one that lies first does.
fn beyond(x: Real, x_nan: bool, x_place: u32, best: Real, best_nan: bool, best_place: u32, greatest: bool) -> bool {
    if (x_nan || best_nan) {
        if (x_nan && best_nan) {
            return x_place < best_place;
        }
        return x_nan != SKIP;
    }
    if (x == best) {
        return x_place < best_place;
    }
    return (x > best) == greatest;
}

fn taken(before: State, x: Real, nan: bool, place: u32) -> State {
    var state = before;
    if (state.count == 0u && (state.least_place == 0xffffffffu)) {
        state.least = x;
        state.least_nan = nan;
        state.least_place = place;
        state.greatest = x;
        state.greatest_nan = nan;
        state.greatest_place = place;
    }
    if (LEAST && beyond(x, nan, place, state.least, state.least_nan, state.least_place, false)) {
        state.least = x;
        state.least_nan = nan;
        state.least_place = place;
    }
    if (GREATEST && beyond(x, nan, place, state.greatest, state.greatest_nan, state.greatest_place, true)) {
        state.greatest = x;
        state.greatest_nan = nan;
        state.greatest_place = place;
    }
    if (SKIP && nan) {
        return state;
    }
    if (MOMENTS) {
        let off = x - state.shift;
        state.first = added_one(state.first, off);
        state.second = added_square(state.second, off);
    }
    state.count += 1u;
    if (TRUTHS) {
        state.truths += select(1u, 0u, x == Real(0) && !nan); // NaN is not 0
    }
    if (TOTAL) {
        state.total = added_one(state.total, x);
    }
    if (ABSOLUTE) {
        state.absolute = added_one(state.absolute, abs(x));
    }
    if (SQUARES) {
        state.squares = added_square(state.squares, x);
    }
    return state;
}

fn joined(a: State, b: State) -> State {
    var state = a;
    if (b.least_place == 0xffffffffu) {
        return a;
    }
    if (a.least_place == 0xffffffffu) {
        return b;
    }
    if (LEAST && beyond(b.least, b.least_nan, b.least_place, a.least, a.least_nan, a.least_place, false)) {
        state.least = b.least;
        state.least_nan = b.least_nan;
        state.least_place = b.least_place;
    }
    if (GREATEST && beyond(b.greatest, b.greatest_nan, b.greatest_place, a.greatest, a.greatest_nan, a.greatest_place, true)) {
        state.greatest = b.greatest;
        state.greatest_nan = b.greatest_nan;
        state.greatest_place = b.greatest_place;
    }
    state.count += b.count;
    state.truths += b.truths;
    if (TOTAL) {
        state.total = added(a.total, b.total);
    }
    if (ABSOLUTE) {
        state.absolute = added(a.absolute, b.absolute);
    }
    if (SQUARES) {
        state.squares = added(a.squares, b.squares);
    }
    if (MOMENTS) {
        state.first = added(a.first, b.first);
        state.second = added(a.second, b.second);
    }
    return state;
}

// A number near a block's elements, whose deviations from it lose nothing: its first one.
fn shift_at(index: u32) -> Real {
    if (MOMENTS && !is_nan(index)) {
        return element(index);
    }
    return Real(0);
}

fn written(at: u32, state: State) {
    let places_at = at * 4u;
    places[places_at] = state.count;
    places[places_at + 1u] = state.truths;
    places[places_at + 2u] = state.least_place;
    places[places_at + 3u] = state.greatest_place;
    let n = at * {{NUMBERS}}u;
    {{WRITE}}
}

var<workgroup> lanes: array<State, LANES>;

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = unfolded(group);
    var state = State();
    state.least_place = 0xffffffffu;
    if (COLUMNS) {
        // A job is a column's block: outer, block, column.
        let job = index * LANES + lane;
        if (job >= params.outer * params.blocks * params.columns) {
            return;
        }
        let column = job % params.columns;
        let block = job / params.columns % params.blocks;
        let outer = job / params.columns / params.blocks;
        let first = block * params.block;
        let end = min(first + params.block, params.rows);
        state.shift = shift_at((outer * params.rows + first) * params.columns + column);
        for (var row = first; row < end; row++) {
            let at = (outer * params.rows + row) * params.columns + column;
            state = taken(state, element(at), is_nan(at), row);
        }
        written(job, state);
    } else {
        if (index >= params.outer * params.blocks) {
            return;
        }
        let first = index % params.blocks * params.block;
        let end = min(first + params.block, params.rows);
        let start = index / params.blocks * params.rows;
        state.shift = shift_at(start + first);
        for (var row = first + lane; row < end; row += LANES) {
            state = taken(state, element(start + row), is_nan(start + row), row);
        }
        lanes[lane] = state;
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (lane < half) {
                lanes[lane] = joined(lanes[lane], lanes[lane + half]);
            }
        }
        if (lane == 0u) {
            written(index, lanes[0]);
        }
    }
}
