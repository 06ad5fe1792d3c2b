package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** Adapters that bring their base models, by task. */
@ExtendWith(LedgerCheck.class)
class AutoPeftModelTest {
  @ParameterizedTest
  @CsvSource({
    "opt_lora, PeftModelForCausalLM, OPTForCausalLM",
    "prompt_t5, PeftModelForSeq2SeqLM, T5ForConditionalGeneration",
    "prompt_bert_sequence, PeftModelForTask, BertForSequenceClassification",
    "prompt_roberta_token, PeftModelForTask, RobertaForTokenClassification",
    "prefix_bert_span, PeftModelForTask, BertForQuestionAnswering",
    "features, PeftModelForFeatureExtraction, BertModel"
  })
  void theClassIsThatOfTheTask(String name, String type, String baseClass) {
    boolean bare = name.equals("features");
    Path folder = Goldens.path(name).resolve(bare ? "prefix_bert" : "adapter");
    String base = Goldens.path(name).resolve(bare ? "base_bert" : "base").toString();
    try (PeftModel model =
        AutoPeftModel.fromPretrained(folder, options -> options.baseModelNameOrPath(base))) {
      assertEquals(type, model.getClass().getSimpleName());
      assertEquals(baseClass, model.getModelStatus().baseModelType());
      assertEquals(0, model.trainableParameters().trainable());
    }
    try (PeftModel model = typed(type, baseClass, folder, base)) {
      assertEquals(baseClass, model.getModelStatus().baseModelType());
    }
  }

  private static PeftModel typed(String type, String baseClass, Path folder, String base) {
    if (type.equals("PeftModelForCausalLM")) {
      return AutoPeftModelForCausalLM.fromPretrained(folder, o -> o.baseModelNameOrPath(base));
    }
    if (type.equals("PeftModelForSeq2SeqLM")) {
      return AutoPeftModelForSeq2SeqLM.fromPretrained(folder, o -> o.baseModelNameOrPath(base));
    }
    if (baseClass.endsWith("ForSequenceClassification")) {
      return AutoPeftModelForSequenceClassification.fromPretrained(
          folder, o -> o.baseModelNameOrPath(base));
    }
    if (baseClass.endsWith("ForTokenClassification")) {
      return AutoPeftModelForTokenClassification.fromPretrained(
          folder, o -> o.baseModelNameOrPath(base));
    }
    return baseClass.endsWith("ForQuestionAnswering")
        ? AutoPeftModelForQuestionAnswering.fromPretrained(folder, o -> o.baseModelNameOrPath(base))
        : AutoPeftModelForFeatureExtraction.fromPretrained(
            folder, o -> o.baseModelNameOrPath(base));
  }

  @Test
  void withoutATaskTheBasesClassSaysIt(@TempDir Path saved) {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER);
        PeftModelForCausalLM model =
            Peft.getPeftModel(base, LoraConfig.builder().targetModules("q_proj").build())) {
      model.savePretrained(saved);
    }
    try (PeftModel model = AutoPeftModel.fromPretrained(saved.toString())) {
      assertEquals("PeftModelForCausalLM", model.getClass().getSimpleName());
    }
    LoraConfig unknown = (LoraConfig) PeftConfig.fromPretrained(saved).with("auto_mapping", null);
    RuntimeException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> AutoPeftModel.fromPretrained(saved, options -> options.config(unknown)));
    assertTrue(error.getMessage().contains("neither task_type nor auto_mapping"));
  }
}
