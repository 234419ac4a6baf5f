"""Files that are whole or not there: written beside their name, and renamed when they are on the disk."""

import os


def write_beside(path, write):
    """Call write(file) with a binary file beside `path`, then give it that name; on an error nothing is left of it.

    Whoever kills the program at any moment finds the file that was there before, or the new one. The folder is made if it isn't
    there.
    """
    path = os.fspath(path)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    beside = f"{path}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:
            write(file)
            file.flush()
            # on the disk before it gets its name: a power cut can't leave an empty file under it
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.remove(beside)
