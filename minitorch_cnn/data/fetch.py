"""Downloads: several mirrors, resumed where they broke off, checked by SHA-256, and under their name only when whole.

What has come so far is in `<name>.part`. A later call, or the next mirror, asks for the rest of it only (HTTP Range, RFC 9110,
section 14). When all has come and its SHA-256 is right it gets its name, by os.replace: whoever looks finds no file or the whole.
"""

import hashlib
import os

VARIABLE = "MINITORCH_CNN_DATA"  # the environment variable that names a folder of data


class FetchError(OSError):
    """A file that no mirror gave; the message tells what each of them did."""


def fetch(urls, destination, sha256, timeout=30.0, progress=True):
    """Download a file, unless it is there already.

    Args:
        urls: the file's address at one or more mirrors (a text, or a list), which are tried in turn.
        destination: the file's name; its folder is made if it isn't there. What is under that name and has another
            checksum is replaced.
        sha256: its checksum, 64 hexadecimal digits; or the first 8 or more of them, where no more are published.
        timeout: seconds to wait for a server's answer, and for each next piece of it.
        progress: show a bar, if the output is a terminal.
    Returns: destination.
    Raises: FetchError if no mirror has it; what was got of it is kept for the next call. ValueError for a checksum or an
        address that can't be one. Two processes must not fetch the same file at the same time.
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    destination = os.path.expanduser(os.fspath(destination))
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"fetch: an address must start with http:// or https://, got {url!r}")
    sha256 = sha256.lower()
    if not 8 <= len(sha256) <= 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ValueError(f"fetch: sha256 must be 64 hexadecimal digits, or the first 8 or more of them, got {sha256!r}")
    if os.path.isfile(destination) and file_sha256(destination).startswith(sha256):
        return destination

    os.makedirs(os.path.dirname(os.path.abspath(destination)), exist_ok=True)
    part = destination + ".part"
    failures = []
    for url in urls:
        failure = _fetch_from(url, part, sha256, timeout, progress)
        if failure is None:
            os.replace(part, destination)
            return destination
        failures.append(f"  {url}: {failure}")
    remedy = f"Or get the file in another way, and put it at {destination}"
    if os.path.isfile(destination):
        found = file_sha256(destination)
        remedy += (
            f". There is a file now, but another one, or damaged: its SHA-256 is {found}, but {sha256} is expected"
        )
    kept = (
        f"{os.path.getsize(part):,} bytes of it are kept in {part}; another call goes on from there"
        if os.path.exists(part)
        else ""
    )
    raise FetchError(
        "\n".join(
            [
                f"fetch: none of {len(urls)} mirrors gave {os.path.basename(destination)}:",
                *failures,
                *[kept] * bool(kept),
                remedy,
            ]
        )
    )


def cache_folder(name):
    """The folder of that name under $MINITORCH_CNN_DATA if that is set, else under the user's cache."""
    if os.environ.get(VARIABLE):
        return os.path.normpath(os.path.join(os.path.expanduser(os.environ[VARIABLE]), name))
    return user_cache(name)


def user_cache(name):
    """The folder of that name under ~/.cache/minitorch_cnn (or $XDG_CACHE_HOME)."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.normpath(os.path.join(cache, "minitorch_cnn", name))


def file_sha256(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _fetch_from(url, part, sha256, timeout, progress):
    """Complete `part` from one mirror; returns what went wrong, or None. A part with a wrong checksum is deleted."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    while True:
        resumed = os.path.exists(part)
        try:
            _receive(url, part, timeout, progress)
        except HTTPError as error:
            error.close()
            if error.code != 416 or not resumed:
                return f"HTTP {error.code} {error.reason}"
            # 416, range not satisfiable: the part is as long as the file, or longer; its checksum tells
        except (OSError, HTTPException) as error:
            return str(getattr(error, "reason", error)) or type(error).__name__
        found = file_sha256(part)
        if found.startswith(sha256):
            return None
        size = os.path.getsize(part)
        os.remove(part)
        if not resumed:
            return f"a file of {size:,} bytes with SHA-256 {found}, but {sha256} is expected: it is another file, or damaged"
        # the part that was there before may be what is wrong, so once more from the start


def _receive(url, part, timeout, progress):
    """Append to `part` what it lacks of the file at url; OSError if the answer breaks off."""
    import urllib.request

    from tqdm import tqdm

    have = os.path.getsize(part) if os.path.exists(part) else 0
    request = urllib.request.Request(url, headers={"User-Agent": "minitorch_cnn"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        if answer.status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise OSError(f"bytes from {have} on were asked for, but it gave {answer.headers.get('Content-Range')!r}")
        if answer.status != 206:  # the server doesn't know ranges: it gives the whole file
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        bar = tqdm(
            total=total,
            initial=have,
            desc=os.path.basename(part).removesuffix(".part"),
            unit="B",
            unit_scale=True,
            disable=None if progress else True,
        )
        with bar, open(part, "ab" if have else "wb") as file:
            while block := answer.read(1 << 16):
                file.write(block)
                bar.update(len(block))
                have += len(block)
    if total is not None and have < total:
        raise OSError(f"the answer broke off after {have:,} of {total:,} bytes")
