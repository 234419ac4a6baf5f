"""What the tests of the CUDA half share: a CuPy with a device, real or emulated, or a skip that says why."""

import pytest


def require_cupy():
    """The real CuPy with at least one device; the tests of the module that asks are skipped where it is missing."""
    cupy = pytest.importorskip("cupy", reason="CuPy isn't installed")
    if not hasattr(cupy, "__path__"):
        pytest.skip("this is the stand-in for CuPy, which runs no kernels", allow_module_level=True)
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("CuPy finds no device", allow_module_level=True)
    return cupy


def devices():
    """ "cuda:0", and "cuda:1" where there are two: what runs on the second finds every array made on the wrong one."""
    import cupy

    return [f"cuda:{n}" for n in range(min(2, cupy.cuda.runtime.getDeviceCount()))]
