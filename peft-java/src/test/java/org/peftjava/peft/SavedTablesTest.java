package org.peftjava.peft;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;

/** Full copies of tables that are scaled or have an offset: golden/saved_tables. */
@ExtendWith(LedgerCheck.class)
class SavedTablesTest {
  private static final JsonNode FACTS = Goldens.json(Goldens.path("saved_tables/case.json"));

  @ParameterizedTest
  @ValueSource(strings = {"embed_tokens", "embed_positions"})
  void logitsAndGradientsArePythons(String table) {
    try (TensorScope scope = TensorScope.openGraph(table);
        CausalLM base =
            AutoModelForCausalLM.fromPretrained(
                Goldens.path(FACTS.get("bases").get(table).textValue()));
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(
                base,
                Goldens.path("saved_tables/" + table),
                options -> options.isTrainable(true))) {
      model.eval();
      Map<String, Tensor> golden = Goldens.tensors("saved_tables/io.safetensors");
      ModelInput.Builder input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"));
      Tensor padded = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      try (GradMode off = GradMode.noGrad()) {
        Goldens.assertClose(
            golden.get(table + ".logits").maskedFill(padded, 0),
            model.forward(input.build()).logits().orElseThrow().maskedFill(padded, 0),
            2e-5,
            "logits");
      }
      Tensor loss =
          model.forward(input.labels(golden.get("in.labels")).build()).loss().orElseThrow();
      Goldens.assertClose(golden.get(table + ".loss"), loss, 2e-5, "loss");
      loss.backward();
      Parameter copy =
          Objects.requireNonNull(
              model.namedParameters().entrySet().stream()
                  .filter(entry -> entry.getKey().contains(table + ".modules_to_save."))
                  .findFirst()
                  .orElseThrow()
                  .getValue());
      Goldens.assertClose(
          golden.get(table + ".grad"), copy.tensor().grad().orElseThrow(), 1e-4, "gradient");
    }
  }
}
