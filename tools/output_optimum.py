"""How far a trained output layer is from the best one: tools/output_optimum.py MODEL.safetensors MNIST_DIR

For a network that `invar run` exported from the marginal-likelihood study (MNIST, rotations), keeps its first layer
and its learned rotation, and finds the Gaussians over the output weights that maximise the bound for these features.
They are where, for every class c (Opper and Archambeau 2009),

    covariance_c^-1 = I / alpha + sum over images of E[p_c (1 - p_c)] phi phi^T
    mean_c / alpha = sum over images of (1[y = c] - E[p_c]) phi

phi an image's features, p = softmax of its logits, which are Gaussian. Damped steps lead there: the precisions move half
of the way, then the means along covariance_c times their gradient. Expectations are over 64 antithetic samples of the
logits of each image. Prints, for the trained and the best output layer, the bound on transformations drawn anew, its
cross-entropy and KL a datum, the accuracy on test images, and the covariances' eigenvalues, which the best one has below
alpha. Needs PyTorch; some minutes on two cores.
"""
import argparse
import gzip
import math

import numpy as np
import torch
import torch.nn.functional as F

import exported

SIDE, CLASSES, GROUP, PAIRS = 28, 10, 500, 32  # GROUP images share their transformations
SPREAD = {"rotated": math.pi, "partially-rotated": math.pi / 2, "regular": 0.0}


def rotations(angles):
    zero, cos, sin = torch.zeros_like(angles), angles.cos(), angles.sin()
    return torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)


def load_images(folder, prefix, spread):
    """Images [N, pixels], each turned by an angle of its own within `spread`, and labels [N]."""
    with gzip.open(f"{folder}/{prefix}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, SIDE, SIDE).astype(np.float32)
    with gzip.open(f"{folder}/{prefix}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    images = torch.from_numpy(images / 255)
    grid = F.affine_grid(rotations((torch.rand(len(images)) * 2 - 1) * spread), images.shape, align_corners=True)
    return F.grid_sample(images, grid, align_corners=True).flatten(1), torch.from_numpy(labels)


def features(run, tensors, images):
    """Means over rotations of the filters [N, H]; each group of images draws its own."""
    weight, bias, reach = tensors["hidden.weight"], tensors["hidden.bias"], float(tensors["eta"][2])
    n_samples, is_cosine = run["model"]["samples"], run["model"]["features"] == "rff"
    pixels = torch.eye(SIDE * SIDE).view(1, -1, SIDE, SIDE)
    result = torch.zeros(len(images), len(weight))
    for first in range(0, len(images), GROUP):
        batch = images[first:first + GROUP]
        points = torch.rand(n_samples) * 2 - 1
        if run["model"].get("sampling") == "equally-spaced":
            points = (torch.arange(n_samples) + 0.5) * 2 / n_samples - 1
        for warp in rotations(points * reach):
            grid = F.affine_grid(warp[None], (1, 1, SIDE, SIDE), align_corners=True)
            # images of filters with one pixel: a turned filter is a combination of them, [filter pixel, pixel]
            turned = F.grid_sample(pixels, grid, align_corners=True).flatten(2)[0]
            sums = batch @ turned.T @ weight.T + bias
            result[first:first + GROUP] += sums.cos() * math.sqrt(2 / len(weight)) if is_cosine else sums.relu()
    return result / n_samples


class Posterior:
    """Gaussians over the output weights: means [C, H], covariances [C, H, H]."""

    def __init__(self, mean, covariance):
        self.mean, self.covariance = mean, covariance

    def variances(self, phi):
        return torch.stack([((phi @ s) * phi).sum(1) for s in self.covariance], 1).clamp_min(1e-12)

    def kl(self, alpha):
        logdet = sum(torch.linalg.slogdet(s.double())[1].item() for s in self.covariance)
        trace = sum(torch.trace(s).item() for s in self.covariance) + self.mean.pow(2).sum().item()
        return 0.5 * (trace / alpha - logdet + self.mean.numel() * (math.log(alpha) - 1))


def expectations(logits, variances, labels):
    """E p, E p (1 - p), both [N, C], and the mean of E[-log p of the label]."""
    p, squares, cross_entropy = torch.zeros_like(logits), torch.zeros_like(logits), 0.0
    deviations, generator = variances.sqrt(), torch.Generator().manual_seed(5)
    for _ in range(PAIRS):
        eps = deviations * torch.randn(logits.shape, generator=generator)
        for sample in (logits + eps, logits - eps):
            q = sample.softmax(1)
            p += q / (2 * PAIRS)
            squares += q * q / (2 * PAIRS)
            cross_entropy += F.cross_entropy(sample, labels).item() / (2 * PAIRS)
    return p, p - squares, cross_entropy


def optimum(phi, labels, alpha, n_iterations):
    n, width = phi.shape
    targets = F.one_hot(labels, CLASSES).float()
    mean, variances, precisions = torch.zeros(CLASSES, width), torch.full((n, CLASSES), 1e-6), None
    for _ in range(n_iterations):
        _, curvature, _ = expectations(phi @ mean.T, variances, labels)
        wanted = []
        for c in range(CLASSES):
            rows = phi * curvature[:, c:c + 1].sqrt()
            wanted.append(rows.T @ rows + torch.eye(width) / alpha)
        precisions = [(a + b) / 2 for a, b in zip(precisions or wanted, wanted)]
        q = Posterior(mean, torch.stack([torch.cholesky_inverse(torch.linalg.cholesky(a)) for a in precisions]))
        variances, rate = q.variances(phi), 0.5
        p, _, cross_entropy = expectations(phi @ mean.T, variances, labels)
        loss = cross_entropy + mean.pow(2).sum().item() / (2 * alpha * n)
        for _ in range(3):
            gradient = (targets - p).T @ phi - mean / alpha
            step = torch.einsum("cij,cj->ci", q.covariance, gradient)
            while True:
                moved = mean + rate * step
                p, _, cross_entropy = expectations(phi @ moved.T, variances, labels)
                now = cross_entropy + moved.pow(2).sum().item() / (2 * alpha * n)
                if now < loss or rate < 1e-3:
                    break
                rate /= 2
            mean, loss = moved, now
        q.mean = mean
        print(f"    bound {-cross_entropy - q.kl(alpha) / n:.4f} on the images it is fitted to", flush=True)
    return q


def report(name, q, alpha, phi, labels, test_phi, test_labels):
    _, _, cross_entropy = expectations(phi @ q.mean.T, q.variances(phi), labels)
    kl = q.kl(alpha) / len(phi)
    accuracy = ((test_phi @ q.mean.T).argmax(1) == test_labels).float().mean().item()
    of_mean = q.mean.pow(2).sum().item() / (2 * alpha * len(phi))
    eigenvalues = torch.linalg.eigvalsh(q.covariance)
    print(f"{name}, alpha {alpha:g}: ELBO {-cross_entropy - kl:.4f} (cross-entropy {cross_entropy:.3f}, KL / N {kl:.3f}, "
          f"of that the means' {of_mean:.3f}), accuracy {100 * accuracy:.1f}%, eigenvalues of the covariances up to "
          f"{eigenvalues.max().item():.3g}, {100 * (eigenvalues > alpha).float().mean().item():.0f}% above alpha", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("mnist")
    parser.add_argument("--alpha", type=float, nargs="*", help="variances of the prior; default: the model's")
    parser.add_argument("--iterations", type=int, default=12)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    run, tensors = exported.load(arguments.model)
    tensors = {name: torch.from_numpy(values.copy()) for name, values in tensors.items()}
    if run["run"]["invariance"] not in ("rotation", "none") or "output.scale_tril" not in tensors \
            or run["dataset"]["name"] != "mnist" or run["dataset"]["transformation"] not in SPREAD:
        parser.error("only variational networks for MNIST with rotations")
    spread = SPREAD[run["dataset"]["transformation"]]
    images, labels = load_images(arguments.mnist, "train", spread)
    test_images, test_labels = load_images(arguments.mnist, "t10k", spread)
    fitted, fresh = features(run, tensors, images), features(run, tensors, images)
    test = features(run, tensors, test_images)
    factor = tensors["output.scale_tril"]
    trained = Posterior(tensors["output.mean"], factor @ factor.transpose(1, 2))
    learned = tensors.get("prior.variance")
    own_alpha = run["model"]["alpha"] if learned is None else learned.item()
    report("trained", trained, own_alpha, fresh, labels, test, test_labels)
    for alpha in arguments.alpha or [own_alpha]:
        best = optimum(fitted, labels, alpha, arguments.iterations)
        report("best", best, alpha, fresh, labels, test, test_labels)


if __name__ == "__main__":
    main()
