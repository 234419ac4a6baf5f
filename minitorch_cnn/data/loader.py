"""DataLoader: a dataset in batches, in an order that (seed, epoch) fixes, read ahead in threads.

The order of epoch e is a permutation drawn from a generator that is made of the seed and e alone. It doesn't depend on the number
of workers, nor on how many random numbers were drawn before, so a run can go on at any batch of any epoch as if it had never
stopped.

Workers are threads: NumPy lets go of the interpreter's lock while it copies and computes, and so do zlib and Pillow.
"""

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .collate import default_collate
from .dataset import SHUFFLE, check_integer, seed_sequence


class DataLoader:
    """The batches of a dataset, one epoch each time it is looped over.

    Args:
        dataset: anything with `len(dataset)` and `dataset[i]`. If it has `dataset.batch(indices)` too, whole batches are read by
            that, unless collate_fn is given; where it gives None, nothing of the batch could be read, and it is passed over.
        batch_size: samples in a batch; the last one may have fewer.
        shuffle: a new order each epoch; otherwise that of the dataset.
        num_workers: threads that read ahead; 0 reads in the loop itself, which a debugger likes. The batches are the same,
            in the same order, whatever the number.
        collate_fn: what makes a batch of a list of samples; by default `default_collate`.
        drop_last: leave out a last batch that has fewer samples.
        prefetch_factor: batches that each worker may be ahead of the loop.
        seed: an integer from 0 on; None takes that of `mt.manual_seed` which is in force when an epoch starts.
    Yields: tuples of NumPy arrays (or whatever the dataset's `batch` or collate_fn makes).
    Raises: ValueError and TypeError for options that can't be; RuntimeError in the loop, naming the sample, for whatever the
        dataset raised (that is its __cause__), when the batch's turn comes. Leaving the loop, in any way, ends the threads.

    >>> from minitorch_cnn.data import TensorDataset
    >>> loader = DataLoader(TensorDataset(np.arange(5)), batch_size=2, shuffle=True, seed=1)
    >>> [batch.tolist() for batch, in loader], len(loader)
    ([[3, 4], [1, 2], [0]], 3)
    """

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=False,
        num_workers=0,
        collate_fn=None,
        drop_last=False,
        prefetch_factor=2,
        seed=None,
    ):
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                f"DataLoader: a dataset needs len(dataset) and dataset[i], {type(dataset).__name__} lacks one; "
                "arrays can be wrapped: TensorDataset(images, labels)"
            )
        if len(dataset) == 0:
            raise ValueError(f"DataLoader: the dataset ({type(dataset).__name__}) is empty")
        if collate_fn is not None and not callable(collate_fn):
            raise TypeError(f"DataLoader: collate_fn must be a function of a list of samples, got {collate_fn!r}")
        self.dataset = dataset
        self.batch_size = check_integer("DataLoader", "batch_size", batch_size, 1)
        self.shuffle = _flag("shuffle", shuffle)
        self.num_workers = check_integer("DataLoader", "num_workers", num_workers, 0)
        self.collate_fn = collate_fn
        self.drop_last = _flag("drop_last", drop_last)
        self.prefetch_factor = check_integer("DataLoader", "prefetch_factor", prefetch_factor, 1)
        if seed is not None:
            seed_sequence("DataLoader", seed)  # complains about a bad one now, and not in the loop
        self.seed = seed
        self._next = (0, 0)  # epoch and batch at which the next loop begins
        self._running = None  # the same of the loop that began last, counted up as it gives its batches

    def __len__(self):
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def epoch(self):
        """The number of the epoch that the next loop gives: 0 at first, one more as soon as a loop (an `iter(loader)`) begins,
        whether that loop is then run to its end or left early. Inside the first loop it is 1. `set_epoch` sets it."""
        return self._next[0]

    def set_epoch(self, epoch):
        """Let the next loop be that of `epoch`, from its first batch on."""
        self._next = (check_integer("DataLoader", "epoch", epoch, 0), 0)
        self._running = None

    def state_dict(self):
        """Where the loop that began last stands, in plain numbers: its epoch, and the batches that it has given.

        Asked in the body of the loop, the batch that the body works on counts as given. After the last batch it is the next epoch
        with 0 batches. After a loop that was left early it is the place where it was left.

        >>> loader = DataLoader(np.arange(10), batch_size=4)
        >>> for batch in loader:
        ...     break
        >>> loader.state_dict()
        {'epoch': 0, 'batch': 1, 'batch_size': 4, 'samples': 10}
        """
        epoch, batch = self._next
        if self._running is not None and self._running["batch"] < len(self):
            epoch, batch = self._running["epoch"], self._running["batch"]
        return {"epoch": epoch, "batch": batch, "batch_size": self.batch_size, "samples": len(self.dataset)}

    def load_state_dict(self, state):
        """Let the next loop go on where `state_dict` was asked: with the same seed and options it gives the very same batches.

        Raises: ValueError if the state isn't a loader's, or is from the middle of an epoch of other batches; then
            nothing is changed.
        """
        unlike = {"epoch", "batch", "batch_size", "samples"} ^ set(state)
        if unlike:
            raise ValueError(
                f"DataLoader: no state of a loader: keys missing or unexpected: {', '.join(sorted(map(str, unlike)))}"
            )
        epoch, batch = (
            check_integer("DataLoader", "epoch", state["epoch"], 0),
            check_integer("DataLoader", "batch", state["batch"], 0),
        )
        here = (self.batch_size, len(self.dataset))
        if batch and (state["batch_size"], state["samples"]) != here:  # at the start of an epoch any batches will do
            raise ValueError(
                f"DataLoader: the state is from the middle of epoch {epoch} (after batch {batch}) with batch_size "
                f"{state['batch_size']} and {state['samples']} samples, but this loader has batch_size {here[0]} "
                f"and {here[1]} samples; use the same ones, or begin at a whole epoch with set_epoch"
            )
        if batch and batch >= len(self):
            raise ValueError(f"DataLoader: the state is after batch {batch}, but an epoch has {len(self)} batches")
        self._next = (epoch, batch)
        self._running = None

    def __iter__(self):
        epoch, start = self._next
        self._next = (epoch + 1, 0)
        self._running = running = {"epoch": epoch, "batch": start}
        n, size = len(self.dataset), self.batch_size
        order = epoch_order(n, epoch, self.seed) if self.shuffle else np.arange(n)
        jobs = ((epoch, b, order[b * size : (b + 1) * size]) for b in range(start, len(self)))
        return self._give(jobs, running)

    def _give(self, jobs, running):
        """The batches of the jobs, in their order. A job is (epoch, number of the batch, indices of its samples)."""
        if self.num_workers == 0:
            for job in jobs:
                batch = self._load(*job)
                running["batch"] += 1
                if batch is not None:
                    yield batch
            return
        ahead = self.num_workers * self.prefetch_factor
        with ThreadPoolExecutor(self.num_workers, thread_name_prefix="DataLoader") as pool:
            waiting = deque(pool.submit(self._load, *job) for job in itertools.islice(jobs, ahead))
            try:
                while waiting:
                    batch = waiting.popleft().result()
                    waiting.extend(pool.submit(self._load, *job) for job in itertools.islice(jobs, 1))
                    running["batch"] += 1
                    if batch is not None:
                        yield batch
            finally:  # also when the loop is left early: the generator is closed then, and the pool waits for its threads
                for future in waiting:
                    future.cancel()

    def _load(self, epoch, number, indices):
        """One batch, in a worker or in the loop itself."""
        place = f"batch {number} of epoch {epoch}"
        which = f"{place}, samples {', '.join(map(str, indices[:8]))}{', …' if len(indices) > 8 else ''}"
        try:
            if self.collate_fn is None and callable(getattr(self.dataset, "batch", None)):
                return self.dataset.batch(indices)
            samples = []
            for i in indices.tolist():
                which = f"sample {i} ({place})"
                samples.append(self.dataset[i])
            which = place
            return (self.collate_fn or default_collate)(samples)
        except Exception as error:  # whatever the dataset's code raises, told with the sample that it happened at
            raise RuntimeError(f"DataLoader: {which}: {type(error).__name__}: {error}") from error


def epoch_order(n, epoch, seed=None):
    """The order of n samples in an epoch: a permutation which depends on n, epoch and the seed alone.

    >>> epoch_order(5, epoch=0, seed=1), epoch_order(5, epoch=1, seed=1)
    (array([3, 4, 1, 2, 0]), array([1, 3, 4, 0, 2]))
    """
    return np.random.Generator(np.random.PCG64(seed_sequence("DataLoader", seed, SHUFFLE, epoch))).permutation(n)


def _flag(name, value):
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"DataLoader: {name} must be True or False, got {value!r}")
    return bool(value)
