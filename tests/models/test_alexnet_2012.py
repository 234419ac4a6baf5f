"""AlexNet of 2012: the paper's counts and sizes, the network against one written with NumPy, its towers, and one tower like them.

How the towers talk across devices is in tests/gpu/test_cuda_towers.py.
"""

import json
import pathlib

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, nn
from minitorch_cnn.models.alexnet_2012 import WIDTHS, AlexNet2012, alexnet_2012, exchange, one_tower

NARROW = {layer: width // 16 for layer, width in WIDTHS.items()}  # 6, 16, 24, 24, 16 kernels, 256 units


@pytest.fixture(scope="module")
def full_size():
    """With zeros for weights, which are enough to see shapes."""
    with nn.init.left_out():
        return alexnet_2012()


@pytest.fixture
def model(rng):
    """Narrow, in float64, every parameter random and so large that LRN matters and ReLUs are in both states."""
    with nn.init.left_out():
        model = AlexNet2012(num_classes=5, widths=NARROW).double().eval()
    for name, parameter in model.named_parameters():
        fan_in = np.prod(parameter.shape[1:])
        scale = 20 if "conv1" in name else 1.5 / fan_in**0.5 if name.endswith("weight") else 0.1
        parameter.data[...] = scale * rng.standard_normal(parameter.shape)
    return model


# the paper's numbers --------------------------------------------------------------------------------------------------


def test_layers_have_the_papers_parameters(full_size):
    counts = {}
    for layer in WIDTHS:
        counts[layer] = sum(p.size for tower in full_size.towers for p in getattr(tower, layer).parameters())
    counts["fc8"] = sum(p.size for p in full_size.fc8.parameters())
    assert counts == {
        **{"conv1": 34_944, "conv2": 307_456, "conv3": 885_120, "conv4": 663_936, "conv5": 442_624},
        **{"fc6": 37_752_832, "fc7": 16_781_312, "fc8": 4_097_000},
    }
    assert sum(p.size for p in full_size.parameters()) == 60_965_224


def test_one_tower_whose_layers_see_every_map_has_62_378_344_parameters():
    with nn.init.left_out():
        counts = [sum(p.size for p in AlexNet2012(towers=1, groups=g).parameters()) for g in (1, 2)]
    assert counts == [62_378_344, 60_965_224]


def test_each_tower_has_half_of_the_kernels_and_of_the_units(full_size):
    first, second = full_size.towers
    assert [getattr(first, layer).weight.shape for layer in WIDTHS] == [
        *[(48, 3, 11, 11), (128, 48, 5, 5), (192, 256, 3, 3), (192, 192, 3, 3), (128, 192, 3, 3)],
        *[(2048, 9216), (2048, 4096)],
    ]
    assert [p.shape for p in first.parameters()] == [p.shape for p in second.parameters()]


@pytest.mark.full_size
@pytest.mark.parametrize("size", [224, 227])
def test_maps_and_neurons_are_those_of_figure_2(full_size, size):
    summary = nn.summary(full_size, (3, size, size))
    shapes = {row.name: row.output_shape for row in summary.rows}
    maps = {layer: tuple(n * 2 if i == 0 else n for i, n in enumerate(shapes[f"towers.1.{layer}"])) for layer in WIDTHS}
    assert maps == {
        **{"conv1": (96, 55, 55), "conv2": (256, 27, 27), "conv3": (384, 13, 13), "conv4": (384, 13, 13)},
        **{"conv5": (256, 13, 13), "fc6": (4096,), "fc7": (4096,)},
    }
    # the caption's numbers, the second put right: it has 253,440
    assert [int(np.prod(shape)) for shape in maps.values()] == [*[290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096]]
    assert full_size.towers[0].fc6.in_features == 256 * 6 * 6
    assert summary.total_macs == 724_406_816


@pytest.mark.full_size
def test_one_tower_whose_layers_see_every_map_has_1135_million_multiply_adds():
    with nn.init.left_out():
        model = AlexNet2012(towers=1, groups=1)
    assert nn.summary(model, (3, 227, 227)).total_macs == 1_135_256_096


def test_counts_are_those_of_the_reference_material(full_size):
    path = pathlib.Path(__file__).parents[2] / "../shared/facts/facts.json"
    if not path.exists():
        pytest.skip(f"the reference counts are in {path.resolve()}, which is not there")
    facts = json.loads(path.read_text())["models"]["alexnet_2012"]
    assert facts["parameters"] == sum(p.size for p in full_size.parameters())
    assert facts["macs"] == 724_406_816 and facts["input"] == [3, 227, 227]


def test_weights_start_normal_with_0_01_and_biases_at_1_in_conv2_conv4_conv5_and_the_hidden_layers():
    model = AlexNet2012(num_classes=7, widths=NARROW)
    values = np.concatenate([p.numpy().ravel() for n, p in model.named_parameters() if n.endswith("weight")])
    assert abs(values.mean()) < 1e-4 and abs(values.std() - 0.01) < 1e-4
    assert np.abs(values).max() > 0.035  # normal, not uniform
    for tower in model.towers:
        biases = {layer: set(getattr(tower, layer).bias.numpy().tolist()) for layer in WIDTHS}
        assert biases == {
            **{"conv1": {0.0}, "conv2": {1.0}, "conv3": {0.0}, "conv4": {1.0}, "conv5": {1.0}},
            **{"fc6": {1.0}, "fc7": {1.0}},
        }
    assert not model.fc8.bias.numpy().any()
    first, second = (tower.conv3.weight.numpy() for tower in model.towers)
    assert not np.array_equal(first, second)


# the network ----------------------------------------------------------------------------------------------------------


def convolved(x, weight, bias, stride=1, padding=0):
    """ReLU of a convolution of (C, H, W) maps, by a loop over the kernel's places."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((n - weight.shape[2]) // stride + 1 for n in x.shape[1:])
    y = np.zeros((len(weight), rows, columns)) + bias[:, None, None]
    for u, v in np.ndindex(weight.shape[2:]):
        part = x[:, u : u + stride * rows : stride, v : v + stride * columns : stride][:, :rows, :columns]
        y += np.tensordot(weight[:, :, u, v], part, 1)
    return np.maximum(y, 0)


def normalised(a):
    """Section 3.3, with n=5, k=2, alpha=1e-4, beta=0.75."""
    b = np.empty_like(a)
    for i in range(len(a)):
        b[i] = a[i] / (2 + 1e-4 * (a[max(0, i - 2) : i + 3] ** 2).sum(0)) ** 0.75
    return b


def pooled(x):
    """Windows 3 wide, 2 apart."""
    size = (x.shape[1] - 3) // 2 + 1
    return np.max([x[:, u : u + 2 * size : 2, v : v + 2 * size : 2][:, :size, :size] for u, v in np.ndindex(3, 3)], 0)


def logits(model, image):
    """Figure 2, tower by tower, for one image (3, 227, 227)."""
    towers = [{k: v.numpy() for k, v in tower.state_dict().items()} for tower in model.towers]
    made = []
    for w in towers:
        x = pooled(normalised(convolved(image, w["conv1.weight"], w["conv1.bias"], stride=4)))
        made.append(pooled(normalised(convolved(x, w["conv2.weight"], w["conv2.bias"], padding=2))))
    both, made = np.concatenate(made), []
    for w in towers:
        x = both
        for layer in ("conv3", "conv4", "conv5"):
            x = convolved(x, w[f"{layer}.weight"], w[f"{layer}.bias"], padding=1)
        made.append(pooled(x).ravel())
    for layer in ("fc6", "fc7"):
        both = np.concatenate(made)
        made = [np.maximum(w[f"{layer}.weight"] @ both + w[f"{layer}.bias"], 0) for w in towers]
    return model.fc8.weight.numpy() @ np.concatenate(made) + model.fc8.bias.numpy()


def test_logits_are_those_of_figure_2_written_with_numpy(model, rng):
    images = rng.standard_normal((2, 3, 227, 227))
    expected = np.stack([logits(model, image) for image in images])
    assert np.ptp(expected) > 0.5
    assert_close(model(Tensor(images)), expected, 1e-12)


def test_an_image_of_224_is_seen_with_zeros_around_it_as_conv1_with_padding_of_2(model, rng):
    x = Tensor(rng.standard_normal((1, 3, 224, 224)))
    seen = []
    model.towers[0].conv1.register_forward_hook(lambda layer, args, output: seen.append(output))
    model(x)
    layer = model.towers[0].conv1
    expected = F.conv2d(x, layer.weight, layer.bias, stride=4, padding=2)
    assert expected.shape == (1, 3, 55, 55)
    assert_close(seen[0], expected.numpy(), 1e-12)


def test_one_tower_with_groups_gives_the_same_logits_and_gradients(model, rng):
    one = one_tower(model)
    assert len(one.towers) == 1 and one.towers[0].conv2.groups == 2 and not one.training
    assert one.fc8.weight.dtype == np.float64
    images, upstream = rng.standard_normal((2, 3, 227, 227)), rng.standard_normal((2, 5))
    first, second = (Tensor(images, requires_grad=True) for _ in range(2))
    expected, got = model(first), one(second)
    assert_close(got, expected.numpy(), 1e-12)
    expected.backward(upstream)
    got.backward(upstream)
    assert_close(second.grad, first.grad, 1e-11)
    for name, parameter in one.towers[0].named_parameters():
        halves = [dict(tower.named_parameters())[name].grad for tower in model.towers]
        assert_close(parameter.grad, np.concatenate(halves), 1e-11)


def test_its_weights_are_copies(model):
    one = one_tower(model)
    before = one.fc8.weight.numpy().copy()
    model.fc8.weight.data += 1
    assert np.array_equal(one.fc8.weight.numpy(), before)
    with pytest.raises(TypeError, match="one_tower: model must be an AlexNet2012, got Linear"):
        one_tower(model.fc8)


def test_normalisation_in_one_tower_does_not_cross_the_seam(model, rng):
    x = rng.standard_normal((1, 6, 2, 3)) * 100
    one = one_tower(model).towers[0]
    before = one.normalise(Tensor(x)).numpy()
    x[:, 3:] *= 2
    after = one.normalise(Tensor(x)).numpy()
    assert np.array_equal(after[:, :3], before[:, :3])
    with nn.init.left_out():
        whole = AlexNet2012(num_classes=5, towers=1, groups=1, widths=NARROW).towers[0]
    assert not np.array_equal(
        whole.normalise(Tensor(x)).numpy()[:, 1:3], before[:, 1:3]
    )  # as one norm layer over all would


@pytest.mark.parametrize("part", ["conv2", "conv3", "conv4", "fc6", "fc7"])
def test_towers_see_each_other_in_conv3_and_the_fully_connected_layers_only(model, rng, part):
    """Kernels of tower 1 are changed before `part`; tower 0's output of it must change if it sees both, else not."""
    before = {"conv2": "conv1", "conv3": "conv2", "conv4": "conv3", "fc6": "conv5", "fc7": "fc6"}[part]
    x, outputs = Tensor(rng.standard_normal((1, 3, 227, 227))), []
    getattr(model.towers[0], part).register_forward_hook(lambda layer, args, output: outputs.append(output.numpy()))
    model(x)
    getattr(model.towers[1], before).bias.data += 1
    model(x)
    assert np.array_equal(*outputs) == (part in ("conv2", "conv4"))


def test_exchange_gives_each_tower_all_maps_the_first_towers_first(rng):
    a, b = rng.standard_normal((2, 2, 3, 4, 5))
    first, second = exchange([Tensor(a), Tensor(b)])
    assert np.array_equal(first.numpy(), np.concatenate([a, b], 1))
    assert np.array_equal(second.numpy(), first.numpy())


def test_half_of_the_units_of_fc6_and_fc7_are_dropped_in_training_and_the_others_doubled(model, rng):
    seen = {}
    for i, tower in enumerate(model.towers):
        tower.fc7.register_forward_hook(lambda layer, args, output, i=i: seen.update({("fc6", i): args[0].numpy()}))
    model.fc8.register_forward_hook(lambda layer, args, output: seen.update({"fc7": args[0].numpy()}))
    for tower in model.towers:
        for layer in (tower.fc6, tower.fc7):
            layer.weight.data[...] = 0
            layer.bias.data[...] = 3
    model.train()(Tensor(rng.standard_normal((4, 3, 227, 227))))
    for units in seen.values():
        assert set(units.ravel().tolist()) == {0.0, 6.0}
        assert abs((units == 0).mean() - 0.5) < 0.1
    assert np.array_equal(seen["fc6", 0], seen["fc6", 1])  # a unit is dropped for both towers


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(1, 3, 225, 225), (1, 3, 224, 227), (3, 227, 227), (1, 1, 227, 227), (1, 227, 227, 3)]
)
def test_images_of_another_shape_are_refused(model, shape):
    with pytest.raises(ValueError) as error:
        model(Tensor(np.zeros(shape)))
    assert str(error.value).startswith(
        f"AlexNet2012: x must be a batch of colour images, (N, 3, 224, 224) or (N, 3, 227, 227), got x.shape={shape}"
    )


@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cpu", "cpu"), "cpu", 2])
def test_devices_are_one_for_each_tower(devices):
    with pytest.raises(ValueError, match="AlexNet2012: devices must be a tuple of 2, one for each tower, got"):
        alexnet_2012(devices=devices)


def test_towers_groups_and_widths_must_fit_each_other():
    with pytest.raises(ValueError, match="AlexNet2012: towers must be one of 1, 2, got 3"):
        AlexNet2012(towers=3)
    with pytest.raises(ValueError, match="AlexNet2012: groups must be one of 2, got 1"):
        AlexNet2012(towers=2, groups=1)
    with pytest.raises(ValueError, match="AlexNet2012: conv5 has 15 kernels or units, which can't be cut into 2 parts"):
        AlexNet2012(widths={**NARROW, "conv5": 15})


def test_both_towers_on_one_device_is_the_same_network(rng):
    x = Tensor(rng.standard_normal((1, 3, 227, 227)).astype(np.float32))
    model = AlexNet2012(num_classes=3, devices=("cpu", "cpu"), widths=NARROW).eval()
    other = AlexNet2012(num_classes=3, widths=NARROW).eval()
    other.load_state_dict(model.state_dict())
    assert np.array_equal(model(x).numpy(), other(x).numpy())
