"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747).

Each: 60,000 training and 10,000 test images, 28x28 grey, ten classes, in four idx files of the same names. MNIST's come with this
package. Where files are looked for, in order:

    root                              if given: there and nowhere else
    $MINITORCH_CNN_DATA               a folder of data
    what is on the machine            MNIST: in this package. Fashion-MNIST: Debian's package dataset-fashion-mnist
    ~/.cache/minitorch_cnn            where download=True puts them, unless root or the variable say otherwise

and under root and the variable: in MNIST/raw (FashionMNIST/raw), as torchvision has it, in MNIST, in mnist (fashion-mnist), and
in the folder itself. Gzipped or not makes no difference.
"""

import os
import zlib

import numpy as np

from .fetch import fetch
from .idx import read_idx
from .image_dataset import ImageDataset

# CRC-32 of the labels. The two data sets' files have the same names: taking one for the other must not go unnoticed.
_LABELS = {0xBA07E8EF: "MNIST", 0xEE8604D9: "MNIST", 0x2ED6E46A: "FashionMNIST", 0x242BC73F: "FashionMNIST"}


class MNIST(ImageDataset):
    """The MNIST database of handwritten digits, in memory.

    Args:
        root: a folder with the data; by default they are found as the file's first lines say.
        train: the 60,000 training images, or else the 10,000 test images.
        transform: a function of a whole batch of images, uint8 (n, 1, 28, 28), that gives what is to be yielded of them; by
            default they become float32 from 0 to 1, as by torchvision's ToTensor. (It is given a copy, and may change it.)
        target_transform: the same of the labels, int64 (n,).
        download: fetch the split's two files if they aren't found, into root/MNIST/raw.
    Attributes: data uint8 (N, 28, 28), 0 is paper and 255 is ink; targets int64 (N,); classes, their names; raw_folder, where the
        files were found.
    `ds[i]` is (image (1, 28, 28), label); `ds.batch(indices)` is (images (n, 1, 28, 28), labels (n,)).
    Raises: FileNotFoundError, telling where it looked; ValueError for files that are damaged or aren't MNIST's; FetchError.
    Source: LeCun, Bottou, Bengio, Haffner, Proceedings of the IEEE 86(11), 1998; arguments as torchvision.datasets.MNIST.

    >>> ds = MNIST(train=False)
    >>> image, label = ds[0]
    >>> image.shape, image.dtype, ds.classes[label]
    ((1, 28, 28), dtype('float32'), '7 - seven')
    >>> ds.batch([0, 1, 2])[1]
    array([7, 2, 1])
    """

    name = "MNIST"
    classes = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]
    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ]
    resources = [  # name, SHA-256
        ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ]
    folders = ["MNIST/raw", "MNIST", "mnist", ""]
    files = "*-ubyte or *-ubyte.gz"
    installed = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mnist")

    @property
    def raw_folder(self):
        return self.source

    def _images(self, indices):
        return self.data[indices][:, None]  # (n, 1, 28, 28)

    def _files(self):
        """(name, SHA-256) of the split's images and labels, gzipped."""
        return self.resources[:2] if self.train else self.resources[2:]

    def _missing(self, folder):
        return [name for name, _ in self._files() if self._path(folder, name) is None]

    def _source(self, place):
        """The place, if it has both of the split's files."""
        return None if self._missing(place) else place

    def _lacking(self, place):
        return " and ".join(self._missing(place))

    def _path(self, folder, name):
        """The file's path, unzipped or else zipped, if it is there."""
        zipped = os.path.join(folder, name)
        return next((path for path in (zipped.removesuffix(".gz"), zipped) if os.path.isfile(path)), None)

    def _fetch(self, folder):
        for name, sha256 in self._files():
            fetch([mirror + name for mirror in self.mirrors], os.path.join(folder, name), sha256)

    def _read(self, folder):
        count = 60000 if self.train else 10000
        image_path, label_path = (self._path(folder, name) for name, _ in self._files())
        images, labels = read_idx(image_path), read_idx(label_path)
        self._check_shape(image_path, images, (count, 28, 28))
        self._check_shape(label_path, labels, (count,))
        if labels.max() > 9:
            i = int((labels > 9).argmax())
            raise ValueError(
                f"{label_path}: label {i} is {labels[i]}, but there are 10 classes (0 to 9); the file was altered"
            )
        known = _LABELS.get(zlib.crc32(labels), self.name)
        if known != self.name:
            raise ValueError(
                f"{label_path}: these are the labels of {known}, not of {self.name}; use data.{known}, or another folder"
            )
        return images, labels.astype(np.int64)

    def _check_shape(self, path, array, shape):
        if array.shape != shape or array.dtype != np.uint8:
            wanted, found = (" x ".join(map(str, extents)) for extents in (shape, array.shape))
            raise ValueError(
                f"{path}: {self.name}(train={self.train}) has here {wanted} values of uint8, but this file has {found} "
                f"of {array.dtype}; it is another file, or was altered; delete it, and fetch it anew with download=True"
            )


class FashionMNIST(MNIST):
    """Fashion-MNIST: as MNIST, but ten kinds of clothing. It doesn't come with the package.

    Source: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747; arguments as torchvision.datasets.FashionMNIST.
    """

    name = "FashionMNIST"
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    mirrors = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ]
    folders = ["FashionMNIST/raw", "FashionMNIST", "fashion-mnist", ""]
    installed = "/usr/share/datasets/fashion-mnist"
    remedy = " on Debian and Ubuntu, `apt-get install dataset-fashion-mnist` installs them;"
