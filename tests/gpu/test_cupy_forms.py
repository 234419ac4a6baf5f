"""The GPU form of each primitive with the real CuPy, against the CPU form: on a GPU, or on an emulated device."""

import importlib
import inspect

import numpy as np
import pytest
from gpu.device import require_cupy

cupy = require_cupy()

from backend.augment_cases import moved
from backend.test_forms import CASES, FAMILIES, IN_PLACE, PRIMITIVES, functions, of_dtype, outcome
from closeness import assert_close, assert_close_where_finite

from minitorch_cnn.backend import cpu, gpu

# sums in another order, by threads; float32's rounding in the softmax and in Adam's root
RTOL = {np.float64: 1e-12, np.float32: 1e-5}


def on_gpu(name, arguments):
    """`outcome` of the GPU form, with arrays that were moved there and back."""
    arguments = moved(name, arguments, cupy.asarray)
    results = getattr(gpu, name)(*arguments)
    results = [] if results is None else list(results) if isinstance(results, tuple) else [results]
    assert all(isinstance(a, cupy.ndarray) for a in results)
    left = [a for a in arguments if isinstance(a, np.ndarray | cupy.ndarray)]
    return [a.get() for a in results], [a if isinstance(a, np.ndarray) else a.get() for a in left]


def test_the_gpu_form_has_every_primitive_under_its_signature_and_nothing_else():
    assert set(functions(gpu)) == set(PRIMITIVES)
    for name, f in functions(gpu).items():
        assert inspect.signature(f) == inspect.signature(PRIMITIVES[name]), name


@pytest.mark.parametrize("module", FAMILIES)
def test_a_family_has_the_same_names_as_on_the_cpu(module):
    fast, kernels = (importlib.import_module(f"minitorch_cnn.backend.{form}.{module}") for form in ("cpu", "gpu"))
    assert fast.__all__ == kernels.__all__


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", sorted(set(CASES) - {"dropout_mask"}))
def test_the_gpu_computes_what_the_cpu_does(name, dtype, rng):
    for arguments in CASES[name](rng):
        arguments = of_dtype(arguments, dtype)
        given = [a for a in arguments if isinstance(a, np.ndarray)]
        results, left = on_gpu(name, arguments)
        expected, expected_left = outcome(cpu, name, arguments)
        assert len(results) == len(expected)
        for got, wanted in zip(results, expected):
            assert got.dtype == wanted.dtype and got.shape == wanted.shape
            assert_close_where_finite(got, wanted, RTOL[dtype])
        for got, wanted, before in zip(left, expected_left, given):
            if name in IN_PLACE:
                assert_close(got, wanted, RTOL[dtype])
            else:
                assert np.array_equal(got, before, equal_nan=True)


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropouts_mask_holds_zeros_in_the_wanted_proportion(p, dtype):
    import minitorch_cnn as mt

    x = cupy.empty((100, 200), dtype)
    mt.manual_seed(3)
    first, second = gpu.dropout_mask(x, p).get(), gpu.dropout_mask(x, p).get()
    mt.manual_seed(3)
    assert np.array_equal(gpu.dropout_mask(x, p).get(), first)
    assert first.dtype == dtype and set(np.unique(first)) <= {0, np.dtype(dtype).type(1 / (1 - p) if p < 1 else 0)}
    dropped = (first == 0).mean()
    assert abs(dropped - p) <= 4 * np.sqrt(p * (1 - p) / x.size)  # four standard deviations
    if 0 < p < 1:
        assert not np.array_equal(first, second)
        both = ((first == 0) & (second == 0)).mean()  # independent of each other, and of the neighbour
        assert abs(both - p * p) < 4 * np.sqrt(p * p * (1 - p * p) / x.size)
        beside = ((first[:, 1:] == 0) & (first[:, :-1] == 0)).mean()
        assert abs(beside - p * p) < 6 * np.sqrt(p * p * (1 - p * p) / x.size)


def test_columns_in_parts_give_the_same(rng, monkeypatch):
    x, weight = rng.standard_normal((5, 3, 6, 7)), rng.standard_normal((4, 3, 3, 2))
    options = ((2, 1), (1, 0), (1, 2), 1)
    y = cpu.conv2d(x, weight, None, *options)
    grad = rng.standard_normal(y.shape)
    monkeypatch.setattr(gpu.conv, "columns_limit", 2 * 18 * y[0, 0].nbytes)  # two samples' columns
    X, W, G = cupy.asarray(x), cupy.asarray(weight), cupy.asarray(grad)
    assert_close(gpu.conv2d(X, W, None, *options).get(), y, 1e-12)
    for got, wanted in (
        (gpu.conv2d_input_gradient(G, W, (6, 7), *options), cpu.conv2d_input_gradient(grad, weight, (6, 7), *options)),
        (gpu.conv2d_weight_gradient(G, X, (3, 2), *options), cpu.conv2d_weight_gradient(grad, x, (3, 2), *options)),
    ):
        assert_close(got.get(), wanted, 1e-12)
