"""Chains of geometric steps: matrices, what can be one step, and how points move.

A step says where its output's pixels come from (backend/warp_step.py). Matrices here are (N, 3, 3), one a sample, and map the
output's (x, y, 1) to the input's. Points (boxes, keypoints) go the other way, from the input to the output.
"""

import numpy as np

from .. import backend
from ..backend.cpu.warp_places import one_step
from ..backend.warp_step import Step

NEARLY = 1e-6  # pixels; what rounding in a matrix may move a corner by


def projective(matrix, applied, input_size, output_size, border="constant", fill=(0.0,)):
    """The step of matrices (N, 3, 3), or one (3, 3) for all; samples that aren't `applied` (N,) go past it."""
    numbers = np.broadcast_to(matrix.reshape(-1, 9), (len(applied), 9))
    return Step("projective", numbers, input_size, output_size, border, fill, applied=applied)


def join(chain):
    """The same chain in fewer steps: matrices that follow each other are multiplied, where that loses nothing.

    In between, what comes from outside of the inner image gets that step's border. This may only be left out for a sample whose
    output looks at the inside alone (crops, mirroring), or if outside there is outside of the image before, too, with the
    same border. It is asked of each sample by itself, so that none depends on the others of its batch: one that has been joined
    goes past the second step.
    """
    if not chain:
        return []
    steps = [step._replace(numbers=step.numbers.copy(), applied=step.applies().copy()) for step in chain]
    last = np.zeros(len(steps[0].numbers), int)  # the number of the last step so far that each sample doesn't go past
    for k, step in enumerate(steps[1:], 1):
        if step.kind == "projective":
            for number in np.unique(last):
                multiply(steps[number], step, step.applied & (last == number))
        last[step.applied] = k
    kept = steps[:1]
    for step in steps[1:]:
        if step.applied.any():
            kept.append(step)
        else:
            kept[-1] = kept[-1]._replace(output_size=step.output_size)
    return kept


def multiply(before, step, samples):
    """Make one matrix of the two steps for those of the samples (N,) for which that loses nothing; in place."""
    if before.kind != "projective":
        return
    first, second = (s.numbers.reshape(-1, 3, 3) for s in (before, step))
    first = np.where(before.applied[:, None, None], first, np.eye(3))
    inside = lies_inside(step.numbers, step.output_size, step.input_size)
    if not inside.all() and step.border == before.border == "constant" and step.fill == before.fill:
        regular = np.abs(np.linalg.det(first)) > 1e-9
        back = np.linalg.inv(np.where(regular[:, None, None], first, np.eye(3))).reshape(-1, 9)
        inside = inside | (regular & lies_inside(back, before.input_size, step.input_size))
    samples = samples & inside
    before.numbers[samples] = (first @ second).reshape(-1, 9)[samples]
    before.applied[samples], step.applied[samples] = True, False


def lies_inside(numbers, size, around):
    """(N,): whether a matrix maps the whole of an image of `size` into one of the size `around`: its four corners tell."""
    (H, W), (below, right) = size, around
    corners = np.array([[x, y, 1] for x in (-0.5, W - 0.5) for y in (-0.5, H - 0.5)]).T  # (3, 4)
    x, y, w = (numbers.reshape(-1, 3, 3) @ corners).transpose(1, 0, 2)  # (N, 4) each
    low, high = -0.5 - NEARLY, -0.5 + NEARLY
    fits = (w > 0) & (x >= low * w) & (x <= (right + high) * w) & (y >= low * w) & (y <= (below + high) * w)
    return fits.all(axis=1)


def moved_points(rows, chain, n):
    """Keypoints (n, 2 or more) of sample n after the chain; those that leave the image on the way are dropped."""
    x, y, kept = rows[:, 0], rows[:, 1], np.ones(len(rows), bool)
    for step in chain:
        if not step.applies()[n]:
            continue
        u, v = forward(x, y, step, n)
        back = backward(u, v, alone(step, n))
        kept &= within(u, v, step.output_size)
        kept &= np.hypot(back[0] - x, back[1] - y) < 0.5  # else no pixel of the output shows it
        x, y = u, v
    return np.column_stack([x, y, rows[:, 2:]])[kept]


def moved_boxes(rows, chain, n, points=9):
    """Boxes (n, 4 or more) of sample n after the chain: the upright box around the moved edges, cut at the images' edges.

    Those that are empty then are dropped.
    """
    chain = [step for step in chain if step.applies()[n]]
    if not len(rows) or not chain:
        return rows
    x1, y1, x2, y2 = (rows[:, k : k + 1] for k in range(4))  # (n, 1) each
    t = np.linspace(0, 1, points)
    along_x, along_y = x1 + t * (x2 - x1), y1 + t * (y2 - y1)  # (n, points)
    zeros = np.zeros_like(along_x)
    x = np.concatenate([along_x, along_x, x1 + zeros, x2 + zeros], axis=1)
    y = np.concatenate([y1 + zeros, y2 + zeros, along_y, along_y], axis=1)
    for step in chain:
        x, y = forward(x - 0.5, y - 0.5, step, n)  # edges lie half a pixel before the middle of the first one
        H, W = step.output_size
        x, y = np.clip(x + 0.5, 0, W), np.clip(y + 0.5, 0, H)
    return boxes_within(np.column_stack([x.min(1), y.min(1), x.max(1), y.max(1), rows[:, 4:]]), chain[-1].output_size)


def boxes_within(rows, size):
    """What an image of size (H, W) shows of the boxes; those of which it shows nothing, but for rounding, are dropped."""
    H, W = size
    shown = np.column_stack([np.clip(rows[:, :4], 0, [W, H, W, H]), rows[:, 4:]])
    return shown[(shown[:, 2] - shown[:, 0] > NEARLY) & (shown[:, 3] - shown[:, 1] > NEARLY)]


def points_within(rows, size):
    """The keypoints that lie in an image of size (H, W)."""
    return rows[within(rows[:, 0], rows[:, 1], size)]


def within(x, y, size):
    """Whether each point lies on a pixel of an image of size (H, W)."""
    H, W = size
    return (x >= -0.5) & (x < W - 0.5) & (y >= -0.5) & (y < H - 0.5)


def forward(x, y, step, n):
    """Where the points (x, y) of a step's input are in its output: what the step maps to them."""
    numbers = step.numbers[n]
    if step.kind == "projective":
        matrix = numbers.reshape(3, 3)
        inverse = np.linalg.inv(matrix) if np.linalg.det(matrix) else np.linalg.pinv(matrix)
        u, v, w = np.tensordot(inverse, np.stack([x, y, np.ones_like(x)]), 1)
        w = np.where(w == 0, np.finfo(float).tiny, w)
        with np.errstate(over="ignore"):
            return u / w, v / w
    if step.kind == "table":
        rows, columns = numbers[: step.output_size[0]], numbers[step.output_size[0] :]
        return off_lines(columns, x), off_lines(rows, y)
    if step.kind == "lens":
        cx, cy, fx, fy, k = numbers
        u, v = (x - cx) / fx, (y - cy) / fy
        far = np.hypot(u, v)
        shorter = unbent(far, k) / np.maximum(far, 1e-12)
        return cx + fx * u * shorter, cy + fy * v * shorter
    step = alone(step, n)
    u, v = x, y  # begin there, and go by what is missing: the field is smooth
    for _ in range(60):
        s, t = backward(u, v, step)
        u, v = u + (x - s) / 2, v + (y - t) / 2  # half of it: where the image is squeezed, more would go too far
    return u, v


def backward(x, y, step):
    """Where the points (x, y) of the output of a step of one sample come from in its input."""
    places = one_step(step, [0], x.reshape(1, 1, -1), y.reshape(1, 1, -1))
    return tuple(Z.reshape(x.shape) for Z in places)


def off_lines(table, x):
    """The place in the table at which its value is x; the inverse of reading it on straight lines, for values that grow."""
    if len(table) == 1:
        return x - table[0]
    i = np.clip(np.searchsorted(table, x, side="right") - 1, 0, len(table) - 2)
    rise = table[i + 1] - table[i]
    return i + (x - table[i]) / np.where(rise == 0, np.finfo(float).tiny, rise)


def unbent(far, k):
    """r with r (1 + k r^2 + k r^4) = far, by halving; where there is none, that of the largest."""
    high = far.copy()
    if k < 0:  # it grows up to where 1 + 3 k r^2 + 5 k r^4 = 0
        high[...] = np.sqrt((-3 * k - np.sqrt(9 * k * k - 20 * k)) / (10 * k))
    low = np.zeros_like(high)
    for _ in range(60):
        r = (low + high) / 2
        below = r * (1 + k * r**2 + k * r**4) < far
        low, high = np.where(below, r, low), np.where(below, high, r)
    return high


def alone(step, n):
    """The step of sample n, on the CPU."""
    field = None if step.field is None else backend.to_numpy(step.field[n : n + 1]).astype(float)
    return step._replace(numbers=step.numbers[n : n + 1], field=field, applied=None)
