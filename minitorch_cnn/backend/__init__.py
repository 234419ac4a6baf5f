"""Arrays: which device they are on, random numbers, and the three forms of each primitive.

    primitives.py     the list of the primitives: what each computes; a call goes to the form for its array's device
    reference/        the textbook loops: the definition of each primitive
    cpu/              the same in NumPy, as fast as it goes
    gpu/              the same as CuPy kernels, imported when the first array is on a GPU
    arrays.py         which device an array is on, and how it gets to another
    random.py         the one generator of random numbers
    sizes.py          how large what comes out of a convolution or a pooling is
    files.py          files that are whole or not there
    pickle_reader.py  what a pickle says, without doing what it asks for

The rest of the package works on raw arrays through `primitives` and `array_module`, and never asks which device it is on.
"""

from .arrays import (
    DeviceError,
    array_module,
    canonical_device,
    device_of,
    is_array,
    on_device_of,
    out_of_memory,
    to_device,
    to_numpy,
)
from .sizes import adaptive_windows, conv_output_size, pool_output_size
