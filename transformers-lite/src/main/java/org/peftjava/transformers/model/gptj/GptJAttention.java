package org.peftjava.transformers.model.gptj;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Attention;
import org.peftjava.transformers.model.RotaryAttention;
import org.peftjava.transformers.model.RotaryContext;
import org.peftjava.transformers.model.RotaryHeads;

/**
 * Multi-head self-attention without biases, in whose heads neighbouring elements turn together.
 *
 * <p>Reference: {@code GPTJAttention}.
 */
final class GptJAttention extends Module implements RotaryAttention {
  private final RotaryHeads heads;
  private final Dropout residDropout;
  private final Slot<LinearLayer> kProj;
  private final Slot<LinearLayer> vProj;
  private final Slot<LinearLayer> qProj;
  private final Slot<LinearLayer> outProj;

  GptJAttention(GptJConfig config, int layer, DType dtype) {
    heads = RotaryHeads.of(config, layer).turningPairs();
    child("attn_dropout", new Dropout(config.attentionDropout()));
    residDropout = child("resid_dropout", new Dropout(config.residPdrop()));
    kProj = projection("k_proj", config, dtype);
    vProj = projection("v_proj", config, dtype);
    qProj = projection("q_proj", config, dtype);
    outProj = projection("out_proj", config, dtype);
  }

  private Slot<LinearLayer> projection(String name, GptJConfig config, DType dtype) {
    long size = config.hiddenSize();
    return child(name, LinearLayer.class, new Linear(size, size, /* bias= */ false, dtype));
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("attn")) {
      Tensor mixed =
          heads.attend(split(qProj, x), split(kProj, x), split(vProj, x), context, isTraining());
      return scope.keep(residDropout.forward(outProj.get().forward(mixed)));
    }
  }

  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("beside")) {
      Tensor given = vectors.to(x.dtype());
      Tensor mixed =
          heads.askBeside(split(qProj, x), split(kProj, given), split(vProj, given), gate, context);
      return scope.keep(outProj.get().forward(mixed));
    }
  }

  private Tensor split(Slot<LinearLayer> projection, Tensor x) {
    return Attention.split(projection.get().forward(x), heads.headDim());
  }
}
