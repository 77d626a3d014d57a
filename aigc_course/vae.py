"""The variational autoencoder of notebook 03: model, loss, sampling.

Images are (B, C, H, W) in [0, 1]; inside, the networks see rows of C·H·W pixels. Losses are in nats per image.
Source: Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block: (B, width) to (B, width). It starts as the identity, since its last layer starts at zero."""

    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.outer(F.gelu(self.inner(h)))


def mlp(n_in: int, width: int, n_blocks: int, n_out: int) -> nn.Sequential:
    """A residual network of linear layers: (B, n_in) to (B, n_out)."""
    return nn.Sequential(
        nn.Linear(n_in, width), nn.GELU(), *[Block(width) for _ in range(n_blocks)], nn.Linear(width, n_out)
    )


class VAE(nn.Module):
    """Encoder q(z | x) = N(mu, diag(exp(log_var))) and decoder p(x | z) = Bernoulli(sigmoid(logits)), pixel by pixel.

    mean: the mean training image in [0, 1]; given it, the decoder starts there and not at grey. shape: an image's.
    """

    def __init__(
        self,
        latent_dim: int,
        width: int = 512,
        n_blocks: int = 1,
        mean: Tensor | None = None,
        shape: tuple[int, int, int] = (1, 28, 28),
    ):
        super().__init__()
        self.latent_dim, self.shape = latent_dim, shape
        self.encoder = mlp(math.prod(shape), width, n_blocks, 2 * latent_dim)
        self.decoder = mlp(latent_dim, width, n_blocks, math.prod(shape))
        if mean is not None:
            with torch.no_grad():
                self.decoder[-1].bias.copy_(torch.logit(mean.flatten().clamp(1e-3, 1 - 1e-3)))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, C, H, W) in [0, 1]. Returns mu and log_var, each (B, latent_dim), in float32."""
        return self.encoder(x.flatten(1)).float().chunk(2, dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (B, latent_dim). Returns logits (B, C, H, W); their sigmoid is the image."""
        return self.decoder(z).view(-1, *self.shape)


def reparameterise(mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """z = mu + sigma * eps, differentiable in mu and log_var = log sigma². All (B, D).

    Source: Kingma & Welling (2014), section 2.4.
    """
    return mu + (log_var / 2).exp() * eps


def kl_to_standard_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL divergence from N(mu, diag(exp(log_var))) to N(0, I), in nats.

    mu, log_var: (B, D). Returns (B,), summed over D.

    Source: Kingma & Welling (2014), appendix B.
    """
    if mu.shape != log_var.shape:
        raise ValueError(f"mu has shape {tuple(mu.shape)}, log_var {tuple(log_var.shape)}")
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(dim=1)


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x | z) of pixels x under Bernoulli(sigmoid(logits)), in nats, summed over pixels: (B, C, H, W) to (B,).

    For grey x it is the mean of the log-likelihood over pixels drawn from Bernoulli(x), not a likelihood of x.
    """
    if x.shape != logits.shape:
        raise ValueError(f"x has shape {tuple(x.shape)}, logits {tuple(logits.shape)}")
    return -F.binary_cross_entropy_with_logits(logits.float(), x, reduction="none").flatten(1).sum(dim=1)


def elbo(model: VAE, x: Tensor, beta: float = 1.0) -> Tensor:
    """Evidence lower bound with one draw of z per image: log p(x | z) - beta KL(q(z | x) ‖ p(z)).

    x: (B, C, H, W) in [0, 1]. Returns (B,), in nats. With beta = 1 its mean is a lower bound of log p(x); other values
    are the objective of Higgins et al. (2017), beta-VAE, and no bound (beta < 1) or a looser one (beta > 1).
    """
    mu, log_var = model.encode(x)
    z = reparameterise(mu, log_var, torch.randn_like(mu))
    return log_bernoulli(x, model.decode(z)) - beta * kl_to_standard_normal(mu, log_var)


@torch.no_grad()
def sample(model: VAE, n: int, *, seed: int = 0, batch_size: int = 1000) -> Tensor:
    """Images decoded from n draws of z from N(0, I): (n, C, H, W) in [0, 1], the pixels' Bernoulli means."""
    parameter = next(model.parameters())
    z = torch.randn(n, model.latent_dim, generator=torch.Generator().manual_seed(seed)).to(parameter.device)
    return torch.cat([model.decode(part).float().sigmoid() for part in z.split(batch_size)])


@torch.no_grad()
def reconstruct(model: VAE, x: Tensor) -> Tensor:
    """Images decoded from the mean code of each x: (B, C, H, W) in [0, 1] to the same."""
    return model.decode(model.encode(x)[0]).float().sigmoid()
