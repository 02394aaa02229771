#!/usr/bin/env python3
"""Small ONNX files for the tests of their reader, and what onnxruntime computes for them.

    make_models.py        writes models/*.onnx and models/expected.json beside itself

Needs the Python packages numpy, onnx and onnxruntime; written with onnx 1.23.0 and onnxruntime 1.32.0.

Every network takes images whose entry i is the float nearest to (37 i mod 101) / 50 - 1; expected.json has how many
images that are and the network's first output for them. Files under `refused` are not networks that can be read; the
tests say of each what is wrong with it.
"""
import json
import pathlib

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent / "models"
CASES = {}


class Model:
    """Nodes in a row: `self.x` is the name of what was computed last."""

    def __init__(self, name, opset, shape, floats=TensorProto.FLOAT):
        self.name, self.opset, self.shape, self.floats = name, opset, shape, floats
        self.nodes, self.initializers, self.x, self.n = [], [], "image", 0
        self.random = numpy.random.default_rng(len(name) + 97 * opset)
        self.rank = None

    def weights(self, *shape, scale=0.5, least=None):
        values = (self.random.standard_normal(shape) * scale).astype(numpy.float32)
        return values if least is None else (numpy.abs(values) + least).astype(numpy.float32)

    def constant(self, values, data_type=None, name=None):
        name = name or "c%d" % len(self.initializers)
        values = numpy.asarray(values)
        if data_type is not None:
            tensor = helper.make_tensor(name, data_type, values.shape, values.flatten().tolist())
        else:
            tensor = numpy_helper.from_array(values, name)
        self.initializers.append(tensor)
        return name

    def floats_of(self, values):
        return self.constant(numpy.asarray(values, numpy.float32))

    def integers(self, *values):
        return self.constant(numpy.asarray(values, numpy.int64))

    def node(self, op, *inputs, outputs=None, **attributes):
        """A node of `inputs`, which are names; without any, of what was computed last."""
        self.n += 1
        names = outputs or ["v%d" % self.n]
        inputs = list(inputs) or ([] if op == "Constant" else [self.x])
        self.nodes.append(helper.make_node(op, inputs, names, name="%s_%d" % (op, self.n),
                                           **attributes))
        self.x = names[0]
        return self.x

    def then(self, op, *more, **attributes):
        """A node of what was computed last, and more."""
        return self.node(op, self.x, *more, **attributes)

    def finish(self, images=2, ir=None, inputs=(), outputs=(), save=True, **options):
        graph = helper.make_graph(
            self.nodes, self.name,
            [helper.make_tensor_value_info("image", self.floats, self.shape), *inputs],
            [helper.make_tensor_value_info(self.x, self.floats, None), *outputs], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)],
                                  producer_name="make_models", **options)
        model.ir_version = ir or 8 if self.opset < 21 else 10
        if save:
            add(self.name, model, self.shape, images)
        return model


def images_of(shape, n, batched=True):
    shape = [n if isinstance(axis, str) or axis is None else axis for axis in shape]
    count = int(numpy.prod(shape))
    i = numpy.arange(count)
    return ((37 * i % 101) / 50 - 1).astype(numpy.float32).reshape(shape)


def add(name, model, shape, images, run=None):
    path = HERE / (name + ".onnx")
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession((run or model).SerializeToString() if run is not False else str(path),
                                           providers=["CPUExecutionProvider"])
    kind = session.get_inputs()[0].type
    x = images_of(shape, images)
    if "double" in kind:
        x = x.astype(numpy.float64)
    if "float16" in kind:
        x = x.astype(numpy.float16)
    y = session.run(None, {"image": x})[0]
    if isinstance(shape[0], int) and len(shape) > 1:
        images = shape[0] if y.ndim > 1 and y.shape[0] == shape[0] else 1
    elif isinstance(shape[0], int):
        images = 1
    CASES[name] = {"images": images, "logits": [float("%.9g" % v) for v in numpy.asarray(y, numpy.float64).flatten()]}


# ------------------------------------------------------------------ element by element

def one(name, opset, op, *constants, shape=("n", 6), before=None, **attributes):
    m = Model(name, opset, list(shape))
    if before:
        before(m)
    m.then(op, *[m.floats_of(c) if c is not None else "" for c in constants], **attributes)
    m.finish()


def positive(m):
    m.then("Abs")
    m.then("Add", m.floats_of([0.5]))


def elementwise():
    for op in ("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Abs", "Softplus",
               "HardSigmoid", "Softsign"):
        one(op.lower(), 13, op)
    for op in ("Log", "Sqrt", "Reciprocal"):
        one(op.lower(), 13, op, before=positive)
    one("hardswish", 14, "HardSwish")
    one("mish", 18, "Mish")
    one("gelu", 20, "Gelu")
    one("gelu-tanh", 20, "Gelu", approximate="tanh")
    one("leakyrelu-alpha", 9, "LeakyRelu", alpha=0.2)
    one("elu-alpha", 9, "Elu", alpha=1.5)
    one("celu-alpha", 12, "Celu", alpha=0.5)
    one("selu-alpha", 9, "Selu", alpha=1.5, gamma=1.25)
    one("hardsigmoid-alpha", 9, "HardSigmoid", alpha=0.5, beta=0.25)
    one("prelu", 9, "PRelu", [0.25])
    m = Model("prelu-channels", 16, ["n", 2, 1, 2])
    m.then("PRelu", m.floats_of([[[-0.5]], [[0.5]]]))
    flat_head(m, 4)
    m.finish()
    one("clip-9", 9, "Clip", min=-0.5, max=0.75)
    one("clip-9-relu", 9, "Clip", min=0.0)
    one("clip-11", 11, "Clip", numpy.float32(-0.5), numpy.float32(0.75))
    one("clip-13-most", 13, "Clip", None, numpy.float32(0.25))
    one("clip-13-least", 13, "Clip", numpy.float32(0.25))
    for exponent in (1, 2, 3, 0.5, -1, 4, 1.7):
        one("pow-%g" % exponent, 13, "Pow", [float(exponent)], before=positive if exponent != 4 else None)
    for op in ("Add", "Sub", "Mul", "Div"):
        one(op.lower(), 13, op, [0.5, -1.25, 2, 3, -4, 5])
        m = Model(op.lower() + "-left", 13, ["n", 6])
        positive(m)
        m.node(op, m.floats_of([1.5]), m.x)
        m.finish()
        m = Model(op.lower() + "-both", 9, ["n", 2, 3, 3])
        positive(m)
        x = m.x
        m.node("ReduceMean", x, axes=[2, 3], keepdims=1)
        m.node(op, x, m.x)
        flat_head(m, 18)
        m.finish()
    m = Model("pow-left", 13, ["n", 6])
    m.node("Pow", m.floats_of([2.0]), "image")
    m.finish()
    m = Model("pow-integer", 13, ["n", 6])
    m.then("Pow", m.integers(2))
    m.finish()
    m = Model("pow-both", 13, ["n", 6])
    positive(m)
    m.node("Pow", m.x, "image")
    m.finish()
    for op in ("Min", "Max", "Sum", "Mean"):
        m = Model(op.lower() + "-several", 13, ["n", 6])
        a = m.node("Neg", "image")
        m.node(op, m.floats_of([0.3]), "image", a, m.floats_of([[0.5, -0.5, 0, 0, 1, -1]]))
        m.finish()
    one("min-two", 9, "Min", numpy.full(6, 0.25, numpy.float32))
    for shape in ([3], [1, 2, 1, 1], [2, 1, 1], [1, 1, 2, 3], [1]):
        m = Model("broadcast-" + "-".join(map(str, shape)), 13, ["n", 2, 2, 3])
        m.then("Mul", m.floats_of(m.weights(*shape)))
        flat_head(m, 12)
        m.finish()


def flat_head(m, width, classes=3):
    m.then("Flatten")
    m.then("Gemm", m.floats_of(m.weights(classes, width)), m.floats_of(m.weights(classes)), transB=1)


# ------------------------------------------------------------------ products

def products():
    for name, attributes, shapes in (
            ("gemm", {}, [(4, 3), (3,)]), ("gemm-turned", {"transB": 1}, [(3, 4), (3,)]),
            ("gemm-scaled", {"alpha": 0.5, "beta": 2.0}, [(4, 3), (3,)]),
            ("gemm-scaled-turned", {"alpha": 0.5, "beta": 0.0, "transB": 1}, [(3, 4), (3,)]),
            ("gemm-one-bias", {}, [(4, 3), (1,)]), ("gemm-row-bias", {}, [(4, 3), (1, 3)]),
            ("gemm-scalar-bias", {}, [(4, 3), ()]), ("gemm-no-bias", {}, [(4, 3)])):
        m = Model(name, 11, ["n", 4])
        m.then("Gemm", *[m.floats_of(m.weights(*shape)) for shape in shapes], **attributes)
        m.finish()
    m = Model("gemm-sum", 13, ["n", 4])
    a = m.node("Gemm", "image", m.floats_of(m.weights(4, 3)))
    m.node("Gemm", "image", m.floats_of(m.weights(4, 3)), a)
    m.finish()
    m = Model("matmul", 13, ["n", 4])
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.then("Add", m.floats_of(m.weights(3)))
    m.then("Relu")
    m.then("MatMul", m.floats_of(m.weights(3, 3)))
    m.node("Add", m.floats_of(m.weights(1, 3)), m.x)
    m.finish()
    m = Model("matmul-rows", 13, ["n", 2, 4])
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.then("Add", m.floats_of(m.weights(3)))
    m.then("MatMul", m.floats_of(m.weights(1, 3, 2)))
    m.then("ReduceMean", axes=[1], keepdims=0)
    m.finish()


# ------------------------------------------------------------------ images

def convolution(name, x, w, opset=11, bias=True, before=None, after=None, **attributes):
    m = Model(name, opset, ["n", *x])
    if before:
        before(m)
    m.then("Conv", m.floats_of(m.weights(*w)), *([m.floats_of(m.weights(w[0]))] if bias else []), **attributes)
    if after:
        after(m)
    m.then("Flatten")
    m.then("MatMul", m.floats_of(m.weights(width_of(m), 3)))
    m.finish()
    return m


def width_of(m):
    model = m.finish(save=False)
    out = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"image": images_of(m.shape, 1)})[0]
    return out.shape[-1]


def normalization(channels, **attributes):
    def nodes(m):
        m.then("BatchNormalization", m.floats_of(m.weights(channels)), m.floats_of(m.weights(channels)),
               m.floats_of(m.weights(channels)), m.floats_of(m.weights(channels, least=0.1)), **attributes)
    return nodes


def images():
    convolution("conv", (2, 5, 6), (4, 2, 3, 3))
    convolution("conv-pads", (2, 5, 6), (4, 2, 3, 2), pads=[1, 0, 2, 1], strides=[2, 1], kernel_shape=[3, 2])
    convolution("conv-dilations", (1, 7, 7), (2, 1, 3, 3), dilations=[2, 3], pads=[1, 2, 1, 2])
    convolution("conv-groups", (4, 4, 4), (6, 2, 3, 3), group=2)
    convolution("conv-depthwise", (3, 5, 5), (3, 1, 3, 3), group=3, pads=[1, 1, 1, 1], bias=False)
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        convolution("conv-" + mode.lower().replace("_", "-"), (2, 6, 5), (2, 2, 3, 2), auto_pad=mode, strides=[2, 2])
    convolution("conv-normalized", (2, 5, 5), (3, 2, 3, 3), after=normalization(3))
    convolution("conv-normalized-no-bias", (2, 5, 5), (3, 2, 3, 3), bias=False, opset=15,
                after=normalization(3, epsilon=1e-3))
    convolution("normalized-conv", (2, 5, 5), (3, 2, 3, 3), before=normalization(2))

    def bias(m):
        m.then("Add", m.floats_of(m.weights(3, 1, 1)))
    convolution("conv-added-bias", (2, 5, 5), (3, 2, 3, 3), bias=False, after=bias)

    def both(m):
        x = m.x
        normalization(3)(m)
        m.node("Add", x, m.x)
    convolution("conv-normalized-and-plain", (2, 5, 5), (3, 2, 3, 3), after=both)

    def shared(m):
        x = m.x
        m.then("Identity")
        normalization(3)(m)
        m.node("Add", x, m.x)
    convolution("conv-normalized-and-identity", (2, 5, 5), (3, 2, 3, 3), after=shared)
    m = Model("gemm-normalized", 13, ["n", 4])
    m.then("Gemm", m.floats_of(m.weights(4, 3)), m.floats_of(m.weights(3)))
    normalization(3)(m)
    m.finish()
    m = Model("normalized", 9, ["n", 4])
    normalization(4)(m)
    m.finish()

    for name, op, opset, shape, attributes in (
            ("maxpool", "MaxPool", 9, (2, 5, 6), {"kernel_shape": [2, 3], "strides": [2, 2]}),
            ("maxpool-pads", "MaxPool", 12, (2, 5, 6), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
            ("maxpool-dilations", "MaxPool", 12, (1, 7, 7), {"kernel_shape": [2, 3], "dilations": [3, 2]}),
            ("maxpool-ceil", "MaxPool", 12, (1, 6, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
            ("maxpool-same", "MaxPool", 12, (1, 5, 6), {"kernel_shape": [3, 2], "strides": [2, 2],
                                                        "auto_pad": "SAME_UPPER"}),
            ("averagepool", "AveragePool", 9, (2, 5, 6), {"kernel_shape": [2, 3], "strides": [2, 2]}),
            ("averagepool-pads", "AveragePool", 11, (2, 5, 6), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                                                               "strides": [2, 2]}),
            ("averagepool-count", "AveragePool", 11, (2, 5, 6), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                                                                "strides": [2, 2], "count_include_pad": 1}),
            ("averagepool-ceil", "AveragePool", 11, (1, 6, 8), {"kernel_shape": [3, 3], "strides": [2, 2],
                                                               "ceil_mode": 1}),
            ("averagepool-ceil-count", "AveragePool", 11, (1, 6, 8), {"kernel_shape": [3, 3], "pads": [1, 1, 0, 0],
                                                                     "strides": [2, 2], "ceil_mode": 1,
                                                                     "count_include_pad": 1}),
            ("averagepool-dilations", "AveragePool", 19, (1, 6, 6), {"kernel_shape": [2, 2], "dilations": [2, 3]}),
            ("globalmaxpool", "GlobalMaxPool", 9, (3, 4, 5), {}),
            ("globalaveragepool", "GlobalAveragePool", 9, (3, 4, 5), {})):
        m = Model(name, opset, ["n", *shape])
        m.then(op, **attributes)
        m.then("Flatten")
        m.then("MatMul", m.floats_of(m.weights(width_of(m), 3)))
        m.finish()
    m = Model("pooled-logits", 13, ["n", 2, 4, 4])
    m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)))
    m.then("GlobalAveragePool")
    m.finish()

    m = Model("pad-9", 9, ["n", 1, 2, 3])
    m.then("Pad", pads=[0, 0, 1, 0, 0, 0, 0, 2], value=0.5)
    flat_head(m, 15)
    m.finish()
    m = Model("pad-11", 11, ["n", 1, 2, 3])
    m.then("Pad", m.integers(0, 1, 1, 0, 0, 0, 0, 2), m.constant(numpy.float32(0.5)))
    flat_head(m, 30)
    m.finish()
    m = Model("pad-18-axes", 18, ["n", 1, 2, 3])
    m.then("Pad", m.integers(1, 2), "", m.integers(-1))
    flat_head(m, 12)
    m.finish()
    m = Model("pad-cut", 13, ["n", 1, 4, 4])
    m.then("Pad", m.integers(0, 0, -1, 1, 0, 0, 0, -2), m.constant(numpy.float32(0)))
    flat_head(m, 9)
    m.finish()


# ------------------------------------------------------------------ softmax and reductions

def along_axes():
    for opset in (9, 11, 13):
        for op in ("Softmax", "LogSoftmax"):
            m = Model("%s-end-%d" % (op.lower(), opset), opset, ["n", 4])
            m.then("MatMul", m.floats_of(m.weights(4, 3)))
            m.then(op)
            m.finish()
    m = Model("softmax-log-end", 13, ["n", 4])
    m.then("Softmax", axis=1)
    m.then("Log")
    m.finish()
    m = Model("softmax-flattening", 11, ["n", 2, 2, 3])
    m.then("Softmax")
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-flattening-2", 11, ["n", 2, 2, 3])
    m.then("Softmax", axis=2)
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-channels", 13, ["n", 3, 2, 2])
    m.then("Softmax", axis=1)
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-last", 13, ["n", 3, 2, 2])
    m.then("Softmax")
    flat_head(m, 12)
    m.finish()
    m = Model("softmax-pooled-end", 11, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Softmax", axis=1)
    m.then("Flatten")
    m.finish()
    for op, opset, keep in (("ReduceMean", 11, 1), ("ReduceMean", 13, 0), ("ReduceSum", 11, 0)):
        m = Model("%s-%d" % (op.lower(), opset), opset, ["n", 3, 2, 4])
        m.then(op, axes=[2, -1], keepdims=keep)
        flat_head(m, 3)
        m.finish()
    for op, opset in (("ReduceMean", 18), ("ReduceSum", 13)):
        m = Model("%s-input-%d" % (op.lower(), opset), opset, ["n", 3, 2, 4])
        m.then(op, m.integers(3), keepdims=0)
        m.then(op, m.integers(1, 2), keepdims=1)
        m.then("Flatten")
        m.then("MatMul", m.floats_of(m.weights(1, 3)))
        m.finish()
    m = Model("layernormalization", 17, ["n", 3, 4])
    m.then("LayerNormalization", m.floats_of(m.weights(4)), m.floats_of(m.weights(4)))
    flat_head(m, 12)
    m.finish()
    m = Model("layernormalization-axis", 17, ["n", 3, 2, 2])
    m.then("LayerNormalization", m.floats_of(m.weights(3, 2, 2)), axis=1, epsilon=0.01)
    flat_head(m, 12)
    m.finish()
    m = Model("instancenormalization", 9, ["n", 4, 3, 2])
    m.then("InstanceNormalization", m.floats_of(m.weights(4)), m.floats_of(m.weights(4)), epsilon=0.01)
    flat_head(m, 24)
    m.finish()
    m = Model("groupnormalization", 13, ["n", 4, 3, 2])  # as PyTorch exports it
    m.then("Reshape", m.integers(0, 2, -1))
    m.then("InstanceNormalization", m.floats_of([1, 1]), m.floats_of([0, 0]))
    m.then("Reshape", m.integers(0, 4, 3, 2))
    m.then("Mul", m.floats_of(m.weights(4, 1, 1)))
    m.then("Add", m.floats_of(m.weights(4, 1, 1)))
    flat_head(m, 24)
    m.finish()
    m = Model("reducemean-noop", 18, ["n", 3])
    m.then("ReduceMean", noop_with_empty_axes=1)
    m.then("Neg")
    m.finish()


# ------------------------------------------------------------------ shapes

def shapes():
    def view(m, opset):
        """What torch.onnx.export writes for x.view(x.size(0), -1)."""
        x = m.x
        m.node("Shape", x)
        m.then("Gather", m.constant(numpy.int64(0)), axis=0)
        if opset < 13:
            m.then("Unsqueeze", axes=[0])
        else:
            m.then("Unsqueeze", m.integers(0))
        m.then("Concat", m.integers(-1), axis=0)
        m.node("Reshape", x, m.x)
    for opset in (9, 13):
        for batch in ("n", 1, 3):
            m = Model("view-%d-%s" % (opset, batch), opset, [batch, 2, 2, 3])
            view(m, opset)
            m.then("MatMul", m.floats_of(m.weights(12, 3)))
            m.finish()
    m = Model("view-slice", 15, ["n", 2, 2, 3])
    m.then("Shape", start=0, end=1)
    m.then("Concat", m.integers(12), axis=0)
    m.node("Reshape", "image", m.x)
    m.then("MatMul", m.floats_of(m.weights(12, 3)))
    m.finish()
    m = Model("view-computed", 13, ["n", 2, 2, 3])
    all_ = m.node("Shape", "image")
    rest = m.node("Slice", all_, m.integers(1), m.integers(2 ** 63 - 1), m.integers(0), m.integers(1))
    product = m.node("ReduceProd", rest, keepdims=1)
    first = m.node("Slice", all_, m.integers(0), m.integers(1))
    first = m.node("Mul", first, m.integers(1))
    m.node("Concat", first, product, axis=0)
    m.then("Cast", to=TensorProto.INT64)
    m.node("Reshape", "image", m.x)
    m.then("MatMul", m.floats_of(m.weights(12, 3)))
    m.finish()
    for name, batch, target in (("reshape-0", "n", (0, -1)), ("reshape-all", "n", (-1, 12)), ("reshape-1", 1, (1, 12)),
                                ("reshape-fixed", 3, (3, -1)), ("reshape-dropped", 1, (12,))):
        m = Model(name, 13, [batch, 2, 2, 3])
        m.then("Reshape", m.integers(*target))
        m.then("MatMul", m.floats_of(m.weights(12, 3)))
        m.finish()
    for axis, shape in ((1, ("n", 2, 2, 3)), (-1, ("n", 12)), (2, ("n", 1, 12)), (0, (1, 2, 6))):
        m = Model("flatten-%d" % axis, 11, list(shape))
        m.then("Flatten", axis=axis)
        m.then("MatMul", m.floats_of(m.weights(12, 3)))
        m.finish()
    m = Model("squeeze-11", 11, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Squeeze", axes=[2, -1])
    m.finish()
    m = Model("squeeze-13", 13, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Squeeze", m.integers(3, 2))
    m.finish()
    m = Model("squeeze-any", 13, ["n", 3, 2, 2])
    m.then("GlobalAveragePool")
    m.then("Squeeze")
    m.finish()
    for opset in (11, 13):
        m = Model("unsqueeze-%d" % opset, opset, ["n", 4, 4])
        if opset < 13:
            m.then("Unsqueeze", axes=[1])
        else:
            m.then("Unsqueeze", m.integers(-3))
        m.then("Conv", m.floats_of(m.weights(3, 1, 3, 3)))
        m.then("GlobalAveragePool")
        m.then("Flatten")
        m.finish()
    m = Model("transpose", 13, ["n", 2, 2, 3])
    m.then("Transpose", perm=[0, 3, 1, 2])
    m.then("Transpose", perm=[0, 2, 1, 3])
    m.then("MatMul", m.floats_of(m.weights(2, 2)))
    flat_head(m, 12)
    m.finish()
    m = Model("channels-last", 13, ["n", 5, 6, 3])
    m.then("Transpose", perm=[0, 3, 1, 2])
    m.then("Conv", m.floats_of(m.weights(2, 3, 3, 3)))
    m.then("Transpose", perm=[0, 2, 3, 1])
    flat_head(m, 24)
    m.finish()
    m = Model("shuffle", 13, ["n", 4, 2, 3])
    m.then("Reshape", m.integers(0, 2, 2, 2, 3))
    m.then("Transpose", perm=[0, 2, 1, 3, 4])
    m.then("Reshape", m.integers(0, 4, 2, 3))
    m.then("Conv", m.floats_of(m.weights(2, 4, 2, 2)))
    flat_head(m, 4)
    m.finish()

    # one image, without an axis of the batch
    m = Model("alone-pixels", 13, [6])
    m.then("MatMul", m.floats_of(m.weights(6, 4)))
    m.then("Add", m.floats_of(m.weights(4)))
    m.then("Relu")
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.finish()
    m = Model("alone-planes", 13, [2, 4, 5])
    m.then("Unsqueeze", m.integers(0))
    m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)), m.floats_of(m.weights(3)))
    m.then("Relu")
    m.then("Flatten", axis=1)
    m.then("Gemm", m.floats_of(m.weights(18, 3)))
    m.then("Squeeze", m.integers(0))
    m.finish()
    m = Model("alone-plane", 13, [1, 4, 5])
    m.then("Unsqueeze", m.integers(0))
    m.then("Conv", m.floats_of(m.weights(3, 1, 3, 3)))
    m.then("GlobalAveragePool")
    m.then("Flatten")
    m.finish()
    m = Model("turned-image", 13, [1, 6])
    m.then("Transpose", perm=[1, 0])
    m.then("Mul", m.floats_of(m.weights(6, 1)))
    m.then("Transpose", perm=[1, 0])
    m.then("MatMul", m.floats_of(m.weights(6, 3)))
    m.finish()
    m = Model("expand", 13, ["n", 3, 1])
    m.then("Expand", m.integers(1, 3, 2))
    flat_head(m, 6)
    m.finish()


# ------------------------------------------------------------------ parts

def parts():
    m = Model("slice-9", 9, ["n", 3, 4, 4])
    m.then("Slice", starts=[1, -3], ends=[3, 1000], axes=[1, 3])
    flat_head(m, 24)
    m.finish()
    m = Model("slice-10", 10, ["n", 3, 4, 4])
    m.then("Slice", m.integers(0, 1), m.integers(2, -1), m.integers(1, 2), m.integers(1, 1))
    flat_head(m, 16)
    m.finish()
    m = Model("slice-five-axes", 13, ["n", 4, 2, 3])
    m.then("Reshape", m.integers(0, 2, 2, 2, 3))
    m.then("Slice", m.integers(1), m.integers(2), m.integers(2))
    flat_head(m, 12)
    m.finish()
    for name, opset, attributes, inputs in (("split-11", 11, {"split": [1, 3]}, ()), ("split-13", 13, {}, ([1, 3],)),
                                            ("split-even", 13, {}, ()), ("split-18", 18, {"num_outputs": 2}, ())):
        m = Model(name, opset, ["n", 4, 2, 2])
        m.then("Split", *[m.integers(*i) for i in inputs], outputs=["a", "b"], axis=1, **attributes)
        m.node("Neg", "b")
        m.node("Concat", m.x, "a", axis=1)
        m.then("Flatten")
        m.then("MatMul", m.floats_of(m.weights(width_of(m), 3)))
        m.finish()
    m = Model("gather-one", 13, ["n", 3, 4])
    m.then("Gather", m.constant(numpy.int64(-1)), axis=1)
    m.then("MatMul", m.floats_of(m.weights(4, 3)))
    m.finish()
    m = Model("gather-several", 13, ["n", 3, 4])
    m.then("Gather", m.integers(1, 2), axis=1)
    flat_head(m, 8)
    m.finish()
    m = Model("concat", 13, ["n", 2, 2, 2])
    a = m.node("Relu", "image")
    b = m.node("Neg", "image")
    m.node("Concat", a, m.floats_of(m.weights(1, 1, 2, 2)), b, "image", a, axis=1)
    flat_head(m, 36)
    m.shape = [1, 2, 2, 2]  # onnxruntime does not repeat a constant for several images
    m.finish()
    m = Model("concat-last", 13, ["n", 2, 2, 2])
    m.node("Concat", "image", "image", axis=-1)
    flat_head(m, 16)
    m.finish()


# ------------------------------------------------------------------ constants

def constants():
    m = Model("constants", 13, ["n", 6])
    m.node("Constant", value_float=0.5)
    m.node("Add", "image", m.x)
    x = m.x
    m.node("Constant", value_floats=[1.0, 2, 3, 4, 5, 6])
    m.node("Mul", x, m.x)
    x = m.x
    m.node("Constant", value=numpy_helper.from_array(numpy.array([[0.5], [2]], numpy.float32)))
    m.node("Reshape", m.x, m.node("Constant", value_ints=[2]))
    m.node("Gather", m.x, m.node("Constant", value_int=1))
    m.node("Div", x, m.x)
    m.finish()
    m = Model("folded", 13, ["n", 6])
    a, b = m.floats_of([[1, 2, 3], [4, 5, 6]]), m.floats_of([[0.5], [2]])
    for op in ("Add", "Mul", "Sub", "Div", "Pow", "Min", "Max"):
        a = m.node(op, a, b)
        a = m.node("Abs", a)
    for op in ("Sqrt", "Exp", "Neg", "Tanh", "Erf", "Sigmoid", "Log", "Relu", "Reciprocal", "Floor", "Ceil"):
        a = m.node("Add", a, m.floats_of(2.25))
        a = m.node(op, a)
        a = m.node("Abs", a)
    a = m.node("Transpose", a, perm=[1, 0])
    a = m.node("Flatten", a, axis=0)
    a = m.node("Squeeze", a, m.integers(0))
    a = m.node("Unsqueeze", a, m.integers(1))
    a = m.node("Expand", a, m.integers(2, 6, 1))
    a = m.node("ReduceMean", a, axes=[0], keepdims=0)
    a = m.node("ReduceSum", a, m.integers(-1), keepdims=0)
    m.node("Split", a, m.integers(2, 4), outputs=["p", "q"], axis=0)
    a = m.node("Concat", "q", "p", axis=0)
    a = m.node("Slice", a, m.integers(5), m.integers(-100), m.integers(0), m.integers(-1))
    m.node("Add", "image", a)
    m.finish()
    m = Model("folded-integers", 13, ["n", 6])
    a = m.node("Range", m.constant(numpy.int64(1)), m.constant(numpy.int64(13)), m.constant(numpy.int64(2)))
    a = m.node("Div", a, m.integers(2))
    a = m.node("Where", m.node("Equal", a, m.integers(3)), m.integers(-7), a)
    a = m.node("Where", m.node("Not", m.node("Greater", a, m.integers(4))), a, m.integers(9))
    a = m.node("Where", m.node("And", m.node("Less", a, m.integers(2)), m.node("Less", a, m.integers(1))), m.integers(5), a)
    a = m.node("Max", a, m.integers(-2))
    a = m.node("Cast", a, to=TensorProto.FLOAT)
    m.node("Mul", "image", a)
    m.finish()
    m = Model("filled", 13, ["n", 6])
    a = m.node("ConstantOfShape", m.integers(6), value=numpy_helper.from_array(numpy.array([2.5], numpy.float32)))
    b = m.node("ConstantOfShape", m.node("Shape", "image"))
    m.node("Mul", "image", a)
    m.node("Add", m.x, b)
    m.finish()
    m = Model("expanded-like", 13, ["n", 2, 2])
    shape = m.node("Shape", "image")
    ones = m.node("ConstantOfShape", m.integers(3), value=numpy_helper.from_array(numpy.array([1], numpy.int64)))
    wanted = m.node("Where", m.node("Equal", shape, m.node("Mul", ones, m.integers(-1))), ones, shape)
    m.node("Expand", m.floats_of([[[0.5, 2]]]), wanted)
    m.node("Mul", "image", m.x)
    flat_head(m, 4)
    m.finish()
    m = Model("cast", 13, ["n", 6])
    m.then("Cast", to=TensorProto.FLOAT)
    a = m.node("Cast", m.constant(numpy.arange(6, dtype=numpy.int32)), to=TensorProto.FLOAT)
    b = m.node("Cast", m.floats_of([0, 1.75, -2.5, 3, 4, 5]), to=TensorProto.INT64)
    b = m.node("Cast", b, to=TensorProto.FLOAT)
    c = m.node("Cast", m.node("Cast", a, to=TensorProto.BOOL), to=TensorProto.FLOAT)
    m.node("Sum", "image", a, b, c)
    m.finish()
    m = Model("castlike", 15, ["n", 6])
    a = m.node("CastLike", m.integers(1, 2, 3, 4, 5, 6), "image")
    m.node("Mul", m.node("CastLike", "image", m.floats_of(1)), a)
    m.finish()
    for opset in (9, 10, 12, 13):
        m = Model("dropout-%d" % opset, opset, ["n", 6])
        m.then("Neg")
        if opset < 12:
            m.then("Dropout", ratio=0.3)
        else:
            m.then("Dropout", m.constant(numpy.float32(0.3)), m.constant(numpy.bool_(False)))
        m.then("Identity")
        m.finish()

    # types of numbers, in bytes and in lists
    for name, kind in (("float", TensorProto.FLOAT), ("double", TensorProto.DOUBLE), ("float16", TensorProto.FLOAT16),
                       ("bfloat16", TensorProto.BFLOAT16), ("int8", TensorProto.INT8), ("uint8", TensorProto.UINT8),
                       ("int16", TensorProto.INT16), ("uint16", TensorProto.UINT16), ("int32", TensorProto.INT32),
                       ("uint32", TensorProto.UINT32), ("int64", TensorProto.INT64), ("uint64", TensorProto.UINT64),
                       ("bool", TensorProto.BOOL)):
        values = [0.5, -1.25, 3, 100, 6.103515625e-05, -2 ** -24] if "float" in name or name == "double" else \
            [1, -2, 3, 100, 0, -128] if name.startswith("int") else [1, 0, 1, 1, 0, 1] if name == "bool" else \
            [1, 2, 3, 100, 0, 200]
        if name == "bfloat16":
            values[-1] = -2.0 ** -20
        for raw in (False, True):
            m = Model("type-%s%s" % (name, "-raw" if raw else ""), 13, ["n", 6])
            if raw:
                array = helper.make_tensor("w", kind, [6], values)
                m.initializers.append(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(array), "w"))
            else:
                m.initializers.append(helper.make_tensor("w", kind, [6], values))
            a = m.node("Cast", "w", to=TensorProto.FLOAT)
            m.node("Mul", "image", a)
            m.finish()
    for kind in ("FLOAT16", "DOUBLE"):
        number = getattr(TensorProto, kind)
        m = Model("all-" + kind.lower(), 13, ["n", 4], floats=number)  # onnxruntime convolves floats alone
        typed = numpy.float16 if kind == "FLOAT16" else numpy.float64
        m.then("MatMul", m.constant(m.weights(4, 3).astype(typed)))
        m.then("Add", m.constant(m.weights(3).astype(typed)))
        m.then("Relu")
        m.then("MatMul", m.constant(m.weights(3, 3).astype(typed)))
        m.finish()


# ------------------------------------------------------------------ files

def files():
    m = Model("input-initializers", 9, ["n", 4])
    m.then("Gemm", m.floats_of(m.weights(4, 3)), m.floats_of(m.weights(3)))
    inputs = [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, t.dims) for t in m.initializers]
    m.finish(ir=3, inputs=inputs)
    m = Model("two-outputs", 13, ["n", 4])
    a = m.node("Neg", "image")
    m.node("LSTM", outputs=["unused"])
    m.nodes.pop()
    m.node("Exp", "image")
    exp = m.x
    m.x = a
    m.finish(outputs=[helper.make_tensor_value_info(exp, TensorProto.FLOAT, None)])
    for batch in ("n", None, -1, 0):
        m = Model("batch-%s" % {"n": "named", None: "nameless", -1: "minus", 0: "zero"}[batch], 13, ["n", 4])
        m.then("MatMul", m.floats_of(m.weights(4, 3)))
        model = m.finish()
        axis = model.graph.input[0].type.tensor_type.shape.dim[0]
        axis.Clear()
        if batch == "n":
            axis.dim_param = "batch"
        elif batch is not None:
            axis.dim_value = batch
        (HERE / (m.name + ".onnx")).write_bytes(model.SerializeToString())
    m = Model("batch-of-4", 13, [4, 2, 3, 3])
    m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)))
    m.then("Reshape", m.integers(4, 3))
    m.finish()
    for opset in range(9, 22):
        m = Model("opset-%d" % opset, opset, ["n", 2, 4, 4])
        m.then("Conv", m.floats_of(m.weights(3, 2, 3, 3)), m.floats_of(m.weights(3)))
        normalization(3)(m)
        m.then("Relu")
        m.then("MaxPool", kernel_shape=[2, 2])
        flat_head(m, 3)
        m.finish()
    m = Model("beside", 13, ["n", 4])
    m.then("MatMul", m.constant(m.weights(4, 3), name="w"))
    m.then("Add", m.constant(m.weights(3), name="b"))
    model = m.finish()
    onnx.save_model(model, str(HERE / "beside.onnx"), save_as_external_data=True, location="beside.data",
                    size_threshold=0)


def main():
    HERE.mkdir(exist_ok=True)
    for path in HERE.glob("*.onnx"):
        path.unlink()
    for path in HERE.glob("*.data"):
        path.unlink()
    elementwise()
    products()
    images()
    along_axes()
    shapes()
    parts()
    constants()
    files()
    with open(HERE / "expected.json", "w") as file:
        file.write("{\n" + ",\n".join('"%s": %s' % (name, json.dumps(case)) for name, case in sorted(CASES.items()))
                   + "\n}\n")


main()
