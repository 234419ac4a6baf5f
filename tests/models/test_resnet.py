"""ImageNet's residual networks: blocks by their formula, what distinguishes the variants, starting weights."""

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, models
from minitorch_cnn.models.resnet import TABLE_1, BasicBlock, Bottleneck, PlainBlock, ResNet
from minitorch_cnn.nn import init


def randomised(module, rng):
    """In float64, every parameter and statistic random, so that none can be taken for another; in evaluation mode."""
    module.double().eval()
    for key, tensor in module.state_dict().items():
        if tensor.dtype.kind == "f":
            scale = 0.4 if tensor.ndim > 1 else 1.0
            values = scale * rng.standard_normal(tensor.shape)
            tensor.data[...] = np.abs(values) + 0.5 if "running_var" in key else values
    return module


def conv(x, weight, stride=1, groups=1):
    """A convolution without bias that keeps the size (before the stride), window by window."""
    out_channels, each, K, _ = weight.shape
    N, C, H, W = x.shape
    pad = K // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    OH, OW = -(-H // stride), -(-W // stride)
    y = np.zeros((N, out_channels, OH, OW))
    for o in range(out_channels):
        first = o // (out_channels // groups) * each
        for i, j in np.ndindex(OH, OW):
            window = padded[:, first : first + each, i * stride : i * stride + K, j * stride : j * stride + K]
            y[:, o, i, j] = (window * weight[o]).sum((1, 2, 3))
    return y


def norm(x, state, key):
    w = {name: state[f"{key}.{name}"].reshape(-1, 1, 1) for name in ("weight", "bias", "running_mean", "running_var")}
    return (x - w["running_mean"]) / np.sqrt(w["running_var"] + 1e-5) * w["weight"] + w["bias"]


def relu(x):
    return np.maximum(x, 0)


def state_of(module):
    return {key: tensor.numpy() for key, tensor in module.state_dict().items()}


@pytest.mark.parametrize("in_channels, width, stride", [(3, 5, 2), (5, 5, 2), (3, 5, 1), (5, 5, 1)])
@pytest.mark.parametrize("kind", [BasicBlock, PlainBlock])
def test_a_basic_block_is_its_formula(kind, in_channels, width, stride, rng):
    block = randomised(kind(in_channels, width, stride), rng)
    x, w = rng.standard_normal((2, in_channels, 7, 6)), state_of(block)
    y = relu(norm(conv(x, w["conv1.weight"], stride), w, "bn1"))
    y = norm(conv(y, w["conv2.weight"]), w, "bn2")
    shortcut = x
    if kind is PlainBlock:
        shortcut = 0
        assert not any("downsample" in key for key in w)
    elif in_channels != width or stride != 1:
        shortcut = norm(conv(x, w["downsample.0.weight"], stride), w, "downsample.1")
    assert_close(block(Tensor(x)), relu(y + shortcut), rtol=1e-12)


@pytest.mark.parametrize("stride_in_1x1", [False, True])
@pytest.mark.parametrize("in_channels, stride", [(5, 2), (8, 1), (8, 2)])
def test_a_bottleneck_is_its_formula(in_channels, stride, stride_in_1x1, rng):
    block = randomised(Bottleneck(in_channels, 2, stride, stride_in_1x1=stride_in_1x1), rng)
    x, w = rng.standard_normal((2, in_channels, 7, 6)), state_of(block)
    first, second = (stride, 1) if stride_in_1x1 else (1, stride)
    y = relu(norm(conv(x, w["conv1.weight"], first), w, "bn1"))
    y = relu(norm(conv(y, w["conv2.weight"], second), w, "bn2"))
    y = norm(conv(y, w["conv3.weight"]), w, "bn3")
    shortcut = x
    if in_channels != 8 or stride != 1:
        shortcut = norm(conv(x, w["downsample.0.weight"], stride), w, "downsample.1")
    assert_close(block(Tensor(x)), relu(y + shortcut), rtol=1e-12)


def test_resnext_cuts_the_3x3_convolution_into_groups_and_wide_doubles_it(rng):
    block = randomised(Bottleneck(6, 64, 1, groups=32, width_per_group=4), rng)
    assert block.conv2.weight.shape == (128, 4, 3, 3) and block.conv1.weight.shape == (128, 6, 1, 1)
    x, w = rng.standard_normal((1, 6, 3, 2)), state_of(block)
    y = relu(norm(conv(x, w["conv1.weight"]), w, "bn1"))
    y = relu(norm(conv(y, w["conv2.weight"], groups=32), w, "bn2"))
    y = norm(conv(y, w["conv3.weight"]), w, "bn3") + norm(conv(x, w["downsample.0.weight"]), w, "downsample.1")
    assert_close(block(Tensor(x)), relu(y), rtol=1e-12)
    wide = Bottleneck(256, 64, 1, width_per_group=128)
    assert [wide.conv1.out_channels, wide.conv2.out_channels, wide.conv3.out_channels] == [128, 128, 256]
    with init.left_out():
        assert models.resnext50_32x4d().layer4[0].conv2.weight.shape == (1024, 32, 3, 3)
        assert models.wide_resnet50_2().layer4[0].conv2.weight.shape == (1024, 1024, 3, 3)


def tiny(block=BasicBlock, **options):
    return ResNet(block, [1, 1, 1, 1], num_classes=3, **options)


def test_the_whole_network_is_stem_stages_mean_and_linear(rng):
    model = randomised(tiny(), rng)
    x, w = rng.standard_normal((1, 3, 33, 40)), state_of(model)
    y = F.conv2d(Tensor(x), Tensor(w["conv1.weight"]), stride=2, padding=3)
    y = F.max_pool2d(Tensor(relu(norm(y.numpy(), w, "bn1"))), 3, 2, 1)
    assert y.shape == (1, 64, 9, 10)
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        y = layer(y)
    expected = y.numpy().mean((2, 3)) @ w["fc.weight"].T + w["fc.bias"]
    assert_close(model(Tensor(x)), expected, rtol=1e-12)


def test_stages_halve_the_image_but_the_first():
    model, sizes = tiny(Bottleneck), []
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        layer.register_forward_hook(lambda module, args, output: sizes.append(output.shape))
    model(Tensor(np.zeros((2, 3, 64, 32), np.float32)))
    assert sizes == [(2, 256, 16, 8), (2, 512, 8, 4), (2, 1024, 4, 2), (2, 2048, 2, 1)]


@pytest.mark.parametrize("depth, layers", [(18, 8), (34, 16), (50, 16), (101, 33), (152, 50)])
def test_the_depth_counts_convolutions_and_the_linear_layer(depth, layers):
    block, counts = TABLE_1[depth]
    assert sum(counts) == layers
    assert 2 + sum(counts) * (3 if block is Bottleneck else 2) == depth


def test_the_papers_place_of_the_stride_changes_logits_and_no_key(rng):
    paper, torchvision = tiny(Bottleneck, stride_in_1x1=True).double(), tiny(Bottleneck).double()
    torchvision.load_state_dict(paper.state_dict())
    x = Tensor(rng.standard_normal((1, 3, 64, 64)))
    a, b = paper.eval()(x).numpy(), torchvision.eval()(x).numpy()
    assert np.abs(a - b).max() > 1e-3 * np.abs(a).max()
    with init.left_out():
        model = models.resnet50(stride_in_1x1=True)
    strides = [model.layer2[0].conv1.stride, model.layer2[0].conv2.stride, model.layer1[0].conv1.stride]
    assert strides == [(2, 2), (1, 1), (1, 1)]


def test_zero_init_residual_starts_every_block_as_relu_of_its_shortcut():
    model = tiny(zero_init_residual=True)
    assert not model.layer1[0].bn2.weight.data.any() and model.layer1[0].bn1.weight.data.all()
    x = Tensor(np.abs(np.random.default_rng(1).standard_normal((1, 64, 4, 5), dtype=np.float32)))
    assert np.array_equal(model.layer1[0](x).numpy(), x.numpy())
    bottleneck = tiny(Bottleneck, zero_init_residual=True).layer4[0]
    assert not bottleneck.bn3.weight.data.any() and bottleneck.bn2.weight.data.all()
    assert tiny().layer1[0].bn2.weight.data.all()


def test_convolutions_start_as_he_says_by_fan_out():
    model = models.resnet18(num_classes=7)
    for weight in (model.layer3[0].conv1.weight, model.layer4[0].downsample[0].weight):
        fan_out = weight.shape[0] * weight.shape[2] * weight.shape[3]
        assert_close(weight.data.std(dtype=np.float64), np.float64(np.sqrt(2 / fan_out)), rtol=0.01)
        assert abs(weight.data.mean()) < 4 * np.sqrt(2 / fan_out / weight.size)
    assert np.abs(model.fc.weight.data).max() <= 1 / np.sqrt(512)


def test_a_gradient_reaches_every_parameter():
    model = tiny(Bottleneck)
    F.cross_entropy(
        model(Tensor(np.random.default_rng(0).standard_normal((2, 3, 33, 33), dtype=np.float32))), [0, 2]
    ).backward()
    assert all(np.abs(p.grad).max() > 0 for p in model.parameters())
