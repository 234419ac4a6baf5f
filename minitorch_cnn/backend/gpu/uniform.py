"""Random numbers by their number, splitmix64: each thread makes its own."""

import cupy

__all__ = ["uniform"]

# number k of the stream that `key` names, with as many bits as T holds exactly, from 0 to below 1
SPLITMIX64 = """
__device__ inline unsigned long long mt_mix(unsigned long long z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}
template <typename T> __device__ inline T mt_uniform(unsigned long long key, unsigned long long k) {
  const int bits = sizeof(T) == 4 ? 24 : 53;
  return T(mt_mix(key + (k + 1) * 0x9E3779B97F4A7C15ULL) >> (64 - bits)) * (T(1) / T(1ULL << bits));
}
"""

_uniform = cupy.ElementwiseKernel(
    "raw uint64 keys, int64 count",
    "T y",
    "y = mt_uniform<T>(keys[i / count], i % count)",
    "mt_uniform_numbers",
    preamble=SPLITMIX64,
)


def uniform(keys, count, dtype):
    return _uniform(cupy.ascontiguousarray(keys), count, cupy.empty((len(keys), count), dtype))
