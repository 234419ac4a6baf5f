"""LeNet-5 learns to read handwritten digits: 61,706 parameters, less than 1 % error on MNIST's 10,000 test images.

    python examples/lenet_mnist.py                      some two minutes on two cores
    python examples/lenet_mnist.py --model lenet5_1998  the network as it was published in 1998
    python examples/lenet_mnist.py --dataset fashion    clothes instead of digits
    python examples/lenet_mnist.py --limit 2000         the first 2,000 images only, to see that it runs

The training loop stands in `train_one_epoch`, all of it. Ctrl-C stops after the batch at hand, saves, and says how to go on.
"""

import argparse
import difflib
import os
import sys
import time

import numpy as np
from tqdm import tqdm

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import data, models, optim, train

DATASETS = {"mnist": data.MNIST, "fashion": data.FashionMNIST}
MEAN_STD = {"mnist": (0.1307, 0.3081), "fashion": (0.2860, 0.3530)}  # of the training pixels, from 0 to 1


def main():
    args, saved = parse_arguments()
    os.makedirs(args.out, exist_ok=True)
    print(f"the run's folder: {args.out}")

    mt.manual_seed(args.seed)
    model, prepare, criterion = {"lenet5": lenet5, "lenet5_1998": lenet5_1998}[args.model](args.dataset)
    fetch = args.data is None  # Fashion-MNIST; MNIST comes with the package
    train_set = DATASETS[args.dataset](args.data, train=True, transform=prepare, download=fetch)
    test_set = DATASETS[args.dataset](args.data, train=False, transform=prepare, download=fetch)
    for dataset in (train_set, test_set):
        dataset.data, dataset.targets = dataset.data[: args.limit], dataset.targets[: args.limit]
    loader = data.DataLoader(train_set, args.batch_size, shuffle=True)
    model.to(args.device)
    # lr and momentum are where they begin; the schedule moves both: lr up and down again, momentum down and up
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=args.epochs * len(loader))
    print(f"{args.model}: {sum(p.size for p in model.parameters()):,} parameters; {len(train_set):,} training images")

    run = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    history, totals = [], train.Totals()
    if saved:
        train.load_checkpoint(args.resume, **run)
        history, totals = saved["history"], train.Totals(**saved["sums"])

    began = time.perf_counter()
    checkpoint = os.path.join(args.out, "checkpoint.npz")
    with train.stop_on_ctrl_c() as stop:
        for epoch in range(len(history) + 1, args.epochs + 1):
            train_one_epoch(epoch, loader, model, criterion, optimizer, scheduler, totals, args.device, stop)
            if totals.seen == len(train_set):
                wrong = predict(model, test_set, args.device) != test_set.targets
                lr = optimizer.param_groups[0]["lr"]
                history.append({"epoch": epoch, **totals.means(), "test_error": float(wrong.mean()), "lr": lr})
                print(
                    "epoch {epoch:2}: training loss {train_loss:.4f}, training error {train_error:.2%}, "
                    "test error {test_error:.2%}".format(**history[-1])
                )
                totals = train.Totals()
            train.save_checkpoint(checkpoint, **run, settings=settings(args), history=history, sums=totals.sums())
            if stop.requested:
                where = "".join(
                    f" --{name} {value}" for name, value in (("data", args.data), ("device", args.device)) if value
                )
                print(f"\nStopped and saved. To go on:\n    python {sys.argv[0]} --resume {checkpoint}{where}")
                return
    print(f"{time.perf_counter() - began:.0f} seconds")
    report(model, test_set, history, args)


def train_one_epoch(epoch, loader, model, criterion, optimizer, scheduler, totals, device, stop):
    """Every training image once, in a new order, one small batch after the other."""
    model.train()
    bar = tqdm(total=len(loader.dataset), initial=totals.seen, desc=f"epoch {epoch}", unit=" images", disable=None)
    for images, labels in loader:
        images, labels = mt.Tensor(images, device=device), mt.Tensor(labels, device=device)

        optimizer.zero_grad()
        scores = model(images)  # (N, 1, 28, 28) -> (N, 10)
        loss = criterion(scores, labels)
        loss.backward()
        optimizer.step()
        scheduler.step()

        totals.add(loss, scores, labels)
        bar.update(len(labels))
        if totals.seen % 100 < len(labels):  # often enough to watch
            bar.set_postfix_str("loss {train_loss:.4f}, error {train_error:.2%}".format(**totals.means()))
        if stop.requested:
            break
    bar.close()


def lenet5(dataset):
    """The modern form: model, how its images are prepared, loss. It wants pixels of mean 0 and variance 1."""
    mean, std = MEAN_STD[dataset]

    def prepare(images):
        return (images.astype(np.float32) / 255 - mean) / std

    return models.lenet5(), prepare, F.cross_entropy


def lenet5_1998(dataset):
    """The published form maps pixels from 0..1 by itself, and has a loss of its own (its equation 9)."""
    return models.lenet5_1998(), None, models.map_loss


def predict(model, dataset, device):
    """The class of each image, (N,)."""
    model.eval()
    with mt.no_grad():
        batches = [
            model(mt.Tensor(images, device=device)).argmax(1).numpy() for images, _ in data.DataLoader(dataset, 500)
        ]
    return np.concatenate(batches)


def report(model, test_set, history, args):
    """Confusion matrix, mistakes, curves: on the screen and in the run's folder."""
    predictions = predict(model, test_set, args.device)
    matrix = train.confusion_matrix(test_set.targets, predictions, 10)
    names = [name.split(" - ")[0] for name in test_set.classes]  # "0 - zero" -> "0"
    print(f"\nwhat it is (rows), what it was taken for (columns):\n{train.confusion_table(matrix, names)}\n")
    train.save_history(os.path.join(args.out, "history.csv"), history)
    images = test_set.data[:, None]  # (N, 28, 28) -> (N, 1, 28, 28)
    mistakes = os.path.join(args.out, "mistakes.png")
    count = train.save_mistakes(mistakes, images, test_set.targets, predictions, names)
    print(f"the {count} images it got wrong: {mistakes}")
    curves = os.path.join(args.out, "curves.png")
    try:
        train.save_curves(curves, history, f"{args.model} on {args.dataset}")
        print(f"the curves: {curves}")
    except ImportError:
        print("no curves: matplotlib is not installed (pip install matplotlib)")
    print(f"the weights: {os.path.join(args.out, 'checkpoint.npz')}")
    print(f"test error: {history[-1]['test_error']:.2%}")


def parse_arguments():
    """The settings, and what the checkpoint to go on from holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help='"cpu", "cuda" or "cuda:1"')
    parser.add_argument("--epochs", type=int, default=10, help="how often each image is seen (10)")
    parser.add_argument(
        "--batch-size", type=int, default=32, help="images in a step (32: small batches generalise best)"
    )
    parser.add_argument(
        "--lr", type=float, help="the highest learning rate of the cycle (lenet5 0.03, lenet5_1998 0.003)"
    )
    parser.add_argument("--model", default="lenet5", help="lenet5 or lenet5_1998")
    parser.add_argument("--dataset", default="mnist", help="mnist or fashion")
    parser.add_argument("--data", help="the data's folder; MNIST comes with the package")
    parser.add_argument("--limit", type=int, help="only the first LIMIT images, of each set: to see that it runs")
    parser.add_argument("--seed", type=int, default=0, help="fixes weights and order: the same seed, the same result")
    parser.add_argument("--resume", metavar="FILE", help="go on from this checkpoint, with the settings of its run")
    parser.add_argument("--out", help="the run's folder (runs/MODEL-DATASET-TIME)")
    args, unknown = parser.parse_known_args()
    for option in unknown:
        parser.error(f"unknown option {option}{nearest(option, parser._option_string_actions)}")
    for name, known in (("model", ("lenet5", "lenet5_1998")), ("dataset", DATASETS)):
        if getattr(args, name) not in known:
            parser.error(f"unknown {name} {getattr(args, name)!r}{nearest(getattr(args, name), known)}")
    for name in ("epochs", "batch_size", "limit"):
        if (value := getattr(args, name)) is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    if args.lr is not None and not args.lr > 0:
        parser.error(f"--lr must be positive, got {args.lr}")
    if args.seed < 0:
        parser.error(f"--seed must be at least 0, got {args.seed}")
    saved = None
    if args.resume:
        saved = train.load_checkpoint(args.resume)
        if "settings" not in saved:
            parser.error(f"{args.resume} is a checkpoint of another program")
        vars(args).update(saved["settings"])
        args.out = args.out or os.path.dirname(args.resume) or "."
    if args.lr is None:
        args.lr = {"lenet5": 0.03, "lenet5_1998": 0.003}[args.model]
    args.out = args.out or os.path.join("runs", f"{args.model}-{args.dataset}-{time.strftime('%Y%m%d-%H%M%S')}")
    return args, saved


def settings(args):
    """What a run can't change while it goes on."""
    return {name: getattr(args, name) for name in ("epochs", "batch_size", "lr", "model", "dataset", "limit", "seed")}


def nearest(word, known):
    found = difflib.get_close_matches(word, known, n=1, cutoff=0)
    return f"; the nearest known one is {found[0]}" if found else ""


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as error:  # no such device, data or checkpoint, or a damaged one
        sys.exit(f"lenet_mnist: {error}")
