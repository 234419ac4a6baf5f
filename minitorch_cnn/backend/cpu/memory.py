"""Freed memory is kept for the next array, instead of being given back to the system each time.

glibc maps an array of some MB afresh and unmaps it when it is freed; each of its pages then costs a fault when it is first
touched, which takes longer than the arithmetic: adding two 40 MB arrays into a new one takes 2.6 times as long as into an old one.
Two of glibc's own settings, for this process, make it keep up to 1 GB of what was freed: pooling takes 0.8 of the time, ResNet-20's
step 0.9, and the peak stays what it was (benchmarks/run.py).

Only on Linux with glibc, and not if MALLOC_MMAP_MAX_ or MALLOC_TRIM_THRESHOLD_ is set in the environment: then somebody has
decided already. The environment variable MINITORCH_CNN_KEEP_MEMORY=0, set before the package is imported, turns it off.
"""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # their numbers in malloc.h


def keep_freed_memory():
    """Tell glibc; does nothing elsewhere, or if MINITORCH_CNN_KEEP_MEMORY is 0."""
    if os.environ.get("MINITORCH_CNN_KEEP_MEMORY") == "0":
        return
    if platform.libc_ver()[0] != "glibc" or {"MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ):
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 1 << 30)
