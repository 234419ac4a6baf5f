"""Initialisers: their distributions, the fans, what is exact, what is refused.

A statistic of n random numbers may be off by 5 of its standard deviations: std/sqrt(n) for a mean; for a standard deviation about
0.71/sqrt(n) of it with normal numbers, 0.45/sqrt(n) with uniform ones. The seed is fixed, so these never change their minds.
"""

import math
import re
import threading
from statistics import NormalDist

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn.nn import Parameter, init


def weight(*shape, dtype=np.float64):
    return Parameter(np.full(shape, np.nan, dtype))


def assert_normal(values, mean, std):
    n = values.size
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(n)
    assert values.std() == pytest.approx(std, rel=5 * 0.71 / math.sqrt(n))
    centred = abs(values - mean)
    assert (centred < std).mean() == pytest.approx(0.6827, abs=5 * 0.47 / math.sqrt(n)), "normal, not uniform"
    assert centred.max() > 2.5 * std


def assert_uniform(values, low, high):
    n = values.size
    assert low <= values.min() and values.max() <= high
    assert abs(values.mean() - (low + high) / 2) < 5 * (high - low) / math.sqrt(12 * n)
    assert values.std() == pytest.approx((high - low) / math.sqrt(12), rel=5 * 0.45 / math.sqrt(n))


FILLERS = [
    lambda w: init.uniform_(w, -1, 2),
    lambda w: init.normal_(w, 1, 2),
    lambda w: init.trunc_normal_(w),
    lambda w: init.constant_(w, 3.5),
    init.zeros_,
    init.ones_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
    init.eye_,
    lambda w: init.sparse_(w, 0.5),
]


@pytest.mark.parametrize("fill", FILLERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_fills_in_place_returns_the_tensor_and_leaves_it_a_leaf(fill, dtype):
    w = weight(6, 5, dtype=dtype)
    array = w.data
    assert fill(w) is w and w.data is array
    assert w.dtype == dtype and np.isfinite(array).all()
    assert w.requires_grad and w.is_leaf and w.grad is None


@pytest.mark.parametrize("fill", FILLERS)
def test_the_seed_fixes_the_numbers_in_every_dtype(fill):
    def filled(seed, dtype):
        mt.manual_seed(seed)
        return fill(weight(6, 5, dtype=dtype)).numpy()

    first = filled(1, np.float64)
    assert_close(filled(1, np.float64), first, rtol=0)
    assert_close(filled(1, np.float32), first.astype(np.float32), rtol=0)


def test_uniform():
    assert_uniform(init.uniform_(weight(50, 80), -3.0, 5.0).numpy(), -3.0, 5.0)
    assert_uniform(init.uniform_(weight(4000)).numpy(), 0.0, 1.0)


def test_uniform_takes_a_bound_for_each_row():
    values = init.uniform_(weight(2, 3000), np.array([[-1.0], [-100.0]]), np.array([[1.0], [100.0]])).numpy()
    assert_uniform(values[0], -1.0, 1.0)
    assert_uniform(values[1], -100.0, 100.0)


def test_normal():
    assert_normal(init.normal_(weight(50, 80), 2.0, 3.0).numpy(), 2.0, 3.0)
    assert_normal(init.normal_(weight(4000)).numpy(), 0.0, 1.0)


@pytest.mark.parametrize(
    "mean, std, a, b",
    [
        (0.0, 1.0, -2.0, 2.0),
        (0.0, 0.02, -2.0, 2.0),  # bounds far away: an ordinary normal
        (1.0, 1.0, 1.0, 3.0),
        (-1.0, 2.0, 2.5, math.inf),
        (0.0, 1.0, -0.01, 0.01),  # bounds close together: nearly uniform
        (0.0, 1.0, 1.5, 2.2),  # narrow and on a slope
        (0.5, 2.0, -1.0, 0.9),
    ],
)
def test_trunc_normal_is_the_part_of_a_normal_between_absolute_bounds(mean, std, a, b):
    low, high, normal = (a - mean) / std, (b - mean) / std, NormalDist()
    mass = normal.cdf(high) - normal.cdf(low)
    shift = (normal.pdf(low) - normal.pdf(high)) / mass
    slope = (low * normal.pdf(low) - (0 if high == math.inf else high * normal.pdf(high))) / mass
    expected = std * math.sqrt(1 + slope - shift**2)
    values = init.trunc_normal_(weight(60, 100), mean, std, a, b).numpy()
    assert a <= values.min() and values.max() <= b
    assert values.mean() == pytest.approx(mean + std * shift, abs=5 * expected / math.sqrt(6000))
    assert values.std() == pytest.approx(expected, rel=5 * 0.71 / math.sqrt(6000))


def test_trunc_normal_into_a_sliver_ends():
    values = init.trunc_normal_(weight(1000), 0.0, 1.0, 0.0, 1e-9).numpy()
    assert 0 <= values.min() < 1e-10 and 9e-10 < values.max() <= 1e-9


def test_constants():
    assert (init.constant_(weight(2, 3), -1.5).numpy() == -1.5).all()
    assert (init.zeros_(weight(2, 3)).numpy() == 0).all()
    assert (init.ones_(weight(2, 3)).numpy() == 1).all()


def test_eye_is_rectangular_where_the_weight_is():
    assert init.eye_(weight(2, 3)).numpy().tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.eye_(weight(3, 2)).numpy().tolist() == [[1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize("shape, groups", [((4, 4, 3, 5), 1), ((2, 5, 3, 3), 1), ((6, 2, 3, 3), 1), ((6, 3, 3, 5), 2)])
def test_dirac_hands_on_the_channels_of_each_group(shape, groups, rng):
    O, each = shape[0], shape[1]
    x = rng.standard_normal((2, each * groups, 6, 7))
    w = init.dirac_(weight(*shape), groups)
    padding = (shape[2] // 2, shape[3] // 2)
    y = mt.functional.conv2d(mt.Tensor(x), w, padding=padding, groups=groups).numpy()
    outputs = O // groups
    for o in range(O):
        group, c = divmod(o, outputs)
        expected = x[:, group * each + c] if c < each else np.zeros_like(x[:, 0])
        assert_close(y[:, o], expected, rtol=0)


@pytest.mark.parametrize(
    "shape, fan_in, fan_out", [((80, 50), 50, 80), ((40, 8, 3, 5), 120, 600), ((40, 6, 9), 54, 360)]
)
def test_the_four_by_fan(shape, fan_in, fan_out):
    assert init.fans(weight(*shape)) == (fan_in, fan_out)
    gain = 1.7
    both = gain * math.sqrt(2 / (fan_in + fan_out))
    assert_normal(init.xavier_normal_(weight(*shape), gain).numpy(), 0.0, both)
    assert_uniform(init.xavier_uniform_(weight(*shape), gain).numpy(), -both * math.sqrt(3), both * math.sqrt(3))
    for mode, fan in (("fan_in", fan_in), ("fan_out", fan_out)):
        for nonlinearity, a, gain in (
            ("relu", 0, math.sqrt(2)),
            ("leaky_relu", 0.5, math.sqrt(2 / 1.25)),
            ("tanh", 0, 5 / 3),
        ):
            std = gain / math.sqrt(fan)
            assert_normal(init.kaiming_normal_(weight(*shape), a, mode, nonlinearity).numpy(), 0.0, std)
            bound = std * math.sqrt(3)
            assert_uniform(init.kaiming_uniform_(weight(*shape), a, mode, nonlinearity).numpy(), -bound, bound)


def test_the_presets_are_those_of_pytorch():
    """xavier with gain 1; kaiming for leaky_relu with slope 0 and fan_in, so gain sqrt(2)."""
    shape = (60, 90)
    assert_normal(init.xavier_normal_(weight(*shape)).numpy(), 0.0, math.sqrt(2 / 150))
    assert_uniform(init.xavier_uniform_(weight(*shape)).numpy(), -math.sqrt(6 / 150), math.sqrt(6 / 150))
    assert_normal(init.kaiming_normal_(weight(*shape)).numpy(), 0.0, math.sqrt(2 / 90))
    assert_uniform(init.kaiming_uniform_(weight(*shape)).numpy(), -math.sqrt(6 / 90), math.sqrt(6 / 90))


def test_kaiming_keeps_the_size_of_the_signal_through_relu_layers(rng):
    """What it is for: after 20 layers the mean square is about what it was; with xavier it is about 2**-20 of it."""

    def through(fill):
        x = rng.standard_normal((100, 200))
        for _ in range(20):
            x = np.maximum(x @ fill(weight(200, 200)).numpy().T, 0)
        return (x**2).mean()

    # a layer of width n multiplies it by 1 +- sqrt(5/n): exp(3 * sqrt(20 * 5/200)) is 8
    assert 1 / 8 < through(lambda w: init.kaiming_normal_(w, nonlinearity="relu")) < 8
    assert through(init.xavier_normal_) < 1e-4


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (3, 2, 2, 3), (20, 2, 2, 3)])
def test_orthogonal(shape):
    matrix = init.orthogonal_(weight(*shape), gain=2.0).numpy().reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert_close(product, 4.0 * np.eye(min(matrix.shape)), rtol=1e-14)


def test_orthogonal_matrices_are_of_both_determinants():
    """Uniform over all of them: without the correction of the signs, QR prefers one."""
    signs = [np.linalg.det(init.orthogonal_(weight(3, 3)).numpy()) > 0 for _ in range(200)]
    assert 0.5 - 5 * 0.5 / math.sqrt(200) < np.mean(signs) < 0.5 + 5 * 0.5 / math.sqrt(200)


@pytest.mark.parametrize("sparsity, zeros", [(0.0, 0), (0.1, 4), (0.5, 20), (0.51, 21), (1.0, 40)])
def test_sparse_has_so_many_zeros_in_each_column(sparsity, zeros):
    values = init.sparse_(weight(40, 100), sparsity, std=3.0).numpy()
    assert ((values == 0).sum(0) == zeros).all()
    if 0 < zeros < 40:
        assert len({tuple(column) for column in (values == 0).T}) > 50, "not the same places in every column"
    if zeros < 40:
        assert_normal(values[values != 0], 0.0, 3.0)


@pytest.mark.parametrize(
    "nonlinearity, param, gain",
    [
        ("linear", None, 1.0),
        ("conv2d", None, 1.0),
        ("conv_transpose2d", None, 1.0),
        ("sigmoid", None, 1.0),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 0, math.sqrt(2)),
        ("leaky_relu", 0.2, math.sqrt(2 / 1.04)),
        ("selu", None, 0.75),
    ],
)
def test_gains(nonlinearity, param, gain):
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain, rel=1e-15)


@pytest.mark.parametrize(
    "call, text",
    [
        (
            lambda: init.xavier_uniform_(weight(5)),
            "fan_in and fan_out need a weight of at least 2 dimensions, got shape (5,)",
        ),
        (lambda: init.kaiming_normal_(weight(5)), "at least 2 dimensions, got shape (5,)"),
        (
            lambda: init.kaiming_normal_(weight(2, 2), mode="fan_avg"),
            "kaiming_normal_: mode must be one of 'fan_in', 'fan_out', got 'fan_avg'",
        ),
        (lambda: init.kaiming_uniform_(weight(2, 2), nonlinearity="swish"), "nonlinearity must be one of 'linear'"),
        (lambda: init.calculate_gain("swish"), "got 'swish'"),
        (lambda: init.trunc_normal_(weight(2), a=1, b=1), "trunc_normal_: a must be less than b, got a=1, b=1"),
        (lambda: init.trunc_normal_(weight(2), mean=9), "trunc_normal_: mean 9 is more than 2 std from [-2.0, 2.0]"),
        (lambda: init.uniform_(weight(2), 1, 0), "uniform_: a must be at most b, got a=1, b=0"),
        (lambda: init.normal_(weight(2), std=-1), "normal_: std must be at least 0, got -1"),
        (lambda: init.eye_(weight(2, 2, 2)), "eye_: the tensor must have 2 dimensions, got shape (2, 2, 2)"),
        (lambda: init.sparse_(weight(2), 0.5), "sparse_: the tensor must have 2 dimensions, got shape (2,)"),
        (lambda: init.sparse_(weight(2, 2), 1.5), "sparse_: sparsity must be between 0.0 and 1.0, got 1.5"),
        (
            lambda: init.dirac_(weight(2, 2)),
            "dirac_: needs a convolution's weight whose outputs can be cut into groups",
        ),
        (lambda: init.dirac_(weight(5, 2, 3, 3), 2), "got (5, 2, 3, 3), 2"),
        (lambda: init.orthogonal_(weight(5)), "orthogonal_: needs at least 2 dimensions, got shape (5,)"),
    ],
)
def test_what_cannot_be_filled_is_refused_with_the_numbers(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


# left out ---------------------------------------------------------------------------------------------------------------


def test_within_left_out_tensors_stay_as_they_are_and_no_number_is_drawn():
    before = mt.backend.random.get_state()
    with init.left_out():
        tensor = weight(3, 4)
        for initialise in (init.uniform_, init.normal_, init.trunc_normal_, init.zeros_, init.kaiming_normal_):
            assert initialise(tensor) is tensor
        with init.left_out():
            pass
        init.ones_(tensor)
        assert np.isnan(tensor.data).all()
        layer = mt.nn.Sequential(mt.nn.Conv2d(2, 3, 3), mt.nn.BatchNorm2d(3), mt.nn.Linear(3, 2))
    assert mt.backend.random.get_state() == before
    assert not layer[0].weight.data.any() and not layer[2].bias.data.any()
    assert layer[1].weight.data.all()  # a scale of 1 isn't drawn
    assert init.ones_(tensor).data.all()


def test_left_out_ends_with_its_block_also_by_an_error():
    with pytest.raises(RuntimeError, match="stop"), init.left_out():
        raise RuntimeError("stop")
    assert init.ones_(weight(2)).data.all()


def test_left_out_is_of_the_thread_that_asked_for_it():
    found = []
    with init.left_out():
        thread = threading.Thread(target=lambda: found.append(mt.nn.Linear(3, 3).weight.data.any()))
        thread.start()
        thread.join()
    assert found == [True]
