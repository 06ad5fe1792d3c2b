package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.JsonSerializer;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.module.SimpleModule;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.RequiresGrad;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;

/** Two adapters on one model beside the real PEFT: logits, gradients, status, files. */
@ExtendWith(NoLeaks.class)
class TwoAdaptersIT {
  private static final ObjectMapper SNAKE_CASE =
      new ObjectMapper()
          .setPropertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .registerModule(
              new SimpleModule()
                  .addSerializer(RequiresGrad.class, new TrainedAsInPython())
                  .addSerializer(Optional.class, new NoneAsInPython()));

  private static final class TrainedAsInPython extends JsonSerializer<RequiresGrad> {
    @Override
    public void serialize(RequiresGrad value, JsonGenerator out, SerializerProvider provider)
        throws IOException {
      if (value == RequiresGrad.IRREGULAR) {
        out.writeString(value.toString());
      } else {
        out.writeBoolean(value == RequiresGrad.TRUE);
      }
    }
  }

  @SuppressWarnings("rawtypes") // there is no class of an Optional of something
  private static final class NoneAsInPython extends JsonSerializer<Optional> {
    @Override
    public void serialize(Optional value, JsonGenerator out, SerializerProvider provider)
        throws IOException {
      out.writeObject(value.isPresent() ? value.get() : null);
    }
  }

  private TensorScope scope;
  private Golden golden;
  private CausalLM base;
  private PeftModelForCausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Golden.open("two_adapters");
    base = AutoModelForCausalLM.fromPretrained(golden.folder("base"));
    model =
        PeftModel.fromPretrained(
            base, golden.folder("adapter"), options -> options.isTrainable(true));
    model.loadAdapter(
        golden.folder("adapter/b"), options -> options.adapterName("b").isTrainable(true));
    model.eval();
  }

  @AfterEach
  void close() {
    model.close();
    base.close();
    scope.close();
  }

  private void assertLogits(String key, CausalLanguageModel language) {
    try (GradMode off = GradMode.noGrad()) {
      golden.assertLogits(key, language, "in", golden.tolerance("forward"));
    }
  }

  /** A record under Python's names, written and read, so that numbers have one type. */
  private static JsonNode tree(Object status) {
    try {
      return SNAKE_CASE.readTree(SNAKE_CASE.writeValueAsString(status));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Compares with get_layer_status and get_model_status, field by field. */
  private void assertStatus(String name) {
    String pythons = Golden.json(golden.folder("status.json")).get(name).toString();
    String device = Device.defaultDevice().type(); // Python's was the CPU
    JsonNode expected = Golden.parsed(pythons.replace("\"cpu\"", "\"" + device + "\""));
    TreeMap<String, JsonNode> expectedLayers = new TreeMap<>();
    for (JsonNode layer : expected.get("layers")) {
      expectedLayers.put(layer.get("name").textValue(), layer);
    }
    TreeMap<String, JsonNode> layers = new TreeMap<>();
    JsonNode actual = tree(model.getLayerStatus());
    actual.forEach(layer -> layers.put(layer.get("name").textValue(), layer));
    assertEquals(expected.get("layers").size(), actual.size());
    assertEquals(expectedLayers, layers, name);
    assertEquals(expected.get("model"), tree(model.getModelStatus()), name);
  }

  @Test
  void switching() {
    try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
      assertLogits("base.logits", model);
      assertLogits("disabled.logits", model);
      assertStatus("disabled");
    }
    assertStatus("two_adapters");
    assertLogits("active.default.logits", model);
    model.setAdapter("b");
    assertStatus("b_active");
    assertLogits("active.b.logits", model);
    model.setAdapter("default", "b");
    assertStatus("both_active");
    assertLogits("active.both.logits", model);
    model.setAdapter("default");
    assertLogits("active.default.logits", model);
  }

  @ParameterizedTest
  @ValueSource(strings = {"default", "b"})
  void gradients(String name) {
    model.setAdapter(name);
    Tensor loss =
        model
            .forward(golden.input("in").labels(golden.get("in.labels")).build())
            .loss()
            .orElseThrow();
    Golden.assertClose(golden.get("loss." + name), loss, golden.tolerance("forward"), "loss");
    loss.backward();
    String prefix = "grad." + name + ".";
    Set<String> expected = new TreeSet<>();
    golden.keys().stream()
        .filter(key -> key.startsWith(prefix))
        .forEach(key -> expected.add(key.substring(prefix.length())));
    Set<String> actual = new TreeSet<>();
    model
        .namedParameters()
        .forEach(
            (key, parameter) ->
                parameter
                    .tensor()
                    .grad()
                    .ifPresent(
                        gradient -> {
                          actual.add(key);
                          Golden.assertClose(
                              golden.get(prefix + key),
                              gradient,
                              golden.tolerance("gradient"),
                              key);
                        }));
    assertEquals(expected, actual);
    model.zeroGrad();
  }

  @Test
  void mergingOneOfTwo() {
    model.mergeAdapter(options -> options.adapterNames("b"));
    assertStatus("b_merged");
    assertLogits("merged_b.logits", model);
    model.unmergeAdapter();
    assertStatus("two_adapters");
    assertLogits("unmerged.logits", model);
  }

  @ParameterizedTest
  @CsvSource({"default, default", "b, b", "both, default b"})
  void mergedAndUnloaded(String name, String adapters) {
    CausalLM plain = model.mergeAndUnload(options -> options.adapterNames(adapters.split(" ")));
    assertLogits("merged_unloaded." + name + ".logits", plain);
    String prefix = "merged." + name + ".weight.";
    long compared =
        golden.keys().stream()
            .filter(key -> key.startsWith(prefix))
            .peek(
                key ->
                    Golden.assertClose(
                        golden.get(key),
                        plain.namedState().get(key.substring(prefix.length())).tensor(),
                        golden.tolerance("forward"),
                        key))
            .count();
    assertEquals(6, compared);
    assertEquals(
        Set.of(),
        plain.namedState().keySet().stream()
            .filter(key -> key.contains("lora"))
            .collect(Collectors.toSet()));
  }

  @Test
  void deleting() {
    model.setAdapter("b");
    model.deleteAdapter("default");
    assertStatus("default_deleted");
    assertLogits("deleted_default.logits", model);
  }

  @Test
  void savedFilesArePythons(@TempDir Path saved) throws IOException {
    model.savePretrained(saved);
    try (Stream<Path> files = Files.walk(saved)) {
      Set<String> names = new TreeSet<>();
      files
          .filter(Files::isRegularFile)
          .forEach(file -> names.add(saved.relativize(file).toString()));
      Set<String> expected = new TreeSet<>();
      golden.facts().get("savedFiles").forEach(file -> expected.add(file.textValue()));
      assertEquals(expected, names);
    }
    for (String folder : new String[] {"", "b"}) {
      String weights = "adapter_model.safetensors";
      assertArrayEquals(
          Files.readAllBytes(golden.folder("adapter").resolve(folder).resolve(weights)),
          Files.readAllBytes(saved.resolve(folder).resolve(weights)));
    }
  }
}
