"""The generative adversarial networks of notebooks 04 to 07: models, losses, sampling.

Generators make and discriminators see (B, 1, 28, 28) in [-1, 1], the range of tanh; `to_tanh` and `to_grey` lead there
from [0, 1] and back. A discriminator gives logits, (B,): positive means "real".

Sources: Goodfellow et al. (2014), arXiv:1406.2661; Radford, Metz & Chintala (2016), arXiv:1511.06434; Mescheder, Geiger
& Nowozin (2018), arXiv:1801.04406; Gulrajani et al. (2017), arXiv:1704.00028.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def to_tanh(x: Tensor) -> Tensor:
    """Grey values in [0, 1], of any shape, to the range of tanh, [-1, 1]."""
    return 2 * x - 1


def to_grey(x: Tensor) -> Tensor:
    """Values in [-1, 1], of any shape, to float32 grey values in [0, 1]."""
    return ((x.float() + 1) / 2).clamp(0, 1)


class MLPGenerator(nn.Module):
    """The generator that popular articles print: latent_dim-256-512-1024-pixels, tanh. (B, latent_dim) to images.

    batch_norm: normalises the three hidden layers over the batch, which the articles leave out. shape: an image's.
    """

    def __init__(self, latent_dim: int = 100, batch_norm: bool = False, shape: tuple[int, int, int] = (1, 28, 28)):
        super().__init__()
        self.latent_dim, self.shape = latent_dim, shape
        layers: list[nn.Module] = []
        for n_in, n_out in ((latent_dim, 256), (256, 512), (512, 1024)):
            norm = [nn.BatchNorm1d(n_out)] if batch_norm else []
            layers += [nn.Linear(n_in, n_out), *norm, nn.LeakyReLU(0.2)]
        self.net = nn.Sequential(*layers, nn.Linear(1024, math.prod(shape)), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z).view(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    """Pixels-512-256-1: images (B, *shape) to logits (B,)."""

    def __init__(self, shape: tuple[int, int, int] = (1, 28, 28)):
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in ((math.prod(shape), 512), (512, 256)):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2)]
        self.net = nn.Sequential(*layers, nn.Linear(256, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.flatten(1)).squeeze(1)


class Generator(nn.Module):
    """A convolutional generator: (B, latent_dim) to 7 × 7, 14 × 14 and 28 × 28 pixels, images in [-1, 1]."""

    def __init__(self, latent_dim: int = 64, channels: int = 32):
        super().__init__()
        self.latent_dim, self.channels = latent_dim, channels
        self.first = nn.Linear(latent_dim, 49 * 2 * channels, bias=False)
        self.norm_1 = nn.BatchNorm1d(49 * 2 * channels)
        self.up_1 = nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(channels)
        self.up_2 = nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = F.relu(self.norm_1(self.first(z))).view(-1, 2 * self.channels, 7, 7)
        h = F.relu(self.norm_2(self.up_1(h.contiguous(memory_format=torch.channels_last))))  # 2 x faster on a CPU
        return torch.tanh(self.up_2(h))  # (B, 1, 28, 28)


class Discriminator(nn.Module):
    """Two strided convolutions, 28 × 28 to 14 × 14 to 7 × 7, and a hidden layer: (B, 1, 28, 28) to logits (B,)."""

    def __init__(self, channels: int = 32, hidden: int = 256):
        super().__init__()
        self.down_1 = nn.Conv2d(1, channels, 4, stride=2, padding=1)
        self.down_2 = nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1)
        self.hidden = nn.Linear(49 * 2 * channels, hidden)
        self.out = nn.Linear(hidden, 1)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, 28, 28) to what the last layer sees, (B, hidden)."""
        h = F.leaky_relu(self.down_1(x), 0.2)
        h = F.leaky_relu(self.down_2(h), 0.2)
        return F.leaky_relu(self.hidden(h.flatten(1)), 0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x)).squeeze(1)


class ConditionalGenerator(Generator):
    """`Generator` with a class: z (B, latent_dim) and labels y (B,) from 0 to 9 to images, a code of y beside z."""

    def __init__(self, latent_dim: int = 64, channels: int = 32, n_classes: int = 10, label_dim: int = 32):
        super().__init__(latent_dim + label_dim, channels)
        self.latent_dim = latent_dim
        self.embed = nn.Embedding(n_classes, label_dim)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return super().forward(torch.cat([z, self.embed(y)], dim=1))


class ConditionalCritic(Discriminator):
    """`Discriminator` with a class: images and labels y (B,) to scores (B,), w · h(x) + b + v_y · h(x).

    A second head names the class of an image from the same features h.

    Sources: Miyato & Koyama (2018), arXiv:1802.05637, equation 4, with h itself in place of a further layer; Odena,
    Olah & Shlens (2017), arXiv:1610.09585, for the second head.
    """

    def __init__(self, channels: int = 32, hidden: int = 256, n_classes: int = 10):
        super().__init__(channels, hidden)
        self.embed = nn.Embedding(n_classes, hidden)
        self.name = nn.Linear(hidden, n_classes)
        nn.init.zeros_(self.embed.weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.scores_and_classes(x, y)[0]

    def scores_and_classes(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B,) and logits of the class, (B, n_classes), in one pass."""
        h = self.features(x)
        return self.out(h).squeeze(1) + (self.embed(y) * h).sum(dim=1), self.name(h)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))) from logits of real and of generated images, (B,) each; in nats.

    Source: Goodfellow et al. (2014), equation 1, with its sign turned for minimisation.
    """
    return F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """The non-saturating loss -E log D(G(z)), in nats, from logits of generated images (B,).

    Source: Goodfellow et al. (2014), section 3.
    """
    return F.softplus(-fake.float()).mean()


def r1_penalty(discriminator: nn.Module, x: Tensor) -> Tensor:
    """E ‖∇_x D(x)‖² at real images x, (B, 1, 28, 28), D being the logit. Weighted with gamma / 2 it joins D's loss.

    Source: Mescheder, Geiger & Nowozin (2018), arXiv:1801.04406, equation 9.
    """
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x).float().sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(dim=1).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, generator: torch.Generator | None = None
) -> Tensor:
    """E (‖∇_x D(x)‖ - 1)², each norm that of one image, at points x drawn between real and generated images.

    critic: (B, ...) to scores (B,), each from its own image only. real, fake: (B, ...) pairs; x = t real + (1 - t) fake
    with t from U(0, 1), one a pair. The result can be differentiated by the critic's weights, not by real or fake.

    Source: Gulrajani et al. (2017), arXiv:1704.00028, equation 3.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real images have shape {tuple(real.shape)}, generated ones {tuple(fake.shape)}")
    shape = len(real), *[1] * (real.ndim - 1)
    t = torch.rand(shape, device=real.device, generator=generator)
    x = (t * real.detach() + (1 - t) * fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).float().sum(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@torch.no_grad()
def sample(model: nn.Module, n: int, *, seed: int = 0, batch_size: int = 500) -> Tensor:
    """Images, (n, 1, 28, 28) in [0, 1], from n draws of z from N(0, I); the generator in eval mode meanwhile."""
    training, device = model.training, next(model.parameters()).device
    z = torch.randn(n, model.latent_dim, generator=torch.Generator().manual_seed(seed)).to(device)
    try:
        model.eval()
        return torch.cat([to_grey(model(part)) for part in z.split(batch_size)])
    finally:
        model.train(training)
