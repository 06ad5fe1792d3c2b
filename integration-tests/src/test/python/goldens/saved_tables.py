"""golden/saved_tables: full copies (modules_to_save) of tables that are more than an Embedding: scaled ones, and OPT's positions."""

from peft import LoraConfig, get_peft_model

from . import common, decoders

TABLES = {
    "embed_tokens": ("decoder_gemma3/base", lambda: decoders.build("gemma3")),
    "embed_positions": ("opt_lora/base", common.tiny_opt),
}


def write(folder):
    batch = common.causal_batch()
    tensors = {f"in.{name}": value for name, value in batch.items()}
    bases = {}
    for table, (base, model) in TABLES.items():
        config = LoraConfig(
            r=3, lora_alpha=7, target_modules=["q_proj"], modules_to_save=[table], task_type="CAUSAL_LM"
        )
        tuned = get_peft_model(model(), config).eval()
        common.fill_trainable(tuned)
        tuned.save_pretrained(folder / table)
        (folder / table / "README.md").unlink()
        tensors[f"{table}.logits"] = common.logits_of(tuned, batch)
        tensors[f"{table}.loss"], gradients = common.gradients_of(tuned, batch)
        tensors[f"{table}.grad"] = next(value for name, value in gradients.items() if table in name)
        bases[table] = base
    common.write_tensors(folder / "io.safetensors", tensors)
    common.write_json(folder / "case.json", {"versions": common.versions(), "bases": bases})


SECTIONS = {"saved_tables": write}
