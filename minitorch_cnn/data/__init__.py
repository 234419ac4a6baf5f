"""Data: image data sets, and the loader that cuts a data set into batches. Needs NumPy; yields NumPy arrays.

idx.py            reads the idx files that MNIST comes in
image_dataset.py  images in memory, from files in one of several places: what the next two have in common
mnist.py          MNIST, FashionMNIST: where the files are, and what is in them
cifar.py          CIFAR10, CIFAR100: the same
cifar_files.py    how CIFAR's binary and python versions are read
decode.py         an image file as an array
preprocess.py     scaling, cropping and normalising one image
image_folder.py   ImageFolder: images in folders, a folder a class
imagenet.py       ImageNet: its folders, its 1,000 classes
tar_shards.py     TarShards: samples in .tar files, read in sequence
write_shards.py   write_shards: makes such files
dataset.py        what a dataset is; TensorDataset, Subset, random_split, ConcatDataset
collate.py        how samples become a batch
loader.py         DataLoader: order, batches, reading ahead in threads, going on in the middle of an epoch
fetch.py          downloads with several mirrors, resuming, and checksums
"""

from .idx import read_idx
from .mnist import MNIST, FashionMNIST
from .cifar import CIFAR10, CIFAR100
from .decode import DataError, decode_image, read_image
from .preprocess import IMAGENET_MEAN, IMAGENET_STD, ImageNetEval, center_crop, normalize, resize_shorter, ten_crop
from .image_folder import ImageFolder
from .imagenet import ImageNet, imagenet_classes, imagenet_synsets
from .tar_shards import TarShards
from .write_shards import write_shards
from .dataset import ConcatDataset, Subset, TensorDataset, random_split
from .collate import default_collate
from .loader import DataLoader
from .fetch import FetchError, fetch
