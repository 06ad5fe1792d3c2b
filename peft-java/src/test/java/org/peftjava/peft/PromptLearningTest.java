package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfigBuilder;
import org.peftjava.peft.tuner.prompttuning.PromptTuningInit;
import org.peftjava.peft.tuner.ptuning.PromptEncoderConfig;
import org.peftjava.peft.tuner.ptuning.PromptEncoderReparameterizationType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/** Life of virtual tokens in a language model: beginnings, several adapters, training, errors. */
@ExtendWith(LedgerCheck.class)
class PromptLearningTest {
  private static final String WEIGHT = "prompt_encoder.default.embedding.weight";

  /** The methods, and how many logits they add in front of the text's. */
  enum Method {
    PROMPT(3),
    PREFIX(0),
    PROJECTED(0),
    MLP(3),
    LSTM(3);

    private final int logits;

    Method(int logits) {
      this.logits = logits;
    }

    PromptLearningConfig config() {
      return switch (this) {
        case PROMPT -> prompt().build();
        case PREFIX -> PrefixTuningConfig.builder().numVirtualTokens(3).build();
        case PROJECTED ->
            PrefixTuningConfig.builder().numVirtualTokens(3).prefixProjection(true).build();
        case MLP -> PromptEncoderConfig.builder().numVirtualTokens(3).build();
        case LSTM ->
            PromptEncoderConfig.builder()
                .numVirtualTokens(3)
                .encoderReparameterizationType(PromptEncoderReparameterizationType.LSTM)
                .encoderDropout(0.1)
                .build();
      };
    }
  }

  private TinyOpt tiny;
  private CausalLM base;

  private static PromptTuningConfigBuilder prompt() {
    return PromptTuningConfig.builder().numVirtualTokens(3).taskType(TaskType.CAUSAL_LM);
  }

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
    base = tiny.base();
  }

  @AfterEach
  void close() {
    tiny.close();
  }

  /** Two rows, the second padded on the right. */
  private static ModelInput.Builder batch() {
    return ModelInput.builder()
        .inputIds(Creation.ofLongs(new long[][] {{2, 5, 6, 17, 8}, {2, 9, 33, 1, 1}}))
        .attentionMask(Creation.ofLongs(new long[][] {{1, 1, 1, 1, 1}, {1, 1, 1, 0, 0}}));
  }

  private static float[] logits(PeftModelForCausalLM model) {
    return model.forward(batch().build()).logits().orElseThrow().toFloats();
  }

  private static Tensor weight(PeftModel model) {
    return model.namedParameters().get(WEIGHT).tensor();
  }

  @ParameterizedTest
  @EnumSource(Method.class)
  void logitsStandBehindThoseOfVirtualTokens(Method method) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
      assertEquals(
          List.of(2L, 5L + method.logits, 40L),
          Arrays.stream(model.forward(batch().build()).logits().orElseThrow().shape().toArray())
              .boxed()
              .toList());
      assertEquals(Set.of("default"), model.peftConfig().keySet());
      assertEquals(Map.of("default", true), model.getModelStatus().requiresGrad());
      assertTrue(
          model.namedParameters().entrySet().stream()
              .allMatch(e -> e.getKey().startsWith("base_model.") ^ e.getValue().requiresGrad()));
    }
  }

  @Test
  void givenEmbeddingsAreAsGoodAsIds() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, prompt().build())) {
      Tensor ids = Creation.ofLongs(new long[][] {{2, 5, 6, 17, 8}, {2, 9, 33, 1, 1}});
      ModelInput given =
          batch().inputsEmbeds(base.backbone().inputEmbeddings().forward(ids)).build();
      assertArrayEquals(logits(model), model.forward(given).logits().orElseThrow().toFloats());
    }
  }

  @Test
  void sampledTokensAreRowsOfTheVocabulary() {
    try (PeftModelForCausalLM model =
        Peft.getPeftModel(
            base,
            prompt()
                .numVirtualTokens(12)
                .promptTuningInit(PromptTuningInit.SAMPLE_VOCAB)
                .build())) {
      float[] table = base.backbone().inputEmbeddings().table().tensor().toFloats();
      float[] sampled = weight(model).toFloats();
      Set<Integer> rows = new TreeSet<>();
      for (int token = 0; token < 12; token++) {
        float[] row = Arrays.copyOfRange(sampled, 16 * token, 16 * (token + 1));
        rows.add(
            IntStream.range(0, 40)
                .filter(id -> Arrays.equals(row, Arrays.copyOfRange(table, 16 * id, 16 * (id + 1))))
                .findFirst()
                .orElseThrow());
      }
      assertTrue(rows.size() > 3, rows::toString);
    }
  }

  private static OptConfig wide(int vocabulary) {
    return OptConfig.builder()
        .vocabSize(vocabulary)
        .hiddenSize(16)
        .ffnDim(32)
        .numHiddenLayers(1)
        .numAttentionHeads(2)
        .build();
  }

  @Test
  void aTextIsRepeatedOrCut() {
    Path tokenizer = Goldens.path("tokenizer_kinds/word_level");
    try (CausalLM wide = AutoModelForCausalLM.fromConfig(wide(147), DType.FLOAT32)) {
      long[] ids;
      try (Tokenizer open = AutoTokenizer.fromPretrained(tokenizer)) {
        ids = open.encode("hello world , hello").inputIds()[0];
      }
      assertTrue(ids.length >= 3, () -> Arrays.toString(ids));
      for (int tokens : new int[] {2, ids.length + 2}) {
        try (PeftModelForCausalLM model =
            Peft.getPeftModel(
                wide,
                prompt()
                    .numVirtualTokens(tokens)
                    .promptTuningInit(PromptTuningInit.TEXT)
                    .promptTuningInitText("hello world , hello")
                    .tokenizerNameOrPath(tokenizer.toString())
                    .build())) {
          long[] expected = new long[tokens];
          Arrays.setAll(expected, i -> ids[i % ids.length]);
          assertArrayEquals(
              wide.backbone()
                  .inputEmbeddings()
                  .forward(Creation.ofLongs(expected, tokens))
                  .toFloats(),
              weight(model).toFloats());
        }
      }
    }
  }

  @Test
  void aPrefixCanStartAsZeros() {
    for (boolean projected : new boolean[] {false, true}) {
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(
              base,
              PrefixTuningConfig.builder()
                  .numVirtualTokens(2)
                  .initWeights("zero")
                  .prefixProjection(projected)
                  .build())) {
        String last = projected ? "prompt_encoder.default.transform.2.bias" : WEIGHT;
        assertEquals(0, model.namedParameters().get(last).tensor().abs().max().toDouble());
      }
    }
  }

  @Test
  void severalAdaptersTakeTurns(@TempDir Path folder) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, prompt().build())) {
      float[] first = logits(model);
      model.addAdapter("other", prompt().numVirtualTokens(2).build());
      assertArrayEquals(first, logits(model), "a new adapter waits");
      model.setAdapter("other");
      float[] second = logits(model);
      assertEquals(2 * 7 * 40, second.length);
      assertFalse(model.namedParameters().get(WEIGHT).requiresGrad());
      assertTrue(
          model.namedParameters().get("prompt_encoder.other.embedding.weight").requiresGrad());
      assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default", "other"));
      model.savePretrained(folder);
      model.deleteAdapter("other");
      assertArrayEquals(first, logits(model), "the first acts again");
      assertFalse(model.namedParameters().containsKey("prompt_encoder.other.embedding.weight"));
      model.loadAdapter(folder.resolve("other"), options -> options.adapterName("again"));
      model.setAdapter("again");
      assertArrayEquals(second, logits(model));
    }
  }

  @ParameterizedTest
  @EnumSource(Method.class)
  void theBaseIsAsItWas(Method method) {
    float[] plain = base.forward(batch().build()).logits().orElseThrow().toFloats();
    Set<String> names = base.namedState().keySet();
    base.requiresGrad(true);
    PeftModelForCausalLM model = Peft.getPeftModel(base, method.config());
    assertFalse(Arrays.equals(plain, logits(model)));
    assertArrayEquals(plain, model.withoutAdapter(() -> logits(model)));
    String message = assertThrows(IllegalStateException.class, model::mergeAdapter).getMessage();
    assertTrue(message.contains("cannot be merged"), message);
    model.close();
    assertArrayEquals(plain, base.forward(batch().build()).logits().orElseThrow().toFloats());
    assertEquals(names, base.namedState().keySet());
    assertTrue(base.namedParameters().values().stream().allMatch(Parameter::requiresGrad));
  }

  /** Sequences in which each token is the one before plus 3. */
  private static Dataset counting() {
    return Dataset.of(
        IntStream.range(0, 24)
            .mapToObj(
                row ->
                    Example.of(
                        IntStream.range(0, 5 + row % 3)
                            .mapToLong(t -> 4 + (row + 3L * t) % 36)
                            .toArray()))
            .toList());
  }

  private static Trainer trainer(
      PeftModelForCausalLM model, Path folder, Consumer<TrainingArguments.Builder> more) {
    TrainingArguments.Builder arguments =
        TrainingArguments.builder()
            .outputDir(folder.toString())
            .maxSteps(8)
            .saveSteps(4)
            .learningRate(0.05)
            .perDeviceTrainBatchSize(6);
    more.accept(arguments);
    return Trainer.builder().model(model).args(arguments.build()).trainDataset(counting()).build();
  }

  @ParameterizedTest
  @EnumSource(Method.class)
  void theTrainerTrainsAndResumes(Method method, @TempDir Path folder) {
    Path checkpoint = folder.resolve("checkpoint-4");
    float[] whole;
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
      List<float[]> frozen =
          base.namedParameters().values().stream().map(p -> p.tensor().toFloats()).toList();
      trainer(model, folder, options -> {}).train();
      assertTrue(Files.isRegularFile(checkpoint.resolve("adapter_model.safetensors")));
      List<float[]> after =
          base.namedParameters().values().stream().map(p -> p.tensor().toFloats()).toList();
      for (int i = 0; i < frozen.size(); i++) {
        assertArrayEquals(frozen.get(i), after.get(i));
      }
      model.eval();
      whole = logits(model);
    }
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
      trainer(model, folder, o -> o.resumeFromCheckpoint(checkpoint)).train();
      model.eval();
      assertArrayEquals(whole, logits(model), 1e-5f);
    }
    try (PeftModelForCausalLM model =
        PeftModel.fromPretrained(
            base, folder.resolve("checkpoint-8"), options -> options.isTrainable(true))) {
      model.eval();
      assertArrayEquals(whole, logits(model));
      assertTrue(model.trainableParameters().trainable() > 0);
    }
  }

  /** Python's files lack the network: training cannot go on, and the model stays as it was. */
  @Test
  void aNetworkThatIsNotThereIsNamed() {
    for (String folder : List.of("prefix_gpt2_projected", "ptuning_gpt2_mlp")) {
      try (CausalLM gpt2 = AutoModelForCausalLM.fromPretrained(Goldens.path(folder + "/base"))) {
        String message =
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        PeftModel.fromPretrained(
                            gpt2,
                            Goldens.path(folder + "/adapter"),
                            options -> options.isTrainable(true)))
                .getMessage();
        assertTrue(message.contains("prompt_encoder.safetensors"), message);
      }
    }
  }

  @Test
  void layersCanBeComputedAgainBehindAPrompt() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, prompt().build())) {
      float[] kept = gradient(model);
      model.gradientCheckpointing(true);
      assertArrayEquals(kept, gradient(model), 1e-6f);
    }
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, Method.PREFIX.config())) {
      String message =
          assertThrows(IllegalStateException.class, () -> gradient(model)).getMessage();
      assertTrue(message.contains("prefix"), message);
    } finally {
      base.gradientCheckpointing(false);
    }
  }

  private static float[] gradient(PeftModelForCausalLM model) {
    model.train(true);
    ModelInput input = batch().build();
    model
        .forward(input.toBuilder().labels(input.inputIds()).build())
        .loss()
        .orElseThrow()
        .backward();
    float[] gradient = weight(model).grad().orElseThrow().toFloats();
    model.zeroGrad();
    return gradient;
  }

  @Test
  void generationLooksAtTheTextAlone() {
    TokenBatch text = TokenBatch.of(new long[][] {{2, 5, 6}});
    for (Method method : Method.values()) {
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
        model.eval();
        long[][] ids = model.generate(text, g -> g.maxNewTokens(5).eosTokenId()).ids();
        assertEquals(8, ids[0].length);
        assertArrayEquals(
            ids,
            model
                .generate(text, g -> g.maxNewTokens(5).eosTokenId().penaltyAlpha(1e-9).topK(2))
                .ids(),
            method + ": contrastive search that prefers the likeliest");
        long[][] longest = model.generate(text, g -> g.maxNewTokens(32 - 3 - 3).eosTokenId()).ids();
        assertEquals(29, longest[0].length);
        assertThrows(
            IllegalArgumentException.class,
            () -> model.generate(text, g -> g.maxNewTokens(32 - 3 - 2).eosTokenId()));
      }
    }
  }

  @Test
  void whatCannotWorkIsRefused() {
    refused("numVirtualTokens must be set", () -> PromptTuningConfig.builder().build());
    refused("tokenDim to 16", () -> prompt().tokenDim(8).build());
    refused("taskType is SEQ_CLS", () -> prompt().taskType(TaskType.SEQ_CLS).build());
    for (Supplier<PromptLearningConfig> wrong :
        List.<Supplier<PromptLearningConfig>>of(
            () -> prompt().numVirtualTokens(0).build(),
            () -> prompt().promptTuningInit(PromptTuningInit.TEXT).build(),
            () -> prompt().tokenizerKwargs(Map.of("use_fast", true)).build(),
            () -> PrefixTuningConfig.builder().initWeights("ones").build(),
            () -> PromptEncoderConfig.builder().encoderDropout(1).build(),
            () -> PromptEncoderConfig.builder().encoderNumLayers(0).build())) {
      assertThrows(IllegalArgumentException.class, wrong::get);
    }
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> Peft.getPeftModel((Module) base, prompt().build()))
            .getMessage();
    assertTrue(message.contains("AutoModel"), message);
    assertEquals(
        0, base.namedModules().keySet().stream().filter(n -> n.contains("prompt")).count());
  }

  private void refused(String reason, Supplier<PromptLearningConfig> config) {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> {
                  try (PeftModelForCausalLM model = Peft.getPeftModel(base, config.get())) {
                    logits(model);
                  }
                })
            .getMessage();
    assertTrue(message.contains(reason), message);
  }

  @Test
  void kindsOfAdaptersDoNotMix() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, prompt().build())) {
      assertThrows(
          IllegalArgumentException.class,
          () -> model.addAdapter("lora", LoraConfig.builder().build()));
      assertThrows(
          IllegalArgumentException.class,
          () -> model.addAdapter("prefix", Method.PREFIX.config()));
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      model.forward(
                          batch().attentionMask(Creation.ofLongs(new long[][] {{1}, {1}})).build()))
              .getMessage();
      assertTrue(message.contains("without the virtual tokens"), message);
      assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
    }
  }
}
