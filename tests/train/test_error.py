"""Top-k error: ranks by definition, ties, NaN, and what can't be counted."""

import numpy as np
import pytest

from minitorch_cnn import Tensor
from minitorch_cnn.train import TopKError, top_k_error


def by_sorting(scores, targets, k):
    """By definition: sort, stable, so that equal scores keep the classes' order."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.mean([target not in row for target, row in zip(targets, best)]))


def test_it_is_the_fraction_whose_class_is_not_among_the_k_best():
    rng = np.random.default_rng(0)
    scores, targets = rng.standard_normal((301, 13)), rng.integers(0, 13, 301)
    for k in (1, 2, 5, 13):
        assert top_k_error(scores, targets, (k,)) == (by_sorting(scores, targets, k),)
    assert top_k_error(scores, targets, (13,)) == (0.0,)
    assert top_k_error(scores, targets) == top_k_error(scores, targets, (1, 5))


def test_among_equal_scores_the_lower_class_comes_first_as_in_argmax():
    rng = np.random.default_rng(1)
    scores, targets = rng.integers(0, 3, (400, 7)).astype(np.float32), rng.integers(0, 7, 400)
    for k in (1, 3, 5):
        assert top_k_error(scores, targets, (k,)) == (by_sorting(scores, targets, k),)
    assert top_k_error(scores, targets, (1,)) == (float((scores.argmax(1) != targets).mean()),)
    # a network that says the same of every class is right for class 0 only
    assert top_k_error(np.zeros((10, 10)), np.arange(10)) == (0.9, 0.5)


def test_a_row_with_nan_is_wrong_even_at_the_largest_k():
    scores = np.array([[np.nan, 1.0, 0.0], [0.0, 2.0, np.nan], [np.inf, 0.0, -np.inf]])
    assert top_k_error(scores, [1, 1, 0], (1, 3)) == (2 / 3, 2 / 3)


def test_batches_add_up_whatever_their_sizes():
    rng = np.random.default_rng(2)
    scores, targets = rng.standard_normal((50, 9)), rng.integers(0, 9, 50)
    total = TopKError((1, 4))
    for a, b in ((0, 1), (1, 30), (30, 30), (30, 50)):
        total.add(Tensor(scores[a:b]), Tensor(targets[a:b]))
    assert total.errors() == top_k_error(scores, targets, (1, 4)) and total.seen == 50
    assert total.wrong == [round(50 * error) for error in total.errors()]


@pytest.mark.parametrize(
    "scores, targets, k, message",
    [
        (np.zeros((2, 4)), [0, 1], (1, 5), "k=5 of 4 classes would never be wrong"),
        (np.zeros((2, 4)), [0, 4], (1,), r"target 1 is 4, but there are 4 classes \(0 to 3\)"),
        (np.zeros((2, 4)), [-1, 0], (1,), "target 0 is -1"),
        (np.zeros((2, 4)), [0], (1,), r"targets \(N,\); got \(2, 4\) and \(1,\)"),
        (np.zeros((2, 4)), [[0, 1]], (1,), r"got \(2, 4\) and \(1, 2\)"),
        (np.zeros(4), [0], (1,), r"got \(4,\)"),
        (np.zeros((2, 4)), [0, 1], (0,), "k must be integers from 1 on, got"),
        (np.zeros((2, 4)), [0, 1], (), "k must be integers"),
        (np.zeros((0, 4)), np.zeros(0, int), (1,), "no images were added"),
    ],
)
def test_what_can_not_be_counted(scores, targets, k, message):
    with pytest.raises(ValueError, match=message):
        top_k_error(scores, targets, k)


def test_targets_that_are_no_integers():
    with pytest.raises(TypeError, match="targets must be integers, got float64"):
        top_k_error(np.zeros((2, 4)), [0.0, 1.0], (1,))
