"""Growing a deep net from a shallow one: VGG-B from A's layers, against B from scratch (Simonyan, Zisserman 2014, section 3.1).

    python examples/vgg_warm_start.py                               ten minutes on two cores: VGGs of an eighth of the width
    python examples/vgg_warm_start.py --preset paper --device cuda  whole ones

Trains A, then B three times: from weights of the standard deviation that A began with, from A's first four convolutions and last
three fully connected layers (the rest as before), and from He's initialiser, which came later and made the trick unnecessary.
Counts the steps until the training loss has come down to where A's ended.
"""

import os
import sys

from cifar import Cifar10, PadCropFlip, error
from experiment import Results, arguments, mean_and_spread

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import models, nn, optim
from minitorch_cnn.models.vgg import TABLE_1, VGG

STARTS = {
    "A": "A from scratch",
    "B scratch": "B from scratch",
    "B from A": "B from A's layers, the rest as before",
    "B He": "B from scratch, He's initialiser",
}
PRESETS = {
    "quick": {
        "narrower": 8,
        "hidden": 128,
        "std": 0.065,
        "images": 10_000,
        "steps": 2000,
        "every": 100,
        "batch_size": 32,
        "lr": 0.01,
    },
    "paper": {
        "narrower": 1,
        "hidden": 4096,
        "std": 0.01,
        "images": 50_000,
        "steps": 30_000,
        "every": 500,
        "batch_size": 128,
        "lr": 0.01,
    },
}


def main():
    args = arguments(__doc__.split("\n")[0], PRESETS)
    cifar = Cifar10(args.data, limit=args.images)
    results = Results(os.path.join(args.out, "results.json"), {name: getattr(args, name) for name in PRESETS["quick"]})
    trained = {}

    def train(start, seed):
        mt.manual_seed(seed)
        model = network(start, args)
        if start == "B from A":
            if seed not in trained:  # A's run was found among the results: it has to be trained again
                train("A", seed)
            models.warm_start(model, trained[seed])
        mt.manual_seed(seed + 1000)  # the same images in the same order, whatever was drawn before
        history = steps(model, cifar, args, seed)
        if start == "A":
            trained[seed] = model
        return history

    counts = f"{len(cifar.train[1]):,} training and {len(cifar.test[1]):,} test images"
    print(f"{counts}, {args.steps:,} steps; means over the seeds {args.seeds}")
    print(f"{'':42}{'steps to the loss where A ends':>32}{'final loss':>16}{'test error, %':>18}")
    for start, text in STARTS.items():
        histories = [results.run(f"{start} seed {seed}", train, start, seed) for seed in args.seeds]
        ends = [results.runs[f"A seed {seed}"]["result"][-1]["loss"] for seed in args.seeds]
        needed = [reached(history, end) for history, end in zip(histories, ends)]
        steps_text = ", ".join("never" if n is None else f"{n:,}" for n in needed)
        loss, _ = mean_and_spread([history[-1]["loss"] for history in histories])
        wrong, spread = mean_and_spread([100 * history[-1]["test_error"] for history in histories])
        print(f"{text:42}{steps_text:>32}{loss:>16.3f}{wrong:>10.1f} +- {spread:.1f}", flush=True)
    plot(results, args)


def network(start, args):
    """A or B, `narrower` times as narrow.

    So narrow a net needs a larger standard deviation than the whole one's 0.01: with 0.065 A's logits start at 0.01 and B's at
    0.001, with 0.01 at 1e-11 and 1e-13, and no gradient comes back.
    """
    column = [item if item == "M" else item // args.narrower for item in TABLE_1[start[0]]]
    model = VGG(column, num_classes=10, hidden=args.hidden, pooled=1, std=args.std)
    if start == "B He":
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
    return model.to(args.device)


def steps(model, cifar, args, seed):
    """Train, and look every so many steps: a list of {step, loss}, the mean loss of those steps; the last has test_error."""
    loader = cifar.loader(args.batch_size, seed)
    augment = PadCropFlip(len(loader.dataset), seed)
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4)
    history, step, total = [], 0, 0.0
    while step < args.steps:
        epoch = loader.epoch
        for images, labels, numbers in loader:
            model.train()
            images = mt.Tensor(augment(images, numbers, epoch), device=args.device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), mt.Tensor(labels, device=args.device))
            loss.backward()
            optimizer.step()
            step, total = step + 1, total + loss.detach()
            if step % args.every == 0:
                history.append({"step": step, "loss": float(total) / args.every})
                total = 0.0
            if step == args.steps:
                break
    history[-1]["test_error"] = error(model, cifar.test, args.device)
    return history


def reached(history, loss):
    """The first step at which the loss is not above this one; None if there is none."""
    return next((line["step"] for line in history if line["loss"] <= loss), None)


def plot(results, args):
    """The loss by step, a line a seed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no curves: matplotlib is not installed (pip install matplotlib)")
        return
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for start, colour in zip(STARTS, ("0.5", "tab:blue", "tab:orange", "tab:green")):
        for seed in args.seeds:
            history = results.runs[f"{start} seed {seed}"]["result"]
            label = STARTS[start] if seed == args.seeds[0] else None
            axes.plot([line["step"] for line in history], [line["loss"] for line in history], color=colour, label=label)
    axes.set(xlabel="step", ylabel=f"training loss, mean of {args.every} steps")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    path = os.path.join(args.out, "vgg_warm_start.png")
    figure.savefig(path, dpi=120)
    print(f"the curves: {path}")


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as problem:
        sys.exit(f"vgg_warm_start: {problem}")
