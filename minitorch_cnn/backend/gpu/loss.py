"""Softmax cross entropy with its gradient at once: a block takes a sample. And the distribution wanted, one thread a value."""

import cupy

from .block_kernel import BlockKernel

__all__ = ["class_distribution", "softmax_cross_entropy"]

# a label that is no class makes NaN: to refuse it, the host would have to wait
_class_distribution = cupy.ElementwiseKernel(
    "raw I target, raw T class_weight, int32 C, int64 ignore_index, T smoothing, T nan",
    "T q, raw T weights",
    """
    int j = i % C;
    ptrdiff_t sample = i / C;
    long long t = target[sample];
    bool counts = t != ignore_index;
    T weight = !counts ? T(0) : 0 <= t && t < C ? class_weight[t] : nan;
    q = j == t || weight != weight ? (T(1) - smoothing) * weight : T(0);
    if (counts) q += smoothing / T(C) * class_weight[j];
    if (j == 0) weights[sample] = weight;
    """,
    "mt_class_distribution",
)

# a block takes a sample: the largest logit, then the sums, then each thread its classes' part of the gradient
_softmax_cross_entropy = BlockKernel(
    "mt_softmax_cross_entropy",
    r"""
extern "C" __global__ void mt_softmax_cross_entropy(
    const T* logits, const T* q, T* losses, T* gradient, int classes) {
  const T* x = logits + (long long)blockIdx.x * classes;
  const T* wanted = q + (long long)blockIdx.x * classes;
  T* g = gradient + (long long)blockIdx.x * classes;

  __shared__ T largest[THREADS];
  T mine = x[0];
  for (int j = threadIdx.x; j < classes; j += blockDim.x)
    if (x[j] > mine || x[j] != x[j]) mine = x[j];
  largest[threadIdx.x] = mine;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      T other = largest[threadIdx.x + half];
      if (other > largest[threadIdx.x] || other != other) largest[threadIdx.x] = other;
    }
    __syncthreads();
  }

  T sum = 0, weight = 0, match = 0;
  for (int j = threadIdx.x; j < classes; j += blockDim.x) {
    T centred = x[j] - largest[0];                    // the largest is 0: exp can't overflow
    g[j] = exp(centred);
    sum += g[j];
    weight += wanted[j];
    if (wanted[j] != T(0)) match += wanted[j] * centred;   // a class that is ruled out (-inf), and not wanted, costs nothing
  }
  sum = block_sum(sum);
  weight = block_sum(weight);
  match = block_sum(match);
  for (int j = threadIdx.x; j < classes; j += blockDim.x) g[j] = g[j] * (weight / sum) - wanted[j];
  if (threadIdx.x == 0) losses[blockIdx.x] = log(sum) * weight - match;
}
""",
)


def class_distribution(target, class_weight, ignore_index, label_smoothing):
    C = len(class_weight)
    q, weights = cupy.empty((len(target), C), class_weight.dtype), cupy.empty(len(target), class_weight.dtype)
    _class_distribution(target, class_weight, C, ignore_index, label_smoothing, float("nan"), q, weights)
    return q, weights


def softmax_cross_entropy(logits, q):
    losses, gradient = cupy.empty(len(logits), logits.dtype), cupy.empty(logits.shape, logits.dtype)
    if logits.size:
        _softmax_cross_entropy(logits.dtype, len(logits), logits, q, losses, gradient, logits.shape[1])
    return losses, gradient
