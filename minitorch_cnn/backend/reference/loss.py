"""Softmax cross entropy by its formula, one sample at a time."""

import math

import numpy as np

__all__ = ["softmax_cross_entropy"]


def softmax_cross_entropy(logits, q):
    losses, gradient = np.zeros(len(logits), logits.dtype), np.zeros_like(logits)
    for i, row in enumerate(logits):
        largest = max(row)
        log_sum = largest + math.log(sum(math.exp(value - largest) for value in row))
        for j, value in enumerate(row):
            if q[i, j] != 0:  # a class that isn't wanted costs nothing, were its logit -inf
                losses[i] -= q[i, j] * (value - log_sum)
            gradient[i, j] = math.exp(value - log_sum) * sum(q[i]) - q[i, j]
    return losses, gradient
