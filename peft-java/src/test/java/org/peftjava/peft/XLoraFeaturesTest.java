package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.xlora.Scalings;
import org.peftjava.peft.tuner.xlora.XLoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.Seq2SeqLM;

/** X-LoRA over a model without head: golden/xlora_features. */
@ExtendWith(LedgerCheck.class)
class XLoraFeaturesTest {
  private static final JsonNode FACTS = Goldens.json(Goldens.path("xlora_features/case.json"));
  private static final double FORWARD = FACTS.at("/tolerances/forward").asDouble();

  private final Map<String, Tensor> golden = new LinkedHashMap<>();

  private static FeatureExtraction base() {
    return AutoModel.fromPretrained(Goldens.path(FACTS.get("base").textValue()));
  }

  private static XLoraConfig config() {
    Map<String, Object> values = new LinkedHashMap<>(Goldens.map(FACTS.get("config")));
    Map<String, String> adapters = new LinkedHashMap<>();
    for (String number : List.of("0", "1")) {
      adapters.put(number, Goldens.path("xlora_features/experts/" + number).toString());
    }
    values.put("adapters", adapters);
    values.put("task_type", "FEATURE_EXTRACTION");
    return XLoraConfig.of(values);
  }

  private Tensor golden(String key) {
    if (golden.isEmpty()) {
      golden.putAll(Goldens.tensors("xlora_features/io.safetensors"));
    }
    return Objects.requireNonNull(golden.get(key), key);
  }

  private Tensor hidden(PeftModelForFeatureExtraction model) {
    return model
        .forward(
            ModelInput.builder()
                .inputIds(golden("in.input_ids"))
                .attentionMask(golden("in.attention_mask"))
                .build())
        .lastHiddenState()
        .orElseThrow();
  }

  private void assertHidden(String key, PeftModelForFeatureExtraction model) {
    try (GradMode off = GradMode.noGrad()) {
      Goldens.assertClose(golden(key), hidden(model), FORWARD, key);
    }
  }

  /** Python's line from -1 to 1 over all numbers. */
  private static Tensor line(Tensor like) {
    float[] values = new float[Math.toIntExact(like.numel())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (-1 + 2.0 * i / (values.length - 1));
    }
    return Creation.ofFloats(values, like.shape().toArray()).to(like.device());
  }

  @Test
  void hiddenStatesGradientsAndFilesArePythons(@TempDir Path folder) {
    try (TensorScope scope = TensorScope.openGraph("test");
        FeatureExtraction base = base();
        FeatureExtraction second = base();
        PeftModelForFeatureExtraction model = Peft.getPeftModel(base, config())) {
      model.eval();
      Map<String, Parameter> trained = XLoraCase.trained(model);
      trained.forEach((key, value) -> value.copyFrom(golden("param." + key)));
      Tensor hidden = hidden(model);
      Goldens.assertClose(golden("hidden"), hidden, FORWARD, "hidden");
      Scalings latest = model.xlora().getLatestScalings().orElseThrow();
      assertArrayEquals(golden("scalings").shape().toArray(), latest.shape());
      assertArrayEquals(golden("scalings").toFloats(), latest.values(), 1e-5f);
      hidden.mul(line(hidden)).sum().div((double) hidden.numel()).backward();
      trained.forEach(
          (key, value) ->
              Goldens.assertClose(
                  golden("grad." + key), value.tensor().grad().orElseThrow(), 1e-4, key));
      model.zeroGrad();
      try (PeftModel.AdapterSwitch scaled = Peft.rescaleAdapterScale(model, 0.4)) {
        assertHidden("rescaled", model);
      }
      try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
        assertHidden("disabled", model);
      }
      model.savePretrained(folder);
      try (PeftModelForFeatureExtraction loaded =
          PeftModel.fromPretrained(second, folder, options -> {})) {
        loaded.eval();
        assertHidden("hidden", loaded);
        assertEquals(0, loaded.trainableParameters().trainable());
      }
    }
  }

  @Test
  void anEncoderDecoderHasNoOneHiddenState() {
    try (Seq2SeqLM pair =
        AutoModelForSeq2SeqLM.fromPretrained(Goldens.path("mixed_batches/t5_base/model"))) {
      XLoraConfig config = config().with("task_type", "SEQ_2_SEQ_LM");
      assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(pair, config).close());
    }
  }
}
