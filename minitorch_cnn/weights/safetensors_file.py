"""The safetensors format (https://github.com/huggingface/safetensors):

    8 bytes         the length of the header
    header          JSON: {"conv1.weight": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [0, 37632]}, ...}
    values          little-endian, in C order, without gaps

There is nothing in it that could run, which is what it was made for. There is no checksum.

Its own library writes files, and checks headers: that no values overlap, lie outside or are left over. It would copy each tensor,
and has no bfloat16 for NumPy; so the arrays are made here, as views of the mapped file.
"""

import json
import mmap

import numpy as np

from .bfloat16 import BFLOAT16, widened
from .errors import WeightsError

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read_safetensors(file):
    """{key: array} of an open file, which has a name; bfloat16 becomes float32. Raises: WeightsError; ImportError without the
    library."""
    library = _library()
    try:
        with library.safe_open(file.name, framework="numpy"):
            pass
    except library.SafetensorError as error:
        raise WeightsError(f"a safetensors file that is damaged or cut short ({str(error)[:200]})") from None
    content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    begin = 8 + int.from_bytes(content[:8].tobytes(), "little")
    header = json.loads(content[8:begin].tobytes())
    header.pop("__metadata__", None)
    # in the order of their values, which is that in which they were written
    tensors = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    return {key: _array(key, content[begin:], **tensor) for key, tensor in tensors}


def write_safetensors(file, arrays):
    """Write {key: array} to an open binary file. Raises: ImportError without the library."""
    _library()
    from safetensors.numpy import save

    # the library reads the memory as it lies: C order. Programs around PyTorch ask for the format "pt"; the numbers are the same.
    arrays = {key: np.asarray(array, order="C") for key, array in arrays.items()}
    for key, array in arrays.items():
        if array.dtype.newbyteorder("<") not in DTYPES.values():
            raise TypeError(f"weights.write: {key!r} is an array of {array.dtype}, which safetensors doesn't have")
    file.write(save(arrays, metadata={"format": "pt"}))


def _library():
    try:
        import safetensors
    except ImportError:
        raise ImportError("this needs the library safetensors: pip install 'minitorch_cnn[safetensors]'") from None
    return safetensors


def _array(key, content, dtype, shape, data_offsets):
    """The tensor: a view of the file's content if its values lie at an even address, else a copy."""
    if dtype not in DTYPES:
        raise WeightsError(f"{key[:100]!r} is of {dtype}, which can't be read; known are {', '.join(DTYPES)}")
    values = content[slice(*data_offsets)]
    if dtype == "BOOL":
        return (values != 0).reshape(shape)  # another byte than 0 and 1 is no bool to NumPy
    values = values.view(DTYPES[dtype])
    if dtype == "BF16":
        values = widened(values)
    if not (values.flags.aligned and values.dtype.isnative):
        values = values.astype(values.dtype.newbyteorder("="))
    return values.reshape(shape)
