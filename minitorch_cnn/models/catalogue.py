"""All networks: what builds each, the size of its images, parameters, multiply-adds, and the error that its paper reports.

The counts are checked against the networks by the tests. Errors are in percent and of one network, from the table named in its
file: of ImageNet's validation images unless another set is named; where a paper has no figure for a network there is none.
Multiply-adds are those of convolutions and linear layers for one image, without auxiliary heads.
"""

import difflib
from collections import namedtuple

from . import lenet, lenet_1998, resnet, resnet_cifar, vgg
from .alexnet import alexnet
from .alexnet_2012 import alexnet_2012
from .googlenet import googlenet
from .googlenet_2014 import googlenet_2014
from .squeezenet import squeezenet1_0, squeezenet1_1

Entry = namedtuple("Entry", ["build", "paper", "image", "parameters", "macs", "top1", "top5", "how"])

LENET, VGG, GOOGLENET, SQUEEZENET = "LeCun 1998", "1409.1556", "1409.4842", "1602.07360"
RESNET, PREACT = "1512.03385", "1603.05027"
MNIST, CIFAR, IMAGENET = (1, 28, 28), (3, 32, 32), (3, 224, 224)

CATALOGUE = {
    "lenet5": Entry(lenet.lenet5, LENET, MNIST, 61_706, 416_520, None, None, ""),
    "lenet5_1998": Entry(lenet_1998.lenet5_1998, LENET, MNIST, 60_000, 325_680, 0.95, None, "MNIST"),
    "alexnet_2012": Entry(alexnet_2012, "NIPS 2012", (3, 227, 227), 60_965_224, 724_406_816, 40.7, 18.2, "10 crops"),
    "alexnet": Entry(alexnet, "1404.5997", IMAGENET, 61_100_840, 714_188_480, None, None, ""),
    "vgg_a": Entry(vgg.vgg_a, VGG, IMAGENET, 132_863_336, 7_609_090_048, 29.6, 10.4, "dense"),
    "vgg_a_lrn": Entry(vgg.vgg_a_lrn, VGG, IMAGENET, 132_863_336, 7_609_090_048, 29.7, 10.5, "dense"),
    "vgg_b": Entry(vgg.vgg_b, VGG, IMAGENET, 133_047_848, 11_308_466_176, 28.7, 9.9, "dense"),
    "vgg_c": Entry(vgg.vgg_c, VGG, IMAGENET, 133_638_952, 11_770_888_192, 27.3, 8.8, "dense"),
    "vgg_d": Entry(vgg.vgg_d, VGG, IMAGENET, 138_357_544, 15_470_264_320, 25.6, 8.1, "dense"),
    "vgg_e": Entry(vgg.vgg_e, VGG, IMAGENET, 143_667_240, 19_632_062_464, 25.5, 8.0, "dense"),
    "vgg11": Entry(vgg.vgg11, VGG, IMAGENET, 132_863_336, 7_609_090_048, None, None, ""),
    "vgg11_bn": Entry(vgg.vgg11_bn, VGG, IMAGENET, 132_868_840, 7_609_090_048, None, None, ""),
    "vgg13": Entry(vgg.vgg13, VGG, IMAGENET, 133_047_848, 11_308_466_176, None, None, ""),
    "vgg13_bn": Entry(vgg.vgg13_bn, VGG, IMAGENET, 133_053_736, 11_308_466_176, None, None, ""),
    "vgg16": Entry(vgg.vgg16, VGG, IMAGENET, 138_357_544, 15_470_264_320, None, None, ""),
    "vgg16_bn": Entry(vgg.vgg16_bn, VGG, IMAGENET, 138_365_992, 15_470_264_320, None, None, ""),
    "vgg19": Entry(vgg.vgg19, VGG, IMAGENET, 143_667_240, 19_632_062_464, None, None, ""),
    "vgg19_bn": Entry(vgg.vgg19_bn, VGG, IMAGENET, 143_678_248, 19_632_062_464, None, None, ""),
    "googlenet_2014": Entry(googlenet_2014, GOOGLENET, IMAGENET, 13_378_280, 1_582_671_872, None, 10.07, "1 crop"),
    "googlenet": Entry(googlenet, GOOGLENET, IMAGENET, 13_004_888, 1_498_376_192, None, None, ""),
    "resnet18": Entry(resnet.resnet18, RESNET, IMAGENET, 11_689_512, 1_814_073_344, 27.88, None, "10 crops"),
    "resnet34": Entry(resnet.resnet34, RESNET, IMAGENET, 21_797_672, 3_663_761_408, 24.52, 7.46, "10 crops"),
    "resnet50": Entry(resnet.resnet50, RESNET, IMAGENET, 25_557_032, 4_089_184_256, 22.85, 6.71, "10 crops"),
    "resnet101": Entry(resnet.resnet101, RESNET, IMAGENET, 44_549_160, 7_801_405_440, 21.75, 6.05, "10 crops"),
    "resnet152": Entry(resnet.resnet152, RESNET, IMAGENET, 60_192_808, 11_513_626_624, 21.43, 5.71, "10 crops"),
    "plain18": Entry(resnet.plain18, RESNET, IMAGENET, 11_515_688, 1_794_805_760, 27.94, None, "10 crops"),
    "plain34": Entry(resnet.plain34, RESNET, IMAGENET, 21_623_848, 3_644_493_824, 28.54, 10.02, "10 crops"),
    "resnext50_32x4d": Entry(
        resnet.resnext50_32x4d, "1611.05431", IMAGENET, 25_028_904, 4_230_479_872, 22.2, None, "1 crop"
    ),
    "wide_resnet50_2": Entry(
        resnet.wide_resnet50_2, "1605.07146", IMAGENET, 68_883_240, 11_398_021_120, 21.9, 6.03, "1 crop"
    ),
    "squeezenet1_0": Entry(squeezenet1_0, SQUEEZENET, IMAGENET, 1_248_424, 818_924_576, 42.5, 19.7, "1 crop"),
    "squeezenet1_1": Entry(squeezenet1_1, SQUEEZENET, IMAGENET, 1_235_496, 349_151_936, None, None, ""),
    "resnet20": Entry(resnet_cifar.resnet20, RESNET, CIFAR, 269_722, 40_551_040, 8.75, None, "CIFAR-10"),
    "resnet32": Entry(resnet_cifar.resnet32, RESNET, CIFAR, 464_154, 68_862_592, 7.51, None, "CIFAR-10"),
    "resnet44": Entry(resnet_cifar.resnet44, RESNET, CIFAR, 658_586, 97_174_144, 7.17, None, "CIFAR-10"),
    "resnet56": Entry(resnet_cifar.resnet56, RESNET, CIFAR, 853_018, 125_485_696, 6.97, None, "CIFAR-10"),
    "resnet110": Entry(resnet_cifar.resnet110, RESNET, CIFAR, 1_727_962, 252_887_680, 6.43, None, "CIFAR-10"),
    "plain20": Entry(resnet_cifar.plain20, RESNET, CIFAR, 269_722, 40_551_040, None, None, "CIFAR-10"),
    "plain32": Entry(resnet_cifar.plain32, RESNET, CIFAR, 464_154, 68_862_592, None, None, "CIFAR-10"),
    "plain44": Entry(resnet_cifar.plain44, RESNET, CIFAR, 658_586, 97_174_144, None, None, "CIFAR-10"),
    "plain56": Entry(resnet_cifar.plain56, RESNET, CIFAR, 853_018, 125_485_696, None, None, "CIFAR-10"),
    "preact_resnet20": Entry(resnet_cifar.preact_resnet20, PREACT, CIFAR, 269_722, 40_551_040, None, None, "CIFAR-10"),
    "preact_resnet32": Entry(resnet_cifar.preact_resnet32, PREACT, CIFAR, 464_154, 68_862_592, None, None, "CIFAR-10"),
    "preact_resnet44": Entry(resnet_cifar.preact_resnet44, PREACT, CIFAR, 658_586, 97_174_144, None, None, "CIFAR-10"),
    "preact_resnet56": Entry(resnet_cifar.preact_resnet56, PREACT, CIFAR, 853_018, 125_485_696, None, None, "CIFAR-10"),
    "preact_resnet110": Entry(
        resnet_cifar.preact_resnet110, PREACT, CIFAR, 1_727_962, 252_887_680, 6.37, None, "CIFAR-10"
    ),
}


def list_models():
    """The names of all networks, sorted.

    >>> list_models()[:3]
    ['alexnet', 'alexnet_2012', 'googlenet']
    """
    return sorted(CATALOGUE)


def create(name, **kwargs):
    """The network of this name with fresh weights: create("lenet5", num_classes=5) is lenet5(num_classes=5).

    Raises: ValueError naming the nearest network if there is none of this name.

    >>> create("lenet5", num_classes=5).fc3
    Linear(in_features=84, out_features=5, bias=True)
    """
    if name not in CATALOGUE:
        nearest = difflib.get_close_matches(str(name).lower(), list_models(), n=1, cutoff=0.0)[0]
        raise ValueError(
            f"create: there is no model {name!r}; the nearest is {nearest!r}, models.list_models() names all"
        )
    return CATALOGUE[name].build(**kwargs)


class Table(dict):
    """What `table` returns: {name: Entry}; as text, the table."""

    def __str__(self):
        lines = [("network", "paper", "image", "parameters", "MACs", "top-1", "top-5", "")]
        for name, entry in self.items():
            errors = ["" if value is None else f"{value:.2f}" for value in (entry.top1, entry.top5)]
            counts = f"{entry.parameters:,}", f"{entry.macs / 1e6:,.1f} M"
            lines.append(
                (name, entry.paper, "x".join(map(str, entry.image)), *counts, *errors, entry.how if any(errors) else "")
            )
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        left = (0, 1, 2, 7)
        rows = [
            "  ".join(f"{cell:<{w}}" if i in left else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(line, widths)))
            for line in lines
        ]
        rule = "-" * len(rows[0].rstrip())
        return "\n".join([rows[0].rstrip(), rule, *(row.rstrip() for row in rows[1:])])

    __repr__ = __str__


def table():
    """All networks with their counts and the errors that their papers report, for print: `print(models.table())`.

    Returns: a dict of name and Entry (build, paper, image, parameters, macs, top1, top5, how), which prints as a table.
    """
    return Table(CATALOGUE)
