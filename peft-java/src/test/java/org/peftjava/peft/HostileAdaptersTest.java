package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.checkpoint.Safetensors;

/** Adapters that somebody else made wrong: each says what is wrong, and changes nothing. */
@ExtendWith(LedgerCheck.class)
class HostileAdaptersTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CONFIG = "adapter_config.json";
  private static final String WEIGHTS = "adapter_model.safetensors";
  private static final String QUERY =
      "base_model.model.model.decoder.layers.0.self_attn.q_proj.lora_";
  private static final String TABLE =
      "base_model.model.model.decoder.embed_tokens.trainable_tokens_delta";

  private @TempDir Path folder;

  private Path config(Path from, Path to, Consumer<ObjectNode> change) {
    try {
      Files.createDirectories(to);
      ObjectNode config = Goldens.json(from.resolve(CONFIG)).deepCopy();
      change.accept(config);
      Files.writeString(to.resolve(CONFIG), JSON.writeValueAsString(config));
      return to;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** That the adapter of a case, so changed, is refused with these words. */
  private void refused(
      String name,
      Consumer<ObjectNode> config,
      Consumer<Map<String, Tensor>> weights,
      String... words) {
    try (TunerCase tuner = new TunerCase(name)) {
      float[] plain = tuner.logits(tuner.base()).toFloats();
      List<String> names = List.copyOf(tuner.base().namedState().keySet());
      config(tuner.adapter(), folder, config);
      Map<String, Tensor> values = Goldens.tensors(name + "/adapter/" + WEIGHTS);
      weights.accept(values);
      Safetensors.write(folder.resolve(WEIGHTS), values, Map.of("format", "pt"));
      RuntimeException error =
          assertThrows(
              RuntimeException.class,
              () -> PeftModel.fromPretrained(tuner.base(), folder, options -> {}));
      for (String word : words) {
        assertTrue(String.valueOf(error.getMessage()).contains(word), error.getMessage());
      }
      assertEquals(names, List.copyOf(tuner.base().namedState().keySet()));
      assertArrayEquals(plain, tuner.logits(tuner.base()).toFloats());
    }
  }

  /** Leaves the config as it is. */
  private static void same(ObjectNode config) {
    assertTrue(config.has("peft_type"));
  }

  @Test
  void adaLoraOfAnotherShape() {
    refused(
        "tuner_adalora",
        HostileAdaptersTest::same,
        weights -> weights.put(QUERY + "E", Creation.ones(DType.FLOAT32, 5, 2)),
        QUERY + "E",
        "[5, 2]",
        "[5, 1]");
    refused(
        "tuner_adalora",
        HostileAdaptersTest::same,
        weights -> weights.put(QUERY + "E", Creation.ones(DType.FLOAT32, 5)),
        "[5] in the file");
    refused(
        "tuner_adalora",
        HostileAdaptersTest::same,
        weights -> weights.remove(QUERY + "E"),
        "missing " + QUERY + "E");
  }

  @Test
  void adaLoraOfAbsurdRanks() {
    for (long rank : new long[] {0, -3, 3_000_000_000L}) {
      refused("tuner_adalora", config -> config.put("init_r", rank), weights -> {}, "" + rank);
    }
    for (int rank : new int[] {100_000, 2_000_000_000}) {
      refused(
          "tuner_adalora",
          config -> config.put("init_r", rank),
          weights -> {},
          "init_r says " + rank + ", but the weights are only");
    }
  }

  @Test
  void adaLoraWithARankPatternThatFitsNothing() {
    refused(
        "tuner_adalora",
        config ->
            config.putObject("rank_pattern").putArray("model.decoder.layers.0.nowhere.lora_E"),
        weights -> {},
        "nowhere");
    refused(
        "tuner_adalora",
        config -> {
          ObjectNode pattern = config.putObject("rank_pattern");
          pattern.putArray("model.decoder.layers.0.self_attn.q_proj.lora_E").add(true).add(false);
        },
        weights -> {},
        "rank");
  }

  @Test
  void expressionsThatSearchForEver() {
    String endless = "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)!";
    String[] words = {"(.*)(.*)", "steps"};
    refused("tuner_pissa", config -> config.put("target_modules", endless), w -> {}, words);
    refused("tuner_pissa", config -> config.put("exclude_modules", endless), w -> {}, words);
    for (String field : List.of("rank_pattern", "alpha_pattern")) {
      refused(
          "tuner_pissa", config -> config.putObject(field).put(endless, 3), weights -> {}, words);
    }
    refused(
        "tuner_pissa",
        config -> {
          config.putArray("layers_to_transform").add(0);
          config.putArray("layers_pattern").add(endless);
        },
        weights -> {},
        words);
    refused(
        "tuner_pissa",
        config -> config.put("target_modules", "(((x?){50000}){50000}){50000}"),
        weights -> {},
        "target",
        "repetitions");
    refused(
        "tuner_pissa",
        config -> config.put("target_modules", "(".repeat(50_000) + ")*".repeat(50_000)),
        weights -> {},
        "target",
        "compilation");
  }

  @Test
  void loraOfAbsurdRanks() {
    for (long rank : new long[] {0, -3, 2_000_000_000, 3_000_000_000L}) {
      refused("tuner_pissa", config -> config.put("r", rank), weights -> {}, "" + rank);
    }
    refused(
        "tuner_pissa",
        config -> config.putObject("rank_pattern").put("q_proj", 50_000_000),
        weights -> {},
        "rank_pattern says 50000000");
  }

  @Test
  void absurdSizesOfOtherMethods() {
    refused("tuner_vblora", c -> c.put("num_vectors", 30_000_000), w -> {}, "num_vectors says 3");
    refused("tuner_fourierft", c -> c.put("n_frequency", 9_000_000), w -> {}, "n_frequency says 9");
    refused("tuner_vera", c -> c.put("r", 40_000_000), w -> {}, "r says 40000000");
    refused("tuner_hira", c -> c.put("r", 40_000_000), w -> {}, "r says 40000000");
    refused("tuner_tinylora", c -> c.put("u", 50_000_000), w -> {}, "u says 50000000");
    refused("tuner_unilora", c -> c.put("theta_d_length", 1 << 30), w -> {}, "theta_d_length says");
    refused("tuner_lily", c -> c.put("num_B", 60_000_000), w -> {}, "num_B says 60000000");
    refused("tuner_glora", c -> c.put("r", 40_000_000), w -> {}, "r says 40000000");
    refused("tuner_psoft", c -> c.put("r", 4000), w -> {}, "r 4000 is above");
  }

  @Test
  void tokensOutsideTheVocabulary() {
    for (long token : new long[] {40, -1, 1L << 40}) {
      refused(
          "tuner_tokens",
          config -> config.putArray("token_indices").add(33).add(2).add(5).add(20).add(token),
          weights -> {},
          "" + token);
    }
    refused(
        "tuner_tokens",
        HostileAdaptersTest::same,
        weights -> weights.put(TABLE, Creation.ones(DType.FLOAT32, 4, 16)),
        "[4, 16]",
        "[5, 16]");
    refused(
        "tuner_lora_tokens",
        config -> config.putObject("trainable_token_indices").putArray("embed_tokens").add(4000),
        weights -> {},
        "4000");
  }

  @Test
  void safeMergingFindsWhatIsNoNumber() {
    for (String name : List.of("tuner_adalora", "tuner_tokens", "tuner_pvera", "tuner_hira")) {
      try (TunerCase tuner = new TunerCase(name);
          PeftModelForCausalLM model = tuner.load()) {
        float[] before = tuner.logits(model).toFloats();
        String key =
            model.namedParameters().entrySet().stream()
                .filter(entry -> entry.getValue().requiresGrad())
                .findFirst()
                .orElseThrow()
                .getKey();
        Tensor values = model.namedParameters().get(key).tensor().detach();
        Tensor kept = values.copy();
        values.fillInPlace(Double.NaN);
        RuntimeException error =
            assertThrows(
                RuntimeException.class,
                () -> model.mergeAdapter(options -> options.safeMerge(true)),
                name);
        assertTrue(error.getMessage().contains("NaN"), error.getMessage());
        assertEquals(List.of(), model.getModelStatus().mergedAdapters());
        values.copyInPlace(kept);
        assertArrayEquals(before, tuner.logits(model).toFloats(), name);
      }
    }
  }

  /** Names of X-LoRA's adapters are no paths: its files are in folders of numbers. */
  @Test
  void namesInXLoraLeadNowhere() {
    try (XLoraCase each = new XLoraCase("xlora")) {
      Path inside = folder.resolve("a/b");
      float[] expected;
      List<String> hostile = List.of("../../up", folder.resolve("abs").toString(), "1");
      Map<String, String> adapters = new LinkedHashMap<>();
      int number = 0;
      for (String name : hostile) {
        adapters.put(name, Goldens.path("xlora/experts/" + number++).toString());
      }
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(each.base(), each.config().with("adapters", adapters))) {
        model.eval();
        expected = each.logits(model).toFloats();
        model.savePretrained(inside);
      }
      assertEquals(List.of("a"), names(folder));
      assertEquals(List.of("b"), names(folder.resolve("a")));
      assertEquals(List.of("0", "1", "2", "README.md", CONFIG, WEIGHTS), names(inside));
      try (PeftModelForCausalLM model = PeftModel.fromPretrained(each.base(), inside.toString())) {
        assertArrayEquals(expected, each.logits(model).toFloats());
      }
      // A link or a path of the config is read as any adapter folder: what is none is refused.
      Path moved =
          config(
              inside,
              folder.resolve("moved"),
              c -> {
                ObjectNode other = c.putObject("adapters");
                other.put("x", folder.resolve("a/../../secret").toString());
              });
      copy(inside.resolve(WEIGHTS), moved.resolve(WEIGHTS));
      List<String> before = List.copyOf(each.base().namedState().keySet());
      assertThrows(
          RuntimeException.class, () -> PeftModel.fromPretrained(each.base(), moved.toString()));
      assertEquals(before, List.copyOf(each.base().namedState().keySet()));
    }
  }

  @Test
  void anAdapterOfXLoraOfAnAbsurdRank() {
    try (XLoraCase each = new XLoraCase("xlora")) {
      try (PeftModelForCausalLM model = each.model()) {
        model.savePretrained(folder);
      }
      config(folder.resolve("2"), folder.resolve("2"), config -> config.put("r", 1_000_000_000));
      List<String> before = List.copyOf(each.base().namedState().keySet());
      RuntimeException error =
          assertThrows(
              RuntimeException.class,
              () -> PeftModel.fromPretrained(each.base(), folder.toString()));
      assertTrue(error.getMessage().contains("r says 1000000000"), error.getMessage());
      assertEquals(before, List.copyOf(each.base().namedState().keySet()));
    }
  }

  /** One of the adapters that X-LoRA mixes does not fit. */
  @Test
  void anAdapterOfXLoraOfAnotherShape() {
    try (XLoraCase each = new XLoraCase("xlora")) {
      try (PeftModelForCausalLM model = each.model()) {
        model.savePretrained(folder);
      }
      List<String> before = List.copyOf(each.base().namedState().keySet());
      Map<String, Tensor> weights = Goldens.tensors("xlora/experts/1/" + WEIGHTS);
      String key = weights.keySet().iterator().next();
      weights.put(key, Creation.ones(DType.FLOAT32, 3, 7));
      Safetensors.write(folder.resolve("1").resolve(WEIGHTS), weights, Map.of("format", "pt"));
      RuntimeException error =
          assertThrows(
              RuntimeException.class,
              () -> PeftModel.fromPretrained(each.base(), folder.toString()));
      assertTrue(error.getMessage().contains(key + " has shape [3, 7]"), error.getMessage());
      assertEquals(before, List.copyOf(each.base().namedState().keySet()));
    }
  }

  private static void copy(Path from, Path to) {
    try {
      Files.copy(from, to);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> names(Path path) {
    return Arrays.stream(path.toFile().list()).sorted().toList();
  }
}
