// A number from its mode; the shader itself keeps to the array's end, whatever the driver does.
    let mode = mode(place, index);
    if (mode >= arrayLength(&input)) {
        return Complex();
    }
    let z = input[mode] * factor(place, index);
