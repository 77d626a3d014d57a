"""CycleGAN of notebook 08: one translator and one discriminator for two typefaces, their losses, scores.

Glyphs are (B, 1, 32, 32) in [-1, 1], paper is -1 (`gan.to_tanh`, `gan.to_grey`). A typeface is a number, -1 for the
first (hei) and +1 for the second (kai), one for each glyph or one for all.

Sources: Zhu, Park, Isola & Efros (2017), arXiv:1703.10593; of one network for all directions Choi et al. (2018),
arXiv:1711.09020.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import metrics, optim

Translate = Callable[[Tensor, float], Tensor]  # glyphs and the typeface that is wanted to glyphs


class Block(nn.Module):
    """Two convolutions beside a way past them, (B, C, H, W); it starts as the identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        for weight in self.last.parameters():
            nn.init.zeros_(weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(F.silu(self.first(F.silu(x))))


class Translator(nn.Module):
    """Glyphs (B, 1, H, W) in [-1, 1] in the typeface `to`; H and W are multiples of 4.

    Four pixels become four channels, the typeface that is wanted a fifth. The network adds a change to 2x before tanh,
    and the change starts as 0: untrained, it gives back its input, a little paler.
    """

    def __init__(self, channels: int = 32, n_blocks: int = 3):
        super().__init__()
        self.first = nn.Conv2d(5, channels, 3, padding=1)
        self.fine_1, self.fine_2 = Block(channels), Block(channels)
        self.down = nn.Conv2d(channels, 2 * channels, 2, stride=2)
        self.coarse = nn.Sequential(*(Block(2 * channels) for _ in range(n_blocks)))
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.last = nn.Conv2d(channels, 4, 3, padding=1)
        for weight in self.last.parameters():
            nn.init.zeros_(weight)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, to: Tensor | float) -> Tensor:
        h = F.pixel_unshuffle(x, 2)  # (B, 4, 16, 16)
        to = torch.as_tensor(to, dtype=h.dtype, device=h.device).view(-1, 1, 1, 1)
        h = torch.cat([h, to.expand(len(h), 1, *h.shape[2:])], dim=1)
        fine = self.fine_1(self.first(h.contiguous(memory_format=torch.channels_last)))
        h = self.fine_2(fine + self.up(self.coarse(self.down(fine))))
        return torch.tanh(2 * x + F.pixel_shuffle(self.last(F.silu(h)), 2).float())


class Discriminator(nn.Module):
    """Is x (B, 1, H, W) a real glyph of the typeface `of`, (B,)? Two maps of logits; positive means "real".

    (B, H/4, W/4) of small patches, 20 x 20 pixels, and (B, H/8, W/8) of large ones, 48 x 48, cut off by the margins.

    Source: Isola et al. (2017), arXiv:1611.07004, of discriminators that judge patches.
    """

    def __init__(self, channels: int = 32):
        super().__init__()
        self.first = nn.Conv2d(4, channels, 3, padding=1)
        self.down_1 = nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1)
        self.small = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)
        self.down_2 = nn.Conv2d(2 * channels, 4 * channels, 4, stride=2, padding=1)
        self.large = nn.Conv2d(4 * channels, 4 * channels, 3, padding=1)
        self.last_small, self.last_large = nn.Conv2d(2 * channels, 2, 1), nn.Conv2d(4 * channels, 2, 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        h = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        for layer in (self.first, self.down_1, self.small):
            h = F.leaky_relu(layer(h), 0.2)
        small = self.last_small(h).float()  # (B, 2, 8, 8): a map for each typeface
        for layer in (self.down_2, self.large):
            h = F.leaky_relu(layer(h), 0.2)
        rows, face = torch.arange(len(x), device=x.device), (of > 0).long()
        return small[rows, face], self.last_large(h).float()[rows, face]


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """The hinge loss: real logits are to be at least 1, those of translations at most -1. A mean a map, added up.

    Source: Lim & Ye (2017), arXiv:1705.02894.
    """
    return sum(F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True))


def translator_loss(fake: Sequence[Tensor]) -> Tensor:
    """What the translator lowers: minus the mean logit of its translations, added up over the maps."""
    return -sum(f.mean() for f in fake)


def shifted(x: Tensor, most: int = 1) -> Tensor:
    """Each glyph (B, C, H, W), its channels alike, moved by up to `most` pixels in both directions; paper comes in."""
    B, _, H, W = x.shape
    down, right = torch.randint(2 * most + 1, (2, B, 1), device=x.device)
    rows, columns = down + torch.arange(H, device=x.device), right + torch.arange(W, device=x.device)
    glyph = torch.arange(B, device=x.device)[:, None, None]
    return F.pad(x, [most] * 4, value=-1)[glyph, :, rows[:, :, None], columns[:, None]].movedim(3, 1)


def place(x: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and spread of the mean ink of glyphs (N, 1, H, W) in [-1, 1], in pixels: rows, columns, (2,) each."""
    ink = (x + 1).mean(dim=(0, 1))
    centre, spread = [], []
    for share in (ink.sum(dim=1) / ink.sum(), ink.sum(dim=0) / ink.sum()):
        at = torch.arange(len(share), dtype=ink.dtype, device=ink.device)
        centre.append((share * at).sum())
        spread.append((share * (at - centre[-1]).square()).sum().sqrt())
    return torch.stack(centre), torch.stack(spread)


def fitted(x: Tensor, seen: Tensor, wanted: Tensor) -> Tensor:
    """Glyphs x (B, 1, H, W), moved and stretched as makes centre and spread of the ink of `seen` those of `wanted`.

    All are in [-1, 1]; neither set needs pairs. Pixels are mixed bilinearly, and paper (-1) comes in.
    """
    (centre, spread), (new_centre, new_spread) = place(seen), place(wanted)
    size = torch.tensor(x.shape[2:], dtype=x.dtype, device=x.device)
    scale = spread / new_spread
    shift = (2 * centre + 1) / size - 1 - scale * ((2 * new_centre + 1) / size - 1)
    rows = torch.cat([torch.diag(scale.flip(0)), shift.flip(0)[:, None]], dim=1)  # columns first
    grid = F.affine_grid(rows.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


def optimizers(model: nn.Module, lr: float, lr_kernels: float, *, bf16: bool = False) -> list[torch.optim.Optimizer]:
    """AdamW (lr) for first and last layers and biases, Muon (lr_kernels) for the kernels between."""
    ends = ("first.weight", "last.weight", "last_small.weight", "last_large.weight")
    named = list(model.named_parameters())
    inside = [weight for name, weight in named if weight.ndim == 4 and name not in ends]
    rest = [weight for name, weight in named if weight.ndim != 4 or name in ends]
    adam = torch.optim.AdamW(rest, lr, betas=(0.5, 0.99), weight_decay=0.0, fused=True)
    return [adam, optim.KernelMuon(inside, lr_kernels, momentum=0.9, dtype=torch.bfloat16 if bf16 else None)]


def descend(optimizers: Sequence[torch.optim.Optimizer], loss: Tensor) -> None:
    """One step of all these optimizers down the gradient of the loss; others' gradients are left as they are."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def score(x: Tensor, truth: Tensor) -> tuple[float, float]:
    """Mean absolute error, and recall@1: for how many x the nearest of all truths, Euclidean, is their own.

    x, truth: (B, ...) in one order. The retrieval among B characters; by chance 1 / B.
    """
    if x.shape != truth.shape:
        raise ValueError(f"x has shape {tuple(x.shape)}, truth {tuple(truth.shape)}")
    own = torch.arange(len(x), device=x.device)
    found = metrics.nearest(x, truth)[1][:, 0]
    return (x.float() - truth.float()).abs().mean().item(), (found == own).double().mean().item()
