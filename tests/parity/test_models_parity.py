"""Whole networks against torchvision's: the same weights, random images, logits and all gradients; and starting weights' spread."""

import numpy as np
import pytest

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, models
from minitorch_cnn.models.published import PUBLISHED
from minitorch_cnn.nn import init

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

NAMES = [name for name, published in PUBLISHED.items() if "IMAGENET1K_V1" in published]
TOLERANCE = 1e-6  # of the largest value: float64 through up to 150 layers
SIZE = {"alexnet": 67, "googlenet": 65, "squeezenet1_0": 61, "squeezenet1_1": 61}
# torchvision builds 140 million weights for each VGG: one of each kind is enough, the others differ in their tables alone
LEFT_OUT = {"vgg13", "vgg16", "vgg13_bn", "vgg11_bn", "vgg19", "resnet101"}


def pair(name, **options):
    """The network here and torchvision's with the same random weights, in float64."""
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, weights=None, num_classes=11, **options).double()
    with torch.no_grad():  # signals of about one size, statistics of their own
        for key, tensor in theirs.state_dict().items():
            if key.endswith("running_mean") or key.endswith("bias"):
                tensor.uniform_(-0.1, 0.1)
            elif key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
    with init.left_out():
        ours = models.create(name, num_classes=11).double()
    ours.load_state_dict({key: tensor.numpy() for key, tensor in theirs.state_dict().items()})
    return ours, theirs


def assert_near(got, expected, what, rounding=0.0):
    assert np.abs(got - expected).max() <= TOLERANCE * np.abs(expected).max() + rounding, what


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in LEFT_OUT])
def test_logits_and_all_gradients_are_torchvisions(name, training):
    options = {"init_weights": False} if name == "googlenet" else {}
    ours, theirs = pair(name, **options)
    for model in (ours, theirs):
        model.train(training)
        for module in model.modules():
            if type(module).__name__ == "Dropout":
                module.eval()
    rng = np.random.default_rng(1)
    images, labels = rng.standard_normal((3, 3, SIZE.get(name, 64), 70)), rng.integers(0, 11, 3)
    x, t = Tensor(images, requires_grad=True), torch.tensor(images, requires_grad=True)
    got, expected = ours(x), theirs(t)
    got, expected = (list(out) if isinstance(out, tuple) else [out] for out in (got, expected))
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert_near(a.numpy(), b.detach().numpy(), "logits")
    sum(F.cross_entropy(a, labels) for a in got).backward()
    sum(torch.nn.functional.cross_entropy(b, torch.tensor(labels)) for b in expected).backward()
    assert_near(x.grad, t.grad.numpy(), "the images' gradient")
    gradients = {key: p.grad for key, p in theirs.named_parameters()}
    # of a bias before batch norm the gradient is 0, and what is computed is the rounding of the sums
    rounding = 1e-13 * max(float(g.abs().max()) for g in gradients.values() if g is not None)
    for key, parameter in ours.named_parameters():
        if gradients[key] is None:
            assert parameter.grad is None, key
        else:
            assert_near(parameter.grad, gradients[key].numpy(), key, rounding)
    for (key, a), b in zip(ours.named_buffers(), theirs.buffers()):
        assert_near(a.numpy(), b.numpy(), key)


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "googlenet", "squeezenet1_1", "resnet18", "resnet50"])
def test_weights_start_as_spread_as_torchvisions(name):
    """Standard deviation, mean and tails of every tensor of 1,000 numbers or more; smaller ones by their bounds."""
    options = {"init_weights": True} if name == "googlenet" else {}
    theirs = dict(torchvision.models.get_model(name, weights=None, **options).named_parameters())
    for key, parameter in models.create(name).named_parameters():
        a, b = parameter.numpy().astype(np.float64), theirs[key].detach().double().numpy()
        if b.std() == 0:
            assert np.array_equal(a, b), key
        elif b.size >= 1000:
            spread = b.std()
            assert abs(a.std() / spread - 1) < 6 / np.sqrt(b.size), key
            assert abs(a.mean() - b.mean()) < 8 * spread / np.sqrt(b.size), key
            # what 2 % exceed: 1.7 standard deviations of uniform numbers, 2.3 of normal ones
            assert abs(np.quantile(np.abs(a), 0.98) / np.quantile(np.abs(b), 0.98) - 1) < 0.15, key
        else:
            assert 0.5 < a.std() / b.std() < 2, key
