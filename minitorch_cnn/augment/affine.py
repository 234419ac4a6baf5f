"""Rotating, scaling, shearing, moving, and looking from another side: each is a matrix for each sample."""

import numpy as np

from .check import fill_value, fraction, interpolation_name, interval, two
from .geometry import projective
from .transform import Transform

__all__ = ["Affine", "Perspective", "RandomAffine", "RandomPerspective", "RandomRotation", "Rotate"]


class Affine(Transform):
    """Rotation, translation, scaling and shear about the image's middle.

    Args:
        degrees: the angle is drawn from (least, most), or (-degrees, degrees); positive ones turn clockwise, as in torchvision.
        translate: (a, b): moved by whole pixels, up to a * width to either side and up to b * height up or down; None: not moved.
        scale: (least, most) factor; None: 1.
        shear: degrees (least, most) or one number for (-shear, shear) of the shear along x; four numbers for x and y; None: 0.
        interpolation: "nearest", "bilinear" or "bicubic", or torchvision's InterpolationMode of that name.
        fill: what is seen where the image has nothing: a number, or one for each channel; None: 0.
        center: (x, y) in pixels from the upper left corner; None: the middle.
        p: the probability of it.
    Source: torchvision.transforms.v2.RandomAffine. Outside of the image is the fill value; torchvision blends it into the
    outermost half pixel once more.

    >>> images = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    >>> Affine(degrees=(90, 90))(images)[0, 0].tolist()
    [[6, 3, 0], [7, 4, 1], [8, 5, 2]]
    """

    def __init__(
        self, degrees, translate=None, scale=None, shear=None, interpolation="nearest", fill=0, center=None, p=1.0
    ):
        super().__init__(p)
        self.degrees = interval(self.name, "degrees", degrees)
        self.translate = None if translate is None else two(self.name, "translate", translate)
        for part in self.translate or ():
            fraction(self.name, "translate", part, "fraction of the size")
        self.scale = None if scale is None else interval(self.name, "scale", two(self.name, "scale", scale), low=1e-6)
        self.shear = None if shear is None else shear_ranges(self.name, shear)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.fill = fill_value(self.name, fill)
        self.center = None if center is None else two(self.name, "center", center)

    def draw(self, draws):
        a, b = self.translate or (0.0, 0.0)
        return {
            "angle": draws.uniform(*self.degrees),
            "translate": np.stack([draws.uniform(-a, a), draws.uniform(-b, b)], axis=1),  # of width and height
            "scale": draws.uniform(*(self.scale or (1.0, 1.0))),
            "shear": np.stack([draws.uniform(*limits) for limits in self.shear or ((0.0, 0.0), (0.0, 0.0))], axis=1),
        }

    def change(self, batch, params):
        H, W = batch.size
        moved = np.rint(params["translate"] * [W, H])
        matrix = affine_matrix(
            params["angle"], moved, params["scale"], params["shear"], middle(batch.size, self.center)
        )
        add_matrix(self, batch, matrix, params["applied"])


class Rotate(Transform):
    """A rotation about the image's middle; positive angles turn counter-clockwise.

    Args:
        degrees: the angle is drawn from (least, most), or (-degrees, degrees).
        interpolation, fill, center, p: see `Affine`.
    Source: torchvision.transforms.v2.RandomRotation. (No `expand`: the images of a batch have one size.)

    >>> images = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    >>> Rotate(degrees=(90, 90))(images)[0, 0].tolist()
    [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    """

    def __init__(self, degrees, interpolation="nearest", center=None, fill=0, p=1.0):
        super().__init__(p)
        self.degrees = interval(self.name, "degrees", degrees)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.center = None if center is None else two(self.name, "center", center)
        self.fill = fill_value(self.name, fill)

    def draw(self, draws):
        return {"angle": draws.uniform(*self.degrees)}

    def change(self, batch, params):
        none = np.zeros((batch.N, 2))
        matrix = affine_matrix(-params["angle"], none, np.ones(batch.N), none, middle(batch.size, self.center))
        add_matrix(self, batch, matrix, params["applied"])


class Perspective(Transform):
    """The image as seen from another side: each corner moves inwards, and the rest follows.

    Args:
        distortion_scale: the corners move by up to this fraction of half the width and height.
        interpolation, fill, p: see `Affine`.
    Source: torchvision.transforms.v2.RandomPerspective.
    """

    def __init__(self, distortion_scale=0.5, p=0.5, interpolation="bilinear", fill=0):
        super().__init__(p)
        self.distortion_scale = fraction(self.name, "distortion_scale", distortion_scale)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.fill = fill_value(self.name, fill)

    def draw(self, draws):
        return {"corners": draws.numbers(8).reshape(-1, 4, 2)}  # how far inwards, as a fraction of the most

    def change(self, batch, params):
        H, W = batch.size
        most = np.array([int(self.distortion_scale * (W // 2)) + 1, int(self.distortion_scale * (H // 2)) + 1])
        inwards = np.floor(params["corners"] * most)  # (N, 4, 2) whole pixels
        start = np.array([[0, 0], [W - 1, 0], [W - 1, H - 1], [0, H - 1]], float)
        end = start + inwards * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        add_matrix(self, batch, perspective_matrix(start, end), params["applied"])


RandomAffine, RandomRotation, RandomPerspective = Affine, Rotate, Perspective  # torchvision's names


def affine_matrix(angle, translate, scale, shear, center):
    """(N, 3, 3) from the output to the input: the inverse of T(translate) C R(angle) S(scale) SHy SHx C^-1.

    C is the shift to the center.

    Args: angle (N,) degrees clockwise, translate (N, 2) pixels, scale (N,), shear (N, 2) degrees, center (x, y).
    """
    r, (sx, sy) = np.radians(angle), np.radians(shear).T
    a, b = np.cos(r - sy) / np.cos(sy), -np.cos(r - sy) * np.tan(sx) / np.cos(sy) - np.sin(r)
    c, d = np.sin(r - sy) / np.cos(sy), -np.sin(r - sy) * np.tan(sx) / np.cos(sy) + np.cos(r)
    matrix = np.zeros((len(r), 3, 3))
    inverse = np.stack([d, -b, -c, a], axis=1).reshape(-1, 2, 2)  # of [[a, b], [c, d]], whose determinant is 1
    matrix[:, :2, :2] = inverse / scale[:, None, None]
    center = np.asarray(center, float)
    matrix[:, :2, 2] = center - np.einsum("nij,nj->ni", matrix[:, :2, :2], center + translate)
    matrix[:, 2, 2] = 1
    return matrix


def perspective_matrix(start, end):
    """(N, 3, 3) from the output to the input, that take the points `end` (N, 4, 2) of the output to `start` (4, 2) of the input.

    torchvision takes the matrix at the pixels' middles counted from the upper left corner, half a pixel on.
    """
    N = len(end)
    x, y = end[..., 0], end[..., 1]  # (N, 4)
    u, v = (np.broadcast_to(start[:, k], (N, 4)) for k in (0, 1))
    one, zero = np.ones((N, 4)), np.zeros((N, 4))
    # u = (a x + b y + c) / (g x + h y + 1) for each of the four points, and v alike: eight equations
    left = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=2),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=2),
        ],
        axis=1,
    )
    right = np.concatenate([u, v], axis=1)[..., None]  # (N, 8, 1)
    eight = (np.linalg.pinv(left) @ right)[..., 0]  # of corners on a line there are many, or none: the least squares
    matrix = np.concatenate([eight, np.ones((N, 1))], axis=1).reshape(N, 3, 3)
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = 0.5, -0.5
    return back @ matrix @ there


def middle(size, center):
    """(x, y) in pixels' middles, of a center that is counted from the upper left corner."""
    H, W = size
    return ((W - 1) / 2, (H - 1) / 2) if center is None else (center[0] - 0.5, center[1] - 0.5)


def add_matrix(transform, batch, matrix, applied):
    fill = fill_value(transform.name, transform.fill, batch.channels)
    batch.add([projective(matrix, applied, batch.size, batch.size, fill=fill)], transform.interpolation)


def shear_ranges(name, shear):
    """((least, most) along x, (least, most) along y)."""
    if isinstance(shear, tuple | list) and len(shear) == 4:
        return interval(name, "shear", shear[:2]), interval(name, "shear", shear[2:])
    return interval(name, "shear", shear), (0.0, 0.0)
