"""Weights and images by formula, the same on every machine, so that a network's outputs can be compared with stored numbers.

A number is a hash (SplitMix64) of a name and a position; it does not depend on the order in which the keys come.
"""

import zlib

import numpy as np


def uniform(name, n):
    """n numbers in [0, 1)."""
    z = np.arange(1, n + 1, dtype=np.uint64)
    z += np.uint64(zlib.crc32(name.encode()) << 32)
    z *= np.uint64(0x9E3779B97F4A7C15)  # modulo 2**64, as all products here
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    z >>= np.uint64(11)
    return z * 2.0**-53


def bounds(key, shape, gain):
    """Between what the values of a tensor lie: those of a weight have the standard deviation gain / sqrt(fan_in)."""
    last = key.rpartition(".")[2]
    if last == "running_var":
        return 0.5, 1.5
    if last == "running_mean" or last.endswith("bias"):
        return -0.1, 0.1
    if last == "weight" and len(shape) == 1:  # the scale of a norm
        return 0.8, 1.2
    bound = gain * (3 / np.prod(shape[1:])) ** 0.5
    return -bound, bound


def fill(model, gain):
    """Give each parameter and buffer of the model its numbers; num_batches_tracked becomes 0."""
    for key, tensor in model.state_dict().items():
        if tensor.dtype.kind == "i":
            tensor.data[...] = 0
        else:
            low, high = bounds(key, tensor.shape, gain)
            tensor.data[...] = (low + (high - low) * uniform(key, tensor.size)).reshape(tensor.shape)
    return model


def image(shape):
    """Noise in [-1, 1) plus blocks of 8x8 pixels at -0.5, 0 or 0.5."""
    n, c, h, w = np.indices(shape)
    return 2 * uniform("image", n.size).reshape(shape) - 1 + 0.5 * ((h // 8 + w // 8 + c + n) % 3 - 1)
