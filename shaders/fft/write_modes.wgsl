// Writes a number to its mode; the shader itself stays inside the array, whatever the driver does.
    let mode = mode(place, index);
    if (mode < arrayLength(&output)) {
        output[mode] = select(z, z.yx, params.exchanged != 0u) * factor(place, index);
    }
