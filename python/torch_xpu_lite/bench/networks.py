"""Networks that the benchmark builds itself: no package of models is needed for them.

Weights are random; the time of a forward pass does not depend on them.
"""

import torch
from torch import nn


def _conv(inside, outside, kernel, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(outside)]
    return nn.Sequential(*layers, act(inplace=True)) if act else nn.Sequential(*layers)


class _Residual(nn.Module):
    """x + body(x), with a projection where shapes differ, and an activation behind."""

    def __init__(self, body, skip=None, act=True):
        super().__init__()
        self.body = body
        self.skip = skip if skip is not None else nn.Identity()
        self.act = act

    def forward(self, x):
        y = self.body(x) + self.skip(x)
        return torch.relu_(y) if self.act else y


class _ImageModel(nn.Module):
    def __init__(self, features, channels, classes=1000):
        super().__init__()
        self.features = features
        self.head = nn.Linear(channels, classes)

    def forward(self, images):
        return self.head(self.features(images).mean((2, 3)))


def resnet(layers, bottleneck):
    """He et al., 2015; the stride is on the 3x3 convolution."""
    stages, channels = [_conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for stage, count in enumerate(layers):
        width = 64 << stage
        out = 4 * width if bottleneck else width
        for i in range(count):
            stride = 2 if i == 0 and stage else 1
            body = (nn.Sequential(_conv(channels, width, 1), _conv(width, width, 3, stride),
                                  _conv(width, out, 1, act=None)) if bottleneck else
                    nn.Sequential(_conv(channels, width, 3, stride), _conv(width, out, 3, act=None)))
            skip = _conv(channels, out, 1, stride, act=None) if stride != 1 or channels != out \
                else None
            stages.append(_Residual(body, skip))
            channels = out
    return _ImageModel(nn.Sequential(*stages), channels)


def mobilenet_v2():
    """Sandler et al., 2018: inverted residuals over depthwise convolutions."""
    stages, channels = [_conv(3, 32, 3, 2, act=nn.ReLU6)], 32
    for expand, out, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                       (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(count):
            width, step = channels * expand, stride if i == 0 else 1
            body = [] if expand == 1 else [_conv(channels, width, 1, act=nn.ReLU6)]
            body += [_conv(width, width, 3, step, width, nn.ReLU6),
                     _conv(width, out, 1, act=None)]
            body = nn.Sequential(*body)
            stages.append(_Residual(body, act=False) if step == 1 and channels == out else body)
            channels = out
    stages.append(_conv(channels, 1280, 1, act=nn.ReLU6))
    return _ImageModel(nn.Sequential(*stages), 1280)


def vgg16():
    """Simonyan and Zisserman, 2014, with batch norm and a small head."""
    stages, channels = [], 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            stages.append(_conv(channels, width, 3))
            channels = width
        stages.append(nn.MaxPool2d(2))
    return _ImageModel(nn.Sequential(*stages), channels)


class _Dense(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
                                  nn.Conv2d(channels, 4 * growth, 1, bias=False),
                                  nn.BatchNorm2d(4 * growth), nn.ReLU(inplace=True),
                                  nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False))

    def forward(self, x):
        return torch.cat([x, self.body(x)], 1)


def densenet(layers=(6, 12, 24, 16), growth=32):
    """Huang et al., 2016 (DenseNet-121)."""
    channels = 2 * growth
    stages = [_conv(3, channels, 7, 2), nn.MaxPool2d(3, 2, 1)]
    for stage, count in enumerate(layers):
        for _ in range(count):
            stages.append(_Dense(channels, growth))
            channels += growth
        if stage + 1 < len(layers):
            stages += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
                       nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
    return _ImageModel(nn.Sequential(*stages), channels)


class _ConvNextBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.body = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(),
                                  nn.Linear(4 * width, width))

    def forward(self, x):
        y = self.body(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))
        return x + y.permute(0, 3, 1, 2)


def convnext_tiny():
    """Liu et al., 2022."""
    widths, stages, channels = (96, 192, 384, 768), [], 3
    for i, (width, count) in enumerate(zip(widths, (3, 3, 9, 3))):
        step = 4 if i == 0 else 2
        stages.append(nn.Conv2d(channels, width, step, step))
        stages += [_ConvNextBlock(width) for _ in range(count)]
        channels = width
    return _ImageModel(nn.Sequential(*stages), channels)


class UNet(nn.Module):
    """Ronneberger et al., 2015, with padding: an image of classes for an image."""

    def __init__(self, width=32, depth=4, classes=2):
        super().__init__()
        double = lambda a, b: nn.Sequential(_conv(a, b, 3), _conv(b, b, 3))  # noqa: E731
        widths = [width << i for i in range(depth + 1)]
        self.down = nn.ModuleList(double(a, b) for a, b in zip([3] + widths, widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in
                                zip(widths[-2::-1], widths[:0:-1]))
        self.merge = nn.ModuleList(double(2 * a, a) for a in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images):
        kept, x = [], images
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        kept.pop()
        for up, merge in zip(self.up, self.merge):
            x = merge(torch.cat([up(x), kept.pop()], 1))
        return self.head(x)


def dcgan_generator(latent=100, width=64):
    """Radford et al., 2015: images of 64 x 64 from vectors."""
    layers, channels = [], latent
    for i, out in enumerate((8 * width, 4 * width, 2 * width, width)):
        layers += [nn.ConvTranspose2d(channels, out, 4, 1 if i == 0 else 2, 0 if i == 0 else 1,
                                      bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        channels = out
    return nn.Sequential(*layers, nn.ConvTranspose2d(channels, 3, 4, 2, 1), nn.Tanh())


def video_net():
    """A small 3D convolutional network for clips of 16 frames."""
    layers, channels = [], 3
    for width in (32, 64, 128):
        layers += [nn.Conv3d(channels, width, 3, padding=1, bias=False), nn.BatchNorm3d(width),
                   nn.ReLU(inplace=True), nn.MaxPool3d(2)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(channels, 10))


def audio_net(width=128, layers=8):
    """Dilated 1D convolutions, as in WaveNet."""
    stages = [nn.Conv1d(1, width, 1)]
    for i in range(layers):
        stages += [nn.Conv1d(width, width, 3, padding=1 << i, dilation=1 << i), nn.ReLU()]
    return nn.Sequential(*stages, nn.Conv1d(width, 64, 1))


class RecurrentLm(nn.Module):
    """Next-token logits by LSTM or GRU layers."""

    def __init__(self, kind=nn.LSTM, vocabulary=10_000, width=650, layers=2):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.recurrent = kind(width, width, layers, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, input_ids):
        return self.head(self.recurrent(self.embed(input_ids))[0])


class Recommender(nn.Module):
    """Embedding bags and dense features meet in a perceptron (after DLRM, Naumov et al., 2019)."""

    def __init__(self, tables=8, rows=20_000, width=64, dense=13):
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(rows, width, mode="sum") for _ in range(tables))
        self.bottom = nn.Sequential(nn.Linear(dense, 512), nn.ReLU(), nn.Linear(512, width),
                                    nn.ReLU())
        pairs = (tables + 1) * tables // 2
        self.top = nn.Sequential(nn.Linear(pairs + width, 512), nn.ReLU(), nn.Linear(512, 256),
                                 nn.ReLU(), nn.Linear(256, 1))
        self.register_buffer("lower", torch.tril_indices(tables + 1, tables + 1, -1),
                             persistent=False)

    def forward(self, dense, sparse):
        bottom = self.bottom(dense)
        vectors = torch.stack([bottom] + [t(s) for t, s in zip(self.tables, sparse.unbind(1))], 1)
        products = vectors @ vectors.transpose(1, 2)
        return self.top(torch.cat([bottom, products[:, self.lower[0], self.lower[1]]], 1))


class _MixerBlock(nn.Module):
    def __init__(self, patches, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        mlp = lambda a, b: nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.Linear(b, a))  # noqa: E731
        self.tokens, self.channels = mlp(patches, width // 2), mlp(width, 4 * width)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al., 2021)."""

    def __init__(self, width=512, layers=8, patch=16, size=224, classes=1000):
        super().__init__()
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.blocks = nn.Sequential(*[_MixerBlock((size // patch) ** 2, width)
                                      for _ in range(layers)])
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        x = self.embed(images).flatten(2).transpose(1, 2)
        return self.head(self.blocks(x).mean(1))


def perceptron(width=1024, layers=4, inputs=784, classes=10):
    stages = [nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(layers - 2):
        stages += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*stages, nn.Linear(width, classes))


def autoencoder():
    """Convolutions down to 8 x 8 and up again."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1), nn.SiLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.GroupNorm(8, 64),
        nn.SiLU(), nn.Conv2d(64, 128, 3, 2, 1), nn.SiLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 3, 1, 1), nn.GroupNorm(8, 64), nn.SiLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 32, 3, 1, 1), nn.SiLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(32, 3, 3, 1, 1))
