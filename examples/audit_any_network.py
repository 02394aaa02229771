"""Logits and gradients of a network for the images that `invar audit --prepare DIR` wrote: audit_any_network.py DIR"""
import pathlib
import sys
import numpy as np

rng = np.random.default_rng(0)  # any network will do: here one layer, drawn at random
weights = None
for path in sorted(pathlib.Path(sys.argv[1]).glob("images-*.npy")):
    x = np.load(path)                             # float32 [elements, n, channels, height, width] in [0, 1]
    elements, n = x.shape[:2]
    if weights is None:
        weights = rng.normal(size=(10, x[0, 0].size)) / 28
    logits = x.reshape(elements * n, -1) @ weights.T                              # [elements * n, classes]
    predicted = logits[:n].argmax(1)                                              # at the images themselves
    gradients = np.broadcast_to(weights[predicted].reshape(x.shape[1:]), x.shape)  # of that logit, at every image
    np.save(path.with_name(path.name.replace("images", "logits")), logits.astype("float32"))
    np.save(path.with_name(path.name.replace("images", "gradients")), gradients.astype("float32"))

# With PyTorch, for any `model` of images [n, channels, height, width]:
#     x = torch.from_numpy(np.load(path)).flatten(0, 1).requires_grad_()
#     logits = model(x)
#     predicted = logits[:n].argmax(1).repeat(elements)
#     gradients, = torch.autograd.grad(logits.gather(1, predicted[:, None]).sum(), x)
