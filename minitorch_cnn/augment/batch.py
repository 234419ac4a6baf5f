"""A batch on its way through a recipe: images, labels, targets, and the geometric steps that wait to be made.

Geometric transforms don't touch the images. Each adds its steps to a chain, and the first transform that must see pixels, or the
end, makes one sampling pass of the whole chain (`finish`).
"""

import numpy as np

from .. import backend
from ..backend import primitives as P
from .geometry import boxes_within, join, moved_boxes, moved_points, points_within

KINDS = ("masks", "boxes", "keypoints")
DTYPES = (np.uint8, np.float32, np.float64)  # of what can be sampled
ORDER = ("nearest", "bilinear", "bicubic")


class Batch:
    """
    Attributes:
        images: (N, C, H, W), as they are before the steps that wait.
        size: (H, W) as it is after them.
    """

    def __init__(self, images, labels=None, targets=None, name="augment"):
        self.images, self.labels, self.name = images, labels, name
        if labels is not None and (not backend.is_array(labels) or len(labels) != len(images)):
            found = f"{len(labels)}" if backend.is_array(labels) else type(labels).__name__
            raise ValueError(f"{name}: labels must be an array of {len(images)}, one an image, got {found}")
        self.N, self.channels = images.shape[:2]
        self.size = images.shape[2:]
        self.targets = (
            None if targets is None else check_targets(targets, images.shape, backend.device_of(images), name)
        )
        self.chain, self.interpolation = [], "nearest"

    def add(self, steps, interpolation="nearest"):
        """Geometric steps; `interpolation` is what they need (those that move pixels by whole numbers need "nearest").

        The whole chain is sampled once, with the best interpolation that one of its steps needs.
        """
        if steps:
            self.chain += [self.filled(step) for step in steps]
            self.size = tuple(steps[-1].output_size)
            self.interpolation = max(self.interpolation, interpolation, key=ORDER.index)

    def filled(self, step):
        """The step with a fill that images of uint8 can have."""
        if self.images.dtype != np.uint8 or step.border != "constant":
            return step
        if not 0 <= min(step.fill) <= max(step.fill) <= 255:
            raise ValueError(f"{self.name}: fill must be from 0 to 255 for images of uint8, got {step.fill}")
        return step._replace(fill=tuple(map(round, step.fill)))

    def finish(self):
        """Make the steps that wait."""
        if not self.chain:
            return
        steps = join(self.chain)
        if any(step.applies().any() for step in steps):
            self.images = P.warp(self.images, steps, self.size, self.interpolation)
            self.move_targets(self.chain)
        self.chain, self.interpolation = [], "nearest"

    def replace(self, images, steps, mask_steps=None):
        """Images of another size that a transform made itself, after `finish`.

        Args:
            steps: the way from their pixels to those before, which the targets follow.
            mask_steps: that for masks, if it is another one.
        """
        self.images, self.size = images, images.shape[2:]
        self.move_targets(steps, mask_steps)

    def move_targets(self, steps, mask_steps=None):
        for kind in self.targets or ():
            given = self.targets[kind]
            if kind == "masks":
                black = [step._replace(fill=(0.0,)) for step in join(mask_steps or steps)]
                numbers = given if given.dtype in DTYPES else given.astype(np.float64)  # of integers: exact up to 2**53
                self.targets[kind] = P.warp(numbers, black, self.size, "nearest").astype(given.dtype, copy=False)
            else:
                move = moved_boxes if kind == "boxes" else moved_points
                self.targets[kind] = [move(rows, steps, n) for n, rows in enumerate(given)]


def check_targets(targets, shape, device, name):
    if not isinstance(targets, dict) or set(targets) - set(KINDS):
        found = ", ".join(map(str, targets)) if isinstance(targets, dict) else type(targets).__name__
        raise ValueError(f"{name}: targets must be a dictionary with any of {', '.join(KINDS)}, got {found}")
    checked = dict(targets)
    if "masks" in targets:
        masks = targets["masks"]
        if backend.is_array(masks) and backend.device_of(masks) != device:
            raise ValueError(
                f"{name}: the masks are on {backend.device_of(masks)}, but the images on {device}; move one of them: "
                f"backend.to_device(masks, {str(device)!r})"
            )
        if (
            not backend.is_array(masks)
            or masks.ndim != 4
            or (masks.shape[0], *masks.shape[2:]) != (shape[0], *shape[2:])
        ):
            found = masks.shape if backend.is_array(masks) else type(masks).__name__
            raise ValueError(
                f"{name}: masks must be ({shape[0]}, channels, {shape[2]}, {shape[3]}) like the images, got {found}"
            )
    for kind, columns, within in (("boxes", 4, boxes_within), ("keypoints", 2, points_within)):
        if kind in targets:
            rows = check_rows(targets[kind], shape[0], kind, columns, name)
            # also where no step is applied: what remains mustn't depend on the coin
            checked[kind] = [within(own, shape[2:]) for own in rows]
    return checked


def check_rows(given, N, kind, columns, name):
    """A list of N float arrays (n, columns or more)."""
    try:
        rows = [np.array(r, float) for r in given]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: {kind} must be a list of {N} arrays of numbers (n, {columns} or more), one an image: {error}"
        ) from error
    rows = [r.reshape(0, columns) if r.size == 0 and r.ndim != 2 else r for r in rows]
    if len(rows) != N or any(r.ndim != 2 or r.shape[1] < columns for r in rows):
        found = [r.shape for r in rows][:8] or type(given).__name__
        raise ValueError(
            f"{name}: {kind} must be a list of {N} arrays (n, {columns} or more), one an image; got {found}"
        )
    for n, own in enumerate(rows):
        wrong = ~np.isfinite(own[:, :columns]).all(axis=1)
        if kind == "boxes":
            wrong |= (own[:, 0] > own[:, 2]) | (own[:, 1] > own[:, 3])
        if wrong.any():
            row = np.flatnonzero(wrong)[0]
            must = "x1, y1, x2, y2 with x1 <= x2 and y1 <= y2" if kind == "boxes" else "x, y, finite numbers"
            raise ValueError(
                f"{name}: {kind} must be {must}, but number {row} of image {n} is {own[row, :columns].tolist()}"
            )
    return rows
