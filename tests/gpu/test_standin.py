"""The stand-in for CuPy itself: it refuses, counts and promotes as CuPy does.

Each table below is held against the stand-in, and against the real CuPy where that runs (on the emulated device, or a GPU): so what
is recorded here of CuPy is true of CuPy. Then the package on the stand-in: training steps without a synchronisation, two devices.
"""

import contextlib
import copy
import importlib.util
import inspect
import pickle
import sys
import types
import warnings

import numpy as np
import pytest
from gpu import standin, standin_arrays

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, models, nn, optim


def real_cupy():
    """The real CuPy, if it is installed and has a device; else None."""
    if importlib.util.find_spec("cupy") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import cupy

            return cupy if cupy.cuda.runtime.getDeviceCount() else None
        except Exception:  # an installation without a driver raises what it likes
            return None


REAL = real_cupy()
try:
    from cupy_on_cpu import count as real_count
except ImportError:
    real_count = None
needs_the_real_one = pytest.mark.skipif(REAL is None, reason="the real CuPy does not run here")
pytestmark = pytest.mark.skipif(np.__version__ < "2", reason="CuPy promotes as NumPy 2 does, and the stand-in is NumPy")


@pytest.fixture(params=["stand-in", pytest.param("cupy", marks=needs_the_real_one)])
def cupy(request):
    with standin.use() if request.param == "stand-in" else contextlib.nullcontext(REAL) as module:
        yield module


@pytest.fixture
def names(cupy):
    """What the expressions of the tables may use."""
    x = cupy.arange(6, dtype="float32").reshape(2, 3)
    there = {}
    if cupy.cuda.runtime.getDeviceCount() > 1:
        with cupy.cuda.Device(1):
            there = {"y1": cupy.ones((2, 3), "float32"), "b1": cupy.ones((2, 3), bool)}
    return {
        "cupy": cupy,
        "np": np,
        "x": x,
        "i": cupy.array([0, 1]),
        "b": x > 2,
        "z": cupy.asarray(2.0),
        "n": np.ones((2, 3), np.float32),
        **there,
    }


# refusals -------------------------------------------------------------------------------------------------------------

CONVERSION = "Implicit conversion to a NumPy array is not allowed"
NUMPY = "Unsupported type <class 'numpy.ndarray'>"
OTHER_DEVICE = r"The device where the array resides \(1\) is different from the current device \(0\)"
NO_FILL = "non-scalar numpy.ndarray cannot be used for"
REFUSALS = {
    # mixing with NumPy's arrays, one without dimensions too
    **{e: (TypeError, NUMPY) for e in ("x + n", "n + x", "n * x", "x == n", "x > n", "x * np.asarray(2.0)", "x @ n.T")},
    **{
        e: (TypeError, NUMPY)
        for e in ("cupy.add(x, n)", "cupy.exp(n)", "cupy.where(n > 0, x, x)", "cupy.maximum(n, x)")
    },
    **{e: (TypeError, NUMPY) for e in ("cupy.concatenate([x, n])", "cupy.stack([x, n])", "cupy.matmul(x, n.T)")},
    **{e: (TypeError, NUMPY) for e in ("cupy.add(x, x, out=n)", "x.__iadd__(n)", "cupy.ascontiguousarray(n)")},
    "cupy.add(x, [1, 2, 3])": (TypeError, "Unsupported type <class 'list'>"),
    "x + [1, 2, 3]": (TypeError, "Unsupported type|returned NotImplemented"),
    "x.__setitem__(..., n)": (ValueError, NO_FILL),
    "x.__setitem__(0, [1, 2, 3])": (ValueError, NO_FILL),
    "cupy.copyto(x, n)": (ValueError, NO_FILL),
    # silent copies to the host
    **{e: (TypeError, CONVERSION) for e in ("np.asarray(x)", "np.array(x)", "np.array([z, z])", "np.float32([z, z])")},
    "np.testing.assert_array_equal(x, x)": (TypeError, CONVERSION),
    "memoryview(x)": (TypeError, "memoryview|on CPU is not allowed"),
    "range(i[0])": (TypeError, "cannot be interpreted as an integer"),
    "[5, 6][i[0]]": (TypeError, "list indices must be integers"),
    "hash(x)": (TypeError, "unhashable"),
    "len(z)": (TypeError, "unsized"),
    # what CuPy lacks
    **{
        f"cupy.{name}": (AttributeError, f"no attribute '{name}'") for name in ("errstate", "vecdot", "geterr", "block")
    },
    **{e: (TypeError, "unexpected keyword argument 'where'") for e in ("x.sum(where=b)", "cupy.sum(x, where=b)")},
    **{e: (TypeError, "unexpected keyword argument 'initial'") for e in ("x.max(initial=0)", "cupy.max(x, initial=0)")},
    "cupy.exp(x, where=b)": (TypeError, "where"),
    "x.var(correction=1)": (TypeError, "correction"),
    "cupy.zeros(2, like=x)": (TypeError, "like"),
    "cupy.zeros(2, device='cpu')": (TypeError, "device"),
    "cupy.maximum.reduce(x)": (NotImplementedError, "cupy_maximum.reduce"),
    **{
        e: (ValueError, "axis (0|-1) is out of bounds")
        for e in ("z.max(0)", "cupy.sum(z, axis=-1)", "z.argmax(0)", "z.any(0)")
    },
    "cupy.asarray('a')": (ValueError, "Unsupported dtype"),
    # arrays of another device
    **{e: (ValueError, OTHER_DEVICE) for e in ("x + y1", "y1 + y1", "y1.sum()", "-y1", "y1[b1]", "y1.fill(2)")},
    **{e: (ValueError, OTHER_DEVICE) for e in ("cupy.where(b, x, y1)", "cupy.concatenate([x, y1])", "x.__iadd__(y1)")},
    "cupy.cuda.Device(9).use()": (RuntimeError, "cudaErrorInvalidDevice"),
}
# Cython's wording for the same refusal
WORDED_OTHERWISE = ("cupy.matmul(x, n.T)", "cupy.stack([x, n])", "x @ n.T", "cupy.ascontiguousarray(n)")


@pytest.mark.parametrize("expression", REFUSALS)
def test_it_refuses(expression, names, cupy):
    kind, text = REFUSALS[expression]
    if ("y1" in expression or "b1" in expression) and "y1" not in names:
        pytest.skip("one device")
    if cupy is REAL and expression in WORDED_OTHERWISE:
        text = "numpy.ndarray"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's, of the signature of CuPy's __array__
        with pytest.raises(kind, match=text):
            eval(expression, names)


@pytest.mark.parametrize(
    "expression", ["np.exp(x)", "np.moveaxis(x, 0, 1)", "np.sum(x)", "np.concatenate([x, x])", "np.linalg.norm(x)"]
)
def test_it_is_stricter_than_cupy_where_numpy_would_find_cupys_function_by_protocol(expression):
    with standin.use() as cupy, pytest.raises(TypeError, match=r"ufunc|was called with a cupy\.ndarray"):
        eval(expression, {"np": np, "x": cupy.ones((2, 3))})


@needs_the_real_one
def test_the_names_that_exist_are_cupys():
    lacking = {name for name in dir(np) if name[0] != "_" and not hasattr(REAL, name)}
    modules = {name for name in dir(np) if isinstance(getattr(np, name, None), types.ModuleType)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of NumPy's names are on their way out
        functions = {name for name in lacking - modules if callable(getattr(np, name)) and not hasattr(np, f"{name}_")}
    in_vain = {
        name for name in functions if not isinstance(getattr(np, name), type) and name not in standin_arrays.LACKING
    }
    assert not in_vain, f"CuPy lacks these, the stand-in has them: {in_vain}"
    assert not {name for name in standin_arrays.LACKING if hasattr(REAL, name)}
    assert not {n for n in vars(standin.ndarray) if n[0] != "_" and n != "array" and not hasattr(REAL.ndarray, n)}


@needs_the_real_one
def test_the_keywords_that_are_refused_are_those_that_cupy_lacks():
    for name in dir(np):
        theirs = getattr(REAL, name, None)
        if name[0] == "_" or not inspect.isfunction(theirs) or isinstance(getattr(np, name), np.ufunc):
            continue
        with contextlib.suppress(ValueError):  # NumPy's function has no signature
            keywords = set(inspect.signature(getattr(np, name)).parameters) & standin_arrays.REFUSED_KEYWORDS
            for keyword in keywords - {"subok"}:  # CuPy has that in places, and raises if it is given
                if (name, keyword) != ("copyto", "where"):
                    assert keyword not in inspect.signature(theirs).parameters, f"{name}({keyword}=)"


# what the host waits for, and what is copied --------------------------------------------------------------------------

WAITS = """float(z) | int(z) | bool(z) | z.item() | x.get() | x.tolist() | repr(x) | str(z) | f"{z:.2f}" | cupy.asnumpy(x) | x[b]
    x[n > 0] | x.__setitem__(b, 0) | cupy.nonzero(x) | x.nonzero() | cupy.argwhere(b) | cupy.where(b) | cupy.unique(x) | z in [i[0]]
    cupy.bincount(i) | cupy.flatnonzero(x) | cupy.extract(b, x) | x[slice(i[0], None)] | [float(v) for v in x[0]] | max(z, z)
    cupy.cuda.Device(0).synchronize() | cupy.cuda.Stream.null.synchronize() | x.any() or x
    cupy.lib.stride_tricks.sliding_window_view(x, 2, 0) | copy.deepcopy(pickle.loads(pickle.dumps(x)))"""
WAITS_NOT = """x + 1 | x.sum() | x.max(1, keepdims=True) | x[0, 0] | x[i] | x[i[0]] | x[np.array([0, 1])] | x[[0, 1]] | x[0, 1:]
    x.__setitem__(0, z) | x.__setitem__(i, 0) | x.__setitem__((0, 0), np.float64(3)) | cupy.where(b, x, 0) | x * b | x.argmax(1)
    cupy.asarray(n) | cupy.asarray([z, z]) | cupy.full(2, z) | cupy.take_along_axis(x, x.argmax(1, keepdims=True), 1) | list(x)
    cupy.add.at(x, (i,), x) | cupy.matmul(x, x.T) | x @ x.T | cupy.vdot(x.ravel(), x.ravel()) | x.shape | len(x) | x.take(i, 0)
    cupy.lib.stride_tricks.as_strided(x, (2, 2), (4, 4)) | x.astype("float64") | copy.copy(x) | cupy.allclose(x, x) | x.clip(0, 1)
    cupy.isnan(x).any() | cupy.broadcast_to(x, (4, 2, 3)) | x.var(0) | cupy.tri(3) | cupy.zeros_like(n) | cupy.linalg.norm(x)"""


def listed(table):
    return [e.strip() for line in table.split("\n") for e in line.split(" | ")]


@pytest.mark.parametrize("expression", listed(WAITS) + listed(WAITS_NOT))
def test_it_counts_where_the_host_waits(expression, names, cupy):
    if cupy is REAL and real_count is None:
        pytest.skip("only the emulated device counts")
    eval(expression, names | {"copy": copy, "pickle": pickle})  # CuPy compiles
    with (real_count if cupy is REAL else standin.count)() as c:
        eval(expression, names | {"copy": copy, "pickle": pickle})
    assert bool(c.syncs) is (expression in listed(WAITS))


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("cupy.asarray(n)", [("host", 0, 24)]),
        ("x.get()", [(0, "host", 24)]),
        ("float(z)", [(0, "host", 8)]),
        ("x[np.array([0, 1])]", [("host", 0, 16)]),
        ("cupy.asarray(y1)", [(1, 0, 24)]),
        ("y1.copy()", [(1, 0, 24)]),
        ("x.__setitem__(..., y1)", [(1, 0, 24)]),
        ("y1.get()", [(1, "host", 24)]),
        ("x + x", []),
        ("cupy.asarray(x)", []),
        ("x[i]", []),
    ],
)
def test_it_counts_what_is_copied(expression, expected, names, cupy):
    if cupy is REAL and real_count is None:
        pytest.skip("only the emulated device counts")
    with (real_count if cupy is REAL else standin.count)() as c:
        eval(expression, names)
    assert c.transfers == expected


def test_a_wait_is_named_by_the_users_line():
    with standin.use() as cupy, standin.count() as c:
        total = cupy.ones(3).sum()
        float(total)
    line = inspect.currentframe().f_lineno - 1
    assert c.syncs == [f"test_standin.py:{line} float"]
    with pytest.raises(AssertionError, match=rf"waits for the device 2 time.*test_standin.py:{line + 6} float"):
        with standin.no_synchronisation():
            for _ in range(2):
                float(total)


# dtypes, shapes, devices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression, dtype, shape",
    [
        ("x * 2.0", "float32", (2, 3)),
        ("x * np.float32(2)", "float32", (2, 3)),
        ("np.float32(2) * x", "float32", (2, 3)),
        ("x * np.float64(2)", "float64", (2, 3)),  # NumPy's scalars are strong
        ("np.float64(2) * x", "float64", (2, 3)),
        ("x * z", "float64", (2, 3)),  # and so is an array without dimensions
        ("x / i[0]", "float64", (2, 3)),
        ("x ** 2", "float32", (2, 3)),
        ("b * x", "float32", (2, 3)),
        ("b * 2.0", "float64", (2, 3)),
        ("i / i", "float64", (2,)),
        ("cupy.where(b, x, 0.0)", "float32", (2, 3)),
        ("cupy.where(b, x, np.float64(0))", "float64", (2, 3)),
        ("cupy.maximum(x, 0.0)", "float32", (2, 3)),
        ("x.sum()", "float32", ()),  # an array, not a scalar
        ("x[0, 0]", "float32", ()),
        ("x.max() * 2", "float32", ()),
        ("-x.sum()", "float32", ()),
        ("x.argmax()", "int64", ()),
        ("b.sum()", "int64", ()),
        ("cupy.isnan(x).any()", "bool", ()),
        ("cupy.array_equal(x, x)", "bool", ()),
        ("cupy.exp(2.0)", "float64", ()),
        ("x.mean(0)", "float32", (3,)),
        ("cupy.vdot(x[0], x[0])", "float32", ()),
    ],
)
def test_results_have_cupys_dtype_and_stay_arrays(expression, dtype, shape, names, cupy):
    result = eval(expression, names)
    assert type(result) is cupy.ndarray and (result.dtype, result.shape) == (dtype, shape)


def test_an_array_is_cupys_by_name_and_not_numpys(cupy):
    assert cupy.ndarray.__module__ == "cupy" and not issubclass(cupy.ndarray, np.ndarray)
    assert cupy.get_array_module(cupy.ones(1)) is cupy and cupy.get_array_module(np.ones(1)) is np


def test_a_view_has_the_owner_as_its_base_and_a_result_has_none(cupy):
    x = cupy.ones((2, 3))
    views = [x.T, x.reshape(6), x[0], x[:, 1:], x.T[0], cupy.broadcast_to(x, (4, 2, 3)), cupy.moveaxis(x, 0, 1)]
    assert all(v.base is x for v in views)
    assert x.base is None and (x + 1).base is None and x[cupy.array([0])].base is None and x.sum(0).base is None
    x[...] = 5
    assert all(float(v.max()) == 5 for v in views)


def test_nothing_warns_and_the_numbers_are_right(cupy):
    x = cupy.asarray(np.array([-1.0, 0.0, 1e30], np.float32))
    np.testing.assert_array_equal(cupy.asnumpy(cupy.sqrt(x)), np.array([np.nan, 0, 1e15], np.float32))
    np.testing.assert_array_equal((x / 0).get(), np.array([-np.inf, np.nan, np.inf], np.float32))
    np.testing.assert_array_equal((x * x).get(), np.array([1, 0, np.inf], np.float32))


def test_the_current_device_is_where_results_are(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("one device")
    with cupy.cuda.Device(1):
        y = cupy.ones(3)
        assert (y + y).device.id == 1 and cupy.cuda.runtime.getDevice() == 1
        with cupy.cuda.Device(0):
            assert cupy.zeros_like(y).device.id == 0 and y.T.device.id == 1 and y[0].device.id == 1
        assert cupy.cuda.Device().id == 1
    assert cupy.cuda.Device() == cupy.cuda.Device(0) and cupy.asarray(y).device.id == 0 and float(y[0]) == 1


# float64 and kernels: the stand-in's own ------------------------------------------------------------------------------


def test_it_notes_float64_that_nobody_asked_for():
    with standin.use() as cupy, standin.count() as c:
        x = cupy.ones(3, "float32")
        x.astype("float64")
        x.sum(dtype="float64")
        x * 2.0
        assert not c.widened
        x * np.float64(2)
        cupy.maximum(x, np.float64(2))
    assert [w.split()[1] for w in c.widened] == ["mul", "maximum"]


def test_a_kernel_keeps_its_source_and_says_that_it_can_not_run(monkeypatch):
    with standin.use() as cupy:
        kernel = cupy.ElementwiseKernel("T x", "T y", "y = x + f(x)", "shift", preamble="__device__ ...")
        raw = cupy.RawKernel("extern ...", "rows")
        assert (kernel.in_params, kernel.out_params, kernel.operation) == ("T x", "T y", "y = x + f(x)")
        assert (kernel.name, kernel.preamble, raw.code, raw.name) == ("shift", "__device__ ...", "extern ...", "rows")
        x = cupy.ones(3)
        with pytest.raises(RuntimeError, match="the kernel shift was called, but the stand-in"):
            kernel(x)
        monkeypatch.setattr(standin, "kernel_runner", lambda kernel, args, kwargs: (kernel.name, args, kwargs))
        assert kernel(x, size=3) == ("shift", (x,), {"size": 3})
        assert raw((1,), (32,), (x, np.int32(3))) == ("rows", ((1,), (32,), (x, np.int32(3))), {})
        with pytest.raises(TypeError, match=NUMPY):
            raw((1,), (32,), (np.ones(3),))
        with pytest.raises(TypeError, match=NUMPY):
            kernel(np.ones(3))


def test_use_leaves_no_trace():
    before = sys.modules.get("cupy")
    with standin.use() as module:
        import cupy.cuda
        from cupy.lib.stride_tricks import as_strided

        assert cupy is module and as_strided is not np.lib.stride_tricks.as_strided
    assert sys.modules.get("cupy") is before


# the package on it ----------------------------------------------------------------------------------------------------


@pytest.fixture
def on_the_standin():
    with standin.use():
        yield


def trained(build, device, make_optimizer, images, labels, steps=2):
    """(the losses, the weights) after some steps on a device."""
    mt.manual_seed(0)
    model = build()
    model.to(device)
    optimizer = make_optimizer(model.parameters())
    losses = []
    x, t = Tensor(images, device=device), Tensor(labels, device=device)
    with standin.no_synchronisation() as c:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), t)
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss)
    assert not c.widened and not c.transfers
    assert all(p.device == mt.backend.canonical_device(device) for p in model.parameters())
    return [loss.item() for loss in losses], {k: v.numpy() for k, v in model.state_dict().items()}


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.GELU(), nn.Linear(8, 10)
    )


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
@pytest.mark.parametrize("build", [models.lenet5, mlp], ids=["lenet5", "mlp"])
@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda p: optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=1e-4),
        lambda p: optim.AdamW(p, lr=0.01),
        lambda p: optim.RMSprop(p, lr=0.001, momentum=0.9, centered=True),
    ],
    ids=["SGD", "AdamW", "RMSprop"],
)
def test_training_goes_as_on_the_cpu_without_a_wait_or_a_copy(build, make_optimizer, device, on_the_standin, rng):
    images, labels = rng.standard_normal((4, 1, 28, 28)).astype(np.float32), np.array([3, 1, 4, 1])
    losses, weights = trained(build, device, make_optimizer, images, labels)
    expected_losses, expected_weights = trained(build, "cpu", make_optimizer, images, labels)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, value in expected_weights.items():
        np.testing.assert_allclose(weights[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_tensor_goes_from_device_to_device_and_its_gradient_comes_back(on_the_standin):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    a = x.to("cuda")
    b = (a * a).to("cuda:1")
    assert (a.device, b.device) == ("cuda:0", "cuda:1")
    ((b * b).sum().to("cpu") + x.sum()).backward()  # x**4 + x
    np.testing.assert_array_equal(x.grad, [5.0, 33.0])


def test_mixed_devices_are_named(on_the_standin):
    x = Tensor([1.0])
    with pytest.raises(TypeError, match="on different devices: cpu, cuda:0"):
        x + x.to("cuda")
    with pytest.raises(TypeError, match="on different devices: cuda:1, cuda:0"):
        x.to("cuda:1") + x.to("cuda")


def test_a_modules_backward_hooks_get_the_gradients_of_its_device(on_the_standin):
    layer, seen = nn.Linear(2, 3), []
    layer.to("cuda")
    layer.register_full_backward_hook(lambda module, given, made: seen.extend([given[0], made[0]]))
    layer(Tensor(np.ones((1, 2), np.float32), requires_grad=True, device="cuda")).sum().backward()
    assert [(type(g).__module__, g.shape) for g in seen] == [("cupy", (1, 2)), ("cupy", (1, 3))]


@pytest.mark.parametrize("mask", ["causal bool", "padding", "float"])
def test_attention_takes_its_masks_from_the_host_or_the_device(mask, on_the_standin, rng):
    mt.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), rng.standard_normal((2, 3, 8)).astype(np.float32)
    values = {
        "causal bool": {"attn_mask": np.triu(np.ones((3, 3), bool), 1)},
        "padding": {"key_padding_mask": np.array([[False, False, True], [False, False, False]])},
        "float": {"attn_mask": rng.standard_normal((3, 3)).astype(np.float32)},
    }[mask]
    expected = layer(*[Tensor(x)] * 3, **values)[0].numpy()
    layer.to("cuda")
    there = {name: Tensor(value, device="cuda") for name, value in values.items()}
    for given in (values, there):
        y, _ = layer(*[Tensor(x, device="cuda")] * 3, **given)
        assert y.device == "cuda:0"
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_evaluation_state_average_and_printing_work_on_a_device(on_the_standin, tmp_path):
    model = mlp()
    model.to("cuda")
    average = optim.ExponentialMovingAverage(model, decay=0.5)
    for _ in range(2):
        average.update_parameters(model)
    average.eval()
    x = Tensor(np.ones((2, 1, 28, 28), np.float32), device="cuda")
    assert average(x).device == "cuda:0"
    optimizer = optim.Adam(model.parameters())
    model(x).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    model.load_state_dict(mlp().state_dict())  # from the CPU
    assert {p.device for p in model.parameters()} == {"cuda:0"}
    assert 'device="cuda:0"' in repr(x)
    with mt.detect_anomaly(), pytest.raises(RuntimeError, match="Log: the forward pass made"):
        (x * 0).log()
