"""Weight files: `read(path)` gives {key: array} of an .npz, .safetensors or .pth, `write(path, arrays)` writes the first two.

`model.load_weights(path)` and `model.save_weights(path)` are these two with a model. In reading order:

    files.py                what kind a file is; read and write
    npz.py                  NumPy's archives
    safetensors_file.py     the safetensors format
    torch_zip.py            what a .pth is: PyTorch's zip archives
    torch_legacy.py         PyTorch's format before 1.6
    torch_pickle.py         the names that PyTorch's pickles use, and what they mean
    stored_tensor.py        how a tensor lies in its storage
    bfloat16.py             a float32's upper half
    archive.py              zip archives, mapped into memory and checked
    state_dict.py           which of the things in a file are the weights
    errors.py               WeightsError

What a pickle says, without doing what it asks for, is read by backend/pickle_reader.py.
"""

from .errors import WeightsError
from .files import read, write
