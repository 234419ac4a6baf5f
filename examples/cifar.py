"""What the CIFAR-10 examples share: the images, the paper's augmentation, one epoch of training, the test error.

Preparation and augmentation are those of He et al. 2015 (1512.03385), section 4.2: the mean of each pixel over the training images
is subtracted; for training, 4 pixels of zeros are put on each side, and a random crop of 32x32 is taken, mirrored half of the time.
(Here the pixels are also divided by their standard deviation, since He's initialiser wants inputs of size 1.)
"""

import numpy as np
from tqdm import tqdm

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import data, optim, train


class Cifar10:
    """CIFAR-10 in memory, prepared: `train`, `validation` and `test`, each a pair of images (N, 3, 32, 32) float32 and labels (N,).

    Args:
        folder: where the data are; None looks in the usual places.
        held_out: how many of the training images are for validation: the last ones of a random order that is always the same.
        limit: only so many images of each part, to see that a program runs, or for experiments of minutes.
    """

    def __init__(self, folder=None, held_out=0, limit=None):
        train_set, test_set = data.CIFAR10(folder, train=True), data.CIFAR10(folder, train=False)
        if not 0 <= held_out < len(train_set):
            raise ValueError(f"held_out must be from 0 to {len(train_set) - 1}, so that some are left; got {held_out}")
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        order = np.random.default_rng(0).permutation(len(train_set)) if held_out else np.arange(len(train_set))
        chosen = order[: len(order) - held_out][:limit]
        mean, std = pixel_statistics(train_set.data[chosen])
        self.train = prepared(train_set.data[chosen], mean, std), train_set.targets[chosen]
        rest = order[len(order) - held_out :][:limit]
        self.validation = prepared(train_set.data[rest], mean, std), train_set.targets[rest]
        self.test = prepared(test_set.data[:limit], mean, std), test_set.targets[:limit]
        self.raw_test, self.classes = test_set.data[:limit], test_set.classes

    def halve(self):
        """Make the images 16x16, each pixel the mean of four: a quarter of the work, for experiments of minutes."""
        for part in ("train", "validation", "test"):
            images, labels = getattr(self, part)
            blocks = images.reshape(len(images), 3, 16, 2, 16, 2)
            setattr(self, part, (blocks.mean((3, 5), dtype=np.float32), labels))

    def loader(self, batch_size, seed=None, drop_last=False):
        """Batches of training images in a new order each epoch: (images, labels, numbers of the images)."""
        images, labels = self.train
        dataset = data.TensorDataset(images, labels, np.arange(len(labels)))
        return data.DataLoader(dataset, batch_size, shuffle=True, drop_last=drop_last, seed=seed)


def pixel_statistics(images):
    """The mean of each pixel, (3, 32, 32), and one standard deviation, of the first 5,000 images."""
    mean = images.mean(0, dtype=np.float64)
    return mean, np.sqrt(((images[:5000] - mean) ** 2).mean())


def prepared(images, mean, std):
    """(images - mean) / std in float32, some at a time: in float64 all of them would take 1.2 GB."""
    result = np.empty(images.shape, np.float32)
    for i in range(0, len(images), 1000):
        result[i : i + 1000] = (images[i : i + 1000] - mean) / std
    return result


class PadCropFlip:
    """Zeros on each side, an eighth of the image's size, then a random crop of that size, mirrored half of the time.

    What happens to image i of `count` in epoch e depends on these and the seed alone: a run that goes on repeats itself exactly.
    """

    def __init__(self, count, seed, size=32):
        self.count, self.seed, self.pad = count, seed, size // 8
        self.epoch = None

    def __call__(self, images, numbers, epoch):
        """(N, C, H, W), and the images' numbers (N,) -> (N, C, H, W)."""
        if epoch != self.epoch:
            self.epoch, rng = epoch, np.random.default_rng([self.seed, epoch])
            self.y, self.x = rng.integers(0, 2 * self.pad + 1, (2, self.count))
            self.mirrored = rng.random(self.count) < 0.5
        H, W = images.shape[2:]
        padded = np.pad(images, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(2, 3))  # (N, C, 9, 9, H, W), no copy
        crops = windows[np.arange(len(images)), :, self.y[numbers], self.x[numbers]]  # (N, C, H, W)
        mirrored = self.mirrored[numbers]
        crops[mirrored] = crops[mirrored, :, :, ::-1]
        return crops


def train_one_epoch(model, loader, optimizer, scheduler, augment, device="cpu", totals=None, stop=None):
    """Every training image once. Returns its `train.Totals`, of fewer images if `stop` was requested."""
    model.train()
    totals = totals or train.Totals()
    epoch = loader.epoch
    bar = tqdm(total=len(loader.dataset), initial=totals.seen, desc=f"epoch {epoch + 1}", unit=" images", disable=None)
    for images, labels, numbers in loader:
        images = augment(images, numbers, epoch)
        images, labels = mt.Tensor(images, device=device), mt.Tensor(labels, device=device)

        optimizer.zero_grad()
        scores = model(images)
        loss = F.cross_entropy(scores, labels)
        loss.backward()
        optimizer.step()
        scheduler.step()

        totals.add(loss, scores, labels)
        bar.update(len(labels))
        if totals.seen % 1280 < len(labels):  # often enough to watch
            bar.set_postfix_str("loss {train_loss:.3f}, error {train_error:.1%}".format(**totals.means()))
        if stop is not None and stop.requested:
            break
    bar.close()
    return totals


def predict(model, images, device="cpu", batch_size=500):
    """The class of each image, (N,)."""
    model.eval()
    with mt.no_grad():
        batches = [
            model(mt.Tensor(images[i : i + batch_size], device=device)).argmax(1).numpy()
            for i in range(0, len(images), batch_size)
        ]
    return np.concatenate(batches)


def error(model, part, device="cpu"):
    """The fraction of a part's images (`cifar.test`) that are taken for another class."""
    images, labels = part
    return float((predict(model, images, device) != labels).mean())


def fit(model, optimizer, schedule, cifar, loader, epochs, seed, device="cpu", parts=("test",), each_epoch=True):
    """Train, and look how well it does: what an experiment compares.

    Args:
        schedule: what makes a scheduler of (optimizer, number of steps): `constant`, `one_cycle` or `two_drops`.
        loader: of `cifar`.
        seed: of the augmentation.
        parts: of `cifar`, whose errors are wanted.
        each_epoch: look after each epoch, otherwise after the last one.
    Returns: a list with a dict for each epoch: epoch, lr (at its start), train_loss, train_error (both as training went), and the
        parts' errors, such as test_error. It ends early if the loss is no number any more.
    """
    scheduler = schedule(optimizer, epochs * len(loader))
    augment = PadCropFlip(len(loader.dataset), seed, size=cifar.train[0].shape[2])
    history = []
    for epoch in range(1, epochs + 1):
        lr = optimizer.param_groups[0]["lr"]
        totals = train_one_epoch(model, loader, optimizer, scheduler, augment, device)
        history.append({"epoch": epoch, "lr": lr, **totals.means()})
        lost = not np.isfinite(history[-1]["train_loss"])
        if each_epoch or lost or epoch == epochs:
            history[-1].update({f"{part}_error": error(model, getattr(cifar, part), device) for part in parts})
        if lost:
            break
    return history


def constant(optimizer, steps):
    """The learning rate as it is."""
    return optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def one_cycle(optimizer, steps):
    """Up to the learning rate and down again, momentum the other way (Smith, Topin 2017, 1708.07120)."""
    return optim.lr_scheduler.OneCycleLR(optimizer, max_lr=optimizer.param_groups[0]["lr"], total_steps=steps)


def two_drops(optimizer, steps):
    """A tenth of the learning rate from half of the steps on, a hundredth from three quarters (He et al. 2015, section 4.2)."""
    return optim.lr_scheduler.MultiStepLR(optimizer, [steps // 2, steps * 3 // 4], gamma=0.1)
