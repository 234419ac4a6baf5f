"""Modules that hold modules."""

from ..ops import check
from .module import Module


class _Modules(Module):
    """What Sequential and ModuleList share: modules under the names "0", "1", ..., which are found by number."""

    def append(self, module):
        """Add a module at the end; returns self."""
        number = len(self)
        while str(number) in vars(self):  # after a slice or a deletion the last name may be higher
            number += 1
        self.add_module(str(number), module)
        return self

    def extend(self, modules):
        """Add several modules at the end; returns self."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index, module):
        """Put a module before the one of this number, and number them all anew; returns self."""
        self.append(module)  # refuses what is no module before anything is moved
        modules = list(self)
        modules.insert(index, modules.pop())
        return self._renumber(modules)

    def __len__(self):
        return sum(1 for _ in self._submodules())

    def __iter__(self):
        return (module for _, module in self._submodules())

    def __getitem__(self, index):
        return getattr(self, self._name(index))

    def __setitem__(self, index, module):
        self.add_module(self._name(index), module)

    def __delitem__(self, index):
        modules = list(self)
        if not isinstance(index, slice):
            self._name(index)
        del modules[index]
        self._renumber(modules)

    def _name(self, index):
        names = [name for name, _ in self._submodules()]
        if not -len(names) <= check.integer(type(self).__name__, "the index", index) < len(names):
            raise IndexError(f"{type(self).__name__}: index {index} is out of range, there are {len(names)} modules")
        return names[index]

    def _renumber(self, modules):
        for name, _ in list(self._submodules()):
            delattr(self, name)
        return self.extend(modules)


class Sequential(_Modules):
    """Modules one after the other: each one's output is the next one's input.

    Args: the modules, or one dict of names and modules. Without names they are called "0", "1", ...
    A slice is a Sequential of the same modules under the same names.
    Raises: TypeError on anything that isn't a Module (wrap a function, or use its layer: nn.ReLU()).

    >>> from minitorch_cnn import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> len(net), net[1], list(net.state_dict())
    (3, ReLU(), ['0.weight', '0.bias', '2.weight', '2.bias'])
    """

    def __init__(self, *modules):
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], dict) else enumerate(modules)
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input):
        for module in self:
            input = module(input)
        return input

    def __getitem__(self, index):
        return (
            Sequential(dict(list(self._submodules())[index]))
            if isinstance(index, slice)
            else super().__getitem__(index)
        )


class ModuleList(_Modules):
    """A list of modules whose parameters are found. It has no forward: loop over it. A slice is numbered anew.

    >>> from minitorch_cnn import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules=None):
        self.extend(modules or ())

    def forward(self, *args, **kwargs):
        raise NotImplementedError("ModuleList has no forward: loop over it, or use Sequential")

    def __getitem__(self, index):
        return ModuleList(list(self)[index]) if isinstance(index, slice) else super().__getitem__(index)


class Identity(Module):
    """What comes in goes out. Arguments are accepted and ignored."""

    def __init__(self, *args, **kwargs):
        pass

    def forward(self, input):
        return input


class Flatten(Module):
    """The dimensions from start_dim to end_dim as one: (N, C, H, W) -> (N, C*H*W) by default."""

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
