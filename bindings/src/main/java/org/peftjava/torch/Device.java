package org.peftjava.torch;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Where a tensor lives: the CPU or one CUDA card.
 *
 * @param type "cpu", "cuda" or "meta"
 * @param index the card's number; 0 for the CPU
 */
public record Device(String type, int index) {
  /** The CPU. */
  public static final Device CPU = new Device("cpu", 0);

  /** The system property that {@link #defaultDevice} begins with. */
  public static final String PROPERTY = "peftjava.device";

  private static volatile @Nullable Device defaultDevice;

  /** Checks the type. */
  public Device {
    if (!type.equals("cpu") && !type.equals("cuda") && !type.equals("meta")) {
      throw new IllegalArgumentException(
          "Unknown device type '" + type + "'. Expected cpu or cuda.");
    }
    int highest = type.equals("cuda") ? 127 : 0;
    if (index < 0 || index > highest) {
      throw new IllegalArgumentException(
          "Device index must be 0 to " + highest + " for " + type + ", got " + index + ".");
    }
  }

  /** The CUDA card with this number. */
  public static Device cuda(int index) {
    return new Device("cuda", index);
  }

  /** Reads "cpu", "cuda" or "cuda:1". */
  public static Device parse(String name) {
    int colon = name.indexOf(':');
    if (colon < 0) {
      return new Device(name, 0);
    }
    try {
      return new Device(name.substring(0, colon), Integer.parseInt(name.substring(colon + 1)));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "Cannot read device '" + name + "'. Expected cpu, cuda or cuda:<number>.", e);
    }
  }

  /**
   * Where models are made and loaded if nothing else is said: the system property {@code
   * peftjava.device} such as "cuda" or "cuda:1", until {@link #setDefaultDevice} is called; the CPU
   * without either.
   *
   * <p>This is about models and what is added to them only, in all threads. Tensors that {@link
   * Creation} makes are where their call says; models bring their inputs to where they are.
   *
   * <p>Reference: {@code torch.get_default_device}.
   *
   * @throws IllegalArgumentException if the property names no device, or a card that is not there
   */
  public static Device defaultDevice() {
    Device known = defaultDevice;
    if (known == null) {
      known = ofProperty(System.getProperty(PROPERTY, "cpu"));
      defaultDevice = known;
    }
    return known;
  }

  static Device ofProperty(String name) {
    try {
      return parse(name).checked();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "The system property " + PROPERTY + " is \"" + name + "\". " + e.getMessage(), e);
    }
  }

  /**
   * Changes {@link #defaultDevice} for all that is made from now on, as {@code
   * torch.set_default_device} does.
   *
   * @throws IllegalArgumentException if there is no such card; the old default stays
   */
  public static void setDefaultDevice(Device device) {
    defaultDevice = device.checked();
  }

  /** The same by name: "cpu", "cuda", "cuda:1". */
  public static void setDefaultDevice(String name) {
    setDefaultDevice(parse(name));
  }

  private Device checked() {
    if (isCuda() && index >= NativeRuntime.cudaDevices()) {
      throw new IllegalArgumentException(
          "There is no "
              + this
              + ": libtorch sees "
              + NativeRuntime.cudaDevices()
              + " CUDA cards here. Use \"cpu\", or check the driver and the native library.");
    }
    return this;
  }

  /** Whether this is a CUDA card. */
  public boolean isCuda() {
    return type.equals("cuda");
  }

  @Override
  public String toString() {
    return isCuda() ? "cuda:" + index : type;
  }
}
