"""Growing a deep VGG from a shallow one: Simonyan, Zisserman 2014 (1409.1556), section 3.1.

Networks B to E didn't train well from random weights. So the authors trained A, which is shallow enough, and gave its first
four convolutions and its three fully connected layers to the deeper network; the rest of that stays random:

    A     64     M 128     M 256 256         M 512 512 ...      fc6 fc7 fc8
          |        |         |   |                               |   |   |
    D     64 64  M 128 128 M 256 256 256     M 512 512 512 ...  fc6 fc7 fc8

A layer is found by its role, its stage and its place in the stage, not by its number or by luck of shape: A's second
convolution is the first of stage 2, while the second of D, of another shape, is still in stage 1. The paper doesn't spell that
out; this reading fits B to E.
"""

from collections import namedtuple

from .. import nn
from .vgg import VGG

FIRST = 4  # so many convolutions are copied


class WarmStart(namedtuple("WarmStart", ["copied", "left"])):
    """What `warm_start` did: `copied`, a list of (key in small, key in big), and `left`, the keys of big that stay as they were."""

    def __str__(self):
        width = max(len(source) for source, _ in self.copied)
        copied = [f"  {source:{width}} -> {target}" for source, target in self.copied]
        return "\n".join(
            [f"copied {len(copied)}:", *copied, f"left {len(self.left)}:", *(f"  {key}" for key in self.left)]
        )


def warm_start(big, small):
    """Start a deep VGG with the first four convolutions and the three fully connected layers of a shallower one.

    The copied layers are not frozen, and their learning rate isn't lowered (section 3.1). With batch norm in both networks that
    of a copied convolution is copied too, its running statistics as well: the convolution was trained together with it.

    Args:
        big, small: VGGs, of the same widths in those layers; big is changed, small is not.
    Returns: a WarmStart (copied, left); print it.
    Raises: TypeError if one isn't a VGG; ValueError if small is the deeper one, if only one has batch norm, or if layers have other
        shapes (all are named). Nothing is copied then.

    >>> a = VGG([4, "M", 8, "M", 12, 12, "M", 16, "M"], num_classes=3, hidden=8, pooled=1)
    >>> c = VGG([4, 4, "M", 8, "M", 12, 12, ("1x1", 12), "M", 16, "M"], num_classes=3, hidden=8, pooled=1)
    >>> print(warm_start(c, a))
    copied 14:
      features.0.weight   -> features.0.weight
      features.0.bias     -> features.0.bias
      features.3.weight   -> features.5.weight
      features.3.bias     -> features.5.bias
      features.6.weight   -> features.8.weight
      features.6.bias     -> features.8.bias
      features.8.weight   -> features.10.weight
      features.8.bias     -> features.10.bias
      classifier.0.weight -> classifier.0.weight
      classifier.0.bias   -> classifier.0.bias
      classifier.3.weight -> classifier.3.weight
      classifier.3.bias   -> classifier.3.bias
      classifier.6.weight -> classifier.6.weight
      classifier.6.bias   -> classifier.6.bias
    left 6:
      features.2.weight
      features.2.bias
      features.12.weight
      features.12.bias
      features.15.weight
      features.15.bias
    """
    for name, model in (("big", big), ("small", small)):
        if not isinstance(model, VGG):
            raise TypeError(f"warm_start: {name} must be a VGG, got {type(model).__name__}")
    theirs, own = roles(small), roles(big)
    if len(theirs) > len(own):
        raise ValueError(
            f"warm_start: small has {len(theirs)} convolutions, and big only {len(own)}; the order is warm_start(big, small)"
        )
    if has_batch_norm(big) != has_batch_norm(small):
        having, lacking = ("big", "small") if has_batch_norm(big) else ("small", "big")
        raise ValueError(
            f"warm_start: {having} has batch norm, and {lacking} has not: a convolution's weights mean something else with it"
        )
    first = list(theirs)[:FIRST]
    absent = [role for role in first if role not in own]
    if absent:
        places = ", ".join(f"{place} of stage {stage}" for stage, place in absent)
        raise ValueError(f"warm_start: small has a convolution that big lacks: number {places}")
    pairs = [(source, target) for role in first for source, target in zip(theirs[role], own[role])]
    pairs += [(layer, layer) for layer in ("classifier.0", "classifier.3", "classifier.6")]
    copied = [
        (f"{source}.{name}", f"{target}.{name}")
        for source, target in pairs
        for name in small.get_submodule(source).state_dict()
    ]
    values, before = small.state_dict(), big.state_dict()
    misfits = [
        f"{target}: big has {before[target].shape}, small's {source} {values[source].shape}"
        for source, target in copied
        if before[target].shape != values[source].shape
    ]
    if misfits:
        raise ValueError("\n  ".join(["warm_start: big and small differ in width; nothing was copied", *misfits]))
    big.load_state_dict({target: values[source] for source, target in copied}, strict=False)
    targets = {target for _, target in copied}
    return WarmStart(copied, [key for key in before if key not in targets])


def roles(model):
    """{(stage, place in it), both from 1: names of the layers there} of a VGG, in order: a convolution, perhaps its batch norm."""
    found, stage, place = {}, 1, 0
    for name, layer in model.features.named_children():
        if isinstance(layer, nn.MaxPool2d):
            stage, place = stage + 1, 0
        elif isinstance(layer, nn.Conv2d):
            place += 1
            found[stage, place] = [f"features.{name}"]
        elif isinstance(layer, nn.BatchNorm2d):
            found[stage, place].append(f"features.{name}")
    return found


def has_batch_norm(model):
    return any(isinstance(layer, nn.BatchNorm2d) for layer in model.features)
