"""Every layer of nn with PyTorch's own weights: keys, outputs, gradients by inputs and parameters, buffers."""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, compare, layers, same_layer  # noqa: E402  after the skip

IMAGES = (2, 4, 9, 8)

# layers with weights
LEARNING = {
    "Linear": (lambda nn: nn.Linear(8, 5), IMAGES),
    "Linear no bias": (lambda nn: nn.Linear(8, 5, bias=False), (3, 8)),
    "Linear order": (lambda nn: nn.Linear(8, 5, False), (8,)),
    "Conv2d": (lambda nn: nn.Conv2d(4, 6, 3), IMAGES),
    "Conv2d no bias": (lambda nn: nn.Conv2d(4, 6, (3, 2), bias=False), IMAGES),
    "Conv2d options": (
        lambda nn: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        IMAGES,
    ),
    "Conv2d order": (lambda nn: nn.Conv2d(4, 6, 3, 2, 1, 2, 2, False, "zeros"), IMAGES),
    "Conv2d same": (lambda nn: nn.Conv2d(4, 6, (3, 5), padding="same", dilation=(2, 1)), IMAGES),
    "Conv2d valid": (lambda nn: nn.Conv2d(4, 6, 3, padding="valid"), IMAGES),
    "Conv2d reflect": (lambda nn: nn.Conv2d(4, 6, 3, padding=(2, 1), padding_mode="reflect"), IMAGES),
    "Conv2d replicate": (lambda nn: nn.Conv2d(4, 6, 3, stride=2, padding=(1, 3), padding_mode="replicate"), IMAGES),
    "Conv2d same reflect": (lambda nn: nn.Conv2d(4, 6, (3, 4), padding="same", padding_mode="reflect"), IMAGES),
    "Conv2d depthwise": (lambda nn: nn.Conv2d(4, 8, 3, padding=1, groups=4), IMAGES),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(4, 6, 3), IMAGES),
    "ConvTranspose2d options": (
        lambda nn: nn.ConvTranspose2d(
            4, 6, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2, dilation=(2, 1), bias=False
        ),
        IMAGES,
    ),
    "ConvTranspose2d order": (lambda nn: nn.ConvTranspose2d(4, 6, 3, 3, 1, 2, 2, False, 2), IMAGES),
    "BatchNorm1d of (N, C)": (lambda nn: nn.BatchNorm1d(8), (5, 8)),
    "BatchNorm1d of (N, C, L)": (lambda nn: nn.BatchNorm1d(4, momentum=0.3), (5, 4, 3)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(4), IMAGES),
    "BatchNorm2d options": (lambda nn: nn.BatchNorm2d(4, eps=0.1, momentum=0.6), IMAGES),
    "BatchNorm2d order": (lambda nn: nn.BatchNorm2d(4, 0.1, 0.6, False, False), IMAGES),
    "BatchNorm2d mean of all": (lambda nn: nn.BatchNorm2d(4, momentum=None), IMAGES),
    "BatchNorm2d not affine": (lambda nn: nn.BatchNorm2d(4, affine=False), IMAGES),
    "BatchNorm2d not tracking": (lambda nn: nn.BatchNorm2d(4, track_running_stats=False), IMAGES),
    "LayerNorm": (lambda nn: nn.LayerNorm(8), IMAGES),
    "LayerNorm dims": (lambda nn: nn.LayerNorm((4, 9, 8), eps=0.1), IMAGES),
    "LayerNorm list": (lambda nn: nn.LayerNorm([9, 8], 0.2, True, False), IMAGES),
    "LayerNorm not affine": (lambda nn: nn.LayerNorm(8, elementwise_affine=False), IMAGES),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 4), IMAGES),
    "GroupNorm options": (lambda nn: nn.GroupNorm(4, 4, 0.1, False), IMAGES),
}

# layers without
FIXED = {
    "ReLU": lambda nn: nn.ReLU(),
    "ReLU inplace": lambda nn: nn.Sequential(nn.Identity(), nn.Hardswish(), nn.ReLU(inplace=True)),
    "ReLU6": lambda nn: nn.ReLU6(),
    "LeakyReLU": lambda nn: nn.LeakyReLU(0.2),
    "ELU": lambda nn: nn.ELU(0.7),
    "Sigmoid": lambda nn: nn.Sigmoid(),
    "Tanh": lambda nn: nn.Tanh(),
    "SiLU": lambda nn: nn.SiLU(),
    "GELU": lambda nn: nn.GELU(),
    "GELU tanh": lambda nn: nn.GELU("tanh"),
    "Hardswish": lambda nn: nn.Hardswish(),
    "Softplus": lambda nn: nn.Softplus(2.0, 1.5),
    "Softmax": lambda nn: nn.Softmax(dim=1),
    "LogSoftmax": lambda nn: nn.LogSoftmax(-1),
    "MaxPool2d": lambda nn: nn.MaxPool2d(3),
    "MaxPool2d order": lambda nn: nn.MaxPool2d((3, 2), (2, 3), (1, 0), (2, 1), True, True),
    "MaxPool2d names": lambda nn: nn.MaxPool2d(kernel_size=2, stride=1, padding=1, dilation=2, ceil_mode=True),
    "AvgPool2d": lambda nn: nn.AvgPool2d(2),
    "AvgPool2d order": lambda nn: nn.AvgPool2d((3, 2), (2, 3), (1, 0), True, False, 5),
    "AdaptiveAvgPool2d": lambda nn: nn.AdaptiveAvgPool2d((5, None)),
    "AdaptiveAvgPool2d 1": lambda nn: nn.AdaptiveAvgPool2d(1),
    "AdaptiveMaxPool2d": lambda nn: nn.AdaptiveMaxPool2d(5, return_indices=True),
    "LocalResponseNorm": lambda nn: nn.LocalResponseNorm(3, 0.5, 0.6, 2.0),
    "LocalResponseNorm 2": lambda nn: nn.LocalResponseNorm(2),
    "Identity": lambda nn: nn.Identity(54, unused=True),
    "Flatten": lambda nn: nn.Flatten(),
    "Flatten dims": lambda nn: nn.Flatten(0, 2),
    "Dropout 0": lambda nn: nn.Dropout(0.0),
    "Dropout 1": lambda nn: nn.Dropout(p=1.0),
    "Upsample": lambda nn: nn.Upsample(scale_factor=2),
    "Upsample size": lambda nn: nn.Upsample((5, 17), None, "bilinear", True),
    "Upsample factor": lambda nn: nn.Upsample(
        scale_factor=(1.3, 0.7), mode="bilinear", align_corners=False, recompute_scale_factor=True
    ),
    "ZeroPad2d": lambda nn: nn.ZeroPad2d((1, 2, 0, 3)),
    "ZeroPad2d int": lambda nn: nn.ZeroPad2d(2),
    "ConstantPad2d": lambda nn: nn.ConstantPad2d((1, -2, 0, 3), 1.5),
    "ReflectionPad2d": lambda nn: nn.ReflectionPad2d((1, 2, 0, 3)),
    "ReplicationPad2d": lambda nn: nn.ReplicationPad2d(2),
    "Unfold": lambda nn: nn.Unfold((3, 2), (2, 1), (1, 0), (2, 3)),
    "Unfold then Fold": lambda nn: nn.Sequential(nn.Unfold(3, padding=1), nn.Fold((9, 8), 3, 1, 1, 1)),
    "Sequential": lambda nn: nn.Sequential(nn.MaxPool2d(2), nn.Tanh(), nn.Flatten()),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # PyTorch's, of its own speed
@pytest.mark.parametrize("build, shape", LEARNING.values(), ids=LEARNING)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_a_layer_that_learns(build, shape, train, rng):
    x = rng.standard_normal(shape)
    same_layer(build, x, train=train, steps=3)  # three steps: gradients add up, and running statistics move
    same_layer(build, x.astype(np.float32), dtype="float32", rtol=SINGLE, train=train)


@pytest.mark.parametrize("build", FIXED.values(), ids=FIXED)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_a_layer_without_weights(build, train, rng):
    same_layer(build, rng.standard_normal(IMAGES), train=train)


def test_hardsigmoid(rng):
    # PyTorch's derivative is the float32 nearest to 1/6, in float64 too
    same_layer(lambda nn: nn.Hardsigmoid(), rng.standard_normal(IMAGES) * 3, rtol=1e-7)


LOSSES = {
    "CrossEntropyLoss": (lambda nn, w: nn.CrossEntropyLoss(), "classes"),
    "CrossEntropyLoss weight": (
        lambda nn, w: nn.CrossEntropyLoss(weight=w, ignore_index=1, label_smoothing=0.2),
        "classes",
    ),
    "CrossEntropyLoss sum": (lambda nn, w: nn.CrossEntropyLoss(w, reduction="sum"), "classes"),
    "NLLLoss": (lambda nn, w: nn.NLLLoss(), "classes"),
    "NLLLoss weight": (lambda nn, w: nn.NLLLoss(w, ignore_index=1, reduction="none"), "classes"),
    "MSELoss": (lambda nn, w: nn.MSELoss(), "floats"),
    "MSELoss sum": (lambda nn, w: nn.MSELoss(reduction="sum"), "floats"),
    "BCEWithLogitsLoss": (lambda nn, w: nn.BCEWithLogitsLoss(), "floats"),
    "BCEWithLogitsLoss weight": (
        lambda nn, w: nn.BCEWithLogitsLoss(weight=w, reduction="sum", pos_weight=w * 2),
        "floats",
    ),
}


@pytest.mark.parametrize("build, kind", LOSSES.values(), ids=LOSSES)
def test_a_loss(build, kind, rng):
    """The class weights are buffers: they are in the state_dict, and go where the module goes."""
    weight = rng.random(4) + 0.1
    ours, theirs = build(mt.nn, mt.Tensor(weight)), build(torch.nn, torch.tensor(weight))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    target = rng.integers(0, 4, 6) if kind == "classes" else rng.random((6, 4))
    agree(lambda loss, x, t: loss(x, t), rng.standard_normal((6, 4)), target, space=(ours, theirs))


def test_dropout_in_evaluation_lets_everything_through(rng):
    same_layer(lambda nn: nn.Dropout(0.5), rng.standard_normal(IMAGES), train=False)


REFUSED = {
    "groups": (lambda nn: nn.Conv2d(4, 6, 3, groups=3), "groups"),
    "groups out": (lambda nn: nn.Conv2d(4, 6, 3, groups=4), "groups"),
    "groups 0": (lambda nn: nn.Conv2d(4, 6, 3, groups=0), "groups"),
    "padding": (lambda nn: nn.Conv2d(4, 6, 3, padding="full"), "padding"),
    "same stride": (lambda nn: nn.Conv2d(4, 6, 3, stride=2, padding="same"), "stride"),
    "padding_mode": (lambda nn: nn.Conv2d(4, 6, 3, padding_mode="mirror"), "padding_mode"),
    "transposed groups": (lambda nn: nn.ConvTranspose2d(4, 6, 3, groups=3), "groups"),
    "group norm": (lambda nn: nn.GroupNorm(3, 4), "groups"),
    "dropout": (lambda nn: nn.Dropout(1.5), "between 0"),
}


@pytest.mark.parametrize("build, match", REFUSED.values(), ids=REFUSED)
def test_what_pytorch_refuses_to_build_is_refused(build, match):
    with pytest.raises((ValueError, RuntimeError)):
        build(torch.nn)
    with pytest.raises(ValueError, match=match):
        build(mt.nn)


@pytest.mark.parametrize(
    "dimensions", [(lambda nn: nn.BatchNorm2d(4), (3, 4, 5)), (lambda nn: nn.BatchNorm1d(4), IMAGES)]
)
def test_batch_norm_refuses_inputs_of_other_dimensions(dimensions, rng):
    build, shape = dimensions
    x = rng.standard_normal(shape)
    with pytest.raises(ValueError):
        build(torch.nn).double()(torch.tensor(x))
    with pytest.raises(ValueError, match="dimensions"):
        build(mt.nn).double()(mt.Tensor(x))


def test_conv2d_and_linear_start_within_pytorch_s_bounds():
    """Uniform on +-1/sqrt(fan_in), biases too: the largest of many draws is just below the bound, as in PyTorch."""
    for build in (
        lambda nn: nn.Conv2d(24, 40, (3, 5)),
        lambda nn: nn.Conv2d(24, 40, 3, groups=4),
        lambda nn: nn.ConvTranspose2d(24, 40, 3),
        lambda nn: nn.ConvTranspose2d(24, 40, 3, groups=4),
        lambda nn: nn.Linear(100, 400),
    ):
        ours, theirs = (build(nn) for nn in layers)
        for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters()):
            a, b = a.numpy(), b.detach().numpy()
            # n draws fall short of the bound by 1/n of it: 40 biases by 2.5 % (four times that, for chance), weights by 0.01 %
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.1 if name == "bias" else 0.005), name
            # the standard deviation of n uniform draws is known to 0.45/sqrt(n): seven times 7 % and at most 1.5 %
            assert a.std() == pytest.approx(b.std(), rel=0.5 if name == "bias" else 0.06), name


def test_norm_layers_start_as_pytorch_s():
    for build in (lambda nn: nn.BatchNorm2d(4), lambda nn: nn.LayerNorm((3, 4)), lambda nn: nn.GroupNorm(2, 4)):
        ours, theirs = (build(nn) for nn in layers)
        for name, value in theirs.state_dict().items():
            compare(ours.state_dict()[name], value, name)
