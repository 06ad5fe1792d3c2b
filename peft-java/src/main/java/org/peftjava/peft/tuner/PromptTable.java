package org.peftjava.peft.tuner;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * Virtual tokens that are the parameter itself: {@code embedding.weight}. Also what any encoder is
 * once it is trained and frozen.
 *
 * <p>Reference: PEFT {@code tuners/prompt_tuning/model.py::PromptEmbedding}.
 */
public final class PromptTable extends PromptEncoder {
  private final Parameter weight;

  /** A table (n, d) in float32; {@link #initialize} draws it from N(0, 1), as torch does. */
  public PromptTable(long tokens, long size) {
    weight = child("embedding", new Embedding(tokens, size, DType.FLOAT32)).table();
  }

  /** Says how {@link #initialize} fills the table. Returns this. */
  public PromptTable startingWith(Init init) {
    weight.init(init);
    return this;
  }

  @Override
  public Tensor forward(@Nullable Tensor taskIds) {
    return weight.tensor().alias();
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    return Map.of(KEY, AdapterTensor.of(weight));
  }
}
