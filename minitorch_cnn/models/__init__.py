"""Networks, one family a file: the paper's table as data, then a short forward. `list_models` names them, `create` builds one."""

import difflib

from .lenet import LeNet5, lenet5
from .lenet_1998 import LeNet5_1998, lenet5_1998, map_loss, mle_loss

_BUILDERS = {
    "lenet5": lenet5,
    "lenet5_1998": lenet5_1998,
}


def list_models():
    """The names of all networks, sorted.

    >>> list_models()
    ['lenet5', 'lenet5_1998']
    """
    return sorted(_BUILDERS)


def create(name, **kwargs):
    """The network of this name with fresh weights: create("lenet5", num_classes=5) is lenet5(num_classes=5).

    Raises: ValueError naming the nearest network if there is none of this name.

    >>> create("lenet5", num_classes=5).fc3
    Linear(in_features=84, out_features=5, bias=True)
    """
    if name not in _BUILDERS:
        nearest = difflib.get_close_matches(str(name).lower(), list_models(), n=1, cutoff=0.0)[0]
        raise ValueError(
            f"create: there is no model {name!r}; the nearest is {nearest!r}, models.list_models() names all"
        )
    return _BUILDERS[name](**kwargs)
