"""Devices and their errors: each situation that a machine can be in, played by a fake cupy; and mt.cuda."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_cupy import Array, OutOfMemoryError, fake_cupy, situations

import minitorch_cnn as mt
from minitorch_cnn import cuda
from minitorch_cnn.backend import DeviceError, devices

ROOT = Path(__file__).resolve().parents[2]
GTX_1080 = devices.Card("GTX 1080", (6, 1), 8 << 30)
RTX_3060 = devices.Card("RTX 3060", (8, 6), 12 << 30)


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch):
    monkeypatch.setattr(devices, "installed_wheels", lambda: ["cupy-cudaFAKE"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def machine(monkeypatch):
    """machine(cupy, driver) makes this a machine with that module and driver."""

    def become(cupy, driver=0, cards=()):
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setattr(devices, "driver", lambda: (driver, list(cards)))
        return cupy

    return become


# why not --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("situation", situations())
def test_each_reason_for_no_gpu_is_one_paragraph_with_its_remedy_and_the_cpu_still_works(situation, machine):
    module, driver, problem, remedy, fault = situations()[situation]
    machine(module, driver)
    with pytest.raises(DeviceError) as caught:
        devices.require("cuda")
    text = str(caught.value)
    assert text.startswith('device "cuda:0" was asked for, but ')
    assert problem in text and remedy in text and 'use device="cpu"' in text
    assert "\n" not in text
    assert devices.trouble().fault is fault
    assert not cuda.is_available() and cuda.device_count() == 0
    assert (mt.Tensor([1.0, 2.0]) * 2).numpy().tolist() == [2.0, 4.0]


@pytest.mark.parametrize("situation", situations())
def test_a_tensor_that_should_go_to_such_a_device_says_the_same(situation, machine):
    module, driver, problem, _, _ = situations()[situation]
    machine(module, driver)
    with pytest.raises(DeviceError) as caught:
        mt.Tensor([1.0], device="cuda")
    assert problem in str(caught.value)


def test_a_driver_too_old_for_every_wheel_is_no_reason_to_change_the_wheel(machine):
    module, driver, *_ = situations()["driver 11, wheel 12"]
    machine(module, driver)
    assert "change the wheel" not in devices.trouble().remedy


def test_cards_that_are_hidden_by_the_environment_are_said_to_be(machine, monkeypatch):
    machine(fake_cupy(names=()))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.trouble().remedy.startswith("CUDA_VISIBLE_DEVICES='' in the environment hides the cards")


def test_the_devices_that_are_there_have_numbers_and_others_are_refused_with_the_list(machine):
    machine(fake_cupy(names=("A", "B")))
    assert [devices.require(name) for name in ("cuda", "cuda:0", "cuda:1")] == [0, 0, 1]
    assert cuda.is_available() and cuda.device_count() == 2
    with pytest.raises(DeviceError, match='device "cuda:2" was asked for, but there are only "cuda:0", "cuda:1"'):
        devices.require("cuda:2")
    machine(fake_cupy(names=("A",)))
    with pytest.raises(DeviceError, match='device "cuda:1" was asked for, but there is only "cuda:0"'):
        devices.require("cuda:1")


@pytest.mark.parametrize("name, text", [("cpu", 'a "cuda" device is needed here'), ("gpu", "unknown device 'gpu'")])
def test_only_a_cuda_device_has_a_number(name, text):
    with pytest.raises(ValueError, match=text):
        devices.require(name)


@pytest.mark.parametrize(
    "source, reason",
    [
        (
            # as CuPy does it: a page of advice, with the reason as the cause
            "try:\n    raise ImportError('libfoo.so: no such file\\nand more')\n"
            "except ImportError as e:\n    raise ImportError('=====\\nFailed to import CuPy') from e",
            "(ImportError: libfoo.so: no such file)",
        ),
        ("import numpy\nnumpy.no_such_name", "(AttributeError: module 'numpy' has no attribute 'no_such_name')"),
        ("import no_such_module_of_cupys", "(ModuleNotFoundError: No module named 'no_such_module_of_cupys')"),
    ],
)
def test_a_cupy_that_cannot_be_imported_is_a_fault_with_its_reason(source, reason, tmp_path, machine, monkeypatch):
    (tmp_path / "cupy.py").write_text(source)
    machine(None, 12040)
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.syspath_prepend(tmp_path)
    found = devices.trouble()
    assert found.fault and reason in found.problem
    assert "pip uninstall cupy-cudaFAKE. The driver runs CUDA 12.4" in found.remedy
    with pytest.raises(DeviceError, match="can't be imported"):
        devices.require("cuda")


# which wheel ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version, cards, wheel",
    [
        (11080, [], None),
        (12000, [], 12),
        (12090, [RTX_3060], 12),
        (13000, [], 13),
        (13010, [RTX_3060], 13),
        (13000, [RTX_3060, GTX_1080], 12),  # the driver runs it, but CUDA 13 can't compile for it
        (13000, [devices.Card("T4", (7, 5), 0)], 13),
        (13000, [devices.Card("V100", (7, 0), 0)], 12),
        (14000, [], 13),
    ],
)
def test_the_wheel_follows_from_the_driver_and_the_cards(version, cards, wheel):
    assert devices.wheel(version, cards) == wheel


LIBCUDA = r"""
#include <string.h>
#include <stddef.h>
int cuDriverGetVersion(int* v) { *v = 12040; return 0; }
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGetCount(int* n) { *n = 2; return 0; }
int cuDeviceGet(int* device, int n) { *device = n + 40; return 0; }
int cuDeviceGetName(char* name, int length, int device) { strncpy(name, device == 40 ? "First" : "Second", length); return 0; }
int cuDeviceGetAttribute(int* v, int what, int device) { *v = what == 75 ? 8 : what == 76 ? device - 40 : -1; return 0; }
int cuDeviceTotalMem_v2(size_t* size, int device) { *size = ((size_t)(device - 39)) * 12 << 30; return 0; }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("init, cards", [(0, [("First", (8, 0), 12 << 30), ("Second", (8, 1), 24 << 30)]), (100, [])])
def test_the_driver_is_asked_without_cupy(init, cards, tmp_path, monkeypatch):
    source, library = tmp_path / "cuda.c", tmp_path / "libcuda.so.1"
    source.write_text(LIBCUDA)
    subprocess.run(["cc", "-shared", "-fPIC", f"-DINIT={init}", source, "-o", library], check=True)
    load = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", lambda name: load(str(library) if "cuda" in name else name))
    assert devices.driver() == (12040, cards)


def test_without_a_driver_there_is_version_0(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert devices.driver() == (0, [])


def test_installed_wheels_are_found_by_their_names(tmp_path, monkeypatch):
    for name in ("cupy_cuda12x-14.2.0", "cupy_cuda13x-14.2.0", "cupyx_other-1.0"):
        (tmp_path / f"{name}.dist-info").mkdir()
        (tmp_path / f"{name}.dist-info" / "METADATA").write_text(f"Name: {name.partition('-')[0].replace('_', '-')}\n")
    monkeypatch.undo()  # the fixture's answer
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert devices.installed_wheels() == ["cupy-cuda12x", "cupy-cuda13x"]


# memory ---------------------------------------------------------------------------------------------------------------


def test_the_uses_of_memory_add_up_to_the_total_on_each_device(machine):
    module = machine(fake_cupy(names=("A", "B")))
    for number, arrays, kept, free in ((0, 3, 1, 10), (1, 0, 0, 15)):
        now = devices.memory(number)
        assert now == (arrays << 30, kept << 30, (16 - arrays - kept - free) << 30, free << 30, 16 << 30)
        assert now.arrays + now.kept + now.others + now.free == now.total
    assert module.current == [0]  # and the current device is what it was


def test_memory_summary_is_aligned_and_means_the_current_device_unless_told(machine):
    module = machine(fake_cupy(names=("A", "B")))
    assert cuda.memory_summary().splitlines() == [
        "cuda:0 A",
        "  arrays              3.00 GiB   of this program",
        "  kept                1.00 GiB   for this program's next arrays",
        "  others              2.00 GiB   CUDA itself, and other programs",
        "  free               10.00 GiB",
        "  total              16.00 GiB",
    ]
    assert cuda.memory_summary("cuda:1").splitlines()[0] == "cuda:1 B"
    module.current[0] = 1
    assert cuda.memory_summary().splitlines()[0] == "cuda:1 B"


def test_synchronize_waits_for_the_device_named_or_the_current_one(machine):
    module = machine(fake_cupy(names=("A", "B")))
    cuda.synchronize()
    cuda.synchronize("cuda:1")
    module.current[0] = 1
    cuda.synchronize()
    assert module.waited == [0, 1, 1]


@pytest.mark.parametrize("ask", [cuda.synchronize, cuda.memory_summary])
def test_without_a_gpu_they_raise_and_the_cpu_is_no_such_device(ask, machine):
    machine(None)
    with pytest.raises(DeviceError, match="CuPy is not installed"):
        ask()
    with pytest.raises(DeviceError, match='"cuda:1"'):
        ask("cuda:1")
    with pytest.raises(ValueError, match='a "cuda" device is needed'):
        ask("cpu")


def test_out_of_memory_says_what_was_asked_for_what_is_held_and_what_to_reduce(machine):
    machine(fake_cupy(names=("A", "B")))
    inputs = [Array((32, 64, 224, 224), np.dtype("float32"), 0), None]
    error = devices.out_of_memory(OutOfMemoryError(20 << 30, 4 << 30), "Conv2d", inputs)
    assert isinstance(error, MemoryError) and isinstance(error, devices.OutOfMemory)
    assert str(error) == (
        "Conv2d: cuda:0 (A) is out of memory: 20.00 GiB more were asked for, 10.00 GiB of 16.00 GiB are free; this program holds "
        "4.00 GiB (3.00 GiB in arrays, 1.00 GiB kept for new ones), others 2.00 GiB; inputs: (32, 64, 224, 224) float32. "
        "What helps: a smaller batch; mt.no_grad() where no gradient is needed; a smaller column buffer for convolutions "
        "(MINITORCH_CNN_COLUMNS_MB=64 in the environment; 256 unless set)."
    )


def test_out_of_memory_means_the_device_of_the_arrays_and_names_a_limit_and_other_programs(machine):
    module = machine(fake_cupy(names=("A", "B"), limit=2 << 30))
    inputs = [np.ones(3), Array((2,), np.dtype("float64"), 1)]
    text = str(devices.out_of_memory(OutOfMemoryError(700, 0), "Add", inputs))
    assert text.startswith(
        "Add: cuda:1 (B) is out of memory: 700 B more were asked for, 15.00 GiB of 16.00 GiB are free"
    )
    assert "a higher limit for the pool (it is 2.00 GiB" in text
    assert "ending other programs on this card" in text  # 1 GiB is others', none ours
    module.current[0] = 1
    assert str(devices.out_of_memory(OutOfMemoryError(700, 0), "zeros")).startswith("zeros: cuda:1 (B)")


def test_numpys_own_memory_error_stays_as_it_is(machine):
    machine(None)
    error = MemoryError("Unable to allocate 1 TiB for an array with shape (1,)")
    assert devices.out_of_memory(error, "Conv2d", [np.ones(2)]) is error
    ours = devices.OutOfMemory("said already")
    assert devices.out_of_memory(ours, "Conv2d") is ours


# whatever this machine is ---------------------------------------------------------------------------------------------


def test_on_this_machine_the_answers_agree(monkeypatch):
    monkeypatch.undo()
    if cuda.is_available():
        assert cuda.device_count() >= 1 and devices.require("cuda") == 0
        cuda.synchronize()
        assert cuda.memory_summary().startswith("cuda:0 ")
        with pytest.raises(DeviceError, match=r"there (is|are) only"):
            devices.require("cuda:99")
    else:
        assert cuda.device_count() == 0
        with pytest.raises(DeviceError, match='use device="cpu"'):
            devices.require("cuda")


def test_cupys_own_error_is_understood(monkeypatch):
    """The real message, and not only the fake's: where the real CuPy has a device, emulated or not."""
    monkeypatch.undo()
    if not cuda.is_available():
        pytest.skip("needs CuPy and a device")
    import cupy

    held = cupy.zeros(1 << 20, "float32")
    with pytest.raises(MemoryError) as caught:
        cupy.empty(1 << 46, "uint8")
    text = str(devices.out_of_memory(caught.value, "Conv2d", [held]))
    assert "is out of memory: 65536.00 GiB more were asked for" in text
    assert "inputs: (1048576,) float32" in text
    now = devices.memory(0)
    assert now.arrays >= 4 << 20 and now.arrays + now.kept + now.others + now.free >= now.total


def test_cupy_is_not_imported_before_a_device_is_asked_for(tmp_path):
    (tmp_path / "cupy.py").write_text("raise SystemExit('cupy was imported')")
    program = "import minitorch_cnn.cuda, minitorch_cnn.doctor, minitorch_cnn as mt; (mt.Tensor([1.0]) * 2).to('cpu')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
