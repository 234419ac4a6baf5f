"""Logits, losses and gradients of torchvision's networks, stored: weights and images by formula (golden.py), float64."""

import json
import pathlib

import numpy as np
import pytest
from closeness import assert_close
from golden import fill, image

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, models
from minitorch_cnn.nn import init

FACTS = pathlib.Path(__file__).parents[2] / "../shared/facts"
TOLERANCE = 1e-9  # float64: sums in another order, through up to 60 layers; measured 1e-12
NETWORKS = [
    *["lenet5", "alexnet", "vgg11", "vgg11_bn", "googlenet", "squeezenet1_1"],
    *["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"],
]

pytestmark = pytest.mark.full_size


def stored(name):
    if not FACTS.exists():
        pytest.skip(f"the stored numbers are in {FACTS.resolve()}, which is not there")
    return json.loads((FACTS / "golden.json").read_text())["models"][name]


def filled(name, gain):
    with init.left_out():
        model = models.create(name)
    return fill(model.double(), gain)


def assert_logits(logits, expected):
    largest = np.abs(expected["logits"]).max()
    assert list(logits.shape) == expected["shape"]
    assert np.abs(logits.data[:, :16] - expected["logits"]).max() <= TOLERANCE * largest
    assert abs(logits.data.sum() - expected["sum"]) <= TOLERANCE * expected["abs_sum"]
    assert_close(np.abs(logits.data).sum(), np.float64(expected["abs_sum"]), rtol=TOLERANCE)


def assert_gradients(model, x, expected):
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, grad in gradients.items() if grad is None] == expected["without_gradient"]
    norm = np.sqrt(sum((grad**2).sum() for grad in gradients.values() if grad is not None))
    assert_close(norm, np.float64(expected["norm_of_all"]), rtol=TOLERANCE)
    assert_close(np.linalg.norm(x.grad), np.float64(expected["input_norm"]), rtol=TOLERANCE)
    # a bias before batch norm has a gradient of 0, of which rounding makes 1e-15: hence the second bound
    for name, stored_norm in expected["norms"].items():
        assert abs(np.linalg.norm(gradients[name]) - stored_norm) <= max(TOLERANCE * stored_norm, 1e-14 * norm), name
    for name, first in expected["first_values"].items():
        largest = np.abs(gradients[name]).max()
        assert np.abs(gradients[name].ravel()[:4] - first).max() <= max(TOLERANCE * largest, 1e-14 * norm), name


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_loss_and_gradients_are_those_stored(name):
    golden = stored(name)
    model = filled(name, golden["gain"]).eval()
    x = Tensor(image(golden["input_shape"]), requires_grad=True)
    logits = model(x)
    assert_logits(logits, golden)
    loss = F.cross_entropy(logits, np.array([7, 7]))
    assert_close(loss, np.float64(golden["loss"]), rtol=TOLERANCE)
    loss.backward()
    assert_gradients(model, x, golden["gradient"])


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_a_training_step_is_the_one_stored(name):
    """Statistics of the batch, dropout off."""
    golden = stored(name)
    model = filled(name, golden["gain"]).train()
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.eval()
    golden, shape = golden["train_mode"], golden["input_shape"]
    x = Tensor(image(shape), requires_grad=True)
    logits = model(x)
    assert_logits(logits, golden)
    loss = F.cross_entropy(logits, np.array([7, 7]))
    assert_close(loss, np.float64(golden["loss"]), rtol=TOLERANCE)
    loss.backward()
    assert_gradients(model, x, golden["gradient"])
    buffers = {name: buffer.data for name, buffer in model.named_buffers()}
    for name, after in golden["buffers_after"].items():
        assert abs(buffers[name].sum() - after["sum"]) <= TOLERANCE * after["abs_sum"], name
        assert_close(np.abs(buffers[name]).sum(), np.float64(after["abs_sum"]), rtol=TOLERANCE)


def test_googlenets_auxiliary_logits_are_those_stored():
    """Dropout off, running statistics: each head on what the trunk gives it."""
    golden = stored("googlenet")
    model = filled("googlenet", golden["gain"]).eval()
    maps = {}
    for name in ("inception4a", "inception4d"):
        model.get_submodule(name).register_forward_hook(
            lambda module, args, output, name=name: maps.update({name: output})
        )
    model(Tensor(image(golden["input_shape"])))
    assert_logits(model.aux1(maps["inception4a"]), golden["aux1"])
    assert_logits(model.aux2(maps["inception4d"]), golden["aux2"])
