"""Local response normalisation by its formula (Krizhevsky et al. 2012, section 3.3), one value at a time."""

import numpy as np

__all__ = ["local_response_norm", "local_response_norm_backward"]


def _window(c, size, channels):
    """The channels whose energy divides channel c: size//2 before it and (size-1)//2 after, as far as there are any."""
    return range(max(0, c - size // 2), min(channels, c + (size - 1) // 2 + 1))


def local_response_norm(x, size, alpha, beta, k):
    shape, x = x.shape, x.reshape(*x.shape[:2], -1)  # (N, C, L)
    y, scale = np.zeros_like(x), np.zeros_like(x)
    for n, c, p in np.ndindex(x.shape):
        energy = 0.0
        for j in _window(c, size, x.shape[1]):
            energy += x[n, j, p] ** 2
        scale[n, c, p] = k + alpha / size * energy
        y[n, c, p] = x[n, c, p] * scale[n, c, p] ** -beta
    return y.reshape(shape), scale.reshape(shape)


def local_response_norm_backward(grad, x, scale, size, alpha, beta, k):
    shape = x.shape
    grad, x, scale = (a.reshape(*shape[:2], -1) for a in (grad, x, scale))
    gx = np.zeros_like(x)
    for n, c, p in np.ndindex(x.shape):
        gx[n, c, p] += grad[n, c, p] * scale[n, c, p] ** -beta
        for j in _window(c, size, x.shape[1]):  # y[c] depends on x[j] through the scale
            slope = -beta * scale[n, c, p] ** (-beta - 1) * alpha / size * 2 * x[n, j, p]
            gx[n, j, p] += grad[n, c, p] * x[n, c, p] * slope
    return gx.reshape(shape)
