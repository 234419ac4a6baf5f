"""LeNet-5 in its modern form: the network of LeCun, Bottou, Bengio, Haffner 1998 (section II-B, figure 2) as it is taught today.

    image 1x28x28 - conv1 6x28x28 - max 6x14x14 - conv2 16x10x10 - max 16x5x5 - fc1 120 - fc2 84 - fc3 10

Input: (N, 1, 28, 28), normalised: MNIST's pixels in 0..1 have mean 0.1307 and standard deviation 0.3081.
Parameters: 156 + 2,416 + 48,120 + 10,164 + 850 = 61,706. Multiply-adds an image: 416,520.
Reported error: the paper's is of the network as published, which is lenet_1998.py: 0.95 % of MNIST's 10,000 test images.

Differences from the paper: padding of 2 in conv1 instead of images in a 32x32 field; ReLU instead of the scaled tanh; max pooling
instead of trainable subsampling; conv2 sees all six maps, not Table I's choice; a linear layer and cross entropy instead of
distances to drawn characters.
"""

from .. import functional as F
from .. import nn
from .images import check_images


class LeNet5(nn.Module):
    """(N, 1, 28, 28) images -> (N, num_classes) logits; see `lenet5`."""

    def __init__(self, num_classes=10):
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        check_images("LeNet5", x, channels=1, sizes=(28,))
        x = F.max_pool2d(F.relu(self.conv1(x)), kernel_size=2)  # (N, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), kernel_size=2)  # (N, 16, 5, 5)
        x = F.relu(self.fc1(x.flatten(1)))  # (N, 120)
        x = F.relu(self.fc2(x))  # (N, 84)
        return self.fc3(x)


def lenet5(num_classes=10):
    """LeNet-5 with ReLU and max pooling, 61,706 parameters; weights start as PyTorch's layers do.

    Args:
        num_classes: the number of outputs.
    Returns: a LeNet5; it takes (N, 1, 28, 28) float images and gives (N, num_classes) logits, for `F.cross_entropy`.
    Source: LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86(11), 1998, section II-B, modernised.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> lenet5()(Tensor(np.zeros((2, 1, 28, 28), np.float32))).shape
    (2, 10)
    """
    return LeNet5(num_classes)
