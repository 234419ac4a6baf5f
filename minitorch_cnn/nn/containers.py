"""Modules that hold modules."""

from .module import Module


class Sequential(Module):
    """Modules one after the other: each one's output is the next one's input.

    Args: the modules, or one dict of names and modules. Without names they are called "0", "1", ...

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
        for module in self.children():
            input = module(input)
        return input

    def append(self, module):
        """Add a module at the end; returns self."""
        self.add_module(str(len(self)), module)
        return self

    def __len__(self):
        return len(list(self.children()))

    def __iter__(self):
        return self.children()

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(dict(list(self.named_children())[index]))
        return list(self.children())[index]


class ModuleList(Module):
    """A list of modules whose parameters are found. It has no forward: loop over it.

    >>> from minitorch_cnn import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules=()):
        self.extend(modules)

    def append(self, module):
        """Add a module at the end; returns self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        """Add several modules at the end; returns self."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self):
        return len(list(self.children()))

    def __iter__(self):
        return self.children()

    def __getitem__(self, index):
        modules = list(self.children())[index]
        return ModuleList(modules) if isinstance(index, slice) else modules


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
