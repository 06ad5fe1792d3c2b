package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.AdapterRows;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** Rows with adapters of their own: golden/mixed_batches. */
@ExtendWith(LedgerCheck.class)
class MixedBatchTest {
  private static final String CASE = "mixed_batches/";
  private static final List<String> ROWS =
      Goldens.texts(Goldens.json(Goldens.path(CASE + "case.json")).get("adapterNames"));

  private TensorScope scope;
  private Map<String, Tensor> golden;
  private CausalLM base;
  private PeftModelForCausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors(CASE + "io.safetensors");
    base = AutoModelForCausalLM.fromPretrained(Goldens.path("llama_lora/base"));
    model =
        PeftModel.fromPretrained(
            base, Goldens.path(CASE + "llama"), options -> options.isTrainable(true));
    model.loadAdapter(Goldens.path(CASE + "llama/b"), options -> options.adapterName("b"));
    model.eval();
  }

  @AfterEach
  void close() {
    model.close();
    base.close();
    scope.close();
  }

  /** Some kinds change their rows where they are; rows that do not follow each other are copies. */
  @ParameterizedTest
  @ValueSource(strings = {"use_dora", "lora_bias", "monteclora_config"})
  void rowsThatStandApartAreThoseOfTheirAdapters(String kind) {
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .loraAlpha(3)
            .targetModules("q_proj", "down_proj")
            .taskType(TaskType.CAUSAL_LM)
            .initLoraWeights(false)
            .build()
            .with(kind, kind.endsWith("config") ? Map.of() : true);
    model.addAdapter("other", config);
    model.eval();
    List<String> names = new ArrayList<>();
    for (int i = 0; i < ROWS.size(); i++) {
      names.add(List.of("default", "other", "__base__").get(i % 3));
    }
    assertTrue(names.lastIndexOf("other") > 1, "more than one block of rows");
    Tensor mixed = logits(names);
    for (int i = 0; i < names.size(); i++) {
      Tensor alone = logits(Collections.nCopies(names.size(), names.get(i)));
      Goldens.assertClose(alone.select(0, i), mixed.select(0, i), 1e-5, kind + " in row " + i);
    }
    Tensor base = logits(Collections.nCopies(names.size(), "__base__"));
    assertTrue(TinyOpt.gap(base.select(0, 1), mixed.select(0, 1)) > 1e-2, "the adapter acts");
  }

  private long[][] rows(String key) {
    return TunerCase.rowsOf(golden.get(key));
  }

  private ModelInput.Builder input() {
    return ModelInput.builder()
        .inputIds(golden.get("llama.in.input_ids"))
        .attentionMask(golden.get("llama.in.attention_mask"));
  }

  private Tensor visible(Tensor logits) {
    return logits.maskedFill(golden.get("llama.in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  private Tensor logits(List<String> names) {
    try (GradMode off = GradMode.noGrad()) {
      return visible(
          model
              .forward(input().build(), PassOptions.builder().adapterNames(names).build())
              .logits()
              .orElseThrow());
    }
  }

  private void assertMessage(String part, Class<? extends RuntimeException> kind, Runnable work) {
    String message = assertThrows(kind, work::run).getMessage();
    assertTrue(message.contains(part), message);
  }

  private Consumer<GenerationConfig.Builder> searching(int beams) {
    return g -> g.maxNewTokens(6).doSample(false).numBeams(beams).eosTokenId().padTokenId(1);
  }

  @Test
  void eachRowGetsItsAdapter() {
    Goldens.assertClose(visible(golden.get("llama.logits")), logits(ROWS), 2e-5, "mixed");
    for (String name : List.of("default", "b")) {
      Goldens.assertClose(
          visible(golden.get("llama." + name + ".logits")),
          logits(Collections.nCopies(ROWS.size(), name)),
          2e-5,
          name);
    }
    Tensor plain = visible(base(input().build()));
    assertArrayEquals(
        plain.toFloats(), logits(Collections.nCopies(6, AdapterRows.BASE)).toFloats());
    assertEquals(List.of("default"), model.activeAdapters(), "nothing was activated");
  }

  private static PassOptions named(String name) {
    return PassOptions.builder().adapterNames(name).build();
  }

  /** A server: a stream for each request, each of its own adapter, at once. */
  @Test
  void streamsHaveAdaptersOfTheirOwn() {
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(Goldens.path("tokenizer/fast"))) {
      TokenBatch prompt = TokenBatch.of(new long[][] {{5, 9, 13}});
      List<String> names = List.of("default", "b", AdapterRows.BASE, "b", "default");
      List<Stream<String>> streams =
          names.stream()
              .map(
                  name ->
                      model.generateStream(prompt, searching(1), tokenizer, d -> {}, named(name)))
              .toList();
      Set<String> texts = new HashSet<>();
      for (int i = 0; i < names.size(); i++) {
        TokenIds whole = model.generate(prompt, searching(1), named(names.get(i)));
        String text = tokenizer.decode(whole.from(prompt.length()).get(0));
        try (Stream<String> stream = streams.get(i)) {
          assertEquals(text, stream.collect(Collectors.joining()), names.get(i));
        }
        texts.add(text);
      }
      assertEquals(3, texts.size(), texts::toString);
      assertMessage(
          "Give it the names",
          IllegalStateException.class,
          () ->
              model.withAdapterNames(
                  List.of("b"),
                  () -> model.generateStream(prompt, searching(1), tokenizer, d -> {})));
    }
  }

  private Tensor base(ModelInput input) {
    try (GradMode off = GradMode.noGrad()) {
      return model.withoutAdapter(() -> model.forward(input).logits().orElseThrow());
    }
  }

  @Test
  void lossesAndGradientsAreThoseOfTheRows() {
    Tensor labels = golden.get("llama.in.input_ids");
    ModelInput input = input().labels(labels).build();
    model
        .forward(input, PassOptions.builder().adapterNames(ROWS).build())
        .loss()
        .orElseThrow()
        .backward();
    float[] mixed = gradient("default");
    model.zeroGrad();
    List<String> onlyDefault =
        ROWS.stream().map(name -> name.equals("default") ? name : AdapterRows.BASE).toList();
    model
        .forward(input, PassOptions.builder().adapterNames(onlyDefault).build())
        .loss()
        .orElseThrow()
        .backward();
    assertArrayEquals(gradient("default"), mixed, 1e-5f);
  }

  private float[] gradient(String adapter) {
    String name = "base_model.model.model.layers.0.mlp.down_proj.lora_B." + adapter + ".weight";
    return model.namedParameters().get(name).tensor().grad().orElseThrow().toFloats();
  }

  @Test
  void generationAndBeamsArePythons() {
    TokenBatch prompts = TokenBatch.of(rows("llama.in.input_ids"), rows("llama.in.attention_mask"));
    assertArrayEquals(
        rows("llama.greedy.ids"),
        model
            .generate(prompts, searching(1), PassOptions.builder().adapterNames(ROWS).build())
            .ids());
    assertArrayEquals(
        rows("llama.beams.ids"),
        model
            .generate(prompts, searching(3), PassOptions.builder().adapterNames(ROWS).build())
            .ids());
  }

  @Test
  void anEncoderIsNotGivenBeams() {
    try (Seq2SeqLM t5 = AutoModelForSeq2SeqLM.fromPretrained(Goldens.path(CASE + "t5_base/model"));
        PeftModelForSeq2SeqLM pair =
            PeftModel.fromPretrained(t5, Goldens.path(CASE + "t5").toString())) {
      pair.loadAdapter(Goldens.path(CASE + "t5/b"), options -> options.adapterName("b"));
      TokenBatch prompts = TokenBatch.of(rows("t5.in.input_ids"), rows("t5.in.attention_mask"));
      try (GradMode off = GradMode.noGrad()) {
        ModelInput input =
            ModelInput.builder()
                .inputIds(golden.get("t5.in.input_ids"))
                .attentionMask(golden.get("t5.in.attention_mask"))
                .labels(golden.get("t5.in.labels"))
                .build();
        Goldens.assertClose(
            golden.get("t5.logits"),
            pair.forward(input, PassOptions.builder().adapterNames(ROWS).build())
                .logits()
                .orElseThrow(),
            2e-5,
            "t5 logits");
      }
      for (Map.Entry<String, Integer> search : Map.of("greedy", 1, "beams", 3).entrySet()) {
        assertArrayEquals(
            rows("t5." + search.getKey() + ".ids"),
            pair.generate(
                    prompts,
                    g ->
                        searching(search.getValue())
                            .andThen(h -> h.padTokenId(0).decoderStartTokenId(0))
                            .accept(g),
                    PassOptions.builder().adapterNames(ROWS).build())
                .ids(),
            search.getKey());
      }
    }
  }

  @Test
  void anyModuleCanBeMixed() {
    try (GradMode off = GradMode.noGrad()) {
      Tensor logits =
          model.withAdapterNames(ROWS, () -> model.forward(input().build()).logits().orElseThrow());
      assertArrayEquals(logits(ROWS).toFloats(), visible(logits).toFloats());
    }
  }

  @Test
  void mistakesAreNamedAndChangeNothing() {
    float[] before = logits(ROWS).toFloats();
    assertMessage(
        "1 names for a batch of 6", IllegalArgumentException.class, () -> logits(List.of("b")));
    assertMessage("empty", IllegalArgumentException.class, () -> logits(List.of()));
    List<String> unknown = new ArrayList<>(ROWS);
    unknown.set(2, "nope");
    assertMessage("\"nope\"", IllegalArgumentException.class, () -> logits(unknown));
    model.train(true);
    assertMessage("training mode", IllegalStateException.class, () -> logits(ROWS));
    model.eval();
    model.mergeAdapter();
    assertMessage("unmergeAdapter", IllegalStateException.class, () -> logits(ROWS));
    model.unmergeAdapter();
    assertMessage(
        "while a forward pass runs",
        IllegalStateException.class,
        () -> model.withAdapterNames(ROWS, () -> logits(ROWS)));
    assertMessage(
        "4 rows for the 3 names",
        IllegalStateException.class,
        () ->
            model.withAdapterNames(
                List.of("b", "b", "default"),
                () ->
                    model.forward(
                        input()
                            .inputIds(golden.get("llama.in.input_ids").narrow(0, 0, 4))
                            .attentionMask(null)
                            .build())));
    float[] after = logits(ROWS).toFloats();
    for (int i = 0; i < before.length; i++) {
      assertEquals(before[i], after[i], 1e-5f * (1 + Math.abs(before[i])));
    }
  }
}
