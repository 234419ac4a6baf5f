"""The five forms of convolution compute the same three things: the output, the input's gradient, the weight's gradient.

The oracle is a sum over kernel places of products of shifted images, in float64; it is itself held to the reference's loops.
"""

import threading

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn.backend import reference
from minitorch_cnn.backend.cpu import (
    conv,
    conv_depthwise,
    conv_folded,
    conv_im2col,
    conv_pointwise,
    conv_rowshift,
    conv_winograd,
    threads,
)

FORMS = {
    "im2col": conv_im2col,
    "folded": conv_folded,
    "rowshift": conv_rowshift,
    "winograd": conv_winograd,
    "depthwise": conv_depthwise,
    "pointwise": conv_pointwise,
}
# float32: of the largest value, a sum of some hundred products in another order; F(4, 3) of Winograd costs another digit
RTOL = {np.float64: 1e-12, np.float32: 2e-6}
WINOGRAD_RTOL = 1e-5


class Case:
    """A convolution: the shapes of x and weight, and the options."""

    def __init__(self, x_shape, weight_shape, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        self.x_shape, self.weight_shape = x_shape, weight_shape
        self.options = stride, padding, dilation, groups
        self.stride, self.padding, self.dilation, self.groups = self.options
        self.kernel_size, self.image_size = weight_shape[2:], x_shape[2:]
        self.output_size = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(self.image_size, self.kernel_size, stride, padding, dilation)
        )

    def __repr__(self):
        return f"{self.x_shape}-{self.weight_shape}-{self.options}"

    def forms(self, dtype):
        """The forms that can do it, by what their files say."""
        forms = ["im2col", "rowshift"]
        if self.kernel_size == (1, 1) and self.padding == (0, 0) and self.groups == 1:
            forms.append("pointwise")
        if self.groups == self.x_shape[1] == self.weight_shape[0]:
            forms.append("depthwise")
        if self.groups == 1:
            forms.append("folded")
        plain = self.stride == self.dilation == (1, 1) and self.groups == 1
        if self.kernel_size == (3, 3) and plain and max(self.padding) <= 2 and dtype == np.float32:
            forms.append("winograd")
        return forms

    def arrays(self, dtype, seed=0):
        """x, weight, bias, and a gradient of y."""
        rng = np.random.default_rng(seed)
        grad_shape = (self.x_shape[0], self.weight_shape[0], *self.output_size)
        shapes = (self.x_shape, self.weight_shape, self.weight_shape[:1], grad_shape)
        return [rng.standard_normal(shape).astype(dtype) for shape in shapes]

    def run(self, form, x, weight, bias, grad):
        return (
            form.forward(x, weight, bias, *self.options),
            form.input_gradient(grad, weight, self.image_size, *self.options),
            form.weight_gradient(grad, x, self.kernel_size, *self.options),
        )

    def oracle(self, x, weight, bias, grad):
        """The three in float64, one kernel place at a time."""
        x, weight, bias, grad = (a.astype(np.float64) for a in (x, weight, bias, grad))
        (ph, pw), (H, W), (O, c_group, KH, KW) = self.padding, self.image_size, weight.shape
        padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
        gpadded, gw, y = np.zeros_like(padded), np.zeros_like(weight), np.zeros_like(grad) + bias[:, None, None]
        for u, v in np.ndindex(KH, KW):
            rows, columns = (
                slice(k * d, k * d + (o - 1) * s + 1, s)
                for k, d, o, s in zip((u, v), self.dilation, self.output_size, self.stride)
            )
            for g in range(self.groups):
                c, o = slice(g * c_group, (g + 1) * c_group), slice(g * O // self.groups, (g + 1) * O // self.groups)
                seen, w = padded[:, c, rows, columns], weight[o, :, u, v]
                y[:, o] += np.einsum("nchw,oc->nohw", seen, w)
                gw[o, :, u, v] = np.einsum("nohw,nchw->oc", grad[:, o], seen)
                gpadded[:, c, rows, columns] += np.einsum("nohw,oc->nchw", grad[:, o], w)
        return y, gpadded[:, :, ph : ph + H, pw : pw + W], gw


def tolerance(name, dtype):
    return WINOGRAD_RTOL if name == "winograd" else RTOL[dtype]


def check(case, dtype, seed=0, names=None):
    """Every form that can do the case against the oracle."""
    arrays = case.arrays(dtype, seed)
    expected = case.oracle(*arrays)
    for name in names or case.forms(dtype):
        for got, wanted in zip(case.run(FORMS[name], *arrays), expected):
            assert_close(got, wanted.astype(dtype), tolerance(name, dtype))


SMALL = [
    Case((2, 3, 5, 7), (4, 3, 3, 2)),
    Case((2, 3, 7, 6), (4, 3, 2, 3), stride=(2, 3)),
    Case((3, 2, 5, 4), (3, 2, 3, 4), padding=(2, 1)),
    Case((1, 2, 8, 9), (3, 2, 3, 2), dilation=(2, 3)),
    Case((2, 4, 9, 8), (6, 2, 3, 2), (2, 1), (1, 2), (1, 2), 2),
    Case((2, 6, 5, 7), (3, 2, 2, 3), (1, 2), (2, 0), (3, 1), 3),
    Case((2, 2, 11, 5), (3, 2, 3, 2), (3, 2), (2, 1), (2, 3)),  # row phases that some kernel rows share
    Case((2, 2, 9, 5), (3, 2, 4, 2), (2, 1), (1, 1), (2, 1)),  # one phase of two has no kernel row
    Case((2, 2, 9, 5), (3, 2, 2, 1), stride=(4, 3)),  # pixels that no window sees
    Case((2, 3, 3, 4), (2, 3, 2, 3), padding=(3, 4)),  # padding beyond the kernel: windows of zeros alone
    Case((2, 2, 5, 6), (9, 2, 3, 2), padding=(1, 0)),  # many outputs for few inputs
    Case((2, 9, 5, 6), (2, 9, 2, 3), padding=(0, 1)),  # and the reverse
    Case((3, 2, 7, 6), (35, 2, 3, 2), stride=(2, 1)),  # so many that their gradient is transposed by a copy
    Case((3, 4, 5, 7), (66, 2, 2, 3), padding=(1, 2), groups=2),
    Case((3, 5, 4, 3), (2, 5, 1, 1)),
    Case((2, 3, 7, 6), (4, 3, 1, 1), stride=(3, 2)),
    Case((2, 3, 4, 5), (4, 3, 1, 1), padding=(1, 2)),
    Case((2, 4, 5, 3), (2, 2, 1, 1), groups=2),
    Case((3, 4, 6, 5), (4, 1, 3, 2), padding=(1, 2), groups=4),
    Case((2, 3, 8, 9), (3, 1, 2, 3), (3, 2), (1, 2), (2, 3), 3),
    Case((2, 3, 5, 6), (3, 1, 5, 4), padding=(2, 3), groups=3),
    Case((2, 3, 5, 7), (6, 1, 2, 3), padding=(0, 2), groups=3),
    Case((2, 3, 5, 7), (4, 3, 3, 3), padding=(1, 0)),
    Case((2, 3, 4, 3), (2, 3, 3, 3), padding=(2, 1)),
    Case((1, 1, 3, 3), (1, 1, 3, 3)),
    Case((2, 1, 4, 6), (1, 1, 2, 3)),
]

TILES = [  # for Winograd: every remainder by the tile, both tile sizes, each padding
    Case((2, 3, H, W), (4, 3, 3, 3), padding=padding)
    for H, W, padding in [
        (3, 6, (0, 0)),
        (5, 4, (1, 1)),
        (7, 9, (2, 0)),
        (21, 23, (0, 1)),
        (22, 27, (1, 0)),
        (24, 20, (2, 2)),
        (20, 22, (1, 2)),
    ]
]


@pytest.mark.parametrize("case", SMALL, ids=repr)
def test_the_oracle_is_the_reference(case):
    x, weight, bias, grad = case.arrays(np.float64)
    loops = (
        reference.conv2d(x, weight, bias, *case.options),
        reference.conv2d_input_gradient(grad, weight, case.image_size, *case.options),
        reference.conv2d_weight_gradient(grad, x, case.kernel_size, *case.options),
    )
    for got, wanted in zip(case.oracle(x, weight, bias, grad), loops):
        assert_close(got, wanted, 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", SMALL + TILES, ids=repr)
def test_every_form_is_the_convolution(case, dtype):
    check(case, dtype)


@pytest.mark.parametrize("case", SMALL + TILES, ids=repr)
def test_without_a_bias(case):
    for dtype in RTOL:
        x, weight, bias, grad = case.arrays(dtype)
        wanted = case.oracle(x, weight, 0 * bias, grad)[0].astype(dtype)
        for name in case.forms(dtype):
            assert_close(FORMS[name].forward(x, weight, None, *case.options), wanted, tolerance(name, dtype))


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(["any", "depthwise", "3x3", "1x1"]))
    image_size = draw(st.tuples(st.integers(1, 11), st.integers(1, 11)))
    N, groups, c_group, o_group = (draw(st.integers(1, 3)) for _ in range(4))
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel_size, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = tuple(p - 1 for p in draw(pairs))
    if kind == "depthwise":
        c_group = o_group = 1
    elif kind == "3x3":
        kernel_size, stride, dilation, groups = (3, 3), (1, 1), (1, 1), 1
    elif kind == "1x1":
        kernel_size, padding, groups = (1, 1), (0, 0), 1
    case = Case(
        (N, c_group * groups, *image_size), (o_group * groups, c_group, *kernel_size), stride, padding, dilation, groups
    )
    assume(min(case.output_size) >= 1)
    return case


@settings(deadline=None, derandomize=True, max_examples=80)
@given(cases())
def test_every_form_for_any_shape(case):
    check(case, np.float32)
    check(case, np.float64)


@pytest.mark.parametrize("samples", [1, 2])
def test_the_folded_form_goes_through_a_large_batch_in_pieces(samples, monkeypatch):
    case = ONE_EACH["folded"]
    one = 4 * 4 * 6 * np.prod(case.output_size)  # bytes of a sample's columns: 4 channels, 3x2 kernel
    monkeypatch.setattr(conv_folded, "_LIMIT", samples * one + 1)
    check(case, np.float32, names=["folded"])


# what a form may not do -----------------------------------------------------------------------------------------------

ONE_EACH = {
    "im2col": Case((5, 4, 9, 8), (6, 2, 3, 2), (2, 1), (1, 2), (1, 2), 2),
    "folded": Case((5, 4, 9, 8), (6, 4, 3, 2), (2, 1), (1, 2), (1, 2)),
    "rowshift": Case((5, 4, 9, 8), (6, 2, 3, 2), (2, 1), (1, 2), (1, 2), 2),
    "winograd": Case((5, 3, 21, 22), (4, 3, 3, 3), padding=(1, 2)),
    "depthwise": Case((5, 3, 8, 9), (3, 1, 2, 3), (3, 2), (1, 2), (2, 3), 3),
    "pointwise": Case((5, 3, 7, 6), (4, 3, 1, 1), stride=(3, 2)),
}


@pytest.mark.parametrize("name", FORMS)
def test_inputs_are_never_written_to_and_results_own_their_memory(name):
    case = ONE_EACH[name]
    arrays = case.arrays(np.float32)
    for a in arrays:
        a.flags.writeable = False
    kept = [a.copy() for a in arrays]
    first = case.run(FORMS[name], *arrays)
    copies = [a.copy() for a in first]
    case.run(FORMS[name], *case.arrays(np.float32, seed=1))  # would overwrite a result that is scratch
    assert all(np.array_equal(a, b) for a, b in zip(arrays, kept))
    assert all(np.array_equal(a, b) for a, b in zip(first, copies))
    assert not any(np.shares_memory(a, b) for a in first for b in arrays)


@pytest.mark.parametrize("name", FORMS)
def test_inputs_may_be_any_view(name):
    case = ONE_EACH[name]
    arrays = case.arrays(np.float32)
    expected = case.run(FORMS[name], *arrays)
    views = []
    for a in arrays:
        wide = np.full((*a.shape[:0:-1], 2 * a.shape[0]), np.nan, a.dtype)  # axes reversed, every second place empty
        view = wide[..., ::2].T
        view[...] = a
        views.append(view[..., ::-1].copy()[..., ::-1] if a.ndim == 4 else view)  # and the last axis backwards
    for got, wanted in zip(case.run(FORMS[name], *views), expected):
        assert_close(got, wanted, tolerance(name, np.float32))
    views = [a.copy().transpose(3, 1, 0, 2).copy().transpose(2, 1, 3, 0) if a.ndim == 4 else a for a in arrays]
    for got, wanted in zip(case.run(FORMS[name], *views), expected):
        assert_close(got, wanted, tolerance(name, np.float32))


@pytest.mark.parametrize("name", FORMS)
def test_what_earlier_calls_left_in_the_scratch_buffers_changes_nothing(name, one_thread):
    """Borders and columns beyond the image must be zeroed in each call: here every buffer is full of NaN before it."""
    for case in [ONE_EACH[name], *(c for c in SMALL + TILES if name in c.forms(np.float32))]:
        arrays, fresh = case.arrays(np.float32), []
        thread = threading.Thread(target=lambda: fresh.extend(case.run(FORMS[name], *arrays)))  # noqa: B023
        thread.start()  # a new thread has no buffers yet
        thread.join()
        case.run(FORMS[name], *arrays)
        for buffer in threads.scratch.buffers.values():
            buffer.fill(np.nan if buffer.dtype.kind == "f" else True)
        for part in range(3):
            got = case.run(FORMS[name], *arrays)[part]
            assert np.array_equal(got, fresh[part])


@pytest.fixture
def one_thread():
    before = mt.get_num_threads()
    mt.set_num_threads(1)
    yield
    mt.set_num_threads(before)


@pytest.mark.parametrize("name", FORMS)
def test_an_empty_batch(name):
    whole = ONE_EACH[name]
    case = Case((0, *whole.x_shape[1:]), whole.weight_shape, *whole.options)
    y, gx, gw = case.run(FORMS[name], *case.arrays(np.float32))
    assert y.shape == (0, case.weight_shape[0], *case.output_size) and gx.shape == case.x_shape
    assert gw.shape == case.weight_shape and not gw.any()


# threads and blocks ---------------------------------------------------------------------------------------------------

LARGE = {  # large enough for each form to use its threads, and for several blocks in some
    "im2col": Case((5, 16, 40, 41), (24, 8, 3, 2), (1, 1), (1, 2), (1, 2), 2),
    "rowshift": Case((5, 16, 40, 41), (24, 8, 3, 2), (1, 1), (1, 2), (1, 2), 2),
    "rowshift, strided": Case((5, 16, 40, 41), (40, 16, 3, 2), (2, 1), (1, 2)),
    "winograd": Case((5, 16, 40, 41), (24, 16, 3, 3), padding=(1, 2)),
    "depthwise": Case((5, 24, 61, 62), (24, 1, 3, 2), (1, 1), (1, 2), (1, 1), 24),
    "pointwise": Case((5, 16, 40, 41), (24, 16, 1, 1)),
}


@pytest.mark.parametrize("name", LARGE)
def test_the_same_number_of_threads_gives_the_same_bits_and_another_number_agrees_to_rounding(name):
    case, form = LARGE[name], name.split(",")[0]
    arrays = case.arrays(np.float32)
    expected = [a.astype(np.float32) for a in case.oracle(*arrays)]
    before = mt.get_num_threads()
    try:
        for n in (1, 2, 3, 8):  # 5 samples: parts of 5; 2 and 3; 1, 2 and 2; one each
            mt.set_num_threads(n)
            first, again = case.run(FORMS[form], *arrays), case.run(FORMS[form], *arrays)
            assert all(np.array_equal(a, b) for a, b in zip(first, again))
            for got, wanted in zip(first, expected):
                assert_close(got, wanted, tolerance(form, np.float32))
    finally:
        mt.set_num_threads(before)


@pytest.mark.parametrize("name", LARGE)
def test_blocks_of_two_samples_give_what_one_block_does(name, monkeypatch, one_thread):
    case, form = LARGE[name], FORMS[name.split(",")[0]]
    arrays = case.arrays(np.float32)
    whole = case.run(form, *arrays)

    def by_twos(lo, hi, bytes_each, limit=0):
        return [(a, min(a + 2, hi)) for a in range(lo, hi, 2)]

    monkeypatch.setattr(form, "chunks", by_twos, raising=False)  # pointwise has no blocks
    for got, wanted in zip(case.run(form, *arrays), whole):
        assert_close(got, wanted, tolerance(name.split(",")[0], np.float32))


def test_two_callers_at_once_dont_disturb_each_other():
    case = LARGE["rowshift"]
    given = [case.arrays(np.float32, seed) for seed in range(4)]
    expected = [case.run(conv_rowshift, *arrays) for arrays in given]
    results = {}

    def caller(i):
        for _ in range(3):
            results[i] = case.run(conv_rowshift, *given[i])

    callers = [threading.Thread(target=caller, args=(i,)) for i in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    for i in range(4):
        assert all(np.array_equal(a, b) for a, b in zip(results[i], expected[i]))


# which form runs ------------------------------------------------------------------------------------------------------


def chosen(C, O, size, kernel, stride=1, padding=0, dilation=1, groups=1, dtype=np.float32):
    pairs = [(v, v) if isinstance(v, int) else v for v in (size, kernel, stride, padding, dilation)]
    return conv.choose(C, O, *pairs, groups, np.dtype(dtype))


@pytest.mark.parametrize(
    "form, arguments, options",
    [
        ("winograd", (64, 64, 56, 3), {"padding": 1}),
        ("winograd", (256, 256, 14, 3), {"padding": 1}),
        ("rowshift", (64, 64, 56, 3), {"padding": 1, "dtype": np.float64}),
        ("rowshift", (16, 16, 32, 3), {"padding": 1}),
        ("rowshift", (64, 128, 56, 3), {"padding": 1, "stride": 2}),
        ("rowshift", (64, 64, 56, 3), {"padding": 2, "dilation": 2}),
        ("rowshift", (64, 64, 56, 3), {"padding": 1, "groups": 2}),
        ("rowshift", (64, 64, 56, (3, 5)), {"padding": 1}),
        ("rowshift", (64, 64, 56, 3), {"padding": (1, 3)}),  # padding that Winograd's input gradient can't take
        ("rowshift", (1, 6, 28, 5), {"padding": 2}),  # LeNet-5
        ("im2col", (3, 64, 224, 7), {"padding": 3, "stride": 2}),  # ResNet's stem
        ("folded", (512, 512, 7, 3), {"padding": 1}),
        ("folded", (256, 512, 14, 3), {"padding": 1, "stride": 2, "dtype": np.float64}),
        ("folded", (16, 120, 5, 5), {}),  # LeNet-5's C5: one pixel
        ("im2col", (512, 512, 7, 3), {"padding": 1, "groups": 2}),
        ("im2col", (64, 512, 7, 3), {"padding": 1}),
        ("pointwise", (256, 64, 56, 1), {}),
        ("pointwise", (256, 512, 56, 1), {"stride": 2, "dtype": np.float64}),
        ("rowshift", (64, 64, 56, 1), {"padding": 1}),
        ("rowshift", (64, 64, 56, 1), {"groups": 2}),
        ("depthwise", (96, 96, 56, 3), {"padding": 1, "groups": 96}),
        ("depthwise", (96, 96, 56, 7), {"padding": 3, "groups": 96, "dtype": np.float64}),
        ("rowshift", (96, 192, 56, 3), {"padding": 1, "groups": 96}),  # two filters a channel
    ],
)
def test_the_table(form, arguments, options):
    assert chosen(*arguments, **options) == form


@pytest.mark.parametrize("forced", FORMS)
def test_float64_never_goes_by_winograd(forced):
    for arguments in ((64, 64, 56, 3), (512, 512, 28, 3), (3, 4, 6, 3)):
        assert chosen(*arguments, padding=1, dtype=np.float64) != "winograd"
        with mt.conv_algorithm(forced):
            assert chosen(*arguments, padding=1, dtype=np.float64) != "winograd"


@pytest.mark.parametrize(
    "forced, options",
    [
        ("winograd", {"stride": 2}),
        ("winograd", {"dilation": 2}),
        ("winograd", {"groups": 2}),
        ("winograd", {"padding": 3}),
        ("winograd", {"kernel": (3, 1)}),
        ("winograd", {"dtype": np.float64}),
        ("depthwise", {}),
        ("depthwise", {"groups": 2}),
        ("pointwise", {}),
        ("pointwise", {"kernel": 1, "padding": 1}),
        ("pointwise", {"kernel": 1, "groups": 2}),
    ],
)
def test_a_forced_form_that_cant_do_it_leaves_it_to_im2col(forced, options):
    options = {"kernel": 3, **options}
    with mt.conv_algorithm(forced):
        assert chosen(64, 64, 56, **options) == "im2col"


@pytest.mark.parametrize("forced", FORMS)
def test_a_forced_form_runs_where_it_can(forced):
    case = ONE_EACH[forced]
    arguments = case.x_shape[1], case.weight_shape[0], case.image_size, case.kernel_size
    with mt.conv_algorithm(forced):
        assert chosen(*arguments, *case.options) == forced


@pytest.mark.parametrize("name", FORMS)
def test_all_three_passes_go_to_the_chosen_form(name, monkeypatch):
    ran = []

    class Recorded:
        def __getattr__(self, function):
            return lambda *arguments: ran.append(function) or getattr(FORMS[name], function)(*arguments)

    monkeypatch.setitem(conv._FORMS, name, Recorded())
    case = ONE_EACH[name]
    x, weight, bias, grad = case.arrays(np.float32)
    with mt.conv_algorithm(name):
        results = [
            conv.conv2d(x, weight, bias, *case.options),
            conv.conv2d_input_gradient(grad, weight, case.image_size, *case.options),
            conv.conv2d_weight_gradient(grad, x, case.kernel_size, *case.options),
        ]
    assert ran == ["forward", "input_gradient", "weight_gradient"]
    for got, wanted in zip(results, case.oracle(x, weight, bias, grad)):
        assert_close(got, wanted.astype(np.float32), tolerance(name, np.float32))


@pytest.mark.parametrize(
    "options",
    [
        {"padding": (1, 1)},  # Winograd's own
        {"stride": (2, 1)},
        {"dilation": (1, 2)},
        {"padding": (1, 3)},
        {"groups": 2},
        {"groups": 64},
    ],
    ids=repr,
)
def test_each_pass_takes_a_form_that_can_do_it(options):
    """64 channels and large images, where Winograd pays: one option that it, or another form, can't have."""
    weight_shape = (64, 64 // options.get("groups", 1), 3, 3)
    case = Case((1, 64, 34, 33), weight_shape, **options)
    x, weight, bias, grad = case.arrays(np.float32)
    results = (
        conv.conv2d(x, weight, bias, *case.options),
        conv.conv2d_input_gradient(grad, weight, case.image_size, *case.options),
        conv.conv2d_weight_gradient(grad, x, case.kernel_size, *case.options),
    )
    for got, wanted in zip(results, case.oracle(x, weight, bias, grad)):
        assert_close(got, wanted.astype(np.float32), WINOGRAD_RTOL)


def test_conv_algorithm_nests_and_ends_with_its_block():
    free = chosen(64, 64, 56, 3, padding=1)
    with mt.conv_algorithm("im2col"):
        assert chosen(64, 64, 56, 3, padding=1) == "im2col"
        with mt.conv_algorithm("rowshift"):
            assert chosen(64, 64, 56, 3, padding=1) == "rowshift"
        assert chosen(64, 64, 56, 3, padding=1) == "im2col"
        with pytest.raises(ZeroDivisionError), mt.conv_algorithm("rowshift"):
            1 / 0  # noqa: B018
        assert chosen(64, 64, 56, 3, padding=1) == "im2col"
    assert chosen(64, 64, 56, 3, padding=1) == free == "winograd"


def test_conv_algorithm_refuses_an_unknown_form():
    with pytest.raises(ValueError, match=r"conv_algorithm: unknown form 'fft'; known are .*im2col"):
        mt.conv_algorithm("fft")


@pytest.mark.parametrize("name", FORMS)
def test_gradients_under_a_forced_form(name, rng):
    whole = ONE_EACH[name]
    case = Case((2, *whole.x_shape[1:2], 6, 7), whole.weight_shape, *whole.options)
    with mt.conv_algorithm(name):  # float64: Winograd's falls back
        mt.gradcheck(lambda x, w, b: F.conv2d(x, w, b, *case.options), case.arrays(np.float64)[:3])
