"""One call, made by both: the same arrays, the same upstream gradients, and then every value and every gradient compared.

A test writes the call once, as `call(F, x, weight)`, and it runs with F = minitorch_cnn.functional on our tensors and with
F = torch.nn.functional on PyTorch's. That the same text runs on both is half of what is tested.

Tolerances are relative to the largest expected value of an array. Both sum the same few hundred products, in another order: in
float64 so many roundings of 1e-16, of which most cancel, stay below 1e-12 (ROUNDING), in float32, of 6e-8, below 1e-5 (SINGLE).
"""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

ROUNDING = 1e-12
SINGLE = 1e-5

functional = (mt.functional, torch.nn.functional)
tensors = (mt, torch)
layers = (mt.nn, torch.nn)


def agree(call, *inputs, space=functional, rtol=ROUNDING, seed=0):
    """Run call(space, *inputs) with both libraries and compare outputs and gradients; returns our output.

    Args:
        inputs: float arrays become tensors whose gradient is compared, other arrays tensors; anything else goes through as it is.
        space: what `call` gets first: (ours, PyTorch's).
    """
    ours = [mt.Tensor(a.copy(), requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a for a in inputs]
    theirs = [_torch_tensor(a) if isinstance(a, np.ndarray) else a for a in inputs]
    output, expected = call(space[0], *ours), call(space[1], *theirs)
    compare(output, expected, "output", rtol)
    run_backward(output, expected, seed)
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if isinstance(a, mt.Tensor) and a.requires_grad:
            compare_gradient(a, b, f"the gradient of input {i}", rtol)
    return output


def _torch_tensor(array):
    return torch.tensor(array, requires_grad=array.dtype.kind == "f")


def run_backward(output, expected, seed=0):
    """Both backward passes from the same random gradients of every output that has one."""
    rng = np.random.default_rng([seed, 1])  # not the fixture's numbers again: a gradient equal to x vanishes in a norm
    for a, b in zip(_listed(output), _listed(expected)):
        if b is None:
            continue
        assert a.requires_grad == b.requires_grad, f"requires_grad is {a.requires_grad}, PyTorch's {b.requires_grad}"
        if b.requires_grad:
            upstream = rng.standard_normal(tuple(b.shape))
            a.backward(upstream.astype(a.dtype), retain_graph=True)
            b.backward(torch.tensor(upstream, dtype=b.dtype), retain_graph=True)


def compare_gradient(ours, theirs, what, rtol):
    if theirs.grad is None:
        assert ours.grad is None, f"{what}: PyTorch has none"
    else:
        assert ours.grad is not None, f"{what}: there is none"
        compare(ours.grad, theirs.grad, what, rtol)


def compare(ours, theirs, what, rtol=ROUNDING):
    """Shapes, dtypes and values of a tensor or a tuple of them. NaNs and infinities must stand at the same places."""
    ours, theirs = _listed(ours), _listed(theirs)
    assert len(ours) == len(theirs), f"{what}: {len(ours)} results, PyTorch has {len(theirs)}"
    for a, b in zip(ours, theirs):
        if b is None:
            assert a is None, f"{what}: PyTorch has None here"
            continue
        a, b = a.numpy() if isinstance(a, mt.Tensor) else np.asarray(a), b.detach().numpy()
        assert a.shape == b.shape, f"{what}: shape {a.shape}, PyTorch's {b.shape}"
        assert a.dtype == b.dtype, f"{what}: dtype {a.dtype}, PyTorch's {b.dtype}"
        if b.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=what)
            continue
        largest = np.abs(b[np.isfinite(b)]).max(initial=0.0)
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * largest, equal_nan=True, err_msg=what)


def _listed(result):
    return list(result) if isinstance(result, tuple) else [result]


def call_layer(layer, *inputs):
    return layer(*inputs)


def same_layer(build, *inputs, call=call_layer, rtol=ROUNDING, dtype="float64", steps=1, train=True):
    """Build a layer with both nn packages, give ours the weights of PyTorch's, and compare keys, outputs, gradients and buffers.

    Args:
        build: build(nn) makes the layer; call(layer, *inputs) runs it.
        steps: so many forward and backward passes, gradients added up.
    Returns: our layer.
    """
    theirs = build(torch.nn).to(getattr(torch, dtype)).train(train)
    ours = build(mt.nn).to(dtype=dtype).train(train)
    _random_state(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    for step in range(steps):
        agree(call, *inputs, space=(ours, theirs), rtol=rtol, seed=step)
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters()):
        compare_gradient(a, b, f"the gradient of {name}", rtol)
    for (name, a), (_, b) in zip(ours.named_buffers(), theirs.named_buffers()):
        compare(a, b, name, rtol)
    return ours


def _random_state(module):
    """Weights that are nowhere 0 or 1, so that one which is left out shows."""
    rng = np.random.default_rng([0, 2])
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            drawn = rng.standard_normal(tuple(value.shape))
            value.copy_(torch.tensor(np.abs(drawn) + 0.5 if name.endswith("running_var") else drawn))


def both_refuse(call, *inputs, space=functional, error=ValueError, match=None):
    """PyTorch raises an error, and so do we: `error`, with `match` in its text."""
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)):
        call(space[1], *[torch.tensor(a) if isinstance(a, np.ndarray) else a for a in inputs])
    with pytest.raises(error, match=match):
        call(space[0], *[mt.Tensor(a) if isinstance(a, np.ndarray) else a for a in inputs])
