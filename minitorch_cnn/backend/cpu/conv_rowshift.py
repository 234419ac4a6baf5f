"""Row-shift convolution: im2col which copies each pixel KW times instead of KH*KW times.

Only the column shifts need a copy. Let the buffer hold, for each kernel column v, the padded image shifted left by v and cut to
the output's width OW:

    buffer[v, c, h, j] = padded[c, h, j + v]                        (KW*C, Hp*OW)

Its rows are OW wide, so moving the window down by one row is moving OW places along the flattened rows, and the part that kernel
row u needs is a slice, which BLAS reads where it stands:

    y = sum over u of  weight[u] @ buffer[:, u*OW : (u + OH)*OW]    weight[u]: (O, KW*C)

and backward

    dweight[u].T = buffer[:, u*OW : (u + OH)*OW] @ dy.T
    dbuffer = sum over u of  weight[u].T @ (dy moved down by u rows, among zeros), which is one product when dy is written out so
    for each kernel row; then each column shift of dbuffer is added back to the padded image

Where an image has few channels, the products of the kernel rows are larger than what they are made of. Then the slices are written
out one below the other, long copies all, and one product does it: im2col again, from a buffer that is half way there.

With a vertical stride the padded image's rows are dealt out into phases (rows 0, s, 2s, ...; rows 1, s+1, ...), each the
business of some of the kernel's rows; each phase is then the case above.
"""

import numpy as np

from ..sizes import conv_output_size
from .threads import chunks, parallel, scratch, sum_of_parts


class _Phase:
    """One phase of the padded image's rows, and the kernel rows that read it: `kernel_rows` is a slice of range(KH)."""

    def __init__(self, sizes, first):
        s, d = sizes.stride[0], sizes.dilation[0]
        self.sizes = sizes
        mine = [u for u in range(sizes.KH) if u * d % s == first]
        every = mine[1] - mine[0] if len(mine) > 1 else 1
        self.first, self.kernel_rows, self.taps = first, slice(mine[0], mine[-1] + 1, every), len(mine)
        self.top = mine[0] * d // s  # rows of the phase above the first window
        self.down = every * d // s  # rows of the phase from one kernel row to the next
        self.rows = (self.taps - 1) * self.down + sizes.OH

    def shifts(self, padded):
        """The padded image (n, C, Hp, Wp) as the buffer sees it, uncopied: (n, groups, KW, C/groups, rows, OW)."""
        g = self.sizes
        n, c, h, w = padded.strides
        first = (self.first + self.top * g.stride[0]) * h  # bytes to the first row
        shape = (len(padded), g.groups, g.KW, g.c_group, self.rows, g.OW)
        strides = (n, g.c_group * c, g.dilation[1] * w, c, g.stride[0] * h, g.stride[1] * w)
        return np.ndarray(shape, padded.dtype, padded, first, strides)  # 0.1 of the time of NumPy's as_strided

    def buffer(self, n, dtype):
        g = self.sizes
        return scratch("rowshift buffer", (n, g.groups, g.KW, g.c_group, self.rows, g.OW), dtype)

    def windows(self, buffer):
        """The buffer as each kernel row sees it, uncopied: (taps, n, groups, KW*C/groups, OH*OW)."""
        g = self.sizes
        n, group, _, c, row, item = buffer.strides
        shape = (self.taps, len(buffer), g.groups, g.KW * g.c_group, g.OH * g.OW)
        return np.ndarray(shape, buffer.dtype, buffer, 0, (self.down * row, n, group, c, item))

    def lowered(self, dy):
        """The gradient (n, groups, O/groups, OH*OW), for each kernel row moved down to the rows that it saw, among zeros.

        (n, groups, taps*O/groups, rows*OW)
        """
        g = self.sizes
        n, groups, each, size = dy.shape
        lowered = scratch("rowshift lowered", (n, groups, self.taps, each, self.rows * g.OW), dy.dtype)
        lowered[...] = 0
        for tap in range(self.taps):
            first = tap * self.down * g.OW
            lowered[:, :, tap, :, first : first + size] = dy
        return lowered.reshape(n, groups, self.taps * each, -1)


class _Sizes:
    def __init__(self, channels, image_size, kernel_size, stride, padding, dilation, groups):
        self.C, self.groups, self.c_group = channels, groups, channels // groups
        (self.H, self.W), (self.KH, self.KW), (self.ph, self.pw) = image_size, kernel_size, padding
        self.stride, self.dilation = stride, dilation
        self.OH, self.OW = conv_output_size(image_size, kernel_size, stride, padding, dilation)
        self.Hp, self.Wp = self.H + 2 * self.ph, self.W + 2 * self.pw
        self.phases = [_Phase(self, first) for first in sorted({u * dilation[0] % stride[0] for u in range(self.KH)})]

    def bytes_each(self, outputs, dtype):
        """What one sample takes in the buffer and in the products."""
        floats = max(p.rows * self.OW * self.KW * self.C + p.taps * outputs * self.OH * self.OW for p in self.phases)
        return floats * np.dtype(dtype).itemsize

    def worth_threads(self, N, O):
        """Whether the convolution is so large that a second thread pays: from 5 million multiply-adds on."""
        return N * O * self.OH * self.OW * self.c_group * self.KH * self.KW > 5e6

    def padded(self, x):
        if self.ph == self.pw == 0:
            return np.ascontiguousarray(x)
        padded = scratch("rowshift padded", (len(x), self.C, self.Hp, self.Wp), x.dtype)
        padded[...] = 0
        padded[:, :, self.ph : self.ph + self.H, self.pw : self.pw + self.W] = x
        return padded


def _weight_rows(weight, groups):
    """(O, C/groups, KH, KW) -> for each kernel row a matrix a group: (KH, 1, groups, O/groups, KW*C/groups)."""
    O, c_group, KH, KW = weight.shape
    rows = weight.reshape(groups, O // groups, c_group, KH, KW).transpose(3, 0, 1, 4, 2)
    return np.ascontiguousarray(rows).reshape(KH, 1, groups, O // groups, KW * c_group)


def forward(x, weight, bias, stride, padding, dilation, groups):
    N, O = len(x), len(weight)
    g = _Sizes(x.shape[1], x.shape[2:], weight.shape[2:], stride, padding, dilation, groups)
    rows = _weight_rows(weight, groups)
    depth = g.KW * g.c_group
    few_channels = len(g.phases) == 1 and depth < O // groups  # LeNet-5's first layer takes 0.7 of the time so
    joined = rows[:, 0].transpose(1, 2, 0, 3).reshape(groups, O // groups, g.KH * depth) if few_channels else None
    y = np.empty((N, O, g.OH, g.OW), x.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, g.bytes_each(O, x.dtype)):
            total = y[a:b].reshape(b - a, groups, O // groups, g.OH * g.OW)
            padded = g.padded(x[a:b])
            for i, phase in enumerate(g.phases):
                buffer = phase.buffer(b - a, x.dtype)
                buffer[...] = phase.shifts(padded)
                if few_channels:
                    columns = scratch("rowshift columns", (b - a, groups, g.KH, depth, g.OH * g.OW), x.dtype)
                    columns[...] = phase.windows(buffer).transpose(1, 2, 0, 3, 4)
                    np.matmul(joined, columns.reshape(b - a, groups, g.KH * depth, g.OH * g.OW), out=total)
                    continue
                products = scratch("rowshift products", (phase.taps, *total.shape), x.dtype)
                np.matmul(rows[phase.kernel_rows], phase.windows(buffer), out=products)
                if i == 0:
                    np.add.reduce(products, axis=0, out=total)
                else:
                    for product in products:
                        total += product
            if bias is not None:
                y[a:b] += bias[:, None, None]

    parallel(N, part, g.worth_threads(N, O))
    return y


def weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    N, O = grad.shape[:2]
    C, (KH, KW) = x.shape[1], kernel_size
    g = _Sizes(C, x.shape[2:], kernel_size, stride, padding, dilation, groups)
    sums = {}

    def part(lo, hi):
        total = np.zeros((KH, groups, KW * C // groups, O // groups), grad.dtype)
        for a, b in chunks(lo, hi, g.bytes_each(0, x.dtype)):
            dy_t = grad[a:b].reshape(1, b - a, groups, O // groups, g.OH * g.OW).swapaxes(3, 4)
            if O // groups >= 32:  # a copy pays: each tap's product then takes 0.5 of the time on AVX-512, 0.9 on AVX2
                copy = scratch("rowshift transposed gradient", dy_t.shape, grad.dtype)
                copy[...] = dy_t
                dy_t = copy
            padded = g.padded(x[a:b])
            for phase in g.phases:
                buffer = phase.buffer(b - a, x.dtype)
                buffer[...] = phase.shifts(padded)
                total[phase.kernel_rows] += (phase.windows(buffer) @ dy_t).sum(1)
        sums[lo] = total

    parallel(N, part, g.worth_threads(N, O))
    total = sum_of_parts(sums).reshape(KH, groups, KW, C // groups, O // groups)
    return np.ascontiguousarray(total.transpose(1, 4, 3, 0, 2)).reshape(O, C // groups, KH, KW)


def input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    O, c_group, KH, KW = weight.shape
    mirrored = tuple(d * (k - 1) - p for d, k, p in zip(dilation, (KH, KW), padding))
    if stride == (1, 1) and min(mirrored) >= 0 and O <= 2 * c_group * groups:
        # without a stride it is a convolution of dy with the weight turned by 180 degrees, inputs and outputs exchanged
        turned = weight.reshape(groups, O // groups, c_group, KH, KW)[..., ::-1, ::-1].swapaxes(1, 2)
        turned = turned.reshape(groups * c_group, O // groups, KH, KW)
        return forward(grad, turned, None, (1, 1), mirrored, dilation, groups)
    return transposed(grad, weight, image_size, stride, padding, dilation, groups)


def transposed(grad, weight, image_size, stride, padding, dilation, groups):
    """The input gradient for any stride: the steps of `forward` in reverse."""
    N, O = grad.shape[:2]
    C = weight.shape[1] * groups
    g = _Sizes(C, image_size, weight.shape[2:], stride, padding, dilation, groups)
    rows = _weight_rows(weight, groups)
    # of each phase: its kernel rows side by side, (groups, KW*C/groups, taps*O/groups)
    matrices = [
        rows[phase.kernel_rows, 0].transpose(1, 3, 0, 2).reshape(groups, rows.shape[-1], -1) for phase in g.phases
    ]
    gx = np.empty((N, C, *image_size), grad.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, g.bytes_each(O, grad.dtype)):
            dy = grad[a:b].reshape(b - a, groups, O // groups, g.OH * g.OW)
            padded = scratch("rowshift padded", (b - a, C, g.Hp, g.Wp), grad.dtype)
            padded[...] = 0
            for phase, matrix in zip(g.phases, matrices):
                buffer = phase.buffer(b - a, grad.dtype)
                np.matmul(matrix, phase.lowered(dy), out=buffer.reshape(b - a, groups, rows.shape[-1], -1))
                shifts = phase.shifts(padded)
                for v in range(g.KW):
                    shifts[:, :, v] += buffer[:, :, v]
            gx[a:b] = padded[:, :, g.ph : g.ph + g.H, g.pw : g.pw + g.W]

    parallel(N, part, g.worth_threads(N, O))
    return gx
