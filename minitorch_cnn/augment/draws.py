"""The random numbers of a batch: those of sample i in epoch e depend on (seed, e, i), and on nothing else.

There is no generator that moves on from sample to sample. Number k of a sample is a hash of (seed, e, i, k), splitmix64 (Steele,
Lea, Flood 2014), so it doesn't matter in which batch the sample is, which samples came before, or who asks on which device.
"""

import functools

import numpy as np

from ..backend import cpu, random
from ..backend.cpu.uniform import GOLDEN, mix
from .check import natural

AHEAD = 8  # numbers a sample that are made at once, then twice as many: few calls for a whole recipe


class Draws:
    """Random numbers for the samples of a batch, each request the next ones of every sample's own stream.

    A transform must always ask for the same, whatever comes out: what the next one gets depends on how many were asked for.

    Args:
        ids: the samples' numbers in their dataset, (N,) integers from 0 on.
        epoch: an integer from 0 on.
        seed: None takes that of `mt.manual_seed` which is in force.

    >>> Draws([3, 7], epoch=1, seed=5).uniform().tolist() == [Draws([i], epoch=1, seed=5).uniform()[0] for i in (3, 7)]
    True
    """

    def __init__(self, ids, epoch=0, seed=None, name="Draws"):
        self.seed = random.seed() if seed is None else natural(name, "seed", seed)
        self.epoch = natural(name, "epoch", epoch)
        self.ids = np.asarray(ids)
        self.made = np.empty((len(self.ids), 0))
        self.used = 0

    def __len__(self):
        return len(self.ids)

    @functools.cached_property
    def streams(self):
        """(N,) where each sample's numbers begin; many recipes need none."""
        stream = np.array([self.seed % 2**64], np.uint64)
        for number in (np.array([self.epoch % 2**64], np.uint64), self.ids.astype(np.uint64)):
            stream = mix(mix(stream) + number * GOLDEN)  # (1,), then (N,)
        return stream

    def numbers(self, count):
        """(N, count) from 0 to below 1, float64."""
        end = self.used + count
        if end > self.made.shape[1]:
            self.made = cpu.uniform(self.streams, max(AHEAD, 2 * self.made.shape[1], end), np.float64)
        numbers = self.made[:, self.used : end]
        self.used = end
        return numbers

    def uniform(self, low=0.0, high=1.0):
        """(N,) from low to below high."""
        return low + (high - low) * self.numbers(1)[:, 0]

    def chance(self, p):
        """(N,) True with probability p."""
        if p in (0, 1):  # the commonest, and no number is needed; it counts as used
            self.used += 1
            return np.full(len(self), p == 1)
        return self.numbers(1)[:, 0] < p

    def integers(self, low, high):
        """(N,) integers from low to high, both included."""
        return low + np.floor(self.numbers(1)[:, 0] * (high - low + 1)).astype(np.int64)

    def normal(self):
        """(N,) of mean 0 and variance 1, by Box and Muller's formula."""
        u, v = self.numbers(2).T
        return np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)

    def beta(self, alpha):
        """(N,) of the distribution Beta(alpha, alpha), from 0 to 1."""
        return beta_quantile(self.numbers(1)[:, 0], alpha)

    def order(self, count):
        """(N, count): the numbers from 0 to count - 1, in a random order for each sample."""
        return np.argsort(self.numbers(count), axis=1)

    def keys(self):
        """(N,) uint64: a stream of its own for each sample, for what needs a number for every pixel."""
        return (self.numbers(1)[:, 0] * 2.0**53).astype(np.uint64)


def beta_quantile(u, alpha):
    """The value below which a variable of Beta(alpha, alpha) is with probability u.

    Its density x**(alpha-1) (1-x)**(alpha-1) is infinite at 0 where alpha < 1. In t = x**a, a = min(alpha, 1), it is
    x**(alpha-a) (1-x)**(alpha-1), which is finite from x = 0 to 1/2; the other half is its mirror image.

    >>> beta_quantile(np.array([0.25, 0.5, 0.9]), 1.0).round(6).tolist()  # Beta(1, 1) is the uniform distribution
    [0.25, 0.5, 0.9]
    """
    a = min(alpha, 1.0)
    t = np.linspace(0, 0.5**a, 2049)
    x = t ** (1 / a)
    density = x ** (alpha - a) * (1 - x) ** (alpha - 1)
    area = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    low = np.interp(2 * np.minimum(u, 1 - u) * area[-1], area, t) ** (1 / a)
    return np.where(u <= 0.5, low, 1 - low)
