"""Each family of networks on a cuda device: logits, gradients, running statistics are the CPU's (towers: test_cuda_towers.py)."""

import numpy as np
import pytest
from closeness import assert_close
from gpu.device import devices, require_cupy

cupy = require_cupy()

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import models, nn
from minitorch_cnn.models.resnet import BasicBlock, Bottleneck, PlainBlock
from minitorch_cnn.models.resnet_cifar import Block, CifarResNet, PreactBlock
from minitorch_cnn.models.resnet_cifar import PlainBlock as CifarPlainBlock
from minitorch_cnn.models.vgg import VGG

COLUMN = [8, "LRN", "M", 12, ("1x1", 10), "M"]
# a small network of each kind, and the width of its images
NETWORKS = {
    "resnet": (lambda: models.ResNet(BasicBlock, [1, 1, 1, 1], 5), 33),
    "resnext": (lambda: models.ResNet(Bottleneck, [1, 1, 0, 0], 5, groups=32, width_per_group=4), 33),
    "paper's resnet": (lambda: models.ResNet(Bottleneck, [1, 1, 0, 0], 5, stride_in_1x1=True), 33),
    "plain": (lambda: models.ResNet(PlainBlock, [1, 1, 0, 0], 5), 33),
    "cifar": (lambda: CifarResNet(Block, 1, 5, width=4), 9),
    "cifar plain": (lambda: CifarResNet(CifarPlainBlock, 1, 5, width=4), 9),
    "cifar preact": (lambda: CifarResNet(PreactBlock, 1, 5, width=4), 9),
    "vgg": (lambda: VGG(COLUMN, num_classes=5, hidden=16, pooled=3), 14),
    "vgg_bn": (lambda: VGG(COLUMN, True, num_classes=5, hidden=16, pooled=3), 14),
    "squeezenet": (lambda: models.squeezenet1_1(num_classes=5), 37),
    "inception": (
        lambda: nn.Sequential(models.Inception(3, 4, 2, 5, 3, 6, 7), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        11,
    ),
    "naive inception": (
        lambda: nn.Sequential(
            models.Inception(3, 4, 2, 5, 3, 6, 7, kind="naive"), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
        11,
    ),
}


def trained_once(network, device, dtype):
    """The network after a forward and a backward pass in training mode, without dropout, which draws other numbers there."""
    build, size = NETWORKS[network]
    mt.manual_seed(0)
    model = build().to(device, dtype)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    rng = np.random.default_rng(0)
    x = mt.Tensor(rng.standard_normal((3, 3, size, size + 2)).astype(dtype), requires_grad=True, device=device)
    logits = model(x)
    F.cross_entropy(logits, mt.Tensor(np.array([0, 4, 2]), device=device)).backward()
    return model, x, logits


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("network", NETWORKS)
def test_a_training_step_is_the_cpus(network, device):
    model, x, logits = trained_once(network, "cpu", "float64")
    theirs, t, got = trained_once(network, device, "float64")
    assert got.device == device
    assert_close(got.numpy(), logits.numpy(), 1e-9)
    assert_close(cupy.asnumpy(t.grad), x.grad, 1e-9)
    largest = max(np.abs(parameter.grad).max() for parameter in model.parameters())
    for (name, a), b in zip(theirs.named_parameters(), model.parameters()):
        # of the largest of all: a bias before batch norm has a gradient of 0, which rounding makes 1e-21
        assert np.abs(cupy.asnumpy(a.grad) - b.grad).max() <= 1e-9 * largest, name
    for a, b in zip(theirs.buffers(), model.buffers()):
        assert_close(a.numpy(), b.numpy(), 1e-9)


@pytest.mark.parametrize("network", NETWORKS)
def test_in_float32_too(network):
    _, x, logits = trained_once(network, "cpu", "float32")
    _, t, got = trained_once(network, "cuda", "float32")
    assert got.dtype == np.float32 and t.grad.dtype == np.float32
    assert_close(got.numpy(), logits.numpy(), 1e-3)
    assert_close(cupy.asnumpy(t.grad), x.grad, 1e-2)  # through batch norms over 3 x 1 x 2 values
