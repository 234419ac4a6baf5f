"""The doctor: what it says and how it exits in each situation, and that its self check finds a wrong convolution."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_cupy import fake_cupy, situations

import minitorch_cnn
from minitorch_cnn import doctor
from minitorch_cnn.backend import DeviceError, devices, primitives

ROOT = Path(__file__).resolve().parents[1]
on_the_device = doctor.by_the_device


@pytest.fixture
def machine(monkeypatch):
    """machine(cupy, driver, cards, wheels) makes this such a machine; its cuda devices compute on the CPU."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(doctor, "by_the_device", lambda device, *case: on_the_device("cpu", *case))

    def become(cupy, driver=0, cards=(), wheels=("cupy-cudaFAKE",)):
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setattr(devices, "driver", lambda: (driver, list(cards)))
        monkeypatch.setattr(devices, "installed_wheels", lambda: list(wheels))

    return become


def report(capsys, status):
    assert doctor.main([]) == status
    return capsys.readouterr().out


# what it says ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("situation", situations())
def test_no_gpu_is_only_said_and_a_broken_installation_fails_each_with_its_remedy(situation, machine, capsys):
    module, driver, problem, remedy, fault = situations()[situation]
    machine(module, driver)
    out = report(capsys, status=int(fault))
    (line,) = [line for line in out.splitlines() if problem in line]
    if fault:
        assert line.startswith("  problem  ")
        following = out.splitlines()[out.splitlines().index(line) + 1]
        assert following.startswith("  remedy   ") and remedy in following
        assert "\n1 problem\n" in out and "No GPU will be used" not in out
    else:
        assert line.startswith("No GPU will be used: ") and remedy in line
        assert "No problem found." in out
    assert "  cpu       right, " in out  # the CPU is checked whatever the GPU does


def test_everything_in_order_is_a_page_of_aligned_facts(machine, capsys, monkeypatch):
    monkeypatch.setenv("CUPY_GPU_MEMORY_LIMIT", "90%")
    machine(fake_cupy(names=("A", "B")), wheels=["cupy-cuda12x"])
    out = report(capsys, status=0)
    lines = out.splitlines()
    assert lines[0] == f"minitorch_cnn {minitorch_cnn.__version__}"
    for line in (
        f"  NumPy     {np.__version__}",
        "  set       CUPY_GPU_MEMORY_LIMIT=90%",
        "  CuPy      14.2.0, made for CUDA 12.9",
        "  driver    runs CUDA 12.4",
        "  wheel     cupy-cuda12x fits this driver",
        "  cuda:0    A, compute capability 8.6, 16.00 GiB, 10.00 GiB free",
        "  cuda:1    B, compute capability 8.6, 16.00 GiB, 15.00 GiB free",
    ):
        assert line in lines
    facts = [line for line in lines if line.startswith("  ")]
    assert all(line[11] == " " and line[12] != " " for line in facts)
    labels = [line.split()[0] for line in facts]
    assert labels[:3] == ["Python", "platform", "NumPy"] and "BLAS" in labels and "threads" in labels
    assert labels[-3:] == ["cpu", "cuda:0", "cuda:1"]  # the self check
    assert lines[-1] == "No problem found."


def test_without_cupy_the_cards_are_the_drivers(machine, capsys):
    machine(None, 13000, [devices.Card("GTX 1080", (6, 1), 8 << 30)], wheels=())
    out = report(capsys, status=0)
    assert "  CuPy      not installed\n" in out
    assert "  wheel     cupy-cuda12x fits this driver\n" in out
    assert "  cuda:0    GTX 1080, compute capability 6.1, 8.00 GiB\n" in out
    assert "pip install 'minitorch_cnn[cuda12]'" in out


def test_a_driver_for_which_there_is_no_wheel_is_said_to_be_old(machine, capsys):
    machine(None, 11040, wheels=())
    assert "  wheel     none fits a driver this old\n" in report(capsys, status=0)


def test_two_wheels_at_once_are_a_problem(machine, capsys):
    machine(fake_cupy(), wheels=["cupy-cuda12x", "cupy-cuda13x"])
    out = report(capsys, status=1)
    assert "2 packages bring a module cupy, and overwrite each other's files: cupy-cuda12x, cupy-cuda13x" in out
    assert "  remedy   pip uninstall cupy-cuda12x cupy-cuda13x, then" in out


@pytest.mark.parametrize("made_for, status", [(13000, 1), (12090, 0)])
def test_a_card_too_old_for_the_wheel_is_a_problem(made_for, status, machine, capsys):
    machine(fake_cupy(names=("GTX 1080",), capability=(6, 1), made_for=made_for, driver=13000), wheels=["cupy-cuda13x"])
    out = report(capsys, status)
    assert ("cuda:0 (GTX 1080) is too old for CUDA 13" in out) is bool(status)
    assert ("pip uninstall cupy-cuda13x, then pip install 'minitorch_cnn[cuda12]'" in out) is bool(status)
    assert "  wheel     cupy-cuda12x fits this driver" in out


def test_a_blas_that_threadpoolctl_does_not_know_is_named_by_numpy(monkeypatch):
    monkeypatch.setattr(doctor, "threadpool_info", lambda: [])
    name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    assert ("BLAS", f"{name}, whose threads can't be counted or set") in list(doctor.cpu_facts())


# the self check -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", doctor.CASES)
def test_the_check_passes_on_the_cpu(case):
    x_shape, weight_shape, *options = case
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s).astype("float32") for s in (x_shape, weight_shape, weight_shape[0])]
    got, expected = on_the_device("cpu", *arrays, *options), doctor.by_the_loops(*arrays, *options)
    assert got.keys() == expected.keys()
    for name, value in got.items():
        assert value.dtype == np.float32
        assert doctor.difference(value, expected[name]) < doctor.TOLERANCE / 10  # with room for other machines


@pytest.mark.parametrize(
    "primitive, name",
    [
        ("conv2d", "the output"),
        ("conv2d_input_gradient", "the gradient by x"),
        ("conv2d_weight_gradient", "the gradient by weight"),
        ("channel_sum", "the gradient by bias"),
    ],
)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a[..., ::-1].copy(),
        lambda a: a * np.float32(1.0001),
        lambda a: a * np.float32("nan"),
    ],
    ids=["flipped", "imprecise", "nan"],
)
def test_a_wrong_result_is_named(primitive, name, spoil, machine, capsys, monkeypatch):
    right = getattr(primitives, primitive)
    monkeypatch.setattr(primitives, primitive, lambda *a: spoil(right(*a)))
    machine(None)
    out = report(capsys, status=1)
    assert "  cpu       failed\n" in out
    assert f"  problem  cpu: {name} of conv2d is wrong by " in out
    assert "stride" in out and "  remedy   " in out


def test_another_shape_is_as_wrong_as_can_be():
    assert doctor.difference(np.ones((1, 3)), np.ones((2, 3))) == np.inf


@pytest.mark.parametrize(
    "error, remedy",
    [
        (DeviceError("no such thing"), "Report this page"),
        (MemoryError("cuda:1 is out of memory"), "End other programs"),
        (
            ImportError('Failure finding "libcublasLt.so.13 or libcublasLt.so.12": No such file'),
            "CuPy lacks a part of the CUDA toolkit, which comes with: pip install 'cupy-cudaFAKE[ctk]'",
        ),
    ],
)
def test_a_device_that_fails_is_a_problem_and_the_next_is_still_checked(error, remedy, machine, capsys, monkeypatch):
    def second_fails(device, *case):
        if device == "cuda:1":
            raise error
        return on_the_device("cpu", *case)

    machine(fake_cupy(names=("A", "B", "C")))
    monkeypatch.setattr(doctor, "by_the_device", second_fails)
    out = report(capsys, status=1)
    assert "  cuda:0    right" in out and "  cuda:1    failed" in out and "  cuda:2    right" in out
    assert f"  problem  cuda:1: {type(error).__name__}: {error}\n  remedy   {remedy}" in out


def test_problems_of_the_installation_and_of_each_device_are_all_listed(machine, capsys, monkeypatch):
    def fails(device, *case):
        raise DeviceError(f"{device} burns")

    machine(fake_cupy(names=("A", "B")), wheels=["cupy-cuda12x", "cupy-cuda13x"])
    monkeypatch.setattr(doctor, "by_the_device", fails)
    out = report(capsys, status=1)
    assert "\n4 problems\n" in out and out.count("  problem  ") == out.count("  remedy   ") == 4


# as a program ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cupy, status, text",
    [
        ("raise ModuleNotFoundError('No module named cupy', name='cupy')", 0, "No problem found."),
        ("raise ImportError('libfoo.so is missing')", 1, "can't be imported (ImportError: libfoo.so is missing)"),
    ],
)
def test_the_exit_status_is_the_programs(cupy, status, text, tmp_path):
    (tmp_path / "cupy.py").write_text(cupy)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "minitorch_cnn.doctor"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert text in done.stdout


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit) as caught:
        doctor.main(["--help"])
    assert caught.value.code == 0
    assert "The exit status is 1 if something is broken" in " ".join(capsys.readouterr().out.split())
