"""How samples become a batch: arrays and numbers are stacked along a new first axis, tuples and dicts element by element."""

import numpy as np

from .. import backend
from ..autograd import Tensor


def default_collate(samples):
    """One batch of a list of samples, as torch.utils.data.default_collate makes it, but in NumPy arrays and tuples.

    Args:
        samples: a list of one or more samples, all built alike: arrays, Tensors or numbers, or texts, or tuples, lists or dicts of
            them. A number is an int64 or a float64, as in PyTorch.
    Returns: an array (n, ...); of texts a list; of tuples or lists a tuple of batches; of dicts a dict of batches.
    Raises: ValueError for samples of unlike shapes, lengths or keys; TypeError for anything else than the above.

    >>> default_collate([(np.zeros(2, np.float32), 3), (np.ones(2, np.float32), 4)])
    (array([[0., 0.],
           [1., 1.]], dtype=float32), array([3, 4]))
    """
    first = samples[0]
    if isinstance(first, tuple | list):
        lengths = [len(sample) if isinstance(sample, tuple | list) else type(sample).__name__ for sample in samples]
        _alike("lengths", lengths)
        return tuple(default_collate(list(column)) for column in zip(*samples))
    if isinstance(first, dict):
        _alike("keys", [sorted(sample) if isinstance(sample, dict) else type(sample).__name__ for sample in samples])
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, str):
        _alike("types", [type(sample).__name__ for sample in samples])
        return list(samples)
    arrays = [_array(sample) for sample in samples]
    _alike("shapes", [array.shape for array in arrays])
    return np.stack(arrays)


def _array(sample):
    if isinstance(sample, Tensor):
        sample = sample.data
    if backend.is_array(sample):
        sample = backend.to_numpy(sample)
    elif not isinstance(sample, np.generic | int | float):
        raise TypeError(
            f"default_collate: can't make a batch of {type(sample).__name__}; let the dataset give arrays, Tensors, "
            "numbers, texts, or tuples, lists and dicts of them, or give DataLoader a collate_fn"
        )
    array = np.asarray(sample)
    if array.dtype == object:
        raise ValueError(f"default_collate: {str(sample)[:50]} doesn't fit into an array of numbers")
    return array


def _alike(what, values):
    """All values equal: the error tells the first one that isn't."""
    for n, value in enumerate(values):
        if value != values[0]:
            raise ValueError(
                f"default_collate: samples of one batch have different {what}: {values[0]} (sample 0 of the batch), "
                f"{value} (sample {n}); make them alike in the dataset, or give DataLoader a collate_fn"
            )
