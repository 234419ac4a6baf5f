"""Reverse-mode automatic differentiation: Tensor, Function, and the walk backwards. This file is the whole engine.

A `Tensor` is an array, its gradient, and the `Function` that made it. A `Function` is one run of one operator: `forward` takes
raw arrays and keeps on `self` what `backward` will need; `backward` takes the gradient of the loss by its output and returns
the gradient by each input, which is the chain rule for this one step:

    dL/dx = dL/dy * dy/dx

`Tensor.backward` visits the Functions that led to a loss, last made first. A Function is made after all that made its inputs, so
when its turn comes everything that used its output has added its share to the output's gradient.

The operators themselves are in `ops/`, one family a file; `ops/tensor_methods.py` gives Tensor its `+`, `sum`, `reshape` and so on.
"""

import functools
import itertools
import weakref

import numpy as np

from . import anomaly, backend

_numbers = itertools.count()
_recording = True
_anomaly = False
_FLOAT32 = np.dtype(np.float32)


class Tensor:
    """An array that remembers how it was made.

    Args:
        data: a numpy or cupy array of bools, integers or floats (kept as it is, not copied), or a number or nested list
            (becomes float32).
        requires_grad: whether `backward` should leave a gradient in `.grad`. Floats only.
        device: "cpu", "cuda" or "cuda:1"; by default wherever `data` is.
    Raises: TypeError for another dtype, and for a list that holds Tensors (`stack` keeps their graph); ValueError for a list
        whose rows differ in length.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.], dtype=float32)
    """

    __array_ufunc__ = None  # numpy_array + tensor is Tensor.__radd__, not NumPy adding element by element
    __slots__ = ("__weakref__", "data", "grad", "grad_fn", "hooks", "requires_grad")

    def __init__(self, data, requires_grad=False, device=None):
        if not isinstance(data, np.ndarray):
            data = _as_array(data)
        # the first question is the quick one: this runs for each operator
        if data.dtype is not _FLOAT32 and data.dtype.kind not in "biuf":
            raise TypeError(f"a Tensor holds bools, integers or floats, not {data.dtype}")
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(f"only a float tensor can require a gradient, this one is {data.dtype}; use .float()")
        self.data = data if device is None else backend.to_device(data, device)
        self.grad = None
        self.requires_grad = requires_grad
        self.grad_fn = None  # the Function that made this tensor; None for a leaf
        self.hooks = None  # of a leaf; the others' are kept by grad_fn, which outlives them

    # what it is -------------------------------------------------------------------------------------------------------

    @property
    def shape(self):
        return self.data.shape

    @property
    def ndim(self):
        return self.data.ndim

    @property
    def dtype(self):
        return self.data.dtype

    @property
    def size(self):
        """The number of elements."""
        return self.data.size

    @property
    def device(self):
        return backend.device_of(self.data)

    @property
    def is_leaf(self):
        """Whether no operator made it: it is data, or a parameter."""
        return self.grad_fn is None

    def __len__(self):
        if self.ndim == 0:
            raise TypeError("len() of a tensor without dimensions")
        return self.shape[0]

    def __bool__(self):
        if self.size != 1:
            raise ValueError(
                f"bool: a tensor of shape {self.shape} is neither true nor false; reduce it first, for example with "
                ".numpy().all()"
            )
        return bool(self.item())

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self.dtype.kind not in "iu" or self.size != 1:
            raise TypeError(
                f"only an integer tensor of one element can be an index, this is {self.dtype} of shape {self.shape}"
            )
        return int(self.item())

    def __format__(self, spec):
        return format(self.item(), spec) if self.ndim == 0 else super().__format__(spec)

    def __repr__(self):
        values = np.array2string(self.numpy(), separator=", ", prefix="Tensor(", threshold=100, edgeitems=3)
        notes = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        notes += "" if self.device == "cpu" else f', device="{self.device}"'
        if self.grad_fn is not None:
            notes += f", grad_fn={type(self.grad_fn).__name__}"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"Tensor({values}{notes})"

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype, copy=True) if copy else np.asarray(self.numpy(), dtype=dtype)

    def __reduce_ex__(self, protocol):
        if self.grad_fn is not None and not self.grad_fn.freed:  # its copy would be one of the whole graph behind it
            raise RuntimeError(
                f"copy: a tensor with a graph can't be copied or pickled, and this one was made by {type(self.grad_fn).__name__}; "
                "detach() it first"
            )
        return super().__reduce_ex__(protocol)

    # out of the graph -------------------------------------------------------------------------------------------------

    def item(self):
        """The one value as a Python number."""
        if self.size != 1:
            raise ValueError(f"item: only a tensor of one element has an item, this one has shape {self.shape}")
        return self.data.item()

    def numpy(self):
        """The values as a numpy array; it shares memory with a tensor on the CPU."""
        return backend.to_numpy(self.data)

    def detach(self):
        """The same array, outside the graph."""
        return Tensor(self.data)

    def requires_grad_(self, requires_grad=True):
        """Set `requires_grad` of a leaf; returns the tensor itself."""
        if not self.is_leaf:
            raise RuntimeError(
                f"requires_grad_: this tensor was made by {type(self.grad_fn).__name__}; detach() it first"
            )
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(f"only a float tensor can require a gradient, this one is {self.dtype}; use .float()")
        self.requires_grad = requires_grad
        return self

    # backward ---------------------------------------------------------------------------------------------------------

    def backward(self, gradient=None, retain_graph=False):
        """Add the gradient of this tensor by every leaf that led to it to the leaf's `.grad`.

        Args:
            gradient: dL/dself, an array or Tensor of this shape; not needed for a tensor of one element, where it is 1.
            retain_graph: keep the saved arrays, so that the same graph can be walked again.
        Raises: RuntimeError if nothing here requires a gradient, if this is no scalar and no gradient is given, or if the
            graph was walked before; ValueError if the gradient has another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: this tensor does not depend on any tensor with requires_grad=True")
        root = self.grad_fn or self  # a node of the graph is a Function, or a leaf
        gradients = {root: _starting_gradient(self, gradient)}
        own = set()  # nodes whose gradient array was made in this walk and belongs to nobody else: += may write into it
        for node in _made_before(root):
            grad = gradients.pop(node)
            if isinstance(grad, np.generic):  # NumPy's arithmetic makes these of arrays without dimensions
                grad = np.asarray(grad)
            if node.hooks:
                grad = _run_hooks(node, grad)
                own.discard(node)  # a hook may have kept it, or have given an array of its own
            if isinstance(node, Tensor):
                _accumulate(node, grad, exclusive=node in own)
                continue
            retained = node.retained and node.retained()
            if retained is not None:
                _accumulate(retained, grad, exclusive=False)
            results = node.run_backward(grad)
            for parent, result in zip(node.parents, results):
                if parent is None or result is None:
                    continue
                if parent in gradients:
                    with backend.on_device_of(result):
                        if parent in own:
                            gradients[parent] += result
                        else:
                            gradients[parent] = gradients[parent] + result
                            own.add(parent)
                else:
                    gradients[parent] = result
                    if result is not grad and result.base is None and not _shared(result, results):
                        own.add(parent)
            if not retain_graph:
                node.free()

    def retain_grad(self):
        """Keep `.grad` of a tensor that is not a leaf, too."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: this tensor requires no gradient, so there will be none to keep")
        if self.grad_fn is not None:
            self.grad_fn.retained = weakref.ref(self)

    def register_hook(self, hook):
        """Call hook(gradient) when this tensor's gradient is complete; what it returns, if not None, replaces it.

        Gradients are raw arrays. Returns a handle: `handle.remove()` takes the hook away.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: this tensor requires no gradient, so the hook would never be called")
        owner = self if self.grad_fn is None else self.grad_fn
        if owner.hooks is None:
            owner.hooks = {}
        return HookHandle(owner.hooks, hook)


def _as_array(data):
    if isinstance(data, Tensor):
        return data.data
    if isinstance(data, np.generic):
        return np.asarray(data)
    if data is None:
        raise TypeError("a Tensor can't be made of None (a forward without its return?)")
    if backend.is_array(data):
        return data
    refuse_in_list(data)
    try:
        return np.asarray(data, dtype=np.float32)
    except ValueError:
        raise ValueError(
            "a Tensor can't be made of a list whose rows differ in length; pad them to one length"
        ) from None
    except TypeError as error:
        raise TypeError(f"a Tensor is made of numbers, an array or a nested list of numbers: {error}") from None


def refuse_in_list(data):
    """An error if `data` is, or a nested list holds, what NumPy would make numbers of without a word."""
    if isinstance(data, list | tuple):
        for value in data:
            refuse_in_list(value)
    elif isinstance(data, Tensor):
        raise TypeError("a list that holds Tensors would lose their graph; use mt.stack (or mt.cat)")
    elif data is None or isinstance(data, str | bytes):
        raise TypeError(f"a Tensor is made of numbers, an array or a nested list of numbers, not of {_in_words(data)}")
    elif _is_raw(data) and data.dtype.kind not in "biuf":
        raise TypeError(f"a Tensor holds bools, integers or floats, not {data.dtype}")


def _starting_gradient(tensor, gradient):
    xp = backend.array_module(tensor.data)
    if gradient is None and tensor.size != 1:
        raise RuntimeError(
            f"backward: a gradient is needed to start from a tensor of shape {tensor.shape}; "
            "reduce it to a scalar first (.sum() or .mean()), or call backward(gradient)"
        )
    with backend.on_device_of(tensor.data):
        if gradient is None:
            return xp.ones_like(tensor.data)
        gradient = xp.asarray(gradient.data if isinstance(gradient, Tensor) else gradient, dtype=tensor.dtype)
    if gradient.shape != tensor.shape:
        raise ValueError(f"backward: the gradient has shape {gradient.shape}, the tensor {tensor.shape}")
    return gradient


def _made_before(root):
    """Every node that `root` depends on, itself included, in the order of the walk: last made first, leaves at the end."""
    found, stack, functions, leaves = {root}, [root], [], []
    while stack:
        node = stack.pop()
        if isinstance(node, Tensor):
            leaves.append(node)
            continue
        if node.freed:
            raise RuntimeError(
                f"backward: this graph was walked before, and what {type(node).__name__} had saved is freed; run the forward "
                "pass again, or keep the saved arrays the first time with backward(retain_graph=True)"
            )
        functions.append(node)
        for parent in node.parents:
            if parent is not None and parent not in found:
                found.add(parent)
                stack.append(parent)
    functions.sort(key=lambda function: function.number, reverse=True)
    return functions + leaves


def _run_hooks(node, grad):
    for hook in list(node.hooks.values()):
        replaced = hook(grad)
        if replaced is None:
            continue
        if not _is_raw(replaced) or replaced.shape != grad.shape or replaced.dtype != grad.dtype:
            raise ValueError(
                f"hook: the gradient is an array of shape {grad.shape} and dtype {grad.dtype}, "
                f"the hook returned {_in_words(replaced)}"
            )
        grad = np.asarray(replaced) if isinstance(replaced, np.generic) else replaced
    return grad


def _shared(result, results):
    """Whether another of one backward's results is the same array, or a view of it."""
    return len(results) > 1 and sum(r is result or (r is not None and r.base is result) for r in results) > 1


def _is_raw(value):
    return backend.is_array(value) or isinstance(value, np.generic)


def _in_words(value):
    if _is_raw(value):
        return f"shape {value.shape}, dtype {value.dtype}"
    return "None" if value is None else f"a {type(value).__name__}"


def _accumulate(tensor, grad, exclusive):
    with backend.on_device_of(grad):
        if tensor.grad is not None:
            tensor.grad += grad
        else:
            tensor.grad = grad if exclusive else grad.copy()


class HookHandle:
    """What register_hook and its kin return."""

    _keys = itertools.count()

    def __init__(self, hooks, hook):
        self.hooks, self.key = hooks, next(HookHandle._keys)
        hooks[self.key] = hook

    def remove(self):
        """Take the hook away; a second call does nothing."""
        self.hooks.pop(self.key, None)


class Function:
    """One run of one operator. A subclass has

        __init__(self, **options)       the operator's options, if it has any
        forward(self, *arrays)          returns the output array; keeps on self what backward needs
        backward(self, grad)            the gradient by each input: an array, or a tuple of them (None where
                                        `self.needs_input_grad[i]` is False)

    `backward` returns `grad` itself, a view of it, or a new array, but never an array that it keeps: the engine may add to a new
    one in place. An optional input that is absent is None, in `apply` and in `forward`.

    >>> class Square(Function):
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * x
    ...     def backward(self, grad):
    ...         return grad * 2 * self.x
    >>> x = Tensor([3.0], requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    array([6.], dtype=float32)
    """

    freed = False
    retained = None  # a weak reference to the output, where retain_grad() was called on it
    hooks = None

    @classmethod
    def apply(cls, *tensors, **options):
        """Run the operator on tensors and, where a gradient is needed, record it for the walk backwards."""
        function = cls(**options)
        # plain loops here: this runs for each operator, and a comprehension is a call of its own
        arrays, needed = [], []
        for t in tensors:
            if t is None:
                arrays.append(None)
                needed.append(False)
            else:
                arrays.append(t.data)
                needed.append(t.requires_grad and _recording)
        kind = type(arrays[0])
        for array in arrays:
            if type(array) is not kind and array is not None:
                refuse_mixed_devices(cls.__name__, arrays)
        function.needs_input_grad = tuple(needed)
        if kind is np.ndarray:
            output = Tensor(function.forward(*arrays))
        else:
            refuse_mixed_devices(cls.__name__, arrays)  # they may be on two devices of one kind
            output = Tensor(_on_gpu(function, function.forward, arrays))
        if _anomaly:
            function.where = anomaly.users_line()
            anomaly.refuse_nonfinite(function, output.data, arrays)
        if True in needed:
            function.number = next(_numbers)
            parents, inputs = [], []
            for t, array, need in zip(tensors, arrays, needed):
                parents.append((t.grad_fn or t) if need else None)
                inputs.append((array.shape, array.dtype) if need else None)
            function.parents, function.inputs = parents, inputs
            output.grad_fn = function
            output.requires_grad = True
            if _anomaly:
                function.seen = [(a, anomaly.checksum(a)) for a in (*arrays, output.data) if a is not None]
        return output

    def run_backward(self, grad):
        """backward(), its result as a tuple, checked: one gradient for each input, of the input's shape and dtype."""
        if _anomaly:
            anomaly.refuse_changed(self)
        results = self.backward(grad) if type(grad) is np.ndarray else _on_gpu(self, self.backward, [grad])
        if type(results) is not tuple:
            results = (results,)
        if len(results) != len(self.inputs):
            raise RuntimeError(
                f"{type(self).__name__}.backward returned {len(results)} gradients for {len(self.inputs)} inputs"
            )
        for i, (result, expected) in enumerate(zip(results, self.inputs)):
            if expected is None:
                continue
            if (type(result) is not type(grad) and not _is_raw(result)) or (result.shape, result.dtype) != expected:
                raise RuntimeError(
                    f"{type(self).__name__}.backward returned {_in_words(result)} for input {i}, which is an array of "
                    f"shape {expected[0]}, dtype {expected[1]}"
                )
        if _anomaly:
            anomaly.refuse_nonfinite(self, results, [grad], "backward")
        return results

    def free(self):
        """Let go of everything saved: this run's part in the graph is over."""
        self.__dict__.clear()
        self.freed = True

    def forward(self, *arrays):
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, grad):
        raise NotImplementedError(f"{type(self).__name__} has no backward")


def _on_gpu(function, method, arrays):
    """function's forward or backward, where the first array is; out of memory, the error says what helps."""
    with backend.on_device_of(arrays[0]):
        try:
            return method(*arrays)
        except MemoryError as error:
            raise backend.out_of_memory(error, type(function).__name__, arrays) from None


def refuse_mixed_devices(op, arrays):
    """An error unless all arrays (None among them is skipped) are on one device."""
    devices = [backend.device_of(a) for a in arrays if a is not None]
    if len(set(devices)) > 1:
        raise TypeError(
            f"{op}: the inputs are on different devices: {', '.join(devices)}; "
            f'move them to one with .to("{devices[0]}")'
        )


class no_grad:
    """A `with` block in which nothing is recorded: for evaluation, and for changing parameters. `@no_grad()` above a function
    does the same for each call of it.

    The switch is one for the whole process, not one for each thread: other threads record nothing either meanwhile.

    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __enter__(self):
        global _recording
        self.before, _recording = _recording, False

    def __exit__(self, *exception):
        global _recording
        _recording = self.before

    def __call__(self, function):
        @functools.wraps(function)
        def without_recording(*args, **kwargs):
            with no_grad():
                return function(*args, **kwargs)

        return without_recording


def is_grad_enabled():
    """Whether operators are being recorded; False inside `no_grad()`."""
    return _recording


# finding mistakes -----------------------------------------------------------------------------------------------------


class detect_anomaly:
    """A `with` block that finds the operator which first makes a NaN or an infinity, forward or backward, and arrays that were
    changed in place between an operator's run and its backward. Slow: it looks at every value.

    The switch is one for the whole process, not one for each thread.

    An infinity among an operator's inputs may pass through it, such as the -inf of an attention mask; a NaN never.

    >>> x = Tensor([0.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     y = x.log()
    Traceback (most recent call last):
    ...
    RuntimeError: Log: the forward pass made -inf at index (0,) ...
    """

    def __enter__(self):
        global _anomaly
        self.before, _anomaly = _anomaly, True
        self.errstate = np.errstate(all="ignore")  # this block reports them better
        self.errstate.__enter__()

    def __exit__(self, *exception):
        global _anomaly
        _anomaly = self.before
        self.errstate.__exit__(*exception)
