"""SqueezeNet: Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer 2016 (1602.07360): AlexNet's accuracy with 50 times fewer parameters.

Most of a network's weights are those of its 3x3 convolutions, so a Fire module first squeezes the channels that they see
(section 3, figure 1):

                               +- conv 1x1 - ReLU -+
    x --- conv 1x1 - ReLU -----+                   +--- concatenated
                               +- conv 3x3 - ReLU -+

No layer is fully connected: a 1x1 convolution makes a map of each class, whose mean is its logit.

Input: (N, 3, H, W) from 21x21 on (1.1: 17x17); 224x224 in the paper. Its table 1 is FEATURES["1_0"] below.

    network          parameters    multiply-adds    top-1/top-5 error: in the paper (table 2)    of the published weights
    squeezenet1_0     1,248,424     0.819 G         42.5/19.7 %                                  41.91/19.58 %
    squeezenet1_1     1,235,496     0.349 G                                                      41.82/19.38 %

1.1 is the authors' later version: a smaller first convolution and earlier pooling, for less than half of the multiply-adds.

Differences from the paper: none in the layers. Weights start as torchvision's: by He's uniform initialiser, those of
the last convolution normal with standard deviation 0.01, biases at 0.
"""

from .. import functional as F
from .. import nn
from ..nn import init
from ..ops.shape import cat
from .images import check_images
from .published import build

# ("conv", channels, kernel) has stride 2 and no padding; "M" is max pooling 3x3/2 with the windows that stick out;
# three numbers are a Fire module: channels of the squeezing convolution, of the 1x1, of the 3x3 one
FEATURES = {
    "1_0": [
        *[("conv", 96, 7), "M", (16, 64, 64), (16, 64, 64), (32, 128, 128), "M"],
        *[(32, 128, 128), (48, 192, 192), (48, 192, 192), (64, 256, 256), "M", (64, 256, 256)],
    ],
    "1_1": [
        *[("conv", 64, 3), "M", (16, 64, 64), (16, 64, 64), "M", (32, 128, 128), (32, 128, 128), "M"],
        *[(48, 192, 192), (48, 192, 192), (64, 256, 256), (64, 256, 256)],
    ],
}
LEAST = {"1_0": 21, "1_1": 17}  # pixels a side; of fewer the last pooling leaves nothing


class Fire(nn.Module):
    """Figure 1: (N, in_channels, H, W) -> (N, expand1x1 + expand3x3, H, W)."""

    def __init__(self, in_channels, squeeze, expand1x1, expand3x3):
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand1x1, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand3x3, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return F.relu(cat([self.expand1x1(x), self.expand3x3(x)], 1))


class SqueezeNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; see `squeezenet1_1`."""

    def __init__(self, version="1_0", num_classes=1000, dropout=0.5):
        self.version = version
        layers, channels = [], 3
        with init.left_out():  # the weights are drawn below, biases stay 0
            for entry in FEATURES[version]:
                if entry == "M":
                    layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
                elif entry[0] == "conv":
                    layers += [nn.Conv2d(channels, entry[1], entry[2], stride=2), nn.ReLU()]
                    channels = entry[1]
                else:
                    layers.append(Fire(channels, *entry))
                    channels = entry[1] + entry[2]
            self.features = nn.Sequential(*layers)
            last = nn.Conv2d(channels, num_classes, 1)
            self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                init.kaiming_uniform_(module.weight)
        init.normal_(last.weight, std=0.01)

    def forward(self, x):
        check_images("SqueezeNet", x, least=LEAST[self.version])
        x = self.features(x)  # (N, 512, 13, 13)
        return self.classifier(x).flatten(1)


def squeezenet1_0(*, weights=None, num_classes=1000, dropout=0.5):
    """SqueezeNet 1.0, the paper's, 1,248,424 parameters. As `squeezenet1_1`."""
    return build("squeezenet1_0", weights, SqueezeNet, "1_0", num_classes, dropout)


def squeezenet1_1(*, weights=None, num_classes=1000, dropout=0.5):
    """SqueezeNet 1.1, 1,235,496 parameters.

    Args:
        weights: None for fresh ones, "IMAGENET1K_V1" or "DEFAULT" for the published ones, or a file.
        num_classes: the number of outputs.
        dropout: the probability before the last convolution.
    Returns: a SqueezeNet; it takes (N, 3, H, W) float images and gives (N, num_classes) logits, none of them negative. For the
        published weights: pixels from 0 to 1, normalised with `data.IMAGENET_MEAN` and `data.IMAGENET_STD`, crops of 224x224.
    Raises: FileNotFoundError, WeightsError, FetchError if there are no such weights, or they don't fit.
    Source: Iandola et al. 2016, figure 1, table 1; keys as torchvision.models.squeezenet1_1.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> squeezenet1_1(num_classes=5)(Tensor(np.zeros((2, 3, 64, 32), np.float32))).shape
    (2, 5)
    """
    return build("squeezenet1_1", weights, SqueezeNet, "1_1", num_classes, dropout)
