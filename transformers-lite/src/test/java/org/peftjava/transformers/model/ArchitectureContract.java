package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import com.google.common.primitives.Floats;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.StepRecorders;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.RepeatingRecorder;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** What every decoder architecture promises, whatever its layers are. */
public abstract class ArchitectureContract {
  private static final long[][] IDS = {
    {2, 5, 6, 17, 8, 29, 3, 11, 14}, {2, 9, 3, 4, 11, 7, 20, 28, 19}
  };
  private static final long[][] RIGHT = {{1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 0, 0, 0}};
  private static final double TOLERANCE = 2e-5;

  private long before;

  /** For subclasses. */
  protected ArchitectureContract() {}

  /** A tiny model's config: 2 layers, 30 tokens, no dropout, windows below 9 tokens. */
  protected abstract PretrainedConfig config(boolean tied);

  @BeforeEach
  final void count() {
    before = TensorLedger.liveTensors();
  }

  @AfterEach
  final void nothingIsLeft() {
    assertEquals(before, TensorLedger.liveTensors(), "live tensors after the test");
  }

  private CausalLM model(boolean tied) {
    Randomness.manualSeed(11);
    CausalLM model = AutoModelForCausalLM.fromConfig(config(tied), DType.FLOAT32);
    // biases and norms away from 0 and 1, so that leaving one out shows
    try (TensorScope scope = TensorScope.open("tiny");
        GradMode off = GradMode.noGrad()) {
      model
          .namedParameters()
          .values()
          .forEach(
              parameter -> {
                long[] sizes = parameter.shape().toArray();
                Tensor values = parameter.tensor();
                values.addInPlace(Creation.randn(DType.FLOAT32, sizes).to(values.device()), 0.2);
              });
    }
    model.eval();
    return model;
  }

  private static Tensor logits(CausalLM model, long[][] ids, long[][] mask) {
    return model.forward(TokenBatch.of(ids, mask)).logits().orElseThrow();
  }

  @Test
  final void whatIsSavedIsLoaded(@TempDir Path folder) {
    for (boolean tied : new boolean[] {false, true}) {
      Path place = folder.resolve(tied ? "tied" : "untied");
      try (CausalLM model = model(tied);
          TensorScope scope = TensorScope.open("test");
          GradMode off = GradMode.noGrad()) {
        assertEquals(tied, model.isTied());
        model.savePretrained(place);
        try (CausalLM loaded = AutoModelForCausalLM.fromPretrained(place)) {
          assertEquals(tied, loaded.isTied());
          assertEquals(
              model.config().json().toJson(),
              loaded
                  .config()
                  .json()
                  .without("architectures")
                  .without("dtype")
                  .without("transformers_version")
                  .toJson());
          assertClose(logits(model, IDS, RIGHT), logits(loaded, IDS, RIGHT), 0);
        }
      }
    }
  }

  @Test
  final void paddingChangesNothing() {
    long[][] alone = {{2, 9, 3, 4, 11, 7}};
    long[][] left = {IDS[0], {1, 1, 1, 2, 9, 3, 4, 11, 7}};
    long[][] leftMask = {RIGHT[0], {0, 0, 0, 1, 1, 1, 1, 1, 1}};
    long[][] ones = {{1, 1, 1, 1, 1, 1}};
    try (CausalLM model = model(false);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor expected = logits(model, alone, ones);
      Tensor right = logits(model, IDS, RIGHT).narrow(0, 1, 1).narrow(1, 0, 6);
      assertClose(expected, right, TOLERANCE);
      assertClose(
          expected, logits(model, left, leftMask).narrow(0, 1, 1).narrow(1, 3, 6), TOLERANCE);
      assertTrue(Double.isFinite(logits(model, IDS, RIGHT).sum().toDouble()));
    }
  }

  /** Also from where the cache grows, and where the text gets longer than windows. */
  @Test
  final void recordedStepsChangeNothing() {
    long[][] left = {{1, 1, 1}, {0, 1, 1}};
    long[][] ids = {{2, 5, 6}, {0, 9, 3}};
    try (CausalLM model = model(false)) {
      for (TokenBatch batch : List.of(TokenBatch.of(ids, left), TokenBatch.of(ids))) {
        List<float[][]> expected = stepLogits(model, batch);
        RepeatingRecorder recorder = new RepeatingRecorder();
        List<float[][]> actual;
        try (CardTensors.Closing standIn = StepRecorders.standIn(model.device(), recorder)) {
          actual = stepLogits(model, batch);
        }
        assertEquals(0, recorder.open());
        assertEquals(model.backbone().takesPlaces() ? 19 - 2 : 0, recorder.replayed());
        try (TensorScope scope = TensorScope.open("compare")) {
          for (int i = 0; i < 19; i++) {
            assertClose(tensor(expected.get(i)), tensor(actual.get(i)), TOLERANCE);
          }
        }
      }
    }
  }

  private static List<float[][]> stepLogits(CausalLM model, TokenBatch batch) {
    return model
        .generateOutput(
            batch,
            g -> g.maxNewTokens(19).eosTokenId().padTokenId(0).outputLogits(true),
            GenerateOptions.NONE)
        .logits();
  }

  private static Tensor tensor(float[][] rows) {
    return Creation.ofFloats(Floats.concat(rows), rows.length, rows[0].length);
  }

  @Test
  final void theCacheChangesNothing() {
    long[][] leftMask = {RIGHT[0], {0, 0, 1, 1, 1, 1, 1, 1, 1}};
    try (CausalLM model = model(true);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      for (long[][] mask : new long[][][] {{RIGHT[0], RIGHT[0]}, leftMask}) {
        Tensor whole = logits(model, IDS, mask).narrow(1, 2, 7);
        Tensor padding = Creation.ofLongs(mask);
        Tensor given = padding.min().toLong() == 0 ? padding : null;
        try (KvCache cache = model.newCache(3)) {
          List<Tensor> pieces = new ArrayList<>();
          for (int[] piece : new int[][] {{0, 4}, {4, 1}, {5, 3}, {8, 1}}) {
            ModelInput.Builder input =
                ModelInput.builder()
                    .inputIds(Creation.ofLongs(IDS).narrow(1, piece[0], piece[1]).contiguous())
                    .past(cache);
            if (given != null) {
              input.attentionMask(given.narrow(1, 0, piece[0] + piece[1]));
            }
            pieces.add(model.forward(input.build()).logits().orElseThrow());
          }
          assertEquals(9, cache.length());
          assertClose(whole, Creation.cat(pieces, 1).narrow(1, 2, 7), TOLERANCE);
        }
      }
    }
  }

  @Test
  final void positionsMayBeGiven() {
    long[][] counted = {{0, 1, 2, 3, 4, 5, 6, 7, 8}, {0, 1, 2, 3, 4, 5, 6, 7, 8}};
    try (CausalLM model = model(false);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      TokenBatch batch = TokenBatch.of(IDS);
      ModelInput input =
          ModelInput.of(batch, Device.CPU).toBuilder()
              .positionIds(Creation.ofLongs(counted))
              .build();
      assertClose(
          model.forward(batch).logits().orElseThrow(),
          model.forward(input).logits().orElseThrow(),
          TOLERANCE);
    }
  }

  @Test
  final void recomputingLayersChangesNoGradient() {
    try (CausalLM model = model(false)) {
      model.train(true);
      Map<String, float[]> plain = gradients(model);
      model.gradientCheckpointing(true);
      Map<String, float[]> recomputed = gradients(model);
      assertTrue(plain.size() > 12, plain.keySet().toString());
      assertEquals(plain.keySet(), recomputed.keySet());
      plain.forEach(
          (name, expected) -> assertArrayEquals(expected, recomputed.get(name), 1e-5f, name));
    }
  }

  private static Map<String, float[]> gradients(CausalLM model) {
    Map<String, float[]> result = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.openGraph("step")) {
      model.forward(TokenBatch.of(IDS, RIGHT).withLabels(IDS)).loss().orElseThrow().backward();
      model
          .namedParameters()
          .forEach(
              (name, parameter) ->
                  parameter.tensor().grad().ifPresent(grad -> result.put(name, grad.toFloats())));
    }
    model.zeroGrad();
    return result;
  }

  @Test
  final void generationNeedsTheLastLogitsOnly() {
    try (CausalLM model = model(true);
        TensorScope scope = TensorScope.open("test")) {
      TokenBatch prompt = TokenBatch.of(new long[][] {{2, 5, 6}});
      long[][] ids =
          model.generate(prompt, g -> g.maxNewTokens(7).eosTokenId().padTokenId(1)).ids();
      try (GradMode off = GradMode.noGrad()) {
        long[][] ones = {new long[9]};
        Arrays.fill(ones[0], 1);
        long[][] seen = {Arrays.copyOf(ids[0], 9)};
        long[] best = logits(model, seen, ones).argmax(-1).toLongs();
        for (int i = 3; i < 10; i++) {
          assertEquals(ids[0][i], best[i - 1], "token " + i);
        }
      }
    }
  }

  /** What a fresh norm's weight is. */
  protected double freshNorm() {
    return 1;
  }

  /** The standard deviation of a fresh matrix: the config's unless the architecture says else. */
  protected double freshStd(String name) {
    return config(false).initialStd();
  }

  @Test
  final void freshWeightsArePythons() {
    Randomness.manualSeed(3);
    try (CausalLM model = AutoModelForCausalLM.fromConfig(config(false), DType.FLOAT32);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                Tensor value = parameter.tensor();
                if (name.endsWith("bias")) {
                  assertEquals(0, value.abs().max().toDouble(), name);
                } else if (parameter.shape().rank() == 1) {
                  assertEquals(freshNorm(), value.min().toDouble(), name);
                  assertEquals(freshNorm(), value.max().toDouble(), name);
                } else {
                  double std = Math.sqrt(value.mul(value).mean().toDouble());
                  assertEquals(freshStd(name), std, 0.2 * freshStd(name), name);
                }
              });
    }
  }

  @Test
  final void aModelWithoutWeightsHasNoMemory() {
    CausalLM model = AutoModelForCausalLM.withoutWeights(config(false), DType.BFLOAT16);
    assertFalse(model.namedParameters().isEmpty());
    assertEquals(before, TensorLedger.liveTensors());
  }

  /** How many modules of the two layers have a name that a role has. */
  protected int modulesNamed(String role) {
    return 2;
  }

  @Test
  final void theRolesNameLayersThatExist() {
    CausalLM model = AutoModelForCausalLM.withoutWeights(config(false), DType.FLOAT32);
    Map<String, Module> modules = model.namedModules();
    ModuleRoles roles = model.architecture().roles();
    List<String> all = new ArrayList<>();
    all.addAll(roles.queryValue());
    all.addAll(roles.attention());
    all.addAll(roles.feedForward());
    all.addAll(roles.feedForwardOutput());
    all.add(roles.inputEmbedding());
    for (String name : all) {
      assertEquals(
          name.equals(roles.inputEmbedding()) ? 1 : modulesNamed(name),
          modules.keySet().stream().filter(path -> path.endsWith("." + name)).count(),
          name);
    }
    assertTrue(modules.containsKey(roles.outputEmbedding()));
  }

  @Test
  final void embeddingsOfAnotherSizeAreExplained() {
    try (CausalLM model = model(false);
        TensorScope scope = TensorScope.open("test")) {
      ModelInput input =
          ModelInput.builder().inputsEmbeds(Creation.randn(DType.FLOAT32, 1, 2, 7)).build();
      String message =
          assertThrows(IllegalArgumentException.class, () -> model.forward(input)).getMessage();
      assertTrue(message.contains("[1, 2, 7]. Expected vectors of size"), message);
    }
  }
}
