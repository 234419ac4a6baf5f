"""bfloat16: the upper half of a float32. It has float32's sign and 8 bits of exponent, and 7 of its 23 bits of mantissa.

NumPy has no such type. The bits are read as 16-bit integers and put into the upper halves of zeros: a float32 of just that value.
"""

import numpy as np

# what stands for it among NumPy's dtypes: two bytes with a name
BFLOAT16 = np.dtype([("bfloat16", "<u2")])


def widened(row):
    """An array of BFLOAT16 as float32, exactly.

    >>> one_and_a_half = np.array([0x3FC0], np.uint16)
    >>> widened(one_and_a_half.view(BFLOAT16))
    array([1.5], dtype=float32)
    """
    return (row["bfloat16"].astype(np.uint32) << np.uint32(16)).view(np.float32)
