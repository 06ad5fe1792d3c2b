package org.peftjava.transformers;

import java.util.Collection;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.runtime.NativeRuntime;

/** Where the weights of one model go, and which of its parts must have their inputs brought. */
final class Placement {
  private final ModelParts parts;
  private final IdentityHashMap<Parameter, Device> devices;
  private final Device home;

  private Placement(ModelParts parts, IdentityHashMap<Parameter, Device> devices) {
    this.parts = parts;
    this.devices = devices;
    home = device(parts.model().backbone().inputEmbeddings().table());
  }

  /**
   * What the options say about a model.
   *
   * @throws IllegalArgumentException if a name is no module, a parameter has no device, a layer is
   *     divided, or there is no such card
   */
  static Placement of(CheckpointModel model, LoadOptions options) {
    int cards = NativeRuntime.cudaDevices();
    checkAvailable(deviceMap(model, options).devices().values(), "deviceMap", cards);
    checkAvailable(options.maxMemory().keySet(), "maxMemory", cards);
    return of(model, options, cards);
  }

  /** The same on a machine with this many cards. */
  static Placement of(CheckpointModel model, LoadOptions options, int cards) {
    ModelParts parts = ModelParts.of(model);
    DeviceMap map = deviceMap(model, options);
    Map<String, Device> byModule =
        map.strategy()
            .map(strategy -> DevicePlan.of(parts, strategy, options.maxMemory(), cards))
            .orElse(map.devices());
    Map<String, Parameter> state = model.module().namedState();
    checkModules(byModule.keySet(), model, state);
    IdentityHashMap<Parameter, Device> devices = new IdentityHashMap<>();
    state.forEach(
        (name, parameter) -> {
          Device device = deviceOf(name, byModule);
          // what a strategy places, it places where a shared weight is already
          Device before = devices.putIfAbsent(parameter, device);
          if (before != null && !before.equals(device) && map.strategy().isEmpty()) {
            throw new IllegalArgumentException(
                "deviceMap puts "
                    + name
                    + " on "
                    + device
                    + ", but it is one weight with another on "
                    + before
                    + ". Give both modules the same device.");
          }
        });
    Placement placement = new Placement(parts, devices);
    placement.checkWhole(state);
    return placement;
  }

  /**
   * As in transformers, a model goes to the default device, and a quantized one to a card where
   * there is one if that is the CPU.
   */
  private static DeviceMap deviceMap(CheckpointModel model, LoadOptions options) {
    boolean packed = QuantizationJson.read(model.config()).isPresent();
    Device usual = Device.defaultDevice();
    return options
        .deviceMap()
        .orElseGet(
            () ->
                packed && usual.equals(Device.CPU) ? DeviceMap.parse("auto") : DeviceMap.of(usual));
  }

  private static void checkAvailable(Collection<Device> devices, String option, int cards) {
    for (Device device : devices) {
      if (device.isCuda() && device.index() >= cards) {
        throw new IllegalArgumentException(
            option
                + " names "
                + device
                + ", but libtorch sees "
                + cards
                + " CUDA cards here. Use \"auto\" or \"cpu\", or check the driver and the native"
                + " library.");
      }
    }
  }

  private static void checkModules(
      Set<String> named, CheckpointModel model, Map<String, Parameter> state) {
    for (String module : named) {
      if (state.keySet().stream().noneMatch(name -> ModelParts.isIn(name, module))) {
        throw new IllegalArgumentException(
            "deviceMap names \""
                + module
                + "\", but the model has no such module. Its modules are "
                + model.module().children().keySet()
                + "; its layers "
                + ModelParts.of(model).movable().keySet().stream().limit(2).toList()
                + " and so on.");
      }
    }
  }

  private static Device deviceOf(String name, Map<String, Device> byModule) {
    return byModule.keySet().stream()
        .filter(module -> ModelParts.isIn(name, module))
        .max(Comparator.comparingInt(String::length))
        .map(module -> Objects.requireNonNull(byModule.get(module)))
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "deviceMap does not give any device for ["
                        + name
                        + "]. Add its module, or \"\"."));
  }

  private void checkWhole(Map<String, Parameter> state) {
    state.forEach(
        (name, parameter) -> {
          String part = parts.partOf(name);
          Device expected = part.isEmpty() ? home : deviceOfPart(part);
          if (!device(parameter).equals(expected)) {
            throw new IllegalArgumentException(
                "deviceMap puts "
                    + name
                    + " on "
                    + device(parameter)
                    + (part.isEmpty()
                        ? ", but the token embedding on "
                            + expected
                            + ". Only layers, what follows them and heads can be elsewhere: "
                            + parts.movable().keySet()
                            + "."
                        : ", but other weights of "
                            + part
                            + " on "
                            + expected
                            + ". Give such a part one device."));
          }
        });
  }

  private Device deviceOfPart(String part) {
    return device(
        Objects.requireNonNull(parts.movable().get(part)).namedState().values().iterator().next());
  }

  /** Where a parameter goes. */
  Device device(Parameter parameter) {
    return Objects.requireNonNull(devices.get(parameter));
  }

  /** Lets the parts have their inputs brought, if they are on several devices. */
  void install() {
    if (new LinkedHashSet<>(devices.values()).size() < 2) {
      return;
    }
    parts.movable().forEach((path, module) -> module.inputDevice(deviceOfPart(path)));
    parts.model().module().inputDevice(home);
  }

  /** The device of each part, "" for the one of the token embedding. */
  Map<String, Device> summary() {
    Map<String, Device> result = new LinkedHashMap<>();
    result.put("", home);
    parts.movable().keySet().forEach(path -> result.put(path, deviceOfPart(path)));
    return result;
  }
}
