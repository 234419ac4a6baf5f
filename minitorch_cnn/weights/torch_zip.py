"""PyTorch's files since 1.6: a zip archive. `unzip -l resnet18.pth` shows

    resnet18/data.pkl           a pickle of what was saved, in which tensors are references to storages
    resnet18/byteorder          "little" or "big" (since 2.1)
    resnet18/data/0             the storage of key "0": its numbers, one after the other, nothing else
    resnet18/data/1
    ...
    resnet18/version            and a few more that don't matter here

The folder's name is that of the file as it was written. The entries are not compressed and begin at multiples of 64 bytes, so the
file is mapped into memory and a tensor is a view of it: nothing is copied until it is used.

TorchScript (torch.jit.save) writes archives of the same look that hold a program: code/ and constants.pkl beside it.
"""

import zipfile

from ..backend.pickle_reader import LONGEST
from .errors import WeightsError
from .stored_tensor import to_array
from .torch_pickle import read_objects


def read_torch_zip(archive):
    """(what was saved, a function that makes an array of a StoredTensor in it).

    Args:
        archive: an Archive that has a data.pkl.
    Raises: WeightsError.
    """
    folder = pickle_folder(archive)
    if folder + "constants.pkl" in archive.entries:
        raise WeightsError(
            "this is a TorchScript archive, a program and its weights. With PyTorch, write the weights alone: "
            "torch.save(torch.jit.load(path).state_dict(), other_path)"
        )
    order = archive.read(folder + "byteorder").tobytes() if folder + "byteorder" in archive.entries else b"little"
    if order not in (b"little", b"big"):
        raise WeightsError(f"the byte order of its numbers is {order[:20]!r}, which is neither little nor big")
    pickle = archive.entries[folder + "data.pkl"]
    if pickle.compress_type != zipfile.ZIP_STORED:  # 40 kB could say so much that it fills the memory
        raise WeightsError("its data.pkl is compressed, which PyTorch doesn't do; unpack it, and pack it with `zip -0`")
    if pickle.file_size > LONGEST:
        raise WeightsError(
            f"its data.pkl has {pickle.file_size:,} bytes, which no state dict needs; the file was altered"
        )
    saved, _ = read_objects(archive.read(folder + "data.pkl").tobytes())
    contents, values = {}, {}

    def content(key):
        if key not in contents:
            contents[key] = archive.read(f"{folder}data/{key}")
        return contents[key], "<" if order == b"little" else ">"

    return saved, lambda tensor: to_array(tensor, content, values)


def pickle_folder(archive):
    """The folder in which data.pkl lies, such as "resnet18/"; None if there is none."""
    names = [name for name in archive.entries if name.rpartition("/")[2] == "data.pkl"]
    return min(names, key=len)[: -len("data.pkl")] if names else None
