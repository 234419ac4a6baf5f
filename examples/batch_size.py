"""Small batches: the test error by batch size, from 2 to 512 (Masters, Luschi 2018, 1804.07612).

    python examples/batch_size.py                               an hour on one core: a small net, 5,000 images of 16x16
    python examples/batch_size.py --preset paper --device cuda  ResNet-20 without momentum on all of CIFAR-10

As in the paper: plain SGD without momentum, the learning rate lr = m * rate grows with the batch size m, so that each image moves
the weights equally far, and the number of epochs is the same for all m. Each m is tried with several rates; the best one for it
is chosen by the error on validation images, and the error on the test images is reported for it, and for the one rate that is
best for all.
"""

import os
import sys

import numpy as np
from cifar import Cifar10, constant, fit, two_drops
from experiment import Results, arguments, mean_and_spread

import minitorch_cnn as mt
from minitorch_cnn import models, nn, optim

PRESETS = {
    "quick": {
        "images": 5000,
        "halve": 1,
        "epochs": 10,
        "batch_sizes": [2, 4, 8, 16, 32, 64, 128, 256, 512],
        "rates": [2.0**-11, 2.0**-10, 2.0**-9, 2.0**-8, 2.0**-7],
    },
    "paper": {
        "images": 45_000,
        "halve": 0,
        "epochs": 82,
        "batch_sizes": [2, 4, 8, 16, 32, 64, 128, 256, 512],
        "rates": [2.0**-12, 2.0**-11, 2.0**-10, 2.0**-9, 2.0**-8],
    },
}


def small_net():
    """Three convolutions and two linear layers for 16x16 images, 46,282 parameters; no batch norm, so m may be 2."""
    return nn.Sequential(
        *[nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)],  # (N, 16, 8, 8)
        *[nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)],  # (N, 32, 4, 4)
        *[nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Flatten()],  # (N, 512)
        *[nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10)],
    )


def main():
    args = arguments(__doc__.split("\n")[0], PRESETS)
    cifar = Cifar10(args.data, held_out=5000, limit=args.images)
    if args.halve:
        cifar.halve()
    settings = {name: getattr(args, name) for name in ("images", "halve", "epochs")}
    results = Results(os.path.join(args.out, "results.json"), settings)

    def train(size, rate, seed):
        mt.manual_seed(seed)
        model = (small_net() if args.preset == "quick" else models.resnet20()).to(args.device)
        optimizer = optim.SGD(model.parameters(), lr=size * rate)
        schedule = constant if args.preset == "quick" else two_drops
        # a last batch of a few images would move the weights once more, as far as a whole one and mostly by noise
        loader = cifar.loader(size, seed, drop_last=True)
        parts = ("validation", "test")
        with np.errstate(all="ignore"):  # some of the rates are too high, and are meant to be
            return fit(
                model, optimizer, schedule, cifar, loader, args.epochs, seed, args.device, parts, each_epoch=False
            )[-1]

    runs = {
        (size, rate, seed): results.run(f"batch {size} rate {rate:g} seed {seed}", train, size, rate, seed)
        for size in args.batch_sizes
        for rate in args.rates
        for seed in args.seeds
    }
    report(runs, args)


def errors(runs, args, size, rate, which):
    """The error of each seed, in percent."""
    return [100 * runs[size, rate, seed][which] for seed in args.seeds]


def report(runs, args):
    """A line for each batch size, and the picture."""
    validation = {
        (size, rate): mean_and_spread(errors(runs, args, size, rate, "validation_error"))[0]
        for size in args.batch_sizes
        for rate in args.rates
    }
    common = min(args.rates, key=lambda rate: sum(validation[size, rate] for size in args.batch_sizes))
    print(
        f"\n{args.images:,} training images, {args.epochs} epochs, the seeds {args.seeds}; the common rate is {common:g}"
    )
    print(
        f"{'batch':>5}{'best rate':>13}{'lr':>11}{'test error':>18}{'with the common rate':>24}   rates within 2 points of the best"
    )
    lines = {}
    for size in args.batch_sizes:
        best = min(args.rates, key=lambda rate: validation[size, rate])
        fine = [rate for rate in args.rates if validation[size, rate] < validation[size, best] + 2]
        cells = [mean_and_spread(errors(runs, args, size, rate, "test_error")) for rate in (best, common)]
        lines[size] = cells
        texts = [f"{mean:.1f} +- {spread:.1f}" for mean, spread in cells]
        print(
            f"{size:5}{best:13g}{size * best:11g}{texts[0]:>18}{texts[1]:>24}   {', '.join(f'{rate:g}' for rate in fine)}"
        )
    plot(lines, common, args)


def plot(lines, common, args):
    """Test error over batch size, with the best rate for each and with the common one."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed (pip install matplotlib)")
        return
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for which, label in enumerate(("the best rate for each", f"the rate {common:g} for all")):
        means, spreads = zip(*[cells[which] for cells in lines.values()])
        axes.errorbar(list(lines), means, spreads, marker="o", capsize=3, label=label)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="batch size m; the learning rate is m times the rate", ylabel="test error, %")
    axes.set_xticks(list(lines), [str(size) for size in lines])
    axes.grid(alpha=0.3)
    axes.legend()
    figure.suptitle(f"Small batches: {args.epochs} epochs, {len(args.seeds)} seeds (bars: the furthest seed)")
    path = os.path.join(args.out, "batch_size.png")
    figure.savefig(path, dpi=120)
    print(f"the picture: {path}")


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as problem:
        sys.exit(f"batch_size: {problem}")
