"""Augmentations of whole batches, on either device: more data for nothing (the lecture's first subject).

Random parameters and arithmetic are apart (transform.py); geometric transforms are coordinate maps, and a chain of them is one
sampling pass (geometry.py, batch.py). The names are torchvision's, or albumentations' where torchvision has none.
"""

from .affine import *
from .blur import *
from .color import *
from .compose import Compose, OneOf, RandomApply, SomeOf
from .crop import *
from .distort import *
from .erase import *
from .flip import *
from .mix import *
from .noise import *
from .normalize import *
from .policy import *
from .pregenerate import *
from .pregenerated import *
from .resize import *
from .tone import *
from .transform import Transform
