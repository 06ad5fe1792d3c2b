package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.AutoPeftModelForCausalLM;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.DataCollatorForLanguageModeling;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.EvalPrediction;
import org.peftjava.transformers.training.TrainOutput;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/**
 * The steps of PEFT's README as a user types them, on a tiny model in a local folder in place of
 * facebook/opt-350m: they compile, run, and do what they say.
 */
@ExtendWith(NoLeaks.class)
class SnippetsTest {
  private static final List<String> TEXTS =
      List.of(
          "Preheat the oven to 350 degrees and place the cookie dough",
          "Preheat the oven to 400 degrees and place the bread dough",
          "Place the cookie dough on a tray",
          "Bake the bread for 30 minutes",
          "Mix the flour with the sugar",
          "Add the butter and mix again");

  @TempDir private Path folder;
  private String opt350m;
  private String ourLora;

  @BeforeEach
  void makeTheHubLocal() {
    opt350m = folder.resolve("facebook/opt-350m").toString();
    ourLora = folder.resolve("your-name/opt-350m-lora").toString();
    try (CausalLM model =
            TinyOpt.model(TinyOpt.config().vocabSize(340).maxPositionEmbeddings(128));
        Tokenizer tokenizer = AutoTokenizer.fromPretrained(Golden.ROOT.resolve("tokenizer/fast"))) {
      model.savePretrained(Path.of(opt350m));
      tokenizer.savePretrained(Path.of(opt350m));
    }
  }

  private static LoraConfig loraConfig() {
    // 1 - PEFT config
    var loraConfig =
        LoraConfig.builder()
            .r(16)
            .targetModules("q_proj", "v_proj")
            .taskType(TaskType.CAUSAL_LM)
            .loraAlpha(32)
            .loraDropout(0.05)
            .build();
    return loraConfig;
  }

  private void saveAnAdapter() {
    // 2 - wrap a model, 3 - save
    try (var model = AutoModelForCausalLM.fromPretrained(opt350m);
        var loraModel = Peft.getPeftModel(model, loraConfig())) {
      loraModel.printTrainableParameters();
      // trainable params: 2,048 || all params: 13,984 || trainable%: 14.6453
      assertEquals(2 * 2 * 2 * 16 * 16, loraModel.trainableParameters().trainable());
      loraModel.savePretrained(ourLora);
    }
  }

  @Test
  void wrapAndSave() {
    saveAnAdapter();
    assertTrue(Files.isRegularFile(Path.of(ourLora, "adapter_model.safetensors")));
    assertTrue(Files.isRegularFile(Path.of(ourLora, "README.md")));
  }

  @Test
  void loadForInferenceOrToTrainOn() {
    saveAnAdapter();
    // 4 - load for inference, or to train on
    var config = PeftConfig.fromPretrained(ourLora);
    try (var model =
            AutoModelForCausalLM.fromPretrained(config.baseModelNameOrPath().orElseThrow());
        var loraModel = PeftModel.fromPretrained(model, ourLora, o -> o.isTrainable(true))) {
      assertEquals(2048, loraModel.trainableParameters().trainable());
      assertEquals(
          Map.of("default", loraConfig().with("base_model_name_or_path", opt350m)).keySet(),
          loraModel.peftConfig().keySet());
    }
    try (var loraModel = AutoPeftModelForCausalLM.fromPretrained(ourLora)) {
      assertEquals(0, loraModel.trainableParameters().trainable());
      assertFalse(loraModel.isTraining());
    }
  }

  @Test
  void trainAndGenerate() {
    try (var tokenizer = AutoTokenizer.fromPretrained(opt350m);
        var model = AutoModelForCausalLM.fromPretrained(opt350m);
        var loraModel = Peft.getPeftModel(model, loraConfig())) {
      var tokenizedDatasets =
          Dataset.fromTexts(TEXTS, tokenizer, o -> o.maxLength(64).truncation(true))
              .trainTestSplit(2, 1);
      var dataCollator = DataCollatorForLanguageModeling.of(tokenizer);
      // 5 - train
      var trainingArgs =
          TrainingArguments.builder()
              .outputDir(ourLora)
              .learningRate(1e-3)
              .perDeviceTrainBatchSize(32)
              .numTrainEpochs(2)
              .weightDecay(0.01)
              .build();
      var trainer =
          Trainer.builder()
              .model(loraModel)
              .args(trainingArgs)
              .trainDataset(tokenizedDatasets.get("train"))
              .evalDataset(tokenizedDatasets.get("test"))
              .tokenizer(tokenizer)
              .dataCollator(dataCollator)
              .computeMetrics(p -> Map.of("accuracy", accuracy(p)))
              .build();
      TrainOutput out = trainer.train();

      assertEquals(2, out.globalStep());
      assertTrue(Files.isDirectory(Path.of(ourLora, "checkpoint-2")));
      Map<String, Double> metrics = trainer.evaluate();
      assertTrue(metrics.get("eval_accuracy") >= 0 && metrics.get("eval_accuracy") <= 1);
      loraModel.savePretrained(ourLora);
    }

    // 6 - generate
    try (var tokenizer = AutoTokenizer.fromPretrained(opt350m);
        var model = AutoPeftModelForCausalLM.fromPretrained(ourLora)) {
      var inputs = tokenizer.encode("Preheat the oven to 350 degrees and place the cookie dough");
      var outputs = model.generate(inputs, g -> g.maxNewTokens(50));
      System.out.println(tokenizer.batchDecode(outputs, d -> d.skipSpecialTokens(true)).get(0));

      assertTrue(outputs.get(0).length > inputs.length());
      assertTrue(
          tokenizer
              .batchDecode(outputs, d -> d.skipSpecialTokens(true))
              .get(0)
              .startsWith("Preheat the oven to 350 degrees and place the cookie dough"));
    }
  }

  private static double accuracy(EvalPrediction p) {
    double right = 0;
    double all = 0;
    for (int row = 0; row < p.labelIds().length; row++) {
      for (int i = 1; i < p.labelIds()[row].length; i++) {
        if (p.labelIds()[row][i] != -100) {
          right += p.predictions()[row][i - 1] == p.labelIds()[row][i] ? 1 : 0;
          all++;
        }
      }
    }
    return right / all;
  }

  @Test
  void severalAdaptersAndNone() {
    try (var tokenizer = AutoTokenizer.fromPretrained(opt350m);
        var base = AutoModelForCausalLM.fromPretrained(opt350m);
        var model = Peft.getPeftModel(base, loraConfig())) {
      var inputs = tokenizer.encode("Bake the bread");
      var fresh = loraConfig().toBuilder().initLoraWeights(false).build();
      // 8 - several adapters, and none
      model.addAdapter("adapter_1", fresh);
      model.addAdapter("adapter_2", fresh);
      model.setAdapter("adapter_1");
      var first = model.generate(inputs, g -> g.maxNewTokens(20));
      model.setAdapter("adapter_2");
      try (var disabled = model.disableAdapter()) {
        var plain = model.generate(inputs, g -> g.maxNewTokens(20));
        assertEquals(base.generate(inputs, g -> g.maxNewTokens(20)), plain);
        assertNotEquals(first, plain);
      }
      var plainToo = model.withoutAdapter(() -> model.generate(inputs, g -> g.maxNewTokens(20)));
      assertNotEquals(first, plainToo);
      assertEquals(List.of("adapter_2"), model.activeAdapters());
    }
  }

  @Test
  void extraModulesAllLinearLayersDebugInitialisation() {
    // 9 - extra trainable modules, all linear layers, debug initialisation
    assertEquals(
        340 * 16,
        trained(
            "q_proj",
            340 * 16,
            LoraConfig.builder()
                .targetModules("q_proj", "k_proj")
                .modulesToSave("lm_head")
                .build()));
    trained(
        "fc2",
        0,
        LoraConfig.builder()
            .targetModules(TargetModules.allLinear())
            .bias(LoraConfig.Bias.NONE)
            .build());
    trained(
        "k_proj",
        0,
        LoraConfig.builder().targetModules("q_proj", "k_proj").initLoraWeights(false).build());
  }

  /** The trained numbers outside LoRA matrices, after checking that a layer is adapted. */
  private long trained(String layer, long expected, LoraConfig config) {
    try (var base = AutoModelForCausalLM.fromPretrained(opt350m);
        PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
      long others = 0;
      boolean found = false;
      for (var entry : model.namedParameters().entrySet()) {
        found |= entry.getKey().contains(layer + ".lora_A.default.weight");
        if (entry.getValue().requiresGrad() && !entry.getKey().contains(".lora_")) {
          others += entry.getValue().numel();
        }
      }
      assertTrue(found, layer);
      assertEquals(expected, others);
      return others;
    }
  }

  @Test
  void qlora() {
    LoraConfig loraConfig =
        LoraConfig.builder().r(4).loraAlpha(8).taskType(TaskType.CAUSAL_LM).build();
    try (CausalLM model =
            AutoModelForCausalLM.fromPretrained(
                opt350m,
                o ->
                    o.quantizationConfig(
                        BitsAndBytesConfig.builder()
                            .loadIn4bit(true)
                            .bnb4bitQuantType(QuantType.NF4)
                            .bnb4bitComputeDtype(DType.BFLOAT16)
                            .build()));
        PeftModelForCausalLM qlora =
            Peft.getPeftModel(Peft.prepareModelForKbitTraining(model), loraConfig)) {
      assertTrue(model.isLoadedIn4bit());
      assertTrue(qlora.trainableParameters().trainable() > 0);
    }
  }
}
