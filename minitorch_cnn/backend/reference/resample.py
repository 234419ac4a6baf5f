"""Images of another size, each pixel a weighted sum of those that it covers: along the rows and along the columns, in loops."""

import numpy as np

__all__ = ["resample"]


def resample(x, rows, row_weights, columns, column_weights):
    N, C, H, W = x.shape
    y = np.empty((N, C, rows.shape[1], columns.shape[1]), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        # what belongs to all samples has one row
        top, over_rows = rows[n % len(rows), i], row_weights[n % len(rows), i]
        left, over_columns = columns[n % len(columns), j], column_weights[n % len(columns), j]
        value = 0.0
        for k, row_weight in enumerate(over_rows):
            for m, column_weight in enumerate(over_columns):
                value += float(row_weight) * float(column_weight) * float(x[n, c, top + k, left + m])
        y[n, c, i, j] = min(max(np.rint(value), 0), 255) if x.dtype == np.uint8 else value
    return y
