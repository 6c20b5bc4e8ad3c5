"""Makes the files of the other runtimes from the published weights: python -m peers.convert RUN.json."""

import json
import sys
from pathlib import Path

import ctranslate2
import gguf
import numpy as np
from ctranslate2.specs import TransformerDecoderModelSpec
from ctranslate2.specs.common_spec import Activation

from peers.weights import packed_qkv, read_weights

Weights = dict[str, np.ndarray]
LAYER_NORM_EPSILON = 1e-5
#: What llama.cpp calls the precisions that a benchmark asks for.
GGUF_TYPES = {"q4_0": gguf.GGMLQuantizationType.Q4_0, "q8_0": gguf.GGMLQuantizationType.Q8_0}


def gguf_tensors(weights: Weights, n_layers: int) -> Weights:
    """By llama.cpp's names; the rows of a weight are its outputs in both."""
    tensors = {
        "token_embd.weight": weights["tok_emb.weight"],
        "position_embd.weight": weights["pos_emb.weight"],
        "output_norm.weight": weights["final_norm.scale"],
        "output_norm.bias": weights["final_norm.shift"],
        "output.weight": weights["out_head.weight"],
    }
    for layer in range(n_layers):
        ours, theirs = f"trf_blocks.{layer}", f"blk.{layer}"
        for norm, name in [("norm1", "attn_norm"), ("norm2", "ffn_norm")]:
            tensors[f"{theirs}.{name}.weight"] = weights[f"{ours}.{norm}.scale"]
            tensors[f"{theirs}.{name}.bias"] = weights[f"{ours}.{norm}.shift"]
        linears = [("att.out_proj", "attn_output"), ("ff.layers.0", "ffn_up"), ("ff.layers.2", "ffn_down")]
        for kind in ("weight", "bias"):
            tensors[f"{theirs}.attn_qkv.{kind}"] = packed_qkv(weights, ours, kind)
            for linear, name in linears:
                tensors[f"{theirs}.{name}.{kind}"] = weights[f"{ours}.{linear}.{kind}"]
    return tensors


def write_gguf(path: Path, weights: Weights, config: dict, precision: str) -> None:
    """Quantises every matrix, the embedding and the head too, but for the positions."""
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(config["context_length"])
    writer.add_embedding_length(config["d_model"])
    writer.add_block_count(config["n_layers"])
    writer.add_feed_forward_length(config["d_ff"])
    writer.add_head_count(config["n_heads"])
    writer.add_layer_norm_eps(LAYER_NORM_EPSILON)
    writer.add_layer_norm_rms_eps(LAYER_NORM_EPSILON)  # ik_llama.cpp asks for it
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")  # it is asked with ids
    for name, values in gguf_tensors(weights, config["n_layers"]).items():
        if values.ndim == 1 or name.startswith("position_embd"):
            writer.add_tensor(name, values)
        else:
            quantised = gguf.quantize(values, GGUF_TYPES[precision])
            writer.add_tensor(name, quantised, raw_dtype=GGUF_TYPES[precision])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_ctranslate2(folder: Path, weights: Weights, config: dict) -> None:
    """With int8 weights; its tokens are the ids as text."""
    spec = TransformerDecoderModelSpec.from_config(
        config["n_layers"], config["n_heads"], activation=Activation.GELUTanh
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = weights["tok_emb.weight"]
    decoder.position_encodings.encodings = weights["pos_emb.weight"]
    decoder.projection.weight = weights["out_head.weight"]

    def set_norm(norm, name: str) -> None:
        norm.gamma, norm.beta = weights[f"{name}.scale"], weights[f"{name}.shift"]

    set_norm(decoder.layer_norm, "final_norm")
    for layer, block in enumerate(decoder.layer):
        name = f"trf_blocks.{layer}"
        set_norm(block.self_attention.layer_norm, f"{name}.norm1")
        set_norm(block.ffn.layer_norm, f"{name}.norm2")
        packed, output = block.self_attention.linear
        packed.weight, packed.bias = packed_qkv(weights, name, "weight"), packed_qkv(weights, name, "bias")
        for linear, part in [
            (output, "att.out_proj"),
            (block.ffn.linear_0, "ff.layers.0"),
            (block.ffn.linear_1, "ff.layers.2"),
        ]:
            linear.weight, linear.bias = weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"]
    tokens = [str(token) for token in range(config["vocab_size"])]
    spec.register_vocabulary(tokens)
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = tokens[-1]
    spec.validate()
    spec.optimize(quantization="int8")
    folder.mkdir()
    spec.save(str(folder))


def main(run: dict) -> None:
    """Writes them into the folder that the run names."""
    converted, config = Path(run["converted"]), run["config"]
    if config["d_model"] % 32 != 0:
        sys.exit(f"error: llama.cpp quantises blocks of 32, the model's d_model is {config['d_model']}; give another model")
    weights = read_weights(run)
    converted.mkdir()
    for precision in GGUF_TYPES:
        write_gguf(converted / f"{precision}.gguf", weights, config, precision)
    write_ctranslate2(converted / "ctranslate2-int8", weights, config)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
