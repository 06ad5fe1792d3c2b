package org.peftjava.peft.tuner.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/** What the goldens of single DoRA adapters do not show. */
@ExtendWith(LedgerCheck.class)
class DoraTest {
  private static Tensor golden(String key) {
    return Goldens.tensors("lora_starts/io.safetensors").get(key);
  }

  private static LoraConfig config(double dropout) {
    return LoraConfig.builder()
        .r(3)
        .loraAlpha(7)
        .targetModules("emb", "wide", "tall", "conv")
        .useDora(true)
        .loraDropout(dropout)
        .build();
  }

  /** Gives the adapters the values of two_doras. */
  private static void fill(PeftModel model) {
    model
        .namedState()
        .forEach(
            (name, parameter) -> {
              if (name.contains("lora_")) {
                parameter.copyFrom(golden("two_doras.param." + name));
              }
            });
  }

  @Test
  void twoAdaptersActTogetherAndAreMergedOneAfterTheOther() {
    try (TensorScope scope = TensorScope.open("test");
        FourLayers base = FourLayers.load();
        PeftModel model = Peft.getPeftModel(base, config(0))) {
      Tensor ids = golden("in.input_ids");
      model.addAdapter("other", config(0));
      model.setAdapter("default", "other");
      fill(model);
      Tensor before = base.forward(ids);
      Goldens.assertClose(golden("two_doras.output"), before, 1e-5, "both");
      model.mergeAdapter();
      Goldens.assertClose(golden("two_doras.merged.output"), base.forward(ids), 2e-5, "merged");
      Map<String, Parameter> state = model.namedState();
      Goldens.tensors("lora_starts/io.safetensors")
          .forEach(
              (name, value) -> {
                String key = name.replace("two_doras.merged.", "");
                if (state.containsKey(key)) {
                  Goldens.assertClose(value, state.get(key).tensor(), 1e-5, key);
                }
              });
      model.unmergeAdapter();
      Goldens.assertClose(before, base.forward(ids), 2e-5, "unmerged");
    }
  }

  /** Outputs and gradients of a training pass. */
  private static Map<String, Tensor> pass(double dropout, boolean training) {
    Map<String, Tensor> result = new TreeMap<>();
    try (FourLayers base = FourLayers.load();
        PeftModel model = Peft.getPeftModel(base, config(dropout))) {
      fill(model);
      model.train(training);
      Tensor y = base.output(golden("in.input_ids"));
      y.mul(y).sum().backward();
      result.put("output", y.detach().copy());
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (parameter.requiresGrad()) {
                  result.put(name, parameter.tensor().grad().orElseThrow().copy());
                }
              });
    }
    return result;
  }

  @Test
  void thePathWithDropoutIsTheSameFunction() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Map<String, Tensor> plain = pass(0.5, false);
      Map<String, Tensor> dropped = pass(1e-9, true);
      assertEquals(12 + 1, plain.size());
      plain.forEach((key, value) -> Goldens.assertClose(value, dropped.get(key), 1e-4, key));
      Tensor half = pass(0.5, true).get("output");
      assertTrue(half.sub(plain.get("output")).abs().max().toDouble() > 0.1, "dropout acts");
    }
  }

  @Test
  void overQuantizedWeightsItMergesAndTheBaseIsQuantizedAgain() {
    try (TensorScope scope = TensorScope.open("test");
        FourLayers base = FourLayers.load()) {
      BitsAndBytesConfig.builder().loadIn4bit(true).build().applyTo(base);
      LoraConfig config = config(0).toBuilder().targetModules("wide", "tall").build();
      Tensor ids = golden("in.input_ids");
      Tensor plain = base.forward(ids);
      try (PeftModel model = Peft.getPeftModel(base, config)) {
        Goldens.assertClose(plain, base.forward(ids), 1e-5, "a fresh adapter changes nothing");
        fill(model);
        Tensor adapted = base.forward(ids);
        double size = adapted.sub(plain).abs().max().toDouble();
        model.mergeAdapter();
        double gap = adapted.sub(base.forward(ids)).abs().max().toDouble();
        assertTrue(gap < 0.3 * size, gap + " of " + size);
        assertEquals(
            DType.UINT8, base.namedState().get("wide.base_layer.weight").dtype(), "quantized");
      }
    }
  }

  @Test
  void combinationsThatPythonRefusesAreRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> LoraConfig.builder().useDora(true).loraBias(true).build());
    try (TensorScope scope = TensorScope.open("test");
        FourLayers base = FourLayers.load()) {
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  Peft.getPeftModel(
                      base, config(0).toBuilder().initLoraWeights(new LoraInit.Mica()).build()));
      assertTrue(error.getMessage().contains("use_dora"), error.getMessage());
    }
  }
}
