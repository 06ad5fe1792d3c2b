package org.peftjava.peft;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.SideModel;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.model.KvCache;

/**
 * A small model beside a base of this library.
 *
 * @param model it, without a head
 * @param prefix how names in it begin that begin with nothing in Python, such as "decoder."
 * @param readsBase whether it reads the base's token vectors, whose table is in its place
 * @param weights its own parameters by Python's names
 * @param frozen names of those that are not trained
 * @param projection what came with it to lead to the base's hidden states
 */
record ShadowSide(
    FeatureExtraction model,
    String prefix,
    boolean readsBase,
    Map<String, Parameter> weights,
    Set<String> frozen,
    Optional<Parameter> projection)
    implements SideModel {

  @Override
  public int hiddenSize() {
    return model.config().hiddenSize();
  }

  /**
   * Its last hidden states (b, t, its size), owned by the current scope.
   *
   * @param table the base's token vectors
   * @param past its own cache, or null
   */
  Tensor hidden(ModelInput input, EmbeddingLayer table, @Nullable KvCache past, boolean training) {
    ModelInput.Builder own =
        ModelInput.builder()
            .attentionMask(input.attentionMask())
            .positionIds(input.positionIds())
            .past(past);
    Tensor ids = input.inputIds();
    Tensor vectors = input.inputsEmbeds();
    if (ids != null) {
      own = readsBase ? own.inputsEmbeds(typed(table.forward(ids))) : own.inputIds(ids);
    } else if (vectors != null) {
      own = own.inputsEmbeds(typed(vectors));
    }
    if (model.module().isTraining() != training) {
      model.module().train(training);
    }
    return model.forward(own.build()).lastHiddenState().orElseThrow();
  }

  /** Its weights are float32 where a trainer has made those of the base 16-bit ones. */
  private Tensor typed(Tensor vectors) {
    return vectors.to(weights.values().iterator().next().dtype());
  }

  /** Its cache beside that of the base; null if there is none. */
  @Nullable KvCache beside(@Nullable KvCache ofBase, Object key) {
    if (ofBase == null) {
      return null;
    }
    KvCache own = ofBase.beside(key, model.backbone().cachedLayers());
    if (own.length() > ofBase.length()) {
      own.crop(ofBase.length()); // the base's last pass failed
    }
    if (own.length() != ofBase.length()) {
      throw new IllegalArgumentException(
          "The cache holds "
              + ofBase.length()
              + " tokens, of which the shadow model has seen "
              + own.length()
              + ". Give it the whole text in a new cache.");
    }
    return own;
  }

  /** The same with weights of its own, also where it reads the base's. */
  ShadowSide copied() {
    Map<String, Parameter> sources = model.module().namedParameters();
    FeatureExtraction copy =
        AutoModel.withoutWeights(model.config(), sources.values().iterator().next().dtype());
    Map<String, Parameter> own = new LinkedHashMap<>();
    copy.module()
        .namedParameters()
        .forEach(
            (name, target) -> {
              fill(target, Objects.requireNonNull(sources.get(name), name));
              own.put(name.substring(prefix.length()), target);
            });
    copy.module().train(model.module().isTraining());
    return new ShadowSide(copy, prefix, false, own, frozen, Optional.empty());
  }

  /** Makes a parameter another one's copy. */
  static void fill(Parameter target, Parameter source) {
    target.copyFrom(source.tensor().detach());
    target.to(source.tensor().device());
    target.requiresGrad(source.requiresGrad());
  }
}
