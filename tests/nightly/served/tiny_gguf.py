"""Writes a Llama of 160,000 random weights for llama.cpp, whose tokens are bytes. Argument: the file to write."""

import sys
from pathlib import Path

import gguf
import numpy

LAYERS, WIDTH, INNER, HEADS, CONTEXT = 2, 64, 128, 4, 4096
SPECIAL = (("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL))
BYTES = tuple((f"<0x{value:02X}>", gguf.TokenType.BYTE) for value in range(256))
TOKENS = (*SPECIAL, *BYTES, ("▁", gguf.TokenType.NORMAL))


def write(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    add_tokenizer(writer)
    add_weights(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokenizer(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in TOKENS])
    writer.add_token_types([kind for _, kind in TOKENS])
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def add_weights(writer: gguf.GGUFWriter) -> None:
    random = numpy.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        values = numpy.ones(shape) if len(shape) == 1 else random.normal(0, 0.02, shape)
        writer.add_tensor(f"{name}.weight", values.astype(numpy.float32))

    add("token_embd", len(TOKENS), WIDTH)
    add("output_norm", WIDTH)
    add("output", len(TOKENS), WIDTH)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}", WIDTH, WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            add(f"blk.{layer}.{name}", INNER, WIDTH)
        add(f"blk.{layer}.ffn_down", WIDTH, INNER)
        for name in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{name}", WIDTH)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
