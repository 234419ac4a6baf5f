"""Schedules by their closed forms and hand-computed values; their state; what bad arguments get."""

import json
import math

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn import optim
from minitorch_cnn.optim import lr_scheduler as S


def an_optimizer(*lrs, make=optim.SGD, **options):
    """An optimiser with a group for each rate (0.5 by default)."""
    return make([{"params": [mt.Tensor([1.0])], "lr": lr} for lr in lrs or (0.5,)], **options)


def course(scheduler, steps):
    """The first group's rate, at the start and after each step."""
    rates = scheduler.get_last_lr()[:1]
    for _ in range(steps):
        scheduler.step()
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
    assert scheduler.last_epoch == steps
    return rates


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)  # some dozens of multiplications of Python floats


# courses --------------------------------------------------------------------------------------------------------------


def test_step_lr_is_its_closed_form():
    close(course(S.StepLR(an_optimizer(), 3, gamma=0.1), 10), [0.5 * 0.1 ** (t // 3) for t in range(11)])


def test_multi_step_lr_counts_the_milestones_passed():
    milestones = [7, 2, 2, 5]  # in any order, one of them twice
    got = course(S.MultiStepLR(an_optimizer(), milestones, gamma=0.5), 9)
    close(got, [0.5 * 0.5 ** sum(m <= t for m in milestones) for t in range(10)])


def test_linear_lr_is_its_closed_form_and_then_constant():
    got = course(S.LinearLR(an_optimizer(), 0.2, 0.8, total_iters=4), 7)
    close(got, [0.5 * (0.2 + 0.6 * min(t, 4) / 4) for t in range(8)])


def test_linear_lr_of_no_length_stays_at_its_start_factor():
    close(course(S.LinearLR(an_optimizer(), 0.5, total_iters=0), 3), [0.25] * 4)


@pytest.mark.parametrize("T_max", [1, 2, 5, 20])
def test_cosine_annealing_is_its_closed_form_and_goes_up_again(T_max):
    got = course(S.CosineAnnealingLR(an_optimizer(), T_max, eta_min=0.1), 45)
    expected = [0.1 + 0.4 * (1 + math.cos(math.pi * t / T_max)) / 2 for t in range(46)]
    np.testing.assert_allclose(
        got, expected, rtol=1e-9
    )  # next to the lowest point, 1 + cos(..) cancels: the recursion loses digits


def test_lambda_lr_is_the_function_times_the_first_rate_of_each_group():
    scheduler = S.LambdaLR(an_optimizer(0.5, 2.0), [lambda t: 1 / (1 + t), lambda t: 0.5**t])
    scheduler.step()
    scheduler.step()
    close(scheduler.get_last_lr(), [0.5 / 3, 0.5])


def test_one_cycle_rises_to_its_maximum_and_falls_to_its_minimum():
    optimizer = an_optimizer(9.0, momentum=0.1)  # neither of them is used
    scheduler = S.OneCycleLR(optimizer, 0.8, total_steps=11, pct_start=5 / 11, div_factor=8, final_div_factor=100)
    group = optimizer.param_groups[0]
    seen = [(group["lr"], group["momentum"])]
    for _ in range(10):
        scheduler.step()
        seen.append((group["lr"], group["momentum"]))
    half = [(1 + math.cos(math.pi * t)) / 2 for t in (0, 0.25, 0.5, 0.75, 1)]  # 1 to 0
    up = [(0.8 - 0.7 * h, 0.85 + 0.1 * h) for h in half]
    down = [(1 + math.cos(math.pi * t / 6)) / 2 for t in range(1, 7)]
    close(seen, up + [(0.001 + 0.799 * h, 0.95 - 0.1 * h) for h in down])


def test_three_phases_fall_to_the_first_rate_and_then_to_the_minimum():
    optimizer = an_optimizer(9.0, momentum=0.1)
    scheduler = S.OneCycleLR(optimizer, 8.0, total_steps=9, pct_start=1 / 3, anneal_strategy="linear", div_factor=4,
                             final_div_factor=2, three_phase=True)  # fmt: skip
    close(course(scheduler, 8), [2, 5, 8, 5, 2, 1.75, 1.5, 1.25, 1])
    close(optimizer.param_groups[0]["momentum"], 0.95)


def test_one_cycle_moves_beta1_of_adam_and_leaves_beta2():
    optimizer = an_optimizer(make=optim.Adam, betas=(0.5, 0.7))
    scheduler = S.OneCycleLR(optimizer, 0.1, total_steps=10, pct_start=0.5)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.7)
    course(scheduler, 4)
    close(optimizer.param_groups[0]["betas"], (0.85, 0.7))


def test_one_cycle_without_momentum_leaves_it_alone():
    optimizer = an_optimizer(momentum=0.7)
    course(S.OneCycleLR(optimizer, 0.1, epochs=2, steps_per_epoch=3, cycle_momentum=False), 6)
    assert optimizer.param_groups[0]["momentum"] == 0.7


def test_one_cycle_whose_rise_has_no_length_starts_at_the_maximum():
    close(course(S.OneCycleLR(an_optimizer(), 0.5, total_steps=10, pct_start=0.1), 0), [0.5])


def test_one_cycle_of_a_single_step_is_at_its_end():
    close(course(S.OneCycleLR(an_optimizer(), 0.5, total_steps=1, div_factor=5, final_div_factor=10), 0), [0.01])


def test_one_cycle_allows_one_step_after_each_batch_and_no_more():
    scheduler = S.OneCycleLR(an_optimizer(), 0.5, epochs=2, steps_per_epoch=5)
    course(scheduler, 10)
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="OneCycleLR: step 11 of a schedule of 10 steps; give total_steps"):
        scheduler.step()
    assert scheduler.state_dict() == before


def test_sequential_starts_each_schedule_at_its_own_beginning():
    optimizer = an_optimizer()
    warm_up = S.LinearLR(optimizer, 0.2, total_iters=3)
    cosine = S.CosineAnnealingLR(optimizer, 4)
    got = course(S.SequentialLR(optimizer, [warm_up, cosine], [4]), 8)
    close(got, [0.1, 0.1 + 0.4 / 3, 0.1 + 0.8 / 3, 0.5] + [0.25 * (1 + math.cos(math.pi * t / 4)) for t in range(5)])


def test_a_sequence_may_be_part_of_a_sequence():
    optimizer = an_optimizer()
    inner = S.SequentialLR(optimizer, [S.LinearLR(optimizer, 0.5, total_iters=1), S.StepLR(optimizer, 1, 0.5)], [2])
    outer = S.SequentialLR(optimizer, [S.LambdaLR(optimizer, lambda t: 2), inner], [2])
    close(course(outer, 6), [1.0, 1.0, 0.25, 0.5, 0.5, 0.25, 0.125])
    again = S.SequentialLR(optimizer, [inner, S.LambdaLR(optimizer, lambda t: 2)], [3])
    close(course(again, 4), [0.25, 0.5, 0.5, 1.0, 1.0])


def test_two_schedules_on_one_optimizer_multiply():
    optimizer = an_optimizer()
    first, second = S.StepLR(optimizer, 1, 0.5), S.StepLR(optimizer, 2, 0.1)
    for _ in range(2):
        first.step()
        second.step()
    close(optimizer.param_groups[0]["lr"], 0.5 * 0.25 * 0.1)


def plateau(metrics, **options):
    """The rates after each measurement."""
    scheduler = S.ReduceLROnPlateau(an_optimizer(8.0), factor=0.5, **options)
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates += scheduler.get_last_lr()
    return rates


def test_reduce_on_plateau_waits_for_its_patience_and_starts_to_count_again():
    assert plateau([5, 4, 4, 4, 4, 4, 4], patience=1) == [8, 8, 8, 4, 4, 2, 2]
    assert plateau([5, 4, 4, 3, 3, 3], patience=1) == [8, 8, 8, 8, 8, 4]  # the improvement starts the count anew


def test_reduce_on_plateau_counts_only_improvements_beyond_the_threshold():
    falling = [10, 9.5, 9, 8.9]  # each 5 % or 0.5 better, or a little less
    assert plateau(falling, patience=0, threshold=0.04) == [8, 8, 8, 4]
    assert plateau(falling, patience=0, threshold=0.1) == [8, 4, 2, 2]  # 9 isn't below 10 * 0.9, 8.9 is
    assert plateau(falling, patience=0, threshold=0.4, threshold_mode="abs") == [8, 8, 8, 4]
    assert plateau([-x for x in falling], patience=0, threshold=0.4, threshold_mode="abs", mode="max") == [8, 8, 8, 4]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_as_good_as_the_best_is_no_improvement(mode, threshold_mode):
    assert plateau([1, 1], patience=0, threshold=0, threshold_mode=threshold_mode, mode=mode) == [8, 4]


def test_reduce_on_plateau_in_max_mode_wants_more():
    assert plateau([1, 2, 3], patience=0, mode="max") == [8, 8, 8]
    assert plateau([3, 2, 1], patience=0, mode="max") == [8, 4, 2]
    assert plateau([1, 1.05, 1.2], patience=0, mode="max", threshold=0.1) == [8, 4, 4]


def test_reduce_on_plateau_forgives_during_its_cooldown():
    assert plateau([1] * 8, patience=0, cooldown=2) == [8, 4, 4, 4, 2, 2, 2, 1]


def test_reduce_on_plateau_stops_at_min_lr_and_leaves_out_changes_below_eps():
    assert plateau([1] * 5, patience=0, min_lr=3) == [8, 4, 3, 3, 3]
    assert plateau([1] * 5, patience=0, eps=1.5) == [8, 4, 2, 2, 2]


def test_reduce_on_plateau_takes_a_tensor_and_a_minimum_for_each_group():
    scheduler = S.ReduceLROnPlateau(an_optimizer(8.0, 4.0), factor=0.5, patience=0, min_lr=[1.0, 3.0])
    for _ in range(3):
        scheduler.step(mt.Tensor(2.5))
    assert scheduler.get_last_lr() == [2.0, 3.0]


def test_rates_are_python_floats_whatever_they_are_made_of():
    optimizer = an_optimizer(np.float32(0.5))
    for scheduler in (
        S.LambdaLR(optimizer, lambda t: np.float64(0.5)),
        S.OneCycleLR(optimizer, np.float64(0.1), np.int64(5)),
    ):
        scheduler.step()
        assert [type(group["lr"]) for group in optimizer.param_groups] == [float]
        assert [type(lr) for lr in scheduler.get_last_lr()] == [float]


# state ----------------------------------------------------------------------------------------------------------------

MAKERS = {
    "StepLR": lambda o: S.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: S.MultiStepLR(o, (2, 5, 5), 0.5),
    "LinearLR": lambda o: S.LinearLR(o, 0.2, 0.9, 8),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, 5, 0.01),
    "OneCycleLR": lambda o: S.OneCycleLR(o, [1.0, 2.0], 20),
    "LambdaLR": lambda o: S.LambdaLR(o, lambda t: 0.9**t),
    "ReduceLROnPlateau": lambda o: S.ReduceLROnPlateau(o, patience=1, cooldown=1, min_lr=(0.0, 1.0)),
    "SequentialLR": lambda o: S.SequentialLR(o, [S.LinearLR(o, total_iters=3), S.StepLR(o, 2)], [4]),
}


def a_step(scheduler):
    scheduler.step(*([1.0] if isinstance(scheduler, S.ReduceLROnPlateau) else []))
    group = scheduler.optimizer.param_groups[0]
    return scheduler.get_last_lr(), group["lr"], group["momentum"]


@pytest.mark.parametrize("before", [0, 3, 5])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_schedule_goes_on_where_its_state_was_saved(make, before):
    optimizer = an_optimizer(0.5, 2.0, momentum=0.9)
    scheduler = make(optimizer)
    for _ in range(before):
        a_step(scheduler)
    saved = json.dumps([scheduler.state_dict(), optimizer.state_dict()])  # plain numbers, words and lists
    expected = [a_step(scheduler) for _ in range(8)]

    optimizer = an_optimizer(0.5, 2.0, momentum=0.9)
    other = make(optimizer)
    a_step(other)
    state, optimizer_state = json.loads(saved)
    optimizer.load_state_dict(optimizer_state)
    other.load_state_dict(state)
    assert [a_step(other) for _ in range(8)] == expected


def test_options_come_with_the_state():
    first, second = S.StepLR(an_optimizer(), 3, 0.5), S.StepLR(an_optimizer(), 7, 0.1)
    second.load_state_dict(first.state_dict())
    assert (second.step_size, second.gamma) == (3, 0.5)


def test_the_state_of_a_lambda_has_no_function_in_it():
    scheduler = S.LambdaLR(an_optimizer(), lambda t: 1.0)
    assert scheduler.state_dict() == {"base_lrs": [0.5], "last_epoch": 0, "_last_lr": [0.5]}


def test_a_state_is_a_copy():
    scheduler = S.StepLR(an_optimizer(), 1)
    state = scheduler.state_dict()
    scheduler.step()
    scheduler.base_lrs[0] = 7.0
    assert state["last_epoch"] == 0 and state["base_lrs"] == [0.5]


def test_a_state_that_does_not_fit_changes_nothing():
    scheduler = S.StepLR(an_optimizer(), 3)
    before = scheduler.state_dict()
    other = S.CosineAnnealingLR(an_optimizer(0.1, 0.2), 5)
    text = (
        "doesn't fit this StepLR; nothing was loaded\n  missing: step_size, gamma\n  unexpected: T_max, eta_min\n  "
        "base_lrs has 2 values, expected 1"
    )
    with pytest.raises(ValueError, match=text):
        scheduler.load_state_dict(other.state_dict())
    assert scheduler.state_dict() == before


def test_a_sequence_loads_nothing_unless_all_of_its_schedules_fit():
    scheduler = MAKERS["SequentialLR"](an_optimizer())
    state = MAKERS["SequentialLR"](an_optimizer()).state_dict()
    before = scheduler.state_dict()
    state["_schedulers"][0]["last_epoch"] = state["last_epoch"] = 3
    del state["_schedulers"][1]["gamma"]
    with pytest.raises(ValueError, match=r"nothing was loaded\n  _schedulers\[1\], StepLR: missing: gamma"):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before
    del state["_schedulers"][1]
    with pytest.raises(ValueError, match="_schedulers: 1 in the state, 2 here"):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before


# errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [
    lambda o: S.StepLR(o, 1), lambda o: S.MultiStepLR(o, [1]), S.LinearLR, lambda o: S.CosineAnnealingLR(o, 1),
    lambda o: S.OneCycleLR(o, 1.0, 5), lambda o: S.LambdaLR(o, abs), S.ReduceLROnPlateau,
    lambda o: S.SequentialLR(o, [], [])])  # fmt: skip
def test_a_schedule_wants_an_optimizer(make):
    with pytest.raises(TypeError, match=r"^\w+LR\w*: optimizer must be an Optimizer, got Tensor"):
        make(mt.Tensor([1.0]))


@pytest.mark.parametrize("make, text", [
    (lambda o: S.StepLR(o, 0), "StepLR: step_size must be at least 1, got 0"),
    (lambda o: S.LinearLR(o, 0.0), "LinearLR: start_factor must be above 0 and at most 1, got 0.0"),
    (lambda o: S.LinearLR(o, 1.5), "LinearLR: start_factor must be above 0 and at most 1, got 1.5"),
    (lambda o: S.LinearLR(o, end_factor=-0.1), "LinearLR: end_factor must be between 0 and 1, got -0.1"),
    (lambda o: S.CosineAnnealingLR(o, 0), "CosineAnnealingLR: T_max must be above 0, got 0"),
    (lambda o: S.LambdaLR(o, [abs]), "LambdaLR: lr_lambda has 1 values, but the optimizer has 2 parameter groups"),
    (lambda o: S.OneCycleLR(o, 1.0), "OneCycleLR: give total_steps, or epochs and .*; got total_steps=None, epochs=None"),
    (lambda o: S.OneCycleLR(o, 1.0, epochs=5), "steps_per_epoch=None"),
    (lambda o: S.OneCycleLR(o, 1.0, 0), "OneCycleLR: total_steps must be an integer from 1 on, got 0"),
    (lambda o: S.OneCycleLR(o, 1.0, 2.5), "OneCycleLR: total_steps must be an integer from 1 on, got 2.5"),
    (lambda o: S.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=-1), "steps_per_epoch must be an integer from 1 on, got -1"),
    (lambda o: S.OneCycleLR(o, 1.0, epochs=0, steps_per_epoch=3), "OneCycleLR: epochs must be an integer from 1 on, got 0"),
    (lambda o: S.OneCycleLR(o, 1.0, 5, pct_start=1.1), "OneCycleLR: pct_start must be between 0 and 1, got 1.1"),
    (lambda o: S.OneCycleLR(o, 1.0, 5, anneal_strategy="cosine"), "anneal_strategy must be 'cos' or 'linear', got 'cosine'"),
    (lambda o: S.OneCycleLR(o, [1.0], 5), "OneCycleLR: max_lr has 1 values, but the optimizer has 2 parameter groups"),
    (lambda o: S.OneCycleLR(o, 1.0, 5, base_momentum=[0.1]), "OneCycleLR: base_momentum has 1 values"),
    (lambda o: S.ReduceLROnPlateau(o, factor=1.0), "ReduceLROnPlateau: factor must be at least 0 and below 1, got 1.0"),
    (lambda o: S.ReduceLROnPlateau(o, "least"), "ReduceLROnPlateau: mode must be 'min' or 'max', got 'least'"),
    (lambda o: S.ReduceLROnPlateau(o, threshold_mode="x"), "ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got 'x'"),
    (lambda o: S.ReduceLROnPlateau(o, min_lr=[1]), "ReduceLROnPlateau: min_lr has 1 values, but the optimizer has 2"),
    (lambda o: S.SequentialLR(o, [], []), "SequentialLR: the list of schedulers is empty"),
    (lambda o: S.SequentialLR(o, [S.StepLR(o, 1)] * 2, []), "SequentialLR: 2 schedulers need 1 milestones, got 0"),
    (lambda o: S.SequentialLR(o, [S.StepLR(o, 1)] * 3, [5, 4]), r"SequentialLR: milestones must be in order, got \[5, 4\]"),
    (lambda o: S.SequentialLR(o, [S.ReduceLROnPlateau(o)], []), r"SequentialLR: schedulers\[0\] is a ReduceLROnPlateau"),
    (lambda o: S.SequentialLR(o, [S.StepLR(an_optimizer(), 1)], []), r"schedulers\[0\], a StepLR, was made for another"),
    (lambda o: S.SequentialLR(o, [S.StepLR(o, 1)], [], 4), "SequentialLR: to go on after step 4, use load_state_dict"),
])  # fmt: skip
def test_arguments_out_of_range(make, text):
    optimizer = an_optimizer(0.5, 2.0)
    with pytest.raises(ValueError, match=text):
        make(optimizer)


def test_one_cycle_wants_an_optimizer_with_momentum():
    class Plain(optim.Optimizer):
        def check_options(self, options):
            return options

    optimizer = Plain([mt.Tensor([1.0])], {"lr": 0.1})
    with pytest.raises(ValueError, match="OneCycleLR: Plain has neither momentum nor betas; give cycle_momentum=False"):
        S.OneCycleLR(optimizer, 1.0, 5)
    S.OneCycleLR(optimizer, 1.0, 5, cycle_momentum=False).step()


def test_refused_arguments_leave_the_optimizer_as_it_was():
    optimizer = an_optimizer(0.5, 2.0, momentum=0.9)
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises(ValueError, match="max_momentum has 1 values"):
        S.OneCycleLR(optimizer, 1.0, 5, max_momentum=[0.1])
    assert optimizer.param_groups == before


def test_only_schedules_can_be_in_a_sequence():
    with pytest.raises(TypeError, match=r"SequentialLR: schedulers\[0\] must be a scheduler, got float"):
        S.SequentialLR(an_optimizer(), [0.1], [])


def test_going_on_after_last_epoch_needs_the_first_rate():
    with pytest.raises(KeyError, match=r"StepLR: param_groups\[0\] has no .*initial_lr.*, which last_epoch=4 needs"):
        S.StepLR(an_optimizer(), 3, last_epoch=4)


def test_a_group_added_later_is_followed_where_the_formula_allows_it():
    optimizer = an_optimizer()
    step, linear = S.StepLR(optimizer, 1, 0.5), S.LambdaLR(optimizer, lambda t: 1.0)
    optimizer.add_param_group({"params": [mt.Tensor([1.0])], "lr": 4.0})
    step.step()
    assert step.get_last_lr() == [0.25, 2.0]
    with pytest.raises(RuntimeError, match="LambdaLR: made for 1 parameter groups, but the optimizer has 2 now"):
        linear.step()
