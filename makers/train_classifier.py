"""Train the classifier whose features the course's Fréchet distance, precision and recall compare.

    python makers/train_classifier.py

writes data/mnist_classifier.safetensors and prints the accuracies and the checksum that its card states. It takes about
two minutes of one core. The last 5,000 training images are for tuning; the test images are scored once, at the end.
"""

import hashlib
import sys
from pathlib import Path

import checksums
import torch
from torch import Tensor
from torch.nn import functional as F

from aigc_course import data, metrics, train

n_epochs = 4
batch_size = 256
lr = 6e-3
max_shift = 2  # pixels
decorrelation = 0.05  # weight of the penalty on correlated features
path = Path(__file__).parents[1] / "data/mnist_classifier.safetensors"


def shifted(x: Tensor) -> Tensor:
    """Move each image by up to `max_shift` pixels each way: (B, 1, 28, 28) to the same."""
    padded = F.pad(x[:, 0], (max_shift,) * 4)
    rows, columns = torch.randint(2 * max_shift + 1, (2, len(x), 1)) + torch.arange(28)  # (B, 28) each
    return padded[torch.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def loss_of(model: metrics.Classifier, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy, and a penalty that keeps the features from being copies of each other.

    Without it, about 8 directions hold nearly all of the features' variance: one for each border between classes, as in
    Papyan et al. (2020), arXiv:2008.08186. A Fréchet distance would then see the class of a digit and little else.
    """
    f = model.features(x)  # (B, 128)
    correlation = f.T @ f / len(f)  # the mean of its diagonal is 1
    return F.cross_entropy(model.head(f.relu()), y) + decorrelation * (correlation.square().sum() / f.shape[1] - 1)


@torch.no_grad()
def accuracy(model: metrics.Classifier, x: Tensor, y: Tensor) -> float:
    """Share of images whose most probable class is right."""
    return torch.cat([model(part).argmax(1) for part in x.split(500)]).eq(y).double().mean().item()


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x, y, _ = data.mnist("train")
    if data.standin_in_use():
        sys.exit("The classifier is trained on the genuine MNIST; the stand-in is in use.")
    model = metrics.Classifier().to(memory_format=torch.channels_last)
    n_steps = n_epochs * (55_000 // batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, n_steps)
    for x_b, y_b in train.batches((x[:55_000], y[:55_000]), batch_size, n_steps, seed=0):
        loss = loss_of(model, shifted(x_b), y_b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    train.save(model.to(memory_format=torch.contiguous_format), path)
    checksums.write()
    kept = metrics.classifier()
    f = metrics.features(x[:10_000], model=kept)
    spectrum = torch.linalg.eigvalsh(f.T.cov())
    print(f"tuning accuracy (last 5,000 of train) {accuracy(kept, x[55_000:], y[55_000:]):.4f}")
    print(f"directions that hold the features' variance: {spectrum.sum() ** 2 / spectrum.square().sum():.0f} of 128")
    test = data.mnist("test")
    print(f"test accuracy {accuracy(kept, test.images, test.labels):.4f}")
    print(f"{path.stat().st_size:,} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
