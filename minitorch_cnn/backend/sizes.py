"""How large what comes out of a window operator is (Dumoulin, Visin, arXiv 1603.07285)."""


def conv_output_size(image_size, kernel_size, stride, padding, dilation):
    """(OH, OW) of a convolution or of pooling without ceil_mode: floor((n + 2p - d*(k-1) - 1) / s) + 1 for each axis.

    >>> conv_output_size((28, 28), (5, 5), (1, 1), (2, 2), (1, 1))
    (28, 28)
    """
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(image_size, kernel_size, stride, padding, dilation)
    )
