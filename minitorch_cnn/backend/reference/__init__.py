"""The primitives as textbook loops: slow, obvious, the definition that the other forms are tested against.

The files have the names of those in `cpu`, and each function the name and signature of its fast form there.
"""

from .activation import *
from .color import *
from .conv import *
from .dropout import *
from .erase import *
from .filter import *
from .loss import *
from .lrn import *
from .matmul import *
from .mix import *
from .noise import *
from .norm import *
from .optim import *
from .pool import *
from .resample import *
from .resize import *
from .smooth_noise import *
from .tone import *
from .uniform import *
from .warp import *
