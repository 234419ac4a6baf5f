"""sgd_step, adam_step, rmsprop_step: the NumPy form against the loop, which works in float64 and rounds what it stores.

Tolerances: some ten roundings a step in the array's dtype, three steps: 1e-6 in float32, 1e-14 in float64, of the largest value
before or after the steps.
"""

import itertools

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn.backend import cpu, reference
from minitorch_cnn.backend import primitives as P

SHAPES = [(), (1,), (7,), (3, 1, 5), (2, 3, 2, 2), (0, 3)]
RTOL = {"float32": 1e-6, "float64": 1e-14}


def run(step, arrays, gradients, *options):
    """Three steps on copies of the arrays; returns them all, and checks that the gradients are left alone."""
    copies = [None if a is None else a.copy() for a in arrays]
    for number, gradient in enumerate(gradients, start=1):
        given = gradient.copy()
        assert step(number, copies[0], given, *copies[1:], *options) is None
        np.testing.assert_array_equal(given, gradient)
    return [a for a in copies if a is not None]


def agree(name, arrays, gradients, *options):
    """Both forms change the arrays in the same way, in place, and keep the dtype."""
    numbered = name == "adam_step"  # its step's number comes after its arrays

    def call(form):
        function = getattr(form, name)
        if not numbered:
            return lambda number, *rest: function(*rest)
        return lambda number, *rest: function(*rest[:5], number, *rest[5:])

    got, expected = (run(call(form), arrays, gradients, *options) for form in (cpu, reference))
    for a, b, before in zip(got, expected, [a for a in arrays if a is not None]):
        assert a.dtype == b.dtype == before.dtype and a.shape == b.shape
        largest = max(np.abs(b).max(initial=0.0), np.abs(before).max(initial=0.0))
        np.testing.assert_allclose(a, b, rtol=0, atol=RTOL[a.dtype.name] * largest)


@pytest.fixture(params=["float32", "float64"])
def draw(request, rng):
    return lambda shape: np.asarray(rng.standard_normal(shape), request.param)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sgd_step_is_the_loops(shape, draw):
    gradients = [draw(shape) for _ in range(3)]
    for momentum, dampening, decay, nesterov, maximize in itertools.product(
        (0.0, 0.9), (0.0, 0.3), (0.0, 0.1), (False, True), (False, True)
    ):
        velocity = draw(shape) if momentum else None
        agree("sgd_step", [draw(shape), velocity], gradients, 0.1, momentum, dampening, decay, nesterov, maximize)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_adam_step_is_the_loops(shape, draw):
    gradients = [draw(shape) for _ in range(3)]
    for amsgrad, decay, decoupled, maximize in itertools.product(
        (False, True), (0.0, 0.1), (False, True), (False, True)
    ):
        moments = [draw(shape), draw(shape) ** 2, draw(shape) ** 2 if amsgrad else None]
        moments = [m if m is None else np.asarray(m, gradients[0].dtype) for m in moments]
        agree("adam_step", [draw(shape), *moments], gradients, 0.1, 0.9, 0.99, 1e-3, decay, decoupled, maximize)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rmsprop_step_is_the_loops(shape, draw):
    gradients = [draw(shape) for _ in range(3)]
    for centered, momentum, decay, maximize in itertools.product((False, True), (0.0, 0.9), (0.0, 0.1), (False, True)):
        mean = draw(shape) if centered else None
        # a variance of at least 1, so that nothing cancels
        square = np.asarray(draw(shape) ** 2 + 1 + (0 if mean is None else mean**2), gradients[0].dtype)
        velocity = draw(shape) if momentum else None
        agree(
            "rmsprop_step", [draw(shape), square, mean, velocity], gradients, 0.1, 0.9, 1e-3, decay, momentum, maximize
        )


@pytest.mark.parametrize("shape", [(700, 1001), (3, 300001), (1, 700001), (600001,)], ids=str)
def test_a_large_parameter_goes_by_slices_to_the_same_values(shape, rng):
    arrays = [rng.standard_normal(shape, np.float32) for _ in range(6)]
    spots = rng.integers(0, arrays[0].size, 50)
    spots[:2] = 0, arrays[0].size - 1
    param, grad, mean, velocity, square, largest = arrays
    square = square**2 + mean**2 + 1  # a variance of at least 1: no cancelling
    runs = {
        "sgd_step": ([param, velocity], (0.1, 0.9, 0.2, 0.1, True, True)),
        "adam_step": ([param, velocity, square, largest], (0.1, 0.9, 0.99, 1e-3, 0.1, True, False)),
        "rmsprop_step": ([param, square, mean, velocity], (0.1, 0.9, 1e-3, 0.1, 0.9, False)),
    }
    for name, (changed, options) in runs.items():
        whole = [a.copy() for a in changed]
        few = [a.ravel()[spots] for a in changed]
        number = (1,) if name == "adam_step" else ()
        getattr(P, name)(whole[0], grad, *whole[1:], *number, *options)
        getattr(reference, name)(few[0], grad.ravel()[spots], *few[1:], *number, *options)
        for a, b in zip(whole, few):
            assert_close(a.ravel()[spots], b, 1e-6)


@pytest.mark.parametrize("name", ["sgd_step", "adam_step", "rmsprop_step"])
def test_arrays_that_are_not_contiguous_are_changed_where_they_are(name, rng):
    def strided():
        return rng.standard_normal((5, 6))[::2, ::-1].T  # (6, 3)

    arrays = [strided(), *([strided()] if name == "sgd_step" else [abs(strided()) + 3, abs(strided()) / 9, strided()])]
    options = {
        "sgd_step": (0.1, 0.9, 0.0, 0.1, True, False),
        "adam_step": (0.1, 0.9, 0.99, 1e-3, 0.1, False, False),
        "rmsprop_step": (0.1, 0.9, 1e-3, 0.1, 0.9, False),
    }
    if name == "adam_step":
        arrays = [arrays[0], arrays[3], arrays[1], arrays[2]]
    owner = arrays[0].base
    before = owner.copy()
    contiguous = [a.copy() for a in arrays]
    grad = strided()
    number = (1,) if name == "adam_step" else ()
    getattr(cpu, name)(arrays[0], grad, *arrays[1:], *number, *options[name])
    getattr(cpu, name)(contiguous[0], grad.copy(), *contiguous[1:], *number, *options[name])
    for a, b in zip(arrays, contiguous):
        assert_close(a, b, 1e-14)
    changed = before != owner
    assert changed[::2].all() and not changed[1::2].any()  # the rows that the view skips


def test_a_variance_that_rounding_takes_below_zero_makes_no_nan():
    # a constant gradient: the mean of squares and the square of the mean are the same number, rounded apart
    for value in np.linspace(0.1, 1, 50, dtype=np.float32):
        for form in (cpu, reference):
            param, square, mean = np.zeros(1, np.float32), np.array([value**2]), np.array([value])
            square = np.nextafter(square, np.float32(0))
            form.rmsprop_step(param, np.array([value]), square, mean, None, 0.1, 0.99, 1e-3, 0.0, 0.0, False)
            assert np.isfinite(param).all()
