"""AlexNet of 2012, in two towers: Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural Networks.

A card of 2012 had 3 GB, too few for the network, so it was cut in two, a tower a card (sections 3.2 and 3.5, figure 2). Each
has half of the kernels and half of the units, and sees only its own maps, except where the lines below cross:

    tower 0   conv1 48 - conv2 128 - - conv3 192 - conv4 192 - conv5 128 - - fc6 2048 - - fc7 2048 -
                                    X                                     X            X            > fc8 1000
    tower 1   conv1 48 - conv2 128 - - conv3 192 - conv4 192 - conv5 128 - - fc6 2048 - - fc7 2048 -

    layer    kernels, units of both    sees           output      parameters    multiply-adds
    conv1     96 of 11x11, stride 4    the image      96x55x55        34,944    105.4 M
             ReLU, LRN, max 3/2                       96x27x27
    conv2    256 of 5x5                own tower     256x27x27       307,456    223.9 M
             ReLU, LRN, max 3/2                      256x13x13
    conv3    384 of 3x3                both          384x13x13       885,120    149.5 M
    conv4    384 of 3x3                own tower     384x13x13       663,936    112.1 M
    conv5    256 of 3x3                own tower     256x13x13       442,624     74.8 M
             ReLU, max 3/2                             256x6x6
    fc6      4096, ReLU, dropout       both               4096    37,752,832     37.7 M
    fc7      4096, ReLU, dropout       both               4096    16,781,312     16.8 M
    fc8      1000                      both               1000     4,097,000      4.1 M
                                                                  60,965,224    724.4 M

LRN is local response normalisation (section 3.3: n=5, k=2, alpha=1e-4, beta=0.75), within a tower. Pooling windows are 3 wide
and 2 apart, so they overlap (section 3.4). The two towers are one with `groups=2` in conv2, conv4 and conv5, and LRN in halves:
`one_tower`. With every map seen everywhere (`AlexNet2012(towers=1, groups=1)`) it has 62,378,344 parameters and 1,135 M
multiply-adds.

The caption of figure 2 counts neurons: 150,528 = 3x224x224 - 253,440 - 186,624 = 256x27x27 - 64,896 = 384x13x13 - 64,896 -
43,264 = 256x13x13 - 4096 - 4096 - 1000. The second should be 290,400 = 96x55x55.

Input: (N, 3, 224, 224), as the text says, or (N, 3, 227, 227). conv1 makes 55x55 of 227x227; to 224x224 zeros are added, 2 at
the top and the left, 1 at the bottom and the right, which is the same as padding of 2 in conv1.
Reported error, top-1/top-5: 37.5/17.0 % of ILSVRC-2010's test images; 40.7/18.2 % of 2012's validation images, five networks
38.1/16.4; 15.3 % top-5 in the contest, by seven networks (tables 1 and 2).

Differences from the paper: dropout is inverted: values that stay are doubled in training, instead of all being halved in
testing. The paper draws fc8 once, under both towers, and doesn't say on which card it was; here it is on the first.
"""

import numpy as np

from .. import functional as F
from .. import nn
from ..nn import init
from ..ops import check
from ..ops.shape import cat
from .images import check_images
from .published import build

# Section 3.5: kernels of the convolutions, units of the fully connected layers, of all towers together
WIDTHS = {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256, "fc6": 4096, "fc7": 4096}


class Tower(nn.Module):
    """One of so many `towers`, with its part of `widths`; a single tower is cut into `groups` inside."""

    def __init__(self, widths, towers, groups):
        own = {layer: width // towers for layer, width in widths.items()}
        self.groups = groups
        self.conv1 = nn.Conv2d(3, own["conv1"], 11, stride=4)
        self.conv2 = nn.Conv2d(own["conv1"], own["conv2"], 5, padding=2, groups=groups)
        self.conv3 = nn.Conv2d(widths["conv2"], own["conv3"], 3, padding=1)  # sees the maps of all towers
        self.conv4 = nn.Conv2d(own["conv3"], own["conv4"], 3, padding=1, groups=groups)
        self.conv5 = nn.Conv2d(own["conv4"], own["conv5"], 3, padding=1, groups=groups)
        self.fc6 = nn.Linear(widths["conv5"] * 6 * 6, own["fc6"])
        self.fc7 = nn.Linear(widths["fc6"], own["fc7"])
        self.dropout = nn.Dropout(0.5)

    def conv1_conv2(self, x):
        x = x.to(device=self.conv1.weight.device)  # (N, 3, 227, 227)
        x = F.max_pool2d(self.normalise(F.relu(self.conv1(x))), 3, stride=2)  # (N, 48, 27, 27)
        return F.max_pool2d(self.normalise(F.relu(self.conv2(x))), 3, stride=2)  # (N, 128, 13, 13)

    def normalise(self, x):
        """LRN within each group: a window that reached over the seam would see maps of the other tower."""
        N, C, H, W = x.shape
        parts = x.reshape(N * self.groups, C // self.groups, H, W)
        parts = F.local_response_norm(parts, 5, alpha=5e-4, beta=0.75, k=2.0)  # the paper doesn't divide alpha by 5
        return parts.reshape(N, C, H, W)

    def conv3_to_conv5(self, x):
        x = F.relu(self.conv3(x))  # (N, 192, 13, 13)
        x = F.relu(self.conv4(x))
        x = F.relu(self.conv5(x))  # (N, 128, 13, 13)
        return F.max_pool2d(x, 3, stride=2).flatten(1)  # (N, 128 * 6 * 6)

    def fully_connected(self, layer, x):
        return self.dropout(F.relu(layer(x)))  # (N, 2048)


def exchange(parts):
    """What each tower made, (N, C, ...) each, to all of them: the one place where they talk. Tower 0's channels come first."""
    return [cat([part.to(device=own.device) for part in parts], dim=1) for own in parts]


class AlexNet2012(nn.Module):
    """(N, 3, 224, 224) or (N, 3, 227, 227) images -> (N, num_classes) logits; see `alexnet_2012`.

    Args:
        num_classes: the number of outputs.
        towers: 2, or 1.
        groups: into how many parts, that don't see each other, conv2, conv4, conv5 and LRN are cut: 2, or 1 in one tower.
        devices: a device for each tower; None leaves them on the CPU.
        widths: the kernels and units of each layer, of all towers together, as WIDTHS has them.
    """

    def __init__(self, num_classes=1000, towers=2, groups=2, devices=None, widths=WIDTHS):
        check.one_of("AlexNet2012", "towers", towers, (1, 2))
        check.one_of("AlexNet2012", "groups", groups, (2,) if towers == 2 else (1, 2))
        for layer, width in widths.items():
            if width % groups:
                raise ValueError(
                    f"AlexNet2012: {layer} has {width} kernels or units, which can't be cut into {groups} parts"
                )
        if devices is not None and (not isinstance(devices, tuple | list) or len(devices) != towers):
            raise ValueError(f"AlexNet2012: devices must be a tuple of {towers}, one for each tower, got {devices!r}")
        self.widths = dict(widths)
        with init.left_out():  # each weight is drawn once, below
            self.towers = nn.ModuleList([Tower(widths, towers, groups // towers) for _ in range(towers)])
            self.fc8 = nn.Linear(widths["fc7"], num_classes)
        initialise(self)
        if devices is not None:
            for tower, device in zip(self.towers, devices):
                tower.to(device=device)
            self.fc8.to(device=devices[0])

    def forward(self, x):
        check_images("AlexNet2012", x, sizes=(224, 227))
        if x.shape[2] == 224:
            x = F.pad(x, (2, 1, 2, 1))
        made = [tower.conv1_conv2(x) for tower in self.towers]  # (N, 128, 13, 13)
        made = [tower.conv3_to_conv5(seen) for tower, seen in zip(self.towers, exchange(made))]  # (N, 128 * 6 * 6)
        made = [tower.fully_connected(tower.fc6, seen) for tower, seen in zip(self.towers, exchange(made))]  # (N, 2048)
        made = [tower.fully_connected(tower.fc7, seen) for tower, seen in zip(self.towers, exchange(made))]  # (N, 2048)
        return self.fc8(cat([part.to(device=self.fc8.weight.device) for part in made], dim=1))


def initialise(model):
    """Section 5: weights N(0, 0.01^2); biases 1 where that gives the ReLUs positive inputs to start with, else 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            init.normal_(module.weight, 0.0, 0.01)
    for tower in model.towers:
        for layer in (tower.conv2, tower.conv4, tower.conv5, tower.fc6, tower.fc7):
            init.ones_(layer.bias)


def one_tower(model):
    """The network of the same weights in one tower, on fc8's device: an AlexNet2012 that gives the same logits.

    Raises: TypeError if model isn't an AlexNet2012.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> widths = {layer: width // 16 for layer, width in WIDTHS.items()}
    >>> model = AlexNet2012(num_classes=10, widths=widths).eval()
    >>> one, x = one_tower(model), Tensor(np.ones((1, 3, 227, 227), np.float32))
    >>> len(model.towers), len(one.towers), bool(np.allclose(model(x).numpy(), one(x).numpy()))
    (2, 1, True)
    """
    if not isinstance(model, AlexNet2012):
        raise TypeError(f"one_tower: model must be an AlexNet2012, got {type(model).__name__}")
    with init.left_out():
        one = AlexNet2012(model.fc8.out_features, towers=1, widths=model.widths)
    parts = [tower.state_dict() for tower in model.towers]
    # tower 0's kernels come first: they are the first group of a convolution with groups=2
    state = {f"towers.0.{key}": np.concatenate([part[key].numpy() for part in parts]) for key in parts[0]}
    state.update(model.fc8.state_dict("fc8."))
    one.to(dtype=model.fc8.weight.dtype, device=model.fc8.weight.device).load_state_dict(state)
    return one.train(model.training)


def alexnet_2012(*, weights=None, num_classes=1000, devices=None):
    """AlexNet of 2012 in two towers, 60,965,224 parameters; weights start as the paper says.

    Args:
        weights: None for fresh ones, or a file.
        num_classes: the number of outputs.
        devices: a device for each tower, such as ("cuda:0", "cuda:1"); None leaves both on the CPU. `to` moves both to one.
    Returns: an AlexNet2012; it takes (N, 3, 224, 224) or (N, 3, 227, 227) float images, on any device, and gives (N, num_classes)
        logits, on the first tower's. The towers exchange what they made before conv3, fc6, fc7 and fc8, and the gradients of
        that; on two devices they work at the same time otherwise.
    Raises: FileNotFoundError, WeightsError if there are no such weights, or they don't fit; ValueError, DeviceError if `devices`
        aren't two, or aren't there.
    Source: Krizhevsky, Sutskever, Hinton, NIPS 2012, figure 2.
    """
    return build("alexnet_2012", weights, AlexNet2012, num_classes, devices=devices)
