"""Activations: one thread makes one value."""

import cupy

__all__ = ["erf", "relu", "relu_backward"]

_relu = cupy.ElementwiseKernel("T x", "T y", "y = x > T(0) || x != x ? x : T(0)", "mt_relu")  # a NaN stays one
_relu_backward = cupy.ElementwiseKernel("T grad, T y", "T gx", "gx = y > T(0) ? grad : T(0)", "mt_relu_backward")
_erf = cupy.ElementwiseKernel("T x", "T y", "y = erf(x)", "mt_erf")


def relu(x):
    return _relu(x)


def relu_backward(grad, y):
    return _relu_backward(grad, y)


def erf(x):
    return _erf(x)
