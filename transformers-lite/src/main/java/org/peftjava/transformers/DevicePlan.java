package org.peftjava.transformers;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.DeviceMap.Strategy;

/**
 * Spreads a model over devices: part after part, in order, each device filled before the next one
 * gets anything.
 *
 * <p>Reference: {@code get_balanced_memory} and {@code infer_auto_device_map} of transformers'
 * {@code integrations/accelerate.py}, without room for layers that are moved in from the CPU, since
 * what is on the CPU is computed there.
 */
final class DevicePlan {
  private static final double SLACK = 1.25;

  private final ModelParts parts;
  private final Map<String, Long> sizes = new LinkedHashMap<>();

  private DevicePlan(ModelParts parts) {
    this.parts = parts;
    parts
        .parameters()
        .forEach((path, owned) -> sizes.put(path, owned.stream().mapToLong(this::bytes).sum()));
  }

  private long bytes(Parameter parameter) {
    return parameter.shape().numel() * parameter.dtype().byteSize();
  }

  /**
   * The device of each part, "" for what is not named.
   *
   * @param maxMemory bytes that each device may hold; empty for all CUDA cards without limit
   * @param cards number of CUDA cards
   */
  static Map<String, Device> of(
      ModelParts parts, Strategy strategy, Map<Device, Long> maxMemory, int cards) {
    if (maxMemory.isEmpty() && cards < 2) {
      return Map.of("", cards == 0 ? Device.CPU : Device.cuda(0));
    }
    if (maxMemory.isEmpty() && strategy == Strategy.SEQUENTIAL) {
      throw new IllegalArgumentException(
          "deviceMap \"sequential\" fills one card after the other. Say with maxMemory how much"
              + " each of the "
              + cards
              + " cards may hold.");
    }
    Map<Device, Long> memory = new LinkedHashMap<>(maxMemory);
    if (maxMemory.isEmpty()) {
      IntStream.range(0, cards).forEach(card -> memory.put(Device.cuda(card), Long.MAX_VALUE));
    }
    DevicePlan plan = new DevicePlan(parts);
    if (strategy != Strategy.SEQUENTIAL) {
      plan.balance(memory, strategy == Strategy.BALANCED_LOW_0);
    }
    return plan.fill(memory);
  }

  private long total() {
    return sizes.values().stream().mapToLong(size -> size).sum();
  }

  /** Lowers the limits of all cards but the last one to a fair share and a bit. */
  private void balance(Map<Device, Long> memory, boolean sparesFirst) {
    List<Device> cards = memory.keySet().stream().filter(Device::isCuda).toList();
    if (cards.size() < 2) {
      return;
    }
    long largest = sizes.values().stream().mapToLong(size -> size).max().orElse(0);
    long share =
        total() / (sparesFirst ? cards.size() - 1 : cards.size()) + (long) (SLACK * largest);
    for (Device card : cards.subList(sparesFirst ? 1 : 0, cards.size() - 1)) {
      memory.merge(card, share, Math::min);
    }
    if (sparesFirst) {
      long others =
          cards.stream().skip(1).mapToLong(memory::get).reduce(0, DevicePlan::saturatedSum);
      long needed = Math.max(total() - others, sizes.getOrDefault("", 0L));
      memory.merge(cards.get(0), needed, Math::min);
    }
  }

  private static long saturatedSum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }

  /** A part that shares a weight with an earlier one, as a tied head, goes where that one is. */
  private Map<String, Device> fill(Map<Device, Long> memory) {
    List<Device> devices = new ArrayList<>(memory.keySet());
    Map<String, Device> result = new LinkedHashMap<>();
    IdentityHashMap<Parameter, Device> placed = new IdentityHashMap<>();
    int current = 0;
    long used = 0;
    for (Map.Entry<String, Long> part : sizes.entrySet()) {
      Optional<Device> shared =
          parts.all(part.getKey()).stream()
              .filter(placed::containsKey)
              .findFirst()
              .map(placed::get);
      if (shared.isPresent()) {
        result.put(part.getKey(), shared.get());
        continue;
      }
      while (used + part.getValue() > Objects.requireNonNull(memory.get(devices.get(current)))) {
        current++;
        used = 0;
        if (current == devices.size()) {
          throw new IllegalArgumentException(
              "maxMemory "
                  + memory
                  + " (bytes) has no room for \""
                  + part.getKey()
                  + "\". The model's weights take "
                  + total()
                  + " bytes, "
                  + sizes.get("")
                  + " of them before the first layer, and layers stay whole. Raise the limits, add"
                  + " \"cpu\", or load in a smaller dtype.");
        }
      }
      used += part.getValue();
      Device device = devices.get(current);
      result.put(part.getKey(), device);
      parts.all(part.getKey()).forEach(parameter -> placed.put(parameter, device));
    }
    return result;
  }
}
