// Finds what all modes of a line share.
    let rows = place.input / modes.cells.z;
    let planes = rows / modes.cells.y;
    let y = modes.cells.x + rows % modes.cells.y;
    let x = modes.cells.x + modes.cells.y + place.input % modes.cells.z;
    place.cell = planes % modes.cells.x;
    place.mode = modes.base + planes / modes.cells.x * modes.all + ranks[y] * modes.counts.z + ranks[x];
    place.mode = select(place.mode, NONE, ranks[y] == NONE || ranks[x] == NONE);
    place.factor = factors[y] * factors[x];
