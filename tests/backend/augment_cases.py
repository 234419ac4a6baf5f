"""The augmentations' primitives: what to try them with, for test_forms.py and the tests of the GPU form."""

import numpy as np

from minitorch_cnn.backend.warp_step import Step

APPLIED = np.array([True, False, True])


def normal(r, *shape):
    return r.standard_normal(shape)


def levels(r, *shape):
    return r.integers(0, 256, shape, dtype=np.uint8)


def keys(r, n):
    return r.integers(0, 2**53, n).astype(np.uint64)


def symmetric(r, n, size):
    half = r.random((n, size // 2 + 1)) + 0.1
    return np.concatenate([half[:, :0:-1], half], axis=1)


def chains(r):
    """Chains of steps for images (2, 3, 6, 7), and the size of the last one's output."""
    turned = np.tile(np.eye(3).ravel(), (2, 1))
    turned[:, :8] += normal(r, 2, 8) * [0.3, 0.3, 1, 0.3, 0.3, 1, 0.02, 0.02]
    table = np.concatenate([np.cumsum(r.random((2, n)) * 2, axis=1) - 1 for n in (5, 8)], axis=1)
    lens = np.array([[3.5, 2.0, 8, 5, 0.3], [3.0, 2.5, 8, 5, -0.2]])
    steps = [
        Step("projective", turned, (6, 7), (5, 8), "constant", (0.5, 1.0, 2.0)),
        Step("table", table, (5, 8), (5, 8), "reflect"),
        Step("lens", lens, (5, 8), (5, 8), "edge"),
    ]
    return [(steps[:1], (5, 8)), (steps, (5, 8))]


def gathered(r, size):
    """First taps that don't decrease and weights of two taps for the rows of 6 pixels, and for the columns of 7."""
    rows = np.sort(r.integers(0, 5, (3, size[0])), axis=1), r.random((3, size[0], 2))
    return *rows, np.sort(r.integers(0, 6, (1, size[1])), axis=1), r.random((1, size[1], 2))


CASES = {
    "uniform": lambda r: [(keys(r, 3), 5, dtype) for dtype in (np.float32, np.float64)],
    "smooth_noise": lambda r: [(keys(r, 3), (5, 6), np.array([0.25, 0.5, 0.25]), np.float64)],
    "warp": lambda r: [
        (normal(r, 2, 3, 6, 7), steps, size, interpolation)
        for steps, size in chains(r)
        for interpolation in ("bilinear", "bicubic")
    ],
    "resample": lambda r: [(x, *gathered(r, (4, 9))) for x in (normal(r, 3, 2, 6, 7), levels(r, 3, 2, 6, 7))],
    "color_jitter": lambda r: [
        (x, np.column_stack([2 * r.random((5, 3)), r.random(5) - 0.5]), np.argsort(r.random((5, 4)), axis=1))
        for x in (r.random((5, 3, 4, 6)), levels(r, 5, 3, 4, 6))
    ],
    "add_to_channels": lambda r: [
        (normal(r, 3, 2, 4, 5), normal(r, 3, 2)),
        (levels(r, 3, 2, 4, 5), 90 * normal(r, 3, 2)),
    ],
    "permute_channels": lambda r: [
        (x, np.argsort(r.random((4, 3)), axis=1)) for x in (normal(r, 4, 3, 2, 5), levels(r, 4, 3, 2, 5))
    ],
    "normalize": lambda r: [(normal(r, 4, 3, 2, 5), normal(r, 4, 3), normal(r, 4, 3))],
    "look_up": lambda r: [(levels(r, 3, 2, 4, 5), levels(r, 3, *rest, 256)) for rest in ((), (2,))],
    "power": lambda r: [(r.random((4, 3, 2, 5)), np.array([0.5, 1, 2, 1.2]))],
    "posterize": lambda r: [(x, np.array([1, 3, 8]), APPLIED) for x in (r.random((3, 3, 2, 5)), levels(r, 3, 3, 2, 5))],
    "solarize": lambda r: [
        (r.random((3, 3, 2, 5)), r.random(3), APPLIED),
        (levels(r, 3, 3, 2, 5), 255 * r.random(3), APPLIED),
    ],
    "autocontrast": lambda r: [(x, APPLIED) for x in (r.random((3, 2, 4, 5)), levels(r, 3, 2, 4, 5))],
    "equalize": lambda r: [(x, APPLIED) for x in (r.random((3, 2, 20, 25)), levels(r, 3, 2, 20, 25))],
    "blur": lambda r: [(r.random((3, 2, 6, 5)), symmetric(r, 3, 5), symmetric(r, 3, 3), APPLIED)],
    "filter2d": lambda r: [(r.random((3, 2, 6, 5)), normal(r, 3, 3, 5), APPLIED)],
    "sharpen": lambda r: [(r.random((3, 2, 6, 5)), np.array([0.3, 1.0, 2.5]))],
    "add_noise": lambda r: [
        (r.random((3, 2, 5, 3)), keys(r, 3), normal(r, 65536), APPLIED, clip) for clip in (True, False)
    ],
    "salt_and_pepper": lambda r: [
        (r.random((3, 2, 5, 7)), keys(r, 3), np.array([0.2, 0, 0.5]), np.array([0.3, 0, 0.1]))
    ],
    "fill_boxes": lambda r: [
        (r.random((3, 2, 5, 7)), r.integers(0, 6, (3, 2, 4)), (2.0, 3.0), None),
        (r.random((3, 2, 5, 7)), r.integers(0, 6, (3, 2, 4)), tuple(r.random(65536)), keys(r, 3)),
    ],
    "mix": lambda r: [(normal(r, 3, 2, 4, 5), normal(r, 2, 2, 4, 5), np.array([1, 0, 1]), np.array([0.25, 1.0, 0.6]))],
    "paste_boxes": lambda r: [
        (
            normal(r, 3, 2, 4, 5),
            normal(r, 2, 2, 4, 5),
            np.array([1, 0, 1]),
            np.array([[0, 0, 5, 4], [1, 2, 3, 4], [2, 2, 2, 2]]),
        )
    ],
}
IMAGES = {name: 2 if name in ("mix", "paste_boxes") else 1 for name in CASES}
FAMILIES = ["color", "erase", "filter", "mix", "noise", "resample", "smooth_noise", "tone", "uniform", "warp"]


def moved(name, arguments, move):
    """The arguments, with the arrays that belong on the device put there by `move`: of these primitives only the images do."""
    count = IMAGES.get(name, len(arguments))
    return [move(a) if k < count and isinstance(a, np.ndarray) else a for k, a in enumerate(arguments)]
