"""Figures of merit of generators: likelihood bounds, Fréchet and kernel distance, precision and recall, neighbours.

Images are (N, C, H, W) in [0, 1], bounds nats per image. The others compare features of a small classifier that the
course trained, so their size means something beside figures from the same features, and nothing beside a published FID.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from aigc_course import data, train

Context = AbstractContextManager | None


def binarise(x: Tensor, seed: int = 0) -> Tensor:
    """Each pixel of (N, C, H, W) drawn once from Bernoulli(grey value); on the CPU, so that a seed says which."""
    return torch.bernoulli(_grey(x).cpu(), generator=Generator().manual_seed(seed)).to(x.device)


@torch.no_grad()
def elbo(model: nn.Module, x: Tensor, *, generator: Generator | None = None, autocast: Context = None) -> float:
    """Evidence lower bound with one draw of z per image and the KL term in closed form: mean in nats per image.

    model: `encode(x)` gives mu and log_var, (B, D) each; `decode(z)` gives logits, (B, C, H, W).
    x: (N, C, H, W), Bernoulli means in [0, 1]. For grey x this bounds the expected log-likelihood of the binarised
    image, which is no likelihood of the grey one. autocast: a context in which encoder and decoder run.

    Source: Kingma & Welling (2014), arXiv:1312.6114, equation 10.
    """
    total = 0.0
    with train.evaluating(model, autocast):
        for x_b, mu, log_var in _encoded(model, x, 1000):
            z = mu + (log_var / 2).exp() * torch.randn(mu.shape, generator=generator, device=mu.device)
            kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum()
            total += (_log_bernoulli(model, x_b, z[:, None]).sum() - kl).item()
    return total / len(x)


@torch.no_grad()
def iwae_bound(
    model: nn.Module, x: Tensor, *, k: int = 500, generator: Generator | None = None, autocast: Context = None
) -> float:
    """Importance-weighted bound, log of the mean of k weights p(x, z) / q(z | x): mean in nats per image.

    The arguments are those of `elbo`. The bound rises with k from the ELBO towards log p(x), for binary x. A batch has
    2,000 decoder rows on a CPU, whose logits stay in its cache, or 50,000 elsewhere; since the noise is drawn image by
    image, that changes the result by rounding only.

    Source: Burda, Grosse & Salakhutdinov (2016), arXiv:1509.00519, equation 8.
    """
    if k < 1:
        raise ValueError(f"k is {k}; the bound needs at least one sample")
    rows, total = 2000 if x.device.type == "cpu" else 50_000, 0.0
    with train.evaluating(model, autocast):
        for x_b, mu, log_var in _encoded(model, x, max(1, rows // k)):
            eps = torch.stack([torch.randn(k, mu.shape[1], generator=generator, device=mu.device) for _ in x_b])
            z = mu[:, None] + (log_var / 2).exp()[:, None] * eps  # (B, k, D)
            log_p_x = torch.cat([_log_bernoulli(model, x_b, part) for part in z.split(rows, dim=1)], dim=1)
            log_ratio = 0.5 * (eps**2 - z**2 + log_var[:, None]).sum(dim=2)  # log p(z) - log q(z | x)
            total += ((log_p_x + log_ratio).logsumexp(dim=1) - math.log(k)).sum().item()
    return total / len(x)


def _encoded(model: nn.Module, x: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of x with their mu and log_var, each image encoded once."""
    for x_b in _grey(x).split(batch_size):
        mu, log_var = model.encode(x_b)
        if mu.ndim != 2 or not mu.numel() or mu.shape != log_var.shape or len(mu) != len(x_b):
            raise ValueError(f"encode gave mu {tuple(mu.shape)}, log_var {tuple(log_var.shape)} for {len(x_b)} images")
        yield x_b, mu.float(), log_var.float()


def _log_bernoulli(model: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    """log p(x | z) in nats, x (B, C, H, W), z (B, k, D): (B, k). Sums are in float32 also where the logits are bf16.

    It is x log sigmoid(l) + (1 - x) log sigmoid(-l) = x l - softplus(l), faster as two sums than as one.
    """
    logits = model.decode(z.flatten(0, 1)).float()
    if logits.shape != (z[..., 0].numel(), *x.shape[1:]):
        raise ValueError(f"decode gave {tuple(logits.shape)} for z {tuple(z.shape)} and x {tuple(x.shape)}")
    logits = logits.view(*z.shape[:2], -1)
    return (x.flatten(1)[:, None] * logits).sum(dim=2) - F.softplus(logits).sum(dim=2)


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of features, (N, D) and (M, D), in float64.

    |mu_a - mu_b|² + tr(A + B - 2 (A B)^(1/2)) with covariances A and B. The eigenvalues of A B are those of the
    symmetric A^(1/2) B A^(1/2), which is taken instead. Small sets overestimate it: compare equal sizes.

    Source: Heusel et al. (2017), arXiv:1706.08500, equation 6.
    """
    a, b = _check_features(features_a, features_b, at_least=2)
    cov_a, cov_b = torch.atleast_2d(a.T.cov()), torch.atleast_2d(b.T.cov())
    values, vectors = torch.linalg.eigh(cov_a)
    root_a = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    trace_root = torch.linalg.eigvalsh(root_a @ cov_b @ root_a).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace_root
    return max(0.0, distance.item())


def precision_recall(real: Tensor, fake: Tensor, *, k: int = 3) -> tuple[float, float]:
    """Precision: share of fake points inside the real set's manifold; recall: share of real points inside the fake's.

    real: (N, D), fake: (M, D) features. A set's manifold: balls around its points, out to their k-th neighbours.
    Blind to detail that the features do not carry.

    Source: Kynkäänniemi et al. (2019), arXiv:1904.06991, equations 1 and 2.
    """
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1")
    real, fake = _check_features(real, fake, at_least=k + 1)
    centre = real.mean(0)  # distances stay; what cancels in |a|² + |b|² - 2 a b shrinks
    real, fake = real - centre, fake - centre
    slack = 1e-12 * (real.square().sum(1).mean() + fake.square().sum(1).mean())  # rounding, where points coincide
    radius_real, radius_fake = (
        torch.cat([_squared(part, x).topk(k + 1, largest=False).values[:, -1] for part in x.split(1000)]) + slack
        for x in (real, fake)  # the first of k + 1 is the point itself
    )
    inside_real, covered = torch.zeros(len(fake), dtype=torch.bool, device=fake.device), 0
    for part, radius in zip(real.split(1000), radius_real.split(1000), strict=True):
        squared = _squared(part, fake)
        inside_real |= (squared <= radius[:, None]).any(dim=0)
        covered += (squared <= radius_fake).any(dim=1).sum().item()
    return inside_real.double().mean().item(), covered / len(real)


def kernel_distance(features_a: Tensor, features_b: Tensor) -> float:
    """Kernel distance (KID): the unbiased squared MMD of two sets of features, (N, D) and (M, D), in float64.

    E k(a, a') + E k(b, b') - 2 E k(a, b) with k(x, y) = (x·y / D + 1)³, over all pairs of different points. Zero on
    average for two draws of one distribution, so single values can be negative; its mean does not depend on N and M.

    Source: Bińkowski et al. (2018), arXiv:1801.01401, section 4.
    """
    a, b = _check_features(features_a, features_b, at_least=2)
    D, one = a.shape[1], a.new_ones(1, 1)

    def total(x: Tensor, y: Tensor) -> Tensor:  # in blocks that fit in a CPU's cache
        blocks = (torch.addmm(one, p, q.T, alpha=1 / D) for p in x.split(500) for q in y.split(500))
        return sum((block.square().mul_(block).sum() for block in blocks), a.new_zeros(()))

    def within(x: Tensor) -> Tensor:  # without the pairs of a point and itself
        return (total(x, x) - (x.square().sum(1) / D + 1).pow(3).sum()) / (len(x) * (len(x) - 1))

    return (within(a) + within(b) - 2 * total(a, b) / (len(a) * len(b))).item()


def nearest(x: Tensor, bank: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """The k nearest of a bank: distances (N, k), increasing, and their indices (N, k), for x (N, ...), bank (M, ...).

    Distances are Euclidean, in float32, of features or pixels. To look for copies, compare with those of test images.
    """
    if x.ndim < 2 or x.shape[1:] != bank.shape[1:] or not len(x):
        raise ValueError(f"x has shape {tuple(x.shape)}, bank {tuple(bank.shape)}; they must be (N, ...) and (M, ...)")
    if not 1 <= k <= len(bank):
        raise ValueError(f"k is {k}; it must be from 1 to {len(bank)}")
    x, bank = x.flatten(1).float(), bank.flatten(1).float()
    if not (x.isfinite().all() and bank.isfinite().all()):
        raise ValueError("x or the bank holds values that are not finite")
    centre, found = bank.mean(0), []  # far from it |a|² + |b|² - 2 a b rounds badly
    for part in x.split(250):
        squared = torch.cat([_squared(part - centre, block - centre) for block in bank.split(1000)], dim=1)
        index = squared.topk(k, largest=False).indices
        distance, order = (part[:, None] - bank[index]).norm(dim=2).sort(dim=1)  # without that rounding
        found.append((distance, index.gather(1, order)))
    return tuple(map(torch.cat, zip(*found, strict=True)))


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances between the rows of a and those of b: (N, D), (M, D) to (N, M)."""
    return (a.square().sum(1)[:, None] + b.square().sum(1)).addmm_(a, b.T, alpha=-2)


class Classifier(nn.Module):
    """A small convolutional network for MNIST's digits: (N, 1, 28, 28) in [0, 1] to logits (N, 10)."""

    def __init__(self):
        super().__init__()
        layers = []
        for n_in, n_out in ((1, 24), (24, 48), (48, 64)):  # 28 × 28 → 14 × 14 → 7 × 7 → 3 × 3
            conv = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
            layers += [conv, nn.MaxPool2d(2), nn.BatchNorm2d(n_out), nn.ReLU()]
        layers += [nn.Flatten(), nn.Linear(9 * n_out, 128), nn.BatchNorm1d(128, affine=False)]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(128, 10)

    def features(self, x: Tensor) -> Tensor:
        """x: images as in `forward`. Returns (N, 128), each row of length sqrt(128), so that its mean square is 1."""
        if x.shape[1:] != (1, 28, 28):
            raise ValueError(f"images have shape {tuple(x.shape)}; the classifier takes (N, 1, 28, 28)")
        return math.sqrt(128) * F.normalize(self.body(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).relu())


def classifier(device: torch.device | str | None = None) -> Classifier:
    """The course's classifier as `makers/train_classifier.py` trained it, in eval mode and frozen."""
    train.load(model := Classifier(), data.embedded("mnist_classifier.safetensors"))
    return model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # 3 x faster on a CPU


@torch.no_grad()
def features(images: Tensor, *, model: Classifier | None = None) -> Tensor:
    """Features of images for `frechet_distance` and `precision_recall`: (N, 128) float32, where the images lie.

    images: (N, 1, 28, 28) in [0, 1]. model: by default `classifier()`.
    """
    model = model or classifier(images.device)
    return torch.cat([model.features(part) for part in _grey(images).split(250)])


@torch.no_grad()
def class_shares(images: Tensor, model: Classifier | None = None) -> tuple[Tensor, float]:
    """How often each digit is drawn, and how sure the classifier is: (shares (10,), mean top probability).

    A share counts the images whose largest logit is that class; shares sum to 1. images and model: as in `features`.
    Blind to what an image is, when it is no digit: the classifier has no eleventh class.
    """
    model = model or classifier(images.device)
    logits = model.head(features(images, model=model).relu())  # (N, 10)
    top, label = logits.softmax(dim=1).max(dim=1)
    return torch.bincount(label, minlength=logits.shape[1]) / len(label), top.double().mean().item()


def gaussian_samples(x: Tensor, n: int, generator: Generator | None = None) -> Tensor:
    """The simplest generator, a baseline: n draws from the Gaussian with the pixels' mean and covariance, in [0, 1].

    x: (N, C, H, W) in [0, 1]. Returns (n, C, H, W), clipped.
    """
    pixels = _grey(x).flatten(1)
    if len(pixels) < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}; a covariance needs two images or more")
    values, vectors = torch.linalg.eigh(pixels.T.double().cov())
    root = (vectors * values.clamp(min=0).sqrt()).float()  # root @ root.T is the covariance
    eps = torch.randn(n, len(root), generator=generator, device=x.device)
    return (pixels.mean(0) + eps @ root.T).clamp_(0, 1).view(n, *x.shape[1:])


def _grey(x: Tensor) -> Tensor:
    """x as float32, checked: at least one image, floats in [0, 1]."""
    if x.ndim != 4 or not x.numel():
        raise ValueError(f"images have shape {tuple(x.shape)}; they must be (N, C, H, W), at least one")
    low, high = (bound.item() for bound in x.aminmax())
    if not (x.is_floating_point() and low >= 0 and high <= 1):
        raise ValueError(f"grey values must be floats from 0 to 1; these are {x.dtype}, {low:.3g} to {high:.3g}")
    return x.float()


def _check_features(a: Tensor, b: Tensor, at_least: int) -> tuple[Tensor, Tensor]:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < at_least:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"features have shapes {shapes}; they must be (N, D) and (M, D), N and M at least {at_least}")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("features hold values that are not finite")
    return a.double(), b.double()


@torch.no_grad()
def nats_per_token(
    model: nn.Module, ids: Tensor, *, context: int, stride: int, batch_size: int = 64, autocast: Context = None
) -> float:
    """Mean of -log p(token | those before it), in nats, over a whole text: each token after the first, once.

    model: ids (B, T) to logits (B, T, V). ids: (N,). The first window of `context` tokens scores all of them, each
    further one, `stride` tokens on, its last `stride`: so a token has at least context - stride before it, except at
    the start. A smaller stride is fairer to the model and costs more. ValueError for sizes that do not fit.
    """
    N = len(ids)
    context = min(context, N - 1)
    if ids.ndim != 1 or N < 2 or min(context, stride) < 1:
        sizes = f"ids have shape {tuple(ids.shape)}, the context is {context}, the stride {stride}"
        raise ValueError(f"{sizes}; expected (N,), N > 1, and at least 1 for each")
    stride = min(stride, context)
    starts = list(range(0, N - 1 - context, stride)) + [N - 1 - context]  # the last window ends with the text
    scored_to, total = 0, 0.0
    offsets = torch.arange(context + 1, device=ids.device)
    with train.evaluating(model, autocast):
        for first in range(0, len(starts), batch_size):
            part = starts[first : first + batch_size]
            window = ids[torch.tensor(part, device=ids.device)[:, None] + offsets]
            logits = model(window[:, :-1]).float()
            nats = F.cross_entropy(logits.transpose(1, 2), window[:, 1:], reduction="none")  # (B, context)
            for start, row in zip(part, nats.cpu().double(), strict=True):
                total += row[scored_to - start :].sum().item()  # targets up to scored_to are done
                scored_to = start + context
    return total / (N - 1)


def longest_overlap(sample: str, corpus: str) -> str:
    """The longest piece of sample that stands in corpus, word for word; the first of several; "" where there is none.

    Grows a window over the sample, as a piece that is in the corpus has all its pieces there. TypeError for no texts.
    """
    if not (isinstance(sample, str) and isinstance(corpus, str)):
        raise TypeError(f"sample and corpus are one text each, not {type(sample).__name__} and {type(corpus).__name__}")
    best, start = "", 0
    for end in range(1, len(sample) + 1):
        while start < end and sample[start:end] not in corpus:
            start += 1
        if end - start > len(best):
            best = sample[start:end]
    return best


def bleu(texts: list[str], references: list[list[str]]) -> float:
    """Corpus BLEU, 0 to 100, of texts against one or more references each, by sacrebleu with its own tokenizer.

    ValueError where there are not as many lists of references as texts, or an empty one. TypeError for a text in place
    of a list, whose characters would count as texts.

    Sources: Papineni et al. (2002), BLEU; Post (2018), arXiv:1804.08771.
    """
    from sacrebleu import corpus_bleu

    if wrong := [x for x in (texts, references, *references) if isinstance(x, str)]:
        raise TypeError(f"texts are a list, references a list of lists; {wrong[0][:40]!r} is a text in place of a list")
    if not texts or len(texts) != len(references) or not all(references):
        raise ValueError(f"{len(texts)} texts and {len(references)} lists of references, each of at least one")
    most = max(len(refs) for refs in references)
    columns = [[refs[i] if i < len(refs) else None for refs in references] for i in range(most)]
    return corpus_bleu(texts, columns).score


def spans(tags: list[str]) -> set[tuple[int, int]]:
    """Entities of BIO tags as (first, last + 1). An I that follows no B or I begins an entity, as conlleval has it.

    tags: a list of "B", "I" and "O"; ValueError for anything else, of which no entity would be found.
    """
    if isinstance(tags, str) or any(tag not in ("B", "I", "O") for tag in tags):
        raise ValueError(f"the tags of a sentence are a list of B, I and O, not {tags!r:.60}")
    found, start = set(), None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and tag != "I":
            found.add((start, i))
            start = None
        if tag == "B" or (tag == "I" and start is None):
            start = i
    return found


def entity_f1(true: list[list[str]], predicted: list[list[str]]) -> float:
    """F1 over entities of all sentences: one counts only where both ends are right. 0 where none is predicted.

    true, predicted: a list of BIO tags a sentence. ValueError where they are not of one length, and as in `spans`.

    Source: Tjong Kim Sang & De Meulder (2003), the CoNLL-2003 shared task, arXiv:cs/0306050.
    """
    if [len(tags) for tags in true] != [len(tags) for tags in predicted]:
        raise ValueError("true and predicted tags are not as many, sentence by sentence")
    pairs = [(spans(t), spans(p)) for t, p in zip(true, predicted, strict=True)]
    right, due, said = (sum(map(len, column)) for column in ([t & p for t, p in pairs], *zip(*pairs, strict=True)))
    return 2 * right / (due + said) if due + said else 0.0
