"""Activations, softmax and dropout against PyTorch: on ordinary values, at their kinks, and where e^x overflows or vanishes."""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, both_refuse, compare, tensors  # noqa: E402  after the skip

ACTIVATIONS = {
    "relu": lambda F, x: F.relu(x),
    "relu6": lambda F, x: F.relu6(x),
    "leaky_relu": lambda F, x: F.leaky_relu(x),
    "leaky_relu 0.3": lambda F, x: F.leaky_relu(x, 0.3),
    "leaky_relu -2": lambda F, x: F.leaky_relu(x, negative_slope=-2.0),
    "leaky_relu 0": lambda F, x: F.leaky_relu(x, 0),
    "elu": lambda F, x: F.elu(x),
    "elu 0.7": lambda F, x: F.elu(x, 0.7),
    "elu alpha": lambda F, x: F.elu(x, alpha=2.5),
    "sigmoid": lambda F, x: F.sigmoid(x),
    "tanh": lambda F, x: F.tanh(x),
    "silu": lambda F, x: F.silu(x),
    "gelu": lambda F, x: F.gelu(x),
    "gelu tanh": lambda F, x: F.gelu(x, approximate="tanh"),
    "hardswish": lambda F, x: F.hardswish(x),
    "hardsigmoid": lambda F, x: F.hardsigmoid(x),
    "softplus": lambda F, x: F.softplus(x),
    "softplus 3": lambda F, x: F.softplus(x, 3.0),
    "softplus 0.5, 2": lambda F, x: F.softplus(x, beta=0.5, threshold=2.0),
    "softplus 2, 1": lambda F, x: F.softplus(x, 2, 1),
}

every_activation = pytest.mark.parametrize("call", ACTIVATIONS.values(), ids=ACTIVATIONS)


@every_activation
def test_activation(call, rng, request):
    rtol = gradient_tolerance(request)
    agree(call, rng.standard_normal((4, 5, 3)) * 4, rtol=rtol)
    agree(call, rng.standard_normal(()), rtol=rtol)
    agree(call, np.zeros((0, 3)))


@every_activation
def test_activation_at_its_kinks(call, request):
    """0, -0, 3 and 6 are where relu, hardswish and relu6 change; 20 is softplus's threshold, reached at 20 / beta."""
    kinks = [0.0, -0.0, -3.0, 3.0, 6.0, 20.0, 20 / 3, 4.0, 0.5]
    agree(call, np.array(kinks), rtol=gradient_tolerance(request))
    beside = np.concatenate([np.nextafter(kinks, np.inf), np.nextafter(kinks, -np.inf)])
    agree(call, beside, rtol=gradient_tolerance(request))


def gradient_tolerance(request):
    # PyTorch's derivative of hardsigmoid is the float32 nearest to 1/6, in float64 too
    return 1e-7 if "hardsigmoid" in request.node.name else 1e-14


SIZES = [1e-30, 1e-12, 1e-4, 0.03, 0.3, 1.0, 2.5, 5.0, 9.0, 30.0, 88.0, 100.0, 500.0, 1e4, 1e30]


@every_activation
@pytest.mark.parametrize("sign", [1, -1])
def test_activation_of_one_value_of_each_size(call, sign):
    """Each value by itself, so that a small result, as softplus(-30), is held to its own size."""
    for size in SIZES:
        with np.errstate(under="ignore"):
            ours = call(mt.functional, mt.Tensor(np.array([sign * size])))
        theirs = call(torch.nn.functional, torch.tensor([sign * size], dtype=torch.float64))
        compare(ours, theirs, f"of {sign * size}", rtol=1e-14)


@every_activation
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_activation_s_gradient_at_each_size(call, dtype, request):
    """Each value beside 1.0, whose gradient sets the scale: tanh' = 1 - t*t is rounded at 1, however small it is."""
    rtol = 1e-6 if dtype == np.float32 else gradient_tolerance(request)
    for size in [s for s in SIZES if s < 1e18]:  # the squares of larger ones overflow in float32
        with np.errstate(under="ignore"):
            agree(call, np.array([size, 1.0], dtype), rtol=rtol)
            agree(call, np.array([-size, 1.0], dtype), rtol=rtol)


@every_activation
def test_activation_of_infinities_and_nan(call):
    for special in (np.inf, -np.inf, np.nan):
        with np.errstate(invalid="ignore"):  # inf * 0 in silu, gelu, hardswish: NaN in PyTorch too
            ours = call(mt.functional, mt.Tensor(np.array([special, 1.0])))
        compare(ours, call(torch.nn.functional, torch.tensor([special, 1.0], dtype=torch.float64)), f"of {special}")


@every_activation
def test_activation_in_float32(call, rng):
    # one value, a few roundings of 6e-8; gelu's error function is good to 1.5e-7
    agree(call, (rng.standard_normal((5, 7)) * 3).astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "exp", "log", "sqrt", "abs"])
def test_activation_as_a_method(name, rng):
    agree(lambda _, x: getattr(x, name)(), rng.random((4, 5)) + 0.1, space=tensors)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_softmax_along_each_dim(name, dim, rng):
    x = rng.standard_normal((4, 3, 5)) * 3
    agree(lambda F, x: getattr(F, name)(x, dim), x)
    agree(lambda F, x: getattr(F, name)(x, dim=dim), x.astype(np.float32), rtol=SINGLE)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_extreme_values(name):
    x = np.array([[1e4, 0.0, -1e4], [-1e300, -1e300, 0.0], [-800.0, -801.0, -802.0]])
    with np.errstate(under="ignore"):
        agree(lambda F, x: getattr(F, name)(x, dim=1), x)
        agree(lambda F, x: getattr(F, name)(x, dim=1), np.array([[-np.inf, 1.0, 2.0], [0.0, -np.inf, -np.inf]]))
        agree(lambda F, x: getattr(F, name)(x, dim=1), np.array([[np.nan, 1.0, 2.0], [0.0, 1.0, 2.0]]))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_refuses_a_dim_that_is_not_there(name, rng):
    both_refuse(
        lambda F, x: getattr(F, name)(x, dim=2),
        rng.standard_normal((3, 4)),
        error=(ValueError, IndexError),
        match="dim",
    )


@pytest.mark.parametrize(
    "options", [dict(training=False), dict(p=0.0), dict(p=1.0), dict(p=1.0, training=False)], ids=str
)
def test_dropout_without_chance(options, rng):
    agree(lambda F, x: F.dropout(x, **options), rng.standard_normal((4, 5)))


def test_dropout_takes_its_options_in_pytorch_s_order(rng):
    agree(lambda F, x: F.dropout(x, 0.5, False), rng.standard_normal((4, 5)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_drops_and_scales_as_pytorch_s(p, rng):
    x = rng.random(20_000) + 1
    ours, theirs = mt.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    a, b = mt.functional.dropout(ours, p), torch.nn.functional.dropout(theirs, p)
    a.backward(np.ones(len(x)))
    b.backward(torch.ones(len(x)))
    for y, gradient in ((a.numpy(), ours.grad), (b.detach().numpy(), theirs.grad.numpy())):
        kept = y != 0
        np.testing.assert_allclose(y[kept], x[kept] / (1 - p), rtol=1e-14)
        np.testing.assert_allclose(gradient, kept / (1 - p), rtol=1e-14)
        assert abs(kept.mean() - (1 - p)) < 4 * np.sqrt(p * (1 - p) / len(x))  # four standard deviations


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_dropout_refuses_what_is_no_probability(p, rng):
    both_refuse(lambda F, x: F.dropout(x, p), rng.standard_normal(3), match="between 0")


def test_gelu_refuses_an_unknown_approximation(rng):
    both_refuse(lambda F, x: F.gelu(x, approximate="fast"), rng.standard_normal(3), match="approximate")
