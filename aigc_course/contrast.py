"""Representations without labels, of notebook 02: random views, an encoder, the contrastive loss, and a linear probe.

Sources: Chen et al. (2020), arXiv:2002.05709, of the loss and the recipe; Wu et al. (2018), arXiv:1805.01978, of
telling images apart; Garrido et al. (2023), arXiv:2210.02885, of the rank as a sign of collapse.
"""

import math
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aigc_course import optim, train

# What the page found to serve on held-out training images: radians, log scale, slope, half widths, half widths, share.
STRENGTHS = {"turn": 0.3, "scale": 0.25, "shear": 0.3, "shift": 0.15, "bend": 0.12, "thick": 0.8}


def views(
    x: Tensor, *, turn: float = 0.0, scale: float = 0.0, shear: float = 0.0, shift: float = 0.0, bend: float = 0.0,
    thick: float = 0.0,
) -> Tensor:  # fmt: skip
    """Each image under a random transformation of its own, by one sampling: (B, 1, H, W) in [0, 1] to the same.

    Evenly distributed: the angle within ±turn radians, the log of both side lengths within ±scale, the slope within
    ±shear, the shift within ±shift of half the width. bend: the spread, in half widths, of a 4 x 4 grid of normal
    displacements, smoothly interpolated. thick: strokes grow or shrink by up to this share of a pixel on each side.
    Source: Simard et al. (2003), Best practices for convolutional neural networks, of such distortions of digits.
    """
    if x.ndim != 4:
        raise ValueError(f"views takes images (B, 1, H, W), not {tuple(x.shape)}")
    B, here = len(x), {"device": x.device}
    angle, slope, height, width = (2 * torch.rand(4, B, **here) - 1).unbind()
    c, s, slope = (turn * angle).cos(), (turn * angle).sin(), shear * slope
    right = torch.stack([c, s], dim=1) * (scale * width).exp()[:, None]  # where a step to the right leads
    down = torch.stack([slope * c - s, slope * s + c], dim=1) * (scale * height).exp()[:, None]
    middle = shift * (2 * torch.rand(B, 2, **here) - 1)
    grid = F.affine_grid(torch.stack([right, down, middle], dim=2), list(x.shape), align_corners=False)
    field = bend * torch.randn(B, 2, 4, 4, **here)
    field = F.interpolate(field, size=x.shape[2:], mode="bicubic", align_corners=True)
    y = F.grid_sample(x, grid + field.permute(0, 2, 3, 1), align_corners=False)
    t = thick * (2 * torch.rand(B, 1, 1, 1, **here) - 1)
    wide, thin = F.max_pool2d(y, 3, 1, 1), -F.max_pool2d(-y, 3, 1, 1)
    return y + t.clamp(min=0) * (wide - y) + t.clamp(max=0) * (y - thin)


def centred(x: Tensor) -> Tensor:
    """Images (B, 1, H, W), each moved so that its centre of mass is the middle, about which `rot90` turns."""
    H, W = x.shape[2:]
    mass = x.sum(dim=(1, 2, 3)).clamp(min=1e-6)
    rows, columns = (torch.arange(n, device=x.device) - (n - 1) / 2 for n in (H, W))
    right, down = (x.sum(dim=(1, 2)) * columns).sum(dim=1) / mass, (x.sum(dim=(1, 3)) * rows).sum(dim=1) / mass
    affine = torch.eye(2, 3, device=x.device).repeat(len(x), 1, 1)
    affine[:, :, 2] = torch.stack([2 * right / W, 2 * down / H], dim=1)  # in half widths, where it is fetched
    return F.grid_sample(x, F.affine_grid(affine, list(x.shape), align_corners=False), align_corners=False)


class Block(nn.Module):
    """Two convolutions beside a way past them, (B, C, H, W), each of maps of mean 0 and spread 1 over a batch."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm_1, self.norm_2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.last = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(F.silu(self.norm_1(x)))
        return x + self.last(F.silu(self.norm_2(h)))


class Encoder(nn.Module):
    """Images (B, 1, H, W) in [0, 1], H and W multiples of 4 and at least 12, to features (B, 4 · channels).

    Four pixels become four channels, so that the finest maps are half the image's size. mean, spread: of the images'
    grey values.
    """

    def __init__(self, channels: int = 32, n_blocks: int = 2, *, mean: float = 0.0, spread: float = 1.0):
        super().__init__()
        self.register_buffer("grey", torch.tensor([mean, spread]), persistent=False)
        self.width = 4 * channels
        self.first, self.fine = nn.Conv2d(4, channels, 3, padding=1), Block(channels)
        self.down = nn.Conv2d(channels, 2 * channels, 2, stride=2)
        self.coarse = nn.Sequential(*[Block(2 * channels) for _ in range(n_blocks)])
        self.norm_1, self.norm_2 = nn.BatchNorm2d(2 * channels), nn.BatchNorm2d(self.width)
        self.last = nn.Conv2d(2 * channels, self.width, 3, stride=2)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        h = F.pixel_unshuffle((x - self.grey[0]) / self.grey[1], 2)  # (B, 4, 14, 14)
        h = self.fine(self.first(h.contiguous(memory_format=torch.channels_last)))  # (B, 32, 14, 14)
        h = self.last(F.silu(self.norm_1(self.coarse(self.down(h)))))  # (B, 64, 7, 7) to (B, 128, 3, 3)
        return F.silu(self.norm_2(h)).mean(dim=(2, 3))  # (B, 128)


def two_layers(n_in: int, n_out: int) -> nn.Sequential:
    """A head, (B, n_in) to (B, n_out): what is kept after training is its input."""
    return nn.Sequential(nn.Linear(n_in, n_in), nn.ReLU(), nn.Linear(n_in, n_out))


def optimizers(model: nn.Module, lr: float = 3e-3, lr_kernels: float = 0.02, *, bf16: bool = False) -> list:
    """Muon (lr_kernels) for the kernels inside, its products in bfloat16 if bf16; AdamW (lr) for all else."""
    kernels = [w for w in model.parameters() if w.ndim == 4 and w.shape[1] > 4]  # not the first, of four pixels
    rest = [w for w in model.parameters() if all(w is not kernel for kernel in kernels)]
    muon = optim.KernelMuon(kernels, lr_kernels, dtype=torch.bfloat16 if bf16 else None)
    return [muon, torch.optim.AdamW(rest, lr, (0.9, 0.99), fused=True)]


def nt_xent(z_1: Tensor, z_2: Tensor, temperature: float = 0.5) -> Tensor:
    """The contrastive loss in nats, a mean over 2N views: which of the 2N - 1 others shows the same image?

    z_1, z_2: (N, D), row i of both of one image. The logits are cosines over the temperature.
    Source: Chen et al. (2020), arXiv:2002.05709, equation 1.
    """
    if z_1.shape != z_2.shape or z_1.ndim != 2:
        raise ValueError(f"z_1 has shape {tuple(z_1.shape)}, z_2 {tuple(z_2.shape)}; both must be (N, D)")
    z = F.normalize(torch.cat([z_1, z_2]), dim=1)  # (2N, D)
    with torch.autocast(z.device.type, enabled=False):  # a matrix product would be in bf16 there
        logits = (z @ z.T / temperature).fill_diagonal_(-math.inf)  # no view is its own partner
    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z_1)))


def effective_rank(z: Tensor) -> float:
    """In how many directions z (N, D) varies: the exponential of the entropy of its covariance's eigenvalues' shares.

    Source: Roy & Vetterli (2007), The effective rank; there of singular values, here of their squares.
    """
    share = torch.linalg.svdvals((z - z.mean(dim=0)).double()).square()
    share = share / share.sum().clamp(min=1e-30)
    return torch.special.entr(share).sum().exp().item()


@torch.no_grad()
def embed(
    model: nn.Module, x: Tensor, *, autocast: AbstractContextManager | None = None, batch_size: int = 500
) -> Tensor:
    """Features (N, D), float32, of images (N, 1, H, W), in eval mode."""
    with train.evaluating(model, autocast):
        return torch.cat([model(part).float() for part in x.split(batch_size)])


def few(labels: Tensor, n: int, seed: int = 0, n_classes: int = 10) -> Tensor:
    """Rows of n random examples, as many of each class: labels (N,) to (n,). ValueError where there are not so many."""
    if n % n_classes or labels.bincount(minlength=n_classes).min() < n // n_classes:
        raise ValueError(f"{n} labels cannot be {n_classes} equal shares of these")
    generator = Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    return torch.cat([order[labels[order] == digit][: n // n_classes] for digit in range(n_classes)])


def probe(x: Tensor, y: Tensor, l2: float = 0.1, n_classes: int = 10) -> nn.Linear:
    """Multinomial logistic regression: features x (n, D), labels y (n,), to a layer (N, D) to logits (N, n_classes).

    It minimises the mean cross-entropy plus l2 / 2 times the squared weights, by L-BFGS. Features are centred, and
    divided by their spread plus its root mean square over features, so that those which hardly vary are not blown up;
    the layer takes them as they are.
    """
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
    scale = 1 / (spread + spread.square().mean().sqrt()).clamp(min=1e-6)
    layer, rows = nn.Linear(x.shape[1], n_classes, device=x.device), (x - mean) * scale
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    lbfgs = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        lbfgs.zero_grad()
        found = F.cross_entropy(layer(rows), y) + l2 / 2 * layer.weight.square().sum()
        found.backward()
        return found

    lbfgs.step(loss)
    with torch.no_grad():
        layer.weight *= scale
        layer.bias -= layer.weight @ mean
    return layer.requires_grad_(False)
