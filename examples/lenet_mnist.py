"""LeNet-5 learns to read handwritten digits: 61,706 parameters, less than 1 % error on MNIST's 10,000 test images.

    python examples/lenet_mnist.py                      some two minutes on two cores
    python examples/lenet_mnist.py --best               a quarter of an hour: distorted digits, averaged weights, less than 0.4 %
    python examples/lenet_mnist.py --model lenet5_1998  the network as it was published in 1998
    python examples/lenet_mnist.py --dataset fashion    clothes instead of digits
    python examples/lenet_mnist.py --limit 2000         the first 2,000 images only, to see that it runs

The training loop stands in `train_one_epoch`, all of it. `--best` bends and turns the digits anew in each epoch (Simard,
Steinkraus, Platt 2003), and tests an average of the last steps' weights, which looks at each test digit in 16 distortions. Ctrl-C
stops after the batch at hand, saves, and says how to go on.
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
from minitorch_cnn import augment, data, models, optim, train

DATASETS = {"mnist": data.MNIST, "fashion": data.FashionMNIST}
MEAN_STD = {"mnist": (0.1307, 0.3081), "fashion": (0.2860, 0.3530)}  # of the training pixels, from 0 to 1
RECIPES = {  # lr is the highest of the cycle
    "lenet5": {"epochs": 10, "batch_size": 32, "lr": 0.03},  # small batches generalise best
    "lenet5_1998": {"epochs": 10, "batch_size": 32, "lr": 0.003},
    "best": {"epochs": 60, "batch_size": 128, "lr": 0.004},
}


def distortions(strength):
    """What a hand may do to a digit without making another of it (Simard, Steinkraus, Platt 2003)."""
    return augment.Compose(
        [
            augment.Affine(
                9 * strength,
                translate=(0.05 * strength, 0.05 * strength),
                scale=(1 - 0.1 * strength, 1 + 0.1 * strength),
                shear=5 * strength,
                interpolation="bilinear",
            ),
            augment.ElasticTransform(alpha=30 * strength, sigma=4.0),  # pixels by 0.6 of one, neighbours together
        ]
    )


DISTORTIONS = distortions(1)  # in training
VIEWS, VIEW = 16, distortions(0.5)  # of each test digit: so many views, over which `--best` averages


def main():
    args, saved = parse_arguments()
    os.makedirs(args.out, exist_ok=True)
    print(f"the run's folder: {args.out}")

    mt.manual_seed(args.seed)
    model, prepare, criterion = {"lenet5": lenet5, "lenet5_1998": lenet5_1998}[args.model](args.dataset)
    model.to(args.device)
    train_set, test_set, classes = load(args)
    loader = data.DataLoader(train_set, args.batch_size, shuffle=True)
    # lr and momentum are where they begin; the schedule moves both: lr up and down again, momentum down and up
    if args.best:
        optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    else:
        optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=args.epochs * len(loader))
    print(f"{args.model}: {sum(p.size for p in model.parameters()):,} parameters; {len(train_set):,} training images")

    run = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    tested = model
    if args.best:
        # over the last fiftieth of all steps or so: of 60 epochs a little more than one
        run["average"] = optim.ExponentialMovingAverage(model, decay=max(0, 1 - 50 / (args.epochs * len(loader))))
        tested = run["average"].module
    history, totals = [], train.Totals()
    if saved:
        train.load_checkpoint(args.resume, **run)
        history, totals = saved["history"], train.Totals(**saved["sums"])

    began = time.perf_counter()
    checkpoint = os.path.join(args.out, "checkpoint.npz")
    with train.stop_on_ctrl_c() as stop:
        for epoch in range(len(history) + 1, args.epochs + 1):
            train_one_epoch(epoch, run, prepare, criterion, totals, args, stop)
            if totals.seen == len(train_set):
                images, labels, _ = test_set.tensors
                wrong = predict(tested, images, prepare, args.device).argmax(1) != labels
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
    scores = (predict_views if args.best else predict)(tested, test_set.tensors[0], prepare, args.device)
    print(f"{time.perf_counter() - began:.0f} seconds")
    report(scores.argmax(1), test_set, classes, history, args)


def train_one_epoch(epoch, run, prepare, criterion, totals, args, stop):
    """Every training image once, in a new order, one small batch after the other."""
    model, optimizer, scheduler, loader = (run[name] for name in ("model", "optimizer", "scheduler", "loader"))
    model.train()
    bar = tqdm(total=len(loader.dataset), initial=totals.seen, desc=f"epoch {epoch}", unit=" images", disable=None)
    for images, labels, numbers in loader:
        if args.best:
            images = DISTORTIONS(images, ids=numbers, epoch=epoch, seed=args.seed)  # each digit otherwise in each epoch
        images, labels = mt.Tensor(prepare(images), device=args.device), mt.Tensor(labels, device=args.device)

        optimizer.zero_grad()
        scores = model(images)  # (N, 1, 28, 28) -> (N, 10)
        loss = criterion(scores, labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        if args.best:
            run["average"].update_parameters(model)

        totals.add(loss, scores, labels)
        bar.update(len(labels))
        if totals.seen % 100 < len(labels):  # often enough to watch
            bar.set_postfix_str("loss {train_loss:.4f}, error {train_error:.2%}".format(**totals.means()))
        if stop.requested:
            break
    bar.close()


def load(args):
    """What is trained on and what is tested with, each (images (N, 1, 28, 28) uint8, labels, the images' numbers); the classes."""
    fetch = args.data is None  # Fashion-MNIST; MNIST comes with the package
    trained, tested = (DATASETS[args.dataset](args.data, train=part, download=fetch) for part in (True, False))
    order, held_out = np.arange(len(trained)), np.arange(len(tested))
    if args.held_out:
        order = np.random.default_rng(0).permutation(len(trained))
        order, held_out, tested = order[: -args.held_out], order[-args.held_out :], trained
    parts = ((trained, order[: args.limit]), (tested, held_out[: args.limit]))
    train_set, test_set = (
        data.TensorDataset(dataset.data[chosen][:, None], dataset.targets[chosen], np.arange(len(chosen)))
        for dataset, chosen in parts
    )
    return train_set, test_set, [name.split(" - ")[0] for name in trained.classes]  # "0 - zero" -> "0"


def lenet5(dataset):
    """The modern form: model, how its images are prepared, loss. It wants pixels of mean 0 and variance 1."""
    mean, std = MEAN_STD[dataset]

    def prepare(images):
        return (images.astype(np.float32) / 255 - mean) / std

    return models.lenet5(), prepare, F.cross_entropy


def lenet5_1998(dataset):
    """The published form maps pixels from 0..1 by itself, and has a loss of its own (its equation 9)."""
    return models.lenet5_1998(), lambda images: np.divide(images, 255, dtype=np.float32), models.map_loss


def predict(model, images, prepare, device):
    """The scores of each image, (N, 10)."""
    model.eval()
    with mt.no_grad():
        batches = [
            model(mt.Tensor(prepare(images[i : i + 500]), device=device)).numpy() for i in range(0, len(images), 500)
        ]
    return np.concatenate(batches)


def predict_views(model, images, prepare, device):
    """The mean probabilities of each image over several distortions of it, (N, 10), as AlexNet took the mean of ten crops."""
    numbers, mean = np.arange(len(images)), 0
    for view in range(VIEWS):
        scores = predict(model, VIEW(images, ids=numbers, epoch=view, seed=0), prepare, device)
        mean = mean + F.softmax(mt.Tensor(scores), dim=1).numpy() / VIEWS
    return mean


def report(predictions, test_set, classes, history, args):
    """Confusion matrix, mistakes, curves: on the screen and in the run's folder."""
    images, labels, _ = test_set.tensors
    matrix = train.confusion_matrix(labels, predictions, 10)
    print(f"\nwhat it is (rows), what it was taken for (columns):\n{train.confusion_table(matrix, classes)}\n")
    train.save_history(os.path.join(args.out, "history.csv"), history)
    mistakes = os.path.join(args.out, "mistakes.png")
    count = train.save_mistakes(mistakes, images, labels, predictions, classes)
    print(f"the {count} images it got wrong: {mistakes}")
    curves = os.path.join(args.out, "curves.png")
    try:
        train.save_curves(curves, history, f"{args.model} on {args.dataset}")
        print(f"the curves: {curves}")
    except ImportError:
        print("no curves: matplotlib is not installed (pip install matplotlib)")
    print(f"the weights: {os.path.join(args.out, 'checkpoint.npz')}")
    if args.best:
        error = history[-1]["test_error"]
        print(f"from each digit as it is: {error:.2%}; from the mean over {VIEWS} distorted views of each:")
    print(f"test error: {np.mean(predictions != labels):.2%}")


def parse_arguments():
    """The settings, and what the checkpoint to go on from holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help='"cpu", "cuda" or "cuda:1"')
    parser.add_argument(
        "--best",
        action="store_true",
        help="distorted digits, averaged weights, more epochs, 16 views of each test digit",
    )
    parser.add_argument("--epochs", type=int, help="how often each image is seen (10; best 60)")
    parser.add_argument("--batch-size", type=int, help="images in a step (32: small batches generalise best; best 128)")
    parser.add_argument(
        "--lr", type=float, help="the highest learning rate of the cycle (lenet5 0.03, lenet5_1998 0.003, best 0.004)"
    )
    parser.add_argument("--model", default="lenet5", help="lenet5 or lenet5_1998")
    parser.add_argument("--dataset", default="mnist", help="mnist or fashion")
    parser.add_argument("--data", help="the data's folder; MNIST comes with the package")
    parser.add_argument(
        "--held-out", type=int, default=0, help="test with so many of the training images instead: to tune settings"
    )
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
    if not 0 <= args.held_out < 60_000:
        parser.error(f"--held-out must be from 0 to 59999, so that some of the 60,000 are left; got {args.held_out}")
    saved = None
    if args.resume:
        saved = train.load_checkpoint(args.resume)
        if "settings" not in saved:
            parser.error(f"{args.resume} is a checkpoint of another program")
        vars(args).update(saved["settings"])
        args.out = args.out or os.path.dirname(args.resume) or "."
    if args.best and (args.model, args.dataset) != ("lenet5", "mnist"):
        parser.error("--best is a recipe for lenet5 on mnist; leave out --model and --dataset, or --best")
    for name, value in RECIPES["best" if args.best else args.model].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.out = args.out or os.path.join("runs", f"{args.model}-{args.dataset}-{time.strftime('%Y%m%d-%H%M%S')}")
    return args, saved


def settings(args):
    """What a run can't change while it goes on."""
    names = ("best", "epochs", "batch_size", "lr", "model", "dataset", "held_out", "limit", "seed")
    return {name: getattr(args, name) for name in names}


def nearest(word, known):
    found = difflib.get_close_matches(word, known, n=1, cutoff=0)
    return f"; the nearest known one is {found[0]}" if found else ""


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as error:  # no such device, data or checkpoint, or a damaged one
        sys.exit(f"lenet_mnist: {error}")
