"""idx files: arrays as LeCun stored MNIST (http://yann.lecun.com/exdb/mnist/, "The IDX file format").

    0 0 type ndim                  four bytes: the magic number
    extent[0] .. extent[ndim-1]    a big-endian 32-bit integer each
    values                         big-endian, in C order

Files are often gzipped; whether one is, is told by its first two bytes and not by its name.
"""

import gzip
import math
import os
import zlib

import numpy as np

DTYPES = {0x08: np.uint8, 0x09: np.int8, 0x0B: np.int16, 0x0C: np.int32, 0x0D: np.float32, 0x0E: np.float64}


def read_idx(path):
    """The array in an idx file, gzipped or not.

    Args:
        path: the file.
    Returns: a writable array of the shape and type in the file's header, in the machine's byte order.
    Raises: FileNotFoundError; ValueError if the file is no idx file, is cut short, has more in it than its header promises,
        or is damaged as gzip. What is damaged inside an unzipped file can't be seen: such a file has no checksum.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two-rows")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(bytes([0, 0, 8, 2,  0, 0, 0, 2,  0, 0, 0, 3,  1, 2, 3, 4, 5, 6]))
    >>> read_idx(path)
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    path = os.fspath(path)
    with open(path, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        file = gzip.GzipFile(fileobj=plain) if zipped else plain

        magic, damage = _take(file, 4)
        if len(magic) < 4:
            raise ValueError(
                f"{path}: no idx file, or cut short: it ends after {len(magic)} of the header's first 4 bytes{damage}"
            )
        ndim = magic[3]
        # NumPy 1.26 has 32 dimensions at most
        if magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= ndim <= 32:
            known = ", ".join(f"{code:02x} {np.dtype(dtype)}" for code, dtype in DTYPES.items())
            raise ValueError(
                f"{path}: no idx file: it starts with the bytes {magic.hex(' ')}, but an idx file starts with "
                f"00 00, a type ({known}) and the number of dimensions (01 to 20); what it starts with as text: {bytes(magic)!r}"
            )
        extents, damage = _take(file, 4 * ndim)
        if len(extents) < 4 * ndim:
            raise ValueError(
                f"{path}: cut short: the header promises {ndim} extents of 4 bytes, but ends after {len(extents)} bytes{damage}"
            )
        dtype = np.dtype(DTYPES[magic[2]])
        shape = tuple(int(n) for n in np.frombuffer(extents, ">u4"))
        promised = math.prod(shape) * dtype.itemsize
        # One byte more than promised: to see whether there is one, and to make gzip look at its checksum, which comes last.
        content, damage = _take(file, promised + 1)

    header = f"the header promises {' x '.join(map(str, shape))} values of {dtype} = {promised:,} bytes"
    if len(content) > promised:
        raise ValueError(f"{path}: {header}, but there are more behind them; the file was altered")
    if len(content) < promised:
        raise ValueError(f"{path}: {header}, but it ends after {len(content):,}; the file is cut short{damage}")
    if damage:
        raise ValueError(f"{path}: {header}, and as many are there, but the file is damaged{damage}")
    try:
        values = np.frombuffer(content, dtype.newbyteorder(">")).reshape(shape)
    except ValueError:  # an extent of 0 beside enormous ones
        raise ValueError(f"{path}: {header}: too large for an array; the file was altered") from None
    return values.astype(dtype, copy=False)


def _take(file, count):
    """(the next `count` bytes or as many as there are, what is wrong with the gzip file: "" if nothing is)."""
    content = bytearray()
    try:
        while len(content) < count:
            # read1 hands out what it has before it stumbles, so that the error can say how far the file is good
            block = file.read1(min(count - len(content), 1 << 20))
            if not block:
                break
            content += block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return content, f" (gzip: {error})"
    return content, ""
