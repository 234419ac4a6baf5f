"""Which device an array lives on, and how it gets there.

A device is named "cpu", "cuda" (the same as "cuda:0") or "cuda:1". An array on "cpu" is a numpy.ndarray, an array on a
"cuda" device a cupy.ndarray. Code that works on both asks `array_module(a)` for `xp`, the module that has `a`'s functions,
and writes `xp.exp(a)`. This package is the only one that may name cupy.
"""

import contextlib
import re

import numpy as np


class DeviceError(RuntimeError):
    """A device that isn't there, or isn't usable; the message says what to do."""


def canonical_device(device):
    """ "cpu", "cuda" or "cuda:N" in its full form.

    >>> canonical_device("cpu"), canonical_device("cuda")
    ('cpu', 'cuda:0')
    """
    if isinstance(device, str):
        if device == "cpu":
            return "cpu"
        match = re.fullmatch(r"cuda(?::(\d+))?", device)
        if match:
            return f"cuda:{int(match.group(1) or 0)}"
    raise ValueError(f'unknown device {device!r}; known are "cpu", "cuda" and "cuda:N"')


def device_of(array):
    """The device's name of a numpy or cupy array."""
    return "cpu" if isinstance(array, np.ndarray) else f"cuda:{array.device.id}"


def array_module(array):
    """numpy for a numpy array (or scalar), cupy for a cupy array: the `xp` of code that runs on both."""
    if type(array) is np.ndarray or isinstance(array, np.ndarray | np.generic):
        return np
    import cupy

    return cupy


def is_array(value):
    """Whether `value` is an array of either device, and not a list, a number or a Tensor."""
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def to_numpy(array):
    """The array on the CPU; no copy is made of one which is there already."""
    return array if isinstance(array, np.ndarray | np.generic) else array.get()


def to_device(array, device):
    """The array on `device`; no copy is made of one which is there already."""
    device = canonical_device(device)
    if is_array(array) and device_of(array) == device:
        return array
    if device == "cpu":
        return to_numpy(array)
    from . import devices  # asks CuPy about devices: only once somebody wants one

    number = devices.require(device)
    import cupy

    try:
        if isinstance(array, cupy.ndarray) and not array.flags.c_contiguous:
            with array.device:  # such as a part of a gradient: CuPy can't copy it from device to device
                array = array.copy()
        with cupy.cuda.Device(number):
            return cupy.asarray(array)
    except MemoryError as error:
        raise devices.out_of_memory(error, f'to("{device}")') from None


def on_device_of(array):
    """A `with` block in which new arrays are made, and kernels run, where `array` is."""
    return contextlib.nullcontext() if isinstance(array, np.ndarray | np.generic) else array.device


def out_of_memory(error, operator, arrays):
    """The MemoryError to raise in place of a GPU's: it says what was asked for, what is held, and what to reduce."""
    from . import devices

    return devices.out_of_memory(error, operator, arrays)
