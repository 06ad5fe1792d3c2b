package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.AutoPeftModel;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Adapters of models that were given more or fewer tokens here, whose files hold the embeddings,
 * read again: here, and by the real PEFT.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.resized=<folder>} keeps the folder for
 * check_resized.py; what that script said is recorded in src/test/resources/interop/resized.txt.
 */
@ExtendWith(NoLeaks.class)
class ResizedInteropIT {
  private static final Path RECORDED = Path.of("src/test/resources/interop/resized.txt");
  private static final Path TOKENIZER = Golden.ROOT.resolve("resized_adapter/adapter");
  private static final Set<String> TABLES =
      Set.of("embed_tokens", "word_embeddings", "shared", "lm_head");
  private static final long[][] IDS = {{5, 6, 17, 32, 8, 29}, {5, 9, 33, 31, 0, 0}};
  private static final long[][] MASK = {{1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 0, 0}};

  /**
   * One adapter.
   *
   * @param base a golden model with 40 tokens
   * @param tokens how many it is given
   * @param tokenizer whether one of 45 tokens is saved beside the adapter
   * @param asked whether embeddings are saved because {@code saveEmbeddingLayers} says so
   * @param config what is adapted
   */
  private record Case(
      String name,
      String base,
      String task,
      int tokens,
      boolean tokenizer,
      boolean asked,
      UnaryOperator<LoraConfigBuilder> config) {}

  private static final List<Case> CASES =
      List.of(
          new Case(
              "llama_tied",
              "resized_models/llama_tied",
              "CAUSAL_LM",
              45,
              true,
              false,
              c -> c.targetModules("q_proj")),
          new Case(
              "llama_longer",
              "resized_models/llama",
              "CAUSAL_LM",
              45,
              true,
              false,
              c -> c.targetModules("q_proj", "v_proj")),
          new Case(
              "llama_padded",
              "resized_models/llama",
              "CAUSAL_LM",
              48,
              false,
              false,
              c -> c.targetModules("q_proj")),
          new Case(
              "llama_shorter",
              "resized_models/llama",
              "CAUSAL_LM",
              34,
              false,
              false,
              c -> c.targetModules("v_proj")),
          new Case(
              "llama_asked",
              "resized_models/llama",
              "CAUSAL_LM",
              40,
              false,
              true,
              c -> c.targetModules("q_proj")),
          new Case(
              "llama_targeted",
              "resized_models/llama",
              "CAUSAL_LM",
              45,
              true,
              false,
              c -> c.targetModules("embed_tokens")),
          new Case(
              "llama_head",
              "resized_models/llama",
              "CAUSAL_LM",
              45,
              true,
              false,
              c -> c.targetModules("q_proj", "lm_head")),
          new Case(
              "llama_saved",
              "resized_models/llama",
              "CAUSAL_LM",
              45,
              true,
              false,
              c -> c.targetModules("q_proj").modulesToSave("lm_head")),
          new Case(
              "llama_tokens",
              "resized_models/llama",
              "CAUSAL_LM",
              45,
              true,
              false,
              c -> c.targetModules("q_proj").trainableTokenIndices(List.of(41, 44))),
          new Case(
              "gemma2",
              "resized_models/gemma2",
              "CAUSAL_LM",
              45,
              true,
              false,
              c -> c.targetModules("q_proj")),
          new Case(
              "t5",
              "resized_models/t5",
              "SEQ_2_SEQ_LM",
              45,
              true,
              false,
              c -> c.targetModules("q")),
          new Case(
              "t5_untied",
              "resized_models/t5_untied",
              "SEQ_2_SEQ_LM",
              45,
              true,
              false,
              c -> c.targetModules("q", "wo")),
          new Case(
              "bert",
              "prompt_bert_sequence/base",
              "SEQ_CLS",
              45,
              true,
              false,
              c -> c.targetModules("query")),
          new Case(
              "distilbert",
              "resized_models/distilbert",
              "SEQ_CLS",
              45,
              true,
              false,
              c -> c.targetModules("q_lin")));

  static Stream<String> names() {
    return CASES.stream().map(Case::name);
  }

  @ParameterizedTest
  @MethodSource("names")
  void whatJavaWritesJavaReads(String name, @TempDir Path temporary) throws IOException {
    Case it = CASES.stream().filter(one -> one.name().equals(name)).findFirst().orElseThrow();
    String kept = System.getProperty("interop.resized");
    Path folder = kept == null ? temporary : Path.of(kept).toAbsolutePath().resolve(name);
    Randomness.manualSeed(4);
    try (TensorScope scope = TensorScope.open(name);
        GradMode off = GradMode.noGrad()) {
      Tensor written;
      try (PretrainedModel base = base(it)) {
        base.resizeTokenEmbeddings(it.tokens());
        disturb(base.module().namedParameters(), TABLES);
        try (PeftModel adapted = TaskModels.adapted(base, config(it))) {
          adapted.eval();
          disturb(LoraCase.trainable(adapted), Set.of(""));
          written = logits(adapted, it);
          adapted.savePretrained(
              folder,
              options -> {
                if (it.asked()) {
                  options.saveEmbeddingLayers(true);
                }
              });
        }
      }
      if (it.tokenizer()) {
        try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(TOKENIZER)) {
          tokenizer.savePretrained(folder);
        }
      }
      Safetensors.write(
          folder.resolve("expected.safetensors"),
          Map.of("input_ids", ids(it), "attention_mask", Creation.ofLongs(MASK), "logits", written),
          Map.of());
      if (it.tokenizer()) {
        try (PeftModel read = AutoPeftModel.fromPretrained(folder.toString())) {
          Golden.assertClose(written, logits(read, it), 1e-5, name);
        }
      }
      try (PretrainedModel fresh = base(it)) {
        fresh.resizeTokenEmbeddings(it.tokens());
        try (PeftModel read = TaskModels.loaded(fresh, folder, false)) {
          Golden.assertClose(written, logits(read, it), 1e-5, name);
        }
      }
    }
  }

  private static PretrainedModel base(Case it) {
    return TaskModels.base(it.task(), Golden.ROOT.resolve(it.base()));
  }

  private static TunerConfig config(Case it) {
    LoraConfigBuilder config =
        LoraConfig.builder().r(3).loraAlpha(7).taskType(TaskType.valueOf(it.task()));
    return it.config().apply(config).build();
  }

  private static void disturb(Map<String, Parameter> parameters, Set<String> parts) {
    parameters.forEach(
        (name, parameter) -> {
          if (parts.stream().anyMatch(name::contains)) {
            Tensor old = parameter.tensor().detach();
            parameter.copyFrom(old.add(old.copy().uniformInPlace(-0.3, 0.3)));
          }
        });
  }

  /** The last token that there is stands in the first text. */
  private static Tensor ids(Case it) {
    long[][] ids = {IDS[0].clone(), IDS[1]};
    ids[0][3] = it.tokens() - 1L;
    return Creation.ofLongs(ids);
  }

  private static Tensor logits(PeftModel model, Case it) {
    ModelInput.Builder input =
        ModelInput.builder().inputIds(ids(it)).attentionMask(Creation.ofLongs(MASK));
    if (it.task().equals("SEQ_2_SEQ_LM")) {
      input.labels(ids(it)).outputLogits(true);
    }
    return TaskModels.logits((PretrainedModel) model, input.build());
  }

  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(RECORDED);
    for (String line : lines) {
      assertTrue(line.startsWith("ok  "), line);
    }
    assertEquals(
        new TreeSet<>(names().toList()),
        new TreeSet<>(lines.stream().map(line -> line.split(" +", 3)[1]).toList()));
  }
}
