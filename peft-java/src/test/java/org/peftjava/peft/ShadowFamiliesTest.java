package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.primitives.Longs;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** ShadowPEFT over every decoder, with a shadow of the base's sizes and of others. */
@ExtendWith(LedgerCheck.class)
class ShadowFamiliesTest {
  static Stream<Arguments> rows() {
    return Goldens.json(Goldens.path("shadow_families/case.json")).get("rows").properties().stream()
        .map(entry -> Arguments.of(entry.getKey(), entry.getValue()));
  }

  private static TunerConfig config(JsonNode row) {
    TunerConfig result =
        ShadowConfig.builder().r(2).shadowAlpha(0.8).auxiliaryLossWeight(0.3).build();
    for (Map.Entry<String, JsonNode> size : row.get("sizes").properties()) {
      result = result.with(size.getKey(), size.getValue().intValue());
    }
    return result.with("task_type", "CAUSAL_LM");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rows")
  void computesAsPython(String name, JsonNode row) {
    try (TensorScope scope = TensorScope.openGraph(name);
        CausalLM base =
            AutoModelForCausalLM.fromPretrained(Goldens.path(row.get("base").textValue()));
        PeftModelForCausalLM model = Peft.getPeftModel(base, config(row))) {
      Map<String, Tensor> golden = Goldens.tensors("shadow_families/io.safetensors");
      assertEquals(shapes(row), Shadows.fill(model));
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .labels(golden.get("in.labels"))
              .outputLogits(true)
              .build();
      ModelOutput output = model.forward(input);
      Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      Goldens.assertClose(
          golden.get(name + ".logits").maskedFill(padding, 0),
          output.logits().orElseThrow().maskedFill(padding, 0),
          1e-5,
          "logits");
      Goldens.assertClose(golden.get(name + ".loss"), output.loss().orElseThrow(), 1e-5, "loss");
      assertEquals(
          golden.get(name + ".shadow_loss").toDouble(),
          model.shadow().lastShadowLoss().orElseThrow(),
          1e-5);
      if (golden.containsKey(name + ".greedy")) {
        TokenBatch prompts =
            TokenBatch.of(
                TunerCase.rowsOf(golden.get("left.input_ids")),
                TunerCase.rowsOf(golden.get("left.attention_mask")));
        assertArrayEquals(
            TunerCase.rowsOf(golden.get(name + ".greedy")),
            model.generate(prompts, g -> g.maxNewTokens(6).eosTokenId()).ids());
        assertArrayEquals(
            TunerCase.rowsOf(golden.get(name + ".beams")),
            model.generate(prompts, g -> g.maxNewTokens(6).numBeams(3).eosTokenId()).ids());
      }
    }
  }

  private static Map<String, List<Long>> shapes(JsonNode row) {
    Map<String, List<Long>> result = new TreeMap<>();
    row.get("trained")
        .properties()
        .forEach(
            entry ->
                result.put(
                    entry.getKey(),
                    Longs.asList(
                        Stream.iterate(0, i -> i + 1)
                            .limit(entry.getValue().size())
                            .mapToLong(i -> entry.getValue().get(i).asLong())
                            .toArray())));
    return result;
  }
}
