"""Options drawn at random, good and bad: both libraries compute the same values and gradients, or both refuse.

The draws are the same in every run. Sizes are small and options large, so that about a third of the draws is refused.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import agree, functional  # noqa: E402  after the skip

fuzz = settings(deadline=None, derandomize=True, max_examples=120, database=None)


def agree_or_refuse(call, *arrays):
    """Compare values and gradients, unless PyTorch raises an error: then ours is of a kind that a person can act on."""
    try:
        call(functional[1], *[torch.tensor(a) for a in arrays])
    except (RuntimeError, ValueError, TypeError) as error:
        with pytest.raises((ValueError, TypeError)) as refused:
            call(functional[0], *[mt.Tensor(a) for a in arrays])
            pytest.fail(f"PyTorch refuses: {error}")
        assert str(refused.value).split(":")[0] in vars(mt.functional), "the text begins with the operator's name"
    else:
        agree(call, *arrays)


def one_or_two(numbers):
    """An int, or a pair of different ones: both are accepted everywhere."""
    return st.one_of(numbers, st.tuples(numbers, numbers))


def array(seed, *shape):
    """Few different values: ties happen, and sums of products stay exact enough for 1e-12."""
    return np.asarray(np.random.default_rng([seed, *shape]).integers(-4, 5, shape) / 2 - 0.25)


sides, seeds = st.integers(1, 9), st.integers(0, 99)
kernel_sizes = one_or_two(st.integers(1, 4))
strides = one_or_two(st.integers(1, 3))
paddings = one_or_two(st.integers(0, 3))
dilations = one_or_two(st.integers(1, 3))


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


@fuzz
@given(
    seed=seeds,
    image=st.tuples(st.integers(1, 3), sides, sides),
    kernel_size=kernel_sizes,
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    groups=st.integers(1, 3),
    surplus=st.sampled_from([0] * 6 + [1]),  # a weight that expects a channel more than there are
    bias=st.booleans(),
    stride=strides,
    padding=st.one_of(paddings, st.sampled_from(["same", "valid"])),
    dilation=dilations,
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # PyTorch's, of its own speed
def test_conv2d(seed, image, kernel_size, channels, filters, groups, surplus, bias, stride, padding, dilation):
    N, H, W = image
    x = array(seed, N, channels * groups, H, W)
    weight = array(seed + 1, filters * groups, channels + surplus, *pair(kernel_size))
    biases = [array(seed + 2, filters * groups)] if bias else []

    def call(F, x, weight, *bias):
        return F.conv2d(x, weight, *bias, stride=stride, padding=padding, dilation=dilation, groups=groups)

    agree_or_refuse(call, x, weight, *biases)


@fuzz
@given(
    seed=seeds,
    image=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    kernel_size=kernel_sizes,
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    groups=st.integers(1, 3),
    stride=strides,
    padding=paddings,
    output_padding=one_or_two(st.integers(0, 2)),
    dilation=dilations,
)
def test_conv_transpose2d(
    seed, image, kernel_size, channels, filters, groups, stride, padding, output_padding, dilation
):
    N, H, W = image
    x, bias = array(seed, N, channels * groups, H, W), array(seed + 2, filters * groups)
    weight = array(seed + 1, channels * groups, filters, *pair(kernel_size))

    def call(F, x, weight, bias):
        return F.conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation)

    agree_or_refuse(call, x, weight, bias)


@fuzz
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), sides, sides),
    kernel_size=kernel_sizes,
    stride=st.one_of(st.none(), strides),
    padding=one_or_two(st.integers(0, 2)),
    dilation=dilations,
    ceil_mode=st.booleans(),
    return_indices=st.booleans(),
)
def test_max_pool2d(seed, shape, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    def call(F, x):
        return F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    x = array(seed, *shape)
    if a_window_in_the_padding_alone(x, kernel_size, stride, padding, dilation, ceil_mode):
        with pytest.raises(ValueError, match="padding alone"):  # PyTorch's maximum of no pixel is -inf
            call(mt.functional, mt.Tensor(x))
    else:
        agree_or_refuse(call, x)


def a_window_in_the_padding_alone(x, *options):
    try:
        return torch.isinf(torch.nn.functional.max_pool2d(torch.tensor(x), *options)).any()
    except RuntimeError:
        return False


@fuzz
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), sides, sides),
    kernel_size=kernel_sizes,
    stride=st.one_of(st.none(), strides),
    padding=one_or_two(st.integers(0, 2)),
    ceil_mode=st.booleans(),
    count_include_pad=st.booleans(),
    divisor_override=st.sampled_from([None, None, 1, 3, -2, 0]),
)
def test_avg_pool2d(seed, shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    def call(F, x):
        return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    agree_or_refuse(call, array(seed, *shape))


@fuzz
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), sides, sides),
    output_size=one_or_two(st.one_of(st.none(), st.integers(1, 12))),
    kind=st.sampled_from(["adaptive_avg_pool2d", "adaptive_max_pool2d"]),
)
def test_adaptive_pooling(seed, shape, output_size, kind):
    if output_size is None:
        output_size = (None, None)  # PyTorch takes a None in a pair only
    agree_or_refuse(lambda F, x: getattr(F, kind)(x, output_size), array(seed, *shape))


@fuzz
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), sides, sides),
    kernel_size=kernel_sizes,
    dilation=dilations,
    padding=paddings,
    stride=strides,
    surplus=st.sampled_from([0] * 6 + [1]),  # a column more than fits
)
def test_unfold_and_fold(seed, shape, kernel_size, dilation, padding, stride, surplus):
    options = dict(kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    x = array(seed, *shape)
    agree_or_refuse(lambda F, x: F.unfold(x, **options), x)
    windows = [
        max((n + 2 * p - d * (k - 1) - 1) // s + 1, 1)
        for n, k, d, p, s in zip(shape[2:], pair(kernel_size), pair(dilation), pair(padding), pair(stride))
    ]
    taps = pair(kernel_size)[0] * pair(kernel_size)[1]
    columns = array(seed, shape[0], shape[1] * taps, windows[0] * windows[1] + surplus)
    agree_or_refuse(lambda F, c: F.fold(c, shape[2:], **options), columns)


@fuzz
@given(
    seed=seeds,
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    numbers=st.lists(st.integers(-2, 5), min_size=10, max_size=10),
    batch=st.integers(1, 2),
    mode=st.sampled_from(["constant", "reflect", "replicate"]),
)
def test_pad(seed, shape, numbers, batch, mode):
    if mode == "constant":
        pad = numbers[: 2 * len(shape) + 2 - batch]  # an odd number of them, and too many, too
    else:  # PyTorch pads all dimensions but one or two, at most three of them, and crops nothing here
        pad = [abs(n) for n in numbers[: 2 * min(max(len(shape) - batch, 1), 3)]]
    agree_or_refuse(lambda F, x: F.pad(x, pad, mode=mode), array(seed, *shape))


@fuzz
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 2), st.integers(1, 2), sides, sides),
    size=st.one_of(st.none(), one_or_two(st.integers(0, 12))),
    scale_factor=st.one_of(st.none(), one_or_two(st.sampled_from([0.1, 0.3, 0.5, 0.77, 1.0, 1.4, 2.0, 2.5, 3.0]))),
    mode=st.sampled_from(["nearest", "nearest-exact", "bilinear"]),
    align_corners=st.sampled_from([None, None, False, True]),
    recompute=st.sampled_from([None, False, True]),
)
def test_interpolate(seed, shape, size, scale_factor, mode, align_corners, recompute):
    if recompute and size is not None:
        recompute = None  # refused there, and meaningless here

    def call(F, x):
        return F.interpolate(x, size, scale_factor, mode, align_corners, recompute)

    agree_or_refuse(call, array(seed, *shape))


extents = st.lists(st.integers(1, 4), max_size=4).map(tuple)


@fuzz
@given(seed=seeds, a=extents, b=extents)
def test_broadcasting(seed, a, b):
    agree_or_refuse_tensors(lambda x, y: x * y + x - y / 4, array(seed, *a), array(seed + 1, *b))


@fuzz
@given(seed=seeds, a=extents, b=extents)
def test_matmul(seed, a, b):
    agree_or_refuse_tensors(lambda x, y: x @ y, array(seed, *a), array(seed + 1, *b))


def agree_or_refuse_tensors(call, *arrays):
    try:
        call(*[torch.tensor(a) for a in arrays])
    except RuntimeError as error:
        with pytest.raises(ValueError):
            call(*[mt.Tensor(a) for a in arrays])
            pytest.fail(f"PyTorch refuses: {error}")
    else:
        agree(lambda _, *ts: call(*ts), *arrays)


index_part = st.one_of(
    st.integers(-5, 4),
    st.builds(slice, st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5), st.none() | st.integers(1, 3)),
    st.just(...),
    st.none(),
    st.lists(st.integers(-4, 3), min_size=1, max_size=3),
)


@fuzz
@given(seed=seeds, index=st.lists(index_part, min_size=1, max_size=5).map(tuple))
def test_indexing(seed, index):
    if index.count(...) > 1:
        index = tuple(i for i in index if i is not ...)
    x = array(seed, 3, 4, 2, 3)
    try:
        empty = torch.tensor(x)[index].numel() == 0
    except IndexError:
        with pytest.raises(IndexError):
            mt.Tensor(x)[index]
    else:
        if not empty:  # of an empty result PyTorch doesn't ask whether the other indices are in range
            agree(lambda _, x: x[index], x)
