"""Each figure of merit against an independent calculation: quadrature, scipy, NumPy loops, closed forms."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.special import logsumexp
from torch import nn

from aigc_course import data, metrics


class Toy(nn.Module):
    """One latent number, six Bernoulli pixels: small enough that every integral over z can be summed on a grid."""

    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(1)
        self.to_code = nn.Parameter(torch.randn(6, generator=g) / 2)
        self.slope = nn.Parameter(1.5 * torch.randn(6, generator=g))
        self.bias = nn.Parameter(torch.randn(6, generator=g))
        self.dropout = nn.Dropout(0.5)  # changes the result unless the model is in eval mode
        self.calls = 0

    def encode(self, x):
        self.calls += 1
        mu = self.dropout(x.flatten(1) @ self.to_code - 0.3)[:, None]
        return mu, 0.2 * mu - 0.5

    def decode(self, z):
        return (torch.tanh(z) * self.slope + self.bias).view(-1, 1, 2, 3)


GRID = np.linspace(-12, 12, 20_001)


def log_joint(model: Toy, x: np.ndarray) -> np.ndarray:
    """log p(x, z) on the grid, by the definition of the Bernoulli distribution: (N, 20001)."""
    logits = np.tanh(GRID)[:, None] * model.slope.detach().double().numpy() + model.bias.detach().double().numpy()
    p = 1 / (1 + np.exp(-logits))  # (20001, 6)
    x = x.reshape(-1, 6)
    log_p_x = x @ np.log(p).T + (1 - x) @ np.log(1 - p).T
    return log_p_x - GRID**2 / 2 - np.log(2 * np.pi) / 2


def log_q(model: Toy, x: torch.Tensor) -> np.ndarray:
    mu, log_var = (t.detach().double().numpy() for t in model.eval().encode(x))
    return -((GRID - mu) ** 2) / (2 * np.exp(log_var)) - log_var / 2 - np.log(2 * np.pi) / 2


@pytest.fixture
def toy():
    return Toy()


@pytest.fixture
def x():
    """All 64 images of 2 × 3 binary pixels."""
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).view(64, 1, 2, 3)


def exact(model, x) -> tuple[float, float]:
    """(mean log p(x), mean ELBO), by quadrature."""
    step = GRID[1] - GRID[0]
    joint, q = log_joint(model, x.double().numpy()), log_q(model, x)
    return logsumexp(joint, axis=1).mean() + np.log(step), (np.exp(q) * (joint - q)).sum(1).mean() * step


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_toy_is_a_distribution(toy, x):
    assert logsumexp(log_joint(toy, x.double().numpy())) + np.log(GRID[1] - GRID[0]) == pytest.approx(0, abs=1e-9)


def test_iwae_bound_with_many_samples_is_log_p(toy, x):
    log_p, _ = exact(toy, x)
    assert metrics.iwae_bound(toy, x, k=20_000, generator=seeded()) == pytest.approx(log_p, abs=2e-3)


def test_elbo_agrees_with_quadrature_and_its_gap_is_the_kl_to_the_posterior(toy, x):
    log_p, bound = exact(toy, x)
    step = GRID[1] - GRID[0]
    joint, q = log_joint(toy, x.double().numpy()), log_q(toy, x)
    posterior = joint - logsumexp(joint, axis=1, keepdims=True) - np.log(step)
    gap = (np.exp(q) * (q - posterior)).sum(1).mean() * step  # mean KL(q(z | x) || p(z | x))
    assert gap > 0.1
    assert bound == pytest.approx(log_p - gap, abs=1e-6)
    many = x.repeat(2000, 1, 1, 1)
    assert metrics.elbo(toy, many, generator=seeded()) == pytest.approx(log_p - gap, abs=0.01)


def test_elbo_of_grey_images_agrees_with_quadrature(toy, x):
    grey = 0.1 + 0.6 * x
    _, bound = exact(toy, grey)
    assert metrics.elbo(toy, grey.repeat(2000, 1, 1, 1), generator=seeded()) == pytest.approx(bound, abs=0.01)


def test_iwae_bound_with_one_sample_is_the_elbo(toy, x):
    _, bound = exact(toy, x)
    assert metrics.iwae_bound(toy, x.repeat(1000, 1, 1, 1), k=1, generator=seeded()) == pytest.approx(bound, abs=0.015)


def test_iwae_bound_with_two_samples_agrees_with_quadrature_in_two_dimensions(toy, x):
    grid, step = GRID[::25], 25 * (GRID[1] - GRID[0])
    joint, q = log_joint(toy, x.double().numpy())[:, ::25], log_q(toy, x)[:, ::25]
    log_w = joint - q
    expected = 0.0
    for w, density in zip(log_w, np.exp(q) * step, strict=True):
        mean_weight = np.logaddexp(w[:, None], w[None, :]) - np.log(2)
        expected += density @ mean_weight @ density / len(x)
    assert len(grid) == len(w)
    assert metrics.iwae_bound(toy, x.repeat(1000, 1, 1, 1), k=2, generator=seeded()) == pytest.approx(
        expected, abs=0.01
    )


def test_iwae_bound_rises_with_k_and_stays_below_log_p(toy, x):
    log_p, bound = exact(toy, x)
    many = x.repeat(100, 1, 1, 1)
    bounds = [metrics.iwae_bound(toy, many, k=k, generator=seeded()) for k in (1, 4, 16, 64)]
    assert bounds == sorted(bounds)
    assert bound - 0.03 < bounds[0] < bounds[-1] < log_p + 0.005


def test_bounds_with_several_latents_agree_with_torch_distributions():
    model, x = vae(5), torch.rand(7, 1, 28, 28).round()
    mu, log_var = model.encode(x)
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    prior = torch.distributions.Normal(0.0, 1.0)
    eps = torch.stack([torch.randn(16, 5, generator=g) for g in [seeded(3)] for _ in range(7)])  # (B, k, D)
    z = mu[:, None] + (log_var / 2).exp()[:, None] * eps
    logits = model.decode(z.flatten(0, 1)).view(7, 16, 784)
    pixels = torch.distributions.Bernoulli(logits=logits).log_prob(x.view(7, 1, 784)).sum(2)
    log_w = pixels + prior.log_prob(z).sum(2) - q.log_prob(z.transpose(0, 1)).sum(2).T
    expected = (log_w.logsumexp(1) - np.log(16)).mean().item()
    assert metrics.iwae_bound(model, x, k=16, generator=seeded(3)) == pytest.approx(expected, rel=1e-5)
    eps = torch.randn(7, 5, generator=seeded(3))
    pixels = (
        torch.distributions.Bernoulli(logits=model.decode(mu + (log_var / 2).exp() * eps)).log_prob(x).sum((1, 2, 3))
    )
    expected = (pixels - torch.distributions.kl_divergence(q, prior).sum(1)).mean().item()
    assert metrics.elbo(model, x, generator=seeded(3)) == pytest.approx(expected, rel=1e-5)


class vae(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.decoder = nn.Linear(784, 2 * latent_dim), nn.Linear(latent_dim, 784)
        self.requires_grad_(False)

    def encode(self, x):
        return self.encoder(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z):
        return 4 * self.decoder(z).view(-1, 1, 28, 28)


def test_bounds_do_not_depend_on_batches():
    model, x, g = vae(32), torch.rand(2500, 1, 28, 28).round(), seeded()
    parts = [metrics.elbo(model, part, generator=g) for part in x.split(500)]
    assert metrics.elbo(model, x, generator=seeded()) == pytest.approx(np.mean(parts), rel=1e-6)
    g = seeded()
    parts = [metrics.iwae_bound(model, part, k=1000, generator=g) for part in x[:6].split(1)]  # two at a time below
    assert metrics.iwae_bound(model, x[:6], k=1000, generator=seeded()) == pytest.approx(np.mean(parts), rel=1e-6)


def test_more_samples_than_fit_into_one_chunk(toy, x):
    """k = 4,500 runs through the decoder in three parts, with the weights joined again."""
    rows = []
    plain = toy.decode
    toy.decode = lambda z: rows.append(len(z)) or plain(z)
    whole = metrics.iwae_bound(toy, x[:2], k=4_500, generator=seeded())
    assert rows == 2 * [2000, 2000, 500]
    eps = torch.stack([torch.randn(4_500, generator=g) for g in [seeded()] for _ in range(2)])
    mu, log_var = toy.eval().encode(x[:2])
    z = mu + (log_var / 2).exp() * eps
    logits = plain(z.view(-1, 1)).view(2, 4_500, 6)
    pixels = torch.distributions.Bernoulli(logits=logits).log_prob(x[:2].view(2, 1, 6)).sum(2)
    log_w = pixels + (eps**2 - z**2 + log_var).div(2)
    assert whole == pytest.approx((log_w.logsumexp(1) - np.log(4_500)).mean().item(), rel=1e-5)


def test_each_image_is_encoded_once_and_the_model_comes_back_as_it_was(toy, x):
    toy.train()
    toy.dropout.eval()
    encoded = []
    plain = toy.encode
    toy.encode = lambda x: encoded.append(len(x)) or plain(x)
    metrics.iwae_bound(toy, x, k=100)
    assert sum(encoded) == len(x)
    assert toy.training and not toy.dropout.training


def test_bounds_in_bfloat16_stay_close():
    model, x = vae(8), torch.rand(50, 1, 28, 28).round()
    for measure in (metrics.elbo, lambda *args, **kw: metrics.iwae_bound(*args, k=32, **kw)):
        full = measure(model, x, generator=seeded())
        half = measure(model, x, generator=seeded(), autocast=torch.autocast("cpu", torch.bfloat16))
        assert half != full and half == pytest.approx(full, rel=2e-3)


def test_pixels_are_summed_in_float32_where_logits_are_bfloat16():
    model, x = vae(8), torch.rand(50, 1, 28, 28).round()
    plain = model.decode
    model.decode = lambda z: plain(z).bfloat16()
    found = metrics.iwae_bound(model, x, k=4, generator=seeded())
    model.decode = lambda z: plain(z).bfloat16().double().float()
    assert found == pytest.approx(metrics.iwae_bound(model, x, k=4, generator=seeded()), rel=1e-6)


def test_extreme_logits_stay_finite(toy, x):
    with torch.no_grad():
        toy.slope.mul_(1000)
    assert np.isfinite(metrics.elbo(toy, x)) and np.isfinite(metrics.iwae_bound(toy, x, k=5))


def test_binarise_draws_each_pixel_with_its_grey_value():
    grey = torch.linspace(0, 1, 5).repeat(5_000, 1, 1, 1)
    drawn = metrics.binarise(grey, seed=0)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), grey[0], atol=0.03, rtol=0)
    assert drawn[..., 0].sum() == 0 and drawn[..., 4].min() == 1
    assert torch.equal(drawn, metrics.binarise(grey, seed=0))
    assert not torch.equal(drawn, metrics.binarise(grey, seed=1))


def moments(x):
    return x.mean(0), np.cov(x, rowvar=False)


@pytest.mark.parametrize(("n", "m"), [(200, 300), (10, 300), (6, 6)])
def test_frechet_distance_agrees_with_scipy(n, m):
    """Also with fewer points than dimensions, where the covariances have no inverse."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, 20)), 1 + rng.normal(size=(m, 20)) @ rng.normal(size=(20, 20))
    (mu_a, cov_a), (mu_b, cov_b) = moments(a), moments(b)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    expected = ((mu_a - mu_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert metrics.frechet_distance(torch.tensor(a), torch.tensor(b)) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_of_commuting_gaussians():
    """With A = sd_a² and B = sd_b² along the same axes it is |mu_a - mu_b|² + Σ (sd_a - sd_b)²."""
    cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3).double()  # uncorrelated, mean 0
    unit = cube * (7 / 8) ** 0.5  # unbiased variance 1
    sd_a, sd_b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 2.0, 1.0])
    distance = metrics.frechet_distance(unit * sd_a, unit * sd_b + torch.tensor([0.0, 3.0, 0.0]))
    assert distance == pytest.approx(9 + 9 + 0 + 4, rel=1e-12)


def test_frechet_distance_is_symmetric_zero_for_equal_sets_and_blind_to_order():
    a, b = torch.randn(50, 8, generator=seeded()), torch.rand(40, 8, generator=seeded())
    assert metrics.frechet_distance(a, b) == pytest.approx(metrics.frechet_distance(b, a), rel=1e-9)
    assert 0 <= metrics.frechet_distance(a, a) < 1e-6
    assert 0 <= metrics.frechet_distance(a, a.flip(0)) < 1e-6
    assert metrics.frechet_distance(a[:, :1], a[:, :1] + 2) == pytest.approx(4, rel=1e-5)  # one dimension
    constant = torch.ones(5, 3)
    assert metrics.frechet_distance(constant, 3 * constant) == pytest.approx(12)


def brute_force(real, fake, k):
    """Precision and recall point by point, as the paper's equations 1 and 2 read."""

    def inside(point, points):
        for i, centre in enumerate(points):
            others = sorted(np.linalg.norm(centre - other) for j, other in enumerate(points) if j != i)
            if np.linalg.norm(point - centre) <= others[k - 1]:
                return True
        return False

    return np.mean([inside(p, real) for p in fake]), np.mean([inside(p, fake) for p in real])


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_agree_with_brute_force(k):
    rng = np.random.default_rng(k)
    real, fake = rng.normal(size=(45, 3)), 1 + rng.normal(size=(33, 3))
    expected = brute_force(real, fake, k)
    assert 0 < min(expected) and max(expected) < 1
    assert metrics.precision_recall(torch.tensor(real), torch.tensor(fake), k=k) == pytest.approx(expected)


def test_precision_and_recall_of_sets_larger_than_a_block():
    real, fake = (
        torch.randn(1100, 3, generator=seeded()).double(),
        1 + torch.randn(2050, 3, generator=seeded(1)).double(),
    )

    def inside(points, others):
        radius = torch.cdist(others, others).topk(4, largest=False).values[:, -1]
        return (torch.cdist(points, others) <= radius).any(dim=1).double().mean().item()

    assert metrics.precision_recall(real, fake) == pytest.approx((inside(fake, real), inside(real, fake)))


def test_precision_and_recall_of_equal_sets_are_one():
    real = 100 + torch.randn(300, 16, generator=seeded())
    assert metrics.precision_recall(real, real) == (1, 1)
    repeated = real[:10].repeat(30, 1)  # all radii are 0
    assert metrics.precision_recall(repeated, repeated) == (1, 1)


def test_a_dropped_mode_lowers_recall_and_outliers_lower_precision():
    left, right = torch.randn(2, 200, 4, generator=seeded())
    right = right + 100
    real = torch.cat([left, right])
    precision, recall = metrics.precision_recall(real, left[:100].repeat(4, 1) + 0.01 * torch.randn(400, 4))
    assert precision > 0.99 and recall <= 0.5
    far = torch.randn(100, 4, generator=seeded()) * 5 - 500
    precision, recall = metrics.precision_recall(real, torch.cat([real[:300], far]))
    assert precision == 0.75 and recall >= 0.75
    assert metrics.precision_recall(real, real[:1].repeat(50, 1))[0] == 1  # one real image, repeated
    assert metrics.precision_recall(real, real[:1].repeat(50, 1))[1] == 1 / 400


def test_gaussian_samples_have_the_pixels_moments():
    g = seeded()
    x = (0.5 + 0.05 * torch.randn(500, 9, generator=g) @ torch.randn(9, 9, generator=g) / 3).view(500, 1, 3, 3)
    drawn = metrics.gaussian_samples(x, 50_000, seeded(1))
    assert drawn.shape == (50_000, 1, 3, 3)
    torch.testing.assert_close(drawn.mean(0), x.mean(0), atol=2e-3, rtol=0)
    torch.testing.assert_close(drawn.flatten(1).T.cov(), x.flatten(1).T.cov(), atol=1e-4, rtol=0.05)
    wide = metrics.gaussian_samples(x.round(), 1000, seeded())
    assert wide.min() == 0 and wide.max() == 1


def test_features_have_their_length_in_every_layout_and_batch():
    images = data.digits().images[:540]
    f = metrics.features(images)
    assert f.shape == (540, 128) and f.dtype == torch.float32
    torch.testing.assert_close(f.square().mean(1), torch.ones(540))
    assert torch.equal(metrics.features(images.to(memory_format=torch.channels_last)), f)
    torch.testing.assert_close(metrics.classifier().features(images), f, atol=1e-4, rtol=1e-4)


def test_the_classifier_is_frozen_and_reads_digits_that_it_was_not_trained_on():
    model = metrics.classifier()
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    digits = data.digits()
    assert (model(digits.images).argmax(1) == digits.labels).double().mean() > 0.84


def test_worse_images_are_further_from_the_real_ones():
    digits = data.digits()
    real, other = digits.images[:700], digits.images[700:1400]
    noisy = (other + 0.3 * torch.rand(other.shape, generator=seeded())).clamp(0, 1)
    f = metrics.features(real)
    sets = (other, noisy, metrics.gaussian_samples(real, 700, seeded()))
    distances = [metrics.frechet_distance(f, metrics.features(x)) for x in sets]
    assert min(distances[1:]) > 2 * distances[0]


def test_classifier_accuracy_on_mnist():
    mirror = Path(os.environ.get("AIGC_DATA_MIRROR") or Path(__file__).parents[2] / "shared/data") / "mnist"
    images, labels = mirror / "t10k-images-idx3-ubyte.gz", mirror / "t10k-labels-idx1-ubyte.gz"
    if not (images.exists() and labels.exists()):
        pytest.skip("the genuine MNIST is not beside this checkout")
    import gzip

    x = torch.frombuffer(bytearray(gzip.decompress(images.read_bytes())), dtype=torch.uint8)[16:].view(-1, 1, 28, 28)
    y = torch.frombuffer(bytearray(gzip.decompress(labels.read_bytes())), dtype=torch.uint8)[8:]
    model = metrics.classifier()
    right = torch.cat([model(part / 255).argmax(1) for part in x.split(500)]) == y
    assert right.double().mean() >= 0.993


def test_kernel_distance_is_the_double_loop():
    a, b = torch.randn(7, 5, generator=seeded()), 1 + torch.randn(11, 5, generator=seeded(1))

    def k(x, y):
        return (sum(float(p) * float(q) for p, q in zip(x, y, strict=True)) / 5 + 1) ** 3

    def within(x):
        return sum(k(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if i != j) / (len(x) * (len(x) - 1))

    expected = within(a) + within(b) - 2 * sum(k(p, q) for p in a for q in b) / 77
    assert metrics.kernel_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert metrics.kernel_distance(b, a) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_of_sets_larger_than_a_block():
    a, b = torch.randn(700, 5, generator=seeded()).double(), 1 + torch.randn(1100, 5, generator=seeded(1)).double()
    of_a, of_b, both = ((x @ y.T / 5 + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (of_a, of_b)]
    assert metrics.kernel_distance(a, b) == pytest.approx((sum(within) - 2 * both.mean()).item(), rel=1e-9)


def test_kernel_distance_has_no_bias_where_the_frechet_distance_has():
    g = seeded()
    pairs = [torch.randn(2, 30, 4, generator=g) for _ in range(400)]
    kernel = torch.tensor([metrics.kernel_distance(a, b) for a, b in pairs])
    frechet = torch.tensor([metrics.frechet_distance(a, b) for a, b in pairs])
    assert kernel.mean().abs() < 3 * kernel.std() / 20
    assert frechet.mean() > 30 * frechet.std() / 20


def test_nearest_is_the_full_table_of_distances():
    for n, m, k in ((23, 57, 1), (300, 2100, 3), (23, 57, 57)):
        x, bank = torch.randn(n, 6, generator=seeded()), torch.randn(m, 6, generator=seeded(1))
        expected, index = torch.cdist(x.double(), bank.double()).sort(dim=1)
        for shape in ((6,), (1, 2, 3)):
            distance, found = metrics.nearest(x.view(n, *shape), bank.view(m, *shape), k)
            torch.testing.assert_close(distance.double(), expected[:, :k], rtol=1e-6, atol=1e-6)
            assert torch.equal(found, index[:, :k])


def test_nearest_finds_a_copy_at_distance_zero():
    bank = 100 + torch.rand(300, 20, generator=seeded())  # far from the origin, where |a|² + |b|² - 2 a b rounds badly
    distance, index = metrics.nearest(bank[40:60], bank)
    assert torch.equal(distance, torch.zeros(20, 1)) and torch.equal(index[:, 0], torch.arange(40, 60))


@pytest.mark.parametrize("origin", [1e3, 1e4])
def test_nearest_is_right_far_from_the_origin(origin):
    x, bank = (origin + torch.randn(n, 128, generator=seeded(n)) for n in (50, 2000))
    expected, index = torch.cdist(x.double(), bank.double()).min(dim=1)
    distance, found = metrics.nearest(x, bank)
    assert torch.equal(found[:, 0], index)
    torch.testing.assert_close(distance[:, 0].double(), expected, rtol=1e-6, atol=0)


def test_class_shares_are_those_of_the_classifier():
    x = torch.rand(300, 1, 28, 28, generator=seeded())
    model = metrics.classifier()
    shares, confidence = metrics.class_shares(x, model)
    probability = model(x).softmax(1)
    assert shares.tolist() == pytest.approx([(probability.argmax(1) == c).double().mean().item() for c in range(10)])
    assert confidence == pytest.approx(probability.amax(1).double().mean().item(), rel=1e-5)
    assert metrics.class_shares(x)[0].sum().item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: metrics.elbo(Toy(), torch.rand(3, 6)), r"\(3, 6\); they must be \(N, C, H, W\)"),
        (lambda: metrics.elbo(Toy(), torch.rand(0, 1, 2, 3)), r"\(0, 1, 2, 3\)"),
        (lambda: metrics.elbo(Toy(), torch.full((3, 1, 2, 3), 255.0)), "255 to 255"),
        (lambda: metrics.elbo(Toy(), torch.full((3, 1, 2, 3), float("nan"))), "nan"),
        (lambda: metrics.iwae_bound(Toy(), torch.rand(3, 1, 2, 3), k=0), "k is 0"),
        (lambda: metrics.iwae_bound(Toy(), torch.ones(3, 1, 2, 3, dtype=torch.uint8)), "uint8"),
        (lambda: metrics.iwae_bound(Wrong(), torch.rand(3, 1, 2, 3)), r"mu \(3,\)"),
        (
            lambda: metrics.elbo(Wrong(decode_only=True), torch.rand(3, 1, 2, 3)),
            r"decode gave \(3, 1, 2, 2\).*x \(3, 1, 2, 3\)",
        ),
        (lambda: metrics.frechet_distance(torch.rand(9, 4), torch.rand(9, 5)), r"\(9, 4\) and \(9, 5\)"),
        (lambda: metrics.frechet_distance(torch.rand(1, 4), torch.rand(9, 4)), r"\(1, 4\) and \(9, 4\)"),
        (lambda: metrics.frechet_distance(torch.rand(9, 2, 2), torch.rand(9, 2, 2)), r"\(9, 2, 2\)"),
        (lambda: metrics.frechet_distance(torch.rand(9, 2), torch.rand(9, 2) / 0), "not finite"),
        (lambda: metrics.precision_recall(torch.rand(3, 4), torch.rand(9, 4)), r"\(3, 4\)"),
        (lambda: metrics.precision_recall(torch.rand(9, 4), torch.rand(9, 4), k=0), "k is 0"),
        (lambda: metrics.kernel_distance(torch.rand(9, 4), torch.rand(9, 5)), r"\(9, 4\) and \(9, 5\)"),
        (lambda: metrics.kernel_distance(torch.rand(1, 4), torch.rand(9, 4)), r"\(1, 4\) and \(9, 4\)"),
        (lambda: metrics.nearest(torch.rand(9, 4), torch.rand(9, 5)), r"\(9, 4\), bank \(9, 5\)"),
        (lambda: metrics.nearest(torch.rand(0, 4), torch.rand(9, 4)), r"\(0, 4\)"),
        (lambda: metrics.nearest(torch.rand(9, 4), torch.rand(3, 4), k=4), "k is 4.*1 to 3"),
        (lambda: metrics.nearest(torch.rand(9, 4), torch.rand(3, 4), k=0), "k is 0"),
        (lambda: metrics.class_shares(torch.rand(3, 1, 14, 14)), r"\(3, 1, 14, 14\); the classifier"),
        (lambda: metrics.features(torch.rand(3, 28, 28)), r"\(3, 28, 28\); they must be \(N, C, H, W\)"),
        (lambda: metrics.features(torch.rand(3, 784)), r"\(3, 784\)"),
        (lambda: metrics.features(torch.rand(3, 1, 28, 28) - 1), "float32, -"),
        (lambda: metrics.features(torch.ones(3, 1, 28, 28, dtype=torch.int64)), "int64"),
        (lambda: metrics.gaussian_samples(torch.rand(1, 1, 28, 28), 5), r"\(1, 1, 28, 28\)"),
        (lambda: metrics.binarise(torch.tensor([0.5, 1.5]).view(1, 1, 1, 2)), "1.5"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


class Wrong(Toy):
    def __init__(self, decode_only=False):
        super().__init__()
        self.decode_only = decode_only

    def encode(self, x):
        return super().encode(x) if self.decode_only else (x[:, 0, 0, 0], x[:, 0, 0, 0])

    def decode(self, z):
        return super().decode(z)[..., :2]


def test_a_latent_space_without_dimensions_is_refused():
    class Empty(torch.nn.Module):
        def encode(self, x):
            return x.new_zeros(len(x), 0), x.new_zeros(len(x), 0)

    for bound in (metrics.elbo, metrics.iwae_bound):
        with pytest.raises(ValueError, match=r"encode gave mu \(3, 0\)"):
            bound(Empty(), torch.rand(3, 1, 28, 28))
