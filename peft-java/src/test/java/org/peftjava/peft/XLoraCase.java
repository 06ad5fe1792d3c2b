package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.peftjava.peft.tuner.xlora.XLoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** One folder golden/xlora*, with its base model open. */
final class XLoraCase implements AutoCloseable {
  private final TensorScope scope = TensorScope.openGraph("x-lora");
  private final Map<String, Tensor> golden;
  private final JsonNode facts;
  private final String name;
  private final CausalLM base;

  XLoraCase(String name) {
    this.name = name;
    golden = Goldens.tensors(name + "/io.safetensors");
    facts = Goldens.json(Goldens.path(name + "/case.json"));
    base = open();
  }

  JsonNode facts() {
    return facts;
  }

  CausalLM base() {
    return base;
  }

  CausalLM open() {
    return AutoModelForCausalLM.fromPretrained(Goldens.path(facts.get("base").textValue()));
  }

  XLoraConfig config() {
    Map<String, Object> values = new LinkedHashMap<>(Goldens.map(facts.get("config")));
    Map<String, String> adapters = new LinkedHashMap<>();
    for (String number : List.of("0", "1", "2")) {
      adapters.put("expert" + number, Goldens.path(name + "/experts/" + number).toString());
    }
    values.put("adapters", adapters);
    values.put("task_type", "CAUSAL_LM");
    return XLoraConfig.of(values);
  }

  /** The adapter with Python's values. */
  PeftModelForCausalLM model() {
    PeftModelForCausalLM model = Peft.getPeftModel(base, config());
    model.eval();
    trained(model).forEach((key, value) -> value.copyFrom(required("param." + key)));
    return model;
  }

  Tensor required(String key) {
    Tensor found = golden.get(key);
    assertNotNull(found, key);
    return found;
  }

  double tolerance(String kind) {
    return facts.at("/tolerances/" + kind).asDouble();
  }

  ModelInput.Builder input() {
    return ModelInput.builder()
        .inputIds(golden.get("in.input_ids"))
        .attentionMask(golden.get("in.attention_mask"));
  }

  Tensor logits(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      return masked(model.forward(input().build()).logits().orElseThrow());
    }
  }

  Tensor loss(CausalLanguageModel model) {
    return model.forward(input().labels(golden.get("in.labels")).build()).loss().orElseThrow();
  }

  private Tensor masked(Tensor logits) {
    return logits.maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  void assertLogits(String key, CausalLanguageModel model) {
    Goldens.assertClose(masked(required(key)), logits(model), tolerance("forward"), key);
  }

  TokenBatch prompts() {
    return TokenBatch.of(
        TunerCase.rowsOf(golden.get("left.input_ids")),
        TunerCase.rowsOf(golden.get("left.attention_mask")));
  }

  @Override
  public void close() {
    base.close();
    scope.close();
  }

  static Map<String, Parameter> trained(PeftModel model) {
    Map<String, Parameter> result = new TreeMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  Set<String> below(String prefix) {
    return golden.keySet().stream()
        .filter(key -> key.startsWith(prefix))
        .map(key -> key.substring(prefix.length()))
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
