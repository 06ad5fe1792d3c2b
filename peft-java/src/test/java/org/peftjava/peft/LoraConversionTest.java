package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.ia3.IA3Config;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** LoRA in place of another method: golden/lora_conversion. */
@ExtendWith(LedgerCheck.class)
class LoraConversionTest {
  private static final String CASE = "lora_conversion/";

  private TensorScope scope;
  private Map<String, Tensor> golden;
  private CausalLM base;
  private PeftModelForCausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors(CASE + "io.safetensors");
    base = openBase();
    model = PeftModel.fromPretrained(base, Goldens.path(CASE + "loha").toString());
  }

  @AfterEach
  void close() {
    model.close();
    base.close();
    scope.close();
  }

  private static CausalLM openBase() {
    return AutoModelForCausalLM.fromPretrained(Goldens.path(CASE + "base"));
  }

  private Tensor logits(PeftModelForCausalLM language) {
    try (GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .build();
      return visible(language.forward(input).logits().orElseThrow());
    }
  }

  private Tensor visible(Tensor logits) {
    return logits.maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  /** Every method that Python converts, and some that it does not. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "dora",
        "vera",
        "vera_gpt2",
        "vblora",
        "randlora",
        "c3a",
        "delora",
        "lokr",
        "fourierft",
        "waveft",
        "gralora",
        "miss",
        "tinylora",
        "unilora",
        "psoft",
        "shira",
        "adalora"
      })
  void atFullRankNothingIsLost(String method, @TempDir Path folder) {
    try (TunerCase tuner = new TunerCase("tuner_" + method);
        PeftModelForCausalLM adapted = tuner.load();
        CausalLM second = tuner.openBase()) {
      Peft.saveAsLora(folder, adapted, 16);
      try (PeftModelForCausalLM converted = PeftModel.fromPretrained(second, folder.toString())) {
        Goldens.assertClose(
            tuner.expected("adapter.logits"), tuner.logits(converted), 1e-4, "converted");
      }
    }
  }

  static Stream<Arguments> rows() {
    return StreamSupport.stream(
            Goldens.json(Goldens.path(CASE + "case.json")).get("rows").spliterator(), false)
        .map(row -> Arguments.of(row.get("row").textValue(), row));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rows")
  void aConvertedAdapterIsPythons(String name, JsonNode row, @TempDir Path folder) {
    try (CausalLM another = openBase();
        PeftModelForCausalLM adapted =
            PeftModel.fromPretrained(
                another, Goldens.path(CASE + row.get("adapter").textValue()).toString())) {
      if (row.get("rank").isInt()) {
        Peft.saveAsLora(folder, adapted, row.get("rank").intValue());
      } else {
        Peft.saveAsLora(folder, adapted, row.get("rank").doubleValue());
      }
    }
    try (WeightSource saved = Safetensors.open(folder.resolve("adapter_model.safetensors"))) {
      assertEquals(new TreeSet<>(Goldens.texts(row.get("keys"))), new TreeSet<>(saved.names()));
      for (String key : saved.names()) {
        if (key.endsWith(".lora_A.weight")) {
          String path = key.substring(0, key.indexOf(".lora_A"));
          Goldens.assertClose(
              golden.get(name + ".product." + path),
              saved.tensor(key.replace("_A", "_B")).matmul(saved.tensor(key)),
              2e-5,
              key);
        }
      }
    }
    Map<String, Object> config = Goldens.map(Goldens.json(folder.resolve("adapter_config.json")));
    row.get("config")
        .fields()
        .forEachRemaining(
            field ->
                assertEquals(
                    Goldens.plain(field.getValue()), config.get(field.getKey()), field.getKey()));
    try (CausalLM fresh = openBase();
        PeftModelForCausalLM lora = PeftModel.fromPretrained(fresh, folder.toString())) {
      Goldens.assertClose(visible(golden.get(name + ".logits")), logits(lora), 5e-5, name);
    }
  }

  @Test
  void withAllSingularValuesNothingIsLost(@TempDir Path folder) {
    Tensor before = logits(model);
    Peft.saveAsLora(folder, model, 1.0);
    try (CausalLM fresh = openBase();
        PeftModelForCausalLM lora = PeftModel.fromPretrained(fresh, folder.toString())) {
      Goldens.assertClose(before, logits(lora), 1e-4, "logits");
    }
    assertTrue(model.peftConfig().containsKey("default"), "the model keeps its adapter");
  }

  @Test
  void mistakesAreNamed(@TempDir Path folder) {
    assertThrows(IllegalArgumentException.class, () -> Peft.saveAsLora(folder, model, 0));
    assertThrows(IllegalArgumentException.class, () -> Peft.saveAsLora(folder, model, 1.5));
    String message =
        assertThrows(IllegalArgumentException.class, () -> Peft.saveAsLora(folder, model, 17))
            .getMessage();
    assertTrue(message.contains("17") && message.contains("16"), message);
    assertThrows(IllegalArgumentException.class, () -> Peft.convertToLora(model, 2, "nope"));
    assertFalse(Files.exists(folder.resolve("adapter_config.json")));
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM vectors =
            Peft.getPeftModel(
                opt.base(),
                IA3Config.builder()
                    .targetModules("q_proj")
                    .feedforwardModules()
                    .taskType(TaskType.CAUSAL_LM)
                    .build())) {
      assertThrows(UnsupportedOperationException.class, () -> Peft.saveAsLora(folder, vectors, 2));
    }
  }
}
