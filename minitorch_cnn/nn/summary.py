"""A table of a network's layers: output shape, parameters, multiply-adds."""

import inspect
import math
from collections import namedtuple

import numpy as np

from ..autograd import Tensor, no_grad
from ..ops import check
from .attention import MultiheadAttention
from .conv import Conv2d, ConvTranspose2d
from .linear import Linear

Row = namedtuple("Row", ["name", "kind", "depth", "output_shape", "parameters", "macs", "calls"])


class Summary:
    """What `summary` returns: `rows`, `total_params`, `trainable_params`, `total_macs`; as text, the table."""

    def __init__(self, rows, total_params, trainable_params):
        self.rows, self.total_params, self.trainable_params = rows, total_params, trainable_params
        self.total_macs = sum(row.macs for row in rows)

    def __str__(self):
        cells = [("layer", "output shape", "parameters", "MACs")]
        for row in self.rows:
            label = "  " * row.depth + (f"{row.name.rpartition('.')[2]} ({row.kind})" if row.name else row.kind)
            label += f" x{row.calls}" if row.calls > 1 else ""
            shape = "" if row.output_shape is None else " x ".join(map(str, row.output_shape))
            cells.append(
                (label, shape, f"{row.parameters:,}" if row.parameters else "", f"{row.macs:,}" if row.macs else "")
            )
        widths = [max(len(line[i]) for line in cells) for i in range(4)]
        a, b, c, d = widths
        lines = [f"{layer:{a}}  {shape:{b}}  {params:>{c}}  {macs:>{d}}" for layer, shape, params, macs in cells]
        rule = "-" * len(lines[0])
        total = f"parameters: {self.total_params:,} ({self.trainable_params:,} trainable)   MACs an image: {self.total_macs:,}"
        return "\n".join([lines[0], rule, *(line.rstrip() for line in lines[1:]), rule, total])

    __repr__ = __str__


def summary(model, input_shape):
    """Run one image through the model and list what each layer makes of it.

    Args:
        model: a Module that takes one tensor, the batch in its first dimension. It is run in evaluation mode, and left as it was.
        input_shape: (C, H, W), or whatever one sample's shape is, without the batch.
    Returns: a Summary; print it. A row counts its own parameters, not those of the modules within it; "x3" says that the module
        ran three times, MACs are of all, the shape is of the last. MACs are the multiply-adds of convolutions and linear layers for
        one sample (attention's projections included, its two products not); a module of one's own is counted if it has a method
        macs(output).
    Raises: TypeError if forward needs more than one tensor; ValueError if the model can't be run on that shape.

    >>> from minitorch_cnn import models, nn
    >>> print(nn.summary(models.lenet5(), (1, 28, 28)))
    layer             output shape  parameters     MACs
    ---------------------------------------------------
    LeNet5            10
      conv1 (Conv2d)  6 x 28 x 28          156  117,600
      conv2 (Conv2d)  16 x 10 x 10       2,416  240,000
      fc1 (Linear)    120               48,120   48,000
      fc2 (Linear)    84                10,164   10,080
      fc3 (Linear)    10                   850      840
    ---------------------------------------------------
    parameters: 61,706 (61,706 trainable)   MACs an image: 416,520
    """
    sizes = input_shape if isinstance(input_shape, tuple | list) else (input_shape,)
    shape = (1, *(check.integer("summary", "input_shape", n, least=1) for n in sizes))
    parameter = next(model.parameters(), None)
    x = Tensor(np.zeros(shape, np.float32 if parameter is None else parameter.dtype))
    x = x if parameter is None else x.to(device=parameter.device)
    kind = type(model).__name__
    try:
        inspect.signature(model.forward).bind(x)
    except TypeError as error:
        raise TypeError(f"summary: {kind}.forward must take one tensor and need nothing else: {error}") from None
    modules = dict(model.named_modules())
    names = {id(module): name for name, module in modules.items()}
    shapes, macs, calls = {}, dict.fromkeys(modules, 0), dict.fromkeys(modules, 0)

    def record(module, args, kwargs, output):
        name = names[id(module)]
        calls[name] += 1
        output = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(output, Tensor):
            shapes[name] = output.shape[1:] if output.shape[:1] == (1,) else output.shape
            inputs = [*args, *(kwargs[key] for key in ("input", "query", "key", "value") if key in kwargs)]
            macs[name] += _macs(module, inputs, output)

    handles = [module.register_forward_hook(record, with_kwargs=True) for module in modules.values()]
    modes = {name: module.training for name, module in modules.items()}
    try:
        with no_grad():
            model.eval()(x)
    except (TypeError, ValueError) as error:
        raise ValueError(f"summary: {kind} can't be run on a float tensor of shape {shape}: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
        for name, module in modules.items():
            module.training = modes[name]
    rows, seen = [], set()
    for name, module in modules.items():
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen.update(id(p) for p in own)
        depth = name.count(".") + 1 if name else 0
        rows.append(
            Row(name, type(module).__name__, depth, shapes.get(name), sum(p.size for p in own), macs[name], calls[name])
        )
    sizes = [(p.size, p.requires_grad) for p in model.parameters()]
    return Summary(rows, sum(n for n, _ in sizes), sum(n for n, trainable in sizes if trainable))


def _macs(module, inputs, output):
    """The multiply-adds of one call. The batch is 1, so whatever stands in a first dimension belongs to the one sample."""
    if hasattr(module, "macs"):
        return module.macs(output)
    if isinstance(module, Conv2d):
        return output.size * math.prod(module.weight.shape[1:])
    if isinstance(module, ConvTranspose2d):
        return inputs[0].size * math.prod(module.weight.shape[1:])
    if isinstance(module, Linear):
        return output.size * module.in_features
    if isinstance(module, MultiheadAttention):  # the projections of queries, keys and values; out_proj counts itself
        return sum(t.size for t in inputs[:3]) * module.embed_dim
    return 0
