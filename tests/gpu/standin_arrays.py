"""The arrays of the stand-in for CuPy, its devices, and what it counts. What it is for says standin.py.

An `ndarray` here holds a NumPy array. A function is NumPy's: it refuses what CuPy refuses, unwraps its arguments and wraps the
result, which lives on the current device.
"""

import contextlib
import operator
import os
import sys
import threading

import numpy as np

# What NumPy has and CuPy 14 has not; everything else that NumPy has is there.
LACKING = set(
    """asmatrix block bmat busday_count busday_offset datetime_as_string datetime_data einsum_path frompyfunc fromregex geomspace
    get_include getbufsize geterr geterrcall histogram_bin_edges info insert is_busday isnat matvec nanpercentile nanquantile
    nested_iters polyder polydiv polyint setbufsize seterr seterrcall show_runtime spacing test unstack vecdot vecmat
    errstate True_ False_ longdouble datetime64 timedelta64 ma matrix memmap nditer object_ str_ bytes_ void""".split()
)
# Keyword arguments of NumPy's functions that CuPy's don't have; `where` is copyto's, too, and there CuPy has it.
REFUSED_KEYWORDS = {"where", "initial", "like", "device", "subok", "stable", "correction", "mean", "ndmax"}
REDUCIBLE, SCATTERING = {"add", "multiply"}, {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or"}

# After these the host must know a size or a value, so it waits.
WAITING = set(
    """argpartition argwhere bincount compress extract flatnonzero histogram intersect1d linspace nonzero place putmask
    setdiff1d sliding_window_view trim_zeros union1d unique unravel_index array2string array_str array_repr save
    item tolist tobytes""".split()
)
WITHOUT_KERNEL = set(  # views and questions: they work on an array of whichever device
    """reshape transpose swapaxes moveaxis squeeze expand_dims broadcast_to ravel view diagonal as_strided atleast_1d atleast_2d
    shape ndim size may_share_memory shares_memory result_type can_cast zeros_like ones_like empty_like full_like copy
    item tolist tobytes""".split()
)
REDUCTIONS = {"sum", "prod", "max", "min", "amax", "amin", "any", "all", "argmax", "argmin", "cumsum", "cumprod"}
TAKES_HOST_ARRAYS = {
    "take",
    "take_along_axis",
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
}  # indices are copied

NO_CONVERSION = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
)


# counting -------------------------------------------------------------------------------------------------------------


class Counters:
    """What happened in a block `with count() as c`."""

    def __init__(self):
        self.syncs = []  # "file.py:12 float": where the host waits, and for what
        self.transfers = []  # (from, to, bytes): "host", 0 or 1
        self.widened = []  # "file.py:12 mul": where float64 came of a float32 array, and nobody had asked for it


HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "standin")  # this file and standin.py
_open = []


def _line():
    frame, skipped = sys._getframe(1), (HERE, os.path.dirname(np.__file__) + os.sep, "<")
    while frame.f_back and frame.f_code.co_filename.startswith(skipped):
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def sync(what):
    for c in _open:
        c.syncs.append(f"{_line()} {what}")


def _transfer(source, destination, size):
    for c in _open:
        c.transfers.append((source, destination, size))


@contextlib.contextmanager
def count():
    """`with count() as c: ...` gives in `c` what happened within the block."""
    c = Counters()
    _open.append(c)
    try:
        yield c
    finally:
        _open.remove(c)


@contextlib.contextmanager
def no_synchronisation():
    """Fails if the host waits for the device within the block."""
    with count() as c:
        yield c
    if c.syncs:
        raise AssertionError(
            f"the host waits for the device {len(c.syncs)} time(s): {'; '.join(dict.fromkeys(c.syncs))}"
        )


# devices --------------------------------------------------------------------------------------------------------------


class CUDARuntimeError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


_thread = threading.local()  # the current device is the thread's own


class Device:
    def __init__(self, device=None):
        self.id = getattr(_thread, "device", 0) if device is None else operator.index(getattr(device, "id", device))

    def use(self):
        if not 0 <= self.id < 2:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        _thread.device = self.id

    def __enter__(self):
        self.before = [*getattr(self, "before", []), Device()]
        self.use()
        return self

    def __exit__(self, *exception):
        self.before.pop().use()

    def synchronize(self):
        sync("device")

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def __int__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"


# arrays ---------------------------------------------------------------------------------------------------------------


class ndarray:
    """`array` is the NumPy array that it holds; another file of these tests may look at it, a user's program never."""

    __array_ufunc__ = None  # numpy_array + x asks x, and np.exp(x) is an error
    __hash__ = None

    def __init__(self, shape, dtype=float, order="C"):
        self.array, self.device, self.base = np.empty(shape, dtype, order), Device(), None

    def __array__(self, *args, **kwargs):
        raise TypeError(NO_CONVERSION)

    def __array_function__(self, function, types, args, kwargs):
        if function in (np.shape, np.ndim, np.size):
            return function(args[0].array)
        raise TypeError(f"numpy.{function.__name__} was called with a cupy.ndarray. {NO_CONVERSION}")

    def get(self, *args, **kwargs):
        sync("get")
        _transfer(self.device.id, "host", self.nbytes)
        return self.array.copy(order="K")

    def set(self, array):
        _transfer("host", self.device.id, self.nbytes)
        self.array[...] = array

    def copy(self, order="C"):
        if self.device != Device():
            _transfer(self.device.id, Device().id, self.nbytes)
        return wrap(self.array.copy(order))

    __copy__ = copy

    def __deepcopy__(self, memo):
        with self.device:
            return self.copy()

    def __reduce__(self):
        return _from_host, (self.get(),)

    def _scalar(self, convert, what):
        sync(what)
        _transfer(self.device.id, "host", self.nbytes)
        return convert(self.array)

    def __bool__(self):
        return self._scalar(bool, "bool")

    def __float__(self):
        return self._scalar(lambda a: float(a.item()), "float")

    def __int__(self):
        return self._scalar(lambda a: int(a.item()), "int")

    def __repr__(self):
        return self._scalar(repr, "repr")

    def __str__(self):
        return self._scalar(str, "str")

    def __format__(self, spec):
        return self._scalar(lambda a: format(a.item() if a.ndim == 0 else a, spec), "format")

    def __len__(self):
        return len(self.array)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        index, moving = self._index(index)
        if moving:
            check([self])
        return wrap(self.array[index], [self], self.device)

    def __setitem__(self, index, value):
        index, _ = self._index(index)
        check([self])
        if isinstance(value, ndarray):
            if value.device != self.device:
                _transfer(value.device.id, self.device.id, value.nbytes)
            value = value.array
        elif isinstance(value, list | tuple) or np.ndim(value):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        with np.errstate(all="ignore"):
            self.array[index] = value

    def _index(self, index):
        """The index in NumPy's terms, and whether it moves values (a view it is otherwise)."""
        parts, moving = [], False
        for i in index if isinstance(index, tuple) else (index,):
            if isinstance(i, list | np.ndarray):
                i = np.asarray(i, np.intp if np.size(i) == 0 and isinstance(i, list) else None)
                _transfer("host", self.device.id, i.nbytes)
            elif isinstance(i, slice):
                i = slice(*(int(v) if isinstance(v, ndarray) else v for v in (i.start, i.stop, i.step)))
            elif isinstance(i, ndarray):
                check([i])
                i = i.array
            if isinstance(i, np.ndarray):
                moving = True
                if i.dtype.kind == "b":
                    sync("boolean mask")
            parts.append(i)
        return (tuple(parts) if isinstance(index, tuple) else parts[0]), moving


def _attribute(name):
    def get(self):
        value = getattr(self.array, name)
        return wrap(value, [self], self.device) if isinstance(value, np.ndarray) else value

    return property(get)


for _name in "shape dtype ndim size nbytes itemsize strides flags T mT real imag".split():
    setattr(ndarray, _name, _attribute(_name))


class Pointer:
    def __init__(self, array):
        self.ptr, self.device_id = array.array.ctypes.data, array.device.id


ndarray.data = property(Pointer)


def wrap(result, operands=(), device=None):
    """A NumPy result as arrays of the stand-in (or what it is, if there is no array in it)."""
    if isinstance(result, tuple | list):
        return type(result)(wrap(r, operands, device) for r in result)
    if not isinstance(result, np.ndarray | np.generic):
        return result
    for x in operands:
        if result is x.array:
            return x
    array = object.__new__(ndarray)
    array.array, array.device, array.base = np.asarray(result), Device() if device is None else device, None
    if array.array.base is not None:
        owners = (x for x in operands if np.may_share_memory(array.array, x.array))
        array.base = next((x if x.base is None else x.base for x in owners), None)
    return array


def unwrap(value, found=None):
    """`value` with the stand-in's arrays replaced by NumPy's, in lists and tuples too; the arrays are appended to `found`."""
    if isinstance(value, ndarray):
        if found is not None:
            found.append(value)
        return value.array
    if type(value) in (list, tuple):
        return type(value)(unwrap(v, found) for v in value)
    return value


def check(arrays):
    """A kernel works on arrays of the current device only."""
    for x in arrays:
        if x.device != Device():
            raise ValueError(
                f"The device where the array resides ({x.device.id}) is different from the current device ({Device().id}). "
                "Peer access is unavailable between these devices."
            )


def refuse_host(values):
    for value in values:
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")
        if type(value) in (list, tuple):
            refuse_host(value)


# functions ------------------------------------------------------------------------------------------------------------


def run(name, function, args, kwargs):
    """NumPy's `function` on the stand-in's arrays."""
    refused = [k for k in kwargs if k in REFUSED_KEYWORDS and (name, k) != ("copyto", "where")]
    if refused:
        raise TypeError(f"{name}() got an unexpected keyword argument {refused[0]!r}")
    if isinstance(function, np.ufunc):
        for value in args:
            if isinstance(value, list | tuple):
                raise TypeError(f"Unsupported type {type(value)}")
    if name not in TAKES_HOST_ARRAYS:
        if name == "copyto" and np.ndim(unwrap(args[1])) and not isinstance(args[1], ndarray):
            raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
        refuse_host([*args, *kwargs.values()])
    else:
        for value in args:
            if isinstance(value, np.ndarray) and not name.endswith("_like"):
                _transfer("host", Device().id, value.nbytes)
    if name in REDUCTIONS and isinstance(args[0], ndarray) and args[0].ndim == 0:
        axis = kwargs.get("axis", args[1] if len(args) > 1 else None)
        if axis is not None and axis != ():  # NumPy lets 0 and -1 pass
            raise np.exceptions.AxisError(axis, 0)
    found = []
    args = [unwrap(a, found) for a in args]
    kwargs = {k: unwrap(v, found) for k, v in kwargs.items()}
    if name in WAITING or (name == "where" and len(args) == 1):
        sync(name)
    if name not in WITHOUT_KERNEL:
        check(found)
    with np.errstate(all="ignore"):
        result = function(*args, **kwargs)
    if name in ("allclose", "array_equal", "array_equiv"):
        result = np.asarray(result)
    if name in ("item", "tolist", "tobytes"):
        return result
    asked_for = name == "astype" or "dtype" in kwargs
    if getattr(result, "dtype", None) == np.float64 and not asked_for and any(x.dtype == np.float32 for x in found):
        for c in _open:
            c.widened.append(f"{_line()} {name}")
    view = name in WITHOUT_KERNEL and not name.endswith("_like") and found
    return wrap(result, found, found[0].device if view else None)


def wrapped(name, function):
    def call(*args, **kwargs):
        return run(name, function, args, kwargs)

    call.__name__ = name
    return call


class Ufunc:
    """cupy.add, cupy.exp and so on, with the methods that CuPy's have."""

    def __init__(self, ufunc):
        self.ufunc, self.__name__, self.nin, self.nout = ufunc, ufunc.__name__, ufunc.nin, ufunc.nout

    def __call__(self, *args, **kwargs):
        return run(self.__name__, self.ufunc, args, kwargs)

    def _method(self, method, known, args, kwargs):
        if self.__name__ not in known:
            raise NotImplementedError(f"`cupy_{self.__name__}.{method}` is not supported yet")
        return run(f"{self.__name__}.{method}", getattr(self.ufunc, method), args, kwargs)

    def reduce(self, *args, **kwargs):
        return self._method("reduce", REDUCIBLE, args, kwargs)

    def accumulate(self, *args, **kwargs):
        return self._method("accumulate", REDUCIBLE, args, kwargs)

    def outer(self, *args, **kwargs):
        return self._method("outer", {self.__name__}, args, kwargs)

    def at(self, a, indices, b=None):
        if not isinstance(a, ndarray):
            raise TypeError(f"Unsupported type {type(a)}")
        indices, _ = a._index(indices)
        if isinstance(b, np.ndarray):
            raise TypeError(f"Unsupported type {type(b)}")
        indices = tuple(map(wrap, indices)) if isinstance(indices, tuple) else wrap(indices)
        self._method("at", SCATTERING, (a, indices, b), {})


def _operator(name, function, swapped=False):
    def call(self, other):
        if not isinstance(other, ndarray) and getattr(other, "__array_ufunc__", 0) is None:
            return NotImplemented  # a Tensor, which has an operator of its own
        if not isinstance(other, ndarray | np.generic | int | float | complex):
            raise TypeError(f"Unsupported type {type(other)}")
        return run(name, function, (other, self) if swapped else (self, other), {})

    return call


for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
    _found = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    setattr(ndarray, f"__{_name}__", _operator(_name, _found))
    setattr(ndarray, f"__r{_name}__", _operator(_name, _found, swapped=True))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _operator(f"i{_name}", getattr(operator, f"i{_name}")))
for _name in "eq ne lt le gt ge".split():
    setattr(ndarray, f"__{_name}__", _operator(_name, getattr(operator, _name)))
for _name in "neg pos abs invert".split():
    setattr(ndarray, f"__{_name}__", wrapped(_name, getattr(operator, _name)))

for _name in """all any argmax argmin argpartition argsort astype choose clip compress conj cumprod cumsum diagonal dot fill flatten
    item max mean min nonzero partition prod put ravel repeat reshape round searchsorted sort squeeze std sum swapaxes take tobytes
    tolist trace transpose var view""".split():
    setattr(ndarray, _name, wrapped(_name, getattr(np.ndarray, _name)))


def array(object, dtype=None, copy=True, order="K", blocking=False):
    """On the current device; copied from the host, or from another device, where it is not there already."""
    found = []
    values = unwrap(object, found)
    if not found:
        values = np.asarray(values)
        if values.dtype.kind not in "biufc":
            raise ValueError(f"Unsupported dtype {values.dtype}")
    result = np.array(values, dtype=dtype, copy=True, order=order)
    if isinstance(object, ndarray) and object.device == Device() and not copy and result.dtype == object.dtype:
        if order in ("K", None) or object.flags[f"{order}_CONTIGUOUS"]:
            return object
    if not found and not isinstance(object, int | float | np.generic):
        _transfer("host", Device().id, result.nbytes)
    for x in found:
        if x.device != Device():
            if not (x.flags.c_contiguous or x.flags.f_contiguous):
                raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
            _transfer(x.device.id, Device().id, x.nbytes)
    return wrap(result, [x for x in found if dtype is None])


def asarray(a, dtype=None, order=None, blocking=False):
    return array(a, dtype, copy=False, order=order or "K")


def ascontiguousarray(a, dtype=None):
    refuse_host([a])
    return array(a, dtype, copy=False, order="C")


def _from_host(a):
    return array(a)
