package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.AdapterRows;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.CausalLM;

/**
 * What every tuning method keeps, over all folders golden/tuner_*. The behaviours are those of
 * PEFT's {@code tests/testing_common.py}.
 */
@ExtendWith(LedgerCheck.class)
class TunerContractTest {
  private static final String CASES = "org.peftjava.peft.TunerCase#names";
  private static final String BESIDE = "org.peftjava.peft.TunerCase#besideTheBase";
  private static final String QUANTIZABLE = "org.peftjava.peft.TunerCase#quantizable";
  private static final String OTHER = "other";

  /** Without those of which only one can act. */
  static List<String> mergeableTogether() {
    return TunerCase.mergeable().stream().filter(name -> !name.contains("_tokens")).toList();
  }

  private static TunerConfig config(TunerCase tuner) {
    return PeftConfig.fromPretrained(tuner.adapter()).with("inference_mode", false);
  }

  /** Fresh values that no other adapter has. */
  private static void disturb(PeftModel model, String adapter, long seed) {
    Randomness.manualSeed(seed);
    try (TensorScope scope = TensorScope.open("disturb")) {
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (parameter.requiresGrad() && name.contains(adapter)) {
                  Tensor noise = parameter.tensor().detach().copy().uniformInPlace(-0.2, 0.2);
                  parameter.copyFrom(parameter.tensor().detach().add(noise));
                }
              });
    }
  }

  private static Map<String, float[]> values(Module module, boolean trained) {
    Map<String, float[]> result = new LinkedHashMap<>();
    module
        .namedState()
        .forEach(
            (name, parameter) -> {
              if (parameter.dtype().isFloatingPoint() && parameter.requiresGrad() == trained) {
                result.put(name, parameter.tensor().toFloats());
              }
            });
    return result;
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void aFreshAdapterHasNoEffectWhereTheMethodSaysSo(String name) {
    try (TunerCase tuner = new TunerCase(name)) {
      Tensor plain = tuner.logits(tuner.base());
      try (PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config(tuner))) {
        model.eval();
        double gap = TinyOpt.gap(plain, tuner.logits(model));
        assertEquals(
            tuner.facts().get("startsWithoutEffect").asBoolean(), gap < 1e-5, "gap " + gap);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BESIDE)
  void nothingOfADeletedAdapterStays(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      Set<String> before = Set.copyOf(model.namedState().keySet());
      model.loadAdapter(tuner.adapter(), options -> options.adapterName("second"));
      model.deleteAdapter("second");
      assertEquals(before, model.namedState().keySet());
      model.loadAdapter(tuner.adapter(), options -> options.adapterName("second"));
      model.setAdapter("second");
      model.eval();
      Goldens.assertClose(tuner.expected("adapter.logits"), tuner.logits(model), 1e-4, name);
    }
  }

  @ParameterizedTest
  @MethodSource(BESIDE)
  void disablingAndUnloadingRestoreTheBaseBitForBit(String name) {
    try (TunerCase tuner = new TunerCase(name)) {
      float[] plain = tuner.logits(tuner.base()).toFloats();
      PeftModelForCausalLM model = tuner.load();
      float[] adapted = tuner.logits(model).toFloats();
      assertFalse(Arrays.equals(plain, adapted), "the adapter acts");
      assertArrayEquals(plain, model.withoutAdapter(() -> tuner.logits(model)).toFloats());
      assertArrayEquals(adapted, tuner.logits(model).toFloats(), "enabled again");
      model.unload();
      assertArrayEquals(plain, tuner.logits(tuner.base()).toFloats());
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void savedAndLoadedItIsTheSame(String name, @TempDir Path folder) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config(tuner));
        CausalLM second = tuner.openBase()) {
      model.eval();
      disturb(model, "default", 11);
      float[] expected = tuner.logits(model).toFloats();
      model.savePretrained(folder);
      try (PeftModelForCausalLM loaded = PeftModel.fromPretrained(second, folder.toString())) {
        assertArrayEquals(expected, tuner.logits(loaded).toFloats());
        assertTrue(loaded.trainableParameters().trainable() == 0, "frozen");
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BESIDE)
  void severalAdaptersDoNotTouchEachOther(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      float[] first = tuner.logits(model).toFloats();
      model.addAdapter(OTHER, config(tuner));
      model.setAdapter(OTHER);
      model.eval();
      disturb(model, OTHER, 12);
      float[] second = tuner.logits(model).toFloats();
      assertFalse(Arrays.equals(first, second), "another adapter");
      model.setAdapter("default");
      assertArrayEquals(first, tuner.logits(model).toFloats());
      assertEquals(List.of("default", OTHER), model.getModelStatus().availableAdapters());
      model.deleteAdapter("default");
      assertArrayEquals(second, tuner.logits(model).toFloats(), "the other one acts alone");
      assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default"));
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void trainingChangesOnlyTheAdapter(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      Map<String, float[]> frozen = values(model, false);
      Map<String, float[]> trained = values(model, true);
      Map<String, Parameter> parameters = new LinkedHashMap<>(model.namedParameters());
      parameters.values().removeIf(parameter -> !parameter.requiresGrad());
      model.train(true);
      try (AdamW optimizer = new AdamW(parameters, AdamW.Options.defaults())) {
        tuner.loss(model).backward();
        optimizer.step();
        optimizer.zeroGrad();
      }
      values(model, false)
          .forEach(
              (key, value) ->
                  assertEquals(!tuner.moves(key), Arrays.equals(frozen.get(key), value), key));
      values(model, true)
          .forEach(
              (key, value) ->
                  assertEquals(
                      tuner.isWithoutGradient(key), Arrays.equals(trained.get(key), value), key));
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void checkpointingGivesTheSameGradients(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      model.train(true);
      Randomness.manualSeed(14); // some methods draw numbers while training
      Map<String, float[]> plain = gradients(tuner, model);
      model.gradientCheckpointing(true);
      Randomness.manualSeed(14);
      gradients(tuner, model)
          .forEach((key, value) -> assertArrayEquals(plain.get(key), value, 1e-5f, key));
    }
  }

  private static Map<String, float[]> gradients(TunerCase tuner, PeftModelForCausalLM model) {
    Map<String, float[]> result = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.openGraph("gradients")) {
      tuner.loss(model).backward();
    }
    try (TensorScope scope = TensorScope.open("read gradients")) {
      model
          .namedParameters()
          .forEach(
              (key, parameter) -> {
                if (parameter.requiresGrad() && !tuner.isWithoutGradient(key)) {
                  result.put(key, parameter.tensor().grad().orElseThrow().toFloats());
                }
              });
    }
    model.zeroGrad();
    assertFalse(result.isEmpty());
    return result;
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void over16BitWeightsTheAdapterHasPythonsType(String name) {
    try (TunerCase tuner = new TunerCase(name)) {
      Tensor expected = tuner.expected("adapter.logits");
      tuner.base().to(DType.BFLOAT16);
      try (PeftModelForCausalLM model = tuner.load()) {
        boolean wide = tuner.facts().path("float32Over16Bit").asBoolean(true);
        model
            .namedParameters()
            .forEach(
                (key, parameter) -> {
                  if (parameter.requiresGrad()) {
                    assertEquals(
                        wide && !tuner.isNarrow(key) ? DType.FLOAT32 : DType.BFLOAT16,
                        parameter.dtype(),
                        key);
                  }
                });
        Tensor logits = tuner.logits(model);
        assertEquals(DType.BFLOAT16, logits.dtype());
        double size = expected.abs().max().toDouble();
        double gap = TinyOpt.gap(expected, logits.to(DType.FLOAT32));
        double allowed = tuner.facts().path("bitsOfBase").asBoolean() ? size : 0.1 * size;
        assertTrue(gap < allowed, "gap " + gap + " of " + size);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(QUANTIZABLE)
  void overFourBitWeightsItTrains(String name) {
    try (TunerCase tuner = new TunerCase(name)) {
      BitsAndBytesConfig.builder()
          .loadIn4bit(true)
          .bnb4bitQuantType(QuantType.NF4)
          .build()
          .applyTo(tuner.base());
      float[] plain = tuner.logits(tuner.base()).toFloats();
      try (PeftModelForCausalLM model = tuner.load()) {
        assertFalse(Arrays.equals(plain, tuner.logits(model).toFloats()));
        model.train(true);
        gradients(tuner, model)
            .forEach(
                (key, value) -> {
                  for (float element : value) {
                    assertTrue(Float.isFinite(element), key);
                  }
                });
        model.eval();
        float[] without = model.withoutAdapter(() -> tuner.logits(model)).toFloats();
        assertEquals(!tuner.changesBase(), Arrays.equals(plain, without));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void statusKnowsTheAdapter(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      ModelStatus status = model.getModelStatus();
      assertEquals(List.of("default"), status.activeAdapters());
      assertEquals(config(tuner).peftType(), status.peftTypes().get("default"));
      assertEquals(
          tuner.facts().get("targetedModules").size(), model.getLayerStatus().size(), "layers");
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void eachRowCanHaveItsOwnAdapter(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      model.addAdapter(OTHER, config(tuner));
      model.setAdapter(OTHER);
      model.eval();
      disturb(model, OTHER, 13);
      Map<String, Tensor> alone = new LinkedHashMap<>();
      alone.put(OTHER, tuner.logits(model));
      model.setAdapter("default");
      alone.put("default", tuner.logits(model));
      alone.put(AdapterRows.BASE, model.withoutAdapter(() -> tuner.logits(model)));
      if (!mixesBatches(model)) {
        List<String> names = List.of("default", OTHER);
        assertThrows(
            UnsupportedOperationException.class, () -> model.withAdapterNames(names, () -> names));
        return;
      }
      for (String first : alone.keySet()) {
        for (String second : alone.keySet()) {
          Tensor mixed = model.withAdapterNames(List.of(first, second), () -> tuner.logits(model));
          assertArrayEquals(row(alone, first, 0), mixed.select(0, 0).toFloats(), 2e-5f, first);
          assertArrayEquals(row(alone, second, 1), mixed.select(0, 1).toFloats(), 2e-5f, second);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("mergeableTogether")
  void twoMergedAdaptersComeOutAgain(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      model.addAdapter(OTHER, config(tuner));
      model.setAdapter(OTHER);
      model.eval();
      disturb(model, OTHER, 15);
      Tensor second = tuner.logits(model);
      model.setAdapter("default");
      Tensor first = tuner.logits(model);
      float[] plain = model.withoutAdapter(() -> tuner.logits(model)).toFloats();
      model.mergeAdapter(o -> o.adapterNames("default", OTHER));
      model.unmergeAdapter();
      double tolerance = 8 * tuner.tolerance("forward");
      Goldens.assertClose(first, tuner.logits(model), tolerance, "first");
      assertArrayEquals(
          plain, model.withoutAdapter(() -> tuner.logits(model)).toFloats(), 1e-4f, "base");
      model.setAdapter(OTHER);
      Goldens.assertClose(second, tuner.logits(model), tolerance, "second");
    }
  }

  private static float[] row(Map<String, Tensor> logits, String adapter, int row) {
    return Objects.requireNonNull(logits.get(adapter)).select(0, row).toFloats();
  }

  private static boolean mixesBatches(PeftModel model) {
    List<LayerAdapter> adapters =
        model.tuned().layers().values().stream()
            .flatMap(layer -> layer.adapters().values().stream())
            .toList();
    return !adapters.isEmpty() && adapters.stream().allMatch(LayerAdapter::mixesBatches);
  }
}
