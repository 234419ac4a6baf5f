"""Winograd's minimal filtering for 3x3 convolutions without a stride (Lavin, Gray, arXiv 1509.09308).

F(m, 3) makes m outputs of a 3-tap filter with m + 2 multiplications instead of 3m. In two dimensions, for each tile d of
(m+2) x (m+2) pixels and each filter g of 3 x 3:

    Y = A^T [ (G g G^T) * (B^T d B) ] A            * is elementwise, Y has m x m pixels

Tiles overlap by 2 pixels. Over channels the elementwise product becomes a matrix product for each of the (m+2)^2 places of a tile,
and the transforms of all tiles are one product each as well, with tile places flattened: B^T d B is kron(B^T, B^T) @ d.
F(4, 3) needs a quarter of the multiplications; transforms included, 2.2 times less work at 64 channels.

The price is rounding: in float32 an error of some 5e-6 of the largest output for F(4, 3), against 5e-7. So it is for float32 only.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .threads import chunks, one_blas_thread, parallel, scratch, sum_of_parts

_B2 = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
_G2 = [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]
_A2 = [[1, 1, 1, 0], [0, 1, -1, -1]]

_B4 = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_G4 = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_A4 = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


def _kron(matrix):
    return np.kron(matrix, matrix).astype(np.float32)


# m: B^T, G and A^T for both axes at once: ((m+2)^2, (m+2)^2), ((m+2)^2, 9), (m^2, (m+2)^2)
_TRANSFORMS = {2: (_kron(_B2), _kron(_G2), _kron(_A2)), 4: (_kron(_B4), _kron(_G4), _kron(_A4))}


def tile_size(image_size):
    """m of the F(m, 3) to use: 4 has less arithmetic, 2 less waste at the edges of a small image."""
    return 4 if min(image_size) >= 20 else 2


class _Tiles:
    """How an image of (OH, OW) outputs is cut into tiles."""

    def __init__(self, OH, OW, m):
        self.OH, self.OW, self.m = OH, OW, m
        self.th, self.tw = -(-OH // m), -(-OW // m)
        self.count = self.th * self.tw

    def transformed(self, x, padding, B):
        """V = kron(B^T, B^T) @ tiles: (n, C, H, W) -> ((m+2)^2, C, n*tiles)."""
        n, C, H, W = x.shape
        ph, pw = padding
        m, k = self.m, self.m + 2
        padded = scratch("winograd padded", (n, C, self.th * m + 2, self.tw * m + 2), x.dtype)
        padded[...] = 0
        padded[:, :, ph : ph + H, pw : pw + W] = x
        s, c, h, w = padded.strides
        tiles = as_strided(padded, (k, k, C, n, self.th, self.tw), (h, w, c, s, m * h, m * w))
        d = scratch("winograd tiles", tiles.shape, x.dtype)
        d[...] = tiles
        V = scratch("winograd transformed", (k * k, C * n * self.count), x.dtype)
        return np.matmul(B, d.reshape(k * k, -1), out=V).reshape(k * k, C, -1)

    def places(self, y):
        """The outputs (n, O, th*m, tw*m) tile by tile: a view (m, m, O, n, th, tw)."""
        m = self.m
        s, o, h, w = y.strides
        return as_strided(y, (m, m, y.shape[1], len(y), self.th, self.tw), (h, w, o, s, m * h, m * w))

    def whole(self, n, O, dtype):
        """An array for n images of full tiles: as large as the outputs, or larger."""
        return scratch("winograd whole", (n, O, self.th * self.m, self.tw * self.m), dtype)


def forward(x, weight, bias, stride, padding, dilation, groups):
    N, (O, C) = len(x), weight.shape[:2]
    OH, OW = x.shape[2] + 2 * padding[0] - 2, x.shape[3] + 2 * padding[1] - 2
    m = tile_size((OH, OW))
    tiles, (B, G, A) = _Tiles(OH, OW, m), _TRANSFORMS[m]
    k2 = (m + 2) ** 2
    with one_blas_thread:
        U = np.ascontiguousarray((weight.reshape(O * C, 9) @ G.T).T).reshape(k2, O, C)
    y = np.empty((N, O, OH, OW), x.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, 4 * k2 * C * tiles.count, limit=3 << 19):
            n = b - a
            V = tiles.transformed(x[a:b], padding, B)  # (k2, C, n*tiles)
            M = np.matmul(U, V, out=scratch("winograd products", (k2, O, n * tiles.count), x.dtype))
            Y = np.matmul(A, M.reshape(k2, -1), out=scratch("winograd outputs", (m * m, O * n * tiles.count), x.dtype))
            whole = tiles.whole(n, O, x.dtype)
            tiles.places(whole)[...] = Y.reshape(m, m, O, n, tiles.th, tiles.tw)
            if bias is None:
                y[a:b] = whole[:, :, :OH, :OW]
            else:
                np.add(whole[:, :, :OH, :OW], bias[:, None, None], out=y[a:b])

    parallel(N, part)
    return y


def input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
    return forward(grad, np.ascontiguousarray(turned), None, stride, (2 - padding[0], 2 - padding[1]), dilation, groups)


def weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    """The transposes of the forward pass's steps: dU = (A dY A^T) @ V^T at each place of the tile, dg = G^T dU G."""
    N, O, OH, OW = grad.shape
    C = x.shape[1]
    m = tile_size((OH, OW))
    tiles, (B, G, A) = _Tiles(OH, OW, m), _TRANSFORMS[m]
    k2 = (m + 2) ** 2
    sums = {}

    def part(lo, hi):
        dU = np.zeros((k2, O, C), grad.dtype)
        for a, b in chunks(lo, hi, 4 * k2 * C * tiles.count, limit=3 << 19):
            n = b - a
            V = tiles.transformed(x[a:b], padding, B)  # (k2, C, n*tiles)
            whole = tiles.whole(n, O, grad.dtype)
            whole[...] = 0
            whole[:, :, :OH, :OW] = grad[a:b]
            dY = scratch("winograd outputs", (m, m, O, n, tiles.th, tiles.tw), grad.dtype)
            dY[...] = tiles.places(whole)
            dM = np.matmul(
                A.T, dY.reshape(m * m, -1), out=scratch("winograd products", (k2, O * n * tiles.count), grad.dtype)
            )
            dU += dM.reshape(k2, O, -1) @ V.swapaxes(1, 2)
        sums[lo] = dU

    parallel(N, part)
    dU = sum_of_parts(sums)
    with one_blas_thread:
        return np.ascontiguousarray((G.T @ dU.reshape(k2, O * C)).T).reshape(O, C, 3, 3)
