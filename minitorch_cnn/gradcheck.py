"""Is a backward pass right? Compare it with numerical differences.

    df/dx_i  =  (f(x + h*e_i) - f(x - h*e_i)) / 2h  +  O(h**2)

With the weights w in L = sum(w * f(x)), a random number for each output, one number L stands for all outputs, and a wrong
gradient has no way to cancel out.
"""

import numpy as np

from .autograd import Tensor, no_grad


def gradcheck(function, inputs, upstream=None, eps=1e-6, atol=1e-7, rtol=1e-5):
    """Compare the gradients that `backward` gives with numerical ones.

    Args:
        function: takes as many Tensors as there are inputs, returns a Tensor. It must give the same result each time.
        inputs: an array or Tensor, or a sequence of them, all float64 (float32 is too coarse for differences). Each float
            input that is an array, or a Tensor with requires_grad, is checked; the others are passed through as they are.
        upstream: the gradient of the loss by the output; random (seed 0) by default.
        eps: h, the step. atol, rtol: the difference allowed is atol + rtol * the largest numerical gradient.
    Returns: True.
    Raises: AssertionError naming the input and element that differs most; TypeError if an input is neither an array nor a
        Tensor, or not float64.
    Source: central differences; the interface as torch.autograd.gradcheck.

    >>> gradcheck(lambda x: x * x, np.array([1.0, 2.0]))
    True
    """
    single = isinstance(inputs, Tensor | np.ndarray | np.generic | int | float)
    tensors = [_leaf(x, i) for i, x in enumerate((inputs,) if single else inputs)]
    output = function(*tensors)
    if upstream is None:
        upstream = np.random.default_rng(0).standard_normal(output.shape)
    output.backward(upstream)
    for i, tensor in enumerate(tensors):
        if not tensor.requires_grad:
            continue
        numeric = numerical_gradient(function, tensors, i, upstream, eps)
        analytic = np.zeros_like(numeric) if tensor.grad is None else tensor.grad
        error = np.abs(analytic - numeric)
        allowed = atol + rtol * np.abs(numeric).max(initial=0.0)
        if not (error <= allowed).all():
            worst = np.unravel_index(np.nanargmax(np.where(np.isnan(error), np.inf, error)), error.shape)
            raise AssertionError(
                f"gradcheck: input {i}, element {tuple(int(k) for k in worst)}: backward gives {analytic[worst]:.10g}, "
                f"numerical differences {numeric[worst]:.10g} (allowed difference {allowed:.3g}); "
                f"{int((~(error <= allowed)).sum())} of {error.size} elements differ"
            )
    return True


def numerical_gradient(function, tensors, i, upstream, eps=1e-6):
    """The gradient of sum(upstream * function(*tensors)) by tensors[i], by central differences, one element at a time."""
    x = tensors[i].data
    gradient = np.zeros(x.shape)
    with no_grad():
        for index in np.ndindex(x.shape):
            kept = x[index]
            x[index] = kept + eps
            above = (upstream * function(*tensors).data).sum()
            x[index] = kept - eps
            below = (upstream * function(*tensors).data).sum()
            x[index] = kept
            gradient[index] = (above - below) / (2 * eps)
    return gradient


def _leaf(x, i):
    if isinstance(x, np.ndarray):
        x = Tensor(x, requires_grad=x.dtype.kind == "f")
    if not isinstance(x, Tensor):
        raise TypeError(
            f"gradcheck: input {i} must be an array or a Tensor, got {type(x).__name__}; for a list of numbers give "
            "np.array([...])"
        )
    if x.requires_grad and x.dtype != np.float64:
        raise TypeError(f"gradcheck: input {i} is {x.dtype}; differences need float64, use .double()")
    copy = Tensor(x.data.copy(), requires_grad=x.requires_grad)
    return copy
