"""Weights and images by formula, the same on every machine, so that a network's outputs can be compared with stored numbers.

A number is a hash (SplitMix64) of a name and a position; it does not depend on the order in which the keys come.
"""

import zlib

import numpy as np


def uniform(name, n):
    """n numbers in [0, 1)."""
    z = np.arange(1, n + 1, dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()) << 32)
    z *= np.uint64(0x9E3779B97F4A7C15)  # modulo 2**64, as all products here
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


def fill(model, gain):
    """Give each weight of the model its numbers: of standard deviation gain / sqrt(fan_in), biases within +-0.1."""
    state = {}
    for key, tensor in model.state_dict().items():
        bound = 0.1 if key.endswith("bias") else gain * (3 / np.prod(tensor.shape[1:])) ** 0.5
        state[key] = (bound * (2 * uniform(key, tensor.size) - 1)).reshape(tensor.shape)
    model.load_state_dict(state)
    return model


def image(shape):
    """Noise in [-1, 1) plus blocks of 8x8 pixels at -0.5, 0 or 0.5."""
    n, c, h, w = np.indices(shape)
    return 2 * uniform("image", n.size).reshape(shape) - 1 + 0.5 * ((h // 8 + w // 8 + c + n) % 3 - 1)
