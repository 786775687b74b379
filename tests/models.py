"""Small builds of the models that the tests and benchmarks run.

Each function gives (model, batch): the batch is a dict of CPU tensors for `loss_of`.
"""

import torch
from torch import nn


class Bottleneck(nn.Module):
    """The residual block of ResNet-50 (He et al., 2015; stride on the 3x3 convolution)."""

    def __init__(self, channels, width, stride):
        super().__init__()
        out = 4 * width
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width),
            nn.ReLU(inplace=True), nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out))
        self.skip = nn.Identity()
        if stride != 1 or channels != out:
            self.skip = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False),
                                      nn.BatchNorm2d(out))

    def forward(self, x):
        return torch.relu_(self.body(x) + self.skip(x))


class ResNet(nn.Module):
    """ResNet with bottleneck blocks; layers (3, 4, 6, 3) and width 64 make ResNet-50."""

    def __init__(self, layers=(3, 4, 6, 3), width=64, classes=1000):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width),
                                  nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        blocks, channels = [], width
        for stage, count in enumerate(layers):
            for i in range(count):
                blocks.append(Bottleneck(channels, width << stage, 2 if i == 0 and stage else 1))
                channels = 4 * (width << stage)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, classes)

    def forward(self, images):
        return self.head(self.blocks(self.stem(images)).mean((2, 3)))


class LstmLm(nn.Module):
    """Embedding, two LSTM layers, tied sizes, a linear head: next-token logits."""

    def __init__(self, vocabulary=100, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, 2, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, input_ids):
        return self.head(self.lstm(self.embed(input_ids))[0])


def tokens(vocabulary, batch, length):
    return torch.randint(0, vocabulary, (batch, length), generator=torch.Generator().manual_seed(3))


def resnet50(batch=1, size=64):
    torch.manual_seed(0)
    return ResNet(), {"images": torch.randn(batch, 3, size, size), "labels": torch.arange(batch)}


def resnet_tiny(batch=8, size=64):
    torch.manual_seed(0)
    return (ResNet((1, 1, 1, 1), 8, 10),
            {"images": torch.randn(batch, 3, size, size), "labels": torch.arange(batch)})


def lstm_lm():
    torch.manual_seed(0)
    ids = tokens(100, 3, 12)
    return LstmLm(), {"input_ids": ids, "labels": ids}


def bert(layers=2, width=32, length=16, batch=2, vocabulary=100, heads=4):
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers,
                        num_attention_heads=heads, intermediate_size=4 * width,
                        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    ids = tokens(vocabulary, batch, length)
    mask = torch.ones_like(ids)
    mask[-1, length // 2:] = 0  # the last sentence is shorter
    return BertForMaskedLM(config), {"input_ids": ids, "attention_mask": mask, "labels": ids}


def bert_base(length=128, batch=1):
    return bert(12, 768, length, batch, 30522, 12)


def gpt2(layers=2, width=32, length=16, batch=2):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=100, n_positions=64, n_embd=width, n_layer=layers, n_head=4,
                        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
                        bos_token_id=0, eos_token_id=1)
    ids = tokens(100, batch, length)
    return GPT2LMHeadModel(config), {"input_ids": ids, "labels": ids}


def llama(layers=2, width=32, length=16, batch=2):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=100, hidden_size=width, intermediate_size=64,
                         num_hidden_layers=layers, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=64,
                         bos_token_id=0, eos_token_id=1)
    ids = tokens(100, batch, length)
    return LlamaForCausalLM(config), {"input_ids": ids, "labels": ids}


def loss_of(model, batch):
    """(loss, logits) of one forward pass."""
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    output = model(**inputs)
    logits = getattr(output, "logits", output)
    return nn.functional.cross_entropy(logits.flatten(0, -2), batch["labels"].flatten()), logits


SMALL = {"bert": bert, "gpt2": gpt2, "llama": llama, "resnet": resnet_tiny, "lstm": lstm_lm}
