"""Weight files as {key: array}. What kind a file is, is told by its first bytes, not by its name:

"PK\\3\\4"                            zip: with a data.pkl PyTorch's (torch_zip.py), else NumPy's .npz (npz.py)
"\\x80"                              a pickle: PyTorch's older format (torch_legacy.py)
8 bytes of a length, then "{"       safetensors (safetensors_file.py)
"""

import os

from .. import backend
from ..backend.files import write_beside
from .archive import Archive
from .errors import WeightsError
from .npz import read_npz, write_npz
from .safetensors_file import read_safetensors, write_safetensors
from .state_dict import find_state_dict, without_prefix
from .stored_tensor import StoredTensor
from .torch_legacy import read_torch_legacy
from .torch_zip import pickle_folder, read_torch_zip

LONGEST_SAFETENSORS_HEADER = 100_000_000  # as its library has it

# how other things begin: what they are, and what to do
OTHERS = {
    b"\x1f\x8b": "a gzip file; unpack it",
    b"\xfd7zXZ": "an xz file; unpack it",
    b"BZh": "a bzip2 file; unpack it",
    b"\x28\xb5\x2f\xfd": "a Zstandard file; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"\x93NUMPY": "a single array (.npy); write an archive of arrays by np.savez(path, **arrays)",
    b"\x89HDF": "an HDF5 file, as Keras writes; write its arrays by np.savez(path, **arrays)",
    b"version https://git-lfs": "a Git LFS pointer, which stands for the file; fetch the file itself: git lfs pull",
}
OLD_TORCH_TAR = (b"sys_info", b"pickle", b"storages", b"tensors")


def read(path, own=()):
    """The weights in a file.

    Args:
        path: an .npz, a .safetensors, or a .pth, .pt or .th of torch.save (since PyTorch 0.1.10); its name doesn't matter. "~" is
            your home.
        own: the keys that are wanted. Only for prefixes: "module." and "_orig_mod." are taken off where each key has it, but not if
            each of these has it too.
    Returns: {key: array}, read-only. Of float16 it is float16; bfloat16 becomes float32. Where the format allows (PyTorch's zip
        archives, safetensors), arrays are views of the file, mapped into memory: copy what must outlive a change of the file.
        In a larger checkpoint the weights are the dict under state_dict, model_state_dict, model or net (exactly one of
        them must be there), or else the whole, if it is nothing but tensors by name. Of a checkpoint of train.save_checkpoint it is
        what was saved as `model`.
    Raises: FileNotFoundError; MemoryError; ImportError if it is a safetensors file and that library isn't installed; WeightsError,
        with the file's name, if it is something else, is damaged or cut short, holds a whole pickled model or another object (a
        pickle's function or class is refused by name, and nothing in it runs), or if it isn't clear what in it is the weights.

    >>> import os, tempfile
    >>> import numpy as np
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.npz")
    >>> np.savez(path, **{"fc.weight": np.ones((2, 3)), "fc.bias": np.zeros(2)})
    >>> {key: array.shape for key, array in read(path).items()}
    {'fc.weight': (2, 3), 'fc.bias': (2,)}
    """
    path = os.path.expanduser(os.fsdecode(path))
    try:
        if os.path.isdir(path):
            raise WeightsError("this is a folder; name the file in it")
        with open(path, "rb") as file:
            arrays = without_prefix(_read(file), own)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error.__cause__
    except ImportError as error:
        raise ImportError(f"{path}: {error}") from None
    except MemoryError:
        raise MemoryError(f"{path}: there isn't enough memory for what it holds") from None
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def write(path, arrays):
    """Write {key: array or Tensor} to an .npz or a .safetensors file, as the name's ending says; its folder is made if it isn't
    there.

    Raises: WeightsError for another ending; TypeError for keys that are no texts, and for values that are no arrays of numbers;
        ImportError for .safetensors if that library isn't installed.

    >>> import os, tempfile
    >>> import numpy as np
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.npz")
    >>> write(path, {"fc.weight": np.ones((2, 3))})
    >>> list(read(path))
    ['fc.weight']
    """
    path = os.path.expanduser(os.fsdecode(path))
    ending = os.path.splitext(path)[1].lower()
    writers = {".npz": write_npz, ".safetensors": write_safetensors}
    if ending not in writers:
        remedy = "the name must end with .npz or .safetensors"
        if ending in (".pth", ".pt", ".th"):
            remedy += (
                f"; {ending} is a pickle, which can run code where it is loaded, and is read here but not written. "
                f"PyTorch reads .safetensors: model.load_state_dict(safetensors.torch.load_file(path))"
            )
        raise WeightsError(f"{path}: {remedy}")
    arrays = {key: _checked(key, value) for key, value in arrays.items()}
    try:
        write_beside(path, lambda file: writers[ending](file, arrays))
    except ImportError as error:
        raise ImportError(f"{path}: {error}") from None


def _checked(key, value):
    """The array of numbers, on the CPU, that is to be written under a key."""
    array = getattr(value, "data", None) if not backend.is_array(value) else value  # a Tensor's array is its data
    if not (isinstance(key, str) and backend.is_array(array) and array.dtype.kind in "fiub"):
        found = f"an array of {array.dtype}" if backend.is_array(array) else f"a {type(value).__name__}"
        raise TypeError(
            f"weights.write: the keys must be texts, and the values arrays or Tensors of numbers; got {found} under {key!r}"
        )
    return backend.to_numpy(array)


def _read(file):
    begin = file.read(512)
    file.seek(0)
    if begin[:4] in (b"PK\3\4", b"PK\5\6"):
        return _read_zip(Archive(file))
    if begin[:1] == b"\x80":
        return _weights(*read_torch_legacy(file))
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") <= LONGEST_SAFETENSORS_HEADER:
        return read_safetensors(file)
    raise WeightsError(_described(begin))


def _read_zip(archive):
    if pickle_folder(archive) is not None:
        return _weights(*read_torch_zip(archive))
    names = list(archive.entries)
    if names and all(name.endswith(".npy") for name in names):
        return read_npz(archive)
    shown = ", ".join(name[:100] for name in names[:5]) + (", ..." if len(names) > 5 else "")
    raise WeightsError(
        f"a zip archive, but neither PyTorch's (it has no data.pkl) nor NumPy's (which has nothing but .npy); "
        f"it holds {shown or 'nothing'}"
    )


def _weights(saved, array_of):
    state = find_state_dict(saved, lambda value: isinstance(value, StoredTensor))
    return {key: array_of(tensor) for key, tensor in state.items()}


def _described(begin):
    """What a file that isn't one of weights looks like, by its first bytes."""
    if not begin:
        return "the file is empty; fetch or write it anew"
    if begin[257:262] == b"ustar":
        name = begin[:100].rstrip(b"\0")
        if name in OLD_TORCH_TAR:
            return "the tar format of PyTorch before 0.1.10; open it with PyTorch and write it anew: torch.save(state, path)"
        return f"a tar archive that begins with {name.decode(errors='replace')!r}; unpack it"
    for start, what in OTHERS.items():
        if begin.startswith(start):
            return what
    text = begin.lstrip().decode("utf-8", "replace")
    if text[:15].lower().startswith(("<!doctype", "<html", "<?xml", "<head")):
        return f"a web page, probably a message in the file's place: {text[:60]!r}; fetch it anew"
    kind = "a text" if "\0" not in text and text.count("�") <= 1 else "something else"
    return f"no weight file (.npz, .safetensors, .pth): it looks like {kind}, and begins with {begin[:40]!r}"
