"""SGD, Adam, AdamW, RMSprop by hand-computed steps; groups of parameters; what bad arguments get."""

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn import nn, optim

ALL = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop]


def a_parameter(*values, dtype=np.float64):
    return mt.Tensor(np.array(values, dtype), requires_grad=True)


def steps(optimizer, param, gradients):
    """The parameter's first value after each step."""
    seen = []
    for gradient in gradients:
        param.grad = np.full_like(param.data, gradient)
        optimizer.step()
        seen.append(float(param.data.ravel()[0]))
    return np.array(seen)


# by hand --------------------------------------------------------------------------------------------------------------


def test_sgd_goes_against_the_gradient():
    p = a_parameter(1.0)
    assert_close(steps(optim.SGD([p], lr=0.5), p, [2.0, -1.0]), [0.0, 0.5])


def test_sgd_momentum_starts_with_the_whole_gradient_and_dampens_the_next():
    # v = 2; v = 0.5 * 2 + (1 - 0.25) * 4 = 4
    p = a_parameter(10.0)
    assert_close(steps(optim.SGD([p], lr=1.0, momentum=0.5, dampening=0.25), p, [2.0, 4.0]), [8.0, 4.0])


def test_sgd_nesterov_looks_one_step_ahead():
    # v = 2, step 2 + 0.5 * 2 = 3; v = 0.5 * 2 + 4 = 5, step 4 + 0.5 * 5 = 6.5
    p = a_parameter(10.0)
    assert_close(steps(optim.SGD([p], lr=1.0, momentum=0.5, nesterov=True), p, [2.0, 4.0]), [7.0, 0.5])


def test_sgd_weight_decay_pulls_to_zero_and_maximize_turns_only_the_gradient():
    p, q = a_parameter(4.0), a_parameter(4.0)
    assert_close(steps(optim.SGD([p], lr=0.5, weight_decay=0.5), p, [1.0]), [2.5])  # 4 - 0.5 * (1 + 2)
    assert_close(steps(optim.SGD([q], lr=0.5, weight_decay=0.5, maximize=True), q, [1.0]), [3.5])  # 4 - 0.5 * (-1 + 2)


def test_adam_corrects_the_bias_of_both_means():
    # m = 0.5, 0.25 + 1 = 1.25; v = 0.25, 0.1875 + 1 = 1.1875; corrected m: 1, 1.25 / 0.75; v: 1, 1.1875 / 0.4375
    p = a_parameter(1.0)
    got = steps(optim.Adam([p], lr=0.5, betas=(0.5, 0.75), eps=0.0), p, [1.0, 2.0])
    assert_close(got, [0.5, 0.5 - 0.5 * (1.25 / 0.75) / np.sqrt(1.1875 / 0.4375)])


def test_adams_eps_is_added_to_the_corrected_root():
    p = a_parameter(1.0)
    assert_close(steps(optim.Adam([p], lr=0.5, eps=1.0), p, [3.0]), [1 - 0.5 * 3 / (3 + 1)])


def test_amsgrad_never_forgets_the_largest_gradient():
    # the largest corrected v is that of the first step: v = 0.25 * 16 = 4, then 0.75 * 4 + 0.25 = 3.25 < 4
    p = a_parameter(0.0)
    got = steps(optim.Adam([p], lr=1.0, betas=(0.0, 0.75), eps=0.0, amsgrad=True), p, [4.0, 1.0])
    assert_close(got, [-1.0, -1.0 - 1 / np.sqrt(4 / 0.4375)])


def test_adam_puts_weight_decay_into_the_gradient_and_adamw_beside_it():
    p, q = a_parameter(8.0), a_parameter(8.0)
    assert_close(steps(optim.Adam([p], lr=0.5, eps=0.0, weight_decay=0.25), p, [100.0]), [7.5])  # scaled away
    assert_close(steps(optim.AdamW([q], lr=0.5, eps=0.0, weight_decay=0.25), q, [100.0]), [8 * 0.875 - 0.5])


def test_rmsprop_divides_by_the_root_of_the_mean_square():
    # s = 0.25 * 16 = 4; 0.75 * 4 + 0.25 * 4 = 4
    p = a_parameter(1.0)
    assert_close(steps(optim.RMSprop([p], lr=0.5, alpha=0.75, eps=0.0), p, [4.0, 2.0]), [0.0, -0.5])


def test_rmsprop_momentum_adds_up_scaled_gradients():
    p = a_parameter(1.0)
    got = steps(optim.RMSprop([p], lr=0.5, alpha=0.75, eps=0.0, momentum=0.5), p, [4.0, 2.0])
    assert_close(got, [0.0, -1.0])  # v = 2, then 0.5 * 2 + 1


def test_centered_rmsprop_divides_by_the_standard_deviation():
    # s = 4, a = 1: 4 / sqrt(4 - 1)
    p = a_parameter(1.0)
    assert_close(steps(optim.RMSprop([p], lr=0.5, alpha=0.75, eps=0.0, centered=True), p, [4.0]), [1 - 2 / np.sqrt(3)])


# what every optimiser does --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
def test_float32_stays_float32_whatever_the_options_are(make):
    p = a_parameter(1.0, 2.0, dtype=np.float32)
    scalar = mt.Tensor(np.array(1.0, np.float32), requires_grad=True)
    optimizer = make([p, scalar], lr=np.float64(0.1), weight_decay=np.float64(0.1))
    optimizer.param_groups[0]["lr"] = np.float64(0.2)  # a schedule made with NumPy
    data = p.data, scalar.data
    for q in (p, scalar):
        q.grad = np.ones_like(q.data)
    optimizer.step()
    assert p.data is data[0] and scalar.data is data[1]  # changed in place
    for kept in optimizer.state.values():
        assert all(a.dtype == np.float32 for a in kept.values() if isinstance(a, np.ndarray))
    assert p.dtype == scalar.dtype == np.float32
    assert scalar.item() != 1.0


@pytest.mark.parametrize("make", ALL)
def test_only_parameters_with_a_gradient_are_changed(make):
    used, unused, frozen = a_parameter(1.0), a_parameter(1.0), mt.Tensor(np.ones(1))
    optimizer = make([used, unused, frozen], lr=0.1, weight_decay=0.1)
    (used * frozen).sum().backward()
    optimizer.step()
    assert used.item() != 1.0 and unused.item() == 1.0 and frozen.item() == 1.0
    assert unused not in optimizer.state and frozen not in optimizer.state


@pytest.mark.parametrize("make", ALL)
def test_a_lr_set_in_the_group_holds_from_the_next_step(make):
    p = a_parameter(1.0)
    optimizer = make([p], lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.0
    assert steps(optimizer, p, [1.0])[0] == 1.0


@pytest.mark.parametrize("make, lr", [(optim.SGD, 0.1), (optim.Adam, 0.1), (optim.AdamW, 0.1), (optim.RMSprop, 0.05)])
def test_a_regression_is_learnt(make, lr, rng):
    x, weight = rng.standard_normal((64, 3)), np.array([[1.0, -2.0, 0.5]])
    model = nn.Linear(3, 1).double()
    optimizer = make(model.parameters(), lr=lr)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = ((model(mt.Tensor(x)) - mt.Tensor(x @ weight.T)) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.01 * losses[0]


def test_zero_grad_forgets_or_fills_with_zeros():
    p, q = a_parameter(1.0), a_parameter(2.0)
    optimizer = optim.SGD([{"params": [p]}, {"params": [q]}])
    p.grad = grad = np.ones(1)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is grad and grad[0] == 0 and q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_step_calls_the_closure_first_and_returns_its_loss():
    p = a_parameter(3.0)
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9.0
    assert p.item() == 0.0


def test_groups_have_their_own_options_and_the_defaults_for_the_rest():
    p, q, r = a_parameter(1.0), a_parameter(1.0), a_parameter(1.0)
    given = {"params": q, "lr": 0.5}
    optimizer = optim.SGD([{"params": iter([p])}, given], lr=0.25, weight_decay=1.0)
    optimizer.add_param_group({"params": [r], "weight_decay": 0.0})
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.25, 1.0), (0.5, 1.0), (0.25, 0.0)]
    assert set(given) == {"params", "lr"}  # the caller's dict is left alone
    for t in (p, q, r):
        t.grad = np.ones(1)
    optimizer.step()
    assert [t.item() for t in (p, q, r)] == [0.5, 0.0, 0.75]


def test_a_models_parameters_are_taken_from_the_generator_in_order():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    optimizer = optim.Adam(model.parameters())
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in model.parameters()]


def test_repr_tells_the_options_of_each_group():
    optimizer = optim.SGD([{"params": [a_parameter(1.0)]}, {"params": [a_parameter(1.0)], "lr": 0.5}], lr=0.25)
    assert repr(optimizer).splitlines()[:2] == [
        "SGD(",
        "  group 0: 1 parameters, lr=0.25, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False",
    ]
    assert "group 1: 1 parameters, lr=0.5" in repr(optimizer)


# errors ---------------------------------------------------------------------------------------------------------------

NOT_ITERABLE = "params must be an iterable of Tensors or dicts, got"


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("params, error, text", [
    (lambda: [], ValueError, "list of parameters is empty .*walked only once"),
    (lambda: iter(()), ValueError, "list of parameters is empty"),
    (lambda: a_parameter(1.0), TypeError, f"{NOT_ITERABLE} Tensor"),
    (lambda: np.zeros(3), TypeError, f"{NOT_ITERABLE} ndarray"),
    (lambda: "weights", TypeError, f"{NOT_ITERABLE} str"),
    (lambda: {"params": [a_parameter(1.0)]}, TypeError, f"{NOT_ITERABLE} dict"),
    (lambda: None, TypeError, f"{NOT_ITERABLE} NoneType"),
    (lambda: nn.Linear(2, 2), TypeError, rf"{NOT_ITERABLE} Linear; of a module give its \.parameters\(\)"),
    (lambda: [a_parameter(1.0), np.zeros(3)], TypeError, "must hold Tensors, but number 1 is ndarray"),
    (lambda: nn.Linear(2, 2).named_parameters(), TypeError, r"number 0 is tuple; give parameters\(\), not named_parameters"),
    (lambda: [{"params": {a_parameter(1.0)}}], TypeError, "params is a set, and its order differs"),
    (lambda: [{"params": 3}], TypeError, f"{NOT_ITERABLE} int"),
    (lambda: [{"lr": 0.1}], TypeError, 'must be a dict with the key "params", got {\'lr\': 0.1}'),
    (lambda: [{"params": [a_parameter(1.0)]}, a_parameter(1.0)], TypeError, 'must be a dict with the key "params", got Tensor'),
    (lambda: [a_parameter(1.0) * 2], ValueError, r"parameter 0 of shape \(1,\) was made by \w+, .* detach\(\) it first"),
    (lambda: [a_parameter(1.0)] * 2, ValueError, r"parameter 1 of shape \(1,\) is there already"),
    (lambda: [{"params": p} for p in [a_parameter(1.0)] * 2], ValueError, r"parameter 0 of shape \(1,\) is there already"),
    (lambda: [{"params": a_parameter(1.0), "lr": -2}], ValueError, "lr must be at least 0, got -2"),
])  # fmt: skip
def test_params_that_are_none(make, params, error, text):
    with pytest.raises(error, match=f"^{make.__name__}: .*{text}"):
        make(params())


@pytest.mark.parametrize("make, options, error, text", [
    *[(make, {"lr": -0.1}, ValueError, "lr must be at least 0, got -0.1") for make in ALL],
    *[(make, {"lr": float("nan")}, ValueError, "lr must be at least 0, got nan") for make in ALL],
    *[(make, {"lr": "0.1"}, TypeError, "lr must be a number, got '0.1'") for make in ALL],
    *[(make, {"lr": None}, TypeError, "lr must be a number, got None") for make in ALL],
    *[(make, {"weight_decay": -1}, ValueError, "weight_decay must be at least 0, got -1") for make in ALL],
    *[(make, {"eps": -1e-8}, ValueError, "eps must be at least 0, got -1e-08") for make in ALL[1:]],
    (optim.SGD, {"momentum": -0.9}, ValueError, "momentum must be at least 0, got -0.9"),
    (optim.SGD, {"nesterov": True}, ValueError, "nesterov needs a momentum above 0 .*, got momentum=0, dampening=0"),
    (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "nesterov .* got momentum=0.9, dampening=0.1"),
    *[(make, {"betas": (1.0, 0.9)}, ValueError, r"betas\[0\] must be at least 0 and below 1, got 1.0") for make in ALL[1:3]],
    *[(make, {"betas": (0.9, -0.1)}, ValueError, r"betas\[1\] must be at least 0 and below 1, got -0.1") for make in ALL[1:3]],
    *[(make, {"betas": 0.9}, ValueError, "betas must be a pair of numbers, got 0.9") for make in ALL[1:3]],
    (optim.RMSprop, {"alpha": -1}, ValueError, "alpha must be at least 0, got -1"),
    (optim.RMSprop, {"momentum": -1}, ValueError, "momentum must be at least 0, got -1"),
])  # fmt: skip
def test_options_out_of_range(make, options, error, text):
    with pytest.raises(error, match=f"^{make.__name__}: {text}"):
        make([a_parameter(1.0)], **options)


def test_a_refused_group_leaves_the_optimizer_as_it_was():
    p = a_parameter(1.0)
    optimizer = optim.SGD([p])
    with pytest.raises(ValueError, match="is there already"):
        optimizer.add_param_group({"params": [a_parameter(2.0), p]})
    with pytest.raises(ValueError, match="momentum must be at least 0"):
        optimizer.add_param_group({"params": [a_parameter(2.0)], "momentum": -1})
    assert len(optimizer.param_groups) == 1


def test_a_computed_tensor_that_keeps_its_gradient_may_be_optimised():
    computed = a_parameter(1.0) * 2
    computed.retain_grad()
    optimizer = optim.SGD([computed], lr=0.5)
    (computed * 3).sum().backward()
    optimizer.step()
    assert computed.item() == 0.5


@pytest.mark.parametrize("make", ALL)
def test_a_gradient_of_another_shape_is_refused_before_any_parameter_moves(make):
    p, q = a_parameter(1.0), a_parameter(1.0, 2.0)
    optimizer = make([{"params": [p]}, {"params": [q]}])
    p.grad, q.grad = np.ones(1), np.ones(1)
    with pytest.raises(
        ValueError, match=rf"{make.__name__}: a parameter of shape \(2,\) has a gradient of shape \(1,\)"
    ):
        optimizer.step()
    assert p.item() == 1.0


@pytest.mark.parametrize("make, options", [(optim.SGD, {"momentum": 0.9}), *[(make, {}) for make in ALL[1:]]])
def test_a_model_that_was_moved_after_the_first_step_is_told_so(make, options):
    model = nn.Linear(1, 1)
    optimizer = make(model.parameters(), **options)
    model(mt.Tensor([[1.0]])).sum().backward()
    optimizer.step()
    model.double()
    with pytest.raises(
        RuntimeError, match=r"a parameter is float64 on cpu, but its \w+ is float32 on cpu: the model was moved"
    ):
        optimizer.step()


@pytest.mark.parametrize("make, options", [(optim.SGD, {"momentum": 0.9}), *[(make, {}) for make in ALL[1:]]])
def test_no_parameter_is_changed_if_a_later_one_was_moved(make, options):
    p, q = a_parameter(1.0), a_parameter(2.0)
    optimizer = make([{"params": [p]}, {"params": [q]}], **options)
    p.grad, q.grad = np.ones(1), np.ones(1)
    optimizer.step()
    q.data, q.grad = q.data.astype(np.float32), np.ones(1, np.float32)
    before = p.item()
    with pytest.raises(RuntimeError, match="the model was moved after the first step"):
        optimizer.step()
    assert p.item() == before
