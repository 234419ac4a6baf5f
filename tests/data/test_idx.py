"""read_idx: every type and shape comes back, and no damaged file gets through unnoticed."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minitorch_cnn.data import read_idx

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array):
    """The file's bytes, straight from the format's description."""
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write(folder, content, name="some-idx3-ubyte"):
    path = folder / name
    path.write_bytes(content)
    return path


ARRAY = np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5) - 7


def test_hand_written_file(tmp_path):
    # big-endian int16 300 = 0x012c and -2 = 0xfffe
    path = write(tmp_path, bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 0x01, 0x2C, 0xFF, 0xFE]))
    assert read_idx(path).tolist() == [300, -2]


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("zipped", [False, True])
@settings(deadline=None, derandomize=True, max_examples=15)
@given(data=st.data())
def test_every_type_and_shape_comes_back(tmp_path_factory, dtype, zipped, data):
    shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
    array = data.draw(hnp.arrays(dtype, shapes))
    content = idx_bytes(array)
    path = write(tmp_path_factory.mktemp("idx"), gzip.compress(content) if zipped else content)
    read = read_idx(path)
    assert read.dtype == array.dtype and read.dtype.isnative
    np.testing.assert_array_equal(read, array)
    read[...] = 0  # may be written to


def test_a_zipped_file_is_known_by_its_content_and_not_by_its_name(tmp_path):
    assert read_idx(write(tmp_path, gzip.compress(idx_bytes(ARRAY)), "no-ending")).shape == (2, 3, 5)
    assert read_idx(write(tmp_path, idx_bytes(ARRAY), "plain.gz")).shape == (2, 3, 5)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_cut_short_anywhere_is_an_error_that_names_it(tmp_path, zipped):
    content = gzip.compress(idx_bytes(ARRAY)) if zipped else idx_bytes(ARRAY)
    for length in range(len(content)):
        path = write(tmp_path, content[:length])
        with pytest.raises(ValueError, match="some-idx3-ubyte"):
            read_idx(path)


def test_any_flipped_bit_of_a_zipped_file_is_an_error_or_harmless(tmp_path):
    array = ARRAY[0]
    content = gzip.compress(idx_bytes(array), mtime=0)
    harmless = set()
    for position in range(len(content)):
        for bit in range(8):
            altered = bytearray(content)
            altered[position] ^= 1 << bit
            path = write(tmp_path, altered)
            try:
                read = read_idx(path)
            except ValueError as error:
                assert str(path) in str(error)
            else:
                np.testing.assert_array_equal(read, array)
                harmless.add(position)
    # Harmless are, in gzip's header (RFC 1952), the time, the level and the system, and bits of the stream that aren't used or say
    # the same in another way; never the last 8 bytes, which are the checksum and the length.
    assert max(harmless) < len(content) - 8


def test_cut_short_says_what_is_promised_and_what_is_there(tmp_path):
    path = write(tmp_path, idx_bytes(np.zeros((40, 28, 28), np.uint8))[:-1000])
    message = (
        r"some-idx3-ubyte: the header promises 40 x 28 x 28 values of uint8 = 31,360 bytes, "
        r"but it ends after 30,360; the file is cut short$"
    )
    with pytest.raises(ValueError, match=message):
        read_idx(path)


def test_cut_short_in_the_zipped_stream_says_how_far_it_is_good(tmp_path, rng):
    values = rng.integers(
        0, 256, (40, 28, 28), np.uint8
    )  # random, so that half of the file is about half of the values
    content = gzip.compress(idx_bytes(values))
    path = write(tmp_path, content[: len(content) // 2])
    with pytest.raises(
        ValueError, match=r"= 31,360 bytes, but it ends after 1\d,\d\d\d; the file is cut short \(gzip: .*ended"
    ):
        read_idx(path)


def test_a_wrong_gzip_checksum_is_an_error_although_all_values_are_there(tmp_path):
    content = bytearray(gzip.compress(idx_bytes(ARRAY)))
    content[-8] ^= 1  # the CRC-32 is in the 8th to 5th byte from the end
    with pytest.raises(ValueError, match=r"as many are there, but the file is damaged \(gzip: CRC check failed"):
        read_idx(write(tmp_path, content))


def test_more_than_promised_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"2 x 3 x 5 values of int16 = 60 bytes, but there are more behind them"):
        read_idx(write(tmp_path, idx_bytes(ARRAY) + b"\0"))


def test_no_idx_file_shows_what_it_starts_with(tmp_path):
    with pytest.raises(ValueError, match=r"no idx file: it starts with the bytes 3c 21 44 4f, .*08 uint8.*<!DO"):
        read_idx(write(tmp_path, b"<!DOCTYPE html><title>404</title>"))


@pytest.mark.parametrize("magic", [(0, 0, 0x0A, 3), (0, 0, 8, 0), (0, 0, 8, 33), (0, 1, 8, 3), (1, 0, 8, 3)])
def test_wrong_magic(tmp_path, magic):
    with pytest.raises(ValueError, match="no idx file: it starts with the bytes"):
        read_idx(write(tmp_path, bytes(magic) + bytes(200)))


def test_an_empty_file(tmp_path):
    with pytest.raises(ValueError, match="ends after 0 of the header's first 4 bytes"):
        read_idx(write(tmp_path, b""))


def test_cut_short_within_the_extents(tmp_path):
    with pytest.raises(ValueError, match="promises 3 extents of 4 bytes, but ends after 7 bytes"):
        read_idx(write(tmp_path, idx_bytes(ARRAY)[:11]))


@pytest.mark.parametrize("extents", [(2**32 - 1, 2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1, 0)])
def test_enormous_extents_are_an_error_and_no_attempt_to_make_room(tmp_path, extents):
    with pytest.raises(ValueError, match="the header promises 4294967295 x 4294967295 x"):
        read_idx(write(tmp_path, bytes([0, 0, 8, 3]) + struct.pack(">3I", *extents)))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        read_idx(tmp_path / "nothing-here")
