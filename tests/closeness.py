"""The one way tests compare arrays: shape and dtype equal, values within rtol of the largest expected one."""

import numpy as np

import minitorch_cnn as mt


def assert_close(got, expected, rtol=1e-12):
    got = got.numpy() if isinstance(got, mt.Tensor) else np.asarray(got)
    expected = np.asarray(expected)
    assert got.shape == expected.shape, f"shape {got.shape}, expected {expected.shape}"
    assert got.dtype == expected.dtype, f"dtype {got.dtype}, expected {expected.dtype}"
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * max(np.abs(expected).max(initial=0.0), 1e-30))


def assert_close_where_finite(got, expected, rtol=1e-12):
    """assert_close for values among which are infinities and NaN: these must be the same in the same places."""
    finite = np.isfinite(expected)
    assert np.array_equal(got[~finite], expected[~finite], equal_nan=True)
    assert_close(np.where(finite, got, 0), np.where(finite, expected, 0), rtol)
