package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.KbitTrainingOptions;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** LoRA over the quantized weights that bitsandbytes wrote, beside the real PEFT. */
@ExtendWith(NoLeaks.class)
class GoldenQloraIT {
  private static final String NF4 = "qlora_nf4_dq";
  private static final String FP4 = "qlora_fp4";
  private static final String INT8 = "qlora_int8";

  /**
   * How far from the CPU's values, in parts of their size, int8 inputs may lead on a card: a row
   * whose largest number is 4 times its root mean square loses 4 / (127 sqrt(12)) = 0.9 % of it to
   * rounding, and a layer has 4 products one after the other, each with errors of its own.
   */
  private static final double CARD_INT8 = 0.02;

  /** What twice as much of the logits' size, 0.15, and a step of a like error make of a loss. */
  private static final double CARD_LOSS = 0.01;

  private static final String LAYER = "model.layers.0.mlp.down_proj";

  private static void with(String name, LoraCase.Work work) throws IOException {
    with(name, options -> {}, work);
  }

  private static void with(
      String name, Consumer<KbitTrainingOptions.Builder> options, LoraCase.Work work)
      throws IOException {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      try (CausalLM base = AutoModelForCausalLM.fromPretrained(golden.folder("base"))) {
        Peft.prepareModelForKbitTraining(base, options);
        try (PeftModelForCausalLM model =
            PeftModel.fromPretrained(
                base, golden.folder("adapter"), load -> load.isTrainable(true))) {
          model.train(true);
          work.run(golden, base, model);
        }
      }
    }
  }

  /**
   * Whether products are not those of the golden data: bitsandbytes on the CPU trains with a dense
   * weight, on a card with inputs rounded to int8 in each of a layer's products.
   */
  private static boolean roundsInputs(CausalLM base) {
    return base.isLoadedIn8bit() && base.device().isCuda();
  }

  private static void assertClose(
      Golden golden, String key, CausalLM base, Tensor actual, String kind) {
    assertClose(golden.get(key), key, base, actual, golden.tolerance(kind));
  }

  private static void assertClose(
      Tensor expected, String key, CausalLM base, Tensor actual, double tolerance) {
    if (roundsInputs(base)) {
      double error = actual.sub(expected).pow(2).mean().sqrt().toDouble();
      double size = expected.pow(2).mean().sqrt().toDouble();
      assertTrue(error <= CARD_INT8 * size, () -> key + ": " + error + " of " + size);
    } else {
      Golden.assertClose(expected, actual, tolerance, key);
    }
  }

  private static void assertLogits(
      Golden golden, String key, CausalLM base, PeftModelForCausalLM model) {
    Tensor actual = model.forward(golden.input("in").build()).logits().orElseThrow();
    Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
    assertClose(
        golden.get(key).maskedFill(padding, 0),
        key,
        base,
        actual.maskedFill(padding, 0),
        golden.tolerance("forward"));
  }

  @ParameterizedTest
  @ValueSource(strings = {NF4, FP4, INT8})
  void logits(String name) throws IOException {
    with(
        name,
        (golden, base, model) -> {
          try (GradMode off = GradMode.noGrad()) {
            assertLogits(golden, "adapter.logits", base, model);
            try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
              assertLogits(golden, "disabled.logits", base, model);
              assertLogits(golden, "base.logits", base, model);
            }
          }
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {NF4, FP4, INT8})
  void lossAndGradients(String name) throws IOException {
    with(
        name,
        (golden, base, model) -> {
          assertEquals(
              golden.facts().get("trainableParameters").asLong(),
              model.trainableParameters().trainable());
          assertEquals(
              golden.facts().get("allParameters").asLong(), model.trainableParameters().all());
          Tensor loss = LoraCase.loss(golden, model);
          double expected = golden.get("adapter.loss").toDouble();
          double tolerance = golden.tolerance("forward") * (1 + expected);
          assertEquals(expected, loss.toDouble(), roundsInputs(base) ? CARD_LOSS : tolerance);
          loss.backward();
          Map<String, Parameter> trainable = LoraCase.trainable(model);
          assertEquals(LoraCase.keysBelow(golden, "grad."), new TreeSet<>(trainable.keySet()));
          trainable.forEach(
              (key, parameter) ->
                  assertClose(
                      golden,
                      "grad." + key,
                      base,
                      parameter.tensor().grad().orElseThrow(),
                      "gradient"));
          model.zeroGrad();
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {NF4, FP4, INT8})
  void threeSteps(String name) throws IOException {
    with(
        name,
        (golden, base, model) -> {
          Map<String, Parameter> parameters = LoraCase.trainable(model);
          float[] expected = golden.get("train.losses").toFloats();
          double tolerance = roundsInputs(base) ? CARD_LOSS : 2 * golden.tolerance("afterSteps");
          try (AdamW optimizer = GoldenSteps.optimizer(golden, parameters)) {
            for (int step = 0; step < expected.length; step++) {
              try (TensorScope scope = TensorScope.openGraph("step")) {
                Tensor loss = LoraCase.loss(golden, model);
                assertEquals(expected[step], loss.toDouble(), tolerance, "step " + step);
                loss.backward();
              }
              optimizer.step();
              optimizer.zeroGrad();
            }
          }
          parameters.forEach(
              (key, parameter) ->
                  assertClose(
                      golden, "train.after." + key, base, parameter.tensor(), "afterSteps"));
        });
  }

  @Test
  void preparingHasPythonsEffects() throws IOException {
    with(
        NF4,
        (golden, base, model) -> {
          assertEquals(DType.FLOAT32, base.dtype());
          base.namedParameters()
              .forEach(
                  (name, parameter) -> {
                    boolean adapter = name.contains("lora_");
                    assertEquals(adapter, parameter.requiresGrad(), name);
                    assertTrue(
                        parameter.dtype() == DType.FLOAT32 || parameter.dtype() == DType.UINT8);
                  });
          assertTrue(base.backbone().isGradientCheckpointing());
        });
  }

  /** The leaner way keeps 16 bits, and its gradients point the same way. */
  @Test
  void theLeanerWayKeepsHalfTheMemoryOfTablesAndTrainsAlike() throws IOException {
    with(
        NF4,
        options -> options.castToFloat32(false).useGradientCheckpointing(false),
        (golden, base, model) -> {
          assertEquals(DType.BFLOAT16, base.dtype());
          assertFalse(base.backbone().isGradientCheckpointing());
          Tensor loss = LoraCase.loss(golden, model);
          assertEquals(golden.get("adapter.loss").toDouble(), loss.toDouble(), 0.03);
          loss.backward();
          LoraCase.trainable(model)
              .forEach(
                  (key, parameter) -> {
                    assertEquals(DType.FLOAT32, parameter.dtype(), key);
                    Tensor expected = golden.get("grad." + key);
                    Tensor actual = parameter.tensor().grad().orElseThrow();
                    double error = actual.sub(expected).pow(2).sum().sqrt().toDouble();
                    double size = expected.pow(2).sum().sqrt().toDouble();
                    assertTrue(error < 0.1 * size, () -> key + ": " + error + " of " + size);
                  });
          model.zeroGrad();
        });
  }

  /** Merging adds in float32 and quantizes again; the adapter is then part of the codes. */
  @ParameterizedTest
  @ValueSource(strings = {NF4, FP4, INT8})
  void mergingQuantizesTheSum(String name) throws IOException {
    with(
        name,
        (golden, base, model) -> {
          QuantizedLinear layer = layer(base, LAYER + ".base_layer");
          String prefix = "base_model.model." + LAYER + ".";
          Tensor a = golden.get("param." + prefix + "lora_A.default.weight");
          Tensor b = golden.get("param." + prefix + "lora_B.default.weight");
          double scaling = golden.facts().get("layers").get(LAYER).get("scaling").asDouble();
          Tensor sum = layer.denseWeight(DType.FLOAT32).add(b.matmul(a).mul(scaling));
          float[] before = layer.denseWeight(DType.FLOAT32).toFloats();
          Tensor adapted = golden.get("adapter.logits");

          CausalLM merged = model.mergeAndUnload();

          assertEquals(name.equals(INT8), merged.isLoadedIn8bit());
          assertEquals(!name.equals(INT8), merged.isLoadedIn4bit());
          Tensor weight = layer(merged, LAYER).denseWeight(DType.FLOAT32);
          double error = weight.sub(sum).pow(2).mean().sqrt().toDouble();
          double size = sum.pow(2).mean().sqrt().toDouble();
          double change = maxDifference(before, weight.toFloats());
          assertTrue(error < (name.equals(INT8) ? 0.01 : 0.15) * size, () -> error + " of " + size);
          assertTrue(change > 0.1, () -> "largest change " + change);
          try (GradMode off = GradMode.noGrad()) {
            Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
            Tensor logits = merged.forward(golden.input("in").build()).logits().orElseThrow();
            Tensor difference = logits.sub(adapted).maskedFill(padding, 0);
            double off4 = difference.pow(2).mean().sqrt().toDouble();
            double loud = adapted.pow(2).mean().sqrt().toDouble();
            double allowed = roundsInputs(merged) ? 0.1 : name.equals(INT8) ? 0.05 : 0.7;
            assertTrue(off4 < allowed * loud, () -> off4 + " of " + loud);
          }
        });
  }

  /** Dense weights take the adapter without loss: merged equals adapted. */
  @ParameterizedTest
  @ValueSource(strings = {NF4, INT8})
  void mergingAfterDequantizingIsExact(String name) throws IOException {
    with(
        name,
        (golden, base, model) -> {
          model.dequantize(DType.FLOAT32);
          double tolerance = golden.tolerance("forward");
          try (GradMode off = GradMode.noGrad()) {
            golden.assertLogits("adapter.logits", model, "in", tolerance);
            CausalLM merged = model.mergeAndUnload();
            assertFalse(merged.isLoadedIn4bit() || merged.isLoadedIn8bit());
            golden.assertLogits("adapter.logits", merged, "in", 5 * tolerance);
          }
        });
  }

  private static QuantizedLinear layer(Module model, String path) {
    return (QuantizedLinear) ModulePath.get(model, path);
  }

  private static double maxDifference(float[] a, float[] b) {
    double result = 0;
    for (int i = 0; i < a.length; i++) {
      result = Math.max(result, Math.abs(a[i] - b[i]));
    }
    return result;
  }
}
