"""LoRA on tiny models of other architectures, in the form of lora_opt: grouped heads, and Conv1D."""

from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from . import common
from .lora_opt import lora, write_model_case

TOKENS = {
    "vocab_size": common.VOCAB,
    "pad_token_id": common.PAD,
    "bos_token_id": common.EOS,
    "eos_token_id": common.EOS,
}


def tiny_llama():
    sizes = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, max_position_embeddings=32)
    return common.loud(LlamaForCausalLM(LlamaConfig(num_attention_heads=4, num_key_value_heads=2, **sizes, **TOKENS)))


def tiny_gpt2():
    quiet = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    sizes = dict(n_embd=16, n_layer=2, n_head=2, n_positions=32)
    return common.loud(GPT2LMHeadModel(GPT2Config(**sizes, **quiet, **TOKENS)))


def write_llama(folder):
    config = lora(target_modules=["q_proj", "k_proj", "v_proj", "down_proj"])
    write_model_case(folder, tiny_llama(), config, "fewer heads for keys and values than for queries")


def write_gpt2(folder):
    config = lora(target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)
    write_model_case(folder, tiny_gpt2(), config, "Conv1D: transposed weights, fan_in_fan_out, a tied head")


SECTIONS = {"llama_lora": write_llama, "gpt2_lora": write_gpt2}
