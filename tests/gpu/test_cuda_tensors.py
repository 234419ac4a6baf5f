"""Every public operator on a cuda device: values and gradients as on the CPU, every array there, and no wait for the device."""

import importlib.util

import numpy as np
import pytest
from closeness import assert_close
from gpu.device import devices, require_cupy

cupy = require_cupy()

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, nn

counting = importlib.util.find_spec("cupy_on_cpu") is not None  # the emulated device counts how often the host waits
rng = np.random.default_rng(5)


def normal(*shape):
    return rng.standard_normal(shape)


def positive(*shape):
    return rng.random(shape) + 0.5


LABELS, IMAGE = np.array([2, 0, 1, -100]), normal(2, 4, 6, 5)

# name: (function of tensors, their arrays); a function may use `like`, a tensor on the device, to make others there
OPERATORS = {
    "add": (lambda x, y: x + y, normal(3, 4), normal(4)),
    "add a number": (lambda x: 1.5 + x, normal(3, 4)),
    "add an array": (lambda x: x + np.arange(4.0), normal(3, 4)),
    "sub": (lambda x, y: x - y, normal(3, 1), normal(3, 4)),
    "mul": (lambda x, y: x * y, normal(3, 4), normal(3, 4)),
    "div": (lambda x, y: x / y, normal(3, 4), positive(3, 4)),
    "neg": (lambda x: -x, normal(3, 4)),
    "pow": (lambda x, y: x**y, positive(3, 4), normal(3, 4)),
    "pow of a number": (lambda x: 2**x, normal(3, 4)),
    "exp": (lambda x: x.exp(), normal(3, 4)),
    "log": (lambda x: x.log(), positive(3, 4)),
    "sqrt": (lambda x: x.sqrt(), positive(3, 4)),
    "abs": (lambda x: abs(x), normal(3, 4)),
    "clamp": (lambda x: x.clamp(-0.5, 0.7), normal(3, 4)),
    "maximum": (mt.maximum, normal(3, 4), normal(3, 4)),
    "minimum": (mt.minimum, normal(3, 4), normal(4)),
    "where": (lambda x, y: mt.where(x > y, x, y), normal(3, 4), normal(3, 4)),
    "where, numbers": (lambda x: mt.where(x > 0, x, 0.0), normal(3, 4)),
    "comparisons": (
        lambda x, y: ((x < y) & ~(x == y) | (x >= 0.5) | (x > y) & (x <= 0)).to(x.dtype) * (x + y),
        normal(3, 4), normal(3, 4)),
    "to float32": (lambda x: x.float() * 2, normal(3, 4)),
    "to int64": (lambda x: x * (x * 3).long().to(x.dtype), normal(3, 4)),
    "in place": (lambda x: _in_place(x), normal(3, 4)),
    "matmul": (lambda x, y: x @ y, normal(2, 3, 4), normal(4, 5)),
    "sum": (lambda x: x.sum(1, keepdim=True), normal(3, 4, 2)),
    "sum of all": (lambda x: x.sum(), normal(3, 4)),
    "mean": (lambda x: x.mean((0, 2)), normal(3, 4, 2)),
    "var": (lambda x: x.var(1), normal(3, 4)),
    "std": (lambda x: x.std(), normal(3, 4)),
    "max of all": (lambda x: x.max(), normal(3, 4)),
    "max": (lambda x: x.max(1).values + x.max(1).indices.to(x.dtype), normal(3, 4)),
    "min": (lambda x: x.min(0, keepdim=True).values, normal(3, 4)),
    "argmax": (lambda x: x.argmax(1).to(x.dtype) + x.argmin().to(x.dtype) + x.sum(), normal(3, 4)),
    "reshape": (lambda x: x.reshape(4, -1), normal(3, 4, 2)),
    "permute": (lambda x: x.permute(2, 0, 1) * 2, normal(3, 4, 2)),
    "transpose": (lambda x: x.transpose(0, 1) + x.T.sum(), normal(3, 4)),
    "flatten": (lambda x: x.flatten(1).squeeze().unsqueeze(0), normal(3, 4, 2)),
    "expand": (lambda x: x.expand(3, 4), normal(3, 1)),
    "slices": (lambda x: x[1:, ::2, None] * 2, normal(3, 5)),
    "an index": (lambda x: x[np.array([0, 2, 0])], normal(3, 5)),
    "two indices": (lambda x: x[[0, 2, 0], np.array([1, 1, 4])], normal(3, 5)),
    "rows": (lambda x: list(x)[1] + x[-1], normal(3, 5)),
    "cat": (lambda x, y: mt.cat([x, y, x], dim=1), normal(3, 5), normal(3, 2)),
    "stack": (lambda x, y: mt.stack([x, y], dim=1), normal(3, 5), normal(3, 5)),
    "pad": (lambda x: F.pad(x, (1, -1, 2, 0), value=0.5), normal(2, 3, 4, 5)),
    "pad, reflect": (lambda x: F.pad(x, (1, 2, 2, 0), mode="reflect"), normal(2, 3, 4, 5)),
    "pad, replicate": (lambda x: F.pad(x, (1, 2), mode="replicate"), normal(2, 3, 4, 5)),
    "one_hot": (lambda x: F.one_hot(x.argmax(1), 4).to(x.dtype) * x, normal(3, 4)),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 2), IMAGE, normal(6, 2, 3, 2), normal(6)),
    "conv2d, same": (lambda x, w: F.conv2d(x, w, padding="same"), IMAGE, normal(3, 4, 2, 3)),
    "conv2d, 1x1": (lambda x, w, b: F.conv2d(x, w, b), IMAGE, normal(3, 4, 1, 1), normal(3)),
    "conv2d, depthwise": (lambda x, w, b: F.conv2d(x, w, b, 2, 1, 1, 4), IMAGE, normal(8, 1, 3, 3), normal(8)),
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), 1, (1, 2), 2), IMAGE, normal(4, 3, 3, 2), normal(6)),
    "unfold": (lambda x: F.unfold(x, (3, 2), 1, (1, 0), (2, 1)), IMAGE),
    "fold": (lambda x: F.fold(x, (4, 5), (3, 2), padding=(1, 0), stride=(2, 1)), normal(2, 12, 8)),
    "linear": (F.linear, normal(2, 3, 4), normal(5, 4), normal(5)),
    "max_pool2d": (lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), ceil_mode=True), IMAGE),
    "max_pool2d, indices": (
        lambda x: F.max_pool2d(x, 2, return_indices=True)[0] * F.max_pool2d(x, 2, return_indices=True)[1].to(x.dtype),
        IMAGE),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), IMAGE),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (4, 3)) * F.adaptive_avg_pool2d(x, 1), IMAGE),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (4, 2)), IMAGE),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), IMAGE, normal(4), normal(4)),
    "batch_norm, evaluation": (
        lambda x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b) + 0 * (m + v).sum(),
        IMAGE, normal(4), normal(4), normal(4), positive(4)),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (6, 5), w, b), IMAGE, normal(6, 5), normal(6, 5)),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), IMAGE, normal(4), normal(4)),
    "local_response_norm": (lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2.0), IMAGE),
    "softmax": (lambda x: F.softmax(x, 1), normal(3, 4)),
    "log_softmax": (lambda x: F.log_softmax(x, 0), normal(3, 4)),
    "elu": (lambda x: F.elu(x, 0.7), normal(3, 4)),
    "gelu": (lambda x: F.gelu(x) + F.gelu(x, "tanh"), normal(3, 4)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), normal(3, 4)),
    "softplus": (lambda x: F.softplus(x, 2.0), normal(3, 4)),
    **{
        name: (getattr(F, name), 3 * normal(3, 4))
        for name in ("relu", "relu6", "sigmoid", "tanh", "silu", "hardswish", "hardsigmoid")
    },
    "cross_entropy": (lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1), normal(4, 3)),
    "cross_entropy, options": (
        lambda x: F.cross_entropy(x, Tensor(LABELS[:, None]).to(x.device), np.array([1.0, 2.0, 3.0]), reduction="none"),
        normal(4, 3, 1)),
    "cross_entropy, a list": (lambda x: F.cross_entropy(x, [0, 2, 1, 1]), normal(4, 3)),
    "cross_entropy, probabilities": (lambda x: F.cross_entropy(x, positive_rows), normal(4, 3)),
    "nll_loss": (lambda x: F.nll_loss(F.log_softmax(x, 1), LABELS), normal(4, 3)),
    "mse_loss": (lambda x: F.mse_loss(x, np.ones((4, 3))), normal(4, 3)),
    "binary_cross_entropy_with_logits": (
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, np.full(3, 0.5), pos_weight=np.array([1.0, 2.0, 3.0])),
        normal(4, 3), rng.random((4, 3))),
    "interpolate, bilinear": (lambda x: F.interpolate(x, (7, 3), mode="bilinear"), IMAGE),
    "interpolate, nearest": (lambda x: F.interpolate(x, scale_factor=2), IMAGE),
    "scaled_dot_product_attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), normal(2, 3, 4), normal(2, 3, 4), normal(2, 3, 5)),
    "attention with a mask": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, Tensor(np.tri(3, 3, 1, bool)).to(q.device)),
        normal(2, 3, 4), normal(2, 3, 4), normal(2, 3, 5)),
}  # fmt: skip
positive_rows = positive(4, 3)

# these copy something from the CPU each time: an array or a list that was given, or the places that a resize reads
COPIES = {
    "add an array", "an index", "two indices", "pad, reflect", "pad, replicate", "mse_loss", "cross_entropy",
    "cross_entropy, options", "cross_entropy, a list", "cross_entropy, probabilities", "nll_loss",
    "binary_cross_entropy_with_logits", "interpolate, bilinear", "interpolate, nearest", "attention with a mask",
}  # fmt: skip


def _in_place(x):
    y = x.detach() * 1
    with mt.no_grad():
        y += 1
        y *= x.detach()
    return y * x


def run(function, arrays, device, gradient=None):
    """The output and the gradients by all inputs."""
    tensors = [Tensor(a, requires_grad=True, device=device) for a in arrays]
    output = function(*tensors)
    if gradient is None:
        gradient = np.random.default_rng(1).standard_normal(output.shape)
    output.backward(Tensor(gradient.astype(output.dtype), device=device).data)
    return output, tensors


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_does_on_the_gpu_what_it_does_on_the_cpu(name, device):
    function, *arrays = OPERATORS[name]
    expected, inputs = run(function, arrays, "cpu")
    got, moved = run(function, arrays, device)
    assert got.device == device and got.dtype == expected.dtype and got.shape == expected.shape
    assert_close(got.numpy(), expected.numpy(), 1e-12 if got.dtype == np.float64 else 1e-6)
    for a, b in zip(moved, inputs):
        assert (
            isinstance(a.grad, cupy.ndarray) and f"cuda:{a.grad.device.id}" == device and a.grad.dtype == b.grad.dtype
        )
        assert_close(a.grad.get(), b.grad, 1e-12)


@pytest.mark.skipif(not counting, reason="only the emulated device counts how often the host waits")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATORS)
def test_nothing_waits_for_the_gpu_and_float32_stays(name, dtype):
    import cupy_on_cpu

    function, *arrays = OPERATORS[name]
    tensors = [Tensor(a.astype(dtype), requires_grad=True, device="cuda") for a in arrays]
    output = function(*tensors)
    gradient = cupy.ones(output.shape, output.dtype)
    output.backward(gradient)  # the first time compiles
    with cupy_on_cpu.count() as counts:
        output = function(*tensors)
        output.backward(gradient)
    assert output.dtype == dtype if name != "to float32" else "float32"
    assert not any("float64" in kernel or "double" in kernel for kernel in counts.launches) or dtype == "float64"
    if name not in COPIES:
        assert counts.syncs == [] and counts.transfers == []
    assert not any(source != "host" and target == "host" for source, target, _ in counts.transfers)


def test_every_function_of_the_catalogue_is_tried_here():
    public = {name for name, value in vars(F).items() if callable(value) and not name.startswith("_")}
    tried = {name.split(",")[0] for name in OPERATORS}
    assert public - tried <= {"dropout", "attention"}, "dropout has its own test"


@pytest.mark.parametrize("device", devices())
def test_dropout_on_the_gpu_depends_on_the_seed_alone(device):
    x = Tensor(np.ones((40, 50), np.float32), requires_grad=True, device=device)
    mt.manual_seed(1)
    first, second = F.dropout(x, 0.25), F.dropout(x, 0.25)
    mt.manual_seed(1)
    assert np.array_equal(F.dropout(x, 0.25).numpy(), first.numpy()) and not np.array_equal(
        first.numpy(), second.numpy()
    )
    first.sum().backward()
    assert np.array_equal(x.grad.get(), first.numpy()) and first.device == device


@pytest.mark.parametrize("label", [-1, 3, 1000])
def test_a_label_that_is_no_class_makes_the_loss_nan(label):
    """To refuse it, as on the CPU, the host would have to wait."""
    scores, labels = Tensor(np.zeros((2, 3)), device="cuda"), np.array([1, label])
    assert np.isnan(F.cross_entropy(scores, Tensor(labels, device="cuda")).item())
    assert F.cross_entropy(scores, Tensor(labels, device="cuda"), ignore_index=label).item() == pytest.approx(np.log(3))
    with pytest.raises(ValueError, match=r"target\[1\] is"):
        F.cross_entropy(scores, labels)  # an array on the CPU is looked at


def test_a_network_may_span_two_devices():
    if len(devices()) < 2:
        pytest.skip("there is one device only")
    a, b = nn.Linear(4, 3), nn.Linear(3, 2)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)

    def step(first, second):
        a.to(first), b.to(second)
        a.zero_grad(), b.zero_grad()
        inputs = Tensor(x, requires_grad=True, device=first)
        hidden = a(inputs).relu()
        loss = (b(hidden.to(second)) ** 2).sum() + (hidden.to(second) ** 2).sum()
        loss.backward()
        return [
            loss.item(),
            *(p.grad if first == "cpu" else p.grad.get() for p in (inputs, a.weight, a.bias, b.weight)),
        ]

    expected = step("cpu", "cpu")
    got = step("cuda:0", "cuda:1")
    assert a.weight.device == "cuda:0" and b.weight.device == "cuda:1"
    for one, other in zip(got, expected):
        assert_close(np.asarray(one), np.asarray(other), 1e-6)
    mixed = Tensor(x, device="cuda:1")
    with pytest.raises(
        TypeError, match=r"Linear: the inputs are on different devices: cuda:1, cuda:0, cuda:0; move them"
    ):
        a(mixed)
    with pytest.raises(TypeError, match=r"different devices: cpu, cuda:0"):
        a(Tensor(x))
