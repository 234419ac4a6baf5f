"""Tensors as PyTorch's files hold them: a storage, and how a tensor lies in it.

A storage is a row of numbers under a key. A tensor is a view of it, and several tensors may share one:

    tensor[i, j, ...] = storage[offset + i * stride[0] + j * stride[1] + ...]

so a transposed, sliced or expanded tensor is written without a copy (an expanded one has a stride of 0). What a file's pickle says
becomes StoredTensors first, checked but without numbers (torch_pickle.py); `to_array` makes arrays of those that are wanted, so the
state of a checkpoint's optimizer costs nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .bfloat16 import BFLOAT16, widened
from .errors import WeightsError

DTYPES = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": BFLOAT16,
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint64": np.dtype("<u8"),
    "uint32": np.dtype("<u4"),
    "uint16": np.dtype("<u2"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}
MAX_NDIM = 32  # NumPy 1.26's


@dataclass(frozen=True)
class Storage:
    """`numel` values from `start` of the row under `key`, which has `whole` in all."""

    key: str
    dtype: np.dtype
    start: int
    numel: int
    whole: int


@dataclass(frozen=True)
class StoredTensor:
    storage: Storage
    dtype: np.dtype
    offset: int
    size: tuple
    stride: tuple

    def __post_init__(self):
        """Refuse what would reach beyond the storage. Raises: WeightsError."""
        storage, size, stride = self.storage, self.size, self.stride
        if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride) or len(size) > MAX_NDIM:
            raise WeightsError(
                f"a tensor in it doesn't have as many strides as sizes, or more than {MAX_NDIM}; the file was altered"
            )
        if not are_counts(self.offset, *size, *stride):
            raise WeightsError(
                "a tensor in it has sizes, strides or an offset that are no counts; the file was altered"
            )
        if storage.start and self.dtype != storage.dtype:
            raise WeightsError("a tensor in it has another dtype than the part of a storage that it views")
        numel = storage.numel * storage.dtype.itemsize // self.dtype.itemsize
        end = 0 if 0 in size else self.offset + sum((n - 1) * step for n, step in zip(size, stride)) + 1
        if max(end, self.offset) > numel:
            raise WeightsError(
                f"a tensor in it of size {size}, strides {stride} and offset {self.offset} reaches beyond its storage "
                f"of {numel:,} values; the file was altered"
            )


def are_counts(*numbers):
    """Whether all are integers that could count something. (True is an integer too, to Python.)"""
    return all(type(n) is int and 0 <= n < 2**62 for n in numbers)


def to_array(tensor, content, values):
    """The tensor as a read-only array in native byte order; bfloat16 becomes float32.

    Args:
        tensor: a StoredTensor.
        content: a function from a storage's key to (its bytes, as an array of uint8, and their byte order: "<" or ">").
        values: the rows that were converted so far, at first {}: tensors that share a storage share the array's memory.
    Raises: WeightsError if the storage isn't as long as the pickle says.
    """
    storage = tensor.storage
    raw, order = content(storage.key)
    if len(raw) // storage.dtype.itemsize != storage.whole:
        raise WeightsError(
            f"storage {storage.key[:100]!r} should have {storage.whole:,} values of {storage.dtype.itemsize} bytes, "
            f"but has {len(raw):,} bytes; the file is damaged"
        )
    if (storage.key, tensor.dtype) not in values:
        values[storage.key, tensor.dtype] = _row(raw, tensor.dtype.newbyteorder(order))
    row = values[storage.key, tensor.dtype][storage.start + tensor.offset :]
    try:
        return as_strided(row, tensor.size, [step * row.itemsize for step in tensor.stride], writeable=False)
    except ValueError:  # expanded beyond what can be counted
        raise WeightsError(f"a tensor in it of size {tensor.size} is too large for an array") from None


def _row(raw, dtype):
    """The bytes as numbers: the same memory if it can be."""
    raw = raw[: len(raw) // dtype.itemsize * dtype.itemsize]
    if dtype.kind == "b":
        return raw != 0
    row = raw.view(dtype)
    if dtype.names:
        return widened(row)
    if row.flags.aligned and dtype.isnative:
        return row
    return row.astype(dtype.newbyteorder("="))  # numbers at odd addresses are slow, and some programs refuse them
