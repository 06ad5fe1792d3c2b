package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.lora.IntruderReduction;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;

/** Reduced intruders against the real PEFT: golden/intruders. */
@ExtendWith(LedgerCheck.class)
class IntrudersTest {
  private static final IntruderReduction SETTINGS = settings();

  private static IntruderReduction settings() {
    JsonNode given = Goldens.json(Goldens.path("intruders/case.json")).get("settings");
    return new IntruderReduction(
        given.get("top_k").asInt(),
        given.get("threshold_epsilon").asDouble(),
        given.get("mitigation_lambda").asDouble());
  }

  private static CausalLM base(String folder) {
    return AutoModelForCausalLM.fromPretrained(Goldens.path(folder));
  }

  private static float[] logits(PeftModelForCausalLM model, Map<String, Tensor> golden) {
    ModelInput input =
        ModelInput.builder()
            .inputIds(golden.get("in.input_ids"))
            .attentionMask(golden.get("in.attention_mask"))
            .build();
    return masked(model.forward(input).logits().orElseThrow(), golden);
  }

  private static float[] masked(Tensor logits, Map<String, Tensor> golden) {
    return logits
        .detach()
        .maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0)
        .toFloats();
  }

  @Test
  void weakensWhatTheBaseDoesNotKnow() {
    Path adapter = Goldens.path("intruders/adapter");
    try (TensorScope scope = TensorScope.openGraph("intruders");
        CausalLM base = base("opt_lora/base");
        PeftModelForCausalLM model = PeftModel.fromPretrained(base, adapter, o -> {})) {
      Map<String, Tensor> golden = Goldens.tensors("intruders/io.safetensors");
      model.eval();
      float[] before = logits(model, golden);
      List<String> report = new ArrayList<>();
      Intruders.reduceIntruderDimension(model, "default", "reduced", SETTINGS, report::add);
      JsonNode expected = Goldens.json(Goldens.path("intruders/case.json")).get("report");
      assertEquals(Goldens.texts(expected), report);
      assertEquals(List.of("reduced"), model.activeAdapters());
      assertArrayEquals(masked(golden.get("logits"), golden), logits(model, golden), 1e-4f);
      model
          .tuned()
          .layers()
          .forEach(
              (path, layer) ->
                  Goldens.assertClose(
                      golden.get("delta." + path),
                      layer.adapters().get("reduced").weightChange().orElseThrow(),
                      1e-4,
                      path));
      model.setAdapter("default");
      assertArrayEquals(before, logits(model, golden), "the old one is as it was");
    }
  }

  /** Python gives embeddings matrices of the wrong shapes. */
  @Test
  void worksOnEmbeddingsAndConv1D() {
    for (String name : List.of("opt_embedding", "gpt2_lora")) {
      try (TensorScope scope = TensorScope.openGraph("intruders");
          CausalLM base = base(name + "/base");
          PeftModelForCausalLM model =
              PeftModel.fromPretrained(base, Goldens.path(name + "/adapter"), o -> {})) {
        model.eval();
        Map<String, Tensor> golden = Goldens.tensors(name + "/io.safetensors");
        float[] before = logits(model, golden);
        List<String> report = new ArrayList<>();
        IntruderReduction nothing = new IntruderReduction(20, 1.1, 1);
        Intruders.reduceIntruderDimension(model, "default", "same", nothing, report::add);
        assertTrue(report.stream().allMatch(line -> line.contains("Intruders: ")), report + "");
        assertArrayEquals(before, logits(model, golden), 1e-3f, "multiplied by 1");
      }
    }
  }

  @Test
  void refusesVariantsAndMergedAdapters() {
    try (TunerCase tuner = new TunerCase("tuner_dora");
        PeftModelForCausalLM model = tuner.load()) {
      assertThrows(
          UnsupportedOperationException.class, () -> Intruders.reduceIntruderDimension(model));
      assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
    }
    try (CausalLM base = base("opt_lora/base");
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(base, Goldens.path("opt_lora/adapter"), o -> {})) {
      model.mergeAdapter();
      assertThrows(IllegalStateException.class, () -> Intruders.reduceIntruderDimension(model));
      assertThrows(IllegalArgumentException.class, () -> new IntruderReduction(0, 0.5, 0.5));
    }
  }
}
