"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images).

Each: 50,000 training and 10,000 test images, 32x32 RGB. They come in two versions with the same images:

    binary version    a record is the labels (CIFAR-10: one byte; CIFAR-100: coarse, then fine), then 1,024 bytes each of red, green
                      and blue, row by row; no header
    python version    pickles of a dict: "data", an array (n, 3072) of the same bytes, and the lists of labels

Either is read from its folder, or from the .tar.gz as it is published, which isn't unpacked. Where they are looked for, in order:

    root                              if given: there and nowhere else; it may be the archive itself
    $MINITORCH_CNN_DATA               a folder of data
    ~/.cache/minitorch_cnn            where download=True puts the archive, unless root or the variable say otherwise

and under root and the variable: in the folder itself, in cifar, in cifar10 (cifar100).

A pickle is a program. Those of the python version are read by an interpreter for which the only names are stand-ins for NumPy's
array and dtype, which keep what they are given and do nothing; any other name is refused.
"""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
import zlib
from typing import NamedTuple

import numpy as np

from .fetch import fetch
from .image_dataset import ImageDataset

PIXELS = 3 * 32 * 32


class Version(NamedTuple):
    folder: str
    archive: str
    sha256: str  # of the archive
    train: dict  # file -> its SHA-256; or that of its content, written as the binary version has it
    test: dict


_BATCHES_10 = [
    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
]
_TEST_10 = "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"


class CIFAR10(ImageDataset):
    """CIFAR-10: ten classes of animals and vehicles, in memory.

    Args:
        root: a folder with the data, or the archive; by default they are found as the file's first lines say.
        train: the 50,000 training images, or else the 10,000 test images.
        transform: a function of a whole batch of images, uint8 (n, 3, 32, 32), that gives what is to be yielded of them; by
            default they become float32 from 0 to 1, as by torchvision's ToTensor. (It is given a copy, and may change it.)
        target_transform: the same of the labels, int64 (n,).
        download: fetch the archive of the binary version (170 MB) if nothing is found.
    Attributes: data uint8 (N, 3, 32, 32); targets int64 (N,); classes, their names; class_to_idx; source, the folder or archive
        that they were read from.
    `ds[i]` is (image (3, 32, 32), label); `ds.batch(indices)` is (images (n, 3, 32, 32), labels (n,)).
    Raises: FileNotFoundError, telling where it looked; ValueError for files that are cut short, altered or not CIFAR's; FetchError.
        A folder of changed images or labels can be read all the same by a subclass with `verify = False`.
    Source: Krizhevsky 2009; arguments as torchvision.datasets.CIFAR10, whose `data` is (N, 32, 32, 3) though.
    """

    name = "CIFAR10"
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    folders = ["", "cifar", "cifar10"]
    files = "cifar-10-batches-bin, cifar-10-batches-py, or one of the archives"
    mirrors = ["https://www.cs.toronto.edu/~kriz/"]
    versions = [
        Version(
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            {f"data_batch_{i}.bin": sha256 for i, sha256 in enumerate(_BATCHES_10, 1)},
            {"test_batch.bin": _TEST_10},
        ),
        Version(
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            {f"data_batch_{i}": sha256 for i, sha256 in enumerate(_BATCHES_10, 1)},
            {"test_batch": _TEST_10},
        ),
    ]
    label_columns = {
        "labels": classes
    }  # the python version's name of each label -> its classes; in the binary version's order
    sizes = (50000, 10000)
    verify = True  # compare with the published checksums

    def _versions_at(self, place):
        """(version, folder or archive) that may be at a place, folders first: they are read faster."""
        for version in self.versions:
            yield version, os.path.join(place, version.folder)
            yield version, place
        for version in self.versions:
            yield version, os.path.join(place, version.archive)

    def _is_whole(self, version, path):
        if os.path.isfile(path):
            return os.path.basename(path) == version.archive
        return all(os.path.isfile(os.path.join(path, name)) for name in self._names(version))

    def _names(self, version):
        """file -> checksum of the split's files."""
        return version.train if self.train else version.test

    def _source(self, place):
        return next((path for version, path in self._versions_at(place) if self._is_whole(version, path)), None)

    def _lacking(self, place):
        for version, path in self._versions_at(place):
            there = [name for name in self._names(version) if os.path.isfile(os.path.join(path, name))]
            if there or (os.path.isdir(path) and path != place):
                lacking = [name for name in self._names(version) if name not in there]
                return f"{', '.join(lacking)} in {path}"
        folders, archives = zip(*((version.folder, version.archive) for version in self.versions))
        return f"{', '.join(folders)}, {' or '.join(archives)}"

    def _fetch(self, folder):
        version = self.versions[0]
        urls = [mirror + version.archive for mirror in self.mirrors]
        fetch(urls, os.path.join(folder, version.archive), version.sha256)

    def _read(self, source):
        version = next(version for version, path in self._versions_at(source) if self._is_whole(version, path))
        names = list(self._names(version))
        count = self.sizes[0 if self.train else 1]
        each = count // len(names)  # images in a file
        data = np.empty((count, 3, 32, 32), np.uint8)
        targets = np.empty((len(self.label_columns), count), np.int64)
        for path, content in _contents(source, version, names, limit=2 * each * (PIXELS + 32)):
            name = os.path.basename(path)
            read = self._binary_records if name.endswith(".bin") else self._pickled_records
            labels, pixels = read(path, content, each)  # (columns, each), (each, 3072)
            for (column, classes), values in zip(self.label_columns.items(), labels):
                self._check_labels(path, column, values, len(classes))
            if self.verify:
                self._check_sum(path, content, labels, pixels, self._names(version)[name])
            here = slice(names.index(name) * each, (names.index(name) + 1) * each)
            data[here], targets[:, here] = pixels.reshape(each, 3, 32, 32), labels
        return data, self._targets(targets)

    def _targets(self, columns):
        return columns[0]

    def _binary_records(self, path, content, count):
        size = len(self.label_columns) + PIXELS
        if len(content) != count * size:
            raise ValueError(
                f"{path}: {self.name} has here {count} records of {size} bytes = {count * size:,} bytes, but this file has "
                f"{len(content):,}; it is another file, or was cut short; get it anew (download=True)"
            )
        records = np.frombuffer(content, np.uint8).reshape(count, size)
        return records[:, :-PIXELS].T, records[:, -PIXELS:]

    def _pickled_records(self, path, content, count):
        batch = _unpickle(path, content)
        lacking = [key for key in ("data", *self.label_columns) if key not in batch]
        if lacking:
            raise ValueError(
                f"{path}: {self.name} has here a dict with data and {', '.join(self.label_columns)}; this one has no "
                f"{', '.join(lacking)}; its keys are {', '.join(sorted(batch))}"
            )
        pixels = _array(path, batch["data"], (count, PIXELS))
        columns = []
        for column in self.label_columns:
            labels = batch[column]
            if not (isinstance(labels, list) and len(labels) == count and all(type(x) is int for x in labels)):
                found = f"{len(labels)}" if isinstance(labels, list) else f"a {type(labels).__name__}"
                raise ValueError(f"{path}: {column} must be a list of {count} integers, but it is {found}")
            if not all(0 <= x < 256 for x in labels):
                wrong = next(x for x in labels if not 0 <= x < 256)
                raise ValueError(f"{path}: {column} has {wrong}, which is no class; the file was altered")
            columns.append(labels)
        return np.array(columns, np.uint8), pixels

    def _check_labels(self, path, column, values, classes):
        if values.max() >= classes:
            i = int((values >= classes).argmax())
            raise ValueError(
                f"{path}: {self.name} has {classes} classes (0 to {classes - 1}), but entry {i} of its {column} is "
                f"{values[i]}; it is another file, or was altered"
            )

    def _check_sum(self, path, content, labels, pixels, published):
        records = np.ascontiguousarray(np.concatenate([labels.T, pixels], axis=1))  # as the binary version has them
        found = hashlib.sha256(records).hexdigest()
        if found != published and hashlib.sha256(content).hexdigest() != published:
            raise ValueError(
                f"{path}: its {len(pixels)} images and labels have SHA-256 {found[:16]}…, those of {self.name} {published[:16]}…: "
                "the file was altered; get it anew (download=True)"
            )


class CIFAR100(CIFAR10):
    """CIFAR-100: a hundred classes (the fine labels) in twenty groups (the coarse ones); otherwise as CIFAR10.

    Attributes: as of CIFAR10, and coarse_targets int64 (N,) and coarse_classes, their names.
    Source: Krizhevsky 2009; arguments as torchvision.datasets.CIFAR100.
    """

    name = "CIFAR100"
    classes = (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle "
        "caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish "
        "forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle "
        "mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine "
        "possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar "
        "sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale "
        "willow_tree wolf woman worm"
    ).split()
    coarse_classes = (
        "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture "
        "insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores "
        "medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2"
    ).split()
    folders = ["", "cifar", "cifar100"]
    files = "cifar-100-binary, cifar-100-python, or one of the archives"
    versions = [
        Version(
            "cifar-100-binary",
            "cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            {"train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"},
            {"test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"},
        ),
        Version(
            "cifar-100-python",
            "cifar-100-python.tar.gz",
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            {"train": "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b"},
            {"test": "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864"},
        ),
    ]
    label_columns = {"coarse_labels": coarse_classes, "fine_labels": classes}

    def _targets(self, columns):
        self.coarse_targets, fine = columns
        return fine


# the files -------------------------------------------------------------------------------------------------------------


def _contents(source, version, names, limit):
    """(path, content) of each file, from a folder or an archive; one that is longer than `limit` isn't read to its end."""
    if os.path.isdir(source):
        for name in names:
            path = os.path.join(source, name)
            with open(path, "rb") as file:
                yield path, file.read(limit + 1)
        return
    wanted = {f"{version.folder}/{name}" for name in names}
    try:
        with gzip.open(source) as unzipped:
            with tarfile.open(fileobj=unzipped, mode="r|") as archive:
                for member in archive:
                    name = member.name.removeprefix("./")
                    if name in wanted and member.isfile():
                        wanted.remove(name)
                        yield f"{source}/{name}", archive.extractfile(member).read(min(member.size, limit + 1))
            while unzipped.read(1 << 20):  # to its end, where gzip compares its checksum
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise ValueError(
            f"{source}: the archive is cut short or damaged ({error}); delete it, and get it anew (download=True)"
        ) from error
    if wanted:
        raise ValueError(
            f"{source}: the archive has no {', '.join(sorted(wanted))}; it is another file, or was altered"
        )


class _Array:
    """Stands for an array: keeps its shape, type and bytes."""

    def __setstate__(self, state):
        self.state = state


class _Dtype:
    """Stands for a dtype: keeps its name."""

    def __init__(self, name=None, *_):
        self.name = name

    def __setstate__(self, state):
        pass


class _Unpickler(pickle._Unpickler):  # the one in Python: that in C makes a table as long as a damaged number asks for
    def find_class(self, module, name):
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return self.new_array
        if (module, name) == ("numpy", "dtype"):
            return self.new_dtype
        if (module, name) == ("_codecs", "encode"):
            return self.encode
        if (module, name) == ("numpy", "ndarray"):
            return None  # is only handed to _reconstruct
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, but only NumPy arrays are read")

    # methods, for a pickle that can get hold of a class or a function can also change it

    def new_array(self, *args):
        return _Array()

    def new_dtype(self, *args):
        return _Dtype(*args)

    def encode(self, text="", encoding=""):
        """How Python 3 writes bytes in old pickles: as text in which each character stands for a byte."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise ValueError(f"bytes written as {encoding!r}")
        return text.encode("latin1")


def _unpickle(path, content):
    """The dict in a pickle, its keys as text."""
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        MemoryError,
        AssertionError,
        struct.error,
    ) as error:  # what the interpreter stumbles over in a damaged pickle
        raise ValueError(f"{path}: not a whole pickle of CIFAR's ({type(error).__name__}: {error})") from error
    if not isinstance(batch, dict):
        raise ValueError(f"{path}: a pickle of a {type(batch).__name__}, not of a dict; it is another file")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in batch.items()}


def _array(path, array, shape):
    """The uint8 array that was kept."""
    state = getattr(array, "state", None)
    if not (isinstance(array, _Array) and isinstance(state, tuple) and len(state) == 5):
        raise ValueError(f"{path}: data must be an array of uint8, but it is a {type(array).__name__.strip('_')}")
    _, found, dtype, in_columns, raw = state
    name = getattr(dtype, "name", None)
    if found != shape or name not in ("u1", b"u1") or not isinstance(raw, bytes):
        raise ValueError(
            f"{path}: data must be an array {shape} of uint8, but it is {found} of {name!r} in {type(raw).__name__}"
        )
    if len(raw) != shape[0] * shape[1]:
        raise ValueError(f"{path}: data must have {shape[0] * shape[1]:,} bytes, but it has {len(raw):,}")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if in_columns else "C")
