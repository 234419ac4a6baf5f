"""One step of a geometric transform: where each pixel of its output comes from in its input.

Places count in pixels: (x, y) = (j, i) is the middle of the pixel in row i and column j. A chain of steps is walked backwards, from
a pixel of the last one's output to a place in the first one's input, and only there is the image looked at: one sampling pass,
however many steps there are.

    kind            numbers of a sample                    where the output's (x, y) comes from
    "projective"    a b c d e f g h i                      ((a x + b y + c) / w, (d x + e y + f) / w),  w = g x + h y + i
    "table"         a place for each row, then column      (columns[x], rows[y]), on straight lines between them
    "lens"          cx cy fx fy k                          c + f * u * (1 + k r2 + k r2**2),  u = (x, y) - c over f,  r2 = u . u
    "displacement"  factor                                 (x, y) + factor * field[:, y, x], bilinear between pixels

Images of uint8 are sampled bilinearly at places rounded to 1/256 of a pixel, and the sum, exact then, is rounded; halves go up.

Whatever comes from outside of a step's input follows its border rule:

    "constant"      lost: it shows that step's fill, if the place is more than half a pixel outside. In the chain's first step the
                    interpolation goes on into a border of fill: a line 9 9 9 with fill 1, at -0.25, is 3/4 * 9 + 1/4 * 1 = 7
    "reflect"       mirrored about the middle of the outermost pixels (OpenCV's REFLECT_101)
    "symmetric"     mirrored about the outer edges
    "edge"          the nearest pixel there is

A step may leave samples alone: these go past it, from the step behind it to the one before.
"""

from typing import NamedTuple

import numpy as np


class Step(NamedTuple):
    kind: str
    numbers: np.ndarray  # (N, as the kind has it) float64, on the CPU whatever the device
    input_size: tuple  # (H, W)
    output_size: tuple  # (H, W)
    border: str = "constant"
    fill: tuple = (0.0,)  # one number for each channel, or one for all
    field: object = None  # of a displacement: (N, 2, H, W) of its output, x first, where the images are
    applied: object = None  # (N,) bool: the samples that it isn't applied to go past it; None: it is applied to all

    def applies(self):
        """(N,) bool."""
        return np.ones(len(self.numbers), bool) if self.applied is None else self.applied


BORDERS = ("constant", "reflect", "symmetric", "edge")
KINDS = ("projective", "table", "lens", "displacement")
# how many pixels around floor(place) an interpolation looks at: from floor - (taps/2 - 1) to floor + taps/2
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}
