"""The safetensors format (https://github.com/huggingface/safetensors), by its own library:

    8 bytes         the length of the header
    header          JSON: {"conv1.weight": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [0, 37632]}, ...}
    values          little-endian, in C order, without gaps

There is nothing in it that could run, which is what it was made for. There is no checksum.
"""

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


def read_safetensors(content):
    """{key: array} of a file's bytes; bfloat16 becomes float32. Raises: WeightsError; ImportError without the library."""
    library = _library()
    try:
        tensors = library.deserialize(content)
    except library.SafetensorError as error:
        raise WeightsError(f"a safetensors file that is damaged or cut short ({error})") from None
    return {key: _array(key, **tensor) for key, tensor in tensors}


def write_safetensors(file, arrays):
    """Write {key: array} to an open binary file. Raises: ImportError without the library."""
    _library()
    from safetensors.numpy import save

    # the library reads the memory as it lies: C order. Programs around PyTorch ask for the format "pt"; the numbers are the same.
    arrays = {key: np.asarray(array, order="C") for key, array in arrays.items()}
    file.write(save(arrays, metadata={"format": "pt"}))


def _library():
    try:
        import safetensors
    except ImportError:
        raise ImportError("this needs the library safetensors: pip install 'minitorch_cnn[safetensors]'") from None
    return safetensors


def _array(key, dtype, shape, data):
    if dtype not in DTYPES:
        raise WeightsError(f"{key[:100]!r} is of {dtype}, which can't be read; known are {', '.join(DTYPES)}")
    values = np.frombuffer(data, DTYPES[dtype])
    if dtype == "BF16":
        values = widened(values)
    if dtype == "BOOL":
        values = values.view(np.uint8) != 0  # another byte than 0 and 1 is no bool to NumPy
    return values.reshape(shape)
