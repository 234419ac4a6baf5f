"""What MNIST and CIFAR have in common: images and labels in memory, read from files that are in one of several places.

A data set says what a place must have (`_source`), what to say of a place that hasn't (`_lacking`), how to read what was found
(`_read`), and what to fetch (`_fetch`).
"""

import os

import numpy as np

from .dataset import check_indices
from .fetch import VARIABLE, cache_folder, user_cache


class ImageDataset:
    """Images (N, ...) uint8 and labels (N,) int64; see MNIST and CIFAR10 for the arguments."""

    name = ""
    folders = [""]  # where under root and under the variable's folder to look; downloads go into the first one
    installed = None  # a folder that may be on the machine already
    remedy = ""  # what else helps if nothing is found
    files = ""  # how the files are called, in words

    def __init__(self, root=None, train=True, transform=None, target_transform=None, download=False):
        if not isinstance(train, bool):
            raise TypeError(f"{self.name}: train must be True (training images) or False (test images), got {train!r}")
        for what, function in (("transform", transform), ("target_transform", target_transform)):
            if function is not None and not callable(function):
                raise TypeError(f"{self.name}: {what} must be a function of a batch, got {function!r}")
        self.root = None if root is None else os.path.expanduser(os.fspath(root))
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        self.source = self._find()
        if self.source is None and download:
            self._fetch(self._download_folder())
            self.source = self._find()
        if self.source is None:
            raise FileNotFoundError(self._not_found())
        self.data, self.targets = self._read(self.source)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        images, labels = self.batch([index])
        return images[0], labels[0]

    def batch(self, indices):
        """(images, labels) of the samples with these numbers: what a DataLoader asks for."""
        indices = check_indices(self.name, indices, len(self))
        images = self._images(indices)  # (n, C, H, W), a copy
        labels = self.targets[indices]
        images = np.divide(images, 255, dtype=np.float32) if self.transform is None else self.transform(images)
        return images, labels if self.target_transform is None else self.target_transform(labels)

    def __repr__(self):
        return f"{self.name}({len(self)} {'training' if self.train else 'test'} images from {self.source})"

    @property
    def class_to_idx(self):
        """The label of each class name."""
        return {name: label for label, name in enumerate(self.classes)}

    def _images(self, indices):
        return self.data[indices]

    def _places(self):
        """The folders to look into, in order."""
        if self.root is not None:
            tops, others = [self.root], []
        else:
            tops = [os.path.expanduser(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else []
            others = [self.installed] * bool(self.installed) + [user_cache(self.folders[0])]
        return [os.path.normpath(os.path.join(top, folder)) for top in tops for folder in self.folders] + others

    def _find(self):
        """What `_source` says of the first place that has the split's files."""
        return next((source for place in self._places() if (source := self._source(place)) is not None), None)

    def _download_folder(self):
        return os.path.join(self.root, self.folders[0]) if self.root else cache_folder(self.folders[0])

    def _not_found(self):
        lines = [f"{self.name}: its {'training' if self.train else 'test'} images and labels were not found. Looked in"]
        for place in self._places():
            lines.append(
                f"  {place}: {f'has no {self._lacking(place)}' if os.path.exists(place) else 'no such folder'}"
            )
        lines.append(
            f"What helps: {self.name}(download=True) fetches them;{self.remedy} or let root, or the environment variable"
        )
        lines.append(f"{VARIABLE}, name the folder that has them ({self.files}).")
        return "\n".join(lines)
