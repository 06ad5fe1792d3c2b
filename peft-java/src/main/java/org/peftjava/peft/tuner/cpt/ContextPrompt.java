package org.peftjava.peft.tuner.cpt;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * Token vectors that stay as they are, and a change of each that is no longer than allowed: for
 * tokens of inputs and formats, {@code epsilon sqrt(d / 2048)}; for others next to nothing, and
 * they are not trained.
 *
 * <p>Reference: PEFT {@code tuners/cpt/model.py::CPTEmbedding}.
 */
final class ContextPrompt extends PromptEncoder {
  private static final double NEXT_TO_NOTHING = 1e-10;
  private static final double USUAL_SIZE = 2048;

  private final Parameter embedding;
  private final Parameter delta;
  private final List<Long> types;
  private final float[] longest;
  private final int size;

  ContextPrompt(CPTConfig config, int size, Init tokens) {
    this.size = size;
    types = config.cptTokensTypeMask();
    longest = new float[types.size()];
    double scale = Math.sqrt(size / USUAL_SIZE);
    for (int i = 0; i < longest.length; i++) {
      longest[i] =
          (float)
              switch ((int) (types.get(i) % 4)) {
                case 1, 3 -> config.optProjectionFormatEpsilon() * scale;
                case 2 -> config.optProjectionEpsilon() * scale;
                default -> NEXT_TO_NOTHING;
              };
    }
    embedding = child("embedding", new Embedding(types.size(), size, DType.FLOAT32)).table();
    embedding.init(tokens);
    delta = child("delta_embedding", new Embedding(types.size(), size, DType.FLOAT32)).table();
    delta.init(Init.zeros());
  }

  @Override
  public void trainable(boolean on) {
    embedding.requiresGrad(false);
    delta.requiresGrad(on);
  }

  /** Shortens the parameter to what is allowed, as Python does, and adds it. */
  @Override
  public Tensor forward(@Nullable Tensor taskIds) {
    try (TensorScope scope = TensorScope.open("context prompt")) {
      shorten();
      float[] trained = new float[types.size()];
      for (int i = 0; i < trained.length; i++) {
        trained[i] = types.get(i) % 4 == 0 ? 0 : 1;
      }
      Tensor moves = column(trained);
      Tensor change = delta.tensor().mul(moves);
      Tensor rest = delta.tensor().detach().mul(moves.neg().add(1));
      return scope.keep(embedding.tensor().add(change.add(rest)));
    }
  }

  private void shorten() {
    try (GradMode off = GradMode.noGrad()) {
      Tensor values = delta.tensor().detach();
      Tensor lengths = Ops.norm(values, 1);
      Tensor most = column(longest);
      Tensor divisor = Ops.where(lengths.sub(most).gt(0), lengths, most);
      Tensor factor = Ops.where(lengths.gt(0), most.div(divisor), lengths.mul(0).add(1));
      values.copyInPlace(values.mul(factor));
    }
  }

  private Tensor column(float[] numbers) {
    return Creation.ofFloats(numbers, numbers.length, 1).to(delta.tensor().device());
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    return Map.of(KEY, result(types.size(), size));
  }

  @Override
  public boolean isNetwork() {
    return true;
  }
}
