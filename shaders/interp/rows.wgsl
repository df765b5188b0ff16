// Sums over the rows of the other axes, in each of which the lane has one cell.
    let x = grids + wrapped(corner_x + cell, params.cells.z);
    {{ROWS}}
    for (var z = 0u; z < DEPTH; z++) {
        let plane = x + wrapped(corner_z + z, params.cells.x) * params.cells.y * params.cells.z;
        var sum = Complex();
        {{SUM}}
        total += {{PLANE}};
    }
    total *= kernel(argument_x, cell);
