"""Kernels in which the threads of a block add up a row together.

The CUDA code is written for a type T, float or double. A block has THREADS threads; thread number threadIdx.x takes the values
threadIdx.x, threadIdx.x + THREADS, ... of the row, so that neighbours read neighbours. What is `__shared__` is one array for the
whole block, and at `__syncthreads()` each thread waits until all have come so far.

`block_sum` gives each thread of the block the sum of what all threads of it bring: a tree in shared memory, always in the same
order.
"""

import cupy
import numpy as np

THREADS = 256  # of a block; a power of two, for the tree

_PREAMBLE = """
__device__ T block_sum(T value) {
  __shared__ T partial[THREADS];
  partial[threadIdx.x] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();
  }
  T sum = partial[0];
  __syncthreads();  // before the next sum writes there
  return sum;
}
"""


class BlockKernel:
    """One kernel for each dtype that it is called with, compiled then. `code` defines the function `name` in terms of T."""

    def __init__(self, name, code):
        self.name, self.code, self.compiled = name, code, {}

    def __call__(self, dtype, blocks, *args):
        """Run `blocks` blocks. Python ints become int, Python floats T, None a null pointer.

        An array that isn't contiguous is copied: fine for what is read; what is written to must be contiguous.
        """
        kernel = self.compiled.get(dtype)
        if kernel is None:
            real = {"f": "float", "d": "double"}[np.dtype(dtype).char]
            source = f"#define THREADS {THREADS}\ntypedef {real} T;\n{_PREAMBLE}\n{self.code}"
            kernel = self.compiled[dtype] = cupy.RawKernel(source, self.name)
        kernel((blocks,), (THREADS,), tuple(_argument(a, dtype) for a in args))


def _argument(value, dtype):
    if value is None:
        return np.uint64(0)
    if isinstance(value, int):
        return np.int32(value)
    if isinstance(value, float):
        return dtype.type(value)
    if value.device.id != cupy.cuda.runtime.getDevice():  # CuPy checks this for its own kernels, not for these
        raise ValueError(
            f"a kernel on cuda:{cupy.cuda.runtime.getDevice()} was given an array of cuda:{value.device.id}; move it there"
        )
    return cupy.ascontiguousarray(value)
