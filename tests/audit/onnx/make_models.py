"""The files of this folder, made with PyTorch 1.13: make_models.py FOLDER DIGITS

DIGITS is what `invar data make digits --images 4000` wrote (its data directory's folder `digits`).

Small networks are trained on digits of 16 x 16 pixels and exported to ONNX in the ways that exporters write them;
images/ and images-rgb/ hold what they are audited on. expected.json has, for each .onnx file, what PyTorch says of it
in double precision: the metrics of docs/metrics.md under quarter turns, straight from their definitions.

Pixels have noise, so that no two values that a max pooling compares are equal by accident.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

folder, digits = sys.argv[1:]
torch.set_num_threads(1)
side, classes, n_audited = 16, 10, 32
turn = lambda z, k: torch.rot90(z, k, (2, 3))  # counter-clockwise


# ------------------------------------------------------------------ images

def idx(name):
    data = open(os.path.join(digits, name), "rb").read()
    shape = struct.unpack(">%dI" % data[3], data[4:4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def small(images, colour, rng):
    """[N, 28, 28] to bytes [N, planes, 16, 16]: means of 2 x 2 pixels, noise, and perhaps a colour of each image"""
    x = np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(-1, side, 2, side, 2).mean((2, 4)) / 255
    x = x[:, None]
    if colour:
        x = x * rng.uniform(0.3, 1, (len(x), 3, 1, 1)) + (1 - x) * rng.uniform(0, 0.3, (len(x), 3, 1, 1))
    return np.round(255 * np.clip(0.1 + 0.8 * x + rng.normal(0, 0.04, x.shape), 0, 1)).astype(np.uint8)


rng = np.random.default_rng(1)
labels = {part: torch.tensor(idx(part + "-labels-idx1-ubyte").astype(np.int64)) for part in ("train", "t10k")}
images = {(part, colour): small(idx(part + "-images-idx3-ubyte"), colour, rng)
          for part in ("train", "t10k") for colour in (False, True)}
for name, colour in (("images", False), ("images-rgb", True)):
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    x = images["t10k", colour][:n_audited].transpose(0, 2, 3, 1)  # [N, H, W, C]
    np.save(os.path.join(folder, name, "images.npy"), np.ascontiguousarray(x if colour else x[..., 0]))
    np.save(os.path.join(folder, name, "labels.npy"), labels["t10k"][:n_audited].numpy().astype(np.uint8))


# ------------------------------------------------------------------ networks

class LeNet(nn.Module):
    """Batch normalisation, both poolings, and the reshape that most exporters write as a chain of shapes"""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 12, 5), nn.BatchNorm2d(12), nn.ReLU(), nn.AvgPool2d(2))
        self.head = nn.Sequential(nn.Linear(48, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, classes))

    def forward(self, x):
        x = self.features(x)
        return self.head(x.view(x.size(0), -1))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.second, self.second_norm = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        return F.relu(y + self.shortcut(x))


class Residual(nn.Module):
    """Nine convolutions in a row, and one beside them"""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
                                  Block(6, 6, 1), Block(6, 6, 1), Block(6, 10, 2), Block(10, 10, 1))
        self.head = nn.Linear(10, classes)

    def forward(self, x):
        return self.head(torch.flatten(F.adaptive_avg_pool2d(self.body(x), 1), 1))


class Depthwise(nn.Module):
    """Colour; normalisation inside; depthwise and pointwise convolutions, one of them dilated; channels that are
    weighed by what the whole image shows (squeeze and excitation); GELU"""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.35, 0.3])[:, None, None])
        self.register_buffer("std", torch.tensor([0.25, 0.3, 0.35])[:, None, None])
        self.stem = nn.Conv2d(3, 12, 3, stride=2, padding=1)
        self.near, self.far = nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.Conv2d(12, 12, 3, padding=2, dilation=2,
                                                                                  groups=12)
        self.squeeze, self.excite = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.pointwise = nn.Conv2d(24, 24, 1, groups=2)
        self.head = nn.Sequential(nn.Linear(24 * 16, 16), nn.GELU(), nn.Linear(16, classes))

    def forward(self, x):
        x = F.relu6(self.stem((x - self.mean) / self.std))
        x = torch.cat([self.near(x), self.far(x)], 1)
        x = x * torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return self.head(F.max_pool2d(F.relu6(self.pointwise(x)), 3, 2, 1).flatten(1))


class Mixer(nn.Module):
    """Patches as rows: MatMul of rank 3, transposes, layer normalisation, softmax as a gate"""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 12, 4, stride=4)
        self.norms = nn.ModuleList(nn.LayerNorm(12) for _ in range(3))
        self.tokens = nn.Sequential(nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 16))
        self.channels = nn.Sequential(nn.Linear(12, 24), nn.ELU(), nn.Linear(24, 12))
        self.gate, self.head = nn.Linear(12, 12), nn.Linear(12, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norms[1](x))
        x = self.norms[2](x)
        x = x * torch.softmax(self.gate(x), -1)
        return self.head(x.mean(1))


class Half(nn.Module):
    """Weights are kept in half precision, and become floats in the graph (a Cast each); smooth
    functions of all kinds"""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(1, 6, 5, stride=2, padding=1)
        self.two, self.three = nn.Linear(6 * 49, 20), nn.Linear(20, classes)

    def forward(self, x):
        weights = [p.float() if x.dtype == torch.float32 else p.to(x.dtype) for p in self.parameters()]
        x = F.selu(F.conv2d(x, weights[0], weights[1], 2, 1)).flatten(1)
        x = F.linear(F.leaky_relu(x, 0.2), weights[2], weights[3])
        return F.linear(torch.tanh(x) + F.softplus(x) / 2, weights[4], weights[5])


class Padded(nn.Module):
    """Padding of its own before a convolution, and windows that end outside the image"""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 8, 3, stride=2), nn.Conv2d(8, 8, (1, 3))
        self.head = nn.Linear(8 * 3 * 2, classes)

    def forward(self, x):
        x = F.elu(self.one(F.pad(x, (0, 3, 2, 0), value=0.1)))            # 18 x 19 to 8 x 9
        x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)                      # 5 x 5
        x = torch.sqrt(torch.abs(self.two(x)) + 0.1)                      # 5 x 3
        return self.head(F.avg_pool2d(x, 2, 2, 1, count_include_pad=False).flatten(1))


class Invariant(nn.Module):
    """Invariant to quarter turns: filters that a quarter turn leaves alone, poolings that do not mind, and the mean of
    each channel over all positions"""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 12, 5, padding=2), nn.Conv2d(12, 16, 5, padding=2)
        self.head = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, classes))

    def symmetric(self, layer):
        w = layer.weight
        return (w + turn(w, 1) + turn(w, 2) + turn(w, 3)) / 4

    def forward(self, x):
        x = F.max_pool2d(F.relu(F.conv2d(x, self.symmetric(self.one), self.one.bias, 1, 2)), 2)
        x = F.relu(F.conv2d(x, self.symmetric(self.two), self.two.bias, 1, 2))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))

    def fixed(self):
        """The same with the symmetric filters themselves, for the export"""
        one, two = nn.Conv2d(1, 12, 5, padding=2), nn.Conv2d(12, 16, 5, padding=2)
        with torch.no_grad():
            for to, of in ((one, self.one), (two, self.two)):
                to.weight.copy_(self.symmetric(of))
                to.bias.copy_(of.bias)
        return nn.Sequential(one, nn.ReLU(), nn.MaxPool2d(2), two, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                             self.head)


def perceptron():
    return nn.Sequential(nn.Flatten(), nn.Linear(side * side, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(),
                         nn.Linear(16, classes))


# ------------------------------------------------------------------ training and exporting

def train(model, colour, seed, mean=0.0, std=1.0, epochs=6, rate=3e-3):
    x = torch.tensor(images["train", colour]).float() / 255
    x = (x - mean) / std
    optimizer = torch.optim.Adam(model.parameters(), rate)
    generator = torch.Generator().manual_seed(seed)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(50):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), labels["train"][batch]).backward()
            optimizer.step()
    return model.eval()


def export(model, name, planes, opset, fixed_batch=False, **options):
    axes = None if fixed_batch else {"image": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(model, torch.zeros(1, planes, side, side), os.path.join(folder, name), opset_version=opset,
                      input_names=["image"], output_names=["logits"], dynamic_axes=axes, **options)


def save_tensors(name, tensors, metadata):
    """A safetensors file: 8 bytes of length, JSON, the numbers"""
    header, data, kinds = {"__metadata__": metadata}, b"", {torch.float32: "F32", torch.float16: "F16"}
    for key, value in tensors.items():
        more = value.numpy().tobytes()
        header[key] = {"dtype": kinds[value.dtype], "shape": list(value.shape),
                       "data_offsets": [len(data), len(data) + len(more)]}
        data += more
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


# ------------------------------------------------------------------ what PyTorch says

def audit(model, colour, mean=0.0, std=1.0):
    f = lambda x: model((x - mean) / std)
    x = torch.tensor(images["t10k", colour][:n_audited], dtype=torch.float64) / 255
    truth = labels["t10k"][:n_audited]
    logits = f(x)
    predicted = logits.argmax(1)

    def saliency(z):
        z = z.clone().requires_grad_()
        return torch.autograd.grad(f(z).gather(1, predicted[:, None]).sum(), z)[0]

    s = saliency(x)
    right, li, di, si, changes = (predicted == truth).double(), 0, 0, 0, [0.0]
    for k in (1, 2, 3):
        g = f(turn(x, k))
        right = right + (g.argmax(1) == truth).double()
        li = li + 0.5 * ((logits - g) ** 2).sum(1) / 3
        di = di + F.kl_div(g.log_softmax(1), logits.softmax(1), reduction="none").sum(1) / 3
        si = si + F.cosine_similarity(turn(saliency(turn(x, k)), -k).flatten(1), s.flatten(1), eps=0) / 3
        changes.append((g.argmax(1) != predicted).double().mean().item())
    jacobians = torch.stack([torch.autograd.functional.jacobian(lambda z: f(z[None])[0], image).reshape(classes, -1)
                             for image in x])
    spectrum = torch.linalg.svdvals(jacobians).mean(0)
    return {"accuracy": (right / 4).mean().item(), "li": li.mean().item(), "di": di.mean().item(),
            "si": si.mean().item(), "sigma_max_jacobian": spectrum[0].item(), "jacobian_spectrum": spectrum.tolist(),
            "changes": changes, "half_squared_logits": (0.5 * (logits ** 2).sum(1)).mean().item(),
            "images_li": li.tolist(), "images_di": di.tolist(), "logits": logits[:4].tolist()}


expected = {}


def note(name, model, colour=False, mean=0.0, std=1.0):
    expected[name] = {"images": "images-rgb" if colour else "images", "mean": mean, "std": std,
                      **audit(model.double().eval(), colour, mean, std)}
    numbers = expected[name]
    print(name, *("%s %.4g" % (key, numbers[key]) for key in ("accuracy", "li", "di", "si", "sigma_max_jacobian")))


mean, std = 0.25, 0.3
torch.manual_seed(2)
model = train(perceptron(), False, 2, mean, std)
export(model, "perceptron.onnx", 1, 13)
save_tensors("perceptron.safetensors", model.state_dict(), {"activation": "relu"})
halves = {key: value.half() for key, value in model.state_dict().items()}
save_tensors("perceptron-half.safetensors", halves, {"activation": "relu"})
note("perceptron.onnx", model, mean=mean, std=std)
model.load_state_dict(halves)
note("perceptron-half.safetensors", model, mean=mean, std=std)

torch.manual_seed(3)
model = train(LeNet(), False, 3)
for opset in (9, 11, 13):
    export(model, "lenet-%d.onnx" % opset, 1, opset)
export(model, "lenet-17.onnx", 1, 17, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
note("lenet-9.onnx", model)
for opset in (11, 13, 17):
    expected["lenet-%d.onnx" % opset] = {"same": "lenet-9.onnx"}

torch.manual_seed(4)
model = train(Residual(), False, 4)
export(model, "residual.onnx", 1, 11, fixed_batch=True, training=torch.onnx.TrainingMode.PRESERVE,
       do_constant_folding=False)
note("residual.onnx", model)

torch.manual_seed(5)
model = train(Depthwise(), True, 5)
export(model, "depthwise.onnx", 3, 13)
note("depthwise.onnx", model, colour=True)

torch.manual_seed(6)
model = train(Mixer(), False, 6)
export(model, "mixer.onnx", 1, 17)
note("mixer.onnx", model)

torch.manual_seed(7)
model = train(Half(), False, 7).half()
export(model, "half.onnx", 1, 14, do_constant_folding=False)
note("half.onnx", model)

torch.manual_seed(9)
model = train(Padded(), False, 9)
export(model, "padded.onnx", 1, 12)
note("padded.onnx", model)

torch.manual_seed(8)
model = train(Invariant(), False, 8, epochs=25, rate=0.01).fixed()
export(model, "invariant.onnx", 1, 13)
note("invariant.onnx", model)


def short(value):
    """Nine digits of each number"""
    if isinstance(value, float):
        return float("%.9g" % value)
    if isinstance(value, list):
        return [short(one) for one in value]
    return {key: short(one) for key, one in value.items()} if isinstance(value, dict) else value


with open(os.path.join(folder, "expected.json"), "w") as file:
    entries = ['  "%s": {\n' % name + ",\n".join('    "%s": %s' % (key, json.dumps(short(value)))
                                                  for key, value in entry.items()) + "\n  }"
               for name, entry in expected.items()]
    file.write("{\n" + ",\n".join(entries + ['  "torch": "%s"' % torch.__version__]) + "\n}\n")
