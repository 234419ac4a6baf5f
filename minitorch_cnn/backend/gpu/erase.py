"""Boxes of an image that are filled: one thread looks whether one value is in one of its image's boxes."""

import cupy
import numpy as np

from .noise import BITS16

__all__ = ["fill_boxes"]

_INSIDE = """
template <typename B> __device__ inline bool mt_inside(const B &boxes, ptrdiff_t n, int K, int row, int column) {
  for (ptrdiff_t box = 4 * n * K; box < 4 * (n + 1) * K; box += 4)  // x1, y1, x2, y2
    if (column >= boxes[box] && row >= boxes[box + 1] && column < boxes[box + 2] && row < boxes[box + 3]) return true;
  return false;
}
"""

_fill = cupy.ElementwiseKernel(
    "P x, raw int32 boxes, int32 K, raw P fill, int32 C, int32 H, int32 W",
    "P y",
    """
    ptrdiff_t n = i / ((ptrdiff_t)C * H * W);
    y = mt_inside(boxes, n, K, i / W % H, i % W) ? fill[i / ((ptrdiff_t)H * W) % C] : x;
    """,
    "mt_fill_boxes",
    preamble=_INSIDE,
)

_fill_with_noise = cupy.ElementwiseKernel(
    "P x, raw int32 boxes, int32 K, raw P table, raw uint64 keys, int32 C, int32 H, int32 W",
    "P y",
    """
    ptrdiff_t count = (ptrdiff_t)C * H * W, n = i / count;
    y = mt_inside(boxes, n, K, i / W % H, i % W) ? table[mt_bits16(keys[n], i % count)] : x;
    """,
    "mt_fill_boxes_with_noise",
    preamble=BITS16 + _INSIDE,
)


def fill_boxes(x, boxes, fill, keys=None):
    N, C, H, W = x.shape
    x, K, y = cupy.ascontiguousarray(x), boxes.shape[1], cupy.empty(x.shape, x.dtype)
    boxes, fill = cupy.asarray(boxes.astype(np.int32)), np.asarray(fill).astype(x.dtype)
    if keys is None:
        return _fill(x, boxes, K, cupy.asarray(np.broadcast_to(fill, (C,))), C, H, W, y)
    return _fill_with_noise(x, boxes, K, cupy.asarray(fill), cupy.asarray(keys), C, H, W, y)
