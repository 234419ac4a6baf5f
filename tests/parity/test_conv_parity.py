"""conv2d, conv_transpose2d, unfold, fold and linear against PyTorch."""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, both_refuse  # noqa: E402  after the skip

CONV_OPTIONS = [
    dict(),
    dict(stride=2),
    dict(stride=(1, 3)),
    dict(stride=(3, 2), padding=(2, 1)),
    dict(padding=4),  # larger than the kernel
    dict(padding=(0, 3)),
    dict(padding="valid"),
    dict(padding="valid", stride=(2, 1), dilation=(1, 2)),
    dict(padding="same"),
    dict(padding="same", dilation=(2, 3)),
    dict(padding="same", dilation=(3, 1), groups=2),
    dict(dilation=2),
    dict(dilation=(3, 1), padding=(2, 0)),
    dict(groups=2),
    dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
    dict(stride=[2, 3], padding=[1, 0], dilation=[2, 1]),  # lists do too
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # PyTorch's, of its own speed
@pytest.mark.parametrize("options", CONV_OPTIONS, ids=str)
@pytest.mark.parametrize("kernel_size", [(3, 2), (2, 4)], ids=["3x2", "2x4"])
def test_conv2d_with_every_option(options, kernel_size, rng):
    groups = options.get("groups", 1)
    x = rng.standard_normal((3, 4, 11, 9))
    weight, bias = rng.standard_normal((6, 4 // groups, *kernel_size)), rng.standard_normal(6)
    agree(lambda F, x, w, b: F.conv2d(x, w, b, **options), x, weight, bias)


# kernels and images that take the other forms of convolution: pointwise, depthwise, row-shift, im2col
@pytest.mark.parametrize(
    "image, weight, options",
    [
        ((2, 5, 9, 7), (3, 5, 1, 1), dict()),
        ((2, 5, 9, 7), (3, 5, 1, 1), dict(stride=(2, 3))),
        ((2, 5, 9, 7), (3, 5, 1, 1), dict(padding=(1, 0))),
        ((2, 6, 9, 7), (3, 2, 1, 1), dict(groups=3)),
        ((2, 5, 9, 7), (5, 1, 3, 2), dict(groups=5)),
        ((2, 5, 9, 7), (5, 1, 3, 2), dict(groups=5, stride=(1, 2), padding=(2, 1), dilation=(2, 1))),
        ((2, 3, 9, 7), (6, 1, 3, 2), dict(groups=3, padding=1)),  # two filters a channel
        ((2, 8, 13, 12), (5, 8, 3, 3), dict(padding=1)),
        ((2, 8, 13, 12), (5, 8, 5, 3), dict(stride=(2, 1), padding=(2, 1))),
        ((1, 1, 4, 5), (1, 1, 4, 5), dict()),  # one output pixel
        ((3, 3, 17, 19), (4, 3, 7, 7), dict(stride=2, padding=3)),  # a stem
        ((1, 2, 3, 40), (3, 2, 3, 1), dict(stride=(5, 1))),  # the stride is larger than the image
    ],
    ids=str,
)
def test_conv2d_of_every_form(image, weight, options, rng):
    x, weight = rng.standard_normal(image), rng.standard_normal(weight)
    agree(lambda F, x, w, b: F.conv2d(x, w, b, **options), x, weight, rng.standard_normal(len(weight)))
    agree(lambda F, x, w: F.conv2d(x, w, None, **options), x, weight)


# summing 64*9 products in float32; Winograd's transformed products lose another factor of ten, as PyTorch's own would
@pytest.mark.parametrize("form, rtol", [("im2col", SINGLE), ("rowshift", SINGLE), ("winograd", 1e-4)])
def test_conv2d_in_float32(form, rtol, rng):
    x = rng.standard_normal((2, 64, 15, 14)).astype(np.float32)
    weight = rng.standard_normal((66, 64, 3, 3)).astype(np.float32)
    bias = rng.standard_normal(66).astype(np.float32)
    with mt.conv_algorithm(form):
        agree(lambda F, x, w, b: F.conv2d(x, w, b, padding=1), x, weight, bias, rtol=rtol)


TRANSPOSE_OPTIONS = [
    dict(),
    dict(stride=2),
    dict(stride=(3, 2), output_padding=(2, 1)),
    dict(stride=(2, 3), padding=(1, 2), output_padding=(0, 2)),
    dict(padding=1),
    dict(padding=(2, 0)),
    dict(dilation=(2, 3)),
    dict(dilation=(2, 3), output_padding=(1, 2)),
    dict(groups=2),
    dict(groups=2, stride=(2, 1), padding=(1, 0), dilation=(1, 2), output_padding=(1, 1)),
    dict(stride=[2, 3], padding=[1, 1], output_padding=[1, 2], dilation=[1, 2]),
]


@pytest.mark.parametrize("options", TRANSPOSE_OPTIONS, ids=str)
@pytest.mark.parametrize("kernel_size", [(3, 2), (1, 4)], ids=["3x2", "1x4"])
def test_conv_transpose2d_with_every_option(options, kernel_size, rng):
    groups = options.get("groups", 1)
    x = rng.standard_normal((3, 4, 5, 7))
    weight, bias = rng.standard_normal((4, 6 // groups, *kernel_size)), rng.standard_normal(6)
    agree(lambda F, x, w, b: F.conv_transpose2d(x, w, b, **options), x, weight, bias)
    agree(lambda F, x, w: F.conv_transpose2d(x, w, **options), x, weight)


def test_conv_transpose2d_takes_its_options_in_pytorch_s_order(rng):
    x, weight = rng.standard_normal((2, 4, 5, 7)), rng.standard_normal((4, 3, 3, 2))
    # stride, padding, output_padding, groups, dilation: groups before dilation, other than in conv2d
    agree(lambda F, x, w: F.conv_transpose2d(x, w, None, (3, 4), (1, 0), (1, 2), 2, (2, 3)), x, weight)


UNFOLD_OPTIONS = [
    dict(kernel_size=3),
    dict(kernel_size=(2, 3), dilation=(3, 2)),
    dict(kernel_size=(3, 1), padding=(1, 2)),
    dict(kernel_size=(3, 2), stride=(2, 3)),
    dict(kernel_size=(3, 2), dilation=(1, 2), padding=(2, 1), stride=(3, 2)),
    dict(kernel_size=[3, 2], dilation=2, padding=1, stride=2),
]


@pytest.mark.parametrize("options", UNFOLD_OPTIONS, ids=str)
def test_unfold_and_fold(options, rng):
    columns = agree(lambda F, x: F.unfold(x, **options), rng.standard_normal((2, 3, 9, 8)), rtol=0)
    agree(lambda F, c: F.fold(c, (9, 8), **options), rng.standard_normal(columns.shape))


def test_unfold_and_fold_take_their_options_in_pytorch_s_order(rng):
    columns = agree(lambda F, x: F.unfold(x, (3, 2), 2, (1, 0), (2, 3)), rng.standard_normal((2, 3, 9, 8)), rtol=0)
    agree(lambda F, c: F.fold(c, (9, 8), (3, 2), 2, (1, 0), (2, 3)), rng.standard_normal(columns.shape))


@pytest.mark.parametrize("shape", [(4, 5), (5,), (2, 3, 4, 5), (0, 5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape, bias, rng):
    x, weight = rng.standard_normal(shape), rng.standard_normal((3, 5))
    agree(lambda F, x, w, b: F.linear(x, w, b), x, weight, rng.standard_normal(3) if bias else None)


REFUSED = [
    (lambda F, x, w: F.conv2d(x, w, groups=2), "4 channels"),
    (lambda F, x, w: F.conv2d(x, w, groups=3), "4 channels"),
    (lambda F, x, w: F.conv2d(x, w, w), "dimension|bias"),
    (lambda F, x, w: F.conv2d(x, w, stride=0), "stride"),
    (lambda F, x, w: F.conv2d(x, w, stride=(1, 1, 1)), "stride"),
    (lambda F, x, w: F.conv2d(x, w, dilation=0), "dilation"),
    (lambda F, x, w: F.conv2d(x, w, padding=-1), "padding"),
    (lambda F, x, w: F.conv2d(x, w, padding="full"), "padding"),
    (lambda F, x, w: F.conv2d(x, w, padding="same", stride=2), "stride 1"),
    (lambda F, x, w: F.conv2d(x, w, dilation=9), "larger than the image"),
    (lambda F, x, w: F.conv2d(x, w, groups=0), "groups"),
    (lambda F, x, w: F.conv_transpose2d(x, w), "channels"),
    (lambda F, x, w: F.conv_transpose2d(x, w[:4], output_padding=1), "output_padding"),
    (lambda F, x, w: F.conv_transpose2d(x[:, :, :1], w[:4], padding=3), "size"),
    (lambda F, x, w: F.unfold(x, 20), "larger than the image"),
    (lambda F, x, w: F.fold(x[0, :, :, :3], (5, 5), 2), "rows|columns"),
    (lambda F, x, w: F.linear(x, w[0, 0]), "features"),
]


@pytest.mark.parametrize("call, match", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_what_pytorch_refuses_is_refused(call, match, rng):
    both_refuse(call, rng.standard_normal((3, 4, 7, 6)), rng.standard_normal((5, 4, 3, 2)), match=match)
