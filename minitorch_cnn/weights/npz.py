"""NumPy's archives: a zip with an entry "conv1.weight.npy" for each array, which is a header and the values.

    "\\x93NUMPY", version, length of the header, {'descr': '<f4', 'fortran_order': False, 'shape': (64, 3, 7, 7), }, values

np.load(path) reads them; this does too, but maps the file, checks all of its checksums, and takes nothing but numbers (np.load
could be talked into unpickling). It writes them so that the same weights give the same file, byte for byte.
"""

import io
import math
import tokenize
import zipfile

import numpy as np

from .errors import WeightsError

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LONGEST_HEADER = 1 << 16


def read_npz(archive):
    """{key: array}; of a checkpoint of train.save_checkpoint, the part that was saved as `model`. Raises: WeightsError."""
    arrays = {name.removesuffix(".npy"): _array(name, archive.read(name)) for name in archive.entries}
    header = arrays.get("header")
    if (
        header is None
        or header.dtype != np.uint8
        or not header.tobytes().startswith(b'{"format": "minitorch_cnn checkpoint')
    ):
        return arrays
    model = "objects/model/"
    found = {key.removeprefix(model): array for key, array in arrays.items() if key.startswith(model)}
    if not found:
        names = sorted({key.split("/")[1] for key in arrays if key.startswith("objects/")})
        raise WeightsError(
            f"this is a checkpoint without a `model`; it has {', '.join(names) or 'no objects'}: "
            f"train.load_checkpoint(path, {names[0] if names else 'name'}=...) reads it"
        )
    return found


def write_npz(file, arrays):
    """Write {key: array} to an open binary file."""
    # np.savez(file, **arrays) has no place for a key "file"
    with zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays.items():
            with archive.open(zipfile.ZipInfo(key + ".npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _array(name, content):
    """The array in an entry: a view of its content if the values lie at an even address, else a copy."""
    start = io.BytesIO(content[:LONGEST_HEADER].tobytes())
    try:
        version = np.lib.format.read_magic(start)
        shape, fortran_order, dtype = HEADERS[version](start)
    except (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError) as error:
        raise WeightsError(f"entry {name[:100]!r} is no array, or damaged ({str(error)[:200]})") from None
    if dtype.kind not in "fiub":
        raise WeightsError(f"entry {name[:100]!r} is an array of {dtype}; weights are numbers")
    values = content[start.tell() :]
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(values):
        raise WeightsError(
            f"entry {name[:100]!r} has {len(values):,} bytes, but an array of {shape} {dtype} has another number"
        )
    values = values.view(dtype)
    if not (values.flags.aligned and dtype.isnative):
        values = values.astype(dtype.newbyteorder("="))
    return values.reshape(shape, order="F" if fortran_order else "C")
