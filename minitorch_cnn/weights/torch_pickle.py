"""The names that the pickles of torch.save use, and what they mean here.

A tensor is the call

    torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)

and the storage in it is a reference out of the pickle: ("storage", torch.FloatStorage, key, "cpu", number of values). The reader
makes a StoredTensor of it. A state dict is an OrderedDict; checkpoints have a few more plain things. Everything that is read
stands in the two tables, CALLS and KNOWN, and every other name is refused.
"""

from ..backend.pickle_reader import Global, PickleError, is_key, read_pickle
from .errors import WeightsError
from .stored_tensor import DTYPES, Storage, StoredTensor, are_counts

REFUSED = (
    "only tensors and plain containers are read, and nothing in the file was run. If it holds a whole model, or objects beside the "
    "weights, and you trust it: open it with PyTorch and write the weights alone: torch.save(model.state_dict(), path)"
)
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


def read_objects(file):
    """What a pickle of torch.save describes.

    Args:
        file: bytes, or an mmap at the pickle's begin.
    Returns: (plain containers and values, with a StoredTensor for each tensor; {key: the Storage first met under that key}).
    Raises: WeightsError.
    """
    met = {}

    def storage_met(*reference):
        storage = storage_of(*reference)
        met.setdefault(storage.key, storage)
        return storage

    try:
        return read_pickle(file, KNOWN, CALLS, storage_met, leave_out, REFUSED), met
    except PickleError as error:
        raise WeightsError(str(error)) from None


def leave_out(target, state):
    """Only OrderedDict has attributes in a state dict: `_metadata` with versions, which aren't needed."""
    if type(target) is not dict or type(state) is not dict:
        raise WeightsError(
            f"the pickle in it gives a {type(target).__name__} the attributes {type(state).__name__}; the file was altered"
        )


def storage_of(*reference):
    """The Storage that a reference means. Before PyTorch 0.4 it had a sixth part: None, or (key, start, numel) of a view."""
    kind, key, _, numel, *view = reference[1:] if 5 <= len(reference) <= 6 else (None, None, None, None)
    dtype = STORAGE_DTYPES.get(kind.name) if isinstance(kind, Global) else None
    if reference[:1] != ("storage",) or dtype is None or not isinstance(key, str) or not are_counts(numel):
        raise WeightsError("the pickle in it refers to something that is no storage; the file was altered")
    if not view or view[0] is None:
        return Storage(key, dtype, 0, numel, numel)
    if type(view[0]) is not tuple or len(view[0]) != 3 or not are_counts(*view[0][1:]) or sum(view[0][1:]) > numel:
        raise WeightsError(f"the pickle in it has a view outside storage {key[:100]!r}; the file was altered")
    _, start, size = view[0]
    return Storage(key, dtype, start, size, numel)


def rebuild_tensor(storage, offset, size, stride):
    return rebuild_tensor_v3(storage, offset, size, stride, False, None, None)


def rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata=None):
    return rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, None, metadata)


def rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata=None):
    """For the dtypes that have no storage class of their own: the storage counts bytes, the dtype is said here."""
    if not isinstance(storage, Storage):
        raise WeightsError("the pickle in it has a tensor without a storage; the file was altered")
    if metadata:
        raise WeightsError("a tensor in it is a conjugate or negative view, which can't be read")
    if dtype is not None and getattr(dtype, "name", None) not in TENSOR_DTYPES:
        raise WeightsError("a tensor in it has no dtype; the file was altered")
    return StoredTensor(storage, storage.dtype if dtype is None else TENSOR_DTYPES[dtype.name], offset, size, stride)


def rebuild_parameter(data, requires_grad, hooks):
    return data


def ordered_dict(items=()):
    """OrderedDict and Counter: empty, or of a dict, or (Python 2) of a list of pairs."""
    items = items.items() if type(items) is dict else items
    # each key is looked at before it is hashed: a tuple's hash would go through all its depth
    if not all(type(pair) in (list, tuple) and len(pair) == 2 and is_key(pair[0]) for pair in _listed(items)):
        raise WeightsError("the pickle in it has a dict of things that are no pairs; the file was altered")
    return {key: value for key, value in items}


def set_of(items=()):
    if not all(is_key(item) for item in _listed(items)):
        raise WeightsError("the pickle in it has a set of other things than numbers and texts; the file was altered")
    return set(items)


def size_of(items=()):
    return tuple(_listed(items))


def device(*names):
    """torch.device("cuda", 0): a text here, "cuda:0"."""
    if not all(isinstance(name, str | int) for name in names):
        raise WeightsError("the pickle in it has a device without a name; the file was altered")
    return ":".join(str(name)[:100] for name in names)


def encoded(text, encoding):
    """Python 3's bytes, in protocol 2."""
    if not isinstance(text, str) or encoding != "latin1" or any(character > "\xff" for character in text):
        raise WeightsError("the pickle in it has bytes in an unknown encoding; the file was altered")
    return text.encode("latin-1")


def _listed(items):
    if isinstance(items, list | tuple | type({}.items())):
        return items
    raise WeightsError(f"the pickle in it makes a container of a {type(items).__name__}; the file was altered")


# name: (function, least and most arguments)
CALLS = {
    "torch._utils._rebuild_tensor": (rebuild_tensor, 4, 4),
    "torch._utils._rebuild_tensor_v2": (rebuild_tensor_v2, 6, 7),
    "torch._utils._rebuild_tensor_v3": (rebuild_tensor_v3, 7, 8),
    "torch._utils._rebuild_parameter": (rebuild_parameter, 3, 3),
    "collections.OrderedDict": (ordered_dict, 0, 1),
    "collections.Counter": (ordered_dict, 0, 1),  # MultiStepLR's milestones
    "__builtin__.set": (set_of, 0, 1),
    "builtins.set": (set_of, 0, 1),
    "torch.Size": (size_of, 0, 1),
    "torch.device": (device, 1, 2),
    "_codecs.encode": (encoded, 2, 2),
}
# Before PyTorch 0.4 a GPU's storages were of torch.cuda.FloatStorage and so on.
STORAGE_DTYPES = {f"{module}.{name}": DTYPES[d] for module in ("torch", "torch.cuda") for name, d in STORAGES.items()}
STORAGE_DTYPES["torch.storage.UntypedStorage"] = DTYPES["uint8"]
TENSOR_DTYPES = {f"torch.{name}": dtype for name, dtype in DTYPES.items()}
KNOWN = {*STORAGE_DTYPES, *TENSOR_DTYPES}
