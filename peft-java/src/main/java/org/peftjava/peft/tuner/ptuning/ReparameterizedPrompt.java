package org.peftjava.peft.tuner.ptuning;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Virtual tokens that a network computes from one vector each: linear layers with ReLU between
 * them, after an LSTM if there is one.
 *
 * <p>Reference: PEFT {@code tuners/p_tuning/model.py::PromptEncoder}.
 */
final class ReparameterizedPrompt extends PromptEncoder {
  private final Parameter embedding;
  private final @Nullable Lstm lstm;
  private final Head head;
  private final long tokens;
  private final long size;

  /**
   * An encoder without memory for its weights.
   *
   * @param widths the sizes between the linear layers, first input and last output included
   */
  ReparameterizedPrompt(long tokens, long size, @Nullable Lstm lstm, List<Integer> widths) {
    this.tokens = tokens;
    this.size = size;
    embedding = child("embedding", new Embedding(tokens, size, DType.FLOAT32)).table();
    this.lstm = lstm == null ? null : child("lstm_head", lstm);
    head = child("mlp_head", new Head(widths));
  }

  /** Torch's Sequential: odd numbers are the nonlinearities. */
  private static final class Head extends Module {
    private final List<Linear> layers = new ArrayList<>();

    Head(List<Integer> widths) {
      for (int i = 0; i + 1 < widths.size(); i++) {
        Linear layer = new Linear(widths.get(i), widths.get(i + 1), true, DType.FLOAT32);
        layers.add(child(String.valueOf(2 * i), layer));
      }
    }

    Tensor forward(Tensor x) {
      Tensor result = x;
      for (Linear layer : layers) {
        Tensor in = layer == layers.get(0) ? result : Ops.relu(result);
        result = layer.forward(in);
      }
      return result;
    }
  }

  @Override
  public Tensor forward(@Nullable Tensor taskIds) {
    try (TensorScope scope = TensorScope.open("prompt encoder")) {
      Tensor x = embedding.tensor();
      return scope.keep(head.forward(lstm == null ? x : lstm.forward(x)));
    }
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    return Map.of(KEY, result(tokens, size));
  }

  @Override
  public boolean isNetwork() {
    return true;
  }
}
