"""Data: MNIST and Fashion-MNIST, and the loader that cuts a dataset into batches. Needs NumPy; yields NumPy arrays.

idx.py        reads the idx files that MNIST comes in
mnist.py      MNIST, FashionMNIST: where the files are, and what is in them
dataset.py    what a dataset is; TensorDataset, Subset, random_split, ConcatDataset
collate.py    how samples become a batch
loader.py     DataLoader: order, batches, reading ahead in threads, going on in the middle of an epoch
fetch.py      downloads with several mirrors, resuming, and checksums
"""

from .idx import read_idx
from .mnist import MNIST, FashionMNIST
from .dataset import ConcatDataset, Subset, TensorDataset, random_split
from .collate import default_collate
from .loader import DataLoader
from .fetch import FetchError, fetch
