"""LeNet-5 as published: LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition, 1998.

Section II-B and figure 2, layer by layer (C convolution, S subsampling, F fully connected):

    layer    what                                output      trainable   connections
    input    a character in a field of 32x32     1x32x32
    C1       5x5 convolution                     6x28x28           156       122,304
    S2       2x2 subsampling                     6x14x14            12         5,880
    C3       5x5 convolution, partly connected   16x10x10        1,516       151,600
    S4       2x2 subsampling                     16x5x5             32         2,000
    C5       5x5 convolution                     120x1x1        48,120        48,120
    F6       fully connected                     84             10,164        10,164
    output   distances to drawn characters       10                  0           840
                                                                60,000       340,908

Every layer from C1 to F6 ends in the squashing function of appendix A, for which f(1) = 1 and f(-1) = -1:

    f(a) = 1.7159 tanh(2/3 a)

Output i is the squared distance between F6's 84 values x and a drawing w[i] of character i; the smallest is the answer:

    y[i] = sum over j of (x[j] - w[i, j])^2                  (equation 7)

`forward` gives the scores -y, so that the largest is the answer, as with other networks: `scores.argmax(1)` predicts.
With D the right class, section II-C has two losses, each the mean over the samples of

    mle_loss    y[D]                                         (equation 8)
    map_loss    y[D] + log(e^-j + sum over i of e^-y[i])     (equation 9)

The first draws F6 towards the right drawing; the second also pushes it away from the wrong ones.

Input: (N, 1, 28, 28), pixels from 0, the background, to 1, the ink. The model itself puts them in the middle of the field and
maps them to the paper's -0.1 and 1.175. (N, 1, 32, 32) is the whole field, from 0 to 1 too: for moved or distorted characters.
Parameters: 60,000. Multiply-adds an image: 325,680 in C1, C3, C5 and F6.
Reported error: 0.95 % of MNIST's 10,000 test images; 0.8 % with 540,000 distorted images added in training (section III-B).

Differences from the paper: it gives no value for equation 9's j, 10 is our choice. The drawings of figure 3 are the
transcription that circulates in public implementations, not compared with the printed figure. The paper trains with a stochastic
diagonal Levenberg-Marquardt method, one image at a time; SGD with momentum does as well.
"""

import numpy as np

from .. import functional as F
from .. import nn
from ..ops import check
from .images import check_images

BACKGROUND, INK = -0.1, 1.175  # section II-B: the input's mean is then about 0

# Table I: which of S2's maps (a row each) are connected to which of C3's maps (a column each).
TABLE_I = """
    X . . . X X X . . X X X X . X X
    X X . . . X X X . . X X X X . X
    X X X . . . X X X . . X . X X X
    . X X X . . X X X X . . X . X X
    . . X X X . . X X X X . X X . X
    . . . X X X . . X X X X . X X X
"""

# Figure 3: the characters that F6 is compared with, 0 to 9, each 7 wide and 12 high: # is +1, . is -1.
FIGURE_3 = """
    .#####.  ...##..  .#####.  #######  .#####.  .#####.  ..####.  #######  .#####.  .#####.
    .......  ..###..  .......  .....##  .......  .......  .##....  .....##  ##...##  ##..###
    ..###..  .####..  .#####.  ....##.  .......  #######  ##.....  .....##  ##...##  ##...##
    .##.##.  ...##..  ##...##  ...##..  .##..##  ##.....  ##.....  ....##.  ##...##  ##...##
    ##...##  ...##..  #....##  ..####.  .##..##  ##.....  ######.  ...##..  .#####.  ##..###
    ##...##  ...##..  ....##.  .....##  ###..##  .####..  ###..##  ...##..  ##...##  .######
    ##...##  ...##..  ..###..  .....##  ##...##  ..####.  ##...##  ..##...  ##...##  .....##
    ##...##  ...##..  .##....  .....##  ##...##  .....##  ##...##  ..##...  ##...##  .....##
    .##.##.  ...##..  ##.....  ##...##  ##..###  ##...##  ###..##  ..##...  ##...##  ....##.
    ..###..  .######  #######  .#####.  .######  .#####.  .#####.  ..##...  .#####.  .####..
    .......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
    .......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
"""


def read_table_i():
    """Table I as an array of bool, (16 maps of C3, 6 maps of S2)."""
    return np.array([[mark == "X" for mark in row.split()] for row in TABLE_I.strip().splitlines()]).T


def read_figure_3():
    """Figure 3 as +1 and -1: (10 characters, 84 pixels), each character row by row from the top."""
    rows = [line.split() for line in FIGURE_3.strip().splitlines()]
    characters = ["".join(row[i] for row in rows) for i in range(10)]
    return np.array([[1 if pixel == "#" else -1 for pixel in character] for character in characters], np.float32)


def lecun_uniform_(parameter, fan_in):
    """Appendix A's starting weights: uniform on +-2.4/F, F the number of inputs of the unit that a weight or bias belongs to."""
    nn.init.uniform_(parameter, -2.4 / fan_in, 2.4 / fan_in)


def squash(a):
    """Appendix A's sigmoid, 1.7159 tanh(2/3 a)."""
    return 1.7159 * F.tanh(2 / 3 * a)


class Subsampling(nn.Module):
    """The sum of each 2x2 window, times a trainable coefficient, plus a trainable bias; one of each a map."""

    def __init__(self, maps):
        self.coefficient = nn.Parameter(np.zeros(maps, np.float32))
        self.bias = nn.Parameter(np.zeros(maps, np.float32))
        lecun_uniform_(self.coefficient, fan_in=4)
        lecun_uniform_(self.bias, fan_in=4)

    def forward(self, x):  # (N, maps, H, W) -> (N, maps, H/2, W/2)
        sums = F.avg_pool2d(x, kernel_size=2, divisor_override=1)
        return sums * self.coefficient.reshape(-1, 1, 1) + self.bias.reshape(-1, 1, 1)


class PartlyConnectedConv2d(nn.Module):
    """A convolution in which map o sees only the input maps that a table names.

    `weight` holds a kernel for each connection, (connections, K, K), output map by output map: all those of map 0 first.

    Args:
        connected: (out_maps, in_maps) array of bool.
        kernel_size: K.
    """

    def __init__(self, connected, kernel_size):
        connections = int(connected.sum())
        self.weight = nn.Parameter(np.zeros((connections, kernel_size, kernel_size), np.float32))
        self.bias = nn.Parameter(np.zeros(len(connected), np.float32))
        # which kernel stands between maps o and i: the number of X's before, or of the kernel of zeros behind the last one
        number = np.where(connected, connected.cumsum().reshape(connected.shape) - 1, connections)
        self.kernel_number = nn.Buffer(number, persistent=False)
        inputs = connected.sum(1)  # maps that each output map sees
        fan_in = inputs * kernel_size**2
        lecun_uniform_(self.weight, np.repeat(fan_in, inputs).reshape(-1, 1, 1))
        lecun_uniform_(self.bias, fan_in)

    def forward(self, x):
        kernels = F.pad(self.weight, (0, 0, 0, 0, 0, 1))  # (connections + 1, K, K), the last one zero
        return F.conv2d(x, kernels[self.kernel_number], self.bias)  # weight (out_maps, in_maps, K, K)

    def macs(self, output):
        """Multiply-adds for one sample: each connection's kernel at each place."""
        return self.weight.size * output.shape[2] * output.shape[3]


class RBF(nn.Module):
    """Euclidean radial basis functions: the squared distance between x and each of a few fixed points."""

    def __init__(self, centres):
        self.centres = nn.Buffer(centres)  # (classes, features)

    def forward(self, x):  # (N, features) -> (N, classes)
        difference = x.unsqueeze(1) - self.centres
        return (difference * difference).sum(2)


class LeNet5_1998(nn.Module):
    """(N, 1, 28, 28) images with pixels in 0..1 -> (N, 10) scores, the negated distances; see `lenet5_1998`."""

    def __init__(self):
        self.c1 = nn.Conv2d(1, 6, kernel_size=5)
        self.s2 = Subsampling(6)
        self.c3 = PartlyConnectedConv2d(read_table_i(), kernel_size=5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.f6 = nn.Linear(120, 84)
        self.output = RBF(read_figure_3())
        for layer, fan_in in ((self.c1, 25), (self.c5, 16 * 25), (self.f6, 120)):
            for parameter in layer.parameters():
                lecun_uniform_(parameter, fan_in)

    def forward(self, x):
        check_images("LeNet5_1998", x, channels=1, sizes=(28, 32))
        if x.shape[2] == 28:
            x = F.pad(x, (2, 2, 2, 2))
        x = BACKGROUND + (INK - BACKGROUND) * x  # (N, 1, 32, 32)
        x = squash(self.c1(x))  # (N, 6, 28, 28)
        x = squash(self.s2(x))  # (N, 6, 14, 14)
        x = squash(self.c3(x))  # (N, 16, 10, 10)
        x = squash(self.s4(x))  # (N, 16, 5, 5)
        x = squash(self.c5(x)).flatten(1)  # (N, 120)
        x = squash(self.f6(x))  # (N, 84)
        return -self.output(x)


def lenet5_1998():
    """LeNet-5 as published, 60,000 parameters; weights start uniform on +-2.4/fan_in.

    Returns: a LeNet5_1998; it takes (N, 1, 28, 28) float images with pixels from 0 (background) to 1 (ink), or (N, 1, 32, 32), and
        gives (N, 10) scores, the negated distances to the ten characters, for `map_loss` or `mle_loss`.
    Source: LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86(11), 1998, section II-B, table I, figure 3, appendix A.

    >>> from minitorch_cnn import Tensor
    >>> model = lenet5_1998()
    >>> model(Tensor(np.zeros((2, 1, 28, 28), np.float32))).shape
    (2, 10)
    >>> sum(parameter.size for parameter in model.parameters())
    60000
    """
    return LeNet5_1998()


def map_loss(scores, target, j=10.0):
    """The maximum a posteriori criterion: the mean of y[D] + log(e^-j + sum over i of e^-y[i]), with y = -scores and D = target.

    That is cross entropy with one class more, for images of no character, whose score is always -j: a class whose distance is far
    beyond j is not pushed further away.

    Args:
        scores: (N, 10) float tensor, what LeNet5_1998 returns.
        target: (N,) class numbers, an integer array, list or Tensor.
        j: a positive number. The paper doesn't give its value. Trained for four epochs on 50,000 of MNIST's training images (one
            seed, SGD with momentum), 1 and 10 end at 1.30 and 1.24 % error on the other 10,000.
    Returns: a scalar.
    Raises: ValueError on a label out of range, a wrong shape, or j <= 0; TypeError on labels that aren't integers.
    Source: equation 9.

    >>> from minitorch_cnn import Tensor
    >>> round(map_loss(Tensor([[-1.0, -4.0]]), [0], j=2.0).item(), 4)  # 1 + log(e^-2 + e^-1 + e^-4)
    0.349
    """
    check.float_tensor("map_loss", "scores", scores, ndim=2)
    if not j > 0:
        raise ValueError(f"map_loss: j must be positive, got {j}")
    target = check.class_indices("map_loss", target, scores.shape[:1], scores.shape[1])
    return F.cross_entropy(F.pad(scores, (0, 1), value=-j), target)


def mle_loss(scores, target):
    """The maximum likelihood criterion: the mean of y[D], the squared distance to the right character (y = -scores, D = target).

    Only fit for fixed characters: if they could be learnt, all of them the same would be perfect.

    Args and errors as for map_loss. Source: equation 8.

    >>> from minitorch_cnn import Tensor
    >>> mle_loss(Tensor([[-1.0, -4.0]]), [0]).item()
    1.0
    """
    check.float_tensor("mle_loss", "scores", scores, ndim=2)
    target = check.class_indices("mle_loss", target, scores.shape[:1], scores.shape[1])
    return F.nll_loss(scores, target)
