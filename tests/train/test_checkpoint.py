"""Checkpoints: what goes in comes out, damaged files are named, nothing is half-written or half-loaded."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import data, nn, optim
from minitorch_cnn.train import CheckpointError, load_checkpoint, save_checkpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "run.npz"


def test_values_come_back_as_they_were(path):
    values = {
        "none": None,
        "flags": [True, False],
        "number": 0.1 + 0.2,
        "large": 2**127 + 1,
        "text": 'quotes " and ünïcode',
        "nested": {"a": [1, {"b": [2.5, []]}], 7: "integer key", "array": "a text, no array"},
    }
    save_checkpoint(path, **values)
    assert load_checkpoint(path) == values


def test_arrays_and_tensors_come_back_bit_for_bit(path, rng):
    arrays = [rng.standard_normal((3, 0, 2)), rng.standard_normal(5).astype(np.float32), np.array(3), np.array([True])]
    save_checkpoint(path, arrays=arrays, tensor=mt.Tensor(arrays[1][::2]), scalar=np.float32(0.1))
    loaded = load_checkpoint(path)
    for got, expected in zip([*loaded["arrays"], loaded["tensor"]], [*arrays, arrays[1][::2]]):
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        assert got.tobytes() == np.ascontiguousarray(expected).tobytes()
    assert loaded["scalar"] == float(np.float32(0.1))


def test_the_random_generator_goes_on_where_it_was(path):
    mt.manual_seed(3)
    F.dropout(mt.Tensor(np.ones(7)))
    save_checkpoint(path)
    expected = F.dropout(mt.Tensor(np.ones(100))).numpy()
    mt.manual_seed(9)
    load_checkpoint(path)
    np.testing.assert_array_equal(F.dropout(mt.Tensor(np.ones(100))).numpy(), expected)


@pytest.mark.parametrize("value", [object(), {1.5: 2}, np.array(["text"]), {"deep": [print]}])
def test_what_cannot_be_stored_is_refused_and_no_file_is_left(path, value):
    with pytest.raises(TypeError, match=r"save_checkpoint: values/thing.*(give numbers|keys must|only numbers)"):
        save_checkpoint(path, thing=value)
    assert not path.parent.exists() or not list(path.parent.iterdir())


def test_an_error_while_writing_leaves_the_old_file_and_no_other(path, monkeypatch):
    save_checkpoint(path, epoch=1)
    before = path.read_bytes()

    def fails(file, **arrays):
        file.write(b"half a fil")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(path, epoch=2)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_every_truncation_is_found(path, rng):
    save_checkpoint(path, weights=rng.standard_normal(50))
    whole = path.read_bytes()
    for length in [0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"run\.npz: this is no checkpoint, or it is damaged or cut short"):
            load_checkpoint(path)


def test_every_changed_byte_of_the_data_is_found(path, rng):
    weights = rng.standard_normal(50)
    save_checkpoint(path, weights=weights)
    whole = path.read_bytes()
    start = whole.index(weights.tobytes())
    for place in range(start, start + weights.nbytes, 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)


def test_other_files_are_told_from_checkpoints(path, tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(path)
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    with pytest.raises(CheckpointError, match=r"other\.npz: this is an \.npz file, but no checkpoint"):
        load_checkpoint(tmp_path / "other.npz")
    np.savez(tmp_path / "later.npz", header=np.frombuffer(json.dumps({"format": "version 9"}).encode(), np.uint8))
    with pytest.raises(CheckpointError, match=r"its format is 'version 9', this version reads"):
        load_checkpoint(tmp_path / "later.npz")
    np.save(tmp_path / "pickled.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(tmp_path / "pickled.npy")


def test_a_checkpoint_of_another_model_changes_nothing(path, rng):
    saved, other = nn.Linear(3, 2), nn.Sequential(nn.Linear(3, 4))
    first = nn.Linear(5, 1)
    save_checkpoint(path, first=nn.Linear(5, 1), model=saved)
    before = [p.numpy().copy() for p in [*first.parameters(), *other.parameters()]]
    with pytest.raises(
        CheckpointError, match=r"(?s)run\.npz: its model doesn't fit.*missing: 0\.weight.*unexpected: weight"
    ):
        load_checkpoint(path, first=first, model=other)
    for parameter, kept in zip([*first.parameters(), *other.parameters()], before):
        np.testing.assert_array_equal(parameter.numpy(), kept)


def rewrite_header(path, change):
    """Change the header of a checkpoint in place, its arrays stay."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays.pop("header").tobytes().decode())
    change(header)
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


@pytest.mark.parametrize("key", ["objects", "values", "random"])
def test_a_header_that_lacks_a_part_is_told_and_changes_nothing(path, key):
    save_checkpoint(path, model=nn.Linear(3, 2), epoch=1)
    rewrite_header(path, lambda header: header.pop(key))
    model = nn.Linear(3, 2)
    before = model.weight.numpy().copy()
    with pytest.raises(CheckpointError, match=rf"run\.npz: the checkpoint is damaged: its header has no {key}"):
        load_checkpoint(path, model=model)
    np.testing.assert_array_equal(model.weight.numpy(), before)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("seed"),
        lambda state: state.update(seed="seven"),
        lambda state: state["generator"].update(bit_generator="MT19937"),
        lambda state: state["generator"]["state"].update(state="many"),
    ],
)
def test_a_random_state_that_does_not_fit_changes_nothing(path, change):
    save_checkpoint(path, model=nn.Linear(3, 2))
    rewrite_header(path, lambda header: change(header["random"]))
    model = nn.Linear(3, 2)
    before, random_before = model.weight.numpy().copy(), mt.backend.random.get_state()
    with pytest.raises(CheckpointError, match=r"run\.npz: its random state doesn't fit this run's"):
        load_checkpoint(path, model=model)
    np.testing.assert_array_equal(model.weight.numpy(), before)
    assert mt.backend.random.get_state() == random_before


def test_a_name_that_was_not_saved_is_told(path):
    save_checkpoint(path, model=nn.Linear(1, 1))
    with pytest.raises(CheckpointError, match=r"the checkpoint has no optimizer; it has model"):
        load_checkpoint(path, model=nn.Linear(1, 1), optimizer=nn.Linear(1, 1))


def make_run(rng):
    mt.manual_seed(5)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=60)
    loader = data.DataLoader(data.TensorDataset(*rng), batch_size=7, shuffle=True)
    return {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}


def go_on(run, steps):
    """`steps` batches more, over the ends of epochs."""
    while True:
        for x, labels in run["loader"]:
            run["optimizer"].zero_grad()
            F.cross_entropy(run["model"](mt.Tensor(x)), labels).backward()
            run["optimizer"].step()
            run["scheduler"].step()
            steps -= 1
            if steps == 0:
                return


@pytest.mark.parametrize("stopped_after", [1, 5, 6, 13, 18])  # in the middle of an epoch of 6 batches, and at its end
def test_a_run_that_goes_on_has_the_bits_of_one_that_never_stopped(path, rng, stopped_after):
    samples = rng.standard_normal((40, 6)).astype(np.float32), rng.integers(0, 3, 40)
    whole = make_run(samples)
    go_on(whole, 31)
    stopped = make_run(samples)
    go_on(stopped, stopped_after)
    save_checkpoint(path, **stopped)
    mt.manual_seed(77)
    resumed = make_run(samples)
    load_checkpoint(path, **resumed)
    go_on(resumed, 31 - stopped_after)
    for (name, expected), got in zip(whole["model"].state_dict().items(), resumed["model"].state_dict().values()):
        assert got.numpy().tobytes() == expected.numpy().tobytes(), name
    assert resumed["scheduler"].get_last_lr() == whole["scheduler"].get_last_lr()


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    """A process writes one checkpoint after the other and is killed at a moment of its own; what is there can be read."""
    program = textwrap.dedent("""
        import sys, numpy as np
        from minitorch_cnn.train import save_checkpoint
        for i in range(10**6):
            save_checkpoint(sys.argv[1], number=i, array=np.full(200_000, i))
            print(i, flush=True)
    """)
    path = tmp_path / "run.npz"
    for kill_after in (1, 3, 8):
        process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(kill_after):
            process.stdout.readline()
        process.kill()
        process.communicate()
        values = load_checkpoint(path)
        assert values["number"] >= kill_after - 1
        assert (values["array"] == values["number"]).all()
    assert os.path.exists(path)
