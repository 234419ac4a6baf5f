"""Two images in one, and their labels in the same proportion: Mixup and CutMix.

    Mixup     y = lam * x + (1 - lam) * partner                   Zhang et al. 2017, 1710.09412, section 2
    CutMix    y = x, but in one box, which shows the partner      Yun et al. 2019, 1905.04899, section 3.1
              lam = 1 - the box's share of the image

Both: label = lam * label of x + (1 - lam) * label of the partner, lam drawn from Beta(alpha, alpha), for each sample its own.
"""

import numpy as np

from .. import backend
from ..backend import primitives as P
from .check import natural
from .transform import Transform

__all__ = ["CutMix", "MixUp", "Mixup"]


class Mixing(Transform):
    """What the two share: the partners, and the labels.

    A subclass has mixed(images, others, rows, params, size): the new images, and the share of the image itself in each (N,), where
    the partner of sample n is others[rows[n]].
    """

    def __init__(self, alpha=1.0, num_classes=None, dataset=None, p=1.0):
        super().__init__(p)
        if isinstance(alpha, bool) or not isinstance(alpha, int | float | np.number) or not 0 < alpha < np.inf:
            raise ValueError(
                f"{self.name}: alpha, of the distribution Beta(alpha, alpha), must be above 0, got {alpha!r}"
            )
        if dataset is not None and not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                f"{self.name}: dataset needs len(dataset) and dataset[i] or dataset.batch(indices), got {dataset!r}"
            )
        if dataset is not None and not len(dataset):
            raise ValueError(f"{self.name}: the data set of the partners is empty")
        self.alpha = float(alpha)
        self.num_classes = None if num_classes is None else natural(self.name, "num_classes", num_classes, 1)
        self.dataset = dataset

    def draw(self, draws):
        lam = draws.beta(self.alpha)
        place = {} if self.dataset is None else {"partner": draws.uniform()}  # a fraction of the data set's length
        return {"lam": lam, **self.draw_place(draws), **place}

    def draw_place(self, draws):
        return {}

    def change(self, batch, params):
        if batch.targets:
            raise ValueError(
                f"{self.name}: can't mix {', '.join(batch.targets)}: no one of them belongs to an image that is made of two; "
                "give labels only"
            )
        batch.finish()
        labels = distributions(self.name, batch.labels, self.num_classes, batch.N)
        others, other_labels, rows = self.partners(batch.images, labels, params)
        if others is not None:
            batch.images, share = self.mixed(batch.images, others, rows, params)
            labels = P.mix(labels, other_labels, rows, share)
        batch.labels = labels

    def partners(self, images, labels, params):
        """(images, distributions, rows): the partners', and which of them belongs to each sample; None if nothing is mixed."""
        N, applied = len(images), params["applied"]
        if not applied.any():
            return None, None, None
        if self.dataset is None:
            return images, labels, np.arange(-1, N - 1) % N
        places = np.floor(params["partner"][applied] * len(self.dataset)).astype(np.int64)
        others, other_labels = read_samples(self.name, self.dataset, places)
        if others.shape[1:] != images.shape[1:] or others.dtype != images.dtype:
            raise ValueError(
                f"{self.name}: the images are {images.dtype} {tuple(images.shape[1:])}, but those of the data set "
                f"{others.dtype} {others.shape[1:]}; give it with a transform that makes them alike"
            )
        other_labels = distributions(self.name, other_labels, self.num_classes or labels.shape[1], len(places))
        rows = np.maximum(np.cumsum(applied) - 1, 0)  # of samples that aren't mixed it doesn't matter which
        others, other_labels = (
            backend.to_device(own, backend.device_of(like)) for own, like in ((others, images), (other_labels, labels))
        )
        return others, other_labels, rows

    def __repr__(self):
        dataset = "" if self.dataset is None else f", dataset=<{type(self.dataset).__name__} of {len(self.dataset)}>"
        return f"{self.name}(alpha={self.alpha!r}, num_classes={self.num_classes!r}{dataset}, p={self.p!r})"


class Mixup(Mixing):
    """Each image and its label averaged with another's, lam * x + (1 - lam) * partner.

    Args:
        alpha: lam is drawn from Beta(alpha, alpha), for each sample its own: mostly near 0 or 1 if alpha is small, 1 is uniform.
            The paper takes 0.2 to 0.4 for ImageNet, 1 for CIFAR-10.
        num_classes: how many classes there are; needed where labels are class numbers.
        dataset: where partners come from: None takes the sample before in the batch (for the first one the last), as it is then,
            so the result depends on who else is in the batch. With a data set (len(dataset), and dataset.batch(indices) or
            dataset[i], that give image and label) the partner is drawn from all of it, by (seed, epoch, id) alone. It is mixed as
            the data set gives it: what stands before in a recipe is not applied to it.
        p: the probability of it.
    Labels: (N,) class numbers, or (N, classes) probabilities; they become (N, classes) float32. Put it last in a recipe.
    Raises: ValueError when applied without labels, to boxes, keypoints or masks, or with partners of another shape or dtype.
    Source: Zhang et al. 2017 (1710.09412); torchvision.transforms.v2.MixUp, which draws one lam for the whole batch.

    >>> images, labels = np.array([0, 100], np.uint8).reshape(2, 1, 1, 1), np.array([0, 1])
    >>> params = {"applied": np.array([True, True]), "lam": np.array([0.75, 1.0])}
    >>> mixed, probabilities = Mixup(num_classes=2).apply(images, params, labels)
    >>> mixed.ravel().tolist(), probabilities.tolist()
    ([25, 100], [[0.75, 0.25], [0.0, 1.0]])
    """

    def mixed(self, images, others, rows, params):
        share = np.where(params["applied"], params["lam"], 1.0)
        return P.mix(images, others, rows, share), share


class CutMix(Mixing):
    """A box of each image shows another's pixels, and its label is averaged with that one's by the box's share.

    The box has 1 - lam of the image's area, its middle is anywhere, and what sticks out is cut off: lam is computed anew from what
    is left.

    Args: see `Mixup`. The paper takes alpha=1.
    Source: Yun et al. 2019 (1905.04899), section 3.1; torchvision.transforms.v2.CutMix, which draws one box for the whole batch.

    The parameters "x" and "y" are the middle, as fractions of width and height.

    >>> images, labels = np.arange(2, dtype=np.uint8).repeat(4).reshape(2, 1, 1, 4), np.array([0, 1])
    >>> params = {"applied": np.array([True, False]), "lam": np.full(2, 0.0), "x": np.full(2, 0.0), "y": np.full(2, 0.0)}
    >>> mixed, probabilities = CutMix(num_classes=2).apply(images.reshape(2, 1, 2, 2), params, labels)
    >>> mixed[0, 0].tolist(), mixed[1, 0].tolist(), probabilities.tolist()
    ([[1, 0], [0, 0]], [[1, 1], [1, 1]], [[0.75, 0.25], [0.0, 1.0]])
    """

    def draw_place(self, draws):
        return {"x": draws.uniform(), "y": draws.uniform()}

    def mixed(self, images, others, rows, params):
        H, W = images.shape[2:]
        boxes = boxes_around(params["x"], params["y"], params["lam"], (H, W))
        boxes *= params["applied"][:, None]  # an empty box where nothing is mixed
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return P.paste_boxes(images, others, rows, boxes), 1 - areas / (H * W)


MixUp = Mixup  # torchvision's name


def boxes_around(x, y, lam, size):
    """(N, 4) x1, y1, x2, y2 in pixels: boxes of the share 1 - lam around these fractions, cut at the image's edges."""
    H, W = size
    half = 0.5 * np.sqrt(1 - lam)
    middle = np.floor(np.stack([x * W, y * H], axis=1)).astype(np.int64)
    sides = np.stack([half * W, half * H], axis=1).astype(np.int64)  # whole pixels, rounded down
    return np.clip(np.concatenate([middle - sides, middle + sides], axis=1), 0, [W, H, W, H])


def distributions(name, labels, num_classes, count):
    """(count, classes) float32 of class numbers (count,) or probabilities (count, classes)."""
    if labels is None:
        raise ValueError(f"{name}: mixes labels with the images, but none were given: transform(images, labels)")
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise ValueError(
            f"{name}: labels must be ({count},) class numbers or ({count}, classes) probabilities, got {labels.shape}"
        )
    xp = backend.array_module(labels)
    if labels.ndim == 2:
        if num_classes not in (None, labels.shape[1]):
            raise ValueError(
                f"{name}: the labels have {labels.shape[1]} probabilities each, but num_classes={num_classes}"
            )
        return labels.astype(np.float32)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels of shape {labels.shape} must be integers, got {labels.dtype}")
    if num_classes is None:
        raise ValueError(f"{name}: the labels are class numbers; give num_classes, how many classes there are")
    if isinstance(labels, np.ndarray):  # on a GPU the look would make the host wait
        wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
        if wrong.size:
            raise ValueError(
                f"{name}: labels go from 0 to {num_classes - 1}, but number {wrong[0]} of them is {labels[wrong[0]]}"
            )
    return (labels[:, None] == xp.arange(num_classes)).astype(np.float32)


def read_samples(name, dataset, indices):
    """(images (n, C, H, W), labels (n, ...)) of a data set of (image, label), NumPy arrays."""
    if callable(getattr(dataset, "batch", None)):
        samples = dataset.batch(indices)
    else:
        samples = [dataset[i] for i in np.asarray(indices).tolist()]
        others = [sample for sample in samples if not (isinstance(sample, tuple | list) and len(sample) == 2)]
        samples = others[0] if others else [stacked(name, indices, column) for column in zip(*samples)]
    if not isinstance(samples, tuple | list) or len(samples) != 2:
        found = f"{len(samples)} things" if isinstance(samples, tuple | list) else type(samples).__name__
        raise ValueError(f"{name}: the data set must give pairs of image and label, got {found}")
    images, labels = map(on_cpu, samples)
    if images.ndim != 4:
        raise ValueError(
            f"{name}: the data set's images must be (C, H, W), got {images.shape[1:]}; for grey ones of (H, W) give image[None]"
        )
    if not images.shape[:1] == labels.shape[:1] == (len(indices),):
        raise ValueError(
            f"{name}: {len(indices)} samples were asked for, but the data set gave images {images.shape} and labels "
            f"{labels.shape}; it must give all that it is asked for (ImageFolder: without skip_corrupt)"
        )
    return images, labels


def stacked(name, indices, values):
    """The images, or the labels, of the samples with these numbers as one array."""
    arrays = [on_cpu(value) for value in values]
    for i, array in zip(indices, arrays):
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"{name}: the data set gives {arrays[0].shape} for sample {indices[0]}, but {array.shape} for sample {i}; "
                "give it a transform that makes all images of one size, and labels of one shape"
            )
    return np.stack(arrays)


def on_cpu(value):
    return backend.to_numpy(value) if backend.is_array(value) else np.asarray(value)
