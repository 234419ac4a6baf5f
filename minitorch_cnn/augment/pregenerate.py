"""Augmented copies of a data set made in advance. pregenerated.py says what is in their folder, and reads it as a data set.

Copy c of sample i is what training would see of it in epoch c: the transform's result for (seed, epoch=c, id=i). The copies are
numbered through: first copy 0 of all samples, then copy 1, and so on. They lie in shards, each of so many in that order.

The index is written first, without shards. A shard gets its name when it is whole, and then its line in the index. What was
killed goes on with the first shard that the index doesn't have.
"""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import zlib

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from .. import backend
from ..backend import random
from ..backend.files import write_beside
from .check import natural
from .compose import Container
from .mix import Mixing, read_samples
from .pregenerated import (
    INDEX,
    PARTS,
    SETTINGS,
    Pregenerated,
    fault,
    file_name,
    needed_bytes,
    shard_bounds,
    stored_index,
)
from .transform import Transform

__all__ = ["pregenerate"]

SHARD_BYTES = 256 << 20  # of images in a shard, unless its size is given
SHARD_FILE = r"(images|labels)-\d{5,}\.npy"
PART_FILE = rf"({re.escape(INDEX)}|{SHARD_FILE})\.\d+\.part"  # what `write_beside` was writing when it was killed
# what to do where one batch isn't like those before
REMEDIES = {
    "images": "give a transform that makes them alike, such as RandomCrop or Resize",
    "labels": "labels must all be of one dtype and shape: convert them in the data set, as with np.float32(label)",
}


def pregenerate(dataset, transform, copies, out, *, batch_size=256, shard_size=None, seed=None, progress=True):
    """Write augmented copies of a data set into a folder.

    Args:
        dataset: of (image, label): with len(dataset), and dataset.batch(indices) or dataset[i]. Images are uint8 or float
            (C, H, W), as the transform wants them; labels are numbers, or arrays of them. It must give the same at each call.
        transform: an augmentation. It may mix labels. It is recognised by its repr, so one of your own must show there what its
            results depend on; data sets, also that of Mixup and CutMix, by the content of some samples.
        copies: how many of each sample.
        out: a folder; it is made. If it holds a part of the same copies already, the rest is made.
        batch_size: samples that are worked on at a time: the first so many of an epoch, the next ones, and so on. Results depend
            on it if Mixup or CutMix without a data set is in the transform; then it must be the same to go on.
        shard_size: copies in a shard; None takes as many as come to 256 MB.
        seed: of the random parameters; None goes on with that of the folder, or takes that of `mt.manual_seed`.
        progress: show a bar.
    Returns: the folder's `Pregenerated`.
    Raises: ValueError for a folder with copies made with other settings, or with files of the shards' names but no index;
        TypeError for labels that aren't numbers; RuntimeError if another call is writing into the folder; OSError if the disk has
        too little room, before anything is written, or is full on the way: then the finished shards stay, and the same call
        goes on. A kill does no harm either.

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
    samples, batch_size = len(dataset), natural(name, "batch_size", batch_size, 1)
    shard_size = None if shard_size is None else natural(name, "shard_size", shard_size, 1)
    mixing = list(mixings(transform))
    settings = {
        "samples": samples,
        "copies": natural(name, "copies", copies, 1),
        "transform": repr(transform),
        "seed": seed if seed is None else natural(name, "seed", seed),
        "batch_size": batch_size if any(m.dataset is None for m in mixing) else None,  # None: it doesn't matter
        "checksum": checksum((name, dataset), *((m.name, m.dataset) for m in mixing if m.dataset is not None)),
    }
    out = os.path.expanduser(os.fspath(out))
    found = stored_index(out)
    if found is None:
        refuse_others(out)
    index = found if found and found["shards"] else None  # one without shards: no copy was made yet
    if index:
        check_settings(out, index, settings, shard_size)
    if settings["seed"] is None:
        settings["seed"] = index["seed"] if index else random.seed()

    @functools.lru_cache(maxsize=1)  # where a shard ends within a batch, the next one goes on with it
    def whole_batch(epoch, start):
        ids = np.arange(start, min(start + batch_size, samples))
        images, labels = read_samples(name, dataset, ids)
        images, labels = transform(images, labels, ids=ids, epoch=epoch, seed=settings["seed"])
        return backend.to_numpy(images), backend.to_numpy(labels)

    def copies_from(first, end):
        """(images, labels) of the copies from `first` on, up to `end` at most: those of one batch."""
        epoch, i = divmod(first, samples)
        row = i % batch_size
        return tuple(array[row : row + end - first] for array in whole_batch(epoch, i - row))

    if index is None:
        index = new_index(settings, shard_size, *copies_from(0, 1))
    make_shards(out, found, index, copies_from, progress)
    return Pregenerated(out)


def mixings(transform):
    """Each Mixup and CutMix in a transform."""
    if isinstance(transform, Mixing):
        yield transform
    for inner in transform.transforms if isinstance(transform, Container) else ():
        yield from mixings(inner)


def checksum(*named, looked_at=16):
    """CRC-32 of some samples from the whole of each (name, data set): another one of the same length must not go unnoticed."""
    total = 0
    for name, dataset in named:
        for i in np.unique(np.linspace(0, len(dataset) - 1, looked_at).astype(np.int64)):
            for array in read_samples(name, dataset, np.array([i])):
                total = zlib.crc32(np.ascontiguousarray(backend.to_numpy(array)), total)
    return total


def refuse_others(out):
    """A folder without index may hold anything but files that have shards' names: they would be replaced."""
    for file in sorted(os.listdir(out)) if os.path.isdir(out) else ():
        if re.fullmatch(SHARD_FILE, file):
            raise ValueError(
                f"pregenerate: {os.path.join(out, file)} has the name of a shard, but no {INDEX} there says that it is one; "
                "give another folder, or move such files away if they are yours"
            )


def new_index(settings, shard_size, images, labels):
    """An index without shards; one copy's image and label show shapes and dtypes."""
    if labels.dtype.kind not in "biuf":
        raise TypeError(
            "pregenerate: labels must be numbers (class numbers, probabilities) or arrays of them, got "
            f"{labels[0]!r:.80} of dtype {labels.dtype}"
        )
    described = {
        part: {"shape": list(array.shape[1:]), "dtype": array.dtype.str} for part, array in zip(PARTS, (images, labels))
    }
    size = shard_size or max(1, SHARD_BYTES // images.nbytes)
    return {"format": 1, **settings, "shard_size": size, **described, "shards": []}


def make_shards(out, found, index, copies_from, progress):
    """The shards that the index lacks, or whose files aren't whole, and after each one the index anew.

    `found` is the index that the folder had when it was looked at, or None.
    """
    from tqdm import tqdm

    total, bounds, shards = index["samples"] * index["copies"], shard_bounds(index), list(index["shards"])
    missing = [
        n for n in range(len(bounds)) if n >= len(shards) or any(fault(out, n, part, shards[n]) for part in PARTS)
    ]
    left = sum(end - first for first, end in (bounds[n] for n in missing))
    check_room(out, index, left)
    os.makedirs(out, exist_ok=True)
    with (
        alone_in(out, found),
        tqdm(total=total, initial=total - left, desc=out, unit="image", disable=None if progress else True) as bar,
    ):
        for file in os.listdir(out):
            if re.fullmatch(PART_FILE, file):
                os.remove(os.path.join(out, file))
        try:
            if not shards:
                write_index(out, index)
            for number in missing:
                shards[number : number + 1] = [write_shard(out, index, number, *bounds[number], copies_from, bar)]
                write_index(out, {**index, "shards": shards})
                left -= bounds[number][1] - bounds[number][0]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                errno.ENOSPC,
                f"pregenerate: the disk is full; {total - left:,} of {total:,} copies are made, and kept. Free "
                f"{needed_bytes(index, left):,} bytes, and make the same call again",
                out,
            ) from error


@contextlib.contextmanager
def alone_in(out, found):
    """Keep other calls out of a folder whose index is still `found`, by a lock on the folder itself; it ends with the process."""
    busy, lock = False, None
    try:
        if fcntl:  # on Windows nobody can remove the file that another call is writing, since it is open
            lock = os.open(out, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy = True
            except OSError:  # a file system without locks, as some on a network are
                pass
        if busy or stored_index(out) != found:
            raise RuntimeError(
                f"pregenerate: another process is writing into {out}; wait for its end, and make the call again"
            )
        yield
    finally:
        if lock is not None:
            os.close(lock)


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
                content = np.ascontiguousarray(array)
                file.write(content)
                sha256.update(content)

        write_beside(path, write)
        line["bytes"][part], line["sha256"][part] = os.path.getsize(path), sha256.hexdigest()

    def image_batches():
        at = first
        while at < end:
            images, own_labels = copies_from(at, end)
            check_alike(index, images, own_labels)
            labels.append(own_labels)
            yield images
            at += len(images)
            bar.update(len(images))

    save("images", image_batches)
    save("labels", lambda: labels)
    return line


def check_alike(index, images, labels):
    for part, array in zip(PARTS, (images, labels)):
        dtype, shape = np.dtype(index[part]["dtype"]), tuple(index[part]["shape"])
        if array.shape[1:] != shape or array.dtype != dtype:
            raise ValueError(
                f"pregenerate: {part} {array.dtype} {array.shape[1:]} came after {dtype} {shape}; {REMEDIES[part]}"
            )


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
            made = f"made with {name}={index[name]}, now it is {wanted[name]}"
            if name == "checksum":
                made = "of another data set of this length: the content of its samples differs, or of those that are mixed in"
            raise ValueError(
                f"pregenerate: {out} holds copies {made}; give what it was to go on with them, or another folder"
            )


def write_index(out, index):
    content = json.dumps(index, indent=1).encode()
    write_beside(os.path.join(out, INDEX), lambda file: file.write(content))
