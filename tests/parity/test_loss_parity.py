"""cross_entropy, nll_loss, mse_loss, binary_cross_entropy_with_logits and one_hot against PyTorch."""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, both_refuse, functional  # noqa: E402  after the skip

REDUCTIONS = ["mean", "sum", "none"]
SHAPES = [(6, 4), (3, 4, 5), (2, 4, 3, 5), (2, 4, 3, 2, 5)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def labels(rng, shape, ignore=None):
    """Class numbers for logits of this shape, some of them ignored."""
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    if ignore is not None:
        target[rng.random(target.shape) < 0.4] = ignore
        target.flat[0] = ignore
    return target


def constant(array):
    """The same array for either library, as a tensor without a gradient; None stays None."""
    if array is None:
        return dict.fromkeys(functional)
    return {mt.functional: mt.Tensor(array), torch.nn.functional: torch.tensor(array)}


@every_shape
@every_reduction
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore", [None, -100, 2, 255])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_of_class_numbers(shape, reduction, weighted, ignore, smoothing, rng):
    options = dict(reduction=reduction, label_smoothing=smoothing)
    if ignore is not None:
        options["ignore_index"] = ignore
    weight = constant(rng.random(shape[1]) + 0.1 if weighted else None)

    def call(F, x, target):
        return F.cross_entropy(x, target, weight[F], **options)

    agree(call, rng.standard_normal(shape) * 3, labels(rng, shape, ignore))


@every_shape
@every_reduction
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_of_probabilities(shape, reduction, weighted, smoothing, rng):
    probabilities = rng.random(shape)
    probabilities /= probabilities.sum(1, keepdims=True)
    target = constant(probabilities)
    weight = constant(rng.random(shape[1]) + 0.1 if weighted else None)

    def call(F, x):
        return F.cross_entropy(x, target[F], weight[F], reduction=reduction, label_smoothing=smoothing)

    agree(call, rng.standard_normal(shape) * 3)


def test_cross_entropy_of_weights_that_do_not_sum_to_one(rng):
    target = constant(rng.standard_normal((5, 4)))  # PyTorch asks for no distribution
    agree(lambda F, x: F.cross_entropy(x, target[F]), rng.standard_normal((5, 4)))


def test_target_probabilities_that_learn_are_refused_and_the_remedy_has_pytorch_s_gradients(rng):
    """PyTorch has a gradient by the target; here it would be missing without a word."""
    arrays = rng.standard_normal((5, 4)), rng.random((5, 4))
    with pytest.raises(RuntimeError, match=r"target\.detach\(\)"):
        mt.functional.cross_entropy(mt.Tensor(arrays[0]), mt.Tensor(arrays[1], requires_grad=True))

    def call(F, x, target):
        if F is torch.nn.functional:
            return F.cross_entropy(x, target)
        return -(target * F.log_softmax(x, 1)).sum(1).mean()

    agree(call, *arrays)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@every_reduction
def test_a_batch_that_is_all_ignored(name, reduction, rng):
    """The mean of nothing is NaN, the sum 0."""
    target = np.full(5, -100)
    output = agree(lambda F, x, t: getattr(F, name)(x, t, reduction=reduction), rng.standard_normal((5, 3)), target)
    assert np.isnan(output.numpy()).all() == (reduction == "mean")


@every_reduction
def test_cross_entropy_of_extreme_logits(reduction):
    x = np.array([[1e4, 0.0, -1e4], [-1e4, 0.0, 1e4], [700.0, 710.0, -720.0], [1e-300, 0.0, -1e-300]])
    with np.errstate(under="ignore"):
        agree(lambda F, x, t: F.cross_entropy(x, t, reduction=reduction), x, np.array([0, 0, 1, 2]))


def test_cross_entropy_of_classes_that_are_ruled_out():
    """A logit of -inf has probability 0; its sample's loss is that of the others, unless it is the target."""
    x = np.array([[-np.inf, 1.0, 2.0], [0.5, -np.inf, -np.inf]])
    agree(lambda F, x, t: F.cross_entropy(x, t, reduction="none"), x, np.array([2, 0]))
    agree(lambda F, x, t: F.cross_entropy(x, t, reduction="sum"), x, np.array([0, 0]))


@pytest.mark.parametrize("options", [dict(), dict(label_smoothing=0.2), dict(reduction="sum")], ids=str)
def test_cross_entropy_in_float32(options, rng):
    x = (rng.standard_normal((7, 10)) * 3).astype(np.float32)
    agree(lambda F, x, t: F.cross_entropy(x, t, **options), x, rng.integers(0, 10, 7), rtol=SINGLE)


@every_shape
@every_reduction
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore", [None, -100, 1])
def test_nll_loss(shape, reduction, weighted, ignore, rng):
    options = dict(reduction=reduction) if ignore is None else dict(reduction=reduction, ignore_index=ignore)
    weight = constant(rng.random(shape[1]) + 0.1 if weighted else None)
    agree(lambda F, x, t: F.nll_loss(x, t, weight[F], **options), -rng.random(shape) * 5, labels(rng, shape, ignore))


@every_reduction
def test_mse_loss(reduction, rng):
    x, target = rng.standard_normal((4, 5, 3)), rng.standard_normal((4, 5, 3))
    agree(lambda F, x, t: F.mse_loss(x, t, reduction=reduction), x, target)  # the gradient by the target too
    agree(
        lambda F, x, t: F.mse_loss(x, t, reduction=reduction),
        x.astype(np.float32),
        target.astype(np.float32),
        rtol=SINGLE,
    )
    agree(lambda F, x, t: F.mse_loss(x, t, reduction=reduction), np.array(3.0), np.array(1.5))


@every_reduction
@pytest.mark.parametrize("weight", [None, (4, 5), (5,), (4, 1)], ids=str)
@pytest.mark.parametrize("pos_weight", [None, (5,), (4, 5), (1,)], ids=str)
def test_binary_cross_entropy_with_logits(reduction, weight, pos_weight, rng):
    w = constant(None if weight is None else rng.random(weight) + 0.1)
    p = constant(None if pos_weight is None else rng.random(pos_weight) * 3 + 0.1)

    def call(F, x, target):
        return F.binary_cross_entropy_with_logits(x, target, weight=w[F], reduction=reduction, pos_weight=p[F])

    agree(call, rng.standard_normal((4, 5)) * 3, rng.random((4, 5)))


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_with_logits_of_extreme_values(target):
    def call(F, x, t):
        return F.binary_cross_entropy_with_logits(x, t, reduction="none")

    for x in (0.0, -0.0, 1e-20, 30.0, -30.0, 800.0, -800.0, 1e30, -1e30):
        with np.errstate(under="ignore"):
            # beside 1.0: the gradient s - t is rounded at 1, however small it is
            agree(call, np.array([x, 1.0]), np.array([target, 0.6]), rtol=1e-14)


@pytest.mark.parametrize("num_classes", [-1, 5, 9])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (), (2, 1, 3)], ids=str)
def test_one_hot(num_classes, shape, rng):
    agree(lambda F, t: F.one_hot(t, num_classes), rng.integers(0, 5, shape))


def test_class_numbers_may_be_an_array_a_list_or_a_tensor(rng):
    x, target = mt.Tensor(rng.standard_normal((4, 3))), [2, 0, 1, 2]
    expected = torch.nn.functional.cross_entropy(torch.tensor(x.data), torch.tensor(target)).item()
    kinds = [
        target,
        np.array(target),
        np.array(target, np.uint8),
        np.array(target, np.int32),
        mt.Tensor(np.array(target)),
    ]
    for given in kinds:
        assert abs(mt.functional.cross_entropy(x, given).item() - expected) < 1e-14


three = np.array([0, 1, 2])
REFUSED = [
    (lambda F, x, t: F.cross_entropy(x, t + 2), ValueError, "classes"),
    (lambda F, x, t: F.cross_entropy(x, t - 1), ValueError, "classes"),
    (lambda F, x, t: F.cross_entropy(x, t[:2]), ValueError, "shape"),
    (lambda F, x, t: F.cross_entropy(x, t, reduction="average"), ValueError, "reduction"),
    (lambda F, x, t: F.cross_entropy(x, t, label_smoothing=1.5), ValueError, "label_smoothing"),
    (lambda F, x, t: F.cross_entropy(x, t, x[0, :2]), ValueError, "weight"),
    (lambda F, x, t: F.cross_entropy(x, x[:2]), ValueError, "shape"),
    (lambda F, x, t: F.nll_loss(x, t + 2), ValueError, "classes"),
    (lambda F, x, t: F.nll_loss(x, x[:, 0]), TypeError, "integer"),
    (lambda F, x, t: F.nll_loss(x, t, reduction="all"), ValueError, "reduction"),
    (lambda F, x, t: F.mse_loss(x, x, reduction="batch"), ValueError, "reduction"),
    (lambda F, x, t: F.binary_cross_entropy_with_logits(x, x[:, :2]), ValueError, "shape"),
    (lambda F, x, t: F.one_hot(t, 2), ValueError, "classes"),
    (lambda F, x, t: F.one_hot(t - 1), ValueError, "classes"),
    (lambda F, x, t: F.one_hot(x), TypeError, "integer"),
    (lambda F, x, t: F.one_hot(t[:0]), ValueError, "empty"),
]


@pytest.mark.parametrize("call, error, match", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_what_pytorch_refuses_is_refused(call, error, match, rng):
    both_refuse(call, rng.standard_normal((3, 3)), three, error=error, match=match)
