"""Kernels on images: pixels of one type, arithmetic in another.

The CUDA code is written for three types: P, a pixel (uint8, float or double); T, what is calculated in (float, or double for
double); S, for sums of whole images (64 bit integers for uint8, so that they are exact). TOP is the largest value of a pixel,
255 or 1, and WHOLE tells whether pixels are whole numbers.

Products and sums are rounded one by one (no fused multiply-add), as NumPy does it: where a value is rounded down to a whole
number, the last bit decides between two levels of grey.
"""

import cupy
import numpy as np

_TYPES = {  # P, T, S
    "B": ("unsigned char", "float", "unsigned long long"),
    "f": ("float", "float", "float"),
    "d": ("double", "double", "double"),
}
THREADS = 256  # of a block: one for each level of uint8

_PREAMBLE = """
#define THREADS 256
#define WHOLE (sizeof(P) == 1)
#define TOP T(WHOLE ? 255 : 1)

// what `join` makes of the values that all threads of a block bring, to each of them: a tree, always in the same order
template <typename V, typename Join>
__device__ V block_join(V value, Join join) {
  __shared__ V part[THREADS];
  part[threadIdx.x] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] = join(part[threadIdx.x], part[threadIdx.x + half]);
    __syncthreads();
  }
  value = part[0];
  __syncthreads();  // before the next one writes there
  return value;
}
struct Add { template <typename V> __device__ V operator()(V a, V b) { return a + b; } };
struct Least { template <typename V> __device__ V operator()(V a, V b) { return a < b ? a : b; } };
struct Most { template <typename V> __device__ V operator()(V a, V b) { return a < b ? b : a; } };
"""


class PixelKernel:
    """One kernel for each dtype of images that it is called with, compiled then. `code` defines the function `name`."""

    def __init__(self, name, code):
        self.name, self.code, self.compiled = name, code, {}

    def __call__(self, x, blocks, *args):
        """Run `blocks` blocks for images x. Python ints become int; the host's arrays are moved, floats as T, others as int."""
        kernel = self.compiled.get(x.dtype)
        if kernel is None:
            types = "".join(f"typedef {kind} {name};\n" for name, kind in zip("PTS", _TYPES[x.dtype.char]))
            source = f"{types}{_PREAMBLE}\n{self.code}"
            kernel = self.compiled[x.dtype] = cupy.RawKernel(source, self.name, options=("--fmad=false",))
        kernel((blocks,), (THREADS,), tuple(_argument(a, real_of(x)) for a in args))


def real_of(x):
    """The dtype that is calculated in."""
    return np.float64 if x.dtype == np.float64 else np.float32


def _argument(value, real):
    if isinstance(value, int):
        return np.int32(value)
    if isinstance(value, np.ndarray):
        return cupy.asarray(np.ascontiguousarray(value, real if value.dtype.kind == "f" else np.int32))
    return value
