for (var y = 0u; y < HEIGHT; y++) {
        heights[y * LANES + lane] = kernel(argument_y, y);
    }
