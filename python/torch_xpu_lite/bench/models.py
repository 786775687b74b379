"""The models that a benchmark can name, and how to get one from the user's own file."""

import importlib
import importlib.util
import os
from dataclasses import dataclass
from typing import Callable

import torch
from torch import nn

from torch_xpu_lite.bench import networks


@dataclass(frozen=True)
class Case:
    """A model with inputs for one call."""

    make: Callable[[], nn.Module]
    inputs: Callable[[int], dict]  # of a batch size: keyword arguments, CPU tensors
    batch: int = 1
    channels_last: bool = False


def _images(size=224):
    return lambda batch: {"images": torch.randn(batch, 3, size, size)}


def _x(*shape):
    return lambda batch: {"input": torch.randn(batch, *shape)}


def _tokens(length, vocabulary=30_000):
    return lambda batch: {"input_ids": torch.randint(0, vocabulary, (batch, length))}


def _hugging_face(config, model, **settings):
    def make():
        try:
            import transformers
        except ImportError:
            raise ImportError("this model is built with transformers; pip install transformers") \
                from None
        return getattr(transformers, model)(getattr(transformers, config)(**settings))

    return make


_BERT = dict(vocab_size=30_522)
_LLAMA = dict(vocab_size=32_000, hidden_size=1024, intermediate_size=2816, num_hidden_layers=12,
              num_attention_heads=16, num_key_value_heads=4, max_position_embeddings=2048)

CASES = {
    # name: sizes are the published models' unless the name says otherwise
    "bert-base": Case(_hugging_face("BertConfig", "BertForMaskedLM", **_BERT), _tokens(128)),
    "bert-base-encoder": Case(_hugging_face("BertConfig", "BertModel", **_BERT), _tokens(128)),
    "distilbert": Case(_hugging_face("DistilBertConfig", "DistilBertModel", vocab_size=30_522),
                       _tokens(128)),
    "minilm": Case(_hugging_face("BertConfig", "BertModel", vocab_size=30_522, hidden_size=384,
                                 num_hidden_layers=6, num_attention_heads=12,
                                 intermediate_size=1536), _tokens(128)),
    "roberta-base": Case(_hugging_face("RobertaConfig", "RobertaModel", vocab_size=50_265),
                         _tokens(128)),
    "albert-base": Case(_hugging_face("AlbertConfig", "AlbertModel", hidden_size=768,
                                      num_attention_heads=12, intermediate_size=3072),
                        _tokens(128)),
    "electra-small": Case(_hugging_face("ElectraConfig", "ElectraModel"), _tokens(128)),
    "gpt2": Case(_hugging_face("GPT2Config", "GPT2LMHeadModel"), _tokens(128)),
    "opt-125m": Case(_hugging_face("OPTConfig", "OPTForCausalLM"), _tokens(128)),
    "llama-small": Case(_hugging_face("LlamaConfig", "LlamaForCausalLM", **_LLAMA), _tokens(64)),
    "qwen2-small": Case(_hugging_face("Qwen2Config", "Qwen2ForCausalLM", **_LLAMA), _tokens(64)),
    "t5-small": Case(_hugging_face("T5Config", "T5EncoderModel"), _tokens(128)),
    "vit-base": Case(_hugging_face("ViTConfig", "ViTModel"),
                     lambda batch: {"pixel_values": torch.randn(batch, 3, 224, 224)}),
    "whisper-tiny-encoder": Case(
        lambda: _hugging_face("WhisperConfig", "WhisperModel")().encoder,
        lambda batch: {"input_features": torch.randn(batch, 80, 3000)}),
    "resnet18": Case(lambda: networks.resnet((2, 2, 2, 2), False), _images(), channels_last=True),
    "resnet50": Case(lambda: networks.resnet((3, 4, 6, 3), True), _images(), channels_last=True),
    "resnet101": Case(lambda: networks.resnet((3, 4, 23, 3), True), _images(), channels_last=True),
    "mobilenet-v2": Case(networks.mobilenet_v2, _images(), channels_last=True),
    "vgg16": Case(networks.vgg16, _images(), channels_last=True),
    "densenet121": Case(networks.densenet, _images(), channels_last=True),
    "convnext-tiny": Case(networks.convnext_tiny, _images(), channels_last=True),
    "unet": Case(networks.UNet, _images(128), channels_last=True),
    "dcgan": Case(networks.dcgan_generator, _x(100, 1, 1), batch=16),
    "autoencoder": Case(networks.autoencoder, _x(3, 64, 64), batch=8),
    "video": Case(networks.video_net, _x(3, 16, 56, 56)),
    "audio": Case(networks.audio_net, _x(1, 8000)),
    "mixer": Case(networks.Mixer, _images()),
    "lstm": Case(networks.RecurrentLm, _tokens(35, 10_000), batch=4),
    "gru": Case(lambda: networks.RecurrentLm(nn.GRU), _tokens(35, 10_000), batch=4),
    "recommender": Case(networks.Recommender, lambda batch: {
        "dense": torch.randn(batch, 13), "sparse": torch.randint(0, 20_000, (batch, 8, 10))},
        batch=128),
    "perceptron": Case(networks.perceptron, _x(784), batch=64),
    "transformer": Case(
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True), 6,
                                      enable_nested_tensor=False),
        lambda batch: {"src": torch.randn(batch, 64, 512)}, batch=2),
}


def load(name: str, batch: int | None = None):
    """(model in eval mode, inputs): a named case, or ``FILE.py:FUNCTION`` (or
    ``package.module:FUNCTION``), a function of the user's that returns the two.

    Inputs are a dict of keyword arguments, a tuple of arguments, or one tensor.

    Raises:
        ValueError: no such name, file or function, or what it returns is something else.
    """
    torch.manual_seed(0)
    if name in CASES:
        case = CASES[name]
        model = case.make()
        inputs = case.inputs(batch or case.batch)
        if case.channels_last:
            model = model.to(memory_format=torch.channels_last)
            inputs = {k: v.to(memory_format=torch.channels_last) for k, v in inputs.items()}
        return model.eval(), inputs
    place, colon, function = name.rpartition(":")
    if not colon:
        raise ValueError(f"no model {name!r}: give one of {', '.join(CASES)}, or FILE.py:FUNCTION")
    if batch is not None:
        raise ValueError(f"--batch is for named models; {name} makes its own inputs")
    if place.endswith(".py"):
        if not os.path.exists(place):
            raise ValueError(f"no file {place!r}")
        spec = importlib.util.spec_from_file_location("xpu_lite_bench_model", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise ValueError(f"no module {place!r}: {error}") from None
    if not callable(getattr(module, function, None)):
        raise ValueError(f"{place} has no function {function!r}")
    result = getattr(module, function)()
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[0], nn.Module):
        raise ValueError(f"{name}() should return (model, inputs), got {type(result).__name__}")
    return result[0].eval(), result[1]


def as_arguments(inputs):
    """(args, kwargs) of a case's inputs."""
    if isinstance(inputs, dict):
        return (), inputs
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}


def to_device(inputs, device):
    args, kwargs = as_arguments(inputs)

    def move(v):
        return v.to(device) if isinstance(v, torch.Tensor) else v

    return tuple(move(v) for v in args), {k: move(v) for k, v in kwargs.items()}
