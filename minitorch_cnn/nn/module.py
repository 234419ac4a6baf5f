"""Module: a layer or a network; something with parameters and a forward pass.

There is no magic in it. A module is an object whose attributes are parameters, buffers, other modules and anything else; what
`parameters()` or `state_dict()` need they find by looking at the attributes, in the order in which they were set.
The backward hooks' part is in hooks.py.
"""

import os
from collections import namedtuple

import numpy as np

from .. import backend, weights
from ..autograd import HookHandle, Tensor
from .hooks import BackwardWatch

LoadResult = namedtuple("LoadResult", ["missing_keys", "unexpected_keys"])


class Parameter(Tensor):
    """A tensor that is to be learnt: an attribute of a module, with requires_grad=True.

    >>> Parameter([1.0]).requires_grad
    True
    """

    def __init__(self, data, requires_grad=True):
        super().__init__(data, requires_grad)


class Buffer(Tensor):
    """A tensor that belongs to a module's state and is not learnt, such as a running mean.

    With persistent=False it is left out of the state_dict. With moves=False it stays on the CPU when the module goes to a GPU: for
    numbers that Python reads, which would have to wait for the GPU.
    """

    def __init__(self, data, persistent=True, moves=True):
        super().__init__(data)
        self.persistent, self.moves = persistent, moves


class Module:
    """The base of all layers and networks.

    A subclass sets parameters and modules as attributes and has a `forward`. Calling the module runs it.

    >>> from minitorch_cnn import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> [name for name, parameter in Net().named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    training = True
    _forward_pre_hooks = None
    _forward_hooks = None
    _backward_hooks = None

    def __init__(self):
        pass  # nothing to prepare; calling super().__init__() is allowed and not needed

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __setattr__(self, name, value):
        """Set an attribute; a tensor in a buffer's place becomes the buffer, one in a parameter's place is refused."""
        if type(value) is Tensor or backend.is_array(value):
            present = vars(self).get(name)
            if isinstance(present, Buffer):
                value = Buffer(value, present.persistent)
            elif isinstance(present, Parameter):
                raise TypeError(
                    f"{type(self).__name__}: {name} is a Parameter, and a {type(value).__name__} in its place would not be learnt; "
                    f"assign nn.Parameter(...), change {name}.data, or delete {name} first"
                )
        super().__setattr__(name, value)

    def __call__(self, *args, **kwargs):
        if not (self._forward_pre_hooks or self._forward_hooks or self._backward_hooks):
            return self.forward(*args, **kwargs)
        return self._call_with_hooks(args, kwargs)

    # what is in it ----------------------------------------------------------------------------------------------------

    def _submodules(self):
        """(name, module) for each attribute that is a module, a module with two names twice."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_children(self):
        """(name, module) for the modules that are attributes, each once."""
        seen = set()
        for name, child in self._submodules():
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self):
        """The modules that are attributes, each once."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, memo=None, prefix=""):
        """(dotted name, module) for this module (named "") and all within it, each once."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    def modules(self):
        """This module and all within it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix="", recurse=True):
        """(dotted name, Parameter), each parameter once even if several modules share it."""
        yield from self._named_tensors(Parameter, prefix, recurse)

    def parameters(self, recurse=True):
        """The parameters: what an optimiser is given."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True):
        """(dotted name, Buffer), each once."""
        yield from self._named_tensors(Buffer, prefix, recurse)

    def buffers(self, recurse=True):
        """The buffers: running statistics and the like."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named_tensors(self, kind, prefix, recurse):
        seen = set()
        for module_name, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{module_name}.{name}" if module_name else name), value

    def get_submodule(self, target):
        """The module under a dotted name, such as "layer1.0.conv1"; "" is this module itself.

        Raises: AttributeError naming what is there instead.
        """
        module = self
        for name in target.split(".") if target else []:
            children = dict(module._submodules())
            if name not in children:
                raise AttributeError(
                    f"{type(module).__name__} has no submodule {name!r}; it has {', '.join(children) or 'none'}"
                )
            module = children[name]
        return module

    def register_buffer(self, name, tensor, persistent=True):
        """Make `tensor` (Tensor, array or None) a buffer and an attribute of this name.

        Raises: ValueError if the name has a dot in it or is that of a method.
        """
        self._check_name(name)
        setattr(self, name, None if tensor is None else Buffer(tensor, persistent))

    def register_parameter(self, name, param):
        """Make `param` (a Parameter or None) an attribute of this name. Raises: as register_buffer; TypeError on anything else."""
        self._check_name(name)
        if not (param is None or isinstance(param, Parameter)):
            raise TypeError(
                f"{type(self).__name__}: {name} must be a Parameter, got {type(param).__name__}; wrap it in one"
            )
        setattr(self, name, param)

    def add_module(self, name, module):
        """Make `module` (a Module or None) an attribute of this name, which may be a number. Raises: as register_parameter."""
        self._check_name(name)
        if not (module is None or isinstance(module, Module)):
            remedy = "; make one of it: put brackets after it" if isinstance(module, type) else ""
            remedy = "; unpack it with *" if isinstance(module, list | tuple) else remedy
            got = getattr(module, "__name__", None) or type(module).__name__
            raise TypeError(f"{type(self).__name__}: {name} must be a Module, got {got}{remedy}")
        setattr(self, name, module)

    def _check_name(self, name):
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{type(self).__name__}: a name must be a string without dots, got {name!r}")
        if hasattr(type(self), name):
            raise ValueError(
                f"{type(self).__name__}: {name!r} can't be a name, there is a method or attribute that has it"
            )

    # state ------------------------------------------------------------------------------------------------------------

    def state_dict(self, prefix=""):
        """{dotted name: tensor} of all parameters and persistent buffers, in PyTorch's order.

        The tensors share memory with the module: copy what must not change with it.
        """
        state = {}
        for kind in (Parameter, Buffer):
            for name, value in vars(self).items():
                if isinstance(value, kind) and getattr(value, "persistent", True):
                    state[prefix + name] = value.detach()
        for name, child in self._submodules():
            state.update(child.state_dict(f"{prefix}{name}."))
        return state

    def load_state_dict(self, state_dict, strict=True):
        """Copy values into the parameters and buffers, cast to their dtype. Nothing is changed unless all of it fits.

        Args:
            state_dict: {dotted name: Tensor or array}, as `state_dict` gives it.
            strict: False allows missing and unexpected keys, but no wrong shapes.
        Returns: (missing_keys, unexpected_keys).
        Raises: ValueError listing every missing, unexpected and misshapen key, and every value that isn't an array of numbers;
            TypeError if state_dict isn't a dict.
        """
        if not hasattr(state_dict, "items"):
            raise TypeError(f"load_state_dict: expected a dict of names and tensors, got {type(state_dict).__name__}")
        own = self.state_dict()
        given = {key: _array(value) for key, value in state_dict.items()}
        found = {key: value for key, value in given.items() if key in own}
        # files from before PyTorch 0.4.1 lack num_batches_tracked, and PyTorch passes over that too
        missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
        unexpected = [key for key in given if key not in own]
        wrong = [
            f"{key}: the model has {own[key].shape}, the state {value.shape}"
            for key, value in found.items()
            if own[key].shape != value.shape
        ]
        other = [f"{key}: {value.dtype}" for key, value in found.items() if value.dtype.kind not in "fiub"]
        problems = [("misshapen", wrong), ("not numbers", other)]
        if strict:
            problems = [("missing", missing), ("unexpected", unexpected), *problems]
        if any(keys for _, keys in problems):
            lines = [f"  {kind}: {', '.join(map(str, keys))}" for kind, keys in problems if keys]
            raise ValueError(
                "\n".join([f"load_state_dict: the state doesn't fit {type(self).__name__}; nothing was loaded", *lines])
            )
        # all is made before any of it is written: a conversion that fails leaves the module as it was
        ready = {}
        for key, value in found.items():
            value = backend.to_device(value, own[key].device)
            with backend.on_device_of(value):
                ready[key] = value.astype(own[key].dtype, copy=False)
        for key, value in ready.items():
            with backend.on_device_of(value):
                own[key].data[...] = value
        return LoadResult(missing, unexpected)

    def load_weights(self, path, strict=True):
        """Read the parameters and buffers from a file: .npz, .safetensors, or PyTorch's .pth, .pt or .th.

        Args:
            path: the file; what kind it is, is told by its content. `minitorch_cnn.weights.read` says what it may hold.
            strict: False allows missing and unexpected keys, but no wrong shapes.
        Returns: (missing_keys, unexpected_keys).
        Raises: FileNotFoundError; WeightsError (a ValueError) naming the file, if it is damaged or no weight file, or doesn't fit:
            then it lists every missing, unexpected and misshapen key. Nothing is changed unless all of it fits.
        """
        state = weights.read(path, own=self.state_dict())
        try:
            return self.load_state_dict(state, strict)
        except ValueError as error:
            raise weights.WeightsError(f"{os.fsdecode(path)}: {error}") from None

    def save_weights(self, path):
        """Write the parameters and buffers to a file, .npz or .safetensors by the ending of its name.

        Raises: WeightsError (a ValueError) for another ending; ImportError for .safetensors if that library isn't installed.

        >>> import os, tempfile
        >>> from minitorch_cnn import nn
        >>> path = os.path.join(tempfile.mkdtemp(), "linear.npz")
        >>> nn.Linear(3, 2).save_weights(path)
        >>> nn.Linear(3, 2).load_weights(path)
        LoadResult(missing_keys=[], unexpected_keys=[])
        """
        weights.write(path, {key: backend.to_numpy(tensor.data) for key, tensor in self.state_dict().items()})

    # modes and places -------------------------------------------------------------------------------------------------

    def train(self, mode=True):
        """Training mode, here and in all modules within: dropout drops, batch norm uses the batch. Returns self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Evaluation mode: train(False)."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Set requires_grad of all parameters: False freezes them. Returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients (or fill them with zeros)."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                with backend.on_device_of(parameter.grad):
                    parameter.grad[...] = 0

    def to(self, *where, dtype=None, device=None):
        """Change dtype or device of all parameters and buffers, in place; integer buffers keep their dtype. Returns self.

        Raises: TypeError on a dtype that isn't a float's.
        """
        ready = []
        for tensor in [*self.parameters(), *self.buffers()]:
            moved = tensor.detach().to(*where, dtype=dtype, device=device)
            if not getattr(tensor, "moves", True):
                continue
            if tensor.dtype.kind != "f":
                moved = tensor.detach().to(device=moved.device)
            elif moved.dtype.kind != "f":
                raise TypeError(f"{type(self).__name__}: only float dtypes can be learnt, got {moved.dtype}")
            grad = None if tensor.grad is None else Tensor(tensor.grad).to(moved.dtype, moved.device).data
            ready.append((tensor, moved.data, grad))
        for tensor, data, grad in ready:
            tensor.data, tensor.grad = data, grad
        return self

    def double(self):
        """All floats to float64."""
        return self.to(dtype=np.float64)

    def float(self):
        """All floats to float32."""
        return self.to(dtype=np.float32)

    def apply(self, fn):
        """Call fn(module) for every module within, then for this one. Returns self."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # hooks ------------------------------------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook):
        """Call hook(module, args) before each forward pass; what it returns, if not None, replaces args."""
        return self._register("_forward_pre_hooks", hook)

    def register_forward_hook(self, hook, *, with_kwargs=False):
        """Call hook(module, args, output) after each forward pass; what it returns, if not None, replaces the output.

        with_kwargs: call hook(module, args, kwargs, output).
        """
        return self._register("_forward_hooks", (hook, with_kwargs))

    def register_full_backward_hook(self, hook):
        """Call hook(module, grad_input, grad_output) in the backward pass, when the gradients by the module's inputs are known.

        Both are tuples of raw arrays, one for each positional argument and each output; None for what has no gradient. A tuple
        that it returns replaces grad_input. Called once for each call of the module, also if no input needs a gradient.
        """
        return self._register("_backward_hooks", hook)

    def _register(self, kind, hook):
        if getattr(self, kind) is None:
            setattr(self, kind, {})
        return HookHandle(getattr(self, kind), hook)

    def _call_with_hooks(self, args, kwargs):
        for hook in list((self._forward_pre_hooks or {}).values()):
            replaced = hook(self, args)
            if replaced is not None:
                args = replaced if isinstance(replaced, tuple) else (replaced,)
        watch = BackwardWatch(self) if self._backward_hooks else None
        if watch:
            args = watch.enter(args)
        output = self.forward(*args, **kwargs)
        for hook, with_kwargs in list((self._forward_hooks or {}).values()):
            replaced = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            output = output if replaced is None else replaced
        return watch.leave(output) if watch else output

    # text -------------------------------------------------------------------------------------------------------------

    def extra_repr(self):
        """What a layer says about itself between the brackets."""
        return ""

    def __repr__(self):
        own = self.extra_repr()
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._submodules()]
        if not lines:
            return f"{type(self).__name__}({own})"
        return "\n".join([f"{type(self).__name__}(", *([f"  {own}"] if own else []), *lines, ")"])


def _array(value):
    if isinstance(value, Tensor):
        return value.data
    return value if backend.is_array(value) else np.asarray(value)
