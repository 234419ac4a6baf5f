"""Why plain deep nets degrade and residual ones don't: He et al. 2015 (1512.03385), figures 1 and 6.

    python examples/degradation.py                              an hour and a half on one core: narrow nets, small images
    python examples/degradation.py --preset paper --device cuda the paper's nets and recipe: 64,000 steps each

Trains networks of 20 and 56 layers with and without shortcuts. The deep plain net ends with a higher error than the shallow one on
the *training* images too, so it isn't overfitting: it is harder to train. With shortcuts, which add no parameter, it isn't.
"""

import os
import sys

from cifar import Cifar10, fit, one_cycle, two_drops
from experiment import Results, arguments, mean_and_spread

import minitorch_cnn as mt
from minitorch_cnn import models, optim

NETWORKS = ["plain20", "plain56", "resnet20", "resnet56"]
PRESETS = {
    "quick": {"images": 10_000, "halve": 1, "width": 8, "epochs": 20, "batch_size": 64, "lr": 0.1},
    "paper": {"images": 50_000, "halve": 0, "width": 16, "epochs": 164, "batch_size": 128, "lr": 0.1},
}


def main():
    args = arguments(__doc__.split("\n")[0], PRESETS)
    cifar = Cifar10(args.data, limit=args.images)
    if args.halve:
        cifar.halve()
    schedule = {"quick": one_cycle, "paper": two_drops}[args.preset]
    results = Results(os.path.join(args.out, "results.json"), {name: getattr(args, name) for name in PRESETS["quick"]})

    def train(name, seed):
        mt.manual_seed(seed)
        model = models.create(name, width=args.width).to(args.device)
        optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
        loader = cifar.loader(args.batch_size, seed)
        return fit(model, optimizer, schedule, cifar, loader, args.epochs, seed, args.device)

    counts = f"{len(cifar.train[1]):,} training and {len(cifar.test[1]):,} test images"
    print(f"{counts}; errors of the last epoch in percent, over the seeds {args.seeds}")
    print(f"{'network':10}{'training error':>20}{'test error':>20}")
    for name in NETWORKS:
        histories = [results.run(f"{name} seed {seed}", train, name, seed) for seed in args.seeds]
        cells = []
        for which in ("train_error", "test_error"):
            mean, spread = mean_and_spread([100 * history[-1][which] for history in histories])
            cells.append(f"{mean:.2f} +- {spread:.2f}")
        print(f"{name:10}{cells[0]:>20}{cells[1]:>20}", flush=True)
    plot(results, args)


def plot(results, args):
    """As figure 6: training error thin and dashed, test error thick; plain nets left, residual ones right; a line a seed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no curves: matplotlib is not installed (pip install matplotlib)")
        return
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), ("plain", "resnet")):
        for depth, colour in ((20, "tab:orange"), (56, "tab:blue")):
            for seed in args.seeds:
                history = results.runs[f"{kind}{depth} seed {seed}"]["result"]
                epochs, first = [line["epoch"] for line in history], seed == args.seeds[0]
                for which, style, text in (("train_error", "--", "training"), ("test_error", "-", "test")):
                    label = f"{kind}-{depth}, {text}" if first else None
                    values = [100 * line[which] for line in history]
                    axes.plot(epochs, values, style, color=colour, label=label, linewidth=1 + (style == "-"), alpha=0.8)
        axes.set(xlabel="epoch", ylabel="error, %")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"Plain and residual nets of 20 and 56 layers on CIFAR-10, {len(args.seeds)} seeds")
    path = os.path.join(args.out, "degradation.png")
    figure.savefig(path, dpi=120)
    print(f"the curves: {path}")


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as problem:
        sys.exit(f"degradation: {problem}")
