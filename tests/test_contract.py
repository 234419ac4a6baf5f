"""The public contract: every promised name is there, with PyTorch's argument names in PyTorch's order.

The signatures are data, copied from torch's documentation, without the arguments that torch itself calls deprecated
(size_average, reduce) or private (_stacklevel).
"""

import inspect

import numpy as np
import pytest

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, nn

FUNCTIONAL = {
    "conv2d": "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    "conv_transpose2d": "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
    "linear": "input, weight, bias=None",
    "max_pool2d": "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False",
    "avg_pool2d": "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None",
    "adaptive_avg_pool2d": "input, output_size",
    "adaptive_max_pool2d": "input, output_size, return_indices=False",
    "local_response_norm": "input, size, alpha=0.0001, beta=0.75, k=1.0",
    # torch gives the statistics no default, so they can be left out here only
    "batch_norm": "input, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05",
    "layer_norm": "input, normalized_shape, weight=None, bias=None, eps=1e-05",
    "group_norm": "input, num_groups, weight=None, bias=None, eps=1e-05",
    "relu": "input, inplace=False",
    "relu6": "input, inplace=False",
    "leaky_relu": "input, negative_slope=0.01, inplace=False",
    "elu": "input, alpha=1.0, inplace=False",
    "sigmoid": "input",
    "tanh": "input",
    "silu": "input, inplace=False",
    "gelu": "input, approximate='none'",
    "hardswish": "input, inplace=False",
    "hardsigmoid": "input, inplace=False",
    "softplus": "input, beta=1.0, threshold=20.0",
    "softmax": "input, dim=None",
    "log_softmax": "input, dim=None",
    "cross_entropy": "input, target, weight=None, ignore_index=-100, reduction='mean', label_smoothing=0.0",
    "nll_loss": "input, target, weight=None, ignore_index=-100, reduction='mean'",
    "mse_loss": "input, target, reduction='mean'",
    "binary_cross_entropy_with_logits": "input, target, weight=None, reduction='mean', pos_weight=None",
    "dropout": "input, p=0.5, training=True, inplace=False",
    "interpolate": "input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, "
    "antialias=False",
    "pad": "input, pad, mode='constant', value=None",
    "scaled_dot_product_attention": "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None",
    "one_hot": "tensor, num_classes=-1",
    "unfold": "input, kernel_size, dilation=1, padding=0, stride=1",
    "fold": "input, output_size, kernel_size, dilation=1, padding=0, stride=1",
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_has_torchs_signature(name):
    parameters = inspect.signature(getattr(F, name)).parameters.values()
    text = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters)
    assert text == FUNCTIONAL[name]


def test_functional_only_gathers():
    for name, value in vars(F).items():
        if inspect.isfunction(value):
            assert value.__module__.startswith("minitorch_cnn.ops."), f"{name} is defined in {value.__module__}"


PACKAGE = ["Tensor", "Function", "cat", "stack", "no_grad", "detect_anomaly", "manual_seed", "set_num_threads",
           "conv_algorithm", "gradcheck", "functional", "nn"]  # fmt: skip


@pytest.mark.parametrize("name", PACKAGE)
def test_the_package_has(name):
    assert hasattr(mt, name)


@pytest.mark.parametrize(
    "name, first", [("cat", "tensors, dim=0"), ("stack", "tensors, dim=0"), ("gradcheck", "function, inputs")]
)
def test_a_function_of_the_package_has_these_arguments_first(name, first):
    parameters = list(inspect.signature(getattr(mt, name)).parameters.values())
    text = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters)
    assert text.startswith(first)


@pytest.mark.parametrize("arguments, wanted", [(["data", "requires_grad", "device"], (False, None))])
def test_tensor_is_made_with(arguments, wanted):
    parameters = inspect.signature(Tensor).parameters
    assert list(parameters) == arguments
    assert (parameters["requires_grad"].default, parameters["device"].default) == wanted


X = np.arange(1.0, 7.0).reshape(2, 3)  # the tensor of the table below
CALLS = {  # each form in which DESIGN's list, or someone used to PyTorch, writes it, and NumPy's answer
    "x + y": (lambda x: x + x, X + X),
    "-x": (lambda x: -x, -X),
    "x - 1": (lambda x: x - 1, X - 1),
    "1 - x": (lambda x: 1 - x, 1 - X),
    "x * 2": (lambda x: x * 2, X * 2),
    "x / y": (lambda x: x / x, X / X),
    "2 / x": (lambda x: 2 / x, 2 / X),
    "x ** 2": (lambda x: x**2, X**2),
    "2 ** x": (lambda x: 2**x, 2**X),
    "x @ y": (lambda x: x @ x.T, X @ X.T),
    "x[...]": (lambda x: x[..., 1:], X[..., 1:]),
    "x.T": (lambda x: x.T, X.T),
    "abs(x)": (lambda x: abs(-x), X),
    "reshape(3, 2)": (lambda x: x.reshape(3, 2), X.reshape(3, 2)),
    "reshape((3, -1))": (lambda x: x.reshape((3, -1)), X.reshape(3, 2)),
    "permute(1, 0)": (lambda x: x.permute(1, 0), X.T),
    "permute((1, 0))": (lambda x: x.permute((1, 0)), X.T),
    "transpose(0, 1)": (lambda x: x.transpose(0, 1), X.T),
    "transpose(dim0=, dim1=)": (lambda x: x.transpose(dim0=-1, dim1=0), X.T),
    "flatten()": (lambda x: x.flatten(), X.ravel()),
    "flatten(1)": (lambda x: x.unsqueeze(2).flatten(1), X),
    "flatten(start_dim=, end_dim=)": (lambda x: x.unsqueeze(2).flatten(start_dim=0, end_dim=1), X.reshape(6, 1)),
    "unsqueeze(0)": (lambda x: x.unsqueeze(0), X[None]),
    "unsqueeze(dim=-1)": (lambda x: x.unsqueeze(dim=-1), X[..., None]),
    "squeeze()": (lambda x: x.unsqueeze(0).squeeze(), X),
    "squeeze(dim=0)": (lambda x: x.unsqueeze(0).squeeze(dim=0), X),
    "expand(4, -1, -1)": (lambda x: x.expand(4, -1, -1), np.broadcast_to(X, (4, 2, 3))),
    "sum()": (lambda x: x.sum(), X.sum()),
    "sum(1)": (lambda x: x.sum(1), X.sum(1)),
    "sum(dim=, keepdim=)": (lambda x: x.sum(dim=(0, 1), keepdim=True), X.sum(keepdims=True)),
    "sum(0, True)": (lambda x: x.sum(0, True), X.sum(0, keepdims=True)),
    "mean()": (lambda x: x.mean(), X.mean()),
    "mean(dim=, keepdim=)": (lambda x: x.mean(dim=-1, keepdim=True), X.mean(1, keepdims=True)),
    "max()": (lambda x: x.max(), X.max()),
    "max(dim)": (lambda x: x.max(1)[0], X.max(1)),
    "max(dim).values": (lambda x: x.max(dim=0, keepdim=True).values, X.max(0, keepdims=True)),
    "max(dim).indices": (lambda x: x.max(0).indices, X.argmax(0)),
    "var()": (lambda x: x.var(), X.var(ddof=1)),
    "var(dim, unbiased)": (lambda x: x.var(1, unbiased=False), X.var(1)),
    "var(dim=, correction=)": (lambda x: x.var(dim=0, correction=0, keepdim=True), X.var(0, keepdims=True)),
    "argmax(1)": (lambda x: x.argmax(1), X.argmax(1)),
    "exp()": (lambda x: x.exp(), np.exp(X)),
    "log()": (lambda x: x.log(), np.log(X)),
    "sqrt()": (lambda x: x.sqrt(), np.sqrt(X)),
    "abs()": (lambda x: (-x).abs(), X),
    "tanh()": (lambda x: x.tanh(), np.tanh(X)),
    "sigmoid()": (lambda x: x.sigmoid(), 1 / (1 + np.exp(-X))),
    "relu()": (lambda x: (x - 3).relu(), np.maximum(X - 3, 0)),
    "clamp(2, 4)": (lambda x: x.clamp(2, 4), X.clip(2, 4)),
    "clamp(min=)": (lambda x: x.clamp(min=2), X.clip(2)),
    "clamp(max=)": (lambda x: x.clamp(max=4), X.clip(None, 4)),
    "to('float64')": (lambda x: x.to("float64"), X),
    "to('cpu')": (lambda x: x.to("cpu"), X),
    "double()": (lambda x: x.double(), X),
    "float()": (lambda x: x.float(), X.astype(np.float32)),
    "detach()": (lambda x: x.detach(), X),
    "mt.cat": (lambda x: mt.cat((x, x), dim=1), np.concatenate([X, X], 1)),
    "mt.stack": (lambda x: mt.stack([x, x], dim=-1), np.stack([X, X], -1)),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_tensor_can_be_written_like_torchs(call):
    function, expected = CALLS[call]
    result = function(Tensor(X)).numpy()
    assert result.shape == np.shape(expected) and result.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(result, expected, rtol=1e-14)


def test_a_tensor_tells_about_itself():
    x = Tensor(X, requires_grad=True)
    assert (x.shape, x.ndim, x.dtype, x.device, x.size, len(x), x.grad) == ((2, 3), 2, np.float64, "cpu", 6, 2, None)
    assert x[0, 0].item() == 1.0 and x.numpy() is x.data
    x.sum().backward(gradient=np.array(2.0))
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 2.0))


def test_blocks_and_switches_of_the_package_work():
    with mt.no_grad(), mt.detect_anomaly(), mt.conv_algorithm("im2col"):
        mt.manual_seed(0)
    before = mt.get_num_threads()
    mt.set_num_threads(2)
    assert mt.get_num_threads() == 2
    mt.set_num_threads(before)


# the layer of each function, and the function it stands for
LAYERS = ["Conv2d", "ConvTranspose2d", "Linear", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d",
          "LocalResponseNorm", "BatchNorm2d", "LayerNorm", "GroupNorm", "ReLU", "ReLU6", "LeakyReLU", "ELU", "Sigmoid", "Tanh",
          "SiLU", "GELU", "Hardswish", "Hardsigmoid", "Softplus", "Softmax", "LogSoftmax", "CrossEntropyLoss", "NLLLoss", "MSELoss",
          "BCEWithLogitsLoss", "Dropout", "Upsample", "Unfold", "Fold",
          "Module", "Sequential", "ModuleList", "Parameter", "Identity", "Flatten", "MultiheadAttention", "init"]  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_nn_has(name):
    assert hasattr(nn, name)
