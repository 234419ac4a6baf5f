"""batch_norm, layer_norm, group_norm, local_response_norm against PyTorch."""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, both_refuse, compare  # noqa: E402  after the skip


def batch_norm_of_both(rng, shape, affine, running, **options):
    """Both libraries' batch_norm with the same running statistics, which are compared afterwards."""
    C = shape[1]
    statistics = (rng.standard_normal(C), rng.random(C) + 0.5) if running else (None, None)
    ours = [None if s is None else s.copy() for s in statistics]
    theirs = [None if s is None else torch.tensor(s) for s in statistics]

    def call(F, x, weight, bias):
        mean, var = ours if F is mt.functional else theirs
        return F.batch_norm(x, mean, var, weight, bias, **options)

    weight, bias = (rng.standard_normal(C), rng.standard_normal(C)) if affine else (None, None)
    agree(call, rng.standard_normal(shape) * 3 + 5, weight, bias)
    if running:
        compare(tuple(ours), tuple(theirs), "the running statistics")


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (5, 3, 4, 6), (1, 3, 2, 2), (2, 3, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize(
    "options", [dict(), dict(momentum=0.7, eps=0.3), dict(momentum=1.0), dict(momentum=0.0)], ids=str
)
def test_batch_norm_in_training(shape, affine, running, options, rng):
    batch_norm_of_both(rng, shape, affine, running, training=True, **options)


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (5, 3, 4, 6), (1, 3)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_batch_norm_in_evaluation(shape, affine, eps, rng):
    batch_norm_of_both(rng, shape, affine, running=True, training=False, eps=eps)


@pytest.mark.parametrize("given", ["weight", "bias"])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_with_one_of_weight_and_bias(given, training, rng):
    x, values = rng.standard_normal((4, 3, 5)), rng.standard_normal(3)
    mean, var = rng.standard_normal(3), rng.random(3) + 0.5

    def call(F, x, values):
        own = (mean.copy(), var.copy()) if F is mt.functional else (torch.tensor(mean), torch.tensor(var))
        return F.batch_norm(x, *own, training=training, **{given: values})

    agree(call, x, values)


def test_batch_norm_takes_its_options_in_pytorch_s_order(rng):
    agree(
        lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True, 0.2, 0.4),
        *(rng.standard_normal(s) for s in ((6, 3), 3, 3)),
    )


def test_batch_norm_in_float32_with_a_mean_far_above_the_spread(rng):
    x = (rng.standard_normal((8, 3, 5, 7)) + 100).astype(np.float32)
    agree(lambda F, x: F.batch_norm(x, None, None, training=True), x, rtol=SINGLE)


@pytest.mark.parametrize(
    "shape, normalized_shape",
    [
        ((4, 7), (7,)),
        ((4, 5, 7), (5, 7)),
        ((4, 5, 7), [7]),
        ((2, 3, 4, 5), (3, 4, 5)),
        ((6,), (6,)),
        ((3, 4, 1), (4, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("given", [(True, True), (True, False), (False, True), (False, False)], ids=str)
@pytest.mark.parametrize("eps", [1e-5, 0.2])
def test_layer_norm(shape, normalized_shape, given, eps, rng):
    weight, bias = (rng.standard_normal(normalized_shape) if g else None for g in given)
    x = rng.standard_normal(shape) * 2 + 3
    agree(lambda F, x, w, b: F.layer_norm(x, normalized_shape, w, b, eps), x, weight, bias)


SHAPES = [(3, 12), (3, 12, 5), (2, 12, 3, 4), (2, 12, 2, 3, 4)]


# at least three values a group (of two, normalised to nearly +-1, the gradient is all rounding); 12 groups: instance norm
@pytest.mark.parametrize(
    "shape, num_groups", [*((s, g) for s in SHAPES for g in (1, 2, 3, 4)), (SHAPES[2], 12)], ids=str
)
@pytest.mark.parametrize("given", [(True, True), (True, False), (False, True), (False, False)], ids=str)
def test_group_norm(shape, num_groups, given, rng):
    weight, bias = (rng.standard_normal(12) if g else None for g in given)
    x = rng.standard_normal(shape) * 2 + 3

    def group_norm(F, x, w, b, *eps):
        # PyTorch 2.13 fails in the backward pass of a bias without a weight
        if F is torch.nn.functional and w is None and b is not None:
            w = torch.ones(12, dtype=torch.float64)
        return F.group_norm(x, num_groups, w, b, *eps)

    agree(lambda F, x, w, b: group_norm(F, x, w, b, 0.1), x, weight, bias)
    agree(group_norm, x, weight, bias)


# windows inside, even, as wide as the channels, wider, trivial; beta with and without its own formula
@pytest.mark.parametrize(
    "channels, size", [(7, 5), (7, 3), (7, 4), (7, 2), (4, 4), (3, 9), (3, 8), (5, 1), (1, 1), (1, 4)]
)
@pytest.mark.parametrize(
    "options", [dict(), dict(alpha=0.3, beta=0.75, k=2.0), dict(alpha=2.0, beta=1.3, k=0.5)], ids=str
)
def test_local_response_norm(channels, size, options, rng):
    agree(lambda F, x: F.local_response_norm(x, size, **options), rng.standard_normal((2, channels, 3, 5)))


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 6, 3, 4), (2, 6, 2, 3, 4)], ids=str)
def test_local_response_norm_of_other_dimensions_and_in_order(shape, rng):
    agree(lambda F, x: F.local_response_norm(x, 4, 0.5, 0.6, 1.5), rng.standard_normal(shape))


def test_local_response_norm_in_float32(rng):
    x = rng.standard_normal((2, 9, 5, 4)).astype(np.float32)
    agree(lambda F, x: F.local_response_norm(x, 5, alpha=0.3, k=2.0), x, rtol=SINGLE)


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda F, x: F.batch_norm(x[:1, :, :1, :1], None, None, training=True), "more than one value"),
        (lambda F, x: F.batch_norm(x, None, None), "running_mean"),
        (lambda F, x: F.batch_norm(x, x[0, 0, 0], x[0, 0, 0], training=True), "running_mean"),
        (lambda F, x: F.batch_norm(x, None, None, x[0, 0, 0], training=True), "weight"),
        (lambda F, x: F.layer_norm(x, (4, 6)), "normalized_shape"),
        (lambda F, x: F.layer_norm(x, ()), "normalized_shape"),
        (lambda F, x: F.layer_norm(x, 5, x[0, 0, 0][:2]), "weight"),
        (lambda F, x: F.group_norm(x, 4), "groups"),
        (lambda F, x: F.group_norm(x, 2, x[0, 0, 0]), "weight"),
        (lambda F, x: F.local_response_norm(x[0, 0], 3), "dimensions"),
    ],
)
def test_what_pytorch_refuses_is_refused(call, match, rng):
    both_refuse(call, rng.standard_normal((2, 6, 4, 5)), match=match)
