"""Local response normalisation (Krizhevsky et al. 2012, section 3.3) against its formula in loops, and numerical differences.

    b[c] = a[c] * (k + alpha/size * sum of a[j]**2)**-beta      j from c - size//2 to c + (size-1)//2, inside the channels

Of an even size the larger half lies below c, as in PyTorch, which pads size//2 channels below and (size-1)//2 above.
"""

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F

EXACT = 1e-13  # float64: sums of a few squares and one power


def naive_lrn(x, size, alpha, beta, k):
    y = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        n, c, *place = index
        energy = 0.0
        for j in range(c - size // 2, c + (size - 1) // 2 + 1):
            if 0 <= j < x.shape[1]:
                energy += x[(n, j, *place)] ** 2
        y[index] = x[index] * (k + alpha / size * energy) ** -beta
    return y


SIZES = [
    (7, 5),
    (7, 4),
    (6, 2),
    (5, 3),
    (3, 9),
    (4, 8),
    (1, 1),
    (1, 4),
    (2, 6),
    (4, 1),
]  # odd, even, wider than the channels


@pytest.mark.parametrize("beta", [0.75, 0.5, 1.3])  # 0.75 has a way of its own
@pytest.mark.parametrize("channels, size", SIZES)
def test_the_formula_and_its_gradient(channels, size, beta, rng):
    x = rng.standard_normal((2, channels, 2, 3))
    y = F.local_response_norm(mt.Tensor(x), size, 0.9, beta, 1.7)
    assert_close(y, naive_lrn(x, size, 0.9, beta, 1.7), EXACT)
    mt.gradcheck(lambda t: F.local_response_norm(t, size, 0.9, beta, 1.7), x)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 11), st.floats(0, 2), st.floats(0, 2), st.floats(0.5, 3))
def test_any_size_and_constants(N, channels, size, alpha, beta, k):
    x = np.random.default_rng(0).standard_normal((N, channels, 2))
    assert_close(F.local_response_norm(mt.Tensor(x), size, alpha, beta, k), naive_lrn(x, size, alpha, beta, k), EXACT)


def test_of_an_even_window_the_larger_half_lies_before():
    y = F.local_response_norm(mt.Tensor(np.array([[[2.0], [3.0], [5.0]]])), 2, alpha=2.0, beta=1.0, k=0.0)
    assert_close(y, np.array([[[2 / 4], [3 / 13], [5 / 34]]]), EXACT)  # each with the one before it
    # with size 4, channel 0 is seen by channels 0, 1 and 2: changing it moves their values and no others
    before = F.local_response_norm(mt.Tensor(np.ones((1, 6, 1))), 4, 1.0, 1.0, 1.0).numpy().ravel()
    moved = np.ones((1, 6, 1))
    moved[0, 0] = 2
    after = F.local_response_norm(mt.Tensor(moved), 4, 1.0, 1.0, 1.0).numpy().ravel()
    assert (before != after).tolist() == [True, True, True, False, False, False]
    # and so the gradient of channel 3 reaches back to channel 1 and on to channel 4, not to 0 or 5
    x = mt.Tensor(np.ones((1, 6, 1)), requires_grad=True)
    F.local_response_norm(x, 4, 1.0, 1.0, 1.0).backward(np.array([0, 0, 0, 1.0, 0, 0]).reshape(1, 6, 1))
    assert (x.grad.ravel() != 0).tolist() == [False, True, True, True, True, False]


def test_the_papers_constants_are_alpha_five_times_as_large():
    """The paper's k=2, n=5, alpha=1e-4, beta=0.75 isn't divided by n: here alpha=5e-4."""
    x = np.arange(1.0, 8).reshape(1, 7, 1) * 10
    squares = [sum(x[0, j, 0] ** 2 for j in range(max(0, i - 2), min(6, i + 2) + 1)) for i in range(7)]
    paper = np.array([x[0, i, 0] / (2 + 1e-4 * squares[i]) ** 0.75 for i in range(7)]).reshape(1, 7, 1)
    assert_close(F.local_response_norm(mt.Tensor(x), 5, alpha=5e-4, beta=0.75, k=2), paper, EXACT)


def test_defaults_are_pytorchs(rng):
    x = 50 * rng.standard_normal((2, 6, 3))
    assert_close(F.local_response_norm(mt.Tensor(x), 3), naive_lrn(x, 3, 1e-4, 0.75, 1.0), EXACT)


@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_float32_stays_float32_and_agrees_with_float64(beta, rng):
    x = rng.standard_normal((2, 6, 3, 4)).astype(np.float32)
    grad = rng.standard_normal(x.shape).astype(np.float32)
    results = []
    for dtype in (np.float32, np.float64):
        t = mt.Tensor(x.astype(dtype), requires_grad=True)
        y = F.local_response_norm(
            t, 5, np.float64(0.5), np.float64(beta), np.float64(2.0)
        )  # constants of any float kind
        y.backward(grad.astype(dtype))
        assert y.dtype == t.grad.dtype == dtype
        results.append((y.numpy(), t.grad))
    for single, double in zip(*results):
        assert_close(single, double.astype(np.float32), rtol=1e-6)  # some ten roundings of 6e-8


def test_inputs_are_left_alone_and_may_be_any_view(rng):
    x = rng.standard_normal((3, 4, 10, 2)).transpose(3, 2, 0, 1)[:, ::-2]  # (2, 5, 3, 4)
    kept, grad = x.copy(), rng.standard_normal((4, 3, 5, 2)).T
    kept_grad, results = grad.copy(), []
    for a, g in ((x, grad), (kept.copy(), kept_grad.copy())):
        t = mt.Tensor(a, requires_grad=True)
        y = F.local_response_norm(t, 3, 0.5)
        y.backward(g)
        results.append((y.numpy(), t.grad))
    assert all(np.array_equal(a, b) for a, b in zip(*results))
    assert np.array_equal(x, kept) and np.array_equal(grad, kept_grad)


def test_large_inputs_give_the_same_bits_for_any_number_of_threads(rng):
    """Beyond half a MB the samples are cut over threads, beyond 3 MB into blocks; no sum crosses samples."""
    x = rng.standard_normal((5, 24, 70, 71)).astype(np.float32)  # 2.4 MB
    grad = rng.standard_normal(x.shape).astype(np.float32)
    before, results = mt.get_num_threads(), []
    try:
        for n, step in ((1, 5), (2, 5), (3, 5), (1, 1)):
            mt.set_num_threads(n)
            parts = []
            for i in range(0, 5, step):
                t = mt.Tensor(x[i : i + step], requires_grad=True)
                y = F.local_response_norm(t, 5, 0.5)
                y.backward(grad[i : i + step])
                parts.append((y.numpy(), t.grad))
            results.append([np.concatenate(arrays) for arrays in zip(*parts)])
    finally:
        mt.set_num_threads(before)
    for y, gx in results[1:]:
        assert np.array_equal(y, results[0][0]) and np.array_equal(gx, results[0][1])


@pytest.mark.parametrize("shape", [(0, 3, 2, 4), (0, 3, 5), (2, 0, 4)])
def test_no_samples_or_no_channels_give_an_empty_result(shape):
    x = mt.Tensor(np.zeros(shape), requires_grad=True)
    y = F.local_response_norm(x, 3)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: F.local_response_norm(mt.Tensor(np.ones((2, 3, 4))), 0), ValueError, "size must be at least 1, got 0"),
        (
            lambda: F.local_response_norm(mt.Tensor(np.ones((2, 3, 4))), 2.5),
            TypeError,
            "size must be an integer, got 2.5",
        ),
        (
            lambda: F.local_response_norm(mt.Tensor(np.ones((2, 3))), 3),
            ValueError,
            "input must have at least 3 dimensions, got 2",
        ),
        (
            lambda: F.local_response_norm(mt.Tensor(np.ones((2, 3, 4), int)), 3),
            TypeError,
            "input must be a float tensor, got int64",
        ),
        (
            lambda: F.local_response_norm(np.ones((2, 3, 4)), 3),
            TypeError,
            "input must be a Tensor, got ndarray; wrap it",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match="local_response_norm: " + text):
        call()
