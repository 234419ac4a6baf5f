"""Random numbers for every pixel, blurred along the rows, then along the columns: one block for each field, one launch for all.

Each step needs what all threads of the block have made before, so they wait for each other in between. The numbers are first
written to `y` and blurred into `wide`, then back: each is made once, not once for each tap.
"""

import cupy

from .block_kernel import BlockKernel
from .filter import MIRRORED
from .uniform import SPLITMIX64

__all__ = ["smooth_noise"]

_smooth_noise = BlockKernel(
    "mt_smooth_noise",
    SPLITMIX64
    + MIRRORED
    + """
extern "C" __global__ void mt_smooth_noise(const unsigned long long* keys, const T* taps, int K, int H, int W, T* wide, T* y) {
  unsigned long long key = keys[blockIdx.x / 2];
  int which = blockIdx.x % 2, L = H * W;  // 0: how far each pixel moves along x, 1: along y
  y += (ptrdiff_t)blockIdx.x * L;
  wide += (ptrdiff_t)blockIdx.x * L;
  for (int i = threadIdx.x; i < L; i += THREADS) y[i] = 2 * mt_uniform<T>(key, which * L + i) - 1;
  __syncthreads();
  for (int i = threadIdx.x; i < L; i += THREADS) {
    T sum = 0;
    for (int k = 0; k < K; ++k) sum += taps[k] * y[i - i % W + mt_mirrored(i % W + k - K / 2, W)];
    wide[i] = sum;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < L; i += THREADS) {
    T sum = 0;
    for (int k = 0; k < K; ++k) sum += taps[k] * wide[mt_mirrored(i / W + k - K / 2, H) * W + i % W];
    y[i] = sum;
  }
}
""",
)


def smooth_noise(keys, size, taps, dtype):
    H, W = size
    taps = cupy.asarray(taps, dtype)
    wide, y = (cupy.empty((len(keys), 2, H, W), dtype) for _ in range(2))
    _smooth_noise(y.dtype, 2 * len(keys), cupy.ascontiguousarray(keys), taps, len(taps), H, W, wide, y)
    return y
