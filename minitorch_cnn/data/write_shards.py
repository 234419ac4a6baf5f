"""Samples into .tar files, in the layout that tar_shards.py reads."""

import io
import itertools
import json
import os
import re
import tarfile

import numpy as np

from ..backend.files import write_beside


def write_shards(samples, pattern, per_shard=1000):
    """Write samples into .tar files, so many into each, in the order in which they come.

    Args:
        samples: an iterable (a dataset, too) of (image, label) or of dicts {extension: value}. An image is an array uint8
            (3, H, W) or (1, H, W), which becomes a PNG; or the path of an image file, which is taken as it is: an ImageFolder's
            `samples` are such pairs. A label is an integer. In dicts a value is bytes, text, an integer, an array ("npy"), or
            what JSON can say ("json"). Shuffle them first, if they are sorted by class.
        pattern: the shards' names, with one % for their number: "train-%06d.tar".
        per_shard: samples in a shard.
    Returns: the shards' paths. Each is written beside its name, and renamed when it is whole; what is there is replaced.
    Raises: TypeError and ValueError for samples and patterns that can't be; then the shards before are whole.
    """
    if per_shard < 1:
        raise ValueError(f"write_shards: per_shard must be at least 1, got {per_shard}")
    pattern = os.path.expanduser(os.fspath(pattern))
    try:
        different = pattern % 0 != pattern % 1
    except (TypeError, ValueError):
        different = False
    if not different:
        raise ValueError(
            f"write_shards: the pattern must have one place for a number, as in train-%06d.tar; got {pattern!r}"
        )
    samples = iter(samples)
    paths, written = [], 0
    while chunk := list(itertools.islice(samples, 1)):  # is there a sample for another shard?
        path = pattern % len(paths)
        rest = itertools.chain(chunk, itertools.islice(samples, per_shard - 1))
        written = _write_shard(path, rest, written)
        paths.append(path)
    return paths


def _write_shard(path, samples, first):
    """Returns the number of the sample after the last."""
    number = first

    def write(file):
        nonlocal number
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for sample in samples:
                for extension, content in _members(sample, number).items():
                    member = tarfile.TarInfo(f"{number:08d}.{extension}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                number += 1

    write_beside(path, write)
    return number


def _members(sample, number):
    """{extension: bytes} of a sample."""
    if not isinstance(sample, dict):
        if not (isinstance(sample, tuple | list) and len(sample) == 2):
            raise TypeError(
                f"write_shards: sample {number} must be (image, label) or a dict, got {type(sample).__name__}"
            )
        image, label = sample
        if isinstance(image, str | os.PathLike):
            with open(image, "rb") as file:
                sample = {os.path.splitext(image)[1][1:].lower(): file.read(), "cls": label}
        else:
            sample = {"png": image, "cls": label}
    for extension in sample:
        if not re.fullmatch(r"\w+(\.\w+)*", extension):
            raise ValueError(f"write_shards: sample {number}: {extension!r} can't be an extension")
    return {extension: _bytes(extension, value, number) for extension, value in sample.items()}


def _bytes(extension, value, number):
    kind = extension.rsplit(".")[-1]
    if isinstance(value, bytes):
        return value
    if kind == "png" and isinstance(value, np.ndarray):
        return _png(value, number)
    if kind == "npy" and isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return file.getvalue()
    if kind == "json":
        return json.dumps(value).encode()
    if kind == "txt" and isinstance(value, str):
        return value.encode()
    if kind == "cls" and isinstance(value, int | np.integer) and not isinstance(value, bool):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"write_shards: sample {number}: a label must fit into an int64, got {value}")
        return str(int(value)).encode()
    found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"write_shards: sample {number}: can't write {found} as .{extension}")


def _png(image, number):
    from PIL import Image

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise TypeError(
            f"write_shards: sample {number}: an image must be uint8 (3, H, W) or (1, H, W), got {image.dtype} {image.shape}"
        )
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)  # (H, W) or (H, W, 3)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()
