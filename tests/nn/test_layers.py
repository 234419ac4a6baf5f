"""Each layer is its function with the options kept: under PyTorch's names, in PyTorch's order, with PyTorch's defaults."""

import inspect
import math
import re

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import nn

# every operator of functional and its layers; None: PyTorch has no layer of it either
LAYER_OF = {
    "conv2d": [nn.Conv2d],
    "conv_transpose2d": [nn.ConvTranspose2d],
    "unfold": [nn.Unfold],
    "fold": [nn.Fold],
    "linear": [nn.Linear],
    "scaled_dot_product_attention": [nn.MultiheadAttention],
    "max_pool2d": [nn.MaxPool2d],
    "avg_pool2d": [nn.AvgPool2d],
    "adaptive_avg_pool2d": [nn.AdaptiveAvgPool2d],
    "adaptive_max_pool2d": [nn.AdaptiveMaxPool2d],
    "local_response_norm": [nn.LocalResponseNorm],
    "batch_norm": [nn.BatchNorm1d, nn.BatchNorm2d],
    "layer_norm": [nn.LayerNorm],
    "group_norm": [nn.GroupNorm],
    "relu": [nn.ReLU],
    "relu6": [nn.ReLU6],
    "leaky_relu": [nn.LeakyReLU],
    "elu": [nn.ELU],
    "sigmoid": [nn.Sigmoid],
    "tanh": [nn.Tanh],
    "silu": [nn.SiLU],
    "gelu": [nn.GELU],
    "hardswish": [nn.Hardswish],
    "hardsigmoid": [nn.Hardsigmoid],
    "softplus": [nn.Softplus],
    "softmax": [nn.Softmax],
    "log_softmax": [nn.LogSoftmax],
    "cross_entropy": [nn.CrossEntropyLoss],
    "nll_loss": [nn.NLLLoss],
    "mse_loss": [nn.MSELoss],
    "binary_cross_entropy_with_logits": [nn.BCEWithLogitsLoss],
    "dropout": [nn.Dropout],
    "interpolate": [nn.Upsample],
    "pad": [nn.ConstantPad2d, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d],
    "one_hot": None,
}

# what each layer's constructor takes, in order, as PyTorch's documentation has it ("-": must be given).
# PyTorch's deprecated size_average and reduce, and device and dtype, are not there.
SIGNATURES = {
    nn.Linear: dict(in_features="-", out_features="-", bias=True),
    nn.Conv2d: dict(
        in_channels="-",
        out_channels="-",
        kernel_size="-",
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
    ),
    nn.ConvTranspose2d: dict(
        in_channels="-",
        out_channels="-",
        kernel_size="-",
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
    ),
    nn.Unfold: dict(kernel_size="-", dilation=1, padding=0, stride=1),
    nn.Fold: dict(output_size="-", kernel_size="-", dilation=1, padding=0, stride=1),
    nn.MaxPool2d: dict(kernel_size="-", stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False),
    nn.AvgPool2d: dict(
        kernel_size="-", stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ),
    nn.AdaptiveAvgPool2d: dict(output_size="-"),
    nn.AdaptiveMaxPool2d: dict(output_size="-", return_indices=False),
    nn.BatchNorm1d: dict(num_features="-", eps=1e-5, momentum=0.1, affine=True, track_running_stats=True),
    nn.BatchNorm2d: dict(num_features="-", eps=1e-5, momentum=0.1, affine=True, track_running_stats=True),
    nn.LayerNorm: dict(normalized_shape="-", eps=1e-5, elementwise_affine=True, bias=True),
    nn.GroupNorm: dict(num_groups="-", num_channels="-", eps=1e-5, affine=True),
    nn.LocalResponseNorm: dict(size="-", alpha=1e-4, beta=0.75, k=1.0),
    nn.ReLU: dict(inplace=False),
    nn.ReLU6: dict(inplace=False),
    nn.LeakyReLU: dict(negative_slope=0.01, inplace=False),
    nn.ELU: dict(alpha=1.0, inplace=False),
    nn.SiLU: dict(inplace=False),
    nn.GELU: dict(approximate="none"),
    nn.Hardswish: dict(inplace=False),
    nn.Hardsigmoid: dict(inplace=False),
    nn.Softplus: dict(beta=1.0, threshold=20.0),
    nn.Softmax: dict(dim=None),
    nn.LogSoftmax: dict(dim=None),
    nn.Dropout: dict(p=0.5, inplace=False),
    nn.Upsample: dict(size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None),
    nn.ConstantPad2d: dict(padding="-", value="-"),
    nn.ZeroPad2d: dict(padding="-"),
    nn.ReflectionPad2d: dict(padding="-"),
    nn.ReplicationPad2d: dict(padding="-"),
    nn.CrossEntropyLoss: dict(weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0),
    nn.NLLLoss: dict(weight=None, ignore_index=-100, reduction="mean"),
    nn.MSELoss: dict(reduction="mean"),
    nn.BCEWithLogitsLoss: dict(weight=None, reduction="mean", pos_weight=None),
    nn.Flatten: dict(start_dim=1, end_dim=-1),
}


def test_every_operator_has_its_layer():
    operators = {name for name, value in vars(F).items() if inspect.isfunction(value)}
    assert operators == set(LAYER_OF)


@pytest.mark.parametrize("layer", SIGNATURES, ids=lambda layer: layer.__name__)
def test_options_are_named_ordered_and_preset_as_in_pytorch(layer):
    parameters = inspect.signature(layer).parameters.values()
    got = {p.name: "-" if p.default is inspect.Parameter.empty else p.default for p in parameters}
    assert list(got.items()) == list(SIGNATURES[layer].items())


def test_an_unknown_option_is_pythons_own_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'kernel'"):
        nn.Conv2d(1, 2, kernel=3)


# layers without weights: by position, in PyTorch's order, against the function by keyword -------------------------------

WITHOUT_WEIGHTS = [
    (
        nn.MaxPool2d((3, 2), (3, 1), (0, 1), (1, 2), False, True),
        lambda x: F.max_pool2d(x, kernel_size=(3, 2), stride=(3, 1), padding=(0, 1), dilation=(1, 2), ceil_mode=True),
    ),
    (nn.MaxPool2d(2), lambda x: F.max_pool2d(x, kernel_size=2, stride=2)),
    (
        nn.AvgPool2d((3, 2), (3, 1), (0, 1), True, False, None),
        lambda x: F.avg_pool2d(
            x, kernel_size=(3, 2), stride=(3, 1), padding=(0, 1), ceil_mode=True, count_include_pad=False
        ),
    ),
    (nn.AvgPool2d(2, None, 0, False, True, 3), lambda x: F.avg_pool2d(x, kernel_size=2, divisor_override=3)),
    (nn.AdaptiveAvgPool2d((2, 3)), lambda x: F.adaptive_avg_pool2d(x, output_size=(2, 3))),
    (nn.AdaptiveMaxPool2d((None, 3)), lambda x: F.adaptive_max_pool2d(x, output_size=(5, 3))),
    (
        nn.Unfold((3, 2), (1, 2), (1, 0), (2, 1)),
        lambda x: F.unfold(x, kernel_size=(3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)),
    ),
    (
        nn.LocalResponseNorm(3, 0.5, 0.6, 2.0),
        lambda x: F.local_response_norm(x, size=3, alpha=0.5, beta=0.6, k=2.0),
    ),
    (nn.ReLU(), F.relu),
    (nn.ReLU(True), F.relu),
    (nn.ReLU6(), F.relu6),
    (nn.LeakyReLU(0.3), lambda x: F.leaky_relu(x, negative_slope=0.3)),
    (nn.ELU(0.3), lambda x: F.elu(x, alpha=0.3)),
    (nn.Sigmoid(), F.sigmoid),
    (nn.Tanh(), F.tanh),
    (nn.SiLU(), F.silu),
    (nn.GELU(), F.gelu),
    (nn.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh")),
    (nn.Hardswish(), F.hardswish),
    (nn.Hardsigmoid(), F.hardsigmoid),
    (nn.Softplus(2.0, 1.5), lambda x: F.softplus(x, beta=2.0, threshold=1.5)),
    (nn.Softmax(2), lambda x: F.softmax(x, dim=2)),
    (nn.LogSoftmax(-1), lambda x: F.log_softmax(x, dim=3)),
    (nn.Upsample((7, 3)), lambda x: F.interpolate(x, size=(7, 3), mode="nearest")),
    (
        nn.Upsample(None, 1.7, "bilinear", True),
        lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear", align_corners=True),
    ),
    (
        nn.Upsample(None, (1.7, 0.6), "bilinear", None, True),
        lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear", recompute_scale_factor=True),
    ),
]


@pytest.mark.parametrize("layer, function", WITHOUT_WEIGHTS, ids=lambda v: repr(v) if isinstance(v, nn.Module) else "")
def test_a_layer_is_its_function_with_the_options_kept(layer, function, rng):
    x = 3 * rng.standard_normal((2, 4, 5, 6))
    mine, theirs = mt.Tensor(x, requires_grad=True), mt.Tensor(x, requires_grad=True)
    y, expected = layer(mine), function(theirs)
    assert_close(y, expected.numpy(), rtol=0)
    upstream = rng.standard_normal(y.shape)
    y.backward(upstream)
    expected.backward(upstream)
    assert_close(mine.grad, theirs.grad, rtol=0)
    assert list(layer.state_dict()) == []


def test_fold_is_its_function_with_the_options_kept(rng):
    columns = mt.Tensor(rng.standard_normal((2, 18, 10)))  # 3 channels of 3*2 windows, in 5 rows of 2
    expected = F.fold(columns, output_size=(5, 6), kernel_size=(3, 2), dilation=(1, 2), padding=(1, 0), stride=(1, 2))
    assert_close(nn.Fold((5, 6), (3, 2), (1, 2), (1, 0), (1, 2))(columns), expected.numpy(), rtol=0)


def test_pooling_gives_indices_where_asked(rng):
    x = rng.standard_normal((2, 3, 6, 4))
    for layer in (nn.MaxPool2d(2, return_indices=True), nn.AdaptiveMaxPool2d((3, 2), True)):
        y, indices = layer(mt.Tensor(x))
        assert indices.dtype == np.int64
        picked = np.take_along_axis(x.reshape(2, 3, -1), indices.numpy().reshape(2, 3, -1), axis=2)
        assert_close(y, picked.reshape(2, 3, 3, 2), rtol=0)


@pytest.mark.parametrize("padding", [2, (2, 1, 0, 3), [1, 0, 2, 2], np.int64(1)], ids=str)
@pytest.mark.parametrize("kind", ["constant", "zero", "reflect", "replicate"])
def test_padding_layers(kind, padding, rng):
    layer, options = {
        "constant": (lambda p: nn.ConstantPad2d(p, 7.5), {"mode": "constant", "constant_values": 7.5}),
        "zero": (nn.ZeroPad2d, {"mode": "constant"}),
        "reflect": (nn.ReflectionPad2d, {"mode": "reflect"}),
        "replicate": (nn.ReplicationPad2d, {"mode": "edge"}),
    }[kind]
    left, right, top, bottom = (padding,) * 4 if np.ndim(padding) == 0 else padding
    x = rng.standard_normal((2, 3, 4, 5))
    expected = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], **options)
    assert_close(layer(padding)(mt.Tensor(x)), expected, rtol=0)


def test_zero_padding_crops_by_negative_numbers(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    assert_close(nn.ZeroPad2d((-1, 0, -2, -1))(mt.Tensor(x)), x[:, :, 2:-1, 1:], rtol=0)


# layers with weights ----------------------------------------------------------------------------------------------------


def with_random_weights(layer, rng):
    layer.double()
    for parameter in layer.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape)
    return layer


def assert_layer_is(layer, x, function, rng):
    """The same values and gradients as function(x, weight, bias)."""
    leaves = [mt.Tensor(v, requires_grad=True) for v in (x, layer.weight.numpy())]
    leaves.append(None if layer.bias is None else mt.Tensor(layer.bias.numpy(), requires_grad=True))
    input = mt.Tensor(x, requires_grad=True)
    y, expected = layer(input), function(*leaves)
    assert_close(y, expected.numpy(), rtol=0)
    upstream = rng.standard_normal(y.shape)
    y.backward(upstream)
    expected.backward(upstream)
    for mine, theirs in zip((input, layer.weight, layer.bias), leaves):
        assert theirs is None or (theirs.grad.any() and np.array_equal(mine.grad, theirs.grad))


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias, rng):
    layer = with_random_weights(nn.Linear(3, 5, bias), rng)
    assert layer.weight.shape == (5, 3) and (layer.bias is not None) == bias
    assert_layer_is(layer, rng.standard_normal((2, 4, 3)), F.linear, rng)


@pytest.mark.parametrize("bias", [True, False])
def test_conv2d(bias, rng):
    layer = with_random_weights(nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2, bias), rng)
    assert layer.weight.shape == (6, 2, 3, 2) and (layer.bias is not None) == bias

    def function(x, weight, b):
        return F.conv2d(x, weight, b, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)

    assert_layer_is(layer, rng.standard_normal((2, 4, 7, 6)), function, rng)


@pytest.mark.parametrize("bias", [True, False])
def test_conv_transpose2d(bias, rng):
    layer = with_random_weights(nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (0, 1), 2, bias, (1, 2)), rng)
    assert layer.weight.shape == (4, 3, 3, 2) and (layer.bias is not None) == bias

    def function(x, weight, b):
        options = dict(stride=(2, 3), padding=(1, 0), output_padding=(0, 1), groups=2, dilation=(1, 2))
        return F.conv_transpose2d(x, weight, b, **options)

    assert_layer_is(layer, rng.standard_normal((2, 4, 5, 4)), function, rng)


@pytest.mark.parametrize("mode, numpys", [("zeros", "constant"), ("reflect", "reflect"), ("replicate", "edge")])
@pytest.mark.parametrize(
    "kernel, dilation, padding, sides",
    [
        ((3, 2), (1, 1), (2, 1), (1, 1, 2, 2)),
        ((3, 2), (1, 1), "same", (0, 1, 1, 1)),  # of an odd number the larger half is right and below
        ((2, 4), (1, 1), "same", (1, 2, 0, 1)),
        ((3, 2), (2, 3), "same", (1, 2, 2, 2)),
        ((3, 2), (1, 1), "valid", (0, 0, 0, 0)),
    ],
)
def test_padding_modes_of_conv2d(mode, numpys, kernel, dilation, padding, sides, rng):
    layer = nn.Conv2d(2, 3, kernel, padding=padding, dilation=dilation, padding_mode=mode)
    with_random_weights(layer, rng)
    x = rng.standard_normal((2, 2, 5, 6))
    left, right, top, bottom = sides
    padded = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], mode=numpys)
    expected = F.conv2d(mt.Tensor(padded), layer.weight, layer.bias, dilation=dilation)
    assert_close(layer(mt.Tensor(x)), expected.numpy(), rtol=1e-13)
    if padding == "same":
        assert expected.shape[2:] == (5, 6)


@pytest.mark.parametrize("affine, bias", [(True, True), (True, False), (False, True)])
def test_layer_norm(affine, bias, rng):
    layer = with_random_weights(nn.LayerNorm((4, 5), 0.3, affine, bias), rng)
    assert (layer.weight is not None) == affine and (layer.bias is not None) == (affine and bias)
    x = rng.standard_normal((2, 3, 4, 5))
    mean, var = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    expected = (x - mean) / np.sqrt(var + 0.3)
    expected = expected * layer.weight.numpy() if affine else expected
    expected = expected + layer.bias.numpy() if affine and bias else expected
    assert_close(layer(mt.Tensor(x)), expected, rtol=1e-12)
    assert nn.LayerNorm(5).normalized_shape == (5,) and nn.LayerNorm([4, 5]).weight.shape == (4, 5)


@pytest.mark.parametrize("affine", [True, False])
def test_group_norm(affine, rng):
    layer = with_random_weights(nn.GroupNorm(2, 6, 0.3, affine), rng)
    x = rng.standard_normal((2, 6, 4, 5))
    groups = x.reshape(2, 2, 3, 4, 5)
    groups = (groups - groups.mean((2, 3, 4), keepdims=True)) / np.sqrt(groups.var((2, 3, 4), keepdims=True) + 0.3)
    expected = groups.reshape(x.shape)
    if affine:
        expected = expected * layer.weight.numpy()[:, None, None] + layer.bias.numpy()[:, None, None]
    assert_close(layer(mt.Tensor(x)), expected, rtol=1e-12)
    assert list(layer.state_dict()) == (["weight", "bias"] if affine else [])


# where weights start ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, fan_in",
    [
        (lambda: nn.Linear(50, 40), 50),
        (lambda: nn.Conv2d(8, 40, (3, 5)), 8 * 15),
        (lambda: nn.Conv2d(8, 40, (3, 5), groups=4), 2 * 15),
        (lambda: nn.ConvTranspose2d(40, 8, (3, 5)), 8 * 15),  # PyTorch counts the weight's second axis here, too
        (lambda: nn.ConvTranspose2d(40, 8, (3, 5), groups=4), 2 * 15),
    ],
)
def test_weights_and_biases_start_uniform_within_one_over_the_root_of_fan_in(make, fan_in):
    bound = 1 / math.sqrt(fan_in)
    layer = make()
    weight = layer.weight.numpy()
    biases = np.concatenate([make().bias.numpy() for _ in range(20)])  # at least 160 numbers
    assert weight.dtype == np.float32 and biases.dtype == np.float32
    assert abs(weight).max() <= bound * (1 + 1e-6) and abs(biases).max() <= bound * (1 + 1e-6)
    # of n uniform numbers the standard deviation is off by about 0.45/sqrt(n) of it: 5 of these
    for numbers in (weight, biases):
        assert numbers.std() == pytest.approx(bound / math.sqrt(3), rel=5 * 0.45 / math.sqrt(numbers.size))
        assert abs(numbers.mean()) < 5 * bound / math.sqrt(3 * numbers.size)


@pytest.mark.parametrize(
    "make", [lambda: nn.BatchNorm2d(3), lambda: nn.BatchNorm1d(3), lambda: nn.LayerNorm(3), lambda: nn.GroupNorm(1, 3)]
)
def test_norms_start_as_the_identity_of_what_is_normal(make):
    layer = make()
    assert layer.weight.numpy().tolist() == [1.0] * 3 and layer.bias.numpy().tolist() == [0.0] * 3
    assert layer.weight.dtype == layer.bias.dtype == np.float32


def test_the_seed_fixes_the_weights():
    def weights(seed):
        mt.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 3), nn.MultiheadAttention(4, 2)).state_dict()

    one, same, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(one[key].numpy(), same[key].numpy()) for key in one)
    assert not np.array_equal(one["0.weight"].numpy(), other["0.weight"].numpy())


# batch norm -------------------------------------------------------------------------------------------------------------


def test_batch_norm_trains_on_the_batch_and_evaluates_on_running_statistics(rng):
    layer = nn.BatchNorm2d(3, eps=0.1, momentum=0.3).double()
    with_random_weights(layer, rng)
    mean, var = np.zeros(3), np.ones(3)
    weight, bias = layer.weight.numpy()[:, None, None], layer.bias.numpy()[:, None, None]

    def normalised(x, mean, var):
        return (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + 0.1) * weight + bias

    for _ in range(3):
        x = 2 * rng.standard_normal((4, 3, 2, 5)) + 1
        assert_close(layer(mt.Tensor(x)), normalised(x, x.mean((0, 2, 3)), x.var((0, 2, 3))), rtol=1e-12)
        mean = 0.7 * mean + 0.3 * x.mean((0, 2, 3))
        var = 0.7 * var + 0.3 * x.var((0, 2, 3), ddof=1)  # the unbiased one is kept
    assert_close(layer.running_mean, mean, rtol=1e-12)
    assert_close(layer.running_var, var, rtol=1e-12)
    assert layer.num_batches_tracked.item() == 3
    layer.eval()
    assert_close(layer(mt.Tensor(x)), normalised(x, mean, var), rtol=1e-12)
    assert_close(layer.running_mean, mean, rtol=1e-12)
    assert layer.num_batches_tracked.item() == 3, "evaluation moves nothing"


def test_momentum_none_keeps_the_mean_over_all_batches(rng):
    layer = nn.BatchNorm1d(2, momentum=None).double()
    batches = rng.standard_normal((4, 5, 2))
    for batch in batches:
        layer(mt.Tensor(batch))
    assert_close(layer.running_mean, batches.mean((0, 1)), rtol=1e-12)
    assert_close(layer.running_var, batches.var(1, ddof=1).mean(0), rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 2), (4, 3)])
def test_a_refused_batch_does_not_count(shape, rng):
    """It would weigh in momentum=None's mean over all batches, and be in the checkpoint."""
    layer = nn.BatchNorm1d(2, momentum=None).double()
    with pytest.raises(ValueError):
        layer(mt.Tensor(rng.standard_normal(shape)))
    assert layer.num_batches_tracked.item() == 0
    batch = rng.standard_normal((5, 2))
    layer(mt.Tensor(batch))
    assert layer.num_batches_tracked.item() == 1
    assert_close(layer.running_mean, batch.mean(0), rtol=1e-12)


def test_without_running_statistics_evaluation_uses_the_batch(rng):
    layer = nn.BatchNorm1d(2, track_running_stats=False, affine=False).double()
    x = rng.standard_normal((5, 2))
    assert list(layer.state_dict()) == []
    training = layer(mt.Tensor(x)).numpy()
    assert_close(layer.eval()(mt.Tensor(x)), training, rtol=0)


def test_batch_norm_of_sequences_normalises_over_batch_and_length(rng):
    x = rng.standard_normal((4, 2, 5))
    y = nn.BatchNorm1d(2, eps=0).double()(mt.Tensor(x)).numpy()
    assert abs(y.mean((0, 2))).max() < 1e-15
    assert_close(y.var((0, 2)), np.ones(2), rtol=1e-12)


def test_running_statistics_are_part_of_a_checkpoint(rng):
    layer, other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    layer(mt.Tensor(rng.standard_normal((2, 3, 4, 4)).astype(np.float32)))
    other.load_state_dict(layer.state_dict())
    x = mt.Tensor(rng.standard_normal((2, 3, 4, 4)).astype(np.float32))
    assert_close(other.eval()(x), layer.eval()(x).numpy(), rtol=0)
    assert other.num_batches_tracked.item() == 1 and other.num_batches_tracked.dtype == np.int64


# dropout ----------------------------------------------------------------------------------------------------------------


def test_dropout_drops_in_training_only():
    layer = nn.Dropout(0.25)
    x = mt.Tensor(np.ones((100, 100), np.float32))
    values, counts = np.unique(layer(x).numpy(), return_counts=True)
    assert values.tolist() == [0.0, np.float32(1 / 0.75)]
    assert abs(counts[0] / 10_000 - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 10_000)  # 5 standard deviations
    assert layer.eval()(x) is x


def test_dropout_draws_anew_each_time_and_follows_the_seed():
    layer, x = nn.Dropout(), mt.Tensor(np.ones(100, np.float32))
    mt.manual_seed(3)
    first, second = layer(x).numpy(), layer(x).numpy()
    mt.manual_seed(3)
    assert not np.array_equal(first, second) and np.array_equal(layer(x).numpy(), first)


# losses -----------------------------------------------------------------------------------------------------------------


def test_losses_are_their_functions_with_the_options_kept(rng):
    x, classes = mt.Tensor(rng.standard_normal((5, 3))), np.array([0, 2, 1, 1, 2])
    w = np.array([0.5, 2.0, 1.0])
    yes = mt.Tensor(rng.random((5, 3)))
    pairs = [
        (
            nn.CrossEntropyLoss(w, 1, "sum", 0.2)(x, classes),
            F.cross_entropy(x, classes, weight=w, ignore_index=1, reduction="sum", label_smoothing=0.2),
        ),
        (nn.CrossEntropyLoss()(x, classes), F.cross_entropy(x, classes)),
        (nn.NLLLoss(w, 1, "none")(x, classes), F.nll_loss(x, classes, weight=w, ignore_index=1, reduction="none")),
        (nn.MSELoss("sum")(x, yes), F.mse_loss(x, yes, reduction="sum")),
        (nn.MSELoss()(x, yes), F.mse_loss(x, yes)),
        (
            nn.BCEWithLogitsLoss(w, "sum", 2 * w)(x, yes),
            F.binary_cross_entropy_with_logits(x, yes, weight=w, reduction="sum", pos_weight=2 * w),
        ),
    ]
    for got, expected in pairs:
        assert_close(got, expected.numpy(), rtol=0)


def test_the_weights_of_a_loss_are_buffers_under_pytorchs_names():
    w = [1.0, 2.0]
    assert list(nn.CrossEntropyLoss().state_dict()) == [] and nn.CrossEntropyLoss().weight is None
    assert list(nn.CrossEntropyLoss(w).state_dict()) == ["weight"]
    assert list(nn.NLLLoss(np.array(w)).state_dict()) == ["weight"]
    assert list(nn.BCEWithLogitsLoss(mt.Tensor(w), pos_weight=w).state_dict()) == ["weight", "pos_weight"]
    loss = nn.CrossEntropyLoss(w)
    assert list(loss.parameters()) == [] and loss.double().weight.dtype == np.float64


def test_a_wrong_reduction_is_named():
    with pytest.raises(ValueError, match="mse_loss: reduction must be one of 'mean', 'sum', 'none', got 'avg'"):
        nn.MSELoss("avg")(mt.Tensor([1.0]), mt.Tensor([1.0]))


# what wrong options get -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: nn.Linear(0, 2), "Linear: in_features must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 0, 3), "Conv2d: out_channels must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "Conv2d: kernel_size must be an int or a pair of ints, got (3, 3, 3)"),
        (lambda: nn.Conv2d(3, 4, 3, stride=0), "Conv2d: stride must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), "Conv2d: padding must be at least 0, got -1"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "Conv2d: padding must be one of 'valid', 'same', got 'full'"),
        (lambda: nn.Conv2d(3, 4, 3, 2, "same"), 'Conv2d: padding="same" needs stride 1, got (2, 2)'),
        (
            lambda: nn.Conv2d(3, 4, 3, padding_mode="circular"),
            "Conv2d: padding_mode must be one of 'zeros', 'reflect', 'replicate', got 'circular'",
        ),
        (
            lambda: nn.Conv2d(6, 4, 3, groups=3),
            "Conv2d: in_channels=6 and out_channels=4 can't both be cut into 3 groups",
        ),
        (lambda: nn.Conv2d(6, 4, 3, groups=0), "Conv2d: groups must be at least 1, got 0"),
        (
            lambda: nn.ConvTranspose2d(4, 6, 3, groups=3),
            "ConvTranspose2d: in_channels=4 and out_channels=6 can't both be cut into 3 groups",
        ),
        (lambda: nn.ConvTranspose2d(4, 6, 3, output_padding=-1), "ConvTranspose2d: output_padding must be at least 0"),
        (lambda: nn.BatchNorm2d(0), "BatchNorm2d: num_features must be at least 1, got 0"),
        (lambda: nn.LayerNorm((4, 0)), "LayerNorm: normalized_shape must be at least 1, got 0"),
        (lambda: nn.GroupNorm(4, 6), "GroupNorm: the 6 channels can't be cut into 4 groups"),
        (lambda: nn.GroupNorm(0, 6), "GroupNorm: num_groups must be at least 1, got 0"),
        (lambda: nn.Dropout(1.5), "Dropout: p must be between 0.0 and 1.0, got 1.5"),
        (
            lambda: nn.ReflectionPad2d((1, 2)),
            "ReflectionPad2d: padding must be an int or (left, right, top, bottom), got (1, 2)",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_number(make, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: nn.Linear(2.0, 2), "Linear: in_features must be an integer, got 2.0"),
        (lambda: nn.Conv2d("3", 4, 3), "Conv2d: in_channels must be an integer, got '3'"),
        (lambda: nn.Conv2d(3, 4, 2.5), "Conv2d: kernel_size must be an integer, got 2.5"),
        (lambda: nn.Conv2d(3, 4, 3, groups=None), "Conv2d: groups must be an integer, got None"),
        (lambda: nn.LayerNorm(8.0), "LayerNorm: normalized_shape must be an integer, got 8.0"),
        (lambda: nn.GroupNorm(2, 4.0), "GroupNorm: num_channels must be an integer, got 4.0"),
        (lambda: nn.ZeroPad2d(0.5), "ZeroPad2d: padding must be an integer, got 0.5"),
        (lambda: nn.BatchNorm2d(3)([1.0]), "BatchNorm2d: input must be a Tensor, got list"),
        (lambda: nn.Dropout("a"), "Dropout: p must be a number, got 'a'"),
        (lambda: nn.Softmax()(mt.Tensor([1.0])), "softmax: say along which dim"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_name(make, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        make()


@pytest.mark.parametrize(
    "layer, shape, text",
    [
        (nn.BatchNorm2d(3), (2, 3), "BatchNorm2d: input must have 4 dimensions, got 2; input.shape=(2, 3)"),
        (nn.BatchNorm2d(3), (3, 4, 4), "add a batch axis with unsqueeze(0)"),
        (nn.BatchNorm1d(3), (2, 3, 4, 4), "BatchNorm1d: input must have 2 or 3 dimensions, got 4"),
        (nn.BatchNorm2d(3), (2, 5, 4, 4), "BatchNorm2d: x has 5 channels, but num_features is 3; x.shape=(2, 5, 4, 4)"),
        (nn.BatchNorm1d(3, track_running_stats=False), (2, 4), "BatchNorm1d: x has 4 channels, but num_features is 3"),
        (
            nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
            (3, 8, 8),
            "Conv2d: input must have 4 dimensions, got 3",
        ),
        (nn.Conv2d(3, 4, 3), (1, 2, 8, 8), "conv2d: x has 2 channels, but weight expects 3"),
        (nn.Linear(12, 2), (5, 3, 2, 2), "did you forget flatten(1)?"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_with_the_shapes(layer, shape, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        layer(mt.Tensor(np.zeros(shape, np.float32)))


@pytest.mark.parametrize(
    "layer, text",
    [
        (nn.Linear(3, 2, bias=False), "Linear(in_features=3, out_features=2, bias=False)"),
        (nn.Conv2d(3, 4, 5), "Conv2d(3, 4, kernel_size=(5, 5), stride=(1, 1))"),
        (
            nn.Conv2d(4, 8, (3, 5), 2, 1, 2, 4, False, "reflect"),
            "Conv2d(4, 8, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=4, "
            "padding_mode=reflect, bias=False)",
        ),
        (nn.Conv2d(3, 4, 3, padding="same"), "Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), padding=same)"),
        (
            nn.ConvTranspose2d(3, 4, 3, 2, 1, 1),
            "ConvTranspose2d(3, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1))",
        ),
        (nn.MaxPool2d(3, 2), "MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)"),
        (nn.AvgPool2d(2), "AvgPool2d(kernel_size=2, stride=2, padding=0)"),
        (nn.AdaptiveAvgPool2d((1, 1)), "AdaptiveAvgPool2d(output_size=(1, 1))"),
        (nn.BatchNorm2d(3), "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"),
        (nn.LayerNorm(3), "LayerNorm((3,), eps=1e-05, elementwise_affine=True)"),
        (nn.GroupNorm(1, 3), "GroupNorm(1, 3, eps=1e-05, affine=True)"),
        (nn.LocalResponseNorm(5), "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)"),
        (nn.Dropout(0.1), "Dropout(p=0.1)"),
        (nn.GELU("tanh"), "GELU(approximate='tanh')"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (nn.Unfold(3, padding=1), "Unfold(kernel_size=3, dilation=1, padding=1, stride=1)"),
        (nn.Fold((4, 5), 3), "Fold(output_size=(4, 5), kernel_size=3, dilation=1, padding=0, stride=1)"),
        (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2, mode='nearest')"),
        (nn.Upsample((4, 5)), "Upsample(size=(4, 5), mode='nearest')"),
        (nn.ZeroPad2d(1), "ZeroPad2d((1, 1, 1, 1))"),
        (nn.ConstantPad2d(1, 2.0), "ConstantPad2d(padding=(1, 1, 1, 1), value=2.0)"),
        (nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
    ],
)
def test_a_layer_says_its_options_as_in_pytorch(layer, text):
    assert repr(layer) == text
