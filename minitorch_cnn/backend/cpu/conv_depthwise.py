"""Depthwise convolution: each channel has its own kernel and sees no other, so there is no matrix product to win with.

What is left are KH*KW multiply-adds over whole images. With the padded image's rows laid end to end, width Wp, kernel place (u, v)
is the same image u*Wp + v places further on:

    acc[c, :] += weight[c, u, v] * flat[c, u*Wp + v :]

so each of these is one long contiguous NumPy call; the Wp - OW columns that wrapped around at the end of each row are cut off last.
With a stride, the padded image is first dealt out into stride*stride smaller images (phases), each the case above.
"""

import numpy as np

from ..sizes import conv_output_size
from .threads import chunks, parallel, scratch, sum_of_parts


class _Sizes:
    def __init__(self, image_size, kernel_size, stride, padding, dilation):
        (self.H, self.W), (self.ph, self.pw) = image_size, padding
        self.stride, (sh, sw) = stride, stride
        self.OH, self.OW = conv_output_size(image_size, kernel_size, stride, padding, dilation)
        # of each phase: height, width, and one more row so that the last kernel place may run past the end
        self.h, self.w = -(-(self.H + 2 * self.ph) // sh) + 1, -(-(self.W + 2 * self.pw) // sw)
        self.length = self.OH * self.w
        # kernel place -> (phase, places further on)
        self.taps = {
            (u, v): ((u * dh % sh) * sw + v * dw % sw, u * dh // sh * self.w + v * dw // sw)
            for dh, dw in [dilation]
            for u in range(kernel_size[0])
            for v in range(kernel_size[1])
        }

    def padded(self, n, C, dtype):
        """A zeroed image with room for every phase, and its inside."""
        image = scratch("depthwise padded", (n, C, self.h * self.stride[0], self.w * self.stride[1]), dtype)
        image[...] = 0
        return image, image[:, :, self.ph : self.ph + self.H, self.pw : self.pw + self.W]

    def phases(self, image):
        """A padded image dealt out: a view (sh, sw, n, C, h, w)."""
        (n, C), (sh, sw) = image.shape[:2], self.stride
        return image.reshape(n, C, self.h, sh, self.w, sw).transpose(3, 5, 0, 1, 2, 4)

    def flat(self, x):
        """The phases of the padded x, rows end to end: (phases, n, C, h*w)."""
        image, inside = self.padded(len(x), x.shape[1], x.dtype)
        inside[...] = x
        phases = self.phases(image)
        if self.stride != (1, 1):
            dealt = scratch("depthwise phases", phases.shape, x.dtype)
            dealt[...] = phases
            phases = dealt
        return phases.reshape(-1, len(x), x.shape[1], self.h * self.w)

    def chunks(self, lo, hi, channels, dtype):
        return chunks(lo, hi, channels * self.length * np.dtype(dtype).itemsize, limit=1 << 20)


def forward(x, weight, bias, stride, padding, dilation, groups):
    N, C = x.shape[:2]
    g = _Sizes(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = np.empty((N, C, g.OH, g.OW), x.dtype)

    def part(lo, hi):
        for a, b in g.chunks(lo, hi, C, x.dtype):
            flat = g.flat(x[a:b])
            total = scratch("depthwise total", (b - a, C, g.length), x.dtype)
            product = scratch("depthwise product", total.shape, x.dtype)
            for k, ((u, v), (phase, at)) in enumerate(g.taps.items()):
                shifted = flat[phase][..., at : at + g.length]
                np.multiply(shifted, weight[:, 0, u, v, None], out=product if k else total)
                if k:
                    total += product
            rows = total.reshape(b - a, C, g.OH, g.w)[..., : g.OW]
            if bias is None:
                y[a:b] = rows
            else:
                np.add(rows, bias[:, None, None], out=y[a:b])

    parallel(N, part)
    return y


def input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    N, C = grad.shape[:2]
    g = _Sizes(image_size, weight.shape[2:], stride, padding, dilation)
    gx = np.empty((N, C, *image_size), grad.dtype)

    def part(lo, hi):
        for a, b in g.chunks(lo, hi, C, grad.dtype):
            dy = _widened(grad[a:b], g)
            product = scratch("depthwise product", dy.shape, grad.dtype)
            flat = scratch("depthwise phases", (stride[0] * stride[1], b - a, C, g.h * g.w), grad.dtype)
            flat[...] = 0
            for (u, v), (phase, at) in g.taps.items():
                np.multiply(dy, weight[:, 0, u, v, None], out=product)
                flat[phase][..., at : at + g.length] += product
            if stride == (1, 1):
                image = flat.reshape(b - a, C, g.h, g.w)
            else:
                image = scratch("depthwise padded", (b - a, C, g.h * stride[0], g.w * stride[1]), grad.dtype)
                phases = g.phases(image)
                phases[...] = flat.reshape(phases.shape)
            gx[a:b] = image[:, :, g.ph : g.ph + g.H, g.pw : g.pw + g.W]

    parallel(N, part)
    return gx


def weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    N, C = x.shape[:2]
    g = _Sizes(x.shape[2:], kernel_size, stride, padding, dilation)
    sums = {}

    def part(lo, hi):
        total = np.zeros((C, *kernel_size), grad.dtype)
        for a, b in g.chunks(lo, hi, C, grad.dtype):
            dy, flat = _widened(grad[a:b], g), g.flat(x[a:b])
            for (u, v), (phase, at) in g.taps.items():
                total[:, u, v] += np.einsum("ncl,ncl->nc", dy, flat[phase][..., at : at + g.length]).sum(0)
        sums[lo] = total

    parallel(N, part)
    return sum_of_parts(sums).reshape(C, 1, *kernel_size)


def _widened(grad, g):
    """The gradient with rows as wide as the padded image's, zeros in the columns that were cut off: (n, C, OH*w)."""
    n, C = grad.shape[:2]
    wide = scratch("depthwise gradient", (n, C, g.OH, g.w), grad.dtype)
    wide[..., : g.OW] = grad
    wide[..., g.OW :] = 0
    return wide.reshape(n, C, g.length)
