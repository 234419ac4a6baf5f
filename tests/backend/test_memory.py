"""keep_freed_memory: it asks glibc, unless somebody has decided otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minitorch_cnn.backend.cpu import memory

ROOT = Path(__file__).resolve().parents[2]
OURS, GLIBCS = "MINITORCH_CNN_KEEP_MEMORY", ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")


class Library:
    """Stands for the C library, and notes what it is told."""

    def __init__(self):
        self.told = []

    def mallopt(self, option, value):
        self.told.append(option)


@pytest.mark.parametrize(
    "libc, environment, told",
    [
        ("glibc", {}, 2),
        ("glibc", {OURS: "1"}, 2),
        ("glibc", {OURS: "0"}, 0),
        ("glibc", {GLIBCS[0]: "100"}, 0),
        ("glibc", {GLIBCS[1]: "100"}, 0),
        ("", {}, 0),
    ],
)
def test_glibc_is_told_unless_the_environment_says_otherwise(libc, environment, told, monkeypatch):
    for name in (OURS, *GLIBCS):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    library = Library()
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: (libc, ""))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: library)
    memory.keep_freed_memory()
    assert len(library.told) == told


def test_the_package_works_with_it_turned_off():
    code = "import minitorch_cnn as mt; print((mt.Tensor([1.0, 2.0]) * 2).numpy().tolist())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), OURS: "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[2.0, 4.0]\n", done.stderr
