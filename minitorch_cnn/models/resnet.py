"""ResNet for ImageNet: He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, 2015 (1512.03385), and its kin.

A deep plain net trains worse than a shallow one, though it could copy it and let the further layers be the identity: that is hard
to learn for a stack of convolutions. So let a block learn what is to be *added* to its input (section 3.1, equations 1 and 2):

    y = relu(F(x) + shortcut(x))        shortcut(x) = x, or W x where the shape changes

Backward the gradient of y goes to F and, unchanged, through the shortcut: it reaches every block.

    basic:       x - conv 3x3 - BN - ReLU - conv 3x3 - BN - + - ReLU
    bottleneck:  x - conv 1x1 - BN - ReLU - conv 3x3 - BN - ReLU - conv 1x1, 4 times as wide - BN - + - ReLU

Input: (N, 3, H, W), 224x224 in the paper; any size is taken, since the last pooling is global. Table 1 is TABLE_1 below.

    network            parameters    multiply-adds    error in the paper, top-1/top-5, 10 crops (tables 2 and 3)
    resnet18           11,689,512     1.814 G         27.88 (option A)
    resnet34           21,797,672     3.664 G         25.03/7.76 (option A), 24.52/7.46 (option B)
    resnet50           25,557,032     4.089 G (3.858 G with stride_in_1x1)    22.85/6.71
    resnet101          44,549,160     7.801 G (7.570 G)    21.75/6.05
    resnet152          60,192,808    11.514 G (11.282 G)    21.43/5.71
    plain18            11,515,688     1.795 G         27.94
    plain34            21,623,848     3.644 G         28.54/10.02: deeper, and worse
    resnext50_32x4d    25,028,904     4.230 G         22.2 (Xie et al. 2016, 1611.05431, table 3, one crop)
    wide_resnet50_2    68,883,240    11.398 G         21.9/6.03 (Zagoruyko, Komodakis 2016, 1605.07146, table 8)

ResNeXt: the bottleneck's 3x3 convolution has 32 groups, of 4 channels each in the first stage. Wide ResNet: twice the channels.

Differences from the paper: shortcuts are of option B (a 1x1 convolution where the shape changes, else the identity). A bottleneck
has its stride in the 3x3 convolution, as torchvision's has, whose weights need that; in the paper it is in the first 1x1:
`resnet50(stride_in_1x1=True)`, which has the same keys and other outputs.
"""

from .. import functional as F
from .. import nn
from ..nn import init
from .images import check_images
from .published import build

# channels in the four stages, whose maps are 56, 28, 14 and 7 pixels wide; a bottleneck puts out 4 times as many
WIDTHS = [64, 128, 256, 512]


def conv3x3(in_channels, out_channels, stride=1, groups=1):
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, groups=groups, bias=False)


def conv1x1(in_channels, out_channels, stride=1):
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


def projection(in_channels, out_channels, stride):
    """Option B: the identity where it fits, which is None, else a 1x1 convolution."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Figure 5, left: two 3x3 convolutions, (N, in_channels, H, W) -> (N, width, H/stride, W/stride)."""

    expansion = 1

    def __init__(self, in_channels, width, stride):
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection(in_channels, width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class PlainBlock(nn.Module):
    """A BasicBlock without the shortcut."""

    expansion = 1

    def __init__(self, in_channels, width, stride):
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)))


class Bottleneck(nn.Module):
    """Figure 5, right: 1x1, 3x3, 1x1 to four times `width`: (N, in_channels, H, W) -> (N, 4 width, H/stride, W/stride).

    Args:
        groups, width_per_group: ResNeXt's; width_per_group=128 makes a Wide ResNet of twice the inner width.
        stride_in_1x1: the paper's place for the stride; otherwise it is in the 3x3 convolution.
    """

    expansion = 4

    def __init__(self, in_channels, width, stride, groups=1, width_per_group=64, stride_in_1x1=False):
        inner = width * width_per_group // 64 * groups
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = conv1x1(in_channels, inner, first)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, second, groups)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv1x1(inner, 4 * width)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = projection(in_channels, 4 * width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


# Table 1: the block, and how many of it each stage has
TABLE_1 = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}


class ResNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; see `resnet50`.

    Args:
        block: BasicBlock, PlainBlock or Bottleneck.
        layers: how many blocks each of the four stages has.
        num_classes: the number of outputs.
        zero_init_residual: each block starts as the identity: its last batch norm has scale 0 (1706.02677, section 5.1).
        bottleneck: options of Bottleneck.
    """

    def __init__(self, block, layers, num_classes=1000, zero_init_residual=False, **bottleneck):
        with init.left_out():  # each convolution is drawn once, below
            self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            channels = 64
            stages = []
            for width, count in zip(WIDTHS, layers):
                blocks = []
                for i in range(count):
                    stride = 2 if i == 0 and width > 64 else 1
                    blocks.append(block(channels, width, stride, **bottleneck))
                    channels = block.expansion * width
                stages.append(nn.Sequential(*blocks))
            self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, BasicBlock | Bottleneck):
                    init.zeros_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight)

    def forward(self, x):
        check_images("ResNet", x)
        x = F.relu(self.bn1(self.conv1(x)))  # (N, 64, 112, 112)
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # (N, 64, 56, 56)
        x = self.layer1(x)
        x = self.layer2(x)  # 28x28
        x = self.layer3(x)  # 14x14
        x = self.layer4(x)  # 7x7
        return self.fc(x.mean((2, 3)))


def initialise(model):
    """He's initialiser for each convolution; batch norms start with scale 1 and shift 0, the linear layer as PyTorch's."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _resnet(name, depth, weights, num_classes, zero_init_residual, **bottleneck):
    block, layers = TABLE_1[depth]
    return build(name, weights, ResNet, block, layers, num_classes, zero_init_residual, **bottleneck)


def resnet18(*, weights=None, num_classes=1000, zero_init_residual=False):
    """ResNet-18, 11,689,512 parameters. As `resnet50`."""
    return _resnet("resnet18", 18, weights, num_classes, zero_init_residual)


def resnet34(*, weights=None, num_classes=1000, zero_init_residual=False):
    """ResNet-34, 21,797,672 parameters. As `resnet50`."""
    return _resnet("resnet34", 34, weights, num_classes, zero_init_residual)


def resnet50(*, weights=None, num_classes=1000, zero_init_residual=False, stride_in_1x1=False):
    """ResNet-50, 25,557,032 parameters.

    Args:
        weights: None for fresh ones, "IMAGENET1K_V1", "IMAGENET1K_V2" or "DEFAULT" for published ones, or a file.
        num_classes: the number of outputs.
        zero_init_residual: let each block start as the identity.
        stride_in_1x1: a bottleneck's stride in its first 1x1 convolution, as in the paper; published weights want it in the 3x3.
    Returns: a ResNet; it takes (N, 3, H, W) float images and gives (N, num_classes) logits. For the published weights: pixels from
        0 to 1, normalised with `data.IMAGENET_MEAN` and `data.IMAGENET_STD`, crops of 224x224.
    Raises: FileNotFoundError, WeightsError, FetchError if there are no such weights, or they don't fit.
    Source: He et al. 2015, table 1; keys as torchvision.models.resnet50.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> resnet50(num_classes=5)(Tensor(np.zeros((2, 3, 64, 32), np.float32))).shape
    (2, 5)
    """
    return _resnet("resnet50", 50, weights, num_classes, zero_init_residual, stride_in_1x1=stride_in_1x1)


def resnet101(*, weights=None, num_classes=1000, zero_init_residual=False, stride_in_1x1=False):
    """ResNet-101, 44,549,160 parameters. As `resnet50`."""
    return _resnet("resnet101", 101, weights, num_classes, zero_init_residual, stride_in_1x1=stride_in_1x1)


def resnet152(*, weights=None, num_classes=1000, zero_init_residual=False, stride_in_1x1=False):
    """ResNet-152, 60,192,808 parameters. As `resnet50`."""
    return _resnet("resnet152", 152, weights, num_classes, zero_init_residual, stride_in_1x1=stride_in_1x1)


def resnext50_32x4d(*, weights=None, num_classes=1000, zero_init_residual=False):
    """ResNeXt-50 of 32 groups, 25,028,904 parameters (Xie et al. 2016, 1611.05431, table 1). As `resnet50`."""
    return _resnet("resnext50_32x4d", 50, weights, num_classes, zero_init_residual, groups=32, width_per_group=4)


def wide_resnet50_2(*, weights=None, num_classes=1000, zero_init_residual=False):
    """ResNet-50 with 3x3 convolutions twice as wide, 68,883,240 parameters (Zagoruyko, Komodakis, 1605.07146). As `resnet50`."""
    return _resnet("wide_resnet50_2", 50, weights, num_classes, zero_init_residual, width_per_group=128)


def plain18(*, weights=None, num_classes=1000):
    """ResNet-18 without its shortcuts, 11,515,688 parameters (table 2, figure 4). `weights`: a file."""
    return build("plain18", weights, ResNet, PlainBlock, TABLE_1[18][1], num_classes)


def plain34(*, weights=None, num_classes=1000):
    """ResNet-34 without its shortcuts, 21,623,848 parameters: worse than plain18 (table 2, figure 4). `weights`: a file."""
    return build("plain34", weights, ResNet, PlainBlock, TABLE_1[34][1], num_classes)
