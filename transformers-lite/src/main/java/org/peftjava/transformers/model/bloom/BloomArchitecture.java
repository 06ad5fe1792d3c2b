package org.peftjava.transformers.model.bloom;

import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.DecoderArchitecture;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.StandardHeads;
import org.peftjava.transformers.model.Task;

/** BLOOM: scores fall with the distance instead of positions that are added, arXiv:2211.05100. */
public final class BloomArchitecture extends DecoderArchitecture<BloomConfig> {
  /** The facts. */
  public BloomArchitecture() {
    super(
        BloomConfig.MODEL_TYPE,
        "bloom",
        "BloomForCausalLM",
        "transformer",
        new ModuleRoles(
            List.of("query_key_value"),
            List.of("query_key_value", "dense"),
            List.of("dense_h_to_4h", "dense_4h_to_h"),
            List.of("mlp.dense_4h_to_h"),
            "word_embeddings",
            "lm_head"),
        BloomConfig.class);
  }

  @Override
  public BloomConfig config(ConfigJson json) {
    return BloomConfig.of(json);
  }

  @Override
  protected Backbone build(BloomConfig config, DType dtype) {
    return new BloomModel(config, dtype);
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    return task == Task.TOKEN_CLASSIFICATION
        ? StandardHeads.eachToken("classifier", parts)
        : StandardHeads.ofDecoder(task, parts);
  }
}
