package org.peftjava.peft.tuner.cartridge;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * Keys and values (n, 2 l d) of which the first rows stay as they are.
 *
 * <p>Reference: PEFT {@code tuners/cartridge/model.py::CartridgeEncoder}.
 */
final class Cartridge extends PromptEncoder {
  private final @Nullable Parameter frozen;
  private final Parameter trained;
  private final long kept;
  private final long tokens;
  private final long width;

  Cartridge(long kept, long tokens, long width) {
    this.kept = kept;
    this.tokens = tokens;
    this.width = width;
    frozen = kept == 0 ? null : register("frozen_embedding", rows(kept, width));
    trained = register("trainable_embedding", rows(tokens - kept, width));
  }

  private static Parameter rows(long count, long width) {
    return new Parameter(Shape.of(count, width), DType.FLOAT32, Init.normal(1));
  }

  @Override
  public void trainable(boolean on) {
    requiresGrad(false);
    trained.requiresGrad(on);
  }

  @Override
  public Tensor forward(@Nullable Tensor taskIds) {
    return frozen == null
        ? trained.tensor().alias()
        : Creation.cat(List.of(frozen.tensor(), trained.tensor()), 0);
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    return Map.of(
        KEY, new AdapterTensor(Shape.of(tokens, width), () -> forward(null).detach(), this::write));
  }

  private void write(Tensor values) {
    if (frozen != null) {
      frozen.copyFrom(values.narrow(0, 0, kept));
    }
    trained.copyFrom(values.narrow(0, kept, tokens - kept));
  }
}
