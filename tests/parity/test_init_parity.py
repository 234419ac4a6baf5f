"""nn.init against PyTorch: bounds, means, standard deviations and fans, drawn from two generators, so compared as statistics.

Of n draws of a normal distribution the standard deviation is known to 1/sqrt(2n) of itself (of a uniform one, better), the mean to
1/sqrt(n) of the standard deviation. WITHIN allows five times what two such estimates differ by: chance exceeds it once in 10^6.
"""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

WITHIN = 7  # 5 * sqrt(2)

SHAPES = [
    (300, 200),
    (200, 300),
    (64, 24, 5, 3),
    (24, 64, 3, 5),
    (60, 4, 5, 5),
    (128, 1, 7, 9),
]  # the last two: groups, depthwise

INITIALISERS = {
    "uniform_": lambda init, t: init.uniform_(t),
    "uniform_ a b": lambda init, t: init.uniform_(t, -2.0, 5.0),
    "normal_": lambda init, t: init.normal_(t),
    "normal_ mean std": lambda init, t: init.normal_(t, mean=3.0, std=0.2),
    "trunc_normal_": lambda init, t: init.trunc_normal_(t),
    "trunc_normal_ std": lambda init, t: init.trunc_normal_(t, std=0.02),
    "trunc_normal_ narrow": lambda init, t: init.trunc_normal_(t, 0.5, 2.0, -1.0, 1.0),
    "trunc_normal_ one side": lambda init, t: init.trunc_normal_(t, mean=1.0, std=1.0, a=1.0, b=9.0),
    "xavier_uniform_": lambda init, t: init.xavier_uniform_(t),
    "xavier_uniform_ gain": lambda init, t: init.xavier_uniform_(t, gain=init.calculate_gain("tanh")),
    "xavier_normal_": lambda init, t: init.xavier_normal_(t),
    "xavier_normal_ gain": lambda init, t: init.xavier_normal_(t, 0.3),
    "kaiming_uniform_": lambda init, t: init.kaiming_uniform_(t),
    "kaiming_uniform_ relu": lambda init, t: init.kaiming_uniform_(t, nonlinearity="relu"),
    "kaiming_uniform_ slope": lambda init, t: init.kaiming_uniform_(t, 0.7),
    "kaiming_uniform_ sqrt(5)": lambda init, t: init.kaiming_uniform_(t, a=5**0.5),
    "kaiming_normal_": lambda init, t: init.kaiming_normal_(t),
    "kaiming_normal_ fan_out": lambda init, t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
    "kaiming_normal_ order": lambda init, t: init.kaiming_normal_(t, 0.5, "fan_out", "leaky_relu"),
    "kaiming_normal_ linear": lambda init, t: init.kaiming_normal_(t, nonlinearity="linear"),
    "orthogonal_": lambda init, t: init.orthogonal_(t),
    "orthogonal_ gain": lambda init, t: init.orthogonal_(t, gain=2.5),
}


def drawn(fill, shape):
    ours = mt.Tensor(np.full(shape, 99.0))
    theirs = torch.full(shape, 99.0, dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert fill(mt.nn.init, ours) is ours  # the tensor itself, filled in place
        assert fill(torch.nn.init, theirs) is theirs
    return ours.numpy(), theirs.numpy()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("fill", INITIALISERS.values(), ids=INITIALISERS)
def test_an_initialiser_s_distribution(fill, shape):
    a, b = drawn(fill, shape)
    spread, n = b.std(), a.size
    assert abs(a.std() - spread) < WITHIN * spread / np.sqrt(2 * n)
    assert abs(a.mean() - b.mean()) < WITHIN * spread / np.sqrt(n)
    # the shape of the distribution: the quantiles' error is at most some 2 spread / sqrt(n) where there are enough draws
    levels = np.linspace(0.05, 0.95, 19)
    assert np.abs(np.quantile(a, levels) - np.quantile(b, levels)).max() < WITHIN * 2 * spread / np.sqrt(n)


BOUNDED = [name for name in INITIALISERS if "uniform" in name or "trunc" in name]


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_are_kept_and_reached(name):
    a, b = drawn(INITIALISERS[name], (300, 200))
    # the extremes of 60,000 draws of a uniform distribution are 2e-5 of its width from the bound
    if name not in ("trunc_normal_ std", "trunc_normal_ one side"):  # whose bounds no draw reaches
        width = b.max() - b.min()
        assert abs(a.max() - b.max()) < 1e-3 * width and abs(a.min() - b.min()) < 1e-3 * width


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (5, 3, 2, 4), (12, 3, 2, 1)], ids=str)
def test_orthogonal_rows_or_columns(shape):
    for values in drawn(lambda init, t: init.orthogonal_(t, 1.5), shape):
        matrix = values.reshape(shape[0], -1)
        small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(small, 1.5**2 * np.eye(len(small)), atol=1e-13)


CONSTANTS = {
    "constant_": (lambda init, t: init.constant_(t, 0.3), (3, 4)),
    "zeros_": (lambda init, t: init.zeros_(t), (3, 4)),
    "ones_": (lambda init, t: init.ones_(t), (3,)),
    "eye_": (lambda init, t: init.eye_(t), (3, 5)),
    "dirac_": (lambda init, t: init.dirac_(t), (4, 3, 3, 5)),
    "dirac_ more channels": (lambda init, t: init.dirac_(t), (2, 5, 3, 4)),
    "dirac_ 1d": (lambda init, t: init.dirac_(t), (3, 3, 4)),
    "dirac_ groups": (lambda init, t: init.dirac_(t, 2), (6, 3, 3, 3)),
}


@pytest.mark.parametrize("fill, shape", CONSTANTS.values(), ids=CONSTANTS)
def test_an_initialiser_without_chance(fill, shape):
    a, b = drawn(fill, shape)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_sparse(sparsity):
    a, b = drawn(lambda init, t: init.sparse_(t, sparsity, std=0.3), (100, 70))
    np.testing.assert_array_equal((a == 0).sum(0), (b == 0).sum(0))  # so many zeros a column
    assert abs(a.std() - b.std()) < WITHIN * b.std() / np.sqrt(2 * a.size * (1 - sparsity))


@pytest.mark.parametrize("nonlinearity", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_calculate_gain(nonlinearity):
    for param in (None, 0.3) if nonlinearity == "leaky_relu" else (None,):
        ours, theirs = (nn.init.calculate_gain(nonlinearity, param) for nn in (mt.nn, torch.nn))
        assert ours == pytest.approx(theirs, rel=1e-15)


@pytest.mark.parametrize(
    "fill, shape",
    [
        (lambda init, t: init.xavier_uniform_(t), (5,)),
        (lambda init, t: init.kaiming_normal_(t), (5,)),
        (lambda init, t: init.orthogonal_(t), (5,)),
        (lambda init, t: init.eye_(t), (5, 2, 3)),
        (lambda init, t: init.dirac_(t), (5, 2)),
        (lambda init, t: init.dirac_(t, 2), (5, 2, 3)),
        (lambda init, t: init.kaiming_normal_(t, mode="fan"), (5, 2)),
        (lambda init, t: init.kaiming_normal_(t, nonlinearity="snake"), (5, 2)),
        (lambda init, t: init.sparse_(t, 0.1), (5, 2, 3)),
    ],
)
def test_what_pytorch_refuses_is_refused(fill, shape):
    with pytest.raises((ValueError, RuntimeError)):
        fill(torch.nn.init, torch.zeros(shape))
    with pytest.raises(ValueError):
        fill(mt.nn.init, mt.Tensor(np.zeros(shape)))
