package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Decoder architectures beside the real transformers. */
@ExtendWith(NoLeaks.class)
class GoldenDecoderIT {
  private static final String ALL = "org.peftjava.it.DecoderCase#ALL";
  private static final String VARIANTS = "org.peftjava.it.DecoderCase#variants";
  private static final int NEW_TOKENS = 8;

  /** What is done with a case. */
  private interface Work {
    void run(Golden golden, CausalLM model);
  }

  private static void with(String name, Work work) {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      try (CausalLM model = AutoModelForCausalLM.fromPretrained(golden.folder("base"))) {
        work.run(golden, model);
      }
    }
  }

  @ParameterizedTest
  @FieldSource(ALL)
  void logitsAndLoss(String name) {
    with(
        name,
        (golden, model) -> {
          double tolerance = golden.tolerance("forward");
          try (GradMode off = GradMode.noGrad()) {
            golden.assertLogits("base.logits", model, "in", tolerance);
            golden.assertLogits("base.left_logits", model, "left", tolerance);
            Tensor loss =
                model
                    .forward(golden.input("in").labels(golden.get("in.labels")).build())
                    .loss()
                    .orElseThrow();
            Golden.assertClose(golden.get("base.loss"), loss, tolerance, "loss");
          }
        });
  }

  @ParameterizedTest
  @FieldSource(ALL)
  void hiddenStatesAndAttentions(String name) {
    with(
        name,
        (golden, model) -> {
          Tensor mask = golden.get("in.attention_mask");
          try (GradMode off = GradMode.noGrad()) {
            ModelOutput output =
                model.forward(
                    golden.input("in").outputHiddenStates(true).outputAttentions(true).build());
            List<Tensor> hidden = output.hiddenStates();
            List<Tensor> attentions = output.attentions();
            assertEquals(attentions.size() + 1, hidden.size());
            Tensor padding = mask.eq(0);
            for (int i = 0; i < hidden.size(); i++) {
              assertReal(golden, "hidden." + i, hidden.get(i), padding.unsqueeze(-1));
            }
            for (int i = 0; i < attentions.size(); i++) {
              Tensor rows = padding.unsqueeze(1).unsqueeze(-1);
              assertReal(golden, "attention." + i, attentions.get(i), rows);
            }
          }
        });
  }

  private static void assertReal(Golden golden, String key, Tensor actual, Tensor padding) {
    Golden.assertClose(
        golden.get(key).maskedFill(padding, 0),
        actual.maskedFill(padding, 0),
        golden.tolerance("forward"),
        key);
  }

  @ParameterizedTest
  @FieldSource(ALL)
  void gradients(String name) {
    with(
        name,
        (golden, model) -> {
          model
              .forward(golden.input("in").labels(golden.get("in.labels")).build())
              .loss()
              .orElseThrow()
              .backward();
          Map<String, Parameter> parameters = model.namedParameters();
          int compared = 0;
          for (String key : golden.keys()) {
            if (key.startsWith("grad.")) {
              Tensor gradient =
                  parameters.get(key.substring("grad.".length())).tensor().grad().orElseThrow();
              Golden.assertClose(golden.get(key), gradient, golden.tolerance("gradient"), key);
              compared++;
            }
          }
          assertTrue(compared > 4);
        });
  }

  @ParameterizedTest
  @FieldSource(ALL)
  void greedyIds(String name) {
    with(name, (golden, model) -> assertIds(golden, "base", model));
  }

  private static void assertIds(Golden golden, String what, CausalLM model) {
    TokenBatch batch =
        TokenBatch.of(golden.rows("left.input_ids"), golden.rows("left.attention_mask"));
    // dynamic angles change with the length: what the cache holds was turned by smaller ones
    for (boolean cached : what.equals("dynamic") ? List.of(true) : List.of(true, false)) {
      assertArrayEquals(
          golden.rows(what + ".gen.ids"),
          model
              .generate(batch, g -> g.maxNewTokens(NEW_TOKENS).eosTokenId().useCache(cached))
              .ids(),
          what + (cached ? " with" : " without") + " a cache");
    }
  }

  @ParameterizedTest
  @MethodSource(VARIANTS)
  void variants(String name, String variant, @TempDir Path folder) {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      DecoderCase.layOut(golden, variant, folder);
      try (CausalLM model = AutoModelForCausalLM.fromPretrained(folder);
          GradMode off = GradMode.noGrad()) {
        golden.assertLogits(variant + ".logits", model, "in", golden.tolerance("forward"));
        assertIds(golden, variant, model);
        assertConfig(golden.folder("config." + variant + ".json"), model);
      }
    }
  }

  @ParameterizedTest
  @FieldSource(ALL)
  void bfloat16(String name) {
    try (TensorScope scope = TensorScope.openGraph(name);
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open(name);
      try (CausalLM model =
          AutoModelForCausalLM.fromPretrained(
              golden.folder("base"), options -> options.dtype(DType.BFLOAT16))) {
        golden.assertLogits("bfloat16.logits", model, "in", golden.tolerance("bfloat16"));
      }
    }
  }

  @ParameterizedTest
  @FieldSource(ALL)
  void namesShapesAndConfigArePythons(String name) {
    with(
        name,
        (golden, model) -> {
          JsonNode facts = golden.facts();
          List<String> modules = new ArrayList<>();
          facts.get("modules").forEach(module -> modules.add(module.textValue()));
          Map<String, String> state = new LinkedHashMap<>();
          facts
              .get("state")
              .fields()
              .forEachRemaining(
                  entry ->
                      state.put(entry.getKey(), entry.getValue().toString().replace(",", ", ")));
          Map<String, String> actual = new LinkedHashMap<>();
          model
              .namedState()
              .forEach((key, parameter) -> actual.put(key, parameter.shape().toString()));
          // encoders that decode have no modules for dropout here, and their tables in another
          // order
          if (!model.config().json().getBoolean("is_decoder", false)) {
            assertEquals(modules, new ArrayList<>(model.namedModules().keySet()));
            assertEquals(new ArrayList<>(state.keySet()), new ArrayList<>(actual.keySet()));
          }
          assertEquals(new TreeMap<>(state), new TreeMap<>(actual));
          assertConfig(golden.folder("base").resolve("config.json"), model);
        });
  }

  /** What is saved is what Python saved. */
  private static void assertConfig(Path expected, CausalLM model) {
    assertEquals(Golden.json(expected), Golden.parsed(model.config().json().toJson()));
  }
}
