"""How large what comes out of a window operator is (Dumoulin, Visin, arXiv 1603.07285)."""


def conv_output_size(image_size, kernel_size, stride, padding, dilation):
    """(OH, OW) of a convolution or of pooling without ceil_mode: floor((n + 2p - d*(k-1) - 1) / s) + 1 for each axis.

    >>> conv_output_size((28, 28), (5, 5), (1, 1), (2, 2), (1, 1))
    (28, 28)
    """
    (H, W), (KH, KW), (sh, sw), (ph, pw), (dh, dw) = image_size, kernel_size, stride, padding, dilation
    return (H + 2 * ph - dh * (KH - 1) - 1) // sh + 1, (W + 2 * pw - dw * (KW - 1) - 1) // sw + 1


def pool_output_size(image_size, kernel_size, stride, padding, dilation, ceil_mode):
    """(OH, OW) of pooling. With ceil_mode a last window that hangs over the edge counts, unless it would begin in the padding.

    >>> pool_output_size((5, 5), (2, 2), (2, 2), (0, 0), (1, 1), ceil_mode=True)
    (3, 3)
    """
    if not ceil_mode:
        return conv_output_size(image_size, kernel_size, stride, padding, dilation)
    size = []
    for n, k, s, p, d in zip(image_size, kernel_size, stride, padding, dilation):
        out = -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1
        if (out - 1) * s >= n + p:
            out -= 1
        size.append(out)
    return tuple(size)


def adaptive_windows(n, out):
    """[(start, end)] of adaptive pooling: window i of `out` is floor(i*n/out) to ceil((i+1)*n/out); they may overlap.

    >>> adaptive_windows(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]
