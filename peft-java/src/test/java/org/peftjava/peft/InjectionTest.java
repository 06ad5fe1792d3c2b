package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.LayerWrapper;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfig;
import org.peftjava.peft.tuner.vera.VeraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StateDict;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.CausalLM;

/** Adapters in the layers of a plain module: golden/injected. */
@ExtendWith(LedgerCheck.class)
class InjectionTest {
  private static final JsonNode FACTS = Goldens.json(Goldens.path("injected/case.json"));
  private static final LoraConfig FIRST = lora(3, 7, "emb", "lin");
  private static final LoraConfig SECOND = lora(2, 5, "lin", "conv");
  private static final String B = "b";

  private TensorScope scope;
  private Map<String, Tensor> golden;
  private CustomLayers model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors("injected/io.safetensors");
    model = new CustomLayers();
    model.to(Device.defaultDevice());
    StateDict.load(model, below("base."), StateDict.Mode.COPY);
    model.eval();
  }

  @AfterEach
  void close() {
    model.close();
    scope.close();
  }

  private static LoraConfig lora(int r, int alpha, String... targets) {
    return LoraConfig.builder().r(r).loraAlpha(alpha).targetModules(targets).build();
  }

  private Map<String, Tensor> below(String prefix) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    golden.forEach(
        (key, value) -> {
          if (key.startsWith(prefix)) {
            result.put(key.substring(prefix.length()), value);
          }
        });
    return result;
  }

  private void assertOutput(String state) {
    Goldens.assertClose(
        golden.get(state + ".output"), model.forward(golden.get("in.input_ids")), 1e-5, state);
  }

  private Set<String> trained() {
    Set<String> result = new TreeSet<>();
    model
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              if (parameter.requiresGrad()) {
                result.add(name);
              }
            });
    return result;
  }

  private static Set<String> trained(String state) {
    return new TreeSet<>(Goldens.texts(FACTS.path(state).path("trained")));
  }

  private void injectFirst() {
    assertSame(model, Peft.injectAdapterInModel(FIRST, model));
    LoadReport report = Peft.setPeftModelStateDict(model, below("state.default."));
    assertTrue(report.isClean(), report::toString);
  }

  private void injectBoth() {
    injectFirst();
    Peft.injectAdapterInModel(SECOND, model, B);
    Peft.setPeftModelStateDict(model, below("state.b."), options -> options.adapterName(B));
  }

  @Test
  void theModuleComputesWhatPythonsDoes() {
    injectFirst();
    assertOutput("first");
    assertEquals(trained("first"), trained());
    Map<String, Tensor> state = Peft.getPeftModelStateDict(model);
    Map<String, Tensor> expected = below("state.default.");
    assertEquals(new TreeSet<>(expected.keySet()), new TreeSet<>(state.keySet()));
    expected.forEach((key, value) -> Goldens.assertClose(value, state.get(key), 0, key));
  }

  @Test
  void aSecondAdapterActsAlone() {
    injectBoth();
    assertOutput("second");
    Set<String> expected = trained("second"); // Python leaves the waiting adapter trainable
    expected.removeIf(name -> name.contains("default"));
    assertEquals(expected, trained());
    Functional.setAdapter(model, "default", B);
    assertOutput("both");
    assertEquals(trained("both"), trained());
    Functional.setRequiresGrad(model, List.of("default"), false);
    assertEquals(trained("b_trained"), trained());
    Functional.setAdapter(model, List.of("default"), true);
    assertEquals(trained("inference"), trained());
    assertOutput("first");
  }

  @Test
  void keysOfAStateDictSayWhatIsAdapted() {
    JsonNode facts = FACTS.path("by_state_dict");
    Peft.injectAdapterInModel(
        FIRST,
        model,
        options ->
            options.stateDict(Set.copyOf(Goldens.texts(facts.path("keys")))).lowCpuMemUsage(true));
    assertEquals(trained("by_state_dict"), trained());
    assertThrows(IllegalStateException.class, () -> model.forward(golden.get("in.input_ids")));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            Peft.injectAdapterInModel(
                SECOND, model, o -> o.adapterName(B).stateDict(Set.of("lin.weight"))));
    assertEquals(List.of("default"), Peft.getModelStatus(model).availableAdapters());
  }

  /** What layers share hangs on the names in the config. */
  @Test
  void keysThatFitTheConfigLeaveItAsItIs() {
    try (TunerCase tuner = new TunerCase("tuner_lily_llama");
        CausalLM plain = tuner.openBase()) {
      Map<String, Tensor> values = new LinkedHashMap<>();
      Goldens.tensors("tuner_lily_llama/adapter/adapter_model.safetensors")
          .forEach((key, value) -> values.put(key.substring("base_model.model.".length()), value));
      TunerConfig lily = PeftConfig.fromPretrained(tuner.adapter());
      Peft.injectAdapterInModel(lily, plain, options -> options.stateDict(values.keySet()));
      Peft.setPeftModelStateDict(plain, values);
      plain.eval();
      Goldens.assertClose(tuner.expected("adapter.logits"), tuner.logits(plain), 1e-4, "injected");
      try (CausalLM other = tuner.openBase();
          PeftModelForCausalLM wrapped = Peft.getPeftModel(other, lily)) {
        assertEquals(
            wrapped.getNbTrainableParameters().trainable(),
            Peft.getModelStatus(plain).trainableParams());
      }
    }
  }

  @Test
  void keysOfLayersThatThePatternLeavesOut() {
    try (TunerCase tuner = new TunerCase("tuner_lily_llama");
        CausalLM plain = tuner.openBase()) {
      LoraConfig config =
          lora(2, 3, "q_proj").toBuilder().layersToTransform(0).layersPattern("layers").build();
      Peft.injectAdapterInModel(
          config,
          plain,
          options -> options.stateDict(Set.of("model.layers.1.self_attn.q_proj.lora_A.weight")));
      assertEquals(
          List.of("model.layers.1.self_attn.q_proj"),
          Peft.getLayerStatus(plain).stream().map(LayerStatus::name).toList());
    }
  }

  @Test
  void deletingTheLastAdapterGivesTheModuleBack() {
    Tensor before = model.forward(golden.get("in.input_ids"));
    Set<String> trainedBefore = trained();
    injectBoth();
    Functional.deleteAdapter(model, "default");
    assertOutput("second");
    Functional.deleteAdapter(model, B);
    assertTrue(model.namedModules().values().stream().noneMatch(LayerWrapper.class::isInstance));
    Goldens.assertClose(before, model.forward(golden.get("in.input_ids")), 0, "base");
    assertEquals(trainedBefore, trained());
    assertThrows(IllegalArgumentException.class, () -> Functional.setAdapter(model, B));
  }

  @Test
  void whatCannotBeInjectedChangesNothing() {
    Set<String> names = Set.copyOf(model.namedState().keySet());
    TunerConfig shared = VeraConfig.builder().r(2).targetModules("lin").build();
    assertRefused(shared, "share weights");
    assertRefused(
        PromptTuningConfig.builder().numVirtualTokens(2).build(), "Use Peft.getPeftModel");
    assertRefused(lora(2, 3, "nowhere"), "nowhere");
    assertEquals(names, Set.copyOf(model.namedState().keySet()));
    assertFalse(trained().isEmpty());
    injectFirst();
    assertRefused(FIRST, "\"default\"");
    assertOutput("first");
  }

  private void assertRefused(TunerConfig config, String part) {
    RuntimeException error =
        assertThrows(
            IllegalArgumentException.class, () -> Peft.injectAdapterInModel(config, model));
    assertTrue(error.getMessage().contains(part), error.getMessage());
  }

  @Test
  void halfPrecisionIsCastOnDemand() {
    model.to(DType.BFLOAT16);
    injectFirst();
    for (Parameter parameter : model.namedParameters().values()) {
      assertEquals(parameter.requiresGrad() ? DType.FLOAT32 : DType.BFLOAT16, parameter.dtype());
    }
  }
}
