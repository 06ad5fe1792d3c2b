package org.peftjava.it;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** The golden cases of LoRA on OPT, and a model with the adapter of one of them. */
final class LoraCase {
  static final String BFLOAT16 = "opt_bfloat16";

  static final List<String> FLOAT32 =
      List.of(
          "opt_lora",
          "opt350_lora",
          "opt_rslora_patterns",
          "opt_embedding",
          "opt_bias_all",
          "opt_bias_lora_only",
          "opt_lora_bias",
          "opt_modules_to_save",
          "llama_lora",
          "gpt2_lora");

  static final List<String> ALL = Stream.concat(FLOAT32.stream(), Stream.of(BFLOAT16)).toList();

  /** What is done with a case. */
  interface Work {
    void run(Golden golden, CausalLM base, PeftModelForCausalLM model) throws IOException;
  }

  private LoraCase() {}

  /** Loads base and adapter, the latter trainable, in evaluation mode. */
  static void with(String name, Work work) throws IOException {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      try (CausalLM base = AutoModelForCausalLM.fromPretrained(golden.folder("base"));
          PeftModelForCausalLM model =
              PeftModel.fromPretrained(
                  base, golden.folder("adapter"), options -> options.isTrainable(true))) {
        model.eval();
        work.run(golden, base, model);
      }
    }
  }

  static Tensor loss(Golden golden, PeftModelForCausalLM model) {
    return model
        .forward(golden.input("in").labels(golden.get("in.labels")).build())
        .loss()
        .orElseThrow();
  }

  static Map<String, Parameter> trainable(PeftModel model) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    model
        .namedParameters()
        .forEach(
            (key, parameter) -> {
              if (parameter.requiresGrad()) {
                result.put(key, parameter);
              }
            });
    return result;
  }

  static Set<String> keysBelow(Golden golden, String prefix) {
    Set<String> keys = new TreeSet<>();
    golden.keys().stream()
        .filter(key -> key.startsWith(prefix))
        .forEach(key -> keys.add(key.substring(prefix.length())));
    return keys;
  }
}
