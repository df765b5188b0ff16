// Reads a number from its mode; the shader itself stays inside the array, whatever the driver does.
    let mode = mode(place, index);
    if (mode >= arrayLength(&input)) {
        return Complex();
    }
    let z = input[mode] * factor(place, index);
