"""What detect_anomaly looks for: the first NaN or infinity, and arrays that were changed behind an operator's back.

`Function.apply` and `Function.run_backward` (autograd.py) ask here, inside a `detect_anomaly()` block only. Each error names the
line of the user's program that called the operator.
"""

import os
import sys
import zlib

import numpy as np

from . import backend

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def users_line():
    """file:line, function and text of the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE + os.sep):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def refuse_nonfinite(function, made, given, direction="forward"):
    """An error if `made`, an array or a tuple of them, holds a NaN or an infinity that `given` does not explain."""
    infinite, nan = _kinds(given)
    for array in made if isinstance(made, tuple) else (made,):
        if array is None or array.dtype.kind != "f":
            continue
        array = backend.to_numpy(array)  # slow on a GPU, but this is for finding mistakes
        bad = np.isnan(array) if infinite else ~np.isfinite(array)
        if bad.any():
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            raise RuntimeError(
                f"{type(function).__name__}: the {direction} pass made {array[index]} at index {index} of an array of shape "
                f"{array.shape}{' (its input held a NaN or infinity already)' if infinite or nan else ''}; "
                f"the operator was called at {getattr(function, 'where', 'a line outside detect_anomaly()')}"
            )


def _kinds(arrays):
    """Whether there is an infinity in the arrays, and whether there is a NaN."""
    floats = [backend.to_numpy(a) for a in arrays if a is not None and a.dtype.kind == "f"]
    return any(np.isinf(a).any() for a in floats), any(np.isnan(a).any() for a in floats)


def checksum(array):
    """A number that changes when a value of the array does."""
    return zlib.crc32(np.ascontiguousarray(backend.to_numpy(array)).view(np.uint8))


def refuse_changed(function):
    """An error if an array that `function` saw in its forward pass has another checksum now."""
    for array, before in getattr(function, "seen", ()):
        if checksum(array) != before:
            raise RuntimeError(
                f"{type(function).__name__}: an array of shape {array.shape} that its backward pass needs was changed in place "
                f"after the forward pass; the operator was called at {function.where}"
            )
