{
        let axis = params.axes[{{AXIS}}];
        let i = left % axis.count;
        left /= axis.count;
        {{COUNTED}}
        let cell = select(i + axis.skip, i, i < axis.head);
        place.input += cell * axis.input_stride;
        place.output += cell * axis.output_stride;
    }