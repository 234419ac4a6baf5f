"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images).

Each: 50,000 training and 10,000 test images, 32x32 RGB. They come in two versions with the same images, a binary one and one of
Python's pickles (cifar_files.py reads them). Either is read from its folder, or from the .tar.gz as it is published, which isn't
unpacked. Where they are looked for, in order:

    root                              if given: there and nowhere else; it may be the archive itself
    $MINITORCH_CNN_DATA               a folder of data
    ~/.cache/minitorch_cnn            where download=True puts the archive, unless root or the variable say otherwise

and under root and the variable: in the folder itself, in cifar, in cifar10 (cifar100).
"""

import hashlib
import os
from typing import NamedTuple

import numpy as np

from .cifar_files import PIXELS, binary_records, contents, pickled_records
from .fetch import fetch
from .image_dataset import ImageDataset


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
        for path, content in contents(source, version.folder, names, limit=2 * each * (PIXELS + 32)):
            name = os.path.basename(path)
            records = binary_records if name.endswith(".bin") else pickled_records
            # (columns, each), (each, 3072)
            labels, pixels = records(path, content, each, list(self.label_columns), self.name)
            for (column, classes), values in zip(self.label_columns.items(), labels):
                self._check_labels(path, column, values, len(classes))
            if self.verify:
                self._check_sum(path, content, labels, pixels, self._names(version)[name])
            here = slice(names.index(name) * each, (names.index(name) + 1) * each)
            data[here], targets[:, here] = pixels.reshape(each, 3, 32, 32), labels
        return data, self._targets(targets)

    def _targets(self, columns):
        return columns[0]

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
