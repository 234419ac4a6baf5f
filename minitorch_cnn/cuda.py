"""`mt.cuda`: whether there is a GPU, how many, waiting for it, and where its memory went. Works, and says no, where there is none.

Tensors and models go to a device by `.to("cuda")`; see `backend/devices.py` for what is asked of CuPy.
"""

from .backend import devices

__all__ = ["device_count", "is_available", "memory_summary", "synchronize"]


def is_available():
    """Whether device="cuda" can be used: CuPy is installed, and finds a driver and a device. Where not, the error of using it says
    why, and so does `python -m minitorch_cnn.doctor`.

    >>> device = "cuda" if is_available() else "cpu"
    """
    return devices.trouble() is None


def device_count():
    """The number of cuda devices: with 2 of them, "cuda:0" and "cuda:1" can be used.

    >>> (device_count() > 0) == is_available()
    True
    """
    return devices.device_count()


def synchronize(device=None):
    """Wait until a device has done everything that it was told to do, for measuring times: Python runs ahead of a GPU.

    Args:
        device: "cuda" or "cuda:N"; by default the current one.
    Raises: DeviceError if it isn't there; ValueError for "cpu".

    >>> synchronize() if is_available() else None
    """
    devices.synchronize(devices.require(device or devices.current_device()))


def memory_summary(device=None):
    """Where a device's memory went, as text with one line a use. The lines add up to the total.

    Args:
        device: "cuda" or "cuda:N"; by default the current one.
    Returns: for example

        cuda:0 NVIDIA GeForce RTX 3060
          arrays               2.01 GiB   of this program
          kept               305.00 MiB   for this program's next arrays
          others             412.00 MiB   CUDA itself, and other programs
          free                 9.05 GiB
          total               11.76 GiB

    Raises: DeviceError if it isn't there; ValueError for "cpu".

    >>> "free" in memory_summary() if is_available() else True
    True
    """
    number = devices.require(device or devices.current_device())
    notes = {
        "arrays": "   of this program",
        "kept": "   for this program's next arrays",
        "others": "   CUDA itself, and other programs",
    }
    uses = devices.memory(number)._asdict()
    lines = [f"  {name:<12}{devices.size_text(size):>16}{notes.get(name, '')}" for name, size in uses.items()]
    return "\n".join([f"cuda:{number} {devices.card(number).name}", *lines])
