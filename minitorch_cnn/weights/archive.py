"""Zip archives, mapped into memory: an entry that is stored as it is, is read where it lies.

A zip archive is a row of entries and a table of contents at its end:

    "PK\\3\\4", 22 bytes, length of name, length of extra, name, extra, content      an entry, for each file
    ...
    the table: for each its name, its place, its sizes, the CRC-32 of its content

`zipfile` reads the table. The contents are views of the mapped file, and each is checked against its CRC-32 as it is asked for:
1 GB/s, and a flipped bit anywhere in it is found. PyTorch can be told not to compute checksums; then it writes 0 for all.

A table may be made to promise more than any memory holds: a thousand names for one entry, or zeros, which deflate packs 1 : 1000.
So entries must not overlap, and what is compressed may become 256 MiB, or twenty times the file.
"""

import itertools
import mmap
import struct
import zipfile
import zlib

import numpy as np

from .errors import WeightsError

MOST_UNPACKED = 256 << 20  # bytes, or
MOST_RATIO = 20  # times the file: weights become a tenth smaller, those that were pruned perhaps ten times
LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, length of the name, length of the extra field


class Archive:
    """The entries of a zip archive.

    Args:
        file: an open binary file; it may be closed afterwards.
    Raises: WeightsError if it is no zip archive, is cut short, has two entries of one name or place, or would unpack to too much.
    """

    def __init__(self, file):
        self.buffer = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        try:
            entries = zipfile.ZipFile(file).infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, OSError, struct.error) as error:
            raise WeightsError(f"a zip archive that is damaged or cut short ({error})") from None
        self.entries = {entry.filename: entry for entry in entries}
        if len(self.entries) < len(entries):
            raise WeightsError("a zip archive with two entries of the same name; the file is damaged")
        self.has_checksums = any(entry.CRC for entry in entries)
        places = sorted(self._place(entry) for entry in entries)
        if any(begin < end for (_, end), (begin, _) in itertools.pairwise(places)):
            raise WeightsError("a zip archive whose entries overlap; the file was altered")
        unpacked = sum(entry.file_size for entry in entries if entry.compress_type != zipfile.ZIP_STORED)
        if unpacked > max(MOST_UNPACKED, MOST_RATIO * len(self.buffer)):
            raise WeightsError(
                f"a zip archive of {len(self.buffer):,} bytes that would unpack to {unpacked:,}, which no weights do; "
                f"if you trust it, unpack it and pack it with `zip -0`"
            )

    def __contains__(self, name):
        return name in self.entries

    def read(self, name):
        """The content of an entry, as a read-only array of uint8. Raises: WeightsError if it is damaged or isn't there."""
        if name not in self.entries:
            raise WeightsError(f"the archive has no entry {name[:100]!r}; the file is damaged")
        entry = self.entries[name]
        content = self.buffer[slice(*self._place(entry))]
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            content = _inflated(content, entry)
        elif entry.compress_type != zipfile.ZIP_STORED:
            raise WeightsError(
                f"entry {name[:100]!r} is compressed by method {entry.compress_type}; only deflate can be read"
            )
        if len(content) != entry.file_size or (self.has_checksums and zlib.crc32(content) != entry.CRC):
            raise WeightsError(
                f"entry {name[:100]!r} is damaged: its content doesn't have the checksum that the archive says"
            )
        return content

    def _place(self, entry):
        """(begin, end) of an entry's bytes in the file, as they lie there."""
        name = entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
        begin = entry.header_offset
        header = self.buffer[begin : begin + LOCAL_HEADER.size].tobytes() if begin >= 0 else b""
        if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\3\4" or entry.flag_bits & 1:
            raise WeightsError(
                f"entry {entry.filename[:100]!r} is damaged or encrypted: it doesn't begin as an entry does"
            )
        _, name_length, extra_length = LOCAL_HEADER.unpack(header)
        begin += LOCAL_HEADER.size
        if self.buffer[begin : begin + name_length].tobytes() != name:
            raise WeightsError(f"entry {entry.filename[:100]!r} is damaged: at its place lies one of another name")
        begin += name_length + extra_length
        return begin, begin + entry.compress_size


def _inflated(content, entry):
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # never more than the table promises, whatever the content would grow to
        return np.frombuffer(machine.decompress(content, entry.file_size), np.uint8) if entry.file_size else content[:0]
    except (zlib.error, OverflowError) as error:
        raise WeightsError(f"entry {entry.filename[:100]!r} is damaged ({error})") from None
