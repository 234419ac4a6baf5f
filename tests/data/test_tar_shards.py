"""TarShards and write_shards: what is read, in which order, going on in the middle, and what is said of damaged shards."""

import io
import json
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minitorch_cnn as mt
from minitorch_cnn import data
from minitorch_cnn.data import DataError, TarShards, write_shards


def grey(value, size=(3, 2, 2)):
    return np.full(size, value, np.uint8)


def make(folder, count=23, per_shard=5):
    """Shards of images whose value is their number, and so is the label."""
    write_shards(((grey(i), i) for i in range(count)), folder / "part-%03d.tar", per_shard)
    return str(folder / "part-*.tar")


def pack(path, *members):
    """A tar file as another program might have written it."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def png(value=0, size=(2, 2)):
    file = io.BytesIO()
    Image.new("RGB", size, (value,) * 3).save(file, "PNG")
    return file.getvalue()


def labels(shards):
    return [label for _, batch in shards for label in batch.tolist()]


# reading and writing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_what_is_written_is_read_in_order(tmp_path, num_workers):
    shards = TarShards(make(tmp_path), batch_size=4, num_workers=num_workers)
    assert [Path(path).name for path in shards.shards] == [f"part-00{i}.tar" for i in range(5)]
    batches = list(shards)
    assert [len(batch) for _, batch in batches] == [4, 4, 4, 4, 4, 3]
    images, targets = (np.concatenate(column) for column in zip(*batches))
    assert targets.tolist() == list(range(23)) and targets.dtype == np.int64
    assert images.shape == (23, 3, 2, 2) and images.dtype == np.float32
    np.testing.assert_array_equal((images[:, 0, 0, 0] * 255).round(), np.arange(23))
    assert len(list(TarShards(make(tmp_path), 4, drop_last=True))) == 5


def test_members_are_grouped_by_the_name_up_to_its_first_dot(tmp_path):
    path = pack(
        tmp_path / "a.tar",
        ("x/.hidden", b""),
        ("x/1.5.cls", b"3\n"),  # the name is x/1, the extension 5.cls
        ("x/1.PNG", png(1)),
        ("y/1.seg.png", png(9)),
        ("y/1.jpg", png(2)),
        ("y/1.cls", b"4"),
        ("README", b"no extension"),
        ("../../etc/passwd.cls", b"5"),
        ("../../etc/passwd.png", png(3)),
    )
    samples = list(data.tar_shards.read_shard(path))
    assert [name for name, _ in samples] == [f"{path}:x/1", f"{path}:y/1", f"{path}:../../etc/passwd"]
    assert [sorted(members) for _, members in samples] == [["5.cls", "png"], ["cls", "jpg", "seg.png"], ["cls", "png"]]
    loop = TarShards(path, fields=("image", "seg.png"), transform=lambda x: x, skip_corrupt=True)
    ((image, seg),) = loop
    assert image[0, 0, 0, 0] == 2 and seg[0, 0, 0, 0] == 9 and len(loop.skipped) == 2
    assert sorted(tmp_path.iterdir()) == [path]  # nothing was unpacked


def test_every_kind_of_field(tmp_path):
    samples = [
        {"npy": np.arange(3.0) + i, "cls": i, "txt": f"tëxt {i}", "json": {"box": [i, 2]}, "raw.png": png(i)}
        for i in range(2)
    ]
    (path,) = write_shards(samples, tmp_path / "%d.tar")
    loop = TarShards(path, 2, fields=("npy", "cls", "txt", "json", "raw.png"), transform=lambda a: a * 2)
    ((arrays, numbers, texts, said, images),) = loop
    np.testing.assert_array_equal(arrays, [[0, 2, 4], [2, 4, 6]])
    assert numbers.tolist() == [0, 1] and texts == ["tëxt 0", "tëxt 1"]
    assert [b.tolist() for b in said["box"]] == [[0, 1], [2, 2]]
    assert images.dtype == np.uint8 and images[1, 2, 1, 1] == 1
    ((only,),) = TarShards(path, 2, fields="cls", transform=lambda label: -label)
    assert only.tolist() == [0, -1]


def test_transforms(tmp_path):
    seen = []

    def transform(image):
        seen.append((image.shape, image.dtype))
        return image[:, :1]

    ((images, targets),) = TarShards(make(tmp_path, 3), 3, transform=transform, target_transform=lambda t: t + 100)
    assert seen == [((3, 2, 2), np.uint8)] * 3 and images.shape == (3, 3, 1, 2) and targets.tolist() == [100, 101, 102]


def test_an_image_folder_is_packed_without_decoding(tmp_path):
    for i, name in enumerate(["cat/1.jpg", "cat/2.png", "dog/3.jpeg"]):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i * 50,) * 3).save(tmp_path / "in" / name)
    folder = data.ImageFolder(tmp_path / "in")
    (path,) = write_shards(folder.samples, tmp_path / "out-%04d.tar")
    with tarfile.open(path) as archive:
        assert archive.getnames() == [
            f"0000000{i}.{e}" for i, k in enumerate(["jpg", "png", "jpeg"]) for e in (k, "cls")
        ]
        assert archive.extractfile("00000000.jpg").read() == (tmp_path / "in/cat/1.jpg").read_bytes()
    ((images, targets),) = TarShards(path, 3)
    expected, wanted = folder.batch([0, 1, 2])
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(targets, wanted)


def test_shards_have_numbered_names_and_so_many_samples(tmp_path):
    paths = write_shards([(grey(i), i) for i in range(10)], tmp_path / "new/s-%02d.tar", per_shard=5)
    assert paths == [str(tmp_path / "new/s-00.tar"), str(tmp_path / "new/s-01.tar")]
    assert [len(list(data.tar_shards.read_shard(path))) for path in paths] == [5, 5]
    assert write_shards([], tmp_path / "none-%d.tar") == []
    ds = data.TensorDataset(np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4), np.array([7, 8]))
    ((images, targets),) = TarShards(write_shards(ds, tmp_path / "grey-%d.tar"), 2, transform=lambda x: x)
    np.testing.assert_array_equal(images, np.repeat(ds.tensors[0], 3, axis=1))
    assert targets.tolist() == [7, 8]


def test_a_shard_that_could_not_be_finished_leaves_nothing(tmp_path):
    def samples():
        for i in range(7):
            yield grey(i), i
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_shards(samples(), tmp_path / "%d.tar", 5)
    assert [path.name for path in tmp_path.iterdir()] == ["0.tar"]


@pytest.mark.parametrize(
    "sample, pattern, error, message",
    [
        (
            (grey(0).astype(np.float32), 1),
            "%d.tar",
            TypeError,
            r"sample 0: .* uint8 \(3, H, W\).*, got float32 \(3, 2, 2\)",
        ),
        ((grey(0, (2, 2, 3)), 1), "%d.tar", TypeError, r"got uint8 \(2, 2, 3\)"),
        ((grey(0), "cat"), "%d.tar", TypeError, "can't write str as .cls"),
        ((grey(0), True), "%d.tar", TypeError, "can't write bool as .cls"),
        ((grey(0), 2**63), "%d.tar", ValueError, "sample 0: a label must fit into an int64, got 9223372036854775808"),
        (grey(0), "%d.tar", TypeError, r"sample 0 must be \(image, label\) or a dict, got ndarray"),
        ({"a/b": b""}, "%d.tar", ValueError, "'a/b' can't be an extension"),
        ({"": b""}, "%d.tar", ValueError, "'' can't be an extension"),
        ({"npy": np.array([None])}, "%d.tar", ValueError, "Object arrays cannot be saved"),
        ((grey(0), 1), "a.tar", ValueError, "one place for a number, as in train-%06d.tar; got .*a.tar"),
        ((grey(0), 1), "%d-%d.tar", ValueError, "one place for a number"),
    ],
)
def test_what_can_not_be_written(tmp_path, sample, pattern, error, message):
    with pytest.raises(error, match=message):
        write_shards([sample], str(tmp_path / pattern))
    assert list(tmp_path.iterdir()) == []


# which shards ----------------------------------------------------------------------------------------------------------


def test_patterns(tmp_path):
    for name in ("a-08", "a-09", "a-10", "b-1-x", "b-2-x", "b-1-y", "b-2-y"):
        pack(tmp_path / f"{name}.tar")

    def names(*patterns):
        return [Path(path).stem for path in TarShards([str(tmp_path / pattern) for pattern in patterns]).shards]

    assert names("a-{08..10}.tar") == ["a-08", "a-09", "a-10"]
    assert names("a-*.tar", "b-1-x.tar") == ["a-08", "a-09", "a-10", "b-1-x"]
    assert names("b-{1..2}-?.tar") == ["b-1-x", "b-1-y", "b-2-x", "b-2-y"]
    assert TarShards(tmp_path / "a-08.tar").shards == [str(tmp_path / "a-08.tar")]
    with pytest.raises(FileNotFoundError, match=r"2 of 4 shards are not there: .*a-11.tar, .*a-12.tar"):
        names("a-{09..12}.tar")
    with pytest.raises(FileNotFoundError, match=r"1 of 1 shards are not there: .*c-\*.tar"):
        names("c-*.tar")
    with pytest.raises(ValueError, match="TarShards: the list of shards is empty"):
        TarShards([])
    with pytest.raises(ValueError, match=r"the range \{10\.\.08\} in .*a-\{10\.\.08\}\.tar is empty: its first number"):
        names("a-{10..08}.tar")
    assert list(TarShards(tmp_path / "a-08.tar")) == []  # a shard without samples


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer, got 2.0"),
        ({"buffer": 0}, ValueError, "buffer must be at least 1"),
        ({"num_workers": -1}, ValueError, "num_workers must be at least 0"),
        ({"seed": -1}, ValueError, "TarShards: seed must be an integer from 0 on"),
        ({"fields": ("image", "label")}, ValueError, "fields must be some of image, cls, txt, json, npy, jpg"),
        ({"fields": ()}, ValueError, "fields must be"),
    ],
)
def test_options_that_can_not_be(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        TarShards(make(tmp_path), **options)


# order -----------------------------------------------------------------------------------------------------------------


def test_shuffling_depends_on_seed_and_epoch_alone(tmp_path):
    pattern = make(tmp_path, 60, 10)
    one = TarShards(pattern, 7, shuffle=True, seed=3, buffer=20)
    epochs = [labels(one) for _ in range(3)]
    assert all(sorted(epoch) == list(range(60)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != list(range(60))
    for options in ({"batch_size": 7, "num_workers": 3}, {"batch_size": 1}):
        other = TarShards(pattern, shuffle=True, seed=3, buffer=20, **options)
        other.set_epoch(1)
        assert labels(other) == epochs[1] and labels(other) == epochs[2]
    assert labels(TarShards(pattern, 7, shuffle=True, seed=4, buffer=20)) != epochs[0]
    mt.manual_seed(3)
    assert labels(TarShards(pattern, 7, shuffle=True, buffer=20)) == epochs[0]


def test_shuffling_mixes_shards_and_samples(tmp_path):
    pattern = make(tmp_path, 100, 10)
    shards_only = labels(TarShards(pattern, 10, shuffle=True, seed=0, buffer=1))
    tens = [shards_only[i : i + 10] for i in range(0, 100, 10)]
    assert all(ten == list(range(ten[0], ten[0] + 10)) for ten in tens) and [ten[0] // 10 for ten in tens] != list(
        range(10)
    )
    # with a buffer for all, each place is as likely for each sample: the mean distance of two shuffles is a third
    everything = labels(TarShards(pattern, 10, shuffle=True, seed=0, buffer=1000))
    assert 20 < np.abs(np.argsort(everything) - np.arange(100)).mean() < 46
    # with 15, a sample comes no earlier than its place minus 14
    some = labels(TarShards(pattern, 10, shuffle=True, seed=0, buffer=15))
    read = {label: place for place, label in enumerate(shards_only)}
    assert all(read[label] - 14 <= place for place, label in enumerate(some)) and some != shards_only


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("stop", [1, 2, 5, 6])
def test_going_on_gives_the_very_same_samples(tmp_path, num_workers, shuffle, stop):
    pattern = make(tmp_path)

    def fresh():
        return TarShards(pattern, 4, shuffle=shuffle, seed=9, buffer=6, num_workers=num_workers)

    whole = fresh()
    expected = labels(whole) + labels(whole)
    first, given = fresh(), []
    for n, (_, batch) in enumerate(first, 1):
        given += batch.tolist()
        if n == stop:
            break
    state = json.loads(json.dumps(first.state_dict()))
    assert state == {"epoch": 0, "batch": stop, "batch_size": 4, "shards": 5} if stop < 6 else state["epoch"] == 1
    second = fresh()
    second.load_state_dict(state)
    while second.epoch < 2:
        given += labels(second)
    assert given == expected
    assert second.state_dict() == {"epoch": 2, "batch": 0, "batch_size": 4, "shards": 5}


def test_states_that_do_not_fit(tmp_path):
    shards = TarShards(make(tmp_path), 4)
    with pytest.raises(
        ValueError,
        match=r"from the middle of epoch 1 .after batch 2. with batch_size 8 and 5 shards, but here batch_size is 4",
    ):
        shards.load_state_dict({"epoch": 1, "batch": 2, "batch_size": 8, "shards": 5})
    with pytest.raises(ValueError, match="keys missing or unexpected: samples, shards"):
        shards.load_state_dict({"epoch": 1, "batch": 2, "batch_size": 8, "samples": 5})
    shards.load_state_dict({"epoch": 3, "batch": 0, "batch_size": 8, "shards": 9})  # whole epochs fit any
    assert shards.epoch == 3


def test_leaving_the_loop_ends_the_threads(tmp_path):
    before = threading.active_count()
    for _ in TarShards(make(tmp_path), 2, num_workers=3):
        break
    assert threading.active_count() == before


# damage ----------------------------------------------------------------------------------------------------------------


def test_a_shard_cut_short_anywhere_is_named_and_what_came_before_is_given(tmp_path):
    path = pack(
        tmp_path / "s.tar", *[(f"{i}.{e}", c) for i in range(3) for e, c in (("png", png(i)), ("cls", b"%d" % i))]
    )
    whole = path.read_bytes()
    end = 3 * 2 * 1024  # each member: a header and a block
    for length in sorted({*range(0, end + 1024, 97), *range(0, end + 1024, 512), end + 511}):
        path.write_bytes(whole[:length])
        given = []
        if length >= end + 512:
            assert labels(TarShards(path)) == [0, 1, 2]  # a mark of the end is there
            continue
        with pytest.raises(DataError, match=r"s\.tar: the shard is cut short, damaged or no \.tar file: "):
            for _, batch in TarShards(path):
                given += batch.tolist()
        complete = max(0, (length - 1) // 1024)  # members; the last one's sample may go on, so it isn't given
        assert given == list(range(min(complete // 2, 2)))[: len(given)] and len(given) >= (complete - 1) // 2 - 1
        loop = TarShards(path, skip_corrupt=True)
        assert labels(loop) == given and loop.skipped == [str(path)]


def test_a_damaged_header_is_noticed(tmp_path):
    path = pack(
        tmp_path / "s.tar", *[(f"{i}.{e}", c) for i in range(3) for e, c in (("png", png(i)), ("cls", b"%d" % i))]
    )
    whole = path.read_bytes()
    for member in range(6):
        for position in (0, 100, 124, 130, 148, 150, 257, 300, 500):
            content = bytearray(whole)
            content[member * 1024 + position] ^= 2
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"s\.tar: the shard is cut short, damaged"):
                list(TarShards(path))


def test_a_size_that_can_not_be_takes_no_memory(tmp_path):
    member = tarfile.TarInfo("1.cls")
    member.size = 8**11 - 1  # the largest that a header can say: 8 GB
    (tmp_path / "s.tar").write_bytes(member.tobuf(tarfile.USTAR_FORMAT) + bytes(2048))
    with pytest.raises(DataError, match=r"'1.cls' has 8,589,934,591 bytes, the whole file 2,560"):
        list(TarShards(tmp_path / "s.tar"))


def test_labels_up_to_the_largest(tmp_path):
    path = pack(tmp_path / "s.tar", ("1.cls", b"%d" % (2**63 - 1)), ("2.cls", b"%d" % -(2**63)))
    ((targets,),) = TarShards(path, 2, fields="cls")
    assert targets.dtype == np.int64 and targets.tolist() == [2**63 - 1, -(2**63)]


def header(name, kind, size):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)[:512]


MEMBER = header("2.cls", b"0", 1) + b"2".ljust(512, b"\0")
ODD_HEADERS = {
    "3,000 long names in a row": (header("x", b"L", 5) + b"name\0".ljust(512, b"\0")) * 3000,
    "a long name of a petabyte": header("x", b"L", 10**15),
    "a pax header of a petabyte": header("x", b"x", 10**15),
    "a map of holes that is no list of numbers": header("x", b"x", 22) + b"22 GNU.sparse.map=a,b\n".ljust(512, b"\0"),
}


@pytest.mark.parametrize("odd", ODD_HEADERS.values(), ids=ODD_HEADERS.keys())
def test_headers_that_tarfile_stumbles_over(odd, tmp_path):
    path = tmp_path / "s.tar"
    path.write_bytes(header("1.cls", b"0", 1) + b"1".ljust(512, b"\0") + odd + MEMBER + bytes(1024))
    with pytest.raises(DataError, match=r"s\.tar: the shard is cut short, damaged or no \.tar file: \S"):
        list(TarShards(path, fields="cls"))
    loop = TarShards(path, fields="cls", skip_corrupt=True)
    list(loop)
    assert loop.skipped == [str(path)]


def test_json_of_a_thousand_brackets(tmp_path):
    path = pack(tmp_path / "s.tar", ("1.json", b"[" * 200_000), ("2.json", b"3"))
    with pytest.raises(DataError, match=r"s\.tar:1\.json: can't be read: "):
        list(TarShards(path, fields="json"))
    loop = TarShards(path, fields="json", skip_corrupt=True)
    assert [batch.tolist() for (batch,) in loop] == [[3]] and loop.skipped == [f"{path}:1"]


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b" + bytes(600), bytes(100)])
def test_what_is_no_tar_file(tmp_path, content):
    (tmp_path / "s.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"s\.tar: the shard is cut short, damaged or no \.tar file"):
        list(TarShards(tmp_path / "s.tar"))


@pytest.mark.parametrize(
    "members, message",
    [
        ([("2.png", png())], r"s.tar:2: the sample has no .cls; it has .png"),
        ([("2.cls", b"1"), ("2.txt", b"")], r"s.tar:2: the sample has no image; it has .cls, .txt"),
        ([("2.png", png()), ("2.cls", b"cat")], r"s.tar:2.cls: can't be read: .*'cat'"),
        ([("2.png", png()), ("2.cls", b"\xff")], r"s.tar:2.cls: can't be read"),
        ([("2.png", png()), ("2.cls", b"9" * 30)], r"s.tar:2.cls: can't be read: a label must fit into an int64"),
        ([("2.png", png()), ("2.cls", b"%d" % 2**63)], r"s.tar:2.cls: can't be read: a label must fit into an int64"),
        ([("2.png", png()[:30]), ("2.cls", b"1")], r"s.tar:2.png: "),
        ([("2.png", b""), ("2.cls", b"1")], r"s.tar:2.png: not an image: the file is empty"),
        ([("2.jpg", b"text"), ("2.cls", b"1")], r"s.tar:2.jpg: not an image \(JPEG"),
    ],
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_sample_that_can_not_be_read_is_named_or_skipped(tmp_path, members, message, num_workers):
    good = [("1.png", png(1)), ("1.cls", b"1")], [("3.png", png(3)), ("3.cls", b"3")]
    path = pack(tmp_path / "s.tar", *good[0], *members, *good[1])
    given = []
    with pytest.raises(DataError, match=message):
        for _, batch in TarShards(path, num_workers=num_workers):
            given += batch.tolist()
    assert given == [1]
    for batch_size in (1, 2, 3):  # alone in its batch, with one more, with both
        loop = TarShards(path, batch_size, num_workers=num_workers, skip_corrupt=True)
        assert labels(loop) == [1, 3] and labels(loop) == [1, 3] and loop.skipped == [f"{path}:2"]


@pytest.mark.parametrize("cut", range(0, 140, 3))
def test_arrays_and_json_cut_short(tmp_path, cut):
    array = io.BytesIO()
    np.save(array, np.arange(3))
    for kind, content in (("npy", array.getvalue()[:cut]), ("json", b'{"a": [1, 2]}'[: cut // 11])):
        path = pack(tmp_path / "s.tar", (f"1.{kind}", content))
        with pytest.raises(DataError, match=rf"s\.tar:1\.{kind}: can't be read: "):
            list(TarShards(path, fields=kind))


def test_a_pickle_in_an_array_is_refused(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{}]), allow_pickle=True)
    path = pack(tmp_path / "s.tar", ("1.npy", file.getvalue()))
    with pytest.raises(DataError, match=r"s.tar:1.npy: can't be read: .*allow_pickle=False"):
        list(TarShards(path, fields="npy"))


def test_a_member_that_comes_twice(tmp_path):
    path = pack(tmp_path / "s.tar", ("1.cls", b"1"), ("1.cls", b"2"))
    with pytest.raises(DataError, match=r"'1.cls' comes twice"):
        list(TarShards(path, fields="cls"))


def test_links_and_folders_are_no_samples(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for name, kind in (("a", tarfile.DIRTYPE), ("a/1.cls", tarfile.SYMTYPE), ("a/2.cls", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert list(TarShards(tmp_path / "s.tar", fields="cls")) == []


def test_unlike_shapes_are_told_with_the_sample(tmp_path):
    path = pack(tmp_path / "s.tar", ("1.png", png()), ("2.png", png(size=(3, 2))))
    with pytest.raises(ValueError, match=r"in the batch that begins with .*s.tar:1: .*different shapes"):
        list(TarShards(path, 2, fields="image"))
