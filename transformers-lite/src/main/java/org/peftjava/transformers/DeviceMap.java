package org.peftjava.transformers;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.Device;

/**
 * Which device each part of a model goes to, in the forms of Python's {@code device_map}: "auto"
 * and the other words for spreading a model, a device, or module names with devices.
 *
 * <p>Whole layers, what follows them, and heads can be on different devices; hidden states are
 * brought to where the next layer is, and results to where the token embedding is. What is on the
 * CPU is computed there. Moving weights out to the disk is not supported.
 *
 * @param devices module name to device; "" stands for the whole model
 * @param strategy how the model is spread, in place of {@code devices}
 */
public record DeviceMap(Map<String, Device> devices, Optional<Strategy> strategy) {
  /** How a model is spread over the CUDA cards, and the CPU where {@code maxMemory} names it. */
  public enum Strategy {
    /** About as much on each card. */
    BALANCED,
    /** The same, but as little as possible on the first card. */
    BALANCED_LOW_0,
    /** Each card full before the next. */
    SEQUENTIAL
  }

  /** Keeps a copy. */
  public DeviceMap {
    devices = Collections.unmodifiableMap(new LinkedHashMap<>(devices));
  }

  /** The whole model on one device. */
  public static DeviceMap of(Device device) {
    return new DeviceMap(Map.of("", device), Optional.empty());
  }

  /**
   * Reads "auto" or "balanced" (all CUDA cards alike; the CPU if there is none), "balanced_low_0",
   * "sequential", "cpu", "cuda", "cuda:1" or a card's number.
   */
  public static DeviceMap parse(String text) {
    return switch (text) {
      case "auto" -> new DeviceMap(Map.of(), Optional.of(Strategy.BALANCED));
      case "balanced", "balanced_low_0", "sequential" ->
          new DeviceMap(Map.of(), Optional.of(Strategy.valueOf(text.toUpperCase(Locale.ROOT))));
      default -> of(device(text, "deviceMap"));
    };
  }

  /**
   * Reads module names with devices, as in {@code {"model.decoder": "cuda:0", "lm_head":
   * "cuda:0"}}. The longest name that fits counts.
   */
  public static DeviceMap parse(Map<String, String> devices) {
    if (devices.isEmpty()) {
      throw new IllegalArgumentException(
          "deviceMap is empty. Use {\"\": \"cpu\"} for the whole model on the CPU.");
    }
    Map<String, Device> parsed = new LinkedHashMap<>();
    devices.forEach((module, name) -> parsed.put(module, device(name, "deviceMap")));
    return new DeviceMap(parsed, Optional.empty());
  }

  /** Reads the device of an option. */
  static Device device(String text, String option) {
    if (text.equals("disk") || text.equals("meta")) {
      throw new IllegalArgumentException(
          option + " names \"" + text + "\"; weights can be on the cpu or on a CUDA card only.");
    }
    return text.matches("\\d{1,3}") ? Device.cuda(Integer.parseInt(text)) : Device.parse(text);
  }
}
