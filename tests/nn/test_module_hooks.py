"""Hooks: what they see, when they are called, what they may replace."""

import collections
import re

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn import nn


class Twice(nn.Module):
    def forward(self, x):
        return x * 2.0


class Combine(nn.Module):
    """Several inputs, several outputs: 2x + 3y, and x * y."""

    def forward(self, x, y):
        return x * 2.0 + y * 3.0, x * y


def leaf(*values):
    return mt.Tensor(np.array(values), requires_grad=True)


# forward --------------------------------------------------------------------------------------------------------------


def test_forward_hooks_see_module_arguments_and_output_in_the_order_of_registering():
    layer, calls = Combine(), []
    layer.register_forward_pre_hook(lambda *args: calls.append(("pre", *args)))
    layer.register_forward_hook(lambda *args: calls.append(("first", *args)))
    layer.register_forward_hook(lambda *args: calls.append(("second", *args)))
    x, y = leaf(1.0), leaf(2.0)
    output = layer(x, y)
    assert [c[0] for c in calls] == ["pre", "first", "second"]
    assert calls[0][1:] == (layer, (x, y))
    assert calls[1][1:] == calls[2][1:] == (layer, (x, y), output)


def test_a_pre_hook_replaces_the_arguments():
    layer = Combine()
    layer.register_forward_pre_hook(lambda module, args: (args[0] + 1.0, args[1]))
    assert layer(leaf(1.0), leaf(10.0))[0].item() == 2 * 2 + 30
    single = Twice()
    single.register_forward_pre_hook(lambda module, args: args[0] + 1.0)  # one argument needs no tuple
    single.register_forward_pre_hook(lambda module, args: args[0] * 10.0)
    assert single(leaf(1.0)).item() == 40.0


def test_a_forward_hook_replaces_the_output_and_the_next_one_sees_it():
    layer = Twice()
    layer.register_forward_hook(lambda module, args, output: output + 1.0)
    layer.register_forward_hook(lambda module, args, output: output * 10.0)
    x = leaf(3.0)
    output = layer(x)
    assert output.item() == 70.0
    output.backward()
    assert x.grad.item() == 20.0, "the replacement is part of the graph"


def test_a_forward_hook_sees_keywords_where_it_asks_for_them():
    layer, calls = Combine(), []
    layer.register_forward_hook(lambda module, args, output: calls.append(len(args)))
    layer.register_forward_hook(
        lambda m, args, kwargs, output: calls.append((len(args), list(kwargs))), with_kwargs=True
    )
    layer(leaf(1.0), y=leaf(2.0))
    assert calls == [1, (1, ["y"])]


@pytest.mark.parametrize(
    "register", ["register_forward_pre_hook", "register_forward_hook", "register_full_backward_hook"]
)
def test_a_removed_hook_is_called_no_more_and_the_others_still_are(register):
    layer, calls = Twice(), []
    handles = [getattr(layer, register)(lambda *args, name=name: calls.append(name)) for name in "abc"]
    layer(leaf(1.0)).backward()
    assert calls == ["a", "b", "c"]
    calls.clear()
    handles[1].remove()
    handles[1].remove()
    layer(leaf(1.0)).backward()
    assert calls == ["a", "c"]
    for handle in handles:
        handle.remove()
    calls.clear()
    layer(leaf(1.0)).backward()
    assert calls == []


def test_a_hook_may_remove_itself():
    layer, calls = Twice(), []

    def once(module, args, output):
        calls.append("once")
        handle.remove()

    handle = layer.register_forward_hook(once)
    layer.register_forward_hook(lambda module, args, output: calls.append("always"))
    layer(leaf(1.0))
    layer(leaf(1.0))
    assert calls == ["once", "always", "always"]


# backward -------------------------------------------------------------------------------------------------------------


def recorded(layer):
    calls = []

    def hook(module, grad_input, grad_output):
        assert module is layer
        calls.append((grad_input, grad_output))

    layer.register_full_backward_hook(hook)
    return calls


def values(gradients):
    assert isinstance(gradients, tuple)
    assert all(g is None or type(g) is np.ndarray for g in gradients), "raw arrays"
    return [None if g is None else g.tolist() for g in gradients]


def test_the_gradients_by_input_and_output(rng):
    layer = nn.Linear(3, 2).double()
    calls = recorded(layer)
    x, upstream = mt.Tensor(rng.standard_normal((4, 3)), requires_grad=True), rng.standard_normal((4, 2))
    layer(x).backward(upstream)
    ((grad_input,), (grad_output,)) = calls[0]
    assert len(calls) == 1
    assert_close(grad_output, upstream, rtol=0)
    assert_close(grad_input, upstream @ layer.weight.numpy(), rtol=1e-12)
    assert_close(x.grad, grad_input, rtol=0)


def test_called_once_with_all_inputs_and_outputs():
    layer = Combine()
    calls = recorded(layer)
    x, y = leaf(5.0, 6.0), leaf(7.0, 8.0)
    total, product = layer(x, y)
    (total * mt.Tensor(np.array([1.0, 10.0])) + product * mt.Tensor(np.array([100.0, 1000.0]))).sum().backward()
    assert len(calls) == 1
    grad_input, grad_output = calls[0]
    assert values(grad_output) == [[1.0, 10.0], [100.0, 1000.0]]
    assert values(grad_input) == [[2.0 + 700.0, 20.0 + 8000.0], [3.0 + 500.0, 30.0 + 6000.0]]
    assert x.grad.tolist() == values(grad_input)[0] and y.grad.tolist() == values(grad_input)[1]


def test_one_tensor_in_several_places_has_a_gradient_for_each():
    layer = Combine()
    calls = recorded(layer)
    x = leaf(5.0)
    layer(x, x)[0].backward()
    assert [values(g) for g in calls[0]] == [[[2.0], [3.0]], [[1.0], None]]
    assert x.grad.tolist() == [5.0]


def test_what_has_no_gradient_is_none():
    class Net(nn.Module):
        def forward(self, factor, x, constant):
            return x * factor + constant, "a word", x.detach()

    layer = Net()
    calls = recorded(layer)
    layer(2.0, leaf(1.0), mt.Tensor(np.array([3.0])))[0].backward()
    assert [values(g) for g in calls[0]] == [[None, [2.0], None], [[1.0], None, None]]


def test_the_first_layer_is_hooked_too_though_its_input_is_data():
    layer = nn.Linear(2, 1).double()
    calls = recorded(layer)
    layer(mt.Tensor(np.ones((1, 2)))).backward(np.array([[4.0]]))
    assert [values(g) for g in calls[0]] == [[None], [[[4.0]]]] and len(calls) == 1
    assert layer.weight.grad.tolist() == [[4.0, 4.0]]


def test_several_outputs_without_an_input_that_needs_a_gradient_call_once():
    class Heads(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.array([1.0]))

        def forward(self, x):
            return self.w * x, self.w * 2.0

    layer = Heads()
    calls = recorded(layer)
    one, two = layer(mt.Tensor(np.array([3.0])))
    (one + two * 5.0).backward()
    assert [values(g) for g in calls[0]] == [[None], [[1.0], [5.0]]] and len(calls) == 1
    assert layer.w.grad.tolist() == [13.0]


def test_without_recording_nothing_is_called():
    layer = nn.Linear(2, 1)
    calls = recorded(layer)
    with mt.no_grad():
        assert not layer(mt.Tensor([[1.0, 2.0]])).requires_grad
    assert calls == []


def test_a_module_called_twice_has_its_hook_called_for_each_call_last_one_first():
    layer = Twice()
    calls = recorded(layer)
    x = leaf(1.0)
    layer(layer(x) + 1.0).backward()
    assert [[values(g) for g in call] for call in calls] == [[[[2.0]], [[1.0]]], [[[4.0]], [[2.0]]]]


def test_a_graph_walked_twice_calls_twice_with_the_gradients_of_that_walk():
    layer = Combine()
    calls = recorded(layer)
    x, y = leaf(5.0), leaf(7.0)
    total, product = layer(x, y)
    total.backward(retain_graph=True)
    product.backward(np.array([10.0]))
    assert [[values(g) for g in call] for call in calls] == [
        [[[2.0], [3.0]], [[1.0], None]],
        [[[70.0], [50.0]], [None, [10.0]]],
    ]


def test_a_hook_replaces_the_gradients_of_the_inputs():
    layer, seen = Combine(), []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 10, grad_input[1] * 0))
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(values(grad_input)))
    x, y = leaf(1.0), leaf(1.0)
    layer(x, y)[0].backward()
    assert seen == [[[20.0], [0.0]]], "the second hook sees what the first one made"
    assert x.grad.tolist() == [20.0] and y.grad.tolist() == [0.0]


def test_a_single_replaced_gradient_needs_no_tuple_and_weights_are_not_touched():
    layer = nn.Linear(1, 1, bias=False).double()
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: -grad_input[0])
    x = mt.Tensor(np.array([[3.0]]), requires_grad=True)
    layer(x).backward()
    assert_close(x.grad, -layer.weight.numpy(), rtol=0)
    assert layer.weight.grad.tolist() == [[3.0]]


def test_an_array_returned_for_two_inputs_is_not_written_into():
    kept = np.array([1.0])
    layer = Combine()
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: (kept, kept))
    x = leaf(5.0)
    moved = x * 1.0
    layer(moved, moved)[0].backward()
    assert kept.tolist() == [1.0] and x.grad.tolist() == [2.0]


@pytest.mark.parametrize(
    "returned, text",
    [
        (lambda g: (g[0],), "a backward hook must return a gradient for each of 2 inputs, got 1"),
        (lambda g: (None, g[1]), "returned None for input 0, whose gradient has shape (3,), dtype float64"),
        (lambda g: (g[0], g[1][:2]), "returned shape (2,), dtype float64 for input 1, whose gradient has shape (3,)"),
        (lambda g: (g[0].astype("f4"), g[1]), "returned shape (3,), dtype float32 for input 0"),
        (lambda g: (mt.Tensor(g[0]), g[1]), "returned a Tensor (return its .data) for input 0"),
        (lambda g: (2.0, g[1]), "returned float for input 0"),
    ],
)
def test_a_wrong_replacement_is_refused(returned, text):
    layer = Combine()
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: returned(grad_input))
    with pytest.raises(ValueError, match="Combine: .*" + re.escape(text)):
        layer(leaf(1.0, 2.0, 3.0), leaf(1.0, 2.0, 3.0))[0].sum().backward()


Pair = collections.namedtuple("Pair", ["logits", "aux"])


@pytest.mark.parametrize(
    "pack, unpack",
    [
        (lambda a, b: Pair(a, b), lambda o: (o.logits, o.aux)),
        (lambda a, b: [a, b], lambda o: (o[0], o[1])),
        (lambda a, b: collections.OrderedDict(top=a, bottom=b), lambda o: (o["top"], o["bottom"])),
    ],
    ids=["namedtuple", "list", "OrderedDict"],
)
def test_outputs_keep_their_container(pack, unpack):
    class Net(nn.Module):
        def forward(self, x):
            return pack(x * 2.0, x * 3.0)

    layer = Net()
    calls = recorded(layer)
    x = leaf(1.0)
    output = layer(x)
    assert type(output) is type(pack(x, x))
    one, two = unpack(output)
    (one + two).backward()
    assert [values(g) for g in calls[0]] == [[[5.0]], [[1.0], [1.0]]]
    assert x.grad.tolist() == [5.0]


def test_hooks_change_no_value_and_no_gradient(rng):
    """A whole network with a hook on every module gives the bits that it gives without."""

    def gradients(hooked):
        mt.manual_seed(1)
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).double()
        calls = []
        for module in model.modules() if hooked else []:
            module.register_forward_hook(lambda *args: calls.append("forward"))
            module.register_full_backward_hook(lambda *args: calls.append("backward"))
        output = model(mt.Tensor(x))
        output.backward(upstream)
        assert calls == (["forward"] * 6 + ["backward"] * 6 if hooked else [])
        return [output.numpy(), *(p.grad for p in model.parameters())]

    x, upstream = rng.standard_normal((3, 2, 4, 4)), rng.standard_normal((3, 2))
    for with_hooks, without in zip(gradients(True), gradients(False)):
        assert_close(with_hooks, without, rtol=0)
