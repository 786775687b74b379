"""Decoding of one token at a time, batch 1: milliseconds per token, as ratios to device="cpu"."""

import copy

import torch
from common import Row, arguments, interleave, report


def llama(width, layers, heads, kv_heads, vocabulary):
    """A model with Llama's layers: grouped queries, rotary embedding, SiLU, RMS norm."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=width * 11 // 4,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=4096, bos_token_id=0, eos_token_id=1))


def gpt2(width, layers, heads, vocabulary):
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(
        vocab_size=vocabulary, n_positions=2048, n_embd=width, n_layer=layers, n_head=heads,
        bos_token_id=0, eos_token_id=1))


CASES = {
    "GPT-2": lambda: gpt2(768, 12, 12, 50257),
    "Llama-shaped, width 2048": lambda: llama(2048, 8, 32, 8, 32000),
}


class Decoder:
    """Decodes the next token of a prompt of `length` tokens again and again."""

    def __init__(self, model, device, length):
        self.model = model.to(device)
        ids = torch.randint(0, 1000, (1, length), generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            out = self.model(input_ids=ids.to(device), use_cache=True)
        self.past = out.past_key_values
        self.token = out.logits[:, -1:].argmax(-1)

    def __call__(self):
        with torch.inference_mode():
            out = self.model(input_ids=self.token, past_key_values=self.past, use_cache=True)
            self.past.crop(-1)
            return out.logits


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=15)
    parser.add_argument("--only", help="cases whose name has this part")
    parser.add_argument("--lengths", default="64,1024", help="tokens in the cache")
    parser.add_argument("--dtypes", default="bfloat16,float32")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for name, make in CASES.items():
        if options.only and options.only not in name:
            continue
        torch.manual_seed(0)
        for dtype in options.dtypes.split(","):
            model = make().to(getattr(torch, dtype)).eval()
            for length in map(int, options.lengths.split(",")):
                sides = {"cpu": Decoder(model, "cpu", length),
                         "device": Decoder(copy.deepcopy(model), options.device, length)}
                times = interleave(sides, options.rounds, number=1, cpu_time=options.cpu_time)
                rows.append(Row(f"{name}, {dtype}, {length} tokens kept", times["cpu"],
                                times["device"]))
                print(f"  {rows[-1].name}: {1 / times['cpu']:.1f} and "
                      f"{1 / times['device']:.1f} tokens/s, {rows[-1].ratio:.2f}", flush=True)
    report("Decoding", rows, options.device, options.json)


if __name__ == "__main__":
    main()
