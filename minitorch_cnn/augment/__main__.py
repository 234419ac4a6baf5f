"""`python -m minitorch_cnn.augment IMAGE --transform "HorizontalFlip()"`: a picture of what augmentations do.

Writes a contact sheet, a PNG: a row for each transform, with the image itself and then what becomes of it in epoch 0, 1, 2 ...
IMAGE is an image file, a folder of them, or one of the data sets mnist, fashion-mnist, cifar10, cifar100.
"""

import argparse
import ast
import difflib
import io
import os
import sys

from .. import augment, data
from ..backend.files import write_beside
from .sheet import contact_sheet, draw_rows
from .transform import Transform

DATASETS = {
    "mnist": data.MNIST,
    "fashion-mnist": data.FashionMNIST,
    "cifar10": data.CIFAR10,
    "cifar100": data.CIFAR100,
}
EXAMPLE = "Compose([RandomCrop(32, padding=4), HorizontalFlip()])"


def main(arguments=None):
    """Write the sheet; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m minitorch_cnn.augment", description="A contact sheet of what augmentations make of images."
    )
    parser.add_argument("image", help=f"an image file, a folder of images, or a data set: {', '.join(DATASETS)}")
    parser.add_argument(
        "--transform", action="append", required=True, metavar="T", help=f"such as '{EXAMPLE}'; again for another row"
    )
    parser.add_argument("--draws", type=at_least_one, default=8, help="how often each is drawn (default: 8)")
    parser.add_argument("--images", type=at_least_one, default=3, help="how many of a folder or data set (default: 3)")
    parser.add_argument(
        "--size", type=at_least_one, default=160, help="pixels of a picture's longer side (default: 160)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random parameters (default: 0)")
    parser.add_argument("--out", default="sheet.png", help="the PNG file to write (default: sheet.png)")
    options = parser.parse_args(arguments)
    try:
        transforms = [parse(text) for text in options.transform]
        files = image_files(options.image, options.images)
        check_out(options.out, files)
        images = [data.read_image(file) for file in files] or of_data_set(options.image, options.images)
        sections = []
        for text, transform in zip(options.transform, transforms):
            sections.append((" ".join(text.split()), draw_rows(transform, images, options.draws, options.seed)))
        sheet = contact_sheet(sections, options.size)
        png = io.BytesIO()
        sheet.save(png, "PNG")
        write_beside(options.out, lambda file: file.write(png.getbuffer()))
    except (ValueError, TypeError, OverflowError, OSError, MemoryError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {sheet.width} x {sheet.height} pixels")
    return 0


def at_least_one(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {number}")
    return number


# the transform --------------------------------------------------------------------------------------------------------


def parse(text):
    """The transform that an expression describes. Nothing in it runs but the transforms' own constructors.

    An expression is a name of minitorch_cnn.augment, called with numbers, texts, tuples and lists of them, and with such calls.
    Raises: ValueError, naming what else is in it.

    >>> parse("Compose([RandomCrop(32, padding=4), HorizontalFlip(p=0.5)])").transforms[1]
    HorizontalFlip(p=0.5)
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if not isinstance(tree, ast.Call):
            raise ValueError(f"{shown(tree)} must be a transform, called, such as {EXAMPLE}")
        return value_of(tree)
    except SyntaxError as error:
        place = (error.offset or 1) - 1
        raise ValueError(f"--transform: {error.msg} at {text.strip()[place : place + 20]!r} in {text[:60]!r}") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"--transform: {text[:60]!r} is nested too deeply") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"--transform: {error}") from error


def value_of(node):
    if isinstance(node, ast.Call):
        kind = transform_class(node.func)
        unpacked = [a for a in node.args if isinstance(a, ast.Starred)] + [k for k in node.keywords if k.arg is None]
        if unpacked:
            raise ValueError(f"{kind.__name__}: arguments must be written out, not unpacked with *: {shown(node)}")
        try:
            return kind(*map(value_of, node.args), **{k.arg: value_of(k.value) for k in node.keywords})
        except (TypeError, OverflowError) as error:  # such as an option that it hasn't, or a number of 400 digits
            text = str(error).replace(f"{kind.__name__}.__init__()", kind.__name__)
            raise ValueError(text if kind.__name__ in text else f"{kind.__name__}: {text}") from error
    if isinstance(node, ast.List | ast.Tuple):
        values = [value_of(element) for element in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"{shown(node)} is neither a number, text, list nor a call of a transform") from None


def transform_class(node):
    known = {name: value for name, value in vars(augment).items() if is_transform(value)}
    if not isinstance(node, ast.Name) or node.id not in known:
        near = difflib.get_close_matches(shown(node), known, 1, 0.7)
        remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
        raise ValueError(f"{shown(node)} is no transform of minitorch_cnn.augment; {remedy}")
    return known[node.id]


def is_transform(value):
    return isinstance(value, type) and issubclass(value, Transform) and value is not Transform


def shown(node):
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


# the images -----------------------------------------------------------------------------------------------------------


def image_files(what, count):
    """The file itself, or the first `count` of a folder; none where it is the name of a data set."""
    path = os.path.expanduser(what)
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        files = sorted(
            os.path.join(folder, file)
            for folder, _, files in os.walk(path)
            for file in files
            if file.lower().endswith(data.decode.EXTENSIONS)
        )
        if not files:
            raise ValueError(f"{what}: no image ({', '.join(data.decode.EXTENSIONS)}) in this folder or below it")
        return files[:count]
    if what.lower() in DATASETS:
        return []
    raise FileNotFoundError(f"{what}: no such file or folder, nor one of the data sets {', '.join(DATASETS)}")


def of_data_set(name, count):
    images, _ = DATASETS[name.lower()](transform=lambda images: images).batch(range(count))
    return list(images)


def check_out(out, files):
    """Before any work: whether the sheet can be called so, and none of the images is lost."""
    if os.path.isdir(os.path.abspath(out)):
        raise ValueError(f"--out: {out!r} is a folder; name a file, such as {os.path.join(out, 'sheet.png')}")
    if not out.lower().endswith(".png"):
        raise ValueError(f"--out: {out!r} must end in .png, which is what is written")
    if os.path.exists(out) and any(os.path.samefile(out, file) for file in files):
        raise ValueError(f"--out: {out!r} is one of the images, and would be lost; give another name")


if __name__ == "__main__":
    sys.exit(main())
