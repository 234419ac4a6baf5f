"""The unit tests once more, each operator on the stand-in for CuPy too (shadow.py), in a process of their own.

Not among them: parity, data, examples and train, where no operator is new; whole networks at their own size, whose blocks are
tested small; the chain of 100,000 additions, which is one operator.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
TESTS = ["ops", "nn", "optim", "models", "test_autograd.py", "test_gradcheck.py", "test_contract.py"]
LONG = "tests/test_autograd.py::test_a_chain_of_100000_additions_goes_forward_backward_and_away_without_recursion"

pytestmark = pytest.mark.skipif(np.__version__ < "2", reason="CuPy promotes as NumPy 2 does, and the stand-in is NumPy")


def pytest_with_shadow(*arguments):
    # its own basetemp and no cache: another pytest may run beside this one
    command = [sys.executable, "-m", "pytest", "-q", "-rN", "--tb=short", "-p", "gpu.shadow", "-p", "no:cacheprovider"]
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MINITORCH_CNN_SHADOW": "standin"}
    done = subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_every_operator_does_on_the_other_device_what_it_does_on_the_cpu():
    paths = [f"tests/{name}" for name in TESTS]
    status, output = pytest_with_shadow(*paths, "--deselect", LONG, "-m", "not full_size")
    assert status == 0, output[-6000:]
    line = re.search(
        r"shadow \(standin\): (\d+) calls of .* forward and backward of (\d+) of (\d+) Functions; never: (.*)", output
    )
    assert line, output[-2000:]
    assert line[4] == "none" and line[2] == line[3]
    assert int(line[1]) > 20_000 and int(line[3]) >= 60  # the plugin did something


FAULTS = """
import numpy as np
import pytest

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, optim
from minitorch_cnn.backend import array_module, primitives
from minitorch_cnn.ops import activation, elementwise, norm

x = Tensor(np.array([1.0, 2.0, 3.0], np.float32))


def test_numpy_function(monkeypatch):
    monkeypatch.setattr(elementwise.Exp, "forward", lambda self, x: np.exp(x))
    x.exp()


def test_waits(monkeypatch):
    monkeypatch.setattr(elementwise.Abs, "forward", lambda self, x: abs(x) if x.max() > 0 else x)
    abs(x)


def test_widens(monkeypatch):
    monkeypatch.setattr(elementwise.Neg, "forward", lambda self, x: (x * np.float64(-1)).astype(x.dtype))
    -x


def test_dtype(monkeypatch):
    wide = lambda self, x: x if isinstance(x, np.ndarray) else x.astype("float64")
    monkeypatch.setattr(activation.Tanh, "forward", wide)
    x.tanh()


def test_value(monkeypatch):
    monkeypatch.setattr(elementwise.Log, "forward", lambda self, x: x if isinstance(x, np.ndarray) else x * 1.001)
    x.log()


def test_backward(monkeypatch):
    wrong = lambda self, grad: grad if isinstance(grad, np.ndarray) else grad * 2
    monkeypatch.setattr(elementwise.Neg, "backward", wrong)
    (-Tensor([1.0], requires_grad=True)).backward()


def test_backward_waits(monkeypatch):
    monkeypatch.setattr(elementwise.Neg, "backward", lambda self, grad: grad * float(grad.max()))
    (-Tensor([1.0], requires_grad=True)).backward()


def test_in_place(monkeypatch):
    batch_norm = primitives.batch_norm

    def forgets(x, weight, bias, mean, var, momentum, eps):
        mean = mean if isinstance(x, np.ndarray) else mean.copy()
        return batch_norm(x, weight, bias, mean, var, momentum, eps)

    monkeypatch.setattr(norm.P, "batch_norm", forgets)
    F.batch_norm(Tensor(np.arange(6.0).reshape(3, 2)), np.zeros(2), np.ones(2), training=True)


def test_outside_of_the_operator(monkeypatch):
    monkeypatch.setattr(elementwise.backend, "array_module", lambda a: np)
    x + 2


def test_wrong_device(monkeypatch):
    monkeypatch.setattr(elementwise, "constant", lambda op, value, t: Tensor(array_module(t.data).asarray(value, t.dtype)))
    x + 2


def test_step():
    p = Tensor([1.0], requires_grad=True)
    p.grad = np.ones(1, np.float32)
    optim.SGD([p], lr=0.1).step()


def test_right():
    y = (x * 2 + x.exp()).sum()
    with pytest.raises(ValueError):
        x + Tensor([1.0, 2.0])


def test_as_on_the_cpu(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        monkeypatch.setattr(elementwise.Exp, "forward", lambda self, x: 1 / 0)
        x.exp()
"""
FOUND = {
    "numpy_function": r"Exp\(\(array\(3,\) float32\); \) forward: TypeError: .*__array_ufunc__=None",
    "waits": r"Abs\(.* forward: the host waits for the device: test_faults.py:\d+ bool",
    "widens": r"Neg\(.* forward: float32 becomes float64: test_faults.py:\d+ mul",
    "dtype": r"Tanh\(.* forward: result: \(3,\) float64, on the CPU \(3,\) float32",
    "value": r"Log\(.* forward: result\[0\]: np.float32\(1.001\), on the CPU np.float32\(1.0\)",
    "backward": r"Neg\(.* backward: gradient\[0\]",
    "backward_waits": r"Neg\(.* backward: the host waits for the device: test_faults.py:\d+ float",
    "in_place": r"BatchNorm\(.* forward: option running_mean\[0\]",
    "outside_of_the_operator": r"__add__\(.*: TypeError: Implicit conversion|__add__\(.*different devices: cuda:1, cpu",
    "wrong_device": r"__add__\(.*different devices: cuda:1, cuda:0",
}


def test_it_finds_faults_of_each_kind_and_nothing_else(tmp_path):
    file = tmp_path / "test_faults.py"
    file.write_text(FAULTS)
    status, output = pytest_with_shadow(str(file), "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"))
    assert status == 1
    failed = re.split(r"_{3,} test_(\w+) _{3,}", output)
    reports = dict(zip(failed[1::2], failed[2::2]))
    assert set(reports) == set(FOUND), output[-4000:]
    for name, pattern in FOUND.items():
        assert re.search(pattern, reports[name]), f"{name}: {reports[name][:1500]}"


def test_a_wrong_optimiser_step_is_found(tmp_path):
    file = tmp_path / "test_faults.py"
    wrong = "from gpu import standin\n\ndef step(*args):\n    args[0][...] = 0\n\nstandin._primitives.sgd_step = step\n"
    file.write_text(FAULTS[: FAULTS.index("def test_numpy_function")] + wrong + FAULTS[FAULTS.index("def test_step") :])
    _, output = pytest_with_shadow(f"{file}", "-k", "test_step", "-c", str(ROOT / "pyproject.toml"))
    assert re.search(r"sgd_step\(.*: result\[0\]\[0\]: np.float32\(0.0\), on the CPU np.float32\(0.9\)", output), output
