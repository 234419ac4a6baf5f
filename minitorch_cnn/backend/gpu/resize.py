"""A linear map along the rows and one along the columns of each image, as two matrix products."""

import cupy

__all__ = ["separable_map"]


def separable_map(x, rows, columns):
    return cupy.matmul(cupy.matmul(rows, x), columns.T)  # (OH, H) @ (N, C, H, W), then @ (W, OW)
