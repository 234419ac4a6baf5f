"""Checks at an operator's door: what is wrong, with the numbers, before any work is done.

Each function takes the operator's name first. ValueError is for values and shapes, TypeError for types and dtypes.
"""

import numbers
import operator

import numpy as np

from .. import backend
from ..autograd import Tensor


def tensor(op, name, x):
    """A Tensor (an array or a list must be wrapped first)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: {name} must be a Tensor, got {type(x).__name__}; wrap it: Tensor({name})")


def float_tensor(op, name, x, ndim=None, min_ndim=0):
    """A Tensor of a float dtype with `ndim` dimensions (an int, or a tuple of the allowed ones), or at least `min_ndim`."""
    tensor(op, name, x)
    if x.data.dtype.kind != "f":
        raise TypeError(f"{op}: {name} must be a float tensor, got {x.dtype}; use {name}.float()")
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if (allowed and x.ndim not in allowed) or x.ndim < min_ndim:
        wanted = " or ".join(map(str, allowed)) if allowed else f"at least {min_ndim}"
        remedy = "; add a batch axis with unsqueeze(0)" if allowed and x.ndim + 1 in allowed else ""
        raise ValueError(f"{op}: {name} must have {wanted} dimensions, got {x.ndim}; {name}.shape={x.shape}{remedy}")


def same_dtype(op, **tensors):
    """All of one dtype; those that are None don't count."""
    given = {name: t for name, t in tensors.items() if t is not None}
    for name, t in given.items():
        tensor(op, name, t)
    if len({t.data.dtype for t in given.values()}) > 1:
        dtypes = ", ".join(f"{name} is {t.dtype}" for name, t in given.items())
        raise TypeError(f"{op}: all inputs must have one dtype, but {dtypes}; convert with .float() or .double()")


def integer(op, name, value, least=None):
    """An int (numpy's too, but no bool or float), at least `least`; returns it as an int."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{op}: {name} must be an integer, got {value!r}") from None
    if isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be an integer, got {value!r}")
    if least is not None and number < least:
        raise ValueError(f"{op}: {name} must be at least {least}, got {number}")
    return number


def pair(op, name, value, least=0):
    """An int or two of them, as a pair (vertical, horizontal)."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"{op}: {name} must be an int or a pair of ints, got {value!r}")
        return integer(op, name, value[0], least), integer(op, name, value[1], least)
    number = integer(op, name, value, least)
    return number, number


def number(op, name, value):
    """A real number (numpy's too), no text and no list."""
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{op}: {name} must be a number, got {value!r}")


def in_range(op, name, value, low, high):
    """A number with low <= value <= high."""
    number(op, name, value)
    if not low <= value <= high:
        raise ValueError(f"{op}: {name} must be between {low} and {high}, got {value!r}")


def one_of(op, name, value, known):
    """One of the known words; the error lists them."""
    if value not in known:
        raise ValueError(f"{op}: {name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def dim(op, dim, ndim):
    """A dimension's number, negative ones counted from the end; returns it counted from 0."""
    number = integer(op, "dim", dim)
    if not -max(ndim, 1) <= number < max(ndim, 1):
        known = f"{-ndim} to {ndim - 1}" if ndim else "it is one number: only dim 0 or -1"
        raise ValueError(f"{op}: dim {dim} is out of range for a tensor of {ndim} dimensions ({known})")
    return number % max(ndim, 1)


def class_indices(op, target, shape, classes, ignore_index=None):
    """Integer targets (array, list or Tensor) of `shape`, each in 0 .. classes-1 or ignore_index; returns the raw array."""
    target = target.data if isinstance(target, Tensor) else target
    target = target if backend.is_array(target) else np.asarray(target)
    if target.dtype.kind not in "iu":
        raise TypeError(f"{op}: target must hold integer class numbers, got {target.dtype}")
    if target.shape != shape:
        raise ValueError(f"{op}: target must have shape {shape}, one class number a sample, got {target.shape}")
    if not isinstance(target, np.ndarray):  # on a GPU the look would make the host wait
        return target
    bad = (target < 0) | (target >= classes)
    if ignore_index is not None:
        bad &= target != ignore_index
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{op}: target[{', '.join(map(str, index))}] is {target[index]}, but there are {classes} classes (0 to {classes - 1})"
        )
    return target
