"""Normalisation layers: weights start at 1, biases at 0. Formulas and papers are in ops/norm.py and ops/lrn.py."""

import numpy as np

from .. import functional as F
from ..ops import check
from .module import Buffer, Module, Parameter


class _BatchNorm(Module):
    dimensions = ()  # the numbers of dimensions that the input may have

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        self.num_features = check.integer(type(self).__name__, "num_features", num_features, least=1)
        self.eps, self.momentum, self.affine, self.track_running_stats = eps, momentum, affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features, np.float32))
            self.running_var = Buffer(np.ones(num_features, np.float32))
            self.num_batches_tracked = Buffer(np.array(0, np.int64), moves=False)
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None

    def forward(self, input):
        name, tracking = type(self).__name__, self.training and self.track_running_stats
        check.float_tensor(name, "input", input, ndim=self.dimensions)
        if input.shape[1] != self.num_features:
            raise ValueError(
                f"{name}: x has {input.shape[1]} channels, but num_features is {self.num_features}; x.shape={input.shape}"
            )
        momentum = self.momentum if tracking else 0.0
        if momentum is None:  # the mean of all batches so far, this one included
            momentum = 1 / (int(self.num_batches_tracked.data) + 1)
        output = F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or not self.track_running_stats,
            momentum=momentum,
            eps=self.eps,
        )
        if tracking:  # a batch that was refused doesn't count
            self.num_batches_tracked.data += 1
        return output

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L). Arguments as BatchNorm2d."""

    dimensions = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of a batch (N, C, H, W) to mean 0 and variance 1, then scaled and shifted as learnt.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: how far the running statistics move with each batch; None: they are the mean over all batches.
        affine: whether there are weight and bias.
        track_running_stats: keep running statistics and use them in evaluation; else always the batch's.
    Source: Ioffe, Szegedy (1502.03167); torch.nn.BatchNorm2d; keys weight bias running_mean running_var num_batches_tracked.

    >>> from minitorch_cnn import Tensor, nn
    >>> import numpy as np
    >>> nn.BatchNorm2d(1, eps=0)(Tensor(np.array([1.0, 3.0], np.float32).reshape(2, 1, 1, 1))).numpy().ravel().tolist()
    [-1.0, 1.0]
    """

    dimensions = (4,)


class LayerNorm(Module):
    """Each sample's last dimensions to mean 0 and variance 1. Arguments as functional.layer_norm.

    Args:
        normalized_shape: an int or a tuple: the extents of the last dimensions.
        eps: added to the variance.
        elementwise_affine: whether there are weight and bias, of that shape; bias: False leaves the bias out.
    Source: Ba et al. (1607.06450); torch.nn.LayerNorm.

    >>> from minitorch_cnn import Tensor, nn
    >>> nn.LayerNorm(2, eps=0)(Tensor([[1.0, 3.0], [10.0, 30.0]])).numpy().tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        shape = tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
        shape = tuple(check.integer("LayerNorm", "normalized_shape", n, least=1) for n in shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if elementwise_affine and bias else None

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Each sample's groups of channels to mean 0 and variance 1, then each channel scaled and shifted.

    Args:
        num_groups: a divisor of num_channels; 1: all channels together, num_channels: each alone.
        num_channels: C.
        eps: added to the variance.
        affine: whether there are weight and bias, one of each a channel.
    Source: Wu, He (1803.08494); torch.nn.GroupNorm.

    >>> from minitorch_cnn import Tensor, nn
    >>> nn.GroupNorm(2, 4, eps=0)(Tensor([[[1.0], [3.0], [10.0], [30.0]]])).numpy().ravel().tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
        check.integer("GroupNorm", "num_groups", num_groups, least=1)
        if check.integer("GroupNorm", "num_channels", num_channels, least=1) % num_groups:
            raise ValueError(f"GroupNorm: the {num_channels} channels can't be cut into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(np.ones(num_channels, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, np.float32)) if affine else None

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """Each value divided by a power of its neighbours' energy across channels (AlexNet's paper, section 3.3)."""

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
