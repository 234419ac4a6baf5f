"""How often is a network wrong? Its top-1 and top-5 error on images whose classes are known.

    python examples/evaluate.py resnet18 --weights DEFAULT --data imagenet                  imagenet/val/n01440764/….JPEG
    python examples/evaluate.py resnet18 --weights resnet18.pth --data imagenet --crops 10  from a file; ten crops of each image
    python examples/evaluate.py vgg16 --weights DEFAULT --data imagenet --dense 224 256 288 --device cuda
    python examples/evaluate.py resnet20 --weights CIFAR10                                  CIFAR-10's test images
    python examples/evaluate.py resnet18 --weights DEFAULT --images cat.jpg dog.jpg         what is on these two?

An image counts as wrong at top-5 if its class is not among the network's five most probable ones. What is shown to the network:

    --crops 1   the image scaled until its shorter side has 256 pixels, and of that the middle 224x224 (the default)
    --crops 10  the four corners and the middle, each also mirrored; their softmax is averaged (Krizhevsky et al. 2012, section 4.1)
    --dense Q   VGG's own: the whole image, its shorter side Q pixels, and its mirror image; their softmax is averaged. With several
                Q over these too: multi-scale evaluation (Simonyan, Zisserman 2014, sections 3.2 and 4.2)

Networks for CIFAR-10 and MNIST are shown the test images as they are.
"""

import argparse
import difflib
import functools
import os
import sys
import time

import numpy as np
from cifar import pixel_statistics, prepared
from tqdm import tqdm

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import data, models, train
from minitorch_cnn.models import published


def main():
    args = parse_arguments()
    path = published.find(args.model, args.weights)
    model = load(args, path).to(args.device).eval()
    prepare, answer, how = views(args, model, path)
    loader, count, dataset = (None, None, None) if args.images else find_images(args, prepare)
    print(f"network  {args.model}, {sum(p.size for p in model.parameters()):,} parameters")
    print(f"weights  {path}")
    print(f"shown    {how}")
    if args.images:
        return tell(args, answer, prepare)
    source = args.data if isinstance(dataset, data.TarShards) else dataset
    print(f"images   {'all' if count is None else f'{count:,}'} of {source}")

    errors, seconds = evaluate(answer, loader, count, args)
    if skipped := getattr(dataset, "skipped", []):  # with --skip-corrupt
        more = ["…"] * (len(skipped) > 10)
        print(f"left out, since they can't be read: {len(skipped):,}", *skipped[:10], *more, sep="\n    ")
    rates = ", ".join(f"top-{k} error {rate:.2%}" for k, rate in zip(errors.k, errors.errors()))
    print(f"{rates} of {errors.seen:,} images, {errors.seen / seconds:.1f} images per second")


def evaluate(answer, loader, count, args):
    """All images once; returns the errors, a train.TopKError, and the seconds that it took. Ctrl-C ends it early."""
    errors = train.TopKError([k for k in (1, 5) if k <= args.classes])
    began = time.perf_counter()
    with tqdm(total=count, unit=" images", disable=None) as bar, train.stop_on_ctrl_c() as stop:
        for images, labels in loader:
            rest = None if args.limit is None else args.limit - errors.seen  # shards don't know how many they hold
            errors.add(answer(images[:rest]), labels[:rest])
            bar.update(errors.seen - bar.n)
            bar.set_postfix_str(f"top-1 error {errors.errors()[0]:.1%}", refresh=False)
            if stop.requested or errors.seen == args.limit:
                break
    if stop.requested:
        print("stopped; the errors are those of the images until then")
    return errors, time.perf_counter() - began


def crops(model, device, images):
    """Probabilities (N, classes) of images (N, C, H, W); or of ten crops each, (N, 10, C, H, W), the mean of theirs."""
    x = mt.Tensor(images.reshape(-1, *images.shape[-3:]), device=device)  # (N * crops, C, H, W)
    with mt.no_grad():
        probabilities = F.softmax(model(x).double(), 1)  # in float32 the small ones would all become 0
    return probabilities.reshape(len(images), -1, probabilities.shape[1]).mean(1).numpy()


def dense(model, device, sizes, images):
    """Probabilities (1, classes) of one image as it came, uint8 (1, 3, H, W): the mean over the sizes, and over both directions."""
    (image,) = images  # one at a time, since one is wider than the other
    probabilities = []
    for size in sizes:
        x = data.ImageNetEval(resize=size, crop=None)(image)  # (3, H', W')
        both = np.stack([x, x[:, :, ::-1]])  # (2, 3, H', W')
        with mt.no_grad():
            logits = model.dense(mt.Tensor(both, device=device))  # (2, classes)
        probabilities.append(F.softmax(logits.double(), 1).numpy())
    return np.mean(probabilities, axis=(0, 1))[None]


def load(args, path):
    """The network with its weights."""
    if args.kind == "MNIST":
        model = models.create(args.model)
        model.load_weights(path)
        return model
    return models.create(args.model, weights=path, num_classes=args.classes)


def views(args, model, path):
    """What the network is shown: how images are prepared for it, the function from those to probabilities, and both in words."""
    answer = functools.partial(crops, model, args.device)
    if args.kind == "MNIST":
        mean, std = (0.0, 1.0) if args.model == "lenet5_1998" else (0.1307, 0.3081)
        return lambda x: (np.divide(x, 255, dtype=np.float32) - mean) / std, answer, "the images as they are"
    if args.kind == "CIFAR":
        # save_weights writes .npz and .safetensors; the published weights are PyTorch's
        how = args.normalise or ("pixels" if path.endswith((".npz", ".safetensors")) else "imagenet")
        prepare = pixel_mean(args) if how == "pixels" else data.normalize
        return prepare, answer, f"the images as they are, --normalise {how}"
    if args.dense:
        sizes = f"the whole image and its mirror image, shorter side {', '.join(map(str, args.dense))} pixels"
        return lambda image: image, functools.partial(dense, model, args.device, args.dense), sizes
    newer = published.PUBLISHED.get(args.model, {}).get("IMAGENET1K_V2", "").endswith("/" + os.path.basename(path))
    size = args.resize or (232 if newer else 256)  # torchvision's second weights were made for 232
    crop = models.table()[args.model].image[1]  # 224, or 227
    if crop > size:
        raise ValueError(f"--resize must be at least {crop}, the size of the crop that {args.model} takes; got {size}")
    where = f"{'ten crops' if args.crops == 10 else 'the middle'} of {crop}x{crop}"
    prepare = data.ImageNetEval(resize=size, crop=crop, ten_crop=args.crops == 10)
    return prepare, answer, f"{where}, shorter side {size} pixels"


def pixel_mean(args):
    """The preparation of cifar.py: less the mean of each pixel over the training images, over one standard deviation.

    (With --preset paper that mean is of 45,000 of the 50,000 images: some 0.1 of 255 grey levels beside this one.)
    """
    mean, std = pixel_statistics(cifar(args)(args.data, train=True).data)
    return functools.partial(prepared, mean=mean, std=std)


def cifar(args):
    return data.CIFAR100 if args.classes == 100 else data.CIFAR10


def find_images(args, prepare):
    """The batches, how many images they have (None: not known), and the data set that they come from."""
    size = 1 if args.dense else max(1, args.batch_size // args.crops)
    if args.kind == "photos" and args.data.endswith(".tar"):
        shards = data.TarShards(
            args.data, size, transform=prepare, num_workers=args.workers, skip_corrupt=args.skip_corrupt
        )
        return shards, args.limit, shards
    if args.kind == "photos":
        val = os.path.join(args.data, "val")
        folder = val if os.path.isdir(val) else args.data
        dataset = data.ImageFolder(folder, prepare, skip_corrupt=args.skip_corrupt)
        dataset.target_transform = outputs(dataset, args).__getitem__
    else:
        dataset = (data.MNIST if args.kind == "MNIST" else cifar(args))(args.data, train=False, transform=prepare)
    count = min(len(dataset), args.limit or len(dataset))
    chosen = np.arange(count) * len(dataset) // count  # folders come class by class: take some of each
    return data.DataLoader(data.Subset(dataset, chosen), size, num_workers=args.workers), count, dataset


def outputs(dataset, args):
    """The number of the network's output for each class folder, in the folders' sorted order."""
    if args.own_classes:
        if len(dataset.classes) != args.classes:
            raise ValueError(f"{dataset.root} has {len(dataset.classes)} class folders, but --classes {args.classes}")
        return range(args.classes)
    number = {str(i): i for i in range(1000)}
    for i, (synset, name) in enumerate(zip(data.imagenet_synsets(), data.imagenet_classes())):
        number[synset] = number[name] = number[name.replace(" ", "_")] = i
    strange = [name for name in dataset.classes if name not in number]
    if strange:
        raise ValueError(
            f"{dataset.root} has {len(strange)} folders that are none of ImageNet's classes: {', '.join(strange[:10])}"
            f"{', …' if len(strange) > 10 else ''}; name them by synset (n02123045), number (281) or name (tabby), or say with "
            "--classes how many classes of its own the network has"
        )
    return [number[name] for name in dataset.classes]


def tell(args, answer, prepare):
    """The five most probable classes of each file in --images."""
    names = [f"class {i}" for i in range(args.classes)] if args.own_classes else data.imagenet_classes()
    for path in args.images:
        try:
            image = data.read_image(path)
        except data.DataError as problem:
            if not args.skip_corrupt:
                raise
            print(f"\nleft out: {problem}")
            continue
        (probabilities,) = answer(prepare(image)[None])
        print(f"\n{path}")
        for i in np.argsort(-probabilities)[:5]:
            print(f"    {probabilities[i]:7.2%}  {names[i]}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", metavar="MODEL", help="resnet18, vgg16, squeezenet1_1, resnet20, lenet5 …")
    parser.add_argument(
        "--weights", metavar="FILE", required=True, help="a file, or a name: DEFAULT, IMAGENET1K_V1, CIFAR10"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="class folders, here or in DIR/val, named by synset (n02123045), number (281) or name (tabby); or .tar shards, "
        "'val-{000..009}.tar'; or where CIFAR-10 or MNIST is",
    )
    parser.add_argument("--images", nargs="+", metavar="FILE", help="tell what these show instead")
    parser.add_argument("--crops", type=int, choices=(1, 10), default=1, help="views of each image (1)")
    parser.add_argument("--dense", type=int, nargs="+", metavar="Q", help="VGG: whole images, shorter side Q: 256")
    parser.add_argument(
        "--resize", type=int, metavar="N", help="shorter side before cropping (256; torchvision's V2 weights: 232)"
    )
    parser.add_argument(
        "--classes", type=int, metavar="N", help="outputs of a network of your own classes: the folders, sorted"
    )
    parser.add_argument(
        "--normalise",
        choices=("imagenet", "pixels"),
        help="CIFAR: with ImageNet's mean, as published weights want (.pth, .th), or each pixel's, as cifar10_resnet.py's do "
        "(.npz, .safetensors)",
    )
    parser.add_argument("--skip-corrupt", action="store_true", help="leave out files that can't be read; count them")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N images, spread over the classes (shards: the first)"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", default=32, help="images or crops at once (32)")
    parser.add_argument("--workers", type=int, metavar="N", default=2, help="threads that read images ahead (2)")
    parser.add_argument("--device", default="cpu", help='"cpu", "cuda" or "cuda:1"')
    args = parser.parse_args()

    if args.model not in models.list_models():
        nearest = difflib.get_close_matches(args.model, models.list_models(), n=1, cutoff=0)[0]
        parser.error(f"unknown network {args.model!r}; the nearest known one is {nearest}")
    for name in ("resize", "classes", "limit", "batch_size"):
        if (value := getattr(args, name)) is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    if args.workers < 0:
        parser.error(f"--workers must be at least 0, got {args.workers}")
    args.kind = {28: "MNIST", 32: "CIFAR"}.get(models.table()[args.model].image[1], "photos")
    args.own_classes = args.classes is not None
    args.classes = args.classes or {"photos": 1000}.get(args.kind, 10)
    views = {"--crops 10": args.crops == 10, "--dense": args.dense, "--resize": args.resize, "--images": args.images}
    for option in (name for name, given in views.items() if given):
        if args.kind != "photos":
            parser.error(f"{option} is for photographs; {args.model} takes {args.kind}'s images, as they are")
    if args.dense and not args.model.startswith("vgg"):
        parser.error(f"--dense is VGG's way; {args.model} has no dense evaluation: --crops 10?")
    if args.dense and (args.crops == 10 or args.resize):
        parser.error("--dense shows whole images: it goes without --crops and --resize")
    if args.normalise and args.kind != "CIFAR":
        parser.error(f"--normalise is for CIFAR's networks, not for {args.model}")
    if args.kind == "MNIST" and args.classes != 10:
        parser.error(f"MNIST has 10 classes, got --classes {args.classes}")
    if args.kind == "CIFAR" and args.classes not in (10, 100):
        parser.error(f"--classes must be 10 (CIFAR-10) or 100 (CIFAR-100) for {args.model}, got {args.classes}")
    if args.kind == "photos" and bool(args.data) == bool(args.images):
        parser.error("say either with --data which images to evaluate it on, or with --images which to look at")
    if args.kind == "photos" and args.data and not args.data.endswith(".tar") and not os.path.isdir(args.data):
        parser.error(f"--data: there is no folder {args.data}")  # before weights are fetched
    if missing := [path for path in args.images or [] if not os.path.isfile(path)]:
        parser.error(f"--images: there is no file {', '.join(missing)}")
    return args


if __name__ == "__main__":
    try:
        main()
    except (mt.DeviceError, OSError, ValueError, RuntimeError) as problem:  # no such device, file, or a damaged one
        # the DataLoader's error has the file's as its cause
        cause = problem.__cause__ if type(problem) is RuntimeError else problem
        if not isinstance(cause, mt.DeviceError | OSError | ValueError):
            raise
        sys.exit(f"evaluate: {cause}{'; --skip-corrupt goes on without it' * isinstance(cause, data.DataError)}")
