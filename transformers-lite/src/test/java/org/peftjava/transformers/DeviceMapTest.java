package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.Device;
import org.peftjava.torch.runtime.NativeRuntime;

/** Python's forms of device_map. */
class DeviceMapTest {
  private static final List<String> NAMES =
      List.of("model.layers.0.weight", "model.layers.1.weight", "lm_head.weight");

  @Test
  void formsOfPythonAreRead() {
    assertEquals(Device.CPU, DeviceMap.parse("cpu").device(NAMES));
    Device automatic = NativeRuntime.cudaAvailable() ? Device.cuda(0) : Device.CPU;
    assertEquals(automatic, DeviceMap.parse("auto").device(NAMES));
    assertEquals(Device.CPU, DeviceMap.parse(Map.of("", "cpu")).device(NAMES));
    assertEquals(
        Device.CPU, DeviceMap.parse(Map.of("model", "cpu", "lm_head", "cpu")).device(NAMES));
    assertEquals(Map.of("", Device.cuda(1)), DeviceMap.parse("cuda:1").devices());
    assertEquals(Map.of("", Device.cuda(2)), DeviceMap.parse("2").devices());
  }

  @ParameterizedTest
  @CsvSource({
    "balanced, spreads a model over several devices",
    "sequential, spreads a model over several devices",
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
    assertProblem(
        "does not give any device for [lm_head.weight]",
        () -> DeviceMap.parse(Map.of("model", "cpu")).device(NAMES));
    assertProblem(
        "does not give any device for [model.layers.1.weight]",
        () -> DeviceMap.parse(Map.of("model.layers.0", "cpu", "lm_head", "cpu")).device(NAMES));
    assertProblem(
        "one device",
        () -> DeviceMap.parse(Map.of("model", "cpu", "lm_head", "cuda:0")).device(NAMES));
    assertProblem("deviceMap names cuda:99", () -> DeviceMap.parse("cuda:99").device(NAMES));
  }

  private static void assertProblem(String part, Runnable action) {
    String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
    assertTrue(message.contains(part), message);
  }
}
