"""What backward hooks of modules need: operators that change nothing, around a module, and see the gradients on the way back.

Each tensor that goes into the module or comes out of it passes through two of them:

    x -> Call -> See -> the module -> Call -> See -> y

The walk backwards visits what was made last first. So of several outputs (or inputs) it visits all the Sees, which note the
gradients, before the first Call, which calls the hooks: they are called once, with all the gradients.
"""

from ..autograd import Function, Tensor, is_grad_enabled


class BackwardWatch:
    """One call of one module. `enter` is for its arguments, `leave` for its output."""

    def __init__(self, module):
        self.module = module
        self.grad_input, self.grad_output = [], []
        self.result = None  # what the hooks made of grad_input; None before they are called

    def enter(self, args):
        self.has_inputs = is_grad_enabled() and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        return tuple(self.through(args, self.grad_input, calls=True))

    def leave(self, output):
        """A tensor, or a tuple, list or dict of them, through the operators; anything else as it is."""
        # without an input that needs a gradient the walk ends inside the module: then the hooks are called at its outputs
        calls = not self.has_inputs
        if isinstance(output, dict):
            return type(output)(zip(output, self.through(output.values(), self.grad_output, calls)))
        if isinstance(output, tuple | list):
            passed = self.through(output, self.grad_output, calls)
            return type(output)(*passed) if hasattr(output, "_fields") else type(output)(passed)  # namedtuple, or plain
        return self.through([output], self.grad_output, calls)[0]

    def through(self, values, gradients, calls):
        values = list(values)
        gradients.extend([None] * len(values))
        for function, options in ((Call, {"calls": calls, "of_input": gradients is self.grad_input}), (See, {})):
            for place, value in enumerate(values):
                if isinstance(value, Tensor):
                    values[place] = function.apply(value, watch=self, gradients=gradients, place=place, **options)
        return values

    def call_hooks(self):
        self.result = tuple(self.grad_input)
        for hook in list((self.module._backward_hooks or {}).values()):
            replaced = hook(self.module, self.result, tuple(self.grad_output))
            if replaced is not None:
                self.result = self.checked(replaced if isinstance(replaced, tuple | list) else (replaced,))

    def checked(self, replaced):
        kind = type(self.module).__name__
        if len(replaced) != len(self.result):
            raise ValueError(
                f"{kind}: a backward hook must return a gradient for each of {len(self.result)} inputs, got {len(replaced)}"
            )
        for i, (new, old) in enumerate(zip(replaced, self.result)):
            got, wanted = (
                "None"
                if g is None
                else f"shape {g.shape}, dtype {g.dtype}"
                if hasattr(g, "shape")
                else type(g).__name__
                for g in (new, old)
            )
            if got != wanted or isinstance(new, Tensor):
                got = "a Tensor (return its .data)" if isinstance(new, Tensor) else got
                raise ValueError(f"{kind}: a backward hook returned {got} for input {i}, whose gradient has {wanted}")
        return tuple(replaced)

    def forget(self):
        """Start afresh: the same graph is being walked again."""
        self.result = None
        self.grad_input[:] = [None] * len(self.grad_input)
        self.grad_output[:] = [None] * len(self.grad_output)


class See(Function):
    def __init__(self, watch, gradients, place):
        self.watch, self.gradients, self.place = watch, gradients, place

    def forward(self, x):
        return x

    def backward(self, grad):
        if self.watch.result is not None:
            self.watch.forget()
        self.gradients[self.place] = grad
        return grad


class Call(Function):
    def __init__(self, watch, gradients, place, calls, of_input):
        self.watch, self.place, self.calls, self.of_input = watch, place, calls, of_input

    def forward(self, x):
        return x

    def backward(self, grad):
        if self.calls and self.watch.result is None:
            self.watch.call_hooks()
        # a view: the engine adds in place to arrays that are nobody's, and this one the hook may have kept
        return self.watch.result[self.place][...] if self.of_input else grad
