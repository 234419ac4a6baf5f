"""Top-1 and top-5 error (Russakovsky et al. 2015, arXiv 1409.0575, section 4.1).

An image counts as wrong at k if its class is not among the k classes with the highest scores.
"""

import numpy as np

from .. import backend
from ..autograd import Tensor


class TopKError:
    """Errors at several k, added up over batches.

    Args:
        k: how many answers may be given: numbers from 1 on.
    >>> errors = TopKError(k=(1, 2))
    >>> errors.add(scores=np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]), targets=np.array([2, 0]))
    >>> errors.add(scores=np.array([[0.1, 0.7, 0.2]]), targets=np.array([0]))
    >>> errors.errors(), errors.wrong, errors.seen
    ((0.6666666666666666, 0.3333333333333333), [2, 1], 3)
    """

    def __init__(self, k=(1, 5)):
        self.k = tuple(k)
        if not self.k or not all(isinstance(n, int | np.integer) and n >= 1 for n in self.k):
            raise ValueError(f"TopKError: k must be integers from 1 on, got {k}")
        self.wrong, self.seen = [0] * len(self.k), 0

    def add(self, scores, targets):
        """One batch.

        Args:
            scores: (N, classes), arrays or Tensors on any device: scores, log probabilities or probabilities. Among equal
                scores the class with the lower number counts as the better answer, as in argmax. An image of whose scores one is
                NaN is counted as wrong.
            targets: (N,) integers, the classes.
        Raises: ValueError for shapes that don't fit, a target outside the classes, or fewer classes than the largest k.
        """
        scores, targets = _array(scores), _array(targets)
        if scores.ndim != 2 or targets.shape != scores.shape[:1]:
            raise ValueError(
                f"TopKError: scores must be (N, classes) and targets (N,); got {scores.shape} and {targets.shape}"
            )
        if targets.dtype.kind not in "iu":
            raise TypeError(f"TopKError: targets must be integers, got {targets.dtype}")
        N, classes = scores.shape
        if max(self.k) > classes:
            raise ValueError(
                f"TopKError: k={max(self.k)} of {classes} classes would never be wrong; scores are {scores.shape}"
            )
        outside = (targets < 0) | (targets >= classes)
        if outside.any():
            i = int(outside.argmax())
            raise ValueError(
                f"TopKError: target {i} is {targets[i]}, but there are {classes} classes (0 to {classes - 1})"
            )
        own = scores[np.arange(N), targets][:, None]  # (N, 1)
        before = np.arange(classes) < targets[:, None]  # (N, classes): the lower numbers
        rank = ((scores > own) | ((scores == own) & before)).sum(1)  # (N,): how many answers are better
        rank[np.isnan(scores).any(1)] = classes
        self.wrong = [wrong + int((rank >= k).sum()) for wrong, k in zip(self.wrong, self.k)]
        self.seen += N

    def errors(self):
        """The fraction of images that are wrong, at each k. ValueError if there were none."""
        if not self.seen:
            raise ValueError("TopKError: no images were added")
        return tuple(wrong / self.seen for wrong in self.wrong)


def top_k_error(scores, targets, k=(1, 5)):
    """The error at each k of one batch: see TopKError.

    >>> top_k_error(np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]), np.array([2, 0]), k=(1, 2))
    (0.5, 0.0)
    """
    total = TopKError(k)
    total.add(scores, targets)
    return total.errors()


def _array(values):
    """As a NumPy array."""
    values = values.data if isinstance(values, Tensor) else values
    return backend.to_numpy(values) if backend.is_array(values) else np.asarray(values)
