"""Losses against their formulas, sample by sample, and against numerical differences.

cross entropy   -sum over j of q[j] * log p[j],  p = softmax(x)
q[j]          = (1 - e) * w[t] * [j = t] + e / C * w[j]        class number t, smoothing e, C classes, class weights w
mean          = sum of the losses / sum of w[t], over the samples whose target isn't ignored
"""

import math

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F

EXACT = 1e-13  # float64: sums of some ten values, logarithms of numbers near 1


def log_softmax(row):
    largest = max(row)
    total = math.fsum(math.exp(v - largest) for v in row)
    return [v - largest - math.log(total) for v in row]


def naive_cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", smoothing=0.0, logs=log_softmax):
    """x (N, C, ...), target (N, ...) class numbers, or (N, C, ...) probabilities."""
    C = x.shape[1]
    w = [1.0] * C if weight is None else weight.tolist()
    soft = target.dtype.kind == "f"
    losses, divisor = np.zeros((len(x), *x.shape[2:])), 0.0
    for n, *place in np.ndindex(losses.shape):
        logp = logs(x[(n, slice(None), *place)].tolist())
        if soft:
            q = target[(n, slice(None), *place)].tolist()
            losses[(n, *place)] = -math.fsum(
                w[j] * ((1 - smoothing) * q[j] + smoothing / C) * logp[j] for j in range(C)
            )
            divisor += 1
            continue
        t = int(target[(n, *place)])
        if t == ignore_index:
            continue
        losses[(n, *place)] = -(1 - smoothing) * w[t] * logp[t]
        losses[(n, *place)] -= smoothing / C * math.fsum(w[j] * logp[j] for j in range(C)) if smoothing else 0
        divisor += w[t]
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / divisor if divisor else np.nan}[reduction]


SHAPES = [(4, 5), (3, 2, 4), (2, 3, 4, 5)]  # (N, C), (N, C, d1), (N, C, d1, d2)


def case(shape, rng, ignored=True):
    x, weight = 2 * rng.standard_normal(shape), rng.random(shape[1]) + 0.1
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    if ignored:
        target.flat[::3] = -100
    return x, weight, target


# cross entropy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_of_class_numbers(shape, reduction, weighted, smoothing, rng):
    x, weight, target = case(shape, rng)
    weight = weight if weighted else None
    expected = naive_cross_entropy(x, target, weight, reduction=reduction, smoothing=smoothing)

    def operator(x):
        return F.cross_entropy(x, target, weight, reduction=reduction, label_smoothing=smoothing)

    assert_close(operator(mt.Tensor(x)), expected, EXACT)
    mt.gradcheck(operator, x)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_of_probabilities(shape, reduction, weighted, smoothing, rng):
    x, weight, _ = case(shape, rng)
    weight = weight if weighted else None
    target = rng.random(shape)  # they needn't add up to 1
    expected = naive_cross_entropy(x, target, weight, reduction=reduction, smoothing=smoothing)

    def operator(x):
        return F.cross_entropy(x, target, weight, reduction=reduction, label_smoothing=smoothing)

    assert_close(operator(mt.Tensor(x)), expected, EXACT)
    mt.gradcheck(operator, x)
    assert np.array_equal(
        F.cross_entropy(mt.Tensor(x), mt.Tensor(target)).numpy(), F.cross_entropy(mt.Tensor(x), target).numpy()
    )


def test_certain_probabilities_are_class_numbers(rng):
    x, _, target = case((5, 4), rng, ignored=False)
    soft = np.eye(4)[target]
    assert_close(F.cross_entropy(mt.Tensor(x), soft), F.cross_entropy(mt.Tensor(x), target).numpy(), EXACT)


def test_the_gradient_is_probabilities_minus_wanted(rng):
    x, _, target = case((5, 4), rng, ignored=False)
    t = mt.Tensor(x, requires_grad=True)
    F.cross_entropy(t, target).backward()
    p = np.exp([log_softmax(row) for row in x.tolist()])
    assert_close(t.grad, (p - np.eye(4)[target]) / 5, EXACT)


@pytest.mark.parametrize("ignore_index", [-100, 2, 255, -1])
def test_an_ignored_sample_neither_costs_nor_counts(ignore_index, rng):
    x, weight, target = case((6, 4), rng, ignored=False)
    target[[1, 4]] = ignore_index
    kept = [i for i in range(6) if target[i] != ignore_index]
    for options in ({}, {"weight": weight}, {"label_smoothing": 0.2}, {"weight": weight, "label_smoothing": 0.2}):
        t = mt.Tensor(x, requires_grad=True)
        loss = F.cross_entropy(t, target, ignore_index=ignore_index, **options)
        assert_close(loss, F.cross_entropy(mt.Tensor(x[kept]), target[kept], **options).numpy(), EXACT)
        loss.backward()
        assert not t.grad[[1, 4]].any() and t.grad[kept].all()
        each = F.cross_entropy(mt.Tensor(x), target, ignore_index=ignore_index, reduction="none", **options).numpy()
        assert each[1] == each[4] == 0 and each[kept].all()


@pytest.mark.parametrize(
    "operator, options", [(F.cross_entropy, {}), (F.cross_entropy, {"label_smoothing": 0.2}), (F.nll_loss, {})]
)
def test_a_batch_ignored_whole_has_no_mean_and_no_gradient(operator, options):
    x = mt.Tensor(np.ones((2, 3)), requires_grad=True)
    loss = operator(x, np.array([-100, -100]), **options)
    assert math.isnan(loss.item())
    loss.backward()
    assert not x.grad.any()  # as in PyTorch: one bad batch doesn't make the weights NaN
    assert operator(x, np.array([-100, -100]), reduction="sum", **options).item() == 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_targets_may_be_arrays_of_any_integer_lists_or_tensors(dtype, rng):
    x, _, target = case((5, 4), rng, ignored=False)
    expected = F.cross_entropy(mt.Tensor(x), target).item()
    assert F.cross_entropy(mt.Tensor(x), target.astype(dtype)).item() == expected
    assert F.cross_entropy(mt.Tensor(x), mt.Tensor(target.astype(dtype))).item() == expected
    assert F.cross_entropy(mt.Tensor(x), target.tolist()).item() == expected
    assert F.cross_entropy(mt.Tensor(x), np.repeat(target, 2)[::2]).item() == expected  # a strided view


def test_huge_logits_neither_overflow_nor_vanish():
    x = mt.Tensor(np.array([[1e4, 0.0, -1e4], [-1e4, 1e4, 9999.0]], np.float32), requires_grad=True)
    loss = F.cross_entropy(x, np.array([2, 1]), reduction="none")
    assert_close(loss, np.array([2e4, math.log1p(math.exp(-1))], np.float32), rtol=1e-7)
    loss.sum().backward()
    assert_close(x.grad, np.array([[1, 0, -1], [0, -0.26894142, 0.26894142]], np.float32), rtol=1e-6)


def test_a_class_ruled_out_by_minus_infinity_costs_nothing_unless_it_is_wanted():
    x = mt.Tensor(np.array([[1.0, -np.inf, 2.0], [0.0, -np.inf, 0.0]]), requires_grad=True)
    loss = F.cross_entropy(x, np.array([0, 1]), reduction="none")
    assert loss.numpy().tolist() == [pytest.approx(math.log(1 + math.e), rel=1e-14), math.inf]
    F.cross_entropy(x, np.array([0, 2])).backward()
    p = 1 / (1 + math.e)
    assert_close(x.grad, np.array([[p - 1, 0, 1 - p], [0.5, 0, -0.5]]) / 2, EXACT)


def test_a_nan_logit_is_not_hidden():
    loss = F.cross_entropy(mt.Tensor(np.array([[1.0, np.nan], [1.0, 2.0]])), np.array([0, 1]), reduction="none").numpy()
    assert np.isnan(loss).tolist() == [True, False]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 5), st.integers(1, 6), st.booleans(), st.floats(0, 1), st.sampled_from(["mean", "sum", "none"]))
def test_cross_entropy_of_anything(N, C, weighted, smoothing, reduction):
    rng = np.random.default_rng(0)
    x, weight, target = case((N, C), rng)
    weight = weight if weighted else None
    expected = naive_cross_entropy(x, target, weight, reduction=reduction, smoothing=smoothing)
    got = F.cross_entropy(mt.Tensor(x), target, weight, -100, reduction, smoothing).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("soft", [False, True])
def test_the_tensors_of_a_mean_agree_with_the_flattened_ones(soft, rng):
    """(N, C, d1, d2) is N*d1*d2 samples with their classes on axis 1."""
    x, weight, target = case((2, 3, 4, 5), rng)
    rows = np.moveaxis(x, 1, -1).reshape(-1, 3)
    target = rng.random((2, 3, 4, 5)) if soft else target
    flat = np.moveaxis(target, 1, -1).reshape(-1, 3) if soft else target.ravel()
    assert_close(
        F.cross_entropy(mt.Tensor(x), target, weight), F.cross_entropy(mt.Tensor(rows), flat, weight).numpy(), EXACT
    )


# nll_loss -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_nll_loss_takes_the_log_probabilities_as_they_are(shape, reduction, weighted, rng):
    x, weight, target = case(shape, rng)
    weight = weight if weighted else None
    expected = naive_cross_entropy(x, target, weight, reduction=reduction, logs=lambda row: row)
    assert_close(F.nll_loss(mt.Tensor(x), target, weight, reduction=reduction), expected, EXACT)
    mt.gradcheck(lambda x: F.nll_loss(x, target, weight, reduction=reduction), x)
    logs = F.log_softmax(mt.Tensor(x), 1)
    whole = F.cross_entropy(mt.Tensor(x), target, weight, reduction=reduction).numpy()
    assert_close(F.nll_loss(logs, target, weight, reduction=reduction), whole, EXACT)


def test_nll_loss_ignores_an_index_of_choice_and_infinities_that_arent_wanted(rng):
    x = np.array([[-1.0, -np.inf], [-2.0, -5.0], [-np.inf, -3.0]])
    assert F.nll_loss(mt.Tensor(x), np.array([0, 7, 1]), ignore_index=7).item() == 2.0
    assert F.nll_loss(mt.Tensor(x), np.array([0, 1, 1])).item() == 3.0
    assert F.nll_loss(mt.Tensor(x), np.array([1, 1, 1])).item() == math.inf


# mean squared error ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), ()])
def test_mse_loss_is_the_formula(shape, reduction, rng):
    x, target = rng.standard_normal(shape), rng.standard_normal(shape)
    each = np.array([(a - b) ** 2 for a, b in zip(x.flat, target.flat)]).reshape(shape)
    expected = {"none": each, "sum": each.sum(), "mean": each.sum() / each.size}[reduction]
    assert_close(F.mse_loss(mt.Tensor(x), target, reduction=reduction), expected, EXACT)
    mt.gradcheck(lambda x, target: F.mse_loss(x, target, reduction=reduction), [x, target])


def test_mse_loss_is_a_mean_by_default(rng):
    x = rng.standard_normal((3, 4))
    assert_close(F.mse_loss(mt.Tensor(x), mt.Tensor(np.zeros((3, 4)))), np.array((x**2).mean()), EXACT)


# binary cross entropy -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_binary_cross_entropy_is_the_formula(positive, weighted, reduction, rng):
    x, target = 3 * rng.standard_normal((2, 3, 4)), rng.random((2, 3, 4))
    weight = rng.random((3, 1)) + 0.1 if weighted else None  # both broadcast
    pos_weight = 3 * rng.random(4) + 0.1 if positive else None
    each = np.zeros(x.shape)
    for n, c, i in np.ndindex(x.shape):
        s = 1 / (1 + math.exp(-x[n, c, i]))
        t = target[n, c, i]
        each[n, c, i] = -t * math.log(s) * (pos_weight[i] if positive else 1) - (1 - t) * math.log(1 - s)
        each[n, c, i] *= weight[c, 0] if weighted else 1
    expected = {"none": each, "sum": each.sum(), "mean": each.sum() / each.size}[reduction]

    def operator(x, target):
        return F.binary_cross_entropy_with_logits(x, target, weight, reduction=reduction, pos_weight=pos_weight)

    assert_close(operator(mt.Tensor(x), mt.Tensor(target)), expected, EXACT)
    mt.gradcheck(operator, [x, target])


def test_binary_cross_entropy_of_huge_logits_stays_finite():
    x = mt.Tensor(np.array([1e4, -1e4, 1e4, -1e4, 0.0], np.float32), requires_grad=True)
    target = np.array([1, 1, 0, 0, 1], np.float32)
    loss = F.binary_cross_entropy_with_logits(x, target, reduction="none")
    assert_close(loss, np.array([0, 1e4, 1e4, 0, math.log(2)], np.float32), rtol=1e-7)
    loss.sum().backward()
    assert x.grad.tolist() == [0, -1, 1, 0, -0.5]


# all of them ----------------------------------------------------------------------------------------------------------

CALLS = {
    "cross_entropy": lambda x, **k: F.cross_entropy(
        x, np.arange(len(x)) % 3, np.array([1.0, 2, 3]), label_smoothing=0.1, **k
    ),
    "cross_entropy of probabilities": lambda x, **k: F.cross_entropy(x, np.full(x.shape, 1 / 3), **k),
    "nll_loss": lambda x, **k: F.nll_loss(x, np.arange(len(x)) % 3, [1.0, 2, 3], **k),
    "mse_loss": lambda x, **k: F.mse_loss(x, np.full(x.shape, 0.5), **k),
    "binary_cross_entropy_with_logits": lambda x, **k: F.binary_cross_entropy_with_logits(
        x, np.full(x.shape, 0.5), np.array([1.0, 2, 3]), pos_weight=np.array([1.0, 2, 3]), **k
    ),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", CALLS)
def test_float32_stays_float32_and_agrees_with_float64(name, reduction, rng):
    x = rng.standard_normal((4, 3)).astype(np.float32)
    results = []
    for dtype in (np.float32, np.float64):
        t = mt.Tensor(x.astype(dtype), requires_grad=True)
        loss = CALLS[name](t, reduction=reduction)
        loss.backward(np.ones(loss.shape))
        assert loss.dtype == t.grad.dtype == dtype
        results.append((loss.numpy(), t.grad))
    for single, double in zip(*results):
        assert_close(single, double.astype(np.float32), rtol=1e-6)  # some ten roundings of 6e-8


@pytest.mark.parametrize("name", CALLS)
def test_the_upstream_gradient_multiplies(name, rng):
    x = rng.standard_normal((4, 3))
    grads = []
    for factor in (1.0, -2.5):
        t = mt.Tensor(x, requires_grad=True)
        (CALLS[name](t) * factor).backward()
        grads.append(t.grad)
    assert_close(grads[1], -2.5 * grads[0], EXACT)


@pytest.mark.parametrize("name", CALLS)
def test_an_empty_batch_has_a_sum_of_0_and_no_mean(name):
    x = mt.Tensor(np.zeros((0, 3)), requires_grad=True)
    assert CALLS[name](x, reduction="none").shape[0] == 0
    assert CALLS[name](x, reduction="sum").item() == 0
    loss = CALLS[name](x)
    assert math.isnan(loss.item())
    loss.backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("name", CALLS)
def test_inputs_are_left_alone_and_may_be_any_view(name, rng):
    x = rng.standard_normal((6, 8)).T[::2, ::-2]  # (4, 3)
    kept, results = x.copy(), []
    for a in (x, kept.copy()):
        t = mt.Tensor(a, requires_grad=True)
        loss = CALLS[name](t)
        loss.backward()
        results.append((loss.numpy(), t.grad))
    assert all(np.array_equal(a, b) for a, b in zip(*results))
    assert np.array_equal(x, kept)


def test_targets_and_weights_are_left_alone(rng):
    x, weight, target = case((6, 4), rng)
    soft = rng.random((6, 4))
    kept = weight.copy(), target.copy(), soft.copy()
    F.cross_entropy(mt.Tensor(x, True), target, weight, label_smoothing=0.2).backward()
    F.cross_entropy(mt.Tensor(x, True), soft, weight, label_smoothing=0.2).backward()
    F.binary_cross_entropy_with_logits(mt.Tensor(x, True), soft, weight, pos_weight=weight).backward()
    assert all(np.array_equal(a, b) for a, b in zip((weight, target, soft), kept))


def logits(*shape, dtype=np.float64):
    return mt.Tensor(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "call, error, text",
    [
        (
            lambda: F.cross_entropy(logits(4, 3), np.array([0, 1, 3, 2])),
            ValueError,
            r"cross_entropy: target\[2\] is 3, but there are 3 classes \(0 to 2\)",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0, -1])),
            ValueError,
            r"target\[1\] is -1, but there are 3 classes",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0, -100]), ignore_index=-1),
            ValueError,
            r"target\[1\] is -100",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3, 2), np.array([[0, 1], [9, 0]])),
            ValueError,
            r"target\[1, 0\] is 9, but there are 3 classes",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0, 1, 2])),
            ValueError,
            r"target must have shape \(2,\).*got \(3,\)",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([[0], [1]])),
            ValueError,
            r"target must have shape \(2,\).*\(2, 1\)",
        ),
        (lambda: F.cross_entropy(logits(2, 3), np.array([True, False])), TypeError, "integer class numbers, got bool"),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0.0, 1.0])),
            ValueError,
            r"probabilities must have input's shape \(2, 3\)",
        ),
        (
            lambda: F.cross_entropy(logits(3), np.array([0, 1, 2])),
            ValueError,
            "input must have at least 2 dimensions, got 1",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3, dtype=np.int64), np.array([0, 1])),
            TypeError,
            "input must be a float tensor",
        ),
        (lambda: F.cross_entropy(np.zeros((2, 3)), np.array([0, 1])), TypeError, "input must be a Tensor, got ndarray"),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0, 1]), np.ones(2)),
            ValueError,
            r"weight must have shape \(3,\).*\(2,\)",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0, 1]), reduction="avg"),
            ValueError,
            "'mean', 'sum', 'none', got 'avg'",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0, 1]), label_smoothing=1.5),
            ValueError,
            "between 0.0 and 1.0, got 1.5",
        ),
        (
            lambda: F.cross_entropy(logits(2, 3), np.array([0, 1]), label_smoothing=-0.1),
            ValueError,
            "label_smoothing must be",
        ),
        (
            lambda: F.nll_loss(logits(4, 3), np.array([0, 1, 5, 2])),
            ValueError,
            r"nll_loss: target\[2\] is 5, but there are 3",
        ),
        (
            lambda: F.nll_loss(logits(2, 3), np.array([0.5, 1.0])),
            TypeError,
            "nll_loss: target must hold integer class numbers",
        ),
        (
            lambda: F.nll_loss(logits(2, 3), np.array([0, 1]), reduction="avg"),
            ValueError,
            "nll_loss: reduction must be one of",
        ),
        (
            lambda: F.mse_loss(logits(2, 3), logits(3)),
            ValueError,
            r"mse_loss: target must have input's shape \(2, 3\), got \(3,\)",
        ),
        (
            lambda: F.mse_loss(logits(2, 3), logits(2, 3, dtype=np.float32)),
            TypeError,
            "input is float64, target is float32",
        ),
        (
            lambda: F.mse_loss(logits(2, 3, dtype=np.int64), logits(2, 3)),
            TypeError,
            "mse_loss: input must be a float tensor",
        ),
        (
            lambda: F.mse_loss(logits(2, 3), logits(2, 3), reduction=None),
            ValueError,
            "mse_loss: reduction must be one of",
        ),
        (
            lambda: F.binary_cross_entropy_with_logits(logits(2, 3), logits(2, 1)),
            ValueError,
            r"with_logits: target must have input's shape \(2, 3\), got \(2, 1\)",
        ),
        (
            lambda: F.binary_cross_entropy_with_logits(logits(2, 3), logits(2, 3), reduction="x"),
            ValueError,
            "with_logits: reduction must be one of",
        ),
        (
            lambda: F.binary_cross_entropy_with_logits(logits(2, 3, dtype=np.int64), logits(2, 3)),
            TypeError,
            "with_logits: input must be a float tensor",
        ),
        (
            lambda: F.binary_cross_entropy_with_logits(logits(2, 3), logits(2, 3), np.ones((2, 2, 3))),
            ValueError,
            r"with_logits: weight.*\(2, 2, 3\).*broadcast.*\(2, 3\)",
        ),
        (
            lambda: F.binary_cross_entropy_with_logits(logits(2, 3), logits(2, 3), pos_weight=np.ones(2)),
            ValueError,
            r"with_logits: pos_weight.*\(2,\).*broadcast.*\(2, 3\)",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
