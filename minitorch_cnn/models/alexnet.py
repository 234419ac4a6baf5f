"""AlexNet in one tower, as torchvision has it: Krizhevsky, One weird trick for parallelizing ... networks, 2014 (1404.5997).

    image 3x224x224 - conv1 64 of 11x11, stride 4 - max 64x27x27 - conv2 192 of 5x5 - max 192x13x13
    - conv3 384 of 3x3 - conv4 256 of 3x3 - conv5 256 of 3x3 - max 256x6x6 - fc6 4096 - fc7 4096 - fc8 1000

ReLU after every layer but the last; pooling windows are 3 wide and 2 apart, so they overlap; dropout before fc6 and fc7.

    network    parameters    multiply-adds    error of the published weights, top-1/top-5, one crop
    alexnet    61,100,840       714.19 M      43.48/20.93

Input: (N, 3, H, W), 224x224 for the published weights; 63x63 is the least. Other sizes are averaged to 6x6 before fc6.

Differences from the paper: the last convolution has 256 kernels, as in the network of 2012, and dropout is before the fully
connected layers, not after them; torchvision has it so. The network of 2012, in two towers, is alexnet_2012.py.
"""

from .. import nn
from .images import check_images
from .published import build


class AlexNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; see `alexnet`."""

    def __init__(self, num_classes=1000, dropout=0.5):
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x):
        check_images("AlexNet", x, least=63)
        x = self.avgpool(self.features(x))  # (N, 256, 6, 6)
        return self.classifier(x.flatten(1))


def alexnet(*, weights=None, num_classes=1000, dropout=0.5):
    """AlexNet in one tower, 61,100,840 parameters; weights start as PyTorch's layers do.

    Args:
        weights: None for fresh ones, "IMAGENET1K_V1" or "DEFAULT" for published ones, or a file.
        num_classes: the number of outputs.
        dropout: the probability with which the inputs of fc6 and fc7 are dropped in training.
    Returns: an AlexNet; it takes (N, 3, H, W) float images and gives (N, num_classes) logits. For the published weights: pixels
        from 0 to 1, normalised with `data.IMAGENET_MEAN` and `data.IMAGENET_STD`, crops of 224x224.
    Raises: FileNotFoundError, WeightsError, FetchError if there are no such weights, or they don't fit.
    Source: Krizhevsky 2014 (1404.5997); keys as torchvision.models.alexnet.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor, nn
    >>> with nn.init.left_out():  # this example needs no weights
    ...     model = alexnet(num_classes=5)
    >>> model(Tensor(np.zeros((2, 3, 63, 80), np.float32))).shape
    (2, 5)
    """
    return build("alexnet", weights, AlexNet, num_classes, dropout)
