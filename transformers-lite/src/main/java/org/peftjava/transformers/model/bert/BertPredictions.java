package org.peftjava.transformers.model.bert;

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
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;

/**
 * The masked-language-model head: {@code decoder(norm(act(dense(x))))}, whose decoder may be the
 * token embedding, with a bias of its own.
 *
 * <p>Reference: {@code BertOnlyMLMHead}; the modules in it are those of its names.
 */
final class BertPredictions extends Module {
  private final Transform transform;
  private final Slot<LinearLayer> decoder;

  private BertPredictions(BertConfig config, DType dtype) {
    long tokens = config.vocabSize();
    transform = child("transform", new Transform(config, dtype));
    decoder =
        child("decoder", LinearLayer.class, new Linear(config.hiddenSize(), tokens, true, dtype));
    register("bias", new Parameter(Shape.of(tokens), dtype, Init.zeros()));
  }

  /** Registers the head under the name "cls". */
  static Head head(BertConfig config, HeadParts parts) {
    Slot<Cls> cls = parts.child("cls", Cls.class, new Cls(config, parts.dtype()));
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
    private final BertPredictions predictions;

    Cls(BertConfig config, DType dtype) {
      predictions = child("predictions", new BertPredictions(config, dtype));
    }
  }

  private static final class Transform extends Module {
    private final Slot<LinearLayer> dense;
    private final Slot<Layer> activation;
    private final Slot<Layer> norm;

    Transform(BertConfig config, DType dtype) {
      long size = config.hiddenSize();
      dense = child("dense", LinearLayer.class, new Linear(size, size, true, dtype));
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
