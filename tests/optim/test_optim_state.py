"""state_dict and load_state_dict of optimisers: a run that goes on gives the same bits; what doesn't fit changes nothing."""

import copy

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn import optim

MAKERS = [
    (optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}),
    (optim.SGD, {}),
    (optim.Adam, {"amsgrad": True}),
    (optim.AdamW, {"betas": (0.8, 0.9)}),
    (optim.RMSprop, {"momentum": 0.9, "centered": True}),
]


def a_run(make, options, rng):
    """Parameters, an optimiser over them in two groups, and a function that makes one step with random gradients."""
    params = [mt.Tensor(np.asarray(rng.standard_normal(s), np.float32), requires_grad=True) for s in ((3, 2), (4,), ())]
    optimizer = make([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}], lr=0.1, **options)

    def step(rng):
        for p in params:
            p.grad = np.asarray(rng.standard_normal(p.shape), np.float32)
        params[1].grad = params[1].grad if rng.random() < 0.5 else None
        optimizer.step()

    return params, optimizer, step


@pytest.mark.parametrize("make, options", MAKERS)
@pytest.mark.parametrize("before", [0, 1, 4])
def test_a_run_that_goes_on_gives_the_same_bits(make, options, before):
    params, optimizer, step = a_run(make, options, np.random.default_rng(0))
    gradients = np.random.default_rng(1)
    for _ in range(before):
        step(gradients)
    optimizer.param_groups[0]["lr"] = 0.03  # as a schedule would
    saved = copy.deepcopy((optimizer.state_dict(), [p.data for p in params], gradients))
    for _ in range(3):
        step(gradients)

    others, other, step = a_run(make, {}, np.random.default_rng(2))  # other weights, other options
    state, values, gradients = saved
    other.load_state_dict(state)
    for p, value in zip(others, values):
        p.data[...] = value
    for _ in range(3):
        step(gradients)
    for p, q in zip(params, others):
        np.testing.assert_array_equal(q.data, p.data)


def test_parameters_are_numbered_in_order_over_the_groups():
    params, optimizer, step = a_run(optim.Adam, {}, np.random.default_rng(0))
    params[2].grad = np.array(1.0, np.float32)
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert list(state["state"]) == [2]
    assert state["state"][2]["step"] == 1
    assert state["state"][2]["exp_avg"] is optimizer.state[params[2]]["exp_avg"]


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW, optim.RMSprop])
def test_steps_are_counted_for_each_parameter(make):
    params, optimizer, _ = a_run(make, {}, np.random.default_rng(0))
    for used in (params, params[:1], params[:1]):
        optimizer.zero_grad()
        for p in used:
            p.grad = np.ones_like(p.data)
        optimizer.step()
    assert [kept["step"] for kept in optimizer.state_dict()["state"].values()] == [3, 1, 1]


def test_two_optimizers_loaded_from_one_state_do_not_share_arrays():
    _, first, step = a_run(optim.SGD, {"momentum": 0.9}, np.random.default_rng(0))
    step(np.random.default_rng(1))
    state = first.state_dict()
    _, second, step = a_run(optim.SGD, {"momentum": 0.9}, np.random.default_rng(0))
    second.load_state_dict(state)
    before = copy.deepcopy(state)
    step(np.random.default_rng(2))
    for number, kept in before["state"].items():
        np.testing.assert_array_equal(first.state_dict()["state"][number]["momentum_buffer"], kept["momentum_buffer"])


def test_a_state_is_cast_to_the_parameters_dtype():
    params, optimizer, step = a_run(optim.Adam, {}, np.random.default_rng(0))
    step(np.random.default_rng(1))
    state = copy.deepcopy(optimizer.state_dict())
    for kept in state["state"].values():
        kept["exp_avg"] = kept["exp_avg"].astype(np.float64)
        kept["step"] = np.array(float(kept["step"]))  # PyTorch counts in a tensor
    optimizer.load_state_dict(state)
    step(np.random.default_rng(2))
    assert optimizer.state[params[0]]["step"] == 2
    assert all(kept["exp_avg"].dtype == np.float32 for kept in optimizer.state.values())


def test_options_that_the_state_does_not_have_stay():
    p = mt.Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1)
    state = optimizer.state_dict()
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 1.0, 10, cycle_momentum=False)
    optimizer.load_state_dict(state)
    scheduler.step()  # it needs "max_lr" and others in the group
    assert optimizer.param_groups[0]["params"] == [p] and optimizer.param_groups[0]["max_lr"] == 1.0


def test_an_option_turned_on_between_steps_starts_from_zero_and_survives_a_round_trip():
    params, optimizer, step = a_run(optim.Adam, {}, np.random.default_rng(0))
    step(np.random.default_rng(1))
    optimizer.param_groups[0]["amsgrad"] = True
    optimizer.load_state_dict(optimizer.state_dict())
    step(np.random.default_rng(2))
    kept = optimizer.state[params[0]]
    np.testing.assert_array_equal(kept["max_exp_avg_sq"], kept["exp_avg_sq"])


def change(state, path, value):
    *path, last = path
    for key in path:
        state = state[key]
    if value is None:
        del state[last]
    else:
        state[last] = value


@pytest.mark.parametrize("path, value, text", [
    (["state"], None, 'must be a dict with the keys "state" and "param_groups"'),
    (["param_groups", 1], None, r"parameters in each group: \[2, 1\] here, \[2\] in the state"),
    (["param_groups", 0, "params"], [0], r"parameters in each group: \[2, 1\] here, \[1, 1\] in the state"),
    (["param_groups", 1, "betas"], None, "group 1 has no betas"),
    (["state", 0, "exp_avg"], np.zeros((2, 3)), r"parameter 0: exp_avg has shape \(2, 3\), expected \(3, 2\)"),
    (["state", 2, "step"], np.zeros(3), r"parameter 2: step has shape \(3,\), expected \(\)"),
    (["state", 2, "exp_avg_sq"], None, "parameter 2: exp_avg_sq is missing"),
    (["state", 0, "momentum_buffer"], np.zeros((3, 2)), "parameter 0: momentum_buffer is nothing that Adam keeps"),
    (["state", 7], {"step": 1}, "parameter 7 is in no group, but has a state"),
    (["param_groups", 1, "lr"], -1.0, "Adam: lr must be at least 0, got -1.0"),
])  # fmt: skip
def test_a_state_that_does_not_fit_changes_nothing(path, value, text):
    params, optimizer, step = a_run(optim.Adam, {}, np.random.default_rng(0))
    for _ in range(3):
        step(np.random.default_rng(1))
    state = copy.deepcopy(optimizer.state_dict())
    change(state, path, value)
    for group in state["param_groups"][:1]:
        group["lr"] = 77.0
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match=text):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for number, kept in before["state"].items():
        for name, value in kept.items():
            np.testing.assert_array_equal(after["state"][number][name], value)


def test_everything_that_does_not_fit_is_listed():
    _, optimizer, step = a_run(optim.Adam, {}, np.random.default_rng(0))
    step(np.random.default_rng(1))
    state = copy.deepcopy(optimizer.state_dict())
    del state["state"][0]["step"]
    state["state"][2]["exp_avg"] = np.zeros(5)
    with pytest.raises(
        ValueError, match=r"(?s)doesn't fit this Adam; nothing was loaded\n.*0: step is missing\n.*2: exp_avg has shape"
    ):
        optimizer.load_state_dict(state)


def test_the_state_of_another_optimizer_is_refused():
    _, adam, step = a_run(optim.Adam, {}, np.random.default_rng(0))
    step(np.random.default_rng(1))
    _, sgd, _ = a_run(optim.SGD, {}, np.random.default_rng(0))
    with pytest.raises(ValueError, match="group 0 has no momentum, dampening, nesterov"):
        sgd.load_state_dict(adam.state_dict())
