"""Operators that move values about and change none: each one's gradient moves back the way it came.

reshape, permute, indexing and cat are views or copies of the same numbers; a value that lands in several places (repeated indices,
padding by reflection) gets the sum of their gradients, one that lands nowhere gets zero.
"""

import math

import numpy as np

from .. import backend
from ..autograd import Function, Tensor
from . import check
from .elementwise import sum_to_shape


class Reshape(Function):
    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.before = x.shape
        return x.reshape(self.shape)

    def backward(self, grad):
        return grad.reshape(self.before)


class Permute(Function):
    def __init__(self, dims):
        self.dims = dims

    def forward(self, x):
        return x.transpose(self.dims)

    def backward(self, grad):
        back = [0] * len(self.dims)
        for i, d in enumerate(self.dims):
            back[d] = i
        return grad.transpose(back)


class Expand(Function):
    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.before = x.shape
        return backend.array_module(x).broadcast_to(x, self.shape)

    def backward(self, grad):
        return sum_to_shape(grad, self.before)


class GetItem(Function):
    def __init__(self, index):
        self.index = index

    def forward(self, x):
        self.shape = x.shape
        return x[self.index]

    def backward(self, grad):
        xp = backend.array_module(grad)
        gx = xp.zeros(self.shape, grad.dtype)
        if any(backend.is_array(i) and i.dtype.kind != "b" for i in self.index):
            xp.add.at(gx, self.index, grad)  # an element that was picked twice gets both gradients
        else:
            gx[self.index] = grad
        return gx


class Cat(Function):
    def __init__(self, dim):
        self.dim = dim

    def forward(self, *arrays):
        self.lengths = [a.shape[self.dim] for a in arrays]
        return backend.array_module(arrays[0]).concatenate(arrays, self.dim)

    def backward(self, grad):
        gradients, start = [], 0
        for length in self.lengths:
            index = [slice(None)] * grad.ndim
            index[self.dim] = slice(start, start + length)
            gradients.append(grad[tuple(index)])
            start += length
        return tuple(gradients)


class Pad(Function):
    """Constant padding: the image in the middle of a larger array."""

    def __init__(self, widths, value):
        self.widths, self.value = widths, value

    def forward(self, x):
        xp = backend.array_module(x)
        shape = [n + before + after for n, (before, after) in zip(x.shape, self.widths)]
        # negative widths crop: where x lies in y, and what of x that is
        self.shape = x.shape
        self.inside = tuple(slice(max(b, 0), n - max(a, 0)) for n, (b, a) in zip(shape, self.widths))
        self.kept = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, self.widths))
        y = xp.full(shape, self.value, x.dtype)
        y[self.inside] = x[self.kept]
        return y

    def backward(self, grad):
        gx = backend.array_module(grad).zeros(self.shape, grad.dtype)
        gx[self.kept] = grad[self.inside]
        return gx


class TakeAlong(Function):
    """y[..., i, ...] = x[..., indices[i], ...] along one axis: padding by reflection or repetition."""

    def __init__(self, indices, dim):
        self.indices, self.dim = indices, dim

    def forward(self, x):
        self.length = x.shape[self.dim]
        return x.take(backend.array_module(x).asarray(self.indices), self.dim)

    def backward(self, grad):
        shape = list(grad.shape)
        shape[self.dim] = self.length
        xp = backend.array_module(grad)
        gx = xp.zeros(shape, grad.dtype)
        into, out_of = xp.moveaxis(gx, self.dim, 0), xp.moveaxis(grad, self.dim, 0)
        for i, source in enumerate(self.indices.tolist()):
            into[source] += out_of[i]
        return gx


def reshape(input, *shape):
    """The same values in another shape; one extent may be -1: whatever is left.

    >>> from minitorch_cnn import Tensor
    >>> reshape(Tensor([[1.0, 2.0], [3.0, 4.0]]), 4).numpy().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    check.tensor("reshape", "input", input)
    shape = _ints("reshape", shape)
    known = math.prod(n for n in shape if n != -1)
    wrong = min(shape, default=0) < -1 or shape.count(-1) > 1
    if wrong or (input.size != known if -1 not in shape else known == 0 or input.size % known):
        raise ValueError(f"reshape: {input.size} elements of shape {input.shape} don't fit shape {shape}")
    return Reshape.apply(input, shape=shape)


def flatten(input, start_dim=0, end_dim=-1):
    """The dimensions from start_dim to end_dim as one; `flatten(1)` keeps the batch.

    >>> from minitorch_cnn import Tensor
    >>> flatten(Tensor([[[1.0, 2.0], [3.0, 4.0]]]), 1).shape
    (1, 4)
    """
    check.tensor("flatten", "input", input)
    first, last = check.dim("flatten", start_dim, input.ndim), check.dim("flatten", end_dim, input.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}; input.shape={input.shape}")
    shape = input.shape
    return Reshape.apply(input, shape=(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def squeeze(input, dim=None):
    """Without its dimensions of extent 1 (or without that one, or those of a tuple, where the extent is 1)."""
    check.tensor("squeeze", "input", input)
    dims = range(input.ndim) if dim is None else dim if isinstance(dim, tuple | list) else (dim,)
    places = {check.dim("squeeze", d, input.ndim) for d in dims}
    shape = tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in places)
    return Reshape.apply(input, shape=shape)


def unsqueeze(input, dim):
    """With a new dimension of extent 1 at place `dim`."""
    check.tensor("unsqueeze", "input", input)
    place = check.dim("unsqueeze", dim, input.ndim + 1)
    return Reshape.apply(input, shape=(*input.shape[:place], 1, *input.shape[place:]))


def permute(input, *dims):
    """The dimensions in another order.

    >>> from minitorch_cnn import Tensor
    >>> permute(Tensor([[[1.0, 2.0, 3.0]]]), 2, 0, 1).shape
    (3, 1, 1)
    """
    check.tensor("permute", "input", input)
    order = tuple(check.dim("permute", d, input.ndim) for d in _ints("permute", dims))
    if sorted(order) != list(range(input.ndim)):
        raise ValueError(
            f"permute: {order} doesn't name each of the {input.ndim} dimensions once; input.shape={input.shape}"
        )
    return Permute.apply(input, dims=order)


def transpose(input, dim0, dim1):
    """Two dimensions exchanged."""
    check.tensor("transpose", "input", input)
    order = list(range(input.ndim))
    a, b = check.dim("transpose", dim0, input.ndim), check.dim("transpose", dim1, input.ndim)
    order[a], order[b] = b, a
    return Permute.apply(input, dims=tuple(order))


def expand(input, *shape):
    """Repeated along dimensions of extent 1, and along new ones in front; -1 keeps an extent. Nothing is copied."""
    check.tensor("expand", "input", input)
    shape = _ints("expand", shape)
    kept = (1,) * (len(shape) - input.ndim) + input.shape
    wanted = tuple(k if n == -1 else n for n, k in zip(shape, kept))
    new = len(shape) - input.ndim
    fits = new >= 0 and -1 not in shape[:new]  # a new dimension has no extent to keep
    if not fits or not all(n >= 0 and k in (1, n) for n, k in zip(wanted, kept)):
        raise ValueError(f"expand: a tensor of shape {input.shape} can't be expanded to {shape}")
    return Expand.apply(input, shape=wanted)


def getitem(input, index):
    """input[index]: ints, slices, None, ..., bool masks, integer arrays or Tensors.

    As in PyTorch, ints are taken first: beside an int and apart from it, an index array keeps its dimension's place (in NumPy it
    would come first).

    >>> from minitorch_cnn import Tensor
    >>> Tensor([1.0, 2.0, 3.0])[[0, 0, 2]].numpy().tolist()
    [1.0, 1.0, 3.0]
    """
    index = index if isinstance(index, tuple) else (index,)
    plain = tuple(_plain_index(i) for i in index)
    ints = [isinstance(i, int | np.integer) and not isinstance(i, bool) for i in plain]
    try:
        if any(ints) and any(backend.is_array(i) for i in plain):
            chosen, plain = _ints_apart(plain, ints)
            return GetItem.apply(GetItem.apply(input, index=chosen), index=plain)
        return GetItem.apply(input, index=plain)
    except IndexError as error:
        raise IndexError(f"indexing: {error}; shape={input.shape}, index={index}") from None


def _ints_apart(index, ints):
    """Two indices, one after the other: the ints of `index` and nothing else, then all the rest."""
    chosen, rest = [], []
    for i, is_int in zip(index, ints):
        if is_int or i is Ellipsis:
            chosen.append(i)
        elif i is not None:  # a slice, an index array, or a mask over several dimensions
            chosen += [slice(None)] * (i.ndim if getattr(i, "dtype", None) == np.bool_ else 1)
        if not is_int:
            rest.append(i)
    return tuple(chosen), tuple(rest)


def _plain_index(i):
    if isinstance(i, Tensor):
        return i.data
    if isinstance(i, list | tuple | range):
        return np.asarray(i, dtype=np.intp if len(i) == 0 else None)
    return i


def cat(tensors, dim=0):
    """Tensors side by side along an existing dimension.

    >>> from minitorch_cnn import Tensor
    >>> cat([Tensor([1.0]), Tensor([2.0, 3.0])]).numpy().tolist()
    [1.0, 2.0, 3.0]
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: no tensors given")
    for t in tensors:
        check.tensor("cat", "each element", t)
    check.same_dtype("cat", **{f"tensors[{i}]": t for i, t in enumerate(tensors)})
    if any(t.ndim == 0 for t in tensors):
        raise ValueError("cat: a tensor without dimensions can't be joined to others; use stack")
    dim = check.dim("cat", dim, tensors[0].ndim)
    outer = [(*t.shape[:dim], *t.shape[dim + 1 :]) for t in tensors]
    if any(t.ndim != tensors[0].ndim for t in tensors) or any(o != outer[0] for o in outer):
        raise ValueError(f"cat: shapes {', '.join(str(t.shape) for t in tensors)} differ in more than dimension {dim}")
    return Cat.apply(*tensors, dim=dim)


def stack(tensors, dim=0):
    """Tensors of one shape side by side along a new dimension.

    >>> from minitorch_cnn import Tensor
    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])]).shape
    (2, 2)
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack: no tensors given")
    for t in tensors:
        check.tensor("stack", "each element", t)
    dim = check.dim("stack", dim, tensors[0].ndim + 1)
    if len({t.shape for t in tensors}) > 1:
        raise ValueError(f"stack: all tensors must have one shape, got {', '.join(str(t.shape) for t in tensors)}")
    return cat([unsqueeze(t, dim) for t in tensors], dim)


def pad(input, pad, mode="constant", value=None):
    """Add values at the edges.

    Args:
        input: a tensor.
        pad: (before, after) of the last dimension, then of the one before it, and so on: (left, right, top, bottom) for
            images. Negative numbers crop (constant mode only).
        mode: "constant" (`value`, 0 by default), "reflect" (mirrored, without the edge itself) or "replicate" (the edge).
    Returns: the larger tensor.
    Raises: ValueError if a reflection is as wide as the image, or the numbers don't come in pairs.
    Source: torch.nn.functional.pad.

    >>> from minitorch_cnn import Tensor
    >>> row = Tensor([[1.0, 2.0, 3.0]])
    >>> from minitorch_cnn.functional import pad
    >>> pad(row, (1, 1)).numpy().tolist(), pad(row, (2, 0), mode="reflect").numpy().tolist()
    ([[0.0, 1.0, 2.0, 3.0, 0.0]], [[3.0, 2.0, 1.0, 2.0, 3.0]])
    """
    check.tensor("pad", "input", input)
    check.one_of("pad", "mode", mode, ("constant", "reflect", "replicate"))
    numbers = _ints("pad", pad if isinstance(pad, tuple | list) else (pad,))
    if len(numbers) % 2 or len(numbers) > 2 * input.ndim:
        raise ValueError(
            f"pad: expected (before, after) for at most {input.ndim} dimensions, got {numbers}; input.shape={input.shape}"
        )
    widths = [(0, 0)] * (input.ndim - len(numbers) // 2)
    widths += [(numbers[i], numbers[i + 1]) for i in range(len(numbers) - 2, -1, -2)]
    for n, (before, after) in zip(input.shape, widths):
        if n + before + after < 0 or n + min(before, 0) + min(after, 0) < 0:
            raise ValueError(f"pad: {numbers} crops more than there is; input.shape={input.shape}")
        if mode != "constant" and min(before, after) < 0:
            raise ValueError(f'pad: mode="{mode}" takes no negative widths, got {numbers}')
        if (mode == "reflect" and max(before, after) >= max(n, 1)) or (
            mode == "replicate" and n == 0 and max(before, after)
        ):
            raise ValueError(
                f'pad: mode="{mode}" needs widths smaller than the image, got {numbers}; input.shape={input.shape}'
            )
    if mode == "constant":
        return Pad.apply(input, widths=widths, value=0 if value is None else value)
    for dim, (before, after) in enumerate(widths):
        if before or after:
            place = np.arange(-before, input.shape[dim] + after)
            last = input.shape[dim] - 1
            source = last - abs(last - abs(place)) if mode == "reflect" else place.clip(0, last)
            input = TakeAlong.apply(input, indices=source, dim=dim)
    return input


def one_hot(tensor, num_classes=-1):
    """Class numbers as vectors with a 1 at their place: (...) integers -> (..., num_classes) int64.

    >>> import numpy as np
    >>> one_hot(np.array([0, 2]), 3).numpy().tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    labels = tensor.data if isinstance(tensor, Tensor) else tensor if backend.is_array(tensor) else np.asarray(tensor)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: expected integer class numbers, got {labels.dtype}")
    if num_classes == -1:
        if labels.size == 0:
            raise ValueError("one_hot: num_classes can't be found from an empty tensor; give it")
        with backend.on_device_of(labels):
            num_classes = int(labels.max()) + 1
    check.class_indices("one_hot", labels, labels.shape, check.integer("one_hot", "num_classes", num_classes, 1))
    xp = backend.array_module(labels)
    with backend.on_device_of(labels):
        return Tensor((labels[..., None] == xp.arange(num_classes)).astype(np.int64))


def _ints(op, values):
    if len(values) == 1 and isinstance(values[0], tuple | list):
        values = values[0]
    return tuple(check.integer(op, "each number", v) for v in values)
