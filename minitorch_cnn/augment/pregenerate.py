"""Augmented copies of a data set made in advance, and read back as a data set.

Copy c of sample i is what training would see of it in epoch c: the transform's result for (seed, epoch=c, id=i). The copies are
numbered through: first copy 0 of all samples, then copy 1, and so on. They lie in shards, each of so many in that order:

    index.json                   the settings, shapes and dtypes, and for each finished shard its count, sizes and SHA-256
    images-00000.npy, ...        (count, C, H, W)
    labels-00000.npy, ...        (count, ...)

A shard gets its name when it is whole, and then its line in the index. What was killed goes on with the first shard that the
index doesn't have.
"""

import errno
import hashlib
import json
import os
import shutil
import zlib

import numpy as np

from .. import backend
from ..backend import random
from ..backend.files import write_beside
from .check import natural
from .mix import read_samples
from .transform import Transform

__all__ = ["Pregenerated", "pregenerate"]

INDEX = "index.json"
SHARD_BYTES = 256 << 20  # of images in a shard, unless its size is given
PARTS = ("images", "labels")
# what must be the same to go on, beside the shards' size
SETTINGS = ("samples", "checksum", "copies", "transform", "seed")


def pregenerate(dataset, transform, copies, out, *, batch_size=256, shard_size=None, seed=None, progress=True):
    """Write augmented copies of a data set into a folder.

    Args:
        dataset: of (image, label): with len(dataset), and dataset.batch(indices) or dataset[i]. Images are uint8 or float
            (C, H, W), as the transform wants them.
        transform: an augmentation. It may mix labels. One that looks at the batch (Mixup without a data set) gives other results
            for another batch_size; all others don't.
        copies: how many of each sample.
        out: a folder; it is made. If it holds a part of the same copies already, the rest is made.
        batch_size: samples that are worked on at a time.
        shard_size: copies in a shard; None takes as many as come to 256 MB.
        seed: of the random parameters; None goes on with that of the folder, or takes that of `mt.manual_seed`.
        progress: show a bar.
    Returns: the folder's `Pregenerated`.
    Raises: ValueError for a folder with copies made with other settings; OSError if the disk has too little room, before anything
        is written, or is full on the way: then the finished shards stay, and the same call goes on. A kill does no harm either.

    >>> import tempfile
    >>> from minitorch_cnn.augment import HorizontalFlip
    >>> samples = [(np.full((1, 2, 2), i, np.uint8), i) for i in range(3)]
    >>> copies = pregenerate(samples, HorizontalFlip(), 4, tempfile.mkdtemp(), seed=0, progress=False)
    >>> len(copies), copies.batch([0, 4, 11])[1].tolist()
    (12, [0, 1, 2])
    """
    name = "pregenerate"
    if not isinstance(transform, Transform):
        raise TypeError(f"{name}: transform must be an augmentation such as RandomCrop(32), got {transform!r}")
    if not hasattr(dataset, "__len__"):
        raise TypeError(
            f"{name}: dataset needs len(dataset), and dataset[i] or dataset.batch(indices), got {dataset!r}"
        )
    if not len(dataset):
        raise ValueError(f"{name}: the data set is empty")
    settings = {
        "samples": len(dataset),
        "copies": natural(name, "copies", copies, 1),
        "transform": repr(transform),
        "seed": seed if seed is None else natural(name, "seed", seed),
        "checksum": checksum(name, dataset),
    }
    batch_size = natural(name, "batch_size", batch_size, 1)
    shard_size = None if shard_size is None else natural(name, "shard_size", shard_size, 1)
    out = os.path.expanduser(os.fspath(out))
    index = None
    if os.path.exists(os.path.join(out, INDEX)):
        index = read_index(out)
        check_settings(out, index, settings, shard_size)
    if settings["seed"] is None:
        settings["seed"] = index["seed"] if index else random.seed()

    def copies_from(first, end):
        """The copies from `first` on, up to `end` at most: those of one epoch, at most a batch."""
        epoch, start = divmod(first, settings["samples"])
        ids = np.arange(start, min(start + batch_size, start + end - first, settings["samples"]))
        images, labels = read_samples(name, dataset, ids)
        images, labels = transform(images, labels, ids=ids, epoch=epoch, seed=settings["seed"])
        return backend.to_numpy(images), backend.to_numpy(labels)

    if index is None:
        index = new_index(settings, shard_size, *copies_from(0, 1))
    make_shards(out, index, copies_from, progress)
    return Pregenerated(out)


def checksum(name, dataset, looked_at=16):
    """CRC-32 of some samples from the whole data set: copies of another one of the same length must not go unnoticed."""
    total = 0
    for i in np.unique(np.linspace(0, len(dataset) - 1, looked_at).astype(np.int64)):
        for array in read_samples(name, dataset, np.array([i])):
            total = zlib.crc32(np.ascontiguousarray(backend.to_numpy(array)), total)
    return total


def new_index(settings, shard_size, images, labels):
    """An index without shards; one copy's image and label show shapes and dtypes."""
    described = {
        part: {"shape": list(array.shape[1:]), "dtype": array.dtype.str} for part, array in zip(PARTS, (images, labels))
    }
    size = shard_size or max(1, SHARD_BYTES // images.nbytes)
    return {"format": 1, **settings, "shard_size": size, **described, "shards": []}


def make_shards(out, index, copies_from, progress):
    """The shards that the index lacks, or whose files aren't whole, and after each one the index anew."""
    from tqdm import tqdm

    total, size, shards = index["samples"] * index["copies"], index["shard_size"], list(index["shards"])
    parts = [(first, min(first + size, total)) for first in range(0, total, size)]
    missing = [
        n for n in range(len(parts)) if n >= len(shards) or any(fault(out, n, part, shards[n]) for part in PARTS)
    ]
    left = sum(end - first for first, end in (parts[n] for n in missing))
    check_room(out, index, left)
    os.makedirs(out, exist_ok=True)
    for file in os.listdir(out):
        if file.endswith(".part") and file.startswith((INDEX, *PARTS)):  # begun by a call that was killed
            os.remove(os.path.join(out, file))
    with tqdm(total=total, initial=total - left, desc=out, unit="image", disable=None if progress else True) as bar:
        for number in missing:
            try:
                shards[number : number + 1] = [write_shard(out, index, number, *parts[number], copies_from, bar)]
                content = json.dumps({**index, "shards": shards}, indent=1).encode()
                write_beside(os.path.join(out, INDEX), lambda file, content=content: file.write(content))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise OSError(
                    errno.ENOSPC,
                    f"pregenerate: the disk is full; {total - left:,} of {total:,} copies are made, and kept. Free "
                    f"{needed_bytes(index, left):,} bytes, and make the same call again",
                    out,
                ) from error
            left -= parts[number][1] - parts[number][0]


def fault(out, number, part, shard):
    """What is wrong with a shard's file as a look at the folder shows it, or None."""
    path, expected = os.path.join(out, file_name(part, number)), shard["bytes"][part]
    if not os.path.exists(path):
        return f"{path} is missing"
    size = os.path.getsize(path)
    return None if size == expected else f"{path} has {size:,} bytes, not {expected:,}: it was cut short or altered"


def write_shard(out, index, number, first, end, copies_from, bar):
    """Write the copies from `first` to before `end`; returns the shard's line in the index."""
    count = end - first
    line, labels = {"count": count, "bytes": {}, "sha256": {}}, []

    def save(part, batches):
        path = os.path.join(out, file_name(part, number))
        sha256 = hashlib.sha256()

        def write(file):
            shape, dtype = (count, *index[part]["shape"]), np.dtype(index[part]["dtype"])
            header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for array in batches():
                if array.shape[1:] != shape[1:] or array.dtype != dtype:
                    raise ValueError(
                        f"pregenerate: {part} {array.dtype} {array.shape[1:]} came after {dtype} {shape[1:]}; "
                        "give a transform that makes them alike, such as RandomCrop or Resize"
                    )
                content = np.ascontiguousarray(array)
                file.write(content)
                sha256.update(content)

        write_beside(path, write)
        line["bytes"][part], line["sha256"][part] = os.path.getsize(path), sha256.hexdigest()

    def image_batches():
        at = first
        while at < end:
            images, own_labels = copies_from(at, end)
            labels.append(own_labels)
            yield images
            at += len(images)
            bar.update(len(images))

    save("images", image_batches)
    save("labels", lambda: labels)
    return line


def needed_bytes(index, count):
    """Of so many copies."""
    return count * sum(int(np.prod(index[p]["shape"])) * np.dtype(index[p]["dtype"]).itemsize for p in PARTS)


def check_room(out, index, count):
    folder = os.path.abspath(out)
    while not os.path.isdir(folder):  # the one that it will be in
        folder = os.path.dirname(folder)
    needed, free = needed_bytes(index, count), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"pregenerate: {count:,} copies of {index['images']['dtype']} {tuple(index['images']['shape'])} need "
            f"{needed:,} bytes, but the disk has {free:,} free; make fewer copies, or choose another folder",
            out,
        )


def check_settings(out, index, settings, shard_size):
    """That a folder's copies are those which are wanted; a seed or a shard size of None takes what is there."""
    wanted = {**settings, "shard_size": shard_size}
    for name in (*SETTINGS, "shard_size"):
        if wanted[name] != index[name] and not (wanted[name] is None and name in ("seed", "shard_size")):
            raise ValueError(
                f"pregenerate: {out} holds copies made with {name}={index[name]}, now it is {wanted[name]}; "
                "give what it was to go on with them, or another folder"
            )


def file_name(part, number):
    return f"{part}-{number:05d}.npy"


def read_index(out):
    path = os.path.join(out, INDEX)
    try:
        with open(path, "rb") as file:
            index = json.load(file)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Pregenerated: {out} has no {INDEX}; `pregenerate` makes such a folder, and writes it with the first shard"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: not the index of copies made in advance: {error}") from error
    keys = {"format", *SETTINGS, "shard_size", *PARTS, "shards"}
    if not isinstance(index, dict) or not keys <= set(index) or index["format"] != 1:
        raise ValueError(f"{path}: not the index of copies made in advance, or of another version of this package")
    return index


class Pregenerated:
    """What `pregenerate` wrote, as a data set: the shards are mapped into memory, and read where they are asked for.

    Args: out: the folder.
    Attributes: samples and copies, how many; seed; transform, as it prints itself; index; images and labels, a mapped array
        for each shard.
    `ds[i]` is (image (C, H, W), label); `ds.batch(indices)` is (images (n, C, H, W), labels (n, ...)), as the transform gave them.
    Number c * samples + i is copy c of sample i.
    Raises: FileNotFoundError for a folder without index, or a shard that is missing; ValueError for one that is cut short, altered
        in size, or not made yet. `verify()` reads everything, and compares it with the index's SHA-256.
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
