"""Every optimiser with every option against PyTorch's over 20 steps, every schedule over its whole course, clipping, averaging.

Tolerances: a step has a dozen roundings of 6e-8 (float32) or 1e-16 (float64), and the errors of 20 steps add up: 1e-6 and 1e-12 of
the largest value. Learning rates are Python floats on both sides, and a course has some hundred of multiplications: 1e-12.
"""

import itertools

import numpy as np
import pytest
from against_torch import compare, torch

import minitorch_cnn as mt
from minitorch_cnn import nn, optim

SHAPES = ((3, 5), (4,), (), (2, 1, 3))
RTOL = {"float32": 1e-6, "float64": 1e-12}


def options(**choices):
    """A dict for each combination of the choices."""
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


SGD = options(
    momentum=[0, 0.9], dampening=[0, 0.3], weight_decay=[0, 0.02], nesterov=[False, True], maximize=[False, True]
)
SGD = [o for o in SGD if not o["nesterov"] or (o["momentum"] and not o["dampening"])]
ADAM = options(betas=[(0.9, 0.999), (0.7, 0.8)], weight_decay=[0, 0.02], amsgrad=[False, True], maximize=[False, True])
RMSPROP = options(
    alpha=[0.99, 0.6], weight_decay=[0, 0.02], momentum=[0, 0.9], centered=[False, True], maximize=[False, True]
)
RUNS = (
    [("SGD", {"lr": 0.05, **o}) for o in SGD]
    + [("Adam", {"lr": 0.05, **o}) for o in ADAM]
    + [("AdamW", {"lr": 0.05, **o}) for o in ADAM]
    + [("RMSprop", {"lr": 0.01, **o}) for o in RMSPROP]
    + [(name, {}) for name in ("SGD", "Adam", "AdamW", "RMSprop")]
    + [("Adam", {"eps": 0.1}), ("AdamW", {"eps": 0.1}), ("RMSprop", {"eps": 0.1})]
)


def a_pair(rng, dtype, shapes=SHAPES):
    """The same parameters twice: ours, PyTorch's."""
    values = [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]
    return [mt.Tensor(v.copy(), requires_grad=True) for v in values], [
        torch.tensor(v, requires_grad=True) for v in values
    ]


def set_gradients(rng, ours, theirs):
    """New random gradients; those of one parameter sometimes none."""
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if i == 1 and rng.random() < 0.3:
            a.grad = b.grad = None
            continue
        grad = np.asarray(rng.standard_normal(a.shape), a.dtype)
        a.grad, b.grad = grad, torch.tensor(grad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, options", RUNS, ids=str)
def test_twenty_steps_are_pytorchs(name, options, dtype, rng):
    ours, theirs = a_pair(rng, dtype)
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(20):
        set_gradients(rng, ours, theirs)
        a.step()
        b.step()
    for i, (p, q) in enumerate(zip(ours, theirs)):
        compare(p, q, f"parameter {i}", RTOL[dtype])


def test_each_group_has_its_own_options_and_the_defaults_for_the_rest(rng):
    ours, theirs = a_pair(rng, "float64")
    pair = []
    for params, package in ((ours, optim), (theirs, torch.optim)):
        groups = [{"params": params[:2]}, {"params": params[2], "lr": 0.5, "momentum": 0}]
        optimizer = package.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.1)
        optimizer.add_param_group({"params": iter(params[3:]), "weight_decay": 0.0, "nesterov": True})
        pair.append(optimizer)
    for _ in range(20):
        set_gradients(rng, ours, theirs)
        for optimizer in pair:
            optimizer.step()
    for i, (p, q) in enumerate(zip(ours, theirs)):
        compare(p, q, f"parameter {i}")


@pytest.mark.parametrize("name, options", [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("AdamW", {}),
                                           ("RMSprop", {"momentum": 0.9, "centered": True})])  # fmt: skip
def test_the_state_has_pytorchs_layout_and_can_come_from_there(name, options, rng):
    ours, theirs = a_pair(rng, "float64")
    a, b = getattr(optim, name)(ours, lr=0.1, **options), getattr(torch.optim, name)(theirs, lr=0.1, **options)
    for _ in range(3):
        for p, q in zip(ours, theirs):
            p.grad = rng.standard_normal(p.shape) + np.zeros(p.shape)
            q.grad = torch.tensor(p.grad)
        b.step()
    state = b.state_dict()
    arrays = {i: {key: value.numpy() for key, value in kept.items()} for i, kept in state["state"].items()}
    a.load_state_dict({"state": arrays, "param_groups": state["param_groups"]})
    for p, q in zip(ours, theirs):
        p.data[...] = q.detach().numpy()
    for _ in range(3):
        set_gradients(rng, ours, theirs)
        a.step()
        b.step()
    for i, (p, q) in enumerate(zip(ours, theirs)):
        compare(p, q, f"parameter {i}")
    ours_now, theirs_now = a.state_dict(), b.state_dict()
    assert set(ours_now) == set(theirs_now)
    for i, kept in theirs_now["state"].items():
        assert set(ours_now["state"][i]) == set(kept)
        for key, value in kept.items():
            if key == "step":
                assert ours_now["state"][i][key] == value.item()
            else:
                compare(ours_now["state"][i][key], value, key)
    for group, expected in zip(ours_now["param_groups"], theirs_now["param_groups"]):
        assert {key: expected[key] for key in group} == group


# schedules ------------------------------------------------------------------------------------------------------------

SCHEDULES = {
    "StepLR": lambda s, o: s.StepLR(o, 3, gamma=0.5),
    "StepLR by default": lambda s, o: s.StepLR(o, step_size=7),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 11], gamma=0.3),
    "MultiStepLR at 0": lambda s, o: s.MultiStepLR(o, [0, 9, 4]),
    "LinearLR": lambda s, o: s.LinearLR(o),
    "LinearLR down": lambda s, o: s.LinearLR(o, 0.9, 0.1, 8),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 25),
    "CosineAnnealingLR up again": lambda s, o: s.CosineAnnealingLR(o, 7, eta_min=0.01),
    "CosineAnnealingLR of one": lambda s, o: s.CosineAnnealingLR(o, 1),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
    "LambdaLR, a function a group": lambda s, o: s.LambdaLR(o, [lambda e: 1 / (1 + e), lambda e: 0.5 * e]),
    "warm-up, then cosine": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 4), s.CosineAnnealingLR(o, 10)], [5]),
    "three": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, total_iters=3), s.StepLR(o, 2, 0.5), s.LambdaLR(o, lambda e: 1 / (e + 1))], [3, 9]
    ),
    "one twice": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 2), s.StepLR(o, 1, 0.5), s.MultiStepLR(o, [0, 2])], [4, 4]),
    "from the second": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 2), s.StepLR(o, 1, 0.5)], [0]),
    "warm-up, then one cycle": lambda s, o: s.SequentialLR(o, [s.LinearLR(o), s.OneCycleLR(o, 1.0, 20)], [5]),
    "of one": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 2)], []),
}  # fmt: skip


def two_groups(package, kind="SGD", **options):
    p, q = (
        (package.Tensor([1.0]), package.Tensor([2.0])) if package is mt else (torch.tensor([1.0]), torch.tensor([2.0]))
    )
    groups = [{"params": [p]}, {"params": [q], "lr": 0.02}]
    return getattr(package.optim, kind)(groups, lr=0.3, **options)


def course(package, build, steps, optimizer, metrics=None):
    """What a schedule does to the options of each group, at the start and after each step."""
    scheduler = build(package.optim.lr_scheduler, optimizer)
    seen = []
    for i in range(steps + 1):
        if i:
            optimizer.step()  # PyTorch warns if it isn't called
            scheduler.step(*([metrics[i - 1]] if metrics is not None else []))
        groups = optimizer.param_groups
        assert scheduler.get_last_lr() == [group["lr"] for group in groups]
        seen.append([[group["lr"], group.get("momentum", 0), *group.get("betas", ())] for group in groups])
    assert scheduler.last_epoch == steps
    return np.array(seen)


def assert_same_course(build, steps=25, metrics=None, kind="SGD", **options):
    ours, theirs = (
        course(package, build, steps, two_groups(package, kind, **options), metrics) for package in (mt, torch)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    assert len(np.unique(theirs[:, 0, 0])) > 1  # the schedule does something


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedules_whole_course_is_pytorchs(build):
    assert_same_course(build, momentum=0.9)


@pytest.mark.parametrize(
    "build", [b for n, b in SCHEDULES.items() if n.startswith(("Step", "Multi", "Linear", "Cosine"))]
)
def test_two_schedules_on_one_optimizer_multiply_as_in_pytorch(build):
    courses = []
    for package in (mt, torch):
        optimizer = two_groups(package)
        first = build(package.optim.lr_scheduler, optimizer)
        second = package.optim.lr_scheduler.StepLR(optimizer, 2, 0.7)
        seen = []
        for _ in range(20):
            optimizer.step()
            first.step()
            second.step()
            seen.append(second.get_last_lr())
        courses.append(seen)
    np.testing.assert_allclose(*courses, rtol=1e-12)


ONE_CYCLE = options(
    pct_start=[0.3, 0.45, 1.0, 0.0],
    anneal_strategy=["cos", "linear"],
    three_phase=[False, True],
    div_factor=[25.0, 4.0],
)
ONE_CYCLE = [
    o for o in ONE_CYCLE if not (o["three_phase"] and o["pct_start"] in (0.0, 1.0))
]  # phases of negative length


@pytest.mark.parametrize("kind, momentum", [("SGD", {"momentum": 0.9}), ("Adam", {}), ("RMSprop", {"momentum": 0.5})])
@pytest.mark.parametrize("options", ONE_CYCLE, ids=str)
def test_one_cycle_is_pytorchs(options, kind, momentum):
    build = lambda s, o: s.OneCycleLR(o, [0.8, 0.1], epochs=5, steps_per_epoch=4, final_div_factor=100.0, **options)  # noqa: E731
    steps = 19 if options["pct_start"] == 1.0 else 20  # PyTorch divides by 0 in the last one, of no use in training
    assert_same_course(build, steps, kind=kind, **momentum)


@pytest.mark.parametrize(
    "more", [{}, {"cycle_momentum": False}, {"base_momentum": [0.5, 0.6], "max_momentum": (0.99, 0.9)}]
)
@pytest.mark.parametrize("total_steps", [2, 17])
def test_one_cycle_has_pytorchs_defaults(total_steps, more):
    assert_same_course(lambda s, o: s.OneCycleLR(o, 0.8, total_steps, **more), steps=total_steps, momentum=0.9)


PLATEAU = options(mode=["min", "max"], threshold_mode=["rel", "abs"], cooldown=[0, 3], min_lr=[0, [0.01, 0.005]])


@pytest.mark.parametrize(
    "options", [*PLATEAU, {"eps": 0.01}, {"factor": 0.7, "patience": 0}, {"threshold": 0.5}], ids=str
)
def test_reduce_on_plateau_is_pytorchs(options, rng):
    metrics = np.cumsum(rng.choice([-1, 0, 0, 1], 60)) * 0.1 + rng.choice([0.0, 1e-3], 60)
    options = {"factor": 0.5, "patience": 2, "threshold": 0.05, **options}
    assert_same_course(lambda s, o: s.ReduceLROnPlateau(o, **options), 60, metrics)


def test_reduce_on_plateau_has_pytorchs_defaults(rng):
    metrics = 3 + 1e-4 * rng.standard_normal(60)
    assert_same_course(lambda s, o: s.ReduceLROnPlateau(o), 60, metrics)


@pytest.mark.parametrize("last_epoch", [0, 2, 5])
@pytest.mark.parametrize("build", [
    lambda s, o, e: s.StepLR(o, 3, 0.5, last_epoch=e), lambda s, o, e: s.MultiStepLR(o, [3, 7], 0.5, e),
    lambda s, o, e: s.LinearLR(o, 0.2, 0.9, 10, e), lambda s, o, e: s.CosineAnnealingLR(o, 9, 0.01, e),
    lambda s, o, e: s.LambdaLR(o, lambda e: 1 / (e + 1), e)])  # fmt: skip
def test_a_schedule_that_goes_on_after_last_epoch_is_pytorchs(build, last_epoch):
    courses = []
    for package in (mt, torch):
        optimizer = two_groups(package)
        for group in optimizer.param_groups:
            group["initial_lr"] = 2 * group["lr"]
        scheduler = build(package.optim.lr_scheduler, optimizer, last_epoch)
        seen = [scheduler.get_last_lr()]
        for _ in range(12):
            optimizer.step()
            scheduler.step()
            seen.append(scheduler.get_last_lr())
        courses.append(seen)
    np.testing.assert_allclose(*courses, rtol=1e-12, atol=1e-15)


# clipping and averaging -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.5, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 3, 1e6, 0.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_grad_norm_is_pytorchs(norm_type, max_norm, dtype, rng):
    ours, theirs = a_pair(rng, dtype)
    set_gradients(rng, ours, theirs)
    ours[2].grad = theirs[2].grad = None
    norm = optim.clip_grad_norm_(iter(ours), max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    compare(norm, expected, "the norm", RTOL[dtype])
    for i, (p, q) in enumerate(zip(ours, theirs)):
        if q.grad is not None:
            compare(p.grad, q.grad, f"gradient {i}", RTOL[dtype])
    assert ours[2].grad is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clipping_by_a_norm_that_is_not_finite_is_pytorchs(bad):
    ours, theirs = mt.Tensor([0.0] * 3, requires_grad=True), torch.zeros(3, requires_grad=True)
    ours.grad, theirs.grad = np.array([1, bad, 2], np.float32), torch.tensor([1, bad, 2])
    compare(optim.clip_grad_norm_(ours, 1.0), torch.nn.utils.clip_grad_norm_(theirs, 1.0), "the norm")
    compare(ours.grad, theirs.grad, "the gradient")


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("decay", [0.999, 0.7, 0.2, 0.0, 1.0])
def test_the_moving_average_is_averaged_models(decay, use_buffers, rng):
    swa = torch.optim.swa_utils
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()
    average = optim.ExponentialMovingAverage(ours, decay, use_buffers)
    expected = swa.AveragedModel(theirs, multi_avg_fn=swa.get_ema_multi_avg_fn(decay), use_buffers=use_buffers)
    for _ in range(5):
        for value in theirs.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.tensor(rng.random(tuple(value.shape))))
        ours.load_state_dict(theirs.state_dict())
        average.update_parameters(ours)
        expected.update_parameters(theirs)
    state, wanted = average.state_dict(), expected.state_dict()
    assert list(state) == list(wanted)
    for key in wanted:
        compare(state[key], wanted[key], key)
    x = rng.standard_normal((6, 3))
    compare(average.eval()(mt.Tensor(x)), expected.eval()(torch.tensor(x)), "the output")
