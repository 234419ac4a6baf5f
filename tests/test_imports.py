"""The package's layers: what may import what, read from the source, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minitorch_cnn

PACKAGE = Path(minitorch_cnn.__file__).parent
FILES = sorted(p for p in PACKAGE.rglob("*.py"))

# From the bottom up: a file imports only from its own layer and those below it.
LAYERS = [
    {"backend"},
    {"anomaly", "cuda", "weights"},
    {"autograd"},
    {"gradcheck", "ops"},
    {"functional"},
    {"nn"},
    {"models"},
    {"doctor", "interpret", "train", "step", "homework"},
]
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
# These stand beside the layers and need only the backend and Tensor.
BESIDE = {"data", "augment", "optim"}


def name_of(file):
    """The package's part that a file belongs to: "ops" for minitorch_cnn/ops/conv.py."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(file):
    """(line, absolute name) of each import of a file, the ones inside functions too: `from ..ops import check` gives
    minitorch_cnn.ops.check."""
    here = ["minitorch_cnn", *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - (node.level - 1)] if node.level else []
            base = [*base, node.module] if node.module else base
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])


def imported_parts(file):
    """The parts of this package that a file imports from. A name that is re-exported by the package itself
    (`from .. import Tensor`) counts as "the package"."""
    for line, module in imported_modules(file):
        words = module.split(".")
        if words[0] == "minitorch_cnn":
            part = words[1] if len(words) > 1 else ""
            yield line, part if (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").exists() else "the package"


def test_the_reader_of_imports_understands_each_form(tmp_path, monkeypatch):
    package = tmp_path / "minitorch_cnn"
    (package / "ops").mkdir(parents=True)
    file = package / "ops" / "conv.py"
    file.write_text(
        "import numpy as np\nfrom .. import backend\nfrom ..autograd import Function\nfrom . import check\n"
        "def f():\n    import minitorch_cnn.nn\n    from minitorch_cnn import models, Tensor\n"
    )
    for part in ("backend", "nn", "models"):
        (package / part).mkdir()
    (package / "autograd.py").write_text("")
    monkeypatch.setitem(globals(), "PACKAGE", package)
    assert [part for _, part in imported_parts(file)] == ["backend", "autograd", "ops", "nn", "models", "the package"]
    assert (1, "numpy") in list(imported_modules(file))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_down(file):
    name = name_of(file)
    if file == PACKAGE / "__init__.py" or file.name == "__main__.py":
        return  # gathers them all; a program, which nothing imports
    assert name in HEIGHT or name in BESIDE, f"{name} has no place in the layers: give it one in LAYERS"
    for line, part in imported_parts(file):
        where = f"{file}:{line} imports {part}"
        if name in BESIDE:
            assert part in (name, "backend", "autograd"), f"{where}: {name} needs only backend and autograd"
        elif part == "the package":
            assert HEIGHT[name] > HEIGHT["nn"], f"{where}: import Tensor from ..autograd"
        elif part in BESIDE:
            assert HEIGHT[name] > HEIGHT["nn"], where
        else:
            assert HEIGHT[part] <= HEIGHT[name], f"{where}, which is above {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_nothing_imports_torch_and_only_the_backend_imports_cupy(file):
    for line, module in imported_modules(file):
        first = module.split(".")[0]
        assert first not in ("torch", "torchvision", "jax", "tensorflow"), f"{file}:{line}"
        assert first != "cupy" or name_of(file) == "backend", f"{file}:{line}: only backend/ may import cupy"


@pytest.mark.parametrize(
    "file", [f for f in FILES if name_of(f) != "backend"], ids=lambda f: str(f.relative_to(PACKAGE))
)
def test_outside_the_backend_no_code_names_cupy_or_decides_by_device(file):
    """Docstrings may speak of cupy, and a text may name a device; a condition may not, but in how a tensor prints itself."""
    tree = ast.parse(file.read_text())
    printing = {n for f in ast.walk(tree) if getattr(f, "name", "") == "__repr__" for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            assert getattr(node, "id", getattr(node, "attr", None)) not in ("cupy", "cp"), f"{file}:{node.lineno}"
        if isinstance(node, ast.Compare) and node not in printing:
            inside = list(ast.walk(node))
            words = [n.value for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            asks = any(getattr(n, "attr", getattr(n, "id", "")) in ("device", "device_of") for n in inside)
            named = [w for w in words if w.startswith(("cuda", "gpu")) or (w == "cpu" and asks)]
            assert not named, (
                f"{file}:{node.lineno} compares with {named}: let backend.array_module or a primitive decide"
            )


@pytest.mark.parametrize(
    "condition", ['x.device == "cuda"', 'x.device != "cpu"', 'device_of(a) in ("cpu",)', 'd == "gpu"']
)
def test_the_rule_about_devices_catches(condition, tmp_path):
    file = tmp_path / "conv.py"
    file.write_text(f"if {condition}:\n    pass\n")
    with pytest.raises(AssertionError, match="compares with"):
        test_outside_the_backend_no_code_names_cupy_or_decides_by_device(file)


def test_importing_the_package_imports_numpy_and_nothing_heavy():
    program = "import sys, minitorch_cnn; print(*sorted({m.split('.')[0] for m in sys.modules}), 'urllib.request' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    *modules, urllib_request = done.stdout.split()
    heavy = {
        "matplotlib",
        "PIL",
        "tqdm",
        "cupy",
        "torch",
        "torchvision",
        "scipy",
        "pandas",
        "safetensors",
        "mpi4py",
        "tkinter",
    }
    assert not heavy & set(modules)
    assert urllib_request == "False"
    assert done.stderr == ""


def test_each_module_can_be_imported_first():
    """No circle that works only in one order: each part of the layers alone, in a fresh interpreter's order of import."""
    parts = [name for name in HEIGHT if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()]
    program = "import importlib, sys\n" + "\n".join(
        f"for m in [m for m in sys.modules if m.startswith('minitorch_cnn')]: del sys.modules[m]\n"
        f"importlib.import_module('minitorch_cnn.{name}')"
        for name in parts
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
