"""Error of a known code by frequency: tools/code_errors.py MODEL.safetensors...

Runs encoders that `invar run` exported (SELU or rich layers, code of modulus, sine and cosine) on 20,000 fresh
signals in double precision with NumPy alone, and prints the mean squared error per component of the whole code,
and that without frequencies 0 and d/2, where the transform is real: there the cosine is a sign, a step of the
signal that no continuous network reaches.
"""
import sys

import numpy as np

import exported


def encode(run, tensors, x):
    layer = 0

    def linear(values):
        nonlocal layer
        weight, bias = tensors["encoder.%d.weight" % layer], tensors["encoder.%d.bias" % layer]
        layer += 1
        return values @ weight.T + bias

    h = linear(x) if run["run"]["lift"] > 0 else x
    for _ in range(run["run"]["depth"]):
        y = linear(h)
        if run["run"]["layer"] == "selu":
            h = 1.0507009873554805 * np.where(y > 0, y, 1.6732632423543772 * np.expm1(np.minimum(y, 0)))
        else:
            even, odd = y[:, 0::2], y[:, 1::2]
            r = np.sqrt(even**2 + odd**2 + 1e-12)
            h = np.concatenate([h, r, even / r, odd / r, even * odd / r**2], axis=1)
    return linear(h)


def main():
    for path in sys.argv[1:]:
        run, tensors = exported.load(path)
        tensors = {name: values.astype(float) for name, values in tensors.items()}
        if run["run"]["layer"] not in ("selu", "rich") or run["task"]["code"] != "modulus-sine-cosine":
            sys.exit("%s: only SELU and rich layers with the code modulus-sine-cosine" % path)
        d = run["dataset"]["dimensions"]
        x = np.random.default_rng(0).uniform(-1, 1, (20000, d))
        f = np.fft.fft(x)
        modulus = np.abs(f)
        target = np.concatenate([modulus, f.imag / modulus, f.real / modulus], axis=1)
        errors = ((encode(run, tensors, x) - target) ** 2).mean(axis=0).reshape(3, d)
        real = [0, d // 2] if d % 2 == 0 else [0]
        others = np.delete(errors, real, axis=1)
        print("%s: %.3g, without real frequencies %.3g (they hold %.0f%% of the error)" % (
            path.split("/")[-1], errors.mean(), others.mean(), 100 * errors[:, real].sum() / errors.sum()))


if __name__ == "__main__":
    main()
