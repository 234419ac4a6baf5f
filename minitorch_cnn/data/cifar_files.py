"""How CIFAR's two versions are read, from their folder or from the .tar.gz as it is published.

    binary version    a record is the labels (a byte each), then 1,024 bytes each of red, green and blue, row by row; no header
    python version    a pickle of a dict: "data", an array (n, 3072) of the same bytes, and a list for each column of labels

A pickle is a program. backend/pickle_reader.py reads it, and the only names in it that mean anything are NumPy's array and dtype:
each becomes a Stored, which keeps what it is given and does nothing.
"""

import gzip
import os
import tarfile
import zlib

import numpy as np

from ..backend.pickle_reader import PickleError, read_pickle

PIXELS = 3 * 32 * 32
MOST_UNPACKED = 256 << 20  # bytes of an archive; the published ones have 178 MiB


def contents(source, folder, names, limit):
    """(path, content) of each file, from the folder that has them or from an archive of it.

    Args:
        source: a folder, or a .tar.gz.
        folder: the folder's name in an archive.
        names: the files that are wanted.
        limit: bytes; of a longer file one more is read, so that its length is seen to be wrong.
    Raises: ValueError, naming the archive, if it is damaged or lacks a file.
    """
    if os.path.isdir(source):
        for name in names:
            path = os.path.join(source, name)
            with open(path, "rb") as file:
                yield path, file.read(limit + 1)
        return
    wanted = {f"{folder}/{name}" for name in names}
    try:
        with gzip.open(source) as unzipped:
            bounded = Bounded(unzipped, MOST_UNPACKED)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in archive:
                    name = member.name.removeprefix("./")
                    if name in wanted and member.isfile():
                        wanted.remove(name)
                        yield f"{source}/{name}", archive.extractfile(member).read(min(member.size, limit + 1))
            while bounded.read(1 << 20):  # to its end, where gzip compares its checksum
                pass
    except (
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        tarfile.TarError,
        ValueError,
        IndexError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:  # what tarfile stumbles over in damaged headers, too
        raise ValueError(
            f"{source}: the archive is cut short or damaged ({str(error) or type(error).__name__}); delete it, and get it anew "
            f"(download=True)"
        ) from error
    if wanted:
        raise ValueError(
            f"{source}: the archive has no {', '.join(sorted(wanted))}; it is another file, or was altered"
        )


class Bounded:
    """A file that may be read so far: zeros are packed 1 : 1000, and a name in a tar file may be as long as it says."""

    def __init__(self, file, limit):
        self.file, self.left = file, limit

    def read(self, size):
        content = self.file.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise ValueError("it unpacks to more than CIFAR has")
        return content


def binary_records(path, content, count, columns, name):
    """(labels (columns, count), pixels (count, 3072)), both uint8, of a file of the binary version.

    Args:
        path, content: the file's name and bytes.
        count: images that it must have.
        columns: names of the columns of labels.
        name: the data set's, for errors.
    Raises: ValueError, naming the file, if it has another length.
    """
    size = len(columns) + PIXELS
    if len(content) != count * size:
        raise ValueError(
            f"{path}: {name} has here {count} records of {size} bytes = {count * size:,} bytes, but this file has "
            f"{len(content):,}; it is another file, or was cut short; get it anew (download=True)"
        )
    records = np.frombuffer(content, np.uint8).reshape(count, size)
    return records[:, :-PIXELS].T, records[:, -PIXELS:]


def pickled_records(path, content, count, columns, name):
    """The same of a file of the python version. Raises: ValueError, naming the file, for anything else than such a dict."""
    try:
        batch = read_pickle(content, KNOWN, CALLS, build=keep_state, refused=REFUSED, longest=len(content))
    except PickleError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(batch, dict):
        raise ValueError(f"{path}: a pickle of {_described(batch)}, not of a dict; it is another file")
    batch = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in batch.items()}
    lacking = [key for key in ("data", *columns) if key not in batch]
    if lacking:
        keys = sorted(str(key)[:50] for key in batch)
        raise ValueError(
            f"{path}: {name} has here a dict with data and {', '.join(columns)}; this one has no {', '.join(lacking)}; "
            f"its keys are {', '.join(keys[:20])}{', …' if len(keys) > 20 else ''}"
        )
    labels = [_labels(path, column, batch[column], count) for column in columns]
    return np.array(labels, np.uint8), _array(path, batch["data"], (count, PIXELS))


class Stored:
    """Stands for an array or a dtype: the arguments of the call that makes it, and the state that it is given."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.state = None


def keep_state(target, state):
    if type(target) is not Stored:
        raise PickleError(f"the pickle in it gives attributes to a {type(target).__name__}; the file was altered")
    target.state = state


def encoded(text, encoding):
    """How Python 3 writes bytes in older pickles: as text in which each character stands for a byte."""
    content = _latin1(text) if type(text) is str and encoding in ("latin1", b"latin1") else None
    if content is None:
        raise PickleError("the pickle in it has bytes in an unknown encoding; the file was altered")
    return content


def _latin1(text):
    """The bytes, or None if a character is no byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None


KNOWN = {"numpy.ndarray"}
CALLS = {
    "numpy.core.multiarray._reconstruct": (Stored, 3, 3),
    "numpy._core.multiarray._reconstruct": (Stored, 3, 3),
    "numpy.dtype": (Stored, 1, 3),
    "_codecs.encode": (encoded, 2, 2),
}
REFUSED = "only NumPy arrays are read, and nothing in it was run"


def _labels(path, column, labels, count):
    if not (isinstance(labels, list) and len(labels) == count and all(type(x) is int for x in labels)):
        found = f"{len(labels):,} values" if isinstance(labels, list) else _described(labels)
        raise ValueError(f"{path}: {column} must be a list of {count} integers, but it is {found}")
    wrong = next((x for x in labels if not 0 <= x < 256), None)
    if wrong is not None:
        raise ValueError(f"{path}: {column} has {wrong}, which is no class; the file was altered")
    return labels


def _array(path, array, shape):
    """The uint8 array that a Stored was given: its state is (version, shape, dtype, in columns?, bytes)."""
    state = getattr(array, "state", None)
    if not (type(array) is Stored and type(state) is tuple and len(state) == 5):
        raise ValueError(f"{path}: data must be an array of uint8, but it is {_described(array)}")
    _, found, dtype, in_columns, raw = state  # raw: from Python 2 a text in which each character is a byte
    kind = dtype.arguments[0] if type(dtype) is Stored and dtype.arguments else None
    kind = kind.decode("latin-1") if isinstance(kind, bytes) else kind
    if kind != "u1" or found != shape:
        # shown only if it is plain: what a pickle makes may be deeper than anyone could print
        plain = type(found) is tuple and len(found) < 9 and all(type(n) is int for n in found)
        raise ValueError(
            f"{path}: data must be an array {shape} of uint8, but it is {found if plain else 'of no shape'} of "
            f"{repr(kind[:20]) if isinstance(kind, str) else 'no dtype'}"
        )
    raw = _latin1(raw) if isinstance(raw, str) else raw
    if not isinstance(raw, bytes) or len(raw) != shape[0] * shape[1]:
        length = f"{len(raw):,}" if isinstance(raw, bytes) else _described(raw)
        raise ValueError(f"{path}: data must have {shape[0] * shape[1]:,} bytes, but it has {length}")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if in_columns else "C")


def _described(value):
    return f"a {type(value).__name__}"
