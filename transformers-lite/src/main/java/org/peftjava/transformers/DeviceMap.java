package org.peftjava.transformers;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.torch.Device;
import org.peftjava.torch.runtime.NativeRuntime;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which device each part of a model goes to, in the forms of Python's {@code device_map}: "auto", a
 * device, or module names with devices.
 *
 * <p>All parts must be on one device in this version: a model's layers do not move their input from
 * one device to the next. Moving weights out to the disk is not supported either.
 *
 * @param devices module name to device; "" stands for the whole model
 */
public record DeviceMap(Map<String, Device> devices) {
  private static final Logger LOG = LoggerFactory.getLogger(DeviceMap.class);
  private static final Set<String> STRATEGIES = Set.of("balanced", "balanced_low_0", "sequential");

  /** Keeps a copy. */
  public DeviceMap {
    devices = Collections.unmodifiableMap(new LinkedHashMap<>(devices));
  }

  /** The whole model on one device. */
  public static DeviceMap of(Device device) {
    return new DeviceMap(Map.of("", device));
  }

  /**
   * Reads "auto" (the first CUDA card if there is one, else the CPU), "cpu", "cuda", "cuda:1" or a
   * card's number.
   */
  public static DeviceMap parse(String text) {
    if (text.equals("auto")) {
      return of(NativeRuntime.cudaAvailable() ? Device.cuda(0) : Device.CPU);
    }
    if (STRATEGIES.contains(text)) {
      throw new IllegalArgumentException(
          "deviceMap \""
              + text
              + "\" spreads a model over several devices, which this version does not do. Use"
              + " \"auto\" or one device.");
    }
    return of(device(text));
  }

  /**
   * Reads module names with devices, as in {@code {"model.decoder": "cuda:0", "lm_head":
   * "cuda:0"}}.
   */
  public static DeviceMap parse(Map<String, String> devices) {
    if (devices.isEmpty()) {
      throw new IllegalArgumentException(
          "deviceMap is empty. Use {\"\": \"cpu\"} for the whole model on the CPU.");
    }
    Map<String, Device> parsed = new LinkedHashMap<>();
    devices.forEach((module, name) -> parsed.put(module, device(name)));
    return new DeviceMap(parsed);
  }

  private static Device device(String text) {
    if (text.equals("disk") || text.equals("meta")) {
      throw new IllegalArgumentException(
          "deviceMap names \"" + text + "\"; weights can be on the cpu or on a CUDA card only.");
    }
    return text.matches("\\d{1,3}") ? Device.cuda(Integer.parseInt(text)) : Device.parse(text);
  }

  /**
   * The device of a model with these parameters.
   *
   * @throws IllegalArgumentException if a parameter has no device, the parts are on several
   *     devices, or there is no such card
   */
  Device device(Collection<String> parameters) {
    for (String module : devices.keySet()) {
      if (parameters.stream().noneMatch(name -> isIn(name, module))) {
        LOG.warn("deviceMap names \"{}\", but the model has no such module.", module);
      }
    }
    List<String> without =
        parameters.stream()
            .filter(name -> devices.keySet().stream().noneMatch(module -> isIn(name, module)))
            .limit(3)
            .toList();
    if (!without.isEmpty()) {
      throw new IllegalArgumentException(
          "deviceMap does not give any device for " + without + ". Add their modules, or \"\".");
    }
    Set<Device> used = new LinkedHashSet<>(devices.values());
    if (used.size() > 1) {
      throw new IllegalArgumentException(
          "deviceMap spreads the model over "
              + used
              + ". This version runs a model on one device: give all modules the same.");
    }
    return available(used.iterator().next());
  }

  private static Device available(Device device) {
    if (device.isCuda() && device.index() >= NativeRuntime.cudaDevices()) {
      throw new IllegalArgumentException(
          "deviceMap names "
              + device
              + ", but libtorch sees "
              + NativeRuntime.cudaDevices()
              + " CUDA cards here. Use \"auto\" or \"cpu\", or check the driver and the native"
              + " library.");
    }
    return device;
  }

  private static boolean isIn(String parameter, String module) {
    return module.isEmpty() || parameter.equals(module) || parameter.startsWith(module + ".");
  }
}
