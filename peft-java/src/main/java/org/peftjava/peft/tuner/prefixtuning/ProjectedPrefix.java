package org.peftjava.peft.tuner.prefixtuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * A prefix that a network of two layers computes: {@code W2 tanh(W1 e + b1) + b2} for the vector e
 * of each virtual token.
 *
 * <p>Reference: PEFT {@code PrefixEncoder} with {@code prefix_projection}.
 */
final class ProjectedPrefix extends PromptEncoder {
  private final Parameter embedding;
  private final Transform transform;
  private final long tokens;
  private final long width;

  ProjectedPrefix(long tokens, long size, long inner, long width, boolean zero) {
    this.tokens = tokens;
    this.width = width;
    embedding = child("embedding", new Embedding(tokens, size, DType.FLOAT32)).table();
    transform = child("transform", new Transform(size, inner, width));
    if (zero) {
      transform.second.ownParameters().values().forEach(weight -> weight.init(Init.zeros()));
    }
  }

  /** Torch's Sequential of two layers: number 1 is the nonlinearity. */
  private static final class Transform extends Module {
    private final Linear first;
    private final Linear second;

    Transform(long size, long inner, long width) {
      first = child("0", new Linear(size, inner, true, DType.FLOAT32));
      second = child("2", new Linear(inner, width, true, DType.FLOAT32));
    }
  }

  @Override
  public Tensor forward(@Nullable Tensor taskIds) {
    try (TensorScope scope = TensorScope.open("prefix encoder")) {
      Tensor inner = Ops.tanh(transform.first.forward(embedding.tensor()));
      return scope.keep(transform.second.forward(inner));
    }
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    return Map.of(KEY, result(tokens, width));
  }

  @Override
  public boolean isNetwork() {
    return true;
  }
}
