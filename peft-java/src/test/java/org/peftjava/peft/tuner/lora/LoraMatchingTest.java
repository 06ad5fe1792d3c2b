package org.peftjava.peft.tuner.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.AddOptions;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.LayerInjector.Injection;
import org.peftjava.peft.tuner.NoMatchingModulesException;
import org.peftjava.peft.tuner.StubModels;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.TensorScope;

/** Which modules a config selects, row by row as real PEFT did on the same trees. */
@ExtendWith(LedgerCheck.class)
class LoraMatchingTest {
  /** Python fails; here all-linear leaves out heads that are trained in full. */
  private static final Set<String> HEADS =
      Set.of("all-linear bert TOKEN_CLS", "all-linear bert QUESTION_ANS");

  static Stream<Arguments> rows() {
    JsonNode rows = Goldens.json(Goldens.path("matching.json")).get("rows");
    return StreamSupport.stream(rows.spliterator(), false)
        .map(row -> Arguments.of(row.get("label").textValue(), row));
  }

  private static LoraConfig config(JsonNode row) {
    LoraConfig config = LoraConfig.of(Goldens.map(row.get("config")));
    List<String> saved = new ArrayList<>(config.modulesToSave());
    saved.addAll(config.taskType().map(TaskType::heads).orElse(List.of()));
    return saved.isEmpty() ? config : config.with("modules_to_save", saved);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rows")
  void selectsWhatPythonSelects(String label, JsonNode row) {
    BaseModel base = StubModels.named(row.get("model").textValue());
    try (TensorScope scope = TensorScope.open("test");
        TunedModel model = new TunedModel(base)) {
      if (HEADS.contains(label)) {
        Injection injection = model.add("default", config(row), AddOptions.DEFAULT);
        assertTrue(injection.paths().stream().noneMatch(injection.modulesToSave()::contains));
        assertEquals(12, injection.paths().size());
      } else if (row.has("error")) {
        assertRejected(row.get("error").get("type").textValue(), model, row);
      } else {
        assertSelected(model.add("default", config(row), AddOptions.DEFAULT), row, label);
      }
    }
  }

  @Test
  void patternsOfParametersAreNotWarnedAbout() {
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .targetModules(new String[0])
            .targetParameters("fc2.weight")
            .rankPattern(Map.of("fc2.weight", 3, "nowhere.weight", 4))
            .build();
    try (TunedModel model = new TunedModel(StubModels.named("opt"))) {
      assertEquals(
          List.of("rankPattern keys [nowhere.weight] match no targeted module and are ignored."),
          model.add("default", config, AddOptions.DEFAULT).warnings());
    }
  }

  private static void assertRejected(String type, TunedModel model, JsonNode row) {
    Class<? extends Exception> expected =
        type.equals("NoMatchingPeftModuleError")
            ? NoMatchingModulesException.class
            : IllegalArgumentException.class;
    Exception error =
        assertThrows(expected, () -> model.add("default", config(row), AddOptions.DEFAULT));
    assertTrue(error.getMessage().length() > 40, error.getMessage());
    assertEquals(List.of(), model.adapters().names());
    assertEquals(Map.of(), model.layers());
  }

  /** The module that Python copies whole where the layers in it are copied here. */
  private static String within(String path, List<String> saved) {
    return saved.stream().filter(whole -> path.startsWith(whole + ".")).findFirst().orElse(path);
  }

  private static void assertSelected(Injection injection, JsonNode row, String label) {
    assertEquals(Goldens.texts(row.get("matched")), injection.paths());
    List<String> saved = Goldens.texts(row.get("modulesToSave"));
    assertEquals(
        saved,
        injection.modulesToSave().stream().map(path -> within(path, saved)).distinct().toList(),
        label);
    LoraConfig config = (LoraConfig) injection.config();
    TargetModules targets = config.targetModules();
    Object written =
        targets instanceof TargetModules.Names names
            ? names.names().stream().sorted().toList()
            : targets.toField();
    assertEquals(Goldens.plain(row.get("targetModules")), written);
    row.get("layers")
        .properties()
        .forEach(
            layer -> {
              String path = layer.getKey();
              assertEquals(layer.getValue().get("r").asInt(), LoraMethod.rank(config, path), path);
              assertEquals(
                  layer.getValue().get("alpha").asDouble(),
                  LoraMethod.alpha(config, "lora_alpha", path),
                  path);
              assertEquals(
                  layer.getValue().get("scaling").asDouble(),
                  LoraMethod.scaling(config, path),
                  1e-12,
                  path);
            });
    long expected =
        Goldens.texts(row.get("warnings")).stream()
            .filter(warning -> !warning.contains("ensure_weight_tying"))
            .count();
    // Python says nothing of a name in modules_to_save that no module has
    long found =
        injection.warnings().stream().filter(warning -> !warning.contains("modulesToSave")).count();
    assertEquals(expected, found, injection.warnings().toString());
  }
}
