"""What a dataset is, and datasets made of arrays and of other datasets.

A dataset is anything with `len(dataset)` and `dataset[i]`, which is one sample: usually a tuple (image, label). Where a whole
batch can be had at once, it also has `dataset.batch(indices)`: a tuple of arrays (n, ...), what stacking the samples would give,
only faster.
"""

import bisect
import itertools
import math
import operator

import numpy as np

from .. import backend
from ..autograd import Tensor
from ..backend import random

# Numbers that keep apart what is drawn from one seed: each purpose has its own spawn_key, so each its own stream, and none is that
# of backend.random, which draws the weights. (SeedSequence([seed, 0]) wouldn't do: it is the same as SeedSequence(seed).)
SHUFFLE, SPLIT = 0, 1


class TensorDataset:
    """Arrays of equal length, side by side: sample i is the tuple of each array's i-th element.

    Args:
        tensors: arrays or Tensors (n, ...). They are kept as arrays and not copied.
    Raises: TypeError for anything else; ValueError if their lengths differ.

    >>> ds = TensorDataset(np.zeros((3, 1, 8, 8), np.float32), np.array([5, 0, 4]))
    >>> len(ds), int(ds[2][1]), ds.batch([2, 0])[1]
    (3, 4, array([4, 5]))
    """

    def __init__(self, *tensors):
        arrays = tuple(t.data if isinstance(t, Tensor) else t for t in tensors)
        if not arrays or not all(backend.is_array(a) and a.ndim for a in arrays):
            kinds = ", ".join(
                f"{type(a).__name__} {a.shape}" if backend.is_array(a) else type(a).__name__ for a in arrays
            )
            raise TypeError(
                f"TensorDataset: give one or more arrays or Tensors of one dimension or more; got {kinds or 'none'}"
            )
        if len({len(a) for a in arrays}) > 1:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise ValueError(f"TensorDataset: the arrays must be of equal length (shape[0]); their shapes are {shapes}")
        self.tensors = arrays

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, index):
        (i,) = check_indices("TensorDataset", [index], len(self))
        return tuple(a[i] for a in self.tensors)

    def batch(self, indices):
        indices = check_indices("TensorDataset", indices, len(self))
        return tuple(a[indices] for a in self.tensors)


class Subset:
    """Some samples of a dataset: sample i is dataset[indices[i]]. `batch` is there if the dataset has it.

    Raises: IndexError for an index outside the dataset, TypeError for one that is no integer.

    >>> ds = Subset(TensorDataset(np.arange(10) * 10), [7, 2])
    >>> len(ds), int(ds[0][0]), ds.batch([1, 0])
    (2, 70, (array([20, 70]),))
    """

    def __init__(self, dataset, indices):
        self.dataset = dataset
        self.indices = check_indices("Subset", indices, len(dataset))
        if callable(getattr(dataset, "batch", None)):
            self.batch = self._batch

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        (i,) = check_indices("Subset", [index], len(self))
        return self.dataset[int(self.indices[i])]

    def _batch(self, indices):
        return self.dataset.batch(self.indices[check_indices("Subset", indices, len(self))])


class ConcatDataset:
    """Datasets one after the other. `batch` is there if all of them have it; it keeps the order of the indices.

    Raises: ValueError for no dataset at all; from `batch` too, if what they give is of unlike shapes.

    >>> ds = ConcatDataset([TensorDataset(np.array([1, 2])), TensorDataset(np.array([3]))])
    >>> len(ds), int(ds[2][0]), ds.batch([2, 0])
    (3, 3, (array([3, 1]),))
    """

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: give at least one dataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))
        if all(callable(getattr(dataset, "batch", None)) for dataset in self.datasets):
            self.batch = self._batch

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        (i,) = check_indices("ConcatDataset", [index], len(self))
        which, i = self._place(i)
        return self.datasets[which][i]

    def _place(self, i):
        """(number of the dataset, number of the sample in it)."""
        which = bisect.bisect_right(self.cumulative_sizes, i)
        return which, int(i) - (self.cumulative_sizes[which - 1] if which else 0)

    def _batch(self, indices):
        places = [self._place(i) for i in check_indices("ConcatDataset", indices, len(self))]
        if not places:
            return self.datasets[0].batch([])
        # run by run of the same dataset: one that leaves out what it can't read (ImageFolder) doesn't say which they were
        runs = itertools.groupby(places, key=lambda place: place[0])
        parts = [self.datasets[which].batch([i for _, i in run]) for which, run in runs]
        parts = [part for part in parts if part is not None]
        _check_alike("lengths", [len(part) for part in parts])
        return tuple(_joined(arrays) for arrays in zip(*parts)) if parts else None


def _check_alike(what, values):
    unlike = next((value for value in values if value != values[0]), None)
    if unlike is not None:
        raise ValueError(
            f"ConcatDataset: the samples of one batch have different {what}: {values[0]}, {unlike}; "
            "give the datasets transforms that make them alike"
        )


def _joined(arrays):
    _check_alike("shapes", [array.shape[1:] for array in arrays])
    return backend.array_module(arrays[0]).concatenate(arrays)


def random_split(dataset, lengths, generator=None, seed=None):
    """Deal the samples of a dataset out at random.

    Args:
        dataset: with n samples.
        lengths: how many samples each part gets: integers with sum n, or fractions with sum 1. Fractions are rounded
            down, and what is left over goes one by one to the first parts, as in PyTorch.
        generator: a numpy.random.Generator to draw from, or
        seed: an integer from 0 on; by default that of `mt.manual_seed`. The split depends on n, lengths and the seed
            alone, not on what was drawn before: a dataset read once with augmentation and once without is split alike.
    Returns: a list of `Subset`s that share no sample.
    Raises: ValueError if the lengths don't add up, or both generator and seed are given.

    >>> train, val = random_split(TensorDataset(np.arange(10)), [0.8, 0.2], seed=0)
    >>> len(train), len(val), sorted([*train.indices, *val.indices]) == list(range(10))
    (8, 2, True)
    """
    n = len(dataset)
    counts = _counts(n, lengths)
    if generator is not None and seed is not None:
        raise ValueError("random_split: give a generator or a seed, not both")
    if generator is None:
        generator = np.random.Generator(np.random.PCG64(seed_sequence("random_split", seed, SPLIT)))
    elif not isinstance(generator, np.random.Generator):
        raise TypeError(f"random_split: generator must be a numpy.random.Generator, got {type(generator).__name__}")
    order = generator.permutation(n)
    ends = list(itertools.accumulate(counts))
    return [Subset(dataset, order[end - count : end]) for count, end in zip(counts, ends)]


def _counts(n, lengths):
    lengths = list(lengths)
    if not lengths or not all(isinstance(x, int | float | np.integer | np.floating) and x >= 0 for x in lengths):
        raise ValueError(f"random_split: lengths must be numbers from 0 on, got {lengths}")
    if all(isinstance(x, int | np.integer) for x in lengths) and sum(lengths) == n:
        return [int(x) for x in lengths]
    if not math.isclose(sum(lengths), 1) or any(x > 1 for x in lengths):
        raise ValueError(
            f"random_split: lengths {lengths} have the sum {sum(lengths)}; it must be {n}, the dataset's length, "
            "or 1 if they are fractions"
        )
    counts = [math.floor(n * x) for x in lengths]
    for i in range(n - sum(counts)):
        counts[i % len(counts)] += 1
    return counts


def check_indices(name, indices, length):
    """The indices as an array of integers from 0 to length-1; negative ones are counted from the end."""
    indices = np.asarray(indices)
    if indices.size == 0:
        return np.zeros(0, np.int64)
    if indices.dtype.kind not in "iu" or indices.ndim != 1:
        raise TypeError(
            f"{name}: indices must be integers in a list or an array of one dimension, got {indices.dtype} of shape {indices.shape}"
        )
    outside = (indices < -length) | (indices >= length)
    if outside.any():
        valid = f"valid are {-length} to {length - 1}" if length else "there is none"
        raise IndexError(f"{name}: index {indices[outside][0]} is out of range for {length} samples; {valid}")
    return np.where(indices < 0, indices + length, indices) if indices.min() < 0 else indices


def check_integer(owner, name, value, least):
    """An option's value as an int, at least `least`; no bool and no float."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{owner}: {name} must be an integer, got {value!r}")
    if number < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {number}")
    return number


def seed_sequence(name, seed, *spawn_key):
    """What seeds a generator of its own for one purpose; seed None is the seed of `mt.manual_seed`."""
    if seed is None:
        seed = random.seed()
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"{name}: seed must be an integer from 0 on, or None for that of mt.manual_seed; got {seed!r}")
    return np.random.SeedSequence(int(seed), spawn_key=spawn_key)
