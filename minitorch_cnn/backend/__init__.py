"""Arrays: which device they are on, random numbers, and the three forms of each primitive.

    reference.py    the textbook loops: the definition of each primitive
    cpu/            the same in NumPy, as fast as it goes
    primitives.py   the list of the primitives: what each computes; a call goes to the form for its array's device

The rest of the package works on raw arrays through `primitives` and `array_module`, and never asks which device it is on.
"""

from .arrays import DeviceError, array_module, canonical_device, device_of, is_array, to_device, to_numpy
from .sizes import adaptive_windows, conv_output_size, pool_output_size
