"""What a transform is: random parameters (`sample`), then arithmetic on a whole batch with them (`apply`).

    transform(images, labels, ids=ids, epoch=epoch)     both at once
    params = transform.sample(ids, epoch)               what is random, for samples `ids`
    transform.apply(images, params)                     what isn't; the same parameters give the same images

The parameters of sample i in epoch e depend on (seed, e, i) alone, see draws.py. They are plain dictionaries of arrays with a row
for each sample, so they can be looked at, changed, and applied again.
"""

import operator

import numpy as np

from .. import backend
from ..autograd import Tensor
from .batch import Batch
from .draws import Draws


class Transform:
    """The base of all transforms. A subclass has

        draw(draws)             the random parameters: a dictionary of arrays (N, ...)
        change(batch, params)   the arithmetic; it leaves alone the samples where params["applied"] is False

    Args:
        p: the probability with which a sample is changed.
    """

    def __init__(self, p=1.0):
        self.p = probability(type(self).__name__, "p", p)

    def __call__(self, images, labels=None, *, ids=None, epoch=0, seed=None, targets=None):
        """Sample and apply.

        Args:
            images: (N, C, H, W) uint8, or float32 from 0 to 1, of either device.
            labels: (N,) or (N, classes), passed on, or mixed where images are mixed.
            ids: the samples' numbers in their dataset (N,); None takes 0 to N - 1.
            epoch, seed: what the random numbers depend on beside the ids; None takes the seed of `mt.manual_seed`.
            targets: what belongs to the images and moves with them, a dictionary with any of
                "masks"      (N, channels, H, W)
                "boxes"      a list of N arrays (n, 4 or more): x1, y1, x2, y2 in pixels from the image's left and upper edge
                "keypoints"  a list of N arrays (n, 2 or more): x, y, where 0, 0 is the middle of the first pixel
                Further columns of boxes and keypoints are kept; those that leave the image are dropped.
        Returns: images; a tuple of images and those of labels and targets that were given.
        """
        check_images(self, images)
        ids = np.arange(len(images)) if ids is None else np.asarray(ids)
        if len(ids) != len(images):
            raise ValueError(f"{self.name}: {len(images)} images, but {len(ids)} ids; images.shape={images.shape}")
        return self.apply(images, self.sample(ids, epoch, seed), labels, targets)

    def sample(self, ids, epoch=0, seed=None):
        """The parameters of the samples `ids` in an epoch: a dictionary of arrays, a row a sample.

        What depends on the size of the image is given as a fraction, since the size isn't known here.
        """
        ids = np.asarray(ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or not ids.size or ids.min() < 0:
            raise ValueError(f"{self.name}: ids must be a list of integers from 0 on, at least one, got {ids!r}")
        return self.parameters(Draws(ids, natural(self.name, "epoch", epoch), seed))

    def apply(self, images, params, labels=None, targets=None):
        """The images, changed as the parameters say; see `__call__`."""
        check_images(self, images)
        batch = Batch(images, labels, targets, self.name)
        if batch.N != count(params):
            raise ValueError(
                f"{self.name}: the parameters are those of {count(params)} samples, but there are {batch.N} images"
            )
        with backend.on_device_of(images):
            self.change(batch, params)
            batch.finish()
        given = [batch.images, *(x for x in (batch.labels, batch.targets) if x is not None)]
        return given[0] if len(given) == 1 else tuple(given)

    def parameters(self, draws, always=False):
        """`draw`, and which samples are changed: all of them, or each with probability p."""
        applied = draws.chance(self.p)
        return {"applied": np.ones(len(draws), bool) if always else applied, **self.draw(draws)}

    def draw(self, draws):
        return {}

    def restrict(self, params, mask):
        """The parameters, applied where `mask` (N,) is True too."""
        return {**params, "applied": params["applied"] & mask}

    @property
    def name(self):
        return type(self).__name__

    def __repr__(self):
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{self.name}({options})"


def count(params):
    """How many samples the parameters are of."""
    while "applied" not in params:
        params = params["transforms"][0]
    return len(params["applied"])


def check_images(transform, images):
    name = transform.name
    if isinstance(images, Tensor):
        raise TypeError(f"{name}: images must be an array, got a Tensor; give images.data")
    if not backend.is_array(images):
        raise TypeError(f"{name}: images must be a NumPy or CuPy array, got {type(images).__name__}")
    if images.ndim != 4:
        remedy = "; for one image give image[None]" if images.ndim == 3 else ""
        raise ValueError(f"{name}: images must be (N, C, H, W), got {images.ndim} dimensions: {images.shape}{remedy}")
    if images.shape[3] in (1, 3, 4) and images.shape[1] not in (1, 3, 4):
        raise ValueError(
            f"{name}: images must be (N, C, H, W), and {images.shape} looks like (N, H, W, C); "
            "permute them: np.ascontiguousarray(images.transpose(0, 3, 1, 2))"
        )
    if 0 in images.shape:
        raise ValueError(f"{name}: there is no image in an array of shape {images.shape}")
    if images.dtype not in (np.uint8, np.float32, np.float64):
        raise TypeError(
            f"{name}: images must be uint8 (0 to 255) or float32 (0 to 1), got {images.dtype}; convert them with astype"
        )


def probability(name, what, p):
    if not isinstance(p, int | float | np.floating) or isinstance(p, bool) or not 0 <= p <= 1:
        raise ValueError(f"{name}: {what} must be a probability from 0 to 1, got {p!r}")
    return float(p)


def natural(name, what, value, least=0):
    """An integer from `least` on."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {what} must be an integer, got {value!r}") from None
    if isinstance(value, bool) or number < least:
        raise ValueError(f"{name}: {what} must be an integer from {least} on, got {value!r}")
    return number


def interval(name, what, value, around=0.0, low=-np.inf, high=np.inf):
    """(a, b) with low <= a <= b <= high, from a pair, or from one number d: (around - d, around + d)."""
    if isinstance(value, int | float | np.number):
        if value < 0:
            raise ValueError(f"{name}: {what} must be a number from 0 on or a pair (least, most), got {value!r}")
        value = (max(around - value, low), min(around + value, high))
    try:
        a, b = map(float, value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {what} must be a number or a pair (least, most), got {value!r}") from None
    if not low <= a <= b <= high:
        raise ValueError(f"{name}: {what} must be a pair {low} <= least <= most <= {high}, got {value!r}")
    return a, b


def pair(name, what, value, least=1):
    """An integer or two of them, as (height, width)."""
    values = value if isinstance(value, tuple | list) else (value, value)
    if len(values) == 1:
        values = (*values, *values)
    if len(values) != 2:
        raise ValueError(f"{name}: {what} must be an integer or a pair (height, width), got {value!r}")
    return natural(name, what, values[0], least), natural(name, what, values[1], least)


def one_of(name, what, value, known):
    if value not in known:
        raise ValueError(f"{name}: {what} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def fill_value(name, fill, channels=None):
    """A number, or one for each channel, as a tuple."""
    values = tuple(float(v) for v in fill) if isinstance(fill, tuple | list | np.ndarray) else (float(fill),)
    if channels is not None and len(values) not in (1, channels):
        raise ValueError(f"{name}: fill has {len(values)} numbers, but the images have {channels} channels")
    return values
