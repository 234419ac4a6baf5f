"""The primitives in NumPy, for the CPU: same names and signatures as in `reference`, as fast as NumPy goes."""

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
from . import memory

memory.keep_freed_memory()
