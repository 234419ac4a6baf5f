"""Devices by name, and the module of an array."""

import numpy as np
import pytest

from minitorch_cnn.backend import (
    DeviceError,
    array_module,
    canonical_device,
    device_of,
    is_array,
    to_device,
    to_numpy,
)
from minitorch_cnn.backend import primitives as P


@pytest.mark.parametrize(
    "name, canonical",
    [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:12", "cuda:12"), ("cuda:01", "cuda:1")],
)
def test_device_names_have_one_full_form(name, canonical):
    assert canonical_device(name) == canonical


@pytest.mark.parametrize(
    "name", ["", "gpu", "tpu", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:1 ", "cuda0", 0, None, b"cpu"]
)
def test_any_other_name_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r'unknown device .*; known are "cpu", "cuda" and "cuda:N"'):
        canonical_device(name)


def test_an_array_that_is_there_already_is_not_copied():
    a = np.ones(3)
    assert to_device(a, "cpu") is a and to_numpy(a) is a and device_of(a) == "cpu"


@pytest.mark.parametrize("device, full", [("cuda", "cuda:0"), ("cuda:3", "cuda:3")])
def test_a_device_that_is_not_there_is_named_with_the_remedy(device, full):
    with pytest.raises(DeviceError, match=rf'device "{full}" was asked for.*use device="cpu"'):
        to_device(np.ones(3), device)
    assert issubclass(DeviceError, RuntimeError)


def test_numpys_arrays_and_scalars_belong_to_numpy():
    assert array_module(np.ones(3)) is np
    assert array_module(np.float32(1)) is np
    assert array_module(np.ones(3).view(np.recarray)) is np


@pytest.mark.parametrize(
    "value, answer", [(np.ones(2), True), ([1.0], False), (1.0, False), (np.float64(1), False), (None, False)]
)
def test_what_counts_as_an_array(value, answer):
    assert is_array(value) is answer


def test_a_primitive_refuses_what_is_no_array():
    with pytest.raises(TypeError, match="no backend for list"):
        P.relu([1.0, 2.0])
