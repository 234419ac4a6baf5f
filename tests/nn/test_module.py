"""Module: what is found in it and in which order, its state, its modes."""

import copy
import pickle
import re

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn import nn


class Inner(nn.Module):
    """A buffer before, between and after its parameters: state_dict lists parameters first all the same."""

    def __init__(self):
        super().__init__()
        self.steps = nn.Buffer(np.array(3, np.int64))
        self.gain = nn.Parameter([[1.0, 2.0]])
        self.register_buffer("scratch", np.zeros(4, np.float32), persistent=False)
        self.shift = nn.Parameter([5.0])
        self.register_buffer("mean", mt.Tensor([7.0, 8.0, 9.0]))

    def forward(self, x):
        return x * self.gain + self.shift


class Outer(nn.Module):
    """Doesn't call super().__init__(), and sets a parameter of its own after a child."""

    def __init__(self):
        self.first = nn.Linear(2, 2)
        self.scale = nn.Parameter([1.0])
        self.inner = Inner()
        self.note = "neither a parameter nor a module"
        self.absent = None

    def forward(self, x):
        return self.inner(self.first(x)) * self.scale


OUTER_PARAMETERS = ["scale", "first.weight", "first.bias", "inner.gain", "inner.shift"]


def copied(state):
    return {key: tensor.numpy().copy() for key, tensor in state.items()}


def assert_same_state(module, expected):
    state = module.state_dict()
    assert list(state) == list(expected)
    for key, value in expected.items():
        assert_close(state[key], value, rtol=0)


# what is in it --------------------------------------------------------------------------------------------------------


def test_parameters_come_own_first_then_child_by_child_in_the_order_of_assignment():
    model = Outer()
    assert [name for name, _ in model.named_parameters()] == OUTER_PARAMETERS
    by_name = dict(model.named_parameters())
    assert [id(p) for p in model.parameters()] == [id(by_name[name]) for name in OUTER_PARAMETERS]
    assert by_name["inner.gain"] is model.inner.gain


def test_without_recursion_only_the_modules_own_tensors_are_named():
    model = Outer()
    assert [name for name, _ in model.named_parameters(recurse=False)] == ["scale"]
    assert list(model.parameters(recurse=False)) == [model.scale]
    assert list(model.buffers(recurse=False)) == []
    assert [name for name, _ in model.inner.named_buffers(recurse=False)] == ["steps", "scratch", "mean"]


def test_a_prefix_stands_before_every_name():
    assert [n for n, _ in Outer().named_parameters(prefix="net")] == ["net." + n for n in OUTER_PARAMETERS]
    assert [n for n, _ in Inner().named_buffers(prefix="a.b")] == ["a.b.steps", "a.b.scratch", "a.b.mean"]
    assert [n for n, _ in Inner().named_parameters(prefix="a", recurse=False)] == ["a.gain", "a.shift"]


def test_a_shared_parameter_is_listed_once_under_its_first_name():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert len({id(p) for p in model.parameters()}) == len(list(model.parameters())) == 3
    # but a file holds both, so that a model which doesn't share can read it
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_a_shared_module_is_listed_once_but_keeps_both_names_in_state_dict_and_repr():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert [name for name, _ in model.named_children()] == ["0", "1"]
    assert len(list(model.children())) == 2
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert repr(model).count("Linear") == 2
    assert model.get_submodule("2") is layer


def test_a_module_that_is_shared_between_levels_is_listed_where_it_comes_first():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(nn.Sequential(layer), layer, nn.Sequential(nn.Sequential(layer)))
    assert [name for name, _ in model.named_modules()] == ["", "0", "0.0", "2", "2.0"]
    assert [name for name, _ in model.named_parameters()] == ["0.0.weight", "0.0.bias"]


def test_gradients_of_a_shared_module_add_up(rng):
    layer = nn.Linear(3, 3, bias=False).double()
    x, upstream = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    nn.Sequential(layer, layer)(mt.Tensor(x)).backward(upstream)
    w = layer.weight.numpy()
    assert_close(layer.weight.grad, upstream.T @ (x @ w.T) + (upstream @ w).T @ x, rtol=1e-12)


def test_modules_come_in_depth_first_order():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Sigmoid())
    assert [name for name, _ in model.named_modules()] == ["", "0", "0.0", "0.1", "1"]
    kinds = [type(m).__name__ for m in model.modules()]
    assert kinds == ["Sequential", "Sequential", "ReLU", "Tanh", "Sigmoid"]
    assert [name for name, _ in model.named_modules(prefix="net")] == ["net", "net.0", "net.0.0", "net.0.1", "net.1"]


def test_a_replaced_attribute_keeps_its_place_and_a_deleted_one_is_gone():
    model = Outer()
    model.first = nn.Linear(2, 2, bias=False)
    assert [n for n, _ in model.named_parameters()] == ["scale", "first.weight", "inner.gain", "inner.shift"]
    del model.first
    assert [n for n, _ in model.named_parameters()] == ["scale", "inner.gain", "inner.shift"]
    assert [n for n, _ in model.named_children()] == ["inner"]
    model.inner = None
    assert [n for n, _ in model.named_parameters()] == ["scale"]
    with pytest.raises(AttributeError, match="first"):
        model.first  # noqa: B018


def test_a_parameter_that_is_none_is_nowhere():
    layer = nn.Linear(3, 2, bias=False)
    assert layer.bias is None
    assert [n for n, _ in layer.named_parameters()] == ["weight"]
    assert list(layer.state_dict()) == ["weight"]
    layer.zero_grad()
    layer.double()
    layer.requires_grad_(False)


def test_lists_and_plain_tensors_are_not_searched():
    class Hidden(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(2, 2)]
            self.constant = mt.Tensor([1.0])

    assert list(Hidden().parameters()) == [] and list(Hidden().state_dict()) == [] and list(Hidden().children()) == []


@pytest.mark.parametrize("calls_super", [True, False])
def test_a_subclass_works_whether_or_not_it_calls_super_init(calls_super):
    class Net(nn.Module):
        def __init__(self):
            if calls_super:
                super().__init__()
            self.fc = nn.Linear(2, 1)

        def forward(self, x):
            return self.fc(x)

    net = Net()
    assert net.training and not net.eval().training and not net.fc.training
    net.register_forward_hook(lambda module, args, output: output * 0)
    assert net(mt.Tensor([[1.0, 2.0]])).item() == 0.0
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"]


def test_two_instances_share_no_hooks_and_no_modes():
    one, other = nn.ReLU(), nn.ReLU()
    one.register_forward_hook(lambda module, args, output: output + 1)
    one.eval()
    assert other.training and other(mt.Tensor([1.0])).item() == 1.0 and one(mt.Tensor([1.0])).item() == 2.0


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(mt.Tensor([1.0]))


def test_forward_gets_positional_and_keyword_arguments():
    class Net(nn.Module):
        def forward(self, x, *, factor=1.0):
            return x * factor

    assert Net()(mt.Tensor([2.0]), factor=3.0).item() == 6.0
    with pytest.raises(TypeError, match="unexpected keyword argument 'factr'"):
        Net()(mt.Tensor([2.0]), factr=3.0)


def test_get_submodule_follows_the_dots():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    assert model.get_submodule("0.1") is model[0][1]
    assert model.get_submodule("") is model


@pytest.mark.parametrize(
    "target, text",
    [
        ("features.7", "Sequential has no submodule '7'; it has 0, 1"),
        ("head", "Net has no submodule 'head'; it has features, classifier"),
        ("classifier.weight", "Linear has no submodule 'weight'; it has none"),
        ("features.", "Sequential has no submodule ''; it has 0, 1"),
    ],
)
def test_get_submodule_names_what_is_there_instead(target, text):
    class Net(nn.Module):
        def __init__(self):
            self.features = nn.Sequential(nn.ReLU(), nn.Tanh())
            self.classifier = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match=f"^{re.escape(text)}$"):
        Net().get_submodule(target)


# registering ----------------------------------------------------------------------------------------------------------


def test_register_buffer_takes_tensors_arrays_and_none():
    module = nn.Module()
    module.register_buffer("a", mt.Tensor([1.0]))
    module.register_buffer("b", np.array([1, 2]))
    module.register_buffer("c", None)
    module.register_buffer("d", np.zeros(1), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["a", "b", "d"]
    assert list(module.state_dict()) == ["a", "b"]
    assert module.c is None and module.b.dtype == np.int64 and not module.a.requires_grad
    assert list(module.parameters()) == []


def test_a_tensor_assigned_to_a_buffer_becomes_the_buffer():
    module = Inner()
    module.steps = module.steps + 1
    module.scratch = np.ones(2, np.float32)
    assert isinstance(module.steps, nn.Buffer) and module.state_dict()["steps"].item() == 4
    assert "scratch" not in module.state_dict() and "scratch" in dict(module.named_buffers())


@pytest.mark.parametrize("value", [mt.Tensor([2.0]), np.ones(1, np.float32)], ids=["tensor", "array"])
def test_a_tensor_in_a_parameters_place_is_refused(value):
    module = Inner()
    before = module.shift
    kind = type(value).__name__
    with pytest.raises(TypeError, match=f"Inner: shift is a Parameter, and a {kind} in its place would not be learnt"):
        module.shift = value
    assert module.shift is before
    module.shift = nn.Parameter([3.0])
    module.shift = None
    module.shift = value  # there is no parameter any more


@pytest.mark.parametrize("name", ["a.b", "", 3, None])
@pytest.mark.parametrize("register", ["register_buffer", "register_parameter", "add_module"])
def test_names_that_could_not_be_found_again_are_refused(register, name):
    with pytest.raises(ValueError, match=re.escape(f"Module: a name must be a string without dots, got {name!r}")):
        getattr(nn.Module(), register)(name, None)


def test_a_name_that_hides_a_method_is_refused():
    for name in ("forward", "train", "training", "parameters"):
        with pytest.raises(ValueError, match=f"'{name}' can't be a name"):
            nn.Module().add_module(name, nn.ReLU())
    with pytest.raises(ValueError, match="Sequential: 'forward' can't be a name"):
        nn.Sequential({"forward": nn.ReLU()})


@pytest.mark.parametrize(
    "value, text",
    [
        (mt.functional.relu, "must be a Module, got relu$"),
        (nn.ReLU, "must be a Module, got ReLU; make one of it: put brackets after it"),
        ([nn.ReLU()], r"must be a Module, got list; unpack it with \*"),
        (3, "must be a Module, got int$"),
    ],
    ids=["function", "class", "list", "number"],
)
def test_add_module_takes_modules_only(value, text):
    module = nn.Module()
    with pytest.raises(TypeError, match=text):
        module.add_module("act", value)
    assert vars(module) == {}


def test_register_parameter_takes_parameters_only():
    module = nn.Module()
    module.register_parameter("w", nn.Parameter([1.0]))
    module.register_parameter("b", None)
    assert [n for n, _ in module.named_parameters()] == ["w"] and module.b is None
    with pytest.raises(TypeError, match="Module: v must be a Parameter, got Tensor"):
        module.register_parameter("v", mt.Tensor([1.0]))


def test_parameters_are_floats_that_require_gradients():
    assert nn.Parameter([1.0]).requires_grad and nn.Parameter(np.ones(2)).dtype == np.float64
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad
    with pytest.raises(TypeError, match="only a float tensor can require a gradient, this one is int64"):
        nn.Parameter(np.array([1]))


# state ----------------------------------------------------------------------------------------------------------------


def test_state_dict_lists_parameters_then_persistent_buffers_then_children():
    assert list(Outer().state_dict()) == [
        "scale",
        "first.weight",
        "first.bias",
        "inner.gain",
        "inner.shift",
        "inner.steps",
        "inner.mean",
    ]
    assert list(nn.BatchNorm2d(3).state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]


def test_state_dict_shares_memory_and_stands_outside_the_graph():
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    layer.weight.data[0, 0] = 42.0
    assert state["weight"].numpy()[0, 0] == 42.0
    assert not state["weight"].requires_grad and layer.weight.requires_grad


def test_load_state_dict_copies_values_and_keeps_the_tensors(rng):
    model = Outer()
    parameters, arrays = list(model.parameters()), [p.data for p in model.parameters()]
    state = {key: rng.standard_normal(t.shape) for key, t in model.state_dict().items()}
    state["inner.steps"] = np.array(11)
    result = model.load_state_dict(state)
    assert result == ([], []) and result.missing_keys == [] and result.unexpected_keys == []
    assert all(new is old for new, old in zip(model.parameters(), parameters))
    assert all(p.data is a for p, a in zip(parameters, arrays)), "the optimiser and the graph hold the arrays"
    for key, tensor in model.state_dict().items():
        assert_close(tensor, state[key].astype(tensor.dtype), rtol=0)
    state["scale"][:] = -1.0
    assert model.scale.item() != -1.0, "the values are copied"


@pytest.mark.parametrize("there", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("here", ["float", "double"])
def test_values_are_cast_to_the_modules_dtype(here, there):
    layer = getattr(nn.BatchNorm1d(2), here)()
    dtype = layer.weight.dtype
    state = {key: t.numpy().astype(there) for key, t in layer.state_dict().items()}
    state["weight"] = np.array([0.5, -3.0], there)
    state["num_batches_tracked"] = np.array(9.0)  # as a file without integers would have it
    layer.load_state_dict(state)
    assert layer.weight.dtype == dtype and layer.weight.numpy().tolist() == [0.5, -3.0]
    assert layer.num_batches_tracked.dtype == np.int64 and layer.num_batches_tracked.item() == 9


def test_a_state_may_hold_tensors_arrays_and_lists():
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": mt.Tensor([[1.0, 2.0]]), "bias": [3.0]})
    assert_close(layer(mt.Tensor([[10.0, 1.0]])), np.array([[15.0]], np.float32), rtol=0)


def faults():
    """name -> (what is done to a good state, lines of the error)."""

    def several(state):
        del state["scale"], state["inner.mean"]
        state["first.weight"] = np.zeros((2, 3), np.float32)
        state["inner.shift"] = np.zeros((), np.float32)
        state["extra"] = state["first.gain"] = np.zeros(1)

    return {
        "missing": (lambda s: s.pop("inner.gain"), ["missing: inner.gain"]),
        "unexpected": (lambda s: s.update(more=np.zeros(1)), ["unexpected: more"]),
        "not a string": (lambda s: s.update({7: np.zeros(1)}), ["unexpected: 7"]),
        "misshapen": (
            lambda s: s.update({"inner.mean": np.zeros(4)}),
            ["misshapen: inner.mean: the model has (3,), the state (4,)"],
        ),
        "transposed": (
            lambda s: s.update({"inner.gain": np.zeros((2, 1))}),
            ["misshapen: inner.gain: the model has (1, 2), the state (2, 1)"],
        ),
        "no array": (lambda s: s.update({"inner.steps": None}), ["not numbers: inner.steps: object"]),
        "text": (lambda s: s.update({"scale": ["a"]}), ["not numbers: scale: <U1"]),
        "several": (
            several,
            [
                "missing: scale, inner.mean",
                "unexpected: extra, first.gain",
                "misshapen: first.weight: the model has (2, 2), the state (2, 3), "
                "inner.shift: the model has (1,), the state ()",
            ],
        ),
    }


@pytest.mark.parametrize("name", faults())
def test_nothing_changes_unless_all_fits_and_the_error_lists_all_that_does_not(name):
    spoil, lines = faults()[name]
    model = Outer()
    before = copied(model.state_dict())
    state = {key: value + 1 for key, value in before.items()}
    spoil(state)
    text = "\n".join(["load_state_dict: the state doesn't fit Outer; nothing was loaded", *(f"  {x}" for x in lines)])
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        model.load_state_dict(state)
    assert_same_state(model, before)


def test_not_strict_loads_what_there_is_and_returns_the_rest():
    model = Outer()
    before = copied(model.state_dict())
    state = {key: value + 1 for key, value in before.items()}
    del state["first.bias"], state["scale"]
    result = model.load_state_dict({**state, "head.weight": np.zeros(3)}, strict=False)
    assert result.missing_keys == ["scale", "first.bias"] and result.unexpected_keys == ["head.weight"]
    expected = {key: state.get(key, before[key]) for key in before}
    assert_same_state(model, expected)


def test_not_strict_still_refuses_a_wrong_shape_and_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 10))
    before = copied(model.state_dict())
    state = {"0.weight": np.ones((2, 2)), "1.weight": np.ones((1000, 2)), "more": np.ones(1)}
    with pytest.raises(
        ValueError, match=r"nothing was loaded\n  misshapen: 1.weight: the model has \(10, 2\), the state"
    ) as e:
        model.load_state_dict(state, strict=False)
    assert "missing" not in str(e.value) and "unexpected" not in str(e.value)
    assert_same_state(model, before)


def test_a_state_that_is_no_dict_is_refused():
    with pytest.raises(TypeError, match="load_state_dict: expected a dict of names and tensors, got str"):
        nn.Linear(2, 2).load_state_dict("model.npz")


def test_non_persistent_buffers_are_neither_wanted_nor_taken():
    module = Inner()
    assert "scratch" not in module.state_dict()
    with pytest.raises(ValueError, match="unexpected: scratch"):
        module.load_state_dict({**module.state_dict(), "scratch": np.zeros(4)})


def test_a_model_loads_its_own_and_its_twins_state():
    model, twin = Outer(), Outer()
    before = copied(model.state_dict())
    model.load_state_dict(model.state_dict())
    assert_same_state(model, before)
    twin.load_state_dict(model.state_dict())
    assert_same_state(twin, before)
    twin.scale.data += 1
    assert_same_state(model, before)


# modes and places -----------------------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_module_and_return_the_model():
    model = nn.Sequential(nn.Sequential(nn.Dropout(0.5)), nn.ModuleList([nn.BatchNorm2d(2)]))
    assert all(m.training for m in model.modules())
    assert model.eval() is model and not any(m.training for m in model.modules())
    assert model.train() is model and all(m.training for m in model.modules())
    model[0].train(False)
    assert model.training and not model[0][0].training and model[1].training


def test_double_and_float_change_floats_and_keep_integers():
    model = Outer()
    values = copied(model.state_dict())
    assert model.double() is model
    assert {t.dtype for t in model.parameters()} == {np.dtype(np.float64)}
    dtypes = {name: t.dtype for name, t in model.named_buffers()}
    assert dtypes == {"inner.steps": np.int64, "inner.scratch": np.float64, "inner.mean": np.float64}
    model.float()
    assert {t.dtype for t in model.parameters()} == {np.dtype(np.float32)}
    assert_same_state(model, values)


@pytest.mark.parametrize("where", [("float64",), (np.float64,), ("cpu", "float64"), ("float64", "cpu")])
def test_to_takes_dtype_and_device_in_either_order(where):
    layer = nn.Linear(2, 2)
    assert layer.to(*where) is layer and layer.weight.dtype == np.float64
    assert layer.to(dtype="float32", device="cpu").bias.dtype == np.float32


def test_conversion_keeps_the_parameters_and_converts_their_gradients():
    layer = nn.Linear(2, 1)
    weight = layer.weight
    layer(mt.Tensor([[1.0, 2.0]])).backward()
    layer.double()
    assert layer.weight is weight and weight.requires_grad and weight.is_leaf
    assert_close(weight.grad, np.array([[1.0, 2.0]]), rtol=0)
    layer(mt.Tensor(np.array([[10.0, 20.0]]))).backward()
    assert_close(weight.grad, np.array([[11.0, 22.0]]), rtol=0)


def test_a_shared_parameter_stays_shared_through_conversion():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    model.double()
    assert model[1].weight is model[0].weight and model[1].weight.dtype == np.float64


def test_a_conversion_that_fails_leaves_all_as_it_was():
    model = Outer()
    before = copied(model.state_dict())
    with pytest.raises(TypeError, match="Outer: only float dtypes can be learnt, got int64"):
        model.to("int64")
    with pytest.raises(ValueError, match="unknown device"):
        model.to(device="tpu")
    assert_same_state(model, before)


def test_zero_grad_forgets_or_fills():
    layer = nn.Linear(2, 1)
    layer(mt.Tensor([[1.0, 2.0]])).backward()
    array = layer.weight.grad
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad is array and not array.any()
    layer.zero_grad()
    assert layer.weight.grad is None and layer.bias.grad is None
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad is None


def test_gradients_add_up_until_zero_grad():
    layer = nn.Linear(2, 1)
    for _ in range(3):
        layer(mt.Tensor([[1.0, 2.0]])).backward()
    assert_close(layer.weight.grad, np.array([[3.0, 6.0]], np.float32), rtol=0)


def test_requires_grad_freezes_all_parameters():
    model = Outer()
    assert model.requires_grad_(False) is model and not any(p.requires_grad for p in model.parameters())
    assert not model(mt.Tensor([[1.0, 2.0]])).requires_grad
    model.inner.requires_grad_()
    model(mt.Tensor([[1.0, 2.0]])).sum().backward()
    assert model.inner.gain.grad is not None and model.first.weight.grad is None and model.scale.grad is None


def test_apply_visits_children_before_their_parent_and_returns_the_model():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Sigmoid())
    seen = []
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["ReLU", "Tanh", "Sequential", "Sigmoid", "Sequential"]


# copies and text ------------------------------------------------------------------------------------------------------


def trained():
    """A model after a backward pass, with running statistics, hooks, and an output that it kept."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    model.seen = []
    model[2].register_forward_hook(lambda module, args, output: model.seen.append(output.shape))
    model[4].register_full_backward_hook(lambda module, grad_input, grad_output: None)
    model.kept = model(mt.Tensor(np.random.default_rng(0).standard_normal((5, 1, 4, 4)).astype(np.float32)))
    model.kept.sum().backward()
    return model


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_a_copy_has_weights_buffers_and_gradients_of_its_own(duplicate):
    model = trained()
    model.seen.clear()
    if duplicate is not copy.deepcopy:
        model[2]._forward_hooks = model[4]._backward_hooks = model.kept = None  # local functions can't be pickled
    twin = duplicate(model)
    expected = copied(model.state_dict())
    assert_same_state(twin, expected)
    for mine, theirs in zip(model.parameters(), twin.parameters()):
        assert type(theirs) is nn.Parameter and theirs.requires_grad and theirs.is_leaf
        assert_close(theirs.grad, mine.grad, rtol=0)
        theirs.data += 1
        theirs.grad += 1
    twin[1].running_mean.data += 1
    assert_same_state(model, expected)
    assert twin[1].num_batches_tracked.item() == 1 and isinstance(twin[1].num_batches_tracked, nn.Buffer)
    assert not np.array_equal(model[4].weight.grad, twin[4].weight.grad)


def test_a_deep_copy_keeps_sharing_hooks_and_persistence():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), Inner())
    model[1].weight = model[0].weight
    model[0].register_forward_hook(lambda module, args, output: output * 0)
    twin = copy.deepcopy(model)
    assert twin[1].weight is twin[0].weight is not model[0].weight
    assert twin[0](mt.Tensor([[1.0, 2.0]])).numpy().tolist() == [[0.0, 0.0]]
    twin[0].register_forward_hook(lambda module, args, output: output + 1)
    assert model[0](mt.Tensor([[1.0, 2.0]])).numpy().tolist() == [[0.0, 0.0]], "the copy's hooks are its own"
    assert list(twin[2].state_dict()) == list(model[2].state_dict())


def test_a_copy_can_be_trained_apart():
    model = trained()
    twin = copy.deepcopy(model)
    before = copied(model.state_dict())
    gradient = model[0].weight.grad.copy()
    twin(mt.Tensor(np.ones((2, 1, 4, 4), np.float32))).sum().backward()
    assert_close(model[0].weight.grad, gradient, rtol=0)
    assert_same_state(model, before)


def test_repr_nests_modules_and_shows_their_options():
    class Scaled(nn.Sequential):
        def extra_repr(self):
            return "scale=2"

    assert repr(nn.Tanh()) == "Tanh()"
    assert repr(nn.Sequential()) == "Sequential()"
    model = Scaled(nn.Linear(2, 3), nn.Sequential({"act": nn.ReLU()}))
    assert repr(model) == (
        "Scaled(\n"
        "  scale=2\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (act): ReLU()\n"
        "  )\n"
        ")"
    )


def test_a_state_from_before_batches_were_counted_is_whole_without_the_count():
    model = nn.Sequential(nn.BatchNorm2d(3))
    model[0].num_batches_tracked.data[...] = 7
    state = {key: value for key, value in nn.Sequential(nn.BatchNorm2d(3)).state_dict().items() if "num_" not in key}
    assert len(state) == 4
    assert model.load_state_dict(state).missing_keys == []
    assert model[0].num_batches_tracked.item() == 7
    del state["0.running_var"]
    with pytest.raises(ValueError, match=r"missing: 0\.running_var$"):
        model.load_state_dict(state)
