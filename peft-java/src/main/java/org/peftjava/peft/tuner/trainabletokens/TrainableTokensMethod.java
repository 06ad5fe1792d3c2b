package org.peftjava.peft.tuner.trainabletokens;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TokensAdapter;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Module;

/**
 * Trainable tokens. Layers that share the weight of the token embeddings get their rows too.
 *
 * <p>Reference: PEFT {@code tuners/trainable_tokens/model.py::TrainableTokensModel}.
 */
public final class TrainableTokensMethod extends LayerTunerMethod<TrainableTokensConfig> {
  private static final String TARGETS = "target_modules";

  /** The method; {@code TunerMethods} has it. */
  public TrainableTokensMethod() {
    super(
        "TRAINABLE_TOKENS",
        "TrainableTokensModel",
        "trainable_tokens_",
        TrainableTokensConfig.class,
        DefaultTargets.NONE);
  }

  @Override
  public TrainableTokensConfig parse(Map<String, ? extends @Nullable Object> values) {
    return TrainableTokensConfig.of(values);
  }

  /** Without targets, the token embeddings are meant. */
  @Override
  public TrainableTokensConfig prepared(TrainableTokensConfig config, BaseModel model) {
    return config.fields().get(TARGETS) == null
        ? config.with(TARGETS, model.inputEmbeddings().orElse("embed_tokens"))
        : config;
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof EmbeddingLayer || super.canAdapt(layer);
  }

  @Override
  public String adaptable() {
    return "embeddings and linear layers";
  }

  @Override
  public Map<String, String> ties(
      TrainableTokensConfig config, BaseModel model, List<String> paths) {
    Map<String, String> result = new LinkedHashMap<>();
    model
        .inputEmbeddings()
        .filter(paths::contains)
        .ifPresent(input -> model.tiedTo(input).forEach(path -> result.put(path, input)));
    return result;
  }

  @Override
  public String layerType(String kind) {
    return "TrainableTokensLayer";
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, TrainableTokensConfig config) {
    long[] tokens = TokensAdapter.checked(site.path(), site.layer(), config.tokenIndices());
    return TokensAdapter.of(site, tokens, !config.initWeights(), false);
  }

  @Override
  public LayerAdapter tiedAdapter(
      LayerSite site, TrainableTokensConfig config, LayerAdapter owner, boolean together) {
    return ((TokensAdapter) owner).tiedTo(site.layer());
  }
}
