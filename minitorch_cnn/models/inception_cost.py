"""What the 1x1 reductions of GoogLeNet's Inception modules save: Szegedy et al. 2014 (1409.4842), section 4, figures 2a and 2b.

A convolution from C to n channels with windows of KxK, on a map of HxW:

    parameters = n*C*K*K + n        multiply-adds = n*C*K*K * H*W

An output of a 5x5 convolution on 192 channels is a sum of 4,800 products; after a reduction to 16 channels, of 400. And as the
naive module passes its pooled input on, its output has all the channels of its input and more, which the next module pays for.
"""

from collections import namedtuple

from .googlenet_2014 import TABLE_1

SIZES = {"3": 28, "4": 14, "5": 7}  # of the maps in stages 3, 4, 5, of images of 224x224

Cost = namedtuple("Cost", ["in_channels", "out_channels", "parameters", "macs"])
Row = namedtuple("Row", ["module", "size", "reduced", "naive", "stacked"])


def convolution_cost(in_channels, out_channels, kernel_size, size):
    """(parameters, multiply-adds) of a convolution with bias whose output is a map of size x size."""
    weights = out_channels * in_channels * kernel_size**2
    return weights + out_channels, weights * size**2


def module_cost(in_channels, widths, size, kind):
    """The Cost of one Inception module, "reduced" or "naive", whose widths are a row of TABLE_1."""
    C = in_channels
    n1, r3, n3, r5, n5, pool = widths
    if kind == "reduced":
        convolutions = [(C, n1, 1), (C, r3, 1), (r3, n3, 3), (C, r5, 1), (r5, n5, 5), (C, pool, 1)]
        out_channels = n1 + n3 + n5 + pool
    else:
        convolutions = [(C, n1, 1), (C, n3, 3), (C, n5, 5)]
        out_channels = n1 + n3 + n5 + C
    parameters, macs = zip(*(convolution_cost(*convolution, size) for convolution in convolutions))
    return Cost(C, out_channels, sum(parameters), sum(macs))


def network_cost(modules):
    """The Cost of a network with these modules: the convolutions before them and the linear layer after them are added."""
    stem = [convolution_cost(3, 64, 7, 112), convolution_cost(64, 64, 1, 56), convolution_cost(64, 192, 3, 56)]
    linear = convolution_cost(modules[-1].out_channels, 1000, 1, 1)
    parameters, macs = zip(*stem, linear, *((module.parameters, module.macs) for module in modules))
    return Cost(3, 1000, sum(parameters), sum(macs))


class InceptionCost:
    """What `inception_cost` returns; as text, the table.

    Attributes:
        rows: for each module a Row: its name, the size of its map, and its Cost in three cases: `reduced`; `naive`, on the same
            input; `stacked`, which is naive on the output of the naive module before it.
        reduced, stacked: the Cost of the whole network, without auxiliary heads.
    """

    def __init__(self, rows):
        self.rows = rows
        self.reduced = network_cost([row.reduced for row in rows])
        self.stacked = network_cost([row.stacked for row in rows])

    def __str__(self):
        titles = ["reduced (figure 2b)", "naive (2a), on the same input", "naive, on the naive one before"]
        lines = [
            f"{'':14}" + "".join(f"   {title:39}" for title in titles),
            f"{'module':7}  {'map':5}" + 3 * f"   {'in':>4}  {'out':>4}  {'parameters':>10}  {'MACs':>8}  {'':5}",
        ]
        for row in self.rows:
            lines.append(f"{row.module:7}  {row.size:2}x{row.size:<2}" + _cells(row.reduced, row.naive, row.stacked))
        lines.append(f"{'network':14}" + _cells(self.reduced, None, self.stacked))
        width = max(len(line.rstrip()) for line in lines)
        lines.insert(2, "-" * width)
        lines.insert(-1, "-" * width)
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__


def _cells(reduced, *others):
    """The columns of some Costs, empty for None; the last of each is by how many times its MACs are the reduced one's."""
    text = ""
    for cost in (reduced, *others):
        if cost is None:
            text += 42 * " "
            continue
        times = "" if cost is reduced else f"x{cost.macs / reduced.macs:.1f}"
        text += f"   {cost.in_channels:4}  {cost.out_channels:4}  {cost.parameters:10,}  {cost.macs / 1e6:6,.0f} M  {times:5}"
    return text


def inception_cost():
    """What the 1x1 reductions save in each module of GoogLeNet, in parameters and multiply-adds an image: print it.

    Returns: an InceptionCost.
    Source: Szegedy et al. 2014, section 4, figure 2, table 1.

    >>> cost = inception_cost()
    >>> cost.rows[0].reduced
    Cost(in_channels=192, out_channels=256, parameters=163696, macs=128049152)
    >>> cost.rows[0].naive
    Cost(in_channels=192, out_channels=416, parameters=387296, macs=303464448)
    >>> cost.stacked.parameters, cost.reduced.parameters
    (97526008, 6998552)
    """
    rows = []
    channels = stacked_channels = 192
    for name, widths in TABLE_1.items():
        size = SIZES[name[0]]
        reduced = module_cost(channels, widths, size, "reduced")
        naive = module_cost(channels, widths, size, "naive")
        stacked = module_cost(stacked_channels, widths, size, "naive")
        rows.append(Row(name, size, reduced, naive, stacked))
        channels, stacked_channels = reduced.out_channels, stacked.out_channels
    return InceptionCost(rows)
