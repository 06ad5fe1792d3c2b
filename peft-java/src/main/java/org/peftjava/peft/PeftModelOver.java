package org.peftjava.peft;

import java.util.function.Consumer;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.PretrainedModel;

/**
 * A model of this library with adapters, which gives back a model of the kind that it was made of.
 *
 * @param <M> that kind
 */
abstract sealed class PeftModelOver<M extends Module & PretrainedModel> extends PeftModel
    implements OverBase permits PeftModelForCausalLM, PeftModelForSeq2SeqLM, PeftModelForTask {
  private final M base;

  PeftModelOver(M base, boolean ownsBase) {
    super(BaseModels.of((PretrainedModel) base), ownsBase);
    this.base = base;
  }

  /** The model below the adapters. */
  @Override
  public final M base() {
    return base;
  }

  /** The base model, with the adapters in its layers. */
  @Override
  public final M getBaseModel() {
    return base;
  }

  @Override
  public final M mergeAndUnload() {
    super.mergeAndUnload();
    return base;
  }

  @Override
  public final M mergeAndUnload(Consumer<MergeOptions.Builder> options) {
    super.mergeAndUnload(options);
    return base;
  }

  @Override
  public final M unload() {
    super.unload();
    return base;
  }
}
