package org.peftjava.torch.nn;

import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * A weight of a module: a tensor that the module owns, and whether it is trained.
 *
 * <p>It has a shape and a type from the start, memory only when values are loaded or initialised,
 * so that a model can be built from its config, counted and then filled from a file without ever
 * being held twice. Modules that share a weight share the parameter object.
 */
public final class Parameter implements AutoCloseable {
  private static final ThreadLocal<Map<Parameter, Tensor>> INSTEAD =
      ThreadLocal.withInitial(IdentityHashMap::new);

  private Shape shape;
  private DType dtype;
  private Init init;
  private boolean requiresGrad;
  private boolean fixedDtype;
  private long encoded;
  private Device home = Device.CPU; // where the values are, were last, or shall be
  private volatile @Nullable Tensor tensor;
  private volatile int standIns; // threads on which other values stand for these

  /** A trainable parameter without memory; {@code init} says how {@link #initialize} fills it. */
  public Parameter(Shape shape, DType dtype, Init init) {
    this.shape = shape;
    this.dtype = dtype;
    this.init = init;
    this.requiresGrad = true;
    encoded = shape.numel();
  }

  /** Sizes. */
  public Shape shape() {
    return shape;
  }

  /** Element type. */
  public DType dtype() {
    return dtype;
  }

  /** Number of elements. */
  public long numel() {
    return shape.numel();
  }

  /** How many numbers the elements stand for: as many, or what {@link #encodes} says. */
  public long represented() {
    return encoded;
  }

  /** Whether values have been loaded or initialised. */
  public boolean isMaterialized() {
    return tensor != null;
  }

  /** The values. Owned by the module: do not close. */
  public Tensor tensor() {
    if (standIns > 0) {
      Tensor instead = INSTEAD.get().get(this);
      if (instead != null) {
        return instead;
      }
    }
    Tensor values = tensor;
    if (values == null) {
      throw new IllegalStateException(
          "A parameter of shape "
              + shape
              + " was used before it had values, or after its model was closed. Load a state dict,"
              + " or call initialize().");
    }
    return values;
  }

  /**
   * The result of {@code work}, within which other values stand for these on this thread, such as
   * the sum of these and a trained change, in whose graph the result is.
   *
   * @param values of the same shape
   */
  public <T> T during(Tensor values, Supplier<T> work) {
    checkShape(values);
    Map<Parameter, Tensor> mine = INSTEAD.get();
    Tensor before = mine.put(this, values);
    countStandIns(1);
    try {
      return work.get();
    } finally {
      countStandIns(-1);
      if (before == null) {
        mine.remove(this);
      } else {
        mine.put(this, before);
      }
    }
  }

  private synchronized void countStandIns(int more) {
    standIns += more;
  }

  /** Says how {@link #initialize} fills this parameter. */
  public void init(Init newInit) {
    init = newInit;
  }

  /**
   * Allocates the memory and fills it, unless there are values already. They are drawn on the CPU.
   */
  public void initialize() {
    draw(Device.CPU);
  }

  /**
   * The same on a device, where the values stay. Those of a card come from its own generator: for
   * large models that is much faster, and a seed gives other values than on the CPU.
   */
  public void initialize(Device device) {
    if (tensor == null) {
      home = device;
      draw(device);
    }
  }

  private void draw(Device device) {
    if (tensor == null) {
      try (TensorScope scope = TensorScope.open("initialize");
          GradMode off = GradMode.noGrad()) {
        Tensor fresh = Creation.empty(dtype, device, shape.toArray());
        init.fill(fresh);
        adopt(fresh.to(home));
      }
    }
  }

  /**
   * Takes over a tensor of the same shape as the new values, without copying; its type becomes the
   * parameter's.
   */
  public void adopt(Tensor values) {
    checkShape(values);
    try (TensorScope scope = TensorScope.open("adopt")) {
      Tensor fresh = values.detach().escape();
      close();
      dtype = fresh.dtype();
      home = fresh.device();
      tensor = fresh;
      applyRequiresGrad();
    }
  }

  /**
   * Takes over a tensor of another shape, such as a table with more rows, as {@link #adopt}; every
   * module that shares this parameter then has it. Not for a code ({@link #encodes}).
   */
  public void resize(Tensor values) {
    if (encoded != shape.numel()) {
      throw new IllegalStateException(
          "A parameter of shape "
              + shape
              + " is a code for "
              + encoded
              + " numbers: it has no size"
              + " of its own.");
    }
    shape = values.shape();
    encoded = shape.numel();
    adopt(values);
  }

  /** Copies values of the same shape into the existing memory, converting their type and device. */
  public void copyFrom(Tensor values) {
    checkShape(values);
    try (GradMode off = GradMode.noGrad()) {
      if (tensor == null) {
        initializeEmpty();
      }
      tensor().copyInPlace(values);
    }
  }

  /**
   * Keeps this parameter out of conversions, for values whose type a format defines. Returns this.
   */
  public Parameter fixDtype() {
    fixedDtype = true;
    return this;
  }

  /**
   * Says that the elements are a code for so many numbers, whatever their type: it is never
   * converted and never trained. Returns this.
   */
  public Parameter encodes(long numbers) {
    encoded = numbers;
    requiresGrad(false);
    return fixDtype();
  }

  /** Converts to another floating-point type; integer parameters and those of fixed type stay. */
  public void to(DType type) {
    if (fixedDtype || !dtype.isFloatingPoint() || dtype == type) {
      return;
    }
    if (tensor == null) {
      dtype = type;
      return;
    }
    try (TensorScope scope = TensorScope.open("to")) {
      adopt(tensor().detach().to(type));
    }
  }

  /** Moves to a device, where values that come later will be. */
  public void to(Device device) {
    if (tensor == null) {
      home = device;
    } else if (!tensor.device().equals(device)) {
      try (TensorScope scope = TensorScope.open("to")) {
        adopt(tensor().detach().to(device));
      }
    }
  }

  /** Whether this parameter collects gradients. */
  public boolean requiresGrad() {
    return requiresGrad && dtype.isFloatingPoint();
  }

  /**
   * Makes this parameter collect gradients, or stop; stopping drops the gradient. While the type is
   * no floating-point one, there are none to collect; nor are there for a code ({@link #encodes}).
   */
  public void requiresGrad(boolean required) {
    requiresGrad = required && encoded == shape.numel();
    applyRequiresGrad();
  }

  /** Drops the gradient and its memory. */
  public void zeroGrad() {
    if (tensor != null) {
      tensor.setGrad(null);
    }
  }

  /** Frees the memory; the parameter can be filled again, on the same device. */
  @Override
  public synchronized void close() {
    Tensor values = tensor;
    if (values != null) {
      tensor = null;
      values.setGrad(null);
      values.close();
    }
  }

  private void checkShape(Tensor values) {
    if (!values.shape().equals(shape)) {
      throw new IllegalArgumentException(
          "A parameter of shape " + shape + " cannot take values of shape " + values.shape() + ".");
    }
  }

  private void initializeEmpty() {
    try (TensorScope scope = TensorScope.open("initialize")) {
      adopt(Creation.empty(dtype, home, shape.toArray()));
    }
  }

  private void applyRequiresGrad() {
    if (tensor != null && tensor.requiresGrad() != requiresGrad()) {
      if (!requiresGrad()) {
        tensor.setGrad(null);
      }
      tensor.requiresGrad(requiresGrad());
    }
  }
}
