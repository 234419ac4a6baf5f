"""examples/lenet_mnist.py as its user meets it: a run, Ctrl-C and going on, a kill and going on, wrong options."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "lenet_mnist.py"
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}  # this checkout's package, installed or not
SHORT = ["--epochs", "3", "--limit", "4000", "--seed", "3"]


def start(*options):
    command = [sys.executable, "-u", str(EXAMPLE), *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=HERE)


def run(*options):
    process = start(*options)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the program ended before {text!r}: {process.stderr.read()}")


def same_weights(a, b):
    with np.load(a / "checkpoint.npz") as x, np.load(b / "checkpoint.npz") as y:
        weights = [name for name in x.files if name.startswith("objects/model/")]
        assert len(weights) == 10
        return all(x[name].tobytes() == y[name].tobytes() for name in weights)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder and the output of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole")
    code, output, errors = run(*SHORT, "--out", out)
    assert code == 0, errors
    return out, output


def test_a_run_learns_and_reports(whole):
    out, output = whole
    error = float(re.search(r"test error: (\d+\.\d\d)%\n$", output).group(1))
    assert error < 12
    assert "61,706 parameters; 4,000 training images" in output
    assert len(re.findall(r"epoch +\d: training loss \d\.\d{4}, training error .*test error", output)) == 3
    assert {p.name for p in out.iterdir()} >= {"checkpoint.npz", "mistakes.png", "history.csv"}
    assert (out / "history.csv").read_text().splitlines()[0] == "epoch,train_loss,train_error,test_error,lr"


def test_ctrl_c_saves_and_the_run_goes_on_bit_for_bit(whole, tmp_path):
    process = start(*SHORT, "--out", tmp_path)
    wait_for(process, "epoch  1:")
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    assert f"--resume {tmp_path}/checkpoint.npz" in output
    code, output, errors = run("--resume", tmp_path / "checkpoint.npz")
    assert code == 0, errors
    assert same_weights(whole[0], tmp_path)
    assert whole[1].splitlines()[-1] == output.splitlines()[-1]
    assert (whole[0] / "history.csv").read_text() == (tmp_path / "history.csv").read_text()


def test_a_kill_loses_no_finished_epoch(whole, tmp_path):
    process = start(*SHORT, "--out", tmp_path)
    wait_for(process, "epoch  1:")
    time.sleep(0.3)
    process.kill()
    process.communicate()
    code, _, errors = run("--resume", tmp_path / "checkpoint.npz")
    assert code == 0, errors
    assert same_weights(whole[0], tmp_path)


def test_best_bends_the_digits_averages_the_weights_and_goes_on_bit_for_bit(tmp_path):
    options = ["--best", "--epochs", "3", "--batch-size", "32", "--limit", "1500", "--held-out", "20000"]
    code, output, errors = run(*options, "--out", tmp_path / "whole")
    assert code == 0, errors
    # the average is tested: an error that the last epoch's images, distorted, don't have
    trained, tested = (float(re.findall(rf"{what} error (\d+\.\d\d)%", output)[-1]) for what in ("training", "test"))
    assert tested < trained - 2 and tested < 25
    # and then each digit in several views, which does better than one look
    one, views = (float(n) for n in re.findall(r"(?:as it is|test error): (\d+\.\d\d)%", output)[-2:])
    assert one == tested and 0 < views <= one + 1
    assert f"the {round(views * 15)} images it got wrong" in output
    process = start(*options, "--out", tmp_path / "stopped")
    wait_for(process, "epoch  1:")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    code, output, errors = run("--resume", tmp_path / "stopped" / "checkpoint.npz")
    assert code == 0, errors
    with np.load(tmp_path / "whole" / "checkpoint.npz") as x, np.load(tmp_path / "stopped" / "checkpoint.npz") as y:
        averages = [name for name in x.files if name.startswith("objects/average/module")]
        assert len(averages) == 10 and set(x.files) == set(y.files)
        assert all(x[name].tobytes() == y[name].tobytes() for name in x.files if name.startswith("objects/"))
        same = [np.array_equal(x[name], x[name.replace("average/module.", "model/")]) for name in averages]
        assert not any(same)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--best", "--model", "lenet5_1998"], r"--best is a recipe for lenet5 on mnist"),
        (["--held-out", "60000"], r"--held-out must be from 0 to 59999.*got 60000"),
        (["--model", "lenet"], r"unknown model 'lenet'; the nearest known one is lenet5"),
        (["--dataset", "fashin"], r"unknown dataset 'fashin'; the nearest known one is fashion"),
        (["--epoch-count", "3"], r"unknown option --epoch-count; the nearest known one is --epochs"),
        (["--device", "cuda"], r"lenet_mnist: .*cuda"),
        (["--resume", "nowhere.npz"], r"lenet_mnist: .*nowhere\.npz"),
        (["--data", "nowhere"], r"lenet_mnist: MNIST: its training images and labels were not found"),
        (["--epochs", "0"], r"--epochs must be at least 1, got 0"),
        (["--lr", "0"], r"--lr must be positive, got 0\.0"),
        (["--seed", "-1"], r"--seed must be at least 0, got -1"),
        (["--device", "gpu"], r"lenet_mnist: .*gpu"),
    ],
)
def test_a_mistake_gets_a_message_and_no_traceback(options, message, tmp_path):
    code, _, errors = run(*options, "--out", tmp_path)
    assert code != 0
    assert re.search(message, errors), errors
    assert "Traceback" not in errors
