"""fetch, against a server on this machine that breaks off, lies, stalls and forgets, as real ones do."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from minitorch_cnn.data import FetchError, fetch
from minitorch_cnn.data.fetch import cache_folder, user_cache

CONTENT = np.random.default_rng(0).bytes(300_000)  # several of the blocks that are read at once
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers /name by ways[name](request); `asked` lists each request's path and its Range."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ways = {}
        self.asked = []
        self.stop = threading.Event()

    def url(self, name, way):
        self.ways["/" + name] = way
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        self.server.asked.append((self.path, self.headers.get("Range")))
        self.server.ways[self.path](self)

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def whole(request):
    """The file, or the rest of it if a range is asked for."""
    asked = request.headers.get("Range")
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    if start >= len(CONTENT):
        request.answer(416, Content_Range=f"bytes */{len(CONTENT)}")
    elif asked:
        request.answer(206, CONTENT[start:], Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    else:
        request.answer(200, CONTENT)


def whole_without_ranges(request):
    request.answer(200, CONTENT)


def breaks_off(request):
    request.answer(200, CONTENT[:100_000], length=len(CONTENT))


def missing(request):
    request.answer(404)


def other_file(request):
    request.answer(200, b"<html>Please log in to this network</html>")


def wrong_range(request):
    request.answer(206, CONTENT[7:], Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")


def stalls(request):
    if not request.server.stop.wait(10):
        request.server.asked.append(("nobody left", None))


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "new" / "folder" / "file.bin"


def part(destination):
    return destination.with_name("file.bin.part")


def put_part(destination, content):
    destination.parent.mkdir(parents=True)
    part(destination).write_bytes(content)


def only_the_file_is_there(destination):
    return destination.read_bytes() == CONTENT and [p.name for p in destination.parent.iterdir()] == ["file.bin"]


def test_a_file_comes_whole_and_is_not_fetched_again(server, destination):
    url = server.url("file", whole)
    assert fetch(url, destination, SHA256) == str(destination)
    assert only_the_file_is_there(destination)
    fetch(url, destination, SHA256.upper())
    assert server.asked == [("/file", None)]


def test_a_file_that_is_there_with_other_content_is_replaced(server, destination):
    destination.parent.mkdir(parents=True)
    destination.write_bytes(b"old")
    fetch(server.url("file", whole), destination, SHA256)
    assert only_the_file_is_there(destination)


def test_mirrors_are_tried_in_turn(server, destination):
    urls = [server.url("1", missing), server.url("2", other_file), server.url("3", whole), server.url("4", whole)]
    fetch(urls, destination, SHA256)
    assert only_the_file_is_there(destination)
    assert [path for path, _ in server.asked] == ["/1", "/2", "/3"]


def test_what_broke_off_is_resumed_at_the_next_mirror(server, destination):
    fetch([server.url("short", breaks_off), server.url("file", whole)], destination, SHA256)
    assert only_the_file_is_there(destination)
    assert server.asked == [("/short", None), ("/file", "bytes=100000-")]


def test_what_broke_off_is_kept_and_the_next_call_resumes_it(server, destination):
    with pytest.raises(FetchError, match="the answer broke off after 100,000 of 300,000 bytes") as caught:
        fetch(server.url("short", breaks_off), destination, SHA256)
    assert f"100,000 bytes of it are kept in {part(destination)}; another call goes on from there" in str(caught.value)
    assert part(destination).read_bytes() == CONTENT[:100_000] and not destination.exists()
    fetch(server.url("file", whole), destination, SHA256)
    assert only_the_file_is_there(destination)
    assert server.asked[-1] == ("/file", "bytes=100000-")


def test_ctrl_c_half_way_leaves_a_part_that_is_resumed(server, destination, monkeypatch):
    import tqdm

    class Interrupted(tqdm.tqdm):
        def update(self, n):
            raise KeyboardInterrupt

    monkeypatch.setattr(tqdm, "tqdm", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(server.url("file", whole), destination, SHA256)
    monkeypatch.undo()
    got = part(destination).stat().st_size
    assert 0 < got < len(CONTENT) and not destination.exists()
    fetch(server.url("file", whole), destination, SHA256)
    assert only_the_file_is_there(destination)
    assert server.asked[-1] == ("/file", f"bytes={got}-")


def test_a_server_without_ranges_is_read_from_the_start(server, destination):
    put_part(destination, CONTENT[:1000])
    fetch(server.url("file", whole_without_ranges), destination, SHA256)
    assert only_the_file_is_there(destination)
    assert server.asked == [("/file", "bytes=1000-")]  # the whole file that came for an answer was taken


@pytest.mark.parametrize("content", [b"rubbish", CONTENT + b"more", b"x" * len(CONTENT)])
def test_a_part_of_something_else_is_thrown_away_and_the_same_mirror_asked_again(server, destination, content):
    put_part(destination, content)
    fetch(server.url("file", whole), destination, SHA256)
    assert only_the_file_is_there(destination)
    assert server.asked == [("/file", f"bytes={len(content)}-"), ("/file", None)]


def test_a_part_that_is_whole_only_lacked_its_name(server, destination):
    put_part(destination, CONTENT)  # killed between the last byte and the renaming
    fetch(server.url("file", whole), destination, SHA256)
    assert only_the_file_is_there(destination)
    assert server.asked == [("/file", f"bytes={len(CONTENT)}-")]


def test_a_wrong_file_is_deleted_and_told_with_both_checksums(server, destination):
    found = hashlib.sha256(b"<html>Please log in to this network</html>").hexdigest()
    with pytest.raises(FetchError, match=f"a file of 42 bytes with SHA-256 {found}, but {SHA256} is expected"):
        fetch(server.url("file", other_file), destination, SHA256)
    assert list(destination.parent.iterdir()) == []


def test_a_range_that_was_not_asked_for_is_refused(server, destination):
    put_part(destination, CONTENT[:1000])
    with pytest.raises(FetchError, match=r"bytes from 1000 on were asked for, but it gave 'bytes 7-299999/300000'"):
        fetch(server.url("file", wrong_range), destination, SHA256)
    assert part(destination).read_bytes() == CONTENT[:1000]


def test_each_mirrors_failure_is_told(server, destination):
    closed = "http://127.0.0.1:9/file"  # the discard port: nothing listens there
    urls = [server.url("a", missing), server.url("b", other_file), closed]
    with pytest.raises(FetchError) as caught:
        fetch(urls, destination, SHA256, timeout=5)
    lines = str(caught.value).splitlines()
    assert lines[0] == "fetch: none of 3 mirrors gave file.bin:"
    assert lines[1] == f"  {urls[0]}: HTTP 404 Not Found"
    assert lines[2].startswith(f"  {urls[1]}: a file of 42 bytes with SHA-256 ")
    assert lines[3].startswith(f"  {closed}: ") and "refused" in lines[3]
    assert lines[4] == f"Or get the file in another way, and put it at {destination}"


def test_a_server_that_stalls_is_left_after_the_timeout(server, destination):
    urls = [server.url("slow", stalls), server.url("file", whole)]
    fetch(urls, destination, SHA256, timeout=0.2)
    assert only_the_file_is_there(destination)
    assert server.asked == [("/slow", None), ("/file", None)]


def test_the_bar_can_be_seen_and_can_be_left_out(server, destination, monkeypatch):
    import tqdm

    bars = []

    class Seen(tqdm.tqdm):
        def __init__(self, **options):
            bars.append(options)
            super().__init__(**options)

    monkeypatch.setattr(tqdm, "tqdm", Seen)
    put_part(destination, CONTENT[:1000])
    fetch(server.url("file", whole), destination, SHA256, progress=False)
    (bar,) = bars
    assert (bar["total"], bar["initial"], bar["desc"], bar["disable"]) == (300_000, 1000, "file.bin", True)


@pytest.mark.parametrize(
    "url, sha256, message",
    [
        ("ftp://host/file", SHA256, "an address must start with http:// or https://, got 'ftp://host/file'"),
        ("http://host/file", "abc", "sha256 must be 64 hexadecimal digits, or the first 8 or more of them, got 'abc'"),
        ("http://host/file", "g" * 64, "sha256 must be 64 hexadecimal digits"),
    ],
)
def test_what_can_not_be_fetched(destination, url, sha256, message):
    with pytest.raises(ValueError, match=f"fetch: {message}"):
        fetch(url, destination, sha256)
    assert not destination.parent.exists()


def test_a_wrong_file_in_its_place_is_told(tmp_path, server):
    (tmp_path / "f").write_bytes(b"something else")
    with pytest.raises(FetchError) as caught:
        fetch(server.url("f", missing), tmp_path / "f", SHA256)
    found = hashlib.sha256(b"something else").hexdigest()
    assert (
        f"put it at {tmp_path}/f. There is a file now, but another one, or damaged: its SHA-256 is {found}, but {SHA256} is"
        in str(caught.value)
    )
    assert (tmp_path / "f").read_bytes() == b"something else"
    (tmp_path / "f").unlink()
    with pytest.raises(FetchError, match=rf"put it at {tmp_path}/f$"):
        fetch(server.url("f", missing), tmp_path / "f", SHA256)


def test_folders_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("MINITORCH_CNN_DATA", raising=False)
    assert cache_folder("weights") == user_cache("weights") == "/home/somebody/.cache/minitorch_cnn/weights"
    assert cache_folder("") == "/home/somebody/.cache/minitorch_cnn"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder("weights") == "/cache/minitorch_cnn/weights"
    monkeypatch.setenv("MINITORCH_CNN_DATA", "~/data")
    assert cache_folder("weights") == "/home/somebody/data/weights"
    assert user_cache("weights") == "/cache/minitorch_cnn/weights"
