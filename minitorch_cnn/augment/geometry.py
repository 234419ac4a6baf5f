"""Chains of geometric steps: matrices, what can be one step, and how points move.

A step says where its output's pixels come from (backend/warp_step.py). Matrices here are (N, 3, 3), one a sample, and map the
output's (x, y, 1) to the input's. Points (boxes, keypoints) go the other way, from the input to the output.
"""

import numpy as np

from .. import backend
from ..backend.cpu import warp as cpu_warp
from ..backend.warp_step import Step

NEARLY = 1e-6  # pixels; what rounding in a matrix may move a corner by


def projective(matrix, applied, input_size, output_size, border="constant", fill=(0.0,)):
    """The step of (N, 3, 3) matrices; samples that aren't `applied` (N,) stay as they are."""
    matrix = np.where(applied[:, None, None], matrix, np.eye(3))
    return Step("projective", matrix.reshape(-1, 9), input_size, output_size, border, fill)


def join(chain):
    """The same chain in fewer steps: matrices that follow each other are multiplied, where that loses nothing.

    In between, what comes from outside of the inner image gets that step's border. This may only be left out for a sample whose
    output looks at the inside alone (crops, mirroring), or if outside there is outside of the image before, too, with the
    same border.
    """
    joined = list(chain[:1])
    for step in chain[1:]:
        before = joined[-1]
        if step.kind == before.kind == "projective":
            inside = lies_inside(step.numbers, step.output_size, step.input_size)
            if not inside.all() and step[4:6] == before[4:6] and step.border == "constant":
                back = np.linalg.inv(before.numbers.reshape(-1, 3, 3)).reshape(-1, 9)
                inside = inside | lies_inside(back, before.input_size, before.output_size)
            if inside.all():
                matrix = before.numbers.reshape(-1, 3, 3) @ step.numbers.reshape(-1, 3, 3)
                joined[-1] = before._replace(numbers=matrix.reshape(-1, 9), output_size=step.output_size)
                continue
        joined.append(step)
    return joined


def lies_inside(numbers, size, around):
    """(N,): whether a matrix maps the whole of an image of `size` into one of the size `around`: its four corners tell."""
    (H, W), (below, right) = size, around
    corners = np.array([[x, y, 1] for x in (-0.5, W - 0.5) for y in (-0.5, H - 0.5)]).T  # (3, 4)
    x, y, w = (numbers.reshape(-1, 3, 3) @ corners).transpose(1, 0, 2)  # (N, 4) each
    low, high = -0.5 - NEARLY, -0.5 + NEARLY
    fits = (w > 0) & (x >= low * w) & (x <= (right + high) * w) & (y >= low * w) & (y <= (below + high) * w)
    return fits.all(axis=1)


def moved_points(rows, chain, n):
    """Keypoints (n, 2 or more) of sample n after the chain; those that are outside are dropped."""
    x, y = forward(rows[:, 0], rows[:, 1], chain, n)
    H, W = chain[-1].output_size
    inside = (x >= -0.5) & (x < W - 0.5) & (y >= -0.5) & (y < H - 0.5)
    return np.column_stack([x, y, rows[:, 2:]])[inside]


def moved_boxes(rows, chain, n, points=9):
    """Boxes (n, 4 or more) of sample n after the chain: the upright box around the moved edges, cut at the image's.

    Those that are empty then are dropped.
    """
    x1, y1, x2, y2 = (rows[:, k : k + 1] for k in range(4))  # (n, 1) each
    t = np.linspace(0, 1, points)
    along_x, along_y = x1 + t * (x2 - x1), y1 + t * (y2 - y1)  # (n, points)
    zeros = np.zeros_like(along_x)
    x = np.concatenate([along_x, along_x, x1 + zeros, x2 + zeros], axis=1)
    y = np.concatenate([y1 + zeros, y2 + zeros, along_y, along_y], axis=1)
    x, y = forward(x - 0.5, y - 0.5, chain, n)  # edges lie half a pixel before the middle of the first one
    H, W = chain[-1].output_size
    x, y = np.clip(x + 0.5, 0, W), np.clip(y + 0.5, 0, H)
    if not len(rows):
        return rows
    box = np.column_stack([x.min(1), y.min(1), x.max(1), y.max(1), rows[:, 4:]])
    return box[(box[:, 0] < box[:, 2]) & (box[:, 1] < box[:, 3])]


def forward(x, y, chain, n):
    """Where the points (x, y) of the first step's input are in the last one's output."""
    for step in chain:
        if step.kind == "projective":
            inverse = np.linalg.inv(step.numbers[n].reshape(3, 3))
            u, v, w = np.tensordot(inverse, np.stack([x, y, np.ones_like(x)]), 1)
            x, y = u / w, v / w
        else:  # find the point that the step maps to (x, y): begin there, and go by what is missing
            if step.field is not None:
                step = step._replace(field=backend.to_numpy(step.field).astype(float))
            u, v = x, y
            for _ in range(50):
                s, t = cpu_warp.one_step(step, n, u, v)
                u, v = u + (x - s), v + (y - t)
            x, y = u, v
    return x, y
