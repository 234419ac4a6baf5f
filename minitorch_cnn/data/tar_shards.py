"""Samples in .tar files ("shards"), read from front to end: for data that have too many files for folders, or come over a network.

    train-000000.tar
        000000.jpg  000000.cls      a sample: consecutive members whose names are alike up to the first dot of the last part
        000001.png  000001.cls  000001.json

This is WebDataset's layout, so its shards can be read, and those that write_shards makes can be read by it.

Shuffling (Breuel, Aizman and Maltzahn 2019, arXiv 2001.01858): the shards are taken in a random order, and their samples go
through a buffer, from which the next one is drawn at random. Both depend on the seed and the epoch alone.

The members' names are never used as paths: nothing is unpacked to the disk.
"""

import functools
import glob
import io
import itertools
import json
import os
import re
import tarfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .collate import default_collate
from .dataset import check_integer, seed_sequence
from .decode import EXTENSIONS, DataError, decode_image
from .image_folder import prepare

SHUFFLE_SHARDS = 2  # what is drawn here is apart from dataset.SHUFFLE and SPLIT
BLOCK = 512  # a tar file consists of blocks; two or more of zeros are its end


def _label(content, name):
    label = int(content.decode("ascii"))
    if not -(2**63) <= label < 2**63:
        raise ValueError("a label must fit into an int64")
    return label


_DECODERS = {
    "cls": _label,
    "txt": lambda content, name: content.decode("utf-8"),
    "json": lambda content, name: json.loads(content),
    "npy": lambda content, name: np.lib.format.read_array(io.BytesIO(content), allow_pickle=False),
    **{extension[1:]: decode_image for extension in EXTENSIONS},
}


class TarShards:
    """Batches of the samples in .tar files, one epoch each time it is looped over. It is its own DataLoader.

    Args:
        shards: the files: a path, in which {000000..000009} stands for these numbers, and * and ? for whatever is there; or a list.
        batch_size: samples in a batch; the last one may have fewer.
        fields: what a sample is made of, by extension: "cls" an integer, "txt" a text, "json" what it says, "npy" an array, "jpg",
            "png" …: an image, and "image": an image of any of these kinds.
        transform: a function of the first field: of an image as uint8 (3, H, W), by default to float32 from 0 to 1; of an array.
        target_transform: the same of the second field.
        shuffle: another order each epoch; otherwise that of the files.
        buffer: samples, as they are in the file, from which the next one is drawn.
        seed: an integer from 0 on; None takes that of `mt.manual_seed` which is in force when an epoch starts.
        num_workers: threads that decode ahead; 0 decodes in the loop itself. The batches are the same, whatever the number.
        drop_last: leave out a last batch that has fewer samples.
        skip_corrupt: leave out samples that can't be read, and the rest of a shard that is damaged, instead of raising DataError.
            A batch is smaller by what is left out of it, and isn't there if all of it is.
    Yields: a tuple of a batch of each field: arrays (n, ...), lists of texts, dicts; as default_collate makes them.
    Attributes: shards, the paths; skipped, the names of what was left out so far, each once.
    Raises: FileNotFoundError for shards that aren't there. In the loop: DataError for a shard that is cut short or damaged, for a
        sample that lacks a field, and for a damaged field, each named. ValueError and TypeError for options that can't be.

    >>> import tempfile
    >>> from minitorch_cnn.data import write_shards
    >>> pattern = os.path.join(tempfile.mkdtemp(), "dots-%06d.tar")
    >>> dots = [(np.full((3, 2, 2), i, np.uint8), i) for i in range(5)]
    >>> [os.path.basename(path) for path in write_shards(dots, pattern, per_shard=3)]
    ['dots-000000.tar', 'dots-000001.tar']
    >>> shards = TarShards(pattern.replace("%06d", "{000000..000001}"), batch_size=2)
    >>> [(images.shape, labels.tolist()) for images, labels in shards]
    [((2, 3, 2, 2), [0, 1]), ((2, 3, 2, 2), [2, 3]), ((1, 3, 2, 2), [4])]
    """

    def __init__(
        self,
        shards,
        batch_size=1,
        fields=("image", "cls"),
        transform=None,
        target_transform=None,
        shuffle=False,
        buffer=1000,
        seed=None,
        num_workers=0,
        drop_last=False,
        skip_corrupt=False,
    ):
        self.shards = find_shards(shards)
        self.batch_size = check_integer("TarShards", "batch_size", batch_size, 1)
        self.buffer = check_integer("TarShards", "buffer", buffer, 1)
        self.num_workers = check_integer("TarShards", "num_workers", num_workers, 0)
        self.fields = (fields,) if isinstance(fields, str) else tuple(fields)
        unknown = [field for field in self.fields if field != "image" and field.rsplit(".")[-1] not in _DECODERS]
        if unknown or not self.fields:
            raise ValueError(
                f"TarShards: fields must be some of image, {', '.join(_DECODERS)} (or end in one of them: seg.png); got {fields!r}"
            )
        if seed is not None:
            seed_sequence("TarShards", seed)  # complains about a bad one now, and not in the loop
        self.seed = seed
        self.transform, self.target_transform = transform, target_transform
        self.shuffle, self.drop_last, self.skip_corrupt = bool(shuffle), bool(drop_last), bool(skip_corrupt)
        self._skipped = {}  # as a set that keeps its order; workers write into it
        self._next = (0, 0)  # epoch and batch at which the next loop begins
        self._running = None  # the same of the loop that began last

    @property
    def skipped(self):
        return list(self._skipped)

    @property
    def epoch(self):
        """The number of the epoch that the next loop gives; one more as soon as a loop begins, as in DataLoader."""
        return self._next[0]

    def set_epoch(self, epoch):
        """Let the next loop be that of `epoch`, from its first batch on."""
        self._next, self._running = (check_integer("TarShards", "epoch", epoch, 0), 0), None

    def state_dict(self):
        """Where the loop that began last stands, in plain numbers: its epoch, and the batches that it has given or passed over.

        After the last batch, and in the loop's body while it works on the last, it is the next epoch with 0 batches.
        """
        epoch, batch = self._running or self._next
        return {"epoch": epoch, "batch": batch, "batch_size": self.batch_size, "shards": len(self.shards)}

    def load_state_dict(self, state):
        """Let the next loop go on where `state_dict` was asked: with the same shards, seed and options it gives the very same
        batches. What came before is read once more, but not decoded.

        Raises: ValueError if the state isn't one of TarShards, or is from the middle of an epoch of other batches.
        """
        unlike = {"epoch", "batch", "batch_size", "shards"} ^ set(state)
        if unlike:
            raise ValueError(
                f"TarShards: no state of TarShards: keys missing or unexpected: {', '.join(sorted(map(str, unlike)))}"
            )
        epoch, batch = (
            check_integer("TarShards", "epoch", state["epoch"], 0),
            check_integer("TarShards", "batch", state["batch"], 0),
        )
        if batch and (state["batch_size"], state["shards"]) != (self.batch_size, len(self.shards)):
            raise ValueError(
                f"TarShards: the state is from the middle of epoch {epoch} (after batch {batch}) with batch_size "
                f"{state['batch_size']} and {state['shards']} shards, but here batch_size is {self.batch_size} and there are "
                f"{len(self.shards)} shards; use the same ones, or begin at a whole epoch with set_epoch"
            )
        self._next, self._running = (epoch, batch), None

    def __iter__(self):
        epoch, start = self._next
        self._next = (epoch + 1, 0)
        running = self._running = [epoch, start]
        jobs = itertools.islice(self._raw_batches(epoch), start, None)
        return self._give(jobs, running)

    def _give(self, jobs, running):
        """The decoded batches, in their order. One is always read ahead, to know which is the last."""
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="TarShards") if self.num_workers else None
        waiting = deque()  # functions, each of which gives a batch or raises what went wrong with it

        def read_ahead():
            try:
                job = next(jobs, None)
            except DataError as error:  # of the shard: the batches before it come first
                waiting.append(functools.partial(_fail, error))
                return
            if job is not None:
                waiting.append(pool.submit(self._decode, job).result if pool else functools.partial(self._decode, job))

        try:
            for _ in range(1 + 2 * self.num_workers):
                read_ahead()
            while waiting:
                batch = waiting.popleft()()
                running[1] += 1
                read_ahead()
                if not waiting:
                    running[:] = running[0] + 1, 0
                if batch is not None:
                    yield batch
        finally:  # also when the loop is left early
            if pool:
                pool.shutdown(cancel_futures=True)

    # from files to batches, as they are in the files ------------------------------------------------------------------------

    def _raw_batches(self, epoch):
        samples = self._shuffled(epoch) if self.shuffle else self._in_order(self.shards)
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def _shuffled(self, epoch):
        seed = seed_sequence("TarShards", self.seed, SHUFFLE_SHARDS, epoch)
        generator = np.random.Generator(np.random.PCG64(seed))
        samples = self._in_order([self.shards[i] for i in generator.permutation(len(self.shards))])
        buffer = list(itertools.islice(samples, self.buffer))
        for sample in samples:
            i = generator.integers(len(buffer))
            yield buffer[i]
            buffer[i] = sample
        yield from (buffer[i] for i in generator.permutation(len(buffer)))

    def _in_order(self, shards):
        for shard in shards:
            try:
                yield from read_shard(shard)
            except DataError:
                if not self.skip_corrupt:
                    raise
                self._skipped[shard] = None

    # from bytes to arrays -----------------------------------------------------------------------------------------------

    def _decode(self, samples):
        """A batch of [(name, {extension: bytes})]; None if nothing is left of it."""
        decoded = []
        for name, members in samples:
            try:
                decoded.append(tuple(self._field(n, name, members) for n in range(len(self.fields))))
            except DataError:
                if not self.skip_corrupt:
                    raise
                self._skipped[name] = None
        try:
            return default_collate(decoded) if decoded else None
        except ValueError as error:
            raise ValueError(f"TarShards: in the batch that begins with {samples[0][0]}: {error}") from error

    def _field(self, n, name, members):
        field = self.fields[n]
        wanted = [extension[1:] for extension in EXTENSIONS] if field == "image" else [field]
        extension = next((extension for extension in wanted if extension in members), None)
        if extension is None:
            there = ", ".join(f".{extension}" for extension in members)
            raise DataError(f"{name}: the sample has no {'image' if field == 'image' else '.' + field}; it has {there}")
        decoder = _DECODERS[extension.rsplit(".")[-1]]
        content = members[extension]
        try:
            value = decoder(content, f"{name}.{extension}")
        except DataError:
            raise
        except (ValueError, EOFError, KeyError, SyntaxError, MemoryError, RecursionError) as error:
            raise DataError(f"{name}.{extension}: can't be read: {error}; it starts with {content[:16]!r}") from error
        if n == 0:
            is_image = decoder is decode_image
            return prepare(value, self.transform) if self.transform or is_image else value
        return self.target_transform(value) if n == 1 and self.target_transform else value


def find_shards(shards):
    """The paths that a pattern, or a list of patterns, stands for.

    Raises: FileNotFoundError, naming what isn't there; ValueError for a pattern that stands for nothing.
    """
    patterns = [shards] if isinstance(shards, str | os.PathLike) else list(shards)
    paths, missing = [], []
    for pattern in patterns:
        for path in _expand(os.path.expanduser(os.fspath(pattern))):
            found = [path] if os.path.isfile(path) else sorted(glob.glob(path))
            paths += found
            missing += [path] * (not found)
    if not patterns:
        raise ValueError("TarShards: the list of shards is empty")
    if missing:
        raise FileNotFoundError(
            f"TarShards: {len(missing)} of {len(missing) + len(paths)} shards are not there: "
            f"{', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}"
        )
    return paths


def _expand(pattern):
    """a-{08..11}.tar -> a-08.tar a-09.tar a-10.tar a-11.tar"""
    match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    if int(first) > int(last):
        raise ValueError(
            f"TarShards: the range {match.group()} in {pattern} is empty: its first number is the larger one"
        )
    names = [
        f"{pattern[: match.start()]}{n:0{len(first)}d}{pattern[match.end() :]}"
        for n in range(int(first), int(last) + 1)
    ]
    return [path for name in names for path in _expand(name)]


def read_shard(path):
    """The samples of one .tar file: (its name "shard.tar:000001", {extension: bytes}).

    Raises: DataError for a file that is cut short, damaged or no tar file. The samples before the damage have been given then.
    """
    size = os.path.getsize(path)
    current, members = None, {}
    try:
        with open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            end = 0
            for member in archive:
                archive.members.clear()  # tarfile would keep them all, and a shard may have many
                end = member.offset_data
                if not member.isfile():
                    continue
                end += -(-member.size // BLOCK) * BLOCK
                if member.size > size:  # the number is wrong: don't ask for so much memory
                    raise tarfile.ReadError(f"{member.name!r} has {member.size:,} bytes, the whole file {size:,}")
                folder, _, base = member.name.rpartition("/")
                stem, dot, extension = base.partition(".")
                if not (stem and dot):
                    continue  # hidden files, and those without extension
                key = f"{folder}/{stem}" if folder else stem
                if key != current:
                    if members:
                        yield f"{path}:{current}", members
                    current, members = key, {}
                content = archive.extractfile(member).read()
                if len(content) < member.size:
                    raise tarfile.ReadError(
                        f"{member.name!r} has {member.size:,} bytes, but it ends after {len(content):,}"
                    )
                if extension.lower() in members:
                    raise tarfile.ReadError(f"{member.name!r} comes twice")
                members[extension.lower()] = content
            file.seek(end)
            if file.read(BLOCK) != bytes(BLOCK):
                raise tarfile.ReadError(
                    f"after {end:,} of {size:,} bytes there is neither a member nor the mark of its end"
                )
    except (
        tarfile.TarError,
        EOFError,
        ValueError,
        IndexError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:  # what tarfile stumbles over in damaged headers
        raise DataError(
            f"{path}: the shard is cut short, damaged or no .tar file: {str(error) or type(error).__name__}"
        ) from error
    if members:
        yield f"{path}:{current}", members


def _fail(error):
    raise error
