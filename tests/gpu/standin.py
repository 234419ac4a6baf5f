"""A strict stand-in for CuPy, on NumPy memory: what CuPy refuses it refuses, and it counts where the host would wait.

    with standin.use() as cupy, standin.no_synchronisation():
        y = cupy.exp(x)                     # x a cupy.ndarray: an array of this file, which holds a NumPy array
        float(y.sum())                      # AssertionError: the host waits for the device ... my_program.py:3 float

An `ndarray` of the stand-in never mixes with NumPy's, lives on one of two devices, and stays an array where NumPy would return a
scalar. Its functions are NumPy's: arguments are unwrapped, the result is wrapped. NumPy 2 promotes as CuPy does, so that is right
of itself. It is stricter than CuPy in one thing: `np.exp(x)`, which works through NumPy's protocols there, is refused here.

Each refusal and each count is held against the real CuPy in test_standin.py. What it doesn't show: any arithmetic of a kernel.
"""

import contextlib
import sys
import types

import numpy as np
from gpu.standin_arrays import (
    LACKING,
    CUDARuntimeError,
    Device,
    OutOfMemoryError,
    Ufunc,
    array,
    asarray,
    ascontiguousarray,
    check,
    count,
    ndarray,
    no_synchronisation,
    refuse_host,
    sync,
    unwrap,
    wrap,
    wrapped,
)

__all__ = ["array", "count", "cupy", "install", "ndarray", "no_synchronisation", "primitives", "unwrap", "use", "wrap"]

from minitorch_cnn.backend import cpu
from minitorch_cnn.backend import primitives as package_primitives

kernel_runner = None  # a function (kernel, args, kwargs) which runs an ElementwiseKernel or a RawKernel


# kernels --------------------------------------------------------------------------------------------------------------


class _Kernel:
    """A CUDA kernel: its source, and whoever can run it."""

    def __call__(self, *args, **kwargs):
        found = []
        # a RawKernel's arguments are in a tuple of their own: (grid, block, args)
        refuse_host([*args, *kwargs.values()])
        unwrap([list(a) if isinstance(a, tuple) else a for a in args], found)
        check(found)
        if kernel_runner is None:
            raise RuntimeError(
                f"the kernel {self.name} was called, but the stand-in for CuPy runs no CUDA: set standin.kernel_runner, or work "
                "under standin.use(), where the primitives are those of backend/cpu"
            )
        return kernel_runner(self, args, kwargs)


class ElementwiseKernel(_Kernel):
    def __init__(self, in_params, out_params, operation, name="kernel", reduce_dims=True, preamble="", **options):
        self.in_params, self.out_params, self.operation = in_params, out_params, operation
        self.name, self.reduce_dims, self.preamble, self.options = name, reduce_dims, preamble, options


class RawKernel(_Kernel):
    def __init__(self, code, name, options=(), backend="nvrtc", **more):
        self.code, self.name, self.options, self.backend = code, name, options, backend


# the modules ----------------------------------------------------------------------------------------------------------


class _Module(types.ModuleType):
    """A module with NumPy's functions, wrapped, under the names that CuPy has, and `own` in front of them."""

    def __init__(self, name, source, **own):
        super().__init__(name)
        self._source = source
        self.__dict__.update(own)

    def __getattr__(self, name):
        source = self._source
        if name.startswith("__") or source is None or name in LACKING or not hasattr(source, name):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(source, name)
        if isinstance(value, np.ufunc):
            value = Ufunc(value)
        elif callable(value) and not isinstance(value, type):
            value = wrapped(name, value)
        setattr(self, name, value)
        return value


class _Stream:
    def synchronize(self):
        sync("stream")


class _MemoryPool:
    """Nothing is pooled here; what a program asks of a pool it may ask."""

    def used_bytes(self):
        return 0

    total_bytes = used_bytes

    def free_all_blocks(self):
        pass


def _set_device(device):
    Device(device).use()


_stream, _pool = _Stream(), _MemoryPool()
runtime = _Module(
    "cupy.cuda.runtime",
    None,
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=lambda: 2,
    getDevice=lambda: Device().id,
    setDevice=_set_device,
)
memory = _Module("cupy.cuda.memory", None, OutOfMemoryError=OutOfMemoryError)
cuda = _Module(
    "cupy.cuda",
    None,
    runtime=runtime,
    memory=memory,
    Device=Device,
    Stream=types.SimpleNamespace(null=_stream),
    get_current_stream=lambda: _stream,
    is_available=lambda: True,
)
stride_tricks = _Module("cupy.lib.stride_tricks", np.lib.stride_tricks)
lib = _Module("cupy.lib", None, stride_tricks=stride_tricks)
linalg = _Module("cupy.linalg", np.linalg)
random = _Module("cupy.random", np.random)
cupy = _Module(
    "cupy",
    np,
    __version__="14.2.0",
    ndarray=ndarray,
    array=array,
    asarray=asarray,
    asanyarray=asarray,
    ascontiguousarray=ascontiguousarray,
    asnumpy=lambda a, *args, **kwargs: a.get() if isinstance(a, ndarray) else np.asarray(a),
    get_array_module=lambda *arrays: cupy if any(isinstance(a, ndarray) for a in arrays) else np,
    get_default_memory_pool=lambda: _pool,
    ElementwiseKernel=ElementwiseKernel,
    RawKernel=RawKernel,
    is_available=lambda: True,
    cuda=cuda,
    lib=lib,
    linalg=linalg,
    random=random,
)
MODULES = {m.__name__: m for m in (cupy, cuda, runtime, memory, lib, stride_tricks, linalg, random)}
ndarray.__module__, ndarray.__qualname__ = "cupy", "ndarray"


def install():
    """`import cupy` finds the stand-in from here on."""
    sys.modules.update(MODULES)
    return cupy


# the primitives -------------------------------------------------------------------------------------------------------


def primitives(cpu):
    """A namespace with the functions of backend/cpu (a module), which take and return arrays of the stand-in.

    The memory is shared, so an array that a primitive changes in place is changed here too.
    """

    def primitive(name, function):
        def call(*args, **kwargs):
            refuse_host([*args, *kwargs.values()])
            found = []
            args = [unwrap(a, found) for a in args]
            check(found)
            with np.errstate(all="ignore"):
                return wrap(function(*args, **kwargs), found)

        call.__name__ = name
        return call

    functions = {n: f for n, f in vars(cpu).items() if isinstance(f, types.FunctionType) and not n.startswith("_")}
    return types.SimpleNamespace(**{name: primitive(name, f) for name, f in functions.items()})


_primitives = primitives(cpu)  # of the functions as they are now: a test may put a spy in their place later


@contextlib.contextmanager
def use():
    """`import cupy` finds the stand-in, and the package's primitives work on its arrays; at the end all is as it was."""
    before = {name: sys.modules.get(name) for name in MODULES}
    form = package_primitives.form
    install()
    package_primitives.form = lambda a: _primitives if isinstance(a, ndarray) else form(a)
    try:
        yield cupy
    finally:
        package_primitives.form = form
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
