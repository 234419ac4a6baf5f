"""What there is besides the CPU: is CuPy here, does it run, which devices has it, how full are they; and what to do if not.

All questions to CuPy about devices are asked here, and CuPy is imported inside the functions: who never says "cuda" never
imports it. `require` is the door: it returns a device's number or raises a DeviceError with the remedy. `out_of_memory` puts
CuPy's error into words. `python -m minitorch_cnn.doctor` prints all that these functions know.

CUDA versions are numbers as CUDA itself has them, 12040 for 12.4. A driver runs programs made for its own version and for all
older ones, so the driver decides which of CuPy's wheels fits.
"""

import ctypes
import os
import re
import sys
from importlib import metadata
from typing import NamedTuple

import numpy as np

from .arrays import DeviceError, canonical_device

_INSUFFICIENT_DRIVER, _NO_DEVICE = 35, 100  # cudaError_t; the first also stands for no driver at all


class Trouble(NamedTuple):
    """Why a device can't be used, and what helps. `fault` is False where there just is no GPU, or no CuPy."""

    problem: str
    remedy: str
    fault: bool


class Card(NamedTuple):
    name: str
    capability: tuple  # (8, 6): which instructions it has
    total: int  # bytes of memory


class Memory(NamedTuple):
    """Bytes of a device. All but `free` is taken: arrays + kept + others + free = total."""

    arrays: int  # of this program
    kept: int  # by CuPy's pool, for this program's next arrays
    others: int  # CUDA itself, and other programs
    free: int
    total: int


# is it there? ---------------------------------------------------------------------------------------------------------


def require(device):
    """The number of a "cuda" device that can be used: 1 for "cuda:1".

    Raises: DeviceError saying what is missing and what to do; ValueError for "cpu" and unknown names.
    """
    name = canonical_device(device)
    if name == "cpu":
        raise ValueError('a "cuda" device is needed here, got "cpu"')
    number = int(name.removeprefix("cuda:"))
    found = trouble(number)
    if found:
        raise DeviceError(
            f'device "{name}" was asked for, but {found.problem}. {found.remedy}. Or use device="cpu". '
            "(python -m minitorch_cnn.doctor checks the whole installation.)"
        )
    return number


def trouble(number=0):
    """What is wrong with cuda device `number`, as a Trouble, or None if it can be used."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            return _broken_installation(error)
        version, cards = driver()
        none = "" if version else ", and no NVIDIA driver was found"
        return Trouble(f"CuPy is not installed{none}", _how_to_install(version, cards), False)
    except Exception as error:  # a broken installation may raise anything
        return _broken_installation(error)
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if error.status == _INSUFFICIENT_DRIVER:
            return _bad_driver(cupy.cuda.runtime)
        if error.status != _NO_DEVICE:
            return Trouble(
                f"CUDA doesn't start ({error})",
                "See if nvidia-smi runs; after an update of the driver, or a sleep, restart the machine",
                True,
            )
        count = 0
    if count == 0:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        remedy = "See if nvidia-smi lists a card; a container must be given it (docker run --gpus all)"
        if hidden is not None:
            remedy = f"CUDA_VISIBLE_DEVICES={hidden!r} in the environment hides the cards it doesn't list: unset it"
        return Trouble("the NVIDIA driver has no device for it", remedy, False)
    if number >= count:
        there = ", ".join(f'"cuda:{n}"' for n in range(count))
        return Trouble(
            f"there {'is' if count == 1 else 'are'} only {there}", "Use a device that is there: they count from 0", True
        )
    return None


def _broken_installation(error):
    reason = str(error.__cause__ or error).strip().partition("\n")[0]  # CuPy wraps the reason in a page of advice
    names = " ".join(installed_wheels()) or "cupy"
    return Trouble(
        f"CuPy is installed but can't be imported ({type(error).__name__}: {reason})",
        f"Install it anew: pip uninstall {names}. {_how_to_install(*driver())}",
        True,
    )


def _bad_driver(runtime):
    version, made_for = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if version == 0:
        return Trouble(
            "CuPy is installed and no NVIDIA driver was found",
            "With an NVIDIA card, install its driver (nvidia-smi then lists the card); a container must be given "
            "it (docker run --gpus all)",
            False,
        )
    remedy = _how_to_install(version, driver()[1])
    if wheel(version) is not None:
        remedy = (
            f"Either update the driver, or change the wheel: pip uninstall {' '.join(installed_wheels())}. {remedy}"
        )
    return Trouble(
        f"NVIDIA's driver, which runs CUDA {cuda_text(version)}, is too old for this CuPy, made for CUDA {cuda_text(made_for)}",
        remedy,
        True,
    )


# which wheel ----------------------------------------------------------------------------------------------------------


def driver():
    """(version, cards) of NVIDIA's driver, asked without CuPy: (12040, [Card(...)]), or (0, []) where there is none."""
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0, []
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    if cuda.cuInit(0) == 0:
        cuda.cuDeviceGetCount(ctypes.byref(count))
    cards = []
    for number in range(count.value):
        device, major, minor, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
        name = ctypes.create_string_buffer(256)
        cuda.cuDeviceGet(ctypes.byref(device), number)
        cuda.cuDeviceGetName(name, len(name), device)
        cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)  # and _MINOR
        cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device)
        cards.append(Card(name.value.decode(), (major.value, minor.value), total.value))
    return version.value, cards


def wheel(version, cards=()):
    """12 for cupy-cuda12x or 13 for cupy-cuda13x, whichever fits the driver and all cards; None if the driver is too old.

    >>> wheel(12040), wheel(13000), wheel(13000, [Card("GTX 1080", (6, 1), 8 << 30)]), wheel(11040)
    (12, 13, 12, None)
    """
    if version < 12000:
        return None
    # CUDA 13 has no compiler for cards older than Turing, though a driver for CUDA 13 still runs them
    return 13 if version >= 13000 and all(fits(13, card) for card in cards) else 12


def fits(cuda, card):
    """Whether CUDA 12 or 13 can compile for the card."""
    return card.capability >= ((7, 5) if cuda >= 13 else (5, 0))


def installed_wheels():
    """The installed packages that bring a `cupy`: one at most should be there."""
    names = {(d.metadata["Name"] or "").lower().replace("_", "-") for d in metadata.distributions()}
    return sorted(n for n in names if re.fullmatch(r"cupy(-cuda\w+|-rocm[\w-]+)?", n))


def _how_to_install(version, cards):
    """The sentence that names the wheel for this driver."""
    made_for = wheel(version, cards)
    if version == 0:
        return (
            "With an NVIDIA card, install its driver (nvidia-smi then lists the card), and then CuPy: "
            "pip install 'minitorch_cnn[cuda12]' for a driver that runs CUDA 12, [cuda13] for CUDA 13"
        )
    if made_for is None:
        return (
            f"The driver runs CUDA {cuda_text(version)} and CuPy needs 12.0: update NVIDIA's driver to 525 or newer, "
            "then pip install 'minitorch_cnn[cuda12]'"
        )
    return (
        f"The driver runs CUDA {cuda_text(version)}, so the wheel is cupy-cuda{made_for}x: "
        f"pip install 'minitorch_cnn[cuda{made_for}]'"
    )


def cuda_text(version):
    """
    >>> cuda_text(12040)
    '12.4'
    """
    return f"{version // 1000}.{version % 1000 // 10}"


# what is there --------------------------------------------------------------------------------------------------------


def device_count():
    """The number of cuda devices that can be used; 0 without CuPy, driver or card."""
    if trouble():
        return 0
    import cupy

    return cupy.cuda.runtime.getDeviceCount()


def current_device():
    """The name of the device on which CuPy makes new arrays, "cuda:0" unless somebody changed it."""
    require("cuda")
    import cupy

    return f"cuda:{cupy.cuda.runtime.getDevice()}"


def versions():
    """(CuPy's version as text, the CUDA version it was made for, the driver's); CuPy must be importable."""
    import cupy

    return cupy.__version__, cupy.cuda.runtime.runtimeGetVersion(), cupy.cuda.runtime.driverGetVersion()


def card(number):
    """The Card that is cuda device `number`."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(number)
    name = properties["name"].decode()
    return Card(name, (properties["major"], properties["minor"]), properties["totalGlobalMem"])


def memory(number):
    """The Memory of cuda device `number`."""
    import cupy

    pool = cupy.get_default_memory_pool()
    with cupy.cuda.Device(number):  # the pool counts each device apart, and means the current one
        free, total = cupy.cuda.runtime.memGetInfo()
        arrays, held = pool.used_bytes(), pool.total_bytes()
    return Memory(arrays, held - arrays, max(total - free - held, 0), free, total)


def synchronize(number):
    """Wait until cuda device `number` has done all it was told to do."""
    import cupy

    cupy.cuda.Device(number).synchronize()


# out of memory --------------------------------------------------------------------------------------------------------


class OutOfMemory(MemoryError):
    """A device has no room for an array; the message says what was asked for, what is held, and what to reduce."""


def out_of_memory(error, operator, arrays=()):
    """The error to raise when `operator` met a MemoryError: an OutOfMemory for CuPy's, any other as it is.

        try:
            output = function.forward(*arrays)
        except MemoryError as error:
            raise out_of_memory(error, "Conv2d", arrays) from None

    `arrays` are the operator's inputs (None among them is skipped): their shapes are named, and their device is meant. A `try`
    costs nothing while all goes well. No array is kept alive by the new error's message; CuPy has emptied its pool already and
    tried again before it gave up.
    """
    if type(error).__module__.partition(".")[0] != "cupy":
        return error  # NumPy's own, which names shape and dtype
    import cupy

    arrays = [a for a in arrays if a is not None]
    number = next((a.device.id for a in arrays if not isinstance(a, np.ndarray)), cupy.cuda.runtime.getDevice())
    with cupy.cuda.Device(number):
        limit = cupy.get_default_memory_pool().get_limit()
    now = memory(number)
    asked = re.search(r"allocating ([\d,]+) bytes", str(error))
    asked = f"{size_text(int(asked[1].replace(',', '')))} more were asked for" if asked else str(error)
    inputs = ", ".join(f"{a.shape} {a.dtype}" for a in arrays)
    remedies = [
        "a smaller batch",
        "mt.no_grad() where no gradient is needed",
        "a smaller column buffer for convolutions (MINITORCH_CNN_COLUMNS_MB=64 in the environment; 256 unless set)",
    ]
    if limit:
        remedies.append(
            f"a higher limit for the pool (it is {size_text(limit)}, set by CUPY_GPU_MEMORY_LIMIT or set_limit)"
        )
    if now.others > now.arrays + now.kept:
        remedies.append("ending other programs on this card (nvidia-smi lists them)")
    return OutOfMemory(
        f"{operator}: cuda:{number} ({card(number).name}) is out of memory: {asked}, {size_text(now.free)} of "
        f"{size_text(now.total)} are free; this program holds {size_text(now.arrays + now.kept)} "
        f"({size_text(now.arrays)} in arrays, {size_text(now.kept)} kept for new ones), others {size_text(now.others)}"
        f"{f'; inputs: {inputs}' if inputs else ''}. What helps: {'; '.join(remedies)}."
    ).with_traceback(error.__traceback__)


def size_text(size):
    """
    >>> size_text(3 << 29), size_text(5 << 20), size_text(700)
    ('1.50 GiB', '5.00 MiB', '700 B')
    """
    for unit, bytes_each in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size >= bytes_each:
            return f"{size / bytes_each:.2f} {unit}"
    return f"{size} B"
