"""Runs CUDA kernels on NumPy memory: each is compiled by g++ with `cuda_on_cpu.h`, and its grid is played thread by thread.

    run = Runner()
    run(kernel, (x, y), {})                         # an ElementwiseKernel: `kernel(x, y)`
    run(kernel, ((blocks,), (threads,), args), {})  # a RawKernel

A kernel is any object with the attributes in_params, out_params, operation, name and preamble, or code and name: the stand-in's.
Where CuPy would let a mistake pass and compute nonsense, the runner raises: an index outside an array, an argument whose type isn't
the parameter's, a pointer to an array with gaps, arithmetic that becomes double by accident.
"""

import ctypes
import hashlib
import math
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from typing import NamedTuple

import numpy as np

HEADER = pathlib.Path(__file__).with_name("cuda_on_cpu.h")
OPTIONS = ["-std=c++17", "-O1", "-shared", "-fPIC", "-fno-strict-aliasing", "-ffp-contract=off", "-U_FORTIFY_SOURCE"]
OPTIONS += ["-fsanitize=bounds,integer-divide-by-zero", "-fno-sanitize-recover=all", "-Wl,--as-needed"]
# a literal without f makes float arithmetic double, and one with f makes double arithmetic inexact
OPTIONS += ["-Werror", "-Wdouble-promotion", "-Wfloat-conversion", "-Wuninitialized", "-Wreturn-type"]

C_TYPES = {  # as CuPy names them
    "bool": "bool",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long long",
    "float32": "float",
    "float64": "double",
}
DTYPES = {c_type: np.dtype(name) for name, c_type in C_TYPES.items()}


class KernelError(RuntimeError):
    """What is wrong with a kernel, or with how it was called."""


class Launch(NamedTuple):
    """What a launch did. The bytes are counted on request: of different values read and written, and of all loads and stores."""

    name: str
    bytes_read: int = 0
    bytes_written: int = 0
    bytes_loaded: int = 0
    bytes_stored: int = 0


class Runner:
    """Runs kernels and lists their launches. `reverse`: the last thread first. `count`: count bytes, find colliding stores."""

    def __init__(self, reverse=False, count=False):
        self.reverse, self.count, self.launches = reverse, count, []

    def __call__(self, kernel, args, kwargs):
        if hasattr(kernel, "operation"):
            return self.elementwise(kernel, args, **kwargs)
        return self.raw(kernel, *args, **kwargs)

    def elementwise(self, kernel, args, size=None):
        """The outputs of a cupy.ElementwiseKernel: an array, or a tuple of several."""
        ins, outs = _parameters(kernel.in_params, const=True), _parameters(kernel.out_params, const=False)
        parameters = ins + outs
        if len(args) not in (len(ins), len(parameters)):
            numbers = f"{len(ins)} arguments, or {len(parameters)} with the outputs"
            raise TypeError(f"{kernel.name} takes {numbers}; {len(args)} were given")
        args = [*args, *[None] * (len(parameters) - len(args))]
        types = _types(kernel, parameters, args)
        shape = _loop_shape(kernel, parameters, args, size)
        args = [_new_output(kernel, p, types, shape) if a is None else a for p, a in zip(parameters, args)]

        values = []
        for p, value in zip(parameters, args):
            if isinstance(value, np.ndarray):
                values.append(_memory(p.name, value if p.raw else np.broadcast_to(value, shape), self.count))
            else:
                values.append(_scalar(kernel, p, value, types[p.type]))
        launch = _compile(_loop_source(kernel, parameters, values, types), self.count)
        length = ctypes.c_ssize_t(math.prod(shape))
        self._launch(kernel, values, lambda pointers: launch(pointers, length, int(self.reverse)))
        results = args[len(ins) :]
        return results[0] if len(results) == 1 else tuple(results)

    def raw(self, kernel, grid, block, args, shared_mem=0):
        """A launch of a cupy.RawKernel."""
        if shared_mem:
            raise KernelError(f"{kernel.name}: shared memory whose size is given at the launch can't be played")
        extents = [(*e, 1, 1)[:3] for e in (grid, block)]
        if min(extents[0] + extents[1]) < 1 or math.prod(extents[1]) > 1024:
            raise KernelError(f"{kernel.name}: a grid of {grid} blocks of {block} threads can't be launched")
        parameters = _signature(kernel)
        if len(args) != len(parameters):
            raise TypeError(f"{kernel.name} has {len(parameters)} parameters, but {len(args)} arguments were given")
        values = [_raw_argument(kernel, p, value, self.count) for p, value in zip(parameters, args)]
        launch = _compile(_grid_source(kernel, parameters), self.count)
        self._launch(kernel, values, lambda pointers: launch(pointers, ctypes.byref(_Grid(*extents, self.reverse))))

    def _launch(self, kernel, values, launch):
        addresses = [ctypes.addressof(v) if isinstance(v, _Memory) else v.ctypes.data for v in values]
        message = launch((ctypes.c_void_p * len(addresses))(*addresses))
        if message:
            raise KernelError(message.decode())
        arrays = [v for v in values if isinstance(v, _Memory)] if self.count else []
        self.launches.append(
            Launch(
                kernel.name,
                sum(a.itemsize * int(np.count_nonzero(a.read_flags)) for a in arrays),
                sum(a.itemsize * int(np.count_nonzero(a.writers)) for a in arrays),
                sum(a.itemsize * a.loads for a in arrays),
                sum(a.itemsize * a.stores for a in arrays),
            )
        )


class Parameter(NamedTuple):
    type: str
    name: str
    const: bool
    raw: bool = False  # of an elementwise kernel: the kernel indexes it itself
    pointer: bool = False  # of a raw kernel


# elementwise kernels --------------------------------------------------------------------------------------------------


def _parameters(text, const):
    """ "raw T x, int32 n" -> its two parameters."""
    words = [part.split() for part in text.split(",") if part.strip()]
    return [Parameter(type=w[-2], name=w[-1], const=const, raw=w[0] == "raw") for w in words]


def _types(kernel, parameters, args):
    """{"T": float32, "int32": int32}: a type of one letter is that of the arrays given for it, and they must agree."""
    types = {}
    for p, value in zip(parameters, args):
        if len(p.type) > 1:
            types[p.type] = np.dtype(p.type)
        if isinstance(value, np.ndarray) and types.setdefault(p.type, value.dtype) != value.dtype:
            raise TypeError(f"{kernel.name}: {p.type} is {types[p.type]}, but {p.name} is {value.dtype}")
    for p in parameters:
        if p.type not in types:
            raise TypeError(f"{kernel.name}: no array says what the type {p.type} of {p.name} is")
    return types


def _loop_shape(kernel, parameters, args, size):
    """The shape to which all arrays but the raw ones are broadcast; outputs must have it."""
    arrays = [(p, a) for p, a in zip(parameters, args) if isinstance(a, np.ndarray) and not p.raw]
    if size is not None and arrays:
        raise ValueError(f"{kernel.name}: size= is for a kernel whose arrays are all raw")
    if size is None and not arrays:
        raise ValueError(f"{kernel.name}: all arrays are raw, so it must be said over how many values to loop, size=")
    shape = (size,) if size is not None else np.broadcast_shapes(*(a.shape for _, a in arrays))
    for p, a in arrays:
        if not p.const and a.shape != shape:
            raise ValueError(f"{kernel.name}: output {p.name} has the shape {a.shape}, but the loop goes over {shape}")
    return shape


def _new_output(kernel, p, types, shape):
    """An output that is not given. All its bits are set, a NaN: a value that nobody writes is noticed."""
    if p.raw:
        raise ValueError(f"{kernel.name}: the size of the raw output {p.name} is unknown; give the array")
    return np.full(shape, -1, f"i{types[p.type].itemsize}").view(types[p.type])


def _scalar(kernel, p, value, dtype):
    """A number as an array of the parameter's dtype. CuPy would make the integer 2 of 2.5 without a word."""
    scalar = np.asarray(value).astype(dtype)
    if p.raw or scalar.ndim or (dtype.kind in "iub" and scalar != value):
        raise TypeError(f"{kernel.name}: {'raw ' * p.raw}{p.type} {p.name} was given {value!r}")
    return scalar


def _loop_source(kernel, parameters, values, types):
    """The kernel's operation in a loop over i. A number is a variable; an array is one which is indexed here, or in the kernel."""
    typedefs = [f"typedef {C_TYPES[dtype.name]} {name};" for name, dtype in types.items() if len(name) == 1]
    once, each = [], []
    for k, (p, value) in enumerate(zip(parameters, values)):
        c_type = f"{'const ' * p.const}{C_TYPES[types[p.type].name]}"
        if not isinstance(value, _Memory):
            once.append(f"{c_type} {p.name} = *({c_type}*)_values[{k}];")
            continue
        once.append(f"on_cpu::Array<{c_type}> {'' if p.raw else '_raw_'}{p.name}{{(on_cpu::Memory*)_values[{k}]}};")
        if not p.raw:
            each.append(f"on_cpu::Reference<{c_type}> {p.name} = _raw_{p.name}[i];")
    return "\n".join(
        [
            *typedefs,
            f'#line 1 "{kernel.name}, preamble"',
            kernel.preamble,
            "static void _loop(void** _values, ptrdiff_t _size, bool _reverse) {",
            *once,
            "struct { ptrdiff_t _size; ptrdiff_t size() const { return _size; } } _ind{_size};",
            "for (ptrdiff_t _k = 0; _k < _size; ++_k) {",
            "const ptrdiff_t i = on_cpu::thread = _reverse ? _size - 1 - _k : _k;",
            *each,
            f'#line 1 "{kernel.name}"',
            f"{kernel.operation};",
            "} }",
            'extern "C" const char* launch(void** values, ptrdiff_t size, int reverse) {',
            f'return on_cpu::play_loop("{kernel.name}", _loop, values, size, reverse); }}',
        ]
    )


# raw kernels ----------------------------------------------------------------------------------------------------------


def _without_comments(code):
    return re.sub(r"//[^\n]*", "", code)


def _typedefs(code):
    """{"T": "float"} of "typedef float T;"."""
    return {name: c_type for c_type, name in re.findall(r"typedef\s+([\w ]+?)\s+(\w+)\s*;", code)}


def _signature(kernel):
    """The parameters of the function `kernel.name`."""
    found = re.search(rf"__global__\s+void\s+{kernel.name}\s*\(([^)]*)\)", _without_comments(kernel.code))
    if not found:
        raise KernelError(f"{kernel.name}: its code has no `__global__ void {kernel.name}(...)`")
    parameters = []
    for text in found[1].split(","):
        words = re.fullmatch(r"\s*(const\s)?\s*([\w ]+?)\s*(\*?)\s*(?:__restrict__\s)?\s*(\w+)\s*", text)
        if not words:
            raise KernelError(f"{kernel.name}: the parameter `{text.strip()}` isn't a number or a pointer to numbers")
        const, c_type, star, name = words.groups()
        parameters.append(Parameter(c_type, name, const=bool(const), pointer=bool(star)))
    return parameters


def _raw_argument(kernel, p, value, count):
    """The argument, if its type is the parameter's: CUDA takes the bytes for what the parameter says they are."""
    dtype = DTYPES[_typedefs(kernel.code).get(p.type, p.type)]
    where = f"{kernel.name}: parameter {p.name} is {'const ' * p.const}{p.type}{'*' * p.pointer}"
    if p.pointer and isinstance(value, np.uint64) and value == 0:
        return _Memory(p.name.encode())  # the null pointer
    if not isinstance(value, np.ndarray if p.pointer else np.generic) or value.dtype != dtype:
        kind = f"{value.dtype} {type(value).__name__}" if hasattr(value, "dtype") else type(value).__name__
        raise TypeError(f"{where}, but was given {'an' if kind[0] in 'aeiou' else 'a'} {kind}")
    if p.pointer and not value.flags.c_contiguous:
        raise ValueError(
            f"{where}, but the array's values have gaps between them: shape {value.shape}, {value.strides=}"
        )
    return _memory(p.name, value, count) if p.pointer else np.asarray(value)


def _grid_source(kernel, parameters):
    """The kernel's code with `Pointer<T>` for each `T*`, and a call of it."""
    typedefs = _typedefs(kernel.code)
    names = "|".join([*sorted(DTYPES, key=len, reverse=True), *typedefs])
    code = re.sub(rf"\b((?:const\s+)?(?:{names}))\s*\*", r"on_cpu::Pointer<\1>", _without_comments(kernel.code))
    passed = ", ".join(
        f"on_cpu::Pointer<{p.type}>((on_cpu::Memory*)values[{k}], 0)" if p.pointer else f"*({p.type}*)values[{k}]"
        for k, p in enumerate(parameters)
    )
    return "\n".join(
        [
            f'#line 1 "{kernel.name}"',
            code,
            f"static void call(void** values) {{ {kernel.name}({passed}); }}",
            'extern "C" const char* launch(void** values, const on_cpu::Grid* grid) {',
            f'return on_cpu::play_grid("{kernel.name}", call, values, grid); }}',
        ]
    )


# what the compiled code gets ------------------------------------------------------------------------------------------


class _Memory(ctypes.Structure):
    """struct Memory of the header."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_ssize_t),
        ("ndim", ctypes.c_ssize_t),
        ("shape", ctypes.c_ssize_t * 8),
        ("strides", ctypes.c_ssize_t * 8),
        ("loads", ctypes.c_ssize_t),
        ("stores", ctypes.c_ssize_t),
        ("was_read", ctypes.c_void_p),
        ("writer", ctypes.c_void_p),
    ]
    itemsize, read_flags, writers = 0, (), ()


class _Grid(ctypes.Structure):
    """struct Grid of the header."""

    _fields_ = [("blocks", ctypes.c_uint * 3), ("threads", ctypes.c_uint * 3), ("reverse", ctypes.c_int)]


def _memory(name, array, count):
    memory = _Memory(name.encode(), array.ctypes.data, array.size, array.ndim)
    memory.shape[: array.ndim], memory.strides[: array.ndim] = array.shape, array.strides
    if count:
        memory.itemsize = array.itemsize
        memory.read_flags, memory.writers = np.zeros(array.size, bool), np.zeros(array.size, np.intp)
        memory.was_read, memory.writer = memory.read_flags.ctypes.data, memory.writers.ctypes.data
    return memory


# the compiler ---------------------------------------------------------------------------------------------------------

gxx = shutil.which("g++")  # None where there is none
_loaded = {}


def _compile(source, count):
    """The function `launch` of the source. What was compiled is kept in the folder for temporary files, under its source's hash."""
    source = f'{"#define COUNT_ACCESSES" if count else ""}\n#include "{HEADER.name}"\n{source}\n'
    if source not in _loaded:
        key = hashlib.sha256("\0".join([source, HEADER.read_text(), *OPTIONS]).encode()).hexdigest()[:32]
        folder = pathlib.Path(tempfile.gettempdir(), f"minitorch_cnn_kernels_{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        library = folder / f"{key}.so"
        if not library.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                made, cpp = pathlib.Path(scratch, "kernel.so"), pathlib.Path(scratch, "kernel.cpp")
                cpp.write_text(source)
                command = [gxx, *OPTIONS, f"-I{HEADER.parent}", "-o", str(made), str(cpp)]
                result = subprocess.run(command, capture_output=True, text=True)
                if result.returncode:
                    raise KernelError(f"g++ refuses the kernel:\n{result.stderr}\n{source}")
                os.replace(made, library)  # whole, or not there
        launch = ctypes.PyDLL(
            str(library)
        ).launch  # Python's lock is kept: the header's variables are for one launch at a time
        launch.restype = ctypes.c_char_p
        _loaded[source] = launch
    return _loaded[source]
