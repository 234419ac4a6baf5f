"""A `cupy` that only answers questions about devices: for the situations that no one machine has."""

import types


class CUDARuntimeError(RuntimeError):
    """As CuPy's, with the number of cudaError_t."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class OutOfMemoryError(MemoryError):
    """As CuPy's, with its text."""

    def __init__(self, asked, total):
        super().__init__(f"Out of memory allocating {asked:,} bytes (allocated so far: {total:,} bytes).")


OutOfMemoryError.__module__ = "cupy.cuda.memory"


class Array:
    """What is left of a cupy.ndarray when only its shape, dtype and device are asked for."""

    def __init__(self, shape, dtype, device):
        self.shape, self.dtype, self.device = shape, dtype, types.SimpleNamespace(id=device)


def fake_cupy(names=("NVIDIA Fake",), capability=(8, 6), made_for=12090, driver=12040, error=None, limit=0):
    """The module, with one device for each name: 16 GiB, of which 10 are free; 4 are the pool's, 3 of them in arrays. On later
    devices the pool holds nothing. `error` is what getDeviceCount raises."""
    current = [0]
    waited = []

    def get_device_count():
        if error is not None:
            raise error
        return len(names)

    class Device:
        def __init__(self, number):
            self.number = number

        def __enter__(self):
            self.before, current[0] = current[0], self.number

        def __exit__(self, *exception):
            current[0] = self.before

        def synchronize(self):
            waited.append(self.number)

    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=get_device_count,
        getDevice=lambda: current[0],
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: made_for,
        getDeviceProperties=lambda n: {
            "name": names[n].encode(),
            "major": capability[0],
            "minor": capability[1],
            "totalGlobalMem": 16 << 30,
        },
        memGetInfo=lambda: (10 << 30 if current[0] == 0 else 15 << 30, 16 << 30),
    )
    pool = types.SimpleNamespace(
        used_bytes=lambda: 3 << 30 if current[0] == 0 else 0,
        total_bytes=lambda: 4 << 30 if current[0] == 0 else 0,
        get_limit=lambda: limit,
    )
    module = types.ModuleType("cupy")
    module.__version__ = "14.2.0"
    module.cuda = types.SimpleNamespace(runtime=runtime, Device=Device)
    module.get_default_memory_pool = lambda: pool
    module.waited = waited
    module.current = current
    return module


def situations():
    """{name: (what sys.modules["cupy"] is, the driver's version without CuPy, words of the problem, words of the remedy, fault)}.

    None as the module is a Python without CuPy.
    """
    gone = CUDARuntimeError(
        35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
    )
    no_device = CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
    mismatch = CUDARuntimeError(803, "cudaErrorSystemDriverMismatch: mismatch")
    missing = "CuPy is not installed"
    return {
        "no cupy, no driver": (None, 0, f"{missing}, and no NVIDIA driver was found", "install its driver", False),
        "no cupy, driver 12": (
            None,
            12040,
            missing,
            "runs CUDA 12.4, so the wheel is cupy-cuda12x: pip install 'minitorch_cnn[cuda12]'",
            False,
        ),
        "no cupy, driver 13": (
            None,
            13000,
            missing,
            "runs CUDA 13.0, so the wheel is cupy-cuda13x: pip install 'minitorch_cnn[cuda13]'",
            False,
        ),
        "no cupy, driver 11": (None, 11040, missing, "needs 12.0: update NVIDIA's driver to 525 or newer", False),
        "no driver": (
            fake_cupy(driver=0, error=gone),
            0,
            "CuPy is installed and no NVIDIA driver was found",
            "docker run --gpus all",
            False,
        ),
        "driver 12, wheel 13": (
            fake_cupy(driver=12040, made_for=13000, error=gone),
            12040,
            "runs CUDA 12.4, is too old for this CuPy, made for CUDA 13.0",
            "Either update the driver, or change the wheel: pip uninstall cupy-cudaFAKE. "
            "The driver runs CUDA 12.4, so the wheel is cupy-cuda12x",
            True,
        ),
        "driver 11, wheel 12": (
            fake_cupy(driver=11040, made_for=12090, error=gone),
            11040,
            "runs CUDA 11.4, is too old for this CuPy, made for CUDA 12.9",
            "update NVIDIA's driver to 525",
            True,
        ),
        "no device": (fake_cupy(error=no_device), 12040, "has no device for it", "nvidia-smi lists a card", False),
        "count 0": (fake_cupy(names=()), 12040, "has no device for it", "nvidia-smi lists a card", False),
        "broken driver": (
            fake_cupy(error=mismatch),
            12040,
            "CUDA doesn't start (cudaErrorSystemDriverMismatch: mismatch)",
            "restart the machine",
            True,
        ),
    }
