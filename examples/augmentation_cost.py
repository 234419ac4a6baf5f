"""Augment on the batch or in advance, whichever you can spare, time or disk: what each costs, and what it brings.

    python examples/augmentation_cost.py                               half an hour on one core: 5,000 images of each kind
    python examples/augmentation_cost.py --preset paper --device cuda  all images, 100 epochs

LeNet-5 on MNIST and a small net on CIFAR-10 are trained in three ways:

    none        the images as they are
    on batch    every image is changed anew in each epoch, and training waits for it
    in advance  `copies` changed copies of each image are written to disk first; epoch e reads copy e modulo copies

Printed are the error on the test images, the seconds of an epoch, those of the preparation, and the bytes on disk.
"""

import os
import sys
import time

import numpy as np
from cifar import one_cycle
from experiment import Results, arguments, mean_and_spread

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import augment, data, models, nn, optim

PRESETS = {
    "quick": {"images": 5000, "epochs": 30, "copies": 5, "batch_size": 64},
    "paper": {"images": 60_000, "epochs": 100, "copies": 10, "batch_size": 64},
}
WAYS = ("none", "on batch", "in advance")


class Digits:
    """MNIST for LeNet-5: turned, moved, scaled and bent a little, as handwriting varies (Simard, Steinkraus, Platt 2003)."""

    name, lr, mean, std = "LeNet-5, MNIST", 0.05, (0.1307,), (0.3081,)
    recipe = augment.Compose(
        [
            augment.Affine(8, translate=(0.05, 0.05), scale=(0.92, 1.08), shear=4, interpolation="bilinear"),
            augment.ElasticTransform(alpha=24.0, sigma=4.0),
        ]
    )

    @staticmethod
    def load(folder, train):
        """Images (N, 1, 28, 28) uint8, labels (N,)."""
        dataset = data.MNIST(train=train)
        return dataset.data[:, None], dataset.targets

    @staticmethod
    def model():
        return models.lenet5()


class Objects:
    """CIFAR-10 for a small net: shifted by up to 4 pixels, mirrored, a square hidden (DeVries, Taylor 2017)."""

    name, lr, mean, std = "small net, CIFAR-10", 0.1, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    recipe = augment.Compose(
        [augment.RandomCrop(32, padding=4), augment.HorizontalFlip(), augment.Cutout(12, fill=120)]
    )

    @staticmethod
    def load(folder, train):
        dataset = data.CIFAR10(folder, train=train)
        return dataset.data, dataset.targets

    @staticmethod
    def model():
        """Four convolutions with batch norm and a linear layer, 63,258 parameters."""
        layers, channels = [], 3
        for width in (16, 32, 64, 64):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))  # 32, 16, 8, 4, 2 pixels a side
            channels = width
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * channels, 10))


def main():
    args = arguments(__doc__.split("\n")[0], PRESETS)
    results = Results(os.path.join(args.out, "results.json"), {name: getattr(args, name) for name in PRESETS["quick"]})
    print(
        f"{args.images:,} training images at most, {args.epochs} epochs, {args.copies} copies, the seeds {args.seeds}"
    )
    print(
        f"{'network':21}{'images':12}{'test error, %':>16}{'s an epoch':>12}{'s in advance':>14}{'bytes on disk':>16}"
    )
    for task in (Digits, Objects):
        for way in WAYS:
            runs = [results.run(f"{task.name}, {way}, seed {s}", run, task, way, s, args) for s in args.seeds]
            error, spread = mean_and_spread([100 * run["test_error"] for run in runs])
            epoch, before = (min(run[key] for run in runs) for key in ("epoch_seconds", "advance_seconds"))
            cells = f"{f'{error:.2f} +- {spread:.2f}':>16}{epoch:12.1f}{before:14.1f}{runs[0]['bytes']:16,}"
            print(f"{task.name:21}{way:12}{cells}", flush=True)


def run(task, way, seed, args):
    """Train once; the error on the test images, and what it took."""
    mt.manual_seed(seed)
    images, labels = (part[: args.images] for part in task.load(args.data, train=True))
    dataset = data.TensorDataset(images, labels)
    result, copies = {"advance_seconds": 0.0, "bytes": images.nbytes}, None  # of the images as they are
    if way == "in advance":
        began = time.perf_counter()
        folder = os.path.join(args.out, f"copies of {task.name}, seed {seed}")
        copies = augment.pregenerate(dataset, task.recipe, args.copies, folder, seed=seed)
        result["advance_seconds"] = time.perf_counter() - began
        result["bytes"] = sum(os.path.getsize(os.path.join(folder, file)) for file in os.listdir(folder))
    prepare = augment.Normalize(task.mean, task.std)
    numbers = data.TensorDataset(np.arange(len(labels)))
    loader = data.DataLoader(numbers, args.batch_size, shuffle=True, drop_last=True, seed=seed)
    model = task.model().to(args.device)
    optimizer = optim.SGD(model.parameters(), lr=task.lr, momentum=0.9, weight_decay=5e-4)
    scheduler = one_cycle(optimizer, args.epochs * len(loader))
    seconds = []
    for epoch in range(args.epochs):
        began = time.perf_counter()
        model.train()
        for (ids,) in loader:
            if way == "in advance":
                batch, target = copies.batch(epoch % args.copies * len(labels) + ids)
            else:
                batch, target = dataset.batch(ids)
            if way == "on batch":
                batch = task.recipe(batch, ids=ids, epoch=epoch, seed=seed)
            batch = mt.Tensor(prepare(batch), device=args.device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(batch), mt.Tensor(target, device=args.device))
            loss.backward()
            optimizer.step()
            scheduler.step()
        loss.item()  # a GPU is done with it then
        seconds.append(time.perf_counter() - began)
    return {**result, "epoch_seconds": min(seconds), "test_error": test_error(model, task, prepare, args)}


def test_error(model, task, prepare, args):
    images, labels = (part[: args.images] for part in task.load(args.data, train=False))
    model.eval()
    wrong = 0
    with mt.no_grad():
        for start in range(0, len(labels), 500):
            batch = mt.Tensor(prepare(images[start : start + 500]), device=args.device)
            wrong += int((model(batch).argmax(1).numpy() != labels[start : start + 500]).sum())
    return wrong / len(labels)


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError) as problem:
        sys.exit(f"augmentation_cost: {problem}")
