"""VGG: Simonyan, Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014 (1409.1556).

Only 3x3 convolutions, and more of them: three in a row see as much as one of 7x7, with 27/49 of its weights (for C channels 27
C^2 instead of 49 C^2) and three ReLUs instead of one (section 2.3). Each of the five stages ends in max pooling, which halves
the map:

    stage:   x - conv 3x3 - ReLU - ... - conv 3x3 - ReLU - max 2x2
    network: image 3x224x224 - stage 1: 64x112x112 - stage 2: 128x56x56 - stage 3: 256x28x28 - stage 4: 512x14x14 - stage 5: 512x7x7
             - fc6 4096 - fc7 4096 - fc8 1000

Table 1 is TABLE_1 below. torchvision has four of its columns, without and with batch norm after each convolution:

    network      torchvision    parameters     with batch norm    multiply-adds    error in the paper, top-1/top-5 (table 3, dense)
    vgg_a        vgg11, _bn     132,863,336    132,868,840         7.609 G         29.6/10.4
    vgg_a_lrn                   132,863,336                        7.609 G         29.7/10.5: the normalisation doesn't help
    vgg_b        vgg13, _bn     133,047,848    133,053,736        11.308 G         28.7/9.9
    vgg_c                       133,638,952                       11.771 G         28.1/9.4; 27.3/8.8 trained at scales 256 to 512
    vgg_d        vgg16, _bn     138,357,544    138,365,992        15.470 G         27.0/8.8; 25.6/8.1 so
    vgg_e        vgg19, _bn     143,667,240    143,678,248        19.632 G         27.3/9.0; 25.5/8.0 so

Input: (N, 3, H, W), 224x224 in training; 32x32 is the least. `forward` averages the last map to 7x7, as torchvision does, and
so gives one answer for the image. `dense` moves the fully connected layers over it, as the paper does in testing (section 3.2).

Differences from the paper: it draws weights with a *variance* of 0.01 (section 3.1), which is a standard deviation of 0.1. ReLU
networks keep the size of signals at sqrt(2 / (9 C)), 0.06 for 64 channels and 0.02 for 512, so 0.1 is too much here: A's logits
start at 1.7 million, and the first step at the paper's learning rate ends in NaN (8 images of 64x64, ten classes). As most
copies do, vgg_a to vgg_e take 0.01 for the standard deviation. That is too little (logits start at 1e-5; with 8 images of 32x32
A's loss falls from 2.303 to 2.290 in ten steps), but nothing overflows. vgg11 to vgg19_bn start with He's initialiser, as
torchvision's (2.288 to 1.889 in ten steps). Narrow networks may be drawn to the letter: `VGG(config, std=0.1)`. Dropout is
inverted: values that stay are divided by 1 - p in training, instead of all being multiplied by 1 - p in testing.
"""

from .. import functional as F
from .. import nn
from ..nn import init
from .images import check_images
from .published import build

# Table 1, a column a network: a number is a 3x3 convolution to so many channels, ("1x1", 256) a 1x1 one, "M" max pooling, "LRN"
# what it says. The three fully connected layers are the same in all.
TABLE_1 = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "A-LRN": [64, "LRN", "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "C": [
        *[64, 64, "M", 128, 128, "M", 256, 256, ("1x1", 256), "M"],
        *[512, 512, ("1x1", 512), "M", 512, 512, ("1x1", 512), "M"],
    ],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
}


def convolutions(config, batch_norm):
    """The layers before the fully connected ones, in order."""
    layers, channels = [], 3
    for item in config:
        if item == "M":
            layers.append(nn.MaxPool2d(2))
        elif item == "LRN":
            layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))  # AlexNet's; alpha isn't divided there
        else:
            size, width = (1, item[1]) if isinstance(item, tuple) else (3, item)
            layers.append(nn.Conv2d(channels, width, size, padding=size // 2))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            channels = width
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; see `vgg16`.

    Args:
        config: a column of TABLE_1, or another list of that kind.
        batch_norm: put batch norm after each convolution.
        num_classes: the number of outputs.
        dropout: the probability with which units of the two hidden fully connected layers are dropped in training.
        hidden: how many units each of those has.
        pooled: width and height to which the last map is averaged before them.
        std: draw all weights normal with this standard deviation, and not as torchvision does.

    A small one, for 32x32 images:

    >>> model = VGG([8, "M", 16, "M", 32, 32, "M"], num_classes=10, hidden=64, pooled=4)
    >>> sum(p.size for p in model.parameters())
    52922
    """

    def __init__(self, config, batch_norm=False, num_classes=1000, dropout=0.5, hidden=4096, pooled=7, std=None):
        self.least = 2 ** list(config).count("M")  # a smaller image would be halved to nothing
        self.pooled = pooled
        with init.left_out():  # each weight is drawn once, below
            self.features = convolutions(config, batch_norm)
            channels = [layer.out_channels for layer in self.features if isinstance(layer, nn.Conv2d)][-1]
            self.avgpool = nn.AdaptiveAvgPool2d(pooled)
            self.classifier = nn.Sequential(
                nn.Linear(channels * pooled * pooled, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, num_classes),
            )
        for layer in [*self.features, *self.classifier]:  # biases are zero already
            if isinstance(layer, nn.Conv2d) and std is None:
                init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                init.normal_(layer.weight, 0.0, 0.01 if std is None else std)

    def forward(self, x):
        check_images("VGG", x, least=self.least)
        x = self.avgpool(self.features(x))  # (N, 512, 7, 7)
        return self.classifier(x.flatten(1))

    def dense(self, x):
        """Section 3.2: the network at every place of an image of any size from 224x224 on, (N, 3, H, W) -> (N, num_classes).

        The first fully connected layer is a 7x7 convolution over the last map, the others are 1x1 convolutions. The logits are
        the mean over the places, which are 32 pixels apart; at 224x224 there is one, and they are those of `forward`.
        Raises: ValueError, TypeError if x isn't a float batch of colour images of at least that size.
        """
        check_images("VGG.dense", x, least=self.least * self.pooled)
        x, size = self.features(x), self.pooled
        for layer in self.classifier:
            if isinstance(layer, nn.Linear):
                weight = layer.weight.reshape(layer.out_features, x.shape[1], size, size)
                x, size = F.conv2d(x, weight, layer.bias), 1
            else:
                x = layer(x)
        return x.mean((2, 3))


def vgg_a(*, weights=None, num_classes=1000, dropout=0.5):
    """Column A of table 1: 11 weight layers, 132,863,336 parameters. As `vgg16`; `weights` is a file."""
    return build("vgg_a", weights, VGG, TABLE_1["A"], False, num_classes, dropout, std=0.01)


def vgg_a_lrn(*, weights=None, num_classes=1000, dropout=0.5):
    """Column A-LRN: A with AlexNet's local response normalisation, 132,863,336 parameters. As `vgg16`; `weights` is a file."""
    return build("vgg_a_lrn", weights, VGG, TABLE_1["A-LRN"], False, num_classes, dropout, std=0.01)


def vgg_b(*, weights=None, num_classes=1000, dropout=0.5):
    """Column B: 13 weight layers, 133,047,848 parameters. As `vgg16`; `weights` is a file."""
    return build("vgg_b", weights, VGG, TABLE_1["B"], False, num_classes, dropout, std=0.01)


def vgg_c(*, weights=None, num_classes=1000, dropout=0.5):
    """Column C: 16 weight layers, three of them 1x1, 133,638,952 parameters. As `vgg16`; `weights` is a file."""
    return build("vgg_c", weights, VGG, TABLE_1["C"], False, num_classes, dropout, std=0.01)


def vgg_d(*, weights=None, num_classes=1000, dropout=0.5):
    """Column D: 16 weight layers, 138,357,544 parameters. As `vgg16`; `weights` is a file."""
    return build("vgg_d", weights, VGG, TABLE_1["D"], False, num_classes, dropout, std=0.01)


def vgg_e(*, weights=None, num_classes=1000, dropout=0.5):
    """Column E: 19 weight layers, 143,667,240 parameters. As `vgg16`; `weights` is a file."""
    return build("vgg_e", weights, VGG, TABLE_1["E"], False, num_classes, dropout, std=0.01)


def vgg11(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-11, column A, 132,863,336 parameters. As `vgg16`."""
    return build("vgg11", weights, VGG, TABLE_1["A"], False, num_classes, dropout)


def vgg11_bn(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-11 with batch norm, 132,868,840 parameters. As `vgg16`."""
    return build("vgg11_bn", weights, VGG, TABLE_1["A"], True, num_classes, dropout)


def vgg13(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-13, column B, 133,047,848 parameters. As `vgg16`."""
    return build("vgg13", weights, VGG, TABLE_1["B"], False, num_classes, dropout)


def vgg13_bn(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-13 with batch norm, 133,053,736 parameters. As `vgg16`."""
    return build("vgg13_bn", weights, VGG, TABLE_1["B"], True, num_classes, dropout)


def vgg16(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-16, column D of table 1, 138,357,544 parameters.

    Args:
        weights: None for fresh ones, "IMAGENET1K_V1" or "DEFAULT" for published ones, or a file.
        num_classes: the number of outputs.
        dropout: the probability with which units of the two hidden fully connected layers are dropped in training.
    Returns: a VGG; it takes (N, 3, H, W) float images and gives (N, num_classes) logits. For the published weights: pixels from 0
        to 1, normalised with `data.IMAGENET_MEAN` and `data.IMAGENET_STD`, crops of 224x224, or larger images to its `dense`.
    Raises: FileNotFoundError, WeightsError, FetchError if there are no such weights, or they don't fit.
    Source: Simonyan, Zisserman 2014, table 1; keys as torchvision.models.vgg16.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor, nn
    >>> with nn.init.left_out():  # this example needs no weights
    ...     model = vgg16(num_classes=5)
    >>> model(Tensor(np.zeros((2, 3, 32, 50), np.float32))).shape
    (2, 5)
    """
    return build("vgg16", weights, VGG, TABLE_1["D"], False, num_classes, dropout)


def vgg16_bn(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-16 with batch norm, 138,365,992 parameters. As `vgg16`."""
    return build("vgg16_bn", weights, VGG, TABLE_1["D"], True, num_classes, dropout)


def vgg19(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-19, column E, 143,667,240 parameters. As `vgg16`."""
    return build("vgg19", weights, VGG, TABLE_1["E"], False, num_classes, dropout)


def vgg19_bn(*, weights=None, num_classes=1000, dropout=0.5):
    """VGG-19 with batch norm, 143,678,248 parameters. As `vgg16`."""
    return build("vgg19_bn", weights, VGG, TABLE_1["E"], True, num_classes, dropout)
