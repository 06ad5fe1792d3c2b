package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.adamss.AdamssConfig;
import org.peftjava.peft.tuner.adamss.AdamssMethod;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.SGD;

/** AdaMSS in training, where the least important subspaces go: golden/adamss_schedule. */
@ExtendWith(LedgerCheck.class)
class AdamssTest {
  private static final String CASE = "tuner_adamss";

  private static AdamssConfig config(TunerCase tuner) {
    Map<String, Object> fields =
        new LinkedHashMap<>(PeftConfig.fromPretrained(tuner.adapter()).fields().values());
    fields.putAll(
        Map.of(
            "inference_mode", false,
            "use_asa", true,
            "asa_target_subspaces", 4,
            "init_warmup", 1,
            "final_warmup", 6,
            "mask_interval", 2,
            "asa_schedule_exponent", 1.5));
    return AdamssConfig.of(fields);
  }

  private static PeftModelForCausalLM model(TunerCase tuner) {
    PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config(tuner));
    model.eval();
    Map<String, Parameter> parameters = model.namedParameters();
    tuner
        .golden()
        .forEach(
            (name, value) -> {
              Parameter own = parameters.get(name.replaceFirst("^param\\.", ""));
              if (own != null && name.startsWith("param.")) {
                own.copyFrom(value);
              }
            });
    return model;
  }

  private static Map<String, Parameter> trained(PeftModel model) {
    Map<String, Parameter> result = new TreeMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  private static double step(TunerCase tuner, PeftModelForCausalLM model, SGD optimizer, int step) {
    double result;
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor loss = tuner.loss(model);
      result = loss.toDouble();
      loss.backward();
    }
    optimizer.step();
    model.updateAndAllocate(step);
    model.updateAndAllocate(step); // a second call changes nothing
    optimizer.zeroGrad();
    return result;
  }

  @Test
  void theScheduleIsPythons() {
    JsonNode facts = Goldens.json(Goldens.path("adamss_schedule/case.json"));
    try (TunerCase tuner = new TunerCase(CASE);
        PeftModelForCausalLM model = model(tuner)) {
      SGD optimizer = new SGD(trained(model), SGD.Options.of(0.5));
      for (int step = 0; step < facts.get("losses").size(); step++) {
        double loss = step(tuner, model, optimizer, step);
        assertEquals(facts.get("losses").get(step).doubleValue(), loss, 2e-5, "step " + step);
        assertEquals(
            Goldens.texts(facts.get("active").get(step)),
            List.copyOf(trained(model).keySet()),
            "step " + step);
      }
      optimizer.close();
    }
  }

  @Test
  void trainingGoesOnFromItsState() {
    try (TunerCase tuner = new TunerCase(CASE);
        TunerCase again = new TunerCase(CASE);
        PeftModelForCausalLM first = model(tuner);
        PeftModelForCausalLM second = model(again)) {
      SGD optimizer = new SGD(trained(first), SGD.Options.of(0.5));
      SGD other = new SGD(trained(second), SGD.Options.of(0.5));
      for (int step = 0; step < 4; step++) {
        step(tuner, first, optimizer, step);
      }
      try (TensorScope scope = TensorScope.open("state")) {
        Map<String, Tensor> state = first.tuned().trainings().state();
        assertThrows(
            IllegalArgumentException.class, () -> second.tuned().trainings().load(Map.of()));
        second.tuned().trainings().load(state);
        first
            .namedParameters()
            .forEach(
                (name, value) -> {
                  Parameter own = second.namedParameters().get(name);
                  if (own != null && name.contains("adamss_")) {
                    own.copyFrom(value.tensor().detach());
                  }
                });
      }
      assertEquals(trained(first).keySet(), trained(second).keySet());
      for (int step = 4; step < 7; step++) {
        assertEquals(
            step(tuner, first, optimizer, step), step(again, second, other, step), 1e-6, "" + step);
        assertEquals(trained(first).keySet(), trained(second).keySet());
      }
      assertEquals(6, trained(second).size());
      optimizer.close();
      other.close();
    }
  }

  @Test
  void moreSubspacesThanOutputsAndBadSchedules() {
    AdamssConfig config =
        AdamssConfig.builder()
            .taskType(TaskType.CAUSAL_LM)
            .targetModules("q_proj")
            .r(3)
            .numSubspaces(50)
            .initWeights(false)
            .build();
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), config)) {
      model.eval();
      float[] adapted = opt.logits(model).toFloats();
      assertEquals(2 * 16 * 2, trained(model).size()); // one output each
      model.mergeAdapter();
      assertArrayEquals(adapted, opt.logits(model).toFloats(), 1e-4f);
      String message =
          assertThrows(UnsupportedOperationException.class, () -> model.updateAndAllocate(0))
              .getMessage();
      assertTrue(message.contains("[ADAMSS]"), message);
    }
    List<String> warnings =
        new AdamssMethod().warnings(config, Map.of("fc", new Linear(8, 3, true, DType.FLOAT32)));
    assertTrue(warnings.get(0).contains("not below the outputs of [fc]"), warnings.get(0));
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AdamssConfig.builder().useAsa(true).initWarmup(1000).build())
            .getMessage();
    assertTrue(message.contains("finalWarmup 1000"), message);
    assertFalse(AdamssConfig.of(Map.of("init_weights", false)).initWeights());
  }
}
