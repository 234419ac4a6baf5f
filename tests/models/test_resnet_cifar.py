"""CIFAR-10's residual, plain and pre-activated networks: blocks by their formula, option A, counts, keys."""

import numpy as np
import pytest
from closeness import assert_close
from test_resnet import conv, norm, randomised, relu, state_of

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, models
from minitorch_cnn.models.resnet_cifar import Block, CifarResNet, PlainBlock, PreactBlock, option_a


def shortcut(x, channels, stride):
    """Option A, pixel by pixel."""
    N, C, H, W = x.shape
    if (channels, stride) == (C, 1):
        return x
    y = np.zeros((N, channels, -(-H // stride), -(-W // stride)))
    for c in range(C):
        for i, j in np.ndindex(y.shape[2:]):
            y[:, c + (channels - C) // 2, i, j] = x[:, c, i * stride, j * stride]
    return y


@pytest.mark.parametrize("channels, stride", [(3, 1), (3, 2), (6, 2), (6, 1), (8, 2)])
def test_option_a_takes_every_other_pixel_and_puts_zeros_around_the_channels(channels, stride, rng):
    x = rng.standard_normal((2, 3, 5, 4))
    assert np.array_equal(option_a(Tensor(x), channels, stride).numpy(), shortcut(x, channels, stride))


@pytest.mark.parametrize("in_channels, channels, stride", [(3, 6, 2), (4, 4, 1)])
@pytest.mark.parametrize("kind", [Block, PlainBlock])
def test_a_block_is_its_formula(kind, in_channels, channels, stride, rng):
    block = randomised(kind(in_channels, channels, stride), rng)
    x, w = rng.standard_normal((2, in_channels, 5, 6)), state_of(block)
    y = relu(norm(conv(x, w["conv1.weight"], stride), w, "bn1"))
    y = norm(conv(y, w["conv2.weight"]), w, "bn2")
    expected = relu(y + shortcut(x, channels, stride)) if kind is Block else relu(y)
    assert_close(block(Tensor(x)), expected, rtol=1e-12)


@pytest.mark.parametrize("in_channels, channels, stride", [(3, 6, 2), (4, 4, 1)])
def test_a_preactivated_block_leaves_the_sum_alone(in_channels, channels, stride, rng):
    block = randomised(PreactBlock(in_channels, channels, stride), rng)
    x, w = rng.standard_normal((2, in_channels, 5, 6)), state_of(block)
    y = conv(relu(norm(x, w, "bn1")), w["conv1.weight"], stride)
    y = conv(relu(norm(y, w, "bn2")), w["conv2.weight"])
    assert_close(block(Tensor(x)), y + shortcut(x, channels, stride), rtol=1e-12)
    assert block(Tensor(x)).numpy().min() < 0


@pytest.mark.parametrize("kind", [Block, PlainBlock, PreactBlock])
def test_the_whole_network_is_stem_stages_mean_and_linear(kind, rng):
    model = randomised(CifarResNet(kind, n=1, num_classes=3, width=4), rng)
    x, w = rng.standard_normal((1, 3, 9, 8)), state_of(model)
    y = conv(x, w["conv1.weight"])
    if kind is not PreactBlock:
        y = relu(norm(y, w, "bn1"))
    for layer in (model.layer1, model.layer2, model.layer3):
        y = layer(Tensor(y)).numpy()
    assert y.shape == (1, 16, 3, 2)
    if kind is PreactBlock:
        y = relu(norm(y, w, "bn"))
    expected = y.mean((2, 3)) @ w["linear.weight"].T + w["linear.bias"]
    assert_close(model(Tensor(x)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "depth, n, parameters", [(20, 3, 269_722), (32, 5, 464_154), (44, 7, 658_586), (56, 9, 853_018)]
)
@pytest.mark.parametrize("kind", ["resnet", "plain", "preact_resnet"])
def test_depth_is_6n_plus_2_and_parameters_are_the_papers(kind, depth, n, parameters):
    model = models.create(f"{kind}{depth}")
    assert depth == 6 * n + 2 and len(model.layer2.state_dict()) == n * len(model.layer2[0].state_dict())
    assert sum(p.size for p in model.parameters()) == parameters == 97_216 * n - 21_926
    layers = [m for m in model.modules() if type(m).__name__ in ("Conv2d", "Linear")]
    assert len(layers) == depth


def test_resnet_110_and_width():
    assert sum(p.size for p in models.resnet110().parameters()) == 1_727_962
    narrow = models.resnet20(width=8, num_classes=7)
    assert narrow.conv1.weight.shape == (8, 3, 3, 3) and narrow.linear.weight.shape == (7, 32)
    assert narrow(Tensor(np.zeros((2, 3, 32, 32), np.float32))).shape == (2, 7)


def test_keys_are_those_of_the_widely_used_implementation():
    keys = list(models.resnet20().state_dict())
    norm_keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    block = ["conv1.weight", *[f"bn1.{k}" for k in norm_keys], "conv2.weight", *[f"bn2.{k}" for k in norm_keys]]
    blocks = [f"layer{stage}.{i}.{key}" for stage in (1, 2, 3) for i in range(3) for key in block]
    assert keys == ["conv1.weight", *[f"bn1.{k}" for k in norm_keys], *blocks, "linear.weight", "linear.bias"]


def test_convolutions_and_the_linear_layer_start_as_he_says_by_fan_in():
    model = models.resnet56(width=32)
    weight = model.layer3[3].conv2.weight
    assert_close(weight.data.std(dtype=np.float64), np.float64(np.sqrt(2 / (128 * 9))), rtol=0.01)
    assert_close(model.linear.weight.data.std(dtype=np.float64), np.float64(np.sqrt(2 / 128)), rtol=0.1)


@pytest.mark.parametrize("kind", [Block, PlainBlock, PreactBlock])
def test_a_gradient_reaches_every_parameter(kind, rng):
    model = CifarResNet(kind, n=2, width=4)
    x = Tensor(rng.standard_normal((3, 3, 8, 8)).astype(np.float32))
    F.cross_entropy(model(x), [0, 2, 9]).backward()
    assert all(np.abs(p.grad).max() > 0 for p in model.parameters())
