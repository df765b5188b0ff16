// Reductions of x[k, r, c] over r: one record for each block of r, for each k and c. The host joins the records in f64.
//
// If there is one column (a run), a workgroup reduces a block: neighbouring lanes read neighbouring elements, and the
// states of lanes are joined in a fixed tree. Else a lane reduces a column's block. NaN is recognised by its bits, as
// compilers may assume that there is none.
//
// A section begins with `//: names` and ends at the next `//:`; it is kept if everything that it names is wanted.
// src/gpu/arithmetic.rs chooses the sections and inserts the arithmetic for the elements' kind.

const LANES = {{LANES}}u;
const SKIP = {{SKIP}}; // whether NaNs are skipped
const NOWHERE = 0xffffffffu; // the place of an extreme of no elements

alias Value = {{VALUE_TYPE}}; // a Real, or the two parts of a complex number
alias Bits = {{BITS}}; // the bits of a value of 32-bit numbers
alias Word = {{WORD}}; // the bits of an element in memory
alias Half = {{HALF}}; // half of each f64's bits
alias Weight = {{WEIGHT_TYPE}};

struct Params {
    outer: u32, // k
    rows: u32, // r
    columns: u32, // c
    blocks: u32, // of each run or column
    block: u32, // rows of a block
    zero: u32, // always 0, which compilers do not know
    one: u32, // always 1, which compilers do not know
    pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<Word>;
@group(0) @binding(2) var<storage, read_write> numbers: array<{{NUMBER}}>; // {{NUMBERS}} for each block
@group(0) @binding(3) var<storage, read_write> places: array<u32>; // 4 for each block: counts and places
//: wide
@group(0) @binding(4) var<storage, read> elements: array<{{STORED}}>; // the same memory as the words
//: weighted
@group(0) @binding(5) var<storage, read> weights: array<Weight>;
//:

// An element as it lies in memory.
struct Loaded {
    word: Word,
//: wide
    stored: {{STORED}},
//: weighted
    weight: Weight,
//:
}

fn loaded(index: u32) -> Loaded {
    var raw: Loaded;
    raw.word = words[index];
//: wide
    raw.stored = elements[index];
//: weighted
    raw.weight = weights[index];
//:
    return raw;
}

struct Item {
    value: Value,
    nan: bool, // whether any part is
    infinite: bool, // whether any part is
    zero: bool,
//: weighted
    weight: Weight,
//:
}

{{ARITHMETIC}}

struct Best {
    value: Real,
    nan: bool,
    place: u32,
}

struct State {
    count: u32,
    truths: u32,
//: total
    total: Sum,
//: moments
    shift: Value,
    first: Sum,
    second: Squares,
//: least
    least: Best,
//: greatest
    greatest: Best,
//: absolute
    absolute: Sum,
//: squares
    squares: Squares,
//: product
    product: Product,
//: weighted
    weighted: Sum,
    weights: Sum,
//:
}

// The state of no elements.
fn empty(shift: Value) -> State {
    var state = State();
//: moments
    state.shift = shift;
//: least
    state.least.place = NOWHERE;
//: greatest
    state.greatest.place = NOWHERE;
//: product
    state.product = one();
//:
    return state;
}

// The better of two extremes; of equal ones that with the lower place.
fn best(a: Best, b: Best, greatest: bool) -> Best {
    if (a.place == NOWHERE || b.place == NOWHERE) {
        if (a.place == NOWHERE) {
            return b;
        }
        return a;
    }
    var taken = b.place < a.place;
    if (a.nan != b.nan) {
        taken = b.nan != SKIP;
    } else if (!a.nan && a.value != b.value) {
        taken = (b.value > a.value) == greatest;
    }
    if (taken) {
        return b;
    }
    return a;
}

fn added_item(before: State, item: Item, place: u32) -> State {
    var state = before;
//: least
    state.least = best(state.least, Best(key(item), item.nan, place), false);
//: greatest
    state.greatest = best(state.greatest, Best(key(item), item.nan, place), true);
//:
    if (SKIP && item.nan) {
        return state;
    }
    state.count += 1u;
    state.truths += select(1u, 0u, item.zero);
//: total
    state.total = added_one(state.total, item.value);
//: moments
    state.first = first_moment(state.first, item.value, state.shift);
    state.second = second_moment(state.second, item.value, state.shift);
//: absolute
    state.absolute = added_magnitude(state.absolute, item);
//: squares
    state.squares = added_square(state.squares, item.value);
//: product
    state.product = factor(state.product, item);
//: weighted
    state.weighted = weighed(state.weighted, item.value, item.weight);
    state.weights = weighed(state.weights, Value(1), item.weight);
//:
    return state;
}

fn joined(a: State, b: State) -> State {
    var state = a;
    state.count += b.count;
    state.truths += b.truths;
//: total
    state.total = added(a.total, b.total);
//: moments
    state.first = added(a.first, b.first);
    state.second = added_squares(a.second, b.second);
//: least
    state.least = best(a.least, b.least, false);
//: greatest
    state.greatest = best(a.greatest, b.greatest, true);
//: absolute
    state.absolute = added(a.absolute, b.absolute);
//: squares
    state.squares = added_squares(a.squares, b.squares);
//: product
    state.product = joined_products(a.product, b.product);
//: weighted
    state.weighted = added(a.weighted, b.weighted);
    state.weights = added(a.weights, b.weights);
//:
    return state;
}

// The state after a lane's part of a block: every `stride`th row from `first` to `end`. The elements begin at `start`,
// `step` apart in memory.
fn added_rows(before: State, first: u32, end: u32, stride: u32, start: u32, step: u32) -> State {
    if (first >= end) {
        return before;
    }
    let last = start + (end - 1u - first) / stride * step;
    // Three more elements are being loaded while one is added.
    var now = loaded(start);
    var next = loaded(min(start + step, last));
    var third = loaded(min(start + 2u * step, last));
    var state = before;
    var index = start + 3u * step;
    for (var row = first; row < end; row += stride) {
        let fourth = loaded(min(index, last));
        state = added_item(state, item(now), row);
        now = next;
        next = third;
        third = fourth;
        index += step;
    }
    return state;
}

// The shift of a block's moments: its first element, which is near the others, so that deviations lose no digits.
fn shift_of(start: u32, rows: u32, step: u32) -> Value {
//: moments
    for (var row = 0u; row < rows; row++) {
        let first = item(loaded(start + row * step));
        if (!(SKIP && first.nan)) {
            return first.value;
        }
    }
//:
    return Value(0);
}

fn write_record(at: u32, state: State) {
    let places_at = at * 4u;
    places[places_at] = state.count;
    places[places_at + 1u] = state.truths;
//: least
    places[places_at + 2u] = state.least.place;
//: greatest
    places[places_at + 3u] = state.greatest.place;
//:
    let n = at * {{NUMBERS}}u;
    {{WRITE}}
}

//: columns
@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // A job is one block of one column, numbered as (outer, block, column).
    let job = unfolded(group) * LANES + lane;
    if (job >= params.outer * params.blocks * params.columns) {
        return;
    }
    let column = job % params.columns;
    let block = job / params.columns % params.blocks;
    let outer = job / params.columns / params.blocks;
    let first = block * params.block;
    let end = min(first + params.block, params.rows);
    let start = (outer * params.rows + first) * params.columns + column;
    let state = empty(shift_of(start, end - first, params.columns));
    write_record(job, added_rows(state, first, end, 1u, start, params.columns));
}
//: runs
var<workgroup> lanes: array<State, LANES>;

@compute @workgroup_size({{LANES}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = unfolded(group);
    if (index >= params.outer * params.blocks) {
        return;
    }
    let first = index % params.blocks * params.block;
    let end = min(first + params.block, params.rows);
    let start = index / params.blocks * params.rows + first;
    let state = empty(shift_of(start, end - first, 1u));
    lanes[lane] = added_rows(state, first + lane, end, LANES, start + lane, LANES);
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            lanes[lane] = joined(lanes[lane], lanes[lane + half]);
        }
    }
    if (lane == 0u) {
        write_record(index, lanes[0]);
    }
}
//:
