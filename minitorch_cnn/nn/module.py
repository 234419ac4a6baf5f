"""Module: a layer or a network; something with parameters and a forward pass.

There is no magic in it. A module is an object whose attributes are parameters, buffers, other modules and anything else; what
`parameters()` or `state_dict()` need they find by looking at the attributes, in the order in which they were set.
"""

from collections import namedtuple

import numpy as np

from .. import backend
from ..autograd import Function, HookHandle, Tensor

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

    With persistent=False it is left out of the state_dict.
    """

    def __init__(self, data, persistent=True):
        super().__init__(data)
        self.persistent = persistent


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

    def __call__(self, *args, **kwargs):
        if not (self._forward_pre_hooks or self._forward_hooks or self._backward_hooks):
            return self.forward(*args, **kwargs)
        return self._call_with_hooks(args, kwargs)

    # what is in it ----------------------------------------------------------------------------------------------------

    def named_children(self):
        """(name, module) for each module that is an attribute."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self):
        """The modules that are attributes."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix="", memo=None):
        """(dotted name, module) for this module (named "") and all within it, each once."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name, memo)

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
        for module_name, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
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
            children = dict(module.named_children())
            if name not in children:
                raise AttributeError(
                    f"{type(module).__name__} has no submodule {name!r}; it has {', '.join(children) or 'none'}"
                )
            module = children[name]
        return module

    def register_buffer(self, name, tensor, persistent=True):
        """Make `tensor` (Tensor, array or None) a buffer and an attribute of this name."""
        data = tensor.data if isinstance(tensor, Tensor) else tensor
        setattr(self, name, None if tensor is None else Buffer(data, persistent))

    def register_parameter(self, name, param):
        """Make `param` (a Parameter or None) an attribute of this name."""
        setattr(self, name, param)

    def add_module(self, name, module):
        """Make `module` an attribute of this name, which may be a number, as in Sequential."""
        setattr(self, name, module)

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
        for name, child in self.named_children():
            state.update(child.state_dict(f"{prefix}{name}."))
        return state

    def load_state_dict(self, state_dict, strict=True):
        """Copy values into the parameters and buffers, cast to their dtype. Nothing is changed unless all of it fits.

        Args:
            state_dict: {dotted name: Tensor or array}, as `state_dict` gives it.
            strict: False allows missing and unexpected keys, but no wrong shapes.
        Returns: (missing_keys, unexpected_keys).
        Raises: ValueError listing every missing, unexpected and misshapen key.
        """
        own = self.state_dict()
        given = {
            key: value.data if isinstance(value, Tensor) else np.asarray(value) for key, value in state_dict.items()
        }
        missing = [key for key in own if key not in given]
        unexpected = [key for key in given if key not in own]
        wrong = [
            f"{key}: the model has {own[key].shape}, the state {value.shape}"
            for key, value in given.items()
            if key in own and own[key].shape != value.shape
        ]
        problems = [("misshapen", wrong)]
        if strict:
            problems = [("missing", missing), ("unexpected", unexpected), *problems]
        if any(keys for _, keys in problems):
            lines = [f"  {kind}: {', '.join(keys)}" for kind, keys in problems if keys]
            raise ValueError(
                "\n".join([f"load_state_dict: the state doesn't fit {type(self).__name__}; nothing was loaded", *lines])
            )
        for key, tensor in own.items():
            if key in given:
                tensor.data[...] = backend.to_device(given[key], tensor.device)
        return LoadResult(missing, unexpected)

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
                parameter.grad[...] = 0

    def to(self, *where, dtype=None, device=None):
        """Change dtype or device of all parameters and buffers, in place; integer buffers keep their dtype. Returns self."""
        for tensor in [*self.parameters(), *self.buffers()]:
            moved = tensor.detach().to(*where, dtype=dtype, device=device)
            if tensor.dtype.kind != "f":
                moved = tensor.detach().to(device=moved.device)
            tensor.data = moved.data
            if tensor.grad is not None:
                tensor.grad = Tensor(tensor.grad).to(*where, dtype=dtype, device=device).data
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

    def register_forward_hook(self, hook):
        """Call hook(module, args, output) after each forward pass; what it returns, if not None, replaces the output."""
        return self._register("_forward_hooks", hook)

    def register_full_backward_hook(self, hook):
        """Call hook(module, grad_input, grad_output) in the backward pass, when the gradients by the module's inputs are known.

        Both are tuples of raw arrays, None for an input that needs no gradient. A tuple that it returns replaces grad_input.
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
        watch = _BackwardWatch(self, args) if self._backward_hooks else None
        output = self.forward(*(watch.inputs(args) if watch else args), **kwargs)
        for hook in list((self._forward_hooks or {}).values()):
            replaced = hook(self, args, output)
            output = output if replaced is None else replaced
        return watch.outputs(output) if watch else output

    # text -------------------------------------------------------------------------------------------------------------

    def extra_repr(self):
        """What a layer says about itself between the brackets."""
        return ""

    def __repr__(self):
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return "\n".join([f"{type(self).__name__}({self.extra_repr()}", *lines, ")"])


class _BackwardWatch:
    """Identity operators around a module, which see the gradients that go in and out of it on the way back."""

    def __init__(self, module, args):
        self.module = module
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.count = len(args)
        self.grad_output = ()

    def inputs(self, args):
        args = list(args)
        for i in self.places:
            args[i] = _PassInput.apply(args[i], watch=self, place=i)
        return args

    def outputs(self, output):
        many = isinstance(output, tuple | list)
        outputs = list(output) if many else [output]
        self.grad_output = [None] * len(outputs)
        passed = [
            _PassOutput.apply(o, watch=self, place=i) if isinstance(o, Tensor) else o for i, o in enumerate(outputs)
        ]
        return type(output)(passed) if many else passed[0]

    def run_hooks(self, grad, place):
        grad_input = tuple(grad if i == place else None for i in range(self.count))
        for hook in list((self.module._backward_hooks or {}).values()):
            replaced = hook(self.module, grad_input, tuple(self.grad_output))
            if replaced is not None:
                grad_input = replaced if isinstance(replaced, tuple) else (replaced,)
        return grad_input[place]


class _PassInput(Function):
    def __init__(self, watch, place):
        self.watch, self.place = watch, place

    def forward(self, x):
        return x

    def backward(self, grad):
        return self.watch.run_hooks(grad, self.place)


class _PassOutput(Function):
    def __init__(self, watch, place):
        self.watch, self.place = watch, place

    def forward(self, x):
        return x

    def backward(self, grad):
        self.watch.grad_output[self.place] = grad
        return grad
