"""The primitives in CuPy, for NVIDIA cards: same files, names and signatures as in `cpu`.

Imported when the first array on a "cuda" device is worked on, so that a machine without CuPy never notices. Two kinds of kernel:

    cupy.ElementwiseKernel   one thread makes one value of the output, number `i`; it gathers what that value needs, so no two
                             threads write to one place: no atomics, and the same bits each time (but indexing with repeated
                             integers goes backward by CuPy's own scatter, which has atomics)
    BlockKernel              one block of threads sums up a row (or a channel) together, through shared memory
    PixelKernel              the same for images, of uint8 too; only it has an atomic, which counts whole numbers

Nothing here makes the host wait for the device.
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
