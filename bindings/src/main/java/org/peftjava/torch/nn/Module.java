package org.peftjava.torch.nn;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;

/**
 * A node of the module tree: named parameters, buffers and children, in order of registration.
 *
 * <p>The names, joined by dots, are the keys of checkpoint files and equal Python's to the letter.
 * A module owns its parameters and closes them; a parameter or child that sits in the tree twice is
 * counted, moved and closed once.
 */
public abstract class Module implements AutoCloseable {
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();
  private final Map<String, Parameter> buffers = new LinkedHashMap<>();
  private final Map<String, Slot<?>> children = new LinkedHashMap<>();
  private boolean training = true;
  private @Nullable Device inputDevice;

  /** For subclasses. */
  protected Module() {}

  /** Registers a parameter. */
  protected final Parameter register(String name, Parameter parameter) {
    checkName(name);
    parameters.put(name, parameter);
    return parameter;
  }

  /**
   * Registers a tensor that is saved but never trained. Unlike other names, a buffer's may have
   * dots: what belongs to a packed weight is saved below it, as "weight.absmax".
   */
  protected final Parameter registerBuffer(String name, Parameter buffer) {
    checkFree(name);
    return putBuffer(name, buffer);
  }

  /** Puts another object where a buffer is. The old one is not closed. */
  protected final void replaceBuffer(String name, Parameter buffer) {
    if (!buffers.containsKey(name)) {
      throw new IllegalArgumentException(
          getClass().getSimpleName()
              + " has no buffer '"
              + name
              + "', only "
              + buffers.keySet()
              + ".");
    }
    putBuffer(name, buffer);
  }

  private Parameter putBuffer(String name, Parameter buffer) {
    buffer.requiresGrad(false);
    buffers.put(name, buffer);
    return buffer;
  }

  /** Registers a child that may later be replaced by any module of type {@code type}. */
  protected final <T> Slot<T> child(String name, Class<T> type, Module module) {
    checkName(name);
    Slot<T> slot = new Slot<>(type, module);
    children.put(name, slot);
    return slot;
  }

  /** Registers a child that is never replaced, and returns it. */
  protected final <M extends Module> M child(String name, M module) {
    checkName(name);
    children.put(name, new Slot<>(Module.class, module));
    return module;
  }

  /** Registers another module's children as this one's, in the same slots. */
  protected final void shareChildren(Module other) {
    other.children.keySet().forEach(this::checkName);
    children.putAll(other.children);
  }

  /**
   * Replaces a parameter's object, for instance to share another module's. The old one is not
   * closed.
   */
  public final void share(String name, Parameter parameter) {
    if (!parameters.containsKey(name)) {
      throw new IllegalArgumentException(
          getClass().getSimpleName()
              + " has no parameter '"
              + name
              + "', only "
              + parameters.keySet()
              + ".");
    }
    shared(name, parameter);
    parameters.put(name, parameter);
  }

  /**
   * Tells a subclass that one of its parameters becomes another object. A class that lets its
   * parameters be shared overrides this and replaces its own reference too.
   */
  protected void shared(String name, Parameter parameter) {
    throw new IllegalArgumentException(
        "A " + getClass().getSimpleName() + " cannot share its parameter '" + name + "'.");
  }

  /** Removes a parameter or buffer without closing it, if it exists. */
  protected final void unregister(String name) {
    parameters.remove(name);
    buffers.remove(name);
  }

  /** Removes a child without closing it, and returns it. */
  protected final Module removeChild(String name) {
    Slot<?> slot = children.remove(name);
    if (slot == null) {
      throw new IllegalArgumentException(
          getClass().getSimpleName()
              + " has no child '"
              + name
              + "', only "
              + children.keySet()
              + ".");
    }
    return slot.module();
  }

  /** The direct child of this name. */
  public final Optional<Module> findChild(String name) {
    return Optional.ofNullable(children.get(name)).map(Slot::module);
  }

  /** Puts another module where a direct child is. The old one is not closed. */
  public final void replaceChild(String name, Module replacement) {
    Slot<?> slot = children.get(name);
    if (slot == null) {
      throw new IllegalArgumentException(
          getClass().getSimpleName()
              + " has no child '"
              + name
              + "', only "
              + children.keySet()
              + ".");
    }
    slot.replace(replacement);
    replacement.train(training);
  }

  /** The direct children, by name. */
  public final Map<String, Module> children() {
    Map<String, Module> result = new LinkedHashMap<>();
    children.forEach((name, slot) -> result.put(name, slot.module()));
    return result;
  }

  /** The parameters of this module itself, by name. */
  public final Map<String, Parameter> ownParameters() {
    return Collections.unmodifiableMap(parameters);
  }

  /** The buffers of this module itself, by name. */
  public final Map<String, Parameter> ownBuffers() {
    return Collections.unmodifiableMap(buffers);
  }

  /**
   * This module ("") and every module below it, by path, parents first, as Python's {@code
   * named_modules}.
   */
  public final Map<String, Module> namedModules() {
    Map<String, Module> result = new LinkedHashMap<>();
    Set<Module> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    walk(
        "",
        (path, module) -> {
          if (seen.add(module)) {
            result.put(path, module);
          }
        });
    return result;
  }

  /** Every parameter by its full name, shared ones once, as Python's {@code named_parameters}. */
  public final Map<String, Parameter> namedParameters() {
    Map<String, Parameter> result = new LinkedHashMap<>();
    Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    walk(
        "",
        (path, module) ->
            module.parameters.forEach(
                (name, parameter) -> {
                  if (seen.add(parameter)) {
                    result.put(join(path, name), parameter);
                  }
                }));
    return result;
  }

  /**
   * Every parameter and buffer by its full name, shared ones under each of their names, as in a
   * checkpoint.
   */
  public final Map<String, Parameter> namedState() {
    Map<String, Parameter> result = new LinkedHashMap<>();
    walk(
        "",
        (path, module) -> {
          module.parameters.forEach((name, value) -> result.put(join(path, name), value));
          module.buffers.forEach((name, value) -> result.put(join(path, name), value));
        });
    return result;
  }

  /** Allocates and fills every parameter and buffer that has no values yet. */
  public final void initialize() {
    namedState().values().forEach(Parameter::initialize);
  }

  /** Converts floating-point parameters and buffers. */
  public final void to(DType type) {
    eachOnce(parameter -> parameter.to(type));
  }

  /** Moves parameters and buffers. */
  public final void to(Device device) {
    eachOnce(parameter -> parameter.to(device));
  }

  /** Moves parameters and buffers to a device by its Python name, such as "cuda:0". */
  public final void to(String device) {
    to(Device.parse(device));
  }

  /** Makes all parameters collect gradients, or stop. */
  public final void requiresGrad(boolean required) {
    namedParameters().values().forEach(parameter -> parameter.requiresGrad(required));
  }

  /** Drops all gradients. */
  public final void zeroGrad() {
    namedParameters().values().forEach(Parameter::zeroGrad);
  }

  /** Switches dropout and the like on or off, here and below. */
  public final void train(boolean on) {
    walk("", (path, module) -> module.training = on);
  }

  /** Switches dropout and the like on. */
  public final void train() {
    train(true);
  }

  /** Switches dropout and the like off. */
  public final void eval() {
    train(false);
  }

  /** Whether dropout and the like are on. */
  public final boolean isTraining() {
    return training;
  }

  /**
   * Where this module computes, if its inputs may be elsewhere and must be brought; null if they
   * are where the module is.
   */
  public final @Nullable Device inputDevice() {
    return inputDevice;
  }

  /** Says where this module's inputs must be brought; null if they never are elsewhere. */
  public final void inputDevice(@Nullable Device device) {
    inputDevice = device;
  }

  /** Frees every parameter and buffer below. */
  @Override
  public void close() {
    eachOnce(Parameter::close);
  }

  /**
   * Calls {@code visitor} with the path and each module, parents first; a module that sits in two
   * places comes twice.
   */
  private void walk(String path, BiConsumer<String, Module> visitor) {
    visitor.accept(path, this);
    children.forEach((name, slot) -> slot.module().walk(join(path, name), visitor));
  }

  private void eachOnce(Consumer<Parameter> action) {
    Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    namedState().values().stream().filter(seen::add).forEach(action);
  }

  private void checkName(String name) {
    if (name.isEmpty() || name.contains(".")) {
      throw new IllegalArgumentException(
          "A module or parameter name must be non-empty and without dots, got '" + name + "'.");
    }
    checkFree(name);
  }

  private void checkFree(String name) {
    if (parameters.containsKey(name) || buffers.containsKey(name) || children.containsKey(name)) {
      throw new IllegalArgumentException(
          getClass().getSimpleName() + " already has a member '" + name + "'.");
    }
  }

  private static String join(String path, String name) {
    return path.isEmpty() ? name : path + "." + name;
  }
}
