"""Transforms made of transforms: all of a list, one of them, some of them."""

from collections.abc import Iterable

import numpy as np

from .check import natural
from .transform import Transform, is_certain


class Container(Transform):
    """What the others here share: a list of transforms, each with parameters of its own."""

    def __init__(self, transforms, p=1.0):
        super().__init__(p)
        self.transforms = list(transforms) if isinstance(transforms, Iterable) else []
        if not self.transforms or not all(isinstance(t, Transform) for t in self.transforms):
            raise TypeError(f"{self.name}: give a list of one or more transforms, got {transforms!r}")

    def change(self, batch, params):
        if len(params.get("transforms", ())) != len(self.transforms):
            raise ValueError(f"{self.name}: the parameters are those of another transform: {params!r:.200}")
        for k, (transform, own) in enumerate(zip(self.transforms, params["transforms"])):
            if batch.images.ndim != 4:
                raise ValueError(
                    f"{transform.name}: stands after FiveCrop or TenCrop, which must be the last; images.shape={batch.images.shape}"
                )
            transform.change(batch, self.own(k, own, params))

    def own(self, k, own, params):
        """The parameters of transform k: its `own`, where this container's say that it is applied."""
        return own if is_certain(params) else restricted(own, params["applied"])

    def __repr__(self):
        inner = "".join(f"    {line}\n" for t in self.transforms for line in f"{t!r},".split("\n"))
        return f"{self.name}(\n{inner})"


class Compose(Container):
    """One transform after the other.

    >>> from minitorch_cnn import augment
    >>> recipe = augment.Compose([augment.RandomCrop(32, padding=4), augment.HorizontalFlip()])
    >>> recipe(np.zeros((2, 3, 32, 32), np.uint8)).shape
    (2, 3, 32, 32)
    """

    def parameters(self, draws, always=False):
        applied, certain = self.chosen(draws, always)
        return {"applied": applied, "certain": certain, "transforms": [t.parameters(draws) for t in self.transforms]}


class RandomApply(Compose):
    """All of the transforms with probability p, else none (torchvision)."""

    def __init__(self, transforms, p=0.5):
        super().__init__(transforms, p)


class OneOf(Container):
    """With probability p one of the transforms, chosen in proportion to their own p (albumentations).

    None of them may change the size of the images.
    """

    def __init__(self, transforms, p=0.5):
        super().__init__(transforms, p)
        if not sum(t.p for t in self.transforms):
            raise ValueError(f"{self.name}: the transforms' probabilities are all 0")

    def parameters(self, draws, always=False):
        applied, certain = self.chosen(draws, always)
        weights = np.cumsum([t.p for t in self.transforms])
        choice = np.searchsorted(weights, draws.uniform(0, weights[-1]), side="right")
        own = [t.parameters(draws, always=True) for t in self.transforms]
        return {"applied": applied, "certain": certain, "choice": choice, "transforms": own}

    def own(self, k, own, params):
        return restricted(own, params["applied"] & (params["choice"] == k))


class SomeOf(Container):
    """With probability p, n different ones of the transforms, in the order of the list, each with its own p (albumentations)."""

    def __init__(self, transforms, n=1, p=1.0):
        super().__init__(transforms, p)
        self.n = natural(self.name, "n", n, 1)
        if self.n > len(self.transforms):
            raise ValueError(f"{self.name}: n is {n}, but there are {len(self.transforms)} transforms")

    def parameters(self, draws, always=False):
        applied, certain = self.chosen(draws, always)
        order = draws.order(len(self.transforms))  # (N, transforms): the place of each in a random order
        chosen = order < self.n
        own = [t.parameters(draws) for t in self.transforms]
        return {"applied": applied, "certain": certain, "chosen": chosen, "transforms": own}

    def own(self, k, own, params):
        return restricted(own, params["applied"] & params["chosen"][:, k])


def restricted(params, mask):
    """The parameters, applied where `mask` (N,) is True too."""
    return {**params, "applied": params["applied"] & mask, "certain": False}
