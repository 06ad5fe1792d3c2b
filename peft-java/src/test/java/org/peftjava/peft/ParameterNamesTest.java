package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.transformers.CausalLM;

/**
 * Parameters of the base model in an adapter's file whose layers were adapted where it was saved
 * and are not here, or the other way round: golden/opt_bias_all, opt_bias_lora_only.
 */
@ExtendWith(LedgerCheck.class)
class ParameterNamesTest {
  private static final LoraConfig FC1 =
      LoraConfig.builder().r(2).loraAlpha(3).targetModules("fc1").build();

  @Test
  void biasesOfOtherLayersFindTheirPlace(@TempDir Path folder) {
    try (TunerCase tuner = new TunerCase("opt_bias_all");
        PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), FC1, "fc1")) {
      model.loadAdapter(tuner.adapter(), options -> options.adapterName("all"));
      model.setAdapter("all");
      model.eval();
      assertPythons(tuner, model);
      model.savePretrained(folder, options -> options.selectedAdapters("all"));
      try (CausalLM fresh = tuner.openBase();
          PeftModelForCausalLM again =
              PeftModel.fromPretrained(fresh, folder.resolve("all").toString())) {
        assertPythons(tuner, again);
      }
    }
  }

  @Test
  void soDoValuesThatAreSet() {
    try (TunerCase tuner = new TunerCase("opt_bias_all");
        PeftModelForCausalLM loaded = tuner.load();
        CausalLM fresh = tuner.openBase();
        PeftModelForCausalLM model = Peft.getPeftModel(fresh, FC1, "fc1")) {
      model.addAdapter("all", loaded.peftConfig().get("default"));
      assertTrue(
          Peft.setPeftModelStateDict(
                  model, Peft.getPeftModelStateDict(loaded), options -> options.adapterName("all"))
              .isClean());
      model.setAdapter(List.of("all"), false);
      model.eval();
      assertPythons(tuner, model);
    }
  }

  /** Not those of layers that other adapters are in. */
  @Test
  void anAdapterTrainsBiasesOfItsOwnLayers(@TempDir Path folder) {
    try (TunerCase tuner = new TunerCase("opt_bias_lora_only");
        PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), FC1, "fc1")) {
      model.loadAdapter(
          tuner.adapter(), options -> options.adapterName("biases").isTrainable(true));
      model.setAdapter("biases");
      model.eval();
      assertPythons(tuner, model);
      model
          .namedParameters()
          .forEach(
              (name, parameter) ->
                  assertFalse(name.contains(".fc1.") && parameter.requiresGrad(), name));
      model.savePretrained(folder, options -> options.selectedAdapters("biases"));
      try (CausalLM fresh = tuner.openBase();
          PeftModelForCausalLM again =
              PeftModel.fromPretrained(fresh, folder.resolve("biases").toString())) {
        assertPythons(tuner, again);
      }
    }
  }

  private static void assertPythons(TunerCase tuner, PeftModelForCausalLM model) {
    Goldens.assertClose(
        tuner.expected("adapter.logits"),
        tuner.logits(model),
        tuner.tolerance("forward"),
        "logits");
  }
}
