"""Copies made in advance, read back as a data set: the folder that pregenerate.py writes.

index.json                   the settings, shapes and dtypes, and for each finished shard its count, sizes and SHA-256
images-00000.npy, ...        (count, C, H, W)
labels-00000.npy, ...        (count, ...)
"""

import hashlib
import json
import os

import numpy as np

__all__ = ["Pregenerated"]

INDEX = "index.json"
PARTS = ("images", "labels")
# what must be the same to go on, beside the shards' size
SETTINGS = ("samples", "copies", "transform", "seed", "batch_size", "checksum")


class Pregenerated:
    """What `pregenerate` wrote, as a data set: the shards are mapped into memory, and read where they are asked for.

    Args: out: the folder.
    Attributes: samples and copies, how many; seed; transform, as it prints itself; index; images and labels, a mapped array
        for each shard.
    `ds[i]` is (image (C, H, W), label); `ds.batch(indices)` is (images (n, C, H, W), labels (n, ...)), as the transform gave them.
    Number c * samples + i is copy c of sample i. It pickles as the folder's name, and whoever gets that maps the shards anew.
    Raises: FileNotFoundError for a folder without index, or a shard that is missing; ValueError for an index that is damaged, a
        shard that is cut short, altered in size, or not made yet. `verify()` reads everything, and compares it with the index's
        SHA-256.
    """

    def __init__(self, out):
        self.out = os.path.expanduser(os.fspath(out))
        self.index = read_index(self.out)
        self.samples, self.copies = self.index["samples"], self.index["copies"]
        self.seed, self.transform = self.index["seed"], self.index["transform"]
        finished = sum(shard["count"] for shard in self.index["shards"])
        if finished != len(self):
            raise ValueError(
                f"Pregenerated: {self.out} has {finished:,} of {len(self):,} copies; make the rest with the call of "
                "`pregenerate` that began it"
            )
        shards = range(len(self.index["shards"]))
        self.images, self.labels = ([self._mapped(part, n) for n in shards] for part in PARTS)

    def _path(self, part, number):
        return os.path.join(self.out, file_name(part, number))

    def _mapped(self, part, number):
        shard = self.index["shards"][number]
        problem = fault(self.out, number, part, shard)
        if problem:
            kind = FileNotFoundError if problem.endswith("missing") else ValueError
            raise kind(f"Pregenerated: {problem}; the call of `pregenerate` that made it makes it anew")
        path = self._path(part, number)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        described = self.index[part]
        wanted = (shard["count"], *described["shape"])
        if array.shape != wanted or array.dtype != np.dtype(described["dtype"]):
            raise ValueError(
                f"Pregenerated: {path} holds {array.dtype} {array.shape}, not {described['dtype']} {wanted}: it is another file"
            )
        return array

    def __reduce__(self):
        return type(self), (self.out,)

    def __len__(self):
        return self.samples * self.copies

    def __getitem__(self, i):
        images, labels = self.batch([i])
        return images[0], labels[0]

    def batch(self, indices):
        """(images, labels) of the copies with these numbers."""
        indices = np.asarray(indices)
        if indices.size and (indices.ndim != 1 or indices.dtype.kind not in "iu"):
            raise TypeError(f"Pregenerated: indices must be a list of integers, got {indices!r}")
        indices = indices.astype(np.int64)
        outside = (indices < -len(self)) | (indices >= len(self))
        if outside.any():
            raise IndexError(
                f"Pregenerated: index {indices[outside][0]} is out of range for {len(self)} copies; "
                f"valid are {-len(self)} to {len(self) - 1}"
            )
        shards, rows = np.divmod(indices % len(self), self.index["shard_size"])
        images, labels = (
            np.empty((len(indices), *self.index[part]["shape"]), self.index[part]["dtype"]) for part in PARTS
        )
        for shard in np.unique(shards):
            here = shards == shard
            images[here] = self.images[shard][rows[here]]
            labels[here] = self.labels[shard][rows[here]]
        return images, labels

    def verify(self):
        """Read everything and compare it with the index.

        Raises: ValueError, naming the first file that was altered.
        """
        for number, shard in enumerate(self.index["shards"]):
            for part, arrays in zip(PARTS, (self.images, self.labels)):
                found, expected = hashlib.sha256(arrays[number]).hexdigest(), shard["sha256"][part]
                if found != expected:
                    raise ValueError(
                        f"Pregenerated: the content of {self._path(part, number)} has SHA-256 {found[:16]}…, not "
                        f"{expected[:16]}…: it was altered; delete it, and make the call of `pregenerate` that made it again"
                    )

    def __repr__(self):
        return f"Pregenerated({self.copies} copies of {self.samples} samples in {self.out})"


# the folder ------------------------------------------------------------------------------------------------------------


def stored_index(out):
    return read_index(out) if os.path.exists(os.path.join(out, INDEX)) else None


def read_index(out):
    path = os.path.join(out, INDEX)
    try:
        with open(path, "rb") as file:
            index = json.load(file)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Pregenerated: {out} has no {INDEX}; `pregenerate` makes such a folder, and writes it first"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: not the index of copies made in advance: {error}") from error
    keys = {"format", *SETTINGS, "shard_size", *PARTS, "shards"}
    if not isinstance(index, dict) or not keys <= set(index) or index["format"] != 1:
        raise ValueError(f"{path}: not the index of copies made in advance, or of another version of this package")
    if not sound(index):
        raise ValueError(f"{path}: damaged; delete this folder's files, and make the copies anew")
    return index


def sound(index):
    """Whether the shapes and dtypes of an index and the lines of its shards can be what `pregenerate` wrote."""
    try:
        bounds, shards = shard_bounds(index), index["shards"]
        needed_bytes(index, 1)
        return len(shards) <= len(bounds) and all(
            shard["count"] == end - first
            and all(isinstance(shard["bytes"][p], int) and isinstance(shard["sha256"][p], str) for p in PARTS)
            for shard, (first, end) in zip(shards, bounds)
        )
    except (KeyError, TypeError, ValueError):
        return False


def shard_bounds(index):
    """[(first, end)]: the copies of each shard."""
    total, size = index["samples"] * index["copies"], index["shard_size"]
    return [(first, min(first + size, total)) for first in range(0, total, size)]


def file_name(part, number):
    return f"{part}-{number:05d}.npy"


def needed_bytes(index, count):
    """Of so many copies."""
    return count * sum(int(np.prod(index[p]["shape"])) * np.dtype(index[p]["dtype"]).itemsize for p in PARTS)


def fault(out, number, part, shard):
    """What is wrong with a shard's file as a look at the folder shows it, or None."""
    path, expected = os.path.join(out, file_name(part, number)), shard["bytes"][part]
    if not os.path.exists(path):
        return f"{path} is missing"
    size = os.path.getsize(path)
    return None if size == expected else f"{path} has {size:,} bytes, not {expected:,}: it was cut short or altered"
