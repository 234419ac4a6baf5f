"""Random numbers by sample, epoch and seed: independent of the batch, and as even as random ones."""

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn.augment.draws import AHEAD, Draws, beta_quantile
from minitorch_cnn.backend import cpu, reference

MANY = 20_000
REQUESTS = {
    "numbers": lambda d: d.numbers(3),
    "uniform": lambda d: d.uniform(-2, 5),
    "chance": lambda d: d.chance(0.4),
    "integers": lambda d: d.integers(-3, 4),
    "normal": lambda d: d.normal(),
    "beta": lambda d: d.beta(0.3),
    "order": lambda d: d.order(5),
    "keys": lambda d: d.keys(),
}


def chi_square(counts, shares=None):
    """How many standard deviations the chi-square of `counts` lies above its mean, by Wilson and Hilferty's formula."""
    counts = np.asarray(counts, float).ravel()
    expected = counts.sum() * (np.full(counts.size, 1 / counts.size) if shares is None else np.asarray(shares))
    assert expected.min() >= 5
    free = counts.size - 1
    statistic = ((counts - expected) ** 2 / expected).sum()
    return ((statistic / free) ** (1 / 3) - (1 - 2 / (9 * free))) / np.sqrt(2 / (9 * free))


def looks_random(counts, shares=None):
    """Neither too uneven nor too even: a fixed seed, so this is no matter of luck from run to run."""
    return abs(chi_square(counts, shares)) < 4


# independence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_samples_numbers_do_not_depend_on_its_batch(request_):
    ask, ids = REQUESTS[request_], np.array([5, 0, 2**40, 17, 3])
    together = ask(Draws(ids, 2, 9))
    assert len(together) == 5
    for n, i in enumerate(ids):
        assert np.array_equal(ask(Draws([i], 2, 9))[0], together[n])
    order = np.array([3, 1, 4, 0, 2])
    assert np.array_equal(ask(Draws(ids[order], 2, 9)), together[order])
    assert np.array_equal(ask(Draws(np.repeat(ids, 3), 2, 9))[::3], together)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint8, np.uint64])
def test_the_ids_dtype_does_not_matter(dtype):
    assert np.array_equal(Draws(np.array([1, 77], dtype), 1, 1).numbers(4), Draws([1, 77], 1, 1).numbers(4))


@pytest.mark.parametrize("request_", REQUESTS)
def test_every_request_takes_as_many_numbers_whatever_comes_out(request_):
    draws = Draws(np.arange(100), 0, 4)
    REQUESTS[request_](draws)
    used = draws.used
    rest = draws.numbers(2)
    assert np.array_equal(rest, Draws(np.arange(100), 0, 4).numbers(used + 2)[:, used:])


def test_numbers_asked_for_in_parts_are_those_asked_for_at_once():
    ids = np.arange(7)
    at_once = Draws(ids, 3, 11).numbers(3 * AHEAD + 5)
    parts = Draws(ids, 3, 11)
    counts = [1, 0, AHEAD - 2, 3, AHEAD, 1, 2, AHEAD]
    together = np.concatenate([parts.numbers(count) for count in counts], axis=1)
    assert np.array_equal(together, at_once[:, : sum(counts)])
    assert at_once.dtype == np.float64 and at_once.min() >= 0 and at_once.max() < 1


def test_what_was_handed_out_stays_as_it_was():
    draws = Draws([1, 2], 0, 0)
    first = draws.numbers(2)
    kept = first.copy()
    draws.numbers(5 * AHEAD)
    assert np.array_equal(first, kept)


def test_seed_epoch_and_id_each_make_other_numbers():
    numbers = {
        (seed, epoch, i): tuple(Draws([i], epoch, seed).numbers(2)[0])
        for seed in range(6)
        for epoch in range(6)
        for i in range(6)
    }
    assert len(set(numbers.values())) == 6**3


def test_no_number_occurs_twice_among_many_samples_epochs_and_seeds():
    """Also of the streams of seed 0, epoch 0, id 0, where a weak hash has zeros."""
    blocks = [Draws(np.arange(300), e, s).numbers(20) for e in range(5) for s in range(5)]
    assert np.unique(np.stack(blocks)).size == 300 * 20 * 25


def test_without_a_seed_it_is_manual_seeds():
    mt.manual_seed(6)
    implied = Draws([4, 2], 1).numbers(3)
    mt.backend.random.generator().random(3)  # what was drawn before doesn't matter
    assert np.array_equal(Draws([4, 2], 1).numbers(3), implied)
    assert np.array_equal(Draws([4, 2], 1, seed=6).numbers(3), implied)
    mt.manual_seed(7)
    assert not np.array_equal(Draws([4, 2], 1).numbers(3), implied)


def test_large_seeds_and_ids_are_told_apart():
    seeds = [0, 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    assert len({Draws([0], 0, s).numbers(1)[0, 0] for s in seeds}) == len(seeds)
    assert len(set(Draws(np.array(seeds, np.uint64), 0, 1).numbers(1)[:, 0])) == len(seeds)


def test_a_seed_may_be_numpys_integer():
    assert Draws([0], seed=np.int64(5)).uniform() == Draws([0], seed=5).uniform()


# evenness -------------------------------------------------------------------------------------------------------------

STREAMS = {
    "ids": lambda: Draws(np.arange(MANY), 0, 0).uniform(),
    "ids far apart": lambda: Draws(np.arange(MANY) * 2**20, 3, 1).uniform(),
    "numbers of one sample": lambda: Draws([0], 0, 0).numbers(MANY)[0],
    "epochs": lambda: np.array([Draws([3], e, 1).uniform()[0] for e in range(4000)]),
    "seeds": lambda: np.array([Draws([3], 1, s).uniform()[0] for s in range(4000)]),
}


@pytest.mark.parametrize("along", STREAMS)
def test_numbers_are_even_and_neighbours_are_independent(along):
    u = STREAMS[along]()
    assert looks_random(np.histogram(u, 50, (0, 1))[0])
    for lag in (1, 2, 3):
        assert looks_random(np.histogram2d(u[lag:], u[:-lag], 12, ((0, 1), (0, 1)))[0])
        assert abs(np.corrcoef(u[lag:], u[:-lag])[0, 1]) < 4 / np.sqrt(u.size)


@pytest.mark.parametrize("one, other", [((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 1), (1, 0)), ((7, 3), (8, 3))])
def test_the_same_samples_in_another_epoch_or_with_another_seed_are_unrelated(one, other):
    u, v = (Draws(np.arange(MANY), *x).uniform() for x in (one, other))
    assert looks_random(np.histogram2d(u, v, 12, ((0, 1), (0, 1)))[0])
    assert abs(np.corrcoef(u, v)[0, 1]) < 4 / np.sqrt(MANY)


def test_the_numbers_of_a_sample_are_unrelated():
    numbers = Draws(np.arange(MANY), 0, 0).numbers(8)
    correlations = np.corrcoef(numbers.T) - np.eye(8)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(MANY)


def test_uniform_covers_its_interval():
    u = Draws(np.arange(MANY), 0, 2).uniform(-3, 2)
    assert u.min() >= -3 and u.max() < 2
    assert looks_random(np.histogram(u, 40, (-3, 2))[0])
    assert np.array_equal(Draws([1, 2]).uniform(4, 4), [4, 4])


@pytest.mark.parametrize("p", [0, 0.1, 0.5, 0.9, 1])
def test_chance_happens_so_often(p):
    hits = Draws(np.arange(MANY), 1, 3).chance(p)
    assert hits.dtype == bool
    assert abs(hits.mean() - p) <= 4 * np.sqrt(p * (1 - p) / MANY)


@pytest.mark.parametrize("low, high", [(0, 1), (-3, 4), (2, 2), (0, 254)])
def test_integers_are_even_and_both_bounds_occur(low, high):
    k = Draws(np.arange(MANY), 2, 4).integers(low, high)
    assert k.dtype.kind == "i" and k.min() == low and k.max() == high
    if low < high:
        assert looks_random(np.bincount(k - low))


def test_normal_has_its_moments_and_its_tails():
    z = Draws(np.arange(10 * MANY), 0, 5).normal()
    assert np.isfinite(z).all()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 4 * np.sqrt(variance / z.size)
    for beyond, share in ((1, 0.31731), (2, 0.0455), (3, 0.0027)):
        assert abs((np.abs(z) > beyond).mean() - share) < 4 * np.sqrt(share / z.size)


def test_order_is_a_permutation_each_as_likely_as_any_other():
    order = Draws(np.arange(MANY), 0, 6).order(4)
    assert order.shape == (MANY, 4)
    assert np.array_equal(np.sort(order, axis=1), np.tile(np.arange(4), (MANY, 1)))
    counts = np.unique(order @ [64, 16, 4, 1], return_counts=True)[1]
    assert counts.size == 24 and looks_random(counts)
    assert np.array_equal(Draws([1, 2]).order(1), [[0], [0]])


def test_keys_make_unrelated_streams():
    keys = Draws(np.arange(400), 0, 7).keys()
    assert keys.dtype == np.uint64 and keys.shape == (400,) and np.unique(keys).size == 400
    pixels = cpu.uniform(keys, 100, np.float32)
    assert looks_random(np.histogram(pixels, 50, (0, 1))[0])
    beside = np.histogram2d(pixels[1:].ravel(), pixels[:-1].ravel(), 12, ((0, 1), (0, 1)))[0]
    assert looks_random(beside)


# Beta -----------------------------------------------------------------------------------------------------------------


def beta_below(x, alpha):
    """The probability that Beta(alpha, alpha) is below x <= 1/2: both halves by the midpoint rule in t = x**alpha."""

    def integral(upper):  # of x**(alpha-1) (1-x)**(alpha-1) from 0 to upper; dx x**(alpha-1) = dt / alpha
        t = (np.arange(200_000) + 0.5) / 200_000 * upper**alpha
        return ((1 - t ** (1 / alpha)) ** (alpha - 1)).mean() * upper**alpha / alpha

    return integral(x) / (2 * integral(0.5))


@pytest.mark.parametrize(
    "alpha, within", [(0.1, 1e-5), (0.2, 1e-5), (0.4, 1e-5), (1.0, 1e-5), (2.0, 1e-5), (5.0, 5e-4)]
)
def test_beta_quantile_inverts_the_integrated_density(alpha, within):
    u = np.array([0.001, 0.01, 0.1, 0.25, 0.4, 0.499])
    x = beta_quantile(u, alpha)
    assert (np.diff(x) > 0).all()
    for probability, value in zip(u, x):
        assert abs(beta_below(value, alpha) - probability) < within


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 3.0, 20.0])
def test_beta_quantile_is_symmetric_and_ends_at_0_and_1(alpha):
    u = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1])
    x = beta_quantile(u, alpha)
    np.testing.assert_allclose(x + x[::-1], 1, atol=1e-12)
    assert x[0] == 0 and x[-1] == 1 and abs(x[3] - 0.5) < 1e-12
    assert (np.diff(x) >= 0).all()


def test_beta_quantile_of_known_distributions():
    u = np.linspace(0.01, 0.99, 33)
    np.testing.assert_allclose(beta_quantile(u, 1.0), u, atol=1e-7)
    np.testing.assert_allclose(beta_quantile(u, 0.5), np.sin(np.pi * u / 2) ** 2, atol=1e-6)  # the arcsine distribution
    x = beta_quantile(u, 2.0)
    np.testing.assert_allclose(3 * x**2 - 2 * x**3, u, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_beta_has_its_variance(alpha):
    x = Draws(np.arange(MANY), 0, 8).beta(alpha)
    assert x.min() >= 0 and x.max() <= 1
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(x.mean() - 0.5) < 4 * np.sqrt(variance / MANY)
    assert abs(((x - 0.5) ** 2).mean() - variance) < 4 * np.sqrt(1 / 16 / MANY)


# the primitive --------------------------------------------------------------------------------------------------------


def test_splitmix64_gives_the_published_numbers():
    """Steele, Lea and Flood's generator from state 1234567: its first outputs, as in every implementation of it."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    u = reference.uniform(np.array([1234567], np.uint64), 3, np.float64)
    assert [int(v * 2**53) for v in u[0]] == [n >> 11 for n in published]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N, count", [(1, 1), (3, 7), (5, 0), (2, 3000), (40, 1)])
def test_the_cpu_makes_the_references_numbers(dtype, N, count, rng):
    keys = rng.integers(0, 2**64, N, dtype=np.uint64)
    keys[0] = 2**64 - 1
    before = keys.copy()
    expected = reference.uniform(keys, min(count, 300), dtype)
    got = cpu.uniform(keys, count, dtype)
    assert got.shape == (N, count) and got.dtype == dtype
    assert np.array_equal(got[:, :300], expected) and np.array_equal(keys, before)
    assert (got >= 0).all() and (got < 1).all()


def test_the_cpus_numbers_do_not_depend_on_threads_or_blocks(rng):
    from minitorch_cnn.backend.cpu import threads

    keys = rng.integers(0, 2**64, 3, dtype=np.uint64)
    together = cpu.uniform(keys, 500_000, np.float32)  # more than a block
    before = threads.get_num_threads()
    try:
        threads.set_num_threads(1)
        assert np.array_equal(cpu.uniform(keys, 500_000, np.float32), together)
    finally:
        threads.set_num_threads(before)
    assert np.array_equal(cpu.uniform(keys[2:], 500_000, np.float32)[0], together[2])
