"""Checkpoints: everything that a run needs to go on, in one file; a run that goes on gives the same bits as one that never stopped.

The file is an .npz archive: one array for each tensor, and one text in JSON for the numbers and names around them. There is no
pickle in it, so nothing that a checkpoint holds can run. It is written beside its final name and renamed when it is whole: whoever
kills the program at any moment finds either the checkpoint before or the new one.
"""

import copy
import json
import os
import zipfile

import numpy as np

from .. import backend
from ..autograd import Tensor
from ..backend import random
from ..backend.files import write_beside

_FORMAT = "minitorch_cnn checkpoint 1"


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, or belongs to something else; the message names the file."""


def save_checkpoint(path, **state):
    """Write the state of a run, and the state of the random generator with it.

    Args:
        path: the file, usually *.npz; its folder is made if it isn't there.
        state: by name: objects with a `state_dict()` (model, optimizer, scheduler, loader), or plain values: numbers, texts,
            None, arrays, Tensors, and lists and dicts of them.
    Raises: TypeError for a value that can't be stored.

    >>> import os, tempfile
    >>> from minitorch_cnn import nn
    >>> from minitorch_cnn.train import load_checkpoint, save_checkpoint
    >>> model, path = nn.Linear(2, 1), os.path.join(tempfile.mkdtemp(), "run.npz")
    >>> save_checkpoint(path, model=model, epoch=3)
    >>> load_checkpoint(path, model=model)
    {'epoch': 3}
    """
    arrays = {}
    objects = {name: value.state_dict() for name, value in state.items() if hasattr(value, "state_dict")}
    values = {name: value for name, value in state.items() if name not in objects}
    header = {
        "format": _FORMAT,
        "objects": _packed(objects, arrays, "objects"),
        "values": _packed(values, arrays, "values"),
        "random": random.get_state(),
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    write_beside(path, lambda file: np.savez(file, header=text, **arrays))


def load_checkpoint(path, **objects):
    """Put a run back to where `save_checkpoint` saw it: the objects given, and the random generator.

    Args:
        path: the file.
        objects: under the names they were saved by, objects with `load_state_dict`.
    Returns: the plain values that were saved, by name. The state of objects that were saved but not asked for is left out.
    Raises: FileNotFoundError; CheckpointError if the file is damaged, is no checkpoint, lacks a name, or doesn't fit an object.
        Nothing is changed unless all of it fits.
    """
    path = os.fspath(path)
    header, arrays = _read(path)
    state, values = _unpacked(header["objects"], arrays), _unpacked(header["values"], arrays)
    missing = [name for name in objects if name not in state]
    if missing:
        raise CheckpointError(
            f"{path}: the checkpoint has no {', '.join(missing)}; it has {', '.join(state) or 'nothing'}"
        )
    before = {name: copy.deepcopy(value.state_dict()) for name, value in objects.items()}
    loaded = []
    try:
        for name, value in objects.items():
            value.load_state_dict(state[name])
            loaded.append(name)
        random.set_state(header["random"])
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        for name in loaded:  # the one that refused changed nothing
            objects[name].load_state_dict(before[name])
        refused = [*objects, "random state"][len(loaded)]
        raise CheckpointError(f"{path}: its {refused} doesn't fit this run's: {error}") from error
    return values


def _packed(value, arrays, name):
    """The value with its arrays taken out into `arrays`: what JSON can hold. {"array": key} stands for an array."""
    if isinstance(value, Tensor):
        value = value.data
    if backend.is_array(value):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"save_checkpoint: {name} is an array of {value.dtype}; only numbers can be stored")
        arrays[name] = backend.to_numpy(value)
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return {"list": [_packed(v, arrays, f"{name}/{i}") for i, v in enumerate(value)]}
    if isinstance(value, dict):
        return {"dict": [[_key(k, name), _packed(v, arrays, f"{name}/{k}")] for k, v in value.items()]}
    raise TypeError(
        f"save_checkpoint: {name} is a {type(value).__name__}; give numbers, texts, None, arrays, lists and dicts, "
        "or an object with state_dict()"
    )


def _key(key, name):
    if not isinstance(key, str | int):
        raise TypeError(f"save_checkpoint: {name} has the key {key!r}; keys must be texts or integers")
    return key


def _unpacked(value, arrays):
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "list":
        return [_unpacked(v, arrays) for v in content]
    return {k: _unpacked(v, arrays) for k, v in content}


def _read(path):
    """The header and the arrays of a checkpoint; every one of them is read, so a damaged one is found here."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop("header").tobytes().decode())
        found = header["format"]
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise CheckpointError(f"{path}: this is an .npz file, but no checkpoint: it has no {error}") from None
    except (ValueError, EOFError, OSError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: this is no checkpoint, or it is damaged or cut short ({error})") from None
    if found != _FORMAT:
        raise CheckpointError(f"{path}: its format is {found!r}, this version reads {_FORMAT!r}")
    missing = [key for key in ("objects", "values", "random") if key not in header]
    if missing:
        raise CheckpointError(f"{path}: the checkpoint is damaged: its header has no {', '.join(missing)}")
    return header, arrays
