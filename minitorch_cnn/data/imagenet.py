"""ImageNet, as of the ILSVRC 2012 to 2017 (Russakovsky et al. 2015, arXiv 1409.0575): 1,000 classes, a folder each.

    root/train/n01440764/n01440764_10026.JPEG       1,281,167 images
    root/val/n01440764/ILSVRC2012_val_00000293.JPEG    50,000 images

A class is a synset of WordNet; its number "n01440764" is the folder's name. In their sorted order the synsets are a network's
outputs 0 to 999. imagenet_classes.json has them with the class names which torchvision's weights come with (BSD 3-Clause, Copyright
(c) Soumith Chintala 2016).
"""

import functools
import json
import os

from .decode import read_image
from .image_folder import ImageFolder


@functools.cache
def _table():
    """[synset, name] of each class, in the order of the outputs."""
    with open(os.path.join(os.path.dirname(__file__), "imagenet_classes.json"), encoding="utf-8") as file:
        return json.load(file)


def imagenet_classes():
    """The 1,000 class names, in the order of the outputs.

    >>> imagenet_classes()[281], len(imagenet_classes())
    ('tabby', 1000)
    """
    return [name for _, name in _table()]


def imagenet_synsets():
    """The 1,000 synset numbers, in the order of the outputs.

    >>> imagenet_synsets()[281]
    'n02123045'
    """
    return [synset for synset, _ in _table()]


class ImageNet(ImageFolder):
    """ImageNet's training or validation images.

    Args:
        root: the folder that has train/ and val/.
        split: "train" or "val".
        the others: as of ImageFolder. data.ImageNetEval() is the transform for testing.
    Attributes: as of ImageFolder, but classes are all 1,000 names, class_to_idx (or wnid_to_idx) is of the synset numbers, and
        wnids lists them. If some classes' folders aren't there, the others keep their numbers: a few classes are enough to try a
        network on.
    Raises: as ImageFolder; FileNotFoundError for a split that isn't there or isn't sorted into folders; ValueError for a folder
        that is no class, or another split.
    Source: Russakovsky et al. 2015, arXiv 1409.0575; folders as of torchvision.datasets.ImageNet.
    """

    def __init__(
        self,
        root,
        split="train",
        transform=None,
        target_transform=None,
        loader=read_image,
        is_valid_file=None,
        skip_corrupt=False,
    ):
        if split not in ("train", "val"):
            raise ValueError(f'ImageNet: split must be "train" or "val", got {split!r}')
        self.split = split
        folder = os.path.join(os.path.expanduser(os.fspath(root)), split)
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                f"ImageNet: there is no folder {folder}; root must have {split}/n01440764/… (the archives of ILSVRC 2012 are to be "
                "had from image-net.org, for research)"
            )
        super().__init__(folder, transform, target_transform, loader, is_valid_file, skip_corrupt)

    @property
    def wnids(self):
        return imagenet_synsets()

    @property
    def wnid_to_idx(self):
        return self.class_to_idx

    def find_classes(self, root):
        folders = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        if not folders:
            files = sum(1 for entry in os.scandir(root) if entry.is_file())
            raise FileNotFoundError(
                f"ImageNet: {root} has {files:,} files, but no class folders. The validation images come in one folder: move each "
                "into a folder named by its synset, as LOC_val_solution.csv lists them (image, synset), or "
                "ILSVRC2012_validation_ground_truth.txt together with meta.mat of the development kit"
            )
        number = {synset: label for label, synset in enumerate(imagenet_synsets())}
        strange = [name for name in folders if name not in number]
        if strange:
            raise ValueError(
                f"ImageNet: {root} has {len(strange)} folders that are none of the 1,000 classes: {', '.join(strange[:10])}"
                f"{', …' if len(strange) > 10 else ''}; for classes of your own, use data.ImageFolder"
            )
        return imagenet_classes(), {synset: number[synset] for synset in folders}

    def __repr__(self):
        return f"ImageNet({len(self):,} images of {len(self.class_to_idx):,} of 1,000 classes from {self.root})"
