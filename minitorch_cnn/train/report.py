"""How a run went, for people: the confusion matrix, the images that the network got wrong, the curves.

matplotlib and Pillow are imported where they are used, so that a program without pictures needs neither.
"""

import csv
import io

import numpy as np

from ..backend.files import write_beside


def confusion_matrix(targets, predictions, num_classes):
    """(num_classes, num_classes) int64: how many samples of class i (row) were taken for class j (column).

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts = np.bincount(np.asarray(targets) * num_classes + np.asarray(predictions), minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def confusion_table(matrix, names):
    """The confusion matrix as text, with the error of each class; zeros are left blank, so that mistakes stand out.

    >>> print(confusion_table(np.array([[9, 1], [0, 10]]), ["cat", "dog"]))
           cat  dog   error
      cat    9    1  10.00%
      dog        10   0.00%
    """
    width = max(len(str(matrix.max())), *map(len, names)) + 2
    label = max(map(len, names)) + 2
    lines = [" " * label + "".join(f"{name:>{width}}" for name in names) + "   error"]
    for i, name in enumerate(names):
        error = 1 - matrix[i, i] / max(matrix[i].sum(), 1)
        cells = "".join(f"{count or '':>{width}}" for count in matrix[i])
        lines.append(f"{name:>{label}}{cells}{error:>8.2%}")
    return "\n".join(lines)


def save_mistakes(path, images, targets, predictions, names, columns=16, most=128, scale=3):
    """A PNG of the images that were got wrong, each with what it is and what it was taken for.

    Args:
        path: the file.
        images: (N, 1, H, W) grey or (N, 3, H, W) colour, uint8, all of the test set.
        targets, predictions: (N,) integers.
        names: of the classes.
        columns, most, scale: images in a row, images at most, and pixels on the page for one of an image.
    Returns: the number of mistakes, shown or not.
    """
    from PIL import Image, ImageDraw, ImageFont

    wrong = np.flatnonzero(np.asarray(targets) != np.asarray(predictions))
    shown = wrong[:most]
    H, W = images.shape[2] * scale, images.shape[3] * scale
    font, gap, line = ImageFont.load_default(size=14), 6, 20
    rows = -(-len(shown) // columns)
    page = Image.new("RGB", (columns * (W + gap) + gap, 2 * line + rows * (H + line + gap)), "white")
    draw = ImageDraw.Draw(page)
    more = f", the first {len(shown)} of them" if len(wrong) > len(shown) else ""
    title = f"{len(wrong)} of {len(targets)} test images wrong{more}: what it is > what it was taken for"
    draw.text((gap, gap), title, "black", font)
    for place, i in enumerate(shown):
        x = gap + place % columns * (W + gap)
        y = 2 * line + place // columns * (H + line + gap)
        picture = Image.fromarray(images[i, 0] if images.shape[1] == 1 else images[i].transpose(1, 2, 0))
        page.paste(picture.resize((W, H), Image.Resampling.NEAREST), (x, y))
        caption = f"{names[targets[i]]} > {names[predictions[i]]}"
        while draw.textlength(caption, font) > W:
            caption = caption[:-1]
        draw.text((x, y + H), caption, "firebrick", font)
    write_beside(path, lambda file: page.save(file, "PNG"))
    return len(wrong)


def save_history(path, history):
    """A table in CSV, a row for each epoch.

    Args:
        path: the file.
        history: a list with a dict for each epoch, all with the same keys: the columns.
    """
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, history[0])
    rows.writeheader()
    rows.writerows(history)
    write_beside(path, lambda file: file.write(text.getvalue().encode()))


def save_curves(path, history, title=""):
    """A PNG of loss and error by epoch. Needs matplotlib: ImportError where it isn't installed.

    Args:
        path: the file.
        history: a list with a dict for each epoch: epoch, train_loss, train_error, test_error (as fractions), lr.
        title: over the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    epochs = [line["epoch"] for line in history]
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.semilogy(epochs, [line["train_loss"] for line in history], "o-", markersize=3, label="training loss")
    left.set_ylabel("loss")
    rate = left.twinx()
    rate.plot(epochs, [line["lr"] for line in history], color="0.6", linestyle="--", label="learning rate")
    rate.set_ylabel("learning rate (dashed)", color="0.4")
    rate.set_ylim(bottom=0)
    right.semilogy(epochs, [line["train_error"] for line in history], "o-", markersize=3, label="training, as it went")
    right.semilogy(epochs, [line["test_error"] for line in history], "o-", markersize=3, label="test")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter(FuncFormatter(lambda fraction, _: f"{100 * fraction:g} %"))
    right.yaxis.set_minor_formatter(NullFormatter())
    right.set_ylabel("error")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.set_xlim(0.5, len(epochs) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, which="both")
        axes.legend(loc="upper right")
    figure.suptitle(title)
    write_beside(path, lambda file: figure.savefig(file, format="png", dpi=120))
