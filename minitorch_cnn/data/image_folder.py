"""Images in folders, a folder a class: root/cat/1.jpg, root/cat/2.png, root/dog/3.jpg.

Only the names are in memory. An image is decoded when it is asked for, in the DataLoader's workers if it has any: they are
threads, and Pillow lets go of the interpreter's lock while it decodes.
"""

import os

import numpy as np

from .dataset import check_indices
from .decode import EXTENSIONS, DataError, read_image


class ImageFolder:
    """A data set of image files whose folders are their classes.

    Args:
        root: the folder of the class folders. Whatever is in a class folder, at any depth, is of that class.
        transform: a function of one image, uint8 (3, H, W), that gives an array; those of a batch must be of one shape. By
            default images become float32 from 0 to 1, as by torchvision's ToTensor, and keep their size.
        target_transform: the same of a label, an int.
        loader: reads a file: a function of its path that gives uint8 (3, H, W) and raises DataError for a damaged one. By default
            data.read_image; functools.partial(data.read_image, draft=256) decodes large JPEGs faster.
        is_valid_file: a function of a path that tells whether it belongs to the data; by default its extension does: .jpg
            .jpeg .png .ppm .bmp .pgm .tif .tiff .webp, in either case.
        skip_corrupt: leave images out of their batch that can't be read, instead of raising DataError.
    Attributes: classes, the folders' names, sorted; class_to_idx; samples (or imgs), a list of (path, label), by class and then by
        path; targets, their labels; skipped, the paths of the images left out so far, each once.
    `ds[i]` is (image, label); `ds.batch(indices)` is (images (n, ...), labels int64 (n,)), where n is smaller than asked for if
    images were left out; and None if all of them were: a DataLoader passes over such a batch.
    Raises: FileNotFoundError for a root without class folders, or a class folder without images; DataError (also from `ds[i]`,
        and as the cause of a DataLoader's RuntimeError), naming the file; ValueError for a batch of unlike shapes.
    Source: torchvision.datasets.ImageFolder.
    """

    def __init__(
        self,
        root,
        transform=None,
        target_transform=None,
        loader=read_image,
        is_valid_file=None,
        skip_corrupt=False,
    ):
        self.root = os.path.expanduser(os.fspath(root))
        self.transform = transform
        self.target_transform = target_transform
        self.loader = loader
        self.is_valid_file = is_valid_file or _has_extension
        self.skip_corrupt = skip_corrupt
        self._skipped = {}  # as a set that keeps its order; workers write into it
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self._samples()
        self.targets = [label for _, label in self.samples]

    @property
    def imgs(self):
        return self.samples

    @property
    def skipped(self):
        return list(self._skipped)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        (i,) = check_indices("ImageFolder", [index], len(self))
        path, label = self.samples[i]
        image = prepare(self.loader(path), self.transform)
        return image, label if self.target_transform is None else self.target_transform(label)

    def batch(self, indices):
        """(images, labels) of the samples with these numbers: what a DataLoader asks for. None if no image can be read."""
        samples = []
        for i in check_indices("ImageFolder", indices, len(self)):
            try:
                samples.append((self.samples[i][0], *self[i]))
            except DataError:
                if not self.skip_corrupt:
                    raise
                self._skipped[self.samples[i][0]] = None
        return stack("ImageFolder", samples) if samples else None

    def __repr__(self):
        return f"{type(self).__name__}({len(self):,} images of {len(self.classes):,} classes from {self.root})"

    def find_classes(self, root):
        """(names of the classes, label of each folder): for a subclass with another order."""
        classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        if not classes:
            files = sum(1 for entry in os.scandir(root) if entry.is_file())
            raise FileNotFoundError(
                f"{type(self).__name__}: {root} has no class folders, but {files:,} files; put the images of each class into a "
                "folder of its own: root/cat/1.jpg, root/dog/2.jpg"
            )
        return classes, {name: label for label, name in enumerate(classes)}

    def _samples(self):
        samples, without = [], []
        for name, label in sorted(self.class_to_idx.items()):
            paths = [path for path in _files(os.path.join(self.root, name)) if self.is_valid_file(path)]
            samples += [(path, label) for path in paths]
            without += [name] * (not paths)
        if without:
            raise FileNotFoundError(
                f"{type(self).__name__}: {self.root}: {len(without)} of {len(self.class_to_idx)} class folders have no images: "
                f"{', '.join(without[:10])}{', …' if len(without) > 10 else ''}; files that count are "
                f"{', '.join(EXTENSIONS) if self.is_valid_file is _has_extension else 'those of which is_valid_file says so'}"
            )
        return samples


def prepare(image, transform):
    """What is yielded of an image, uint8 (3, H, W)."""
    return np.divide(image, 255, dtype=np.float32) if transform is None else transform(image)


def stack(name, samples):
    """(images (n, ...), labels (n,)) of a list of (where it is from, image, label)."""
    first, shape = samples[0][0], np.shape(samples[0][1])
    for place, image, _ in samples:
        if np.shape(image) != shape:
            raise ValueError(
                f"{name}: the images of one batch have different shapes: {shape} ({first}), {np.shape(image)} ({place}); "
                "give it a transform that makes them alike, such as data.ImageNetEval()"
            )
    _, images, labels = zip(*samples)
    return np.stack(images), np.array(labels)


def _has_extension(path):
    return path.lower().endswith(EXTENSIONS)


def _files(folder):
    """The paths of all files under a folder, in the order of torchvision."""

    def fail(error):
        raise error  # os.walk would pass over a folder that can't be read

    for place, _, names in sorted(os.walk(folder, onerror=fail, followlinks=True)):
        yield from (os.path.join(place, name) for name in sorted(names))
