"""A batch on its way through a recipe: images, labels, targets, and the geometric steps that wait to be made.

Geometric transforms don't touch the images. Each adds its steps to a chain, and the first transform that must see pixels, or the
end, makes one sampling pass of the whole chain (`finish`).
"""

import numpy as np

from .. import backend
from ..backend import primitives as P
from .geometry import join, moved_boxes, moved_points

KINDS = ("masks", "boxes", "keypoints")
ORDER = ("nearest", "bilinear", "bicubic")


class Batch:
    """
    Attributes:
        images: (N, C, H, W), as they are before the steps that wait.
        size: (H, W) as it is after them.
    """

    def __init__(self, images, labels=None, targets=None, name="augment"):
        self.images, self.labels = images, labels
        self.N, self.channels = images.shape[:2]
        self.size = images.shape[2:]
        self.targets = None if targets is None else check_targets(targets, images.shape, name)
        self.chain, self.interpolation = [], "nearest"

    def add(self, steps, interpolation="nearest"):
        """Geometric steps; `interpolation` is what they need (those that move pixels by whole numbers need "nearest")."""
        if steps:
            self.chain += steps
            self.size = tuple(steps[-1].output_size)
            self.interpolation = max(self.interpolation, interpolation, key=ORDER.index)

    def finish(self):
        """Make the steps that wait."""
        if not self.chain:
            return
        steps, interpolation = join(self.chain), self.interpolation
        self.images = P.warp(self.images, steps, self.size, interpolation)
        for kind in self.targets or ():
            given = self.targets[kind]
            if kind == "masks":
                black = [step._replace(fill=(0.0,)) for step in steps]
                self.targets[kind] = P.warp(given, black, self.size, "nearest")
            else:
                move = moved_boxes if kind == "boxes" else moved_points
                self.targets[kind] = [move(rows, self.chain, n) for n, rows in enumerate(given)]
        self.chain, self.interpolation = [], "nearest"


def check_targets(targets, shape, name):
    unknown = set(targets) - set(KINDS)
    if unknown:
        raise ValueError(f"{name}: targets may have {', '.join(KINDS)}, not {', '.join(sorted(map(str, unknown)))}")
    checked = dict(targets)
    if "masks" in targets:
        masks = targets["masks"]
        if (
            not backend.is_array(masks)
            or masks.ndim != 4
            or (masks.shape[0], *masks.shape[2:]) != (shape[0], *shape[2:])
        ):
            found = masks.shape if backend.is_array(masks) else type(masks).__name__
            raise ValueError(
                f"{name}: masks must be ({shape[0]}, channels, {shape[2]}, {shape[3]}) like the images, got {found}"
            )
    for kind, columns in (("boxes", 4), ("keypoints", 2)):
        if kind in targets:
            rows = [
                np.asarray(r, float).reshape(-1, columns) if np.size(r) == 0 else np.asarray(r, float)
                for r in targets[kind]
            ]
            if len(rows) != shape[0] or any(r.ndim != 2 or r.shape[1] < columns for r in rows):
                raise ValueError(
                    f"{name}: {kind} must be a list of {shape[0]} arrays (n, {columns} or more), one an image; "
                    f"got {[r.shape for r in rows][:8]}"
                )
            checked[kind] = rows
    return checked
