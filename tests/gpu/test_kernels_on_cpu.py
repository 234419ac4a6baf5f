"""Kernels on the CPU: each primitive of backend/gpu against backend/cpu, its CUDA compiled by g++ and played on NumPy memory.

It proves the arithmetic and the indices of each kernel, its barriers, and that no thread reaches outside an array. It proves
nothing about CuPy's own functions, which are NumPy's here (the stand-in), nor about NVIDIA's compiler, nor about speed.
"""

import importlib
import inspect
import pkgutil
import sys

import numpy as np
import pytest
from backend import augment_cases
from backend.augment_cases import moved
from backend.test_forms import (
    AVG,
    CASES,
    IN_PLACE,
    POOL,
    PRIMITIVES,
    WINDOW,
    functions,
    normal,
    of_dtype,
    outcome,
    strided,
    window_sizes,
)
from closeness import assert_close, assert_close_where_finite
from gpu import kernels_on_cpu, standin
from gpu.kernels_on_cpu import Runner

import minitorch_cnn as mt
from minitorch_cnn import backend
from minitorch_cnn.backend import cpu, reference

if not kernels_on_cpu.gxx:
    pytest.skip("there is no g++ to compile kernels for the CPU with", allow_module_level=True)

# sums in another order, by threads; float32's rounding in the softmax and in Adam's root
RTOL = {np.float64: 1e-12, np.float32: 1e-5}
DTYPES = [np.float64, np.float32]
RANDOM = "dropout_mask"  # each form draws numbers of its own
IMAGES = (2, 3, 17, 19)


def conv_arguments(r, c_group, groups):
    """x, weight, grad, and the options, with more outputs than a block has threads."""
    x, weight = normal(r, *IMAGES), normal(r, 6, c_group, 3, 2)
    sizes = window_sizes(IMAGES[2:], *WINDOW)
    return x, weight, normal(r, 2, 6, *sizes), (*WINDOW[1:], groups)


def pooled(r, pool, *options):
    return normal(r, *pool(np.zeros(IMAGES), *options).shape)


def with_nans(r, *shape):
    """Small integers, so there are ties, and a NaN in every tenth place or so."""
    return np.where(r.random(shape) < 0.1, np.nan, r.integers(-2, 1, shape))


def batch_backward(r, *shape):
    x = normal(r, *shape) + 3
    axes = (0, *range(2, x.ndim))
    return normal(r, *shape), x, normal(r, shape[1]), x.mean(axes), x.var(axes), 0.1


def steps(r, count):
    """A parameter, its gradient, and the rest, positive."""
    return normal(r, 7, 100), normal(r, 7, 100), *(r.random((7, 100)) + 0.1 for _ in range(count - 2))


BATCHES = [(3, 2, 11, 13), (257, 3), (2, 3, 128)]
ROWS = [(3, 256), (2, 257), (20, 5), (2, 1000), (3, 1)]

# more than a block of 256 threads has to do, less, exactly as much, and none at all; same form as test_forms.CASES
SIZES = {
    "im2col": lambda r: [(normal(r, *IMAGES), *WINDOW), (normal(r, 0, 3, 7, 6), *WINDOW)],
    "col2im": lambda r: [(normal(r, 2, 18, np.prod(window_sizes(IMAGES[2:], *WINDOW))), IMAGES[2:], *WINDOW)],
    "conv2d": lambda r: [
        (x, weight, None, *options)
        for c_group, groups in ((3, 1), (1, 3))
        for x, weight, _, options in [conv_arguments(r, c_group, groups)]
    ],
    "conv2d_input_gradient": lambda r: [
        (grad, weight, IMAGES[2:], *options)
        for c_group, groups in ((3, 1), (1, 3))
        for _, weight, grad, options in [conv_arguments(r, c_group, groups)]
    ],
    "conv2d_weight_gradient": lambda r: [
        (grad, x, (3, 2), *options)
        for c_group, groups in ((3, 1), (1, 3))
        for x, _, grad, options in [conv_arguments(r, c_group, groups)]
    ],
    "relu": lambda r: [(normal(r, 3, 257),), (normal(r, 0, 4),)],
    "relu_backward": lambda r: [(normal(r, 3, 257), np.maximum(normal(r, 3, 257), 0))],
    "erf": lambda r: [(normal(r, 3, 257),)],
    "max_pool2d": lambda r: [(x, *POOL) for x in (normal(r, *IMAGES), with_nans(r, *IMAGES), normal(r, 0, 3, 7, 8))],
    "max_pool2d_indices": lambda r: [(x, *POOL) for x in (normal(r, *IMAGES), with_nans(r, *IMAGES))],
    "max_pool2d_backward": lambda r: [
        (pooled(r, cpu.max_pool2d, *POOL), x, cpu.max_pool2d(x, *POOL), *POOL)
        for x in (normal(r, *IMAGES), with_nans(r, *IMAGES))
    ],
    "put_at_indices": lambda r: [(normal(r, 2, 3, 5, 7), r.integers(0, 17 * 19, (2, 3, 5, 7)), (17, 19))],
    "adaptive_max_pool2d": lambda r: [
        (x, size) for x in (normal(r, *IMAGES), with_nans(r, *IMAGES)) for size in ((5, 7), (20, 1))
    ],
    "avg_pool2d": lambda r: [(normal(r, *IMAGES), *options) for options in AVG],
    "avg_pool2d_backward": lambda r: [(pooled(r, cpu.avg_pool2d, *o), IMAGES[2:], *o) for o in AVG],
    "batch_norm": lambda r: [
        (normal(r, *s) + 3, *(normal(r, s[1]) for _ in range(3)), r.random(s[1]), 0.3, 0.1) for s in BATCHES
    ],
    "batch_norm_backward": lambda r: [batch_backward(r, *s) for s in BATCHES],
    "channel_affine": lambda r: [(normal(r, *s), normal(r, s[1]), normal(r, s[1])) for s in BATCHES],
    "row_norm": lambda r: [(normal(r, *s), 0.1) for s in [*ROWS, (0, 4)]],
    "row_norm_backward": lambda r: [(normal(r, *s), *reference.row_norm(normal(r, *s), 0.1)) for s in ROWS],
    "local_response_norm": lambda r: [(normal(r, 2, 7, 11, 13), 5, 0.9, 0.75, 1.5)],
    "local_response_norm_backward": lambda r: [
        (normal(r, *x.shape), x, cpu.local_response_norm(x, size, 0.9, 0.75, 1.5)[1], size, 0.9, 0.75, 1.5)
        for size in (4, 5)
        for x in [normal(r, 2, 7, 11, 13)]
    ],
    "separable_map": lambda r: [
        (normal(r, 2, 3, 7, 11), normal(r, 13, 7) * (r.random((13, 7)) > 0.5), normal(r, 5, 11))
    ],
    "class_distribution": lambda r: [(r.integers(-1, 5, m), r.random(5), -1, 0.1) for m in (300, 0)],
    "softmax_cross_entropy": lambda r: [
        (normal(r, *s) + offset, r.random(s)) for s in [*ROWS, (0, 4)] for offset in (0, -2000, 2000)
    ],
    "sgd_step": lambda r: [
        (*steps(r, 3), 0.1, 0.9, 0.2, 0.01, True, False),
        (*steps(r, 2), None, 0.1, 0.0, 0.0, 0.3, False, True),
    ],
    "adam_step": lambda r: [
        (*steps(r, 4), None, 1, 0.1, 0.9, 0.99, 1e-3, 0.01, True, False),
        (*steps(r, 5), 3, 0.1, 0.9, 0.99, 1e-3, 0.01, False, True),
    ],
    "rmsprop_step": lambda r: [(*steps(r, 3), None, normal(r, 7, 100), 0.1, 0.9, 1e-3, 0.01, 0.9, True)],
}
NO_KERNEL = {"channel_sum", "matmul"}  # CuPy's own functions do it all


@pytest.fixture(scope="module")
def gpu():
    """backend/gpu, imported with the stand-in as its `cupy`; whatever was imported before is put back at the end."""
    name = "minitorch_cnn.backend.gpu"
    before = {n: sys.modules.pop(n) for n in list(sys.modules) if f"{n}.".startswith(f"{name}.")}
    attribute = vars(backend).pop("gpu", None)
    with standin.use():
        yield importlib.import_module(name)
    for n in [n for n in sys.modules if f"{n}.".startswith(f"{name}.")]:
        del sys.modules[n]
    vars(backend).pop("gpu", None)
    sys.modules.update(before)
    if attribute:
        backend.gpu = attribute


@pytest.fixture
def play(gpu, monkeypatch):
    """A function like `test_forms.outcome`: what a primitive of backend/gpu returns, and what it leaves in its arguments."""

    def play(name, arguments, run):
        def run_kernel(kernel, args, kwargs):
            found = []
            args = standin.unwrap(args, found)
            return standin.wrap(run(kernel, args, kwargs), found)

        monkeypatch.setattr(standin, "kernel_runner", run_kernel)
        arguments = moved(name, arguments, standin.array)
        mt.manual_seed(0)
        results = getattr(gpu, name)(*arguments)
        results = [] if results is None else list(results) if isinstance(results, tuple) else [results]
        left = [a for a in arguments if isinstance(a, np.ndarray | standin.ndarray)]
        return [a.array for a in results], [a if isinstance(a, np.ndarray) else a.array for a in left]

    return play


def assert_as_on_the_cpu(play, name, arguments, dtype):
    """Values to the dtype's tolerance; nothing but a step's own arrays changed; the order of the threads makes no difference."""
    arguments = of_dtype(arguments, dtype)
    given = [a for a in arguments if isinstance(a, np.ndarray)]
    results, left = play(name, arguments, Runner())
    expected, expected_left = outcome(cpu, name, arguments)
    assert len(results) == len(expected)
    for got, wanted in zip(results, expected):
        assert got.shape == wanted.shape and got.dtype == wanted.dtype
        assert_close_where_finite(got, wanted, RTOL[dtype])
    for got, wanted, before in zip(left, expected_left, given):
        if name in IN_PLACE:
            assert_close(got, wanted, RTOL[dtype])
        else:
            assert np.array_equal(got, before, equal_nan=True)
    results_reversed, left_reversed = play(name, arguments, Runner(reverse=True))
    for a, b in zip(results + left, results_reversed + left_reversed):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(CASES) - {RANDOM}))
def test_a_primitive_computes_what_the_cpu_does(name, dtype, rng, play):
    for arguments in CASES[name](rng):
        assert_as_on_the_cpu(play, name, arguments, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_do_not_divide_the_block_and_are_larger_than_one(name, dtype, rng, play):
    for arguments in SIZES[name](rng):
        assert_as_on_the_cpu(play, name, arguments, dtype)


def test_the_gpu_form_has_every_primitive_under_its_signature_and_nothing_else(gpu):
    assert set(functions(gpu)) == set(PRIMITIVES)
    for name, f in functions(gpu).items():
        assert inspect.signature(f) == inspect.signature(PRIMITIVES[name]), name


def test_every_primitive_with_a_kernel_is_tried_with_such_sizes():
    by_themselves = set(augment_cases.CASES)  # in test_cuda_augment*.py
    assert set(SIZES) == set(CASES) - NO_KERNEL - {RANDOM} - by_themselves


@pytest.mark.parametrize("name", sorted(set(CASES) - {RANDOM}))
def test_arrays_may_be_views_of_any_strides(name, rng, play):
    for arguments in CASES[name](rng):
        views = moved(name, arguments, lambda a: standin.wrap(strided(a)))
        for got, wanted in zip(play(name, views, Runner()), outcome(cpu, name, arguments)):
            for a, b in zip(got, wanted):
                assert_close_where_finite(a, b)


def test_running_statistics_of_another_dtype(rng, play):
    x, weight, bias, mean, var = of_dtype([normal(rng, *s) for s in [(4, 3, 100), *[(3,)] * 4]], np.float32)
    arguments = x, weight, bias, mean.astype(np.float64), abs(var).astype(np.float64), 0.3, 0.1
    for a, b in zip(play("batch_norm", arguments, Runner())[1], outcome(cpu, "batch_norm", arguments)[1]):
        assert_close(a, b, RTOL[np.float32])


@pytest.mark.parametrize("name", ["conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"])
def test_a_convolution_whose_columns_are_made_sample_by_sample(name, rng, play, gpu, monkeypatch):
    monkeypatch.setattr(sys.modules[f"{gpu.__name__}.conv"], "columns_limit", 1)
    for arguments in [*CASES[name](rng), *SIZES[name](rng)]:
        assert_as_on_the_cpu(play, name, arguments, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropouts_mask_holds_zeros_in_the_wanted_proportion(dtype, play):
    x = np.zeros((100, 201), dtype)
    for p in (0.0, 0.3, 1.0):
        mask, again = (play(RANDOM, (x, p), Runner(reverse))[0][0] for reverse in (False, True))
        assert mask.dtype == dtype and mask.shape == x.shape and np.array_equal(mask, again)
        assert set(np.unique(mask)) <= {0, np.asarray(1 / (1 - p) if p < 1 else 0, dtype).item()}
        assert abs((mask == 0).mean() - p) <= 4 * np.sqrt(p * (1 - p) / x.size)  # four standard deviations
        assert abs(np.corrcoef(mask[:-1].ravel() == 0, mask[1:].ravel() == 0)[0, 1]) < 0.03 if 0 < p < 1 else True


def test_a_label_that_is_no_class_makes_nan_and_reads_nothing_outside(play):
    target, class_weight = np.array([0, 3, -1, -100, 2**40]), np.array([1.0, 2.0, 4.0])
    q, weights = play("class_distribution", (target, class_weight, -100, 0.1), Runner())[0]
    wrong = [False, True, True, False, True]
    assert np.array_equal(np.isnan(weights), wrong) and np.array_equal(np.isnan(q).all(1), wrong)
    assert weights[3] == 0 and not q[3].any()


def kernels(gpu):
    """The names of all kernels in the files of backend/gpu."""
    cupy, names = sys.modules["cupy"], []
    block_kernel = importlib.import_module(f"{gpu.__name__}.block_kernel").BlockKernel
    pixel_kernel = importlib.import_module(f"{gpu.__name__}.pixel_kernel").PixelKernel
    for file in pkgutil.iter_modules(gpu.__path__):
        module = importlib.import_module(f"{gpu.__name__}.{file.name}")
        names += [
            k.name
            for k in vars(module).values()
            if isinstance(k, cupy.ElementwiseKernel | block_kernel | pixel_kernel | cupy.RawKernel)
        ]
    return names


def test_every_kernel_is_launched_and_no_two_threads_store_to_one_place(rng, play, gpu):
    run = Runner(count=True)
    for name, cases in CASES.items():
        for arguments in cases(rng):
            arguments = of_dtype(arguments, np.float32)
            plain, counted = (play(name, arguments, r) for r in (Runner(), run))
            for a, b in zip([*plain[0], *plain[1]], [*counted[0], *counted[1]]):
                assert a.tobytes() == b.tobytes()
    names = kernels(gpu)
    assert len(names) == len(set(names)) > 20
    assert {launch.name for launch in run.launches} == set(names)
