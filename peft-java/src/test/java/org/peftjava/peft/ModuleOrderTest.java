package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;

/** Linear layers stand in Python's order, by which some methods number them: module_order.json. */
@ExtendWith(LedgerCheck.class)
class ModuleOrderTest {
  private static final JsonNode GOLDEN = Goldens.json(Goldens.path("module_order.json"));

  static List<String> bases() {
    List<String> result = new ArrayList<>();
    GOLDEN.fieldNames().forEachRemaining(result::add);
    return result;
  }

  private static Module open(String name) {
    Path folder = Goldens.path(name + "/base");
    String type =
        Goldens.json(folder.resolve("config.json")).get("architectures").get(0).textValue();
    if (type.endsWith("ForConditionalGeneration")) {
      return AutoModelForSeq2SeqLM.fromPretrained(folder);
    }
    return type.endsWith("ForSequenceClassification")
        ? AutoModelForSequenceClassification.fromPretrained(folder)
        : AutoModelForCausalLM.fromPretrained(folder);
  }

  @ParameterizedTest
  @MethodSource("bases")
  void orderIsPythons(String name) {
    try (Module model = open(name)) {
      List<String> found = new ArrayList<>();
      model
          .namedModules()
          .forEach(
              (path, module) -> {
                if (module instanceof LinearLayer) {
                  found.add(path);
                }
              });
      assertEquals(Goldens.texts(GOLDEN.get(name)), found);
    }
  }
}
