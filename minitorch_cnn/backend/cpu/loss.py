"""Softmax cross entropy with its gradient at once: the exponentials are there already."""

import numpy as np

__all__ = ["class_distribution", "softmax_cross_entropy"]


def class_distribution(target, class_weight, ignore_index, label_smoothing):
    C, dtype, target = len(class_weight), class_weight.dtype, target[:, None]
    counts = target != ignore_index
    q = (target == np.arange(C)) * class_weight
    q *= counts
    weights = q.sum(1)
    if label_smoothing:
        q *= dtype.type(1 - label_smoothing)
        q += counts * (class_weight * dtype.type(label_smoothing / C))
    return q, weights


def softmax_cross_entropy(logits, q):
    centred = logits - logits.max(1, keepdims=True)  # the largest is 0: exp can't overflow
    gradient = np.exp(centred)
    sums = gradient.sum(1, keepdims=True)
    weight = q.sum(1)
    with np.errstate(invalid="ignore"):
        wanted = q * centred
    losses = np.log(sums[:, 0]) * weight - wanted.sum(1)
    if np.isnan(losses).any():  # 0 * -inf: a class that is ruled out, and not wanted, costs nothing
        wanted[q == 0] = 0
        losses = np.log(sums[:, 0]) * weight - wanted.sum(1)
    gradient *= weight[:, None] / sums
    gradient -= q
    return losses, gradient
