"""Inception: naive against reduced modules (Szegedy et al. 2014, 1409.4842, figure 2): parameters, multiply-adds, time, error.

    python examples/inception_cost.py                               half an hour on two cores: a quarter of the width
    python examples/inception_cost.py --preset paper --device cuda  modules of the whole width, 60 epochs

Prints first what the 1x1 reductions save in GoogLeNet, module by module (`models.inception_cost()`). Then trains two small
networks on CIFAR-10 that differ in their modules alone, and compares their errors after equal training.
"""

import os
import sys
import time

import numpy as np
from cifar import Cifar10, fit, one_cycle
from experiment import Results, arguments, mean_and_spread

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import models, nn, optim
from minitorch_cnn.models.googlenet_2014 import TABLE_1, Inception

PRESETS = {
    "quick": {"images": 5000, "halve": 1, "narrower": 4, "epochs": 8, "batch_size": 64, "lr": 0.05},
    "paper": {"images": 50_000, "halve": 0, "narrower": 1, "epochs": 60, "batch_size": 128, "lr": 0.05},
}
MODULES = ["3a", "3b", "4a", "4b"]


def network(kind, narrower):
    """A 3x3 convolution, modules 3a, 3b, 4a and 4b of table 1 `narrower` times as narrow, with a pooling before 4a, a linear layer.

    Each convolution is followed by batch norm, which the paper's network has not (its authors added it a year later, 1502.03167):
    without it so short a training hardly begins. Batch norm must come before ReLU. After it, a channel that is nearly always 0
    has a running variance of nearly 0 as well, and the rare image in which it isn't makes the evaluation explode.
    """
    channels = 192 // narrower
    layers = [normed(nn.Conv2d(3, channels, 3, padding=1)), nn.ReLU()]
    for name in MODULES:
        if name == "4a":
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        module = Inception(channels, *(width // narrower for width in TABLE_1[name]), kind=kind)
        for branch, layer in list(module.named_children()):
            setattr(module, branch, normed(layer))
        channels = module.out_channels
        layers.append(module)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def normed(convolution):
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))


def main():
    args = arguments(__doc__.split("\n")[0], PRESETS)
    print(models.inception_cost())
    cifar = Cifar10(args.data, limit=args.images)
    if args.halve:
        cifar.halve()
    results = Results(os.path.join(args.out, "results.json"), {name: getattr(args, name) for name in PRESETS["quick"]})

    def train(kind, seed):
        mt.manual_seed(seed)
        model = network(kind, args.narrower).to(args.device)
        optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4)
        loader = cifar.loader(args.batch_size, seed)
        return fit(model, optimizer, one_cycle, cifar, loader, args.epochs, seed, args.device)

    size = cifar.train[0].shape[1:]
    counts = f"{len(cifar.train[1]):,} training and {len(cifar.test[1]):,} test images of {size[1]}x{size[2]}"
    print(f"\n{counts}, {args.epochs} epochs, the seeds {args.seeds}")
    print(
        f"{'modules':10}{'parameters':>12}{'MACs an image':>16}{'ms a step':>12}{'training error':>18}{'test error':>18}"
    )
    for kind in ("reduced", "naive"):
        summary = nn.summary(network(kind, args.narrower), size)
        step = results.run(f"{kind}: ms a step", milliseconds, kind, cifar, args)
        histories = [results.run(f"{kind} seed {seed}", train, kind, seed) for seed in args.seeds]
        cells = []
        for which in ("train_error", "test_error"):
            mean, spread = mean_and_spread([100 * history[-1][which] for history in histories])
            cells.append(f"{mean:.2f} +- {spread:.2f}")
        counts = f"{summary.total_params:>12,}{summary.total_macs:>16,}"
        print(f"{kind:10}{counts}{step:12.1f}{cells[0]:>18}{cells[1]:>18}", flush=True)


def milliseconds(kind, cifar, args, rounds=5):
    """The shortest time of a training step, forward and backward, on a batch."""
    model = network(kind, args.narrower).to(args.device)
    images, labels = (array[: args.batch_size] for array in cifar.train)
    images, labels = mt.Tensor(images, device=args.device), mt.Tensor(labels, device=args.device)
    best = np.inf
    for _ in range(rounds):
        began = time.perf_counter()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        loss.item()  # a GPU is done with it then
        best = min(best, time.perf_counter() - began)
    return 1e3 * best


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as problem:
        sys.exit(f"inception_cost: {problem}")
