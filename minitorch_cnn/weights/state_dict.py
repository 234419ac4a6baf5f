"""Which of the things in a file is the state dict: {"conv1.weight": tensor, ...}.

Training programs save more than the weights:

    {"epoch": 90, "state_dict": {"module.conv1.weight": ..., ...}, "best_acc1": ..., "optimizer": {...}}

so an entry under one of the customary names is taken, and the prefix that nn.DataParallel ("module.") or torch.compile
("_orig_mod.") puts before every name is taken off. What isn't clear is an error which lists what is there: nothing is guessed.
"""

from .errors import WeightsError

NESTED = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "_orig_mod.")
MOST_PREFIXES = 4  # a model that was wrapped twice, and compiled
SHOWN = 20


def find_state_dict(saved, is_tensor):
    """The dict of tensors among the things that were saved.

    It is the dict under one of the names in NESTED, if just one of them is a dict with tensors in it; else the whole, if all of it
    are tensors.

    Args:
        saved: what the file holds.
        is_tensor: a function that tells tensors from other things.
    Raises: WeightsError listing what is there.
    """
    if not isinstance(saved, dict):
        raise WeightsError(f"it holds {_described(saved, is_tensor)}, not a dict of tensors")
    nested = [
        name for name in NESTED if isinstance(saved.get(name), dict) and any(map(is_tensor, saved[name].values()))
    ]
    if len(nested) > 1:
        raise WeightsError(
            f"it holds several dicts that could be the weights: {', '.join(nested)}; save one of them by itself"
        )
    state = saved[nested[0]] if nested else saved
    where = f"its {nested[0]}" if nested else "it"
    others = [(k, v) for k, v in state.items() if not (is_tensor(v) and isinstance(k, str))]
    if not state:
        raise WeightsError(f"{where} is an empty dict; there are no weights in the file")
    if others:
        shown = ", ".join(f"{str(k)[:100]} ({_described(v, is_tensor)})" for k, v in others[:SHOWN])
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        raise WeightsError(
            f"{where} is not a dict of tensors by name; these are something else: {shown}{more}. "
            f"Weights are looked for under {', '.join(NESTED)}, or at the top"
        )
    return state


def without_prefix(state, own=()):
    """The state without the prefixes (four at most) that each of its keys has, and that the keys of `own` don't have.

    >>> without_prefix({"module.fc.weight": 1, "module.fc.bias": 2})
    {'fc.weight': 1, 'fc.bias': 2}
    >>> without_prefix({"module.fc.weight": 1}, own=["module.fc.weight"])
    {'module.fc.weight': 1}
    """
    for _ in range(MOST_PREFIXES):
        prefix = next((p for p in PREFIXES if _all_begin(state, p) and not _all_begin(own, p)), None)
        if prefix is None:
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _all_begin(keys, prefix):
    return bool(keys) and all(key.startswith(prefix) for key in keys)


def _described(value, is_tensor):
    if is_tensor(value):
        return "a tensor"
    if isinstance(value, dict) and value and all(map(is_tensor, value.values())):
        return f"a dict of {len(value)} tensors"
    if isinstance(value, dict | list | tuple | set):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__
