"""A pytest plugin that runs every operator which a test runs on the CPU once more on CuPy arrays, and compares.

    PYTHONPATH=tests python -m pytest -p gpu.shadow tests/ops tests/nn tests/optim        # on the stand-in for CuPy

    ... MINITORCH_CNN_SHADOW=cupy ...       # on the CuPy that is installed: the primitives are backend/gpu's kernels then

So the whole suite is a test of the CuPy half, though its tests know nothing of that. Three kinds of calls are shadowed:

    Function.apply, run_backward    forward and backward of each operator
    the public functions            functional.py, Tensor's methods: what they do before and after their operators
    primitives called by optim      the steps of the optimisers, which change their arrays in place

The arguments are copied to the other device before the CPU's call, which may change them; afterwards the same is called with
the copies. It must end without an error and without a synchronisation, in arrays of CuPy, of the same shapes, dtypes and values,
float32 staying float32; arrays which were changed in place must be the same too. Whatever isn't fails the test, and says which
operator, with which options and shapes. A call that raises on the CPU is not shadowed.
"""

import collections
import contextlib
import functools
import inspect
import os
import sys

import numpy as np
import pytest

import minitorch_cnn
from minitorch_cnn import Function, Tensor, functional, optim
from minitorch_cnn.backend import primitives, random

MODE = os.environ.get("MINITORCH_CNN_SHADOW", "standin")

# Options which the public functions make of numbers, so that they are NumPy arrays on every device.
ON_THE_HOST = {"TakeAlong": ("indices",), "Resize": ("rows", "columns"), "ResizeNearest": ("rows", "columns")}
# Operators whose result is not the CPU's: only its shape and dtype are compared.
OTHER_VALUES = {"Dropout", "dropout"} if MODE == "cupy" else set()
# Not shadowed, but tested on two devices in test_standin.py: the operator that is about devices itself; and those that hand the
# gradient to a module's hooks, which belong to the test and would be called twice.
NOT_SHADOWED = {"ToDevice", "to", "Call", "See"}
# Public functions that take arrays beside their tensors and change those in place: such an array is moved, others stay NumPy's.
MOVED_ARRAYS = {"batch_norm": ("running_mean", "running_var")}
OFTEN = 10  # the same operator with the same shapes and options is shadowed so many times in a test
TOLERANCE = {"standin": {"e": 1e-2, "f": 2e-5, "d": 1e-11}, "cupy": {"e": 1e-2, "f": 1e-4, "d": 1e-10}}[MODE]


def may_wait(name, arguments):
    """Whether it is known, and right, that this call makes the host wait for the device."""
    if name in ("GetItem", "__getitem__"):  # how many values a boolean mask picks is the shape of the result
        index = arguments["index"]
        return any(is_mask(i) for i in (index if isinstance(index, tuple) else (index,)))
    if name == "one_hot":  # the number of classes is the shape of the result; not given, it is the largest label's
        return arguments.get("num_classes", -1) == -1
    return name == "clip_grad_norm_" and arguments.get("error_if_nonfinite", False)  # it raises, or not


def is_mask(index):
    return getattr(index, "dtype", None) == np.bool_ or (isinstance(index, list) and bool in map(type, index))


# two devices ----------------------------------------------------------------------------------------------------------


if MODE == "standin":
    from gpu import standin

    installed, count = standin.use, standin.count
else:
    import cupy_on_cpu

    installed, count = contextlib.nullcontext, cupy_on_cpu.count


def there():
    """The block in which copies are made, and Functions run: on the last device, as the engine does for arrays of that device.

    Public functions are called outside of it, so one that makes an array on the current device, not on its tensor's, is found.
    """
    cuda = sys.modules["cupy"].cuda
    return cuda.Device(cuda.runtime.getDeviceCount() - 1)


def moved(value, raw=True, tensors=None):
    """`value` with its arrays (if `raw`) and Tensors copied to the device, in lists and tuples too.

    `tensors` remembers which Tensor became which, by id: in x += x both are one.
    """
    if isinstance(value, Tensor):
        tensors = {} if tensors is None else tensors
        if id(value) not in tensors:
            tensors[id(value)] = Tensor(moved(value.data))
            tensors[id(value)].grad = moved(value.grad)
        return tensors[id(value)]
    if raw and isinstance(value, np.ndarray):
        with there():
            return sys.modules["cupy"].array(value)
    if type(value) in (list, tuple):
        return type(value)(moved(v, raw, tensors) for v in value)
    return value


def differences(expected, actual, error, values=True, where="result"):
    """What is wrong with `actual`, of the device, where the CPU has `expected`; values may differ by `error`, by rounding."""
    if isinstance(expected, Tensor):
        if not isinstance(actual, Tensor):
            return [f"{where}: a {type(actual).__name__}, not a Tensor"]
        pairs = ((expected.data, actual.data, where), (expected.grad, actual.grad, f"{where}.grad"))
        return [d for e, a, name in pairs for d in differences(e, a, error, values, name)]
    if isinstance(expected, np.generic) and not isinstance(actual, np.generic):
        expected = np.asarray(expected)
    if isinstance(expected, list | tuple):
        if not isinstance(actual, list | tuple) or len(actual) != len(expected):
            return [f"{where}: {expected!r:.200} and {actual!r:.200}"]
        pairs = enumerate(zip(expected, actual))
        return [d for i, (e, a) in pairs for d in differences(e, a, error, values, f"{where}[{i}]")]
    if not isinstance(expected, np.ndarray):
        return []
    if not isinstance(actual, sys.modules["cupy"].ndarray):
        return [f"{where}: a {type(actual).__module__}.{type(actual).__name__}, not an array of CuPy"]
    if actual.device != there():
        return [f"{where}: on {actual.device}, not on {there()}"]
    if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
        return [f"{where}: {actual.shape} {actual.dtype}, on the CPU {expected.shape} {expected.dtype}"]
    if not values or not expected.size:
        return []
    got, error = actual.get(), error + relative(expected) * size_of(expected) if expected.dtype.kind == "f" else 0
    with np.errstate(all="ignore"):
        near = np.isclose(got, expected, rtol=0, atol=error, equal_nan=True)
    if near.all():
        return []
    at = tuple(int(i) for i in np.argwhere(~near)[0])
    return [f"{where}{list(at)}: {got[at]!r}, on the CPU {expected[at]!r}"]


def float_arrays(values):
    for value in values:
        if isinstance(value, list | tuple):
            yield from float_arrays(value)
        elif isinstance(value, Tensor):
            yield from float_arrays([value.data])
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield value


def size_of(*values):
    """The largest finite magnitude in the arrays: what rounding errors are measured by."""
    return max((float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in float_arrays(values)), default=0.0)


def relative(*values):
    """The relative error that the coarsest of the arrays allows."""
    return max((TOLERANCE[a.dtype.char] for a in float_arrays(values)), default=0.0)


# what happened --------------------------------------------------------------------------------------------------------

problems = []  # of the test that runs
seen = collections.Counter()  # in the test that runs: how often each operator with its shapes
shadowed = collections.Counter()  # in all: by name
forward_and_backward = set()  # names of Functions
_busy = False  # inside a shadow: nothing of it is shadowed
_depth = 0  # of public functions that call each other: the outermost is shadowed


def describe(value):
    if isinstance(value, Tensor):
        return f"Tensor{value.shape} {value.dtype}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"array{value.shape} {value.dtype}"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(describe, value))})"
    if isinstance(value, dict):  # options
        return ", ".join(f"{k}={describe(v)}" for k, v in value.items())
    return repr(value)[:80]


@contextlib.contextmanager
def shadow(call, name, arguments, float32):
    """Everything that goes wrong in this block is a problem of the test; so is a wait for the device."""
    global _busy
    _busy = True
    shadowed[name] += 1
    try:
        with count() as c:
            yield
        if c.syncs and not may_wait(name, arguments):
            problems.append(f"{call}: the host waits for the device: {'; '.join(dict.fromkeys(c.syncs))}")
        if float32 and getattr(c, "widened", ()):
            problems.append(f"{call}: float32 becomes float64: {'; '.join(dict.fromkeys(c.widened))}")
    except Exception as error:
        problems.append(f"{call}: {type(error).__name__}: {error}   [{where_in_package(error)}]")
    finally:
        _busy = False


def where_in_package(error):
    package = os.path.dirname(minitorch_cnn.__file__) + os.sep
    lines, entry = [], error.__traceback__
    while entry is not None:
        file = entry.tb_frame.f_code.co_filename
        if file.startswith(package):
            lines.append(f"{file[len(package) :]}:{entry.tb_lineno}")
        entry = entry.tb_next
    return " > ".join(lines[-3:])


def compare(call, *arguments):
    problems.extend(f"{call}: {difference}" for difference in differences(*arguments))


def often(name, *arguments):
    """Whether this test has had the operator with these shapes and options many times."""
    key = (name, *map(describe, arguments))
    seen[key] += 1
    return seen[key] > OFTEN


# Function -------------------------------------------------------------------------------------------------------------


def shadow_functions(monkeypatch):
    apply, run_backward = Function.apply.__func__, Function.run_backward

    def shadowed_apply(cls, *tensors, **options):
        name, arrays = cls.__name__, [None if t is None else t.data for t in tensors]
        ours = cls.__module__.startswith("minitorch_cnn.") and name not in NOT_SHADOWED
        on_cpu = all(a is None or isinstance(a, np.ndarray) for a in arrays)
        if _busy or not ours or not on_cpu or often(name, arrays, options):
            return apply(cls, *tensors, **options)
        stay = ON_THE_HOST.get(name, ())
        state = random.get_state()
        with installed():
            copies = moved(arrays)
            their_options = {k: v if k in stay else moved(v) for k, v in options.items()}
        output = apply(cls, *tensors, **options)
        after, scale = random.get_state(), size_of(arrays, *options.values())
        error = relative(arrays, *options.values()) * scale
        call = f"{name}({describe(arrays)}; {describe(options)})"
        float32 = all(a is None or a.dtype != np.float64 for a in arrays)
        with installed():
            random.set_state(state)
            result = None
            with there(), shadow(f"{call} forward", name, options, float32 and output.dtype != np.float64):
                function = cls(**their_options)
                function.needs_input_grad = tuple(t is not None and t.requires_grad for t in tensors)
                result = function.forward(*copies)
            random.set_state(after)
            if result is None:
                return output
            values = name not in OTHER_VALUES
            compare(f"{call} forward", output.data, result, error, values)
            for key, value in options.items():  # may have been changed in place
                if key not in stay:
                    compare(f"{call} forward", value, their_options[key], error, values, f"option {key}")
        if output.grad_fn is not None:
            output.grad_fn.shadow = function, call, scale  # goes when the Function's arrays go
        return output

    def shadowed_run_backward(self, grad):
        function, call, scale = self.__dict__.get("shadow", (None, "", 0))
        if function is None or not isinstance(grad, np.ndarray):
            return run_backward(self, grad)
        name = type(self).__name__
        with installed():
            copy = moved(grad)
        results = run_backward(self, grad)
        with installed():
            theirs, float32 = (
                None,
                grad.dtype != np.float64 and all(r is None or r.dtype != np.float64 for r in results),
            )
            function.needs_input_grad = self.needs_input_grad
            with there(), shadow(f"{call} backward", name, vars(self), float32):
                theirs = function.backward(copy)
            if theirs is None:
                return results
            forward_and_backward.add(name)
            theirs = theirs if isinstance(theirs, tuple) else (theirs,)
            wanted = [r if needed else None for r, needed in zip(results, self.needs_input_grad)]
            error = relative(grad, wanted) * max(scale, 1) * size_of(grad, wanted)
            compare(f"{call} backward", wanted, theirs, error, name not in OTHER_VALUES, "gradient")
        return results

    monkeypatch.setattr(Function, "apply", classmethod(shadowed_apply))
    monkeypatch.setattr(Function, "run_backward", shadowed_run_backward)


# the public functions -------------------------------------------------------------------------------------------------


def shadow_public_functions(monkeypatch):
    for place in (functional, minitorch_cnn, Tensor, optim):
        for name, function in list(vars(place).items()):
            module = getattr(function, "__module__", None) or ""
            ours = module.startswith("minitorch_cnn.ops.") or module == "minitorch_cnn.optim.clip_grad"
            if inspect.isfunction(function) and ours and function.__name__ not in NOT_SHADOWED:
                monkeypatch.setattr(place, name, shadowed_public(function, name))


def shadowed_public(function, name):
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call_twice(*args, **kwargs):
        global _depth
        on_cpu = {isinstance(t.data, np.ndarray) for t in tensors_in([*args, *kwargs.values()])} == {True}
        if _busy or _depth or not on_cpu or often(name, args, kwargs):
            return function(*args, **kwargs)
        try:
            arguments, theirs = signature.bind(*args, **kwargs), signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # an error
        state = random.get_state()
        tensors = {}
        with installed():
            for key, value in arguments.arguments.items():
                theirs.arguments[key] = moved(value, key in MOVED_ARRAYS.get(name, ()), tensors)
        call, given = f"{name}({describe(arguments.arguments)})", [*args, *kwargs.values()]
        error = relative(given) * max(size_of(given), 1) ** 2
        _depth += 1
        try:
            result = function(*args, **kwargs)
        finally:
            _depth -= 1
        after = random.get_state()
        double = any(t.dtype == np.float64 for t in tensors_in([result, *args, *kwargs.values()]))
        with installed():
            random.set_state(state)
            made = NotImplemented
            with shadow(call, name, arguments.arguments, float32=not double):
                made = function(*theirs.args, **theirs.kwargs)
            random.set_state(after)
            if made is NotImplemented:
                return result
            drops = MODE == "cupy" and arguments.arguments.get("dropout_p")
            values = name not in OTHER_VALUES and not drops
            compare(call, result, made, error, values)
            for key, value in arguments.arguments.items():  # may have been changed in place
                if key in MOVED_ARRAYS.get(name, ()) or tensors_in(value):
                    compare(call, value, theirs.arguments[key], error, values, key)
        return result

    return call_twice


def tensors_in(value):
    if isinstance(value, Tensor):
        return [value]
    return [t for v in value for t in tensors_in(v)] if isinstance(value, list | tuple) else []


# the steps of the optimisers ------------------------------------------------------------------------------------------


def shadow_steps(monkeypatch):
    for name in ("sgd_step", "adam_step", "rmsprop_step"):
        monkeypatch.setattr(primitives, name, shadowed_step(getattr(primitives, name), name))


def shadowed_step(step, name):
    @functools.wraps(step)
    def step_twice(*args):
        if _busy or not isinstance(args[0], np.ndarray) or often(name, args):
            return step(*args)
        with installed():
            copies = moved(args)
        error = relative(args) * size_of(args)
        step(*args)
        call = f"{name}({describe(args)})"
        with installed():
            with there(), shadow(call, name, {}, args[0].dtype != np.float64):
                step(*copies)
            compare(call, args, copies, error)

    return step_twice


# pytest ---------------------------------------------------------------------------------------------------------------


def pytest_configure(config):
    monkeypatch = pytest.MonkeyPatch()
    shadow_functions(monkeypatch)
    shadow_public_functions(monkeypatch)
    shadow_steps(monkeypatch)
    config.add_cleanup(monkeypatch.undo)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    problems.clear()
    seen.clear()
    result = yield
    if problems:
        pytest.fail("on the other device:\n" + "\n".join(dict.fromkeys(problems)), pytrace=False)
    return result


def functions_of_the_package():
    found, stack = set(), [Function]
    while stack:
        for cls in stack.pop().__subclasses__():
            stack.append(cls)
            if (
                cls.__module__.startswith("minitorch_cnn.")
                and cls.__name__ not in NOT_SHADOWED
                and cls.__name__[0] != "_"
            ):
                found.add(cls.__name__)
    return found


def pytest_terminal_summary(terminalreporter):
    functions = functions_of_the_package()
    both = functions & forward_and_backward
    terminalreporter.write_line(
        f"shadow ({MODE}): {sum(shadowed.values())} calls of {len(shadowed)} operators and functions, forward and backward of "
        f"{len(both)} of {len(functions)} Functions; never: {', '.join(sorted(functions - both)) or 'none'}"
    )
