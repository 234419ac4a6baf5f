"""How fast the augmentations are: images a second, as a ratio to albumentations' and torchvision's.

    python benchmarks/augment.py                      every row, batches of 64 at 32x32 and 224x224
    python benchmarks/augment.py --only affine blur   the rows whose name holds one of these words
    python benchmarks/augment.py --smoke              each row once, to see that it runs; the numbers mean nothing

A ratio above 1 is faster than the other. All take uint8 and use two threads, in turns; the shortest time over the rounds counts.
Ours and torchvision's take the batch (N, C, H, W). Ours draws parameters for each image, torchvision one set for all: it turns
every image by the same angle. So it is also timed image by image ("one by one"), which is the same work as ours.
albumentations takes one image (H, W, C) after the other, and the time to stack them to a batch is not counted. Everything is
applied to every image, also what is usually applied to half of them.
"""

import argparse
import time

import numpy as np

import minitorch_cnn as mt
from minitorch_cnn import augment as ours

BATCH, THREADS = 64, 2
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def rows(size):
    """name -> (ours, albumentations', torchvision's, the ratio to reach, to which); None where the library has no such thing.

    albumentations' is a transform for images (H, W, C), torchvision's one for a batch.
    """
    import albumentations as A
    import torch
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import InterpolationMode

    line = {"interpolation": InterpolationMode.BILINEAR}
    crop, larger = size * 7 // 8, size * 8 // 7
    floats = v2.ToDtype(torch.float32, scale=True)
    both, one = ("the faster", 1.0), ("albumentations", 0.5)
    return {
        "flip": (ours.HorizontalFlip(1.0), A.HorizontalFlip(p=1), v2.RandomHorizontalFlip(1.0), *both),
        "crop": (ours.RandomCrop(crop), A.RandomCrop(crop, crop), v2.RandomCrop(crop), *both),
        "pad": (ours.Pad(4), A.Pad(4), v2.Pad(4), *both),
        "normalise": (
            ours.Normalize(MEAN, STD),
            A.Normalize(MEAN, STD),
            v2.Compose([floats, v2.Normalize(MEAN, STD)]),
            *both,
        ),
        "cutout": (
            ours.Cutout(size // 2),
            A.CoarseDropout((1, 1), (0.5, 0.5), (0.5, 0.5), p=1),
            v2.RandomErasing(1.0, (0.25, 0.25), (1, 1)),
            *both,
        ),
        "brightness, contrast": (
            ours.ColorJitter(0.2, 0.2),
            A.RandomBrightnessContrast(p=1),
            v2.ColorJitter(0.2, 0.2),
            *both,
        ),
        "mixup": (ours.Mixup(num_classes=10), None, v2.MixUp(num_classes=10), *both),
        "cutmix": (ours.CutMix(num_classes=10), None, v2.CutMix(num_classes=10), *both),
        "affine": (
            ours.Affine(15, (0.1, 0.1), (0.9, 1.1), 5, interpolation="bilinear"),
            A.Affine((0.9, 1.1), (-0.1, 0.1), rotate=(-15, 15), shear=(-5, 5), p=1),
            v2.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), 5, **line),
            *one,
        ),
        "rotate": (
            ours.Rotate(30, interpolation="bilinear"),
            A.Rotate(30, p=1),
            v2.RandomRotation(30, **line),
            *one,
        ),
        "elastic": (
            ours.ElasticTransform(),
            A.ElasticTransform(25, 5, p=1),
            v2.ElasticTransform(),
            *one,
        ),
        "blur 5x5": (
            ours.GaussianBlur(5, (0.5, 2.0)),
            A.GaussianBlur((5, 5), (0.5, 2.0), p=1),
            v2.GaussianBlur(5, (0.5, 2.0)),
            *one,
        ),
        "resize": (
            ours.Resize((larger, larger), antialias=False),
            A.Resize(larger, larger),
            v2.Resize((larger, larger), antialias=False),
            *one,
        ),
        "random resized crop": (
            ours.RandomResizedCrop(size, antialias=False),
            A.RandomResizedCrop((size, size)),
            v2.RandomResizedCrop(size, antialias=False),
            *one,
        ),
        "CIFAR recipe": (
            ours.Compose(
                [
                    ours.RandomCrop(size, padding=size // 8),
                    ours.HorizontalFlip(1.0),
                    ours.Cutout(size // 2),
                    ours.Normalize(MEAN, STD),
                ]
            ),
            A.Compose(
                [
                    A.Pad(size // 8),
                    A.RandomCrop(size, size),
                    A.HorizontalFlip(p=1),
                    A.CoarseDropout((1, 1), (0.5, 0.5), (0.5, 0.5), p=1),
                    A.Normalize(MEAN, STD),
                ]
            ),
            v2.Compose(
                [
                    v2.RandomCrop(size, padding=size // 8),
                    v2.RandomHorizontalFlip(1.0),
                    v2.RandomErasing(1.0, (0.25, 0.25), (1, 1)),
                    floats,
                    v2.Normalize(MEAN, STD),
                ]
            ),
            "the faster",
            5.0 if size == 32 else 1.0,
        ),
    }


def contestants(row, images, labels):
    """name -> a function without arguments that augments the whole batch."""
    import torch

    mine, per_image, on_batch, *_ = row
    mixes = per_image is None
    tensor, classes = torch.from_numpy(images), torch.from_numpy(labels)
    single = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in images]
    epochs = iter(range(10**9))
    result = {"ours": lambda: mine(images, labels if mixes else None, epoch=next(epochs), seed=0)}
    if per_image is not None:
        result["albumentations"] = lambda: [per_image(image=image)["image"] for image in single]
    if mixes:
        as_float = tensor.float() / 255  # torchvision mixes floats only
        result["torchvision"] = lambda: on_batch(as_float, classes)
    else:
        result["torchvision"] = lambda: on_batch(tensor).contiguous()  # a crop is a view, and the work is done later
        result["one by one"] = lambda: [on_batch(image) for image in tensor]
    return result


def shortest(functions, rounds, sample):
    """name -> seconds, the functions in turns."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(0.02 if sample else 0)  # the other's threads spin for a while
            end = time.perf_counter() + sample
            while True:
                began = time.perf_counter()
                function()
                now = time.perf_counter()
                best[name] = min(best[name], now - began)
                if now >= end:
                    break
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose name holds one of these words")
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 224], help="sides of the images (32 224)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds a row (20)")
    parser.add_argument("--smoke", action="store_true", help="one round a row: only see that everything runs")
    args = parser.parse_args()
    rounds, sample = (1, 0) if args.smoke else (args.rounds, 0.1)

    import cv2
    import torch

    mt.set_num_threads(THREADS)
    cv2.setNumThreads(THREADS)
    torch.set_num_threads(THREADS)
    print(f"batches of {BATCH} uint8 images, {THREADS} threads each; ratio: images a second, ours to the other's")
    others = ("albumentations", "torchvision", "one by one")
    print(f"{'':32}{'ours, ms':>10}{''.join(f'{name:>16}' for name in others)}{'reach':>8}")
    for size in args.sizes:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (BATCH, 3, size, size), dtype=np.uint8)
        labels = rng.integers(0, 10, BATCH)
        for name, row in rows(size).items():
            if not any(word in name for word in args.only):
                continue
            best = shortest(contestants(row, images, labels), rounds, sample)
            to, reach = row[3:]
            ratio = {other: seconds / best["ours"] for other, seconds in best.items() if other != "ours"}
            against = ratio[to] if to in ratio else min(ratio[name] for name in others[:2] if name in ratio)
            cells = "".join(f"{ratio[name]:16.2f}" if name in ratio else " " * 16 for name in others)
            met = "" if against >= reach else "  not reached"
            print(f"{f'{name}, {size}x{size}':32}{best['ours'] * 1e3:10.2f}{cells}{reach:>8g}{met}", flush=True)


if __name__ == "__main__":
    main()
