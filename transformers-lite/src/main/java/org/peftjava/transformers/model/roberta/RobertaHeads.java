package org.peftjava.transformers.model.roberta;

import java.util.Map;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;

/** The heads that RoBERTa has and others have not. */
final class RobertaHeads {
  private RobertaHeads() {}

  /** Tells masked tokens: "lm_head". */
  static Head maskedLm(RobertaConfig config, HeadParts parts) {
    Slot<LmHead> head = parts.child("lm_head", LmHead.class, new LmHead(config, parts.dtype()));
    return new Head() {
      @Override
      public Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input) {
        return head.get().forward(head.bring(hidden));
      }

      @Override
      public Map<String, String> ties(String table) {
        return Map.of("lm_head.decoder.weight", table, "lm_head.decoder.bias", "lm_head.bias");
      }
    };
  }

  /** {@code decoder(norm(gelu(dense(x))))}. Reference: RobertaLMHead. */
  private static final class LmHead extends Module {
    private final Slot<LinearLayer> dense;
    private final Slot<Layer> norm;
    private final Slot<LinearLayer> decoder;

    LmHead(RobertaConfig config, DType dtype) {
      long size = config.hiddenSize();
      long tokens = config.vocabSize();
      dense = child("dense", LinearLayer.class, new Linear(size, size, true, dtype));
      norm = child("layer_norm", Layer.class, new LayerNorm(size, config.layerNormEps(), dtype));
      decoder = child("decoder", LinearLayer.class, new Linear(size, tokens, true, dtype));
      register("bias", new Parameter(Shape.of(tokens), dtype, Init.zeros()));
    }

    Tensor forward(Tensor x) {
      try (TensorScope scope = TensorScope.open("lm_head")) {
        Tensor inner = norm.get().forward(Ops.gelu(dense.get().forward(x), "none"));
        return scope.keep(decoder.get().forward(inner));
      }
    }
  }
}
