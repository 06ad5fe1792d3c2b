package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.InvokedTokens;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Activated LoRA with several adapters and invocations: golden/alora. */
@ExtendWith(LedgerCheck.class)
class ActivatedLoraTest {
  private static final Path ADAPTER = Goldens.path("alora/adapter");

  private static long[] numbers(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }

  /** The adapters over the base. */
  private static final class Case implements AutoCloseable {
    private final TensorScope scope = TensorScope.openGraph("test");
    private final Map<String, Tensor> golden = Goldens.tensors("alora/io.safetensors");
    private final JsonNode facts = Goldens.json(Goldens.path("alora/case.json"));
    private final CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER);
    private final PeftModelForCausalLM model = load();

    private PeftModelForCausalLM load() {
      PeftModelForCausalLM loaded = PeftModel.fromPretrained(base, ADAPTER.toString());
      for (String name : List.of("late", "plain")) {
        loaded.loadAdapter(ADAPTER.resolve(name), options -> options.adapterName(name));
      }
      loaded.eval();
      return loaded;
    }

    @Override
    public void close() {
      model.close();
      base.close();
      scope.close();
    }

    private long[][] ids() {
      return TunerCase.rowsOf(golden.get("ids"));
    }

    private ModelInput input() {
      return ModelInput.builder().inputIds(golden.get("ids")).build();
    }

    private Tensor logits() {
      try (GradMode off = GradMode.noGrad()) {
        return model.forward(input()).logits().orElseThrow();
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"default", "late", "plain"})
  void eachActsFromItsLastInvocationOn(String name) {
    try (Case c = new Case()) {
      List<Long> invocation = c.model.peftConfig().get(name).invocationTokens();
      if (!invocation.isEmpty()) {
        long[] tokens = invocation.stream().mapToLong(Long::longValue).toArray();
        assertArrayEquals(
            numbers(c.facts.at("/offsets/" + name)),
            Arrays.stream(c.ids()).mapToLong(row -> InvokedTokens.offset(row, tokens)).toArray());
      }
      c.model.setAdapter(name);
      c.model.eval();
      Goldens.assertClose(c.golden.get(name + ".logits"), c.logits(), 1e-5, name);
      for (boolean cached : List.of(true, false)) {
        assertArrayEquals(
            TunerCase.rowsOf(c.golden.get(name + ".gen")),
            c.model
                .generate(
                    TokenBatch.of(c.ids()), g -> g.maxNewTokens(6).eosTokenId().useCache(cached))
                .ids());
      }
    }
  }

  @Test
  void rowsHaveTheirOwnAdapters() {
    try (Case c = new Case()) {
      List<String> names = Goldens.texts(c.facts.get("mixed"));
      Tensor mixed;
      try (GradMode off = GradMode.noGrad()) {
        mixed =
            c.model
                .forward(c.input(), PassOptions.builder().adapterNames(names).build())
                .logits()
                .orElseThrow();
      }
      Goldens.assertClose(c.golden.get("mixed.logits"), mixed, 1e-5, "mixed");
      assertArrayEquals(
          TunerCase.rowsOf(c.golden.get("mixed.gen")),
          c.model
              .generate(
                  TokenBatch.of(c.ids()),
                  g -> g.maxNewTokens(6).eosTokenId(),
                  PassOptions.builder().adapterNames(names).build())
              .ids());
    }
  }

  @Test
  void offsetsCanBeGiven() {
    try (Case c = new Case()) {
      Goldens.assertClose(
          c.golden.get("given.logits"),
          c.model.withAloraOffsets(numbers(c.facts.get("given")), c::logits),
          1e-5,
          "given");
      try (GradMode off = GradMode.noGrad()) {
        Goldens.assertClose(
            c.golden.get("given.logits"),
            c.model
                .forward(
                    c.input(),
                    PassOptions.builder().aloraOffsets(numbers(c.facts.get("given"))).build())
                .logits()
                .orElseThrow(),
            1e-5,
            "given as an option");
      }
    }
  }

  @Test
  void beamsAndChunksActAsTheTextDoes() {
    try (Case c = new Case()) {
      long[][] one = {c.ids()[0]};
      long[][] plain =
          c.model
              .generate(TokenBatch.of(one), g -> g.maxNewTokens(5).eosTokenId().numBeams(3))
              .ids();
      long[][] parts =
          c.model
              .generate(
                  TokenBatch.of(one),
                  g -> g.maxNewTokens(5).eosTokenId().numBeams(3).prefillChunkSize(3))
              .ids();
      long[][] uncached =
          c.model
              .generate(
                  TokenBatch.of(one),
                  g -> g.maxNewTokens(5).eosTokenId().numBeams(3).useCache(false))
              .ids();
      assertArrayEquals(plain, parts);
      assertArrayEquals(plain, uncached);
    }
  }

  @Test
  void tokensBeforeTheInvocationAreTheBases() {
    try (Case c = new Case()) {
      Tensor adapted = c.logits();
      Tensor plain = c.model.withoutAdapter(c::logits);
      long first = c.ids()[0].length - numbers(c.facts.at("/offsets/default"))[0];
      assertArrayEquals(
          plain.select(0, 0).narrow(0, 0, first).toFloats(),
          adapted.select(0, 0).narrow(0, 0, first).toFloats());
      assertTrue(TinyOpt.gap(plain.select(0, 0), adapted.select(0, 0)) > 0.05);
    }
  }

  @Test
  void embeddingsAloneHaveNoInvocation() {
    try (Case c = new Case()) {
      Tensor plain = c.model.withoutAdapter(c::logits);
      try (GradMode off = GradMode.noGrad()) {
        Tensor vectors = c.base.backbone().inputEmbeddings().forward(c.golden.get("ids"));
        Tensor logits =
            c.model
                .forward(ModelInput.builder().inputsEmbeds(vectors).build())
                .logits()
                .orElseThrow();
        Goldens.assertClose(plain, logits, 1e-5, "embeddings");
      }
    }
  }

  @Test
  void itCannotBeMergedAndNothingChanges() {
    try (Case c = new Case()) {
      float[] before = c.logits().toFloats();
      assertThrows(UnsupportedOperationException.class, c.model::mergeAdapter);
      assertEquals(List.of(), c.model.getModelStatus().mergedAdapters());
      assertArrayEquals(before, c.logits().toFloats());
      assertThrows(
          IllegalArgumentException.class,
          () -> c.model.addWeightedAdapter(List.of("default", "late"), List.of(1.0, 1.0), "sum"));
      LoraConfig table =
          LoraConfig.builder()
              .targetModules("embed_tokens")
              .taskType(TaskType.CAUSAL_LM)
              .aloraInvocationTokens(List.of(3))
              .build();
      String message =
          assertThrows(IllegalArgumentException.class, () -> c.model.addAdapter("table", table))
              .getMessage();
      assertTrue(message.contains("aloraInvocationTokens"), message);
    }
  }
}
