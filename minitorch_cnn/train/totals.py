"""Loss and mistakes since the beginning of an epoch."""


class Totals:
    """Sums over batches, kept on the model's device: a GPU is waited for only when they are shown.

    >>> from minitorch_cnn import Tensor
    >>> totals = Totals()
    >>> totals.add(loss=Tensor(0.5), scores=Tensor([[0.1, 0.9], [0.8, 0.2]]), labels=Tensor([1, 1]))
    >>> totals.means()
    {'train_loss': 0.5, 'train_error': 0.5}
    """

    def __init__(self, loss=0.0, wrong=0, seen=0):
        self.loss, self.wrong, self.seen = loss, wrong, seen

    def add(self, loss, scores, labels):
        """One batch: its mean loss, its scores (N, classes) and labels (N,), all Tensors on one device."""
        self.loss = self.loss + loss.detach().double() * len(labels)
        self.wrong = self.wrong + (scores.argmax(1) != labels).sum()
        self.seen += len(labels)

    def sums(self):
        """Plain numbers, for a checkpoint: Totals(**sums) goes on from them."""
        return {"loss": float(self.loss), "wrong": int(self.wrong), "seen": self.seen}

    def means(self):
        """Mean loss, and the fraction of images got wrong."""
        return {"train_loss": float(self.loss) / self.seen, "train_error": int(self.wrong) / self.seen}
