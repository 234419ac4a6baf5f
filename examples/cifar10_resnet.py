"""A residual network learns CIFAR-10: ResNet-20, 269,722 parameters (He et al. 2015, 1512.03385, section 4.2).

    python examples/cifar10_resnet.py                               half an hour on two cores
    python examples/cifar10_resnet.py --preset paper --device cuda  the paper's recipe: 64,000 steps, 8.75 % error in the paper
    python examples/cifar10_resnet.py --model resnet56              resnet20 to resnet110, plain20 to plain56, preact_resnet20 ...
    python examples/cifar10_resnet.py --limit 1000 --epochs 1       the first 1,000 images only, to see that it runs

The training loop and the augmentation are in cifar.py. Ctrl-C stops after the batch at hand, saves, and says how to go on.
"""

import argparse
import os
import sys
import time

from cifar import Cifar10, PadCropFlip, error, one_cycle, predict, train_one_epoch, two_drops

import minitorch_cnn as mt
from minitorch_cnn import models, optim, train

MODELS = [
    *[f"resnet{depth}" for depth in (20, 32, 44, 56, 110)],
    *[f"plain{depth}" for depth in (20, 32, 44, 56)],
    *[f"preact_resnet{depth}" for depth in (20, 32, 44, 56, 110)],
]


PRESETS = {
    "quick": {"epochs": 11, "lr": 0.2, "weight_decay": 5e-4, "held_out": 0},
    "paper": {"epochs": None, "lr": 0.1, "weight_decay": 1e-4, "held_out": 5000},  # 45,000 images for training
}
# the learning rate drops at 32,000 and 48,000 of them; ResNet-110 begins with 0.01 for some 400 there, which is left out here
PAPER_STEPS = 64_000


def main():
    args, saved = parse_arguments()
    os.makedirs(args.out, exist_ok=True)
    print(f"the run's folder: {args.out}")

    mt.manual_seed(args.seed)
    cifar = Cifar10(args.data, args.held_out, args.limit)
    model = models.create(args.model).to(args.device)
    loader = cifar.loader(args.batch_size)
    augment = PadCropFlip(len(cifar.train[0]), args.seed)
    epochs = args.epochs or -(-PAPER_STEPS // len(loader))
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.weight_decay)
    schedule = {"quick": one_cycle, "paper": two_drops}[args.preset]
    scheduler = schedule(optimizer, epochs * len(loader))
    parameters = sum(p.size for p in model.parameters())
    counts = f"{len(loader.dataset):,} training and {len(cifar.test[1]):,} test images"
    print(f"{args.model}: {parameters:,} parameters; {counts}, {epochs} epochs")

    run = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    history, totals = [], train.Totals()
    if saved:
        train.load_checkpoint(args.resume, **run)
        history, totals = saved["history"], train.Totals(**saved["sums"])

    began = time.perf_counter()
    checkpoint = os.path.join(args.out, "checkpoint.npz")
    with train.stop_on_ctrl_c() as stop:
        for epoch in range(len(history) + 1, epochs + 1):
            totals = train_one_epoch(model, loader, optimizer, scheduler, augment, args.device, totals, stop)
            if totals.seen == len(loader.dataset):
                line = {"epoch": epoch, **totals.means(), "test_error": error(model, cifar.test, args.device)}
                if args.held_out:
                    line["validation_error"] = error(model, cifar.validation, args.device)
                history.append({**line, "lr": optimizer.param_groups[0]["lr"]})
                print(
                    "epoch {epoch:3}: training loss {train_loss:.3f}, training error {train_error:.2%}, "
                    "test error {test_error:.2%}".format(**line)
                )
                totals = train.Totals()
            train.save_checkpoint(checkpoint, **run, settings=settings(args), history=history, sums=totals.sums())
            if stop.requested:
                print(f"\nStopped and saved. To go on:\n    python {sys.argv[0]} --resume {checkpoint}{place(args)}")
                return
    print(f"{time.perf_counter() - began:.0f} seconds")
    report(model, cifar, history, args)


def report(model, cifar, history, args):
    """Confusion matrix, mistakes, curves: on the screen and in the run's folder."""
    labels, names = cifar.test[1], cifar.classes
    predictions = predict(model, cifar.test[0], args.device)
    matrix = train.confusion_matrix(labels, predictions, len(names))
    print(f"\nwhat it is (rows), what it was taken for (columns):\n{train.confusion_table(matrix, names)}\n")
    train.save_history(os.path.join(args.out, "history.csv"), history)
    train.save_mistakes(os.path.join(args.out, "mistakes.png"), cifar.raw_test, labels, predictions, names)
    try:
        train.save_curves(os.path.join(args.out, "curves.png"), history, f"{args.model} on CIFAR-10")
    except ImportError:
        print("no curves: matplotlib is not installed (pip install matplotlib)")
    model.save_weights(os.path.join(args.out, "weights.npz"))
    print(f"the weights: {os.path.join(args.out, 'weights.npz')}")
    print(f"test error: {history[-1]['test_error']:.2%}")


def parse_arguments():
    """The settings, and what the checkpoint to go on from holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--preset", choices=PRESETS, default="quick", help="quick: half an hour on two cores; paper: its recipe"
    )
    parser.add_argument("--model", choices=MODELS, default="resnet20", metavar="MODEL", help=f"{', '.join(MODELS)}")
    parser.add_argument("--data", help="the folder that holds CIFAR-10")
    parser.add_argument("--device", default="cpu", help='"cpu", "cuda" or "cuda:1"')
    parser.add_argument("--epochs", type=int, help="how often each image is seen (quick: 11, paper: 64,000 steps)")
    parser.add_argument("--batch-size", type=int, default=128, help="images in a step (128)")
    parser.add_argument("--lr", type=float, help="the highest learning rate (quick: 0.2, paper: 0.1)")
    parser.add_argument("--weight-decay", type=float, help="(quick: 5e-4, paper: 1e-4)")
    parser.add_argument("--held-out", type=int, help="training images for validation instead (quick: 0, paper: 5000)")
    parser.add_argument("--limit", type=int, help="only the first LIMIT images, of each set: to see that it runs")
    parser.add_argument("--seed", type=int, default=0, help="fixes weights, order and augmentation")
    parser.add_argument("--resume", metavar="FILE", help="go on from this checkpoint, with the settings of its run")
    parser.add_argument("--out", help="the run's folder (runs/MODEL-cifar10-TIME)")
    args = parser.parse_args()
    saved = None
    if args.resume:
        saved = train.load_checkpoint(args.resume)
        if "settings" not in saved or "held_out" not in saved["settings"]:
            parser.error(f"{args.resume} is a checkpoint of another program")
        vars(args).update(saved["settings"])
        args.out = args.out or os.path.dirname(args.resume) or "."
    for name, value in PRESETS[args.preset].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.out = args.out or os.path.join("runs", f"{args.model}-cifar10-{time.strftime('%Y%m%d-%H%M%S')}")
    return args, saved


def settings(args):
    """What a run can't change while it goes on."""
    names = ("preset", "model", "epochs", "batch_size", "lr", "weight_decay", "held_out", "limit", "seed")
    return {name: getattr(args, name) for name in names}


def place(args):
    """The options that say where, for the command that goes on."""
    return "".join(f" --{name} {value}" for name, value in (("data", args.data), ("device", args.device)) if value)


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as problem:  # no such device, data or checkpoint, or a damaged one
        sys.exit(f"cifar10_resnet: {problem}")
