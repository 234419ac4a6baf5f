"""Sampling images at the places where a chain of coordinate maps leads: one thread walks the chain for one pixel of the output,
then looks at its place in each channel. One launch, however long the chain.

The chain comes as tables: whole numbers, nine for each step; the steps' numbers and fills; the fields of displacements.
"""

import cupy
import numpy as np

from ..warp_step import BORDERS, KINDS, TAPS
from .pixel_kernel import THREADS, PixelKernel, real_of

__all__ = ["warp"]

_warp = PixelKernel(
    "mt_warp",
    """
// a step's whole numbers; NUMBERS and FIELD are where its first one is in `numbers` and `fields`
enum { KIND, BORDER, HEIGHT, WIDTH, OUT_HEIGHT, OUT_WIDTH, NUMBERS, COUNT, FIELD, COLUMNS };
enum { PROJECTIVE, TABLE, LENS, DISPLACEMENT };
enum { CONSTANT, REFLECT, SYMMETRIC, EDGE };

__device__ T clip(T x, T low, T high) { return min(max(x, low), high); }

__device__ T fold(T x, int length, int border) {
  if (border == EDGE || length == 1) return clip(x, 0, length - 1);
  if (border == REFLECT) { x = fmod(fabs(x), T(2 * (length - 1))); return min(x, 2 * (length - 1) - x); }
  x = fmod(fabs(x + T(0.5)), T(2 * length));
  return min(x, 2 * length - x) - T(0.5);
}

__device__ T on_lines(const T *table, int length, T x) {
  if (length == 1) return table[0] + x;
  int i = int(clip(floor(x), 0, length - 2));
  return table[i] + (x - i) * (table[i + 1] - table[i]);
}

__device__ T between(const T *values, int H, int W, T x, T y) {
  x = clip(x, 0, W - 1); y = clip(y, 0, H - 1);
  int i = int(y), j = int(x), below = min(i + 1, H - 1), right = min(j + 1, W - 1);
  T upper = values[i * W + j] + (x - j) * (values[i * W + right] - values[i * W + j]);
  T lower = values[below * W + j] + (x - j) * (values[below * W + right] - values[below * W + j]);
  return upper + (y - i) * (lower - upper);
}

__device__ void one_step(const int *step, const T *p, const T *field, T &x, T &y) {
  int OH = step[OUT_HEIGHT], OW = step[OUT_WIDTH];
  if (step[KIND] == PROJECTIVE) {
    T w = p[6] * x + p[7] * y + p[8], u = (p[0] * x + p[1] * y + p[2]) / w;
    y = (p[3] * x + p[4] * y + p[5]) / w;
    x = u;
  } else if (step[KIND] == TABLE) {
    x = on_lines(p + OH, OW, x);
    y = on_lines(p, OH, y);
  } else if (step[KIND] == LENS) {
    T u = (x - p[0]) / p[2], v = (y - p[1]) / p[3], r2 = u * u + v * v, longer = 1 + p[4] * r2 + p[4] * r2 * r2;
    x = p[0] + p[2] * u * longer;
    y = p[1] + p[3] * v * longer;
  } else {
    T u = x + p[0] * between(field, OH, OW, x, y);
    y += p[0] * between(field + OH * OW, OH, OW, x, y);
    x = u;
  }
}

__device__ T keys(T t) {  // cubic convolution of a pixel at distance t
  const T a = T(-0.75);
  return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
}

__device__ void weights(T x, int taps, int &first, T *weight) {
  if (taps == 1) { first = int(rint(x)); weight[0] = 1; return; }
  T t = x - floor(x);
  first = int(floor(x)) - taps / 2 + 1;
  if (taps == 2) { weight[0] = 1 - t; weight[1] = t; }
  else for (int k = 0; k < 4; ++k) weight[k] = keys(fabs(t - (k - 1)));
}

extern "C" __global__ void mt_warp(const P *x, P *y, const int *table, const T *numbers, const T *fields, int steps,
                                   int taps, int N, int C, int H, int W, int OH, int OW, int fills) {
  ptrdiff_t pixel = (ptrdiff_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (pixel >= (ptrdiff_t)N * OH * OW) return;
  int n = pixel / (OH * OW), place = pixel % (OH * OW), lost = -1;
  T px = place % OW, py = place / OW;
  for (int s = steps - 1; s >= 0 && lost < 0; --s) {
    const int *step = table + s * COLUMNS;
    int height = step[HEIGHT], width = step[WIDTH];
    const T *p = numbers + step[NUMBERS] + n * step[COUNT];
    if (p[0] != p[0]) continue;  // a NaN: the step leaves this sample alone
    const T *field = fields + step[FIELD] + (ptrdiff_t)n * 2 * step[OUT_HEIGHT] * step[OUT_WIDTH];
    one_step(step, p, field, px, py);
    if (!(fabs(px) < T(1e9) && fabs(py) < T(1e9))) lost = s;  // also a NaN
    else if (step[BORDER] != CONSTANT) { px = fold(px, width, step[BORDER]); py = fold(py, height, step[BORDER]); }
    else if (s > 0 && !(px >= T(-0.5) && px <= width - T(0.5) && py >= T(-0.5) && py <= height - T(0.5))) lost = s;
  }
  int top = 0, left = 0, border = table[BORDER];
  T row_weight[4], column_weight[4];
  if (WHOLE && taps == 2) { px = floor(px * 256 + T(0.5)) / 256; py = floor(py * 256 + T(0.5)) / 256; }
  if (lost < 0) { weights(py, taps, top, row_weight); weights(px, taps, left, column_weight); }
  for (int c = 0; c < C; ++c) {
    const P *image = x + ((ptrdiff_t)n * C + c) * H * W;
    T value = 0;
    if (lost >= 0) value = numbers[fills + lost * C + c];
    else for (int i = 0; i < taps; ++i) for (int j = 0; j < taps; ++j) {
      int row = top + i, column = left + j;
      if (border != CONSTANT) { row = int(fold(row, H, border)); column = int(fold(column, W, border)); }
      bool inside = row >= 0 && row < H && column >= 0 && column < W;
      value += row_weight[i] * column_weight[j] * (inside ? T(image[row * W + column]) : numbers[fills + c]);
    }
    y[((ptrdiff_t)n * C + c) * OH * OW + place] = WHOLE ? P(clip(floor(value + T(0.5)), 0, 255)) : P(value);
  }
}
""",
)


def warp(x, steps, size, interpolation):
    N, C, H, W = x.shape
    x = cupy.ascontiguousarray(x)
    y = cupy.empty((N, C, *size), x.dtype)
    table, numbers, fields, place, field_place = [], [], [], 0, 0
    for step in steps:
        kind, border = KINDS.index(step.kind), BORDERS.index(step.border)
        table.append([kind, border, *step.input_size, *step.output_size, place, step.numbers.shape[1], field_place])
        numbers.append(np.where(step.applies()[:, None], step.numbers, np.nan).ravel())
        place += step.numbers.size
        if step.field is not None:
            fields.append(cupy.ascontiguousarray(step.field, real_of(x)).ravel())
            field_place += step.field.size
    fills = [np.broadcast_to(np.asarray(step.fill, float), (C,)) for step in steps]
    fields = fields or [cupy.empty(0, real_of(x))]
    fields = fields[0] if len(fields) == 1 else cupy.concatenate(fields)  # one is the common case, and no copy
    blocks = -(-N * size[0] * size[1] // THREADS)
    if blocks:
        numbers = np.concatenate(numbers + fills)
        _warp(
            x, blocks, x, y, np.array(table), numbers, fields, len(steps), TAPS[interpolation], N, C, H, W, *size, place
        )
    return y
