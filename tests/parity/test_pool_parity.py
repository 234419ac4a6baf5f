"""Max, average and adaptive pooling against PyTorch."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, both_refuse  # noqa: E402  after the skip

WINDOWS = [
    dict(kernel_size=2),
    dict(kernel_size=3, stride=2),
    dict(kernel_size=(3, 2), stride=(1, 3)),
    dict(kernel_size=(2, 4), stride=(3, 1), padding=(1, 2)),
    dict(kernel_size=3, stride=4, padding=1),  # pixels that no window sees
    dict(kernel_size=(5, 3), padding=(2, 0)),
    dict(kernel_size=(1, 3), stride=2),
    dict(kernel_size=(3, 1), stride=(2, 5)),
    dict(kernel_size=[2, 3], stride=[2, 1], padding=[1, 1]),
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("dilation", [1, 2, (1, 3)])
def test_max_pool2d(window, ceil_mode, dilation, rng):
    x = rng.standard_normal((2, 3, 13, 14)) - 3  # nearly all negative: padding with 0 would show
    options = dict(window, ceil_mode=ceil_mode, dilation=dilation)
    agree(lambda F, x: F.max_pool2d(x, return_indices=True, **options), x)
    agree(lambda F, x: F.max_pool2d(x, **options), x)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pool2d_gives_a_tie_to_the_first(window, ceil_mode, rng):
    x = rng.integers(-2, 0, (2, 3, 13, 14)).astype(np.float64)  # two values only
    agree(lambda F, x: F.max_pool2d(x, **window, ceil_mode=ceil_mode), x)
    agree(lambda F, x: F.max_pool2d(x, **window, ceil_mode=ceil_mode, return_indices=True), x)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("special", [-np.inf, np.inf])
def test_max_pool2d_of_infinities(window, special, rng):
    x = rng.standard_normal((2, 3, 13, 14))
    x[rng.random(x.shape) < 0.4] = special
    x[1, 2] = special  # a whole image, whose -inf must not lose to the padding's
    agree(lambda F, x: F.max_pool2d(x, **window, ceil_mode=True, return_indices=True), x)
    agree(lambda F, x: F.max_pool2d(x, **window, ceil_mode=True), x)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_max_pool2d_takes_a_nan_for_the_largest(window, rng):
    x = rng.standard_normal((2, 3, 13, 14))
    x[:, 1:, [0, 6, 12, 5], [1, 8, 3, 0]] = np.nan  # one a window: of several PyTorch takes the last, and we the first
    x[:, 1:, 3:9, 4] = np.inf
    agree(lambda F, x: F.max_pool2d(x, **window, ceil_mode=True, return_indices=True), x)
    agree(lambda F, x: F.max_pool2d(x, **window, ceil_mode=True), x)


def test_max_pool2d_takes_its_options_in_pytorch_s_order(rng):
    x = rng.standard_normal((2, 3, 13, 14))
    # kernel_size, stride, padding, dilation, ceil_mode, return_indices
    agree(lambda F, x: F.max_pool2d(x, (3, 2), (2, 3), (1, 0), (2, 1), True, True), x)


AVERAGES = [
    dict(ceil_mode=ceil, count_include_pad=count, divisor_override=divisor)
    for ceil, count, divisor in itertools.product([False, True], [False, True], [None, 3, -2])
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("options", AVERAGES, ids=str)
def test_avg_pool2d(window, options, rng):
    agree(lambda F, x: F.avg_pool2d(x, **window, **options), rng.standard_normal((2, 3, 13, 14)))


def test_avg_pool2d_takes_its_options_in_pytorch_s_order(rng):
    agree(lambda F, x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 0), True, False, 5), rng.standard_normal((2, 3, 13, 14)))


@pytest.mark.parametrize("special", [np.nan, -np.inf, np.inf])
def test_avg_pool2d_keeps_nan_and_infinities_in_their_windows(special, rng):
    x = rng.standard_normal((2, 3, 9, 8))
    x[0, 1, 4, 3] = x[1, 2, 0, 7] = special
    agree(lambda F, x: F.avg_pool2d(x, (3, 2), padding=1), x)


# dividing, overlapping, larger than the image, global, one extent kept
OUTPUT_SIZES = [1, 3, (4, 5), (6, 2), (7, 9), (20, 3), (5, 23), (None, 4), (3, None), (None, None), (12, 10), [2, 5]]


@pytest.mark.parametrize("output_size", OUTPUT_SIZES, ids=str)
@pytest.mark.parametrize("name", ["adaptive_avg_pool2d", "adaptive_max_pool2d"])
def test_adaptive_pooling(output_size, name, rng):
    x = rng.standard_normal((2, 3, 12, 10))
    agree(lambda F, x: getattr(F, name)(x, output_size), x)


@pytest.mark.parametrize("output_size", OUTPUT_SIZES, ids=str)
def test_adaptive_max_pool2d_indices_ties_and_nan(output_size, rng):
    x = rng.integers(-2, 0, (2, 3, 12, 10)).astype(np.float64)
    agree(lambda F, x: F.adaptive_max_pool2d(x, output_size, return_indices=True), x)
    x[rng.random(x.shape) < 0.2] = -np.inf
    x[0, :, 7, 4] = np.nan
    x[1, 2] = -np.inf
    agree(lambda F, x: F.adaptive_max_pool2d(x, output_size, True), x)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_adaptive_avg_pool2d_keeps_nan_and_infinities_in_their_windows(special, rng):
    x = rng.standard_normal((2, 3, 7, 9))
    x[0, 1, 4, 3] = special
    agree(lambda F, x: F.adaptive_avg_pool2d(x, (3, 4)), x)  # windows that overlap
    agree(lambda F, x: F.adaptive_avg_pool2d(x, (7, 3)), x)


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x: F.max_pool2d(x, 3, 2, 1),
        lambda F, x: F.avg_pool2d(x, 3, 2, 1),
        lambda F, x: F.adaptive_avg_pool2d(x, (3, 4)),
        lambda F, x: F.adaptive_max_pool2d(x, (3, 4)),
    ],
)
def test_pooling_in_float32_and_of_an_empty_batch(call, rng):
    agree(call, rng.standard_normal((2, 3, 12, 10)).astype(np.float32), rtol=SINGLE)
    agree(call, np.zeros((0, 3, 12, 10)))


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda F, x: F.max_pool2d(x, 3, padding=2), "half"),
        (lambda F, x: F.max_pool2d(x, (3, 2), padding=(0, 2)), "half"),
        (lambda F, x: F.max_pool2d(x, 13), "larger than the image"),
        (lambda F, x: F.max_pool2d(x, 3, dilation=6), "larger than the image"),
        (lambda F, x: F.max_pool2d(x, 0), "kernel_size"),
        (lambda F, x: F.max_pool2d(x, 2, stride=0), "stride"),
        (lambda F, x: F.max_pool2d(x, 2, dilation=0), "dilation"),
        (lambda F, x: F.max_pool2d(x, (2, 2, 2)), "kernel_size"),
        (lambda F, x: F.max_pool2d(x, 2, padding=-1), "padding"),
        (lambda F, x: F.avg_pool2d(x, 3, padding=2), "half"),
        (lambda F, x: F.avg_pool2d(x, 13), "larger than the image"),
        (lambda F, x: F.avg_pool2d(x, 2, divisor_override=0), "divisor_override"),
        (lambda F, x: F.adaptive_avg_pool2d(x, -1), "output_size"),
        (lambda F, x: F.adaptive_avg_pool2d(x, (1, 2, 3)), "output_size"),
        (lambda F, x: F.adaptive_max_pool2d(x[:, :, :0], 2), "empty"),
    ],
)
def test_what_pytorch_refuses_is_refused(call, match, rng):
    both_refuse(call, rng.standard_normal((2, 3, 12, 10)), match=match)
