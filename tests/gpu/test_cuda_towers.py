"""AlexNet's two towers on two devices: what they exchange, and nothing else; values, gradients and training as on one device.

On the stand-in for CuPy everywhere, and with the real CuPy where that has two devices, emulated or not.
"""

import importlib.util
from collections import Counter

import numpy as np
import pytest
from closeness import assert_close
from gpu import standin
from gpu.device import devices, require_cupy

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, nn, optim
from minitorch_cnn.models.alexnet_2012 import WIDTHS, AlexNet2012, one_tower

NARROW = {layer: width // 16 for layer, width in WIDTHS.items()}
N, LABELS = 2, np.array([1, 4])
TWO = ("cuda:0", "cuda:1")

# what one tower gives the other, in numbers: its maps before conv3, and before fc6, its units before fc7, and before fc8
MAPS2, MAPS5 = N * 8 * 13 * 13, N * 8 * 6 * 6
UNITS6 = UNITS7 = N * 128
IMAGES = N * 3 * 227 * 227


@pytest.fixture(params=["stand-in", "CuPy"])
def count(request):
    """Two devices; the value is a function whose `transfers` are (from, to, bytes), or None on real cards, which count nothing."""
    if request.param == "stand-in":
        if np.__version__ < "2":
            pytest.skip("CuPy promotes as NumPy 2 does, and the stand-in is NumPy")
        with standin.use():
            yield standin.count
    else:
        require_cupy()
        if len(devices()) < 2:
            pytest.skip("there is one device only")
        yield importlib.import_module("cupy_on_cpu").count if importlib.util.find_spec("cupy_on_cpu") else None


def network(devices=None, dtype="float64"):
    """Narrow, with the same random weights wherever it is; conv1's are large, so that LRN matters."""
    rng = np.random.default_rng(3)
    with nn.init.left_out():
        model = AlexNet2012(num_classes=5, widths=NARROW, devices=devices).to(dtype=dtype).eval()
    for name, parameter in model.named_parameters():
        shape = parameter.shape
        scale = 20 if "conv1" in name else 1.5 / np.prod(shape[1:]) ** 0.5 if name.endswith("weight") else 0.1
        values = (scale * rng.standard_normal(shape)).astype(dtype)
        parameter.data = mt.backend.to_device(values, parameter.device)
    return model


def images(dtype="float64"):
    return np.random.default_rng(4).standard_normal((N, 3, 227, 227)).astype(dtype)


def both_ways(numbers):
    return [(0, 1, 4 * numbers), (1, 0, 4 * numbers)]


@pytest.mark.parametrize("start", [*TWO, "cpu"])
def test_towers_exchange_what_figure_2_shows_and_nothing_else(start, count):
    if count is None:
        pytest.skip("real cards don't count what is copied")
    model = network(TWO, "float32").train()
    x, labels = Tensor(images("float32"), device=start), Tensor(LABELS, device="cuda:0")
    F.cross_entropy(model(x), labels).backward()  # the first time compiles
    model.zero_grad()
    with count() as forward:
        loss = F.cross_entropy(model(x), labels)
    with count() as backward:
        loss.backward()
    source = {"cuda:0": 0, "cuda:1": 1, "cpu": "host"}[start]
    given = [(source, n, 4 * IMAGES) for n in (0, 1) if n != source]  # the images, to each tower that hasn't got them
    exchanged = [*both_ways(MAPS2), *both_ways(MAPS5), *both_ways(UNITS6)]
    assert Counter(forward.transfers) == Counter([*given, *exchanged, (1, 0, 4 * UNITS7)])
    # the gradients of the same go the other way; the images have none
    assert Counter(backward.transfers) == Counter([*exchanged, (0, 1, 4 * UNITS7)])
    assert forward.syncs == backward.syncs == [] or start == "cpu"


def test_what_is_exchanged_comes_before_conv3_fc6_fc7_and_fc8_in_this_order(count, monkeypatch):
    seen = []
    to_device = mt.ops.elementwise.ToDevice.forward

    def recorded(self, x):
        seen.append((x.shape, mt.backend.device_of(x), self.device))
        return to_device(self, x)

    model = network(TWO)
    x = Tensor(images(), device="cuda:0")
    monkeypatch.setattr(mt.ops.elementwise.ToDevice, "forward", recorded)
    for i, tower in enumerate(model.towers):
        for layer in WIDTHS:
            getattr(tower, layer).register_forward_pre_hook(lambda module, args, name=f"{layer} {i}": seen.append(name))
    model.fc8.register_forward_pre_hook(lambda module, args: seen.append("fc8"))
    model(x)

    def exchanged(*shape):
        return [((N, *shape), "cuda:1", "cuda:0"), ((N, *shape), "cuda:0", "cuda:1")]

    assert seen == [
        *["conv1 0", "conv2 0", ((N, 3, 227, 227), "cuda:0", "cuda:1"), "conv1 1", "conv2 1"],
        *[*exchanged(8, 13, 13), "conv3 0", "conv4 0", "conv5 0", "conv3 1", "conv4 1", "conv5 1"],
        *[*exchanged(8 * 6 * 6), "fc6 0", "fc6 1", *exchanged(128), "fc7 0", "fc7 1"],
        *[((N, 128), "cuda:1", "cuda:0"), "fc8"],
    ]


@pytest.mark.parametrize("places", [TWO, ("cuda:1", "cuda:0"), ("cpu", "cuda:1"), ("cuda:0", "cuda:0")])
def test_logits_and_gradients_are_those_of_one_device(places, count):
    upstream = np.random.default_rng(5).standard_normal((N, 5))
    ends = []
    for model in (network(), network(places)):
        x = Tensor(images(), requires_grad=True)
        logits = model(x)
        logits.backward(Tensor(upstream, device=logits.device).data)
        gradients = {name: (p.grad, p.device) for name, p in model.named_parameters()}
        ends.append((logits, x, gradients))
    (expected, x, gradients), (got, moved, on_devices) = ends
    assert got.device == places[0]
    assert_close(got.numpy(), expected.numpy(), 1e-11)
    assert_close(moved.grad, x.grad, 1e-10)
    for name, (gradient, device) in on_devices.items():
        tower = int(name.split(".")[1]) if name.startswith("towers") else 0
        assert device == mt.backend.device_of(gradient) == places[tower], name
        assert_close(mt.backend.to_numpy(gradient), gradients[name][0], 1e-10)


def test_training_on_two_devices_ends_with_the_weights_of_one(count):
    ends = []
    for places in (None, TWO):
        model = network(places)
        optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        for _ in range(2):
            optimizer.zero_grad()
            logits = model(Tensor(images()))
            F.cross_entropy(logits, Tensor(LABELS, device=logits.device)).backward()
            optim.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        ends.append({name: value.numpy() for name, value in model.state_dict().items()})
    for name, value in ends[0].items():
        assert_close(ends[1][name], value, 1e-9)


def test_the_whole_network_moves_to_one_device_and_its_one_tower_is_there(count):
    model, x = network(TWO), Tensor(images())
    expected = model(x).numpy()
    one = one_tower(model)
    assert {p.device for p in one.parameters()} == {"cuda:0"}
    assert_close(one(x.to("cuda:0")).numpy(), expected, 1e-11)
    for place in ("cuda:1", "cpu"):
        model.to(place)
        assert {p.device for p in model.parameters()} == {place}
        logits = model(x)
        assert logits.device == place
        assert_close(logits.numpy(), expected, 1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_are_loaded_to_where_the_towers_are(dtype, count):
    source, model = network(), network(TWO, "float32")
    nn.init.zeros_(model.towers[1].fc6.weight)
    model.load_state_dict({name: value.numpy().astype(dtype) for name, value in source.state_dict().items()})
    assert {p.device for p in model.towers[1].parameters()} == {"cuda:1"}
    for name, value in model.state_dict().items():
        assert_close(value.numpy(), source.state_dict()[name].numpy().astype("float32"), 0)


def test_a_device_that_is_not_there_is_named(count):
    with pytest.raises(mt.DeviceError, match='device "cuda:7" was asked for'):
        AlexNet2012(num_classes=5, widths=NARROW, devices=("cuda:0", "cuda:7"))
