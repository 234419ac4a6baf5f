"""Transforms made of transforms: all of a list, one of them, some of them."""

import numpy as np

from .transform import Transform, natural


class Container(Transform):
    """What the others here share: a list of transforms, each with parameters of its own."""

    def __init__(self, transforms, p=1.0):
        super().__init__(p)
        self.transforms = list(transforms)
        if not self.transforms or not all(isinstance(t, Transform) for t in self.transforms):
            raise TypeError(f"{self.name}: give a list of one or more transforms, got {transforms!r}")

    def change(self, batch, params):
        for transform, own in zip(self.transforms, params["transforms"]):
            transform.change(batch, own)

    def restrict(self, params, mask):
        own = [t.restrict(p, mask) for t, p in zip(self.transforms, params["transforms"])]
        return {**params, "applied": params["applied"] & mask, "transforms": own}

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
        applied = draws.chance(self.p) | always
        own = [t.restrict(t.parameters(draws), applied) for t in self.transforms]
        return {"applied": applied, "transforms": own}


class RandomApply(Compose):
    """All of the transforms with probability p, else none (torchvision)."""

    def __init__(self, transforms, p=0.5):
        super().__init__(transforms, p)


class OneOf(Container):
    """With probability p one of the transforms, chosen in proportion to their own p (albumentations).

    The images must have the same size whichever is chosen.
    """

    def __init__(self, transforms, p=0.5):
        super().__init__(transforms, p)
        if not sum(t.p for t in self.transforms):
            raise ValueError(f"{self.name}: the transforms' probabilities are all 0")

    def parameters(self, draws, always=False):
        applied = draws.chance(self.p) | always
        weights = np.cumsum([t.p for t in self.transforms])
        choice = np.searchsorted(weights, draws.uniform(0, weights[-1]), side="right")
        own = [
            t.restrict(t.parameters(draws, always=True), applied & (choice == k)) for k, t in enumerate(self.transforms)
        ]
        return {"applied": applied, "choice": choice, "transforms": own}


class SomeOf(Container):
    """With probability p, n different ones of the transforms, in the order of the list; each is then applied (albumentations)."""

    def __init__(self, transforms, n=1, p=1.0):
        super().__init__(transforms, p)
        self.n = natural(self.name, "n", n, 1)
        if self.n > len(self.transforms):
            raise ValueError(f"{self.name}: n is {n}, but there are {len(self.transforms)} transforms")

    def parameters(self, draws, always=False):
        applied = draws.chance(self.p) | always
        order = draws.order(len(self.transforms))  # (N, transforms): the place of each in a random order
        chosen = order < self.n
        own = [
            t.restrict(t.parameters(draws, always=True), applied & chosen[:, k]) for k, t in enumerate(self.transforms)
        ]
        return {"applied": applied, "chosen": chosen, "transforms": own}
