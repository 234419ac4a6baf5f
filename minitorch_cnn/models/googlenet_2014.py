"""GoogLeNet as published: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich 2014 (1409.4842).

An Inception module looks at its input with windows of several sizes at once, and lets the next module choose. On many channels
the large windows are dear, so a 1x1 convolution first puts the channels together into few (section 4, figure 2b):

         +- conv 1x1 ------------------+
         +- conv 1x1 - conv 3x3 -------+
    x ---+                             +--- concatenated, in this order
         +- conv 1x1 - conv 5x5 -------+
         +- max pool 3x3 - conv 1x1 ---+

Figure 2a's "naive" module is without these: 1x1, 3x3, 5x5 and the pooled input itself, so that channels only grow from module to
module; inception_cost.py tells what that costs. ReLU after every convolution, the reductions included.

    conv 7x7/2, 64 - max 3/2 - LRN - conv 1x1, 64 - conv 3x3, 192 - LRN - max 3/2 - 3a - 3b - max 3/2 - 4a ... 4e - max 3/2
    - 5a - 5b - average - dropout 40 % - linear

Two auxiliary heads (section 5), on the outputs of 4a and 4d, classify on their own in training, each with 0.3 of the weight in the
loss, so that gradient reaches the lower layers; at test they are not run:

    average pool 5x5/3 - conv 1x1, 128 - linear 1024 - ReLU - dropout 70 % - linear

Input: (N, 3, H, W), 224x224 in the paper. Any size from 31x31 on is taken, since the last pooling is global; in training with
heads, whose linear layers want maps of 4x4, from 191x191 to 238x238. Table 1 is TABLE_1 below.

    network                       parameters      multiply-adds    top-5 error in the paper (table 3), 1, 10, 144 crops
    googlenet_2014                13,378,280       1.591 G
      without heads                6,998,552       1.583 G         10.07, 9.15, 7.89; seven networks 8.09, 7.62, 6.67
    inception="naive", no heads   97,526,008      12.568 G

Differences from the paper: its table's parameters and operations of the 7x7 convolution, of 4c and of 5a don't follow from its
widths; here the widths count. It doesn't say how weights start: by He's normal initialiser here, biases at 0. LRN's constants are
AlexNet's: n=5, k=2, alpha=1e-4 not divided by n, beta=0.75. The last average, over 7x7 there, is over a map of any size.
"""

from collections import namedtuple

from .. import functional as F
from .. import nn
from ..nn import init
from ..ops import check
from ..ops.shape import cat
from .images import check_images
from .published import build

# Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])


class Inception(nn.Module):
    """Figure 2: (N, in_channels, H, W) -> (N, out_channels, H, W).

    Args:
        in_channels: channels of the input.
        n1, r3, n3, r5, n5, pool: a row of table 1: channels of the 1x1 branch, of the 3x3 branch's reduction and its convolution,
            of the 5x5 branch's, and of the convolution after the pooling.
        kind: "reduced" (figure 2b), or "naive" (2a), which has no use for r3, r5 and pool.
    Attributes: out_channels: n1 + n3 + n5 + pool; naive n1 + n3 + n5 + in_channels.

    >>> Inception(192, *TABLE_1["3a"]).out_channels, Inception(192, *TABLE_1["3a"], kind="naive").out_channels
    (256, 416)
    """

    def __init__(self, in_channels, n1, r3, n3, r5, n5, pool, kind="reduced"):
        check.one_of("Inception", "kind", kind, ("reduced", "naive"))
        self.kind = kind
        self.conv1x1 = nn.Conv2d(in_channels, n1, 1)
        if kind == "reduced":
            self.reduce3x3 = nn.Conv2d(in_channels, r3, 1)
            self.conv3x3 = nn.Conv2d(r3, n3, 3, padding=1)
            self.reduce5x5 = nn.Conv2d(in_channels, r5, 1)
            self.conv5x5 = nn.Conv2d(r5, n5, 5, padding=2)
            self.pool_proj = nn.Conv2d(in_channels, pool, 1)
            self.out_channels = n1 + n3 + n5 + pool
        else:
            self.conv3x3 = nn.Conv2d(in_channels, n3, 3, padding=1)
            self.conv5x5 = nn.Conv2d(in_channels, n5, 5, padding=2)
            self.out_channels = n1 + n3 + n5 + in_channels

    def forward(self, x):
        pooled = F.max_pool2d(x, 3, stride=1, padding=1)
        if self.kind == "naive":
            convolved = [self.conv1x1(x), self.conv3x3(x), self.conv5x5(x)]
            return cat([*map(F.relu, convolved), pooled], 1)
        three = self.conv3x3(F.relu(self.reduce3x3(x)))
        five = self.conv5x5(F.relu(self.reduce5x5(x)))
        return F.relu(cat([self.conv1x1(x), three, five, self.pool_proj(pooled)], 1))


class AuxiliaryHead(nn.Module):
    """Section 5: (N, in_channels, 14, 14) -> (N, num_classes) logits; maps of 12x12 to 14x14 become 4x4."""

    def __init__(self, in_channels, num_classes):
        self.conv = nn.Conv2d(in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x):
        x = F.avg_pool2d(x, 5, stride=3, ceil_mode=True)  # (N, in_channels, 4, 4)
        x = F.relu(self.conv(x)).flatten(1)  # (N, 2048)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet2014(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits, in training with heads GoogLeNetOutputs; see `googlenet_2014`."""

    def __init__(self, inception="reduced", aux=True, num_classes=1000):
        check.one_of("googlenet_2014", "inception", inception, ("reduced", "naive"))
        with init.left_out():  # the weights are drawn below
            self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
            self.conv2 = nn.Conv2d(64, 64, 1)
            self.conv3 = nn.Conv2d(64, 192, 3, padding=1)
            channels = 192
            for name, widths in TABLE_1.items():
                module = Inception(channels, *widths, kind=inception)
                self.add_module("inception" + name, module)
                channels = module.out_channels
            self.aux1 = AuxiliaryHead(self.inception4a.out_channels, num_classes) if aux else None
            self.aux2 = AuxiliaryHead(self.inception4d.out_channels, num_classes) if aux else None
            self.dropout = nn.Dropout(0.4)
            self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                init.kaiming_normal_(module.weight)

    def forward(self, x):
        check_images("GoogLeNet2014", x, least=31)
        heads = self.training and self.aux1 is not None
        if heads and not (191 <= min(x.shape[2:]) and max(x.shape[2:]) <= 238):
            raise ValueError(
                "GoogLeNet2014: in training with its auxiliary heads, x must be (N, 3, H, W) with H and W from 191 to 238, "
                f"got x.shape={x.shape}; resize the images, or build it with aux=False"
            )
        x = self.conv1(x)  # (N, 64, 112, 112)
        x = pool_and_halve(F.relu(x))
        x = F.relu(self.conv2(normalise(x)))
        x = normalise(F.relu(self.conv3(x)))  # (N, 192, 56, 56)
        x = pool_and_halve(x)
        x = self.inception3a(x)  # (N, 256, 28, 28)
        x = self.inception3b(x)  # 480
        x = pool_and_halve(x)
        x = self.inception4a(x)  # (N, 512, 14, 14)
        aux1 = self.aux1(x) if heads else None
        x = self.inception4b(x)
        x = self.inception4c(x)
        x = self.inception4d(x)  # 528
        aux2 = self.aux2(x) if heads else None
        x = self.inception4e(x)  # 832
        x = pool_and_halve(x)
        x = self.inception5a(x)  # (N, 832, 7, 7)
        x = self.inception5b(x)  # 1024
        logits = self.fc(self.dropout(x.mean((2, 3))))
        return GoogLeNetOutputs(logits, aux2, aux1) if heads else logits

    def load_state_dict(self, state_dict, strict=True):
        """As Module.load_state_dict; a network without heads leaves out those in the state."""
        return super().load_state_dict(state_dict if self.aux1 else without_heads(state_dict), strict)


def pool_and_halve(x):
    """All pooling has windows of 3x3, stride 2, and takes the windows that stick out: 112 becomes 56, 28, 14, 7."""
    return F.max_pool2d(x, 3, stride=2, ceil_mode=True)


def normalise(x):
    """LRN with AlexNet's constants; F.local_response_norm divides alpha by the size."""
    return F.local_response_norm(x, size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)


def without_heads(state_dict):
    """The state without the auxiliary heads, which are only for training."""
    if not hasattr(state_dict, "items"):
        return state_dict  # load_state_dict says what is wrong with it
    return {key: value for key, value in state_dict.items() if not str(key).startswith(("aux1.", "aux2."))}


def googlenet_loss(outputs, target, aux_weight=0.3):
    """Cross entropy of the logits, and of each auxiliary head's with the paper's weight.

    Args:
        outputs: GoogLeNetOutputs, which a network gives in training if it has heads, or (N, num_classes) logits alone.
        target: N class numbers.
        aux_weight: of each head.
    Returns: a scalar tensor.
    Raises: as F.cross_entropy.
    Source: Szegedy et al. 2014, section 5.

    >>> from minitorch_cnn import Tensor
    >>> two = Tensor([[0.0, 0.0]])  # of two classes neither is likelier: the loss is log 2
    >>> round(googlenet_loss(two, [1]).item(), 4)
    0.6931
    >>> round(googlenet_loss(GoogLeNetOutputs(two, two, two), [1]).item() / 1.6, 4)
    0.6931
    """
    if not isinstance(outputs, GoogLeNetOutputs):
        return F.cross_entropy(outputs, target)
    heads = F.cross_entropy(outputs.aux_logits1, target) + F.cross_entropy(outputs.aux_logits2, target)
    return F.cross_entropy(outputs.logits, target) + aux_weight * heads


def googlenet_2014(*, inception="reduced", aux=True, weights=None, num_classes=1000):
    """GoogLeNet as its paper has it, 13,378,280 parameters, 6,998,552 without auxiliary heads.

    Args:
        inception: "reduced" (figure 2b), or "naive" (2a), without the 1x1 reductions: 97,526,008 parameters without heads.
        aux: with the two auxiliary heads.
        weights: None for fresh ones, or a file.
        num_classes: the number of outputs.
    Returns: a GoogLeNet2014; it takes (N, 3, H, W) float images and gives (N, num_classes) logits. In training with heads it gives
        (logits, aux_logits2, aux_logits1), a named tuple, for `googlenet_loss`, and takes images of 191x191 to 238x238.
    Raises: ValueError if `inception` is neither; FileNotFoundError, WeightsError if there are no such weights, or they don't fit.
    Source: Szegedy et al. 2014, table 1, sections 4 and 5.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> googlenet_2014(num_classes=5).eval()(Tensor(np.zeros((2, 3, 64, 32), np.float32))).shape
    (2, 5)
    """
    return build("googlenet_2014", weights, GoogLeNet2014, inception, aux, num_classes)
