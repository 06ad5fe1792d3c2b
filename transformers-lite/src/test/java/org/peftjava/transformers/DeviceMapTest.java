package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.DeviceMap.Strategy;
import org.peftjava.transformers.config.PretrainedConfig;

/** The forms of Python's {@code device_map}, on models without memory. */
class DeviceMapTest {
  private static final String LAYER = "model.decoder.layers.";
  private static final Device ONE = Device.cuda(1);

  /** Two layers of 2,320 weights each over 1,056 before them, a head of its own. */
  private static CausalLM model(boolean tied) {
    PretrainedConfig config = TinyOpt.config().tieWordEmbeddings(tied).build();
    return AutoModelForCausalLM.withoutWeights(config, DType.FLOAT32);
  }

  private static Map<String, Device> place(
      CausalLM model, int cards, Consumer<LoadOptions.Builder> options) {
    return Placement.of(model, LoadOptions.of(options), cards).summary();
  }

  @Test
  void formsOfPythonAreRead() {
    assertEquals(Map.of("", Device.CPU), DeviceMap.parse("cpu").devices());
    assertEquals(Map.of("", Device.CPU), DeviceMap.parse(Map.of("", "cpu")).devices());
    assertEquals(Map.of("", Device.cuda(1)), DeviceMap.parse("cuda:1").devices());
    assertEquals(Map.of("", Device.cuda(2)), DeviceMap.parse("2").devices());
    assertEquals(Optional.of(Strategy.BALANCED), DeviceMap.parse("auto").strategy());
    assertEquals(
        Optional.of(Strategy.BALANCED_LOW_0), DeviceMap.parse("balanced_low_0").strategy());
    assertEquals(
        Map.of(Device.cuda(0), 10L << 30, Device.CPU, 30_000_000_000L),
        LoadOptions.of(o -> o.maxMemory(Map.of("0", "10GiB", "cpu", "30 GB"))).maxMemory());
  }

  @Test
  void autoIsTheCpuOrTheOnlyCard() {
    try (CausalLM model = model(true)) {
      assertEquals(Device.CPU, place(model, 0, o -> o.deviceMap("auto")).get(""));
      Map<String, Device> one = place(model, 1, o -> o.deviceMap("auto"));
      assertTrue(one.values().stream().allMatch(Device.cuda(0)::equals), one::toString);
    }
  }

  @ParameterizedTest
  @CsvSource({"true, 0", "false, 1"})
  void layersStayWholeAndATiedHeadStaysWithItsEmbedding(boolean tied, int head) {
    Map<String, String> devices = new LinkedHashMap<>();
    devices.put("", "0");
    devices.put(LAYER + "1", "1");
    devices.put("model.decoder.final_layer_norm", "1");
    devices.put("lm_head", Integer.toString(head));
    try (CausalLM model = model(tied)) {
      Map<String, Device> placed = place(model, 2, o -> o.deviceMap(devices));
      Map<String, Device> expected = new LinkedHashMap<>();
      expected.put("", Device.cuda(0));
      expected.put(LAYER + "0", Device.cuda(0));
      expected.put(LAYER + "1", ONE);
      expected.put("model.decoder.final_layer_norm", ONE);
      expected.put("lm_head", Device.cuda(head));
      assertEquals(expected, placed);
    }
  }

  @Test
  void spreadingFillsInOrder() {
    try (CausalLM model = model(false)) {
      Map<String, Device> balanced = place(model, 2, o -> o.deviceMap("auto"));
      assertEquals(Device.cuda(0), balanced.get(LAYER + "0"));
      assertEquals(ONE, balanced.get("lm_head"));
      Map<String, Device> sequential =
          place(
              model,
              2,
              o -> {
                Map<String, String> sizes = new LinkedHashMap<>();
                sizes.put("0", "16KB");
                sizes.put("cpu", "1GB");
                o.deviceMap("sequential").maxMemory(sizes);
              });
      assertEquals(Device.cuda(0), sequential.get(""));
      assertEquals(Device.cuda(0), sequential.get(LAYER + "0"));
      assertEquals(Device.CPU, sequential.get(LAYER + "1"));
      assertEquals(Device.CPU, sequential.get("lm_head"));
      Map<String, Device> low = place(model, 2, o -> o.deviceMap("balanced_low_0"));
      assertEquals(Device.cuda(0), low.get(""));
      assertEquals(ONE, low.get(LAYER + "0"));
    }
    try (CausalLM model = model(true)) {
      assertEquals(Device.cuda(0), place(model, 2, o -> o.deviceMap("auto")).get("lm_head"));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "disk, on the cpu or on a CUDA card",
    "meta, on the cpu or on a CUDA card",
    "gpu, Unknown device type"
  })
  void otherWordsAreExplained(String text, String problem) {
    assertProblem(problem, () -> DeviceMap.parse(text));
  }

  @Test
  void mapsThatDoNotWorkAreExplained() {
    assertProblem("deviceMap is empty", () -> DeviceMap.parse(Map.of()));
    try (CausalLM model = model(true)) {
      assertMap(model, "does not give any device for [lm_head.weight]", Map.of("model", "cpu"));
      assertMap(
          model,
          "deviceMap names \"model.layers.0\", but the model has no such module. Its modules are"
              + " [model, lm_head]; its layers ["
              + LAYER
              + "0, "
              + LAYER
              + "1] and so on.",
          Map.of("", "cpu", "model.layers.0", "0"));
      assertMap(model, "it is one weight with another on cpu", Map.of("", "cpu", "lm_head", "0"));
      assertMap(
          model,
          "but other weights of " + LAYER + "0 on cpu. Give such a part one device.",
          Map.of("", "cpu", LAYER + "0.fc2", "0"));
      assertMap(
          model,
          "deviceMap puts model.decoder.embed_positions.weight on cuda:0, but the token embedding"
              + " on cpu. Only layers, what follows them and heads can be elsewhere",
          Map.of("", "cpu", "model.decoder.embed_positions", "0"));
      assertProblem(
          "has no room for \"" + LAYER + "0\"",
          () -> place(model, 1, o -> o.deviceMap("auto").maxMemory(Map.of("0", "8KB"))));
      assertProblem(
          "Say with maxMemory how much", () -> place(model, 2, o -> o.deviceMap("sequential")));
      int cards = NativeRuntime.cudaDevices();
      assertProblem(
          "deviceMap names cuda:99, but libtorch sees " + cards + " CUDA cards here",
          () -> Placement.of(model, LoadOptions.of(o -> o.deviceMap("cuda:99"))));
      assertProblem(
          "maxMemory names cuda:99",
          () ->
              Placement.of(
                  model, LoadOptions.of(o -> o.deviceMap("auto").maxMemory(Map.of("99", "1GB")))));
    }
    assertProblem(
        "maxMemory is \"much\"; expected a number",
        () -> LoadOptions.builder().maxMemory(Map.of("0", "much")));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            AutoModelForCausalLM.fromPretrained(
                Path.of("src/test/resources"), o -> o.deviceMap(Map.of("x", "mars"))));
  }

  private static void assertMap(CausalLM model, String part, Map<String, String> devices) {
    assertProblem(part, () -> place(model, 2, o -> o.deviceMap(devices)));
  }

  private static void assertProblem(String part, Runnable action) {
    String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
    assertTrue(message.contains(part), message);
  }
}
