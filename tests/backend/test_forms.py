"""The forms of each primitive, held together: same names, same signatures, and the values of the reference's loops."""

import importlib
import inspect

import numpy as np
import pytest
from backend import augment_cases
from closeness import assert_close, assert_close_where_finite

import minitorch_cnn as mt
from minitorch_cnn.backend import cpu, primitives, reference

# a sum of some hundred products in another order; in float32 the reference's own loops round at each step
RTOL = {np.float64: 1e-12, np.float32: 1e-5}
SINGLE = np.float32


def functions(module):
    return {name: f for name, f in vars(module).items() if inspect.isfunction(f) and not name.startswith("_")}


PRIMITIVES = {name: f for name, f in functions(primitives).items() if name != "form"}


def normal(rng, *shape):
    return rng.standard_normal(shape)


WINDOW = ((3, 2), (2, 1), (1, 2), (1, 3))  # kernel_size, stride, padding, dilation
POOL = ((3, 2), (2, 3), (1, 1), (2, 1), True)  # kernel_size, stride, padding, dilation, ceil_mode


def window_sizes(image_size, kernel_size, stride, padding, dilation):
    return [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(image_size, kernel_size, stride, padding, dilation)
    ]


def conv_cases(rng):
    """x, weight, bias, grad, and what follows them, for a plain, a strided, a grouped, a depthwise and a 1x1 convolution."""
    for (N, C, H, W), (O, c_group, *kernel_size), options in [
        ((2, 3, 5, 6), (4, 3, 3, 2), ((1, 1), (1, 0), (1, 1), 1)),
        ((3, 4, 7, 6), (6, 2, 2, 3), ((2, 3), (1, 2), (3, 2), 2)),
        ((2, 3, 6, 5), (3, 1, 3, 2), ((1, 2), (2, 1), (1, 1), 3)),
        ((2, 3, 4, 5), (4, 3, 1, 1), ((1, 1), (0, 0), (1, 1), 1)),
    ]:
        x, weight, bias = normal(rng, N, C, H, W), normal(rng, O, c_group, *kernel_size), normal(rng, O)
        grad = normal(rng, N, O, *window_sizes((H, W), kernel_size, *options[:3]))
        yield x, weight, bias, grad, tuple(kernel_size), options


def ties(rng, *shape):
    """Small negative integers: each window has several largest, and zeros of the padding would win."""
    return rng.integers(-4, 0, shape).astype(float)


def max_pool_backward(rng, x):
    y = reference.max_pool2d(x, *POOL)
    return normal(rng, *y.shape), x, y, *POOL


def batch_norm_backward(rng, weight):
    x = normal(rng, 4, 3, 5)
    return normal(rng, 4, 3, 5), x, weight, x.mean((0, 2)), x.var((0, 2)), 0.1


def row_norm_backward(rng):
    xhat, inv = reference.row_norm(normal(rng, 4, 6), 0.1)
    return normal(rng, 4, 6), xhat, inv


def lrn_backward(rng, size, beta):
    x = normal(rng, 2, 7, 3)
    scale = reference.local_response_norm(x, size, 0.9, beta, 1.5)[1]
    return normal(rng, 2, 7, 3), x, scale, size, 0.9, beta, 1.5


def parameters(rng, count):
    """A parameter, its gradient, and count - 2 more arrays of the optimiser, positive."""
    return normal(rng, 3, 4), normal(rng, 3, 4), *(rng.random((3, 4)) + 0.1 for _ in range(count - 2))


AVG = [
    ((3, 2), (2, 3), (1, 1), True, True, None),
    ((3, 2), (2, 3), (1, 1), True, False, None),
    ((2, 3), (3, 2), (0, 1), False, True, 5),
]

# each primitive: from a generator of random numbers to the lists of arguments to try it with
CASES = {
    "im2col": lambda r: [(normal(r, 2, 3, 7, 6), *WINDOW)],
    "col2im": lambda r: [(normal(r, 2, 18, np.prod(window_sizes((7, 6), *WINDOW))), (7, 6), *WINDOW)],
    "conv2d": lambda r: [(x, w, b, *options) for x, w, bias, _, _, options in conv_cases(r) for b in (bias, None)],
    "conv2d_input_gradient": lambda r: [(g, w, x.shape[2:], *options) for x, w, _, g, _, options in conv_cases(r)],
    "conv2d_weight_gradient": lambda r: [(g, x, k, *options) for x, _, _, g, k, options in conv_cases(r)],
    "channel_sum": lambda r: [(normal(r, 3, 4, 5, 2),), (normal(r, 3, 4),), (normal(r, 3, 4, 2),)],
    "matmul": lambda r: [
        (normal(r, 3, 4), normal(r, 4, 5)),
        (normal(r, 2, 3, 4), normal(r, 4, 5)),
        (normal(r, 3, 1, 2, 4), normal(r, 2, 4, 3)),
        (normal(r, 2, 4), normal(r, 3, 4, 5)),
    ],
    "relu": lambda r: [(normal(r, 3, 4),), (np.array([-1.0, -0.0, 0.0, 2.0, np.inf, -np.inf, np.nan]),)],
    "relu_backward": lambda r: [(normal(r, 3, 4), np.maximum(normal(r, 3, 4), 0))],
    "erf": lambda r: [(np.concatenate([3 * normal(r, 200), [0, 0.46875, -0.46875, 4, -4, 6, -30, np.inf, -np.inf]]),)],
    "max_pool2d": lambda r: [(x, *POOL) for x in (normal(r, 2, 3, 7, 8), ties(r, 2, 3, 7, 8))],
    "max_pool2d_backward": lambda r: [max_pool_backward(r, x) for x in (normal(r, 2, 3, 7, 8), ties(r, 2, 3, 7, 8))],
    "max_pool2d_indices": lambda r: [(x, *POOL) for x in (normal(r, 2, 3, 7, 8), ties(r, 2, 3, 7, 8))],
    "put_at_indices": lambda r: [(normal(r, 2, 3, 4, 2), r.integers(0, 30, (2, 3, 4, 2)), (5, 6))],
    "adaptive_max_pool2d": lambda r: [
        (x, size) for x in (normal(r, 2, 3, 5, 7), ties(r, 2, 3, 5, 7)) for size in ((3, 2), (6, 1))
    ],
    "avg_pool2d": lambda r: [(normal(r, 2, 3, 6, 8), *options) for options in AVG],
    "avg_pool2d_backward": lambda r: [
        (normal(r, *reference.avg_pool2d(np.zeros((2, 3, 6, 8)), *options).shape), (6, 8), *options) for options in AVG
    ],
    "batch_norm": lambda r: [
        (normal(r, *shape), w, b, mean, var, 0.3, 0.1)
        for shape in ((4, 3, 5), (6, 3), (2, 3, 4, 2))
        for w, mean in ((normal(r, 3), normal(r, 3)), (None, None))
        for b, var in ((normal(r, 3), r.random(3)), (None, None))
    ],
    "batch_norm_backward": lambda r: [batch_norm_backward(r, normal(r, 3)), batch_norm_backward(r, None)],
    "channel_affine": lambda r: [
        (normal(r, *s), normal(r, 3), normal(r, 3)) for s in ((4, 3, 5), (4, 3), (4, 3, 2, 5))
    ],
    "row_norm": lambda r: [(normal(r, 4, 6), 0.1)],
    "row_norm_backward": lambda r: [row_norm_backward(r)],
    "local_response_norm": lambda r: [
        (normal(r, *shape), size, 0.9, beta, 1.5)
        for shape in ((2, 7, 3), (2, 6, 2, 3))
        for size in (4, 5, 9)
        for beta in (0.75, 0.6)
    ],
    "local_response_norm_backward": lambda r: [
        lrn_backward(r, size, beta) for size in (4, 5, 9) for beta in (0.75, 0.6)
    ],
    "class_distribution": lambda r: (
        [
            (np.array([2, -7, 0, 1, 3], kind), r.random(4), ignored, smoothing)
            for kind in (np.int64, np.int32)
            for ignored in (-7,)
            for smoothing in (0.0, 0.2)
        ]
        + [(np.array([2, 1, 0]), r.random(4), 1, 0.1)]
    ),
    "softmax_cross_entropy": lambda r: [
        (normal(r, 4, 5), r.random((4, 5))),
        (np.array([[1.0, -np.inf, 2.0], [1e3, 0.0, -1e3]]), np.array([[1.0, 0, 0], [0, 0.5, 0.25]])),
    ],
    "dropout_mask": lambda r: [(normal(r, 3, 4, 5), p) for p in (0.3, 1.0)],
    "separable_map": lambda r: [(normal(r, 2, 3, 4, 5), normal(r, 6, 4), normal(r, 3, 5))],
    "sgd_step": lambda r: [
        (*parameters(r, 3), 0.1, 0.9, 0.2, 0.01, False, False),
        (*parameters(r, 3), 0.1, 0.9, 0.0, 0.01, True, True),
        (*parameters(r, 2), None, 0.1, 0.0, 0.0, 0.0, False, False),
    ],
    "adam_step": lambda r: [
        (*parameters(r, 4), None, 3, 0.1, 0.9, 0.99, 1e-3, 0.01, False, False),
        (*parameters(r, 5), 3, 0.1, 0.9, 0.99, 1e-3, 0.01, True, True),
    ],
    "rmsprop_step": lambda r: [
        (*parameters(r, 3), None, None, 0.1, 0.9, 1e-3, 0.01, 0.0, False),
        # the mean of squares is larger than the square of the mean, here by half a unit
        (
            *parameters(r, 2),
            np.full((3, 4), 1.5),
            np.full((3, 4), 0.5),
            normal(r, 3, 4),
            0.1,
            0.9,
            1e-3,
            0.01,
            0.9,
            True,
        ),
    ],
    **augment_cases.CASES,
}
FAMILIES = ["activation", "conv", "dropout", "loss", "lrn", "matmul", "norm", "optim", "pool", "resize"]
FAMILIES += augment_cases.FAMILIES
IN_PLACE = {"sgd_step", "adam_step", "rmsprop_step", "batch_norm"}


def test_every_primitive_is_tried_here():
    assert set(CASES) == set(PRIMITIVES)


@pytest.mark.parametrize("form", [reference, cpu])
def test_each_form_has_every_primitive_under_its_signature_and_nothing_else(form):
    assert set(functions(form)) == set(PRIMITIVES)
    for name, f in functions(form).items():
        assert inspect.signature(f) == inspect.signature(PRIMITIVES[name]), name


@pytest.mark.parametrize("module", FAMILIES)
def test_a_family_has_the_same_names_in_each_form(module):
    loops, fast = (importlib.import_module(f"minitorch_cnn.backend.{form}.{module}") for form in ("reference", "cpu"))
    assert loops.__all__ == fast.__all__


def outcome(form, name, arguments):
    """What the primitive returns, and what it leaves in its arguments, as a list of arrays."""
    arguments = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    mt.manual_seed(0)
    results = getattr(form, name)(*arguments)
    results = [] if results is None else list(results) if isinstance(results, tuple) else [results]
    return results, [a for a in arguments if isinstance(a, np.ndarray)]


def of_dtype(arguments, dtype):
    return [a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arguments]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_cpu_computes_what_the_reference_does(name, dtype, rng):
    for arguments in CASES[name](rng):
        arguments = of_dtype(arguments, dtype)
        given = [a for a in arguments if isinstance(a, np.ndarray)]
        results, left = outcome(cpu, name, arguments)
        expected, expected_left = outcome(reference, name, arguments)
        assert len(results) == len(expected)
        for got, wanted in zip(results, expected):
            assert isinstance(got, np.ndarray) and got.dtype == wanted.dtype
            assert got.dtype in (dtype, np.int64, np.uint8) or name in ("uniform", "smooth_noise")
            assert_close_where_finite(got, wanted, RTOL[dtype])
        for got, wanted, before in zip(left, expected_left, given):
            if name in IN_PLACE:
                assert_close(got, wanted, RTOL[dtype])
            else:
                assert np.array_equal(got, before, equal_nan=True) and np.array_equal(wanted, before, equal_nan=True)
        if name.endswith("_step"):
            assert not np.array_equal(left[0], given[0]) and np.array_equal(left[1], given[1])  # the parameter moves


@pytest.mark.parametrize("name", CASES)
def test_a_call_through_the_list_reaches_the_cpu_form_with_its_arguments_in_order(name, rng):
    for arguments in CASES[name](rng):
        for got, wanted in zip(outcome(primitives, name, arguments), outcome(cpu, name, arguments)):
            assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(got, wanted))


@pytest.mark.parametrize("name", sorted(set(CASES) - IN_PLACE))
def test_arrays_may_be_views_of_any_strides(name, rng):
    """The same values in memory of another order, with gaps: the same result."""
    for arguments in CASES[name](rng):
        wanted, _ = outcome(cpu, name, arguments)
        views = [strided(a) if isinstance(a, np.ndarray) else a for a in arguments]
        mt.manual_seed(0)
        results = getattr(cpu, name)(*views)
        results = results if isinstance(results, tuple) else (results,)
        for got, expected in zip(results, wanted):
            assert_close_where_finite(got, expected, 1e-12)  # BLAS may sum in another order


def strided(a):
    """a's values as a view whose axes are reversed in memory, every second place of the last one empty."""
    wide = np.full((*a.shape[::-1][:-1], 2 * a.shape[0]), 99, a.dtype) if a.ndim else a
    view = wide[..., ::2].T if a.ndim else a
    view[...] = a
    return view
