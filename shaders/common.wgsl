// The beginning of every shader: the element types and the arithmetic of indices. Names in double braces are filled in
// by src/gpu/pipeline.rs.

alias Real = {{T}};
alias Complex = vec2<{{T}}>;

// Workgroups in a row of a dispatch: a dimension takes 65,535, so longer lists are folded into rows.
const ROW = {{ROW}}u;

fn unfolded(group: vec3<u32>) -> u32 {
    return group.y * ROW + group.x;
}

// `cell` may pass the end of the axis by less than the axis.
fn wrapped(cell: u32, cells: u32) -> u32 {
    return select(cell, cell - cells, cell >= cells);
}
