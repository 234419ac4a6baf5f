"""Augmentations of whole batches, on either device: more data for nothing (the lecture's first subject).

Random parameters and arithmetic are apart (transform.py); geometric transforms are coordinate maps, and a chain of them is one
sampling pass (geometry.py, batch.py). The names are torchvision's, or albumentations' where torchvision has none.
"""

from .affine import *
from .compose import Compose, OneOf, RandomApply, SomeOf
from .crop import *
from .flip import *
from .transform import Transform
