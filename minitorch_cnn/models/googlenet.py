"""GoogLeNet as torchvision has it, with batch normalisation: Szegedy et al. 2014 (1409.4842), Ioffe, Szegedy 2015 (1502.03167).

                                               branch
         +- conv 1x1 ------------------+       1
         +- conv 1x1 - conv 3x3 -------+       2
    x ---+                             +---
         +- conv 1x1 - conv 3x3 -------+       3, which is 5x5 in the paper
         +- max pool 3x3 - conv 1x1 ---+       4

    conv 7x7/2, 64 - max 3/2 - conv 1x1, 64 - conv 3x3, 192 - max 3/2 - 3a - 3b - max 3/2 - 4a ... 4e - max 2/2 - 5a - 5b
    - average - dropout 20 % - linear

Each "conv" is convolution, batch norm, ReLU. The widths are table 1's, in googlenet_2014.py; the auxiliary heads stand on 4a and
4d, as there.

Input: (N, 3, H, W) from 15x15 on; 224x224 with the published weights.
Parameters: 13,004,888, without heads 6,624,904. Multiply-adds an image: 1.498 G, heads not counted.
Error of the published weights, top-1/top-5, one crop: 30.22/10.47 %; the paper's network has 10.07 % top-5.

Differences from the paper, whose network is googlenet_2014.py: batch norm (eps 0.001) after each convolution, which then has no
bias, and no LRN. The third branch is 3x3, a slip that stays for the sake of the published weights. The pooling before 5a is 2x2.
Heads pool maps of any size to 4x4. Dropout is 20 %, not 40. Weights start normal with standard deviation 0.01; the paper doesn't
say how.
"""

import math

from .. import functional as F
from .. import nn
from ..nn import init
from ..ops.shape import cat
from .googlenet_2014 import TABLE_1, GoogLeNetOutputs, without_heads
from .images import check_images
from .published import build, find, is_published


class BasicConv2d(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """(N, in_channels, H, W) -> (N, n1 + n3 + n5 + pool, H, W); the widths are a row of TABLE_1."""

    def __init__(self, in_channels, n1, r3, n3, r5, n5, pool):
        self.branch1 = BasicConv2d(in_channels, n1, 1)
        self.branch2 = nn.Sequential(BasicConv2d(in_channels, r3, 1), BasicConv2d(r3, n3, 3, padding=1))
        self.branch3 = nn.Sequential(BasicConv2d(in_channels, r5, 1), BasicConv2d(r5, n5, 3, padding=1))  # not 5x5
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), BasicConv2d(in_channels, pool, 1))

    def forward(self, x):
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class AuxiliaryHead(nn.Module):
    """(N, in_channels, H, W) -> (N, num_classes) logits."""

    def __init__(self, in_channels, num_classes, dropout):
        self.conv = BasicConv2d(in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)  # (N, 2048)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits, in training with heads GoogLeNetOutputs; see `googlenet`."""

    def __init__(self, num_classes=1000, aux_logits=True, transform_input=False, dropout=0.2, dropout_aux=0.7):
        self.transform_input = transform_input
        with init.left_out():  # the weights are drawn below
            self.conv1 = BasicConv2d(3, 64, 7, stride=2, padding=3)
            self.conv2 = BasicConv2d(64, 64, 1)
            self.conv3 = BasicConv2d(64, 192, 3, padding=1)
            channels = 192
            for name, widths in TABLE_1.items():
                self.add_module("inception" + name, Inception(channels, *widths))
                n1, _, n3, _, n5, pool = widths
                channels = n1 + n3 + n5 + pool
            self.aux1 = AuxiliaryHead(512, num_classes, dropout_aux) if aux_logits else None
            self.aux2 = AuxiliaryHead(528, num_classes, dropout_aux) if aux_logits else None
            self.dropout = nn.Dropout(dropout)
            self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                init.trunc_normal_(module.weight, std=0.01)  # cut at -2 and 2: never
            if isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                init.uniform_(module.bias, -bound, bound)

    def forward(self, x):
        check_images("GoogLeNet", x, least=15)
        heads = self.training and self.aux1 is not None
        if self.transform_input:
            x = to_half_and_half(x)
        x = self.conv1(x)  # (N, 64, 112, 112)
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
        x = self.conv2(x)
        x = self.conv3(x)  # (N, 192, 56, 56)
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
        x = self.inception3a(x)  # (N, 256, 28, 28)
        x = self.inception3b(x)  # 480
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
        x = self.inception4a(x)  # (N, 512, 14, 14)
        aux1 = self.aux1(x) if heads else None
        x = self.inception4b(x)
        x = self.inception4c(x)
        x = self.inception4d(x)  # 528
        aux2 = self.aux2(x) if heads else None
        x = self.inception4e(x)  # 832
        x = F.max_pool2d(x, 2, stride=2, ceil_mode=True)
        x = self.inception5a(x)  # (N, 832, 7, 7)
        x = self.inception5b(x)  # 1024
        logits = self.fc(self.dropout(x.mean((2, 3))))
        return GoogLeNetOutputs(logits, aux2, aux1) if heads else logits

    def load_state_dict(self, state_dict, strict=True):
        """As Module.load_state_dict; a network without heads leaves out those in the state: the published file has them."""
        return super().load_state_dict(state_dict if self.aux1 else without_heads(state_dict), strict)


def to_half_and_half(x):
    """From pixels less ImageNet's mean over its standard deviation to pixels less 0.5 over 0.5, which the weights were made for."""
    channels = []
    for c, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        channels.append(x[:, c : c + 1] * (std / 0.5) + (mean - 0.5) / 0.5)  # (N, 1, H, W)
    return cat(channels, 1)


def googlenet(*, weights=None, num_classes=1000, aux_logits=None, transform_input=None, dropout=0.2, dropout_aux=0.7):
    """GoogLeNet with batch norm, 13,004,888 parameters, 6,624,904 without auxiliary heads.

    Args:
        weights: None for fresh ones, "IMAGENET1K_V1" or "DEFAULT" for the published ones, or a file.
        num_classes: the number of outputs.
        aux_logits: with the two auxiliary heads; None: with them if weights are fresh, else without. The published file has some,
            which weren't trained.
        transform_input: take images normalised as for all other networks, and change them to what the published weights want;
            None: with those weights (by name or in a file, which is told by its SHA-256), else not: `save_weights` doesn't keep it.
        dropout, dropout_aux: the probability before the last layer, and in the heads.
    Returns: a GoogLeNet; it takes (N, 3, H, W) float images and gives (N, num_classes) logits. In training with heads it gives
        (logits, aux_logits2, aux_logits1), a named tuple, for `googlenet_loss`. For the published weights: pixels from 0 to 1,
        normalised with `data.IMAGENET_MEAN` and `data.IMAGENET_STD`, crops of 224x224.
    Raises: FileNotFoundError, WeightsError, FetchError if there are no such weights, or they don't fit.
    Source: Szegedy et al. 2014; keys as torchvision.models.googlenet.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> [logits.shape for logits in googlenet(num_classes=5)(Tensor(np.zeros((2, 3, 64, 32), np.float32)))]
    [(2, 5), (2, 5), (2, 5)]
    """
    if aux_logits is None:
        aux_logits = weights is None
    if weights is not None:
        weights = find("googlenet", weights)
    if transform_input is None:
        transform_input = weights is not None and is_published("googlenet", weights)
    return build("googlenet", weights, GoogLeNet, num_classes, aux_logits, transform_input, dropout, dropout_aux)
