"""Softmax cross entropy by its formulas, one sample at a time."""

import math

import numpy as np

__all__ = ["class_distribution", "softmax_cross_entropy"]


def class_distribution(target, class_weight, ignore_index, label_smoothing):
    C = len(class_weight)
    q, weights = np.zeros((len(target), C), class_weight.dtype), np.zeros(len(target), class_weight.dtype)
    for i, t in enumerate(target):
        if t == ignore_index:
            continue
        weights[i] = class_weight[t]
        for j in range(C):
            q[i, j] = (1 - label_smoothing) * weights[i] * (j == t) + label_smoothing / C * class_weight[j]
    return q, weights


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
