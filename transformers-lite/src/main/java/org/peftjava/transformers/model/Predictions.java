package org.peftjava.transformers.model;

import java.util.Map;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;

/**
 * The masked-language-model head: {@code decoder(norm(act(dense(x))))}, whose decoder may be the
 * token embedding, with a bias of its own.
 *
 * <p>Reference: {@code BertOnlyMLMHead}, {@code LegacyDebertaV2OnlyMLMHead}; the modules in it are
 * those of their names.
 */
public final class Predictions extends Module {
  private final Transform transform;
  private final Slot<LinearLayer> decoder;

  private Predictions(EncoderConfig config, long size, DType dtype) {
    long tokens = config.vocabSize();
    transform = child("transform", new Transform(config, size, dtype));
    decoder = child("decoder", LinearLayer.class, new Linear(size, tokens, true, dtype));
    register("bias", new Parameter(Shape.of(tokens), dtype, Init.zeros()));
  }

  /**
   * Registers the head under the name "cls".
   *
   * @param size length of a token's vector, to which hidden states are brought
   */
  public static Head head(EncoderConfig config, long size, HeadParts parts) {
    Slot<Cls> cls = parts.child("cls", Cls.class, new Cls(config, size, parts.dtype()));
    return new Head() {
      @Override
      public Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input) {
        return cls.get().predictions.forward(cls.bring(hidden));
      }

      @Override
      public Map<String, String> ties(String table) {
        return Map.of(
            "cls.predictions.decoder.weight",
            table,
            "cls.predictions.decoder.bias",
            "cls.predictions.bias");
      }
    };
  }

  /** Hidden states (..., e) to logits (..., v). */
  private Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("predictions")) {
      return scope.keep(decoder.get().forward(transform.forward(x)));
    }
  }

  private static final class Cls extends Module {
    private final Predictions predictions;

    Cls(EncoderConfig config, long size, DType dtype) {
      predictions = child("predictions", new Predictions(config, size, dtype));
    }
  }

  private static final class Transform extends Module {
    private final Slot<LinearLayer> dense;
    private final Slot<Layer> activation;
    private final Slot<Layer> norm;

    Transform(EncoderConfig config, long size, DType dtype) {
      Linear map = new Linear(config.hiddenSize(), size, true, dtype);
      dense = child("dense", LinearLayer.class, map);
      activation =
          child("transform_act_fn", Layer.class, Activation.of(config.hiddenAct(), "hidden_act"));
      norm = child("LayerNorm", Layer.class, new LayerNorm(size, config.layerNormEps(), dtype));
    }

    Tensor forward(Tensor x) {
      Tensor inner = activation.get().forward(dense.get().forward(x));
      return norm.get().forward(inner);
    }
  }
}
