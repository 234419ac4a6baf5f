"""What a transform is: random parameters (`sample`), then arithmetic on a whole batch with them (`apply`).

    transform(images, labels, ids=ids, epoch=epoch)     both at once
    params = transform.sample(ids, epoch)               what is random, for samples `ids`
    transform.apply(images, params)                     what isn't; the same parameters give the same images

The parameters of sample i in epoch e depend on (seed, e, i) alone, see draws.py. They are plain dictionaries of arrays with a row
for each sample, so they can be looked at, changed, and applied again.
"""

import numpy as np

from .. import backend
from .batch import Batch
from .check import check_images, probability
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
                Further columns of boxes and keypoints are kept. Boxes are cut at the image's edges, and dropped if nothing is left;
                keypoints that leave the image are dropped.
        Returns: images; a tuple of images and those of labels and targets that were given.
        """
        check_images(self.name, images)
        ids = np.arange(len(images)) if ids is None else np.asarray(ids)
        if ids.ndim == 1 and len(ids) != len(images):
            raise ValueError(f"{self.name}: {len(images)} images, but {len(ids)} ids; images.shape={images.shape}")
        return self.apply(images, self.sample(ids, epoch, seed), labels, targets)

    def sample(self, ids, epoch=0, seed=None):
        """The parameters of the samples `ids` in an epoch: a dictionary of arrays, a row a sample.

        What depends on the size of the image is given as a fraction, since the size isn't known here.
        """
        ids = np.asarray(ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or not ids.size or ids.min() < 0:
            raise ValueError(f"{self.name}: ids must be a list of integers from 0 on, at least one, got {ids!r}")
        return self.parameters(Draws(ids, epoch, seed, self.name))

    def apply(self, images, params, labels=None, targets=None):
        """The images, changed as the parameters say; see `__call__`."""
        check_images(self.name, images)
        batch = Batch(images, labels, targets, self.name)
        check_parameters(self.name, params, batch.N)
        with backend.on_device_of(images):
            try:
                self.change(batch, params)
            except KeyError as missing:
                raise ValueError(
                    f"{self.name}: the parameters are those of another transform: {missing} isn't among them"
                ) from missing
            batch.finish()
        if batch.images is images:  # nothing was applied: what is returned may be written to all the same
            batch.images = images.copy()
        if targets and "masks" in targets and batch.targets["masks"] is targets["masks"]:
            batch.targets["masks"] = targets["masks"].copy()
        given = [batch.images, *(x for x in (batch.labels, batch.targets) if x is not None)]
        return given[0] if len(given) == 1 else tuple(given)

    def parameters(self, draws, always=False):
        """`draw`, and which samples are changed: all of them, or each with probability p.

        "applied" (N,) says which; "certain", True or False, whether it could have been any other than all.
        """
        applied, certain = self.chosen(draws, always)
        return {"applied": applied, "certain": certain, **self.draw(draws)}

    def chosen(self, draws, always):
        """(applied, certain) of `parameters`."""
        certain = bool(always or self.p == 1)
        return draws.chance(self.p) | certain, certain

    def draw(self, draws):
        return {}

    @property
    def name(self):
        return type(self).__name__

    def __repr__(self):
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{self.name}({options})"


def is_certain(params):
    """Whether they are parameters of what is applied to every sample of every batch: only that may change the images' size."""
    return bool(params.get("certain", True) and params["applied"].all())


def check_parameters(name, params, N):
    """That they are dictionaries, perhaps with "transforms" that have their own, of arrays with a row for each of N samples."""
    if not isinstance(params, dict) or "applied" not in params:
        raise ValueError(f"{name}: params must be what {name}.sample gave, got {params!r:.200}")
    for key, value in params.items():
        if key == "transforms":
            for own in value:
                check_parameters(name, own, N)
        elif key != "certain":
            if not isinstance(value, np.ndarray) or not value.ndim:
                raise TypeError(
                    f"{name}: the parameter {key!r} must be an array with a row for each of the {N} samples, got {value!r:.200}"
                )
            if len(value) != N:
                raise ValueError(
                    f"{name}: the parameters are those of {len(value)} samples, but there are {N} images; {key!r} is {value.shape}"
                )
    if params["applied"].dtype != bool:
        raise TypeError(
            f"{name}: the parameter 'applied' must be True or False for each sample, got {params['applied']!r:.200}"
        )
