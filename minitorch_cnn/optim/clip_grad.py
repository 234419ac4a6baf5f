"""Gradient clipping by the norm of all gradients together (Pascanu, Mikolov, Bengio, ICML 2013, arXiv 1211.5063, Algorithm 1).

    norm = (sum of |g|**norm_type over all gradients) ** (1 / norm_type)
    g <- g * min(1, max_norm / (norm + 1e-6))

All gradients are scaled by the same number, so the direction of the step stays.
"""

import math

import numpy as np

from .. import backend
from ..autograd import Tensor


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """Scale the gradients of `parameters` down in place, so that their norm together is at most `max_norm`.

    Args:
        parameters: a tensor or an iterable of them; those without a gradient don't count.
        max_norm: the largest norm allowed.
        norm_type: 2, 1, any other number above 0, or float("inf") for the largest absolute value.
        error_if_nonfinite: refuse a norm that is NaN or infinite, instead of making every gradient NaN or 0 with it. On a GPU this
            waits for the device.
    Returns: the norm before clipping, a tensor without dimensions.
    Raises: ValueError if there are no parameters, or for a max_norm below 0 or a norm_type that isn't above 0; RuntimeError for a
        norm that isn't finite, if error_if_nonfinite.
    Source: torch.nn.utils.clip_grad_norm_.

    >>> from minitorch_cnn import Tensor, optim
    >>> p = Tensor([0.0, 0.0], requires_grad=True)
    >>> (p * Tensor([3.0, 4.0])).sum().backward()
    >>> optim.clip_grad_norm_([p], max_norm=1.0).item()
    5.0
    >>> p.grad.round(3)
    array([0.6, 0.8], dtype=float32)
    """
    max_norm, norm_type = float(max_norm), float(norm_type)
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be at least 0, got {max_norm:g}")
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be above 0, got {norm_type:g}")
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not parameters:
        raise ValueError(
            "clip_grad_norm_: no parameters (a generator can be walked only once: was this one used before?)"
        )
    grads = [p.grad for p in parameters if p.grad is not None]
    if not grads:
        return Tensor(0.0, device=parameters[0].device)
    xp, device = backend.array_module(grads[0]), backend.device_of(grads[0])
    # what is not finite is the caller's to know, from the norm
    with np.errstate(over="ignore", invalid="ignore"), backend.on_device_of(grads[0]):
        # a model may span two devices
        norms = xp.stack([backend.to_device(_norm_of_one(xp, g, norm_type), device) for g in grads])
        total = _norm(xp, norms, norm_type)
        if error_if_nonfinite and not math.isfinite(total):
            raise RuntimeError(
                f"clip_grad_norm_: the gradients' norm of order {norm_type:g} is {float(total)}, so they can't be clipped; find "
                "its source with detect_anomaly(), or allow it with error_if_nonfinite=False"
            )
        scale = xp.minimum(max_norm / (total + 1e-6), 1.0)
        for g in grads:
            with backend.on_device_of(g):
                g *= backend.to_device(scale, backend.device_of(g)).astype(g.dtype)
        return Tensor(total.astype(grads[0].dtype))


def _norm_of_one(xp, grad, norm_type):
    with backend.on_device_of(grad):
        return _norm(xp, grad.reshape(-1), norm_type).astype(np.float64)


def _norm(xp, a, norm_type):
    """The norm of a (n,) array, without dimensions."""
    if norm_type == 2:
        return xp.sqrt(xp.vdot(a, a))
    a = xp.abs(a)
    if norm_type == math.inf:
        return a.max() if a.size else a.sum()  # of nothing: 0
    if norm_type == 1:
        return a.sum()
    return (a**norm_type).sum() ** (1 / norm_type)
