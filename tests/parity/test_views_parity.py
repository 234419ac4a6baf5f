"""Every operator on inputs and gradients that aren't whole arrays of their own, and on empty batches, against PyTorch.

Views come from slicing and permuting before the operator (strides that aren't those of a new array), gradients with stride 0 from a
sum after it, and gradients in another order from a permutation after it. An operator that assumes a layout, or that writes into its
input or into the gradient it is given, fails here.
"""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import agree  # noqa: E402  after the skip

# x (N, 4, 6, 5), weight (6, 4, 3, 2), vector (4,)
OPERATORS = {
    "conv2d": lambda F, x, w, v: F.conv2d(x, w, padding=1),
    "conv2d strided": lambda F, x, w, v: F.conv2d(x, w, stride=2, dilation=2),
    "conv2d pointwise": lambda F, x, w, v: F.conv2d(x, w[:, :, :1, :1]),
    "conv2d depthwise": lambda F, x, w, v: F.conv2d(x, w[:4, :1], groups=4),
    "conv_transpose2d": lambda F, x, w, v: F.conv_transpose2d(x, w[:4], stride=2),
    "unfold": lambda F, x, w, v: F.unfold(x, (3, 2)),
    "fold": lambda F, x, w, v: F.fold(x.flatten(2), (6, 7), 2, stride=(1, 1), padding=0),
    "linear": lambda F, x, w, v: F.linear(x.transpose(1, 3), w[:, :, 0, 0], w[:, 0, 0, 0]),
    "linear 2d": lambda F, x, w, v: F.linear(x.flatten(1)[:, :4], w[:, :, 0, 0]),
    "max_pool2d": lambda F, x, w, v: F.max_pool2d(x, 3, 2, 1),
    "max_pool2d 2": lambda F, x, w, v: F.max_pool2d(x, 2),
    "max_pool2d indices": lambda F, x, w, v: F.max_pool2d(x, 2, return_indices=True)[0],
    "avg_pool2d": lambda F, x, w, v: F.avg_pool2d(x, (3, 2), 1, (1, 0)),
    "adaptive_avg_pool2d": lambda F, x, w, v: F.adaptive_avg_pool2d(x, (4, 3)),
    "adaptive_avg_pool2d 1": lambda F, x, w, v: F.adaptive_avg_pool2d(x, 1),
    "adaptive_max_pool2d": lambda F, x, w, v: F.adaptive_max_pool2d(x, (4, 3)),
    "local_response_norm": lambda F, x, w, v: F.local_response_norm(x, 3, alpha=0.5),
    "batch_norm": lambda F, x, w, v: F.batch_norm(x, None, None, v, v, training=True),
    "batch_norm eval": lambda F, x, w, v: F.batch_norm(x, (v * v).detach(), (v * v).detach() + 1, v, v),
    "layer_norm": lambda F, x, w, v: F.layer_norm(x, (4, 6, 5)),
    "layer_norm affine": lambda F, x, w, v: F.layer_norm(x.permute(0, 2, 3, 1), (4,), v, v),
    "group_norm": lambda F, x, w, v: F.group_norm(x, 2, v, v),
    "relu": lambda F, x, w, v: F.relu(x),
    "relu6": lambda F, x, w, v: F.relu6(3 * x),
    "leaky_relu": lambda F, x, w, v: F.leaky_relu(x),
    "elu": lambda F, x, w, v: F.elu(x),
    "sigmoid": lambda F, x, w, v: F.sigmoid(x),
    "tanh": lambda F, x, w, v: F.tanh(x),
    "silu": lambda F, x, w, v: F.silu(x),
    "gelu": lambda F, x, w, v: F.gelu(x),
    "gelu tanh": lambda F, x, w, v: F.gelu(x, approximate="tanh"),
    "hardswish": lambda F, x, w, v: F.hardswish(2 * x),
    "softplus": lambda F, x, w, v: F.softplus(x),
    "softmax": lambda F, x, w, v: F.softmax(x, dim=1),
    "log_softmax": lambda F, x, w, v: F.log_softmax(x, dim=2),
    "mse_loss": lambda F, x, w, v: F.mse_loss(x, 2 * x.detach(), reduction="none"),
    "bce": lambda F, x, w, v: F.binary_cross_entropy_with_logits(x, x.detach(), reduction="none"),
    "dropout": lambda F, x, w, v: F.dropout(x, 1.0),
    "interpolate": lambda F, x, w, v: F.interpolate(x, scale_factor=2),
    "interpolate bilinear": lambda F, x, w, v: F.interpolate(x, size=(4, 9), mode="bilinear"),
    "pad": lambda F, x, w, v: F.pad(x, (1, 2, 0, 1)),
    "pad reflect": lambda F, x, w, v: F.pad(x, (1, 2, 0, 1), mode="reflect"),
    "pad replicate": lambda F, x, w, v: F.pad(x, (1, 2, 0, 1), mode="replicate"),
    "attention": lambda F, x, w, v: F.scaled_dot_product_attention(x, x, x * x, is_causal=True),
    "matmul": lambda F, x, w, v: x @ x.transpose(2, 3),
    "sum": lambda F, x, w, v: x.sum((0, 2)),
    "mean": lambda F, x, w, v: x.mean(1),
    "max": lambda F, x, w, v: x.max(2)[0],
    "var": lambda F, x, w, v: x.var(1),
    "broadcasting": lambda F, x, w, v: x * v.reshape(-1, 1, 1) + v.reshape(4, 1, 1),
    "indexing": lambda F, x, w, v: x[:, [0, 2, 2], 1:],
    "reshape": lambda F, x, w, v: x.reshape(-1, 8),
    "expand": lambda F, x, w, v: x.unsqueeze(2).expand(-1, -1, 3, -1, -1),
}
every_operator = pytest.mark.parametrize("call", OPERATORS.values(), ids=OPERATORS)


def arrays(rng, batch=2):
    return rng.standard_normal((batch, 4, 6, 5)), rng.standard_normal((6, 4, 3, 2)), rng.standard_normal(4)


@every_operator
@pytest.mark.parametrize("layout", ["channels last", "every other pixel", "transposed"])
def test_views(call, layout, rng):
    x, weight, vector = arrays(rng)
    if layout == "channels last":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    elif layout == "every other pixel":
        x = np.repeat(np.repeat(x, 2, axis=2), 2, axis=3)
    else:
        x = np.ascontiguousarray(x.transpose(1, 0, 3, 2))

    def on_views(F, x, weight, vector):
        if layout == "channels last":
            x = x.permute(0, 3, 1, 2)
        elif layout == "every other pixel":
            x = x[:, :, ::2, ::2]
        else:
            x = x.transpose(0, 1).transpose(2, 3)
        y = call(F, x, weight.transpose(2, 3).transpose(2, 3), vector)
        return y.permute(*range(y.ndim)[::-1])  # so the gradient comes back in the other order

    agree(on_views, x, weight, vector)


@every_operator
def test_gradients_of_stride_0_and_a_result_used_twice(call, rng):
    agree(lambda F, *inputs: call(F, *inputs).sum(0), *arrays(rng))

    def twice(F, *inputs):
        y = call(F, *inputs)
        return y * y + y

    agree(twice, *arrays(rng))


@every_operator
def test_inputs_stay_as_they_were(call, rng):
    """Leaves are read-only here: who writes into one, or into the gradient he was given, gets NumPy's error."""
    tensors = [mt.Tensor(a, requires_grad=True) for a in arrays(rng)]
    for t in tensors:
        t.data.setflags(write=False)
    y = call(mt.functional, *tensors)
    upstream = rng.standard_normal(y.shape)
    upstream.setflags(write=False)
    y.backward(upstream)


NOT_EMPTY = {"batch_norm", "unfold", "fold", "var"}  # refused by PyTorch, or with a warning of its own


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in NOT_EMPTY])
def test_empty_batches(name, rng):
    agree(OPERATORS[name], *arrays(rng, batch=0))
