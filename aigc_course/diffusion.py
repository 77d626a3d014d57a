"""Diffusion and flow matching of notebooks 09 and 09b: noise by an angle, the U-Net, walks back, a bound in bits.

An angle from 0 to pi/2 says how much is noise: x = cos(angle) x_0 + sin(angle) eps, with eps from N(0, I). Networks
predict the velocity, dx/d(angle). DDPM's steps are angles (cos² is its alpha_bar); flow matching's straight path is the
same x, divided by cos + sin. Images, (B, 1, H, W) in [0, 1] at rest, have mean 0 and spread 1 here.

Sources: Ho et al. (2020), arXiv:2006.11239; Song et al. (2021), arXiv:2010.02502; Salimans & Ho (2022),
arXiv:2202.00512, of the angle; Lipman et al. (2023), arXiv:2210.02747; Lu & Song (2024), arXiv:2410.11081.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aigc_course import optim, train

Model = Callable[..., Tensor]  # (x, angle (B,), ...) to the velocity, of x's shape


def _both(angle: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin of angles, one number or (B,), as they are multiplied by x (B, ...)."""
    angle = torch.as_tensor(angle, device=x.device, dtype=torch.float32)
    if angle.ndim > 1 or angle.ndim and len(angle) != len(x):
        raise ValueError(f"angle has shape {tuple(angle.shape)}; it must be one number or ({len(x)},)")
    angle = angle.view(-1, *[1] * (x.ndim - 1)) if angle.ndim else angle
    return angle.cos(), angle.sin()


def noised(x_0: Tensor, eps: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """x = cos x_0 + sin eps and its velocity v = cos eps - sin x_0. x_0, eps: (B, ...); angle: (B,) in radians, or one.

    Source: Salimans & Ho (2022), arXiv:2202.00512, appendix D.
    """
    c, s = _both(angle, x_0)
    return c * x_0 + s * eps, c * eps - s * x_0


def parts(x: Tensor, v: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """x_0 and eps of x and its velocity, the inverse of `noised`: a rotation by the angle back."""
    c, s = _both(angle, x)
    return c * x - s * v, s * x + c * v


def straight(n: int) -> list[float]:
    """n + 1 angles from pi/2 to 0 whose times on the straight path, sin / (sin + cos), are evenly spaced."""
    return [math.atan2(n - i, i) for i in range(n + 1)]


@torch.no_grad()
def walk(
    model: Model, x: Tensor, angles: Sequence[float], fresh: float = 0.0, *given: Tensor, generator: Generator = None
) -> Tensor:
    """From x (B, ...) at the first angle to the last: at each the noise is predicted, and some of it drawn anew.

    fresh: kappa, 0 for DDIM, which is Euler's method on the straight path; of the noise's variance kappa² is new, but
    nothing at angle 0. Source: Song et al. (2021), arXiv:2010.02502, equation 12, sigma = kappa · sin(next angle).
    """
    if not 0 <= fresh <= 1:
        raise ValueError(f"fresh is {fresh}; it is from 0 to 1")
    for angle, after in pairwise(angles):
        at = torch.full((len(x),), float(angle), device=x.device)
        x_0, eps = parts(x, model(x, at, *given).float(), at)
        if fresh and after > 0:
            noise = torch.randn(x.shape, generator=generator).to(x.device)
            eps = math.sqrt(1 - fresh**2) * eps + fresh * noise
        x = math.cos(after) * x_0 + math.sin(after) * eps
    return x


class Level(nn.Module):
    """An angle as features: (B,) in radians to (B, width), from cosines and sines of 1 to 128 times the angle."""

    def __init__(self, width: int, n_classes: int = 0):
        super().__init__()
        self.register_buffer("speed", 2.0 ** torch.arange(8))
        self.first, self.last = nn.Linear(16, width), nn.Linear(width, width)
        self.label = nn.Embedding(n_classes + 1, width) if n_classes else None  # the last one: no label

    def forward(self, angle: Tensor, y: Tensor | None = None) -> Tensor:
        turns = angle[:, None] * self.speed
        h = self.last(F.silu(self.first(torch.cat([turns.cos(), turns.sin()], dim=1))))
        if self.label is not None:
            h = h + (self.label.weight[-1] if y is None else self.label(y))
        return F.silu(h)


class Block(nn.Module):
    """Two convolutions beside a way past them, (B, C, H, W); the noise level scales and shifts the maps between."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.level = nn.Linear(width, 2 * channels)
        for weight in (*self.last.parameters(), *self.level.parameters()):
            nn.init.zeros_(weight)  # it starts as the identity

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        scale, shift = self.level(e)[:, :, None, None].chunk(2, dim=1)
        return x + self.last(F.silu(self.first(F.silu(x)) * (1 + scale) + shift))


class UNet(nn.Module):
    """Velocities of noisy images of mean 0 and spread 1, (B, 1, H, W), H and W multiples of 4, at angles (B,).

    Four pixels become four channels, so that the finest maps are half the image's size; no normalisation layers.
    n_classes: labels (B,) may be given too, n_classes for none. mean, spread: of the images' grey values; size: theirs.
    """

    def __init__(
        self, channels: int = 32, n_blocks: int = 3, n_classes: int = 0, *,
        mean: float = 0.0, spread: float = 1.0, size: tuple[int, int] = (28, 28),
    ):  # fmt: skip
        super().__init__()
        width = 4 * channels
        self.register_buffer("grey", torch.tensor([mean, spread]), persistent=False)
        self.size, self.n_classes, self.level = size, n_classes, Level(width, n_classes)
        self.first = nn.Conv2d(4, channels, 3, padding=1)
        self.fine_1, self.fine_2 = Block(channels, width), Block(channels, width)
        self.down = nn.Conv2d(channels, 2 * channels, 2, stride=2)
        self.coarse = nn.ModuleList(Block(2 * channels, width) for _ in range(n_blocks))
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.last = nn.Conv2d(channels, 4, 3, padding=1)
        for weight in self.last.parameters():
            nn.init.zeros_(weight)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, angle: Tensor, y: Tensor | None = None) -> Tensor:
        e = self.level(angle, y)
        h = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)  # (B, 4, 14, 14)
        fine = self.fine_1(self.first(h), e)  # (B, 32, 14, 14)
        h = self.down(fine)  # (B, 64, 7, 7)
        for block in self.coarse:
            h = block(h, e)
        h = self.fine_2(fine + self.up(h), e)
        return F.pixel_shuffle(self.last(F.silu(h)), 2)  # (B, 1, 28, 28)


def optimizers(model: UNet, lr: float = 5e-3, lr_kernels: float = 0.02, *, bf16: bool = False) -> list:
    """Muon (lr_kernels) for the kernels inside, its products in bfloat16 if bf16; AdamW (lr) for all else."""
    inside = nn.ModuleList([model.fine_1, model.fine_2, model.down, model.coarse])
    kernels = [w for w in inside.parameters() if w.ndim == 4]
    rest = [w for w in model.parameters() if all(w is not kernel for kernel in kernels)]
    muon = optim.KernelMuon(kernels, lr_kernels, dtype=torch.bfloat16 if bf16 else None)
    return [muon, torch.optim.AdamW(rest, lr, (0.9, 0.99), fused=True)]


def to_unit(model: UNet, x: Tensor) -> Tensor:
    """Grey values in [0, 1] to the mean 0 and spread 1 of the network's images."""
    return (x - model.grey[0]) / model.grey[1]


@torch.no_grad()
def sample(
    model: UNet, n: int, y: Tensor | None = None, *, angles: Sequence[float] | None = None, fresh: float = 0.45,
    seed: int = 0, autocast: AbstractContextManager | None = None, batch_size: int = 500,
) -> Tensor:  # fmt: skip
    """n images, (n, 1, H, W) in [0, 1], by `walk`; angles: `straight(40)` unless given. y: labels (n,)."""
    generator = torch.Generator().manual_seed(seed)
    device, found = model.grey.device, []
    with train.evaluating(model, autocast):
        for part in torch.arange(n).split(batch_size):
            noise = torch.randn(len(part), 1, *model.size, generator=generator).to(device)
            given = () if y is None else (y[part.to(y.device)],)
            way = straight(40) if angles is None else angles
            found.append(walk(model, noise, way, fresh, *given, generator=generator))
    return (torch.cat(found) * model.grey[1] + model.grey[0]).clamp(0, 1)


@torch.no_grad()
def bits_per_pixel(
    model: UNet, images: Tensor, log_prior: Tensor, *given: Tensor, low: float = -2.5, high: float = 5.0, n: int = 20
) -> Tensor:
    """An upper bound on -log2 p(image) over the number of pixels, (B,), from n random levels an image.

    images: (B, 1, H, W) of values k/255. log_prior: (H·W, 256), of the 256 values of each pixel, which the last step
    combines with what it sees. With l = log tan(angle) from low to high, in nats: the integral of cos² |v - v_hat|² dl,
    the cost of the values given x at low, and the KL divergence to N(0, I) at high.
    Source: Kingma et al. (2021), arXiv:2107.00630, section 4, in terms of the angle.
    """
    (B, D), x_0 = (len(images), images[0].numel()), to_unit(model, images)
    least, most = math.atan(math.exp(low)), math.atan(math.exp(high))
    var = math.sin(most) ** 2
    nats = 0.5 * ((1 - var) * x_0.flatten(1).square().sum(dim=1) + D * (var - 1 - math.log(var)))
    for i in range(n):  # one draw in each of n equal parts
        angle = (low + (high - low) * (i + torch.rand(B, device=x_0.device)) / n).exp().atan()
        x, v = noised(x_0, torch.randn_like(x_0), angle)
        error = (model(x, angle, *given).float() - v).square().flatten(1).sum(dim=1)
        nats += (high - low) / n * angle.cos().square() * error
    seen = (x_0 + math.tan(least) * torch.randn_like(x_0)).flatten(1)
    values = to_unit(model, torch.arange(256, device=x_0.device) / 255)
    for b, level in enumerate((255 * images.flatten(1)).round().long()):
        score = log_prior - (seen[b][:, None] - values).square() / (2 * math.tan(least) ** 2)  # (H·W, 256)
        nats[b] -= score.log_softmax(dim=1).gather(1, level[:, None]).sum()
    return nats / (D * math.log(2))
