"""Names, order and defaults of arguments are PyTorch's. What is C++ there has no signature: its documentation is copied here."""

import inspect

import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

# deprecated in PyTorch for years, in the middle of the losses' arguments: not here, so what follows them is given by name
DEPRECATED = {"size_average", "reduce"}
# what PyTorch's functions have beyond ours: at the end, or private
BEYOND = {"device", "dtype", "_stacklevel", "enable_gqa"}

FUNCTIONS = [
    name
    for name, function in vars(mt.functional).items()
    if inspect.isfunction(function) and inspect.isroutine(getattr(torch.nn.functional, name, None))
]
LAYERS = [name for name, value in vars(mt.nn).items() if inspect.isclass(value) and hasattr(torch.nn, name)]

# argument by argument, from PyTorch's documentation, for what has no Python signature there
DOCUMENTED = {
    "conv2d": "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    "conv_transpose2d": "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
    "linear": "input, weight, bias=None",
    "avg_pool2d": "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None",
    "max_pool2d": "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False",
    "adaptive_max_pool2d": "input, output_size, return_indices=False",
    "gelu": "input, approximate='none'",
    "softplus": "input, beta=1, threshold=20",
    "one_hot": "tensor, num_classes=-1",
    "pad": "input, pad, mode='constant', value=None",
    "scaled_dot_product_attention": "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None",
}


def arguments(function):
    """{name: (position, default)} without self; the position of what is given by name only is None."""
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    named = [p for p in named if p.name not in DEPRECATED]
    return {p.name: (None if p.kind is p.KEYWORD_ONLY else i, p.default) for i, p in enumerate(named)}


def compare_arguments(ours, theirs, left_out=()):
    """Ours are PyTorch's, in their order and with their defaults; what is missing is in `left_out`."""
    for name, (position, default) in ours.items():
        assert name in theirs, f"PyTorch has no argument {name!r}"
        assert position in (None, theirs[name][0]), f"{name!r} is number {position}, PyTorch's number {theirs[name][0]}"
        # what PyTorch demands, if only as None, may have a default here
        assert default == theirs[name][1] or theirs[name][1] is inspect.Parameter.empty, f"{name}={default!r}"
    missing = theirs.keys() - ours.keys()
    assert missing <= set(left_out), f"PyTorch has {missing} too"


# what we don't have: given by name in PyTorch, or after all that we have
LEFT_OUT = {
    "mse_loss": {"weight"},
    "BatchNorm1d": {"bias"},
    "BatchNorm2d": {"bias"},
    "GroupNorm": {"bias"},
    "ConvTranspose2d": {"padding_mode"},  # only "zeros" is allowed there
    "MultiheadAttention": {
        "add_bias_kv",
        "add_zero_attn",
        "kdim",
        "vdim",
    },  # before batch_first, which is given by name here
}
BUILT_OTHERWISE = {"Parameter", "Buffer"}  # in PyTorch by __new__


def test_the_catalogue_was_found():
    assert len(FUNCTIONS) >= 33 and len(LAYERS) >= 40


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_s_arguments(name):
    function = getattr(torch.nn.functional, name)
    assert name in DOCUMENTED or inspect.isfunction(function), "no Python signature in PyTorch: add it to DOCUMENTED"
    theirs = arguments(eval(f"lambda {DOCUMENTED[name]}: None") if name in DOCUMENTED else function)
    compare_arguments(arguments(getattr(mt.functional, name)), theirs, BEYOND | LEFT_OUT.get(name, set()))


@pytest.mark.parametrize("name", sorted(set(LAYERS) - BUILT_OTHERWISE))
def test_a_layer_s_arguments(name):
    ours, theirs = (arguments(getattr(nn, name).__init__) for nn in (mt.nn, torch.nn))
    compare_arguments(ours, theirs, BEYOND | LEFT_OUT.get(name, set()))


INITIALISERS = [name for name in vars(mt.nn.init) if name.endswith("_") and not name.startswith("_")]


@pytest.mark.parametrize("name", [*INITIALISERS, "calculate_gain"])
def test_an_initialiser_s_arguments(name):
    ours, theirs = (arguments(getattr(init, name)) for init in (mt.nn.init, torch.nn.init))
    compare_arguments(ours, theirs, {"generator"})


METHODS = [
    "named_children", "named_modules", "named_parameters", "parameters", "named_buffers", "buffers", "get_submodule",
    "register_buffer", "register_parameter", "add_module", "load_state_dict", "train", "eval", "requires_grad_", "zero_grad",
    "double", "float", "apply", "register_forward_pre_hook", "register_forward_hook", "register_full_backward_hook",
    "extra_repr", "children", "modules",
]  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_module_s_methods(name):
    ours, theirs = (arguments(getattr(nn.Module, name)) for nn in (mt.nn, torch.nn))
    compare_arguments(ours, theirs, {"remove_duplicate", "assign", "prepend", "with_kwargs", "always_call"})


TENSOR = {  # PyTorch's methods are C++: their documentation
    "sum": "dim=None, keepdim=False",
    "mean": "dim=None, keepdim=False",
    "max": "dim=None, keepdim=False",
    "min": "dim=None, keepdim=False",
    "argmax": "dim=None, keepdim=False",
    "argmin": "dim=None, keepdim=False",
    "clamp": "min=None, max=None",
    "flatten": "start_dim=0, end_dim=-1",
    "squeeze": "dim=None",
    "unsqueeze": "dim",
    "transpose": "dim0, dim1",
    "var": "dim=None, unbiased=None, *, correction=1, keepdim=False",
    "std": "dim=None, unbiased=None, *, correction=1, keepdim=False",
    "backward": "gradient=None, retain_graph=None",
}


@pytest.mark.parametrize("name", TENSOR)
def test_a_tensor_s_methods(name):
    ours = arguments(getattr(mt.Tensor, name))
    ours = {n: (None if p is None else p - ("input" in ours), d) for n, (p, d) in ours.items() if n != "input"}
    if name == "backward":
        ours["retain_graph"] = (1, None)  # False here: the same
    compare_arguments(ours, arguments(eval(f"lambda {TENSOR[name]}: None")))


@pytest.mark.parametrize(
    "name, text", [("cat", "tensors, dim=0"), ("stack", "tensors, dim=0"), ("matmul", "input, other")]
)
def test_a_package_function_s_arguments(name, text):
    compare_arguments(arguments(getattr(mt, name)), arguments(eval(f"lambda {text}: None")))
