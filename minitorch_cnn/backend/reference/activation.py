"""Activations that have a fast form of their own, one value at a time."""

import math

import numpy as np

__all__ = ["erf", "relu", "relu_backward"]


def relu(x):
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        if x[index] > 0 or math.isnan(x[index]):
            y[index] = x[index]
    return y


def relu_backward(grad, y):
    gx = np.zeros_like(grad)
    for index in np.ndindex(grad.shape):
        if y[index] > 0:
            gx[index] = grad[index]
    return gx


def erf(x):
    y = np.empty_like(x)
    for index in np.ndindex(x.shape):
        y[index] = math.erf(x[index])
    return y
