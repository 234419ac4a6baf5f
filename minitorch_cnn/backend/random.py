"""The one random number generator behind weights, dropout and shuffling.

`manual_seed(s)` fixes all of them. Whatever must not depend on how many numbers were drawn before (the order of epoch e, the
augmentation of sample i) makes a generator of its own from `seed()` and its own numbers instead.
"""

import numpy as np

from .cpu.threads import parallel

BLOCK = 1 << 18  # numbers drawn at once: more would leave the cache

_seed = int(np.random.SeedSequence().generate_state(1)[0])
_generator = np.random.Generator(np.random.PCG64(_seed))


def manual_seed(seed):
    """Restart every random choice of the framework from `seed` (an int from 0 on).

    >>> manual_seed(7); a = generator().random(); manual_seed(7); a == generator().random()
    True
    """
    global _seed, _generator
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"manual_seed: the seed must be an integer from 0 on, got {seed!r}")
    _seed = int(seed)
    _generator = np.random.Generator(np.random.PCG64(_seed))


def seed():
    """The seed in force: the last one given to `manual_seed`, or one drawn when the package was imported."""
    return _seed


def generator():
    """The numpy.random.Generator that everything on the CPU draws from."""
    return _generator


def fill(array, draw):
    """Fill a NumPy array with draw(generator, n), which gives n numbers in float64 that are cast to the array's dtype.

    An array of more than BLOCK numbers is drawn in blocks, each from a generator of its own, by all threads: VGG's 140 million
    weights take 1 s instead of 3, and no float64 copy of them. The numbers depend on the seed alone, not on the number of threads.
    """
    flat = array.reshape(-1)  # a view; a copy if the array isn't contiguous
    if flat.size <= BLOCK:
        flat[...] = draw(generator(), flat.size)
    else:
        key = int(generator().integers(2**63))

        def some_blocks(first, end):
            for block in range(first, end):
                part = flat[block * BLOCK : (block + 1) * BLOCK]
                part[...] = draw(np.random.Generator(np.random.PCG64([key, block])), part.size)

        parallel(-(-flat.size // BLOCK), some_blocks)
    if not np.may_share_memory(flat, array):
        array[...] = flat.reshape(array.shape)


def get_state():
    """Everything needed to go on from here: plain numbers and strings, fit for JSON."""
    return {"seed": _seed, "generator": _generator.bit_generator.state}


def set_state(state):
    """Go on from where `get_state` was called."""
    global _seed
    seed = int(state["seed"])  # first: a state that is refused changes nothing
    _generator.bit_generator.state = state["generator"]
    _seed = seed
