"""Model files that `invar run` exported, read with NumPy: for the scripts beside this file."""
import json
import struct

import numpy as np


def load(path):
    """The run's resolved spec, and tensors by name in single precision."""
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(length)), file.read()
    run = json.loads(header.pop("__metadata__")["run"])
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return run, tensors
