"""Normalisation by its formulas: for each group of values its mean and variance, one value at a time.

`batch_norm` groups by channel, `row_norm` by row; layer norm and group norm are row norms of a reshaped array.
"""

import math

import numpy as np

__all__ = ["batch_norm", "batch_norm_backward", "channel_affine", "row_norm", "row_norm_backward"]


def batch_norm(x, weight, bias, running_mean, running_var, momentum, eps):
    shape, x = x.shape, x.reshape(*x.shape[:2], -1)
    N, C, L = x.shape
    y, mean, var = np.zeros_like(x), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    for c in range(C):
        mean[c] = sum(x[n, c, i] for n in range(N) for i in range(L)) / (N * L)
        var[c] = sum((x[n, c, i] - mean[c]) ** 2 for n in range(N) for i in range(L)) / (N * L)
        for n in range(N):
            for i in range(L):
                xhat = (x[n, c, i] - mean[c]) / math.sqrt(var[c] + eps)
                y[n, c, i] = xhat * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
        if running_mean is not None:
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
        if running_var is not None:
            running_var[c] = (1 - momentum) * running_var[c] + momentum * var[c] * N * L / (N * L - 1)
    return y.reshape(shape), mean, var


def batch_norm_backward(grad, x, weight, mean, var, eps):
    shape, x, grad = x.shape, x.reshape(*x.shape[:2], -1), grad.reshape(*x.shape[:2], -1)
    N, C, L = x.shape
    gx, gweight, gbias = np.zeros_like(x), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    for c in range(C):
        inv = 1 / math.sqrt(var[c] + eps)
        for n in range(N):
            for i in range(L):
                gbias[c] += grad[n, c, i]
                gweight[c] += grad[n, c, i] * (x[n, c, i] - mean[c]) * inv
        for n in range(N):
            for i in range(L):
                xhat = (x[n, c, i] - mean[c]) * inv
                gx[n, c, i] = inv * (grad[n, c, i] - (gbias[c] + xhat * gweight[c]) / (N * L))
                gx[n, c, i] *= 1 if weight is None else weight[c]
    return gx.reshape(shape), gweight, gbias


def channel_affine(x, scale, shift):
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        y[index] = x[index] * scale[index[1]] + shift[index[1]]
    return y


def row_norm(x, eps):
    xhat, inv = np.zeros_like(x), np.zeros(len(x), x.dtype)
    for r in range(len(x)):
        mean = sum(x[r]) / len(x[r])
        inv[r] = 1 / math.sqrt(sum((v - mean) ** 2 for v in x[r]) / len(x[r]) + eps)
        for i in range(len(x[r])):
            xhat[r, i] = (x[r, i] - mean) * inv[r]
    return xhat, inv


def row_norm_backward(grad, xhat, inv):
    gx = np.zeros_like(grad)
    for r in range(len(grad)):
        n = len(grad[r])
        mean, along = sum(grad[r]) / n, sum(grad[r] * xhat[r]) / n
        for i in range(n):
            gx[r, i] = (grad[r, i] - mean - xhat[r, i] * along) * inv[r]
    return gx
