"""PyTorch's files before 1.6, and since then by torch.save(..., _use_new_zipfile_serialization=False): five pickles and raw bytes.

    pickle          0x1950a86a20f9469cfc6c, the magic number by which the format is known
    pickle          1001, the version of the format
    pickle          {"protocol_version": 1001, "little_endian": True, ...}: of the machine that wrote it
    pickle          what was saved, in which tensors are references to storages
    pickle          the keys of the storages, in the order in which they follow
    for each key    the number of its values, 8 bytes, and the values

Numbers are little-endian, whatever the machine. The size of a value isn't written beside them: it follows from the storage's
type, in the pickle. There is no checksum, so a flipped bit among the values can't be seen. The values lie at any address, so they
are copied: numbers at odd addresses are slow.

Still older, before 0.1.10 of 2017: a tar archive; it isn't read.
"""

import mmap

import numpy as np

from .errors import WeightsError
from .stored_tensor import to_array
from .torch_pickle import read_objects

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001


def read_torch_legacy(file):
    """(what was saved, a function that makes an array of a StoredTensor in it).

    Args:
        file: an open binary file; it may be closed afterwards.
    Raises: WeightsError.
    """
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, _ = read_objects(mapped)
    if magic != MAGIC:
        raise WeightsError(
            "this is a pickle, but not one of torch.save; if it holds arrays, write them by np.savez(path, **arrays)"
        )
    version, _ = read_objects(mapped)
    if version != VERSION:
        raise WeightsError(
            f"the version of its format is {shown(version)}, but PyTorch's is {VERSION}; the file is damaged"
        )
    read_objects(mapped)  # of the machine: nothing in it matters
    saved, storages = read_objects(mapped)
    keys, _ = read_objects(mapped)
    contents = _storages(mapped, keys, storages)
    values = {}

    def content(key):
        if key not in contents:
            raise WeightsError(f"storage {key[:100]!r} isn't in it; the file is damaged")
        return contents[key], "<"

    return saved, lambda tensor: to_array(tensor, content, values)


def shown(value):
    """A value from a pickle, if it is no container: those can be as large as one likes, and hold themselves."""
    return repr(value)[:100] if isinstance(value, str | int) else f"a {type(value).__name__}"


def _storages(mapped, keys, storages):
    """{key: its bytes}, from the position at which the pickles end."""
    content = np.frombuffer(mapped, np.uint8)
    position = mapped.tell()
    found = {}
    for key in keys if isinstance(keys, list) else [None]:
        if not isinstance(key, str) or key not in storages or key in found:
            raise WeightsError(f"its list of storages has {shown(key)}, which no tensor uses; the file is damaged")
        count = int.from_bytes(content[position : position + 8].tobytes(), "little")
        begin, size = position + 8, count * storages[key].dtype.itemsize
        position = begin + size
        if position > len(content):
            raise WeightsError(
                f"storage {key[:100]!r} should have {size:,} bytes from byte {begin:,} on, but the file ends after "
                f"{len(content):,}: it is cut short, or damaged"
            )
        found[key] = content[begin:position]
    if position < len(content):
        raise WeightsError(f"{len(content) - position:,} bytes follow on its last storage; the file is damaged")
    return found
