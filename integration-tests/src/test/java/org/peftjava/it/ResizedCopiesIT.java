package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;

/** Adapters of PEFT's with full copies or trained tokens of embeddings that were given tokens. */
@ExtendWith(NoLeaks.class)
class ResizedCopiesIT {
  private static final Path FOLDER = Golden.ROOT.resolve("resized_copies");

  @TestFactory
  List<DynamicTest> filesOfPythonAreRead() {
    List<DynamicTest> tests = new ArrayList<>();
    Golden.json(FOLDER.resolve("case.json"))
        .properties()
        .forEach(
            entry ->
                tests.add(
                    DynamicTest.dynamicTest(
                        entry.getKey(),
                        () -> check(FOLDER.resolve(entry.getKey()), entry.getValue()))));
    assertEquals(4, tests.size());
    return tests;
  }

  private static void check(Path adapter, JsonNode facts) {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        CausalLM base =
            AutoModelForCausalLM.fromPretrained(Golden.ROOT.resolve(facts.get("base").asText()))) {
      base.resizeTokenEmbeddings(facts.get("tokens").asInt(), o -> o.meanResizing(false));
      Golden golden = Golden.open(FOLDER.getFileName() + "/" + adapter.getFileName());
      ModelInput input = ModelInput.builder().inputIds(golden.get("ids")).build();
      try (PeftModelForCausalLM model = PeftModel.fromPretrained(base, adapter, o -> {})) {
        Tensor logits = model.forward(input).logits().orElseThrow();
        Golden.assertClose(golden.get("logits"), logits, 1e-4, "logits");
        try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
          Tensor without = model.forward(input).logits().orElseThrow();
          Golden.assertClose(golden.get("without"), without, 1e-4, "without");
        }
      }
    }
  }
}
