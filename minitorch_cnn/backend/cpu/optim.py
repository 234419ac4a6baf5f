"""The step of each optimiser in NumPy: every operation writes into an array that is there already.

A network has many small parameters, so what counts is the number of calls; and a few large ones, for which it is the passes over
memory. The large ones go by slices of their first axis, which keep the temporaries small and are shared between the threads.
"""

import math

import numpy as np

from .threads import chunks, parallel, scratch

__all__ = ["adam_step", "rmsprop_step", "sgd_step"]

_LARGE = 1 << 21  # bytes of a parameter, from which on it goes by slices
_SMALL = 1 << 16  # bytes up to which a fresh array costs less than a look for an old one


def sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize):
    options = (lr, momentum, dampening, weight_decay, nesterov, maximize)
    _by_slices(_sgd, (param, grad, velocity), options)


def adam_step(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    options = (step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize)
    _by_slices(_adam, (param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq), options)


def rmsprop_step(param, grad, square_avg, grad_avg, velocity, lr, alpha, eps, weight_decay, momentum, maximize):
    options = (lr, alpha, eps, weight_decay, momentum, maximize)
    _by_slices(_rmsprop, (param, grad, square_avg, grad_avg, velocity), options)


def _by_slices(step, arrays, options):
    """step(*arrays, *options), the arrays in slices if they are large; an absent one is None."""
    param = arrays[0]
    if param.nbytes < _LARGE:
        step(*arrays, *options)
        return

    def part(lo, hi):
        for a, b in chunks(lo, hi, param[0].nbytes, limit=1 << 20):
            step(*[None if array is None else array[a:b] for array in arrays], *options)

    parallel(len(param), part)


def _temporary(name, like):
    """An uninitialised array of the shape and dtype of `like`."""
    return np.empty_like(like) if like.nbytes <= _SMALL else scratch(name, like.shape, like.dtype)


def _descent(grad, param, weight_decay, maximize):
    """(-)grad + weight_decay * param; grad itself where that is all."""
    if not weight_decay and not maximize:
        return grad
    g = _temporary("optimizer gradient", param)
    if not weight_decay:
        return np.negative(grad, out=g)
    np.multiply(param, weight_decay, out=g)
    return np.subtract(g, grad, out=g) if maximize else np.add(g, grad, out=g)


def _sgd(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize):
    t = _temporary("optimizer step", param)
    g = _descent(grad, param, weight_decay, maximize)
    if velocity is not None:
        velocity *= momentum
        velocity += g if not dampening else np.multiply(g, 1 - dampening, out=t)
        if nesterov:
            np.multiply(velocity, momentum, out=t)
            g = np.add(t, g, out=t)
        else:
            g = velocity
    param -= np.multiply(g, lr, out=t)


def _adam(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    t = _temporary("optimizer step", param)
    g = _descent(grad, param, 0 if decoupled else weight_decay, maximize)
    exp_avg *= beta1
    exp_avg += np.multiply(g, 1 - beta1, out=t)
    exp_avg_sq *= beta2
    np.multiply(g, g, out=t)
    t *= 1 - beta2
    exp_avg_sq += t
    second = exp_avg_sq if max_exp_avg_sq is None else np.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    if decoupled and weight_decay:
        param *= 1 - lr * weight_decay
    # lr * m_hat / (sqrt(v_hat) + eps), with both corrections taken out of the arrays (the paper's section 2)
    correction1, correction2 = 1 - beta1**step, math.sqrt(1 - beta2**step)
    np.sqrt(second, out=t)
    t += eps * correction2
    np.divide(exp_avg, t, out=t)
    t *= lr * correction2 / correction1
    param -= t


def _rmsprop(param, grad, square_avg, grad_avg, velocity, lr, alpha, eps, weight_decay, momentum, maximize):
    t = _temporary("optimizer step", param)
    g = _descent(grad, param, weight_decay, maximize)
    square_avg *= alpha
    np.multiply(g, g, out=t)
    t *= 1 - alpha
    square_avg += t
    if grad_avg is None:
        np.sqrt(square_avg, out=t)
    else:
        grad_avg *= alpha
        grad_avg += np.multiply(g, 1 - alpha, out=t)
        np.multiply(grad_avg, grad_avg, out=t)
        np.subtract(square_avg, t, out=t)
        np.maximum(t, 0, out=t)  # a variance, but for gradients that hardly change rounding can take it below 0
        np.sqrt(t, out=t)
    t += eps
    np.divide(g, t, out=t)
    if velocity is not None:
        velocity *= momentum
        velocity += t
        np.multiply(velocity, lr, out=t)
    else:
        t *= lr
    param -= t
