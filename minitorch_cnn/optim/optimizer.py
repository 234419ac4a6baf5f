"""Optimizer: what all optimisers have in common. It holds the parameters in groups, each with its own options, and what is kept
for each parameter from step to step; the formulas are in sgd.py, adam.py and rmsprop.py, and the arithmetic, which is done on raw
arrays in place, is in backend/ (sgd_step, adam_step, rmsprop_step).
"""

from collections import defaultdict

import numpy as np

from .. import backend
from ..autograd import Tensor


class Optimizer:
    """The base of all optimisers.

    A subclass has

        check_options(self, options)        returns the options of a group, checked, numbers as Python numbers
        update(self, group)                 one step of a group's parameters
        always_kept, sometimes_kept         the names of what a step keeps for a parameter, with any options and with some

    `param_groups` is a list of dicts: "params", a list of tensors, and the options under their names; a scheduler changes "lr"
    there. `state` is what is kept: {parameter: {name: array or int}}.

    Args:
        params: the tensors to optimise: a list or a generator, such as model.parameters(), or a list of dicts, each with "params"
            and whatever options it has of its own.
        defaults: the options of groups that don't have their own.
    Raises: TypeError if params isn't made of tensors; ValueError if it is empty, holds a tensor twice or one that was computed from
        others, and for options that are out of range.
    Source: torch.optim.Optimizer.
    """

    always_kept = ()
    sometimes_kept = ()

    def __init__(self, params, defaults):
        name = type(self).__name__
        if isinstance(params, Tensor | dict | str) or backend.is_array(params):
            raise TypeError(
                f"{name}: params must be an iterable of Tensors or dicts, got {type(params).__name__}; give a list"
            )
        groups = _listed(name, params)
        if not groups:
            raise ValueError(
                f"{name}: the list of parameters is empty (a generator can be walked only once: was this one used before?)"
            )
        self.defaults = self.check_options(defaults)
        self.state = defaultdict(dict)
        self.param_groups = []
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Optimise more parameters from now on, for instance of layers that were frozen before.

        Args:
            param_group: a dict with "params" (a tensor, or an iterable of them) and its own options; the others are the defaults.
        Raises: as the constructor.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f'{name}: a parameter group must be a dict with the key "params", got {param_group!r:.80}')
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(f"{name}: params is a set, and its order differs from run to run; use a list")
        params = [params] if isinstance(params, Tensor) else _listed(name, params)
        present = {id(param) for group in self.param_groups for param in group["params"]}
        for i, param in enumerate(params):
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"{name}: params must hold Tensors, but number {i} is {type(param).__name__}"
                    f"{'; give parameters(), not named_parameters()' if isinstance(param, tuple) else ''}"
                )
            if not param.is_leaf and param.grad_fn.retained is None:
                raise ValueError(
                    f"{name}: parameter {i} of shape {param.shape} was made by {type(param.grad_fn).__name__}, so backward leaves "
                    "no gradient in it; optimise the tensors that it was computed from, or detach() it first"
                )
            if id(param) in present:
                raise ValueError(
                    f"{name}: parameter {i} of shape {param.shape} is there already, in this group or another one; it would be "
                    "stepped twice"
                )
            present.add(id(param))
        self.param_groups.append({"params": params, **self.check_options({**self.defaults, **_options(param_group)})})

    def check_options(self, options):
        raise NotImplementedError(f"{type(self).__name__} has no check_options")

    def update(self, group):
        raise NotImplementedError(f"{type(self).__name__} has no update")

    # a training loop's two calls --------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none=True):
        """Forget the gradients (or fill them with zeros), so that the next backward starts anew instead of adding to them."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    with backend.on_device_of(param.grad):
                        param.grad[...] = 0

    def step(self, closure=None):
        """Change every parameter that has a gradient, in place.

        Args:
            closure: called first, if given: it computes the gradients and returns the loss, which step() returns.
        Raises: ValueError if a gradient doesn't fit its parameter; RuntimeError if a parameter was moved to another dtype or device
            after the first step. No parameter is changed then.
        """
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for param in with_gradient(group):
                if param.grad.shape != param.data.shape:
                    raise ValueError(
                        f"{type(self).__name__}: a parameter of shape {param.shape} has a gradient of shape {param.grad.shape}"
                    )
                self._check_kept(param)
        for group in self.param_groups:
            try:
                self.update(group)
            except MemoryError as error:
                raise backend.out_of_memory(error, f"{type(self).__name__}.step", []) from None
        return loss

    def kept(self, param, name):
        """The array which is kept for `param` under this name: zeros at first, changed in place by each step."""
        state, data = self.state[param], param.data
        array = state.get(name)
        if array is None:
            array = state[name] = backend.array_module(data).zeros_like(data)
        return array

    def _check_kept(self, param):
        """What is kept for `param` has its dtype and is on its device."""
        data = param.data
        for name, array in self.state.get(param, {}).items():
            if isinstance(array, int):  # the number of steps
                continue
            if array.dtype != data.dtype or backend.device_of(array) != backend.device_of(data):
                raise RuntimeError(
                    f"{type(self).__name__}: a parameter is {data.dtype} on {backend.device_of(data)}, but its {name} is "
                    f"{array.dtype} on {backend.device_of(array)}: the model was moved after the first step; move it before the "
                    "optimiser is made"
                )

    # state ------------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """{"state": {number: what is kept}, "param_groups": [options, and the numbers of its parameters]}.

        Parameters are numbered in order. The arrays are the optimiser's own: copy what must not change with it.
        """
        numbers = {}
        for group in self.param_groups:
            for param in group["params"]:
                numbers[param] = len(numbers)
        return {
            "state": {numbers[param]: dict(kept) for param, kept in self.state.items() if param in numbers},
            "param_groups": [
                {**_options(group), "params": [numbers[param] for param in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict):
        """Take over the options and a copy of what is kept, cast to the parameters' dtype. Nothing changes unless all of it fits.

        Args:
            state_dict: as `state_dict` gives it, of an optimiser with as many groups of as many parameters.
        Raises: ValueError listing everything that doesn't fit.
        """
        problems = self._misfits(state_dict)
        if problems:
            first = f"load_state_dict: the state doesn't fit this {type(self).__name__}; nothing was loaded"
            raise ValueError("\n  ".join([first, *problems]))
        options = [self.check_options(_options(group)) for group in state_dict["param_groups"]]
        state = defaultdict(dict)
        for param, number in self._numbered(state_dict["param_groups"]):
            if number in state_dict["state"]:
                state[param] = {
                    name: int(value) if name == "step" else _copied(value, param)
                    for name, value in state_dict["state"][number].items()
                }
        self.state = state
        for group, new in zip(self.param_groups, options):
            group.update(new)

    def _numbered(self, saved_groups):
        """(parameter, its number in the saved groups) for each."""
        for group, saved in zip(self.param_groups, saved_groups):
            yield from zip(group["params"], saved["params"])

    def _misfits(self, state_dict):
        """What doesn't fit, a line each."""
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
            return ['it must be a dict with the keys "state" and "param_groups"']
        saved = state_dict["param_groups"]
        ours, theirs = [[len(group["params"]) for group in groups] for groups in (self.param_groups, saved)]
        if ours != theirs:
            return [f"parameters in each group: {ours} here, {theirs} in the state"]
        problems = []
        for i, group in enumerate(saved):
            missing = [name for name in self.defaults if name not in group]
            if missing:
                problems.append(f"group {i} has no {', '.join(missing)}")
        params = {number: param for param, number in self._numbered(saved)}
        for number, kept in state_dict["state"].items():
            if number not in params:
                problems.append(f"parameter {number} is in no group, but has a state")
            elif kept:
                problems += [f"parameter {number}: {text}" for text in self._misfits_of_one(kept, params[number])]
        return problems

    def _misfits_of_one(self, kept, param):
        for name in self.always_kept:
            if name not in kept:
                yield f"{name} is missing"
        for name, value in kept.items():
            shape = () if name == "step" else param.shape
            if name not in self.always_kept and name not in self.sometimes_kept:
                yield f"{name} is nothing that {type(self).__name__} keeps"
            elif np.shape(value) != shape:
                yield f"{name} has shape {np.shape(value)}, expected {shape}"

    def __repr__(self):
        lines = []
        for i, group in enumerate(self.param_groups):
            options = ", ".join(f"{name}={value!r}" for name, value in _options(group).items())
            lines.append(f"  group {i}: {len(group['params'])} parameters, {options}")
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def with_gradient(group):
    """The parameters of a group that have a gradient, which a step changes: one after the other, each on its device."""
    for param in group["params"]:
        if param.grad is not None:
            with backend.on_device_of(param.data):
                yield param


def _listed(op, params):
    try:
        return list(params)
    except TypeError:
        raise TypeError(
            f"{op}: params must be an iterable of Tensors or dicts, got {type(params).__name__}; of a module give its .parameters()"
        ) from None


def _options(group):
    return {name: value for name, value in group.items() if name != "params"}


def _copied(value, param):
    xp = backend.array_module(param.data)
    value = value if backend.is_array(value) else np.asarray(value)
    return xp.array(backend.to_device(value, param.device), dtype=param.dtype, copy=True)


def number(op, name, value, least=0.0, below=None):
    """A number with least <= value (< below), as a Python float; anything else is an error that names the option."""
    try:
        converted = float("no number" if isinstance(value, str) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{op}: {name} must be a number, got {value!r}") from None
    if not least <= converted or (below is not None and not converted < below):
        upper = "" if below is None else f" and below {below:g}"
        raise ValueError(f"{op}: {name} must be at least {least:g}{upper}, got {value}")
    return converted
