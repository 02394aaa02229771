"""Two perceptrons to audit: train_two_networks.py MNIST_FOLDER

Trains 784-128-128-10 on 20000 images of MNIST, as they are (plain.safetensors) and turned by random multiples of 90
degrees (rotated.safetensors): two passes each, half a minute on one core. MNIST_FOLDER is what `invar data fetch mnist`
filled, a folder `mnist` in the data directory. Needs PyTorch; a state_dict is written by hand here, where
safetensors.torch.save_file is not installed.
"""
import gzip
import json
import os
import struct
import sys

import numpy as np
import torch
from torch.nn import functional as F

MEAN, STD = 0.1307, 0.3081


def read_idx(path):
    open_file = open if os.path.exists(path) else gzip.open
    with open_file(path if open_file is open else path + ".gz", "rb") as file:
        data = file.read()
    shape = struct.unpack(">%dI" % data[3], data[4:4 + 4 * data[3]])
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape).copy())


def save_tensors(tensors, path, metadata):
    """A safetensors file: the length of the header, the header as JSON, the numbers."""
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.numpy().astype("<f4").tobytes())


def train(images, labels, turn):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 128), torch.nn.ReLU(),
                                torch.nn.Linear(128, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(2):
        for batch in torch.randperm(len(images)).split(100):
            x = images[batch]
            if turn:
                quarters = torch.randint(4, (len(x),))
                x = torch.stack([torch.rot90(image, int(k)) for image, k in zip(x, quarters)])
            optimizer.zero_grad()
            F.cross_entropy(model(x), labels[batch]).backward()
            optimizer.step()
    return model


folder = sys.argv[1]
images = read_idx(os.path.join(folder, "train-images-idx3-ubyte"))[:20000].float() / 255
labels = read_idx(os.path.join(folder, "train-labels-idx1-ubyte"))[:20000].long()
for name in ("plain", "rotated"):
    model = train((images - MEAN) / STD, labels, name == "rotated")
    save_tensors(model.state_dict(), name + ".safetensors", {"activation": "relu"})
    print(name + ".safetensors")
