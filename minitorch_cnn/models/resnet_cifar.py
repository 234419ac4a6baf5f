"""ResNets for CIFAR-10, plain nets beside them, and pre-activation: He et al. 2015 (1512.03385, section 4.2) and 2016 (1603.05027).

    conv 3x3, 16 - stage 1: n blocks, 16 maps of 32x32 - stage 2: n blocks, 32 of 16x16 - stage 3: n blocks, 64 of 8x8
    - global average - linear                                                           6n + 2 layers

A block is two 3x3 convolutions, each with batch norm:

    residual        x - conv - BN - ReLU - conv - BN - + x - ReLU
    plain           x - conv - BN - ReLU - conv - BN - ReLU
    pre-activation  x - BN - ReLU - conv - BN - ReLU - conv - + x           (2016, figure 1b): the sum is not touched any more

Shortcuts are of option A: where the shape changes, every other pixel of x, and new channels of zeros. So none of the three has more
parameters than the others.

Input: (N, 3, 32, 32); any size is taken, since the last pooling is global.

    n    network      parameters    multiply-adds    test error on CIFAR-10: table 6    of the published weights
    3    resnet20        269,722       40.55 M       8.75 %                             8.27 %
    5    resnet32        464,154       68.86 M       7.51 %                             7.37 %
    7    resnet44        658,586       97.17 M       7.17 %                             6.90 %
    9    resnet56        853,018      125.49 M       6.97 %                             6.61 %
    18   resnet110     1,727,962      252.89 M       6.43 % (mean of five 6.61)         6.32 %

Of the plain nets figure 6 (left) shows that 56 layers do worse than 20, on the training images too. Pre-activation: 6.37 % for 110
layers (2016, table 2).

Differences from the paper: none. The zero channels are put half before and half after those of x, which doesn't matter to a network
that is trained so, and is how the PyTorch implementation whose weights and keys are widely used has it.
"""

from .. import functional as F
from .. import nn
from ..nn import init
from .images import check_images
from .published import build
from .resnet import conv3x3


def option_a(x, channels, stride):
    """The shortcut without parameters: (N, C, H, W) -> (N, channels, H/stride, W/stride), new channels zero."""
    if stride == 1 and channels == x.shape[1]:
        return x
    before = (channels - x.shape[1]) // 2
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, before, channels - x.shape[1] - before))


class Block(nn.Module):
    """(N, in_channels, H, W) -> (N, channels, H/stride, W/stride), residual unless `shortcut` is False."""

    def __init__(self, in_channels, channels, stride, shortcut=True):
        self.channels, self.stride, self.shortcut = channels, stride, shortcut
        self.conv1 = conv3x3(in_channels, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.shortcut:
            y = y + option_a(x, self.channels, self.stride)
        return F.relu(y)


class PlainBlock(Block):
    """A Block without the shortcut."""

    def __init__(self, in_channels, channels, stride):
        super().__init__(in_channels, channels, stride, shortcut=False)


class PreactBlock(nn.Module):
    """(N, in_channels, H, W) -> (N, channels, H/stride, W/stride): normalise and rectify before each convolution, not after."""

    def __init__(self, in_channels, channels, stride):
        self.channels, self.stride = channels, stride
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv3x3(in_channels, channels, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        return y + option_a(x, self.channels, self.stride)


class CifarResNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; see `resnet20`.

    Args:
        block: Block, PlainBlock or PreactBlock.
        n: blocks in each stage.
        num_classes: the number of outputs.
        width: channels in the first stage, twice and four times as many in the others; 16 in the paper.
    """

    def __init__(self, block, n, num_classes=10, width=16):
        preact = block is PreactBlock
        self.conv1 = conv3x3(3, width)
        self.bn1 = None if preact else nn.BatchNorm2d(width)
        channels = width
        stages = []
        for out in (width, 2 * width, 4 * width):
            blocks = []
            for i in range(n):
                blocks.append(block(channels, out, 2 if i == 0 and out > width else 1))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3 = stages
        # the last block's sum is neither normalised nor rectified
        self.bn = nn.BatchNorm2d(channels) if preact else None
        self.linear = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                init.kaiming_normal_(module.weight)

    def forward(self, x):
        check_images("CifarResNet", x)
        x = self.conv1(x)
        if self.bn1 is not None:
            x = F.relu(self.bn1(x))
        x = self.layer1(x)  # (N, 16, 32, 32)
        x = self.layer2(x)  # (N, 32, 16, 16)
        x = self.layer3(x)  # (N, 64, 8, 8)
        if self.bn is not None:
            x = F.relu(self.bn(x))
        return self.linear(x.mean((2, 3)))


def resnet20(*, weights=None, num_classes=10, width=16):
    """ResNet-20 for CIFAR-10, 269,722 parameters.

    Args:
        weights: None for fresh ones, "CIFAR10" for the published ones, or a file.
        num_classes: the number of outputs.
        width: channels in the first stage.
    Returns: a CifarResNet; it takes (N, 3, 32, 32) float images and gives (N, num_classes) logits. The published weights want
        pixels from 0 to 1, normalised with `data.IMAGENET_MEAN` and `data.IMAGENET_STD`.
    Raises: FileNotFoundError, WeightsError, FetchError if there are no such weights, or they don't fit.
    Source: He et al. 2015, section 4.2.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> resnet20()(Tensor(np.zeros((2, 3, 32, 32), np.float32))).shape
    (2, 10)
    """
    return build("resnet20", weights, CifarResNet, Block, 3, num_classes, width)


def resnet32(*, weights=None, num_classes=10, width=16):
    """ResNet-32 for CIFAR-10, 464,154 parameters. As `resnet20`."""
    return build("resnet32", weights, CifarResNet, Block, 5, num_classes, width)


def resnet44(*, weights=None, num_classes=10, width=16):
    """ResNet-44 for CIFAR-10, 658,586 parameters. As `resnet20`."""
    return build("resnet44", weights, CifarResNet, Block, 7, num_classes, width)


def resnet56(*, weights=None, num_classes=10, width=16):
    """ResNet-56 for CIFAR-10, 853,018 parameters. As `resnet20`."""
    return build("resnet56", weights, CifarResNet, Block, 9, num_classes, width)


def resnet110(*, weights=None, num_classes=10, width=16):
    """ResNet-110 for CIFAR-10, 1,727,962 parameters. As `resnet20`."""
    return build("resnet110", weights, CifarResNet, Block, 18, num_classes, width)


def plain20(*, weights=None, num_classes=10, width=16):
    """ResNet-20 without its shortcuts. As `resnet20`; `weights` is a file."""
    return build("plain20", weights, CifarResNet, PlainBlock, 3, num_classes, width)


def plain32(*, weights=None, num_classes=10, width=16):
    """ResNet-32 without its shortcuts. As `resnet20`; `weights` is a file."""
    return build("plain32", weights, CifarResNet, PlainBlock, 5, num_classes, width)


def plain44(*, weights=None, num_classes=10, width=16):
    """ResNet-44 without its shortcuts. As `resnet20`; `weights` is a file."""
    return build("plain44", weights, CifarResNet, PlainBlock, 7, num_classes, width)


def plain56(*, weights=None, num_classes=10, width=16):
    """ResNet-56 without its shortcuts. As `resnet20`; `weights` is a file."""
    return build("plain56", weights, CifarResNet, PlainBlock, 9, num_classes, width)


def preact_resnet20(*, weights=None, num_classes=10, width=16):
    """ResNet-20 with pre-activation (He et al. 2016), 269,722 parameters. As `resnet20`; `weights` is a file."""
    return build("preact_resnet20", weights, CifarResNet, PreactBlock, 3, num_classes, width)


def preact_resnet32(*, weights=None, num_classes=10, width=16):
    """ResNet-32 with pre-activation (He et al. 2016), 464,154 parameters. As `resnet20`; `weights` is a file."""
    return build("preact_resnet32", weights, CifarResNet, PreactBlock, 5, num_classes, width)


def preact_resnet44(*, weights=None, num_classes=10, width=16):
    """ResNet-44 with pre-activation (He et al. 2016), 658,586 parameters. As `resnet20`; `weights` is a file."""
    return build("preact_resnet44", weights, CifarResNet, PreactBlock, 7, num_classes, width)


def preact_resnet56(*, weights=None, num_classes=10, width=16):
    """ResNet-56 with pre-activation (He et al. 2016), 853,018 parameters. As `resnet20`; `weights` is a file."""
    return build("preact_resnet56", weights, CifarResNet, PreactBlock, 9, num_classes, width)


def preact_resnet110(*, weights=None, num_classes=10, width=16):
    """ResNet-110 with pre-activation (He et al. 2016), 1,727,962 parameters. As `resnet20`; `weights` is a file."""
    return build("preact_resnet110", weights, CifarResNet, PreactBlock, 18, num_classes, width)
